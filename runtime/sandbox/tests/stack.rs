//! The metered stack is always met before the native one, and at the same call whatever runs the guest.

mod common;

use common::{every_engine, module_with, program, run_task, task};
use fizz_attest::{HostFault, Outcome, TrapKind};
use fizz_sandbox::{ModuleLimits, Observer, Program, TaskSpec, run};

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

/// Recursion to the end of the largest stack; its first frame calls the host.
const DEEP: &str = r#"(module
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
    (memory (export "memory") 1)
    (func $f (param i64) (result i64) (i64.mul (call $f (i64.add (local.get 0) (i64.const 1))) (i64.const 3)))
    (func $deep (if (i32.eqz (call $yield)) (then (drop (call $f (i64.const 0))))))
    (func (export "_start") (call $deep)))"#;

fn deep_task() -> TaskSpec {
    let mut task = task();
    task.limits.stack_bytes = u64::MAX;
    task
}

/// Does something at the first host call.
struct Once(Option<Box<dyn FnOnce() + Send>>);

impl Observer for Once {
    fn progress(&mut self, _: u64) {
        if let Some(act) = self.0.take() {
            act();
        }
    }
}

#[test]
fn a_run_inside_a_host_call_has_a_whole_stack_of_its_own() {
    let alone = run(&program(DEEP), deep_task(), None, None).expect("a run");
    let (sender, receiver) = std::sync::mpsc::channel();
    let inner = program(DEEP);
    let act = move || {
        // One more level, so that three guests lie on three stacks at once.
        let innermost = inner.clone();
        let act = move || sender.send(run(&innermost, deep_task(), None, None)).expect("a receiver");
        run(&inner, deep_task(), None, Some(Box::new(Once(Some(Box::new(act)))))).expect("a run");
    };
    let outer =
        run(&program(DEEP), deep_task(), None, Some(Box::new(Once(Some(Box::new(act)))))).expect("a run");
    let innermost = receiver.recv().expect("the inner run").expect("a run");
    for report in [&alone, &outer, &innermost] {
        assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::StackOverflow });
        assert_eq!(report.gas, alone.gas);
    }
}

#[test]
fn a_panic_in_a_host_call_is_a_fault_and_the_next_run_is_good() {
    for (settings, engine) in every_engine() {
        let wasm = wat::parse_str(DEEP).expect("a module");
        let program = Program::compile(engine, &wasm, &ModuleLimits::default()).expect("a good module");
        let observer = Once(Some(Box::new(|| panic!("boom"))));
        let fault = run(&program, deep_task(), None, Some(Box::new(observer))).expect_err("a fault");
        assert_eq!(fault.kind, HostFault::Internal, "{settings:?}");
        assert!(fault.detail.contains("boom"), "{settings:?}: {}", fault.detail);
        let report = run(&program, deep_task(), None, None).expect("a run");
        assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::StackOverflow }, "{settings:?}");
    }
}

#[test]
fn traps_on_many_threads_at_once() {
    let deep = program(DEEP);
    let trap = program(&module_with("", "(drop (i32.load (i32.const 0xfffffff0)))"));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let report = run(&deep, deep_task(), None, None).expect("a run");
                    assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::StackOverflow });
                    let report = run(&trap, task(), None, None).expect("a run");
                    assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::MemoryOutOfBounds });
                }
            });
        }
    });
}
