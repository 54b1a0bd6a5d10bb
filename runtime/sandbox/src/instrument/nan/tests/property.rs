//! Generated modules show the same bits as on an engine that makes NaNs canonical itself.

use arbitrary::Unstructured;

use super::{Engines, compare, floats};
use crate::instrument::{ModuleLimits, examine};

fn float_modules(seeds: std::ops::Range<u64>, vectors: bool) {
    let engines = Engines::new();
    let (mut modules, mut differing) = (0, 0);
    for seed in seeds {
        let exceptions = seed.is_multiple_of(4);
        let wasm = floats::module(seed, vectors, exceptions);
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
    let mut bytes = vec![0; 6_000];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    let mut data = Unstructured::new(&bytes);
    let config = wasm_smith::Config {
        exports: Some(wat::parse_str(SHAPE).unwrap()),
        max_imports: 0,
        max_memories: 0,
        max_instructions: 150,
        max_table_elements: 100,
        max_tables: 2,
        memory64_enabled: false,
        threads_enabled: false,
        relaxed_simd_enabled: false,
        gc_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        exceptions_enabled: seed.is_multiple_of(4),
        disallow_traps: true,
        max_memory32_bytes: 2 << 16,
        ..wasm_smith::Config::default()
    };
    let mut module = wasm_smith::Module::new(config, &mut data).ok()?;
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
