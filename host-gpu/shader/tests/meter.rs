//! What the meter makes of a shader is valid in full, can be written for a device, and says what it does.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use fizz_shader::meter::{CAP, Counts, MeterOptions, Metered, slice_bytes, sum_words};
use fizz_shader::{Reason, ShaderError, ShaderLimits, check};
use naga::back::spv;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{Block, Expression, Function, Module, Statement};

fn meter(wgsl: &str, options: MeterOptions) -> Result<Metered, ShaderError> {
    let checked =
        check(wgsl, "s", &ShaderLimits::default()).unwrap_or_else(|error| panic!("{wgsl}\n{error}"));
    let entry = checked.entry_points[0].name.clone();
    checked.meter(&entry, "s", &[], options).map(|(_, metered)| metered)
}

/// Meters, with and without the search for cuts, and writes both.
#[track_caller]
fn metered(wgsl: &str) -> Metered {
    for find_cuts in [true, false] {
        let metered = meter(wgsl, MeterOptions { find_cuts }).unwrap();
        let capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32 | Capabilities::IMMEDIATES;
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&metered.module)
            .unwrap_or_else(|error| panic!("{wgsl}\n{:?}", error.as_inner()));
        let name = metered.module.entry_points[0].name.clone();
        let pipeline = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: name };
        spv::write_vec(&metered.module, &info, &spv::Options::default(), Some(&pipeline)).unwrap();
    }
    meter(wgsl, MeterOptions::default()).unwrap()
}

const DATA: &str = "@group(0) @binding(0) var<storage, read_write> data: array<u32>;\n";

fn main(body: &str) -> String {
    format!(
        "{DATA} @compute @workgroup_size(4, 2, 2) fn main(@builtin(global_invocation_id) id: vec3u, \
        @builtin(num_workgroups) groups: vec3u) {{ {body} }}"
    )
}

fn counts(body: &str) -> Counts {
    metered(&main(body)).counts
}

#[test]
fn loops_count_as_little_as_they_can() {
    // By constants.
    for body in [
        "",
        "data[0] = 1u;",
        "for (var i = 0u; i < 16u; i++) { data[i] = i; }",
        "for (var i = 10; i >= -3; i -= 2) { data[1] += 1u; }",
        "for (var h = 128u; h > 0u; h >>= 1u) { if (id.x < h) { data[h] = 1u; } }",
        "for (var h = 1u; h != 256u; h *= 2u) { for (var i = 0u; i < 4u; i++) { if (i == 2u) { continue; } data[h] = i; } }",
    ] {
        assert_eq!(counts(body), Counts::Nothing, "{body}");
    }
    for body in [
        "for (var i = 0u; i < groups.x; i++) { data[i] = i; }",
        "for (var i = 0u; i < 16u; i++) { if (groups.x == i) { break; } data[i] = i; }",
        "for (var i = 0u; i < 16u; i++) { for (var j = 0u; j < groups.y; j++) { data[i] = j; } }",
        "var n = 4u; if (groups.x == 2u) { n = 5u; } for (var i = 0u; i < n; i++) { data[i] = i; }",
        "for (var i = 0u; i < 16u; i++) { if (groups.y == 3u) { i += 1u; } data[i] = i; }",
        // Steps inside its body, which is not the known form.
        "var i = 3u; while (i < 9u) { data[i] = i; i++; }",
        // Known, but too many turns to pay for in advance.
        "for (var i = 0u; i < 1000000u; i++) { data[1] = i; }",
        "for (var i = 0u; i != 1u; i += 2u) { data[1] = i; }",
        "for (var i = 0u; ; ) { data[1] = i; }",
        "for (var i = 0u; i < 64u; i++) { for (var j = i; j < 64u; j++) { data[1] = j; } }",
        // Computed before the loop, once: these do not end.
        "var i = 0u; let done = i >= 10u; loop { if (done) { break; } data[0] += 1u; continuing { i = i + 1u; } }",
        "var i = 0u; let n = i + 1u; for (; i < 10u; i = n) { data[0] += 1u; }",
        "var i = 0u; let n = i; for (; i < 10u; i = n + 1u) { data[0] += 1u; }",
        "for (var k = 0u; k < 9u; k++) { var i = 0u; let done = i >= 10u; loop { if (done) { break; } data[0] += 1u; continuing { i = i + 1u; } } }",
    ] {
        assert_eq!(counts(body), Counts::Workgroups, "{body}");
    }
    for body in [
        "for (var i = 0u; i < id.x; i++) { data[i] = i; }",
        "for (var i = 0u; i < 16u; i++) { if (data[i] == 3u) { break; } }",
        "for (var i = 0u; i < 16u; i++) { if (data[i] == 3u) { return; } }",
        "for (var i = 0u; i < groups.x; i++) { data[i] = i; } loop { if (data[0] == id.x) { break; } }",
        "if (id.x == 1u) { for (var i = 0u; i < groups.x; i++) { data[i] = i; } }",
        "loop { data[1] += 1u; continuing { break if data[1] > 5u; } }",
    ] {
        assert_eq!(counts(body), Counts::Invocations, "{body}");
    }
}

/// Whether a counter is stored to inside a loop.
fn counts_in_a_loop(body: &str) -> bool {
    fn stores(module: &Module, function: &Function, block: &Block, in_loop: bool) -> bool {
        block.iter().any(|statement| match statement {
            Statement::Store { pointer, .. } => match function.expressions[*pointer] {
                Expression::GlobalVariable(variable) => {
                    let name = module.global_variables[variable].name.as_deref();
                    in_loop && name.is_some_and(|name| name.starts_with("fizz_left"))
                }
                _ => false,
            },
            Statement::Block(inner) => stores(module, function, inner, in_loop),
            Statement::If { accept, reject, .. } => {
                stores(module, function, accept, in_loop) || stores(module, function, reject, in_loop)
            }
            Statement::Switch { cases, .. } => {
                cases.iter().any(|case| stores(module, function, &case.body, in_loop))
            }
            Statement::Loop { body, continuing, .. } => {
                stores(module, function, body, true) || stores(module, function, continuing, true)
            }
            _ => false,
        })
    }
    let text = format!(
        "@group(1) @binding(0) var<storage, read> sizes: array<u32>; @group(1) @binding(1) var<uniform> size: vec4u;
        var<private> mine: u32;
        fn change(p: ptr<function, u32>) {{ *p += 1u; }} {}",
        main(body)
    );
    let module = metered(&text).module;
    module.functions.iter().any(|(_, function)| stores(&module, function, &function.body, false))
}

#[test]
fn loops_whose_turns_are_known_before_them_are_charged_there() {
    for body in [
        "for (var i = 0u; i < groups.x; i++) { data[i] = i; }",
        "for (var i = id.x; i < sizes[1]; i += groups.x * 256u) { data[i] = i; }",
        "for (var i = 0u; i < min(arrayLength(&data), size.x) / 4u + 1u; i++) { workgroupBarrier(); }",
        "for (var i = i32(id.x); i >= -4; i -= 3) { if (data[1] == 7u) { continue; } data[2] = 5u; }",
        "for (var i = 1000000; 5 < i; i += -3) { data[2] = 5u; }",
        "for (var h = groups.x / 2u; h > 0u; h >>= 1u) { workgroupBarrier(); }",
        "let n = data[3]; var i = 0u; loop { if (i == n) { break; } data[i] = i; continuing { i = 1u + i; } }",
        "loop { let n = data[3]; if (n == 9u) { break; } }",
        "var n = 7u; if (id.x == 3u) { n = data[1]; } for (var i = 0u; i < n; i++) { data[i] = i; }",
    ] {
        // The one that breaks on what it loads counts, so that this test can fail.
        assert_eq!(counts_in_a_loop(body), body.starts_with("loop"), "{body}");
    }
    for body in [
        // Another way out.
        "for (var i = 0u; i < groups.x; i++) { if (data[i] == 3u) { break; } }",
        "for (var i = 0u; i < groups.x; i++) { if (data[i] == 3u) { return; } }",
        // The bound, the step or the variable may change.
        "for (var i = 0u; i < data[0]; i++) { data[1] = i; }",
        "for (var i = 0u; i < mine; i++) { mine -= 1u; }",
        "var n = data[0]; for (var i = 0u; i < n; i++) { n -= 1u; }",
        "var n = data[0]; for (var i = 0u; i < n; i++) { change(&n); }",
        "var s = data[0]; for (var i = 0u; i < groups.x; i += s) { s++; }",
        "for (var i = 0u; i < groups.x; i++) { i += data[3]; }",
        "for (var i = 0u; i < groups.x; i++) { change(&i); }",
        "for (var i = 0u; i < groups.x; i++) { let j = data[i]; for (var k = 0u; k < groups.x; k++) { if (j == k) { break; } } }",
        "var v = vec2u(); for (v.x = 0u; v.x < groups.x; v.x++) { data[1] = 2u; }",
        // Steps in a direction, or of a kind, that is not known.
        "for (var i = groups.x; i < 100u; i--) { data[1] = i; }",
        "for (var i = groups.x; i < 100u; i *= 2u) { data[1] = i; }",
        "for (var i = groups.x; i != 100u; i += 2u) { data[1] = i; }",
        "for (var i = -5; i > 0; i >>= 1u) { data[1] = 2u; } for (var i = i32(id.x); i > 0; i >>= 1u) { data[1] = 2u; }",
        "for (var i = f32(id.x); i < 5.0; i += 1.0) { data[1] = 2u; }",
        // Floats, which may be rounded in two ways.
        "for (var i = 0u; i < u32(f32(groups.x) * 0.1 + 3.0); i++) { data[1] = i; }",
    ] {
        assert!(counts_in_a_loop(body), "{body}");
    }
}

#[test]
fn known_turns_are_paid_for_in_advance() {
    let fixed =
        |turns: u32| metered(&main(&format!("for (var i = 0u; i < {turns}u; i++) {{ data[i] = i; }}"))).fixed;
    let each = fixed(1) - fixed(0);
    assert_eq!(fixed(100) - fixed(0), 100 * each);
    let outer = |turns: u32| {
        let body = format!(
            "for (var i = 0u; i < {turns}u; i++) {{ for (var j = 0u; j < 10u; j++) {{ data[j] = i; }} }}"
        );
        metered(&main(&body)).fixed
    };
    assert!(outer(2) - outer(1) > 10 * each);
    // Whatever is called is paid for by the caller.
    let called = |calls: usize| {
        let text = format!(
            "fn f() {{ for (var i = 0u; i < 7u; i++) {{ data[i] = i; }} }} {}",
            main(&"f(); ".repeat(calls))
        );
        metered(&text).fixed
    };
    assert_eq!(called(5) - called(1), 4 * (called(2) - called(1)));
    assert!(called(2) - called(1) > 7 * each);
}

#[test]
fn values_weigh_what_they_move() {
    let fixed = |module: &str, body: &str| metered(&format!("{module} {}", main(body))).fixed;
    let globals = |n: u32| {
        format!(
            "@group(1) @binding(0) var<storage, read_write> x: array<u32, {n}>;
            @group(1) @binding(1) var<storage, read_write> y: array<u32, {n}>;
            struct S {{ a: array<u32, {n}> }}
            fn take(s: S) -> u32 {{ return s.a[1]; }}
            fn give() -> S {{ var s: S; return s; }}
            fn keep() {{ var s: array<u32, {n}>; s[1] = 2u; data[0] = s[data[1]]; }}
            fn at(i: u32) -> u32 {{ return x[i]; }}
            var<private> mine: array<u32, {n}>;
            var<workgroup> ours: array<u32, {n}>;"
        )
    };
    // 400 bytes more in each case, at least once.
    for body in [
        "y = x;",
        "let v = x; data[0] = v[data[1]];",
        "var v: array<u32, 100>;",
        "var v = x; data[0] = v[data[1]];",
        "y = array<u32, 100>();",
        "data[0] = take(S(x));",
        "data[0] = give().a[0];",
        "keep();",
        "data[0] = mine[data[1]];",
        "for (var i = 0u; i < 3u; i++) { y = x; }",
    ] {
        let body = |n: u32| body.replace("100", &n.to_string());
        let grown = fixed(&globals(200), &body(200)) - fixed(&globals(100), &body(100));
        assert!(grown >= 25, "{} grows by {grown}", body(200));
    }
    // One invocation's part of the workgroup's.
    let shared = |n: u32| fixed(&globals(n), "ours[id.x] = 1u;");
    assert_eq!(shared(2240) - shared(1600), 640 * 4 / 16 / 16);
    // What loops move, they count.
    let copies = |calls: usize| {
        let body = format!("loop {{ if (data[0] == 1u) {{ break; }} {} }}", "copy(); ".repeat(calls));
        let copy = format!("fn copy() {{ {} }}", "y = x; ".repeat(8000));
        meter(&format!("{} {copy} {}", globals(4096), main(&body)), MeterOptions::default()).map(|_| ())
    };
    copies(4).unwrap();
    assert!(copies(5).unwrap_err().message.contains("without a check of gas"));
    assert!(fixed(&globals(4), "data[0] = at(1u);") < 20);
}

#[test]
fn what_waits_for_others_weighs_more() {
    let fixed = |body: &str| {
        metered(&format!("var<workgroup> ours: atomic<u32>; var<workgroup> word: u32; {}", main(body))).fixed
    };
    let plain = fixed("data[0] = 1u; _ = &ours; _ = &word;");
    for body in [
        "atomicStore(&ours, 1u);",
        "workgroupBarrier();",
        "storageBarrier();",
        "_ = workgroupUniformLoad(&word);",
    ] {
        let waits = fixed(&format!("data[0] = 1u; _ = &ours; _ = &word; {body}"));
        // naga stores atomically with a plain statement.
        let least = if body.starts_with("atomicStore") { 1 } else { 16 };
        assert!(waits >= plain + least, "{body}: {plain}, {waits}");
    }
    assert!(fixed("atomicAdd(&ours, 1u); _ = &word;") >= 16);
}

#[test]
fn texels_weigh_more() {
    let textures = "@group(0) @binding(1) var input: texture_storage_2d<rgba8unorm, read>;
        @group(0) @binding(2) var output: texture_storage_2d<rgba8unorm, write>;
        @group(0) @binding(3) var both: texture_storage_2d<r32uint, read_write>;";
    let fixed = |body: &str| metered(&format!("{textures} {}", main(body))).fixed;
    let nothing = fixed("");
    let place = fixed("let place = id.xy; _ = place;");
    let texel = |of: &str| fixed(&format!("let place = id.xy; _ = textureLoad({of}, place);")) - place;
    assert_eq!([texel("both"), texel("input")], [8, 24]);
    assert_eq!(fixed("textureStore(both, vec2u(), vec4u());") - nothing, 8);
    assert_eq!(fixed("textureStore(output, vec2u(), vec4f());") - nothing, 56);
    // Loops that count as in any other shader.
    let counts = |body: &str| metered(&format!("{textures} {}", main(body))).counts;
    let turns = |bound: &str| format!("for (var i = 0u; i < {bound}; i++) {{ data[i] = i; }}");
    assert_eq!(counts(&turns("textureDimensions(input).x")), Counts::Workgroups);
    assert_eq!(counts(&turns("u32(textureLoad(input, vec2u(1, 2)).x)")), Counts::Workgroups);
    assert_eq!(counts(&turns("u32(textureLoad(input, id.xy).x)")), Counts::Invocations);
    assert_eq!(counts(&turns("textureLoad(both, vec2u(1, 2)).x")), Counts::Invocations);
}

#[test]
fn entry_points_of_every_shape_are_wrapped() {
    let spin = "for (var i = 0u; i < data[1]; i++) { data[2] += i; }";
    for (inputs, body) in [
        ("", spin.to_owned()),
        ("@builtin(workgroup_id) g: vec3u", format!("data[0] = g.y; {spin}")),
        ("@builtin(num_workgroups) n: vec3u", "data[0] = n.z;".to_owned()),
        (
            "@builtin(local_invocation_index) l: u32, @builtin(local_invocation_id) i: vec3u",
            format!("data[l] = i.x; {spin}"),
        ),
        ("a: A", format!("data[a.index] = a.group.x + a.id.y; {spin}")),
        ("a: A, @builtin(num_workgroups) n: vec3u", format!("data[a.index] = a.group.x + n.y; {spin}")),
        ("b: B", format!("data[b.local.x] = b.local.y; {spin}")),
    ] {
        metered(&format!(
            "{DATA} struct A {{ @builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32 }}
            struct B {{ @builtin(local_invocation_id) local: vec3u }}
            @compute @workgroup_size(3, 5) fn main({inputs}) {{ {body} }}"
        ));
    }
    // Nothing to add at all.
    let plain = metered(&format!("{DATA} @compute @workgroup_size(1) fn main() {{ data[0] = 1u; }}"));
    assert!(!plain.sliced && plain.counts == Counts::Nothing && plain.most == plain.fixed);
    assert!(metered(&main("data[id.x] = 1u;")).sliced);
}

#[test]
fn ways_out_of_loops_stay_what_they_are() {
    for body in [
        "loop { switch data[0] { case 0u: { break; } case 1u, 2u: { continue; } case 3u: { return; } default: { loop { break; } } } if (data[1] == 1u) { break; } }",
        "loop { if (data[0] == 1u) { break; } else { continue; } }",
        "loop { loop { loop { if (data[0] == 1u) { break; } } if (data[1] == 1u) { break; } } if (data[2] == 1u) { break; } }",
        "loop { return; }",
        "loop { var a = data[0]; continuing { a += 1u; data[0] = a; break if a > 3u || data[5] == 1u; } }",
        "while (data[0] < 5u && data[1] > 2u) { data[0] += 1u; }",
        "switch data[3] { case 1u: { for (var i = 0u; i < 4u; i++) { if (i == data[0]) { break; } } } default: {} }",
    ] {
        metered(&main(body));
    }
}

/// What a metered loop that only returned goes on to is there: naga wants a `return` behind it.
#[test]
fn functions_with_a_result_cannot_end_behind_a_loop() {
    for body in [
        "loop { if (data[n] > 5u) { return 1u; } }",
        "if (n > 3u) { loop { if (data[n] > 5u) { return 1u; } } } else { return 2u; }",
        "{ loop { return 1u; } }",
        "switch n { case 1u: { loop { return 1u; } } default: { return 2u; } }",
    ] {
        let text = format!("fn find(n: u32) -> u32 {{ {body} }} {}", main("_ = find(id.x);"));
        assert_eq!(
            check(&text, "s", &ShaderLimits::default()).map(|_| ()).unwrap_err().reason,
            Reason::Invalid
        );
    }
    metered(&format!(
        "fn find(n: u32) -> u32 {{ loop {{ if (data[n] > 5u) {{ return 1u; }} }} return 2u; }} {}",
        main("_ = find(id.x);")
    ));
}

#[test]
fn too_much_before_any_check_is_refused() {
    let nested = "for (var a = 0u; a < 300u; a++) { for (var b = 0u; b < 100u; b++) { data[a] = b; data[b] = a; data[1] = a + b; data[2] = a; } }";
    let error = meter(&main(&nested.repeat(100)), MeterOptions::default()).unwrap_err();
    assert_eq!(error.reason, Reason::Limit);
    assert!(error.message.contains("without a check of gas"), "{error}");
    let error = meter(
        &main(&format!("loop {{ if (data[0] == 1u) {{ break; }} {} }}", nested.repeat(100))),
        MeterOptions::default(),
    )
    .unwrap_err();
    assert_eq!(error.reason, Reason::Limit);
    let error = meter(
        "@group(7) @binding(0) var<storage, read_write> d: u32; @compute @workgroup_size(1) fn main() { d = 1u; }",
        MeterOptions::default(),
    );
    assert!(error.unwrap_err().message.contains("bind group index 7"));
}

#[test]
fn words_are_summed_and_marks_are_seen() {
    let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    assert_eq!(sum_words(&[]), Some(0));
    assert_eq!(sum_words(&bytes(&[CAP - 1; 300])), Some(300 * u64::from(CAP - 1)));
    assert_eq!(sum_words(&bytes(&[1, 1 << 30, 2])), None);
    assert_eq!(sum_words(&bytes(&[1, 1 << 31, 2])), None);
    let slice = slice_bytes([1, 2, 3], 4, [5, 6, 7]);
    assert_eq!(slice.as_slice(), bytes(&[1, 2, 3, 4, 5, 6, 7, 0]));
}
