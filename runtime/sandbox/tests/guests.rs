//! Real guests, compiled from Rust: they run, and they run the same every time.

mod common;

use common::engine;
use fizz_attest::Outcome;
use fizz_sandbox::{ModuleLimits, Program, TaskReport, TaskSpec, run};

fn kernels() -> Program {
    Program::compile(engine(), fizz_examples::KERNELS, &ModuleLimits::default()).expect("a good module")
}

fn kernel(program: &Program, name: &str) -> TaskReport {
    let mut task = TaskSpec::new("kernels");
    task.args.push(name.to_owned());
    run(program, task, None, None).expect("a sound node")
}

/// What each kernel costs. These bytes of the module cost this much in every form and release of the pass; where the
/// kernels, their dependencies or the toolchain change, the numbers are taken anew, and where the cost of an operator
/// changes, the version of the cost table with them.
const GAS: [(&str, u64); 8] = [
    ("nbody", 2_444_105_685),
    ("matmul", 2_859_208_494),
    ("matmul-simd", 812_388_223),
    ("sieve", 926_635_789),
    ("fib", 512_462_997),
    ("blake3", 938_282_570),
    ("regex", 1_508_169_076),
    ("deflate", 839_701_692),
];

#[test]
fn kernels_run_and_repeat_bit_for_bit() {
    let program = kernels();
    let mut found = Vec::new();
    for (name, _) in GAS {
        let first = kernel(&program, name);
        assert!(first.outcome.is_success(), "{name}: {}", first.outcome);
        assert!(first.stdout.starts_with(name.as_bytes()), "{name}");
        found.push((name, first.gas));
        let again = kernel(&program, name);
        assert_eq!((&again.stdout, again.gas), (&first.stdout, first.gas), "{name}");
    }
    assert_eq!(found, GAS);
}

#[test]
fn a_guest_that_refuses_its_arguments_says_so_on_stderr() {
    let report = kernel(&kernels(), "nothing");
    assert_eq!(report.outcome, Outcome::Completed { exit_code: 2 });
    assert!(report.stdout.is_empty());
    assert!(String::from_utf8(report.stderr).unwrap().starts_with("error: no kernel named"));
}
