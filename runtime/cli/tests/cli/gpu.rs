//! The process that has the GPU: found, chosen, killed, told to wait.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Ended, FIZZ, Home};

/// What the doctor finds. Where there is no adapter: fails in CI, else says so.
fn doctor(home: &Home) -> Option<Value> {
    let found: Value =
        serde_json::from_str(&home.fizz(["node", "doctor", "--json"]).expect(0).stdout).unwrap();
    if found["chosen"].is_number() {
        return Some(found);
    }
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "CI must have a GPU adapter (install lavapipe): {found}"
    );
    eprintln!("skipped: {found}");
    None
}

/// Processes below `ancestor` that have the GPU.
fn gpu_processes(ancestor: u32) -> Vec<u32> {
    let ids = fs::read_dir("/proc").unwrap().flatten();
    let ids: Vec<u32> = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let parent = |id: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    let below = |id: u32| std::iter::successors(Some(id), |id| parent(*id)).any(|id| id == ancestor);
    let has_gpu = |id: u32| {
        fs::read(format!("/proc/{id}/cmdline"))
            .is_ok_and(|line| line.windows(11).any(|part| part == b"gpu-process"))
    };
    ids.into_iter().filter(|id| has_gpu(*id) && below(*id)).collect()
}

/// Waits for the process of a guest that has got its memory lent, and kills it in the middle of its work.
fn kill_at_work(ancestor: u32) {
    let begun = Instant::now();
    let at_work = |id: &u32| {
        fs::read_to_string(format!("/proc/{id}/maps")).is_ok_and(|maps| maps.contains("fizz-gpu-guest"))
    };
    let id = loop {
        if let Some(id) = gpu_processes(ancestor).into_iter().find(at_work) {
            break id;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no GPU process works");
        std::thread::sleep(Duration::from_millis(10));
    };
    std::thread::sleep(Duration::from_millis(200));
    assert!(Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap().success());
}

#[test]
fn the_doctor_shows_adapters_and_each_can_be_chosen() {
    let home = Home::new();
    let Some(found) = doctor(&home) else { return };
    let adapters = found["adapters"].as_array().unwrap();
    let chosen = &adapters[found["chosen"].as_u64().unwrap() as usize];
    assert_eq!(chosen["usable"], true);
    assert!(chosen["opened_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(chosen["limits"]["maxBufferSize"]["promised"], 256 << 20);
    let name = chosen["name"].as_str().unwrap();
    let shown = home.fizz(["node", "doctor"]).expect(0).stdout;
    assert!(shown.contains(name) && shown.contains("usable") && shown.contains("maxBufferSize"), "{shown}");
    // By number, by a part of the name, and not at all.
    home.write("compute.wasm", fizz_examples::WGPU_COMPUTE);
    let run = |adapter: &str, class: &str| {
        let run = ["run", "compute.wasm", "--adapter", adapter, "--gpu-class", class];
        home.fizz(run.into_iter().chain(["--report", "report.json", "--", "collatz"]))
    };
    for (adapter, class) in [(found["chosen"].to_string(), "fast"), (name[..4].to_uppercase(), "exact")] {
        assert!(run(&adapter, class).expect(0).stdout.contains("longest below 1001: 871"));
        let report: Value = serde_json::from_slice(&home.read("report.json")).unwrap();
        assert!(report["device"].as_str().unwrap().starts_with(name), "{report}");
        assert_eq!(report["gpu_class"], class);
    }
    run("no such card", "exact").expect(4).says(&["this machine has no such GPU", name]);
    let none = home.fizz(["node", "doctor", "--adapter", "no such card"]).expect(0).stdout;
    assert!(none.contains("for fast jobs: no GPU adapter named like"), "{none}");
    // Software that is played as Fizz plays it, and the reference, give the same in the probe.
    let probe = found["reference"]["probe"].as_str().unwrap();
    assert_eq!((probe.len(), chosen["exact"]["probe"].as_str()), (32, Some(probe)));
    // What was found of the adapter's own square root; Fizz's is its own.
    let own = chosen["exact"]["own_sqrt"].as_str().unwrap();
    assert!(shown.contains("its own square root: ") && own.contains("used"), "{shown}");
    assert_eq!(found["reference"]["own_sqrt"], Value::Null);
    assert!(shown.contains("a node takes the processor for exact jobs") || chosen["kind"] != "software");
}

#[test]
fn a_machine_without_adapters_is_told_what_to_install() {
    let home = Home::new();
    let mut command = home.command(FIZZ);
    command
        .args(["node", "doctor"])
        .env("VK_DRIVER_FILES", "/nonexistent")
        .env("VK_ICD_FILENAMES", "/nonexistent");
    let ended = Ended::of(command.output().unwrap()).expect(0).says(&["next: install"]);
    assert!(ended.stdout.contains("for fast jobs: no GPU adapter found"), "{}", ended.stdout);
    assert!(ended.stdout.contains("a node takes the processor for exact jobs"), "{}", ended.stdout);
}

#[test]
fn a_gpu_process_killed_in_a_dispatch_is_the_nodes_fault_and_nothing_is_written() {
    let home = Home::new();
    if doctor(&home).is_none() {
        return;
    }
    home.write("compute.wasm", fizz_examples::WGPU_COMPUTE);
    let mut command = home.command(FIZZ);
    command.args([
        "run",
        "compute.wasm",
        "--gpu",
        "hardware",
        "--report",
        "report.json",
        "--receipt",
        "a.receipt",
        "--",
        "dispatches:20000",
    ]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    kill_at_work(id);
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(1);
    ended.says(&[
        "this machine could not run the task",
        "the node lost its GPU",
        "the GPU's process died (signal: 9",
    ]);
    assert!(!home.path("report.json").exists() && !home.path("a.receipt").exists());
    assert!(gpu_processes(id).is_empty());
}

#[test]
fn a_node_whose_gpu_process_is_killed_commits_nothing_and_carries_on() {
    let home = Home::new();
    if doctor(&home).is_none() {
        return;
    }
    home.write("compute.wasm", fizz_examples::WGPU_COMPUTE);
    let (first, second) = (home.node("a", &["--gpu", "hardware"]), home.node("b", &["--gpu", "hardware"]));
    let submit = |nodes: &[&str], what: &str| {
        let mut command = home.command(FIZZ);
        command.args(["submit", "compute.wasm", "--sample", "0"]);
        for node in nodes {
            command.args(["--node", node]);
        }
        command.args(["--", what]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // Alone it cannot do the task, and says whose fault that was.
    let child = submit(&[&first.address], "dispatches:20000").spawn().unwrap();
    kill_at_work(first.child.id());
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_ne!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    // The next task finds a GPU there, and nothing of the last.
    let next = Ended::of(submit(&[&first.address], "collatz").output().unwrap()).expect(0);
    assert!(next.stdout.contains("longest below 1001: 871"), "{}", next.stdout);
    // Beside another node the task is done all the same.
    let child = submit(&[&first.address, &second.address], "dispatches:300").spawn().unwrap();
    let nodes = [first.child.id(), second.child.id()];
    let begun = Instant::now();
    let at_work = |node: &u32| {
        let lent = |id: &u32| {
            fs::read_to_string(format!("/proc/{id}/maps")).is_ok_and(|maps| maps.contains("fizz-gpu-guest"))
        };
        gpu_processes(*node).iter().any(lent)
    };
    let working = loop {
        if let Some(node) = nodes.iter().find(|node| at_work(node)) {
            break *node;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "no node works");
        std::thread::sleep(Duration::from_millis(5));
    };
    kill_at_work(working);
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(0);
    assert_eq!(ended.stdout, "== dispatches:300\nas on the CPU: true\n");
    drop((first, second));
}

#[test]
fn a_dispatch_longer_than_a_step_is_the_nodes_fault() {
    let home = Home::new();
    if doctor(&home).is_none() {
        return;
    }
    // A dispatch is split so that no part takes long, as far as the parts before it tell. Here they tell a lie: behind
    // them stand seconds of a software device, and the operator gives one.
    let body = "x = (x ^ (x >> 3u)) * 1664525u + 7u;".repeat(8);
    let wgsl = format!(
        "@group(0) @binding(0) var<storage, read_write> data: array<u32>;
        @compute @workgroup_size(256)
        fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {{
            var x = data[id.x % 64u];
            let turns = select(1u, 50000u, group.x > 300u);
            for (var i = 0u; i < turns; i++) {{ {body} }}
            data[id.x % 64u] = x;
        }}"
    );
    let mut stream = fizz_gpu_abi::Encoder::new();
    stream.create_shader(1, "", &wgsl);
    stream.create_compute_pipeline(2, "", 0, 1, None, true, [].into_iter());
    stream.get_bind_group_layout(3, 2, 0);
    stream.create_buffer(4, fizz_gpu_abi::usage::STORAGE, 256, false, "");
    let entry =
        fizz_gpu_abi::BindGroupEntry { binding: 0, resource: 4, offset: 0, size: fizz_gpu_abi::WHOLE };
    stream.create_bind_group(5, "", 3, &[entry]);
    stream.begin_commands(6, "");
    stream.begin_pass("");
    stream.set_pipeline(2);
    stream.set_bind_group(0, 5, &[]);
    stream.dispatch(60_000, 1, 1);
    stream.end_pass();
    stream.end_commands();
    stream.submit(&[6]);
    let text = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let open = fizz_gpu_abi::OpenRequest::new(fizz_gpu_abi::Class::Job).to_bytes();
    let wat = format!(
        r#"(module
            (import "fizz_gpu" "open" (func $open (param i32 i32 i32 i32) (result i32)))
            (import "fizz_gpu" "submit" (func $submit (param i32 i32) (result i64)))
            (import "fizz_gpu" "wait" (func $wait (param i64 i64) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "{}") (data (i32.const 2048) "{}")
            (func (export "_start")
                (drop (call $open (i32.const 0) (i32.const 16) (i32.const 64) (i32.const 1024)))
                (drop (call $submit (i32.const 2048) (i32.const {})))
                (drop (call $wait (i64.const -1) (i64.const 0)))))"#,
        text(&open),
        text(stream.as_bytes()),
        stream.as_bytes().len(),
    );
    home.module("long.wasm", &wat);
    let node = home.node("node", &["--gpu", "hardware", "--gpu-step-seconds", "1"]);
    let begun = Instant::now();
    let ended = home.fizz([
        "submit",
        "long.wasm",
        "--gpu-class",
        "fast",
        "--gpu-gas",
        "1000T",
        "--sample",
        "0",
        "--node",
        &node.address,
    ]);
    assert_ne!(ended.code, 0, "{}", ended.stderr);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn shares_and_memory_are_the_operators() {
    let home = Home::new();
    if doctor(&home).is_none() {
        return;
    }
    home.write("compute.wasm", fizz_examples::WGPU_COMPUTE);
    // A quarter of the memory for each of four slots is less than jobs want by default.
    let small = home.node("small", &["--slots", "4", "--gpu-memory", "2G"]);
    let refused = home.fizz(["submit", "compute.wasm", "--node", &small.address, "--", "collatz"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("GPU memory"), "{}", refused.stderr);
    // A device that rests gives the same.
    let (whole, part) = (home.node("whole", &[]), home.node("part", &["--gpu-share", "20"]));
    let submit = |node: &str, out: &str| {
        let submit =
            ["submit", "compute.wasm", "--sample", "0", "--out", out, "--node", node, "--", "dispatches:20"];
        let begun = Instant::now();
        let stdout = home.fizz(submit).expect(0).stdout;
        (stdout, begun.elapsed())
    };
    let (all, _) = submit(&whole.address, "all");
    let (some, took) = submit(&part.address, "some");
    assert_eq!(all, some);
    // Twenty dispatches of a millisecond at the least, each followed by four times as much rest.
    assert!(took > Duration::from_millis(80), "{took:?}");
    for bad in ["0", "101", "x"] {
        home.fizz(["node", "--gpu-share", bad]).expect(2);
    }
}

/// A Vulkan driver that does this when it is loaded.
#[cfg(target_os = "linux")]
fn driver(home: &Home, name: &str, does: &str) -> std::path::PathBuf {
    let source = home.write(
        &format!("{name}.c"),
        format!("#include <stdlib.h>\n#include <unistd.h>\n__attribute__((constructor)) static void begin(void) {{ {does} }}\n"),
    );
    let library = home.path(&format!("{name}.so"));
    let made =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status().unwrap();
    assert!(made.success());
    let manifest = serde_json::json!({
        "file_format_version": "1.0.0",
        "ICD": { "library_path": library, "api_version": "1.3.0" },
    });
    home.write(&format!("{name}.json"), manifest.to_string())
}

#[cfg(target_os = "linux")]
#[test]
fn the_doctor_survives_drivers_that_crash_and_hang() {
    let home = Home::new();
    if doctor(&home).is_none() {
        return;
    }
    for (name, does, says) in [
        ("crashes", "abort();", "died (signal: 6"),
        ("hangs", "for (;;) sleep(60);", "hung: its driver did nothing for 2 s"),
    ] {
        let manifest = driver(&home, name, does);
        let begun = Instant::now();
        let mut command = home.command(FIZZ);
        command.env("VK_ICD_FILENAMES", &manifest).env("VK_DRIVER_FILES", &manifest);
        let ended = Ended::of(command.args(["node", "doctor", "--seconds", "2"]).output().unwrap()).expect(0);
        assert!(
            ended.stdout.contains("a node takes none, so the processor, for fast jobs")
                && ended.stdout.contains(says),
            "{}",
            ended.stdout
        );
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

/// A command on a machine without any driver.
fn without_driver(home: &Home, args: &[&str]) -> Ended {
    let mut command = home.command(FIZZ);
    command.args(args).env("VK_DRIVER_FILES", "/nonexistent").env("VK_ICD_FILENAMES", "/nonexistent");
    Ended::of(command.output().unwrap())
}

#[test]
fn the_processor_is_a_gpu_where_there_is_no_driver() {
    let home = Home::new();
    home.write("compute.wasm", fizz_examples::WGPU_COMPUTE);
    for gpu in ["auto", "reference"] {
        let run = ["run", "compute.wasm", "--gpu", gpu, "--report", "report.json", "--", "collatz", "matmul"];
        let ended = without_driver(&home, &run).expect(0);
        assert!(ended.stdout.contains("longest below 1001: 871"), "{}", ended.stdout);
        let report: Value = serde_json::from_slice(&home.read("report.json")).unwrap();
        assert!(report["device"].as_str().unwrap().contains("reference"), "{report}");
        assert!(report["gpu_gas"].as_u64().unwrap() > 0, "{report}");
    }
    without_driver(&home, &["run", "compute.wasm", "--gpu", "hardware"])
        .expect(4)
        .says(&["this machine has no such GPU"]);
}

#[test]
fn what_a_gpu_computed_exactly_is_verified_without_one() {
    let home = Home::new();
    if doctor(&home).is_none() {
        return;
    }
    home.write("compute.wasm", fizz_examples::WGPU_COMPUTE);
    let programs = ["collatz", "offsets", "errors", "matmul", "indirect", "layouts", "encoder", "lifetime"];
    let run =
        ["run", "compute.wasm", "--gpu", "hardware", "--report", "a.json", "--receipt", "a.receipt", "--"];
    home.fizz(run.into_iter().chain(programs)).expect(0);
    let run = ["run", "compute.wasm", "--gpu", "reference", "--report", "b.json", "--"];
    home.fizz(run.into_iter().chain(programs)).expect(0);
    let report = |name: &str| serde_json::from_slice::<Value>(&home.read(name)).unwrap();
    let (there, here) = (report("a.json"), report("b.json"));
    for field in ["result_digest", "gpu_gas", "profile"] {
        assert_eq!(there[field], here[field], "{field}");
    }
    assert_ne!(there["device"], here["device"]);
    let verify = ["verify", "a.receipt", "--module", "compute.wasm", "--gpu", "reference"];
    let told = home.fizz(verify.into_iter().chain(["--json"])).expect(0).stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["verdict"], &told["gpu_class"]), (&"same".into(), &"exact".into()));
    assert_eq!((&told["device"], &told["device_here"]), (&there["device"], &here["device"]));
    let shown = home.fizz(["receipt", "show", "a.receipt"]).expect(0).stdout;
    assert!(
        shown.contains(there["device"].as_str().unwrap()) && shown.contains("GPU class   exact"),
        "{shown}"
    );
}

#[test]
fn a_fast_result_compares_on_its_adapter_alone() {
    let home = Home::new();
    if doctor(&home).is_none() {
        return;
    }
    home.write("compute.wasm", fizz_examples::WGPU_COMPUTE);
    let run = [
        "run",
        "compute.wasm",
        "--gpu-class",
        "fast",
        "--receipt",
        "a.receipt",
        "--",
        "matmul",
        "timestamps",
    ];
    home.fizz(run).expect(0);
    let verify = ["verify", "a.receipt", "--module", "compute.wasm", "--gpu"];
    home.fizz(verify.into_iter().chain(["auto"])).expect(0);
    let other = home.fizz(verify.into_iter().chain(["reference"])).expect(7);
    assert!(other.stdout.contains("another profile (GPU adapter"), "{}", other.stdout);
}
