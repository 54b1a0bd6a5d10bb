//! Generated modules show the same bits as on an engine that makes NaNs canonical itself.

use fizz_generated::floats::{self, Choices};
use fizz_generated::{Config, Unstructured, noise, settings};

use super::{Engines, compare};
use crate::instrument::{ModuleLimits, examine};

fn float_modules(seeds: std::ops::Range<u64>, vectors: bool) {
    let engines = Engines::new();
    let (mut modules, mut differing) = (0, 0);
    for seed in seeds {
        let exceptions = seed.is_multiple_of(4);
        let wasm = floats::module(Choices::from_seed(seed), vectors, exceptions);
        modules += 1;
        differing += usize::from(compare(&engines, &wasm, &format!("seed {seed}")));
    }
    // On a processor whose own NaN is not the canonical one, most modules show it.
    assert!(
        modules > 100 && (!cfg!(target_arch = "x86_64") || differing * 4 > modules),
        "{differing} of {modules}"
    );
}

#[test]
fn scalar_floats() {
    float_modules(0..150, false);
}

#[test]
fn vector_floats() {
    float_modules(10_000..10_150, true);
}

const SHAPE: &str = r#"(module
    (memory (export "memory") 1)
    (global (export "g") (mut f32) (f32.const 0))
    (func (export "_start"))
    (func (export "a") (param i32 f64) (result f64) unreachable)
    (func (export "b") (param i64 v128 f32) (result f32 v128) unreachable)
    (func (export "c") (param f32 f64) (result i32 i64 f32 f64) unreachable)
    (func (export "d") (result f64) unreachable))"#;

/// Modules of every kind of operator, with exceptions and tables.
fn smith(seed: u64) -> Option<Vec<u8>> {
    let config = Config {
        max_instructions: 150,
        max_table_elements: 100,
        exceptions_enabled: seed.is_multiple_of(4),
        disallow_traps: true,
        max_memory32_bytes: 2 << 16,
        ..settings(SHAPE)
    };
    let mut module = fizz_generated::module(config, &mut Unstructured::new(&noise(seed)))?;
    module.ensure_termination(500).ok()?;
    let wasm = module.to_bytes();
    // A start function is run by the host, later than the engine would.
    let starts = |payload: Result<_, _>| matches!(payload, Ok(wasmparser::Payload::StartSection { .. }));
    // Some modules keep exceptions where they may not be kept.
    examine(&wasm, &ModuleLimits::default(), |_, _| false).ok()?;
    let has_start = wasmparser::Parser::new(0).parse_all(&wasm).any(starts);
    (!has_start).then_some(wasm)
}

#[test]
fn generated_modules_of_every_operator() {
    let engines = Engines::new();
    let mut modules = 0;
    for seed in 20_000..20_200 {
        let Some(wasm) = smith(seed) else { continue };
        modules += 1;
        compare(&engines, &wasm, &format!("seed {seed}"));
    }
    assert!(modules > 80, "{modules} modules");
}
