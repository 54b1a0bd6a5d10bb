//! Where two runs part: that a planted difference is found at its gas, with what differs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use common::{module_with, program, task};
use fizz_attest::Outcome;
use fizz_sandbox::trace::{Form, Part, Subject, first_difference};
use fizz_sandbox::{Files, TaskSpec};

/// Works for a while, does `what`, and works on.
fn guest(what: &str) -> String {
    let fields = r#"
        (global $g (mut i64) (i64.const 0))
        (data (i32.const 100) "file")
        (func $work (local $i i32)
            (loop $more
                (i32.store (i32.const 140000) (i32.add (i32.load (i32.const 140000)) (i32.const 3)))
                (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5000)))))"#;
    module_with(fields, &format!("(call $work) {what} (call $work)"))
}

fn subject(wat: &str, form: Form, seed: u8) -> Subject {
    let mut files = Files::new();
    files.insert("/file", "bytes").unwrap();
    Subject { program: program(wat), task: TaskSpec { seed: [seed; 32], files, ..task() }, form, gpu: None }
}

#[test]
fn equal_runs_have_no_first_difference() {
    let random = guest("(drop (call $random_get (i32.const 70000) (i32.const 8)))");
    let (a, b) = (subject(&random, Form::Fast, 1), subject(&random, Form::WriteThrough, 1));
    assert_eq!(first_difference(&a, &b).unwrap(), None);
    // A trap in the middle of a function, whose gas only one of the forms knows.
    let trap = guest("(drop (i32.load (i32.const -4)))");
    let (a, b) = (subject(&trap, Form::Fast, 1), subject(&trap, Form::WriteThrough, 1));
    assert!(matches!(b.run().unwrap().outcome, Outcome::Trapped { .. }));
    assert_eq!(first_difference(&a, &b).unwrap(), None);
}

#[test]
fn a_planted_difference_is_found_at_its_gas() {
    let seeded = |what: &str| {
        let wat = guest(what);
        (subject(&wat, Form::Fast, 1), subject(&wat, Form::WriteThrough, 2))
    };
    let into_memory = "(drop (call $random_get (i32.const 70000) (i32.const 8)))";
    let into_global = "(drop (call $random_get (i32.const 70000) (i32.const 8)))
        (global.set $g (i64.load (i32.const 70000)))";
    let into_file =
        "(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 4) (i32.const 0)
            (i64.const 0x1fffffff) (i64.const 0) (i32.const 0) (i32.const 400)))
        (drop (call $random_get (i32.const 1024) (i32.const 8)))
        (i32.store (i32.const 200) (i32.const 1024)) (i32.store (i32.const 204) (i32.const 8))
        (drop (call $fd_write (i32.const 4) (i32.const 200) (i32.const 1) (i32.const 404)))";
    for (what, at_first, at_the_end) in [
        (into_memory, Part::Page(1), Part::Page(1)),
        (into_global, Part::Page(1), Part::Global(0)),
        (into_file, Part::Page(0), Part::File("/file".into())),
    ] {
        let (mut a, mut b) = seeded(what);
        let total = a.run().unwrap().gas;
        let found = first_difference(&a, &b).unwrap().unwrap();
        // Between the two stretches of work, of 75,000 gas each.
        let before = a.program.start_gas() + 75_000;
        assert!((before..=total - 75_000).contains(&found.gas), "{} of {total}", found.gas);
        assert_eq!(found.parts[0], at_first, "{what}");
        assert!(found.place.contains("in "), "{}", found.place);
        // With one gas less there is no difference, and with the whole of it more may be seen.
        for (gas, differs) in [(found.gas - 1, false), (found.gas, true)] {
            (a.task.limits.gas, b.task.limits.gas) = (gas, gas);
            assert_eq!(first_difference(&a, &b).unwrap().is_some(), differs, "{gas}");
        }
        let end = total - 30_000;
        (a.task.limits.gas, b.task.limits.gas) = (end, end);
        b.form = Form::Fast;
        let later = subject_parts(&a, &b);
        assert!(later.contains(&at_the_end), "{later:?}");
    }
}

/// What differs when the gas is used up: found by giving both no less than that.
fn subject_parts(a: &Subject, b: &Subject) -> Vec<Part> {
    fizz_sandbox::trace::differences(a, b, a.task.limits.gas).unwrap()
}

#[test]
fn different_endings_are_named() {
    let wat = guest(
        "(drop (call $random_get (i32.const 70000) (i32.const 1)))
        (if (i32.eqz (i32.and (i32.load8_u (i32.const 70000)) (i32.const 1))) (then unreachable))",
    );
    let program = program(&wat);
    let with = |seed| Subject {
        program: program.clone(),
        task: TaskSpec { seed: [seed; 32], ..task() },
        form: Form::Fast,
        gpu: None,
    };
    let traps = |subject: &Subject| matches!(subject.run().unwrap().outcome, Outcome::Trapped { .. });
    let a = (0..20).map(with).find(traps).unwrap();
    let b = (0..20).map(with).find(|subject| !traps(subject)).unwrap();
    let parts = subject_parts(&a, &b);
    assert!(matches!(parts[0], Part::Outcome(_)), "{parts:?}");
    assert!(first_difference(&a, &b).unwrap().is_some());
}
