//! Programs in C on the GPU: `sdk/c`, its tests, and `examples/galaxy`. They need clang for WebAssembly and an adapter.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Ended, Home};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Says why there is nothing to see here; fails where CI must see it.
fn skip(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI needs it: {why}");
    eprintln!("skipped: {why}");
}

/// clang for WebAssembly, with wasi-libc.
fn clang() -> Command {
    let sysroot = std::env::var("WASI_SYSROOT").unwrap_or_else(|_| "/usr".to_owned());
    let mut clang = Command::new("clang");
    clang.args(["--target=wasm32-wasi", "-Wall", "-Wextra", "-Werror"]).arg(format!("--sysroot={sysroot}"));
    clang.arg("-I").arg(root().join("sdk/c/include"));
    clang
}

/// Whether programs in C can be built here.
fn has_compiler() -> bool {
    let home = Home::new();
    let source = home.write("nothing.c", "#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n");
    match clang().arg(source).arg("-o").arg(home.path("nothing.wasm")).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            skip(&format!("clang cannot build for WebAssembly: {}", String::from_utf8_lossy(&output.stderr)));
            false
        }
        Err(error) => {
            skip(&format!("clang: {error}"));
            false
        }
    }
}

/// Compiles a test program of `sdk/c` to a module in the home's folder.
fn build(home: &Home, name: &str) {
    let root = root();
    let sources = std::fs::read_dir(root.join("sdk/c/src")).unwrap().map(|entry| entry.unwrap().path());
    let sources = sources.filter(|path| path.extension().is_some_and(|extension| extension == "c"));
    let output = clang()
        .args(["-std=c11", "-O1", "-o"])
        .arg(home.path(&format!("{name}.wasm")))
        .arg(root.join(format!("sdk/c/tests/{name}.c")))
        .arg(root.join("sdk/c/tests/sizes.c"))
        .args(sources)
        .output()
        .unwrap();
    Ended::of(output).expect(0);
}

/// Runs a test program; none where it found no GPU.
fn run(home: &Home, name: &str, arguments: &[&str]) -> Option<Ended> {
    run_on(home, &[], name, arguments)
}

/// The same with options that choose the device.
fn run_on(home: &Home, device: &[&str], name: &str, arguments: &[&str]) -> Option<Ended> {
    let module = format!("{name}.wasm");
    let options = ["run", &module].into_iter().chain(device.iter().copied());
    let ended = home.fizz(options.chain(["--"]).chain(arguments.iter().copied()));
    if ended.code == 3 && ended.stderr.contains("no adapter") {
        skip("no adapter");
        return None;
    }
    Some(ended)
}

#[test]
fn webgpu_h_keeps_its_promises() {
    if !has_compiler() {
        return;
    }
    let home = Home::new();
    for name in ["checks", "errors"] {
        build(&home, name);
        let Some(ended) = run(&home, name, &[]) else { return };
        assert_eq!(ended.expect(0).stdout, "all as promised\n", "{name}");
    }
}

/// The ways to compute that every machine has, and a GPU of a driver where there is one.
const DEVICES: [&[&str]; 3] =
    [&["--gpu", "reference"], &["--gpu", "auto"], &["--gpu", "hardware", "--gpu-class", "fast"]];

#[test]
fn textures_in_c_hold_what_is_put_into_them() {
    if !has_compiler() {
        return;
    }
    let home = Home::new();
    build(&home, "textures");
    for device in DEVICES {
        let Some(ended) = run_on(&home, device, "textures", &[]) else { continue };
        assert_eq!(ended.expect(0).stdout, "all as promised\n", "{device:?}");
    }
}

#[test]
fn misuse_ends_with_a_message() {
    if !has_compiler() {
        return;
    }
    let home = Home::new();
    build(&home, "misuse");
    let cases = [
        ("null", "wgpuBufferUnmap: the buffer is NULL"),
        ("released", "wgpuBufferDestroy: the buffer was released already"),
        ("released-but-used-inside", "wgpuBufferGetSize: the buffer was released already"),
        ("released-twice", "wgpuQueueRelease: the queue was released already"),
        ("kind", "wgpuBufferDestroy: this is a queue and not a buffer"),
        ("no-handle", "wgpuBufferDestroy: the buffer was released already, or never was one"),
        ("descriptor", "wgpuDeviceCreateBuffer: the descriptor is NULL"),
        ("list", "wgpuQueueSubmit: 3 command buffers are at NULL"),
        ("text", "wgpuComputePassEncoderInsertDebugMarker: a text of 5 bytes is at NULL"),
        ("data", "wgpuQueueWriteBuffer: 4 bytes are at NULL"),
        ("mode", "wgpuQueueOnSubmittedWorkDone: the callback's mode 0 is none"),
        ("filter", "wgpuDevicePushErrorScope: the filter 0 is none"),
        ("scopes", "wgpuDevicePushErrorScope: more than 1016 error scopes are open"),
        ("uncaught", "error that no scope and no callback caught: create buffer 'buffer': usage 0x0"),
    ];
    for (case, says) in cases {
        let Some(ended) = run(&home, "misuse", &[case]) else { return };
        let ended = ended.expect(134).says(&[&format!("webgpu: {says}"), "trapped: unreachable executed"]);
        assert_eq!(ended.stdout, "", "{case}");
    }
    let Some(ended) = run(&home, "misuse", &["none"]) else { return };
    assert_eq!(ended.expect(0).stdout, "still here\n");
}

#[test]
fn the_headers_are_cpp_too() {
    if !has_compiler() {
        return;
    }
    let home = Home::new();
    let source = "#include <fizz.h>\n#include <webgpu/webgpu.h>\n\
        WGPUDeviceDescriptor device() { return WGPU_DEVICE_DESCRIPTOR_INIT; }\n\
        WGPUBindGroupLayoutEntry entry() { return WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT; }\n\
        WGPUShaderSourceWGSL source() { return WGPU_SHADER_SOURCE_WGSL_INIT; }\n";
    let file = home.write("headers.cpp", source);
    let output = clang().args(["-std=c++11", "-fsyntax-only"]).arg(file).output().unwrap();
    Ended::of(output).expect(0);
}

#[test]
fn galaxies_meet_on_the_gpu_and_without_one() {
    if !has_compiler() {
        return;
    }
    let output = Command::new(root().join("examples/c-guests")).arg("galaxy").output().unwrap();
    Ended::of(output).expect(0);
    let home = Home::new();
    let built = root().join("target/guest/c/wasm32-wasip1/release/galaxy.wasm");
    home.write("galaxy.wasm", std::fs::read(built).unwrap());
    let run = |gpu: &str, out: &str| {
        let ended =
            home.fizz(["run", "galaxy.wasm", "--gpu", gpu, "--out", out, "--", "128", "60"]).expect(0);
        let picture = home.read(&format!("{out}/galaxy.ppm"));
        assert_eq!((&picture[..15], picture.len()), (&b"P6\n512 512\n255\n"[..], 15 + 512 * 512 * 3));
        assert!(picture[15..].contains(&255));
        ended
    };
    let without = run("off", "without").says(&["note: no GPU"]);
    assert!(without.stdout.starts_with("128 stars, 60 steps: the energy changed by"), "{}", without.stdout);
    let with = run("auto", "with");
    let (agrees, energy) = with.stdout.split_once('\n').unwrap();
    assert_eq!(agrees, "the GPU agrees with the processor");
    assert!(energy.starts_with("128 stars, 60 steps: the energy changed by"), "{energy}");
}
