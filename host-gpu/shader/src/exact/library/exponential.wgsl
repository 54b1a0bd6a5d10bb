// Exponentials and logarithms.

// e^x · 2^k for k within [-1, 1]. The sum with 1.5 · 2^23 has the nearest whole number in its low bits; log(2) is a number of few bits, less a small one.
fn fizz_exp_by(x: f32, k: i32) -> f32 {
    let low = select(x, -106.0, x < -106.0);
    let near = select(low, 91.0, low > 91.0);
    let sum = near * 1.44269504 + 12582912.0;
    let n = sum - 12582912.0;
    let r = (near - n * 0.693359375) + n * 2.12194440e-4;
    let p = 0.49999994 + r * (0.166665211 + r * (0.041668389 + r * (0.00836872961 + r * 0.00138145708)));
    let power = 1.0 + (r + (r * r) * p);
    let result = fizz_scaled(power, bitcast<i32>(sum) - 0x4b400000i + k);
    return select(result, x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
}

fn fizz_exp(x: f32) -> f32 {
    return fizz_exp_by(x, 0i);
}

// 2^r for |r| <= 0.5.
fn fizz_exp2_part(r: f32) -> f32 {
    let high = 0.0555029735 + r * (0.00961803086 + r * (0.00134100008 + r * 0.000154697322));
    return 1.0 + r * (0.693147242 + r * (0.240226507 + r * high));
}

fn fizz_exp2(x: f32) -> f32 {
    let low = select(x, -152.0, x < -152.0);
    let near = select(low, 130.0, low > 130.0);
    let sum = near + 12582912.0;
    let power = fizz_exp2_part(near - (sum - 12582912.0));
    let result = fizz_scaled(power, bitcast<i32>(sum) - 0x4b400000i);
    return select(result, x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
}

// The bits of |x| as mantissa · 2^power: the mantissa is within [sqrt(1/2), sqrt(2)), and its excess over 1 exact.
fn fizz_log_excess(bits: u32) -> f32 {
    let above = fizz_normalized(bits) - 0x3f3504f3u;
    return bitcast<f32>((above & 0x7fffffu) + 0x3f3504f3u) - 1.0;
}

fn fizz_log_power(bits: u32) -> f32 {
    let above = bitcast<i32>(fizz_normalized(bits) - 0x3f3504f3u);
    return f32((above >> 23u) - select(0i, 149i, (bits & 0x7fffffffu) < 0x800000u));
}

// log(1 + f) − f + f² / 2 for 1 + f within [sqrt(1/2), sqrt(2)).
fn fizz_log_part(f: f32) -> f32 {
    let high = -0.166694835 + f * (0.142171174 + f * (-0.123774871 + f * (0.118887991 + f * (-0.118467353 + f * 0.0693729296))));
    let p = 0.333333135 + f * (-0.249999836 + f * (0.200021878 + f * high));
    return ((f * f) * f) * p;
}

// Logarithms of what is not a positive number below infinity.
fn fizz_log_special(x: f32, result: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    let above = select(result, x, bits >= 0x7f800000u);
    let below = select(above, bitcast<f32>(0x7fc00000u), bits > 0x80000000u);
    return select(below, bitcast<f32>(0xff800000u), size == 0u);
}

fn fizz_log(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let f = fizz_log_excess(bits);
    let k = fizz_log_power(bits);
    let low = (fizz_log_part(f) - k * 2.12194440e-4) - 0.5 * (f * f);
    return fizz_log_special(x, (f + low) + k * 0.693359375);
}

// The first 12 bits of a mantissa.
fn fizz_upper(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
}

fn fizz_log2(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let f = fizz_log_excess(bits);
    let square = 0.5 * (f * f);
    let high = fizz_upper(f - square);
    let low = ((f - high) - square) + fizz_log_part(f);
    // 1 / log(2) = 1.44287109 − 1.76052854e-4, the first of few bits.
    let part = low * 1.44287109375 - (low + high) * 1.76052854e-4;
    return fizz_log_special(x, (part + high * 1.44287109375) + fizz_log_power(bits));
}

// 2^(y · log2(x)), with log2(x) and the product as sums of two numbers.
fn fizz_pow(x: f32, y: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    let f = fizz_log_excess(bits);
    let k = fizz_log_power(bits);
    let whole = f * f;
    let f_high = fizz_upper(f);
    let f_low = f - f_high;
    let whole_rest = ((f_high * f_high - whole) + (f_high + f_high) * f_low) + f_low * f_low;
    let square = 0.5 * whole;
    let high = fizz_upper(f - square);
    let low = ((f - high) - square) + (fizz_log_part(f) - 0.5 * whole_rest);
    let product = high * 1.44287109375;
    let sum = k + product;
    let rest = (product - (sum - k)) + (low * 1.44287109375 - (low + high) * 1.76052854e-4);
    let log = sum + rest;
    let log_rest = (sum - log) + rest;
    // y · (log + log_rest), the first product exactly.
    let y_high = fizz_upper(y);
    let y_low = y - y_high;
    let log_high = fizz_upper(log);
    let log_low = log - log_high;
    let power = y * log;
    let missing = (((y_high * log_high - power) + y_high * log_low) + y_low * log_high) + y_low * log_low;
    let far = abs(power) >= 160.0;
    let bound = select(power, select(-160.0, 160.0, power > 0.0), far);
    let n = bound + 12582912.0;
    let part = (bound - (n - 12582912.0)) + select(missing + y * log_rest, 0.0, far);
    let result = fizz_scaled(fizz_exp2_part(part), bitcast<i32>(n) - 0x4b400000i);
    // Of 0 and of infinity.
    let grows = (size == 0u) == (y < 0.0);
    let end = select(result, bitcast<f32>(select(0u, 0x7f800000u, grows)), (size == 0u) | (size == 0x7f800000u));
    let one = select(end, 1.0, (y == 0.0) | (x == 1.0));
    let none = (size > 0x7f800000u) | ((bitcast<u32>(y) & 0x7fffffffu) > 0x7f800000u) | (bits > 0x80000000u);
    return select(one, bitcast<f32>(0x7fc00000u), none);
}
