//! What a guest sees through WASI: a function of its job, and nothing of the host.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod common;

use std::sync::{Arc, Mutex};

use common::{module, module_with, numbers, program, run_task, run_wat, task};
use fizz_attest::{LimitKind, Outcome, TrapKind};
use fizz_sandbox::{Files, Observer, TaskReport, TaskSpec, run};

/// Error numbers of WASI.
const BADF: i32 = 8;
const EXIST: i32 = 20;
const INVAL: i32 = 28;
const MFILE: i32 = 33;
const NOENT: i32 = 44;
const NOTSOCK: i32 = 57;
const PERM: i32 = 63;
const SPIPE: i32 = 70;

/// A module that opens a path of memory under the root, with all rights.
fn open(path: &str, flags: u32) -> String {
    format!(
        "(call $path_open (i32.const 3) (i32.const 1) (i32.const {}) (i32.const {}) (i32.const {flags})
            (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 200000))",
        path_at(path),
        path.len()
    )
}

/// Where `with_paths` puts a path.
fn path_at(path: &str) -> usize {
    PATHS.iter().position(|known| *known == path).expect("a known path") * 64 + 100_000
}

const PATHS: &[&str] = &[
    "in",
    "out",
    "dir",
    "dir/file",
    "../escape",
    "/etc/passwd",
    "dir/../../x",
    "dir/../in",
    "a",
    "b",
    "c",
    "l",
    "nothing",
    ".",
];

/// A module with all of [`PATHS`] in memory.
fn with_paths(body: &str) -> String {
    let data: String =
        PATHS.iter().map(|path| format!("(data (i32.const {}) \"{path}\")\n", path_at(path))).collect();
    module_with(&data, body)
}

fn success(report: &TaskReport) -> &TaskReport {
    assert!(report.outcome.is_success(), "{}: {:?}", report.outcome, report.diagnostic);
    report
}

#[test]
fn arguments_and_environment_arrive_in_order() {
    let body = "(drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
        (call $print (i32.const 0) (i32.const 8))
        (drop (call $args_get (i32.const 100) (i32.const 200)))
        (call $print (i32.const 200) (i32.load (i32.const 4)))
        (drop (call $environ_sizes_get (i32.const 0) (i32.const 4)))
        (drop (call $environ_get (i32.const 100) (i32.const 200)))
        (call $print (i32.const 200) (i32.load (i32.const 4)))";
    let mut spec = task();
    spec.args = vec!["prog".to_owned(), "ä b".to_owned(), String::new()];
    spec.env = vec![("Z".to_owned(), "1".to_owned()), ("A".to_owned(), "2=3".to_owned())];
    let report = run_task(&module(body), spec);
    assert_eq!(&success(&report).stdout[..8], [3, 0, 0, 0, 11, 0, 0, 0]);
    assert_eq!(&report.stdout[8..], "prog\0ä b\0\0Z=1\0A=2=3\0".as_bytes());
}

#[test]
fn a_nul_in_an_argument_is_the_callers_error() {
    let mut spec = task();
    spec.args.push("a\0b".to_owned());
    let fault = run(&program(&module("")), spec, None, None).unwrap_err();
    assert!(fault.to_string().contains("NUL"), "{fault}");
}

#[test]
fn standard_streams_carry_bytes() {
    // Reads up to five bytes into two buffers, echoes them to stderr, until the end.
    let body = "(local $n i32)
        (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 2))
        (i32.store (i32.const 8) (i32.const 102)) (i32.store (i32.const 12) (i32.const 3))
        (i32.store (i32.const 16) (i32.const 100))
        (block (loop
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 24)))
            (br_if 1 (i32.eqz (i32.load (i32.const 24))))
            (i32.store (i32.const 20) (i32.load (i32.const 24)))
            (drop (call $fd_write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 28)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br 0)))
        (call $print_i32 (local.get $n))";
    let mut spec = task();
    spec.stdin = "hello world!".into();
    let report = run_task(&module(body), spec);
    assert_eq!(success(&report).stderr, b"hello world!");
    assert_eq!(numbers(&report), [3]);
}

#[test]
fn files_are_read_written_and_left_behind() {
    let body = format!(
        "(local $in i32) (local $out i32)
        (call $print_i32 {})
        (local.set $in (i32.load (i32.const 200000)))
        (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 1000))
        (drop (call $fd_read (local.get $in) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $print_i32 (i32.load (i32.const 8)))
        (call $print_i32 {})
        (local.set $out (i32.load (i32.const 200000)))
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (drop (call $fd_write (local.get $out) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $fd_pwrite (local.get $out) (i32.const 0) (i32.const 1) (i64.const 4) (i32.const 8)))
        (drop (call $fd_filestat_get (local.get $out) (i32.const 2000)))
        (call $print_i32 (i32.load (i32.const 2032)))
        (call $print_i32 (local.get $out))",
        open("in", 0),
        open("out", 1)
    );
    let mut spec = task();
    spec.files.insert("/in", "input!").unwrap();
    let report = run_task(&with_paths(&body), spec);
    assert_eq!(numbers(success(&report)), [0, 6, 0, 10, 5]);
    assert_eq!(report.files.get("/out").as_deref(), Some(b"inpuinput!".as_slice()));
    assert_eq!(report.files.get("/in").as_deref(), Some(b"input!".as_slice()));
    let left: Vec<_> = report.files.regular_files("/").into_iter().map(|(path, _)| path).collect();
    assert_eq!(left, ["/in", "/out"]);
}

#[test]
fn no_path_leads_out() {
    let tries = ["../escape", "/etc/passwd", "dir/../../x"]
        .map(|path| format!("(call $print_i32 {})", open(path, 1)));
    let body = format!(
        "(drop (call $path_create_directory (i32.const 3) (i32.const {}) (i32.const 3)))
        {} (call $print_i32 {}) (call $print_i32 {})
        ;; An absolute link, and a link that climbs.
        (call $print_i32 (call $path_symlink (i32.const {etc}) (i32.const 11) (i32.const 3) (i32.const {a}) (i32.const 1)))
        (call $print_i32 (call $path_symlink (i32.const {up}) (i32.const 9) (i32.const 3) (i32.const {l}) (i32.const 1)))
        (call $print_i32 {})",
        path_at("dir"),
        tries.concat(),
        open("dir/../in", 0),
        open("nothing", 0),
        open("l", 0),
        etc = path_at("/etc/passwd"),
        a = path_at("a"),
        up = path_at("../escape"),
        l = path_at("l"),
    );
    let mut spec = task();
    spec.files.insert("/in", "").unwrap();
    assert_eq!(
        numbers(success(&run_task(&with_paths(&body), spec))),
        [PERM, PERM, PERM, 0, NOENT, PERM, 0, PERM]
    );
}

#[test]
fn listings_are_sorted_and_their_padding_is_zero() {
    let mut body = String::new();
    for path in ["c", "a", "b"] {
        body.push_str(&format!("(drop {})", open(path, 1)));
    }
    body.push_str(
        "(memory.fill (i32.const 0) (i32.const 0xaa) (i32.const 4096))
        (drop (call $fd_readdir (i32.const 3) (i32.const 0) (i32.const 4096) (i64.const 0) (i32.const 8000)))
        (call $print (i32.const 0) (i32.load (i32.const 8000)))",
    );
    let report = run_wat(&with_paths(&body));
    let entries = dirents(&success(&report).stdout);
    // Inodes are numbers of creation: the root is 1.
    let seen: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.inode, e.next, e.kind)).collect();
    assert_eq!(seen, [(".", 1, 1, 3), ("..", 1, 2, 3), ("a", 3, 3, 4), ("b", 4, 4, 4), ("c", 2, 5, 4)]);
}

struct Dirent {
    next: u64,
    inode: u64,
    kind: u8,
    name: String,
}

fn dirents(mut bytes: &[u8]) -> Vec<Dirent> {
    let mut entries = Vec::new();
    while bytes.len() >= 24 {
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let len = (number(16) as u32) as usize;
        assert_eq!(bytes[21..24], [0; 3], "padding");
        let name = String::from_utf8(bytes[24..24 + len].to_vec()).unwrap();
        entries.push(Dirent { next: number(0), inode: number(8), kind: bytes[20], name });
        bytes = &bytes[24 + len..];
    }
    entries
}

#[test]
fn a_listing_goes_on_where_it_stopped_though_entries_are_deleted() {
    // Reads one entry at a time and deletes it if it is not a dot; every name must be seen once.
    let mut body: String = ["a", "b", "c"].map(|path| format!("(drop {})", open(path, 1))).concat();
    body.push_str(
        "(local $cookie i64)
        (block (loop
            (drop (call $fd_readdir (i32.const 3) (i32.const 0) (i32.const 26) (local.get $cookie) (i32.const 8000)))
            (br_if 1 (i32.lt_u (i32.load (i32.const 8000)) (i32.const 24)))
            (local.set $cookie (i64.load (i32.const 0)))
            (call $print (i32.const 24) (i32.load (i32.const 16)))
            (if (i32.ne (i32.load8_u (i32.const 24)) (i32.const 46))
                (then (if (call $path_unlink_file (i32.const 3) (i32.const 24) (i32.load (i32.const 16)))
                    (then (unreachable)))))
            (br 0)))",
    );
    let body = format!("(local $cookie i64) {}", body.replacen("(local $cookie i64)", "", 1));
    let report = run_wat(&with_paths(&body));
    assert_eq!(success(&report).stdout, b"...abc");
    assert!(report.files.is_empty());
}

#[test]
fn sleeping_moves_the_clock_and_returns_at_once() {
    let body = "
        ;; A relative timer of an hour on the monotonic clock.
        (i64.store (i32.const 0) (i64.const 77)) (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 3600000000000))
        (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 96)))
        (call $print_i32 (call $poll_oneoff (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 300)))
        (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 104)))
        (call $print_i32 (i32.load (i32.const 300)))
        (call $print_i32 (i32.load (i32.const 200)))
        (call $print_i32 (i32.load16_u (i32.const 208)))
        ;; Milliseconds that have passed, and the start time.
        (call $print_i32 (i32.wrap_i64 (i64.div_u (i64.sub (i64.load (i32.const 104)) (i64.load (i32.const 96))) (i64.const 1000000))))
        (call $print (i32.const 96) (i32.const 8))";
    let started = std::time::Instant::now();
    let mut spec = task();
    spec.epoch_ns = 5_000_000_000;
    let report = run_task(&module(body), spec);
    assert!(started.elapsed().as_secs() < 60);
    let seen = numbers(success(&report));
    assert_eq!(seen[..5], [0, 1, 77, 0, 3_600_000]);
    let start = u64::from_le_bytes(report.stdout[20..28].try_into().unwrap());
    assert!((5_000_000_000..5_001_000_000).contains(&start), "{start}");
    assert!(report.gas < 1_000_000, "sleeping costs no gas: {}", report.gas);
}

#[test]
fn clocks_advance_with_work() {
    let body = "(local $i i32)
        (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 96)))
        (loop (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
        (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 104)))
        (call $print_i32 (i32.wrap_i64 (i64.sub (i64.load (i32.const 104)) (i64.load (i32.const 96)))))
        (call $print_i32 (call $clock_res_get (i32.const 1) (i32.const 96)))
        (call $print_i32 (i32.load (i32.const 96)))
        (call $print_i32 (call $clock_time_get (i32.const 9) (i64.const 0) (i32.const 96)))";
    let seen = numbers(success(&run_wat(&module(body))));
    // 1000 rounds of seven simple operators, and one host call, at 16 a nanosecond.
    assert!((620..660).contains(&seen[0]), "{}", seen[0]);
    assert_eq!(seen[1..], [0, 1, INVAL]);
}

#[test]
fn hostile_buffers_are_refused_or_trap() {
    // More buffers than POSIX allows, and buffers that add up to more than 32 bits can count.
    let body = "(call $print_i32 (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1025) (i32.const 8)))
        (call $print_i32 (call $fd_read (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 8)))
        (i32.store (i32.const 4) (i32.const -1)) (i32.store (i32.const 12) (i32.const -1))
        (call $print_i32 (call $fd_write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 16)))";
    assert_eq!(numbers(success(&run_wat(&module(body)))), [INVAL, INVAL, INVAL]);
    for body in [
        // One buffer that ends outside memory; a result outside memory; a list outside memory; a path.
        "(i32.store (i32.const 0) (i32.const 262140)) (i32.store (i32.const 4) (i32.const 5))
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))",
        "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const -4)))",
        "(drop (call $fd_write (i32.const 1) (i32.const 262144) (i32.const 1) (i32.const 8)))",
        "(drop (call $path_create_directory (i32.const 3) (i32.const -8) (i32.const 4)))",
        "(drop (call $fd_prestat_dir_name (i32.const 3) (i32.const 262144) (i32.const 1)))",
        "(drop (call $fd_readdir (i32.const 3) (i32.const 262140) (i32.const 5) (i64.const 0) (i32.const 0)))",
        "(drop (call $random_get (i32.const 262140) (i32.const 5)))",
        "(drop (call $poll_oneoff (i32.const 262140) (i32.const 0) (i32.const 1) (i32.const 0)))",
    ] {
        let report = run_wat(&module(body));
        assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::BadHostCall }, "{body}");
        assert!(report.diagnostic.is_some());
        assert!(report.stdout.is_empty(), "nothing half-written");
    }
}

#[test]
fn a_write_of_all_memory_many_times_is_paid_for_before_it_is_done() {
    // 1024 buffers of 256 KiB each, again and again.
    let body = "(local $i i32)
        (loop (i32.store (i32.add (i32.mul (local.get $i) (i32.const 8)) (i32.const 4)) (i32.const 262144))
            (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024))))
        (loop (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1024) (i32.const 16384))) (br 0))";
    let mut spec = task();
    spec.limits.gas = 30_000_000;
    let report = run_task(&module(body), spec);
    assert_eq!((report.outcome, report.gas), (Outcome::OutOfGas, 30_000_000));
    assert_eq!(report.stdout.len(), 0, "one such write costs more than there is");
}

#[test]
fn output_over_the_limit_ends_the_task_at_the_same_point() {
    let mut spec = task();
    spec.limits.output_bytes = 10;
    let print = "(call $print (i32.const 0) (i32.const 4))";
    let report = run_task(&module(&print.repeat(2)), spec.clone());
    assert!(success(&report).stdout.len() == 8);
    let report = run_task(&module(&print.repeat(3)), spec.clone());
    assert_eq!(report.outcome, Outcome::LimitExceeded { kind: LimitKind::OutputBytes });
    assert_eq!(report.stdout.len(), 8);
    // A sparse file counts whole.
    let body = format!(
        "(drop {}) (drop (call $fd_filestat_set_size (i32.load (i32.const 200000)) (i64.const 11)))",
        open("out", 1)
    );
    let report = run_task(&with_paths(&body), spec);
    assert_eq!(report.outcome, Outcome::LimitExceeded { kind: LimitKind::OutputBytes });
}

#[test]
fn files_and_descriptors_are_limited() {
    let body: String = ["a", "b", "c"].map(|path| format!("(call $print_i32 {})", open(path, 1))).concat();
    let mut spec = task();
    spec.limits.files = 2;
    let report = run_task(&with_paths(&body), spec);
    assert_eq!(report.outcome, Outcome::LimitExceeded { kind: LimitKind::Files });
    assert_eq!(numbers(&report), [0, 0]);
    let mut spec = task();
    spec.limits.descriptors = 5;
    let report = run_task(&with_paths(&body), spec);
    assert_eq!(numbers(success(&report)), [0, MFILE, MFILE]);
    assert_eq!(report.files.len(), 1, "a failed open makes no file");
}

#[test]
fn descriptors_take_the_lowest_number_and_can_be_renumbered() {
    let body = format!(
        "(drop {a}) (drop {b})
        (call $print_i32 (i32.load (i32.const 200000)))
        (call $print_i32 (call $fd_close (i32.const 4)))
        (call $print_i32 (call $fd_close (i32.const 4)))
        (drop {c}) (call $print_i32 (i32.load (i32.const 200000)))
        (call $print_i32 (call $fd_renumber (i32.const 5) (i32.const 99)))
        (call $print_i32 (call $fd_renumber (i32.const 5) (i32.const 4)))
        (drop {d}) (call $print_i32 (i32.load (i32.const 200000)))
        (call $print_i32 (call $fd_seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 0)))
        (call $print_i32 (call $fd_seek (i32.const 4) (i64.const -1) (i32.const 0) (i32.const 0)))
        (call $print_i32 (call $fd_prestat_get (i32.const 3) (i32.const 0)))
        (call $print_i32 (call $fd_prestat_get (i32.const 4) (i32.const 0)))
        (call $print_i32 (call $fd_prestat_get (i32.const 5) (i32.const 0)))
        (call $print_i32 (call $sock_shutdown (i32.const 1) (i32.const 1)))
        (call $print_i32 (call $sock_shutdown (i32.const 77) (i32.const 1)))
        (call $print_i32 (call $sched_yield))
        (call $print_i32 {e})",
        a = open("a", 1),
        b = open("b", 1),
        c = open("c", 1),
        d = open(".", 0),
        e = open("a", 5),
    );
    let seen = numbers(success(&run_wat(&with_paths(&body))));
    // `.` cannot be opened for writing, so the last number stays.
    assert_eq!(seen, [5, 0, BADF, 4, BADF, 0, 4, SPIPE, INVAL, 0, BADF, BADF, NOTSOCK, BADF, 0, EXIST]);
}

#[test]
fn too_many_files_at_the_start_is_an_outcome() {
    let mut spec = task();
    spec.files.insert("/a/b", "").unwrap();
    spec.limits.files = 1;
    let report = run_task(&module(""), spec);
    assert_eq!(report.outcome, Outcome::LimitExceeded { kind: LimitKind::Files });
}

#[test]
fn the_order_of_adding_files_cannot_be_seen() {
    let body = "(drop (call $fd_readdir (i32.const 3) (i32.const 0) (i32.const 4096) (i64.const 0) (i32.const 8000)))
        (call $print (i32.const 0) (i32.load (i32.const 8000)))";
    let with = |paths: [&str; 3]| {
        let mut files = Files::new();
        for path in paths {
            files.insert(path, path.to_owned()).unwrap();
        }
        let report = run_task(&module(body), TaskSpec { files, ..task() });
        (report.stdout, report.gas)
    };
    assert_eq!(with(["/x", "/a/b", "/m"]), with(["/m", "/x", "/a/b"]));
}

/// What an observer has seen.
#[derive(Clone, Default)]
struct Seen {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    progress: Vec<u64>,
}

#[derive(Clone, Default)]
struct Record(Arc<Mutex<Seen>>);

impl Observer for Record {
    fn stdout(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().stdout.extend_from_slice(bytes);
    }
    fn stderr(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().stderr.extend_from_slice(bytes);
    }
    fn progress(&mut self, gas: u64) {
        self.0.lock().unwrap().progress.push(gas);
    }
}

#[test]
fn an_observer_sees_output_once_though_a_trap_is_run_twice() {
    let body = "(call $print (i32.const 0) (i32.const 4))
        (call $print (i32.const 0) (i32.const 2))
        (drop (i32.load (i32.const -1)))";
    let record = Record::default();
    let observer: Box<dyn Observer> = Box::new(record.clone());
    let report = run(&program(&module(body)), task(), None, Some(observer)).unwrap();
    assert_eq!(report.outcome, Outcome::Trapped { kind: TrapKind::MemoryOutOfBounds });
    let Seen { stdout, stderr, progress } = record.0.lock().unwrap().clone();
    assert_eq!(stdout, report.stdout);
    assert!(stderr.is_empty());
    assert_eq!(progress.len(), 2);
    assert!(progress[0] < progress[1] && progress[1] <= report.gas);
}
