//! What goes through the pipes of a process that compiles. Numbers are little-endian.
//!
//! ```text
//! order    form u8 (0 fast, 1 exact, 2 tracked), backend u8 (0 native, 1 interpreter), optimisation u8 (0 none, 1 speed),
//!          whether threads compile u8, bytes of memory u64, bytes of the module u64; then the module
//! answer   status u8, bytes u64; then
//!            0  the key of the machine code as that process knows it, so that a program which was replaced meanwhile
//!               is noticed, and the machine code
//!            1  why there is none, as text
//! ```
//!
//! Neither end trusts the other: the compiler may have been taken over by the module that it compiles.

use std::io::{self, Read, Write};

use fizz_sandbox::{Backend, EngineSettings, Form, Optimization};

/// What a compiler is told before the module's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) form: Form,
    /// Of the engine that will load the code.
    pub(super) settings: EngineSettings,
    /// Bytes of address space that the process may take.
    pub(super) memory_bytes: u64,
    pub(super) wasm_bytes: u64,
}

pub(super) const ORDER_BYTES: usize = 20;
/// Bytes of a key before the machine code.
pub(super) const KEY_BYTES: usize = 32;

const FORMS: [Form; 3] = [Form::Fast, Form::Exact, Form::Tracked];
const BACKENDS: [Backend; 2] = [Backend::Native, Backend::Interpreter];
const OPTIMIZATIONS: [Optimization; 2] = [Optimization::None, Optimization::Speed];

/// The first byte of an answer.
pub(super) const COMPILED: u8 = 0;
pub(super) const FAILED: u8 = 1;

/// What a compiler answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The key of what was compiled, and the machine code.
    Code([u8; KEY_BYTES], Vec<u8>),
    /// Why there is none.
    Refused(String),
}

/// Bytes of an answer at most, whatever the size of the module.
const ANSWER_BYTES: u64 = 1 << 20;
/// And for one byte of a module; measured at 3 to 12.
const CODE_FACTOR: u64 = 32;

impl Order {
    pub(super) fn encode(self) -> [u8; ORDER_BYTES] {
        let EngineSettings { backend, optimization, parallel_compilation } = self.settings;
        let mut bytes = [0; ORDER_BYTES];
        bytes[..4].copy_from_slice(&[
            self.form as u8,
            backend as u8,
            optimization as u8,
            u8::from(parallel_compilation),
        ]);
        bytes[4..12].copy_from_slice(&self.memory_bytes.to_le_bytes());
        bytes[12..].copy_from_slice(&self.wasm_bytes.to_le_bytes());
        bytes
    }

    /// # Errors
    /// When the form or a setting is none.
    pub(super) fn decode(bytes: [u8; ORDER_BYTES]) -> io::Result<Order> {
        let number = |at: usize| bytes[at..].first_chunk::<8>().map(|eight| u64::from_le_bytes(*eight));
        let decoded = || {
            let settings = EngineSettings {
                backend: *BACKENDS.get(usize::from(bytes[1]))?,
                optimization: *OPTIMIZATIONS.get(usize::from(bytes[2]))?,
                parallel_compilation: *[false, true].get(usize::from(bytes[3]))?,
            };
            let form = *FORMS.get(usize::from(bytes[0]))?;
            Some(Order { form, settings, memory_bytes: number(4)?, wasm_bytes: number(12)? })
        };
        decoded().ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// # Errors
/// When the pipe breaks.
pub(super) fn write_answer(output: &mut impl Write, status: u8, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    output.write_all(&[status])?;
    output.write_all(&(length as u64).to_le_bytes())?;
    parts.iter().try_for_each(|part| output.write_all(part))?;
    output.flush()
}

/// What a compiler says of a module of so many bytes.
///
/// # Errors
/// When it is cut short, or no answer, or longer than any.
pub(super) fn read_answer(mut stdout: impl Read, wasm_bytes: u64) -> io::Result<Answer> {
    let mut header = [0; 9];
    stdout.read_exact(&mut header)?;
    let mut length = [0; 8];
    length.copy_from_slice(&header[1..]);
    let length = u64::from_le_bytes(length);
    if length > ANSWER_BYTES.saturating_add(wasm_bytes.saturating_mul(CODE_FACTOR)) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut key = [0; KEY_BYTES];
    let length = match header[0] {
        COMPILED => {
            let rest = length.checked_sub(KEY_BYTES as u64).ok_or(io::ErrorKind::InvalidData)?;
            stdout.read_exact(&mut key)?;
            rest
        }
        FAILED => length,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let mut bytes = Vec::new();
    // Grows with what arrives, not with what is promised.
    stdout.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(match header[0] {
        COMPILED => Answer::Code(key, bytes),
        _ => Answer::Refused(String::from_utf8_lossy(&bytes).into_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_pipe_and_has_one_encoding() {
        for form in FORMS {
            for backend in BACKENDS {
                for optimization in OPTIMIZATIONS {
                    let settings = EngineSettings { backend, optimization, parallel_compilation: true };
                    let order = Order { form, settings, memory_bytes: 1 << 33, wasm_bytes: u64::MAX };
                    assert_eq!(Order::decode(order.encode()).unwrap(), order);
                }
            }
        }
        assert!(Order::decode([9; ORDER_BYTES]).is_err());
    }

    #[test]
    fn an_answer_of_a_compiler_that_lies_is_an_error() {
        let answer = |status: u8, length: u64, bytes: &[u8]| {
            read_answer(&[&[status][..], &length.to_le_bytes(), bytes].concat()[..], 10)
        };
        let (key, code) = ([7; KEY_BYTES], b"code".to_vec());
        let whole = [&key[..], &code].concat();
        assert_eq!(answer(COMPILED, 36, &whole).unwrap(), Answer::Code(key, code));
        assert_eq!(answer(FAILED, 3, b"why").unwrap(), Answer::Refused("why".to_owned()));
        assert!(answer(COMPILED, 37, &whole).is_err());
        assert!(answer(COMPILED, 31, &whole).is_err());
        assert!(answer(COMPILED, u64::MAX, &whole).is_err());
        assert!(answer(9, 36, &whole).is_err());
        assert!(read_answer(&b""[..], 10).is_err());
    }
}
