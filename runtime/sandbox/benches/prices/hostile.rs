//! Modules that want more work than they pay for.

use crate::Row;

/// A loop of so many rounds, with a counter that no pass can count beforehand.
fn rounds(fields: &str, locals: &str, before: &str, body: &str, count: u32) -> String {
    format!(
        "(module (memory (export \"memory\") 64) {fields}
        (func $_start (export \"_start\") (local $i i32) {locals}
            {before}
            (loop $again
                {body}
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))))))"
    )
}

fn repeat(count: usize, one: impl FnMut(usize) -> String) -> String {
    (0..count).map(one).collect()
}

/// Values that go round: the head of a loop takes them, and a branch brings them back, each one place further on.
fn carried(ty: &str, count: usize, branch: &str) -> String {
    let types = format!("{ty} ").repeat(count);
    let loads = repeat(count, |index| format!("({ty}.load (i32.const {}))", index * 16));
    let more = "(i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 30000))";
    let branch = match branch {
        "br_if" => format!("(br_if $round {more}) (br $out)"),
        _ => format!("(br_table $out $round $out {more})"),
    };
    format!(
        "(module (memory (export \"memory\") 64)
        (type $t (func (param {types}) (result {types})))
        (func $_start (export \"_start\") (local $i i32)
            {loads}
            (block $out (type $t) (loop $round (type $t) ({ty}.load (i32.const 8)) {branch}))
            {}))",
        "(drop)".repeat(count)
    )
}

/// A function with a large frame that it hardly ever needs.
fn frame(values: usize, ty: &str) -> String {
    let loads = repeat(values, |index| format!("({ty}.load (i32.const {}))", index * 16));
    let adds = match ty {
        "v128" => "(v128.xor)",
        _ => "(i64.xor)",
    }
    .repeat(values - 1);
    rounds(
        &format!(
            "(func $none)
            (func $big (param i32)
                (if (local.get 0) (then (i32.const 0) {loads} (call $none) {adds} ({ty}.store)))
                (call $none))"
        ),
        "",
        "",
        "(call $big (i32.const 0))",
        300_000,
    )
}

/// A function of many locals that are all set before a call and read behind it.
fn locals(count: usize, ty: &str) -> String {
    let names = repeat(count, |_| format!("{ty} "));
    rounds(
        &format!(
            "(func $none (param {ty}))
            (func $big (param i32) (local {names})
                {}
                (call $none (local.get {count})))",
            repeat(count, |index| format!(
                "(if (local.get 0) (then (local.set {} ({ty}.load (local.get 0)))))",
                index + 1
            )),
        ),
        "",
        "",
        "(call $big (i32.const 0))",
        30_000,
    )
}

/// Work that does not depend on the loop it stands in, on a path that is never taken: the compiler does it before the
/// loop, each time the loop is entered.
fn hoisted(operator: &str, count: usize, ty: &str) -> String {
    let chain = repeat(count, |_| format!("({operator}"));
    let close = ")".repeat(count);
    rounds(
        "(global $never (mut i32) (i32.const 0))",
        &format!("(local $v {ty}) (local $j i32)"),
        "",
        &format!(
            "(local.set $v ({ty}.load (local.get $i)))
            (local.set $j (i32.const 0))
            (loop $inner
                (if (global.get $never) (then ({ty}.store (i32.const 0) {chain} (local.get $v) {close})))
                (local.set $j (i32.add (local.get $j) (i32.const 1)))
                (br_if $inner (i32.lt_u (local.get $j) (global.get $never))))"
        ),
        3_000,
    )
}

/// A chain of work on a value, so many times two operators.
fn chain(count: usize, value: &str) -> String {
    let work = repeat(count, |index| {
        format!("(i64.const {}) (i64.mul) (i64.const {}) (i64.xor)", 2 * index + 12_345_678_901, index + 1)
    });
    format!("{value} {work}")
}

/// One piece of work whose result each of many branches wants: the compiler does it in all of them.
fn siblings(work: usize, branches: usize) -> String {
    let uses = repeat(branches, |_| {
        "(if (i32.eqz (global.get $never)) (then (i64.store (i32.const 2048) (local.get $x))))".to_owned()
    });
    rounds(
        "(global $never (mut i32) (i32.const 0))",
        "(local $x i64)",
        "",
        &format!("{} (local.set $x) {uses}", chain(work, "(i64.load (i32.const 8))")),
        3_000,
    )
}

/// Pieces of work, most of them too small to be tied to their places, whose results each of many branches wants.
fn pieces(operator: &str, ty: &str, count: usize, branches: usize) -> String {
    let names = repeat(count, |index| format!("(local $l{index} {ty})"));
    let sets = repeat(count, |index| {
        let close = ")".repeat(operator.matches('(').count());
        format!("(local.set $l{index} ({operator} ({ty}.load (i32.const {})){close}))", index * 16)
    });
    let sum = repeat(count, |index| format!("(local.get $l{index}) ({ty}.add)"));
    let uses = repeat(branches, |_| {
        format!(
            "(if (i32.eqz (global.get $never)) (then (i32.const 2048) ({ty}.const 0) {sum} ({ty}.store)))"
        )
    });
    rounds("(global $never (mut i32) (i32.const 0))", &names, "", &format!("{sets} {uses}"), 3_000)
}

/// Work on `value`, which only seems to change in the loop, on a path that is never taken.
fn disguised(value: &str) -> String {
    let work = chain(5_000, value);
    rounds(
        "(global $never (mut i32) (i32.const 0)) (table 1 1 funcref)",
        "(local $v i64) (local $w i64) (local $j i32)",
        "",
        &format!(
            "(local.set $v (i64.load (local.get $i)))
            (local.set $j (i32.const 0))
            (loop $inner
                (local.set $w (i64.load (i32.const 64)))
                (i64.store (i32.const 8) (local.get $v))
                (if (global.get $never) (then (i32.const 0) {work} (i64.store)))
                (local.set $j (i32.add (local.get $j) (i32.const 1)))
                (br_if $inner (i32.lt_u (local.get $j) (global.get $never))))"
        ),
        3_000,
    )
}

/// Vectors that the compiler lays down before an inner loop.
fn constants(count: usize) -> String {
    let body = repeat(count, |index| format!("(v128.const i64x2 {index} 12345678901) (i32x4.add)"));
    rounds(
        "(global $never (mut i32) (i32.const 0))",
        "(local $v v128) (local $j i32)",
        "",
        &format!(
            "(local.set $j (i32.const 0))
            (loop $inner
                (if (global.get $never) (then (local.get $v) {body} (local.set $v)))
                (local.set $j (i32.add (local.get $j) (i32.const 1)))
                (br_if $inner (i32.lt_u (local.get $j) (global.get $never))))
            (v128.store (i32.const 0) (local.get $v))"
        ),
        3_000,
    )
}

/// Locals that change places on a path that is never taken, so that the other paths may have to move them.
fn rotated(count: usize) -> String {
    let names = repeat(count, |index| format!("(local $l{index} i64)"));
    let loads = repeat(count, |index| format!("(local.set $l{index} (i64.load (i32.const {})))", index * 8));
    let gets = repeat(count, |index| format!("(local.get $l{})", (index + 1) % count));
    let sets = repeat(count, |index| format!("(local.set $l{})", count - 1 - index));
    let stores =
        repeat(count, |index| format!("(i64.store (i32.const {}) (local.get $l{index}))", index * 8));
    let mut text = rounds(
        "(global $never (mut i32) (i32.const 0))",
        &names,
        &loads,
        &format!("(block $past (if (global.get $never) (then {gets} {sets} (br $past))) )"),
        30_000,
    );
    let end = text.len() - 2;
    text.insert_str(end, &stores);
    text
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name: &str, wat: String| rows.push(Row { name: name.to_owned(), wat });
    for (ty, count) in [("i64", 8), ("i64", 100), ("i64", 900), ("v128", 900)] {
        for branch in ["br_if", "br_table"] {
            add(&format!("{branch} that carries {count} of {ty}"), carried(ty, count, branch));
        }
    }
    for (ty, count) in [("i64", 20), ("i64", 900), ("v128", 900)] {
        let many = format!("{ty} ").repeat(count);
        let loads = format!("({ty}.load (i32.const 0))").repeat(count);
        let drops = "(drop)".repeat(count);
        let zero = if ty == "v128" { "(v128.const i64x2 0 0)" } else { "(i64.const 0)" };
        for (what, function, call) in [
            ("parameters", format!("(func $f (param {many}))"), format!("{loads} (call $f)")),
            (
                "results",
                format!("(func $f (result {many}) {})", zero.repeat(count)),
                format!("(call $f) {drops}"),
            ),
        ] {
            add(&format!("call with {count} {what} of {ty}"), rounds(&function, "", "", &call, 20_000));
        }
    }
    for (values, ty) in [(50, "i64"), (900, "i64"), (900, "v128"), (20_000, "i64"), (20_000, "v128")] {
        add(&format!("call of a frame for {values} of {ty}"), frame(values, ty));
    }
    for (count, ty) in [(900, "i64"), (900, "v128")] {
        add(&format!("call with {count} locals of {ty}"), locals(count, ty));
    }
    add(
        "a recursion of small frames",
        rounds(
            "(func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))",
            "",
            "",
            "(call $deep (i32.const 30000))",
            300,
        ),
    );
    for (operator, ty) in [
        ("f64.sqrt", "f64"),
        ("i64.popcnt", "i64"),
        ("f64x2.sqrt", "v128"),
        ("i32x4.neg", "v128"),
        ("i8x16.popcnt", "v128"),
    ] {
        add(&format!("{operator}, hoisted out of a loop"), hoisted(operator, 5_000, ty));
    }
    for (work, branches) in [(300, 300), (100, 400), (50, 50), (3, 300)] {
        add(&format!("work of {work} wanted in {branches} branches"), siblings(work, branches));
    }
    // The last is the most that is done again: 15 gas.
    let most = "i64.reinterpret_f64 (f64.convert_i64_s (i64.reinterpret_f64 (f64.convert_i64_s (i64.reinterpret_f64 \
        (f64.convert_i64_s (i64.reinterpret_f64 (f64.convert_i64_s (i64.reinterpret_f64 (f64.convert_i64_s \
        (i64.reinterpret_f64 (f64.convert_i64_s (i64.reinterpret_f64 (f64.convert_i64_s";
    for (operator, ty) in [("f64.sqrt", "f64"), ("f64.ceil", "f64"), ("i64.popcnt", "i64"), (most, "i64")] {
        let name = if operator == most { "conversions" } else { operator };
        add(&format!("30 pieces of {name} wanted in 100 branches"), pieces(operator, ty, 30, 100));
    }
    for (what, value) in [
        ("v ^ v", "(i64.or (local.get $v) (i64.xor (local.get $w) (local.get $w)))"),
        ("a store", "(i64.load (i32.const 8))"),
        ("the size of a table", "(i64.add (local.get $v) (i64.extend_i32_u (table.size)))"),
        ("a dead end", "(block $b (result i64) (local.get $v) (br $b) (i64.load (i32.const 16)))"),
    ] {
        add(&format!("hoisted work behind {what}"), disguised(value));
    }
    add("v128.const, hoisted out of a loop", constants(5_000));
    add("locals that change places elsewhere", rotated(900));
    add(
        "loads that miss the cache",
        "(module (memory (export \"memory\") 4096)
            (func (export \"_start\") (local $i i32) (local $x i32)
                (loop $again
                    (local.set $x (i32.and (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.add
                        (i32.const 1013904223) (i32.load (i32.and (local.get $x) (i32.const 0xffffff0))))) (i32.const -16)))
                    (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3000000))))))"
            .to_owned(),
    );
    rows
}
