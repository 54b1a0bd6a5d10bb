//! The gas and the results of generated shaders are those of an interpreter that runs one invocation after the other, whatever splits
//! the work and however many threads play the GPU.
#![allow(clippy::unwrap_used, dead_code)] // A test fails by panicking.

mod common;
#[path = "reference/generate.rs"]
mod generate;
#[path = "reference/interpret.rs"]
mod interpret;

use common::{Guest, QUOTAS, hardware};
use fizz_gpu::{Hardware, schedule};
use fizz_shader::ShaderLimits;
use generate::{Generator, SIZE};

const GROUPS: u32 = 6;
const WORDS: usize = (SIZE * GROUPS) as usize;

/// Gas of the shader's one dispatch, and the buffer after it.
fn on_device(hardware: &Hardware, wgsl: &str, input: &[u32]) -> (u64, Vec<u32>) {
    let mut guest = Guest::on(hardware, QUOTAS);
    let data = guest.data(input);
    let shader = guest.shader(wgsl);
    let pipeline = guest.pipeline(0, shader);
    let layout = guest.auto_layout(pipeline);
    let group = guest.group(layout, &[data]);
    guest.clean();
    let before = guest.session.gas();
    guest.dispatch(pipeline, group, [GROUPS, 1, 1]);
    guest.clean();
    let commands = 8 * schedule::COMMAND + schedule::OBJECT + 2 * schedule::SUBMIT + schedule::DISPATCH;
    (guest.session.gas() - before - commands, guest.read(data, 0, WORDS))
}

fn input(seed: u64) -> Vec<u32> {
    (0..WORDS as u64).map(|n| (n.wrapping_mul(seed * 2 + 1) >> 1) as u32 & 0xff).collect()
}

#[test]
fn gas_is_that_of_the_reference() {
    let Some(hardware) = hardware() else { return };
    let (mut counted, mut tried) = (0, 0);
    for seed in 1..=150 {
        let wgsl = Generator::new(seed).shader();
        let checked = fizz_shader::check(&wgsl, "", &ShaderLimits::default())
            .unwrap_or_else(|error| panic!("{wgsl}\n{error}"));
        let (gas, buffer) = interpret::Run::all(&checked.module, input(seed), SIZE, GROUPS);
        let slice = [u64::MAX, 1 << 29, 3000, 1][(seed % 4) as usize];
        let found = on_device(&hardware.clone().with_slice_gas(slice), &wgsl, &input(seed));
        assert_eq!(found.1, buffer, "seed {seed}, slices of {slice}:\n{wgsl}");
        assert_eq!(found.0, gas, "seed {seed}, slices of {slice}:\n{wgsl}");
        tried += 1;
        counted += u32::from(wgsl.matches("for (").count() + wgsl.matches("loop {").count() > 2);
    }
    assert!(counted * 2 > tried, "most shaders have loops: {counted} of {tried}");
}

/// One line of all gas, for the next test.
#[test]
fn sums_are_printed() {
    let Some(hardware) = hardware() else { return };
    let sums = (1000..1012).map(|seed| on_device(&hardware, &Generator::new(seed).shader(), &input(seed)).0);
    println!("sums: {:?}", sums.collect::<Vec<u64>>());
}

#[test]
fn gas_does_not_depend_on_threads() {
    if hardware().is_none() {
        return;
    }
    let sums = |threads: &str| {
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sums_are_printed", "--nocapture", "--test-threads=1"])
            .env("LP_NUM_THREADS", threads)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        let line = text.lines().find_map(|line| line.split_once("sums: ").map(|(_, sums)| sums.to_owned()));
        line.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&run.stderr)))
    };
    let one = sums("0");
    for threads in ["1", "2", "5"] {
        assert_eq!(sums(threads), one, "{threads} threads");
    }
}
