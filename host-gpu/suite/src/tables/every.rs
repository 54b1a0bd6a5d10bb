//! All 2^32 inputs of what takes one number, on a device and on the reference device.
//!
//! Each invocation computes some inputs in a row and makes one word of all results. One step of that maps a word one to one, so that a single result that differs
//! always shows, and several hide each other once in 2^32 times. Where words differ, their inputs are computed one by one.

use super::gpu::{Compiled, Gpu, INVOCATIONS, ROW, lowered};
use super::table::{FUNCTIONS, Takes};
use fizz_shader::exact::Native;
use std::time::Instant;

/// Inputs of an invocation.
const TURNS: u32 = 64;
/// Rows of workgroups of a dispatch, and its words and inputs.
const ROWS: u32 = 4;
const WORDS: u32 = ROWS * ROW * INVOCATIONS as u32;
const INPUTS: u32 = WORDS * TURNS;
/// Dispatches for all inputs.
const DISPATCHES: u32 = ((1_u64 << 32) / INPUTS as u64) as u32;

/// Operations of one number that stand in the table with more, or not at all.
const MORE: [(&str, &str); 17] = [
    ("reciprocal", "bitcast<u32>(1.0 / a)"),
    ("third", "bitcast<u32>(a / 3.0)"),
    ("abs", "bitcast<u32>(abs(a))"),
    ("negate", "bitcast<u32>(-a)"),
    ("floor", "bitcast<u32>(floor(a))"),
    ("ceil", "bitcast<u32>(ceil(a))"),
    ("trunc", "bitcast<u32>(trunc(a))"),
    ("saturate", "bitcast<u32>(saturate(a))"),
    ("degrees", "bitcast<u32>(degrees(a))"),
    ("radians", "bitcast<u32>(radians(a))"),
    ("i32_to_f32", "bitcast<u32>(f32(bitcast<i32>(x)))"),
    ("u32_to_f32", "bitcast<u32>(f32(x))"),
    ("quantize_to_f16", "bitcast<u32>(quantizeToF16(a))"),
    ("to_snorm8", "pack4x8snorm(vec4(a, 0.0, 0.0, 0.0))"),
    ("to_unorm8", "pack4x8unorm(vec4(a, 0.0, 0.0, 0.0))"),
    ("to_snorm16", "pack2x16snorm(vec2(a, 0.0))"),
    ("to_unorm16", "pack2x16unorm(vec2(a, 0.0))"),
];

/// Everything of one number: names, and what a shader writes.
pub fn functions() -> Vec<(&'static str, &'static str)> {
    let table = FUNCTIONS.iter().filter(|function| function.takes == Takes::One);
    let name = |name: &'static str| name.strip_prefix("fizz_").unwrap_or(name);
    table.map(|function| (name(function.name), function.wgsl)).chain(MORE).collect()
}

/// The first input whose result differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The input's bits; the first of [a run](self) if none of its inputs differs when it is computed alone.
    pub input: u32,
    /// What the device gives for it alone.
    pub device: u32,
    /// What the reference device gives.
    pub reference: u32,
}

/// What was found of a function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Every {
    /// Inputs that were computed.
    pub inputs: u64,
    /// The first that differs.
    pub difference: Option<Difference>,
    /// Seconds that the device took.
    pub device_seconds: f64,
    /// Seconds that the reference device took.
    pub reference_seconds: f64,
}

/// Computes an expression of the float `a`, and of its bits `x`, for all inputs, on a device that does itself what `native` says, and on the reference device. It
/// ends with the first dispatch that differs.
pub fn every(device: &Gpu, native: &Native, reference: &Gpu, expression: &str) -> Every {
    run(device, native, reference, [expression; 2], 0..DISPATCHES)
}

/// The same of some dispatches, and of an expression for each device.
fn run(
    device: &Gpu,
    native: &Native,
    reference: &Gpu,
    expressions: [&str; 2],
    dispatches: std::ops::Range<u32>,
) -> Every {
    let natives = [native, &Native::REFERENCE];
    let gpus = [device, reference];
    let compiled: [Compiled; 2] =
        [0, 1].map(|one| gpus[one].compile(&lowered(&digests(expressions[one]), natives[one])));
    let mut seconds = [0.0; 2];
    let mut inputs = 0;
    let mut difference = None;
    for dispatch in dispatches {
        let first = dispatch * INPUTS;
        let [there, here] = [0, 1].map(|one| {
            let start = Instant::now();
            let words = gpus[one].run(&compiled[one], &first.to_le_bytes(), WORDS, [ROW, ROWS]);
            seconds[one] += start.elapsed().as_secs_f64();
            words
        });
        inputs += u64::from(INPUTS);
        if let Some(place) = there.iter().zip(&here).position(|(there, here)| there != here) {
            let first = first + place as u32 * TURNS;
            let [there, here] = [0, 1].map(|one| alone(gpus[one], natives[one], expressions[one], first));
            let place = there.iter().zip(&here).position(|(there, here)| there != here).unwrap_or(0);
            let input = first + place as u32;
            difference = Some(Difference { input, device: there[place], reference: here[place] });
            break;
        }
    }
    let [device_seconds, reference_seconds] = seconds;
    Every { inputs, difference, device_seconds, reference_seconds }
}

/// What computes [`TURNS`] inputs in each invocation, and one word of them.
fn digests(expression: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage> first: u32;
         @group(0) @binding(1) var<storage, read_write> output: array<u32>;
         @compute @workgroup_size({INVOCATIONS}) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
             let k = id.x + id.y * {}u;
             var digest = 0u;
             for (var turn = 0u; turn < {TURNS}u; turn++) {{
                 let x = first + k * {TURNS}u + turn;
                 let a = bitcast<f32>(x);
                 digest = (digest ^ ({expression})) * 0x9e3779b1u;
                 digest ^= digest >> 15u;
             }}
             output[k] = digest;
         }}",
        ROW * INVOCATIONS as u32
    )
}

/// The results of a run of inputs, one by one.
fn alone(gpu: &Gpu, native: &Native, expression: &str, first: u32) -> Vec<u32> {
    // A dispatch has at least one row.
    let inputs: Vec<[u32; 2]> =
        (0..ROW * INVOCATIONS as u32).map(|index| [first + index % TURNS, 0]).collect();
    let mut found = gpu.compute(expression, native, &inputs);
    found.truncate(TURNS as usize);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_result_that_differs_is_found_with_its_input() {
        let reference = Gpu::reference(2).unwrap();
        let right = "bitcast<u32>(a + 1.0)";
        for input in [0, 0x00ff_ffff, 0x0012_3456] {
            let wrong = format!("({right} ^ select(0u, 1u, x == {input}u))");
            let found = run(&reference, &Native::REFERENCE, &reference, [&wrong, right], 0..1);
            let difference = found.difference.unwrap();
            assert_eq!((difference.input, difference.device ^ difference.reference), (input, 1));
        }
        let found = run(&reference, &Native::REFERENCE, &reference, [right; 2], 255..256);
        assert_eq!((found.difference, found.inputs), (None, u64::from(INPUTS)));
    }

    #[test]
    fn every_function_of_one_number_has_a_name_of_its_own_and_is_lowered() {
        let mut names: Vec<_> = functions().into_iter().map(|(name, _)| name).collect();
        for (_, wgsl) in functions() {
            lowered(&digests(wgsl), &Native::NONE);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), count), (count, 26 + MORE.len()));
    }
}
