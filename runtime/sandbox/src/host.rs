//! What the host keeps of one run: the meter, the WASI state, the GPU session, and how the run ended.

use fizz_attest::{HostFault, LimitKind, Limits, TrapKind};
use wasmtime::{AsContextMut, Caller, Global, Memory, Val};

use crate::gpu::Gpu;
use crate::instrument::COSTS;
use crate::limiter::Limiter;
use crate::task::Observer;
use crate::wasi::{HostPages, Wasi};

/// Why the host ended a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `proc_exit`.
    Exit(u32),
    OutOfGas,
    Limit(LimitKind),
    /// What, and for the operator's log how.
    Trap(TrapKind, String),
    Fault(HostFault, String),
}

/// Unwinds a guest whose [`Ending`] is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop;

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the host ended the run")
    }
}

impl std::error::Error for Stop {}

/// Gas and time, as they stand during a host call. Between host calls the truth is the guest's global.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: u64,
    remaining: i64,
    slept: u64,
    pub(crate) ending: Option<Ending>,
}

/// The limit as the guest's counter holds it. More gas than that cannot be used up in the life of a machine.
pub(crate) fn clamped(gas: u64) -> i64 {
    i64::try_from(gas).unwrap_or(i64::MAX)
}

impl Meter {
    pub(crate) fn new(limit: u64) -> Self {
        let remaining = clamped(limit);
        Meter { limit: remaining.cast_unsigned(), remaining, slept: 0, ending: None }
    }

    /// Takes the guest's counter over.
    pub(crate) fn set_remaining(&mut self, remaining: i64) {
        self.remaining = remaining;
    }

    pub(crate) fn remaining(&self) -> i64 {
        self.remaining
    }

    /// Gas used so far, at most the limit.
    pub(crate) fn used(&self) -> u64 {
        self.limit - self.remaining.max(0).cast_unsigned().min(self.limit)
    }

    /// Nanoseconds since the start of the run, as the guest sees them: its work, and what it slept.
    pub(crate) fn elapsed(&self) -> u64 {
        self.worked().saturating_add(self.slept)
    }

    /// Nanoseconds of work.
    pub(crate) fn worked(&self) -> u64 {
        self.used() / u64::from(COSTS.per_nanosecond)
    }

    /// Sleeping takes no time of the host.
    pub(crate) fn sleep(&mut self, nanoseconds: u64) {
        self.slept = self.slept.saturating_add(nanoseconds);
    }

    /// Nanoseconds slept so far.
    pub(crate) fn slept(&self) -> u64 {
        self.slept
    }

    pub(crate) fn set_slept(&mut self, nanoseconds: u64) {
        self.slept = nanoseconds;
    }

    /// Charges gas before work is done.
    pub(crate) fn charge(&mut self, gas: u64) -> Result<(), Stop> {
        let gas = i64::try_from(gas).unwrap_or(i64::MAX);
        self.remaining = self.remaining.saturating_sub(gas);
        if self.remaining < 0 { Err(self.end(Ending::OutOfGas)) } else { Ok(()) }
    }

    /// Charges for bytes to be moved.
    pub(crate) fn charge_bytes(&mut self, bytes: u64) -> Result<(), Stop> {
        self.charge(bytes.saturating_mul(COSTS.host_byte.into()))
    }

    /// Ends the run. The first reason counts.
    pub(crate) fn end(&mut self, ending: Ending) -> Stop {
        self.ending.get_or_insert(ending);
        Stop
    }
}

/// Handles into the instance, known once it exists. No guest code runs before that.
#[derive(Clone, Copy)]
pub(crate) struct Handles {
    pub(crate) memory: Memory,
    pub(crate) gas: Global,
}

/// The data of a store.
pub(crate) struct Host {
    pub(crate) meter: Meter,
    pub(crate) wasi: Wasi,
    pub(crate) gpu: Gpu,
    pub(crate) limiter: Limiter,
    pub(crate) handles: Option<Handles>,
    pub(crate) observer: Option<Box<dyn Observer>>,
    /// Set where it matters which pages of memory host calls touch.
    pub(crate) pages: Option<HostPages>,
}

impl Host {
    pub(crate) fn new(limits: &Limits, wasi: Wasi, gpu: Gpu, observer: Option<Box<dyn Observer>>) -> Self {
        Host {
            meter: Meter::new(limits.gas),
            wasi,
            gpu,
            limiter: Limiter::new(limits),
            handles: None,
            observer,
            pages: None,
        }
    }
}

/// Runs one host call: takes the gas over from the guest, charges the call, and hands the gas back.
pub(crate) fn host_call<R>(
    caller: &mut Caller<'_, Host>,
    call: impl FnOnce(&mut Host, &mut [u8]) -> Result<R, Stop>,
) -> wasmtime::Result<R> {
    let Some(handles) = caller.data().handles else {
        return Err(wasmtime::Error::msg("host call before the instance is ready"));
    };
    let remaining = handles.gas.get(caller.as_context_mut()).i64().unwrap_or(-1);
    let (memory, host) = handles.memory.data_and_store_mut(caller.as_context_mut());
    host.meter.set_remaining(remaining);
    let result = match host.meter.charge(COSTS.host_call.into()) {
        Ok(()) => call(host, memory),
        Err(stop) => Err(stop),
    };
    // The guest may have used up its gas without having met a check.
    let remaining = host.meter.remaining();
    if let Some(observer) = &mut host.observer {
        observer.progress(host.meter.used());
    }
    handles.gas.set(caller.as_context_mut(), Val::I64(remaining))?;
    result.map_err(wasmtime::Error::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_over_the_rest_ends_the_run_and_never_wraps() {
        let mut meter = Meter::new(100);
        meter.charge(40).unwrap();
        assert_eq!((meter.used(), meter.elapsed()), (40, 2));
        meter.sleep(100);
        assert_eq!(meter.elapsed(), 102);
        assert!(meter.charge(u64::MAX).is_err());
        assert!(meter.charge(u64::MAX).is_err());
        assert_eq!(meter.used(), 100);
        assert_eq!(meter.ending, Some(Ending::OutOfGas));
    }

    #[test]
    fn the_largest_limit_is_one() {
        let mut meter = Meter::new(u64::MAX);
        meter.charge(1 << 40).unwrap();
        assert_eq!(meter.used(), 1 << 40);
        meter.sleep(u64::MAX);
        assert_eq!(meter.elapsed(), u64::MAX);
    }

    #[test]
    fn the_first_reason_counts() {
        let mut meter = Meter::new(0);
        meter.end(Ending::Exit(3));
        meter.end(Ending::OutOfGas);
        assert_eq!(meter.ending, Some(Ending::Exit(3)));
    }
}
