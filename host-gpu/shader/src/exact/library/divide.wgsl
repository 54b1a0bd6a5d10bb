// Quotients.

// 1 / f for f within [2^23, 2^24), less than it by at most 3.4e-6 of it: the best cubic polynomial and a step of Newton's.
fn fizz_reciprocal(f: f32) -> f32 {
    let seed = 3.3717427e-07 - f * (4.17705523e-14 - f * (2.25483982e-21 - f * 4.47996431e-29));
    // 1, less what rounding could make too much.
    return seed + seed * (0.999999761581 - f * seed);
}

// Correctly rounded. Here if both numbers are within [2^-62, 2^64), so that the quotient is normal. The estimate is low; what it lacks is known exactly
// from the low 32 bits of the product.
fn fizz_div(a: f32, b: f32) -> f32 {
    let x = bitcast<u32>(a);
    let y = bitcast<u32>(b);
    let left_power = x & 0x7f800000u;
    let right_power = y & 0x7f800000u;
    if (left_power - 0x20800000u >= 0x3f000000u) | (right_power - 0x20800000u >= 0x3f000000u) {
        return fizz_any_quotient(a, b);
    }
    let left = x & 0x7fffffu;
    let right = y & 0x7fffffu;
    let less = select(0u, 1u, left < right);
    let divisor = right | 0x800000u;
    let inverse = fizz_reciprocal(f32(bitcast<i32>(divisor)));
    // The left mantissa · 2^23.
    let dividend = bitcast<f32>(left | 0x56800000u);
    let low = bitcast<u32>(i32(dividend * inverse) << less);
    // Of (2^23 + left) · 2^(23 + less), the low bits.
    let lack = (left << (less + 23u)) - low * divisor;
    let step = bitcast<u32>(i32(f32(bitcast<i32>(lack)) * inverse + 0.499));
    let rest = bitcast<i32>(lack - step * divisor);
    let nearest = (low + step) + select(0u, 1u, (rest << 1u) > bitcast<i32>(divisor));
    let size = (left_power - right_power) + (nearest + 0x3f000000u) - (less << 23u);
    return bitcast<f32>(size | ((x ^ y) & 0x80000000u));
}

// The same of any numbers.
fn fizz_any_quotient(a: f32, b: f32) -> f32 {
    let x = bitcast<u32>(a);
    let y = bitcast<u32>(b);
    let sign = (x ^ y) & 0x80000000u;
    let left = x & 0x7fffffffu;
    let right = y & 0x7fffffffu;
    let divisor = (fizz_normalized(y) & 0x7fffffu) | 0x800000u;
    let mantissa = (fizz_normalized(x) & 0x7fffffu) | 0x800000u;
    let less = select(0u, 1u, mantissa < divisor);
    let dividend = mantissa << less;
    let inverse = fizz_reciprocal(f32(divisor));
    // One bit more than a mantissa has, and whether anything is left.
    let low = u32((f32(dividend) * 16777216.0) * inverse);
    let lack = (dividend << 24u) - low * divisor;
    let step = u32(f32(lack) * inverse);
    let near = low + step;
    let rest = bitcast<i32>(lack - step * divisor);
    let above = select(0u, 1u, rest >= bitcast<i32>(divisor));
    let below = select(0u, 1u, rest < 0i);
    let exact = (rest == 0i) | (rest == bitcast<i32>(divisor));
    let digits = ((near + above - below) << 1u) | select(1u, 0u, exact);
    // Rounded where a denormal ends.
    let power = fizz_exponent(x) - fizz_exponent(y) + 127i - bitcast<i32>(less);
    let shift = 2u + u32(clamp(1i - power, 0i, 28i));
    let rounded = (digits + ((1u << (shift - 1u)) - 1u) + ((digits >> shift) & 1u)) >> shift;
    let finite = (u32(clamp(power - 1i, 0i, 254i)) << 23u) + rounded;
    let number = select(finite, 0x7f800000u, (power > 254i) | (left == 0x7f800000u) | (right == 0u));
    let size = select(number, 0u, (left == 0u) | (right == 0x7f800000u));
    let none = (left > 0x7f800000u) | (right > 0x7f800000u) | ((left == right) & ((left == 0u) | (left == 0x7f800000u)));
    return bitcast<f32>(select(size | sign, 0x7fc00000u, none));
}

// x − y · trunc(x / y), each step rounded.
fn fizz_rem(x: f32, y: f32) -> f32 {
    return x - y * trunc(fizz_div(x, y));
}
