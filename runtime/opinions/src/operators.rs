//! Every operator on numbers and vectors, on values that are hard: zeros of both signs, infinities, NaNs of several
//! bits, subnormals, the ends of each integer's range.
//!
//! One module for each group of operators. It applies each operator to every pair of inputs from a table in memory,
//! and to some pairs as constants, which the compiler computes itself where it optimises; and prints the bits.

use std::fmt::Write as _;

use crate::corpus::Entry;

/// A group: its name, the types of the operands, of the result, and the operators.
type Group = (&'static str, &'static [&'static str], &'static str, &'static str);

const GROUPS: &[Group] = &[
    (
        "i32-two",
        &["i32", "i32"],
        "i32",
        "i32.add i32.sub i32.mul i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr i32.eq i32.ne \
         i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u",
    ),
    (
        "i64-two",
        &["i64", "i64"],
        "i64",
        "i64.add i64.sub i64.mul i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr",
    ),
    (
        "i64-compare",
        &["i64", "i64"],
        "i32",
        "i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u",
    ),
    ("i32-one", &["i32"], "i32", "i32.clz i32.ctz i32.popcnt i32.eqz i32.extend8_s i32.extend16_s"),
    ("i64-one", &["i64"], "i64", "i64.clz i64.ctz i64.popcnt i64.extend8_s i64.extend16_s i64.extend32_s"),
    ("f32-two", &["f32", "f32"], "f32", "f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign"),
    ("f64-two", &["f64", "f64"], "f64", "f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign"),
    ("f32-one", &["f32"], "f32", "f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt"),
    ("f64-one", &["f64"], "f64", "f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt"),
    ("f32-compare", &["f32", "f32"], "i32", "f32.eq f32.ne f32.lt f32.gt f32.le f32.ge"),
    ("f64-compare", &["f64", "f64"], "i32", "f64.eq f64.ne f64.lt f64.gt f64.le f64.ge"),
    ("f64-to-f32", &["f64"], "f32", "f32.demote_f64"),
    ("f32-to-f64", &["f32"], "f64", "f64.promote_f32"),
    ("i32-to-f32", &["i32"], "f32", "f32.convert_i32_s f32.convert_i32_u f32.reinterpret_i32"),
    ("i64-to-f32", &["i64"], "f32", "f32.convert_i64_s f32.convert_i64_u"),
    ("i32-to-f64", &["i32"], "f64", "f64.convert_i32_s f64.convert_i32_u"),
    ("i64-to-f64", &["i64"], "f64", "f64.convert_i64_s f64.convert_i64_u f64.reinterpret_i64"),
    ("f32-to-i32", &["f32"], "i32", "i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.reinterpret_f32"),
    ("f64-to-i32", &["f64"], "i32", "i32.trunc_sat_f64_s i32.trunc_sat_f64_u"),
    ("f32-to-i64", &["f32"], "i64", "i64.trunc_sat_f32_s i64.trunc_sat_f32_u"),
    ("f64-to-i64", &["f64"], "i64", "i64.trunc_sat_f64_s i64.trunc_sat_f64_u i64.reinterpret_f64"),
    ("i32-to-i64", &["i32"], "i64", "i64.extend_i32_s i64.extend_i32_u"),
    ("i64-to-i32", &["i64"], "i32", "i32.wrap_i64 i64.eqz"),
    (
        "v128-two",
        &["v128", "v128"],
        "v128",
        "v128.and v128.or v128.xor v128.andnot i8x16.swizzle i8x16.eq i8x16.ne i8x16.lt_s i8x16.lt_u i8x16.gt_s \
         i8x16.gt_u i8x16.le_s i8x16.le_u i8x16.ge_s i8x16.ge_u i16x8.eq i16x8.ne i16x8.lt_s i16x8.lt_u i16x8.gt_s \
         i16x8.gt_u i16x8.le_s i16x8.le_u i16x8.ge_s i16x8.ge_u i32x4.eq i32x4.ne i32x4.lt_s i32x4.lt_u i32x4.gt_s \
         i32x4.gt_u i32x4.le_s i32x4.le_u i32x4.ge_s i32x4.ge_u i64x2.eq i64x2.ne i64x2.lt_s i64x2.gt_s i64x2.le_s \
         i64x2.ge_s f32x4.eq f32x4.ne f32x4.lt f32x4.gt f32x4.le f32x4.ge f64x2.eq f64x2.ne f64x2.lt f64x2.gt \
         f64x2.le f64x2.ge i8x16.add i8x16.add_sat_s i8x16.add_sat_u i8x16.sub i8x16.sub_sat_s i8x16.sub_sat_u \
         i8x16.min_s i8x16.min_u i8x16.max_s i8x16.max_u i8x16.avgr_u i16x8.add i16x8.add_sat_s i16x8.add_sat_u \
         i16x8.sub i16x8.sub_sat_s i16x8.sub_sat_u i16x8.mul i16x8.min_s i16x8.min_u i16x8.max_s i16x8.max_u \
         i16x8.avgr_u i16x8.q15mulr_sat_s i32x4.add i32x4.sub i32x4.mul i32x4.min_s i32x4.min_u i32x4.max_s \
         i32x4.max_u i32x4.dot_i16x8_s i64x2.add i64x2.sub i64x2.mul i8x16.narrow_i16x8_s i8x16.narrow_i16x8_u \
         i16x8.narrow_i32x4_s i16x8.narrow_i32x4_u i16x8.extmul_low_i8x16_s i16x8.extmul_high_i8x16_s \
         i16x8.extmul_low_i8x16_u i16x8.extmul_high_i8x16_u i32x4.extmul_low_i16x8_s i32x4.extmul_high_i16x8_s \
         i32x4.extmul_low_i16x8_u i32x4.extmul_high_i16x8_u i64x2.extmul_low_i32x4_s i64x2.extmul_high_i32x4_s \
         i64x2.extmul_low_i32x4_u i64x2.extmul_high_i32x4_u",
    ),
    (
        "v128-one",
        &["v128"],
        "v128",
        "v128.not i8x16.abs i8x16.neg i8x16.popcnt i16x8.abs i16x8.neg i32x4.abs i32x4.neg i64x2.abs i64x2.neg \
         f32x4.abs f32x4.neg f64x2.abs f64x2.neg i16x8.extend_low_i8x16_s i16x8.extend_high_i8x16_s \
         i16x8.extend_low_i8x16_u i16x8.extend_high_i8x16_u i32x4.extend_low_i16x8_s i32x4.extend_high_i16x8_s \
         i32x4.extend_low_i16x8_u i32x4.extend_high_i16x8_u i64x2.extend_low_i32x4_s i64x2.extend_high_i32x4_s \
         i64x2.extend_low_i32x4_u i64x2.extend_high_i32x4_u i16x8.extadd_pairwise_i8x16_s \
         i16x8.extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u \
         i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u i32x4.trunc_sat_f64x2_s_zero i32x4.trunc_sat_f64x2_u_zero",
    ),
    (
        "v128-test",
        &["v128"],
        "i32",
        "v128.any_true i8x16.all_true i16x8.all_true i32x4.all_true i64x2.all_true i8x16.bitmask i16x8.bitmask \
         i32x4.bitmask i64x2.bitmask",
    ),
    (
        "v128-shift",
        &["v128", "i32"],
        "v128",
        "i8x16.shl i8x16.shr_s i8x16.shr_u i16x8.shl i16x8.shr_s i16x8.shr_u i32x4.shl i32x4.shr_s i32x4.shr_u \
         i64x2.shl i64x2.shr_s i64x2.shr_u",
    ),
    ("v128-choose", &["v128", "v128", "v128"], "v128", "v128.bitselect"),
    (
        "f32x4-two",
        &["v128", "v128"],
        "f32x4",
        "f32x4.add f32x4.sub f32x4.mul f32x4.div f32x4.min f32x4.max f32x4.pmin f32x4.pmax",
    ),
    (
        "f64x2-two",
        &["v128", "v128"],
        "f64x2",
        "f64x2.add f64x2.sub f64x2.mul f64x2.div f64x2.min f64x2.max f64x2.pmin f64x2.pmax",
    ),
    (
        "f32x4-one",
        &["v128"],
        "f32x4",
        "f32x4.ceil f32x4.floor f32x4.trunc f32x4.nearest f32x4.sqrt f32x4.convert_i32x4_s f32x4.convert_i32x4_u \
         f32x4.demote_f64x2_zero",
    ),
    (
        "f64x2-one",
        &["v128"],
        "f64x2",
        "f64x2.ceil f64x2.floor f64x2.trunc f64x2.nearest f64x2.sqrt f64x2.convert_low_i32x4_s \
         f64x2.convert_low_i32x4_u f64x2.promote_low_f32x4",
    ),
];

/// Inputs, 16 bytes each; narrower operands take the low bytes.
const INPUTS: [u128; 16] = [
    0,
    1,
    u128::MAX,
    // The lowest integer of each lane width; -0 of both floats.
    0x8000_0000_8000_0000_8000_0000_8000_0000,
    0x7fff_7fff_7fff_ffff_8000_0000_0000_0000,
    0x0102_0304_8586_8788_7f7f_7f7f_ffff_ffff,
    // Floats: 1.5 and -1.5 in both widths, infinities, NaNs quiet, signalling and negative, subnormals, near halves.
    0x3ff8_0000_0000_0000_3fc0_0000_3fc0_0000,
    0xbff8_0000_bfc0_0000_3ff8_0000_0000_0000,
    0x7ff0_0000_0000_0000_7f80_0000_7f80_0000,
    0xfff0_0000_ff80_0000_7ff0_0000_0000_0000,
    0x7ff8_0000_0000_0000_7fc0_0000_7fc0_0000,
    0xfff8_0000_0000_1234_7ff4_0000_0000_0000,
    0x7fa0_0001_ffc0_4321_7ff8_0000_7fa0_0001,
    0x0000_0000_0000_0001_0000_0001_0000_0001,
    0x41df_ffff_ffc0_0000_4f00_0000_4b00_0001,
    0xc1e0_0000_0020_0000_3fdf_ffff_ffff_ffff,
];
/// Inputs that stand in the code as constants too.
const CONSTANTS: [usize; 6] = [0, 3, 8, 10, 12, 15];

/// Where the inputs lie in memory, and where results go.
const TABLE: usize = 1024;
const RESULTS: usize = 1 << 16;

/// Who makes NaNs' bits the same everywhere.
#[derive(Clone, Copy, PartialEq)]
enum Nan {
    /// The guest, operator by operator.
    Guest,
    /// The sandbox.
    Sandbox,
}

pub(crate) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for group in GROUPS {
        entries.push(Entry::new(format!("operators-{}", group.0), assemble(group, Nan::Guest), &[]));
        if result_of(group.2).1.is_some() {
            entries.push(Entry::new(format!("nan-{}", group.0), assemble(group, Nan::Sandbox), &[]));
        }
    }
    entries
}

/// The wasm type of a result, and how the guest makes its NaNs canonical, where it can hold some.
fn result_of(kind: &str) -> (&str, Option<&str>) {
    match kind {
        "f32" => ("f32", Some("(select (local.get $r) (f32.const nan) (f32.eq (local.get $r) (local.get $r)))")),
        "f64" => ("f64", Some("(select (local.get $r) (f64.const nan) (f64.eq (local.get $r) (local.get $r)))")),
        "f32x4" => (
            "v128",
            Some(
                "(v128.bitselect (local.get $r) (v128.const i32x4 0x7fc00000 0x7fc00000 0x7fc00000 0x7fc00000)
                    (f32x4.eq (local.get $r) (local.get $r)))",
            ),
        ),
        "f64x2" => (
            "v128",
            Some(
                "(v128.bitselect (local.get $r) (v128.const i64x2 0x7ff8000000000000 0x7ff8000000000000)
                    (f64x2.eq (local.get $r) (local.get $r)))",
            ),
        ),
        plain => (plain, None),
    }
}

/// The module of a group.
fn assemble(group: &Group, nan: Nan) -> Vec<u8> {
    let (name, operands, result, operators) = *group;
    let mut wat = String::from(
        "(module
            (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export \"memory\") 8)
            (global $at (mut i32) (i32.const 65536))\n",
    );
    let bytes: String =
        INPUTS.iter().flat_map(|input| input.to_le_bytes()).map(|b| format!("\\{b:02x}")).collect();
    let _ = writeln!(wat, "(data (i32.const {TABLE}) \"{bytes}\")");
    let (ty, canonical) = result_of(result);
    let canonical = canonical.filter(|_| nan == Nan::Guest).unwrap_or("(local.get $r)");
    let _ = writeln!(
        wat,
        "(func $keep (param $r {ty})
            ({ty}.store (global.get $at) {canonical})
            (global.set $at (i32.add (global.get $at) (i32.const 16))))"
    );
    for (number, operator) in operators.split_whitespace().enumerate() {
        // The operand in the same place of another input each time: inner loop, outer loop, the first input again.
        let loads: String = operands
            .iter()
            .zip(["$i", "$j", "$j"])
            .map(|(ty, index)| format!("({ty}.load offset={TABLE} (local.get {index})) "))
            .collect();
        let inner = format!(
            "(local.set $i (i32.const 0))
            (loop $inner
                (call $keep ({operator} {loads}))
                (br_if $inner (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (i32.const 256))))"
        );
        let loops = if operands.len() == 1 {
            inner
        } else {
            format!(
                "(loop $outer
                    {inner}
                    (br_if $outer (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 16))) (i32.const 256))))"
            )
        };
        let mut folded = String::new();
        for a in CONSTANTS {
            for b in CONSTANTS.into_iter().filter(|b| operands.len() > 1 || *b == 0) {
                let constants: String =
                    operands.iter().zip([a, b, b]).map(|(ty, at)| constant(ty, INPUTS[at])).collect();
                let _ = writeln!(folded, "(call $keep ({operator} {constants}))");
            }
        }
        let _ = writeln!(
            wat,
            "(func $op{number} (local $i i32) (local $j i32)
                (global.set $at (i32.const {RESULTS}))
                {loops}
                {folded}
                (i32.store (i32.const 0) (i32.const {RESULTS}))
                (i32.store (i32.const 4) (i32.sub (global.get $at) (i32.const {RESULTS})))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"
        );
    }
    let calls: String =
        (0..operators.split_whitespace().count()).map(|number| format!("(call $op{number})")).collect();
    let _ = writeln!(wat, "(func (export \"_start\") {calls}))");
    wat::parse_str(&wat).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The low bytes of an input as a constant of a type.
fn constant(ty: &str, input: u128) -> String {
    match ty {
        "i32" => format!("(i32.const {:#x}) ", input as u32),
        "i64" => format!("(i64.const {:#x}) ", input as u64),
        // Not by a literal: the text has no good one for every NaN.
        "f32" => format!("(f32.reinterpret_i32 (i32.const {:#x})) ", input as u32),
        "f64" => format!("(f64.reinterpret_i64 (i64.const {:#x})) ", input as u64),
        _ => format!("(v128.const i64x2 {:#x} {:#x}) ", input as u64, (input >> 64) as u64),
    }
}
