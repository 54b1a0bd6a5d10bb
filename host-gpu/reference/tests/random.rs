//! Results and gas of generated shaders are those of an interpreter that runs one invocation after the other.
#![allow(clippy::unwrap_used, dead_code)] // A test fails by panicking.

mod common;
#[path = "../../device/tests/reference/generate.rs"]
mod generate;
#[path = "../../device/tests/reference/interpret.rs"]
mod interpret;

use common::{Machine, engine, metered, words};
use fizz_reference::compile;
use fizz_shader::meter::{Counts, sum_words};
use generate::{Generator, SIZE};

const GROUPS: u32 = 6;
const WORDS: usize = (SIZE * GROUPS) as usize;

fn input(seed: u64) -> Vec<u32> {
    (0..WORDS as u64).map(|n| (n.wrapping_mul(seed * 2 + 1) >> 1) as u32 & 0xff).collect()
}

/// Shaders that are tried; `FIZZ_SEEDS=from..to` tries others.
fn seeds() -> std::ops::Range<u64> {
    let given = std::env::var("FIZZ_SEEDS").ok();
    let range = given.as_deref().and_then(|text| text.split_once(".."));
    range.map_or(1..300, |(from, to)| from.parse().unwrap()..to.parse().unwrap())
}

#[test]
fn results_and_gas_are_those_of_an_interpreter() {
    let engine = engine();
    for seed in seeds() {
        // Whole vectors, parts of them, and a vector that is not full.
        let size = [SIZE, 3, 4, 16][(seed % 4) as usize];
        let groups = WORDS as u32 / size;
        let wgsl = Generator::new(seed)
            .shader()
            .replace(&format!("workgroup_size({SIZE})"), &format!("workgroup_size({size})"));
        let checked = fizz_shader::check(&wgsl, "", &fizz_shader::ShaderLimits::default()).unwrap();
        let (gas, buffer) = interpret::Run::all(&checked.module, input(seed), size, groups);
        let metered = metered(&wgsl);
        let program =
            compile(&metered.module, "main").unwrap_or_else(|error| panic!("seed {seed}: {error}\n{wgsl}"));
        let given = [words(0, &input(seed))];
        let (after, meter) = Machine::new(&engine, program, 128).run([groups, 1, 1], &given);
        assert_eq!(after[0].words(), buffer, "seed {seed}:\n{wgsl}");
        let counted = sum_words(meter.get(4..).unwrap_or(&[])).expect("no loop is ended");
        let times = if metered.counts == Counts::Workgroups { u64::from(size) } else { 1 };
        let total = metered.fixed * WORDS as u64 + counted * times;
        assert_eq!(total, gas, "seed {seed}:\n{wgsl}");
    }
}
