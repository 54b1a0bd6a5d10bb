//! Every operation, on hostile values, against Rust's own arithmetic: as vectors of different values and as one value for all.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{run, words};

const INTEGERS: [u32; 22] = [
    0,
    1,
    2,
    3,
    5,
    7,
    8,
    15,
    16,
    31,
    32,
    33,
    100,
    255,
    65535,
    65536,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_fffe,
    0xffff_ffff,
    0xdead_beef,
];

fn float_bits() -> Vec<u32> {
    let mut all: Vec<u32> = [
        0.0_f32,
        1.0,
        0.5,
        1.5,
        2.5,
        3.5,
        0.49999997,
        8388607.5,
        8388608.0,
        16777217.0,
        2147483520.0,
        2147483648.0,
        4294967040.0,
        4294967296.0,
        1e10,
        3.4e38,
        f32::MIN_POSITIVE,
        1e-40,
        1e-45,
        f32::INFINITY,
        3.24159,
        1.0e-20,
        123456.79,
    ]
    .iter()
    .flat_map(|value| [value.to_bits(), (-value).to_bits()])
    .collect();
    all.extend([0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0x7fff_ffff]);
    all
}

/// Runs `expression` of `x` and `y` (words) on all pairs, twice: loaded by each invocation, and from the same place by all.
fn pairs(expression: &str, values: &[u32]) -> Vec<(u32, u32, u32)> {
    let count = values.len() as u32;
    let total = count * count;
    let body = |x: &str, y: &str| {
        format!(
            "@group(0) @binding(0) var<storage> input: array<u32>;
            @group(0) @binding(1) var<storage, read_write> out: array<u32>;
            @compute @workgroup_size(64)
            fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {{
                let at = {x}; if (at >= {total}u) {{ return; }}
                let x = input[{y} / {count}u]; let y = input[{y} % {count}u];
                out[{y}] = {expression};
            }}"
        )
    };
    let mut results = Vec::new();
    for (wgsl, groups) in [(body("id.x", "at"), total.div_ceil(64)), (body("id.x", "group.x"), 1)] {
        // One for all: a workgroup for each pair, all of whose invocations write the same.
        let (wgsl, groups) = if groups == 1 {
            (wgsl.replace("id.x; if (at", "group.x; if (at"), total)
        } else {
            (wgsl, groups)
        };
        let out =
            run(&wgsl, [groups, 1, 1], &[words(0, values), words(1, &vec![0x5555_5555; total as usize])]);
        for (at, result) in out[1].words().into_iter().enumerate() {
            results.push((values[at / count as usize], values[at % count as usize], result));
        }
    }
    results
}

/// Puts casts around the words `x` and `y`.
fn cast(expression: &str, to: &str) -> String {
    let mut text = String::new();
    for (at, letter) in expression.char_indices() {
        let beside = |other: Option<char>| other.is_some_and(|other| other.is_ascii_alphanumeric());
        let word =
            !beside(expression[..at].chars().next_back()) && !beside(expression[at + 1..].chars().next());
        if word && matches!(letter, 'x' | 'y') {
            text.push_str(&format!("bitcast<{to}>({letter})"));
        } else {
            text.push(letter);
        }
    }
    text
}

fn integers(expression: &str, expected: impl Fn(u32, u32) -> u32) {
    for (x, y, result) in pairs(expression, &INTEGERS) {
        assert_eq!(result, expected(x, y), "{expression} of {x:#x}, {y:#x}");
    }
}

fn signed(expression: &str, expected: impl Fn(i32, i32) -> i32) {
    let expression = format!("bitcast<u32>({})", cast(expression, "i32"));
    for (x, y, result) in pairs(&expression, &INTEGERS) {
        assert_eq!(result as i32, expected(x as i32, y as i32), "{expression} of {x:#x}, {y:#x}");
    }
}

/// NaN are not told apart.
fn floats(expression: &str, expected: impl Fn(f32, f32) -> f32) {
    let text = cast(expression, "f32");
    for (x, y, result) in pairs(&format!("bitcast<u32>({text})"), &float_bits()) {
        let (result, wanted) = (f32::from_bits(result), expected(f32::from_bits(x), f32::from_bits(y)));
        assert!(
            result.to_bits() == wanted.to_bits() || (result.is_nan() && wanted.is_nan()),
            "{expression} of {x:#x}, {y:#x}: {result} for {wanted}"
        );
    }
}

fn float_word(expression: &str, expected: impl Fn(f32, f32) -> u32) {
    let text = cast(expression, "f32");
    for (x, y, result) in pairs(&text, &float_bits()) {
        assert_eq!(result, expected(f32::from_bits(x), f32::from_bits(y)), "{expression} of {x:#x}, {y:#x}");
    }
}

#[test]
fn unsigned_arithmetic() {
    integers("x + y", u32::wrapping_add);
    integers("x - y", u32::wrapping_sub);
    integers("x * y", u32::wrapping_mul);
    integers("x / y", |x, y| x.checked_div(y).unwrap_or(x));
    integers("x % y", |x, y| x.checked_rem(y).unwrap_or(0));
    for by in [1_u32, 2, 3, 7, 16, 255, 0xffff_ffff] {
        integers(&format!("x / {by}u"), |x, _| x / by);
        integers(&format!("x % {by}u"), |x, _| x % by);
    }
    integers("min(x, y)", u32::min);
    integers("max(x, y)", u32::max);
    integers("clamp(x, y, 100u)", |x, y| x.max(y).min(100));
    integers("select(x, y, x < y)", |x, y| if x < y { y } else { x });
    integers(
        "u32(x <= y) + u32(x > y) * 2u + u32(x >= y) * 4u + u32(x == y) * 8u + u32(x != y) * 16u",
        |x, y| {
            u32::from(x <= y)
                + u32::from(x > y) * 2
                + u32::from(x >= y) * 4
                + u32::from(x == y) * 8
                + u32::from(x != y) * 16
        },
    );
}

#[test]
fn signed_arithmetic() {
    signed("x / y", |x, y| if y == 0 { x } else { x.wrapping_div(y) });
    signed("x % y", |x, y| if y == 0 { 0 } else { x.wrapping_rem(y) });
    signed("x / 7i", |x, _| x / 7);
    signed("x % -7i", |x, _| x % -7);
    signed("x / -1i", |x, _| x.wrapping_div(-1));
    signed("min(x, y)", i32::min);
    signed("max(x, y)", i32::max);
    signed("abs(x)", |x, _| x.wrapping_abs());
    signed("-x", |x, _| x.wrapping_neg());
    signed("i32(x < y) + i32(x <= y) * 2i", |x, y| i32::from(x < y) + i32::from(x <= y) * 2);
    signed("firstLeadingBit(x)", |x, _| 31 - (if x < 0 { !x } else { x }).leading_zeros() as i32);
    signed("extractBits(x, u32(y), 5u)", |x, y| {
        let offset = (y as u32).min(32);
        let count = 5.min(32 - offset);
        if count == 0 { 0 } else { (x << (32 - offset - count)) >> (32 - count) }
    });
    signed("(x >> u32(y))", |x, y| x.wrapping_shr(y as u32));
}

#[test]
fn bits() {
    integers("x & y", |x, y| x & y);
    integers("x | y", |x, y| x | y);
    integers("x ^ y", |x, y| x ^ y);
    integers("~x", |x, _| !x);
    integers("x << y", u32::wrapping_shl);
    integers("x >> y", u32::wrapping_shr);
    integers("(x << 5u) | (x >> 27u)", |x, _| x.rotate_left(5));
    integers("countOneBits(x)", |x, _| x.count_ones());
    integers("countLeadingZeros(x)", |x, _| x.leading_zeros());
    integers("countTrailingZeros(x)", |x, _| x.trailing_zeros());
    integers("reverseBits(x)", |x, _| x.reverse_bits());
    integers("firstLeadingBit(x)", |x, _| 31_u32.wrapping_sub(x.leading_zeros()));
    integers("firstTrailingBit(x)", |x, _| if x == 0 { u32::MAX } else { x.trailing_zeros() });
    integers("extractBits(x, 3u, y)", |x, y| {
        let count = y.min(29);
        if count == 0 { 0 } else { (x >> 3) & (u32::MAX >> (32 - count)) }
    });
    integers("insertBits(x, 0xabcdef01u, y, 9u)", |x, y| {
        let offset = y.min(32);
        let count = 9.min(32 - offset);
        if count == 0 {
            return x;
        }
        let mask = (u32::MAX >> (32 - count)) << offset;
        (x & !mask) | ((0xabcd_ef01 << offset) & mask)
    });
}

#[test]
fn products_of_bytes() {
    integers("dot4U8Packed(x, y)", |x, y| {
        x.to_le_bytes().iter().zip(y.to_le_bytes()).map(|(a, b)| u32::from(*a) * u32::from(b)).sum()
    });
    integers("u32(dot4I8Packed(x, y))", |x, y| {
        let products = x.to_le_bytes().into_iter().zip(y.to_le_bytes());
        products.map(|(a, b)| i32::from(a as i8) * i32::from(b as i8)).sum::<i32>() as u32
    });
}

#[test]
fn float_arithmetic() {
    floats("x + y", |x, y| x + y);
    floats("x - y", |x, y| x - y);
    floats("x * y", |x, y| x * y);
    floats("x / y", |x, y| x / y);
    floats("-x", |x, _| -x);
    floats("abs(x)", |x, _| x.abs());
    floats("floor(x)", |x, _| x.floor());
    floats("ceil(x)", |x, _| x.ceil());
    floats("trunc(x)", |x, _| x.trunc());
    floats("round(x)", |x, _| x.round_ties_even());
    floats("sqrt(x)", |x, _| x.sqrt());
    floats("select(x, y, x < y)", |x, y| if x < y { y } else { x });
    let least = |x: f32, y: f32| match (x.is_nan(), y.is_nan()) {
        (true, _) => y,
        (_, true) => x,
        _ if x == y => f32::from_bits(x.to_bits() | y.to_bits()),
        _ => x.min(y),
    };
    let most = |x: f32, y: f32| match (x.is_nan(), y.is_nan()) {
        (true, _) => y,
        (_, true) => x,
        _ if x == y => f32::from_bits(x.to_bits() & y.to_bits()),
        _ => x.max(y),
    };
    floats("min(x, y)", least);
    floats("max(x, y)", most);
}

#[test]
fn comparisons_and_conversions_of_floats() {
    float_word(
        "u32(x < y) + u32(x <= y) * 2u + u32(x > y) * 4u + u32(x >= y) * 8u + u32(x == y) * 16u + u32(x != y) * 32u",
        |x, y| {
            u32::from(x < y)
                + u32::from(x <= y) * 2
                + u32::from(x > y) * 4
                + u32::from(x >= y) * 8
                + u32::from(x == y) * 16
                + u32::from(x != y) * 32
        },
    );
    float_word("bitcast<u32>(i32(x))", |x, _| x as i32 as u32);
    float_word("u32(x)", |x, _| x as u32);
    float_word("u32(bool(x))", |x, _| u32::from(x != 0.0));
    integers("bitcast<u32>(f32(x))", |x, _| (x as f32).to_bits());
    integers("bitcast<u32>(f32(bitcast<i32>(x)))", |x, _| (x as i32 as f32).to_bits());
    integers("bitcast<u32>(f32(x < y))", |x, y| if x < y { 1_f32.to_bits() } else { 0 });
    integers(
        "u32(all(vec3<bool>(x > 3u, y > 5u, true))) + 2u * u32(any(vec2<bool>(x == y, x > 100u)))",
        |x, y| u32::from(x > 3 && y > 5) + 2 * u32::from(x == y || x > 100),
    );
    integers("u32((x > y) == (x > 7u)) + 2u * u32((x > y) != (y > 7u))", |x, y| {
        u32::from((x > y) == (x > 7)) + 2 * u32::from((x > y) != (y > 7))
    });
}

#[test]
fn composites() {
    integers("dot(vec3u(x, y, 3u), vec3u(y, 2u, x))", |x, y| {
        x.wrapping_mul(y).wrapping_add(y.wrapping_mul(2)).wrapping_add(x.wrapping_mul(3))
    });
    integers("vec4u(x, y, 1u, 2u).wzyx.z * 3u + vec4u(x, y, 1u, 2u)[y % 4u]", |x, y| {
        y.wrapping_mul(3).wrapping_add([x, y, 1, 2][y as usize % 4])
    });
    integers("array<u32, 5>(x, 1u, y, 2u, 3u)[y]", |x, y| [x, 1, y, 2, 3][(y as usize).min(4)]);
    integers("u32(mat2x2f(f32(x & 7u), 1.0, f32(y & 7u), 2.0)[1].x == f32(y & 7u))", |_, _| 1);
}
