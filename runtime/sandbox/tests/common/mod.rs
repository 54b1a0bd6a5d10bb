//! What every test here needs: an engine, and short ways to run text modules.
#![allow(dead_code, reason = "every test binary uses another part")]

pub(crate) mod script;

use std::sync::OnceLock;

use fizz_sandbox::{
    Backend, Engine, EngineSettings, Files, ModuleLimits, Optimization, Program, ProgramError, TaskReport,
    TaskSpec, run,
};

/// One engine for all tests of a binary.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().expect("an engine"))
}

/// An engine for every setting there is, the default one first.
pub(crate) fn every_engine() -> &'static [(EngineSettings, Engine)] {
    static ENGINES: OnceLock<Vec<(EngineSettings, Engine)>> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let mut engines = vec![(EngineSettings::default(), engine().clone())];
        for backend in [Backend::Native, Backend::Interpreter] {
            for optimization in [Optimization::Speed, Optimization::None] {
                let settings = EngineSettings { backend, optimization, parallel_compilation: false };
                engines.push((settings, Engine::with_settings(settings).expect("an engine")));
            }
        }
        engines
    })
}

/// Assembles and compiles.
pub(crate) fn compile(wat: &str) -> Result<Program, ProgramError> {
    let wasm = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"));
    Program::compile(engine(), &wasm, &ModuleLimits::default())
}

/// Compiles a module that must be good.
pub(crate) fn program(wat: &str) -> Program {
    compile(wat).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a text module as a task.
pub(crate) fn run_task(wat: &str, task: TaskSpec) -> TaskReport {
    run(&program(wat), task, None, None).unwrap_or_else(|fault| panic!("{fault}"))
}

/// Runs a text module with gas to spare, but not without end.
pub(crate) fn run_wat(wat: &str) -> TaskReport {
    run_task(wat, task())
}

/// A task that ends soon, whatever it does.
pub(crate) fn task() -> TaskSpec {
    let mut task = TaskSpec::new("test");
    task.limits.gas = 1_000_000_000;
    task
}

/// Every function of WASI preview 1: name, parameters, results.
pub(crate) const SIGNATURES: [(&str, &str, &str); 46] = [
    ("args_get", "i32 i32", "i32"),
    ("args_sizes_get", "i32 i32", "i32"),
    ("clock_res_get", "i32 i32", "i32"),
    ("clock_time_get", "i32 i64 i32", "i32"),
    ("environ_get", "i32 i32", "i32"),
    ("environ_sizes_get", "i32 i32", "i32"),
    ("fd_advise", "i32 i64 i64 i32", "i32"),
    ("fd_allocate", "i32 i64 i64", "i32"),
    ("fd_close", "i32", "i32"),
    ("fd_datasync", "i32", "i32"),
    ("fd_fdstat_get", "i32 i32", "i32"),
    ("fd_fdstat_set_flags", "i32 i32", "i32"),
    ("fd_fdstat_set_rights", "i32 i64 i64", "i32"),
    ("fd_filestat_get", "i32 i32", "i32"),
    ("fd_filestat_set_size", "i32 i64", "i32"),
    ("fd_filestat_set_times", "i32 i64 i64 i32", "i32"),
    ("fd_pread", "i32 i32 i32 i64 i32", "i32"),
    ("fd_prestat_dir_name", "i32 i32 i32", "i32"),
    ("fd_prestat_get", "i32 i32", "i32"),
    ("fd_pwrite", "i32 i32 i32 i64 i32", "i32"),
    ("fd_read", "i32 i32 i32 i32", "i32"),
    ("fd_readdir", "i32 i32 i32 i64 i32", "i32"),
    ("fd_renumber", "i32 i32", "i32"),
    ("fd_seek", "i32 i64 i32 i32", "i32"),
    ("fd_sync", "i32", "i32"),
    ("fd_tell", "i32 i32", "i32"),
    ("fd_write", "i32 i32 i32 i32", "i32"),
    ("path_create_directory", "i32 i32 i32", "i32"),
    ("path_filestat_get", "i32 i32 i32 i32 i32", "i32"),
    ("path_filestat_set_times", "i32 i32 i32 i32 i64 i64 i32", "i32"),
    ("path_link", "i32 i32 i32 i32 i32 i32 i32", "i32"),
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32", "i32"),
    ("path_readlink", "i32 i32 i32 i32 i32 i32", "i32"),
    ("path_remove_directory", "i32 i32 i32", "i32"),
    ("path_rename", "i32 i32 i32 i32 i32 i32", "i32"),
    ("path_symlink", "i32 i32 i32 i32 i32", "i32"),
    ("path_unlink_file", "i32 i32 i32", "i32"),
    ("poll_oneoff", "i32 i32 i32 i32", "i32"),
    ("proc_exit", "i32", ""),
    ("proc_raise", "i32", "i32"),
    ("random_get", "i32 i32", "i32"),
    ("sched_yield", "", "i32"),
    ("sock_accept", "i32 i32 i32", "i32"),
    ("sock_recv", "i32 i32 i32 i32 i32 i32", "i32"),
    ("sock_send", "i32 i32 i32 i32 i32", "i32"),
    ("sock_shutdown", "i32 i32", "i32"),
];

/// A module whose `_start` is `body`, with every import that tests use.
pub(crate) fn module(body: &str) -> String {
    module_with("", body)
}

/// The same with more fields before `_start`.
pub(crate) fn module_with(fields: &str, body: &str) -> String {
    let mut imports = String::new();
    for (name, params, results) in SIGNATURES {
        let params = if params.is_empty() { String::new() } else { format!("(param {params})") };
        let results = if results.is_empty() { String::new() } else { format!("(result {results})") };
        imports.push_str(&format!(
            "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} {params} {results}))\n"
        ));
    }
    format!(
        "(module\n{imports}\n(memory (export \"memory\") 4)\n{fields}\n
        ;; Prints `len` bytes of memory.
        (func $print (param $at i32) (param $len i32)
            (i32.store (i32.const 262128) (local.get $at))
            (i32.store (i32.const 262132) (local.get $len))
            (drop (call $fd_write (i32.const 1) (i32.const 262128) (i32.const 1) (i32.const 262136))))
        ;; Prints an i32 as four bytes.
        (func $print_i32 (param $value i32)
            (i32.store (i32.const 262120) (local.get $value))
            (call $print (i32.const 262120) (i32.const 4)))
        (func $_start (export \"_start\")\n{body}))"
    )
}

/// Standard output as little-endian 32-bit numbers.
pub(crate) fn numbers(report: &TaskReport) -> Vec<i32> {
    report.stdout.chunks(4).map(|four| i32::from_le_bytes(four.try_into().expect("whole numbers"))).collect()
}

/// A guest that keeps something of everything that is state: memory, a hidden global of each type, open files with
/// offsets and flags, a listing, an unlinked file, standard input, random bytes, time slept, growth, output.
pub(crate) fn step_guest(step: &str, last: u32) -> String {
    let fields = format!(
        r#"
        (global $count (mut i32) (i32.const 0))
        (global $long (mut i64) (i64.const 1))
        (global $float (mut f64) (f64.const 0.5))
        (global $single (mut f32) (f32.const 0.5))
        (global $vector (mut v128) (v128.const i64x2 1 2))
        (global $constant i32 (i32.const 5))
        (data (i32.const 100) "file")
        (data (i32.const 110) "gone")
        ;; One iovec: 16 bytes at 1024.
        (data (i32.const 200) "\00\04\00\00\10\00\00\00")
        (data (i32.const 300) "a few words of the text segment")
        (func $open (param $name i32) (param $fdflags i32) (result i32)
            (drop (call $path_open (i32.const 3) (i32.const 0) (local.get $name) (i32.const 4)
                (i32.const 1) (i64.const 0x1fffffff) (i64.const 0) (local.get $fdflags) (i32.const 400)))
            (i32.load (i32.const 400)))
        (func $write (param $fd i32)
            (drop (call $fd_write (local.get $fd) (i32.const 200) (i32.const 1) (i32.const 404))))
        (func $step (export "fizz_step") (result i32)
            (local $at i32)
            (global.set $count (i32.add (global.get $count) (i32.const 1)))
            (global.set $long (i64.mul (global.get $long) (i64.const 0x9E3779B97F4A7C15)))
            (global.set $float (f64.add (global.get $float) (f64.const 0.25)))
            (global.set $single (f32.mul (global.get $single) (f32.const 1.5)))
            (global.set $vector (i64x2.add (global.get $vector) (global.get $vector)))
            ;; Eight random bytes, the time, eight bytes of standard input, and the globals, at 1024.
            (drop (call $random_get (i32.const 1024) (i32.const 5)))
            ;; Sleeps for a millisecond.
            (i32.store (i32.const 816) (i32.const 1))
            (i64.store (i32.const 824) (i64.const 1000000))
            (drop (call $poll_oneoff (i32.const 800) (i32.const 864) (i32.const 1) (i32.const 900)))
            (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 1032)))
            (i32.store (i32.const 500) (i32.const 510))
            (i32.store (i32.const 504) (i32.const 3))
            (drop (call $fd_read (i32.const 0) (i32.const 500) (i32.const 1) (i32.const 520)))
            (i64.store (i32.const 1024) (i64.xor (i64.load (i32.const 1024)) (global.get $long)))
            (call $write (i32.const 4))
            (call $write (i32.const 5))
            (call $write (i32.const 6))
            (call $write (i32.const 1))
            ;; Goes on with the listing of the root, one entry at a time.
            (drop (call $fd_readdir (i32.const 3) (i32.const 600) (i32.const 28)
                (i64.extend_i32_u (i32.sub (global.get $count) (i32.const 1))) (i32.const 700)))
            (i32.store (i32.const 1024) (i32.load (i32.const 600)))
            (call $write (i32.const 2))
            ;; One page more in each step, of which every second is written to.
            (local.set $at (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
            (if (i32.and (global.get $count) (i32.const 1))
                (then (v128.store (local.get $at) (global.get $vector))))
            {step}
            (i32.lt_u (global.get $count) (i32.const {last})))"#
    );
    let start = r#"
        (drop (call $open (i32.const 100) (i32.const 0)))
        (drop (call $open (i32.const 110) (i32.const 0)))
        (drop (call $open (i32.const 100) (i32.const 1)))
        (drop (call $path_unlink_file (i32.const 3) (i32.const 110) (i32.const 4)))"#;
    module_with(&fields, start)
}

/// A task for it, with short chunks.
pub(crate) fn step_task() -> TaskSpec {
    let mut files = Files::new();
    for name in ["/a", "/b/c", "/b/d", "/z"] {
        files.insert(name, format!("input {name}")).expect("a good path");
    }
    TaskSpec { files, stdin: (0..=99).collect::<Vec<u8>>().into(), chunk_gas: 60_000, ..task() }
}
