mod common;
use common::*;
use std::time::Instant;
use fizz_sandbox::*;

fn timed(name: &str, wat: &str, gas: u64) {
    let t = Instant::now();
    let c = compile(wat);
    let compile = t.elapsed();
    let program = match c { Ok(p) => p, Err(e) => { println!("{name}: compile error {e} after {compile:?}"); return; } };
    let mut task = task();
    task.limits.gas = gas;
    task.limits.stack_bytes = 4 << 20;
    task.limits.table_elements = 20_000_000;
    match run(&program, task, None, None) {
        Ok(r) => println!("{name}: {} gas {} ({:.1} ms nominal) run {:?} ratio {:.1} compile {compile:?} {:?}", r.outcome, r.gas, r.gas as f64/16e6, r.run, r.run.as_secs_f64()*16e9/r.gas as f64, r.diagnostic.as_deref().map(|s| s.lines().next().unwrap_or("").to_owned())),
        Err(f) => println!("{name}: FAULT {f} compile {compile:?}"),
    }
}

#[test]
fn throws() {
    // deep unwinding
    let fields = "(tag $e) (func $rec (param i32) (if (local.get 0) (then (call $rec (i32.sub (local.get 0) (i32.const 1))) ) (else (throw $e))))
      (func $norm (param i32) (if (local.get 0) (then (call $norm (i32.sub (local.get 0) (i32.const 1))) )))
      (func $top (param i32) (block $c (try_table (catch $e $c) (call $rec (local.get 0)))))";
    for depth in [10, 1000, 40000] {
        timed(&format!("throw depth {depth}"), &module_with(fields, &format!("(loop (call $top (i32.const {depth})) (br 0))")), 2_000_000_000);
    }
    timed("no throw depth 40000", &module_with(fields, "(loop (call $norm (i32.const 40000)) (br 0))"), 2_000_000_000);
    // many handlers
    for n in [1usize, 100, 1000] {
        let catches = "(catch $o $c)".repeat(n);
        let fields = format!("(tag $e) (tag $o) (func $t (throw $e)) (func $top (block $c (try_table {catches} (catch_all $c) (call $t))))");
        timed(&format!("handlers {n}"), &module_with(&fields, "(loop (call $top) (br 0))"), 1_000_000_000);
        let fields = format!("(tag $e) (tag $o) (func $rec (param i32) (block $c (try_table {catches} (if (local.get 0) (then (call $rec (i32.sub (local.get 0) (i32.const 1))) ) (else (throw $e))))))
        (func $top (param i32) (block $c (try_table (catch $e $c) (call $rec (local.get 0)))))");
        timed(&format!("handlers {n} depth 10000"), &module_with(&fields, "(loop (call $top (i32.const 10000)) (br 0))"), 1_000_000_000);
    }
}

#[test]
fn tables() {
    timed("table grow", &module_with("(table $t 1000000 funcref)", "(loop (drop (table.grow $t (ref.null func) (i32.const 1))) (br 0))"), 100_000_000);
    timed("ref.func", &module_with("(table $t 1 funcref) (elem declare func $f) (func $f)", "(loop (drop (ref.is_null (ref.func $f))) (br 0))"), 1_000_000_000);
    timed("table.get", &module_with("(table $t 1 funcref) (elem (i32.const 0) func $f) (func $f)", "(loop (drop (ref.is_null (table.get $t (i32.const 0)))) (br 0))"), 1_000_000_000);
    timed("table.set", &module_with("(table $t 1 funcref) (elem (i32.const 0) func $f) (func $f)", "(loop (table.set $t (i32.const 0) (ref.func $f)) (br 0))"), 1_000_000_000);
    timed("table.init", &module_with("(table $t 1 funcref) (elem $e func $f) (func $f)", "(loop (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)) (br 0))"), 1_000_000_000);
    timed("memory.grow 0", &module_with("", "(loop (drop (memory.grow (i32.const 0))) (br 0))"), 1_000_000_000);
    timed("memory.fill 0", &module_with("", "(loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) (br 0))"), 1_000_000_000);
    timed("call_indirect", &module_with("(type $v (func)) (table $t 1 funcref) (elem (i32.const 0) func $f) (func $f)", "(loop (call_indirect (type $v) (i32.const 0)) (br 0))"), 1_000_000_000);
    timed("memory.fill 64k", &module_with("", "(loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br 0))"), 1_000_000_000);
    timed("exnref get", &module_with("(tag $e) (table $t 1 exnref) (func $f (block $c (result exnref) (try_table (catch_all_ref $c) (throw $e)) (unreachable)) (local.set 0) (table.set $t (i32.const 0) (local.get 0)))".replace("(func $f", "(func $f (local exnref)").as_str(), "(call $f) (loop (drop (ref.is_null (table.get $t (i32.const 0)))) (br 0))"), 1_000_000_000);
    timed("exnref set", &module_with("(tag $e) (table $t 1 exnref) (func $f (local exnref) (block $c (result exnref) (try_table (catch_all_ref $c) (throw $e)) (unreachable)) (local.set 0) (loop (table.set $t (i32.const 0) (local.get 0)) (br 0)))", "(call $f)"), 1_000_000_000);
    timed("exn hoard", &module_with("(tag $e (param i64 i64)) (table $t 1000000 exnref) (func $f (local i32 exnref) (loop (block $c (result i64 i64 exnref) (try_table (catch_ref $e $c) (throw $e (i64.const 1) (i64.const 2))) (unreachable)) (local.set 1) drop drop (table.set $t (local.get 0) (local.get 1)) (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br 0)))", "(call $f)"), 1_000_000_000_000);
    timed("exn chain", &module_with("(tag $e (param exnref)) (func $f (local i32 exnref) (loop (block $c (result exnref exnref) (try_table (catch_ref $e $c) (throw $e (local.get 1))) (unreachable)) (local.set 1) drop (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 0) (i32.const 400000)))) (local.set 1 (ref.null exn)) (loop (block $d (try_table (catch_all $d) (throw $e (ref.null exn))) (unreachable)) (br 0)))", "(call $f)"), 40_000_000_000);
}

#[test]
fn wasi() {
    let t = "../".repeat(0);
    let _ = t;
    let target = format!("{}l", "./".repeat(2000));
    let fields = format!("(data (i32.const 1000) \"{target}\") (data (i32.const 8) \"l\")");
    timed("symlink loop", &module_with(&fields, &format!("(drop (call $path_symlink (i32.const 1000) (i32.const {}) (i32.const 3) (i32.const 8) (i32.const 1))) (loop (drop (call $path_filestat_get (i32.const 3) (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0))) (br 0))", target.len())), 20_000_000);
    timed("iovecs", &module_with("", "(loop (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1024) (i32.const 16384))) (br 0))"), 100_000_000);
    let fields = "(data (i32.const 8) \"f\")";
    let body = "(local $i i32)
        (loop (i32.store (i32.add (i32.add (i32.mul (local.get $i) (i32.const 8)) (i32.const 4)) (i32.const 1024)) (i32.const 1))
            (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024))))
        (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0)))
        (loop (drop (call $fd_pwrite (i32.const 4) (i32.const 1024) (i32.const 1024) (i64.const 0) (i32.const 16384))) (br 0))";
    timed("file iovecs", &module_with(fields, body), 100_000_000);
    timed("sched_yield", &module_with("", "(loop (drop (call $sched_yield)) (br 0))"), 1_000_000_000);
    timed("poll", &module_with("", "(loop (drop (call $poll_oneoff (i32.const 0) (i32.const 100000) (i32.const 1024) (i32.const 80))) (br 0))"), 1_000_000_000);
    timed("random", &module_with("", "(loop (drop (call $random_get (i32.const 0) (i32.const 65536))) (br 0))"), 1_000_000_000);
    timed("readdir", &module_with("", "(loop (drop (call $fd_readdir (i32.const 3) (i32.const 0) (i32.const 65536) (i64.const 0) (i32.const 70000))) (br 0))"), 1_000_000_000);
    timed("open close", &module_with(fields, "(loop (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 1) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0))) (drop (call $fd_close (i32.const 4))) (br 0))"), 1_000_000_000);
    // badly encoded long path
    let fields = "(data (i32.const 1024) \"\\ff\")";
    let _ = fields;
    timed("long path", &module_with("", "(memory.fill (i32.const 0) (i32.const 97) (i32.const 70000)) (i32.store8 (i32.const 65530) (i32.const 255)) (loop (drop (call $path_filestat_get (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 65535) (i32.const 80000))) (br 0))"), 100_000_000);
}

#[test]
fn compile_bombs() {
    use wasm_encoder::*;
    let build = |body: Vec<u8>, funcs: usize| {
        let mut m = Module::new();
        let mut types = TypeSection::new(); types.ty().function([], []);
        let mut f = FunctionSection::new(); for _ in 0..funcs { f.function(0); }
        let mut mem = MemorySection::new(); mem.memory(MemoryType{minimum:1, maximum: None, memory64:false, shared:false, page_size_log2:None});
        let mut e = ExportSection::new(); e.export("memory", ExportKind::Memory, 0); e.export("_start", ExportKind::Func, 0);
        let mut c = CodeSection::new(); for _ in 0..funcs { c.raw(&body); }
        m.section(&types).section(&f).section(&mem).section(&e).section(&c);
        m.finish()
    };
    let go = |name: &str, wasm: Vec<u8>| {
        let t = Instant::now();
        let r = Program::compile(engine(), &wasm, &ModuleLimits::default());
        println!("{name}: {} bytes: {} in {:?}", wasm.len(), match r { Ok(p) => format!("ok, code {}", p.code_bytes()), Err(e) => { let s = format!("{e}"); s[..s.len().min(200)].to_owned() } }, t.elapsed());
    };
    // calls
    let n = 1_500_000;
    let mut b = vec![0]; for _ in 0..n { b.extend([0x10, 0]); } b.push(0x0b);
    go("calls 3MB", build(b, 1));
    let mut b = vec![0, 0x00]; for _ in 0..1_000_000 { b.extend([0x40, 0]); } b.push(0x1a); b.push(0x0b);
    go("dead grows 2MB", build(b, 1));
    for n in [10_000usize, 100_000, 500_000] {
    let mut b = vec![0]; for _ in 0..n { b.extend([0x02, 0x40]); } b.extend(vec![0x0b; n + 1]);
    go(&format!("nested blocks {n}"), build(b, 1));
    let mut b = vec![0]; for _ in 0..n/10 { b.extend([0x03, 0x40]); } b.extend(vec![0x0b; n/10 + 1]);
    go(&format!("nested loops {}", n/10), build(b, 1));
    }
}
