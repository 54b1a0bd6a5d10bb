//! Chunks run from a part of the state: the same as in the whole run, and never from less than they need.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use common::{compile, engine, program, step_guest, step_task};
use fizz_attest::{Boundary, Outcome};
use fizz_sandbox::{
    ModuleLimits, Opened, Opening, OpeningError, Program, Progress, Snapshot, SnapshotError, Steps,
    TaskReport, TaskSpec,
};

/// The snapshots of a run, how each of their chunks ended, and how the task did.
fn run_whole(program: &Program, task: &TaskSpec) -> (Vec<Snapshot>, Vec<Boundary>, TaskReport) {
    let mut steps = Steps::start(program, task.clone(), None).unwrap();
    let (mut snapshots, mut ends) = (Vec::new(), Vec::new());
    loop {
        match steps.next_chunk().unwrap() {
            Progress::Chunk(boundary) => {
                snapshots.push(steps.snapshot().unwrap().unwrap());
                ends.push(boundary);
            }
            Progress::Ended(report) => return (snapshots, ends, *report),
        }
    }
}

/// Opens and checks every chunk but the first, each in a program compiled anew.
fn check_openings(program: &Program, again: &Program, task: &TaskSpec) -> (usize, usize) {
    let (snapshots, ends, report) = run_whole(program, task);
    let (mut whole, mut part) = (0, 0);
    for (index, snapshot) in snapshots.iter().enumerate() {
        let bytes = Opening::of(program, task.clone(), snapshot).unwrap().encode();
        let opening = Opening::decode(&bytes).unwrap();
        assert_eq!(opening.encode(), bytes);
        assert_eq!((opening.boundary(), opening.chunk()), (snapshot.boundary(), snapshot.chunk()));
        let end = ends.get(index + 1).map_or(report.gas, |end| end.gas);
        let used = end - ends[index].gas;
        let opened = opening.run(again, task.clone(), used + 1).unwrap();
        match (&opened, ends.get(index + 1)) {
            (Opened::Chunk(found), Some(expected)) => assert_eq!(found, expected, "chunk {}", index + 1),
            (Opened::Ended(found), None) => {
                assert_eq!((&found.outcome, found.gas), (&report.outcome, report.gas));
                assert_eq!((&found.stdout, &found.stderr), (&report.stdout, &report.stderr));
                assert_eq!(found.files.regular_files("/"), report.files.regular_files("/"));
            }
            other => panic!("chunk {}: {other:?}", index + 1),
        }
        // A claim of less gas is found out, and costs no more than it says.
        if report.outcome != Outcome::OutOfGas {
            assert!(matches!(opening.run(again, task.clone(), used - 1).unwrap(), Opened::OverGas));
        }
        whole += snapshot.encode().len();
        part += bytes.len();
    }
    (whole, part)
}

#[test]
fn a_chunk_run_from_its_opening_ends_as_in_the_whole_run() {
    for what in
        ["", "(call $proc_exit (global.get $count))", "unreachable", "(drop (i32.load (i32.const -4)))"]
    {
        let step = format!("(if (i32.eq (global.get $count) (i32.const 7)) (then {what}))");
        let wat = step_guest(&step, 10);
        check_openings(&program(&wat), &compile(&wat).unwrap(), &step_task());
    }
}

#[test]
fn a_trap_in_a_loop_that_is_charged_at_its_entry_is_found_by_a_verifier_too() {
    // Each round writes one page further on, up to the end of memory: the loop would go on for long.
    let trap = "(local.set $i (i32.const 0))
        (loop $more
            (i32.store (i32.shl (local.get $i) (i32.const 16)) (i32.const 0))
            (br_if $more (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000))))";
    let wat = format!(
        "(module (memory (export \"memory\") 1) (global $n (mut i32) (i32.const 0))
            (func (export \"_start\"))
            (func (export \"fizz_step\") (result i32) (local $i i32)
                (global.set $n (i32.add (global.get $n) (i32.const 1)))
                (if (i32.eq (global.get $n) (i32.const 4)) (then {trap}))
                (i32.const 1)))"
    );
    let task = TaskSpec { chunk_gas: 1, ..common::task() };
    let (program, again) = (program(&wat), compile(&wat).unwrap());
    let (_, ends, report) = run_whole(&program, &task);
    assert!(matches!(report.outcome, Outcome::Trapped { .. }), "{}", report.outcome);
    // All rounds are charged, though the second traps.
    assert!(report.gas - ends.last().unwrap().gas > 1_000_000, "{}", report.gas);
    check_openings(&program, &again, &task);
}

#[test]
fn a_chunk_of_a_compiled_program_runs_from_its_opening() {
    let compile = || Program::compile(engine(), fizz_examples::LIFE, &ModuleLimits::default()).unwrap();
    let mut task = TaskSpec::new("life");
    task.args.extend(["64", "64", "24"].map(str::to_owned));
    task.files.create_dir("/out").unwrap();
    task.chunk_gas = 60_000;
    check_openings(&compile(), &compile(), &task);
}

#[test]
fn an_opening_holds_little_of_a_large_memory() {
    // 4 MiB that are not zero, of which each step looks at one page.
    let wat = r#"(module (memory (export "memory") 64) (global $n (mut i32) (i32.const 0))
        (func (export "_start") (local $i i32) (loop $more
            (i32.store (i32.shl (local.get $i) (i32.const 12)) (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024)))))
        (func (export "fizz_step") (result i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1)))
            (i32.store (i32.const 0x150000) (global.get $n))
            (i32.lt_u (global.get $n) (i32.const 4))))"#;
    let program = program(wat);
    let (whole, part) = check_openings(&program, &program, &TaskSpec { chunk_gas: 1, ..common::task() });
    assert!(whole > 16 << 20 && part < whole / 20, "{part} of {whole}");
}

#[test]
fn damaged_openings_are_refused_or_of_another_state() {
    let program = program(&step_guest("", 4));
    let task = step_task();
    let (snapshots, ends, _) = run_whole(&program, &task);
    let bytes = Opening::of(&program, task.clone(), &snapshots[0]).unwrap().encode();
    assert_eq!(Opening::decode(b"fizz").unwrap_err(), SnapshotError::Magic("an opening"));
    assert_eq!(Opening::decode(&snapshots[0].encode()).unwrap_err(), SnapshotError::Magic("an opening"));
    assert_eq!(Snapshot::decode(&bytes).unwrap_err(), SnapshotError::Magic("a snapshot"));
    for at in (0..bytes.len()).filter(|at| at < &2_000 || at % 1_009 == 0) {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        let Ok(other) = Opening::decode(&other) else { continue };
        let same = other.boundary() == snapshots[0].boundary();
        // Whatever it is, running it ends: and one of the same state, of other pages, in the same way or not at all.
        match other.run(&program, task.clone(), 1_000_000) {
            // Another start may lead there too, where the chunk writes over what differs.
            Ok(Opened::Chunk(end)) => assert!(!same || end == ends[1], "byte {at}"),
            Ok(other) => assert!(!same, "byte {at}: {other:?}"),
            Err(error) => {
                assert!(!same || matches!(error, OpeningError::Incomplete(_)), "byte {at}: {error}")
            }
        }
    }
}
