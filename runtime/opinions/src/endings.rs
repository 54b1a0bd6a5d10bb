//! Every way a task can end by the guest's own doing, with the gas that it used until then.

use crate::corpus::Entry;

/// Bodies of `_start`, by the name of how they end. Each works for a while before that, so that its gas says when.
const ENDINGS: &[(&str, &str)] = &[
    ("exit-0", "(call $exit (i32.const 0))"),
    ("exit-max", "(call $exit (i32.const -1))"),
    ("return", ""),
    ("unreachable", "unreachable"),
    ("memory-out-of-bounds", "(drop (i32.load (i32.const 65533)))"),
    ("memory-out-of-bounds-far", "(drop (i64.load offset=0xffffffff (i32.const -1)))"),
    ("memory-out-of-bounds-vector", "(v128.store (i32.const 65521) (v128.const i64x2 0 0))"),
    ("memory-fill-out-of-bounds", "(memory.fill (i32.const 65530) (i32.const 1) (i32.const 7))"),
    ("memory-copy-out-of-bounds", "(memory.copy (i32.const 65530) (i32.const 1) (i32.const 7))"),
    ("memory-init-out-of-bounds", "(memory.init $d (i32.const 0) (i32.const 3) (i32.const 5))"),
    ("data-dropped", "(data.drop $d) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))"),
    ("table-out-of-bounds", "(drop (table.get $t (i32.const 9)))"),
    ("table-call-out-of-bounds", "(call_indirect (i32.const 9))"),
    ("call-null", "(call_indirect (i32.const 1))"),
    ("call-wrong-type", "(call_indirect (param i64) (i64.const 1) (i32.const 0))"),
    ("divide-by-zero", "(drop (i32.div_u (i32.const 1) (local.get $zero)))"),
    ("remainder-by-zero", "(drop (i64.rem_s (i64.const 1) (i64.extend_i32_u (local.get $zero))))"),
    (
        "divide-overflow",
        "(drop (i32.div_s (i32.const 0x80000000) (i32.sub (local.get $zero) (i32.const 1))))",
    ),
    (
        "divide-overflow-64",
        "(drop (i64.div_s (i64.const 0x8000000000000000) (i64.extend_i32_s (i32.sub (local.get $zero) (i32.const 1)))))",
    ),
    (
        "truncate-nan",
        "(drop (i32.trunc_f64_s (f64.div (f64.const 0) (f64.convert_i32_u (local.get $zero)))))",
    ),
    ("truncate-large", "(drop (i32.trunc_f32_u (f32.convert_i64_u (i64.const 0xffffffff00))))"),
    ("truncate-large-64", "(drop (i64.trunc_f64_s (f64.const 0x1p63)))"),
    ("throw", "(throw $e (i32.const 7))"),
    ("overflow", "(call $deep (i64.const 0))"),
    ("overflow-tail", "(call $deep_behind_tail_calls (i32.const 1000) (i64.const 0))"),
    ("gas", "(loop $again (br $again))"),
    ("gas-calls", "(loop $again (call $work) (br $again))"),
    ("gas-bulk", "(loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 60000)) (br $again))"),
    ("gas-tail-calls", "(call $forever (i32.const 0))"),
    ("grow-to-the-limit", "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))"),
    ("host-call-out-of-bounds", "(drop (call $random (i32.const 65530) (i32.const 7)))"),
];

pub(crate) fn entries() -> Vec<Entry> {
    ENDINGS
        .iter()
        .map(|(name, body)| {
            let wat = format!("{BEFORE} (func (export \"_start\") (local $zero i32) (call $work) {body}))");
            let wasm = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut entry = Entry::new(format!("ending-{name}"), wasm, &[]);
            entry.task.limits.gas = 3_000_000;
            entry.task.limits.memory_bytes = 10 << 16;
            entry
        })
        .collect()
}

const BEFORE: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (table $t 4 funcref)
    (tag $e (param i32))
    (data $d "segment")
    (elem (i32.const 0) func $work)
    (func $work (local $i i32)
        (loop $again
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 100)))))
    (func $deep (param i64) (result)
        (call $deep (i64.add (local.get 0) (i64.const 1)))
        (i64.store (i32.const 0) (local.get 0)))
    (func $deep_behind_tail_calls (param i32 i64)
        (if (i32.eqz (local.get 0)) (then (call $deep (local.get 1)) (return)))
        (return_call $deep_behind_tail_calls (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))
    (func $forever (param i32) (return_call $forever (i32.add (local.get 0) (i32.const 1))))
"#;
