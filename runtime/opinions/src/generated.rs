//! Modules that nobody wrote, from fixed seeds: every operator that may be used, in senseless combinations.

use fizz_generated::{Config, Unstructured, noise, settings};

use crate::corpus::Entry;

/// Modules of the small corpus, and of the full one.
const SMALL: u64 = 60;
const FULL: u64 = 300;

/// What a module must have.
const PLAIN: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
/// What one in steps must have. The digests of its state, which are compared too, see all of memory and every global.
const IN_STEPS: &str = r#"(module (memory (export "memory") 1) (func (export "_start")) (func (export "fizz_step") (result i32) unreachable))"#;

pub(crate) fn entries() -> Vec<Entry> {
    (0..FULL)
        .filter_map(|seed| {
            let wasm = module(seed)?;
            let mut entry = Entry::new(format!("generated-{seed:04}"), wasm, &[]);
            entry.small = seed < SMALL;
            // Generated loops seldom end.
            entry.task.limits.gas = 300_000;
            entry.task.limits.memory_bytes = 16 << 16;
            entry.task.chunk_gas = 20_000;
            entry.task.limits.stack_bytes = 64 << 10;
            Some(entry)
        })
        .collect()
}

/// Every other module runs in steps.
fn in_steps(seed: u64) -> bool {
    !seed.is_multiple_of(2)
}

/// `None` when the seed's bytes do not last.
fn module(seed: u64) -> Option<Vec<u8>> {
    let config = Config {
        min_funcs: 3,
        max_funcs: 8,
        max_instructions: 300,
        // What a module in steps must not have; and exceptions may not be held in tables, which few modules avoid.
        bulk_memory_enabled: !in_steps(seed),
        reference_types_enabled: !in_steps(seed),
        exceptions_enabled: in_steps(seed) || seed.is_multiple_of(4),
        max_table_elements: 100,
        max_memory32_bytes: 16 << 16,
        ..settings(if in_steps(seed) { IN_STEPS } else { PLAIN })
    };
    Some(fizz_generated::module(config, &mut Unstructured::new(&noise(seed)))?.to_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn most_seeds_give_a_module() {
        let entries = super::entries();
        assert!(entries.len() as u64 > super::FULL * 9 / 10, "{} modules", entries.len());
    }
}
