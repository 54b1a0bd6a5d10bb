//! Times of files: the guest's clock, never the host's.

use crate::common::script::{Bytes, N, OUT, READ, ROOT, Script, T, TO, WRITE};
use crate::common::task;
use crate::errno::*;

const ATIM: i64 = 1;
const ATIM_NOW: i64 = 2;
const MTIM: i64 = 4;
const MTIM_NOW: i64 = 8;

/// Where a stat has its times.
const ACCESSED: usize = OUT + 40;
const MODIFIED: usize = OUT + 48;

fn stat(script: &mut Script) -> &mut Script {
    script.call(OK, "path_filestat_get", &[ROOT, N(0), T("file"), TO])
}

#[test]
fn times_are_set_one_by_one_or_together() {
    let mut script = Script::new();
    script.file("file", b"").open(OK, "file", 0, READ);
    script.call(OK, "fd_filestat_set_times", &[N(4), N(11), N(22), N(ATIM | MTIM)]);
    stat(&mut script).value(ACCESSED, 11).value(MODIFIED, 22);
    script.call(OK, "fd_filestat_set_times", &[N(4), N(33), N(44), N(ATIM)]);
    stat(&mut script).value(ACCESSED, 33).value(MODIFIED, 22);
    script.call(OK, "path_filestat_set_times", &[ROOT, N(0), T("file"), N(55), N(66), N(MTIM)]);
    stat(&mut script).value(ACCESSED, 33).value(MODIFIED, 66);
    script.call(OK, "fd_filestat_set_times", &[N(4), N(77), N(88), N(0)]);
    stat(&mut script).value(ACCESSED, 33).value(MODIFIED, 66);
    // All 64 bits are kept.
    script.call(OK, "fd_filestat_set_times", &[N(4), N(-1), N(-2), N(ATIM | MTIM)]);
    stat(&mut script).value(ACCESSED, -1).value(MODIFIED, -2);
    script.run();
}

#[test]
fn contradicting_flags_are_refused_and_change_nothing() {
    let mut script = Script::new();
    script.file("file", b"").open(OK, "file", 0, READ);
    script.call(OK, "fd_filestat_set_times", &[N(4), N(11), N(22), N(ATIM | MTIM)]);
    for flags in [ATIM | ATIM_NOW, MTIM | MTIM_NOW, ATIM | MTIM | MTIM_NOW, ATIM_NOW | MTIM | MTIM_NOW, 16] {
        script.call(INVAL, "fd_filestat_set_times", &[N(4), N(1), N(2), N(flags)]);
        script.call(INVAL, "path_filestat_set_times", &[ROOT, N(0), T("file"), N(1), N(2), N(flags)]);
    }
    stat(&mut script).value(ACCESSED, 11).value(MODIFIED, 22);
    script.run();
}

#[test]
fn links_have_times_of_their_own() {
    let mut script = Script::new();
    script.file("file", b"").symlink("file", "link").symlink("none", "lost");
    let set = |follow, path| [ROOT, N(follow), T(path), N(0), N(7), N(MTIM)];
    script.call(OK, "path_filestat_set_times", &set(1, "link"));
    stat(&mut script).value(MODIFIED, 7);
    script.call(OK, "path_filestat_set_times", &[ROOT, N(0), T("link"), N(0), N(9), N(MTIM)]);
    stat(&mut script).value(MODIFIED, 7);
    script.call(OK, "path_filestat_get", &[ROOT, N(0), T("link"), TO]).value(MODIFIED, 9).value(OUT + 32, 4);
    script.call(OK, "path_filestat_get", &[ROOT, N(1), T("link"), TO]).value(MODIFIED, 7).value(OUT + 32, 0);
    script.call(NOENT, "path_filestat_set_times", &set(1, "lost"));
    script.call(OK, "path_filestat_set_times", &set(0, "lost"));
    script.call(NOENT, "path_filestat_get", &[ROOT, N(1), T("lost"), TO]);
    script.call(OK, "path_filestat_get", &[ROOT, N(0), T("lost"), TO]).value(MODIFIED, 7);
    script.run();
}

/// Modification and change times of `/file` as a run with the clock at `epoch` has them after a call on it.
fn after(call: impl FnOnce(&mut Script)) -> (u64, u64, u64) {
    let mut script = Script::new();
    script.file("file", b"x").open(OK, "file", 0, READ | WRITE);
    script.call(OK, "fd_filestat_set_times", &[N(4), N(1), N(2), N(ATIM | MTIM)]);
    call(&mut script);
    stat(&mut script);
    let tail = script.len();
    script.seen(ACCESSED).seen(MODIFIED).seen(OUT + 56);
    let mut spec = task();
    spec.epoch_ns = 1_000_000;
    let report = script.try_run(spec);
    assert!(report.outcome.is_success());
    let number = |index: usize| {
        u64::from_le_bytes(report.stdout[8 * (tail + index)..8 * (tail + index + 1)].try_into().unwrap())
    };
    (number(0), number(1), number(2))
}

#[test]
fn what_changes_a_file_dates_it_by_the_guests_clock() {
    let is_now = |time: u64| (1_000_000..2_000_000).contains(&time);
    let (accessed, modified, changed) = after(|script| {
        script.call(OK, "fd_write", &[N(4), Bytes(b"y"), TO]);
    });
    assert!(accessed == 1 && is_now(modified) && is_now(changed));
    let (accessed, modified, changed) = after(|script| {
        script.call(OK, "fd_filestat_set_size", &[N(4), N(0)]);
    });
    assert!(accessed == 1 && is_now(modified) && is_now(changed));
    let (accessed, modified, changed) = after(|script| {
        script.call(OK, "path_link", &[ROOT, N(0), T("file"), ROOT, T("second")]);
    });
    assert!((accessed, modified) == (1, 2) && is_now(changed), "another name changes the node only");
    let (accessed, modified, _) = after(|script| {
        script.call(OK, "fd_read", &[N(4), crate::common::script::Room(1), TO]);
    });
    assert_eq!((accessed, modified), (1, 2), "reading leaves no trace");
    let (accessed, modified, _) = after(|script| {
        script.call(OK, "fd_filestat_set_times", &[N(4), N(9), N(9), N(ATIM_NOW | MTIM_NOW)]);
    });
    assert!(is_now(accessed) && accessed == modified);
    // A write of nothing changes nothing.
    let (_, modified, _) = after(|script| {
        script.call(OK, "fd_write", &[N(4), Bytes(b""), TO]);
    });
    assert_eq!(modified, 2);
}
