//! GPU gas: what each piece of work costs. Version 1 of the schedule; changing a number changes results.
//!
//! Gas is charged before the work, from numbers that the guest's bytes alone decide, so that it is equal on every
//! machine. One unit is about a nanosecond of a slow device. A dispatch costs
//!
//! ```text
//! DISPATCH + workgroups × invocations of a workgroup × cost of the entry point
//! ```
//!
//! where the cost is the number of expressions and statements after inlining every call; a loop's body counts
//! once, so gas bounds the size of dispatches and not the time of their loops. Work of a command buffer is charged when it is submitted.

use fizz_gpu_abi::host::{Quotas, Stop};

/// Every command of a stream.
pub const COMMAND: u64 = 100;
/// Creating any object, on top of what its kind costs.
pub const OBJECT: u64 = 1_000;
/// One byte written, read, copied, cleared, or of a new buffer (which is zeroed).
pub const BYTE: u64 = 1;
/// One byte of WGSL, for checking.
pub const SHADER_BYTE: u64 = 1_000;
/// One expression or statement of a pipeline's entry point after inlining, for compiling.
pub const PIPELINE_NODE: u64 = 10_000;
/// One `SUBMIT`, and one call of `submit`, `write`, `read` or `wait`.
pub const SUBMIT: u64 = 10_000;
/// One dispatch, on top of its invocations.
pub const DISPATCH: u64 = 10_000;
/// Reading the counts of an indirect dispatch, which waits for the device.
pub const INDIRECT: u64 = 1_000_000;

/// Gas used and the other counts that last as long as the task.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) quotas: Quotas,
    used: u64,
    /// Last serial given out.
    pub(crate) serial: u64,
    /// Shaders made so far, and the bytes of their sources.
    pub(crate) shaders: u32,
    pub(crate) source_bytes: u64,
}

impl Meter {
    pub(crate) fn new(quotas: Quotas) -> Self {
        Meter { quotas, used: 0, serial: 0, shaders: 0, source_bytes: 0 }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Charges `count` pieces of work at `price` each.
    pub(crate) fn charge(&mut self, count: u64, price: u64) -> Result<(), Stop> {
        let sum = self.used.saturating_add(count.saturating_mul(price));
        if sum > self.quotas.gas {
            self.used = self.quotas.gas;
            return Err(Stop::OutOfGas);
        }
        self.used = sum;
        Ok(())
    }
}
