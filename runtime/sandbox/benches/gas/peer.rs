//! The engine alone, with or without its own fuel and NaN flags, and the host functions that tasks have.

use fizz_sandbox::TaskSpec;
use fizz_sandbox::measure::{Bare, Left};
use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Config, Module};

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
    bare: Bare,
    /// Seconds on one core.
    pub(crate) compile: f64,
}

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
        let bare = Bare::new(&module)?;
        Ok(Peer { module, bare, compile })
    }

    /// Machine code.
    pub(crate) fn code(&self) -> &[u8] {
        self.module.text()
    }

    /// Seconds of this thread for the whole of the task, and what it left.
    pub(crate) fn run(&self, task: &TaskSpec) -> Result<(f64, Left)> {
        let start = seconds();
        let left = self.bare.run(task)?;
        Ok((seconds() - start, left))
    }
}
