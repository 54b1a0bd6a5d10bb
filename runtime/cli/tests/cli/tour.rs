//! Runs every command of the README's tour, in a copy of the repository.

use std::fs;
use std::path::Path;

use crate::support::{Ended, FIZZ, Home};

#[test]
fn every_command_of_the_tour_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, tour) = readme.split_once("\n## Tour\n").expect("a tour");
    let (tour, _) = tour.split_once("\n## ").expect("an end of the tour");
    let blocks: Vec<&str> = tour
        .split("```sh\n")
        .skip(1)
        .map(|block| block.split_once("\n```").expect("an end of the block").0)
        .collect();
    assert!(blocks.len() >= 5, "the tour has become short: {blocks:?}");

    let home = Home::new();
    let copy = home.path("fizz");
    copy_tree(&root, &copy);
    fs::create_dir_all(copy.join("target/release")).unwrap();
    fs::copy(FIZZ, copy.join("target/release/fizz")).unwrap();
    // Each command must succeed; the shell says which did not. The node is ended whatever happens.
    let script = format!("set -ex\ntrap 'kill $! 2>/dev/null || :' EXIT\n{}\n", blocks.join("\n"));
    let output = home
        .command("bash")
        .args(["-c", &script])
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .output()
        .unwrap();
    let ended = Ended::of(output).expect(0);
    assert!(ended.stdout.contains("Hello, world!"), "{}", ended.stdout);
    assert!(ended.stdout.contains("Good day, world!"), "{}", ended.stdout);
    assert!(ended.stdout.contains("Good day, Ada!"), "{}", ended.stdout);
    assert!(ended.stdout.contains("result/receipts/0000.receipt: same"), "{}", ended.stdout);
}

/// What a clone holds, and nothing that was built.
fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if [".git", "target", "fuzz", "fizz-demo"].iter().any(|skip| name == *skip) {
            continue;
        }
        let to = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}
