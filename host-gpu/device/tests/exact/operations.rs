//! Operations against what the host computes, which is IEEE 754, bit for bit.

use crate::gpu::{self, MODES, gpu};
use fizz_shader::exact::Native;

/// Triples of normal numbers, of numbers about the smallest, and of special ones.
pub(crate) fn inputs(triples: usize) -> Vec<Vec<u32>> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as u32
    };
    let exponent =
        |word: u32, low: u32, count: u32| (word & 0x807f_ffff) | ((word >> 23) % count + low) << 23;
    let normal = (0..3 * triples).map(|_| exponent(random(), 96, 64)).collect();
    let tiny = (0..3 * triples)
        .map(|index| if index % 3 == 1 { exponent(random(), 120, 8) } else { exponent(random(), 0, 4) })
        .collect();
    let any = (0..3 * triples).map(|_| random()).collect();
    let special = (0..3 * triples).map(|_| SPECIAL[random() as usize % SPECIAL.len()]).collect();
    vec![normal, tiny, any, special]
}

const SPECIAL: [u32; 20] = [
    0,
    0x8000_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0001,
    0x7f80_0001,
    0x7f7f_ffff,
    0xff7f_ffff,
    1,
    0x807f_ffff,
    0x0080_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x7f00_0000,
    0x3400_0000,
    0x4049_0fdb,
    0x4f00_0000,
    0xcf00_0000,
    0x4f80_0000,
];

const TRIPLES: usize = 1 << 14;

/// A shader that computes `body`, a float made of the floats `a`, `b` and `c`.
pub(crate) fn shader(body: &str) -> String {
    format!(
        "@group(0) @binding(3) var<storage> input: array<f32>;
         @group(0) @binding(7) var<storage, read_write> output: array<f32>;
         @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
             let k = id.x;
             if k >= arrayLength(&output) {{ return; }}
             let a = input[3 * k];
             let b = input[3 * k + 1];
             let c = input[3 * k + 2];
             {body}
         }}"
    )
}

fn canonical(value: f32) -> u32 {
    if value.is_nan() { 0x7fc0_0000 } else { value.to_bits() }
}

/// Computes `body` on the adapter and compares with `expected`, with what is native of its own.
#[track_caller]
pub(crate) fn compare(body: &str, native: &Native, expected: impl Fn(f32, f32, f32) -> f32) {
    let Some(gpu) = gpu() else { return };
    let body = if body.contains("output[") { body.to_owned() } else { format!("output[k] = {body};") };
    let module = gpu::lowered(&shader(&body), native);
    let pipeline = gpu.pipeline(&module, &MODES);
    for input in inputs(TRIPLES) {
        let output = gpu.run(&pipeline, &[input.clone(), vec![0; TRIPLES]], TRIPLES as u32 / 64);
        for (triple, found) in input.chunks_exact(3).zip(&output[1]) {
            let [a, b, c] = [0, 1, 2].map(|index| f32::from_bits(triple[index]));
            let wanted = canonical(expected(a, b, c));
            assert_eq!(
                *found,
                wanted,
                "{body}: {a:e} {b:e} {c:e} ({triple:x?}) gives {:e}, not {:e}",
                f32::from_bits(*found),
                f32::from_bits(wanted)
            );
        }
    }
}

macro_rules! exact {
    ($($name:ident: $body:expr, |$a:pat_param, $b:pat_param, $c:pat_param| $expected:expr;)*) => {
        $(#[test] fn $name() { compare($body, &Native::NONE, |$a, $b, $c| $expected); })*
    };
}

exact! {
    add: "a + b", |a, b, _| a + b;
    subtract: "a - b", |a, b, _| a - b;
    multiply: "a * b", |a, b, _| a * b;
    unfused: "a * b + c", |a, b, c| a * b + c;
    unfused_on_demand: "fma(a, b, c)", |a, b, c| a * b + c;
    associated_as_written: "(a + b) - a", |a, b, _| (a + b) - a;
    associated_as_written_too: "a + b - b", |a, b, _| a + b - b;
    not_distributed: "a * b + a * c", |a, b, c| a * b + a * c;
    scaled_and_back: "a * 2.0 * 0.5", |a, _, _| a * 2.0 * 0.5;
    difference_of_equals: "a - a", |a, _, _| a - a;
    negated_difference: "-(a - b)", |a, b, _| -(a - b);
    times_zero: "a * 0.0", |a, _, _| a * 0.0;
    zero_times: "0.0 * a", |a, _, _| 0.0 * a;
    times_negative_zero: "a * -0.0", |a, _, _| a * -0.0;
    plus_zero: "a + 0.0", |a, _, _| a + 0.0;
    zero_minus: "0.0 - a", |a, _, _| 0.0 - a;
    zero_in_a_vector: "(vec3(a, b, c) * vec3(0.0, 1.0, 0.0)).x", |a, _, _| a * 0.0;
    zero_in_a_variable: "var z = 0.0; output[k] = z * a;", |a, _, _| 0.0 * a;
    zero_by_default: "var z: f32; z += a; output[k] = z;", |a, _, _| 0.0 + a;
    zero_of_an_array: "var z: array<f32, 4>; z[1] += a; output[k] = z[1];", |a, _, _| 0.0 + a;
    zero_of_a_large_array: "var z: array<f32, 200>; z[1] += a; output[k] = z[1];", |a, _, _| 0.0 + a;
    zero_of_an_integer: "var i = 0; output[k] = f32(i) * a;", |a, _, _| 0.0 * a;
    zero_by_cancelling: "var one = 1.0; one -= 1.0; output[k] = one * a;", |a, _, _| 0.0 * a;
    zero_of_bits: "var i = 0u; output[k] = bitcast<f32>(i) * a;", |a, _, _| 0.0 * a;
    zero_of_a_bool: "var yes = false; output[k] = f32(yes) * a;", |a, _, _| 0.0 * a;
    zero_by_rounding: "var half = 0.5; output[k] = floor(half) * a;", |a, _, _| 0.0 * a;
    zero_of_a_loop: "var s = a; for (var i = 0; i < 3; i++) { s += f32(i) * b; } output[k] = s;",
        |a, b, _| ((a + 0.0 * b) + 1.0 * b) + 2.0 * b;
    zero_of_a_constant: "const Z = vec2(0.0, 2.0); output[k] = (Z * a).x;", |a, _, _| 0.0 * a;
    negative_zero_of_an_integer: "f32(i32(clamp(a, -0.9, 0.9)))", |_, _, _| 0.0;
    smaller_selected: "select(c, b, a < b)", |a, b, c| if a < b { b } else { c };
    not_smaller_selected: "select(c, b, !(a < b))", |a, b, c| if a < b { c } else { b };
    not_equal: "select(c, b, a != a)", |a, b, c| if a.is_nan() { b } else { c };
    absolute: "abs(a)", |a, _, _| a.abs();
    negative: "-a", |a, _, _| -a;
    floor: "floor(a)", |a, _, _| a.floor();
    ceil: "ceil(a)", |a, _, _| a.ceil();
    trunc: "trunc(a)", |a, _, _| a.trunc();
    round: "round(a)", |a, _, _| a.round_ties_even();
    dot: "dot(vec3(a, b, c), vec3(b, c, a))", |a, b, c| (a * b + b * c) + c * a;
    unsigned_to_float: "f32(bitcast<u32>(a))", |a, _, _| f32::from_bits(canonical(a)).to_bits() as f32;
    signed_to_float: "f32(bitcast<i32>(a))", |a, _, _| (canonical(a).cast_signed()) as f32;
    bits_of_nan: "f32(bitcast<u32>(a * b) & 255u)", |a, b, _| (canonical(a * b) & 255) as f32;
}
