//! From bytes to commands, refusing everything the specification does not allow.

use crate::command::Command;
use crate::error::{DecodeError, Fault};
use crate::{HEADER, op};

/// Iterates over the commands of a stream. After the first error it ends.
///
/// It checks every field and the places of commands; it cannot know ids. A host checks a whole stream
/// ([`Commands::check`]) before it executes anything.
#[derive(Clone, Debug)]
pub struct Commands<'a> {
    stream: &'a [u8],
    offset: usize,
    /// Offset of the open `BEGIN_COMMANDS`.
    commands: Option<usize>,
    /// Number and offset of the command that opened the pass.
    pass: Option<(u16, usize)>,
}

impl<'a> Commands<'a> {
    /// The commands of `stream`.
    pub fn new(stream: &'a [u8]) -> Self {
        Commands { stream, offset: 0, commands: None, pass: None }
    }

    /// Checks the whole stream and returns the number of its commands.
    ///
    /// # Errors
    /// The first malformed command.
    pub fn check(stream: &'a [u8]) -> Result<usize, DecodeError> {
        let mut count = 0;
        for command in Commands::new(stream) {
            command?;
            count += 1;
        }
        Ok(count)
    }

    /// Offset of the next command's first byte.
    pub fn offset(&self) -> usize {
        self.offset
    }

    fn step(&mut self) -> Result<Option<Command<'a>>, DecodeError> {
        let offset = self.offset;
        let rest = self.stream.get(offset..).unwrap_or_default();
        if rest.is_empty() {
            return match (self.pass, self.commands) {
                (Some((op, offset)), _) => Err(DecodeError { op, offset, fault: Fault::Unclosed }),
                (None, Some(offset)) => {
                    Err(DecodeError { op: op::BEGIN_COMMANDS, offset, fault: Fault::Unclosed })
                }
                (None, None) => Ok(None),
            };
        }
        let Some(&[op_low, op_high, flags_low, flags_high, a, b, c, d]) = rest.first_chunk::<HEADER>() else {
            return Err(DecodeError { op: 0, offset, fault: Fault::TruncatedHeader });
        };
        let op = u16::from_le_bytes([op_low, op_high]);
        let refuse = |fault| DecodeError { op, offset, fault };
        if [flags_low, flags_high] != [0, 0] {
            return Err(refuse(Fault::Flags));
        }
        let size = u32::from_le_bytes([a, b, c, d]) as usize;
        if size < HEADER || !size.is_multiple_of(4) {
            return Err(refuse(Fault::Size));
        }
        let bytes = rest.get(..size).ok_or_else(|| refuse(Fault::Size))?;
        let command = Command::decode(op, bytes).map_err(refuse)?;
        self.place(op).map_err(refuse)?;
        self.offset = offset + size;
        Ok(Some(command))
    }

    /// Follows the brackets and refuses what may not stand here.
    fn place(&mut self, op: u16) -> Result<(), Fault> {
        let allowed = match op {
            op::SET_PIPELINE
            | op::SET_BIND_GROUP
            | op::SET_IMMEDIATES
            | op::DISPATCH
            | op::DISPATCH_INDIRECT
            | op::END_PASS => self.pass.is_some(),
            op::COPY_BUFFER
            | op::CLEAR_BUFFER
            | op::COPY_BUFFER_TO_TEXTURE
            | op::COPY_TEXTURE_TO_BUFFER
            | op::COPY_TEXTURE
            | op::RESOLVE_QUERIES
            | op::BEGIN_PASS
            | op::BEGIN_TIMED_PASS
            | op::END_COMMANDS => self.commands.is_some() && self.pass.is_none(),
            op::PUSH_DEBUG_GROUP
            | op::POP_DEBUG_GROUP
            | op::INSERT_DEBUG_MARKER
            | op::WRITE_TIMESTAMP
            | op::INVALIDATE => self.commands.is_some(),
            _ => self.commands.is_none(),
        };
        if !allowed {
            return Err(Fault::Misplaced);
        }
        match op {
            op::BEGIN_COMMANDS => self.commands = Some(self.offset),
            op::END_COMMANDS => self.commands = None,
            op::BEGIN_PASS | op::BEGIN_TIMED_PASS => self.pass = Some((op, self.offset)),
            op::END_PASS => self.pass = None,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<Command<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            // Ends the iteration: nothing is left, no bracket is open.
            *self = Commands::new(&[]);
        }
        step.transpose()
    }
}
