//! All 2^32 inputs of the functions of one number, and 2^30 pairs of those of two.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use super::inputs;
use super::interpreter::Program;
use super::lanes::LANES;
use super::measure::Measure;
use super::table::{FUNCTIONS, Function, Takes};
use fizz_shader::exact;
use std::sync::atomic::{AtomicU64, Ordering};

/// Blocks that a thread takes at once.
const RUN: u64 = 1 << 11;
const BLOCKS: u64 = (1 << 32) / LANES as u64;

/// Computes runs of blocks on all cores until there are no more, and checks what was measured.
#[track_caller]
fn check(name: &str, runs: u64, run: impl Fn(&Function, &mut Program, &mut Measure, u64) + Sync) {
    let function = FUNCTIONS.iter().find(|function| function.name == name).unwrap();
    let library = exact::library().unwrap();
    let next = AtomicU64::new(0);
    let thread = || {
        let mut program = Program::new(library, name);
        let mut measure = Measure::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= runs {
                return measure;
            }
            run(function, &mut program, &mut measure, number);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut measure = Measure::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(thread)).collect();
        for thread in threads {
            measure.join(thread.join().unwrap());
        }
    });
    let line = measure.line(function, &Program::new(library, name));
    println!("all: {line}");
    assert!(measure.is_right(function), "{line}");
}

#[track_caller]
fn all(name: &str) {
    check(name, BLOCKS / RUN, |function, program, measure, number| {
        assert!(function.takes == Takes::One, "{name} is no function of one number");
        let mut inputs = vec![[0; 2]; LANES];
        for block in number * RUN..(number + 1) * RUN {
            for (input, word) in inputs.iter_mut().zip((block * LANES as u64)..) {
                *input = [word as u32, 0];
            }
            measure.add(function, program, &inputs);
        }
    });
}

#[track_caller]
fn many(name: &str) {
    check(name, 1 << 10, |function, program, measure, number| {
        for inputs in inputs::others(function.takes, number + 1).chunks(LANES) {
            measure.add(function, program, inputs);
        }
    });
}

macro_rules! tests {
    ($check:ident: $($test:ident: $name:literal;)*) => {
        $(#[test] #[ignore = "minutes of all cores"] fn $test() { $check($name); })*
    };
}

tests! { many:
    all_div: "fizz_div";
    all_rem: "fizz_rem";
    all_pow: "fizz_pow";
    all_atan2: "fizz_atan2";
    all_ldexp: "fizz_ldexp";
    all_min: "fizz_min";
    all_max: "fizz_max";
}

tests! { all:
    all_sqrt: "fizz_sqrt";
    all_inverse_sqrt: "fizz_inverse_sqrt";
    all_exp: "fizz_exp";
    all_exp2: "fizz_exp2";
    all_log: "fizz_log";
    all_log2: "fizz_log2";
    all_sin: "fizz_sin";
    all_cos: "fizz_cos";
    all_tan: "fizz_tan";
    all_asin: "fizz_asin";
    all_acos: "fizz_acos";
    all_atan: "fizz_atan";
    all_sinh: "fizz_sinh";
    all_cosh: "fizz_cosh";
    all_tanh: "fizz_tanh";
    all_asinh: "fizz_asinh";
    all_acosh: "fizz_acosh";
    all_atanh: "fizz_atanh";
    all_frexp_fract: "fizz_frexp_fract";
    all_frexp_exp: "fizz_frexp_exp";
    all_fract: "fizz_fract";
    all_sign: "fizz_sign";
    all_round: "fizz_round";
    all_f32_to_i32: "fizz_f32_to_i32";
    all_f32_to_u32: "fizz_f32_to_u32";
    all_f32_to_f16: "fizz_f32_to_f16";
}
