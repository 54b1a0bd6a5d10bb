//! `fizz demo`, from the first line to the last command it prints.

use std::fs;

use crate::support::{Ended, Home};

#[test]
fn the_demo_catches_the_liar_and_its_next_commands_work() {
    let home = Home::new();
    let demo = home.fizz(["demo"]).expect(0);
    assert_eq!(demo.stdout, "fizz-demo/after.png\n");
    let lines: Vec<&str> = demo.stderr.lines().collect();
    assert!(demo.stderr.contains("node 3: CAUGHT"), "{}", demo.stderr);
    assert!(demo.stderr.contains("before.png: psnr: 21.85 dB"), "{}", demo.stderr);
    assert!(demo.stderr.contains("after.png: psnr: 29.58 dB"), "{}", demo.stderr);
    for picture in ["before.png", "after.png"] {
        assert_eq!(home.read(&format!("fizz-demo/{picture}"))[..8], *b"\x89PNG\r\n\x1a\n");
    }
    assert_eq!(fs::read_dir(home.path("fizz-demo/receipts")).unwrap().count(), 12);
    // The commands work as printed.
    let next = lines.iter().position(|line| *line == "next:").unwrap();
    let commands = &lines[next + 1..];
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in commands {
        let code = if command.contains("caught") { 5 } else { 0 };
        Ended::of(home.command("sh").args(["-c", command]).output().unwrap()).expect(code);
    }
    // A second demo replaces the first.
    home.fizz(["demo", "--gpu", "off"]).expect(0).says(&["GPU: not used"]);
}

#[test]
fn the_demo_overwrites_nothing_of_yours() {
    let home = Home::new();
    home.write("fizz-demo/after.png", "mine");
    home.fizz(["demo"]).expect(2).says(&["fizz-demo is not empty", "hint: choose another folder with --out"]);
    assert_eq!(home.read("fizz-demo/after.png"), b"mine");
}
