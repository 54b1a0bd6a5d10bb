//! What is refused, and that shaders at the front end's limits are compiled or refused in bounded time.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::metered;
use fizz_reference::{CompileError, compile};
use std::time::{Duration, Instant};

/// Bytes of the program, and the time that compiling takes behind the front end.
fn timed(body: &str) -> (Result<usize, CompileError>, Duration) {
    let wgsl = format!(
        "@group(0) @binding(0) var<storage, read_write> out: array<u32>;
        @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {{ var x = id.x; {body} out[id.x] = x; }}"
    );
    let module = metered(&wgsl).module;
    let start = Instant::now();
    let result = compile(&module, "main").map(|program| program.wasm.len());
    (result, start.elapsed())
}

#[test]
fn what_must_be_lowered_is_named() {
    let refused = timed("x = bitcast<u32>(sin(f32(x)));").0.unwrap_err();
    assert_eq!(refused.to_string(), "the reference device does not have the function Sin");
    let missing = compile(&metered("@compute @workgroup_size(1) fn main() {}").module, "other").unwrap_err();
    assert_eq!(missing, CompileError::NoEntryPoint("other".to_owned()));
}

#[test]
fn large_shaders_take_bounded_time() {
    let chain: String = (0..12_000).map(|n| format!("x=x*3u+{n}u;")).collect();
    let branches: String = (0..6_000).map(|n| format!("if(x=={n}u){{x+=out[x];}}")).collect();
    let loops: String = (0..400).map(|n| format!("for(var i{n}=0u;i{n}<9u;i{n}++){{x+=out[x];}}")).collect();
    let nested = format!("{}x+=out[x];{}", "for(var i=0u;i<(x&7u);i++){".repeat(20), "}".repeat(20));
    let array = format!("var a: array<u32, 4000>; a[x]=x; {} x=a[x];", "a[x&7u]+=1u;".repeat(2000));
    for (name, body) in
        [("chain", chain), ("branches", branches), ("loops", loops), ("nested", nested), ("array", array)]
    {
        let (result, taken) = timed(&body);
        println!("{name}: {result:?} in {taken:?}");
        assert!(matches!(result, Ok(_) | Err(CompileError::TooLarge(_))), "{name}: {result:?}");
        assert!(taken < Duration::from_secs(10), "{name} took {taken:?}");
    }
}
