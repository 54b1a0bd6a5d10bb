//! Work that stands once in a module is compiled once, whichever way its result goes: the engine would make a copy of it
//! for each branch that wants it, and do it as often.

mod common;

use common::{module_with, numbers, program, run_wat};
use fizz_sandbox::{ModuleLimits, Program};

/// A piece of work without side effects: so many times two operators, each on the one before.
fn work(count: usize, value: &str) -> String {
    let steps = |index: usize| {
        format!("(i64.const {}) (i64.mul) (i64.const {}) (i64.xor)", 12_345_678_901 + 2 * index, index + 1)
    };
    format!("{value} {}", (0..count).map(steps).collect::<String>())
}

const LOADED: &str = "(i64.load (i32.const 8))";
const SOMETIMES: &str = "(global.get $sometimes)";

fn each(count: usize, one: impl FnMut(usize) -> String) -> String {
    (0..count).map(one).collect()
}

/// Stores the value that `code` leaves, so that it cannot be left out.
fn store(place: usize, code: &str) -> String {
    format!("(i64.store (i32.const {}) {code})", 64 + 8 * place)
}

/// Branches that each want the local `$x`.
fn wanted(count: usize) -> String {
    each(count, |index| format!("(if {SOMETIMES} (then {}))", store(index, "(local.get $x)")))
}

/// Functions by name, in which `count` branches want work of so many operators.
fn functions(count: usize) -> Vec<(&'static str, String)> {
    let x = work(count, LOADED);
    let nested = |inner: String, one: &dyn Fn(usize) -> String| {
        (0..count)
            .fold(inner, |inner, index| format!("(block $b{index} (result i64) {inner}) {}", one(index)))
    };
    let kept = |index: usize| format!("(local.set $y) {} (return)", store(index, "(local.get $y)"));
    vec![
        ("a local", format!("{x} (local.set $x) {}", wanted(count))),
        (
            "a local that was copied",
            format!("{x} (local.tee $y) (drop) (local.set $x (local.get $y)) {}", wanted(count)),
        ),
        (
            "a local that one arm has done",
            format!(
                "{x} (local.set $x) (if {SOMETIMES} (then {})) {}",
                store(0, "(local.get $x)"),
                wanted(count)
            ),
        ),
        (
            "many values of one",
            format!(
                "{x} (local.set $x) {} {}",
                each(count, |index| format!(
                    "(local.set $v{index} (i64.add (local.get $x) (i64.const {index})))"
                )),
                each(count, |index| format!(
                    "(if {SOMETIMES} (then {}))",
                    store(index, &format!("(local.get $v{index})"))
                ))
            ),
        ),
        (
            "a local that two arms set",
            format!(
                "(if {SOMETIMES} (then {x} (local.set $x)) (else {} (local.set $x))) {}",
                work(count, "(i64.load (i32.const 16))"),
                wanted(count)
            ),
        ),
        (
            "a local that is set in a block with two ways out",
            format!("(block $b {x} (local.set $x) (br_if $b {SOMETIMES}) (nop)) {}", wanted(count)),
        ),
        (
            "a local that is set to itself in an arm",
            format!(
                "{x} (local.set $x) (if {SOMETIMES} (then (local.set $x (local.get $x)))) {}",
                wanted(count)
            ),
        ),
        (
            "a local through many arms",
            each(count, |index| {
                let (value, arm) = (work(8, LOADED), work(8, "(i64.load (i32.const 24))"));
                format!(
                    "{value} (local.set $x) (if {SOMETIMES} (then {arm} (local.set $x))) (if {SOMETIMES} (then {})) (if {SOMETIMES} (then {}))",
                    store(index, "(local.get $x)"),
                    store(index, "(i64.sub (local.get $x) (i64.const 5))"),
                )
            }),
        ),
        (
            "the result of a block",
            format!("(block $b (result i64) {x} (br_if $b {SOMETIMES})) (local.set $x) {}", wanted(count)),
        ),
        (
            "the result of an if",
            format!(
                "(if (result i64) {SOMETIMES} (then {x}) (else {LOADED})) (local.set $x) {}",
                wanted(count)
            ),
        ),
        (
            "what branches take along",
            format!(
                "{} (drop)",
                nested(
                    format!(
                        "{x} {} (drop) (return)",
                        each(count, |index| format!("(br_if $b{index} {SOMETIMES})"))
                    ),
                    &kept
                )
            ),
        ),
        (
            "what a table of branches takes along",
            format!(
                "{} (drop)",
                nested(
                    format!("{x} (br_table {} {SOMETIMES})", each(count, |index| format!("$b{index} "))),
                    &kept
                )
            ),
        ),
        (
            "what ifs take",
            format!(
                "{x} {} (drop) {}",
                each(count, |index| format!(
                    "{SOMETIMES} (if (param i64) (then (local.set $y) {}) (else ",
                    store(index, "(local.get $y)")
                )),
                "))".repeat(count)
            ),
        ),
        (
            "what blocks take",
            format!(
                "{x} (local.set $x) {} {}",
                "(local.get $x)".repeat(count),
                each(count, |index| format!(
                    "(block $b (param i64) (local.set $y) (br_if $b {SOMETIMES}) {})",
                    store(index, "(local.get $y)")
                ))
            ),
        ),
        (
            "a local of a loop",
            format!(
                "{x} (local.set $x) (loop $l {} {x} (local.set $x) (br_if $l {SOMETIMES}) {})",
                wanted(count),
                wanted(count)
            ),
        ),
        (
            "what was done in a block that an exception leaves",
            format!(
                "(block $b (try_table (catch_all $b) {x} (local.set $x) (call $none))) {}",
                wanted(count)
            ),
        ),
        (
            "a local that is stored and overwritten",
            format!(
                "{x} (local.set $x) (global.set $kept (local.get $x)) (global.set $kept (i64.const 0)) {}",
                wanted(count)
            ),
        ),
        (
            "a local that decides a branch by something else in it",
            format!(
                "(i32.load (i32.const 16)) {x} (i32.wrap_i64) (i32.rotl) (local.set $c) (if (local.get $c) (then (call $none))) {}",
                each(count, |index| format!(
                    "(if {SOMETIMES} (then (i32.store (i32.const {}) (local.get $c))))",
                    64 + 8 * index
                ))
            ),
        ),
        (
            "a vector into which a lane is loaded",
            format!(
                "{x} (i64x2.splat) (local.set $w) (drop (v128.load8_lane 0 (i32.const 0) (local.get $w))) {}",
                vectors(count)
            ),
        ),
        (
            "a vector of loaded lanes",
            format!(
                "{} {}",
                each(count, |index| format!(
                    "(local.set $w (v128.load8_lane {} (i32.const {index}) (local.get $w)))",
                    index % 16
                )),
                vectors(count)
            ),
        ),
        (
            "what many ways back take along",
            format!(
                "(loop $l {} {x} (local.set $x) {})",
                store(0, "(local.get $x)"),
                format!("(if {SOMETIMES} (then (br $l)))").repeat(count)
            ),
        ),
        (
            "what many ways to the only way back take along",
            format!(
                "(loop $l {} (block $o {x} (local.set $x) {} (local.set $x (i64.const 0))) (br_if $l {SOMETIMES}))",
                store(0, "(local.get $x)"),
                format!("(if {SOMETIMES} (then (br $o)))").repeat(count)
            ),
        ),
        (
            "what is thrown back from many calls",
            format!(
                "(loop $l {} (try_table (catch_all $l) {x} (local.set $x) {}))",
                store(0, "(local.get $x)"),
                format!("(if {SOMETIMES} (then (call $none)))").repeat(count)
            ),
        ),
        (
            "a local that is set where nobody comes",
            format!(
                "{} {}",
                each(count, |_| format!(
                    "{} (local.set $x) (block $b (br $b) (local.set $x (i64.const 0)))",
                    work(3, "(local.get $x)")
                )),
                wanted(count)
            ),
        ),
        (
            "a local that each arm has done and copied",
            format!(
                "{} {}",
                each(count, |_| format!(
                    "{} (local.set $y) (if {SOMETIMES} (then {arm}) (else {arm}))",
                    work(3, "(local.get $x)"),
                    arm = "(call $take (local.get $y)) (local.set $x (local.get $y))"
                )),
                wanted(count)
            ),
        ),
    ]
}

/// Branches that each want the vector `$w`.
fn vectors(count: usize) -> String {
    each(count, |index| {
        format!("(if {SOMETIMES} (then (v128.store (i32.const {}) (local.get $w))))", 64 + 16 * index)
    })
}

fn code_bytes(name: &str, count: usize) -> usize {
    let found = functions(count).into_iter().find(|function| function.0 == name);
    let locals = each(count, |index| format!("(local $v{index} i64)"));
    let (_, body) = found.expect("one of them");
    let fields = format!(
        "(global $sometimes (mut i32) (i32.const 1)) (func $none) (func $take (param i64))
        (global $kept (mut i64) (i64.const 0))
        (func $f (local $x i64) (local $y i64) (local $c i32) (local $w v128) {locals} {body})"
    );
    program(&module_with(&fields, "(call $f)")).code_bytes()
}

#[test]
fn work_that_many_branches_want_is_compiled_once() {
    for (name, _) in functions(1) {
        let [less, more] = [100, 300].map(|count| code_bytes(name, count));
        // In proportion to the module, and so a few times as much; nine times if each branch had a copy.
        assert!(more < 4 * less, "{name}: {less} and {more} bytes");
    }
}

#[test]
fn values_of_every_type_are_tied_to_their_places_and_stay_as_they_are() {
    let product = |start: i32, factor: i32| (0..20).fold(start, |product, _| product.wrapping_mul(factor));
    let (single, double) = ((0..20).fold(1.5f32, |x, _| x * 1.3), (0..20).fold(1.5f64, |x, _| x * 1.3));
    for (ty, start, step, show, expected) in [
        ("i32", "(i32.const 7)", "(i32.const 31) (i32.mul)", "", product(7, 31)),
        ("i64", "(i64.const 7)", "(i64.const 31) (i64.mul)", "(i32.wrap_i64)", product(7, 31)),
        (
            "f32",
            "(f32.const 1.5)",
            "(f32.const 1.3) (f32.mul)",
            "(i32.reinterpret_f32)",
            single.to_bits().cast_signed(),
        ),
        (
            "f64",
            "(f64.const 1.5)",
            "(f64.const 1.3) (f64.mul)",
            "(f32.demote_f64) (i32.reinterpret_f32)",
            (double as f32).to_bits().cast_signed(),
        ),
        (
            "v128",
            "(v128.const i32x4 7 8 9 10)",
            "(v128.const i32x4 3 5 31 9) (i32x4.mul)",
            "(i32x4.extract_lane 2)",
            product(9, 31),
        ),
        (
            "funcref",
            "(ref.func $none)",
            "(ref.null func) (global.get $sometimes) (select (result funcref))",
            "(ref.is_null)",
            0,
        ),
    ] {
        let steps = step.repeat(20);
        let shown = format!("(if {SOMETIMES} (then (call $print_i32 (local.get $x) {show})))").repeat(2);
        let function = format!(
            "(global $sometimes (mut i32) (i32.const 1)) (global $start (mut {ty}) {start}) (func $none)
            (func $f (local $x {ty}) (global.get $start) {steps} (local.set $x) {shown})"
        );
        let wat = module_with(&function, "(call $f)");
        let report = run_wat(&wat);
        assert!(report.outcome.is_success(), "{ty}: {}", report.outcome);
        assert_eq!(numbers(&report), [expected, expected], "{ty}");
    }
}

#[test]
fn code_that_nobody_comes_to_stays_valid() {
    // What an operator does to the stack is not what its heights say there.
    let dead = format!(
        "(local.set $w (i64x2.splat {})) {} (block $b (br $b)
            (i32.store) (v128.store (i32.const 8) (local.get $w)) (v128.store8_lane 0) (i64.const 3) (i64.store)
            (local.set $w (v128.load8_lane 0)) (local.set $x (i64.load)) (i64.mul) (i64.mul) (i64.mul) (local.set $x)
            (drop (f64.add)) (select) (drop))",
        work(20, LOADED),
        work(20, LOADED),
    );
    let fields = format!(
        "(global $sometimes (mut i32) (i32.const 1))
        (func $f (local $x i64) (local $w v128) {dead} (local.set $x) {})",
        wanted(20)
    );
    assert!(run_wat(&module_with(&fields, "(call $f)")).outcome.is_success());
}

#[test]
fn many_values_on_many_ways_are_looked_through_once() {
    // Each alone is small; every pair of them would be a thousand million.
    let values = format!("{} {}", work(20, LOADED), "(local.tee $x)".repeat(200_000));
    let table = format!("(loop $l {values} (drop) (br_table {} $l {SOMETIMES}))", "$l ".repeat(40_000));
    let calls =
        format!("(loop $l (try_table (catch_all $l) {values} (drop) {}))", "(call $none)".repeat(100_000));
    for body in [table, calls] {
        let fields = format!(
            "(global $sometimes (mut i32) (i32.const 1)) (func $none)
            (func $f (local $x i64) {body})"
        );
        let wasm = wat::parse_str(module_with(&fields, "(call $f)")).expect("good text");
        let begun = std::time::Instant::now();
        let steps = Program::would_have_steps(&wasm, &ModuleLimits::default());
        assert!(!steps.expect("a good module"));
        assert!(begun.elapsed() < std::time::Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}
