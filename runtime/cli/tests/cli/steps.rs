//! Jobs in steps: stopped, moved and gone on with, and what `fizz check` says of them.

use serde_json::Value;

use crate::support::Home;

/// A board that takes some hundred million gas, with several chunks of the shortest length.
const ARGS: [&str; 5] = ["run", "life.wasm", "--chunk-gas", "1", "--gas"];
const BOARD: [&str; 5] = ["--", "1024", "1024", "4000", "7"];

fn life<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&ARGS[..], &["200G"], more, &BOARD].concat()
}

#[test]
fn a_job_stopped_and_moved_leaves_the_same_outputs_and_result() {
    let (one, other) = (Home::new(), Home::new());
    for home in [&one, &other] {
        home.write("life.wasm", fizz_examples::LIFE);
    }
    let whole = one.fizz(life(&["--out", "out", "--report", "whole.json", "--receipt", "receipt"])).expect(0);
    assert!(whole.stdout.ends_with("cells live after 4000 generations\n"), "{}", whole.stdout);
    let whole: Value = serde_json::from_slice(&one.read("whole.json")).unwrap();
    assert!(whole["chunks"].as_u64().unwrap() >= 4, "{whole}");

    let ended = one.fizz(life(&["--checkpoint", "state", "--chunks", "1"])).expect(0);
    ended.says(&["stopped after chunk 1", "next: "]);
    other.write("state", one.read("state"));
    let ended = other.fizz(life(&["--checkpoint", "state", "--chunks", "2"])).expect(0);
    ended.says(&["goes on after chunk 1", "stopped after chunk 3"]);
    let more = ["--checkpoint", "state", "--out", "out", "--report", "moved.json", "--receipt", "receipt"];
    other.fizz(life(&more)).expect(0).says(&["goes on after chunk 3"]);
    assert!(!other.path("state").exists(), "nothing is left to go on with");
    let moved: Value = serde_json::from_slice(&other.read("moved.json")).unwrap();
    for field in ["outcome", "gas", "chunks", "chunk_root", "output_root", "result_digest", "profile"] {
        assert_eq!(moved[field], whole[field], "{field}");
    }
    for file in ["out/life.pbm", "out/population.csv"] {
        assert_eq!(one.read(file), other.read(file), "{file}");
    }
    // Its receipt is as good as that of the uninterrupted run.
    let verified = other.fizz(["verify", "receipt", "--module", "life.wasm"]).expect(0);
    assert!(verified.stdout.contains("same"), "{}", verified.stdout);
}

#[test]
fn a_checkpoint_of_another_job_is_refused() {
    let home = Home::new();
    home.write("life.wasm", fizz_examples::LIFE);
    home.fizz(life(&["--checkpoint", "state", "--chunks", "1"])).expect(0);
    home.fizz(life(&["--checkpoint", "state", "--seed", &"1".repeat(64)]))
        .expect(2)
        .says(&["of another task"]);
    home.write("state", "rubbish");
    home.fizz(life(&["--checkpoint", "state"])).expect(2).says(&["state is no checkpoint"]);
    home.write("hello.wasm", fizz_examples::HELLO);
    home.fizz(["run", "hello.wasm", "--checkpoint", "new"]).expect(2).says(&["exports no `fizz_step`"]);
    home.fizz(["run", "hello.wasm", "--chunks", "1"]).expect(2).says(&["--checkpoint"]);
}

#[test]
fn check_runs_in_several_ways_and_finds_no_difference() {
    let home = Home::new();
    home.write("life.wasm", fizz_examples::LIFE);
    let args = ["check", "life.wasm", "--trace", "--interpreter", "--", "64", "64", "40"];
    let ended = home.fizz(args).expect(0);
    assert!(ended.stdout.ends_with("same\n"), "{}", ended.stdout);
    assert_eq!(ended.stdout.lines().count(), 8, "{}", ended.stdout);
    for way in ["in shorter chunks", "stopped in the middle", "chunks alone"] {
        assert!(ended.stdout.contains(way), "{}", ended.stdout);
    }
    let ended = home.fizz(["check", "life.wasm", "--json", "--", "64", "64", "40"]).expect(0);
    let object: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&object["verdict"], object["runs"].as_array().map(Vec::len)), (&"same".into(), Some(6)));
    // Runs that agree in failing are no good job.
    home.module("trap.wasm", r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#);
    home.fizz(["check", "trap.wasm"]).expect(3);
    // A module without steps has fewer ways.
    home.write("hello.wasm", fizz_examples::HELLO);
    assert_eq!(home.fizz(["check", "hello.wasm"]).expect(0).stdout.lines().count(), 4);
    home.fizz(["check", "missing.wasm"]).expect(2);
}
