//! GPU gas: what each piece of work costs. Changing a number changes results, and [`VERSION`] with it: a part of the profile.
//!
//! Numbers that the guest's bytes alone decide are charged before the work. A dispatch costs
//!
//! ```text
//! DISPATCH + invocations × fixed gas of the entry point + the gas that its loops count
//! ```
//!
//! where `invocations` are workgroups × invocations of a workgroup, and a unit of the last two is an expression or statement of
//! the shader, calls inlined ([`fizz_shader::meter`] says which loops count, and what one invocation may take). The sums are integers, so that gas is
//! equal on every machine, with any number of threads, however a dispatch is split, for every shader whose
//! control flow does not hang on a float that devices compute differently, on a race, on a read outside a buffer or texture (one device gives 0, another one
//! of its words), or on a shift by 32 bits and more. One unit is about a nanosecond of a slow device.
//!
//! Work of a command buffer is charged when it is submitted, indirect dispatches when their counts have been read (and checked). What loops
//! counted is charged at the end of each `SUBMIT` and before an indirect dispatch in it; a `SUBMIT` with such loops waits for
//! its end, every other one does not.
//!
//! **Timestamps** are this gas, as if all work were charged when it is reached. What loops before one counted is added when
//! it is known: at the latest where results are written into a buffer, which is therefore waited for like an indirect dispatch.
//!
//! **Out of gas.** When the gas of the task does not suffice, or one invocation has used up what its loops may take, the call that submitted
//! ends the task with [`Stop::OutOfGas`]: the outcome is the limit `GPU gas`, and the task's GPU gas is its limit exactly, wherever in the
//! dispatch it happened. An invocation that has used up its share leaves its loops and goes on behind them, so buffers then hold what no one can predict; no one sees it,
//! because the guest does not run again. That one invocation's share was used up, and not the task's gas, is not told apart.

use fizz_gpu_abi::host::{Quotas, Stop};

/// Version of this table.
pub const VERSION: u32 = 5;
/// Every command of a stream, and every layer that a copy makes a slice, or slice a layer.
pub const COMMAND: u64 = 100;
/// Creating any object, on top of what its kind costs.
pub const OBJECT: u64 = 1_000;
/// One byte written, read, copied, cleared, or of a new buffer or texture (which is zeroed).
pub const BYTE: u64 = 1;
/// Bytes that a row of a copy from or to a texture counts for at least.
pub const ROW: u64 = 64;
/// One byte of WGSL, for checking.
pub const SHADER_BYTE: u64 = 1_000;
/// One pipeline: its loops' turns are counted, and a driver compiles.
pub const PIPELINE: u64 = 10_000_000;
/// One step of [`fizz_shader::CheckedShader::work`], for each pipeline.
pub const PIPELINE_STEP: u64 = 20;
/// One expression or statement of a pipeline's entry point after inlining, for compiling.
pub const PIPELINE_NODE: u64 = 10_000;
/// One `SUBMIT`, and one call of `submit`, `write`, `read` or `wait`.
pub const SUBMIT: u64 = 10_000;
/// One dispatch, on top of its invocations and loops.
pub const DISPATCH: u64 = 10_000;
/// Reading the counts of an indirect dispatch, which waits for the device.
pub const INDIRECT: u64 = 1_000_000;

/// Writing the results of queries into a buffer, which may wait for the device.
pub const RESOLVE: u64 = 1_000_000;

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

    /// Ends the task: nothing is left, whatever was.
    pub(crate) fn exhaust(&mut self) -> Result<(), Stop> {
        self.used = self.quotas.gas;
        Err(Stop::OutOfGas)
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_profile_names_this_version() {
        let whole = format!("{}, prices {}", fizz_shader::FRONT_END, super::VERSION);
        assert_eq!(crate::SHADER_FRONT_END, whole);
    }
}
