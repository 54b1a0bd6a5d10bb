//! Guests that want more work than they pay for, or a fault of the host.

mod common;

use common::{compile, engine, module, module_with, numbers, program, run_task, run_wat, task};
use fizz_attest::Outcome;
use fizz_sandbox::{COSTS, ModuleError, ModuleLimits, Program, ProgramError, TaskReport};

/// Gas of one more round of `body`, which stands between `before` and the end.
fn gas_of(fields: &str, before: &str, body: &str) -> u64 {
    let with = |times: usize| {
        let report = run_wat(&module_with(fields, &format!("{before}{}", body.repeat(times))));
        assert!(report.outcome.is_success(), "{}", report.outcome);
        report.gas
    };
    with(2) - with(1)
}

#[test]
fn a_walk_through_links_is_paid_for_though_it_leads_nowhere() {
    let target = format!("{}l", "./".repeat(2_000));
    let fields = format!("(data (i32.const 1000) \"{target}\") (data (i32.const 8) \"l\")");
    let before = format!(
        "(drop (call $path_symlink (i32.const 1000) (i32.const {}) (i32.const 3) (i32.const 8) (i32.const 1)))",
        target.len()
    );
    let stat = "(call $print_i32 (call $path_filestat_get
        (i32.const 3) (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4096)))";
    // 32 links of 2,000 parts each.
    assert!(gas_of(&fields, &before, stat) > 32 * 2_000 * 9 * u64::from(COSTS.path_byte));
    const LOOP: i32 = 32;
    let report = run_wat(&module_with(&fields, &format!("{before}{stat}")));
    assert_eq!(numbers(&report), [LOOP]);
}

#[test]
fn empty_buffers_are_paid_for() {
    let write = |count| {
        format!("(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const {count}) (i32.const 16384)))")
    };
    let more = gas_of("", "", &write(1_024)) - gas_of("", "", &write(0));
    assert_eq!(more, 1_024 * u64::from(COSTS.buffer));
    let read = "(drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 16384)))";
    assert!(gas_of("", "", read) > 1_024 * u64::from(COSTS.buffer));
}

#[test]
fn the_start_function_gives_its_stack_back() {
    let wat = "(module (memory (export \"memory\") 1)
        (func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))
        (func $init (call $deep (i32.const 8000)))
        (start $init)
        (func (export \"_start\") (call $deep (i32.const 8000))))";
    let report = run_wat(wat);
    assert!(report.outcome.is_success(), "{}", report.outcome);
}

#[test]
fn unwinding_is_paid_for_by_the_stack_that_it_unwinds() {
    // Catchers of every shape: into a block, into a loop's head, out of the function without, with one, and with
    // several results.
    let fields = "(tag $e (param i32))
        (func $deep (param i32) (result i32)
            (if (local.get 0) (then (return (call $deep (i32.sub (local.get 0) (i32.const 1))))))
            (throw $e (i32.const 7)))
        (func $block (param i32) (result i32)
            (block $c (result i32) (try_table (catch $e $c) (drop (call $deep (local.get 0)))) (i32.const 1)))
        (func $head (param i32) (result i32) (local $again i32)
            (loop $l
                (if (local.get $again) (then (return (i32.const 7))))
                (local.set $again (i32.const 1))
                (try_table (catch_all $l) (drop (call $deep (local.get 0)))))
            (i32.const 1))
        (func $none (param i32) (try_table (catch_all 1) (drop (call $deep (local.get 0)))) (unreachable))
        (func $one (param i32) (result i32)
            (try_table (catch $e 1) (drop (call $deep (local.get 0)))) (i32.const 1))
        (tag $two (param i32 i64))
        (func $deep2 (param i32)
            (if (local.get 0) (then (call $deep2 (i32.sub (local.get 0) (i32.const 1))) (return)))
            (throw $two (i32.const 7) (i64.const 8)))
        (func $several (param i32) (result i32 i64)
            (try_table (catch $two 1) (call $deep2 (local.get 0))) (i32.const 1) (i64.const 1))
        (func $own (param i32) (result i32)
            (block $c (result i32) (try_table (catch $e $c) (throw $e (i32.const 7))) (unreachable)))";
    let fields =
        &fields.replace("(catch_all 1) (drop", "(catch_all 0) (drop").replace("(catch $e 1)", "(catch $e 0)");
    let fields = &fields.replace("(catch $two 1)", "(catch $two 0)");
    for (call, frame) in [
        ("(call $print_i32 (call $block (i32.const N)))", 64),
        ("(call $print_i32 (call $head (i32.const N)))", 64),
        ("(call $none (i32.const N)) (call $print_i32 (i32.const 7))", 64),
        ("(call $print_i32 (call $one (i32.const N)))", 64),
        ("(call $several (i32.const N)) (drop) (call $print_i32)", 64),
        ("(call $print_i32 (call $own (i32.const N)))", 0),
    ] {
        let at = |depth: &str| gas_of(fields, "", &call.replace('N', depth));
        let frames = at("1100") - at("100");
        assert!(frames >= 1_000 * frame * u64::from(COSTS.unwound_byte), "{call}: {frames}");
        assert!(at("1") < 3 * u64::from(COSTS.throw), "{call}");
        // Nothing is left over for the next catcher, thrown to or not.
        let report = run_wat(&module_with(fields, &call.replace('N', "50").repeat(3)));
        assert_eq!(numbers(&report), [7, 7, 7], "{call}");
        let mut exact = task();
        exact.limits.gas = report.gas;
        let again = run_task(&module_with(fields, &call.replace('N', "50").repeat(3)), exact.clone());
        assert!(again.outcome.is_success(), "{call}");
        exact.limits.gas -= 1;
        let less = run_task(&module_with(fields, &call.replace('N', "50").repeat(3)), exact);
        assert_eq!(less.outcome, Outcome::OutOfGas, "{call}");
    }
}

#[test]
fn handlers_that_a_throw_must_look_at_are_paid_for() {
    let with = |clauses: usize| {
        let others = "(catch $other $c)".repeat(clauses);
        let fields = format!(
            "(tag $e) (tag $other) (func $f (block $c (try_table {others} (catch_all $c) (throw $e))))"
        );
        gas_of(&fields, "", "(call $f)")
    };
    assert_eq!(with(1_000) - with(0), 1_000 * u64::from(COSTS.catch_clause));
}

#[test]
fn functions_of_several_results_are_charged_in_both_forms_alike() {
    let fields = "(func $two (param i32) (result i32 i64)
            (if (local.get 0) (then (return (i32.const 1) (i64.const 2))))
            (br_if 0 (i32.const 5) (i64.const 6) (i32.eqz (local.get 0)))
            (drop) (drop) (i32.const 3) (i64.const 4))
        (func $three (result i32 i32 i32) (call $two (i32.const 0)) (i32.wrap_i64) (i32.const 9))";
    let body = "(call $two (i32.const 0)) (drop) (call $print_i32)
        (call $two (i32.const 1)) (drop) (call $print_i32)
        (call $three) (call $print_i32) (call $print_i32) (call $print_i32)";
    let completed = run_wat(&module_with(fields, body));
    assert_eq!(numbers(&completed), [5, 1, 9, 6, 5]);
    // A trap is counted by the second form: one load, and its two constants, more than the first form counts.
    let trapped = run_wat(&module_with(fields, &format!("{body} (drop (i32.load (i32.const -1)))")));
    assert_eq!(trapped.gas - completed.gas, 3);
    assert_eq!(trapped.stdout, completed.stdout);
}

/// One function of these instructions, and nothing else.
fn one_function(instructions: &[u8]) -> Vec<u8> {
    let leb = |mut value: usize| {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    let section = |id: u8, content: &[u8]| [&[id][..], &leb(content.len()), content].concat();
    let body = [&[0][..], instructions, &[0x0b]].concat();
    let code = [&[1][..], &leb(body.len()), &body].concat();
    let exports = [&b"\x02\x06memory\x02\x00\x06_start\x00\x00"[..]].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, b"\x01\x60\0\0"),
        section(3, b"\x01\0"),
        section(5, b"\x01\0\x01"),
        section(7, &exports),
        section(10, &code),
    ]
    .concat()
}

#[test]
fn a_function_that_only_the_instrumentation_makes_too_long_is_the_requesters_fault() {
    let calls = [0x10, 0].repeat(1_500_000);
    let growths = [&[0x00][..], &[0x40, 0].repeat(500_000), &[0x1a]].concat();
    for instructions in [calls, growths] {
        let wasm = one_function(&instructions);
        match Program::compile(engine(), &wasm, &ModuleLimits::default()) {
            Err(ProgramError::Module(error @ ModuleError::TooLarge { .. })) => {
                assert!(error.to_string().contains("when instrumented"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    // Shorter ones of the same kind compile in both forms.
    let shorter = [[0x10, 0].repeat(20_000), vec![0x41, 0x7f, 0x28, 2, 0, 0x1a]].concat();
    assert!(Program::compile(engine(), &one_function(&shorter), &ModuleLimits::default()).is_ok());
}

#[test]
fn deeply_nested_blocks_need_no_stack_of_the_compiler() {
    for (open, depth) in [([0x02, 0x40], 9_999), ([0x03, 0x40], 256)] {
        let nested = [open.repeat(depth), vec![0x0b; depth]].concat();
        assert!(Program::compile(engine(), &one_function(&nested), &ModuleLimits::default()).is_ok());
    }
}

#[test]
fn a_file_is_not_made_before_it_is_paid_for() {
    let fields = "(data (i32.const 8) \"f\")";
    let body = "(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 1)
            (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0)))
        (drop (call $fd_filestat_set_size (i32.const 4) (i64.const 1000000000)))";
    let mut poor = task();
    poor.limits.gas = 10_000_000;
    let report: TaskReport = run_task(&module_with(fields, body), poor);
    assert_eq!((report.outcome, report.gas), (Outcome::OutOfGas, 10_000_000));
    assert_eq!(report.files.get("/f").map(|bytes| bytes.len()), Some(0));
}

#[test]
fn an_exclusive_file_is_not_made_through_a_link() {
    let fields = "(data (i32.const 8) \"l\") (data (i32.const 16) \"away\")";
    let body = "(drop (call $path_symlink (i32.const 16) (i32.const 4) (i32.const 3) (i32.const 8) (i32.const 1)))
        (call $print_i32 (call $path_open (i32.const 3) (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 5)
            (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0)))";
    const EXIST: i32 = 20;
    let report = run_wat(&module_with(fields, body));
    assert_eq!(numbers(&report), [EXIST]);
    assert_eq!(report.files.len(), 1);
}

#[test]
fn references_to_functions_are_paid_for() {
    let fields = "(elem declare func $f) (func $f)";
    let gas = gas_of(fields, "", "(drop (ref.func $f))");
    assert_eq!(gas, u64::from(COSTS.function_reference));
}

#[test]
fn values_that_control_takes_along_are_paid_for() {
    let many = "i64 ".repeat(500);
    let values = "(i64.load (i32.const 0))".repeat(500);
    let drops = "(drop)".repeat(500);
    let each = 496 * u64::from(COSTS.carried);
    let types = format!("(type $t (func (param {many}) (result {many})))");
    // Each round brings the values to the head of the loop again, with one operator.
    let rounds = |branch: &str, count: u32| {
        let more =
            format!("(i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {count}))");
        let branch = branch.replace("MORE", &more);
        let body = format!(
            "{values} (block $out (type $t) (loop $round (type $t) (i64.load (i32.const 8)) {branch})) {drops}"
        );
        let report = run_wat(&module_with(&format!("{types} (func $f (local $i i32) {body})"), "(call $f)"));
        assert!(report.outcome.is_success(), "{}", report.outcome);
        report.gas
    };
    for branch in ["(br_if $round MORE) (br $out)", "(br_table $out $round $out MORE)"] {
        assert!(rounds(branch, 3) - rounds(branch, 2) > each, "{branch}");
    }
    for (fields, body) in [
        (format!("{types} (func $f (type $t) {values})"), format!("{values} (call $f) {drops}")),
        (
            format!("{types} (table 1 funcref) (elem (i32.const 0) func $f) (func $f (type $t) {values})"),
            format!("{values} (call_indirect (type $t) (i32.const 0)) {drops}"),
        ),
        (
            types.clone(),
            format!("(block (type $t) {values} (br 0)) {drops}").replacen(
                "(type $t)",
                &format!("(result {many})"),
                1,
            ),
        ),
        (
            types.clone(),
            format!("(if (result {many}) (i32.const 1) (then {values}) (else {values})) {drops}"),
        ),
    ] {
        assert!(gas_of(&fields, "", &body) > each, "{body:.60}");
    }
}

#[test]
fn large_frames_are_paid_for_at_each_entry() {
    let with = |values: usize| {
        let fields = format!(
            "(func $none) (func $f (param i32)
                (if (local.get 0) (then (i32.const 0) {} (call $none) {} (i64.store))))",
            "(i64.load (i32.const 0))".repeat(values),
            "(i64.xor)".repeat(values - 1)
        );
        gas_of(&fields, "", "(call $f (i32.const 0))")
    };
    let more = with(10_000) - with(1_000);
    assert!(more >= (9_000 * 8) >> COSTS.entered_shift, "{more}");
}

#[test]
fn work_that_the_compiler_does_before_a_loop_is_paid_for_there() {
    // Never taken, but done each time the inner loop is entered: the value does not change in it.
    let with = |count: usize, set: &str| {
        let chain = format!("{} (local.get $v) {}", "(f64.sqrt".repeat(count), ")".repeat(count));
        let fields = format!(
            "(global $never (mut i32) (i32.const 0))
            (func $f (param $v f64) (local $j i32)
                (loop $inner
                    {set}
                    (if (global.get $never) (then (f64.store (i32.const 0) {chain})))
                    (br_if $inner (global.get $never))))"
        );
        gas_of(&fields, "", "(call $f (f64.load (i32.const 0)))")
    };
    let hidden =
        "(block $past (if (global.get $never) (then (local.set $v (f64.load (i32.const 8))) (br $past))))";
    // It may be the same in every round, too, though nothing here says so.
    for set in ["", hidden, "(local.set $v (f64.load (i32.const 8)))"] {
        assert_eq!(with(300, set) - with(100, set), 200 * u64::from(COSTS.divide), "{set}");
    }
}

/// So many times two operators, each on the one before.
fn chain(count: usize, value: &str) -> String {
    format!("{value} {}", "(i64.const 12345678901) (i64.mul) (i64.const 77) (i64.xor)".repeat(count))
}

#[test]
fn work_that_only_seems_to_change_in_a_loop_is_paid_for_at_its_entry() {
    for value in [
        "(i64.or (local.get $v) (i64.xor (local.get $w) (local.get $w)))",
        "(i64.load (i32.const 8))",
        "(i64.add (local.get $v) (i64.extend_i32_u (table.size)))",
        "(block $b (result i64) (local.get $v) (br $b) (i64.load (i32.const 16)))",
    ] {
        let fields = format!(
            "(global $never (mut i32) (i32.const 0)) (table 1 1 funcref)
            (func $f (param $v i64) (local $w i64)
                (loop $inner
                    (local.set $w (i64.load (i32.const 64)))
                    (i64.store (i32.const 8) (local.get $v))
                    (if (global.get $never) (then (i32.const 0) {} (i64.store)))
                    (br_if $inner (global.get $never))))",
            chain(5_000, value)
        );
        let gas = gas_of(&fields, "", "(call $f (i64.load (i32.const 0)))");
        assert!((20_000..20_200).contains(&gas), "{value}: {gas}");
    }
    // What the first round does in any case is paid for there, and once.
    let always = |count| {
        let work = chain(count, "(local.get $v)");
        let fields = format!(
            "(global $never (mut i32) (i32.const 0))
            (func $f (param $v i64) (loop $inner
                (block $on (br_if $on (global.get $never)))
                (i32.const 0) {work} (i64.store) (br_if $inner (global.get $never))))"
        );
        gas_of(&fields, "", "(call $f (i64.load (i32.const 0)))")
    };
    assert_eq!(always(300) - always(100), 800);
}

#[test]
fn dropped_segments_are_paid_for() {
    let fields = "(elem $e func $_start) (data $d \"abc\")";
    for drop in ["(elem.drop $e)", "(data.drop $d)"] {
        assert_eq!(gas_of(fields, "", drop), u64::from(COSTS.bulk), "{drop}");
    }
}

#[test]
fn a_guest_cannot_name_our_globals() {
    // The index of our first global, in every place that can hold one.
    for fields in [
        "(global i32 (i32.const 0)) (func (drop (global.get 1)))",
        "(global i32 (i32.const 0)) (func (global.set 1 (i64.const 9)))",
        "(global i32 (i32.const 0)) (export \"x\" (global 1))",
        "(global i64 (global.get 1))",
        "(global i32 (i32.const 0)) (data (offset (global.get 2)) \"x\")",
        "(global i32 (i32.const 0)) (table 1 funcref) (elem (offset (global.get 2)) func)",
    ] {
        let error =
            compile(&format!("(module (memory (export \"memory\") 1) {fields} (func (export \"_start\")))"));
        assert!(matches!(error, Err(ProgramError::Module(ModuleError::Malformed { .. }))), "{fields}");
    }
    // Globals with initialisers of their own keep their values and places.
    let wat = module_with(
        "(global i32 (i32.const 1))
        (global $b (mut i32) (i32.mul (i32.add (i32.const 40) (i32.const 2)) (i32.const 2)))
        (data (offset (i32.sub (i32.const 42) (i32.const 42))) \"\\05\")",
        "(call $print_i32 (global.get $b)) (call $print_i32 (i32.load8_u (i32.const 0)))",
    );
    assert_eq!(numbers(&run_wat(&wat)), [84, 5]);
    assert!(program(&module("")).start_gas() > 0);
}

/// A guest that holds as many exceptions as its stack has room for, each with the largest payload, and counts them.
fn hoarder(locals: usize) -> String {
    let throw = "(v128.const i64x2 1 2)".repeat(4);
    let catch = |local: usize| {
        format!(
            "(block $c (result exnref) (try_table (catch_all_ref $c) (throw $e {throw})) (unreachable))
            (local.set {local}) (global.set $held (i32.add (global.get $held) (i32.const 1)))"
        )
    };
    let catches: String = (0..locals).map(catch).collect();
    // Read again behind the call, so that all of them live across it.
    let keep: String = (0..locals).map(|local| format!("(drop (ref.is_null (local.get {local})))")).collect();
    module_with(
        &format!(
            "(tag $e (param v128 v128 v128 v128)) (global $held (mut i32) (i32.const 0))
            (func $hoard (local {exns})
                {catches}
                (if (i32.lt_u (global.get $held) (i32.const COUNT)) (then (call $hoard)))
                {keep})",
            exns = "exnref ".repeat(locals)
        ),
        "(call $hoard) (call $print_i32 (global.get $held))",
    )
}

#[test]
fn a_stack_full_of_exceptions_is_no_fault_of_the_host() {
    let locals = 400;
    let mut task = task();
    task.limits.gas = 1_000_000_000_000;
    task.limits.stack_bytes = 4 << 20;
    // As many as the stack has room for: past that it overflows, and the host is still well.
    let most = (4 << 20) / (64 + 8 * locals as i32 + 2_000) * locals as i32;
    let held = run_task(&hoarder(locals).replace("COUNT", &most.to_string()), task.clone());
    assert!(held.outcome.is_success(), "{}", held.outcome);
    assert!(numbers(&held)[0] > 250_000, "{:?}", numbers(&held));
    let over = run_task(&hoarder(locals).replace("COUNT", "10000000"), task);
    assert_eq!(over.outcome, Outcome::Trapped { kind: fizz_attest::TrapKind::StackOverflow });
}

#[test]
fn exceptions_live_only_where_the_stack_bounds_them() {
    let start = "(memory (export \"memory\") 1) (func (export \"_start\"))";
    for (fields, problem) in [
        ("(tag (param exnref))", "a reference in an exception"),
        ("(tag (param i32 funcref))", "a reference in an exception"),
        ("(table 1 exnref)", "a table of exceptions"),
        ("(global (mut exnref) (ref.null exn))", "a global that holds an exception"),
        (
            "(tag (param i64 i64 i64 i64 i64 i64 i64 i64 i32))",
            "68 bytes in one exception; at most 64 are allowed",
        ),
    ] {
        match compile(&format!("(module {start} {fields})")) {
            Err(ProgramError::Module(error)) => {
                assert!(error.to_string().contains(problem), "{fields}: {error}");
                assert!(!error.hint().is_empty());
            }
            other => panic!("{fields}: {other:?}"),
        }
    }
    for fields in [
        "(tag (param i64 i64 i64 i64 i64 i64 i64 i64))",
        "(tag (param i32 f32 f64 v128))",
        "(table 1 externref) (table 1 funcref)",
        "(global (mut externref) (ref.null extern)) (global (mut funcref) (ref.null func))",
        "(func (local exnref) (drop (ref.is_null (local.get 0))))",
    ] {
        assert!(compile(&format!("(module {start} {fields})")).is_ok(), "{fields}");
    }
}
