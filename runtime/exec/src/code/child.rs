//! The process that compiles one module and ends.
//!
//! In: the order, the module's bytes. Out: a status, a length, and the bytes: the key of the machine code as this process
//! knows it, so that a program that was replaced meanwhile is noticed, and the code; or why there is none. Its memory is bounded before it looks at the module,
//! and it ends when its standard input does, so that it never outlives who started it.

use std::io::{self, Read, Write};

use fizz_attest::Digest;
use fizz_sandbox::{Backend, CodeKey, Engine, EngineSettings, Form, ModuleLimits, Optimization, Program};

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

/// Bytes of an order: form, backend, optimisation, whether threads compile, and two numbers.
const ORDER_BYTES: usize = 20;

const FORMS: [Form; 3] = [Form::Fast, Form::Exact, Form::Tracked];
const BACKENDS: [Backend; 2] = [Backend::Native, Backend::Interpreter];
const OPTIMIZATIONS: [Optimization; 2] = [Optimization::None, Optimization::Speed];

/// The first byte of an answer.
pub(super) const COMPILED: u8 = 0;
pub(super) const FAILED: u8 = 1;

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

    fn decode(bytes: [u8; ORDER_BYTES]) -> Option<Order> {
        let number = |at: usize| bytes[at..].first_chunk::<8>().map(|eight| u64::from_le_bytes(*eight));
        let settings = EngineSettings {
            backend: *BACKENDS.get(usize::from(bytes[1]))?,
            optimization: *OPTIMIZATIONS.get(usize::from(bytes[2]))?,
            parallel_compilation: *[false, true].get(usize::from(bytes[3]))?,
        };
        let form = *FORMS.get(usize::from(bytes[0]))?;
        Some(Order { form, settings, memory_bytes: number(4)?, wasm_bytes: number(12)? })
    }
}

/// Compiles the module that `input` gives, writes machine code to `output`, and returns. The process ends early where
/// `input` does.
///
/// # Errors
/// When the pipes break.
pub fn compile_here(mut input: impl Read + Send + 'static, mut output: impl Write) -> io::Result<()> {
    let mut header = [0; ORDER_BYTES];
    input.read_exact(&mut header)?;
    let order = Order::decode(header).ok_or(io::ErrorKind::InvalidData)?;
    bound_memory(order.memory_bytes)?;
    let mut wasm = Vec::new();
    (&mut input).take(order.wasm_bytes).read_to_end(&mut wasm)?;
    if wasm.len() as u64 != order.wasm_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    std::thread::spawn(move || {
        // Nothing more comes; when this ends, whoever wanted the code is gone.
        let _ = input.read(&mut [0]);
        std::process::exit(0);
    });
    let engine = Engine::with_settings(order.settings).map_err(|error| error.to_string());
    let compiled = engine.and_then(|engine| {
        let limits = ModuleLimits::default();
        let code =
            Program::precompile(&engine, &wasm, &limits, order.form).map_err(|error| error.to_string())?;
        Ok((CodeKey::of(&engine, &Digest::of_content(&wasm), order.form), code))
    });
    match &compiled {
        Ok((key, code)) => answer(&mut output, COMPILED, &[key.as_bytes(), code.bytes()]),
        Err(reason) => answer(&mut output, FAILED, &[reason.as_bytes()]),
    }
}

fn answer(output: &mut impl Write, status: u8, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    output.write_all(&[status])?;
    output.write_all(&(length as u64).to_le_bytes())?;
    parts.iter().try_for_each(|part| output.write_all(part))?;
    output.flush()
}

/// Bounds the address space of this process. An allocation over the bound fails, which ends the process.
#[cfg(target_os = "linux")]
fn bound_memory(bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // Crashes are expected here and must not fill the disk.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // Who started it may be held to less.
    let bytes = getrlimit(Resource::As).maximum.map_or(bytes, |maximum| maximum.min(bytes));
    Ok(setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) })?)
}

/// Other systems do not hold a process to a bound on its address space: only the deadline stands there.
#[cfg(not(target_os = "linux"))]
fn bound_memory(_: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_pipe_and_rubbish_is_none() {
        for form in FORMS {
            for backend in BACKENDS {
                for optimization in OPTIMIZATIONS {
                    let settings = EngineSettings { backend, optimization, parallel_compilation: true };
                    let order = Order { form, settings, memory_bytes: 1 << 33, wasm_bytes: u64::MAX };
                    assert_eq!(Order::decode(order.encode()), Some(order));
                }
            }
        }
        assert_eq!(Order::decode([9; ORDER_BYTES]), None);
    }
}
