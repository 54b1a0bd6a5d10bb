// Numbers of few bits. Written with what is exact, and functions of the library.

// 8 bits, two's complement: floor(0.5 + 127 x) for x within [-1, 1]; what is no number counts as -1.
fn fizz_to_snorm8(x: f32) -> u32 {
    return u32(i32(floor(0.5 + 127.0 * fizz_min(fizz_max(x, -1.0), 1.0)))) & 0xffu;
}

// 8 bits: floor(0.5 + 255 x) for x within [0, 1]; what is no number counts as 0.
fn fizz_to_unorm8(x: f32) -> u32 {
    return u32(floor(0.5 + 255.0 * fizz_min(fizz_max(x, 0.0), 1.0)));
}

fn fizz_to_snorm16(x: f32) -> u32 {
    return u32(i32(floor(0.5 + 32767.0 * fizz_min(fizz_max(x, -1.0), 1.0)))) & 0xffffu;
}

fn fizz_to_unorm16(x: f32) -> u32 {
    return u32(floor(0.5 + 65535.0 * fizz_min(fizz_max(x, 0.0), 1.0)));
}

// bits / 127, at least -1.
fn fizz_from_snorm8(bits: u32) -> f32 {
    return max_of(fizz_div(f32(bitcast<i32>(bits << 24u) >> 24u), 127.0), -1.0);
}

fn fizz_from_unorm8(bits: u32) -> f32 {
    return fizz_div(f32(bits), 255.0);
}

fn fizz_from_snorm16(bits: u32) -> f32 {
    return max_of(fizz_div(f32(bitcast<i32>(bits << 16u) >> 16u), 32767.0), -1.0);
}

fn fizz_from_unorm16(bits: u32) -> f32 {
    return fizz_div(f32(bits), 65535.0);
}

fn fizz_quantize_to_f16(x: f32) -> f32 {
    return fizz_f16_to_f32(fizz_f32_to_f16(x));
}

// Of two numbers that are numbers.
fn max_of(a: f32, b: f32) -> f32 {
    return select(b, a, a > b);
}
