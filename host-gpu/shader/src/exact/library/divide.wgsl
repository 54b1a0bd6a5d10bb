// Quotients.

// 1 / f for f within [2^23, 2^24), less than it by at most 3.4e-6 of it: the best cubic polynomial and a step of Newton's.
fn fizz_reciprocal(f: f32) -> f32 {
    let seed = 3.3717427e-07 - f * (4.17705523e-14 - f * (2.25483982e-21 - f * 4.47996431e-29));
    // 1, less what rounding could make too much.
    return seed + seed * (0.999999761581 - f * seed);
}

// Correctly rounded. One way for all numbers: processors that play GPUs compute both sides of an `if`, and quotients by one divisor share what is
// computed of it. The estimate is low; what it lacks is known exactly from the low 32 bits of the product.
fn fizz_div(a: f32, b: f32) -> f32 {
    let left_size = bitcast<u32>(a) & 0x7fffffffu;
    let right_size = bitcast<u32>(b) & 0x7fffffffu;
    let less = min(left_size, right_size);
    // Both times 2^24 where one is a denormal. What overflows by that is divided by a denormal, and the quotient overflows as well; or divides one, and
    // the quotient is 0.
    let scale = select(1.0, 16777216.0, less < 0x800000u);
    let x = bitcast<u32>(bitcast<f32>(left_size) * scale);
    let y = bitcast<u32>(bitcast<f32>(right_size) * scale);
    let left = x & 0x7fffffu;
    let right = y & 0x7fffffu;
    let divisor = right | 0x800000u;
    let twice = divisor << 1u;
    let inverse = fizz_reciprocal(bitcast<f32>(right | 0x4b000000u));
    // What is computed is 2^(23 - shift) times the mantissas' quotient: within [2^23, 2^24), or, below the normal numbers, the denormal's digits.
    let below = bitcast<i32>(y >> 23u) - bitcast<i32>(x >> 23u) - 126i;
    let shift = min(max(below, select(0i, -1i, left < right)), 24i);
    let dividend = bitcast<f32>((left | 0x56800000u) - (bitcast<u32>(shift) << 23u));
    let low = bitcast<u32>(i32(dividend * inverse));
    // What it lacks, times 2 · divisor.
    let lack = ((left | 0x800000u) << bitcast<u32>(24i - shift)) - low * twice;
    let step = bitcast<u32>(i32(f32(bitcast<i32>(lack)) * (0.5 * inverse) + 0.499));
    let near = low + step;
    let rest = bitcast<i32>((lack - step * twice) + (near & 1u));
    let nearest = near + select(0u, 1u, rest > bitcast<i32>(divisor));
    let finite = min(nearest + (bitcast<u32>(shift - below) << 23u), 0x7f800000u);
    let number = select(finite, 0u, below > 24i);
    // Of zeros, infinities and NaN; the second factor is infinite for 0, 0 for infinity, and some positive number for others.
    let special = bitcast<u32>(bitcast<f32>(left_size) * bitcast<f32>(0x7f800000u - right_size));
    let size = select(number, special, (less == 0u) | (max(left_size, right_size) >= 0x7f800000u));
    return bitcast<f32>(size | ((bitcast<u32>(a) ^ bitcast<u32>(b)) & 0x80000000u));
}

// x − y · trunc(x / y), each step rounded.
fn fizz_rem(x: f32, y: f32) -> f32 {
    return x - y * trunc(fizz_div(x, y));
}
