//! The process that compiles one module and ends.
//!
//! In: the order and the module's bytes. Out: the answer, as `pipe` has it. Its memory is bounded before it looks at the
//! module, and it ends when its standard input does, so that it never outlives who started it.

use std::io::{self, Read, Write};

use fizz_attest::Digest;
use fizz_sandbox::{CodeKey, Engine, ModuleLimits, Program};

use super::pipe::{COMPILED, FAILED, ORDER_BYTES, Order, write_answer};

/// Compiles the module that `input` gives, writes machine code to `output`, and returns. The process ends early where
/// `input` does.
///
/// # Errors
/// When the pipes break.
pub fn compile_here(mut input: impl Read + Send + 'static, mut output: impl Write) -> io::Result<()> {
    let mut header = [0; ORDER_BYTES];
    input.read_exact(&mut header)?;
    let order = Order::decode(header)?;
    bound_memory(order.memory_bytes)?;
    let mut wasm = Vec::new();
    (&mut input).take(order.wasm_bytes).read_to_end(&mut wasm)?;
    if wasm.len() as u64 != order.wasm_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    std::thread::Builder::new().spawn(move || {
        // Nothing more comes; when this ends, whoever wanted the code is gone.
        let _ = input.read(&mut [0]);
        std::process::exit(0);
    })?;
    let engine = Engine::with_settings(order.settings).map_err(|error| error.to_string());
    let compiled = engine.and_then(|engine| {
        let limits = ModuleLimits::default();
        let code =
            Program::precompile(&engine, &wasm, &limits, order.form).map_err(|error| error.to_string())?;
        Ok((CodeKey::of(&engine, &Digest::of_content(&wasm), order.form), code))
    });
    match &compiled {
        Ok((key, code)) => write_answer(&mut output, COMPILED, &[key.as_bytes(), code.bytes()]),
        Err(reason) => write_answer(&mut output, FAILED, &[reason.as_bytes()]),
    }
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
