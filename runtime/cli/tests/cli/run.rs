//! `fizz run`: what goes in, what comes out, how it ends.

use std::process::Stdio;

use serde_json::Value;

use crate::support::{Ended, FIZZ, Home};

fn hello(home: &Home) {
    home.write("hello.wasm", fizz_examples::HELLO);
}

/// A module that ends with this code.
fn exits(code: u32) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") (call $exit (i32.const {code}))))"#
    )
}

fn start(body: &str) -> String {
    format!(r#"(module (memory (export "memory") 1) (func (export "_start") {body}))"#)
}

#[test]
fn files_go_in_and_come_out() {
    let home = Home::new();
    hello(&home);
    home.write("in/names.txt", "Ada\nGrace\n");
    let ended =
        home.fizz(["run", "hello.wasm", "--dir", "in::/", "--out", "out", "--", "names.txt"]).expect(0);
    assert_eq!(ended.stdout, "Hello, Ada!\nHello, Grace!\n");
    assert_eq!(ended.stderr, "");
    assert_eq!(home.read("out/greeting.txt"), b"Hello, Ada!\nHello, Grace!\n");
    // Again, into the same folder.
    home.fizz(["run", "hello.wasm", "--out", "out"]).expect(0);
    assert_eq!(home.read("out/greeting.txt"), b"Hello, world!\n");
}

#[test]
fn exit_codes_are_the_guests() {
    let home = Home::new();
    for (code, shell) in [(0, 0), (3, 3), (126, 126), (255, 255), (300, 255)] {
        home.module("exit.wasm", &exits(code));
        home.fizz(["run", "exit.wasm", "--report", "report.json"]).expect(shell);
        let report: Value = serde_json::from_slice(&home.read("report.json")).unwrap();
        assert_eq!(report["outcome"]["completed"]["exit_code"], code);
    }
    home.module("trap.wasm", &start("unreachable"));
    home.fizz(["run", "trap.wasm"]).expect(134).says(&["error: trapped: unreachable executed"]);
    home.module("loop.wasm", &start("(loop (br 0))"));
    home.fizz(["run", "loop.wasm", "--gas", "10M", "--report", "report.json"])
        .expect(3)
        .says(&["error: out of gas", "hint: give it more with --gas"]);
    let report: Value = serde_json::from_slice(&home.read("report.json")).unwrap();
    assert_eq!((&report["outcome"], &report["gas"]), (&"out_of_gas".into(), &10_000_000.into()));
}

#[test]
fn two_runs_have_one_digest() {
    let home = Home::new();
    home.write("kernels.wasm", fizz_examples::KERNELS);
    let digest = |name: &str, seed: &str| {
        let report = format!("{name}.json");
        home.fizz(["run", "kernels.wasm", "--seed", seed, "--report", &report, "--", "blake3"]).expect(0);
        let report: Value = serde_json::from_slice(&home.read(&report)).unwrap();
        for field in ["gpu_gas", "peak_memory_bytes", "compile_ms", "run_ms", "wall_ms"] {
            assert!(report[field].is_number(), "{field}: {report}");
        }
        for field in ["output_root", "result_digest", "profile"] {
            assert_eq!(report[field].as_str().map(str::len), Some(64), "{field}: {report}");
        }
        report["result_digest"].as_str().unwrap().to_owned()
    };
    let (zero, one) = ("0".repeat(64), format!("{}1", "0".repeat(63)));
    assert_eq!(digest("a", &zero), digest("b", &zero));
    assert_ne!(digest("a", &zero), digest("c", &one), "the seed is part of the job");
}

#[test]
fn standard_input_is_given_or_empty() {
    let home = Home::new();
    // Reads up to 64 bytes and writes them.
    home.module(
        "cat.wasm",
        r#"(module
            (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\40\00\00\00\40\00\00\00")
            (func (export "_start")
                (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
                (i32.store (i32.const 4) (i32.load (i32.const 8)))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))))"#,
    );
    home.write("text", "from a file");
    assert_eq!(home.fizz(["run", "cat.wasm", "--stdin", "text"]).expect(0).stdout, "from a file");
    let mut command = home.command(FIZZ);
    let mut child = command
        .args(["run", "cat.wasm", "--stdin", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"from a pipe").unwrap();
    assert_eq!(Ended::of(child.wait_with_output().unwrap()).expect(0).stdout, "from a pipe");
    assert_eq!(home.fizz(["run", "cat.wasm"]).expect(0).stdout, "");
}

#[test]
fn a_receipt_of_ones_own_verifies() {
    let home = Home::new();
    hello(&home);
    home.write("in/names.txt", "Ada\n");
    let run = ["run", "hello.wasm", "--dir", "in::/", "--receipt", "r.receipt", "--", "names.txt"];
    home.fizz(run).expect(0).says(&["next: ", " verify r.receipt --module hello.wasm --dir in::/"]);
    let verify = ["verify", "r.receipt", "--module", "hello.wasm", "--dir", "in::/"];
    let ended = home.fizz(verify).expect(0);
    assert!(ended.stdout.starts_with("r.receipt: same (task 0, node "), "{}", ended.stdout);
    // Without the input there is nothing to compare with.
    home.fizz(["verify", "r.receipt", "--module", "hello.wasm"]).expect(7);
    let shown = home.fizz(["receipt", "show", "r.receipt"]).expect(0).stdout;
    assert!(shown.contains("outcome     completed with exit code 0"), "{shown}");
    let export = home.fizz(["receipt", "export", "r.receipt"]).expect(0).stdout;
    let envelope: Value = serde_json::from_str(&export).unwrap();
    assert_eq!(envelope["payloadType"], "application/vnd.fizz.receipt.v1+dag-cbor");
    let key = home.fizz(["key", "show"]).expect(0).stdout;
    assert_eq!(envelope["signatures"][0]["keyid"], key.trim());
}

#[test]
fn keys_are_made_once_and_kept_private() {
    let home = Home::new();
    home.fizz(["key", "show"]).expect(6).says(&["hint: make one with `fizz key new`"]);
    let made = home.fizz(["key", "new"]).expect(0).stdout;
    assert_eq!(home.fizz(["key", "show"]).expect(0).stdout, made);
    home.fizz(["key", "new"]).expect(6);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(home.path("config/fizz/key.pem")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn inspect_tells_what_a_module_is() {
    let home = Home::new();
    home.write("denoise.wasm", fizz_examples::DENOISE);
    let text = home.fizz(["inspect", "denoise.wasm"]).expect(0).stdout;
    assert!(text.contains("GPU           used where there is one"), "{text}");
    let json: Value =
        serde_json::from_str(&home.fizz(["inspect", "denoise.wasm", "--json"]).expect(0).stdout).unwrap();
    assert_eq!(json["bytes"], fizz_examples::DENOISE.len());
    // What it becomes, and how near it comes to the limits.
    let instrumented = json["instrumented_bytes"].as_u64().unwrap();
    assert!(instrumented > 0 && json["machine_code_bytes"].as_u64().unwrap() > 0);
    assert!(text.contains(&format!("instrumented  {instrumented} bytes")), "{text}");
    assert_eq!(json["limits"]["bytes"]["used"], json["bytes"]);
    assert_eq!(json["limits"]["bytes"]["most"], 256 << 20);
    assert!(json["limits"]["functions"]["used"].as_u64().unwrap() > 10);
    assert_eq!(json["costs"]["rows"]["divide"], 30);
    assert_eq!(json["costs"]["digest"], json["profile"]["cost_table"]);
}

#[test]
fn the_cost_table_can_be_read_without_a_module() {
    let home = Home::new();
    let text = home.fizz(["inspect", "--costs"]).expect(0).stdout;
    for (name, value) in fizz_sandbox::COSTS.rows() {
        let row = format!("{name:<24} {value:>10}\n");
        assert!(text.contains(&row), "{row} is not in {text}");
    }
    home.fizz(["inspect"]).expect(2);
}

#[test]
fn the_version_names_the_commit_and_at_length_the_profile() {
    let home = Home::new();
    let short = home.fizz(["--version"]).expect(0).stdout;
    assert!(short.starts_with(&format!("fizz {}", env!("CARGO_PKG_VERSION"))), "{short}");
    assert_eq!(home.fizz(["-V"]).expect(0).stdout, short);
    // Built in a checkout, it names the commit.
    let head = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output();
    if let Some(head) = head.ok().filter(|head| head.status.success()) {
        let commit = String::from_utf8(head.stdout).unwrap();
        assert!(short.contains(&format!("({})", &commit[..12])), "{short} {commit}");
    }
    let long = home.fizz(["--version", "--verbose"]).expect(0).stdout;
    let profile = fizz_sandbox::profile();
    let rows = [
        ("profile", profile.digest().to_string()),
        ("  instrumentation", profile.instrumentation.to_string()),
        ("  cost table", profile.cost_table.to_string()),
        ("  WASI layer", profile.wasi.to_string()),
        ("  state of a task", profile.state.to_string()),
        ("  proposals", profile.proposals),
        ("  engine", fizz_sandbox::engine_info().engine),
        ("  target", std::env::consts::ARCH.to_owned()),
    ];
    for (name, value) in rows {
        assert!(long.contains(&format!("\n{name:<20} {value}")), "{name} {value} is not in:\n{long}");
    }
    assert!(long.contains("\n  processor "), "{long}");
    // The long form is asked for with the short one, and neither goes with a command.
    home.fizz(["--verbose"]).expect(2);
    home.fizz(["--version", "key", "new"]).expect(2);
}
