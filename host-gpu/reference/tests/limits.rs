//! At each limit a shader is compiled, and with one more of whatever it is, refused with the limit's name; and what hostile shaders come to.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

#[path = "common/bombs.rs"]
mod bombs;

use fizz_reference::{CompileError, MAX_BINDINGS, MAX_CODE, MAX_SCRATCH, Program, compile};
use fizz_shader::ShaderLimits;
use fizz_shader::exact::{self, Native};
use fizz_shader::meter::MeterOptions;
use std::fmt::Write as _;

/// Compiles WGSL as naga reads it: the front end of Fizz has limits of its own, some of them lower.
fn compiled(wgsl: &str) -> Result<Program, CompileError> {
    let module = naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|error| panic!("{error}"));
    compile(&module, "main")
}

/// What is said of a shader that may be too large; nothing, if it is compiled.
fn said(wgsl: &str) -> Option<&'static str> {
    match compiled(wgsl) {
        Ok(_) => None,
        Err(CompileError::TooLarge(what)) => Some(what),
        Err(error) => panic!("{error}"),
    }
}

/// A shader, of workgroups of 64, whose storage `s` is an array of `of`.
fn of_storage(of: &str, body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> s: array<{of}>;
        @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) {{ {body} }}"
    )
}

#[test]
fn invocations_of_a_workgroup() {
    let shader = |size: u32| format!("@compute @workgroup_size({size}) fn main() {{}}");
    assert_eq!(said(&shader(1024)), None);
    assert_eq!(said(&shader(1025)), Some("a workgroup of no invocations, or of more than 1024"));
}

#[test]
fn memory_of_a_workgroup() {
    let shader = |words: u32| {
        format!(
            "var<workgroup> w: array<array<u32, 1024>, {words}>; @compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u) {{ w[id.x][id.y] = 1u; }}"
        )
    };
    assert_eq!(said(&shader(64)), None);
    assert_eq!(said(&shader(65)), Some("a value of more than 65536 scalars"));
    let shader = |count: usize| {
        let text: String = (0..count).map(|n| format!("var<workgroup> w{n}: array<u32, 65536>;\n")).collect();
        let stores: String = (0..count).map(|n| format!("w{n}[id.x] = 1u;")).collect();
        format!("{text} @compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u) {{ {stores} }}")
    };
    assert_eq!(said(&shader(4)), None);
    assert_eq!(said(&shader(5)), Some("workgroup variables of more than 1 MiB"));
}

#[test]
fn scratch_memory() {
    // 16 bytes of each scalar for every four invocations, and 64 for stores that nobody sees.
    let shader = |scalars: u32| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> s: array<u32>;
            @compute @workgroup_size(1024) fn main(@builtin(local_invocation_index) i: u32) {{
                var a: array<u32, {scalars}>; a[s[i]] = i; storageBarrier(); s[i] = a[s[i + 1u]]; }}"
        )
    };
    let most = (MAX_SCRATCH - 64) / (1024 * 4);
    let program = compiled(&shader(most)).unwrap();
    assert!(program.scratch_bytes <= MAX_SCRATCH && program.scratch_bytes > MAX_SCRATCH - 8192);
    assert_eq!(said(&shader(most + 1)), Some("memory of one workgroup's variables and values"));
}

#[test]
fn scalars_of_a_value() {
    let shader = |scalars: u32| {
        of_storage("u32", &format!("var a: array<u32, {scalars}>; a[i] = 1u; s[i] = a[s[i]];"))
    };
    assert_eq!(said(&shader(65_536)), None);
    assert_eq!(said(&shader(65_537)), Some("a value of more than 65536 scalars"));
}

#[test]
fn variables_of_all_calls() {
    let shader = |calls: usize| {
        let f = "fn f(x: u32) -> u32 { var a: array<u32, 65536>; a[x] = 1u; return x; }";
        format!("{}{f}", of_storage("u32", &"s[i] = f(i);".repeat(calls)))
    };
    assert_eq!(said(&shader(16)), None);
    assert_eq!(said(&shader(17)), Some("variables of all calls inlined"));
}

#[test]
fn scalars_loaded() {
    // The index is one more.
    let shader = |loads: usize| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> s: array<array<u32, 4095>>;
            @compute @workgroup_size(64) fn main() {{ {} }}",
            "_ = s[0];".repeat(loads)
        )
    };
    assert_eq!(said(&shader(256)), None);
    assert_eq!(said(&shader(257)), Some("nodes of all calls inlined"));
}

#[test]
fn scalars_stored() {
    // All are zeros to one place, in a branch that is never taken, so that they are in no program.
    let shader = |stores: usize| {
        let body = format!("if (false) {{ let z = array<u32, 4096>(); {} }}", "s[0] = z;".repeat(stores));
        of_storage("array<u32, 4096>", &body)
    };
    assert_eq!(said(&shader(256)), None);
    assert_eq!(said(&shader(257)), Some("stores of all calls inlined"));
}

#[test]
fn indices_of_all_places() {
    // Two indices for each scalar, at places that all differ.
    let shader = |loads: u32| {
        let all: String = (0..loads).map(|n| format!("_ = s[i + {n}u][i];")).collect();
        of_storage("array<array<u32, 1024>, 2>", &all)
    };
    assert_eq!(said(&shader(512)), None);
    assert_eq!(said(&shader(513)), Some("indices of all places"));
}

#[test]
fn expressions_of_all_calls() {
    let literals: String = (0..8000).map(|n| format!("x = x + {n}u;")).collect();
    let f = format!("fn f() {{ var x = 0u; if (false) {{ {literals} }} }}");
    let shader =
        |calls: usize| format!("{f} @compute @workgroup_size(1) fn main() {{ {} }}", "f();".repeat(calls));
    let module = naga::front::wgsl::parse_str(&shader(1)).unwrap();
    let of_one = module.functions.iter().next().unwrap().1.expressions.len();
    let most = (1 << 23) / of_one;
    // Before that many are reached, there are too many nodes.
    assert_eq!(said(&shader(most.min(20))), None);
    assert_eq!(said(&shader(most + 1)), Some("nodes of all calls inlined"));
}

#[test]
fn depth() {
    // A function, and its body, are one each; so is every branch.
    let function = |name: &str, branches: usize, inner: &str| {
        let (open, close) = ("if (s[1] > 3u) {".repeat(branches), "}".repeat(branches));
        format!("fn {name}() {{ {open}{inner}{close} }}\n")
    };
    let shader = |last: usize| {
        let mut text = of_storage("u32", "f4();");
        text += &function("f0", last, "s[0] = 1u;");
        for n in 1..5 {
            text += &function(&format!("f{n}"), 100, &format!("f{}();", n - 1));
        }
        text
    };
    let deep = |last: usize| {
        let text = shader(last);
        let work = move || said(&text);
        std::thread::Builder::new().stack_size(64 << 20).spawn(work).unwrap().join().unwrap()
    };
    let most = 512 - 2 - 4 * 102 - 2;
    assert_eq!(deep(most - 20), None);
    assert_eq!(deep(most), None);
    assert_eq!(deep(most + 1), Some("statements and calls nested more than 512 deep"));
}

#[test]
fn nested_statements() {
    // Each of n statements counts 42 times: in the list that it is in, and in those around. naga ends each branch with a `return`, so the body is a block in the entry point's.
    let shader = |count: usize| {
        let inner = "x = i;".repeat(count);
        let (open, close) = ("if (i > 3u) {".repeat(40), "}".repeat(40));
        // Nobody reads it, so it is in no program.
        of_storage("u32", &format!("var x = 0u; {open}{inner}{close}"))
    };
    let most = (1 << 23) / 42;
    assert_eq!(said(&shader(most - 1000)), None);
    assert_eq!(said(&shader(most + 1000)), Some("statements, each counted as often as it is nested"));
}

#[test]
fn bindings() {
    let shader = |count: usize| {
        let mut text = String::new();
        for n in 0..count {
            writeln!(text, "@group(0) @binding({n}) var<storage, read_write> b{n}: u32;").unwrap();
        }
        let stores: String = (0..count).map(|n| format!("b{n} = 1u;")).collect();
        format!("{text}@compute @workgroup_size(1) fn main() {{ {stores} }}")
    };
    let program = compiled(&shader(MAX_BINDINGS)).unwrap();
    assert_eq!(Program::decode(&program.encode()), Ok(program));
    assert_eq!(said(&shader(MAX_BINDINGS + 1)), Some("bindings"));
}

/// What becomes of a shader on its way to a program: its bytes, or who refuses it, and how.
fn fate(wgsl: &str) -> Result<usize, String> {
    let checked =
        fizz_shader::check(wgsl, "bomb", &ShaderLimits::default()).map_err(|error| error.message)?;
    assert_eq!(checked.classify("main"), []);
    let (_, metered) =
        checked.meter("main", "bomb", &[], MeterOptions::default()).map_err(|error| error.message)?;
    exact::check(&metered.module)?;
    let lowered = exact::lower(metered.module, &Native::REFERENCE)?;
    let program = compile(&lowered, "main").map_err(|error| error.to_string())?;
    Ok(program.wasm.len())
}

#[test]
fn hostile_shaders_are_small_programs_or_refused_for_their_size() {
    // The front end's words, the lowering's, the compiler's.
    let reasons = ["control flow is too tangled", "more than", "too large for the reference device"];
    let (mut taken, mut refused) = (0, 0);
    for bomb in bombs::bombs() {
        match fate(&bomb.wgsl) {
            // The helpers and what is behind the last look at the size come on top.
            Ok(bytes) => {
                assert!(bytes <= MAX_CODE + (128 << 10), "{}: {bytes} bytes", bomb.name);
                taken += 1;
            }
            Err(error) => {
                assert!(reasons.iter().any(|reason| error.contains(reason)), "{}: {error}", bomb.name);
                refused += 1;
            }
        }
    }
    assert!(taken >= 20 && refused >= 20, "{taken} are taken, {refused} refused");
}
