// Sine, cosine, tangent, of all numbers. |x| is n quarter turns and a rest within [-pi/4, pi/4] or little more, which is the sum of two numbers; n's last two bits
// choose polynomial and sign. Below 8192: pi/2 in four parts (Cody and Waite), of which three have products with n that are exact. From there on: the product with
// the 96 bits of 2/pi that matter, in integers (Payne and Hanek). Polynomials: best in relative error for the interval (Remez' method), then rounded;
// sin to 2^-36, cos to 2^-31. Infinity and NaN give NaN. Within 1.1 units of the last place for sin and cos, 3 for tan.

// The word of 2/pi in which its bits 32 (index - 1) + 1 to 32 index after the point are, for index within [0, 7].
fn fizz_word_of_two_over_pi(index: u32) -> u32 {
    let first = (index & 1u) == 1u;
    let second = (index & 2u) == 2u;
    let low = select(select(0u, 0xa2f9836eu, first), select(0x4e441529u, 0xfc2757d1u, first), second);
    let high = select(select(0xf534ddc0u, 0xdb629599u, first), select(0x3c439041u, 0xfe5163abu, first), second);
    return select(low, high, index >= 4u);
}

// 32 bits of 2/pi with 32 zeros before, from bit `position` on.
fn fizz_bits_of_two_over_pi(position: u32) -> u32 {
    let shift = position & 31u;
    let left = fizz_word_of_two_over_pi(position >> 5u) << shift;
    return left | ((fizz_word_of_two_over_pi((position >> 5u) + 1u) >> 1u) >> (31u - shift));
}

// The upper word of a product, the first factor below 2^24.
fn fizz_upper_product(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let cross = a_low * b_high;
    let middle = ((a_low * b_low) >> 16u) + (cross & 0xffffu) + a_high * b_low;
    return a_high * b_high + (cross >> 16u) + (middle >> 16u);
}

// sin of `turn` quarter turns more than x; turn is 0 or 1.
fn fizz_sin_after(x: f32, turn: u32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    let a = bitcast<f32>(size);
    let sum = a * 0.636619747 + 12582912.0;
    let n = sum - 12582912.0;
    // 1.5703125 has 8 bits, the next two 11 bits.
    let most = (a - n * 1.5703125) - n * 4.837512969970703e-4;
    let product = n * 7.549533620476723e-8;
    let near = most - product;
    // What the difference lacks, exactly (Knuth).
    let back = most - near;
    let lack = (most - (near + back)) - (product - back);
    let rest = lack - n * 2.56334407e-12;
    var high = near + rest;
    var low = (near - high) + rest;
    var quarters = bitcast<u32>(sum);
    if size >= 0x46000000u {
        // x = mantissa · 2^e; bits of 2/pi whose products with it are multiples of 4 are left out.
        let mantissa = (bits & 0x7fffffu) | 0x800000u;
        let position = min(size >> 23u, 254u) - 120u;
        let one = fizz_bits_of_two_over_pi(position + 32u);
        let low_product = mantissa * one;
        let below = low_product + fizz_upper_product(mantissa, fizz_bits_of_two_over_pi(position + 64u));
        let carry = select(0u, 1u, below < low_product);
        let above = mantissa * fizz_bits_of_two_over_pi(position) + fizz_upper_product(mantissa, one) + carry;
        // The first two bits are the quarters, to the nearest; the rest is a fraction with a sign.
        let whole = (above + 0x20000000u) >> 30u;
        let part = above - (whole << 30u);
        let negative = part >= 0x80000000u;
        let size_low = select(below, 0u - below, negative);
        let size_high = select(part, ~part + select(0u, 1u, below == 0u), negative);
        let zeros = min(countLeadingZeros(size_high), 31u);
        let number = (size_high << zeros) | ((size_low >> 1u) >> (31u - zeros));
        // Times pi/2, of which 1.5703125 times the upper 12 bits is exact.
        let upper = f32(number & 0xfff00000u) * 1.5703125;
        let lower = f32(number & 0xfffffu) * 1.5703125 + f32(number) * 4.83826792e-4;
        let total = upper + lower;
        let scale = bitcast<f32>(((97u - zeros) << 23u) | select(0u, 0x80000000u, negative));
        high = total * scale;
        low = ((upper - total) + lower) * scale;
        quarters = whole;
    }
    let quarter = quarters + turn;
    let square = high * high;
    let sine_part = -0.166666672 + square * (0.00833332911 + square * (-0.00019839259 + square * 2.71733006e-6));
    let sine = high + ((high * square) * sine_part + low);
    let cosine_part = 0.041666653 + square * (-0.00138876529 + square * 2.44636667e-5);
    let cosine = 1.0 - (0.5 * square - ((square * square) * cosine_part - high * low));
    let result = bitcast<u32>(select(sine, cosine, (quarter & 1u) == 1u));
    let sign = ((quarter & 2u) << 30u) ^ (bits & select(0x80000000u, 0u, turn == 1u));
    return bitcast<f32>(select(result ^ sign, 0x7fc00000u, size >= 0x7f800000u));
}

fn fizz_sin(x: f32) -> f32 {
    return fizz_sin_after(x, 0u);
}

fn fizz_cos(x: f32) -> f32 {
    return fizz_sin_after(x, 1u);
}

fn fizz_tan(x: f32) -> f32 {
    return fizz_div(fizz_sin_after(x, 0u), fizz_sin_after(x, 1u));
}
