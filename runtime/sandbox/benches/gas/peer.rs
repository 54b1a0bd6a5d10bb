//! The engine alone, with or without its own fuel and NaN flags, and the few WASI calls that the guests make.

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Caller, Config, Linker, Module, Store};

use crate::Result;

/// Seconds that this thread has run, other programs' work on the machine left out.
pub(crate) fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The engine's own flags.
#[derive(Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) fuel: bool,
    pub(crate) nan: bool,
}

/// One form of a module, compiled.
pub(crate) struct Peer {
    module: Module,
    linker: Linker<Seen>,
    fuel: bool,
    /// Seconds on one core.
    pub(crate) compile: f64,
}

struct Seen {
    arguments: Vec<String>,
    output: Vec<u8>,
}

/// How a guest asks to end.
#[derive(Debug, thiserror::Error)]
#[error("exit code {0}")]
struct Exit(u32);

impl Peer {
    pub(crate) fn new(wasm: &[u8], flags: Flags) -> Result<Self> {
        let mut config = Config::new();
        config.wasm_branch_hinting(true);
        config.consume_fuel(flags.fuel).cranelift_nan_canonicalization(flags.nan);
        // So that the time of one core is all of it.
        config.parallel_compilation(false);
        let engine = wasmtime::Engine::new(&config)?;
        let start = seconds();
        let module = Module::new(&engine, wasm)?;
        let compile = seconds() - start;
        let mut linker = Linker::new(&engine);
        add_wasi(&mut linker)?;
        linker.define_unknown_imports_as_traps(&module)?;
        Ok(Peer { module, linker, fuel: flags.fuel, compile })
    }

    /// Machine code.
    pub(crate) fn code(&self) -> &[u8] {
        self.module.text()
    }

    /// Seconds from an instance to its end, and what it wrote.
    pub(crate) fn run(&self, arguments: &[String]) -> Result<(f64, Vec<u8>)> {
        let arguments = arguments.to_vec();
        let start = seconds();
        let mut store = Store::new(self.module.engine(), Seen { arguments, output: Vec::new() });
        if self.fuel {
            store.set_fuel(u64::MAX / 2)?;
        }
        let instance = self.linker.instantiate(&mut store, &self.module)?;
        for (name, value) in fizz_sandbox::measure::largest_limits() {
            if let Some(global) = instance.get_global(&mut store, name) {
                global.set(&mut store, value)?;
            }
        }
        let run = instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ());
        match run {
            Err(error) if !matches!(error.downcast_ref(), Some(Exit(0))) => return Err(error.into()),
            _ => {}
        }
        Ok((seconds() - start, store.into_data().output))
    }
}

/// Guest memory and the data of the store.
fn memory<'c>(caller: &'c mut Caller<'_, Seen>) -> wasmtime::Result<(&'c mut [u8], &'c mut Seen)> {
    let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
    let memory = memory.ok_or_else(|| wasmtime::Error::msg("no memory"))?;
    Ok(memory.data_and_store_mut(caller))
}

fn put(bytes: &mut [u8], at: u32, value: u32) {
    bytes[at as usize..][..4].copy_from_slice(&value.to_le_bytes());
}

fn take(bytes: &[u8], at: u32) -> u32 {
    u32::from_le_bytes(bytes[at as usize..][..4].try_into().expect("four bytes"))
}

const BAD_DESCRIPTOR: i32 = 8;

fn add_wasi(linker: &mut Linker<Seen>) -> wasmtime::Result<()> {
    const WASI: &str = "wasi_snapshot_preview1";
    linker.func_wrap(WASI, "args_sizes_get", |mut caller: Caller<'_, Seen>, count: u32, size: u32| {
        let (bytes, seen) = memory(&mut caller)?;
        put(bytes, count, seen.arguments.len() as u32);
        put(bytes, size, seen.arguments.iter().map(|argument| argument.len() as u32 + 1).sum());
        wasmtime::Result::Ok(0)
    })?;
    linker.func_wrap(WASI, "args_get", |mut caller: Caller<'_, Seen>, heads: u32, buffer: u32| {
        let (bytes, seen) = memory(&mut caller)?;
        let mut at = buffer;
        for (argument, head) in seen.arguments.iter().zip((heads..).step_by(4)) {
            put(bytes, head, at);
            bytes[at as usize..][..argument.len()].copy_from_slice(argument.as_bytes());
            at += argument.len() as u32;
            bytes[at as usize] = 0;
            at += 1;
        }
        wasmtime::Result::Ok(0)
    })?;
    // No environment, and the time is always 0.
    linker.func_wrap(WASI, "environ_sizes_get", |mut caller: Caller<'_, Seen>, count: u32, size: u32| {
        let (bytes, _) = memory(&mut caller)?;
        put(bytes, count, 0);
        put(bytes, size, 0);
        wasmtime::Result::Ok(0)
    })?;
    linker.func_wrap(WASI, "clock_time_get", |mut caller: Caller<'_, Seen>, _: u32, _: u64, at: u32| {
        let (bytes, _) = memory(&mut caller)?;
        put(bytes, at, 0);
        put(bytes, at + 4, 0);
        wasmtime::Result::Ok(0)
    })?;
    linker.func_wrap(WASI, "environ_get", |_: u32, _: u32| 0)?;
    linker.func_wrap(WASI, "random_get", |_: u32, _: u32| 0)?;
    linker.func_wrap(WASI, "fd_prestat_get", |_: u32, _: u32| BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "fd_fdstat_get", |mut caller: Caller<'_, Seen>, fd: u32, at: u32| {
        if fd > 2 {
            return Ok(BAD_DESCRIPTOR);
        }
        // A character device with all rights.
        let (bytes, _) = memory(&mut caller)?;
        put(bytes, at, 2);
        put(bytes, at + 4, 0);
        bytes[at as usize + 8..][..16].fill(0xff);
        wasmtime::Result::Ok(0)
    })?;
    linker.func_wrap(WASI, "fd_close", |_: u32| 0)?;
    linker.func_wrap(WASI, "fd_seek", |_: u32, _: i64, _: u32, _: u32| 70)?;
    linker.func_wrap(
        WASI,
        "fd_read",
        |mut caller: Caller<'_, Seen>, _: u32, _: u32, _: u32, read: u32| {
            let (bytes, _) = memory(&mut caller)?;
            put(bytes, read, 0);
            wasmtime::Result::Ok(0)
        },
    )?;
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut caller: Caller<'_, Seen>, _: u32, list: u32, count: u32, written: u32| {
            let (bytes, seen) = memory(&mut caller)?;
            let mut total = 0;
            for index in 0..count {
                let at = take(bytes, list + index * 8) as usize;
                let len = take(bytes, list + index * 8 + 4);
                seen.output.extend_from_slice(&bytes[at..][..len as usize]);
                total += len;
            }
            put(bytes, written, total);
            wasmtime::Result::Ok(0)
        },
    )?;
    linker.func_wrap(WASI, "proc_exit", |code: u32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(Exit(code)))
    })?;
    Ok(())
}
