//! What compiling one module may take.

use std::time::Duration;

/// Wall-clock time at most where the operator does not say, whatever the size of a module.
const MAX_TIME: Duration = Duration::from_secs(1200);
/// Bytes of address space at most where the operator does not say, whatever the size.
const MAX_MEMORY_BYTES: u64 = 16 << 30;

/// What compiling one module may take: what the operator says, or else what grows with the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Wall-clock time, whatever the size; `None` for 30 s and 8 s for each MiB, at most 20 minutes.
    pub time: Option<Duration>,
    /// Bytes of address space, whatever the size; `None` for 3 GiB and 64 bytes for each byte, at most 16 GiB.
    pub memory_bytes: Option<u64>,
}

impl Bounds {
    /// Wall-clock time for a module of this size. By default five times what one core was measured to take (1.6 s of
    /// processor time for a MiB of `examples/hello`), because a node's cores are busy.
    pub fn time(&self, wasm_bytes: u64) -> Duration {
        let scaled = Duration::from_secs(30) + Duration::from_millis(wasm_bytes.saturating_mul(8_000) >> 20);
        self.time.unwrap_or(scaled.min(MAX_TIME))
    }

    /// Address space for a module of this size. Most of the default's 3 GiB are reserved by threads and never touched.
    pub fn memory_bytes(&self, wasm_bytes: u64) -> u64 {
        let scaled = (3_u64 << 30).saturating_add(wasm_bytes.saturating_mul(64));
        self.memory_bytes.unwrap_or(scaled.min(MAX_MEMORY_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_with_the_module_unless_the_operator_says() {
        let bounds = Bounds::default();
        assert_eq!(bounds.time(0), Duration::from_secs(30));
        // A chip-design tool of 70 MiB takes 40 to 110 s on one core.
        assert_eq!(bounds.time(70 << 20), Duration::from_secs(590));
        assert_eq!(bounds.time(u64::MAX), MAX_TIME);
        assert_eq!(bounds.memory_bytes(1 << 20), (3 << 30) + (64 << 20));
        assert_eq!(bounds.memory_bytes(u64::MAX), MAX_MEMORY_BYTES);
        let (time, memory) = (Duration::from_secs(7200), 32 << 30);
        let said = Bounds { time: Some(time), memory_bytes: Some(memory) };
        for size in [0, u64::MAX] {
            assert_eq!((said.time(size), said.memory_bytes(size)), (time, memory));
        }
    }
}
