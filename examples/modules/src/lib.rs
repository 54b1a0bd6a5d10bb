//! The examples, compiled to WebAssembly and embedded.
//!
//! `build.rs` compiles the guest packages beside this crate for `wasm32-wasip1`; here their bytes become
//! constants, so that the command needs no file next to it and a test needs no build step of its own.
//! Each module is a WASI command: it imports `wasi_snapshot_preview1`, and `fizz_gpu` where it uses the GPU.

#![forbid(unsafe_code)]

/// The bytes of a module that `build.rs` left in `OUT_DIR`.
macro_rules! module {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm"))
    };
}

/// `examples/hello`: greets, and leaves the greeting in `/out`.
pub const HELLO: &[u8] = module!("hello");

/// `examples/denoise`: takes the noise out of a photograph, on the GPU where there is one.
pub const DENOISE: &[u8] = module!("denoise");

/// `examples/kernels`: small workloads for benchmarks, chosen by the first argument.
pub const KERNELS: &[u8] = module!("kernels");

/// `examples/life`: a game of life in steps, which can be stopped, moved and checked in the middle.
pub const LIFE: &[u8] = module!("life");

/// `sdk/wgpu/examples/compute`: programs in the style of wgpu's own examples; arguments choose among them.
pub const WGPU_COMPUTE: &[u8] = module!("compute");

/// `sdk/kernels/examples/blocks`: computes with every exact block, on the GPU and once more by itself, and compares.
pub const BLOCKS: &[u8] = module!("blocks");

/// `runtime/sandbox/tests/guests/tour`: a test of all that WASI serves of Rust's standard library.
pub const TOUR: &[u8] = module!("tour");

/// The photograph that `examples/denoise` works on: a PNG of 600 × 400 pixels, 8-bit RGB.
pub const PHOTO: &[u8] = include_bytes!("../../denoise/coffee.png");
