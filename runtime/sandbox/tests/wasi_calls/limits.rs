//! Each limit at its edge: as much as is allowed, and one more.

use fizz_attest::{LimitKind, Limits, Outcome};
use fizz_sandbox::{TaskReport, run};

use crate::common::script::{Bytes, CREAT, N, OUT, READ, ROOT, Script, T, TO, WRITE};
use crate::common::{module, program, run_task, task};
use crate::errno::*;

/// Bytes of a path, of one name, and links on the way, as documented.
const PATH_MAX: usize = 4096;
const NAME_MAX: usize = 255;
const LINKS_MAX: usize = 32;
/// Buffers in a call and subscriptions in a poll, as documented.
const BUFFERS_MAX: i64 = 1024;
const SUBSCRIPTIONS_MAX: i64 = 4096;

fn limited(script: &Script, change: impl FnOnce(&mut Limits)) -> TaskReport {
    let mut spec = task();
    change(&mut spec.limits);
    script.try_run(spec)
}

/// Runs a script under a limit that it just meets, and under one that is smaller by one.
#[track_caller]
fn at_the_edge(kind: LimitKind, script: &Script, enough: u64, set: impl Fn(&mut Limits, u64)) {
    // What a script prints counts as output.
    let printed = if kind == LimitKind::OutputBytes { 8 * script.len() as u64 } else { 0 };
    let report = limited(script, |limits| set(limits, enough + printed));
    assert!(report.outcome.is_success(), "{}: {enough}", report.outcome);
    let report = limited(script, |limits| set(limits, enough + printed - 1));
    assert_eq!(report.outcome, Outcome::LimitExceeded { kind });
}

#[test]
fn names_of_every_kind_count_as_files() {
    let set = |limits: &mut Limits, files| limits.files = files;
    let mut script = Script::new();
    script.open(OK, "file", CREAT, WRITE);
    at_the_edge(LimitKind::Files, &script, 1, set);
    script.dir("dir");
    at_the_edge(LimitKind::Files, &script, 2, set);
    script.symlink("file", "link");
    at_the_edge(LimitKind::Files, &script, 3, set);
    script.call(OK, "path_link", &[ROOT, N(0), T("file"), ROOT, T("second")]);
    at_the_edge(LimitKind::Files, &script, 4, set);
    // Neither moving nor a call that fails makes a name, and removing gives one back.
    script.call(OK, "path_rename", &[ROOT, T("second"), ROOT, T("dir/second")]);
    script.call(EXIST, "path_create_directory", &[ROOT, T("dir")]);
    script.call(OK, "path_unlink_file", &[ROOT, T("link")]).dir("other");
    at_the_edge(LimitKind::Files, &script, 4, set);
}

#[test]
fn bytes_that_are_left_or_printed_count_as_output() {
    let set = |limits: &mut Limits, bytes| limits.output_bytes = bytes;
    let mut script = Script::new();
    script.open(OK, "file", CREAT, WRITE).call(OK, "fd_write", &[N(4), Bytes(b"12345"), TO]);
    at_the_edge(LimitKind::OutputBytes, &script, 5, set);
    script.call(OK, "fd_pwrite", &[N(4), Bytes(b"abc"), N(7), TO]);
    at_the_edge(LimitKind::OutputBytes, &script, 10, set);
    script.call(OK, "fd_filestat_set_size", &[N(4), N(20)]);
    at_the_edge(LimitKind::OutputBytes, &script, 20, set);
    script.call(OK, "fd_allocate", &[N(4), N(20), N(5)]);
    at_the_edge(LimitKind::OutputBytes, &script, 25, set);
    script.symlink("12345678", "link");
    at_the_edge(LimitKind::OutputBytes, &script, 33, set);
    script.call(OK, "fd_write", &[N(2), Bytes(b"log"), TO]);
    at_the_edge(LimitKind::OutputBytes, &script, 36, set);
    // What is cut off or deleted comes back.
    let mut script = Script::new();
    script.file("file", b"1234567890").open(OK, "file", 0, WRITE);
    script.call(OK, "fd_filestat_set_size", &[N(4), N(2)]).file("other", b"12345678");
    script.call(OK, "path_unlink_file", &[ROOT, T("other")]).file("third", b"12345678");
    // While it is open it is still there.
    script.open(OK, "third", 0, READ).call(OK, "path_unlink_file", &[ROOT, T("third")]);
    script.call(OK, "fd_close", &[N(5)]).file("fourth", b"12345678");
    at_the_edge(LimitKind::OutputBytes, &script, 10, set);
}

#[test]
fn a_deleted_file_counts_until_it_is_closed() {
    let mut script = Script::new();
    script.open(OK, "file", CREAT, WRITE).call(OK, "fd_write", &[N(4), Bytes(b"12345"), TO]);
    script.call(OK, "path_unlink_file", &[ROOT, T("file")]).file("other", b"12345");
    at_the_edge(LimitKind::OutputBytes, &script, 10, |limits, bytes| limits.output_bytes = bytes);
}

#[test]
fn descriptors_end_with_an_error_number() {
    let mut script = Script::new();
    script.file("file", b"").open(OK, "file", 0, READ).open(OK, "file", 0, READ);
    script.open(MFILE, "file", 0, READ).open(MFILE, "new", CREAT, WRITE);
    script.call(OK, "fd_close", &[N(4)]).open(OK, "file", 0, READ);
    // Moving one over another frees a number too.
    script.call(OK, "fd_renumber", &[N(5), N(4)]).open(OK, "file", 0, READ).open(MFILE, "file", 0, READ);
    let report = limited(&script, |limits| limits.descriptors = 6);
    assert_eq!((report.outcome, report.files.len()), (Outcome::Completed { exit_code: 0 }, 1));
    // The streams and the root cannot be limited away.
    let mut script = Script::new();
    script.dir("dir").open(MFILE, "dir", 0, READ);
    assert!(limited(&script, |limits| limits.descriptors = 0).outcome.is_success());
}

#[test]
fn paths_have_so_many_bytes_and_no_more() {
    let longest = format!("{}x", "./".repeat(PATH_MAX / 2 - 1)) + "/";
    assert_eq!(longest.len(), PATH_MAX);
    for (path, errno) in [(longest.clone(), NOENT), (longest + "/", NAMETOOLONG)] {
        let path = T(&path);
        let mut script = Script::new();
        script.call(errno, "path_open", &[ROOT, N(0), path, N(0), N(READ), N(0), N(0), TO]);
        script.call(errno, "path_filestat_get", &[ROOT, N(0), path, TO]);
        script.call(errno, "path_filestat_set_times", &[ROOT, N(0), path, N(0), N(0), N(0)]);
        script.call(errno, "path_unlink_file", &[ROOT, path]);
        script.call(errno, "path_remove_directory", &[ROOT, path]);
        script.call(errno, "path_readlink", &[ROOT, path, N(8192), N(9), TO]);
        script.call(errno, "path_rename", &[ROOT, path, ROOT, T("new")]);
        script.call(errno, "path_link", &[ROOT, N(0), path, ROOT, T("new")]);
        script.call(errno, "path_symlink", &[T("x"), ROOT, path]);
        let made = if errno == NOENT { OK } else { errno };
        script.call(made, "path_create_directory", &[ROOT, path]);
        script.run();
    }
}

#[test]
fn names_and_targets_have_so_many_bytes_and_no_more() {
    let mut script = Script::new();
    script.dir(&"n".repeat(NAME_MAX));
    script.call(NAMETOOLONG, "path_create_directory", &[ROOT, T(&"n".repeat(NAME_MAX + 1))]);
    script.open(NAMETOOLONG, &"m".repeat(NAME_MAX + 1), CREAT, WRITE).open(
        OK,
        &"m".repeat(NAME_MAX),
        CREAT,
        WRITE,
    );
    script.symlink(&"t".repeat(PATH_MAX), "link");
    script.call(NAMETOOLONG, "path_symlink", &[T(&"t".repeat(PATH_MAX + 1)), ROOT, T("other")]);
    // The target is as long as a path may be, and names one part that no name can be.
    script.open(NAMETOOLONG, "link", 0, READ);
    assert_eq!(script.run().files.len(), 3);
}

#[test]
fn no_place_is_further_from_the_root_than_a_path_can_say() {
    // Sixteen names of 255 bytes with their slashes are 4096 bytes.
    let name = "n".repeat(NAME_MAX);
    let mut script = Script::new();
    let mut parent = 3;
    for _ in 0..16 {
        script.call(OK, "path_create_directory", &[N(parent), T(&name)]);
        script.call(OK, "path_open", &[N(parent), N(0), T(&name), N(0), N(READ), N(-1), N(0), TO]);
        parent = if parent == 3 { 4 } else { parent + 1 };
    }
    script.call(NAMETOOLONG, "path_create_directory", &[N(parent), T("x")]);
    script.call(NAMETOOLONG, "path_symlink", &[T("x"), N(parent), T("x")]);
    let open = [N(parent), N(0), T("x"), N(CREAT), N(WRITE), N(0), N(0), TO];
    script.call(NAMETOOLONG, "path_open", &open);
    script.call(NAMETOOLONG, "path_rename", &[ROOT, T(&name), ROOT, T(&format!("{name}x"))]);
    script.dir("d").call(NAMETOOLONG, "path_rename", &[ROOT, T(&name), ROOT, T(&format!("d/{name}"))]);
    script.call(OK, "path_rename", &[ROOT, T(&name), ROOT, T("short")]);
    script.call(OK, "path_create_directory", &[N(parent), T(&"x".repeat(249))]);
    script.call(NAMETOOLONG, "path_create_directory", &[N(parent), T(&"x".repeat(250))]);
    script.run();
}

#[test]
fn so_many_links_are_followed_and_no_more() {
    let mut script = Script::new();
    script.file("0", b"");
    for number in 1..=LINKS_MAX + 1 {
        script.symlink(&(number - 1).to_string(), &number.to_string());
    }
    script.open(OK, &LINKS_MAX.to_string(), 0, READ).open(LOOP, &(LINKS_MAX + 1).to_string(), 0, READ);
    script.run();
}

#[test]
fn calls_take_so_many_buffers_and_no_more() {
    // Memory is zero there: buffers without bytes.
    let list = N(8192);
    let mut script = Script::new();
    script.open(OK, "file", CREAT, READ | WRITE);
    for (count, errno) in [(BUFFERS_MAX, OK), (BUFFERS_MAX + 1, INVAL), (-1, INVAL)] {
        for fd in [1, 4] {
            script.call(errno, "fd_write", &[N(fd), list, N(count), TO]);
        }
        for fd in [0, 4] {
            script.call(errno, "fd_read", &[N(fd), list, N(count), TO]);
        }
        script.call(errno, "fd_pread", &[N(4), list, N(count), N(0), TO]);
        script.call(errno, "fd_pwrite", &[N(4), list, N(count), N(0), TO]);
    }
    script.run();
}

#[test]
fn polls_take_so_many_subscriptions_and_no_more() {
    // Memory is zero there: timers that have run out.
    let poll = |count| [N(4096), N(4096), N(count), TO];
    let mut script = Script::new();
    script.call(OK, "poll_oneoff", &poll(SUBSCRIPTIONS_MAX)).value32(OUT, SUBSCRIPTIONS_MAX);
    script.call(INVAL, "poll_oneoff", &poll(SUBSCRIPTIONS_MAX + 1));
    script.call(INVAL, "poll_oneoff", &poll(-1));
    script.run();
}

#[test]
fn arguments_and_environment_have_so_many_bytes_and_no_more() {
    const STRINGS_MAX: usize = 16 << 20;
    let body = "(drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
        (call $print (i32.const 0) (i32.const 8))
        (drop (call $environ_sizes_get (i32.const 0) (i32.const 4)))
        (call $print (i32.const 0) (i32.const 8))";
    let program = program(&module(body));
    let mut spec = task();
    // Each has a zero byte at its end, and a variable an equals sign.
    spec.args = vec!["a".repeat(STRINGS_MAX - 1)];
    spec.env = vec![("k".repeat(STRINGS_MAX - 2), String::new())];
    let report = run(&program, spec.clone(), None, None).unwrap();
    let seen: Vec<_> =
        report.stdout.chunks(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(seen, [1, STRINGS_MAX as u32, 1, STRINGS_MAX as u32]);
    for longer in [&mut spec.args[0], &mut spec.env[0].1] {
        longer.push('x');
    }
    let mut args_only = spec.clone();
    args_only.env.clear();
    assert!(run(&program, args_only, None, None).unwrap_err().detail.contains("16 MiB"));
    spec.args.clear();
    assert!(run(&program, spec, None, None).unwrap_err().detail.contains("16 MiB"));
}

#[test]
fn the_limits_that_a_job_states_have_these_defaults() {
    let limits = Limits::default();
    assert_eq!(
        (limits.files, limits.descriptors, limits.output_bytes),
        (100_000, 1024, 1 << 30),
        "WASI.md states them"
    );
    // And they hold in a run.
    let body = "(local $n i32)
        (i32.store (i32.const 0) (i32.const 46))
        (block (loop
            (br_if 1 (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)
                (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br 0)))
        (call $print_i32 (local.get $n))";
    assert_eq!(run_task(&module(body), task()).stdout, 1020_u32.to_le_bytes());
}
