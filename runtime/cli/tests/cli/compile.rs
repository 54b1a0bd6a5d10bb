//! Compiling: in another process, once, within bounds.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{FIZZ, Home};

fn start(body: &str) -> String {
    format!(r#"(module (memory (export "memory") 1) (func (export "_start") {body}))"#)
}

/// The files of machine code in the user's cache folder.
fn kept(home: &Home) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(home.path("cache/fizz/code")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.ends_with("secret")).collect()
}

/// Runs a module, and says whether it was well.
fn run(home: &Home, more: &[&str]) -> i32 {
    let mut command = home.command(FIZZ);
    command.env("XDG_CACHE_HOME", home.path("cache"));
    let output = command.args(["run", "module.wasm", "--gpu", "off"]).args(more).output().unwrap();
    output.status.code().unwrap_or(-1)
}

#[test]
fn machine_code_is_kept_unless_told_otherwise_and_damage_is_noticed() {
    let home = Home::new();
    home.module("module.wasm", &start("nop"));
    assert_eq!(run(&home, &["--no-cache"]), 0);
    assert!(kept(&home).is_empty());
    assert_eq!(run(&home, &[]), 0);
    let [file] = &kept(&home)[..] else { panic!("one file of machine code") };
    let good = fs::read(file).unwrap();
    let damaged: Vec<u8> = good.iter().map(|byte| !byte).collect();
    for bad in [&damaged[..], &good[..good.len() / 2], b""] {
        fs::write(file, bad).unwrap();
        assert_eq!(run(&home, &[]), 0);
        assert_eq!(fs::read(file).unwrap().len(), good.len());
    }
    // Another module has other code.
    home.module("module.wasm", &start("unreachable"));
    assert_eq!(run(&home, &[]), 134);
    assert_eq!(kept(&home).len(), 2);
}

#[test]
fn a_large_module_is_compiled_by_another_process() {
    let home = Home::new();
    // Its data are what makes it large.
    let data = "x".repeat(2 << 20);
    home.module(
        "module.wasm",
        &format!(
            r#"(module (memory (export "memory") 40) (data (i32.const 0) "{data}")
            (func (export "_start") (drop (i32.load (i32.const -1)))))"#
        ),
    );
    for cached in [false, true] {
        let more: &[&str] = if cached { &[] } else { &["--no-cache"] };
        assert_eq!(run(&home, more), 134);
    }
    // A trap has the exact form compiled too.
    assert_eq!(kept(&home).len(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_the_host_does_not_have_is_no_result() {
    let home = Home::new();
    // 1 GiB, which the job allows.
    home.module("module.wasm", &start("(drop (memory.grow (i32.const 16000)))"));
    // There is no room to reserve linear memory, or none to use what is reserved.
    for limit in ["ulimit -v 3000000", "ulimit -d 700000"] {
        let script = format!(
            "{limit} && exec \"$0\" run module.wasm --gpu off --no-cache --receipt receipt --report report"
        );
        let ended =
            crate::support::Ended::of(home.command("sh").args(["-c", &script, FIZZ]).output().unwrap());
        ended.expect(1).says(&["error: this machine could not run the task", "the node is out of memory"]);
        assert!(!home.path("receipt").exists() && !home.path("report").exists());
    }
    assert_eq!(run(&home, &["--receipt", "receipt"]), 0);
    assert!(home.path("receipt").exists());
}

/// A module that is small to send and keeps a compiler busy for long: many values that all live at once.
fn bomb() -> String {
    let loads: String = (0..8_000).map(|index| format!("(i32.load (i32.const {}))", index * 4)).collect();
    let function = format!("(func (result i32) {loads} {})", "i32.add ".repeat(7_999));
    format!(r#"(module (memory (export "memory") 1) {} (func (export "_start")))"#, function.repeat(24))
}

#[test]
fn a_module_that_takes_too_long_to_compile_ends_every_command_in_time() {
    let home = Home::new();
    home.module("bomb.wasm", &bomb());
    for command in [&["run", "--gpu", "off"][..], &["check"], &["inspect"]] {
        let begun = Instant::now();
        let args = [command, &["--compile-seconds", "1", "bomb.wasm"]].concat();
        let ended = home.fizz(args).expect(1);
        ended.says(&["error: this machine could not compile the module", "took longer than 1 s", "\nhint: "]);
        assert!(begun.elapsed() < Duration::from_secs(20), "{command:?}: {:?}", begun.elapsed());
    }
    assert!(kept(&home).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_compiler_without_memory_is_a_clear_error_of_every_command() {
    let home = Home::new();
    home.write("life.wasm", fizz_examples::LIFE);
    for command in [&["run", "--gpu", "off"][..], &["check"], &["inspect"]] {
        let args = [command, &["--compile-memory", "1M", "life.wasm"]].concat();
        let words =
            ["error: this machine could not compile the module", "wanted more than 1 MiB", "\nhint: "];
        home.fizz(args).expect(1).says(&words);
    }
}

#[test]
fn every_form_that_check_and_inspect_want_is_kept() {
    let home = Home::new();
    home.write("life.wasm", fizz_examples::LIFE);
    home.fizz(["inspect", "--no-cache", "life.wasm"]).expect(0);
    assert!(kept(&home).is_empty());
    let cold = home.fizz(["inspect", "life.wasm"]).expect(0).stdout;
    assert_eq!(kept(&home).len(), 1);
    assert_eq!(home.fizz(["inspect", "life.wasm"]).expect(0).stdout, cold);
    // Two engines, the exact form, and the tracked form in both.
    home.fizz(["check", "life.wasm", "--", "64", "64", "40"]).expect(0);
    assert_eq!(kept(&home).len(), 5);
}
