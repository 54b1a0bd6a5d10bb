//! A guest that makes any host calls with any arguments.

use std::fmt::Write as _;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use bytes::Bytes;
use fizz_sandbox::{Engine, Files, ModuleLimits, Program, TaskSpec};

use crate::repeat;

/// Host calls, each a byte for the function and at least one for each argument:
/// no call makes the host panic, and [`repeat`](mod@repeat) says what else must hold.
pub fn guest(data: &[u8]) {
    let script = script(&mut Unstructured::new(data));
    let report = repeat::repeat(&PROGRAM, &spec(&script));
    for (path, bytes) in report.files.regular_files("/") {
        assert_eq!(report.files.get(&path), Some(bytes), "{path}");
    }
}

fn spec(script: &[u8]) -> TaskSpec {
    let mut files = Files::new();
    for (path, bytes) in [("/in/a", "some bytes of input"), ("/in/b/c", ""), ("/a", "x")] {
        files.insert(path, bytes).expect("a good path");
    }
    files.create_dir("/out").expect("a good path");
    let mut spec = TaskSpec::new("guest");
    spec.args.push("argument".into());
    spec.env.push(("NAME".into(), "value".into()));
    spec.stdin = Bytes::copy_from_slice(script);
    spec.files = files;
    spec.limits.gas = 50_000_000;
    spec.limits.memory_bytes = 4 << 16;
    spec.limits.output_bytes = 1 << 20;
    spec.limits.files = 40;
    spec.limits.descriptors = 16;
    spec
}

/// Bytes of a call in the script: the function and nine arguments, 8 bytes each.
const CALL: usize = 80;
/// Where the guest reads the script to, and how much of it there may be.
const SCRIPT: u64 = 0x8000;
const SCRIPT_BYTES: usize = 0x4000;
/// Where answers go.
const LOG: u64 = 0xc000;
/// Where host functions write, unless the fuzzer wants otherwise.
const SCRATCH: u64 = 0x10000;
/// Vectors of memory, and what may be polled.
const VECTORS: u64 = 0x1000;
const SUBSCRIPTIONS: u64 = 0x2000;

/// Names of the host functions and what their arguments mean:
/// `d` descriptor, `s` path and its length, `v` vectors and their count, `o` place for an answer, `n` small number,
/// `N` 64-bit number, `F` flags, `R` 64-bit rights, `p` subscriptions, places for events, their count.
pub(crate) const FUNCTIONS: [(&str, &str); 54] = [
    ("args_get", "oo"),
    ("args_sizes_get", "oo"),
    ("clock_res_get", "no"),
    ("clock_time_get", "nNo"),
    ("environ_get", "oo"),
    ("environ_sizes_get", "oo"),
    ("fd_advise", "dNNn"),
    ("fd_allocate", "dNN"),
    ("fd_close", "d"),
    ("fd_datasync", "d"),
    ("fd_fdstat_get", "do"),
    ("fd_fdstat_set_flags", "dF"),
    ("fd_fdstat_set_rights", "dRR"),
    ("fd_filestat_get", "do"),
    ("fd_filestat_set_size", "dN"),
    ("fd_filestat_set_times", "dNNF"),
    ("fd_pread", "dvNo"),
    ("fd_prestat_dir_name", "don"),
    ("fd_prestat_get", "do"),
    ("fd_pwrite", "dvNo"),
    ("fd_read", "dvo"),
    ("fd_readdir", "donNo"),
    ("fd_renumber", "dd"),
    ("fd_seek", "dNno"),
    ("fd_sync", "d"),
    ("fd_tell", "do"),
    ("fd_write", "dvo"),
    ("path_create_directory", "ds"),
    ("path_filestat_get", "dFso"),
    ("path_filestat_set_times", "dFsNNF"),
    ("path_link", "dFsds"),
    ("path_open", "dFsFRRFo"),
    ("path_readlink", "dsono"),
    ("path_remove_directory", "ds"),
    ("path_rename", "dsds"),
    ("path_symlink", "sds"),
    ("path_unlink_file", "ds"),
    ("poll_oneoff", "pono"),
    ("proc_exit", "n"),
    ("proc_raise", "n"),
    ("random_get", "on"),
    ("sched_yield", ""),
    ("sock_accept", "dFo"),
    ("sock_recv", "dvFoo"),
    ("sock_send", "dvFo"),
    ("sock_shutdown", "dn"),
    ("open", "onon"),
    ("submit", "on"),
    ("write", "nNon"),
    ("read", "nNon"),
    ("wait", "NN"),
    ("poll", "o"),
    ("take_error", "on"),
    ("close", ""),
];

const PATHS: [&[u8]; 24] = [
    b"",
    b".",
    b"..",
    b"/",
    b"a",
    b"in",
    b"in/a",
    b"in/b",
    b"in/b/c",
    b"out",
    b"out/x",
    b"out/y",
    b"out/x/z",
    b"l",
    b"l/m",
    b"../in",
    b"./out//x",
    b"/in/a",
    b"out/",
    b"in/a/",
    b"\xff\xfe",
    b"n\0l",
    b"in/b/../../out/x",
    b"out/./../l",
];
const NUMBERS: [u64; 20] = [
    0,
    1,
    2,
    3,
    4,
    5,
    8,
    16,
    24,
    48,
    64,
    100,
    255,
    4096,
    65_535,
    65_536,
    1 << 20,
    1 << 31,
    u32::MAX as u64,
    u64::MAX,
];
const WIDE: [u64; 14] =
    [0, 1, 2, 3, 16, 255, 4096, 1 << 20, 1 << 32, 1 << 40, i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX];

/// Turns the input into calls.
fn script(input: &mut Unstructured<'_>) -> Vec<u8> {
    let mut script = Vec::new();
    while !input.is_empty() && script.len() + CALL <= SCRIPT_BYTES {
        let Ok(choice) = input.arbitrary::<u8>() else { break };
        let function = usize::from(choice) % FUNCTIONS.len();
        let mut words = vec![function as u64];
        for kind in FUNCTIONS[function].1.chars() {
            let Ok(choice) = input.arbitrary::<u8>() else { break };
            if choice >= 0xf8 {
                let wild = || input.arbitrary::<u64>().unwrap_or_default();
                words.extend(std::iter::repeat_with(wild).take(types(kind).len()));
            } else {
                argument(kind, u64::from(choice), &mut words);
            }
        }
        words.resize(CALL / 8, 0);
        script.extend(words.into_iter().flat_map(u64::to_le_bytes));
    }
    script
}

fn argument(kind: char, choice: u64, words: &mut Vec<u64>) {
    let pick = |from: &[u64]| from[choice as usize % from.len()];
    match kind {
        'd' => words.push(choice % 12),
        's' => {
            let path = choice as usize % PATHS.len();
            words.extend([path_place(path), PATHS[path].len() as u64]);
        }
        'v' => words.extend([VECTORS + choice % 6 * 8, choice / 6 % 5]),
        'o' => words.push(SCRATCH + choice * 64),
        'n' => words.push(pick(&NUMBERS)),
        'N' => words.push(pick(&WIDE)),
        'F' => words.push(choice % 64),
        'R' => words.push(if choice.is_multiple_of(2) { u64::MAX } else { 1 << (choice / 2 % 32) }),
        'p' => words.push(SUBSCRIPTIONS + choice % 6 * 48),
        other => unreachable!("no argument is `{other}`"),
    }
}

/// Types of the parameters that a kind of argument stands for.
pub(crate) fn types(kind: char) -> &'static [&'static str] {
    match kind {
        's' | 'v' => &["i32", "i32"],
        'N' | 'R' => &["i64"],
        _ => &["i32"],
    }
}

fn path_place(path: usize) -> u64 {
    path as u64 * 32
}

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let engine = Engine::new().expect("an engine");
    let wasm = wat::parse_str(text()).expect("a module");
    Program::compile(&engine, &wasm, &ModuleLimits::default()).expect("a program")
});

/// The imports of every host function as text, each with the name `$NUMBER`.
pub(crate) fn imports() -> String {
    let mut imports = String::new();
    for (number, (name, kinds)) in FUNCTIONS.iter().enumerate() {
        let module = if is_gpu(number) { "fizz_gpu" } else { "wasi_snapshot_preview1" };
        let params: Vec<_> = kinds.chars().flat_map(types).copied().collect();
        let results = match result(name) {
            "" => String::new(),
            result => format!("(result {result})"),
        };
        let params = params.join(" ");
        let _ =
            writeln!(imports, "(import \"{module}\" \"{name}\" (func ${number} (param {params}) {results}))");
    }
    imports
}

fn is_gpu(number: usize) -> bool {
    number >= FUNCTIONS.len() - fizz_gpu_abi::imports::ALL.len()
}

fn result(name: &str) -> &'static str {
    match name {
        "proc_exit" => "",
        "submit" | "poll" => "i64",
        _ => "i32",
    }
}

/// Calls of every function with arguments from the script.
fn cases() -> String {
    let mut cases = String::new();
    for (number, (name, kinds)) in FUNCTIONS.iter().enumerate() {
        let arguments: String = kinds
            .chars()
            .flat_map(types)
            .enumerate()
            .map(|(n, ty)| {
                let load = format!("(i64.load offset={} (local.get $at))", 8 * n + 8);
                if *ty == "i64" { load } else { format!("(i32.wrap_i64 {load})") }
            })
            .collect();
        let call = format!("(call ${number} {arguments})");
        let answer = match result(name) {
            "" => format!("{call} (i64.const 0)"),
            "i32" => format!("(i64.extend_i32_s {call})"),
            _ => call,
        };
        let _ = writeln!(
            cases,
            "(if (i32.eq (local.get $function) (i32.const {number})) (then (local.set $answer {answer})))"
        );
    }
    cases
}

/// A module that reads its script from standard input, makes the calls, and prints the answers.
fn text() -> String {
    let number = |wanted| FUNCTIONS.iter().position(|(name, _)| *name == wanted).expect("one of them");
    let (read, write) = (number("fd_read"), number("fd_write"));
    let (imports, cases, data) = (imports(), cases(), data());
    // 0x7ff0 holds a vector, 0x7ff8 how many bytes went.
    let print = |fd: u32| {
        format!("(drop (call ${write} (i32.const {fd}) (i32.const 0x7ff0) (i32.const 1) (i32.const 0x7ff8)))")
    };
    let (print_answers, print_scratch) = (print(1), print(2));
    format!(
        "(module {imports} (memory (export \"memory\") 2 8) {data}
        (func (export \"_start\")
            (local $at i32) (local $end i32) (local $function i32) (local $answer i64) (local $log i32)
            (i32.store (i32.const 0x7ff0) (i32.const {SCRIPT}))
            (i32.store (i32.const 0x7ff4) (i32.const {SCRIPT_BYTES}))
            (drop (call ${read} (i32.const 0) (i32.const 0x7ff0) (i32.const 1) (i32.const 0x7ff8)))
            (local.set $at (i32.const {SCRIPT}))
            (local.set $log (i32.const {LOG}))
            (local.set $end (i32.add (i32.const {SCRIPT}) (i32.load (i32.const 0x7ff8))))
            (block $done
                (loop $next
                    (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
                    (local.set $function (i32.load (local.get $at)))
                    {cases}
                    (i64.store (local.get $log) (local.get $answer))
                    (local.set $log (i32.add (local.get $log) (i32.const 8)))
                    (local.set $at (i32.add (local.get $at) (i32.const {CALL})))
                    (br $next)))
            (i32.store (i32.const 0x7ff0) (i32.const {LOG}))
            (i32.store (i32.const 0x7ff4) (i32.sub (local.get $log) (i32.const {LOG})))
            {print_answers}
            ;; What the calls have written.
            (i32.store (i32.const 0x7ff0) (i32.const {SCRATCH}))
            (i32.store (i32.const 0x7ff4) (i32.const 0x8000))
            {print_scratch}))"
    )
}

/// Data segments: the paths, the vectors, the subscriptions.
fn data() -> String {
    let mut segments = String::new();
    let mut segment = |place: u64, bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let _ = writeln!(segments, "(data (i32.const {place}) \"{hex}\")");
    };
    for (path, bytes) in PATHS.iter().enumerate() {
        segment(path_place(path), bytes);
    }
    let vectors: [(u32, u32); 11] = [
        (0x10000, 16),
        (0x10010, 0),
        (0x10100, 300),
        (0, 7),
        (0x8000, 0x4000),
        (0x10000, 1),
        (0x1ffff, 1),
        (0x1ffff, 2),
        (u32::MAX, 1),
        (0x1000, 64),
        (16, u32::MAX),
    ];
    let bytes: Vec<u8> =
        vectors.iter().flat_map(|(at, len)| [at.to_le_bytes(), len.to_le_bytes()].concat()).collect();
    segment(VECTORS, &bytes);
    // User data, tag (0 clock, 1 read, 2 write), and of a clock: its number, time, precision, flags (1 absolute).
    let subscriptions: [(u8, u32, u64, u16); 8] = [
        (0, 1, 1_000_000, 0),
        (0, 0, 5, 1),
        (1, 0, 0, 0),
        (2, 1, 0, 0),
        (0, 9, 0, 0),
        (7, 0, 0, 0),
        (1, 5, 0, 0),
        (0, 1, u64::MAX, 0),
    ];
    let mut bytes = Vec::new();
    for (n, (tag, id, time, flags)) in subscriptions.into_iter().enumerate() {
        bytes.extend((n as u64 + 1).to_le_bytes());
        bytes.extend([tag, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([id.to_le_bytes(), [0; 4]].concat());
        bytes.extend(time.to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend([0; 6]);
    }
    segment(SUBSCRIPTIONS, &bytes);
    segments
}
