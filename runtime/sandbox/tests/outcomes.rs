//! How tasks end: every outcome, at the same gas each time.

mod common;

use common::{compile, module, module_with, numbers, program, run_task, run_wat, task};
use fizz_attest::{LimitKind, Outcome, TrapKind};
use fizz_sandbox::{ModuleError, ModuleLimits, Program, ProgramError, TaskReport, run};

fn trapped(report: &TaskReport) -> TrapKind {
    match report.outcome {
        Outcome::Trapped { kind } => kind,
        ref other => panic!("{other}"),
    }
}

#[test]
fn exit_codes_are_passed_on_whole() {
    for code in [0u32, 3, 126, 255, 300, u32::MAX] {
        let report = run_wat(&module(&format!("(call $proc_exit (i32.const {}))", code.cast_signed())));
        assert_eq!(report.outcome, Outcome::Completed { exit_code: code });
    }
    assert_eq!(run_wat(&module("")).outcome, Outcome::Completed { exit_code: 0 });
}

#[test]
fn an_endless_loop_ends_at_exactly_the_limit() {
    let mut task = task();
    task.limits.gas = 1_234_567;
    let report = run_task(&module("(loop (br 0))"), task);
    assert_eq!(report.outcome, Outcome::OutOfGas);
    assert_eq!(report.gas, 1_234_567);
}

#[test]
fn endless_recursion_meets_the_metered_stack() {
    let wat = module_with(
        "(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))",
        "(drop (call $deep (i32.const 0)))",
    );
    let report = run_wat(&wat);
    assert_eq!(trapped(&report), TrapKind::StackOverflow);
    // Twice the stack, twice the depth, and about twice the gas.
    let mut more = task();
    more.limits.stack_bytes *= 2;
    let deeper = run_task(&wat, more);
    assert_eq!(trapped(&deeper), TrapKind::StackOverflow);
    let start = program(&wat).start_gas();
    let (more, less) = (deeper.gas - start, report.gas - start);
    assert!(more.abs_diff(2 * less) < 100, "{more} {less}");
}

#[test]
fn tail_calls_need_no_stack() {
    let wat = module_with(
        "(func $count (param i32) (if (i32.eqz (local.get 0)) (then (return)))
            (return_call $count (i32.sub (local.get 0) (i32.const 1))))",
        "(call $count (i32.const 5000000))",
    );
    assert!(run_wat(&wat).outcome.is_success());
}

#[test]
fn traps_have_their_kinds_and_exact_gas() {
    let spin = "(local $i i32) (loop (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $i) (i32.const 1000))))";
    let table = "(table 2 funcref) (type $v (func)) (type $i (func (param i32)))
        (func $f (type $v)) (elem (i32.const 0) func $f)";
    for (body, kind) in [
        ("unreachable", TrapKind::Unreachable),
        ("(drop (i32.load (i32.const -4)))", TrapKind::MemoryOutOfBounds),
        ("(memory.fill (i32.const 262144) (i32.const 0) (i32.const 1))", TrapKind::MemoryOutOfBounds),
        ("(call_indirect (type $v) (i32.const 2))", TrapKind::TableOutOfBounds),
        ("(call_indirect (type $v) (i32.const 1))", TrapKind::IndirectCallToNull),
        ("(call_indirect (type $i) (i32.const 0) (i32.const 0))", TrapKind::BadSignature),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", TrapKind::IntegerOverflow),
        ("(drop (i64.rem_u (i64.const 1) (i64.const 0)))", TrapKind::IntegerDivisionByZero),
        ("(drop (i32.trunc_f32_s (f32.const nan)))", TrapKind::BadConversionToInteger),
        ("(drop (call $random_get (i32.const -1) (i32.const 5)))", TrapKind::BadHostCall),
    ] {
        let with = |spin: &str| run_wat(&module_with(table, &format!("{spin} {body}")));
        let long = with(spin);
        assert_eq!(trapped(&long), kind, "{body}");
        let short = with("");
        // The loop before the trap is not free, whatever the trap.
        assert!(long.gas > short.gas + 7_000, "{body}: {} {}", long.gas, short.gas);
        assert!(long.diagnostic.is_some(), "{body}");
        assert_eq!(with(spin).gas, long.gas);
    }
}

#[test]
fn gas_that_runs_out_before_a_trap_wins() {
    let wat = module("(drop (i32.load (i32.const -4)))");
    let gas = run_wat(&wat).gas;
    let mut exact = task();
    exact.limits.gas = gas;
    let report = run_task(&wat, exact.clone());
    assert_eq!((trapped(&report), report.gas), (TrapKind::MemoryOutOfBounds, gas));
    exact.limits.gas = gas - 1;
    let report = run_task(&wat, exact);
    assert_eq!((report.outcome, report.gas), (Outcome::OutOfGas, gas - 1));
}

#[test]
fn a_limit_equal_to_the_gas_is_enough_and_one_less_is_not() {
    let wat = module_with(
        "(func $f (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))",
        "(local $i i32) (loop (local.set $i (call $f (i32.add (local.get $i) (i32.const 1))))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 100000))))
         (call $print_i32 (local.get $i))",
    );
    let full = run_wat(&wat);
    assert!(full.outcome.is_success());
    let mut exact = task();
    exact.limits.gas = full.gas;
    let report = run_task(&wat, exact.clone());
    assert_eq!((report.outcome, report.gas), (full.outcome.clone(), full.gas));
    exact.limits.gas = full.gas - 1;
    let report = run_task(&wat, exact);
    assert_eq!((report.outcome, report.gas), (Outcome::OutOfGas, full.gas - 1));
}

#[test]
fn memory_over_the_limit_at_the_start_is_an_outcome() {
    let mut small = task();
    small.limits.memory_bytes = 3 << 16;
    let report = run_task(&module(""), small);
    assert_eq!(report.outcome, Outcome::LimitExceeded { kind: LimitKind::Memory });
    assert_eq!(report.gas, 0);
    let mut no_tables = task();
    no_tables.limits.table_elements = 9;
    let report = run_task(&module_with("(table 10 funcref)", ""), no_tables);
    assert_eq!(report.outcome, Outcome::LimitExceeded { kind: LimitKind::Table });
}

#[test]
fn growth_over_any_limit_answers_minus_one() {
    let mut six = task();
    six.limits.memory_bytes = 6 << 16;
    let body = "(call $print_i32 (memory.grow (i32.const 3)))
        (call $print_i32 (memory.grow (i32.const 2)))
        (call $print_i32 (memory.grow (i32.const -1)))
        (call $print_i32 (memory.grow (i32.const 0)))
        (call $print_i32 (memory.size))";
    let report = run_task(&module(body), six);
    assert_eq!(numbers(&report), [-1, 4, -1, 6, 6]);
    assert_eq!(report.peak_memory_bytes, 6 << 16);
    // The module's own maximum counts too.
    let own = module(body).replace("\"memory\") 4", "\"memory\") 4 5");
    assert_eq!(numbers(&run_wat(&own)), [-1, -1, -1, 4, 4]);
    // The whole address space.
    let mut all = task();
    all.limits.memory_bytes = u64::MAX;
    all.limits.gas = 10_000_000_000;
    let body = "(call $print_i32 (memory.grow (i32.const 65533)))
        (call $print_i32 (memory.grow (i32.const 65532)))
        (i32.store8 (i32.const -1) (i32.const 7))
        (call $print_i32 (i32.load8_u (i32.const -1)))";
    assert_eq!(numbers(&run_task(&module(body), all)), [-1, 4, 7]);
}

#[test]
fn table_growth_counts_all_tables() {
    let mut task = task();
    task.limits.table_elements = 10;
    let fields = "(table $a 2 funcref) (table $b 2 6 externref)";
    let body = "(call $print_i32 (table.grow $a (ref.null func) (i32.const 7)))
        (call $print_i32 (table.grow $a (ref.null func) (i32.const 3)))
        (call $print_i32 (table.grow $b (ref.null extern) (i32.const 4)))
        (call $print_i32 (table.grow $b (ref.null extern) (i32.const 3)))
        (call $print_i32 (table.grow $a (ref.null func) (i32.const 1)))
        (call $print_i32 (table.grow $b (ref.null extern) (i32.const -1)))";
    assert_eq!(numbers(&run_task(&module_with(fields, body), task)), [-1, 2, -1, 2, -1, -1]);
}

#[test]
fn bulk_operations_are_charged_by_their_size_before_they_run() {
    let with =
        |len: i32| run_wat(&module(&format!("(memory.fill (i32.const 0) (i32.const 1) (i32.const {len}))")));
    assert_eq!(with(80_000).gas - with(0).gas, 80_000);
    // A size that no memory has is paid for before it traps: a guest with less gas never gets there.
    let mut poor = task();
    poor.limits.gas = 10_000_000;
    let report = run_task(&module("(memory.fill (i32.const 0) (i32.const 1) (i32.const -1))"), poor);
    assert_eq!((report.outcome, report.gas), (Outcome::OutOfGas, 10_000_000));
}

#[test]
fn the_start_section_is_metered() {
    let wat = "(module (memory (export \"memory\") 1) (global $g (mut i32) (i32.const 0))
        (func $init (loop (br 0))) (start $init) (func (export \"_start\")))";
    let mut task = task();
    task.limits.gas = 1_000_000;
    let report = run_task(wat, task);
    assert_eq!((report.outcome, report.gas), (Outcome::OutOfGas, 1_000_000));
    let wat = "(module (memory (export \"memory\") 1) (global $g (mut i32) (i32.const 0))
        (func $init (global.set $g (i32.const 5))) (start $init)
        (func (export \"_start\") (if (i32.ne (global.get $g) (i32.const 5)) (then (unreachable)))))";
    assert!(run_wat(wat).outcome.is_success());
}

#[test]
fn segments_that_do_not_fit_trap() {
    let wat =
        "(module (memory (export \"memory\") 1) (data (i32.const 65536) \"x\") (func (export \"_start\")))";
    assert_eq!(trapped(&run_wat(wat)), TrapKind::MemoryOutOfBounds);
    let wat =
        "(module (memory (export \"memory\") 1) (table 1 funcref) (func $f) (elem (i32.const 1) func $f)
        (func (export \"_start\")))";
    assert_eq!(trapped(&run_wat(wat)), TrapKind::TableOutOfBounds);
}

#[test]
fn exceptions_are_caught_with_the_gas_and_stack_of_the_catcher() {
    let fields = "(tag $e (param i32)) (tag $other)
        (func $throw (param i32) (if (i32.gt_s (local.get 0) (i32.const 0))
                (then (call $throw (i32.sub (local.get 0) (i32.const 1)))))
            (throw $e (local.get 0)))
        (func $catch (param i32) (result i32)
            (block $caught (result i32)
                (try_table (catch $e $caught) (call $throw (local.get 0)))
                (i32.const 77)))";
    let body = "(local $i i32)
        (loop (call $print_i32 (call $catch (i32.const 100)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 300))))";
    let report = run_wat(&module_with(fields, body));
    assert!(report.outcome.is_success(), "{}", report.outcome);
    assert_eq!(numbers(&report), [0; 300]);
    // 300 throws through 100 frames would overflow a stack counter that is not put back.
    let mut exact = task();
    exact.limits.gas = report.gas;
    assert!(run_task(&module_with(fields, body), exact.clone()).outcome.is_success());
    exact.limits.gas -= 1;
    assert_eq!(run_task(&module_with(fields, body), exact).outcome, Outcome::OutOfGas);
}

#[test]
fn catching_is_not_free_and_ends() {
    let fields = "(tag $e)
        (func $forever (loop $again (block $caught (try_table (catch $e $caught) (throw $e))) (br $again)))
        (func $loop_head (loop $again (try_table (catch $e $again) (throw $e))))
        (func $returns (try_table (catch_all 0) (throw $e)))";
    for body in ["(call $forever)", "(call $loop_head)", "(loop (call $returns) (br 0))"] {
        let mut task = task();
        task.limits.gas = 30_000_000;
        let report = run_task(&module_with(fields, body), task);
        assert_eq!((report.outcome, report.gas), (Outcome::OutOfGas, 30_000_000), "{body}");
    }
}

#[test]
fn many_exceptions_do_not_pile_up_in_the_host() {
    let fields = "(tag $e (param i64 i64 i64 i64))
        (func $once (block $caught (result i64 i64 i64 i64)
            (try_table (catch $e $caught)
                (throw $e (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4))) (unreachable))
            drop drop drop drop)";
    let body = "(local $i i32)
        (loop (call $once) (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
            (i32.const 300000))))";
    let mut task = task();
    task.limits.gas = 100_000_000_000;
    let report = run_task(&module_with(fields, body), task);
    assert!(report.outcome.is_success(), "{}", report.outcome);
    assert!(report.gas > 300_000 * 50_000);
}

#[test]
fn an_exception_that_nobody_catches_is_a_trap() {
    let report = run_wat(&module_with("(tag $e)", "(throw $e)"));
    assert_eq!(trapped(&report), TrapKind::UncaughtException);
    assert!(report.gas > 0);
}

#[test]
fn several_results_and_all_ways_out_of_a_function_are_charged() {
    let fields = "(func $two (param i32) (result i32 i64)
            (if (local.get 0) (then (return (i32.const 1) (i64.const 2))))
            (block (br_table 0 1 (local.get 0)) ) (i32.const 3) (i64.const 4))
        (func $pick (param i32) (result i32)
            (br_if 0 (i32.const 10) (i32.eq (local.get 0) (i32.const 0))) drop
            (block $a (block $b (br_table $a $b 2 (i32.const 0) (local.get 0))) (return (i32.const 20)))
            (i32.const 30))";
    // The validator wants the branch values, so the table above is written without them.
    let fields =
        fields.replace("(br_table $a $b 2 (i32.const 0) (local.get 0))", "(br_table $a $b $b (local.get 0))");
    let fields = fields.replace("(block (br_table 0 1 (local.get 0)) )", "");
    let body = "(call $two (i32.const 0)) (drop) (call $print_i32)
        (call $two (i32.const 1)) (drop) (call $print_i32)
        (call $print_i32 (call $pick (i32.const 0)))
        (call $print_i32 (call $pick (i32.const 1)))
        (call $print_i32 (call $pick (i32.const 2)))";
    let report = run_wat(&module_with(&fields, body));
    assert_eq!(numbers(&report), [3, 1, 10, 20, 20]);
}

#[test]
fn bad_modules_are_refused_by_name_with_a_hint() {
    let refused = |wasm: &[u8]| match Program::compile(common::engine(), wasm, &ModuleLimits::default()) {
        Err(ProgramError::Module(error)) => {
            assert!(!error.hint().is_empty());
            error
        }
        other => panic!("{other:?}"),
    };
    let text = |wat: &str| refused(&wat::parse_str(wat).unwrap());
    let good = wat::parse_str(module("")).unwrap();
    for len in [0, 1, 4, 7, 8, 9, 20, good.len() / 2, good.len() - 1] {
        let error = refused(&good[..len]);
        assert!(
            matches!(error, ModuleError::NotWasm | ModuleError::Malformed { .. } | ModuleError::NoMemory),
            "{len}: {error}"
        );
    }
    assert!(matches!(refused(b"#!/bin/sh"), ModuleError::NotWasm));
    assert!(matches!(text("(component)"), ModuleError::Component));
    let error = text("(module (import \"env\" \"f\" (func)))");
    assert_eq!(error.to_string(), "the module imports `env.f`, which Fizz does not serve");
    let error = text("(module (import \"wasi_snapshot_preview1\" \"thread_spawn\" (func)))");
    assert!(error.to_string().contains("wasi_snapshot_preview1.thread_spawn"), "{error}");
    let error = text("(module (import \"env\" \"m\" (memory 1)))");
    assert!(error.to_string().contains("memory `env.m`"), "{error}");
    let error = text(
        "(module (memory (export \"memory\") 1) (func (export \"fizz:gas\")) (func (export \"_start\")))",
    );
    assert!(matches!(error, ModuleError::ReservedExport(name) if name == "fizz:gas"));
    assert!(matches!(text("(module (func (export \"_start\")))"), ModuleError::NoMemory));
    assert!(matches!(text("(module (memory (export \"memory\") 1))"), ModuleError::NoStart));
    assert!(matches!(
        text("(module (memory (export \"memory\") 1) (func (export \"_start\") (param i32)))"),
        ModuleError::NoStart
    ));
    let error = text("(module (memory (export \"memory\") 1) (func (export \"_initialize\")))");
    assert!(matches!(error, ModuleError::Reactor), "{error}");
    let error = text(
        "(module (import \"wasi_snapshot_preview1\" \"fd_close\" (func (param i64)))
        (memory (export \"memory\") 1) (func (export \"_start\")))",
    );
    assert_eq!(
        error.to_string(),
        "the module imports `wasi_snapshot_preview1.fd_close` with another type than Fizz serves"
    );
}

#[test]
fn refused_proposals_are_named() {
    let start = "(memory (export \"memory\") 1) (func (export \"_start\"))";
    for (name, fields) in [
        ("threads", "(memory (export \"memory\") 1 1 shared) (func (export \"_start\"))".to_owned()),
        ("memory64", "(memory (export \"memory\") i64 1) (func (export \"_start\"))".to_owned()),
        ("multi-memory", format!("{start} (memory 1)")),
        (
            "custom-page-sizes",
            "(memory (export \"memory\") 1 (pagesize 1)) (func (export \"_start\"))".to_owned(),
        ),
        (
            "relaxed-simd",
            format!("{start} (func (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))"),
        ),
        ("garbage-collection", format!("{start} (type (struct (field i32)))")),
        (
            "function-references",
            format!("{start} (type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))"),
        ),
        (
            "wide-arithmetic",
            format!(
                "{start} (func (param i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 0)))"
            ),
        ),
        ("stack-switching", format!("{start} (type $f (func)) (type $c (cont $f))")),
        ("legacy-exceptions", format!("{start} (func try catch_all end)")),
        ("shared-everything-threads", format!("{start} (global (shared mut i32) (i32.const 0))")),
        ("memory-control", format!("{start} (func (memory.discard (i32.const 0) (i32.const 0)))")),
    ] {
        match compile(&format!("(module {fields})")) {
            Err(ProgramError::Module(ModuleError::Proposals(names))) => {
                assert!(names.contains(&name), "{name}: {names:?}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn two_runs_are_equal_bit_for_bit() {
    let wat = module(
        "(drop (call $random_get (i32.const 0) (i32.const 64)))
         (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 64)))
         (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 72)))
         (call $print (i32.const 0) (i32.const 80))",
    );
    let program = program(&wat);
    let mut reports: Vec<_> = (0..8)
        .map(|_| {
            let program = program.clone();
            std::thread::spawn(move || run(&program, task(), None, None).unwrap())
        })
        .map(|thread| thread.join().unwrap())
        .map(|report| (report.outcome, report.gas, report.stdout))
        .collect();
    let first = reports.pop().unwrap();
    assert!(reports.iter().all(|other| *other == first));
    let mut other = task();
    other.task_index = 1;
    let other = run(&program, other, None, None).unwrap();
    assert_ne!(other.stdout[..64], first.2[..64]);
    let mut seeded = task();
    seeded.seed[0] = 1;
    assert_ne!(run(&program, seeded, None, None).unwrap().stdout[..64], first.2[..64]);
}
