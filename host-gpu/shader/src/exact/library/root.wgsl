// Square roots.

// 1 / sqrt(f) for f within [1, 4), to 6.6e-4 of it: a line through the bits, and a step of Newton's with constants for it (Jan Kadlec, "Improving the fast
// inverse square root", 2010).
fn fizz_root_seed(f: f32) -> f32 {
    let seed = bitcast<f32>(0x5f1ffff9u - (bitcast<u32>(f) >> 1u));
    return seed * (0.703952253 * (2.38924456 - f * (seed * seed)));
}

// Correctly rounded. The estimate is low; what it lacks is known exactly from the low 32 bits of the square.
fn fizz_sqrt(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let denormal = bits < 0x800000u;
    let number = select(bits, bitcast<u32>(f32(bitcast<i32>(bits))), denormal);
    let power = (number >> 23u) - select(0u, 149u, denormal);
    let odd = power & 1u;
    let mantissa = number & 0x7fffffu;
    let f = bitcast<f32>((mantissa | 0x40000000u) - (odd << 23u));
    let seed = fizz_root_seed(f);
    // 1.5, less what rounding could make too much.
    let inverse = seed * (1.49999952 - (0.5 * f) * (seed * seed));
    let low = bitcast<u32>(i32((f * inverse) * 8388608.0));
    // Of (2^23 + mantissa) · 2^(24 − odd), the low bits.
    let square = mantissa << (24u - odd);
    let lack = bitcast<i32>(square - low * low);
    let near = low + bitcast<u32>(i32(f32(lack) * (inverse * 5.9604644775390625e-8) + 0.499));
    // More than near, and near + 1 is nearer.
    let rest = bitcast<i32>(square - near * near);
    let root = near + select(0u, 1u, rest > bitcast<i32>(near));
    let result = bitcast<f32>((((power + 125u) >> 1u) << 23u) + root);
    let positive = select(result, x, bits >= 0x7f800000u);
    let number_or_none = select(positive, bitcast<f32>(0x7fc00000u), bits > 0x80000000u);
    return select(number_or_none, x, (bits << 1u) == 0u);
}

// Within 2 units of the last place.
fn fizz_inverse_sqrt(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let denormal = bits < 0x800000u;
    let number = select(bits, bitcast<u32>(f32(bitcast<i32>(bits))), denormal);
    let power = i32(number >> 23u) - select(0i, 149i, denormal);
    let odd = u32(power) & 1u;
    let f = bitcast<f32>(((number & 0x7fffffu) | 0x40000000u) - (odd << 23u));
    let seed = fizz_root_seed(f);
    let half = 0.5 * f;
    let near = seed * (1.5 - half * (seed * seed));
    let inverse = near + near * (0.5 - (half * near) * near);
    // 2^-floor((power - 127) / 2).
    let scale = bitcast<f32>(u32(127i - ((power - 127i) >> 1u)) << 23u);
    let result = inverse * scale;
    let zero = bitcast<f32>(0x7f800000u | (bits & 0x80000000u));
    let infinite = select(result, 0.0, bits == 0x7f800000u);
    let special = select(infinite, bitcast<f32>(0x7fc00000u), bits > 0x7f800000u);
    return select(special, zero, (bits << 1u) == 0u);
}
