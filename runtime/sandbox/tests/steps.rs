//! Tasks in steps: that a task stopped at any chunk and resumed elsewhere is the same task, bit for bit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use common::{compile, module_with, program, step_guest as guest, step_task as spec, task};
use fizz_attest::{Boundary, LimitKind, Outcome, TrapKind};
use fizz_sandbox::{
    COSTS, Files, ModuleError, Program, ProgramError, Progress, ResumeError, Snapshot, SnapshotError, Steps,
    TaskReport, TaskSpec, run,
};

/// Everything of a report that must be equal.
type Essence = (Outcome, u64, Vec<u8>, Vec<u8>, Vec<(String, Vec<u8>)>, u64);

fn essence(report: &TaskReport) -> Essence {
    let files =
        report.files.regular_files("/").into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect();
    (
        report.outcome.clone(),
        report.gas,
        report.stdout.clone(),
        report.stderr.clone(),
        files,
        report.peak_memory_bytes,
    )
}

/// Runs the rest chunk by chunk, with the snapshot at each boundary.
fn finish(mut steps: Steps) -> (Vec<(Boundary, Snapshot)>, TaskReport) {
    let mut met = Vec::new();
    loop {
        match steps.next_chunk().unwrap() {
            Progress::Chunk(boundary) => met.push((boundary, steps.snapshot().unwrap().unwrap())),
            Progress::Ended(report) => return (met, *report),
        }
    }
}

/// Resumes at every boundary, through bytes and in a program compiled anew, and compares.
fn check_all(wat: &str, spec: &TaskSpec, at_least: usize) -> TaskReport {
    let program = program(wat);
    let whole = run(&program, spec.clone(), None, None).unwrap();
    let (met, report) = finish(Steps::start(&program, spec.clone(), None).unwrap());
    assert_eq!(essence(&whole), essence(&report));
    let boundaries: Vec<Boundary> = met.iter().map(|(boundary, _)| *boundary).collect();
    assert_eq!(whole.boundaries, boundaries);
    assert!(boundaries.len() >= at_least, "only {} chunks ended", boundaries.len());
    for (index, (boundary, snapshot)) in met.iter().enumerate() {
        let bytes = snapshot.encode();
        let decoded = Snapshot::decode(&bytes).unwrap();
        assert_eq!(decoded.encode(), bytes);
        assert_eq!((decoded.boundary(), decoded.chunk() as usize), (*boundary, index + 1));
        let elsewhere = compile(wat).unwrap();
        let mut resumed = Steps::resume(&elsewhere, spec.clone(), &decoded, None).unwrap();
        assert_eq!(resumed.state().unwrap(), Some(boundary.state), "state after chunk {index}");
        let (rest, report) = finish(resumed);
        let rest: Vec<Boundary> = rest.iter().map(|(boundary, _)| *boundary).collect();
        assert_eq!(rest, boundaries[index + 1..], "resumed after chunk {index}");
        assert_eq!(essence(&whole), essence(&report), "resumed after chunk {index}");
    }
    whole
}

#[test]
fn a_task_resumed_at_any_chunk_is_the_same_task() {
    let report = check_all(&guest("", 12), &spec(), 8);
    assert!(report.outcome.is_success());
    assert_eq!(report.stdout.len(), 12 * 16);
    assert_eq!(
        report.files.get("/file").unwrap().len(),
        13 * 16,
        "one writes over what the other has added, but the last"
    );
    assert_eq!(report.files.get("/gone"), None);
}

#[test]
fn endings_in_the_middle_are_the_same_after_a_resume() {
    let at_eight = |what: &str| format!("(if (i32.eq (global.get $count) (i32.const 8)) (then {what}))");
    let trapped = |kind| Outcome::Trapped { kind };
    for (what, outcome) in [
        ("(call $proc_exit (i32.const 7))", Outcome::Completed { exit_code: 7 }),
        ("unreachable", trapped(TrapKind::Unreachable)),
        // Its gas is known only from a second run: from where the task was resumed.
        (
            "(loop $more (br_if $more (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1)))
                (i32.const 0x7f000))) (drop (i32.load (i32.const -4))))",
            trapped(TrapKind::MemoryOutOfBounds),
        ),
        ("(loop $ever (br $ever))", Outcome::OutOfGas),
    ] {
        let report = check_all(&guest(&at_eight(what), 12), &spec(), 5);
        assert_eq!(report.outcome, outcome, "{what}");
    }
    let mut small = spec();
    small.limits.output_bytes = 500;
    let report = check_all(&guest("", 12), &small, 3);
    assert_eq!(report.outcome, Outcome::LimitExceeded { kind: LimitKind::OutputBytes });
}

#[test]
fn the_state_of_every_step_is_another() {
    let mut spec = spec();
    spec.chunk_gas = 1;
    let report = check_all(&guest("", 5), &spec, 5);
    let states: std::collections::BTreeSet<_> = report.boundaries.iter().map(|at| at.state).collect();
    // One after `_start`, and one after each step but the last.
    assert_eq!((report.boundaries.len(), states.len()), (5, 5));
}

#[test]
fn a_state_whose_names_are_too_many_bytes_ends_the_task_and_below_it_is_stored() {
    let links = |count: u32| {
        let fields = r#"(func (export "fizz_step") (result i32) (i32.const 1))"#;
        // Links of eight digits to 4,000 bytes.
        let start = format!(
            "(local $i i32) (local $at i32) (local $left i32)
            (memory.fill (i32.const 4096) (i32.const 120) (i32.const 4000))
            (loop $more
                (local.set $left (local.get $i))
                (local.set $at (i32.const 8))
                (loop $digit
                    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
                    (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $left) (i32.const 10))))
                    (local.set $left (i32.div_u (local.get $left) (i32.const 10)))
                    (br_if $digit (local.get $at)))
                (if (call $path_symlink
                    (i32.const 4096) (i32.const 4000) (i32.const 3) (i32.const 0) (i32.const 8))
                    (then unreachable))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $i) (i32.const {count}))))"
        );
        let mut spec = TaskSpec { chunk_gas: 1, ..task() };
        (spec.limits.gas, spec.limits.output_bytes) = (1 << 40, 1 << 30);
        let mut steps = Steps::start(&program(&module_with(fields, &start)), spec, None).unwrap();
        let progress = steps.next_chunk().unwrap();
        (progress, steps.snapshot().unwrap())
    };
    let (Progress::Chunk(boundary), Some(snapshot)) = links(58_000) else { panic!("it must be stored") };
    let bytes = snapshot.encode();
    assert!(bytes.len() > 220 << 20, "{} bytes", bytes.len());
    assert_eq!(Snapshot::decode(&bytes).unwrap().boundary(), boundary);
    let (Progress::Ended(report), None) = links(59_000) else { panic!("it must end") };
    assert_eq!(report.outcome, Outcome::LimitExceeded { kind: LimitKind::Files });
}

/// A guest whose only difference from another is `what`, done in the first step.
fn state_after(what: &str) -> fizz_attest::Digest {
    let fields = format!(
        r#"(global $g (mut i64) (i64.const 0))
        (data (i32.const 100) "file")
        (data (i32.const 200) "\00\04\00\00\10\00\00\00")
        (func (export "fizz_step") (result i32) {what} (i32.const 1))"#
    );
    let start = "(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 4)
        (i32.const 1) (i64.const 0x1fffffff) (i64.const 0) (i32.const 0) (i32.const 400)))";
    // The gas that differs is part of the state too, so it is taken out by making all the same: one call, one drop.
    let program = program(&module_with(&fields, start));
    let mut steps = Steps::start(&program, TaskSpec { chunk_gas: 1, ..spec() }, None).unwrap();
    for _ in 0..2 {
        assert!(matches!(steps.next_chunk().unwrap(), Progress::Chunk(_)));
    }
    steps.state().unwrap().unwrap()
}

#[test]
fn what_differs_between_two_states_is_seen() {
    // Pairs of the same gas, of which each changes another part of the state.
    let pairs = [
        ("(global.set $g (i64.const 1))", "(global.set $g (i64.const 2))"),
        ("(i32.store (i32.const 70000) (i32.const 1))", "(i32.store (i32.const 70000) (i32.const 2))"),
        ("(drop (memory.grow (i32.const 1)))", "(drop (memory.grow (i32.const -1)))"),
        (
            "(drop (call $random_get (i32.const 0) (i32.const 1)))",
            "(drop (call $random_get (i32.const 0) (i32.const 2)))",
        ),
        (
            "(drop (call $fd_seek (i32.const 4) (i64.const 1) (i32.const 0) (i32.const 0)))",
            "(drop (call $fd_seek (i32.const 4) (i64.const 2) (i32.const 0) (i32.const 0)))",
        ),
        ("(drop (call $fd_close (i32.const 4)))", "(drop (call $fd_close (i32.const 2)))"),
        (
            "(drop (call $fd_write (i32.const 1) (i32.const 200) (i32.const 1) (i32.const 0)))",
            "(drop (call $fd_write (i32.const 2) (i32.const 200) (i32.const 1) (i32.const 0)))",
        ),
        (
            "(drop (call $fd_renumber (i32.const 4) (i32.const 0)))",
            "(drop (call $fd_renumber (i32.const 0) (i32.const 4)))",
        ),
    ];
    for (one, other) in pairs {
        assert_eq!(state_after(one), state_after(one), "{one}");
        assert_ne!(state_after(one), state_after(other), "{one} | {other}");
    }
}

#[test]
fn a_step_module_begins_with_initialize_else_with_start() {
    let with = |exports: &str| {
        let wat = format!(
            r#"(module (memory (export "memory") 1) (global $began (mut i32) (i32.const 0)) {exports}
            (func (export "fizz_step") (result i32) (if (i32.eqz (global.get $began)) (then unreachable)) (i32.const 0)))"#
        );
        run(&program(&wat), task(), None, None).unwrap().outcome
    };
    let begin = "(global.set $began (i32.const 1))";
    let done = Outcome::Completed { exit_code: 0 };
    assert_eq!(with(&format!("(func (export \"_initialize\") {begin})")), done);
    assert_eq!(with(&format!("(func (export \"_start\") {begin})")), done);
    assert_eq!(
        with(&format!("(func (export \"_initialize\") {begin}) (func (export \"_start\") unreachable)")),
        done
    );
    assert_eq!(with(&format!("(start $s) (func $s {begin})")), done);
    assert_eq!(with(""), Outcome::Trapped { kind: TrapKind::Unreachable });
}

#[test]
fn exit_ends_the_task_wherever_it_is_called() {
    let wat = module_with(
        "(func (export \"fizz_step\") (result i32) unreachable)",
        "(call $proc_exit (i32.const 0))",
    );
    assert_eq!(run(&program(&wat), task(), None, None).unwrap().outcome, Outcome::Completed { exit_code: 0 });
}

#[test]
fn steps_without_work_are_not_free() {
    let wat =
        r#"(module (memory (export "memory") 1) (func (export "fizz_step") (result i32) (i32.const 1)))"#;
    let report = run(&program(wat), TaskSpec { chunk_gas: u64::MAX, ..task() }, None, None).unwrap();
    assert_eq!((report.outcome, report.gas), (Outcome::OutOfGas, 1_000_000_000));
}

#[test]
fn what_cannot_be_saved_between_steps_is_refused_by_name() {
    let error = |fields: &str| {
        let wat = format!("(module (memory (export \"memory\") 1) (table $t 2 funcref) {fields})");
        match compile(&wat).map(drop).unwrap_err() {
            ProgramError::Module(error) => error,
            ProgramError::Fault(fault) => panic!("{fault}"),
        }
    };
    let step = "(func (export \"fizz_step\") (result i32) (i32.const 0))";
    for (operator, body) in [
        ("table.set", "(table.set $t (i32.const 0) (ref.null func))"),
        ("table.grow", "(drop (table.grow $t (ref.null func) (i32.const 1)))"),
        ("table.copy", "(table.copy (i32.const 0) (i32.const 0) (i32.const 0))"),
        ("table.fill", "(table.fill $t (i32.const 0) (ref.null func) (i32.const 0))"),
        ("table.init", "(table.init $e (i32.const 0) (i32.const 0) (i32.const 0))"),
        ("elem.drop", "(elem.drop $e)"),
        ("data.drop", "(data.drop $d)"),
    ] {
        let fields = format!("(elem $e func) (data $d \"x\") (func {body}) {step}");
        let found = error(&fields);
        assert!(
            matches!(found, ModuleError::StepOperator { operator: o, function: 0 } if o == operator),
            "{found}"
        );
        let command = fields.replace(step, "(func (export \"_start\"))");
        compile(&format!("(module (memory (export \"memory\") 1) (table $t 2 funcref) {command})")).unwrap();
    }
    assert!(matches!(
        error(&format!("(global i32 (i32.const 0)) (global (mut externref) (ref.null extern)) {step}")),
        ModuleError::StepGlobal(1)
    ));
    for wrong in [
        "(func (export \"fizz_step\"))",
        "(func (export \"fizz_step\") (param i32) (result i32) (i32.const 0))",
        "(global (export \"fizz_step\") i32 (i32.const 0))",
    ] {
        assert!(matches!(error(wrong), ModuleError::StepType { name: "fizz_step", .. }), "{wrong}");
    }
    let wrong = format!("{step} (func (export \"_initialize\") (param i32))");
    assert!(matches!(error(&wrong), ModuleError::StepType { name: "_initialize", .. }));
    let gpu =
        format!("(module (import \"fizz_gpu\" \"close\" (func)) (memory (export \"memory\") 1) {step})");
    assert!(matches!(compile(&gpu), Err(ProgramError::Module(ModuleError::StepGpu))));
    // What `memory.init` reads stays.
    let init = format!(
        "(module (memory (export \"memory\") 1) (data $d \"x\") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))) {step})"
    );
    compile(&init).unwrap();
}

/// A small task's first snapshot.
fn small() -> (Program, TaskSpec, Snapshot) {
    let program = program(&guest("", 3));
    let spec = TaskSpec { chunk_gas: 1, ..spec() };
    let mut steps = Steps::start(&program, spec.clone(), None).unwrap();
    for _ in 0..3 {
        steps.next_chunk().unwrap();
    }
    let snapshot = steps.snapshot().unwrap().unwrap();
    (program, spec, snapshot)
}

#[test]
fn a_snapshot_fits_only_its_own_task() {
    let (program, spec, snapshot) = small();
    let resume = |program: &Program, spec: TaskSpec| Steps::resume(program, spec, &snapshot, None).map(drop);
    resume(&program, spec.clone()).unwrap();
    let changes: [&dyn Fn(&mut TaskSpec); 8] = [
        &|task| task.args.push("x".into()),
        &|task| task.env.push(("A".into(), "b".into())),
        &|task| task.stdin = "other".into(),
        &|task| task.seed[0] ^= 1,
        &|task| task.task_index += 1,
        &|task| task.epoch_ns += 1,
        &|task| task.limits.gas += 1,
        &|task| task.chunk_gas += 1,
    ];
    for change in changes {
        let mut other = spec.clone();
        change(&mut other);
        assert!(matches!(resume(&program, other), Err(ResumeError::OtherTask)));
    }
    let other = common::program(&guest("nop", 3));
    assert!(matches!(resume(&other, spec.clone()), Err(ResumeError::OtherTask)));
    let error = resume(&program, TaskSpec { files: Files::new(), ..spec.clone() }).unwrap_err();
    assert!(error.to_string().contains("bytes of a file are missing"), "{error}");
    let command = common::program("(module (memory (export \"memory\") 1) (func (export \"_start\")))");
    assert!(matches!(resume(&command, spec.clone()), Err(ResumeError::NoSteps)));
    assert!(matches!(Steps::start(&command, spec, None), Err(ResumeError::NoSteps)));
}

#[test]
fn damaged_snapshots_are_refused_or_another_state() {
    let (program, spec, snapshot) = small();
    let bytes = snapshot.encode();
    assert_eq!(Snapshot::decode(&[]).unwrap_err(), SnapshotError::Magic("a snapshot"));
    for end in 0..bytes.len() {
        if end < 4_000 || end % 997 == 0 {
            assert!(Snapshot::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }
    assert_eq!(Snapshot::decode(&[&bytes[..], &[0]].concat()).unwrap_err(), SnapshotError::Length);
    let mut passed = 0;
    for at in (0..bytes.len()).filter(|at| at < &4_000 || at % 997 == 0) {
        for bit in [0, 3, 7] {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            let Ok(other) = Snapshot::decode(&other) else { continue };
            passed += 1;
            assert_ne!(other.boundary().state, snapshot.boundary().state, "byte {at}, bit {bit}");
            // It may even run: as the state that it is.
            if let Ok(mut steps) = Steps::resume(&program, spec.clone(), &other, None) {
                assert_eq!(steps.state().unwrap(), Some(other.boundary().state), "byte {at}, bit {bit}");
                let _ = steps.next_chunk();
            }
        }
    }
    assert!(passed > 100, "numbers in the core can be changed: {passed}");
}

#[test]
fn equal_pages_and_zeros_are_stored_once() {
    let wat = r#"(module (memory (export "memory") 100) (global $n (mut i32) (i32.const 0))
        (func (export "fizz_step") (result i32)
            (memory.fill (i32.const 0) (i32.const 7) (i32.const 3276800)) (i32.const 1)))"#;
    let program = program(wat);
    let mut steps = Steps::start(&program, TaskSpec { chunk_gas: 1, ..task() }, None).unwrap();
    assert_eq!(steps.state().unwrap(), None);
    steps.next_chunk().unwrap();
    let none = steps.snapshot().unwrap().unwrap().encode();
    assert!(none.len() < 2_000, "{}", none.len());
    steps.next_chunk().unwrap();
    let full = steps.snapshot().unwrap().unwrap().encode();
    assert!(full.len() < 65_536 + 3_000, "{}", full.len());
}

#[test]
fn the_end_of_a_chunk_is_paid_for_by_the_size_of_the_state() {
    // Three steps that write 1,000 bytes each; more memory, and shorter chunks, cost more.
    let guest = |pages: u32| {
        format!(
            r#"(module (import "wasi_snapshot_preview1" "fd_write"
                    (func $fd_write (param i32 i32 i32 i32) (result i32)))
                (memory (export "memory") {pages}) (global $steps (mut i32) (i32.const 0))
                (data (i32.const 0) "\10\00\00\00\e8\03\00\00")
                (func (export "fizz_step") (result i32)
                    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                    (global.set $steps (i32.add (global.get $steps) (i32.const 1)))
                    (i32.lt_u (global.get $steps) (i32.const 3))))"#
        )
    };
    let gas = |pages, chunk_gas| {
        let report = run(&program(&guest(pages)), TaskSpec { chunk_gas, ..task() }, None, None).unwrap();
        assert!(report.outcome.is_success(), "{}", report.outcome);
        (report.gas, report.boundaries)
    };
    let ((one, boundaries), (whole, none)) = (gas(10, 1), gas(10, u64::MAX));
    // One ends before the first step, two before the last.
    assert_eq!((boundaries.len(), none.len()), (3, 0));
    let (byte, entry, chunk) =
        (u64::from(COSTS.chunk_byte), u64::from(COSTS.chunk_entry), u64::from(COSTS.chunk));
    // Four descriptors and a global.
    let written = 1_000 + 2_000;
    assert_eq!(one - whole, 3 * (chunk + 10 * 65_536 * byte + 5 * entry) + written * byte);
    assert_eq!(gas(11, 1).0 - gas(11, u64::MAX).0 - (one - whole), 3 * 65_536 * byte);
    // Where the gas does not pay for the end, the task ends there, and the chunk does not.
    let mut poor = TaskSpec { chunk_gas: 1, ..task() };
    poor.limits.gas = boundaries[0].gas - 1;
    let report = run(&program(&guest(10)), poor, None, None).unwrap();
    assert_eq!((report.outcome, report.boundaries.len()), (Outcome::OutOfGas, 0));
}
