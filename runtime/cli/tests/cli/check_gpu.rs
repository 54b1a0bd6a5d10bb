//! `fizz check` on jobs with a GPU: races are found, and jobs without give the same on every device.

use serde_json::Value;

use crate::support::Home;

/// A module that dispatches four workgroups of a shader on a buffer of 256 words, and fails unless the GPU did it.
fn guest(wgsl: &str) -> String {
    let mut stream = fizz_gpu_abi::Encoder::new();
    stream.create_shader(1, "sums", wgsl);
    stream.create_compute_pipeline(2, "", 0, 1, None, true, [].into_iter());
    stream.get_bind_group_layout(3, 2, 0);
    stream.create_buffer(4, fizz_gpu_abi::usage::STORAGE | fizz_gpu_abi::usage::COPY_SRC, 1024, false, "");
    let entry =
        fizz_gpu_abi::BindGroupEntry { binding: 0, resource: 4, offset: 0, size: fizz_gpu_abi::WHOLE };
    stream.create_bind_group(5, "", 3, &[entry]);
    stream.begin_commands(6, "");
    stream.begin_pass("");
    stream.set_pipeline(2);
    stream.set_bind_group(0, 5, &[]);
    stream.dispatch(4, 1, 1);
    stream.end_pass();
    stream.end_commands();
    stream.submit(&[6]);
    let text = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let open = fizz_gpu_abi::OpenRequest::new(fizz_gpu_abi::Class::Job).to_bytes();
    format!(
        r#"(module
            (import "fizz_gpu" "open" (func $open (param i32 i32 i32 i32) (result i32)))
            (import "fizz_gpu" "submit" (func $submit (param i32 i32) (result i64)))
            (import "fizz_gpu" "read" (func $read (param i32 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "{}") (data (i32.const 8192) "{}")
            (func (export "_start")
                (drop (call $open (i32.const 0) (i32.const 16) (i32.const 64) (i32.const 1024)))
                (drop (call $submit (i32.const 8192) (i32.const {})))
                (if (call $read (i32.const 4) (i64.const 0) (i32.const 4096) (i32.const 1024))
                    (then unreachable))
                ;; What the GPU gave is the output.
                (i32.store (i32.const 2048) (i32.const 4096))
                (i32.store (i32.const 2052) (i32.const 1024))
                (drop (call $write (i32.const 1) (i32.const 2048) (i32.const 1) (i32.const 2056)))))"#,
        text(&open),
        text(stream.as_bytes()),
        stream.as_bytes().len(),
    )
}

const CLEAN: &str = "@group(0) @binding(0) var<storage, read_write> data: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    data[id.x] = sin(f32(id.x));
}";

#[test]
fn a_racy_job_is_inconclusive_and_named() {
    let home = Home::new();
    let racy = CLEAN.replace("data[id.x]", "data[id.x / 2u]");
    home.module("racy.wasm", &guest(&racy));
    let ended = home.fizz(["check", "racy.wasm", "--gpu", "reference"]).expect(7);
    for line in [
        "race in storage memory:",
        "  write of `data` at shader 'sums', line 4, column 5, by invocation (0, 0, 0) of workgroup (0, 0, 0)",
        "  write of `data` at shader 'sums', line 4, column 5, by invocation (1, 0, 0) of workgroup (0, 0, 0)",
        "racy",
    ] {
        assert!(ended.stdout.lines().any(|found| found == line), "{line}: {}", ended.stdout);
    }
    let ended = home.fizz(["check", "racy.wasm", "--gpu", "reference", "--json"]).expect(7);
    let object: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(object["verdict"], "racy");
    assert_eq!(object["races_incomplete"], false);
    let race = &object["races"][0];
    assert_eq!((&race["memory"], object["races"].as_array().map(Vec::len)), (&"storage".into(), Some(1)));
    for (side, invocation) in [(0, 0), (1, 1)] {
        let touch = &race["touches"][side];
        let expected = serde_json::json!({
            "shader": "sums", "line": 4, "column": 5, "variable": "data", "access": "write",
            "workgroup": [0, 0, 0], "invocation": [invocation, 0, 0],
        });
        assert_eq!(*touch, expected);
    }
}

#[test]
fn a_job_without_races_gives_the_same_on_every_device() {
    let home = Home::new();
    home.module("clean.wasm", &guest(CLEAN));
    let ended = home.fizz(["check", "clean.wasm", "--json"]).expect(0);
    let object: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(object["verdict"], "same");
    assert_eq!(object["races"], serde_json::json!([]));
    let runs = object["runs"].as_array().unwrap();
    assert!(runs.len() >= 5, "{object}");
    assert!(runs.iter().all(|run| run["gpu_gas"].as_u64() > Some(0)), "{object}");
    for name in ["first run, the processor as GPU, looking for races", "the processor as GPU, one thread"] {
        assert!(runs.iter().any(|run| run["name"] == name), "{object}");
    }
    // Without a GPU, the guest fails in every way alike.
    home.fizz(["check", "clean.wasm", "--gpu", "off"]).expect(3);
}

#[test]
fn exact_shaders_of_fast_jobs_are_looked_at_and_others_are_named() {
    let home = Home::new();
    home.module("racy.wasm", &guest(&CLEAN.replace("data[id.x]", "data[id.x / 2u]")));
    let ended = home.fizz(["check", "racy.wasm", "--gpu", "reference", "--gpu-class", "fast"]).expect(7);
    let looked = "the processor as GPU, looking for races: completed with exit code 0";
    assert!(
        ended.stdout.lines().any(|line| line.starts_with(looked) && line.ends_with("; not compared")),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("race in storage memory:"), "{}", ended.stdout);
    home.module("clean.wasm", &guest(CLEAN));
    let ended = home.fizz(["check", "clean.wasm", "--gpu-class", "fast"]).expect(0);
    assert!(!ended.stdout.contains("looked"), "{}", ended.stdout);
    // What an invocation gets hangs on who came first.
    let first = "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
var<workgroup> next: atomic<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    data[id.x] = atomicAdd(&next, 1u);
}";
    home.module("first.wasm", &guest(first));
    let ended = home.fizz(["check", "first.wasm", "--gpu", "reference", "--gpu-class", "fast"]).expect(0);
    let said = "not looked at for races: entry point 'main' of shader 'sums' is not exact: ";
    let line = ended.stdout.lines().find(|line| line.starts_with(said));
    assert!(line.is_some_and(|line| line.ends_with(" at line 5, column 18")), "{}", ended.stdout);
    let ended =
        home.fizz(["check", "first.wasm", "--gpu", "reference", "--gpu-class", "fast", "--json"]).expect(0);
    let object: Value = serde_json::from_str(&ended.stdout).unwrap();
    let named = object["not_looked_at_for_races"].as_array().unwrap();
    assert!(named.len() == 1 && named[0].as_str().unwrap().contains("'sums'"), "{object}");
    let compared: Vec<_> =
        object["runs"].as_array().unwrap().iter().map(|run| run["compared"].clone()).collect();
    assert_eq!(compared, [true, true, true, false]);
}

#[test]
fn states_are_compared_of_jobs_with_a_gpu_too() {
    let home = Home::new();
    home.module("clean.wasm", &guest(CLEAN));
    let ended = home.fizz(["check", "clean.wasm", "--gpu", "reference", "--trace", "--json"]).expect(0);
    let object: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&object["verdict"], &object["divergence"]), (&"same".into(), &Value::Null));
}
