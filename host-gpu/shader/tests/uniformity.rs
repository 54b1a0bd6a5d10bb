//! Barriers: what is proven to be in uniform control flow passes, everything else is refused with its reason. The cases follow
//! the section "Uniformity" of the WGSL specification.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use fizz_shader::{Reason, ShaderError, ShaderLimits, check};

/// What every case may use.
const DECLARATIONS: &str = "
struct Size { n: u32, rest: array<vec4u, 4> }
struct Ids { @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u }
@group(0) @binding(0) var<uniform> size: Size;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;
@group(0) @binding(3) var<storage, read_write> counter: atomic<u32>;
@group(0) @binding(4) var picture: texture_storage_2d<r32uint, read>;
@group(0) @binding(5) var layers: texture_storage_2d_array<r32uint, read>;
@group(0) @binding(6) var canvas: texture_storage_2d<r32uint, read_write>;
var<workgroup> shared_word: u32;
var<workgroup> shared_words: array<u32, 64>;
var<private> mine: u32;
override count: u32 = 4u;
const FOUR = 4u;
";
const INPUTS: &str = "@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, \
    @builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) index: u32, \
    @builtin(global_invocation_id) global: vec3u";

fn shader(functions: &str, body: &str) -> String {
    format!("{DECLARATIONS}{functions}\n@compute @workgroup_size(64) fn main({INPUTS}) {{\n{body}\n}}")
}

fn run(functions: &str, body: &str) -> Result<(), ShaderError> {
    check(&shader(functions, body), "s", &ShaderLimits::default()).map(|_| ())
}

#[track_caller]
fn uniform(body: &str) {
    uniform_with("", body);
}

#[track_caller]
fn uniform_with(functions: &str, body: &str) {
    if let Err(error) = run(functions, body) {
        panic!("{body}\n{error}");
    }
}

#[track_caller]
fn divergent(body: &str, what: &str) {
    divergent_with("", body, what);
}

#[track_caller]
fn divergent_with(functions: &str, body: &str, what: &str) {
    let error = run(functions, body).expect_err(&format!("accepted:\n{functions}\n{body}"));
    assert_eq!(error.reason, Reason::Invalid, "{error}");
    assert!(error.message.contains("uniform control flow"), "{body}\n{error}");
    assert!(error.message.contains(what), "{body}\n{error}");
    assert!(error.location.is_some(), "{error}");
}

#[test]
fn conditions_of_uniform_values() {
    for condition in [
        "true",
        "FOUR > 3u",
        "count > 3u",
        "group.x > 3u",
        "groups.y == 1u",
        "size.n > 3u",
        "size.rest[group.x & 3u].y > 3u",
        "input[2] > 3u",
        "input[group.x] > 3u",
        "arrayLength(&output) > 3u",
        "workgroupUniformLoad(&shared_word) > 3u",
        "workgroupUniformLoad(&shared_words[group.x]) > 3u",
        "dot(vec3f(group), vec3f(groups)) > 3.0",
        "select(1u, group.x, size.n == 1u) > 3u",
        "(group.x > 3u && size.n > 1u) || groups.x == 1u",
    ] {
        uniform(&format!("if ({condition}) {{ workgroupBarrier(); }}"));
        uniform(&format!("if ({condition}) {{ return; }} workgroupBarrier();"));
        uniform(&format!("loop {{ if ({condition}) {{ break; }} storageBarrier(); }}"));
    }
}

#[test]
fn conditions_of_values_that_may_differ() {
    for (condition, what) in [
        ("local.x > 3u", "local_invocation_id"),
        ("index > 3u", "local_invocation_index"),
        ("global.z == 0u", "global_invocation_id"),
        ("output[2] > 3u", "writable storage variable 'output'"),
        ("input[index] > 3u", "local_invocation_index"),
        ("size.rest[index & 3u].x > 3u", "local_invocation_index"),
        ("shared_word > 3u", "workgroup variable 'shared_word'"),
        ("mine > 3u", "private variable 'mine'"),
        ("atomicLoad(&counter) > 3u", "writable storage variable 'counter'"),
        ("atomicAdd(&counter, 1u) > 3u", "atomic operation"),
        ("group.x > index", "local_invocation_index"),
        ("select(1u, 2u, index == 1u) > 1u", "local_invocation_index"),
        ("group.x > 3u && index == 0u", "local_invocation_index"),
        ("vec3u(1u, index, 2u).x > 3u", "local_invocation_index"),
    ] {
        divergent(&format!("if ({condition}) {{ workgroupBarrier(); }}"), what);
        divergent(&format!("if ({condition}) {{ return; }} workgroupBarrier();"), what);
        divergent(&format!("loop {{ if ({condition}) {{ break; }} storageBarrier(); }}"), what);
        divergent(&format!("while (!({condition})) {{ _ = workgroupUniformLoad(&shared_word); }}"), what);
        divergent(
            &format!("switch (u32({condition})) {{ case 1u: {{ workgroupBarrier(); }} default: {{}} }}"),
            what,
        );
    }
}

#[test]
fn flow_comes_together_again() {
    uniform("if (index == 0u) { output[0] = 1u; } else { output[1] = 2u; } workgroupBarrier();");
    uniform(
        "switch (index) { case 0u: { output[0] = 1u; } case 1u: { if (local.y == 1u) { break; } output[1] = 1u; } default: {} } workgroupBarrier();",
    );
    uniform("for (var i = 0u; i < index; i++) { output[i] = 1u; } workgroupBarrier();");
    uniform("loop { if (index > 3u) { break; } output[0] = 1u; } workgroupBarrier();");
    uniform(
        "loop { if (index > 3u) { continue; } continuing { break if index == 4u; } } workgroupBarrier();",
    );
    uniform("for (var i = 0u; i < size.n; i++) { if (index < i) { output[0] = 1u; } workgroupBarrier(); }");
    uniform(
        "for (var h = 32u; h > 0u; h >>= 1u) { if (index < h) { shared_words[index] += shared_words[index + h]; } workgroupBarrier(); }",
    );
    uniform(
        "if (group.x == 1u) { for (var i = 0u; i < 4u; i++) { workgroupBarrier(); if (i == size.n) { break; } } } workgroupBarrier();",
    );
    uniform("loop { loop { if (index == 1u) { break; } } workgroupBarrier(); if (size.n == 1u) { break; } }");
}

#[test]
fn what_left_does_not_come_back() {
    let what = "local_invocation_index";
    divergent("if (index == 0u) { return; } workgroupBarrier();", what);
    divergent("if (index == 0u) { output[0] = 1u; } else { return; } workgroupBarrier();", what);
    divergent("for (var i = 0u; i < 4u; i++) { if (i == index) { return; } } workgroupBarrier();", what);
    divergent("for (var i = 0u; i < 4u; i++) { if (i == index) { break; } workgroupBarrier(); }", what);
    // Before the break, but all turns after the first are behind it.
    divergent("for (var i = 0u; i < 4u; i++) { workgroupBarrier(); if (i == index) { break; } }", what);
    divergent("for (var i = 0u; i < 4u; i++) { if (i == index) { continue; } workgroupBarrier(); }", what);
    divergent("loop { continuing { workgroupBarrier(); break if index == 4u; } }", what);
    divergent("loop { if (group.x == 1u) { if (index == 1u) { break; } } workgroupBarrier(); }", what);
    divergent(
        "switch (group.x) { case 0u: { if (index == 1u) { break; } workgroupBarrier(); } default: {} }",
        what,
    );
    divergent(
        "switch (group.x) { case 0u: { if (index == 1u) { return; } } default: {} } workgroupBarrier();",
        what,
    );
    divergent("loop { loop { if (index == 1u) { return; } break; } workgroupBarrier(); }", what);
    divergent("if (index == 1u) { loop { workgroupBarrier(); break; } }", what);
}

#[test]
fn variables_take_what_is_stored() {
    let what = "local_invocation_index";
    uniform("var x = 1u; x += group.x; if (x > 3u) { workgroupBarrier(); }");
    uniform("var x = index; x = 1u; if (x > 3u) { workgroupBarrier(); }");
    uniform("var a: array<u32, 4>; a[group.x & 3u] = 1u; if (a[1] > 3u) { workgroupBarrier(); }");
    uniform("let p = &shared_words; var x = 1u; let q = &x; *q = 2u; if (*q > 3u) { workgroupBarrier(); }");
    divergent("var x = index; if (x > 3u) { workgroupBarrier(); }", what);
    divergent("var x = 1u; x += index; if (x > 3u) { workgroupBarrier(); }", what);
    divergent("var x = 1u; let p = &x; *p = index; if (x > 3u) { workgroupBarrier(); }", what);
    // Assigned in divergent flow.
    divergent("var x = 1u; if (index == 1u) { x = 2u; } if (x > 3u) { workgroupBarrier(); }", what);
    divergent(
        "var x = 1u; loop { x += 1u; if (x > index) { break; } } if (x > 3u) { workgroupBarrier(); }",
        what,
    );
    divergent(
        "var x = 1u; for (var i = 0u; i < 4u; i++) { if (x > 3u) { workgroupBarrier(); } x = index; }",
        what,
    );
    // Parts, places and one member for all.
    divergent("var a: array<u32, 4>; a[index & 3u] = 1u; if (a[1] > 3u) { workgroupBarrier(); }", what);
    divergent("var a: array<u32, 4>; if (a[index & 3u] > 3u) { workgroupBarrier(); }", what);
    divergent("var v = vec2u(1u); v.x = index; if (v.y > 3u) { workgroupBarrier(); }", what);
    divergent("var v = vec2u(index); v.x = 1u; if (v.x > 3u) { workgroupBarrier(); }", what);
}

#[test]
fn functions_are_taken_as_they_are_called() {
    let what = "local_invocation_index";
    let wait = "fn wait() { workgroupBarrier(); }";
    uniform_with(wait, "wait();");
    divergent_with(wait, "if (index == 1u) { wait(); }", what);
    let when = "fn when(x: u32) { if (x > 3u) { workgroupBarrier(); } }";
    uniform_with(when, "when(group.x); when(3u);");
    divergent_with(when, "when(group.x); when(index);", what);
    let same = "fn same(x: u32) -> u32 { return x + 1u; }";
    uniform_with(same, "let y = same(index); if (same(group.x) > 3u) { workgroupBarrier(); }");
    divergent_with(same, "if (same(index) > 3u) { workgroupBarrier(); }", what);
    // The result depends on which way was taken.
    let sign = "fn sign(x: u32) -> u32 { if (x > 3u) { return 1u; } return 2u; }";
    uniform_with(sign, "if (sign(group.x) > 1u) { workgroupBarrier(); }");
    divergent_with(sign, "if (sign(index) > 1u) { workgroupBarrier(); }", what);
    // A return ends only its function.
    let early = "fn early(x: u32) { if (x > 3u) { return; } output[0] = 1u; }";
    uniform_with(early, "early(index); workgroupBarrier();");
    divergent_with(
        "fn load() -> u32 { return output[0]; }",
        "if (load() > 3u) { workgroupBarrier(); }",
        "result of a call",
    );
    // Through two calls, and what is not called at all.
    let outer = format!("{when} fn outer(x: u32) {{ when(x * 2u); }}");
    divergent_with(&outer, "outer(1u); outer(index);", what);
    divergent_with("fn never() { if (shared_word > 1u) { workgroupBarrier(); } }", "", "shared_word");
    uniform_with("fn never(x: u32) { if (x > 1u) { workgroupBarrier(); } }", "");
}

#[test]
fn pointers_bring_values_in_and_out() {
    let what = "local_invocation_index";
    let put = "fn put(p: ptr<function, u32>, x: u32) { *p = x; }";
    uniform_with(put, "var x = index; put(&x, 1u); if (x > 3u) { workgroupBarrier(); }");
    divergent_with(put, "var x = 1u; put(&x, index); if (x > 3u) { workgroupBarrier(); }", what);
    divergent_with(
        put,
        "var x = 1u; if (index == 1u) { put(&x, 2u); } if (x > 3u) { workgroupBarrier(); }",
        what,
    );
    let fetch = "fn load(p: ptr<function, u32>) -> u32 { return *p; }";
    uniform_with(fetch, "var x = group.x; if (load(&x) > 3u) { workgroupBarrier(); }");
    divergent_with(fetch, "var x = index; if (load(&x) > 3u) { workgroupBarrier(); }", what);
    let wait = "fn wait(p: ptr<function, u32>) { if (*p > 3u) { workgroupBarrier(); } }";
    divergent_with(wait, "var x = index; wait(&x);", what);
    divergent_with(
        "fn load(p: ptr<private, u32>) -> u32 { return *p; }",
        "if (load(&mine) > 3u) { workgroupBarrier(); }",
        "result of a call",
    );
}

#[test]
fn pointers_to_one_variable_are_refused_where_one_stores() {
    let refused = |functions: &str, body: &str| {
        let error = run(functions, body).expect_err(&format!("accepted:\n{functions}\n{body}"));
        assert!(error.message.contains("two pointers to one variable"), "{error}");
    };
    let both = "fn both(p: ptr<function, u32>, q: ptr<function, u32>, x: u32) { *p = 1u; *q = x; if (*p > 3u) { workgroupBarrier(); } }";
    refused(both, "var v = 1u; both(&v, &v, index);");
    refused(both, "var v: array<u32, 4>; both(&v[0], &v[1], index);");
    uniform_with(both, "var v = 1u; var w = 1u; both(&v, &w, index);");
    // Handed on.
    let on = format!("{both} fn on(p: ptr<function, u32>, x: u32) {{ both(p, p, x); }}");
    refused(&on, "var v = 1u; on(&v, index);");
    let on =
        format!("{both} fn on(p: ptr<function, u32>, q: ptr<function, u32>, x: u32) {{ both(p, q, x); }}");
    refused(&on, "var v = 1u; on(&v, &v, index);");
    let one = "fn one(p: ptr<function, u32>, q: ptr<function, u32>) { *q = 1u; if (*p > 3u) { workgroupBarrier(); } }";
    refused(one, "var v = index; one(&v, &v);");
    // Two that only load.
    let load = "fn load(p: ptr<function, u32>, q: ptr<function, u32>) -> u32 { return *p + *q; }";
    uniform_with(load, "var v = 1u; if (load(&v, &v) > 3u) { workgroupBarrier(); }");
    divergent_with(
        load,
        "var v = index; if (load(&v, &v) > 3u) { workgroupBarrier(); }",
        "local_invocation_index",
    );
}

#[test]
fn the_meter_may_end_any_turn() {
    let what = "local_invocation_index";
    // Before the first turn's end, or in any turn.
    divergent(
        "var x = index; loop { x = 1u; if (groups.x == 1000u) { break; } x = index; } if (x > 3u) { workgroupBarrier(); }",
        what,
    );
    divergent(
        "var x = index; loop { x = 1u; continuing { break if groups.x == 1000u; } } if (x > 3u) { workgroupBarrier(); }",
        what,
    );
    // What stands behind a loop that only returns.
    divergent("loop { if (output[global.x] > 5u) { return; } } workgroupBarrier();", "global_invocation_id");
    uniform("loop { if (group.x > 5u) { return; } } workgroupBarrier();");
    divergent("loop { if (group.x > 5u) { return; } } if (index > 1u) { workgroupBarrier(); }", what);
    divergent("if (index > 1u) { loop { output[0] += 1u; } } else { workgroupBarrier(); }", what);
    let find = "fn find(n: u32) -> u32 { loop { if (output[n] > 5u) { return 1u; } } return 0u; }";
    divergent_with(find, "if (find(1u) > 0u) { workgroupBarrier(); }", "result of a call");
    // One call counts for each invocation, so the other does too.
    let sum = "fn sum(n: u32) -> u32 { var s = 0u; for (var i = 0u; i < n; i++) { s += i; } return s; }";
    uniform_with(sum, "if (sum(group.x) > 3u) { workgroupBarrier(); }");
    uniform_with(sum, "output[index] = sum(index); output[1] = sum(group.x); workgroupBarrier();");
    divergent_with(sum, "output[index] = sum(index); if (sum(group.x) > 3u) { workgroupBarrier(); }", "call");
}

#[test]
fn structs_of_built_in_values_count_by_member() {
    let main = |body: &str| {
        let text = format!("{DECLARATIONS} @compute @workgroup_size(64) fn main(ids: Ids) {{ {body} }}");
        check(&text, "", &ShaderLimits::default()).map(|_| ())
    };
    main("if (ids.group.x > 3u) { workgroupBarrier(); }").unwrap();
    let error = main("if (ids.local.x > 3u) { workgroupBarrier(); }").unwrap_err();
    assert!(error.message.contains("local_invocation_id"), "{error}");
    // Only the entry point's own struct is known to be of built-in values.
    let text = format!(
        "{DECLARATIONS} fn wait(ids: Ids) {{ if (ids.group.x > 3u) {{ workgroupBarrier(); }} }}
        @compute @workgroup_size(64) fn main(ids: Ids) {{ wait(Ids(ids.local, ids.group)); }}"
    );
    check(&text, "", &ShaderLimits::default()).map(|_| ()).unwrap_err();
}

#[test]
fn the_place_of_a_uniform_load_is_uniform_too() {
    let error = run("", "_ = workgroupUniformLoad(&shared_words[index]);").unwrap_err();
    assert!(error.message.contains("workgroupUniformLoad needs the same place"), "{error}");
    assert!(error.message.contains("local_invocation_index"), "{error}");
}

#[test]
fn a_refusal_names_the_barrier_the_branch_and_the_value() {
    let text = "\
var<workgroup> a: u32;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_id) id: vec3u) {
  var far = id.x * 2u;
  if (far > 9u) {
    a = 1u;
    workgroupBarrier();
  }
}";
    let error = check(text, "blur", &ShaderLimits::default()).map(|_| ()).unwrap_err();
    let at = error.location.unwrap();
    assert_eq!((error.reason, at.line, at.column), (Reason::Invalid, 7, 5));
    assert_eq!(
        error.message,
        "workgroupBarrier is not in uniform control flow: invocations part at line 5, column 7, on built-in \
         value local_invocation_id at line 3, column 39"
    );
}

#[test]
fn tangled_loops_end() {
    // Each turn of the walk moves one variable's reason on by one.
    let variables: String = (0..200).map(|n| format!("var v{n} = 0u;\n")).collect();
    let moves: String = (1..200).map(|n| format!("v{} = v{n};\n", n - 1)).collect();
    let mut body = format!("{variables}v199 = index;\n");
    let nested = 30;
    body.push_str(&"for (var i = 0u; i < v0; i++) {\n".repeat(nested));
    body.push_str(&moves);
    body.push_str(&"}\n".repeat(nested));
    let start = std::time::Instant::now();
    let _ = run("", &body);
    assert!(start.elapsed().as_secs() < 20);
    let error = run("", &format!("{body} if (v0 > 1u) {{ workgroupBarrier(); }}")).unwrap_err();
    assert!(error.message.contains("uniform"), "{error}");
}

#[test]
fn textures() {
    let reading = "fn texel(t: texture_storage_2d<r32uint, read>, x: u32) -> u32 {
        return textureLoad(t, vec2u(x, 0)).x;
    }";
    for condition in [
        "textureDimensions(picture).x > 4",
        "textureNumLayers(layers) > group.x",
        "textureLoad(picture, group.xy).x == 0",
        "textureLoad(layers, group.xy, size.n).x == 0",
        "all(textureDimensions(canvas) > vec2u(3))",
    ] {
        uniform(&format!("if ({condition}) {{ workgroupBarrier(); }}"));
    }
    uniform_with(reading, "if (texel(picture, group.x) == 0) { workgroupBarrier(); }");
    for (condition, what) in [
        ("textureLoad(picture, local.xy).x == 0", "local_invocation_id"),
        ("textureLoad(layers, group.xy, index).x == 0", "local_invocation_index"),
        ("textureLoad(canvas, group.xy).x == 0", "a load from a texture that the shader may write"),
    ] {
        divergent(&format!("if ({condition}) {{ workgroupBarrier(); }}"), what);
    }
    divergent_with(
        reading,
        "if (texel(picture, local.x) == 0) { workgroupBarrier(); }",
        "local_invocation_id",
    );
    uniform("textureStore(canvas, local.xy, vec4u(index)); textureBarrier();");
    divergent("if (index > 3) { textureBarrier(); }", "textureBarrier");
}
