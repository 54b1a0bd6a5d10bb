//! Ending, signals, random bytes.

use fizz_attest::{Outcome, TrapKind};

use crate::common::script::{N, Script};
use crate::common::{module, run_task, run_wat, task};
use crate::errno::*;

#[test]
fn any_exit_code_arrives_whole() {
    for code in [0, 1, 2, 125, 126, 127, 128, 134, 255, 256, 1 << 16, i32::MAX, i32::MIN, -1] {
        let report = run_wat(&module(&format!("(call $proc_exit (i32.const {code})) (unreachable)")));
        assert_eq!(report.outcome, Outcome::Completed { exit_code: code.cast_unsigned() });
    }
}

#[test]
fn there_are_no_signals_and_nobody_to_yield_to() {
    let mut script = Script::new();
    script.call(NOTSUP, "proc_raise", &[N(6)]);
    script.call(INVAL, "proc_raise", &[N(99)]);
    script.call(OK, "sched_yield", &[]);
    script.run();
}

#[test]
fn random_bytes_follow_the_seed_and_the_number_of_the_task() {
    // However they are asked for, they are one stream.
    let whole =
        "(drop (call $random_get (i32.const 0) (i32.const 100))) (call $print (i32.const 0) (i32.const 100))";
    let parts = "(drop (call $random_get (i32.const 0) (i32.const 0)))
        (drop (call $random_get (i32.const 0) (i32.const 1)))
        (drop (call $random_get (i32.const 1) (i32.const 98)))
        (drop (call $random_get (i32.const 99) (i32.const 1)))
        (call $print (i32.const 0) (i32.const 100))";
    let bytes = |body: &str, seed: u8, task_index: u32| {
        let mut spec = task();
        spec.seed = [seed; 32];
        spec.task_index = task_index;
        run_task(&module(body), spec).stdout
    };
    let first = bytes(whole, 1, 0);
    assert_eq!(first, bytes(parts, 1, 0));
    assert_ne!(first, bytes(whole, 2, 0));
    assert_ne!(first, bytes(whole, 1, 1));
    assert!(first.iter().collect::<std::collections::BTreeSet<_>>().len() > 50, "{first:?}");
}

#[test]
fn a_pointer_that_is_not_aligned_traps() {
    let call = |at: u32| {
        let body = format!("(drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const {at})))");
        run_wat(&module(&body)).outcome
    };
    assert!(call(1024).is_success());
    for at in [1025, 1026, 1028] {
        assert_eq!(call(at), Outcome::Trapped { kind: TrapKind::BadHostCall }, "{at}");
    }
}
