//! Growth of memories and tables: what the job refuses is the guest's, what the host cannot give is a host fault.

use fizz_attest::Limits;
use wasmtime::ResourceLimiter;

use crate::instrument::{COSTS, PAYLOAD_BYTES_MAX};
use crate::stack::METERED_MAX;

/// Bytes that the engine may take for exception objects. A power of two, because it doubles what it has.
const EXCEPTION_BYTES: usize = 256 << 20;

/// Bytes of one exception object beside its payload: the collector's header, its tag, alignment.
const EXCEPTION_OVERHEAD: u64 = 32 + 8 + 8;

// No guest can fill that heap: an exception is held by a local or an operand, each of which takes its share of the
// metered stack, or of the one leaf frame below it. The rest is for what the heap loses between objects of unequal
// sizes, which is less than the objects themselves where the largest is under three times the smallest.
const _: () = {
    let slots = (METERED_MAX + COSTS.frame_leaf as u64) / COSTS.frame_slot as u64;
    assert!(slots * (PAYLOAD_BYTES_MAX + EXCEPTION_OVERHEAD) * 2 <= EXCEPTION_BYTES as u64);
    assert!(EXCEPTION_BYTES.is_power_of_two());
};

/// Watches over the growth of one store.
///
/// Linear memory over the job's limit is refused by the instrumentation, before the engine hears of it: here the
/// engine does not say whether it asks for linear memory or for its own heap of exception objects.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    table_elements: u64,
    /// Elements of all tables.
    elements: u64,
    /// Set when the host could not give what the limits allow.
    pub(crate) starved: Option<String>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        let memory_bytes = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        Limiter {
            memory_bytes: memory_bytes.max(EXCEPTION_BYTES),
            table_elements: limits.table_elements,
            elements: 0,
            starved: None,
        }
    }

    fn starve(&mut self, error: wasmtime::Error) -> wasmtime::Error {
        self.starved.get_or_insert(error.to_string());
        error
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.memory_bytes && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(self.starve(error))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = (desired as u64).saturating_sub(current as u64);
        let total = self.elements.saturating_add(more);
        let allowed = total <= self.table_elements && maximum.is_none_or(|maximum| desired <= maximum);
        if allowed {
            self.elements = total;
        }
        Ok(allowed)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(self.starve(error))
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        // The guest's, the engine's own, and the one in which touched pages are noted.
        3
    }
}
