//! What is not as it must be: a clear error, a hint, the documented exit code, and nothing half-written.

use std::fs;

use fizz_attest::{Canonical, Envelope, ReceiptFile, SecretKey};

use crate::support::Home;

fn start(imports: &str, memory: &str, body: &str) -> String {
    format!(r#"(module {imports} (memory (export "memory") {memory}) (func (export "_start") {body}))"#)
}

#[test]
fn modules_that_cannot_run() {
    let home = Home::new();
    let whole = fizz_examples::HELLO;
    home.write("truncated.wasm", &whole[..whole.len() / 2]);
    home.write("empty.wasm", "");
    home.write("text.wasm", "hello");
    home.write("component.wasm", b"\0asm\x0d\0\x01\0");
    home.module("import.wasm", &start(r#"(import "env" "steal" (func))"#, "1", ""));
    home.module("library.wasm", r#"(module (memory (export "memory") 1))"#);
    for (name, words) in [
        ("truncated.wasm", ""),
        ("empty.wasm", ""),
        ("text.wasm", ""),
        ("component.wasm", "component"),
        ("import.wasm", "steal"),
        ("library.wasm", "_start"),
    ] {
        let ended = home.fizz(["run", name, "--out", "out", "--report", "report.json"]).expect(2);
        let ended = ended.says(&["error: cannot run", name, "cause: ", words, "\nhint: "]);
        assert_eq!(ended.stdout, "");
        assert!(!home.path("out").exists() && !home.path("report.json").exists(), "{name}");
        let ended = home.fizz(["inspect", name]).expect(2);
        let ended = ended.says(&[&format!("{name} cannot run"), "cause: ", words, "\nhint: "]);
        assert!(!ended.stderr.contains("the module cannot be run"), "{}", ended.stderr);
    }
}

#[test]
fn memory_over_the_limit() {
    let home = Home::new();
    home.module("huge.wasm", &start("", "60000", ""));
    home.fizz(["run", "huge.wasm"])
        .expect(3)
        .says(&["error: limit exceeded: memory", "hint: give it more with --memory"]);
    // Growth that is refused is the guest's to handle: memory.grow gives -1, and then this module traps.
    let grow = "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))";
    home.module("grow.wasm", &start("", "1", grow));
    home.fizz(["run", "grow.wasm", "--memory", "1M"]).expect(134);
    home.fizz(["run", "grow.wasm", "--memory", "128M"]).expect(0);
}

#[test]
fn files_that_are_missing() {
    let home = Home::new();
    home.write("hello.wasm", fizz_examples::HELLO);
    for args in [
        vec!["run", "none.wasm"],
        vec!["run", "hello.wasm", "--dir", "none::/in"],
        vec!["run", "hello.wasm", "--stdin", "none"],
        vec!["verify", "none.receipt"],
        vec!["submit", "none.wasm", "--node", "127.0.0.1:1"],
        vec!["submit", "hello.wasm", "--dir", "none", "--node", "127.0.0.1:1"],
    ] {
        home.fizz(args).expect(2).says(&["error: cannot read", "none", "cause: ", "\nhint: "]);
    }
    home.fizz(["run", "."]).expect(2).says(&["holds no Cargo.toml"]);
}

#[test]
fn arguments_that_make_no_sense() {
    let home = Home::new();
    home.write("hello.wasm", fizz_examples::HELLO);
    home.write("job.toml", "module = \"hello.wasm\"\ntask = []\n");
    home.write("limits.toml", "module = \"hello.wasm\"\n[limits]\ngas = \"much\"\n");
    for (args, words) in [
        (vec!["run", "hello.wasm", "--gas", "much"], "write 1000000"),
        (vec!["run", "hello.wasm", "--memory", "1X"], "is no size"),
        (vec!["run", "hello.wasm", "--seed", "12"], "64 hex digits"),
        (vec!["run", "hello.wasm", "--out", "out::/"], "root"),
        (vec!["run", "hello.wasm", "--dir", "hello.wasm::/a/../b"], "`..`"),
        (vec!["run", "hello.wasm", "--env", "novalue"], "NAME=VALUE"),
        (vec!["submit", "hello.wasm", "--node", "nowhere"], "KEY@HOST:PORT"),
        (vec!["submit", "hello.wasm"], "--node"),
        (vec!["submit", "job.toml", "--node", "127.0.0.1:1"], "unknown field `task`"),
        (vec!["submit", "limits.toml", "--node", "127.0.0.1:1"], "limits.gas"),
        (vec!["submit", "job.toml", "--gas", "1", "--node", "127.0.0.1:1"], "beside a job file"),
        (vec!["launch"], "launch"),
    ] {
        home.fizz(args).expect(2).says(&["error: ", words]);
    }
}

#[cfg(unix)]
#[test]
fn outputs_stay_in_their_folder() {
    let home = Home::new();
    home.write("hello.wasm", fizz_examples::HELLO);
    home.write("outside/keep", "kept");
    fs::create_dir_all(home.path("out")).unwrap();
    // Where the guest's file would go, a link points out of the folder. It is replaced, not written through.
    std::os::unix::fs::symlink(home.path("outside/keep"), home.path("out/greeting.txt")).unwrap();
    home.fizz(["run", "hello.wasm", "--out", "out"]).expect(0);
    assert_eq!(home.read("outside/keep"), b"kept");
    assert_eq!(home.read("out/greeting.txt"), b"Hello, world!\n");
    // A folder that is a link is refused.
    std::os::unix::fs::symlink(home.path("outside"), home.path("out/sub")).unwrap();
    home.module(
        "sub.wasm",
        r#"(module
            (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "out/sub/file")
            (func (export "_start")
                (if (call $mkdir (i32.const 3) (i32.const 0) (i32.const 7)) (then unreachable))
                (if (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 12) (i32.const 1)
                        (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 100)) (then unreachable))))"#,
    );
    home.fizz(["run", "sub.wasm", "--out", "out"]).expect(2).says(&["is a link"]);
    assert!(!home.path("outside/file").exists());
}

#[test]
fn receipts_that_do_not_hold() {
    let home = Home::new();
    home.write("hello.wasm", fizz_examples::HELLO);
    home.fizz(["run", "hello.wasm", "--receipt", "good.receipt"]).expect(0);
    let good = ReceiptFile::from_canonical(&home.read("good.receipt")).unwrap();
    // Signed by another key than the lease names.
    let (receipt, _): (fizz_attest::Receipt, _) = good.receipt.open_any().unwrap();
    let other = SecretKey::from_bytes(&[9; 32]);
    let forged = ReceiptFile { receipt: Envelope::sign(&receipt, &other), ..good.clone() };
    home.write("forged.receipt", forged.to_canonical());
    home.fizz(["verify", "forged.receipt", "--module", "hello.wasm"]).expect(6).says(&[
        "error: forged.receipt does not hold",
        "cause: the receipt: signed by key",
        "\nhint: ",
    ]);
    // One bit of the signed bytes.
    let mut flipped = good.clone();
    flipped.receipt.payload[40] ^= 1;
    home.write("flipped.receipt", flipped.to_canonical());
    home.fizz(["verify", "flipped.receipt"]).expect(6).says(&["does not verify"]);
    home.write("rubbish.receipt", "rubbish");
    home.fizz(["verify", "rubbish.receipt"]).expect(2).says(&["is no receipt file"]);
    home.fizz(["receipt", "show", "rubbish.receipt"]).expect(2);
    let json = home.fizz(["verify", "--json", "rubbish.receipt"]).expect(2);
    let error: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!((&error["code"], json.stdout.as_str()), (&"usage".into(), ""));
}

#[test]
fn bad_shaders_are_shown_where_they_are_bad() {
    let home = Home::new();
    let head = "@group(0) @binding(0) var<storage, read_write> data: array<u32>;\nvar<workgroup> tile: array<u32, 64>;\n";
    let main = |size: &str, body: &str| {
        format!(
            "{head}@compute @workgroup_size({size})\nfn main(@builtin(local_invocation_index) i: u32) {{\n    {body}\n}}\n"
        )
    };
    for (text, says) in [
        (main("64", "let x = data[i] +;"), &["line 5, column 22", "let x = data[i] +;", "^"][..]),
        (main("64", "let x: f32 = data[i];"), &["line 5, column 9", "let x: f32 = data[i];"]),
        (main("64", "data[i] = missing(i);"), &["line 5, column 15", "missing"]),
        (
            main("64", "if (i < 32u) { tile[i] = 1u; workgroupBarrier(); }"),
            &["line 5, column 34", "workgroupBarrier", "invocations part at line 5, column 9"],
        ),
        (main("512", "data[i] = 1u;"), &["workgroup of 512 × 1 × 1 is outside 256 × 256 × 64"]),
        (
            main("64", "data[i] = big[i].x + tile[i];")
                .replace("var<workgroup>", "var<workgroup> big: array<vec4u, 4096>; var<workgroup>"),
            &["line 2, column 1", "workgroup variables take 65792 bytes, more than 16384"],
        ),
        (
            main("64", "mine[i] = 1u; data[i] = mine[0];")
                .replace("var<w", "var<private> mine: array<u32, 5000>; var<w"),
            &["line 2, column 1", "variables of one invocation take more than 16384 bytes"],
        ),
        ("fn helper() {}".to_owned(), &["no compute entry point", "@workgroup_size(64)"]),
        (main("n", "data[i] = 1u;").replace("var<w", "override n: u32; var<w"), &["--constant"]),
    ] {
        home.write("bad.wgsl", &text);
        let ended = home.fizz(["inspect", "bad.wgsl"]).expect(2).says(says).says(&["bad.wgsl"]);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    home.write("bad.wgsl", [0xff, 0xfe]);
    home.fizz(["inspect", "bad.wgsl"]).expect(2).says(&["byte 0 is no UTF-8"]);
    // Good ones.
    home.write(
        "good.wgsl",
        main("n", "for (var k = 0u; k < data[0]; k++) { data[i] += k; }")
            .replace("var<w", "override n: u32; var<w"),
    );
    let args = ["inspect", "good.wgsl", "--constant", "n=32"];
    let shown = home.fizz(args).expect(0).stdout;
    assert!(shown.contains("32 × 1 × 1") && shown.contains("counted by each invocation"), "{shown}");
    let object: serde_json::Value =
        serde_json::from_str(&home.fizz([&args[..], &["--json"]].concat()).expect(0).stdout).unwrap();
    assert_eq!(object["entry_points"][0]["loops_counted_by"], "invocations");
    assert!(shown.contains("class         exact"), "{shown}");
    assert_eq!(object["entry_points"][0]["class"], "exact");
    assert_eq!(object["entry_points"][0]["reasons"], serde_json::json!([]));
    // Not the same bits everywhere.
    home.write("fast.wgsl", main("64", "data[i] = u32(sin(1.0));"));
    let shown = home.fizz(["inspect", "fast.wgsl"]).expect(0).stdout;
    assert!(shown.contains("class         fast\n") && shown.contains(": sin of constants"), "{shown}");
    let object: serde_json::Value =
        serde_json::from_str(&home.fizz(["inspect", "fast.wgsl", "--json"]).expect(0).stdout).unwrap();
    assert_eq!(object["entry_points"][0]["class"], "fast");
    assert!(object["entry_points"][0]["reasons"][0]["line"].is_u64(), "{object}");
    home.fizz(["inspect", "good.wgsl", "--constant", "n"]).expect(2).says(&["there is no `=`"]);
    home.fizz(["inspect", "good.wgsl", "--costs"]).expect(2).says(&["a module's operators"]);
    home.fizz(["inspect", "--costs", "--constant", "n=1"]).expect(2).says(&["is for a shader"]);
}
