//! The pass alone, for the benchmarks of this crate. No part of the interface: it may change at any time.

use crate::instrument::{GAS_EXPORT, ModuleError, ModuleFacts, ModuleLimits, PAGES_EXPORT, STACK_EXPORT};
use crate::instrument::{Variant, examine, rewrite};
use crate::stack::METERED_MAX;

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

/// The exported globals that must be set before an instrumented module runs, each with the largest value it may have:
/// gas, stack, pages.
pub fn largest_limits() -> [(&'static str, wasmtime::Val); 3] {
    [
        (GAS_EXPORT, wasmtime::Val::I64(i64::MAX)),
        (STACK_EXPORT, wasmtime::Val::I32(METERED_MAX as i32)),
        (PAGES_EXPORT, wasmtime::Val::I64(1 << 16)),
    ]
}
