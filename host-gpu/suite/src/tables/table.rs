//! Functions of the library: what they give, and how far from it they may be.

use super::oracle;

/// What a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// A float.
    One,
    /// Two floats.
    Two,
    /// A float and an `i32`.
    Power,
    /// A float of 16 bits, in the low half of a word.
    Half,
}

/// What a function gives, for the bits that it takes.
#[derive(Clone, Copy)]
pub(crate) enum Gives {
    /// Exactly these bits; of a float, any NaN for a NaN.
    Float(fn(u32, u32) -> u32),
    /// Exactly these bits.
    Word(fn(u32, u32) -> u32),
    /// A float so many units of the last place from this one at most.
    Near(fn(f64) -> f64, f64),
    NearTwo(fn(f64, f64) -> f64, f64),
}

pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// What is lowered to it: a `u32` made of floats `a` and `b`, and the bits `x` and `y` of them.
    pub(crate) wgsl: &'static str,
    pub(crate) takes: Takes,
    pub(crate) gives: Gives,
}

const fn near(name: &'static str, wgsl: &'static str, of: fn(f64) -> f64, units: f64) -> Function {
    Function { name, wgsl, takes: Takes::One, gives: Gives::Near(of, units) }
}

const fn float(name: &'static str, wgsl: &'static str, takes: Takes, of: fn(u32, u32) -> u32) -> Function {
    Function { name, wgsl, takes, gives: Gives::Float(of) }
}

const fn word(name: &'static str, wgsl: &'static str, of: fn(u32, u32) -> u32) -> Function {
    Function { name, wgsl, takes: Takes::One, gives: Gives::Word(of) }
}

pub(crate) const FUNCTIONS: &[Function] = &[
    float("fizz_div", "bitcast<u32>(a / b)", Takes::Two, oracle::quotient),
    float("fizz_rem", "bitcast<u32>(a % b)", Takes::Two, oracle::remainder),
    float("fizz_sqrt", "bitcast<u32>(sqrt(a))", Takes::One, oracle::root),
    near("fizz_inverse_sqrt", "bitcast<u32>(inverseSqrt(a))", |x| 1.0 / x.sqrt(), 2.0),
    near("fizz_exp", "bitcast<u32>(exp(a))", f64::exp, 2.0),
    near("fizz_exp2", "bitcast<u32>(exp2(a))", f64::exp2, 2.0),
    near("fizz_log", "bitcast<u32>(log(a))", oracle::log, 2.0),
    near("fizz_log2", "bitcast<u32>(log2(a))", oracle::log2, 2.0),
    Function {
        name: "fizz_pow",
        wgsl: "bitcast<u32>(pow(a, b))",
        takes: Takes::Two,
        gives: Gives::NearTwo(oracle::power, 32.0),
    },
    near("fizz_sin", "bitcast<u32>(sin(a))", f64::sin, 2.0),
    near("fizz_cos", "bitcast<u32>(cos(a))", f64::cos, 2.0),
    near("fizz_tan", "bitcast<u32>(tan(a))", f64::tan, 4.0),
    near("fizz_asin", "bitcast<u32>(asin(a))", f64::asin, 4.0),
    near("fizz_acos", "bitcast<u32>(acos(a))", f64::acos, 4.0),
    near("fizz_atan", "bitcast<u32>(atan(a))", f64::atan, 4.0),
    Function {
        name: "fizz_atan2",
        wgsl: "bitcast<u32>(atan2(a, b))",
        takes: Takes::Two,
        gives: Gives::NearTwo(f64::atan2, 4.0),
    },
    near("fizz_sinh", "bitcast<u32>(sinh(a))", f64::sinh, 4.0),
    near("fizz_cosh", "bitcast<u32>(cosh(a))", f64::cosh, 4.0),
    near("fizz_tanh", "bitcast<u32>(tanh(a))", f64::tanh, 4.0),
    near("fizz_asinh", "bitcast<u32>(asinh(a))", f64::asinh, 4.0),
    near("fizz_acosh", "bitcast<u32>(acosh(a))", f64::acosh, 4.0),
    near("fizz_atanh", "bitcast<u32>(atanh(a))", f64::atanh, 4.0),
    float("fizz_ldexp", "bitcast<u32>(ldexp(a, bitcast<i32>(y)))", Takes::Power, oracle::scaled),
    float("fizz_frexp_fract", "bitcast<u32>(frexp(a).fract)", Takes::One, |x, _| oracle::parts(x).0),
    word("fizz_frexp_exp", "bitcast<u32>(frexp(a).exp)", |x, _| oracle::parts(x).1),
    float("fizz_min", "bitcast<u32>(min(a, b))", Takes::Two, oracle::smaller),
    float("fizz_max", "bitcast<u32>(max(a, b))", Takes::Two, oracle::larger),
    float("fizz_fract", "bitcast<u32>(fract(a))", Takes::One, oracle::fraction),
    float("fizz_sign", "bitcast<u32>(sign(a))", Takes::One, oracle::sign),
    float("fizz_round", "bitcast<u32>(round(a))", Takes::One, oracle::rounded),
    word("fizz_f32_to_i32", "bitcast<u32>(i32(a))", |x, _| f32::from_bits(x) as i32 as u32),
    word("fizz_f32_to_u32", "u32(a)", |x, _| f32::from_bits(x) as u32),
    word("fizz_f32_to_f16", "pack2x16float(vec2(a, 1.0)) & 0xffffu", |x, _| oracle::to_half(x)),
    float("fizz_f16_to_f32", "bitcast<u32>(unpack2x16float(x & 0xffffu).x)", Takes::Half, |x, _| {
        oracle::from_half(x)
    }),
];
