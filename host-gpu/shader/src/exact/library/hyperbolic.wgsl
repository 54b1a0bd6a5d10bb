// Hyperbolic functions and their inverses.

fn fizz_with_sign(size: f32, sign: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(size) | (bitcast<u32>(sign) & 0x80000000u));
}

fn fizz_sinh(x: f32) -> f32 {
    let size = abs(x);
    let z = x * x;
    let small = size + (size * z) * (0.166666672 + z * (0.00833335053 + z * (0.000198358714 + z * 2.81902908e-6)));
    let large = fizz_exp_by(size, -1i) - fizz_exp_by(-size, -1i);
    return fizz_with_sign(select(large, small, size < 1.0), x);
}

fn fizz_cosh(x: f32) -> f32 {
    let size = abs(x);
    return fizz_exp_by(size, -1i) + fizz_exp_by(-size, -1i);
}

// 1 − 2 / (e^(2 |x|) + 1), with x's sign.
fn fizz_tanh(x: f32) -> f32 {
    let size = abs(x);
    let z = x * x;
    let high = -0.0539474599 + z * (0.0217002444 + z * (-0.00816887058 + z * 0.00213030865));
    let small = size + (size * z) * (-0.333333313 + z * (0.133332208 + z * high));
    let large = 1.0 - fizz_div(2.0, fizz_exp_by(size + size, 0i) + 1.0);
    return fizz_with_sign(select(large, small, size < 0.625), x);
}

// log(x + sqrt(x² + 1)).
fn fizz_asinh(x: f32) -> f32 {
    let size = abs(x);
    let z = x * x;
    let high = -0.0446136743 + z * (0.0300077405 + z * (-0.0199361574 + z * 0.00908099208));
    let small = size + (size * z) * (-0.166666657 + z * (0.0749989897 + z * high));
    let huge = size >= 16384.0;
    let log = fizz_log(select(size + fizz_sqrt(z + 1.0), size, huge));
    let large = select(log, log + 0.693147182, huge);
    return fizz_with_sign(select(large, small, size < 0.5), x);
}

// log(1 + (t + sqrt(t² + 2 t))) for t = x − 1, and what the sum with 1 loses.
fn fizz_acosh(x: f32) -> f32 {
    let t = x - 1.0;
    let above = t + fizz_sqrt(t * (x + 1.0));
    let sum = 1.0 + above;
    let lost = above - (sum - 1.0);
    let huge = x >= 16384.0;
    let log = fizz_log(select(sum, x, huge));
    let near = log + fizz_div(lost, sum);
    let result = select(near, log + 0.693147182, huge);
    return select(result, bitcast<f32>(0x7fc00000u), x < 1.0);
}

// log((1 + x) / (1 − x)) / 2.
fn fizz_atanh(x: f32) -> f32 {
    let size = abs(x);
    let z = x * x;
    let high = 0.14293991 + z * (0.109718919 + z * (0.102819808 + z * (0.0238545053 + z * 0.177394837)));
    let small = size + (size * z) * (0.333333343 + z * (0.199997827 + z * high));
    let large = 0.5 * fizz_log(fizz_div(1.0 + size, 1.0 - size));
    return fizz_with_sign(select(large, small, size < 0.5), x);
}
