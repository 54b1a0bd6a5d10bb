//! What compiling one module may take.

use std::time::Duration;

/// What compiling one module may take. Time and memory grow with the module, up to the most that the operator gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Wall-clock time at most, whatever the size.
    pub max_time: Duration,
    /// Bytes of address space at most, whatever the size.
    pub max_memory_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { max_time: Duration::from_secs(1200), max_memory_bytes: 16 << 30 }
    }
}

impl Bounds {
    /// Wall-clock time for a module of this size: 30 s, and 8 s for each MiB, five times what one core was measured to
    /// take (1.6 s of processor time for a MiB of `examples/hello`), because a node's cores are busy.
    pub fn time(&self, wasm_bytes: u64) -> Duration {
        let scaled = Duration::from_secs(30) + Duration::from_millis(wasm_bytes.saturating_mul(8_000) >> 20);
        scaled.min(self.max_time)
    }

    /// Address space for a module of this size: 3 GiB, most of which threads reserve and never touch, and 64 bytes
    /// for each byte.
    pub fn memory_bytes(&self, wasm_bytes: u64) -> u64 {
        (3_u64 << 30).saturating_add(wasm_bytes.saturating_mul(64)).min(self.max_memory_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_with_the_module_up_to_what_the_operator_gives() {
        let bounds = Bounds::default();
        assert_eq!(bounds.time(0), Duration::from_secs(30));
        // A chip-design tool of 70 MiB takes 40 to 110 s on one core.
        assert_eq!(bounds.time(70 << 20), Duration::from_secs(590));
        assert_eq!(bounds.time(u64::MAX), bounds.max_time);
        assert_eq!(bounds.memory_bytes(1 << 20), (3 << 30) + (64 << 20));
        assert_eq!(bounds.memory_bytes(u64::MAX), bounds.max_memory_bytes);
    }
}
