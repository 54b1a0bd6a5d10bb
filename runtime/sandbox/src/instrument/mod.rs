//! The wasm → wasm pass that counts gas and stack at the level of WebAssembly, and makes NaNs canonical, so that the
//! counts and the results are equal on every engine version, compiler setting and processor.
//!
//! [`examine`] validates the original module and collects what must be known before it is rewritten;
//! [`rewrite`] makes the instrumented module from it.

mod act;
mod calls;
mod carry;
mod cost;
mod counted;
mod counter;
mod current;
mod early;
mod error;
mod examine;
mod exceptions;
mod facts;
mod function;
mod limits;
mod nan;
mod operands;
mod plan;
mod rewrite;
mod roots;
#[cfg(test)]
mod tests;
mod track;

pub use cost::{COST_TABLE_VERSION, COSTS, CostTable};
pub use error::ModuleError;
pub(crate) use examine::{GPU_MODULE, WASI_MODULE, examine};
pub(crate) use exceptions::PAYLOAD_BYTES_MAX;
pub(crate) use facts::{ModuleFacts, StepFacts};
pub use limits::ModuleLimits;
pub(crate) use rewrite::rewrite;
pub(crate) use track::{MISSING, PRESENT, TOUCHED, TOUCHED_EXPORT, track};

/// Version of what the pass does to a module, apart from the numbers of the cost table. It stands in the profile.
pub const INSTRUMENTATION_VERSION: u32 = 5;

/// Prefix of the exports that the pass adds. A module that has such exports itself is refused.
pub(crate) const RESERVED_PREFIX: &str = "fizz:";
/// Remaining gas, a mutable `i64`. After a trap for want of gas it is not exact.
pub(crate) const GAS_EXPORT: &str = "fizz:gas";
/// Remaining metered stack in bytes as the next callee sees it, a mutable `i32`.
pub(crate) const STACK_EXPORT: &str = "fizz:stack";
/// Why the guest met an `unreachable`, a mutable `i32`: one of the two below, or 0 where the gas is used up.
pub(crate) const ENDING_EXPORT: &str = "fizz:ending";
/// The guest's own `unreachable`.
pub(crate) const ENDING_UNREACHABLE: i32 = 1;
/// The metered stack overflows.
pub(crate) const ENDING_STACK: i32 = 2;
/// Largest size of linear memory in pages, a mutable `i64` that the host sets once.
pub(crate) const PAGES_EXPORT: &str = "fizz:pages";
/// The module's start function, if it has one, so that it runs metered.
pub(crate) const START_EXPORT: &str = "fizz:start";

/// The name under which a mutable global of the module is exported, so that its value is part of the state.
pub(crate) fn global_export(index: u32) -> String {
    format!("fizz:global:{index}")
}

/// Which of the two forms of the instrumentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Gas in a local of every function, written to the global at calls, returns, throws and `unreachable`.
    Fast,
    /// The same charges, but the global is written with every one of them, so that it is exact after any trap.
    WriteThrough,
    /// The write-through form with every page noted that the guest touches, as [`track`] makes it.
    Tracked,
}
