//! Nodes and submissions as separate processes.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{FIZZ, Home};

/// Adds up numbers for a while, and ends with its argument count as exit code.
const BUSY: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\08\00\00\00\05\00\00\00done\n")
    (func (export "_start") (local i64)
        (local.set 0 (i64.const 300000000))
        (loop
            (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
            (drop (i64.load8_u (i32.wrap_i64 (i64.and (local.get 0) (i64.const 0xfff)))))
            (br_if 0 (i64.ne (local.get 0) (i64.const 0))))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))))"#;

#[test]
fn a_job_comes_back_with_receipts_that_verify() {
    let home = Home::new();
    home.write("hello.wasm", fizz_examples::HELLO);
    home.write("names.txt", "Ada\n");
    let node = home.node("node", &[]);
    let submit = ["submit", "hello.wasm", "--node", &node.address, "--dir", "names.txt", "--out", "result"];
    let ended = home.fizz(submit.into_iter().chain(["--", "/names.txt"])).expect(0);
    assert_eq!(ended.stdout, "Hello, Ada!\n");
    assert!(ended.stderr.contains("node 1: task 0 run again, same bits"), "{}", ended.stderr);
    assert_eq!(home.read("result/outputs/0000/greeting.txt"), b"Hello, Ada!\n");
    assert_eq!(home.read("result/outputs/0000.stdout"), b"Hello, Ada!\n");
    let next = ended.stderr.lines().find_map(|line| line.strip_prefix("next: ")).unwrap();
    assert_eq!(next, format!("{FIZZ} verify result/receipts/0000.receipt"));
    home.fizz(["verify", "result/receipts/0000.receipt"]).expect(0);
    // What was changed in the outputs does not matter: the receipt speaks of what was signed.
    let other = home.fizz(["verify", "result/receipts/0000.receipt", "--json"]).expect(0).stdout;
    let verdict: Value = serde_json::from_str(&other).unwrap();
    assert_eq!(verdict["verdict"], "same");
    // Nothing is overwritten.
    home.fizz(submit).expect(2).says(&["result is not empty"]);
}

#[test]
fn a_liar_is_caught_and_its_receipt_shows_the_byte() {
    let home = Home::new();
    home.write("hello.wasm", fizz_examples::HELLO);
    let (liar, honest) = (home.node("a", &["--drill", "wrong-output"]), home.node("b", &[]));
    // Alone, the liar leaves the job undone.
    let ended = home.fizz(["submit", "hello.wasm", "--node", &liar.address, "--out", "alone"]).expect(5);
    ended.says(&[
        "node 1: CAUGHT",
        "output file `greeting.txt`: from byte 7 on",
        "error: tasks [0] were done by no node",
    ]);
    assert!(!home.path("alone/outputs").exists());
    let verified = home.fizz(["verify", "alone/caught/receipts/0000.receipt"]).expect(5).stdout;
    assert!(verified.contains("output file `greeting.txt`: from byte 7 on"), "{verified}");
    // Beside an honest node, the job is done all the same.
    let nodes = ["--node", &liar.address, "--node", &honest.address];
    let submit = ["submit", "hello.wasm", "--out", "both"].into_iter().chain(nodes);
    assert_eq!(home.fizz(submit).expect(0).stdout, "Hello, world!\n");
    // Trust gets what it asks for.
    let trust = ["submit", "hello.wasm", "--node", &liar.address, "--sample", "0"];
    assert_eq!(home.fizz(trust).expect(0).stdout, "Hello, world!\n");
}

#[test]
fn a_node_that_is_killed_has_its_tasks_done_by_another() {
    let home = Home::new();
    home.module("busy.wasm", BUSY);
    home.write("job.toml", format!("module = \"busy.wasm\"\n{}", "[[tasks]]\n".repeat(4)));
    let (mut first, second) = (home.node("a", &[]), home.node("b", &[]));
    let mut command = home.command(FIZZ);
    command.args([
        "submit",
        "job.toml",
        "--json",
        "--sample",
        "0",
        "--node",
        &first.address,
        "--node",
        &second.address,
    ]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Killed as soon as it has delivered one of its tasks.
    let mut told = String::new();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    while !told.contains("node 1: delivered") {
        assert!(std::io::BufRead::read_line(&mut stderr, &mut told).unwrap() > 0, "{told}");
    }
    first.child.kill().unwrap();
    std::io::Read::read_to_string(&mut stderr, &mut told).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["tasks"].as_array().map(Vec::len), Some(4), "{told}");
}

#[test]
fn guests_that_fail_and_nodes_that_cannot() {
    let home = Home::new();
    home.module("trap.wasm", r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#);
    home.write("broken.wasm", b"\0asm\x01\0\0\0\xff");
    home.write("hello.wasm", fizz_examples::HELLO);
    let node = home.node("node", &["--gas", "1T", "--gpu", "off"]);
    let to = |module: &'static str, more: &[&'static str]| {
        let args: Vec<String> = ["submit", module, "--node", &node.address]
            .iter()
            .chain(more)
            .map(|text| (*text).to_owned())
            .collect();
        home.fizz(args.iter().map(String::as_str))
    };
    // The guest's failure is a result, with a receipt.
    to("trap.wasm", &["--out", "trap"]).expect(3).says(&["task 0: trapped: unreachable executed"]);
    home.fizz(["verify", "trap/receipts/0000.receipt"]).expect(0);
    to("broken.wasm", &[])
        .expect(4)
        .says(&["error: tasks [0] were done by no node", "the module cannot be run"]);
    to("hello.wasm", &["--gas", "2T"]).expect(4).says(&["gas is over this node's"]);
    to("hello.wasm", &["--gpu", "hardware"]).expect(4).says(&["no_gpu"]);
    // Another key answers than the one asked for.
    let (_, address) = node.address.split_once('@').unwrap();
    let wrong = format!("{}@{address}", home.fizz(["key", "show"]).expect(0).stdout.trim());
    home.fizz(["submit", "hello.wasm", "--node", &wrong]).expect(8).says(&["has the key"]);
    // The data folder is one node's.
    let second =
        home.fizz(["node", "--listen", "127.0.0.1:0", "--data", home.path("node").to_str().unwrap()]);
    second.expect(2).says(&["another node runs on it"]);
}

#[test]
fn another_profile_is_inconclusive() {
    let home = Home::new();
    home.write("hello.wasm", fizz_examples::HELLO);
    home.fizz(["run", "hello.wasm", "--receipt", "r.receipt"]).expect(0);
    // The same receipt, honestly signed, of a node with another instrumentation.
    use fizz_attest::{Canonical, Envelope, Receipt, ReceiptFile, SecretKey};
    let file = ReceiptFile::from_canonical(&home.read("r.receipt")).unwrap();
    let key = SecretKey::from_pem(&String::from_utf8(home.read("config/fizz/key.pem")).unwrap()).unwrap();
    let (mut receipt, _): (Receipt, _) = file.receipt.open_any().unwrap();
    receipt.profile.instrumentation += 1;
    receipt.result.profile = receipt.profile.digest();
    let file = ReceiptFile { receipt: Envelope::sign(&receipt, &key), ..file };
    fs::write(home.path("other.receipt"), file.to_canonical()).unwrap();
    let ended = home.fizz(["verify", "other.receipt", "--module", "hello.wasm"]).expect(7);
    assert!(ended.stdout.contains("inconclusive"), "{}", ended.stdout);
    let says = format!("instrumentation: {} there", receipt.profile.instrumentation);
    assert!(ended.stdout.contains(&says), "{}", ended.stdout);
}
