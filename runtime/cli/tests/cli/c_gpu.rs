//! Programs in C on the GPU: `sdk/c`, its tests, and `examples/galaxy`. They need clang for WebAssembly.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::gpu::doctor;
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
    let module = format!("{name}.wasm");
    let ended = home.fizz(["run", &module, "--"].into_iter().chain(arguments.iter().copied()));
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

/// Runs a test program on a device.
fn run_on(home: &Home, device: &[&str], name: &str) -> Ended {
    let module = format!("{name}.wasm");
    home.fizz(["run", &module].into_iter().chain(device.iter().copied()))
}

/// The processor, and a GPU in both classes where there is one.
fn devices(home: &Home) -> Vec<&'static [&'static str]> {
    let mut devices: Vec<&[&str]> = vec![&["--gpu", "reference"]];
    if doctor(home).is_some() {
        devices.push(&["--gpu", "auto"]);
        devices.push(&["--gpu", "hardware", "--gpu-class", "fast"]);
    }
    devices
}

#[test]
fn textures_in_c_hold_what_is_put_into_them() {
    if !has_compiler() {
        return;
    }
    let home = Home::new();
    for name in ["textures", "texels", "refused"] {
        build(&home, name);
        for device in devices(&home) {
            let ended = run_on(&home, device, name).expect(0);
            assert_eq!(ended.stdout, "all as promised\n", "{name} {device:?}");
        }
    }
}

#[test]
fn queries_in_c_count_the_same_everywhere() {
    if !has_compiler() {
        return;
    }
    let home = Home::new();
    build(&home, "queries");
    let mut counted =
        devices(&home).into_iter().map(|device| run_on(&home, device, "queries").expect(0).stdout);
    let first = counted.next().unwrap();
    assert!(first.ends_with("all as promised\n"), "{first}");
    assert!(counted.all(|other| other == first), "{first}");
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
        ("texture", "wgpuDeviceCreateTexture: the descriptor is NULL"),
        ("view-formats", "wgpuDeviceCreateTexture: a list of 2 items is at NULL"),
        ("released-texture", "wgpuTextureGetWidth: the texture was released already"),
        ("view", "wgpuTextureViewRelease: this is a texture and not a texture view"),
        ("texels", "wgpuQueueWriteTexture: 4 bytes are at NULL"),
        ("texels0", "wgpuQueueWriteTexture: the texture is NULL"),
        ("texels1", "wgpuQueueWriteTexture: the destination is NULL"),
        ("texels2", "wgpuQueueWriteTexture: the layout is NULL"),
        ("texels3", "wgpuQueueWriteTexture: the size is NULL"),
        ("copy-size", "wgpuCommandEncoderCopyTextureToTexture: the size is NULL"),
        ("copy-source", "wgpuCommandEncoderCopyTextureToTexture: the source is NULL"),
        ("queries", "wgpuDeviceCreateQuerySet: the descriptor is NULL"),
        ("timestamps", "wgpuCommandEncoderBeginComputePass: the query set is NULL"),
        ("features", "wgpuAdapterRequestDevice: a list of 1 items is at NULL"),
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
        WGPUQuerySetDescriptor queries() { return WGPU_QUERY_SET_DESCRIPTOR_INIT; }\n\
        WGPUTexelCopyBufferInfo texels() { return WGPU_TEXEL_COPY_BUFFER_INFO_INIT; }\n\
        WGPUTexelCopyTextureInfo place() { return WGPU_TEXEL_COPY_TEXTURE_INFO_INIT; }\n\
        WGPUTextureBindingViewDimension extension() { return WGPU_TEXTURE_BINDING_VIEW_DIMENSION_INIT; }\n\
        WGPUTextureDescriptor texture() { return WGPU_TEXTURE_DESCRIPTOR_INIT; }\n\
        WGPUTextureViewDescriptor view() { return WGPU_TEXTURE_VIEW_DESCRIPTOR_INIT; }\n\
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
