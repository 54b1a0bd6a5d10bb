//! Whole programs in three languages: what they see through WASI, line by line.
//!
//! The Rust program is compiled with this crate. Those in C and AssemblyScript lie compiled beside their sources in
//! `guests`; the README there says how they were made.

mod common;

use std::path::Path;

use common::{engine, task};
use fizz_attest::Outcome;
use fizz_sandbox::{ModuleLimits, Program, TaskReport, TaskSpec, run};

/// A job with something in every place where a program may look.
fn spec(name: &str) -> TaskSpec {
    let mut spec = task();
    spec.args = vec![name.to_owned(), "an argument".to_owned(), "ß".to_owned()];
    spec.env = vec![("LANGUAGE".to_owned(), "Klingon".to_owned()), ("EMPTY".to_owned(), String::new())];
    spec.stdin = "first\nsecond\nthird".into();
    spec.files.insert("/in/text", "brought along\n").expect("a good path");
    spec.epoch_ns = 1_800_000_000_000_000_000;
    spec.limits.gas = 10_000_000_000;
    spec
}

/// Runs a program and compares what it prints with a file in `guests`; `FIZZ_BLESS=1` writes the file anew.
fn compare(module: &[u8], name: &str) -> TaskReport {
    let program = Program::compile(engine(), module, &ModuleLimits::default()).expect("a good module");
    let report = run(&program, spec(name), None, None).expect("a sound node");
    let printed = String::from_utf8(report.stdout.clone()).expect("text");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(name).join("transcript.txt");
    if std::env::var_os("FIZZ_BLESS").is_some() {
        std::fs::write(&file, &printed).expect("the transcript can be written");
    }
    let expected = std::fs::read_to_string(&file).expect("a transcript");
    for (number, (printed, expected)) in printed.lines().zip(expected.lines()).enumerate() {
        assert_eq!(printed, expected, "line {} of {name}", number + 1);
    }
    assert_eq!(printed, expected, "{name}: {} {:?}", report.outcome, report.diagnostic);
    report
}

#[test]
fn a_rust_program_finds_its_standard_library() {
    let report = compare(fizz_examples::TOUR, "tour");
    assert_eq!(report.outcome, Outcome::Completed { exit_code: 42 });
    assert_eq!(report.stderr, b"part by part\n");
    assert_eq!(report.files.get("/out/left").as_deref(), Some(b"what the guest leaves".as_slice()));
    assert_eq!(report.files.regular_files("/").len(), 2);
}

#[test]
fn a_c_program_finds_its_library() {
    let report = compare(include_bytes!("guests/c/program.wasm"), "c");
    assert_eq!(report.outcome, Outcome::Completed { exit_code: 7 });
    assert_eq!(report.stderr, b"to stderr");
    assert_eq!(report.files.get("/out.txt").as_deref(), Some(b"text -7 ff\nmore".as_slice()));
}

#[test]
fn an_assemblyscript_program_finds_its_library() {
    let report = compare(include_bytes!("guests/assemblyscript/program.wasm"), "assemblyscript");
    assert_eq!(report.outcome, Outcome::Completed { exit_code: 9 });
    assert_eq!(report.stderr, b"to stderr\n");
    assert_eq!(report.files.get("/made").as_deref(), Some(b"by AssemblyScript".as_slice()));
}
