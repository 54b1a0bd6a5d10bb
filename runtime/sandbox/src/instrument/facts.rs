//! What is known of a module after validation.

use wasmparser::{FuncType, ValType};

use super::ModuleLimits;
use super::early::Extra;
use super::roots::Root;

/// What the rewrite must know of one defined function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FunctionFacts {
    /// Bytes of metered stack of one frame.
    pub(crate) frame: u32,
    /// Whether its prologue reads the stack global.
    pub(crate) metered_stack: bool,
    /// Whether it has arithmetic whose NaNs may have to be made canonical.
    pub(crate) makes_nans: bool,
}

/// How a module that runs in steps begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepFacts {
    /// The export that is called before the first step.
    pub(crate) first: Option<&'static str>,
}

/// What is known of a module after validation.
#[derive(Debug)]
pub(crate) struct ModuleFacts {
    /// Every function type, by type index.
    pub(crate) types: Vec<FuncType>,
    /// For every function type, how many types before it have several results.
    pub(crate) several_results: Vec<u32>,
    /// The type index of every imported function.
    pub(crate) imported_types: Vec<u32>,
    /// The type index of every defined function.
    pub(crate) function_types: Vec<u32>,
    /// Facts of every defined function.
    pub(crate) functions: Vec<FunctionFacts>,
    /// What operators cost beside their own, by rising function and operator.
    pub(crate) extras: Vec<Extra>,
    /// Values that are tied to their places, by rising function and operator.
    pub(crate) roots: Vec<Root>,
    /// Imported functions, which come first in the index space.
    pub(crate) imported_functions: u32,
    /// Globals of the module.
    pub(crate) globals: u32,
    /// The start function.
    pub(crate) start: Option<u32>,
    /// Pages of linear memory at the start, and the declared maximum.
    pub(crate) memory: (u64, Option<u64>),
    /// Elements of all tables at the start.
    pub(crate) table_elements: u64,
    /// Bytes of active data and elements that instantiation copies.
    pub(crate) initial_bytes: u64,
    /// Whether `fizz_gpu` is imported.
    pub(crate) imports_gpu: bool,
    /// Set for a module that runs in steps.
    pub(crate) steps: Option<StepFacts>,
    /// Mutable globals that hold numbers or vectors, by rising index.
    pub(crate) mutable_globals: Vec<(u32, ValType)>,
    /// The instrumented module has at most this many bytes.
    pub(crate) instrumented_bytes: u64,
    /// How much of each limit is used.
    pub(crate) used: ModuleLimits,
}

impl ModuleFacts {
    /// The type index of a function, imported or defined, that is in the index space.
    pub(crate) fn type_of(&self, function: u32) -> u32 {
        match function.checked_sub(self.imported_functions) {
            None => self.imported_types[function as usize],
            Some(defined) => self.function_types[defined as usize],
        }
    }
}
