//! Built-in functions that are made of others, against their documented order of operations: computed by the host, or spelled out in WGSL.

use crate::gpu::{self, MODES, gpu};
use crate::operations::{compare, inputs, shader};
use fizz_shader::exact::Native;

/// lavapipe divides and takes roots as IEEE 754 says.
const DIVIDES: Native = Native { divide: true, sqrt: true, ..Native::NONE };

/// The other one of a NaN; −0 below +0.
fn min(a: f32, b: f32) -> f32 {
    if a.is_nan() {
        b
    } else if b.is_nan() || a < b || (a == b && a.is_sign_negative()) {
        a
    } else {
        b
    }
}

fn max(a: f32, b: f32) -> f32 {
    -min(-a, -b)
}

fn saturate(x: f32) -> f32 {
    min(max(x, 0.0), 1.0)
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    (a[0] * b[0] + a[1] * b[1]) + a[2] * b[2]
}

macro_rules! exact {
    ($($name:ident: $body:expr, |$a:pat_param, $b:pat_param, $c:pat_param| $expected:expr;)*) => {
        $(#[test] fn $name() { compare($body, &DIVIDES, |$a, $b, $c| $expected); })*
    };
}

exact! {
    quotient: "a / b", |a, b, _| a / b;
    quotients_of_vectors: "(vec2(a, b) / c).y", |_, b, c| b / c;
    reciprocal: "1.0 / a", |a, _, _| 1.0 / a;
    zero_divided: "0.0 / a", |a, _, _| 0.0 / a;
    divided_by_zero: "var z = 0.0; output[k] = a / z;", |a, _, _| a / 0.0;
    root: "sqrt(a)", |a, _, _| a.sqrt();
    smaller: "min(a, b)", |a, b, _| min(a, b);
    larger: "max(a, b)", |a, b, _| max(a, b);
    smaller_of_zero: "min(vec2(a, 0.0), vec2(0.0, a)).y", |a, _, _| min(0.0, a);
    clamped: "clamp(a, b, c)", |a, b, c| min(max(a, b), c);
    saturated: "saturate(a)", |a, _, _| saturate(a);
    fused_or_not: "fma(vec2(a, b), vec2(b, c), vec2(c, 0.0)).y", |_, b, c| b * c + 0.0;
    degrees: "degrees(a)", |a, _, _| a * 57.295_78;
    radians: "radians(vec2(b, a)).y", |a, _, _| a * 0.017_453_292;
    mixed: "mix(a, b, c)", |a, b, c| a * (1.0 - c) + b * c;
    mixed_by_a_scalar: "mix(vec3(a), vec3(0.0, b, 0.0), c).y", |a, b, c| a * (1.0 - c) + b * c;
    step: "step(a, b)", |a, b, _| if a <= b { 1.0 } else { 0.0 };
    smooth_step: "smoothstep(a, b, c)", |a, b, c| {
        let t = saturate((c - a) / (b - a));
        (t * t) * (3.0 - 2.0 * t)
    };
    whole: "modf(a).whole", |a, _, _| a.trunc();
    fraction: "modf(vec2(b, a)).fract.y", |a, _, _| a - a.trunc();
    length: "length(vec3(a, b, c))", |a, b, c| dot([a, b, c], [a, b, c]).sqrt();
    length_of_a_scalar: "length(a)", |a, _, _| a.abs();
    distance: "distance(vec2(a, b), vec2(c, a))", |a, b, c| ((a - c) * (a - c) + (b - a) * (b - a)).sqrt();
    cross: "cross(vec3(a, b, c), vec3(c, a, b)).z", |a, b, c| a * a - b * c;
    reflected: "reflect(vec3(a, b, c), vec3(b, c, a)).x", |a, b, c| {
        a - (2.0 * dot([b, c, a], [a, b, c])) * b
    };
    facing: "faceForward(vec3(a), vec3(a, b, c), vec3(b, c, a)).y", |a, b, c| {
        if dot([a, b, c], [b, c, a]) < 0.0 { a } else { -a }
    };
    refracted: "refract(vec3(a, b, c), vec3(b, c, a), c).x", |a, b, c| {
        let d = dot([b, c, a], [a, b, c]);
        let k = 1.0 - (c * c) * (1.0 - d * d);
        if k < 0.0 { 0.0 } else { c * a - (c * d + k.sqrt()) * b }
    };
    determinant_2: "determinant(mat2x2(a, b, c, a))", |a, b, c| a * a - b * c;
    determinant_3: "determinant(mat3x3(a, b, c, b, c, a, c, a, b))", |a, b, c| {
        let m = |p: f32, q: f32, r: f32, s: f32| p * s - q * r;
        (a * m(c, a, a, b) - b * m(b, a, c, b)) + c * m(b, c, c, a)
    };
    transposed: "transpose(mat2x3(a, b, c, c, a, b))[1].y", |a, _, _| a;
    matrix_times_vector: "(mat3x2(a, b, c, a, b, c) * vec3(c, 0.0, b)).y", |a, b, c| (b * c + a * 0.0) + c * b;
    vector_times_matrix: "(vec2(a, b) * mat3x2(b, c, a, b, c, a)).z", |a, b, c| a * c + b * a;
    matrix_times_matrix: "(mat2x2(a, b, c, a) * mat2x2(c, b, a, c))[1].y", |a, b, c| b * a + a * c;
    matrix_times_scalar: "(mat2x2(a, b, c, a) * c)[0].y", |_, b, c| b * c;
    matrices_added: "(mat2x2(a, b, c, a) + mat2x2(c, b, 0.0, a))[1].x", |_, _, c| c + 0.0;
    matrices_subtracted: "(mat2x2(a, b, c, a) - mat2x2(c, b, 0.0, a))[0].x", |a, _, c| a - c;
    to_signed: "f32(i32(a))", |a, _, _| (a as i32) as f32;
    to_unsigned: "f32(vec2<u32>(vec2(b, a)).y)", |a, _, _| (a as u32) as f32;
    packed_signed: "f32(pack4x8snorm(vec4(a, b, c, a)) & 0xff00u)", |_, b, _| {
        f32::from(((0.5 + 127.0 * min(max(b, -1.0), 1.0)).floor() as i8).cast_unsigned()) * 256.0
    };
    packed_unsigned: "f32(pack2x16unorm(vec2(a, b)) >> 16u)", |_, b, _| (0.5 + 65535.0 * saturate(b)).floor();
    unpacked_signed: "unpack4x8snorm(bitcast<u32>(a)).z", |a, _, _| {
        let bits = if a.is_nan() { 0x7fc0_0000 } else { a.to_bits() };
        (f32::from(bits.to_le_bytes()[2].cast_signed()) / 127.0).max(-1.0)
    };
    unpacked_unsigned: "unpack2x16unorm(bitcast<u32>(a)).y", |a, _, _| {
        let bits = if a.is_nan() { 0x7fc0_0000 } else { a.to_bits() };
        (bits >> 16) as f32 / 65535.0
    };
}

/// Two ways to write the same.
#[track_caller]
fn same(function: &str, spelled: &str) {
    let Some(gpu) = gpu() else { return };
    let output = |body: &str| {
        let module = gpu::lowered(&shader(&format!("output[k] = {body};")), &Native::NONE);
        let pipeline = gpu.pipeline(&module, &MODES);
        inputs(4096)
            .into_iter()
            .map(move |input| gpu.run(&pipeline, &[input, vec![0; 4096]], 64).swap_remove(1))
    };
    for (found, wanted) in output(function).zip(output(spelled)) {
        let other = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
        assert_eq!(other, None, "{function} is another value than {spelled}");
    }
}

#[test]
fn functions_made_of_functions() {
    same("normalize(vec3(a, b, c)).y", "b * inverseSqrt(dot(vec3(a, b, c), vec3(a, b, c)))");
    same("normalize(vec2(a, b)).x", "a * inverseSqrt(a * a + b * b)");
    same("length(vec4(a, b, c, a))", "sqrt(((a * a + b * b) + c * c) + a * a)");
    same("exp(vec3(a, b, c)).z", "exp(c)");
    same("pow(vec2(a, b), vec2(c, 2.0)).y", "pow(b, 2.0)");
    same("(vec2(a, b) % vec2(b, c)).y", "b % c");
    same("ldexp(vec2(a, b), vec2(3, i32(c))).y", "ldexp(b, i32(c))");
    same("frexp(vec2(a, b)).fract.y", "frexp(b).fract");
    same("f32(frexp(vec2(a, b)).exp.y)", "f32(frexp(b).exp)");
    same("f32(pack2x16float(vec2(a, b)) & 0xffffu)", "f32(pack2x16float(vec2(a, 0.0)))");
    same("quantizeToF16(a)", "unpack2x16float(pack2x16float(vec2(a, b))).x");
}

#[test]
fn nothing_but_canonical_nans_is_stored() {
    let Some(gpu) = gpu() else { return };
    let wgsl = "struct Part { a: f32, v: vec2<f32>, m: mat2x2<f32>, n: array<f32, 2>, w: u32 }
        @group(0) @binding(0) var<storage> input: array<Part, 2>;
        @group(0) @binding(1) var<storage, read_write> output: array<Part, 2>;
        @group(0) @binding(2) var<storage, read_write> words: array<u32>;
        @compute @workgroup_size(1) fn main() {
            output[0] = input[0];
            output[1].v = input[1].v;
            output[1].n = input[1].n;
            output[1].m[1] = input[1].m[1];
            output[1].a = input[1].a;
            words[0] = bitcast<u32>(input[0].a);
            words[1] = bitcast<vec2<u32>>(input[0].v).y;
            words[2] = u32(bitcast<i32>(-input[0].a));
            words[3] = bitcast<u32>(input[0].n[0] * 0.0);
        }";
    let module = gpu::lowered(wgsl, &Native::NONE);
    let pipeline = gpu.pipeline(&module, &MODES);
    let nans: Vec<u32> = (0..24).map(|word| 0xffc0_0001 + word).collect();
    let left = gpu.run(&pipeline, &[nans, vec![0; 24], vec![0; 4]], 1);
    let nan = 0x7fc0_0000;
    // `w` is no float, and there is one word between `a` and `v`.
    let part = |w: u32, m0: u32| [nan, 0, nan, nan, m0, m0, nan, nan, nan, nan, w, 0];
    assert_eq!(left[1], [part(0xffc0_000b, nan), part(0, 0)].concat());
    assert_eq!(left[2], [nan; 4]);
}
