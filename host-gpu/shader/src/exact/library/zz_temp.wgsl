fn zz_nan(a: f32) -> bool { return (bitcast<u32>(a) & 0x7fffffffu) > 0x7f800000u; }
fn fizz_div(a: f32, b: f32) -> f32 { return a * b; }
fn fizz_rem(a: f32, b: f32) -> f32 { return a - b * trunc(fizz_div(a, b)); }
fn fizz_min(a: f32, b: f32) -> f32 {
    let m = select(select(b, a, a < b), a, zz_nan(b));
    return select(m, bitcast<f32>(bitcast<u32>(a) | bitcast<u32>(b)), a == b);
}
fn fizz_max(a: f32, b: f32) -> f32 {
    let m = select(select(b, a, a > b), a, zz_nan(b));
    return select(m, bitcast<f32>(bitcast<u32>(a) & bitcast<u32>(b)), a == b);
}
fn fizz_f32_to_f16(x: f32) -> u32 { return u32(x); }
fn fizz_f16_to_f32(x: u32) -> f32 { return f32(x); }
fn fizz_f32_to_i32(x: f32) -> i32 {
    let inside = i32(select(0.0, x, abs(x) < 2147483648.0));
    let y = select(inside, 0x7fffffff, x >= 2147483648.0);
    return select(y, i32(-0x7fffffff - 1), x <= -2147483648.0);
}
fn fizz_f32_to_u32(x: f32) -> u32 {
    let inside = u32(select(0.0, x, (x > 0.0) & (x < 4294967296.0)));
    return select(inside, 0xffffffffu, x >= 4294967296.0);
}
fn fizz_sqrt(x: f32) -> f32 { return x; }
fn fizz_exp(x: f32) -> f32 { return x; }
fn fizz_exp2(x: f32) -> f32 { return x; }
fn fizz_log(x: f32) -> f32 { return x; }
fn fizz_log2(x: f32) -> f32 { return x; }
fn fizz_sin(x: f32) -> f32 { return x; }
fn fizz_cos(x: f32) -> f32 { return x; }
fn fizz_tan(x: f32) -> f32 { return x; }
fn fizz_asin(x: f32) -> f32 { return x; }
fn fizz_acos(x: f32) -> f32 { return x; }
fn fizz_atan(x: f32) -> f32 { return x; }
fn fizz_sinh(x: f32) -> f32 { return x; }
fn fizz_cosh(x: f32) -> f32 { return x; }
fn fizz_tanh(x: f32) -> f32 { return x; }
fn fizz_asinh(x: f32) -> f32 { return x; }
fn fizz_acosh(x: f32) -> f32 { return x; }
fn fizz_atanh(x: f32) -> f32 { return x; }
fn fizz_inverse_sqrt(x: f32) -> f32 { return fizz_div(1.0, fizz_sqrt(x)); }
fn fizz_pow(x: f32, y: f32) -> f32 { return x * y; }
fn fizz_atan2(x: f32, y: f32) -> f32 { return x * y; }
fn fizz_fract(x: f32) -> f32 { return x - floor(x); }
fn fizz_sign(x: f32) -> f32 { return select(select(0.0, -1.0, x < 0.0), 1.0, x > 0.0); }
fn fizz_ldexp(x: f32, e: i32) -> f32 { return x * f32(e); }
fn fizz_frexp_fract(x: f32) -> f32 { return x; }
fn fizz_frexp_exp(x: f32) -> i32 { return i32(bitcast<u32>(x) >> 23u); }
