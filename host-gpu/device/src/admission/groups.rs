//! What the probe computes: fixed inputs, and the operations in groups, so that a refusal can say which of them differs.

/// Operations that are computed together.
pub(super) struct Group {
    /// As it stands in a refusal.
    pub(super) name: &'static str,
    /// Expressions of the floats `x`, `y` and `z`, of their bits `a`, `b` and `c`, and of `i`, the number of the invocation. Each
    /// gives a `u32`.
    pub(super) expressions: &'static [&'static str],
}

const fn group(name: &'static str, expressions: &'static [&'static str]) -> Group {
    Group { name, expressions }
}

/// What a compiler changes where it may: each would give other bits if a product were fused with a sum, if sums were
/// done in another order, if subnormals were flushed, or if the rules of real numbers were applied. A model of it on the host shows that.
pub(super) const CONTROLS: [Group; 4] = [
    group("contraction", &["bits(x * y + z)", "bits(z - x * y)", "bits(x * y - z)"]),
    group("order of sums", &["bits((x + y) - x)", "bits((x + y) + z)", "bits(x + (y + z))"]),
    group("subnormal numbers", &["bits(x * 0.5)", "bits(x + y)", "bits(x * y)"]),
    group(
        "rules of real numbers",
        &["bits(x - x)", "bits(x * 0.0)", "bits(x + 0.0)", "bits(0.0 - x)", "bits(-x)"],
    ),
];

/// Everything else that shaders can do.
pub(super) const GROUPS: [Group; 15] = [
    group("sums and products", &["bits(x + y)", "bits(x - y)", "bits(x * y)", "bits(fma(x, y, z))"]),
    group("division", &["bits(x / y)", "bits(1.0 / x)", "bits(x % y)"]),
    // Compilers know that a root is not negative, and some forget that it may be -0.
    group(
        "roots",
        &["bits(sqrt(x))", "bits(inverseSqrt(x))", "bits(abs(sqrt(x)))", "bits(sqrt(vec2(x, y)).y)"],
    ),
    group(
        "exponentials",
        &["bits(exp(x))", "bits(exp2(x))", "bits(log(x))", "bits(log2(x))", "bits(pow(x, y))"],
    ),
    group("circular functions", &["bits(sin(x))", "bits(cos(x))", "bits(tan(x))"]),
    group("arcus functions", &["bits(asin(x))", "bits(acos(x))", "bits(atan(x))", "bits(atan2(x, y))"]),
    group("hyperbolic functions", &["bits(sinh(x))", "bits(cosh(x))", "bits(tanh(x))"]),
    group("area functions", &["bits(asinh(x))", "bits(acosh(x))", "bits(atanh(x))"]),
    group(
        "rounding and signs",
        &[
            "bits(floor(x))",
            "bits(ceil(x))",
            "bits(trunc(x))",
            "bits(round(x))",
            "bits(fract(x))",
            "bits(sign(x))",
            "bits(abs(x))",
        ],
    ),
    group(
        "choices",
        &[
            "bits(min(x, y))",
            "bits(max(x, y))",
            "bits(clamp(x, min(y, z), max(y, z)))",
            "bits(select(x, y, x < y))",
            "u32(x < y) | u32(x <= y) << 1u | u32(x == y) << 2u | u32(x != y) << 3u",
            "bits(step(x, y))",
            "bits(saturate(x))",
        ],
    ),
    group(
        "vectors",
        &[
            "bits(dot(vec3(x, y, z), vec3(z, x, y)))",
            "bits(length(vec2(x, y)))",
            "bits(distance(vec3(x, y, z), vec3(y, z, x)))",
            "bits(normalize(vec3(x, y, z)).y)",
            "bits(cross(vec3(x, y, z), vec3(z, x, y)).z)",
            "bits((mat2x2(x, y, z, x) * vec2(y, z)).y)",
            "bits(mix(x, y, z))",
            "bits(smoothstep(x, y, z))",
        ],
    ),
    group(
        "conversions",
        &[
            "bitcast<u32>(i32(x))",
            "u32(x)",
            "bits(f32(bitcast<i32>(a)))",
            "bits(f32(a))",
            "pack4x8unorm(vec4(x, y, z, x))",
            "pack4x8snorm(vec4(x, y, z, x))",
            "pack2x16float(vec2(x, y))",
            "bits(unpack2x16float(a).x)",
            "bits(unpack4x8snorm(a).w)",
            "bits(quantizeToF16(x))",
        ],
    ),
    group(
        "parts of floats",
        &[
            "bits(ldexp(x, clamp(bitcast<i32>(b), -400, 400)))",
            "bits(frexp(x).fract)",
            "bitcast<u32>(frexp(x).exp)",
            "bits(modf(x).fract)",
        ],
    ),
    group(
        "integers",
        &[
            "a / b",
            "a % b",
            "bitcast<u32>(bitcast<i32>(a) / bitcast<i32>(b))",
            "bitcast<u32>(bitcast<i32>(a) % bitcast<i32>(b))",
            "a << (b & 31u)",
            "a >> (b & 31u)",
            "bitcast<u32>(bitcast<i32>(a) >> (b & 31u))",
            "a << b",
            "countOneBits(a) ^ firstLeadingBit(b) ^ firstTrailingBit(c)",
            "extractBits(a, b, c) ^ insertBits(a, b, c, i)",
            "reverseBits(a) ^ dot4U8Packed(a, b)",
        ],
    ),
    group("bounds", &["input[a]", "input[i * 3u]", "private_words[b]"]),
];

/// A shader that computes a group: `N` invocations, one result of each expression each.
pub(super) fn shader(group: &Group, invocations: usize) -> String {
    let mut text = String::from(
        "@group(0) @binding(0) var<storage> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
fn bits(x: f32) -> u32 { return bitcast<u32>(x); }
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x;
    var private_words = array(i, i * 3u, i * 5u, i * 7u);
    let a = input[3u * i];
    let b = input[3u * i + 1u];
    let c = input[3u * i + 2u];
    let x = bitcast<f32>(a);
    let y = bitcast<f32>(b);
    let z = bitcast<f32>(c);
",
    );
    for (place, expression) in group.expressions.iter().enumerate() {
        text += &format!("    output[{}u + i] = {expression};\n", place * invocations);
    }
    text + "}\n"
}

/// Floats at which something changes, as bits.
const SPECIAL: [u32; 40] = [
    0x0000_0000, // 0
    0x8000_0000, // -0
    0x0000_0001, // The smallest subnormal.
    0x8000_0001,
    0x007f_ffff, // The largest subnormal.
    0x0040_0003,
    0x8012_3457,
    0x0080_0000, // The smallest normal.
    0x8080_0001,
    0x0100_0001,
    0x3f80_0000, // 1
    0xbf80_0000,
    0x3f80_0001,
    0x3f7f_ffff,
    0x3f80_0800, // 1 + 2^-12, whose square needs more bits than there are.
    0xbf80_1000, // -(1 + 2^-11), which that square rounds to.
    0x3f00_0000, // 0.5, 1.5, 2.5: halfway.
    0x3fc0_0000,
    0xc020_0000,
    0x4b00_0001, // 2^23 + 1
    0x4b80_0001, // 2^24 + 2
    0x3380_0000, // 2^-24, half of what 1 can feel.
    0x3380_0001,
    0xb400_0000,
    0x4049_0fdb, // pi
    0x402d_f854, // e
    0xc2b0_0000, // -88
    0x42b1_7218, // The end of exp.
    0x42fe_0000, // 127
    0xc316_0000, // -150
    0x477f_e000, // 65504, the largest half, and what is halfway behind it.
    0x477f_f000,
    0x3880_0001, // About the smallest normal half.
    0x4f00_0000, // 2^31
    0xcf00_0001,
    0x4f7f_ffff, // Below 2^32.
    0x7f7f_ffff, // The largest.
    0x7f80_0000, // Infinity.
    0xff80_0000,
    0x7fc1_2345, // A NaN.
];

/// Triples of inputs: special ones with each other, and of all sizes.
pub(super) fn inputs(invocations: usize) -> Vec<u32> {
    let mut state = 0x1234_5678_u32;
    // Numerical Recipes' generator, whose high bits are good enough here.
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state ^ (state >> 15)
    };
    let count = SPECIAL.len();
    let mut words = Vec::with_capacity(3 * invocations);
    for index in 0..invocations {
        let (one, other) = (SPECIAL[index % count], SPECIAL[index / count % count]);
        let mut word = |special: u32, number: u32| match number % 4 {
            0 | 1 => special,
            // Of a size that sums with the others feel.
            2 => 0x3f00_0000 | (random() & 0x80ff_ffff),
            _ => random(),
        };
        let kind = (index / (count * count / 2)) as u32;
        words.extend([
            word(one, kind),
            word(other, kind),
            word(SPECIAL[(index * 7 + 14) % count], kind + index as u32),
        ]);
    }
    words
}
