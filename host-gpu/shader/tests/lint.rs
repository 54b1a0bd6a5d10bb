//! Which shaders are exact, and why others are not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use fizz_shader::{CheckedShader, ShaderLimits, check};

fn checked(wgsl: &str) -> CheckedShader {
    check(wgsl, "test", &ShaderLimits::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The reasons of `main`, each as the text it marks and its message.
fn reasons(wgsl: &str) -> Vec<(String, String)> {
    let reasons = checked(wgsl).classify("main").into_iter().map(|reason| {
        let at = reason.location.expect("a place");
        let offset = at.offset as usize;
        (wgsl[offset..offset + at.length as usize].to_owned(), reason.message)
    });
    reasons.collect()
}

/// A shader whose `main` has this body, with what it may use.
fn body(text: &str) -> String {
    format!(
        "struct Both {{ count: atomic<u32>, most: atomic<u32> }}
         @group(0) @binding(0) var<storage, read_write> data: array<f32>;
         @group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>>;
         @group(0) @binding(2) var<storage, read_write> other: atomic<i32>;
         @group(0) @binding(3) var<storage, read_write> both: Both;
         @group(0) @binding(6) var<storage, read_write> many: array<Both>;
         @group(0) @binding(4) var<storage, read_write> large: array<array<f32, 257>, 2>;
         @group(0) @binding(5) var image: texture_storage_2d<r32float, read>;
         @group(0) @binding(7) var picture: texture_storage_2d<rgba8unorm, write>;
         var<workgroup> shared_count: atomic<u32>;
         override scale = 2.0;
         const SMALL = 0.5;
         fn helper(x: f32) -> f32 {{ return x + sin(x); }}
         fn unreached() -> f32 {{ return cos(1.0); }}
         @compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{ {text} }}"
    )
}

#[track_caller]
fn exact(text: &str) {
    assert_eq!(reasons(&body(text)), [], "{text}");
}

/// There is one reason, which marks `marked` and says `message`.
#[track_caller]
fn inexact(text: &str, marked: &str, message: &str) {
    let found = reasons(&body(text));
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    assert!(found[0].0.starts_with(marked) && found[0].1.contains(message), "{text}: {found:?}");
}

#[test]
fn what_depends_on_its_operands_alone_is_exact() {
    exact("data[id.x] = sqrt(data[0]) / data[1] + exp(data[2]);");
    exact("data[id.x] = helper(data[1]) * sqrt(2.0) + fract(1.5) * SMALL;");
    exact("let x = vec2(data[0], 1.0); data[id.x] = pow(x, vec2(2.0)).y;");
    exact(
        "data[0] = pack_it(); } fn pack_it() -> f32 { return unpack2x16float(pack2x16float(vec2(data[3], 0.5))).x;",
    );
}

#[test]
fn storage_textures_are_exact() {
    exact("data[0] = textureLoad(image, vec2(0, 0)).x + f32(textureDimensions(image).y);");
    exact("textureStore(picture, id.xy, vec4(0.25, data[0], 1.0, 0.0));");
}

#[test]
fn atomics_that_nobody_reads_are_exact() {
    exact("atomicAdd(&counts[id.x], 2u);");
    exact("atomicAdd(&counts[id.x], 2u); atomicSub(&counts[id.x], 1u);");
    exact("atomicMax(&other, 2);");
    exact("data[id.x] = f32(atomicLoad(&counts[id.x])); atomicMax(&other, 2);");
    exact("atomicStore(&other, 2);");
    exact("atomicAdd(&both.count, 1u); atomicMax(&both.most, id.x);");
    exact("atomicAdd(&many[0].count, 1u); atomicMax(&many[id.x].most, id.x);");
    exact("atomicAdd(&shared_count, 1u); workgroupBarrier(); data[0] = f32(atomicLoad(&shared_count));");
}

#[test]
fn what_the_order_of_invocations_decides_is_not() {
    inexact("data[id.x] = f32(atomicAdd(&counts[0], 1u));", "atomicAdd", "the value that atomicAdd gives");
    inexact("atomicExchange(&other, 1);", "atomicExchange", "atomicExchange leaves");
    inexact(
        "_ = atomicCompareExchangeWeak(&other, 1, 2);",
        "atomicCompareExchangeWeak",
        "atomicCompareExchangeWeak leaves",
    );
    inexact(
        "atomicAdd(&counts[0], 1u); data[0] = f32(atomicLoad(&counts[1]));",
        "atomicLoad",
        "atomicLoad of 'counts'",
    );
    inexact(
        "atomicStore(&other, 1); data[0] = f32(atomicLoad(&other));",
        "atomicLoad",
        "atomicLoad of 'other'",
    );
    inexact("atomicAdd(&other, 1); atomicMax(&other, 3);", "atomicMax", "beside atomicAdd");
}

#[test]
fn what_is_not_offered_says_so() {
    inexact("large[1] = large[0];", "large[1]", "257 floats are stored at once");
    exact("large[1] = array<f32, 257>();");
}

#[test]
fn what_the_host_computes_is_not_exact() {
    inexact("data[0] = exp(1.0);", "exp", "exp of constants");
    inexact("let one = 1.0; data[0] = log2(one + SMALL);", "log2", "log2 of constants");
    inexact("data[0] = data[1] * pow(2.0, SMALL);", "pow", "pow of constants");
    inexact("data[0] = sin(scale);", "sin", "sin of constants");
    inexact("data[0] = cos(vec2(scale, 1.0)).y;", "cos", "cos of constants");
    inexact("const X = tanh(SMALL); data[0] = X;", "tanh", "tanh of constants");
    inexact("data[0] = sin(exp(SMALL) * data[1]);", "exp", "exp of constants");
    inexact("data[0] = data[u32(exp2(2.0))];", "exp2", "exp2 of constants");
    // A comment, and a part of a longer name.
    exact("// exp(1.0)\n data[0] = 1.0; /* sin(2.0) */");
}

#[test]
fn a_function_of_the_same_name_is_another_one() {
    let wgsl = "@group(0) @binding(0) var<storage, read_write> data: array<f32>;
        fn exp(x: f32) -> f32 { return x; }
        @compute @workgroup_size(1) fn main() { data[0] = exp(1.0); }";
    assert_eq!(reasons(wgsl), []);
}

#[test]
fn constants_outside_of_functions_count_for_all() {
    let wgsl = "const X = acos(0.5);
        @group(0) @binding(0) var<storage, read_write> data: array<f32>;
        @compute @workgroup_size(1) fn main() { data[0] = X; }
        @compute @workgroup_size(1) fn second() { data[0] = 1.0; }";
    let shader = checked(wgsl);
    assert_eq!(shader.classify("main").len(), 1);
    assert_eq!(shader.classify("second").len(), 1);
    let wgsl = wgsl.replace("const X = acos(0.5)", "override x = 0.5; override X = acos(x)");
    assert_eq!(checked(&wgsl).classify("main").len(), 1);
}

#[test]
fn reasons_are_of_what_an_entry_point_reaches_in_the_order_of_the_source() {
    let wgsl = body("data[1] = f32(atomicAdd(&counts[1], 1u)); data[0] = exp(1.0); data[2] = unreached();");
    let found: Vec<String> = reasons(&wgsl).into_iter().map(|(marked, _)| marked).collect();
    assert_eq!(found, ["cos", "atomicAdd", "exp"]);
    let many = "data[0] = exp(1.0);".repeat(40);
    assert_eq!(reasons(&body(&many)).len(), 16);
    assert_eq!(checked(&wgsl).classify("nobody"), []);
}

#[test]
fn lines_and_columns_are_those_of_the_source() {
    let wgsl = "@group(0) @binding(0) var<storage, read_write> data: array<f32>;\n@compute @workgroup_size(1)\nfn main() {\n    data[0] = exp(1.0);\n}";
    let found = checked(wgsl).classify("main");
    let at = found[0].location.unwrap();
    assert_eq!((at.line, at.column, at.length), (4, 15, 3));
}

#[test]
fn what_workgroup_atomics_give_is_complete_behind_a_barrier() {
    let add = "atomicAdd(&shared_count, 1u);";
    let load = "data[id.x] = f32(atomicLoad(&shared_count));";
    let barrier = "workgroupBarrier();";
    exact(&format!("atomicStore(&shared_count, 0u); {barrier} {add} {barrier} {load}"));
    exact(&format!("{add} data[0] = f32(workgroupUniformLoad(&shared_count));"));
    exact(&format!("{add} if (data[0] < 1.0) {{ {add} }} {barrier} {load}"));
    exact(&format!("for (var k = 0u; k < 4u; k++) {{ {add} {barrier} {load} {barrier} }}"));
    let early = "without a workgroupBarrier between";
    inexact(&format!("{add} {load}"), "atomicLoad", early);
    inexact(&format!("{add} storageBarrier(); {load}"), "atomicLoad", early);
    // The turns of a loop follow each other without a barrier.
    inexact(&format!("for (var k = 0u; k < 4u; k++) {{ {add} {barrier} {load} }}"), "atomicLoad", early);
    inexact(&format!("{add} if (id.x > 3u) {{ return; }} {load}"), "atomicLoad", early);
    let alone = body(&format!("{add} {load}")).replace("@workgroup_size(4)", "@workgroup_size(1)");
    assert_eq!(reasons(&alone), []);
    inexact(&format!("switch id.x {{ case 1u: {{ {add} }} default: {{}} }} {load}"), "atomicLoad", early);
}

#[test]
fn what_atomic_stores_leave_is_a_constant() {
    exact("atomicStore(&counts[0], 7u); atomicStore(&counts[id.x], 7u);");
    inexact("atomicStore(&counts[0], id.x);", "atomicStore", "unless it is a constant");
    inexact("atomicStore(&counts[0], 7u); atomicStore(&counts[1], 8u);", "atomicStore", "beside");
    inexact(
        "if (id.x == 7u) { atomicStore(&counts[0], 100u); } else { atomicAdd(&counts[0], 1u); }",
        "atomic",
        "beside",
    );
}

#[test]
fn blanks_that_only_wgsl_knows_hide_nothing() {
    for blank in ['\u{200e}', '\u{200f}', '\u{85}', '\u{2028}'] {
        inexact(&format!("data[0] = sin{blank}(1.0);"), "sin", "of constants");
        let wgsl = body("data[0] = exp(0.5);").replace("fn main", &format!("fn{blank}main"));
        assert_eq!(reasons(&wgsl).len(), 1);
        let bomb = body(&format!("let x = array{blank}<u32, 1000000000>{blank}()[0]; data[0] = f32(x);"));
        let refused = check(&bomb, "test", &ShaderLimits::default());
        assert!(refused.is_err_and(|error| error.reason == fizz_shader::Reason::Limit));
    }
    inexact("data[0] = fma(1.1, 2.3, 0.7);", "fma", "of constants");
}
