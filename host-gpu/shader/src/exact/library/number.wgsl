// Functions of a number's parts.

// The other one of a NaN; of zeros, −0 is the smaller.
fn fizz_min(a: f32, b: f32) -> f32 {
    let left = bitcast<u32>(a);
    let right = bitcast<u32>(b);
    let smaller = select(b, a, a < b);
    let same = select(smaller, bitcast<f32>(left | right), a == b);
    return select(same, a, (right & 0x7fffffffu) > 0x7f800000u);
}

fn fizz_max(a: f32, b: f32) -> f32 {
    let left = bitcast<u32>(a);
    let right = bitcast<u32>(b);
    let larger = select(b, a, a > b);
    let same = select(larger, bitcast<f32>(left & right), a == b);
    return select(same, a, (right & 0x7fffffffu) > 0x7f800000u);
}

fn fizz_fract(x: f32) -> f32 {
    return x - floor(x);
}

// Zeros and NaN are their own sign.
fn fizz_sign(x: f32) -> f32 {
    return select(select(x, -1.0, x < 0.0), 1.0, x > 0.0);
}

// To the nearest whole number, ties to even; −0 where that is 0 and x negative.
fn fizz_round(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bitcast<f32>(bits & 0x7fffffffu);
    let rounded = (size + 8388608.0) - 8388608.0;
    let whole = select(rounded, size, size >= 8388608.0);
    return bitcast<f32>(bitcast<u32>(whole) | (bits & 0x80000000u));
}

// Truncated and saturated; 0 for NaN.
fn fizz_f32_to_i32(x: f32) -> i32 {
    let inside = (x >= -2147483648.0) & (x < 2147483648.0);
    let whole = i32(select(0.0, x, inside));
    let low = select(whole, -2147483647i - 1i, x < -2147483648.0);
    return select(low, 2147483647i, x >= 2147483648.0);
}

fn fizz_f32_to_u32(x: f32) -> u32 {
    let inside = (x >= 0.0) & (x < 4294967296.0);
    let whole = u32(select(0.0, x, inside));
    return select(whole, 0xffffffffu, x >= 4294967296.0);
}

// The bits of |x| times a power of two, for which its exponent is that of a normal number; of 0, something.
fn fizz_normalized(bits: u32) -> u32 {
    let size = bits & 0x7fffffffu;
    return select(size, bitcast<u32>(f32(bitcast<i32>(size))), size < 0x800000u);
}

// The exponent of |x| + 127 as if denormals had one, too.
fn fizz_exponent(bits: u32) -> i32 {
    let size = bits & 0x7fffffffu;
    let number = fizz_normalized(bits);
    return i32(number >> 23u) - select(0i, 149i, size < 0x800000u);
}

// x · 2^n for |x| within [0.5, 2] and n within [-200, 200]. The first product is exact, so that it is rounded once.
fn fizz_scaled(x: f32, n: i32) -> f32 {
    let half = n >> 1u;
    let first = bitcast<f32>(u32(half + 127i) << 23u);
    let second = bitcast<f32>(u32(n - half + 127i) << 23u);
    return (x * first) * second;
}

// x · 2^e, rounded once.
fn fizz_ldexp(x: f32, e: i32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    let mantissa = (fizz_normalized(bits) & 0x7fffffu) | 0x3f800000u;
    let number = bitcast<f32>(mantissa | (bits & 0x80000000u));
    let power = fizz_exponent(bits) - 127i + clamp(e, -400i, 400i);
    let result = fizz_scaled(number, clamp(power, -200i, 200i));
    return select(result, x, (size == 0u) | (size >= 0x7f800000u));
}

// The fraction within [0.5, 1) of x = fraction · 2^exponent; 0, infinity and NaN are their own, with exponent 0.
fn fizz_frexp_fract(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    let fraction = (fizz_normalized(bits) & 0x7fffffu) | 0x3f000000u | (bits & 0x80000000u);
    return select(bitcast<f32>(fraction), x, (size == 0u) | (size >= 0x7f800000u));
}

fn fizz_frexp_exp(x: f32) -> i32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    return select(fizz_exponent(bits) - 126i, 0i, (size == 0u) | (size >= 0x7f800000u));
}
