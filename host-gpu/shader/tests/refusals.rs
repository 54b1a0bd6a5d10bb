//! What is not offered is refused with its place; what compute in WebGPU has is accepted.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use fizz_shader::meter::MeterOptions;
use fizz_shader::{Reason, ShaderError, ShaderLimits, check};

fn refuse(wgsl: &str) -> ShaderError {
    check(wgsl, "blur", &ShaderLimits::default()).map(|_| ()).unwrap_err()
}

#[test]
fn an_error_has_line_column_label_and_the_line() {
    let error = refuse("@compute @workgroup_size(1)\nfn main() {\n    let x = foo + 1;\n}\n");
    assert_eq!(error.reason, Reason::Syntax);
    let at = error.location.unwrap();
    assert_eq!((at.line, at.column, at.offset, at.length), (3, 13, 52, 3));
    assert_eq!(
        error.to_string(),
        "shader 'blur', line 3, column 13: no definition in scope for identifier: `foo`\n  \
         3 |     let x = foo + 1;\n    |             ^^^ unknown identifier"
    );
}

#[test]
fn a_validation_error_has_its_place_too() {
    let error = refuse(
        "@group(0) @binding(0) var<storage, read> a: array<u32>;\n\
         @compute @workgroup_size(1)\nfn main() {\n  a[0] = 1u;\n}\n",
    );
    assert_eq!(error.reason, Reason::Invalid);
    assert_eq!(error.location.unwrap().line, 4);
    assert!(error.to_string().contains("a[0] = 1u"), "{error}");
}

#[test]
fn odd_texts_do_not_break_the_marker() {
    for text in [
        "",
        "é",
        "fn main() { é€ }",
        "fn é(",
        "let\tx\u{0}",
        "@",
        "fn main() { let x = \"é\"; }",
        "\u{feff}fn",
    ] {
        let _ = check(text, "ü", &ShaderLimits::default()).map_err(|error| error.to_string());
    }
    let long = format!("fn main() {{ let x = {}foo; }}", "1 + ".repeat(300));
    assert!(refuse(&long).to_string().len() < 1000);
}

#[test]
fn what_is_not_offered_is_refused() {
    let main = "@compute @workgroup_size(1) fn main() {";
    let cases = [
        ("half floats", format!("enable f16; {main} let x = 1.0h; _ = x; }}")),
        ("doubles", format!("{main} var x = 1.0lf; x = x + 1.0lf; }}")),
        ("64-bit integers", format!("{main} var x: i64 = 1li; x = x + 1li; }}")),
        ("subgroups", format!("enable subgroups; {main} let x = subgroupAdd(1u); _ = x; }}")),
        (
            "subgroup builtins",
            "@compute @workgroup_size(1) fn main(@builtin(subgroup_size) s: u32) {}".to_owned(),
        ),
        (
            "float atomics",
            format!(
                "@group(0) @binding(0) var<storage, read_write> a: atomic<f32>; {main} atomicAdd(&a, 1.0); }}"
            ),
        ),
        ("ray queries", format!("enable wgpu_ray_query; {main} var q: ray_query; }}")),
        ("immediates", format!("var<immediate> i: u32; {main} let x = i; _ = x; }}")),
        (
            "textures",
            format!(
                "@group(0) @binding(0) var t: texture_2d<f32>; {main} let x = textureDimensions(t); _ = x; }}"
            ),
        ),
        ("samplers", format!("@group(0) @binding(0) var s: sampler; {main} }}")),
        (
            "storage textures of other formats",
            format!("@group(0) @binding(0) var t: texture_storage_2d<rg16float, write>; {main} }}"),
        ),
        (
            "storage textures that only a feature has",
            format!("@group(0) @binding(0) var t: texture_storage_2d<bgra8unorm, write>; {main} }}"),
        ),
        (
            "formats that are read or written, not both",
            format!("@group(0) @binding(0) var t: texture_storage_2d<rgba8unorm, read_write>; {main} }}"),
        ),
        (
            "atomic textures",
            format!("@group(0) @binding(0) var t: texture_storage_2d<r32uint, atomic>; {main} }}"),
        ),
        (
            "depth textures",
            format!(
                "@group(0) @binding(0) var t: texture_depth_2d; {main} let x = textureDimensions(t); _ = x; }}"
            ),
        ),
        (
            "arrays of storage textures",
            format!(
                "@group(0) @binding(0) var t: binding_array<texture_storage_2d<r32uint, write>, 4>; {main} }}"
            ),
        ),
        (
            "binding arrays",
            format!(
                "struct B {{ a: u32 }} @group(0) @binding(0) var<storage> b: binding_array<B, 4>; {main} }}"
            ),
        ),
        ("recursion", format!("fn f() {{ f(); }} {main} f(); }}")),
        ("a cycle", format!("fn f() {{ g(); }} fn g() {{ f(); }} {main} f(); }}")),
    ];
    for (what, wgsl) in cases {
        let checked = check(&wgsl, "x", &ShaderLimits::default());
        assert!(checked.is_err(), "{what} were accepted");
    }
}

#[test]
fn storage_textures_are_accepted() {
    let wgsl = "
        @group(0) @binding(0) var a: texture_storage_2d<rgba8unorm, read>;
        @group(0) @binding(1) var b: texture_storage_2d_array<rgba16float, write>;
        @group(0) @binding(2) var c: texture_storage_3d<r32float, read_write>;
        @group(0) @binding(3) var d: texture_storage_1d<rg32sint, read>;
        fn at(t: texture_storage_1d<rg32sint, read>, x: u32) -> vec4i { return textureLoad(t, x); }
        @compute @workgroup_size(8, 8)
        fn main(@builtin(global_invocation_id) id: vec3u) {
            let size = textureDimensions(a);
            if (any(id.xy >= size)) { return; }
            let texel = textureLoad(a, id.xy) * f32(at(d, id.x).x);
            textureStore(b, id.xy, textureNumLayers(b) - 1, texel);
            textureStore(c, id, textureLoad(c, id) + vec4f(1.0));
        }
    ";
    let shader = check(wgsl, "x", &ShaderLimits::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(shader.entry_points.len(), 1);
}

#[test]
fn what_webgpu_has_is_accepted() {
    let wgsl = "
        override scale: f32 = 2.0;
        override size: u32;
        struct Params { n: u32, k: f32, m: mat4x4f }
        @group(0) @binding(0) var<uniform> params: Params;
        @group(0) @binding(1) var<storage, read> a: array<vec4f>;
        @group(0) @binding(2) var<storage, read_write> b: array<vec4f>;
        @group(1) @binding(0) var<storage, read_write> count: array<atomic<u32>, 4>;
        var<workgroup> tile: array<vec4f, 64>;
        @compute @workgroup_size(size)
        fn first(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) l: u32) {
            tile[l % 64] = a[id.x] * scale;
            workgroupBarrier();
            for (var i = 0u; i < params.n; i++) {
                if (i == 7u) { continue; }
                b[id.x] += params.m * tile[i % 64] * exp(params.k);
            }
            atomicAdd(&count[l & 3u], pack2x16float(vec2f(1.0, 2.0)));
        }
        @compute @workgroup_size(8, 8) fn second() { b[0] = vec4f(f32(dot4U8Packed(1u, 2u))); }
    ";
    let shader = check(wgsl, "x", &ShaderLimits::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(shader.entry_points.len(), 2);
    assert_eq!(shader.entry_point(Some("first")).unwrap().workgroup_bytes, 1024);
    assert_eq!(shader.entry_point(Some("second")).unwrap().workgroup_bytes, 0);
    assert!(shader.entry_point(None).is_none());
    let first = shader.entry_point(Some("first")).unwrap().cost;
    assert!(first > shader.entry_point(Some("second")).unwrap().cost);

    let known = shader.specialize("first", "p", &[("size", 32.0)]).unwrap();
    assert_eq!((known.workgroup_size, known.invocations()), ([32, 1, 1], 32));
    assert_eq!(shader.specialize("second", "p", &[]).unwrap().workgroup_size, [8, 8, 1]);
    for (constants, says) in [
        (&[][..], "size"),
        (&[("size", 512.0)], "512"),
        (&[("size", 0.0)], ""),
        (&[("size", -1.0)], ""),
        (&[("size", f64::NAN)], ""),
        (&[("size", 1e300)], ""),
        (&[("size", 8.0), ("nothing", 1.0)], "nothing"),
        (&[("size", 8.0), ("scale", 1e300)], ""),
    ] {
        let error = shader.specialize("first", "p", constants).unwrap_err();
        assert_eq!(error.reason, Reason::Invalid);
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(shader.specialize("third", "p", &[]).is_err());
}

/// The error reaches the guest, so it must not depend on the order of a hash map.
#[test]
fn the_first_unknown_constant_is_named() {
    let wgsl = "override a: f32 = 1.0; @id(1) override b: f32 = 2.0;
        @compute @workgroup_size(1) fn main() { let x = a + b; }";
    let shader = check(wgsl, "x", &ShaderLimits::default()).unwrap();
    for _ in 0..50 {
        let constants = [("a", 2.0), ("y", 1.0), ("x", 1.0), ("z", 1.0)];
        assert!(shader.specialize("main", "p", &constants).unwrap_err().message.contains("'y'"));
    }
    assert!(shader.specialize("main", "p", &[("1", 3.0), ("a", 1.0)]).is_ok());
    // One spelling of each id, and no name beside it.
    for name in ["01", "+1", "b", "65537", ""] {
        let error = shader.specialize("main", "p", &[(name, 3.0)]).unwrap_err();
        assert!(error.message.contains(&format!("'{name}' not found")), "{error}");
    }
}

#[test]
fn workgroup_arrays_sized_by_overrides_are_bounded() {
    let wgsl = "override n: u32; var<workgroup> w: array<u32, n>;
        @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) l: u32) { w[l] = l; }";
    let shader = check(wgsl, "x", &ShaderLimits::default()).unwrap();
    assert_eq!(shader.specialize("main", "p", &[("n", 4096.0)]).unwrap().workgroup_bytes, 16384);
    for n in [4097.0, 1e9, 4294967295.0, 0.0, -5.0] {
        assert!(shader.specialize("main", "p", &[("n", n)]).is_err(), "{n}");
    }
}

#[test]
fn checking_twice_gives_the_same() {
    let text = "fn f(x: u32) -> u32 { return x + unknown; }";
    assert_eq!(refuse(text), refuse(text));
}

#[test]
fn what_naga_cannot_write_is_refused() {
    let meter = |value: &str| {
        let wgsl = format!(
            "@group(0) @binding(0) var<storage, read_write> out: array<f32>;
            override scale: f32 = 1.5;
            @compute @workgroup_size(1) fn main() {{ var begin = {value}; out[0] = begin; }}"
        );
        let shader = check(&wgsl, "blur", &ShaderLimits::default()).unwrap();
        shader.meter("main", "blur", &[], MeterOptions::default()).map(drop)
    };
    assert_eq!(meter("floor(scale)"), Ok(()));
    // Its writer panics at this, which must not happen beside the driver.
    let error = meter("frexp(scale).fract").unwrap_err();
    assert_eq!(error.to_string(), "shader 'blur': the shader front end cannot handle this shader");
}

#[test]
fn a_continue_over_a_value_that_continuing_uses_is_refused() {
    let check = |body: &str| {
        let wgsl = format!(
            "@group(0) @binding(0) var<storage, read_write> b: array<u32>;
@compute @workgroup_size(1) fn main() {{ var s = 0u; var i = 0u; let n = b[0];
{body}
}}"
        );
        check(&wgsl, "loop", &ShaderLimits::default()).map(drop)
    };
    for wrong in [
        "loop { if i >= n { break; } s += 1u; if s % 5u != 0u { continue; } let j = i + 1u; continuing { i = j; } }",
        "loop { switch s { case 1u: { continue; } default: {} } let j = i + 1u; continuing { break if j > n; } }",
        "loop { if s > 3u { continue; } let j = atomicless(i); continuing { i = max(j, 1u) + b[j]; } }",
        "loop { if s > 3u { continue; } let j = i + 1u; continuing { if s > 1u { b[1] = j; } break if i > n; } }",
    ] {
        let wrong = wrong.replace("atomicless(i)", "b[i]");
        let error = check(&wrong).unwrap_err();
        assert!(error.message.contains("this continue jumps over 'j'"), "{wrong}: {error}");
        assert_eq!(error.location.map(|at| at.line), Some(3), "{wrong}");
    }
    for right in [
        "loop { let j = i + 1u; if s > 3u { continue; } s += 1u; continuing { i = j; break if i > n; } }",
        "loop { if s > 3u { continue; } let k = i * 2u; s += k; continuing { i = i + 1u; break if i > n; } }",
        "loop { for (var t = 0u; t < n; t++) { if t == 3u { continue; } s += t; } let j = i + 1u; continuing { i = j; break if i > n; } }",
        "let j = n + 1u; loop { if s > 3u { continue; } s += 1u; continuing { i = j; break if i > n; } }",
    ] {
        assert_eq!(check(right), Ok(()), "{right}");
    }
}
