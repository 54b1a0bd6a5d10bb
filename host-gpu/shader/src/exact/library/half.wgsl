// Numbers of 16 bits (IEEE 754 binary16).

// Rounded to nearest, ties to even; 0x7e00 for NaN. The bits are the low ones.
fn fizz_f32_to_f16(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    let sign = (bits >> 16u) & 0x8000u;
    // A unit of the sum is a unit of a denormal half.
    let denormal = bitcast<u32>(bitcast<f32>(size) + 0.5) - 0x3f000000u;
    let normal = (size - 0x38000000u + 0xfffu + ((size >> 13u) & 1u)) >> 13u;
    let number = select(normal, denormal, size < 0x38800000u);
    let finite = select(number, 0x7c00u, size >= 0x47800000u);
    return select(finite | sign, 0x7e00u, size > 0x7f800000u);
}

fn fizz_f16_to_f32(h: u32) -> f32 {
    let size = h & 0x7fffu;
    let sign = (h & 0x8000u) << 16u;
    let normal = (size << 13u) + 0x38000000u;
    let denormal = bitcast<u32>(f32(bitcast<i32>(size)) * 5.9604644775390625e-8);
    let number = select(normal, denormal, size < 0x400u);
    let finite = select(number, 0x7f800000u, size >= 0x7c00u);
    return bitcast<f32>(select(finite | sign, 0x7fc00000u, size > 0x7c00u));
}
