//! What functions give, computed in another way: with integers, and with floats of 64 bits.

const SIGN: u32 = 0x8000_0000;
const INFINITY: u32 = 0x7f80_0000;
const NAN: u32 = 0x7fc0_0000;

/// How many units of the last place `found` is from `wanted`; infinite where it is something else altogether.
pub(crate) fn units(found: f32, wanted: f64) -> f64 {
    const ABOVE: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
    let same = if wanted.is_nan() {
        found.is_nan()
    } else if wanted == 0.0 {
        found.to_bits() == (wanted as f32).to_bits()
    } else {
        f64::from(found) == wanted
    };
    if same {
        return 0.0;
    }
    if wanted.is_nan() || found.is_nan() || wanted == 0.0 || wanted.is_infinite() {
        return f64::INFINITY;
    }
    // What rounds to infinity counts as 2^128.
    let distance = f64::from(found).clamp(-ABOVE, ABOVE) - wanted.clamp(-ABOVE, ABOVE);
    let exponent = ((wanted.abs().min(ABOVE / 2.0).to_bits() >> 52) as i32 - 1023).max(-126);
    distance.abs() * f64::from_bits(((1023 + 23 - exponent) as u64) << 52)
}

/// |x| = whole · 2^exponent.
fn whole(bits: u32) -> (u64, i32) {
    let exponent = (bits >> 23 & 0xff) as i32;
    let fraction = u64::from(bits & 0x7f_ffff);
    if exponent == 0 { (fraction, -149) } else { (fraction | 0x80_0000, exponent - 150) }
}

/// The float nearest to digits · 2^exponent, or to a bit more if `more`; ties to even.
fn nearest(digits: u128, exponent: i32, more: bool) -> u32 {
    if digits == 0 {
        return 0;
    }
    let length = 128 - digits.leading_zeros() as i32;
    // The last place that the float has.
    let last = (exponent + length - 24).max(-149);
    let (kept, last) = if last <= exponent {
        (digits << (exponent - last), last)
    } else {
        let cut = (last - exponent).min(127);
        let (kept, lost, half) = (digits >> cut, digits & ((1 << cut) - 1), 1_u128 << (cut - 1));
        let up = lost > half || (lost == half && (more || kept & 1 == 1));
        (kept + u128::from(up), last)
    };
    // With its leading digit, a normal mantissa counts one up in the exponent.
    let bits = ((last + 149) as u128) << 23;
    (bits + kept).min(u128::from(INFINITY)) as u32
}

pub(crate) fn quotient(a: u32, b: u32) -> u32 {
    let (left, right, sign) = (a & !SIGN, b & !SIGN, (a ^ b) & SIGN);
    let none = left > INFINITY || right > INFINITY || left == right && (left == 0 || left == INFINITY);
    if none {
        return NAN;
    }
    if left == INFINITY || right == 0 {
        return sign | INFINITY;
    }
    if right == INFINITY {
        return sign;
    }
    let ((dividend, up), (divisor, down)) = (whole(left), whole(right));
    let dividend = u128::from(dividend) << 64;
    let divisor = u128::from(divisor);
    let rest = dividend % divisor;
    sign | nearest(dividend / divisor, up - down - 64, rest != 0)
}

/// A root of 53 bits, rounded to 24, is rounded right, since 53 >= 2 · 24 + 2 (Figueroa, "When is double rounding innocuous?", 1995).
pub(crate) fn root(bits: u32, _: u32) -> u32 {
    (f64::from(f32::from_bits(bits)).sqrt() as f32).to_bits()
}

#[cfg(test)]
/// The same with integers.
pub(crate) fn whole_root(bits: u32) -> u32 {
    if bits & !SIGN == 0 || bits == INFINITY {
        return bits;
    }
    if bits > INFINITY {
        return NAN;
    }
    let (digits, exponent) = whole(bits);
    let square = u128::from(digits) << if exponent % 2 == 0 { 64 } else { 65 };
    let exponent = (exponent - if exponent % 2 == 0 { 64 } else { 65 }) / 2;
    // One step of Newton's at the float's root, then until its square is no more and that of its successor is.
    let mut root = (square as f64).sqrt() as u128;
    root = (root + square / root) / 2;
    while root * root > square {
        root -= 1;
    }
    while (root + 1) * (root + 1) <= square {
        root += 1;
    }
    nearest(root, exponent, root * root != square)
}

/// In the steps that define it.
pub(crate) fn remainder(a: u32, b: u32) -> u32 {
    let times = f32::from_bits(quotient(a, b)).trunc();
    let product = f32::from_bits(b) * times;
    (f32::from_bits(a) - product).to_bits()
}

pub(crate) fn log(x: f64) -> f64 {
    if x == 0.0 { f64::NEG_INFINITY } else { x.ln() }
}

pub(crate) fn log2(x: f64) -> f64 {
    if x == 0.0 { f64::NEG_INFINITY } else { x.log2() }
}

/// No number where x is negative or any of them is none.
pub(crate) fn power(x: f64, y: f64) -> f64 {
    if x < 0.0 || x.is_nan() || y.is_nan() { f64::NAN } else { x.abs().powf(y) }
}

pub(crate) fn scaled(x: u32, e: u32) -> u32 {
    let size = x & !SIGN;
    if size == 0 || size >= INFINITY {
        return x;
    }
    let (digits, exponent) = whole(size);
    // Beyond, all is 0 or infinity.
    let exponent = exponent + (e as i32).clamp(-1000, 1000);
    let size = if exponent > 200 { INFINITY } else { nearest(digits.into(), exponent, false) };
    x & SIGN | size
}

/// The fraction and the exponent.
pub(crate) fn parts(x: u32) -> (u32, u32) {
    let size = x & !SIGN;
    if size == 0 || size >= INFINITY {
        return (x, 0);
    }
    let (digits, exponent) = whole(size);
    let length = 64 - digits.leading_zeros() as i32;
    (x & SIGN | nearest(digits.into(), -length, false), (exponent + length) as u32)
}

/// Its place among all numbers, −0 below 0.
fn place(x: u32) -> i64 {
    if x & SIGN == 0 { i64::from(x) } else { -1 - i64::from(x & !SIGN) }
}

pub(crate) fn smaller(a: u32, b: u32) -> u32 {
    match (a & !SIGN > INFINITY, b & !SIGN > INFINITY) {
        (true, true) => NAN,
        (true, false) => b,
        (false, true) => a,
        (false, false) => std::cmp::min_by_key(a, b, |x| place(*x)),
    }
}

pub(crate) fn larger(a: u32, b: u32) -> u32 {
    match (a & !SIGN > INFINITY, b & !SIGN > INFINITY) {
        (true, true) => NAN,
        (true, false) => b,
        (false, true) => a,
        (false, false) => std::cmp::max_by_key(a, b, |x| place(*x)),
    }
}

pub(crate) fn fraction(x: u32, _: u32) -> u32 {
    let x = f32::from_bits(x);
    (x - x.floor()).to_bits()
}

pub(crate) fn sign(x: u32, _: u32) -> u32 {
    let size = x & !SIGN;
    if size == 0 || size > INFINITY { x } else { x & SIGN | 1.0_f32.to_bits() }
}

pub(crate) fn rounded(x: u32, _: u32) -> u32 {
    f32::from_bits(x).round_ties_even().to_bits()
}

/// The value of a half that is a number.
fn half_value(half: u32) -> f64 {
    let (exponent, fraction) = ((half >> 10) as i32, f64::from(half & 0x3ff));
    if exponent == 0 { fraction * 2_f64.powi(-24) } else { (fraction + 1024.0) * 2_f64.powi(exponent - 25) }
}

pub(crate) fn to_half(x: u32) -> u32 {
    let size = x & !SIGN;
    if size > INFINITY {
        return 0x7e00;
    }
    let value = f64::from(f32::from_bits(size));
    // A float of 64 bits whose last place is the half's rounds to it: 2^52 of that.
    let last = ((value.to_bits() >> 52) as i32 - 1023).clamp(-14, 16) - 10;
    let large = f64::from_bits(((last + 52 + 1023) as u64) << 52);
    let nearest = ((value + large) - large).min(65536.0);
    // 65536 is where infinity would be, were it a number.
    let number = (nearest.to_bits() >> 42) as u32;
    let normal = number.wrapping_sub((1023 - 15) << 10);
    let half = if nearest < 2_f64.powi(-14) { (nearest * 2_f64.powi(24)) as u32 } else { normal };
    x >> 16 & 0x8000 | half
}

pub(crate) fn from_half(bits: u32) -> u32 {
    let size = bits & 0x7fff;
    if size > 0x7c00 {
        return NAN;
    }
    let value = if size == 0x7c00 { f32::INFINITY } else { half_value(size) as f32 };
    value.to_bits() | (bits & 0x8000) << 16
}
