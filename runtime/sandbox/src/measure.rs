//! The pass alone, and modules without it, for the benchmarks and the fuzz targets of this crate. No part of the interface: it may change
//! at any time.

use wasmtime::{Global, GlobalType, InstancePre, Module, Mutability, Store, Val, ValType};

use crate::gpu::Gpu;
use crate::host::{Ending, Handles, Host};
use crate::instrument::{GAS_EXPORT, ModuleError, ModuleFacts, ModuleLimits, PAGES_EXPORT, STACK_EXPORT};
use crate::instrument::{Variant, examine, rewrite};
use crate::stack::METERED_MAX;
use crate::wasi::Wasi;
use crate::{Engine, EngineError, Files, TaskSpec};

/// How much of the instrumentation a module gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Gas, no stack: what the meter of the stack costs is the difference.
    Gas,
    /// Gas and stack, no NaN.
    GasAndStack,
    /// What a program gets.
    All,
}

/// A module that has been validated.
#[derive(Debug)]
pub struct Examined(ModuleFacts);

/// Validates a module. Any import is taken for one of ours.
///
/// # Errors
/// As for `Program::compile`.
pub fn validate(wasm: &[u8]) -> Result<Examined, ModuleError> {
    examine(wasm, &ModuleLimits::default(), |_, _| true).map(Examined)
}

impl Examined {
    /// The instrumented module.
    ///
    /// # Errors
    /// When an operator cannot be written again, which validation excludes.
    pub fn instrument(&self, wasm: &[u8]) -> Result<Vec<u8>, String> {
        rewrite(wasm, &self.0, Variant::Fast)
    }

    /// Facts under which only the given form is made.
    pub fn limit_to(mut self, form: Form) -> Self {
        for function in &mut self.0.functions {
            function.metered_stack &= form != Form::Gas;
            function.makes_nans &= form == Form::All;
        }
        self
    }
}

/// The engine of tasks; or one with the same settings that makes every NaN canonical itself.
///
/// # Errors
/// When this machine cannot run it.
pub fn engine(canonical_nans: bool) -> Result<wasmtime::Engine, EngineError> {
    let engine = if canonical_nans { Engine::canonical() } else { Engine::new() };
    Ok(engine?.wasmtime().clone())
}

/// A module as it stands, instrumented or not, on any engine, with the host functions that tasks have: what a program
/// is compared with.
pub struct Bare(InstancePre<Host>);

/// What a [`Bare`] module left.
#[derive(Debug)]
pub struct Left {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// The file system.
    pub files: Files,
}

impl Bare {
    /// Joins the module's imports.
    ///
    /// # Errors
    /// When it imports what tasks do not have.
    pub fn new(module: &Module) -> wasmtime::Result<Bare> {
        crate::engine::linker(module.engine())?.instantiate_pre(module).map(Bare)
    }

    /// Calls `_start` on this thread, with the largest limits where the module counts anything, and with all of the
    /// engine's fuel where that does.
    ///
    /// # Errors
    /// When it does not end by itself, with exit code 0.
    pub fn run(&self, task: &TaskSpec) -> wasmtime::Result<Left> {
        let failed = |what: String| wasmtime::Error::msg(what);
        let wasi = Wasi::new(task).map_err(|error| failed(format!("{error:?}")))?;
        let gpu =
            Gpu::new(None, task.gpu_class, &task.limits.gpu).map_err(|stop| failed(format!("{stop:?}")))?;
        let mut store = Store::new(self.0.module().engine(), Host::new(&task.limits, wasi, gpu, None));
        store.limiter(|host| &mut host.limiter);
        // An engine that does not count refuses.
        let _ = store.set_fuel(u64::MAX / 2);
        let instance = self.0.instantiate(&mut store)?;
        let memory =
            instance.get_memory(&mut store, "memory").ok_or_else(|| failed("no memory".to_owned()))?;
        let largest = Val::I64(i64::MAX);
        let gas = match instance.get_global(&mut store, GAS_EXPORT) {
            Some(gas) => gas,
            // Host calls count gas all the same.
            None => Global::new(&mut store, GlobalType::new(ValType::I64, Mutability::Var), largest)?,
        };
        gas.set(&mut store, largest)?;
        for (name, value) in [(STACK_EXPORT, Val::I32(METERED_MAX as i32)), (PAGES_EXPORT, Val::I64(1 << 16))]
        {
            if let Some(global) = instance.get_global(&mut store, name) {
                global.set(&mut store, value)?;
            }
        }
        store.data_mut().handles = Some(Handles { memory, gas });
        let ended = instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ());
        let host = store.into_data();
        match (ended, host.meter.ending) {
            (Ok(()), None) | (Err(_), Some(Ending::Exit(0))) => {}
            (_, Some(ending)) => return Err(failed(format!("{ending:?}"))),
            (Err(error), None) => return Err(error),
        }
        Ok(Left { stdout: host.wasi.stdout, files: host.wasi.files.finish() })
    }
}
