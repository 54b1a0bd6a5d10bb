// Inverses of sine, cosine, tangent. Polynomials: best in relative error for the interval (Remez' method), then rounded; atan to 2^-30 on [0, 1], asin to 2^-30 on [0, 1/2].
// pi/2 = 1.57079637 − 4.37113883e-8, pi = 3.14159274 − 8.74227766e-8. Within 3 units of the last place.

// atan(x) for x within [0, 1].
fn fizz_atan_part(x: f32) -> f32 {
    let square = x * x;
    let high = 0.110616423 + square * (-0.0881845653 + square * (0.0674751401 + square * (-0.0446393117 + square * (0.0223965254
        + square * (-0.0072086961 + square * 0.00108449277)))));
    let part = -0.333333284 + square * (0.199997514 + square * (-0.142806053 + square * high));
    return x + (x * square) * part;
}

// A NaN is itself; zeros are their own, too.
fn fizz_atan(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bitcast<f32>(bits & 0x7fffffffu);
    let far = size > 1.0;
    let angle = fizz_atan_part(fizz_div(select(size, 1.0, far), select(1.0, size, far)));
    let other = 1.57079637 - (angle + 4.37113883e-8);
    return bitcast<f32>(bitcast<u32>(select(angle, other, far)) | (bits & 0x80000000u));
}

// The angle of the point (x, y), by signs of zeros and with infinity as IEEE 754 has it. NaN if one of them is.
fn fizz_atan2(y: f32, x: f32) -> f32 {
    let x_bits = bitcast<u32>(x);
    let y_bits = bitcast<u32>(y);
    let x_size = x_bits & 0x7fffffffu;
    let y_size = y_bits & 0x7fffffffu;
    // Sizes are in the order of their bits.
    let steep = y_size > x_size;
    let small = min(x_size, y_size);
    let large = max(x_size, y_size);
    let quotient = fizz_div(bitcast<f32>(small), bitcast<f32>(large));
    let ratio = select(select(quotient, 1.0, small == large), bitcast<f32>(small), small == 0u);
    let angle = fizz_atan_part(ratio);
    // 0, pi/2 or pi, plus or minus the angle.
    let left = x_bits >= 0x80000000u;
    let base = select(select(0.0, 3.14159274, left), 1.57079637, steep);
    let excess = select(select(0.0, 8.74227766e-8, left), 4.37113883e-8, steep);
    let turned = select(angle, -angle, steep != left);
    let result = select(base + (turned - excess), angle, !(steep | left));
    let none = large > 0x7f800000u;
    return bitcast<f32>(select(bitcast<u32>(result) | (y_bits & 0x80000000u), 0x7fc00000u, none));
}

// (asin(x) − x) / x³ for the square of x, which is within [0, 1/4].
fn fizz_asin_part(square: f32) -> f32 {
    return 0.166666627 + square * (0.0750042945 + square * (0.0445236154 + square * (0.0317995064 + square * (0.014335053
        + square * 0.0378063619))));
}

// From 1/2 on: asin(x) = pi/2 − 2 asin(sqrt((1 − x) / 2)). NaN beyond 1.
fn fizz_asin(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bitcast<f32>(bits & 0x7fffffffu);
    let far = size > 0.5;
    let square = select(size * size, 0.5 - 0.5 * size, far);
    let root = select(size, fizz_sqrt(square), far);
    let angle = root + (root * square) * fizz_asin_part(square);
    let other = 1.57079637 - (2.0 * angle + 4.37113883e-8);
    return bitcast<f32>(bitcast<u32>(select(angle, other, far)) | (bits & 0x80000000u));
}

fn fizz_acos(x: f32) -> f32 {
    let size = abs(x);
    let far = size > 0.5;
    let square = select(size * size, 0.5 - 0.5 * size, far);
    let root = select(size, fizz_sqrt(square), far);
    let part = (root * square) * fizz_asin_part(square);
    // Of −size: pi/2 + asin(size) or pi − 2 asin(root).
    let twice = 2.0 * (root + part);
    let negative = x < 0.0;
    let outer = select(twice, 3.14159274 - (twice + 8.74227766e-8), negative);
    let turned = select(root, -root, negative);
    let inner = 1.57079637 - (turned + (select(part, -part, negative) + 4.37113883e-8));
    return select(inner, outer, far);
}
