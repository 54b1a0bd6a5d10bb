//! The metered stack is always met before the native one, and at the same call whatever runs the guest.

mod common;

use common::{every_engine, module_with, run_task, task};
use fizz_attest::{Outcome, TrapKind};
use fizz_sandbox::{ModuleLimits, Program, run};

/// Runs a recursion with the largest stack there is, under every setting of the engine.
fn overflow(fields: &str, body: &str) {
    let mut task = task();
    task.limits.stack_bytes = u64::MAX;
    task.limits.gas = 100_000_000_000;
    let wasm = wat::parse_str(module_with(fields, body)).expect("a module");
    let mut first = None;
    for (settings, engine) in every_engine() {
        let program = Program::compile(engine, &wasm, &ModuleLimits::default()).expect("a good module");
        let report =
            run(&program, task.clone(), None, None).unwrap_or_else(|fault| panic!("{settings:?}: {fault}"));
        assert_eq!(
            report.outcome,
            Outcome::Trapped { kind: TrapKind::StackOverflow },
            "{settings:?}: {:?}",
            report.diagnostic
        );
        assert_eq!(*first.get_or_insert(report.gas), report.gas, "{settings:?}");
    }
}

#[test]
fn small_frames() {
    overflow("(func $f (call $f))", "(call $f)");
    overflow("(func $f (param i32) (call $f (local.get 0)))", "(call $f (i32.const 1))");
}

#[test]
fn many_parameters_and_results() {
    let params = "v128 ".repeat(900);
    let gets: String = (0..900).map(|i| format!("(local.get {i})")).collect();
    let zeros = "(v128.const i64x2 1 2)".repeat(900);
    overflow(&format!("(func $f (param {params}) {gets} (call $f))"), &format!("{zeros} (call $f)"));
    let results = "v128 ".repeat(900);
    let drops = "drop ".repeat(900);
    overflow(
        &format!("(func $f (param i32) (result {results}) (call $f (local.get 0)))"),
        &format!("(call $f (i32.const 1)) {drops}"),
    );
}

#[test]
fn values_that_the_compiler_keeps_across_a_call() {
    // A chain of vectors that does not depend on the loop: hoisted out of it, all of them live across the call,
    // though the function has three locals and a shallow operand stack.
    let mut chain = String::new();
    for step in 0..3_000 {
        let operation = ["i32x4.neg", "i8x16.neg", "v128.not", "i16x8.neg", "i8x16.abs"][step % 5];
        chain.push_str(&format!("local.get 1 {operation} local.tee 1 v128.xor\n"));
    }
    overflow(
        &format!(
            "(func $f (param v128) (local v128) (local $sum v128)
                (loop
                    (local.set 1 (local.get 0))
                    local.get $sum
                    {chain}
                    local.set $sum
                    (call $f (local.get 0))
                    (br_if 0 (v128.any_true (local.get $sum)))))"
        ),
        "(call $f (v128.const i64x2 3 5))",
    );
}

#[test]
fn constant_vectors_that_the_compiler_lays_down_before_a_loop() {
    // Two operators for each: the densest there is. All of them live across the call.
    let constants: String =
        (0..20_000).map(|n| format!("(v128.const i64x2 {n} {})\ni32x4.add\n", n * 7 + 1)).collect();
    overflow(
        &format!(
            "(func $f (param v128) (local $sum v128)
                (loop
                    local.get $sum
                    {constants}
                    local.set $sum
                    (call $f (local.get 0))
                    (br_if 0 (v128.any_true (local.get $sum)))))"
        ),
        "(call $f (v128.const i64x2 3 5))",
    );
    // One operator for each, as arguments of calls.
    let arguments: String = (0..100).map(|n| format!("(v128.const i64x2 {n} CALL)\n")).collect();
    let calls: String =
        (0..100).map(|call| format!("{} call $g\n", arguments.replace("CALL", &call.to_string()))).collect();
    overflow(
        &format!(
            "(func $g (param {}))
            (func $f (param i32) (local $i i32)
                (loop {calls} (call $f (local.get 0)) (br_if 0 (local.get 0))))",
            "v128 ".repeat(100)
        ),
        "(call $f (i32.const 1))",
    );
}

#[test]
fn mutual_and_indirect_recursion() {
    overflow(
        "(table 1 funcref) (type $t (func (param i64) (result i64))) (elem (i32.const 0) func $f)
        (func $f (type $t) (i64.mul (call $g (local.get 0)) (i64.const 3)))
        (func $g (type $t) (i64.add (call_indirect (type $t) (local.get 0) (i32.const 0)) (i64.const 1)))",
        "(drop (call $f (i64.const 7)))",
    );
}

#[test]
fn one_frame_larger_than_the_stack() {
    let locals = "i64 ".repeat(5_000);
    let uses: String = (0..5_000).map(|i| format!("(local.set {i} (i64.load (i32.const {i})))")).collect();
    let sum: String = (0..5_000).map(|i| format!("(i64.xor (local.get {i}))")).collect();
    let fields = format!("(func $big (result i64) (local {locals}) {uses} (i64.const 0) {sum})");
    let body = "(drop (call $big))";
    let wat = module_with(&fields, body);
    let mut small = task();
    small.limits.stack_bytes = 32 << 10;
    let report = run_task(&wat, small);
    assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::StackOverflow });
    assert!(run_task(&wat, task()).outcome.is_success());
}
