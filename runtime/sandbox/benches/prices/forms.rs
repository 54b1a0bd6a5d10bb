//! Every form of operator, each waiting for the one before it.

use crate::Row;

/// Operators in one round of the loop.
const CHAIN: usize = 64;
const ROUNDS: u32 = 100_000;

/// A type with its operators of one operand, of two, and of two whose result is a condition.
const ARITHMETIC: [(&str, &str, &str, &str); 4] = [
    (
        "i32",
        "clz ctz popcnt extend8_s extend16_s eqz",
        "add sub mul div_s div_u rem_s rem_u and xor shl shr_s rotl",
        "eq lt_s ge_u",
    ),
    (
        "i64",
        "clz ctz popcnt extend8_s extend16_s extend32_s",
        "add sub mul div_s div_u rem_s rem_u and xor shl shr_u rotl",
        "eq lt_s ge_u",
    ),
    ("f32", "abs neg ceil floor trunc nearest sqrt", "add sub mul div min max copysign", "eq lt ge"),
    ("f64", "abs neg ceil floor trunc nearest sqrt", "add sub mul div min max copysign", "eq lt ge"),
];

/// Conversions there and back.
const CONVERSIONS: [(&str, &str); 14] = [
    ("i32", "i32.wrap_i64 (i64.extend_i32_s"),
    ("i32", "i32.trunc_f32_s (f32.convert_i32_s"),
    ("i32", "i32.trunc_f64_u (f64.convert_i32_u"),
    ("i32", "i32.trunc_sat_f64_s (f64.convert_i32_s"),
    ("i32", "i32.trunc_sat_f32_u (f32.convert_i32_u"),
    ("i64", "i64.trunc_f32_u (f32.convert_i64_u"),
    ("i64", "i64.trunc_f64_s (f64.convert_i64_s"),
    ("i64", "i64.trunc_sat_f32_s (f32.convert_i64_s"),
    ("i64", "i64.trunc_sat_f64_u (f64.convert_i64_u"),
    ("f64", "f64.promote_f32 (f32.demote_f64"),
    ("i64", "i64.reinterpret_f64 (f64.reinterpret_i64"),
    ("i32", "i32.reinterpret_f32 (f32.reinterpret_i32"),
    ("f64", "f64.convert_i32_s (i32.trunc_sat_f64_s"),
    ("i64", "i64.extend_i32_u (i32.wrap_i64"),
];

/// Operators on vectors of one operand, and of two.
const VECTORS: (&str, &str) = (
    "v128.not i8x16.abs i8x16.neg i8x16.popcnt i16x8.abs i32x4.abs i64x2.abs i64x2.neg \
     i16x8.extadd_pairwise_i8x16_s i32x4.extadd_pairwise_i16x8_u i16x8.extend_low_i8x16_s \
     i64x2.extend_high_i32x4_u f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest f32x4.abs f32x4.sqrt f64x2.ceil \
     f64x2.floor f64x2.trunc f64x2.nearest f64x2.sqrt i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u \
     i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero f32x4.convert_i32x4_s f32x4.convert_i32x4_u \
     f64x2.convert_low_i32x4_s f64x2.convert_low_i32x4_u f32x4.demote_f64x2_zero f64x2.promote_low_f32x4",
    "i8x16.swizzle i8x16.eq i8x16.lt_u i8x16.narrow_i16x8_s i16x8.narrow_i32x4_u i8x16.add i8x16.add_sat_s \
     i8x16.sub_sat_u i8x16.min_s i8x16.avgr_u i16x8.mul i16x8.q15mulr_sat_s i16x8.extmul_low_i8x16_s \
     i32x4.mul i32x4.dot_i16x8_s i32x4.extmul_high_i16x8_u i32x4.min_u i64x2.add i64x2.mul i64x2.eq i64x2.lt_s \
     i64x2.extmul_low_i32x4_s f32x4.add f32x4.mul f32x4.div f32x4.min f32x4.max f32x4.pmin f64x2.add f64x2.mul \
     f64x2.div f64x2.min f64x2.max f64x2.pmax v128.and v128.andnot",
);

/// Vectors of which each step is an expression of the vector `$v`, with a number on the way or an immediate.
const ODD_VECTORS: [(&str, &str); 14] = [
    (
        "i8x16.shuffle",
        "(i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31 (local.get $v) (local.get $w))",
    ),
    ("i8x16.splat, extract_lane", "(i8x16.splat (i8x16.extract_lane_s 3 (local.get $v)))"),
    (
        "i32x4.replace_lane, extract_lane",
        "(i32x4.replace_lane 1 (local.get $v) (i32x4.extract_lane 2 (local.get $v)))",
    ),
    (
        "f64x2.replace_lane, extract_lane",
        "(f64x2.replace_lane 1 (local.get $v) (f64x2.extract_lane 0 (local.get $v)))",
    ),
    ("i8x16.bitmask", "(i32x4.splat (i8x16.bitmask (local.get $v)))"),
    ("i16x8.bitmask", "(i32x4.splat (i16x8.bitmask (local.get $v)))"),
    ("i64x2.all_true", "(i32x4.splat (i64x2.all_true (local.get $v)))"),
    ("v128.any_true", "(i32x4.splat (v128.any_true (local.get $v)))"),
    ("v128.bitselect", "(v128.bitselect (local.get $v) (local.get $w) (local.get $v))"),
    ("i8x16.shl by a variable", "(i8x16.shl (local.get $v) (local.get $n))"),
    ("i8x16.shr_s by a variable", "(i8x16.shr_s (local.get $v) (local.get $n))"),
    ("i64x2.shr_s by a variable", "(i64x2.shr_s (local.get $v) (local.get $n))"),
    ("v128.load16_lane", "(v128.load16_lane 3 (i32.const 64) (local.get $v))"),
    (
        "v128.load8_splat",
        "(v128.xor (local.get $v) (v128.load8_splat (i8x16.extract_lane_u 0 (local.get $v))))",
    ),
];

/// What is no chain of one type: the whole body of one step.
const OTHERS: [(&str, &str, &str); 25] = [
    ("select", "", "(local.set $n (select (local.get $n) (i32.const 7) (local.get $n)))"),
    ("i32.load", "", "(local.set $n (i32.load (i32.and (local.get $n) (i32.const 255))))"),
    (
        "i64.load8_s",
        "",
        "(local.set $n (i32.wrap_i64 (i64.load8_s (i32.and (local.get $n) (i32.const 255)))))",
    ),
    ("i32.store and load", "", "(i32.store (i32.const 64) (i32.load (i32.const 64)))"),
    ("v128.store and load", "", "(v128.store (i32.const 64) (v128.load (i32.const 64)))"),
    (
        "global.set of i64",
        "(global $g (mut i64) (i64.const 0))",
        "(global.set $g (i64.add (global.get $g) (i64.const 1)))",
    ),
    (
        "global.set of v128",
        "(global $g (mut v128) (v128.const i64x2 0 0))",
        "(global.set $g (v128.not (global.get $g)))",
    ),
    ("global.set of funcref", "(global $g (mut funcref) (ref.null func))", "(global.set $g (global.get $g))"),
    (
        "global.set of externref",
        "(global $g (mut externref) (ref.null extern))",
        "(global.set $g (global.get $g))",
    ),
    (
        "table.get of funcref",
        "(table $t 10 funcref) (elem (i32.const 0) func $_start)",
        "(drop (table.get $t (i32.const 0)))",
    ),
    (
        "table.set of funcref",
        "(table $t 10 funcref)",
        "(table.set $t (i32.const 0) (table.get $t (i32.const 1)))",
    ),
    (
        "table.set of externref",
        "(table $t 10 externref)",
        "(table.set $t (i32.const 0) (table.get $t (i32.const 1)))",
    ),
    ("table.size", "(table $t 10 funcref)", "(local.set $n (table.size $t))"),
    ("memory.size", "", "(local.set $n (i32.add (local.get $n) (memory.size)))"),
    ("ref.func", "(elem declare func $_start)", "(drop (ref.func $_start))"),
    ("memory.grow by 0", "", "(local.set $n (memory.grow (i32.const 0)))"),
    ("memory.grow in vain", "", "(local.set $n (memory.grow (i32.const -1)))"),
    ("table.grow by 0", "(table $t 10 funcref)", "(drop (table.grow $t (ref.null func) (i32.const 0)))"),
    ("memory.fill of 0", "", "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))"),
    ("memory.copy of 0", "", "(memory.copy (i32.const 0) (i32.const 0) (i32.const 0))"),
    ("memory.init of 0", "(data $d \"abc\")", "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 0))"),
    (
        "table.init of 0",
        "(table 10 funcref) (elem $e func $_start)",
        "(table.init $e (i32.const 0) (i32.const 0) (i32.const 0))",
    ),
    ("table.copy of 0", "(table 10 funcref)", "(table.copy (i32.const 0) (i32.const 0) (i32.const 0))"),
    ("table.fill of 0", "(table 10 funcref)", "(table.fill 0 (i32.const 0) (ref.null func) (i32.const 0))"),
    ("data.drop", "(data $d \"abc\")", "(data.drop $d)"),
];

/// The same with more work in one operator, of which a round has fewer.
const LARGE: [(&str, &str, &str); 8] = [
    ("elem.drop", "(elem $e func $_start)", "(elem.drop $e)"),
    ("memory.fill of 64 KiB", "", "(memory.fill (i32.const 0) (local.get $n) (i32.const 65536))"),
    ("memory.copy of 64 KiB", "", "(memory.copy (i32.const 1) (i32.const 0) (i32.const 65536))"),
    ("memory.copy of 1 MiB", "", "(memory.copy (i32.const 1) (i32.const 2000000) (i32.const 1048576))"),
    (
        "table.fill of 1000",
        "(table 1000 funcref)",
        "(table.fill 0 (i32.const 0) (ref.null func) (i32.const 1000))",
    ),
    ("table.copy of 900", "(table 1000 funcref)", "(table.copy (i32.const 1) (i32.const 0) (i32.const 900))"),
    ("table.init of 900", "ELEMENTS", "(table.init $e (i32.const 0) (i32.const 0) (i32.const 900))"),
    ("throw and catch", "(tag $t)", "(block $c (try_table (catch_all $c) (throw $t)))"),
];

fn module(fields: &str, step: &str, rounds: u32, prepare: &str, show: &str) -> String {
    let steps = step.repeat(CHAIN);
    format!(
        "(module (memory (export \"memory\") 64) {fields}
        (func $_start (export \"_start\")
            (local $i i32) (local $n i32) (local $i32 i32) (local $i64 i64) (local $f32 f32) (local $f64 f64)
            (local $v v128) (local $w v128)
            {prepare}
            (loop $again
                {steps}
                (br_if $again (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {rounds}))))
            {show}))"
    )
}

fn chain(ty: &str, step: &str) -> String {
    let store = format!("({ty}.store (i32.const 0) (local.get ${ty}))");
    let prepare = format!("(local.set ${ty} ({ty}.load (i32.const 128)))");
    module("(data (i32.const 128) \"\\07\\01\\00\\00\\00\\00\\f0\\3f\")", step, ROUNDS, &prepare, &store)
}

fn vector(step: &str) -> String {
    let step = format!("(local.set $v {step})");
    let prepare = "(local.set $v (v128.load (i32.const 128))) (local.set $w (v128.load (i32.const 160)))
        (local.set $n (i32.load (i32.const 128)))";
    let show = "(v128.store (i32.const 0) (local.get $v))";
    module(
        "(data (i32.const 128) \"\\01\\01\\80\\3f\\00\\00\\f0\\3f\\01\\01\\80\\3f\")",
        &step,
        ROUNDS,
        prepare,
        show,
    )
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name: &str, wat: String| rows.push(Row { name: name.to_owned(), wat });
    for (ty, unary, binary, compare) in ARITHMETIC {
        for operator in unary.split_whitespace() {
            add(
                &format!("{ty}.{operator}"),
                chain(ty, &format!("(local.set ${ty} ({ty}.{operator} (local.get ${ty})))")),
            );
        }
        for operator in binary.split_whitespace() {
            // Odd numbers, so that nothing is divided by zero.
            let other = if ty.starts_with('i') {
                format!("({ty}.or (local.get ${ty}) ({ty}.const 1))")
            } else {
                format!("({ty}.const 1.0000001)")
            };
            let step = format!("(local.set ${ty} ({ty}.{operator} (local.get ${ty}) {other}))");
            add(&format!("{ty}.{operator}"), chain(ty, &step));
        }
        for operator in compare.split_whitespace() {
            let step = format!(
                "(local.set ${ty} (select (local.get ${ty}) ({ty}.const 3) ({ty}.{operator} (local.get ${ty}) ({ty}.const 9))))"
            );
            add(&format!("{ty}.{operator} and select"), chain(ty, &step));
        }
    }
    for (ty, there) in CONVERSIONS {
        let step = format!("(local.set ${ty} ({there} (local.get ${ty}))))");
        add(&there.replace(" (", ", "), chain(ty, &step));
    }
    for operator in VECTORS.0.split_whitespace() {
        add(operator, vector(&format!("({operator} (local.get $v))")));
    }
    for operator in VECTORS.1.split_whitespace() {
        add(operator, vector(&format!("({operator} (local.get $v) (local.get $w))")));
    }
    for (name, step) in ODD_VECTORS {
        add(name, vector(step));
    }
    for (name, fields, step) in OTHERS {
        add(name, module(fields, step, 2_000, "", "(i32.store (i32.const 0) (local.get $n))"));
    }
    let elements = format!("(table 1000 funcref) (elem $e func {})", "$_start ".repeat(900));
    for (name, fields, step) in LARGE {
        let fields = fields.replace("ELEMENTS", &elements);
        add(name, module(&fields, step, 20, "", "(i32.store (i32.const 0) (local.get $n))"));
    }
    rows
}
