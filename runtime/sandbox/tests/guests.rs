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
    ("nbody", 2_399_704_990),
    ("matmul", 2_859_207_995),
    ("matmul-simd", 812_387_713),
    ("sieve", 926_634_979),
    ("fib", 512_462_209),
    ("blake3", 931_497_282),
    ("regex", 1_387_333_423),
    ("deflate", 751_274_976),
];

#[test]
fn kernels_run_and_repeat_bit_for_bit() {
    let program = kernels();
    for (name, gas) in GAS {
        let first = kernel(&program, name);
        assert!(first.outcome.is_success(), "{name}: {}", first.outcome);
        assert!(first.stdout.starts_with(name.as_bytes()), "{name}");
        assert_eq!(first.gas, gas, "{name}");
        let again = kernel(&program, name);
        assert_eq!((&again.stdout, again.gas), (&first.stdout, first.gas), "{name}");
    }
}

#[test]
fn a_guest_that_refuses_its_arguments_says_so_on_stderr() {
    let report = kernel(&kernels(), "nothing");
    assert_eq!(report.outcome, Outcome::Completed { exit_code: 2 });
    assert!(report.stdout.is_empty());
    assert!(String::from_utf8(report.stderr).unwrap().starts_with("error: no kernel named"));
}
