//! One small function for every place where bits are seen, and for every way on which they get there.

use super::{Engines, compare};

/// Wraps functions into a module with something of everything.
fn module(functions: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (memory (export "memory") 1)
            (data (i32.const 0) "\01\02\a3\ff\04\05\f6\7f\08\09\b0\ff\0c\0d\fe\7f")
            (global $g32 (export "g32") (mut f32) (f32.const 0))
            (global $g64 (export "g64") (mut f64) (f64.const nan:0x4000000000007))
            (global $gv (export "gv") (mut v128) (v128.const i64x2 0 0))
            (func (export "_start"))
            (tag $t64 (param f64))
            (type $id64 (func (param f64) (result f64)))
            (table 1 funcref) (elem (i32.const 0) $bits)
            (func $bits (type $id64) (local.get 0))
            (func $two (param f64 f32) (result i64 i32)
                (i64.reinterpret_f64 (local.get 0)) (i32.reinterpret_f32 (local.get 1)))
            {functions})"#
    );
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{functions}"));
    let valid =
        wasmparser::Validator::new_with_features(crate::features::allowed_features()).validate_all(&wasm);
    valid.unwrap_or_else(|error| panic!("{error}\n{functions}"));
    wasm
}

const RAW_64: &str = "(f64.sub (f64.const inf) (f64.const inf))";
const RAW_32: &str = "(f32.mul (f32.const 0) (f32.const inf))";
const RAW_32X4: &str = "(f32x4.div (v128.const f32x4 0 1 -0 inf) (v128.const f32x4 0 0 0 -inf))";
/// A NaN of 64 bits whose lower half is a number in 32, unless it is made canonical.
const PAYLOAD: &str = "(f64x2.add (v128.const i64x2 0x7ff800003f800000 0) (v128.const f64x2 1 1))";
const RAW_64X2: &str = "(f64x2.sub (v128.const f64x2 inf 1) (v128.const f64x2 inf 2))";

/// Puts fresh NaNs in the places that are marked.
fn with_nans(text: &str) -> Vec<u8> {
    let text = text.replace("PAYLOAD", PAYLOAD).replace("R32X4", RAW_32X4).replace("R64X2", RAW_64X2);
    module(&text.replace("R32", RAW_32).replace("R64", RAW_64))
}

#[test]
fn every_place_where_bits_are_seen_shows_canonical_nans() {
    let engines = Engines::new();
    let cases = [
        ("f32.store", "(func (export \"f\") (f32.store (i32.const 64) R32))"),
        ("f64.store", "(func (export \"f\") (f64.store (i32.const 64) R64))"),
        ("v128.store 32", "(func (export \"f\") (v128.store (i32.const 64) R32X4))"),
        ("v128.store 64", "(func (export \"f\") (v128.store (i32.const 64) R64X2))"),
        ("store8_lane", "(func (export \"f\") (v128.store8_lane 3 (i32.const 64) R32X4))"),
        ("store16_lane", "(func (export \"f\") (v128.store16_lane 1 (i32.const 64) R32X4))"),
        ("store32_lane", "(func (export \"f\") (v128.store32_lane 0 (i32.const 64) R32X4))"),
        ("store64_lane", "(func (export \"f\") (v128.store64_lane 0 (i32.const 64) R64X2))"),
        ("load_lane", "(func (export \"f\") (result v128) (v128.load16_lane 7 (i32.const 0) R32X4))"),
        ("i32.reinterpret_f32", "(func (export \"f\") (result i32) (i32.reinterpret_f32 R32))"),
        ("i64.reinterpret_f64", "(func (export \"f\") (result i64) (i64.reinterpret_f64 R64))"),
        ("f32.neg", "(func (export \"f\") (result f32) (f32.neg R32))"),
        ("f64.neg of neg", "(func (export \"f\") (result f64) (f64.neg (f64.neg R64)))"),
        (
            "f64.abs",
            "(func (export \"f\") (result f64) (f64.abs (f64.div (f64.const nan:0x8000000000001) (f64.const 1))))",
        ),
        (
            "f64.abs of neg",
            "(func (export \"f\") (result f64) (f64.abs (f64.neg (f64.div (f64.const nan:0x8000000000001) (f64.const 1)))))",
        ),
        ("copysign sign", "(func (export \"f\") (result f32) (f32.copysign (f32.const 1) R32))"),
        (
            "copysign magnitude",
            "(func (export \"f\") (result f64) (f64.copysign (f64.add (f64.const nan:0x8000000000001) (f64.const 1)) (f64.const 1)))",
        ),
        ("returned", "(func (export \"f\") (result f64) R64)"),
        ("return", "(func (export \"f\") (result f64) (return R64))"),
        ("several returned", "(func (export \"f\") (result f64 i32 f32) R64 (i32.const 1) R32)"),
        ("br to the function", "(func (export \"f\") (result f64 f32) R64 R32 (br 0))"),
        (
            "br_if to the function",
            "(func (export \"f\") (result f64) (drop (br_if 0 R64 (i32.const 1))) (f64.const 1))",
        ),
        (
            "br_table to the function",
            "(func (export \"f\") (result f64) (block (result f64) (br_table 1 1 R64 (i32.const 7))))",
        ),
        ("call", "(func (export \"f\") (result i64 i32) (call $two R64 R32))"),
        (
            "call_indirect",
            "(func (export \"f\") (result i64) (i64.reinterpret_f64 (call_indirect (type $id64) R64 (i32.const 0))))",
        ),
        ("return_call", "(func (export \"f\") (result i64 i32) (return_call $two R64 R32))"),
        (
            "return_call_indirect",
            "(func (export \"f\") (result f64) (return_call_indirect (type $id64) R64 (i32.const 0)))",
        ),
        (
            "global.set",
            "(func (export \"f\") (global.set $g32 R32) (global.set $g64 R64) (global.set $gv R64X2))",
        ),
        (
            "throw",
            "(func (export \"f\") (result f64) (block $h (result f64) (try_table (catch $t64 $h) (throw $t64 R64)) (f64.const 1)))",
        ),
        ("a local", "(func (export \"f\") (result f64) (local f64) (local.set 0 R64) (local.get 0))"),
        ("a tee", "(func (export \"f\") (result f64 f64) (local f64) (local.tee 0 R64) (local.get 0))"),
        ("select", "(func (export \"f\") (param i32) (result f64) (select R64 (f64.const 3) (local.get 0)))"),
        (
            "typed select",
            "(func (export \"f\") (param i32) (result f32) (select (result f32) (f32.const 3) R32 (i32.const 0)))",
        ),
        ("i32x4.add", "(func (export \"f\") (result v128) (i32x4.add R32X4 (i32x4.splat (i32.const 1))))"),
        ("v128.not", "(func (export \"f\") (result v128) (v128.not R32X4))"),
        ("v128.and", "(func (export \"f\") (result v128) (v128.and R64X2 (v128.const i32x4 -1 -1 -1 -1)))"),
        (
            "bitselect",
            "(func (export \"f\") (result v128) (v128.bitselect R64X2 R32X4 (v128.const i64x2 -1 0x0f0f0f0f)))",
        ),
        (
            "shuffle",
            "(func (export \"f\") (result v128) (i8x16.shuffle 3 2 1 0 16 17 18 19 8 8 8 8 15 15 23 7 R32X4 R64X2))",
        ),
        (
            "swizzle",
            "(func (export \"f\") (result v128) (i8x16.swizzle R32X4 (v128.const i8x16 0 1 2 3 3 3 3 3 11 11 11 11 0 0 0 0)))",
        ),
        ("bitmask", "(func (export \"f\") (result i32) (i32x4.bitmask R32X4))"),
        ("i8x16.extract_lane", "(func (export \"f\") (result i32) (i8x16.extract_lane_u 3 R32X4))"),
        ("i64x2.extract_lane", "(func (export \"f\") (result i64) (i64x2.extract_lane 0 R64X2))"),
        (
            "i16x8.replace_lane",
            "(func (export \"f\") (result v128) (i16x8.replace_lane 7 R32X4 (i32.const 5)))",
        ),
        ("f32x4.extract_lane", "(func (export \"f\") (result f32) (f32x4.extract_lane 0 R32X4))"),
        ("f64x2.extract_lane", "(func (export \"f\") (result f64) (f64x2.extract_lane 0 R64X2))"),
        (
            "f32x4.replace_lane scalar",
            "(func (export \"f\") (result v128) (f32x4.replace_lane 2 (v128.load (i32.const 0)) R32))",
        ),
        (
            "f64x2.replace_lane vector",
            "(func (export \"f\") (result v128) (f64x2.replace_lane 1 R64X2 (f64.load (i32.const 0))))",
        ),
        ("f64x2.splat", "(func (export \"f\") (result v128) (f64x2.splat R64))"),
        ("f32x4.neg", "(func (export \"f\") (result v128) (f32x4.neg R32X4))"),
        (
            "f64x2.abs",
            "(func (export \"f\") (result v128) (f64x2.abs (f64x2.add (v128.load (i32.const 0)) R64X2)))",
        ),
        ("f32x4.pmin", "(func (export \"f\") (result v128) (f32x4.pmin R32X4 (v128.load (i32.const 0))))"),
        ("f64x2.pmax", "(func (export \"f\") (result v128) (f64x2.pmax R64X2 (v128.load (i32.const 0))))"),
        ("pmin raw", "(func (export \"f\") (result v128) (f32x4.pmin R32X4 R32X4))"),
        (
            "64-bit lanes read in 32",
            "(func (export \"f\") (result v128) (f32x4.add PAYLOAD (v128.const f32x4 0 0 0 0)))",
        ),
        (
            "32-bit lanes compared in 64",
            "(func (export \"f\") (result v128) (f64x2.lt R32X4 (v128.const f64x2 0 0)))",
        ),
        ("64-bit lanes negated in 32", "(func (export \"f\") (result v128) (f32x4.neg R64X2))"),
        ("64-bit lanes extracted in 32", "(func (export \"f\") (result f32) (f32x4.extract_lane 1 R64X2))"),
        (
            "64-bit lanes replaced in 32",
            "(func (export \"f\") (result v128) (f32x4.replace_lane 0 R64X2 (f32.const 1)))",
        ),
        ("64-bit lanes picked in 32", "(func (export \"f\") (result v128) (f32x4.pmax R64X2 R32X4))"),
        (
            "32-bit lanes truncated in 64",
            "(func (export \"f\") (result v128) (i32x4.trunc_sat_f64x2_s_zero R32X4))",
        ),
        ("32-bit lanes demoted in 64", "(func (export \"f\") (result v128) (f32x4.demote_f64x2_zero R32X4))"),
    ];
    for (name, text) in cases {
        let differs = compare(&engines, &with_nans(text), name);
        // The NaN that this processor makes has its sign set, unlike the canonical one, so that each case can fail.
        assert!(differs || !cfg!(target_arch = "x86_64"), "{name} shows nothing");
    }
}

/// Ways through locals and labels, with values that were loaded beside those that arithmetic made.
#[test]
fn a_defined_value_keeps_its_bits_and_a_fresh_one_does_not() {
    let engines = Engines::new();
    for (name, text) in [
        // The local is one or the other, and the loaded NaN must keep its payload.
        (
            "local after an if",
            r#"(func (export "f") (param i32) (result f64) (local f64)
            (local.set 1 (f64.load (i32.const 8)))
            (if (local.get 0) (then (local.set 1 R64)))
            (local.get 1))"#,
        ),
        (
            "local with an else",
            r#"(func (export "f") (param i32) (result f64) (local f64)
            (if (local.get 0) (then (local.set 1 R64)) (else (local.set 1 (f64.load (i32.const 8)))))
            (local.get 1))"#,
        ),
        (
            "a parameter",
            r#"(func (export "f") (param i32 f64) (result f64)
            (if (local.get 0) (then (local.set 1 (f64.add (local.get 1) R64))))
            (local.get 1))"#,
        ),
        (
            "a loop that may not run",
            r#"(func (export "f") (param i32) (result f64) (local f64)
            (local.set 1 (f64.load (i32.const 8)))
            (block (loop
                (br_if 1 (i32.eqz (local.get 0)))
                (local.set 0 (i32.and (i32.sub (local.get 0) (i32.const 1)) (i32.const 7)))
                (local.set 1 (f64.add (local.get 1) (f64.const 1)))
                (br 0)))
            (local.get 1))"#,
        ),
        (
            "a loop that runs",
            r#"(func (export "f") (param i32) (result f64) (local f64)
            (local.set 1 (f64.load (i32.const 8)))
            (loop
                (local.set 1 (f64.add (local.get 1) (f64.const 1)))
                (br_if 0 (local.tee 0 (i32.shr_u (local.get 0) (i32.const 1)))))
            (local.get 1))"#,
        ),
        (
            "swapped in a loop",
            r#"(func (export "f") (param i32) (result f64 f64) (local f64 f64 f64)
            (local.set 1 (f64.load (i32.const 0))) (local.set 2 R64)
            (loop
                (local.set 3 (local.get 1)) (local.set 1 (local.get 2)) (local.set 2 (local.get 3))
                (br_if 0 (local.tee 0 (i32.shr_u (local.get 0) (i32.const 1)))))
            (local.get 1) (local.get 2))"#,
        ),
        (
            "a block's result",
            r#"(func (export "f") (param i32) (result f64)
            (block (result f64) (drop (br_if 0 (f64.load (i32.const 0)) (local.get 0))) R64))"#,
        ),
        (
            "several results",
            r#"(func (export "f") (param i32) (result f64 f64 f64)
            (block (result f64 f64 f64)
                (f64.load (i32.const 0)) R64 (f64.load (i32.const 8)) (br_if 0 (local.get 0))
                (drop) (drop) (drop) R64 (f64.load (i32.const 0)) R64))"#,
        ),
        (
            "a loop's parameters",
            r#"(func (export "f") (param i32) (result f64 f64) (local f64 f64)
            (f64.load (i32.const 0)) R64
            (loop (param f64 f64) (result f64 f64)
                (local.set 1 (f64.add (f64.const 1))) (local.set 2)
                (local.get 1) (local.get 2)
                (br_if 0 (local.tee 0 (i32.shr_u (local.get 0) (i32.const 1)))))
            )"#,
        ),
        (
            "a loop's one parameter",
            r#"(func (export "f") (param i32) (result i64 f64) (local f64)
            R64
            (loop (param f64) (result i64 f64)
                (local.set 1)
                (i64.reinterpret_f64 (local.get 1))
                (local.get 1)
                (if (param i64 f64) (result i64 f64) (local.tee 0 (i32.shr_u (local.get 0) (i32.const 1)))
                    (then (drop) (drop) (f64.mul (local.get 1) (f64.const 2)) (br 1)))
            ))"#,
        ),
        (
            "an if's parameters",
            r#"(func (export "f") (param i32) (result f64)
            R64 (if (param f64) (result f64) (local.get 0) (then (drop) (f64.load (i32.const 0)))))"#,
        ),
        (
            "br_table",
            r#"(func (export "f") (param i32) (result f64 i64)
            (block $a (result f64) (block $b (result f64)
                (br_table $a $b $a R64 (local.get 0)))
                (f64.neg))
            (i64.const 5))"#,
        ),
        (
            "select of both",
            r#"(func (export "f") (param i32) (result f64)
            (select (f64.load (i32.const 0)) R64 (local.get 0)))"#,
        ),
        (
            "sign and select",
            r#"(func (export "f") (param i32) (result f64)
            (select (f64.neg R64) R64 (local.get 0)))"#,
        ),
        (
            "turned local",
            r#"(func (export "f") (param i32) (result f64 f64) (local f64)
            (local.set 1 (f64.neg R64))
            (if (local.get 0) (then (local.set 1 (f64.abs (local.get 1)))))
            (local.get 1) (f64.neg (local.get 1)))"#,
        ),
        (
            "lanes of both",
            r#"(func (export "f") (param i32) (result v128) (local v128)
            (local.set 1 R32X4)
            (if (local.get 0) (then (local.set 1 R64X2)))
            (local.get 1))"#,
        ),
        (
            "lanes read in both",
            r#"(func (export "f") (param i32) (result v128 v128) (local v128)
            (local.set 1 R32X4)
            (if (local.get 0) (then (local.set 1 R64X2)))
            (f32x4.add (local.get 1) (local.get 1)) (f64x2.neg (local.get 1)))"#,
        ),
        (
            "a wide number among narrow lanes",
            r#"(func (export "f") (param i32) (result v128)
            (select (f64x2.splat (f64.const inf)) R32X4 (local.get 0)))"#,
        ),
        (
            "a wide number in a lane, in a local",
            r#"(func (export "f") (param i32) (result v128) (local v128 f64)
            (local.set 2 (f64.const -inf))
            (if (local.get 0) (then (local.set 2 (f64.const 0x1.fffffffffffffp-700))))
            (local.set 1 (f64x2.replace_lane 1 (v128.const i64x2 0 0) (local.get 2)))
            (if (local.get 0) (then (local.set 1 R32X4)))
            (local.get 1))"#,
        ),
        (
            "a wide number and narrow lanes where exceptions are caught",
            r#"(func (export "f") (param i32) (result v128) (local v128)
            (block $h (result f64) (try_table (catch $t64 $h)
                (local.set 1 (f64x2.splat (f64.convert_i32_s (local.get 0))))
                (local.set 1 (f64x2.splat (f64.const inf)))
                (if (local.get 0) (then (local.set 1 R32X4)))
                (throw $t64 (f64.const 1))) (f64.const 1))
            (drop) (local.get 1))"#,
        ),
        (
            "caught locals",
            r#"(func (export "f") (param i32) (result f64) (local f64)
            (local.set 1 (f64.load (i32.const 8)))
            (block $h (result f64) (try_table (catch $t64 $h)
                (if (local.get 0) (then (local.set 1 R64) (throw $t64 R64)))
                (local.set 1 R64) (local.set 1 (f64.load (i32.const 0)))
                (throw $t64 (f64.const 1))) (f64.const 1))
            (drop) (local.get 1))"#,
        ),
        (
            "after what ends",
            r#"(func (export "f") (param i32) (result f64) (local f64)
            (block (result f64) (local.set 1 R64) (br 0 (local.get 1)) (block (result f64) (unreachable) (f64.add)) (drop))
            )"#,
        ),
        (
            "what lies below a loop in a branch",
            r#"(func (export "f") (param i32) (result f64)
            R64
            (block (br_if 0 (local.get 0)) (loop (br_if 1 (i32.const 1)))))"#,
        ),
        (
            "what lies below a loop",
            r#"(func (export "f") (param i32) (result f64)
            R64
            (block (br_if 0 (local.get 0)) (loop)))"#,
        ),
        (
            "a result through a loop",
            r#"(func (export "f") (param i32) (result f64)
            (loop (result f64) R64 (br_if 0 (local.tee 0 (i32.shr_u (local.get 0) (i32.const 1))))))"#,
        ),
    ] {
        compare(&engines, &with_nans(text), name);
    }
}
