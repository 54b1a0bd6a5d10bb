//! Results and gas of generated shaders are those of an interpreter that runs one invocation after the other.
#![allow(clippy::unwrap_used, dead_code)] // A test fails by panicking.

mod common;
#[path = "../../device/tests/reference/generate.rs"]
mod generate;
#[path = "../../device/tests/reference/interpret.rs"]
mod interpret;

use common::{Machine, engine, metered, words};
use fizz_reference::{RaceCheck, Races, Watch, Watched, compile, compile_watched};
use fizz_shader::meter::{Counts, sum_words};
use generate::{Generator, SIZE};
use std::sync::Arc;

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

/// The same shader with barriers where they are allowed. Invocations touch only their own words, so that nothing else changes.
fn with_barriers(wgsl: &str, seed: u64) -> (String, u32) {
    let mut text = wgsl.to_owned();
    let mut inserted = 0;
    let mut state = seed | 1;
    for _ in 0..10 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let ends: Vec<usize> = text.match_indices(";\n").map(|(at, _)| at + 1).collect();
        let at = ends[(state >> 33) as usize % ends.len()];
        let more = format!("{} workgroupBarrier();{}", &text[..at], &text[at..]);
        if fizz_shader::check(&more, "", &fizz_shader::ShaderLimits::default()).is_ok() {
            text = more;
            inserted += 1;
        }
    }
    (text, inserted)
}

#[test]
fn barriers_change_nothing() {
    let engine = engine();
    let mut all = 0;
    for seed in seeds() {
        let size = [SIZE, 3, 4, 16, 48, 12][(seed % 6) as usize];
        let groups = WORDS as u32 / size;
        let wgsl = Generator::new(seed)
            .shader()
            .replace(&format!("workgroup_size({SIZE})"), &format!("workgroup_size({size})"));
        let checked = fizz_shader::check(&wgsl, "", &fizz_shader::ShaderLimits::default()).unwrap();
        let (_, buffer) = interpret::Run::all(&checked.module, input(seed), size, groups);
        let (wgsl, inserted) = with_barriers(&wgsl, seed);
        all += inserted;
        let given = [words(0, &input(seed))];
        let (after, _) = Machine::new(&engine, common::program(&wgsl), 128).run([groups, 1, 1], &given);
        assert_eq!(after[0].words(), buffer, "seed {seed}:\n{wgsl}");
    }
    assert!(all > 100, "{all} barriers in all");
}

#[test]
fn watched_programs_compute_the_same_and_own_words_do_not_race() {
    let engine = engine();
    for seed in seeds() {
        let size = [SIZE, 3, 4, 16, 48, 12][(seed % 6) as usize];
        let groups = WORDS as u32 / size;
        let wgsl = Generator::new(seed)
            .shader()
            .replace(&format!("workgroup_size({SIZE})"), &format!("workgroup_size({size})"));
        let (wgsl, _) = with_barriers(&wgsl, seed);
        let given = [words(0, &input(seed))];
        let (plain, gas) = Machine::new(&engine, common::program(&wgsl), 128).run([groups, 1, 1], &given);
        let check = RaceCheck::default();
        let watched = Watched {
            check: &check,
            label: "random",
            source: &wgsl,
            unwatched_group: fizz_shader::meter::METER_GROUP,
        };
        let program = compile_watched(&metered(&wgsl).module, "main", watched).unwrap();
        let watch = Some(Arc::new(Watch::new(&check)));
        let mut machine = Machine::with_watch(&engine, program, 128, watch);
        let (after, watched_gas) = machine.run([groups, 1, 1], &given);
        assert_eq!(after[0].words(), plain[0].words(), "seed {seed}:\n{wgsl}");
        assert_eq!(watched_gas, gas, "seed {seed}:\n{wgsl}");
        assert_eq!(check.races(), Races::default(), "seed {seed}:\n{wgsl}");
    }
}
