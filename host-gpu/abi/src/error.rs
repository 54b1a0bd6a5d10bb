//! Why a stream or structure was refused.

use crate::op;
use core::fmt;

/// A malformed command stream: what is wrong, in which command, where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Number of the command, 0 when not even its header could be read.
    pub op: u16,
    /// Offset of the command's first byte in the stream.
    pub offset: usize,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a piece of encoded data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Fewer than 8 bytes are left.
    TruncatedHeader,
    /// The number of no command.
    UnknownOp,
    /// The header's flags are not 0.
    Flags,
    /// The header's size is under 8, no multiple of 4, or beyond the stream.
    Size,
    /// The payload ends inside a field.
    Short,
    /// The payload goes on after its last field.
    Trailing,
    /// Padding is not zero.
    Padding,
    /// A text is not UTF-8.
    Text,
    /// A label, message or inline data is longer than allowed.
    TooLong,
    /// An id is 0 where an object is needed.
    ZeroId,
    /// The named field has a value that does not exist.
    Value(&'static str),
    /// The command may not stand here (inside or outside brackets).
    Misplaced,
    /// The stream ends inside a bracket; `op` and `offset` say which.
    Unclosed,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::TruncatedHeader => f.write_str("header is cut short"),
            Fault::UnknownOp => f.write_str("no such command"),
            Fault::Flags => f.write_str("flags are not zero"),
            Fault::Size => f.write_str("size does not fit the stream"),
            Fault::Short => f.write_str("payload ends inside a field"),
            Fault::Trailing => f.write_str("payload goes on after its last field"),
            Fault::Padding => f.write_str("padding is not zero"),
            Fault::Text => f.write_str("text is not UTF-8"),
            Fault::TooLong => f.write_str("field is longer than allowed"),
            Fault::ZeroId => f.write_str("id is zero"),
            Fault::Value(field) => write!(f, "{field} has an unknown value"),
            Fault::Misplaced => f.write_str("command may not stand here"),
            Fault::Unclosed => f.write_str("bracket is not closed"),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (op {:#06x}) at byte {}: {}", op::name(self.op), self.op, self.offset, self.fault)
    }
}

impl core::error::Error for DecodeError {}
impl core::error::Error for Fault {}
