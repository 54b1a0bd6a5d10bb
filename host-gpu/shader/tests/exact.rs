//! Lowered modules: that they validate, that nothing is in them that is not exact, that they can be written, and how large they are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[allow(unreachable_pub, reason = "the module belongs to the fuzz targets")]
#[path = "../../../fuzz/src/wgsl/mod.rs"]
mod wgsl;

use fizz_shader::exact::{self, Layout, MOST_FACTOR, Modes, Native};
use fizz_shader::meter::MeterOptions;
use fizz_shader::{ShaderLimits, check};

const ALL: Modes =
    Modes { rte: true, szinp: true, denorm_preserve: true, integer_dot: true, zero_init_native: true };
const DIVIDES: Native = Native { divide: true, sqrt: true, ..Native::NONE };
const NATIVES: [Native; 3] = [Native::NONE, DIVIDES, Native::REFERENCE];

fn expressions(module: &naga::Module) -> usize {
    let functions = module.functions.iter().map(|(_, function)| function.expressions.len());
    functions.chain(module.entry_points.iter().map(|entry| entry.function.expressions.len())).sum()
}

/// Lowers, looks at and writes an entry point.
#[track_caller]
fn lower(wgsl: &str) {
    let shader = check(wgsl, "test", &ShaderLimits::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(shader.classify("main"), [], "{wgsl}");
    let metered = shader.meter("main", "", &[], MeterOptions::default());
    let (_, metered) = metered.unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
    exact::check(&metered.module).unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
    for native in NATIVES {
        let lowered =
            exact::lower(metered.module.clone(), &native).unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
        let problems = exact::verify(&lowered, &native);
        assert!(problems.is_empty(), "{native:?}: {problems:#?}\n{wgsl}");
        let layout = Layout::of(&lowered);
        for modes in [Modes::default(), ALL] {
            exact::emit(&lowered, &layout, &modes).unwrap_or_else(|error| panic!("{error}\n{wgsl}"));
        }
    }
}

fn body(text: &str) -> String {
    format!(
        "struct Inner {{ v: vec3<f32>, m: mat3x2<f32>, n: array<i32, 3> }}
         struct Outer {{ all: array<Inner, 4>, one: Inner, count: u32 }}
         @group(0) @binding(0) var<storage, read_write> data: array<f32>;
         @group(1) @binding(2) var<storage, read_write> outer: array<Outer>;
         @group(2) @binding(9) var<storage, read_write> counts: array<atomic<i32>, 7>;
         @group(3) @binding(1) var<uniform> shape: array<vec4<f32>, 3>;
         var<workgroup> tile: array<array<f32, 5>, 6>;
         var<workgroup> shared_counts: array<atomic<u32>, 9>;
         var<private> mine: array<vec4<f32>, 5>;
         @compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) at: u32) {{
             let x = data[id.x]; let i = i32(x); let u = u32(x); {text}
         }}"
    )
}

#[test]
fn every_kind_of_expression() {
    for text in [
        "data[0] = x / 2.0 % 3.0 + -x;",
        "data[u] = vec4(x, 0.0, 1.0, x)[u] + mat2x2(x, 1.0, 0.0, x)[1][i & 1];",
        "let m = mat3x3(x, 1.0, 0.0, x, x, 2.0, 3.0, x, 4.0); data[1] = determinant(m * transpose(m) - m + m * 2.0)
            + (m * vec3(x)).y + (vec3(1.0, x, 0.0) * m).z + (x * m)[2].y;",
        "let m = mat4x2(vec2(x), vec2(1.0), vec2(0.0), vec2(x, 2.0)); data[1] = (m * mat3x4(vec4(x), vec4(1.0), vec4(0.0)))[2].x;",
        "data[1] = sin(x) + cos(x) * tan(x) - exp(x) + exp2(x) + log(x) + log2(x) + pow(x, 2.0) + sqrt(x) + inverseSqrt(x);",
        "data[1] = asin(x) + acos(x) + atan(x) + atan2(x, 1.0) + sinh(x) + cosh(x) + tanh(x) + asinh(x) + acosh(x) + atanh(x);",
        "data[1] = min(x, 1.0) + max(x, 0.0) + clamp(x, 0.0, 1.0) + saturate(x) + sign(x) + fract(x) + step(0.5, x);",
        "data[1] = smoothstep(0.0, 1.0, x) + mix(x, 2.0, 0.25) + degrees(x) + radians(x) + fma(x, x, 0.0) + ldexp(x, i);",
        "let v = mix(vec3(x), vec3(1.0), 0.5); data[1] = length(v) + distance(v, vec3(0.0)) + dot(normalize(v), cross(v, v.yzx)) + length(x);",
        "let v = vec3(x, 0.0, 1.0); data[1] = (reflect(v, v) + refract(v, v.zxy, 1.5) + faceForward(v, v, v)).y;",
        "let f = frexp(x); let m = modf(vec2(x)); data[1] = f.fract + f32(f.exp) + m.fract.x + m.whole.y + f32(frexp(vec3(x)).exp.z);",
        "data[1] = f32(pack4x8snorm(vec4(x)) + pack4x8unorm(vec4(x)) + pack2x16snorm(vec2(x)) + pack2x16unorm(vec2(x)) + pack2x16float(vec2(x)));",
        "data[1] = unpack4x8snorm(u).x + unpack4x8unorm(u).w + unpack2x16snorm(u).y + unpack2x16unorm(u).x + unpack2x16float(u).y + quantizeToF16(x);",
        "data[1] = f32(pack4xI8(vec4(i)) + pack4xU8Clamp(vec4(u)) + dot4U8Packed(u, u)) + f32(dot4I8Packed(u, u)) + f32(unpack4xI8(u).x);",
        "data[1] = f32((u << u) >> (u & 3u)) + f32((i << u) >> 4u) + f32((vec2(u) << vec2(1u, u)).x) + f32(countLeadingZeros(u));",
        "data[1] = f32(i / (i - 1) % 7) + f32(clamp(i, 3, 2)) + f32(abs(i)) + f32(x != 1.0) + f32(all(vec2(x) != vec2(0.0)));",
        "data[1] = bitcast<f32>(u) + f32(bitcast<i32>(x)) + bitcast<vec2<f32>>(bitcast<vec2<u32>>(vec2(x))).y;",
        "data[1] = select(x, 0.0, x < 0.0) + select(vec2(x), vec2(0.0, 1.0), vec2(x) > vec2(1.0)).y;",
        "switch i { case 1: { data[1] = 0.0; } default: { data[2] = x; } } loop { if data[3] > x { break; } continuing { data[3] += 1.0; break if x > 2.0; } }",
    ] {
        lower(&body(text));
    }
}

#[test]
fn every_kind_of_place() {
    for text in [
        "outer[u].all[i].v[u] += x; outer[i].one.m[u][i] = outer[1].all[2].m[i].y;",
        "outer[2] = outer[u]; let whole = outer[i].all; outer[0].all = whole; outer[1].one = whole[u];",
        "tile[i][u] = x; workgroupBarrier(); data[1] = tile[u][i] + tile[at % 6u][at & 3u]; let row = tile[u]; data[2] = row[i];",
        "atomicAdd(&counts[i], 2); atomicMax(&shared_counts[u], 3u); workgroupBarrier(); data[1] = f32(atomicLoad(&shared_counts[i]));",
        "mine[u] = vec4(x); mine[i].y += 1.0; mine[1][u] = 0.0; data[1] = mine[u][i] + shape[u][i] + shape[1].x;",
        "var local: array<Inner, 3>; local[u].v = vec3(x); local[i] = outer[u].one; data[1] = local[u].v.x; take(&local, u); } fn take(p: ptr<function, array<Inner, 3>>, u: u32) { (*p)[u].v.y += 1.0; ",
        "let p = &outer[u].all[i]; (*p).v = vec3(0.0, x, 1.0); data[1] = (*p).m[i].x + f32(arrayLength(&outer)); outer[0].count = (*p).v.x == 1.0; ".replace("outer[0].count = (*p).v.x == 1.0; ", "outer[0].count = u;").as_str(),
        "data[1] = workgroupUniformLoad(&tile[1])[u] + workgroupUniformLoad(&tile)[i][u] + handed(outer[u].one, mine).v.x; } fn handed(a: Inner, b: array<vec4<f32>, 5>) -> Inner { var c = a; c.v += b[2].xyz; return c; ",
        "const TABLE = array<f32, 4>(0.0, 1.0, 2.0, 3.0); data[1] = TABLE[u] * x + TABLE[1]; var z = TABLE; data[2] = z[i] * x;",
    ] {
        lower(&body(text));
    }
}

#[test]
fn shaders_that_a_generator_makes() {
    let mut seed = 7u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    let (mut lowered, mut refused) = (0, Vec::new());
    for _ in 0..400 {
        let bytes: Vec<u8> = (0..600).map(|_| random()).collect();
        let text = wgsl::made(&bytes);
        let Ok(shader) = check(&text, "", &ShaderLimits::default()) else { continue };
        for entry in &shader.entry_points {
            let Ok((_, metered)) = shader.meter(&entry.name, "", &[], MeterOptions { find_cuts: true })
            else {
                continue;
            };
            let reasons = shader.classify(&entry.name);
            for native in NATIVES {
                match exact::lower(metered.module.clone(), &native) {
                    Ok(module) => {
                        assert_eq!(exact::verify(&module, &native), Vec::<String>::new(), "{text}");
                        exact::emit(&module, &Layout::of(&module), &ALL)
                            .unwrap_or_else(|error| panic!("{error}\n{text}"));
                        lowered += 1;
                    }
                    Err(error) if reasons.is_empty() => panic!("{error}\n{text}"),
                    Err(error) => refused.push(error),
                }
            }
        }
    }
    assert!(lowered > 100, "{lowered} lowered, refused: {refused:#?}");
}

#[test]
fn what_is_not_exact_is_an_error() {
    for (text, message) in [
        ("data[1] = f32(atomicAdd(&counts[0], 1));", "the value that an atomic had before"),
        ("atomicExchange(&shared_counts[0], 1u);", "an exchange"),
    ] {
        let shader = check(&body(text), "", &ShaderLimits::default()).unwrap();
        let (_, metered) = shader.meter("main", "", &[], MeterOptions::default()).unwrap();
        let error = exact::lower(metered.module, &Native::NONE).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn the_largest_expressions_stay_below_the_stated_factor() {
    let count = |text: &str| {
        let wgsl = body(&format!(
            "var a = mat4x4<f32>(); var b = a; a[0][0] = x; b[1][2] = x; {text} data[2] = a[1][2];"
        ));
        let shader = check(&wgsl, "", &ShaderLimits::default()).unwrap();
        let (_, metered) = shader.meter("main", "", &[], MeterOptions::default()).unwrap();
        let before = expressions(&metered.module);
        let after = expressions(&exact::lower(metered.module, &Native::NONE).unwrap());
        (before, after)
    };
    let (start, lowered) = count("");
    for (text, times) in [
        ("a = a * b;", 100),
        ("a = transpose(a);", 100),
        ("a[0] = pow(a[0], b[1]);", 100),
        ("a[0][0] = determinant(a);", 100),
        ("a[0] = smoothstep(a[1], a[2], a[3]);", 100),
        ("a[0] = unpack4x8unorm(pack4x8snorm(a[0]));", 100),
    ] {
        let (more, large) = count(&text.repeat(times));
        assert!(
            large - lowered < (more - start) * MOST_FACTOR,
            "{text}: {} to {}",
            more - start,
            large - lowered
        );
    }
}

#[test]
fn bindings_are_dense_and_those_of_no_layout_are_refused() {
    let shader = check(&body("atomicAdd(&counts[0], 1);"), "", &ShaderLimits::default()).unwrap();
    let (_, metered) = shader.meter("main", "", &[], MeterOptions::default()).unwrap();
    let lowered = exact::lower(metered.module, &Native::NONE).unwrap();
    let layout = Layout::of(&lowered);
    assert_eq!(layout.groups, [vec![0], vec![], vec![9]]);
    let wider = Layout { groups: vec![vec![0], vec![], vec![3, 4, 9]] };
    let binding = |layout: &Layout| {
        let words = exact::emit(&lowered, layout, &Modes::default()).unwrap();
        // OpDecorate, Binding.
        let mut found = Vec::new();
        let mut at = 5;
        while at < words.len() {
            if words[at] & 0xffff == 71 && words[at + 2] == 33 {
                found.push(words[at + 3]);
            }
            at += (words[at] >> 16) as usize;
        }
        found.sort_unstable();
        found
    };
    assert_eq!(binding(&layout), [0, 0]);
    assert_eq!(binding(&wider), [0, 2]);
    let error = exact::emit(&lowered, &Layout { groups: vec![vec![0]] }, &Modes::default()).unwrap_err();
    assert_eq!(error, "binding 9 of group 2 is not in the layout");
}
