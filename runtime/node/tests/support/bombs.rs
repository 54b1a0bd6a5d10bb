//! Modules that are small to send and large to compile, or would be.

/// Name, module text. Each is either refused by a limit of modules or ends within a compiler's bounds.
pub fn all() -> Vec<(&'static str, String)> {
    let start = r#"(memory (export "memory") 1)"#;
    let one =
        |locals: &str, body: &str| format!("(module {start} (func (export \"_start\") {locals} {body}))");
    let with =
        |fields: &str, body: &str| format!("(module {fields} {start} (func (export \"_start\") {body}))");
    let many = |kind: &str, count: usize| format!("{kind} ").repeat(count);
    let indices = |count: usize| (0..count).map(|index| format!("{index} ")).collect::<String>();
    let load = |address: usize| format!("(i32.load (i32.const {}))", address * 4);
    let sum = "(local.set 0 (i32.add (i32.load (local.get 0)) (local.get 0)))";
    let blocks = |count: usize, inside: &str, after: &str| {
        format!("{} {inside} {}", "(block ".repeat(count), format!(") {after}").repeat(count))
    };
    let table = format!("(br_table {} (local.get 0))", indices(1_000));
    vec![
        ("a huge function", one("(local i32)", &sum.repeat(100_000))),
        (
            "many tiny functions",
            format!("(module {start} (func (export \"_start\")) {})", "(func)".repeat(100_000)),
        ),
        ("deep nesting", one("", &blocks(9_000, "", ""))),
        ("deeper nesting than is allowed", one("", &blocks(20_000, "", ""))),
        (
            "deep loops",
            one(
                "(local i32)",
                &format!("{} {}", "(loop ".repeat(2_000), "(br_if 0 (local.get 0)))".repeat(2_000)),
            ),
        ),
        (
            "a giant switch",
            one("(local i32)", &format!("(block (br_table {} (local.get 0)))", many("0", 500_000))),
        ),
        ("a switch of many blocks", one("(local i32)", &blocks(1_001, &table, sum))),
        (
            "many switches of many blocks",
            one("(local i32)", &blocks(1_001, &format!("(block {table})").repeat(200), "")),
        ),
        ("50,000 locals", one(&format!("(local {})", many("i32", 50_000)), "")),
        (
            "as many locals as may be",
            one(
                &format!("(local {})", many("i64", 19_999)),
                &(0..5_000)
                    .map(|index| {
                        format!("(local.set {index} (i64.add (local.get {}) (i64.const 1)))", index + 5_000)
                    })
                    .collect::<String>(),
            ),
        ),
        (
            "values that all live at once",
            one("", &format!("{} {} drop", (0..8_000).map(load).collect::<String>(), many("i32.add", 7_999))),
        ),
        (
            "locals that change in many loops",
            one(
                &format!("(local {})", many("i32", 1_000)),
                &(0..2_000)
                    .map(|index| {
                        format!(
                            "(loop (br_if 0 (i32.eqz (local.tee {0} (i32.add (local.get {0}) (i32.const 1))))))",
                            index % 1_000
                        )
                    })
                    .collect::<String>(),
            ),
        ),
        (
            "many results",
            format!(
                "(module {start} (func $many (result {0}) {1}) (func (export \"_start\") {2}))",
                many("i64", 1_000),
                "(i64.const 1)".repeat(1_000),
                format!("(call $many) {}", many("drop", 1_000)).repeat(100)
            ),
        ),
        (
            "block parameters",
            with(
                &format!("(type $t (func (param {0}) (result {0})))", many("i64", 500)),
                &format!(
                    "{} {} {}",
                    "(i64.const 1)".repeat(500),
                    "(loop (type $t) (br_if 0 (i32.const 0)))".repeat(200),
                    many("drop", 500)
                ),
            ),
        ),
        (
            "many types",
            with(
                &(0..100_000)
                    .map(|index: u32| {
                        format!(
                            "(type (func (param {})))",
                            (0..17)
                                .map(|bit| if index >> bit & 1 == 1 { "i32 " } else { "i64 " })
                                .collect::<String>()
                        )
                    })
                    .collect::<String>(),
                "",
            ),
        ),
        (
            "giant types",
            with(&format!("(type (func (param {0}) (result {0})))", many("i64", 1_000)).repeat(2_000), ""),
        ),
        (
            "many globals and exports",
            with(
                &(0..100_000)
                    .map(|index| format!("(global (export \"g{index}\") i32 (i32.const 0))"))
                    .collect::<String>(),
                "",
            ),
        ),
        (
            "long element segments",
            with(
                &format!(
                    "(table 1000000 funcref) (func $f) (elem (i32.const 0) func {})",
                    many("$f", 1_000_000)
                ),
                "",
            ),
        ),
        (
            "large data",
            format!(
                "(module (memory (export \"memory\") 200) (data (i32.const 0) \"{}\") (func (export \"_start\")))",
                "x".repeat(8 << 20)
            ),
        ),
        (
            "vector constants",
            one(
                "(local v128)",
                &(0..30_000)
                    .map(|index| {
                        format!(
                            "(local.set 0 (i32x4.add (local.get 0) (v128.const i64x2 {index} {})))",
                            index * 7_919
                        )
                    })
                    .collect::<String>(),
            ),
        ),
        (
            "references that live across many calls",
            format!(
                "(module (table 1 externref) {start} (func $f) (func (export \"_start\") (local {}) {} {} {}))",
                many("externref", 500),
                (0..500)
                    .map(|index| format!("(local.set {index} (table.get 0 (i32.const 0)))"))
                    .collect::<String>(),
                "(call $f)".repeat(2_000),
                (0..500)
                    .map(|index| format!("(table.set 0 (i32.const 0) (local.get {index}))"))
                    .collect::<String>()
            ),
        ),
        (
            "handlers in handlers",
            format!(
                "(module (tag $e) {start} (func $f) (func (export \"_start\") (block $b {} {} {})))",
                "(try_table (catch $e $b) ".repeat(1_000),
                "(call $f)".repeat(500),
                ")".repeat(1_000)
            ),
        ),
        (
            "many handlers",
            format!(
                "(module (tag $e) {start} (func $f) (func (export \"_start\") {}))",
                format!("(block $b (try_table {} (call $f)))", "(catch $e $b)".repeat(100)).repeat(500)
            ),
        ),
    ]
}
