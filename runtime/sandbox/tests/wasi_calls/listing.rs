//! `fd_readdir`: cookies, cut buffers, changes between two calls.

use crate::common::script::{CREAT, N, OUT, READ, ROOT, Script, T, TO};
use crate::errno::*;

/// Bytes of an entry before its name.
const HEAD: usize = 24;

/// Files `a`, `bb`, `ccc` in the root.
fn scene() -> Script {
    let mut script = Script::new();
    script.file("bb", b"").file("a", b"").file("ccc", b"");
    script
}

/// Expects one entry at an address: the next cookie, inode, length of the name and type.
fn entry(script: &mut Script, at: usize, next: i64, inode: i64, name: &str, kind: i64) {
    script.value(at, next).value(at + 8, inode).value(at + 16, kind << 32 | name.len() as i64);
    for (index, byte) in name.bytes().enumerate() {
        script.value32(at + HEAD + index - 3, i64::from(byte) << 24 | before(name, index));
    }
}

/// The three bytes before a byte of the name, as the end of a little-endian number sees them; padding is zero.
fn before(name: &str, index: usize) -> i64 {
    (1..=3_usize)
        .map(|back| index.checked_sub(back).map_or(0, |at| i64::from(name.as_bytes()[at]) << (24 - 8 * back)))
        .sum()
}

#[test]
fn any_cookie_can_be_gone_back_to() {
    let mut script = scene();
    let read = |len, cookie| [ROOT, N(4096), N(len), N(cookie), TO];
    // The root's own entries, and the files by name.
    let total = 5 * HEAD + 1 + 2 + 1 + 2 + 3;
    script.call(OK, "fd_readdir", &read(1000, 0)).value32(OUT, total as i64);
    entry(&mut script, 4096, 1, 1, ".", 3);
    entry(&mut script, 4096 + HEAD + 1, 2, 1, "..", 3);
    entry(&mut script, 4096 + 2 * HEAD + 3, 3, 3, "a", 4);
    script.call(OK, "fd_readdir", &read(1000, 3)).value32(OUT, (2 * HEAD + 5) as i64);
    entry(&mut script, 4096, 4, 2, "bb", 4);
    entry(&mut script, 4096 + HEAD + 2, 5, 4, "ccc", 4);
    script.call(OK, "fd_readdir", &read(1000, 2)).value32(OUT, (3 * HEAD + 6) as i64);
    // Past the end, however far.
    script.call(OK, "fd_readdir", &read(1000, 5)).value32(OUT, 0);
    script.call(OK, "fd_readdir", &read(1000, 77)).value32(OUT, 0);
    script.call(OK, "fd_readdir", &read(1000, -1)).value32(OUT, 0);
    script.run();
}

#[test]
fn a_buffer_is_filled_to_its_last_byte() {
    let mut script = scene();
    for len in [0, 1, 8, 23, 24, 25, 26, 49] {
        script.store(4096 + len as usize, -1);
        script.call(OK, "fd_readdir", &[ROOT, N(4096), N(len), N(0), TO]).value32(OUT, len);
        script.value(4096 + len as usize, -1);
    }
    script.run();
}

#[test]
fn what_changes_between_calls_is_seen_from_the_start_only() {
    let mut script = scene();
    script.call(OK, "fd_readdir", &[ROOT, N(4096), N(60), N(0), TO]);
    script.call(OK, "path_unlink_file", &[ROOT, T("ccc")]);
    script.file("0", b"");
    // The listing that was begun goes on as it was.
    script.call(OK, "fd_readdir", &[ROOT, N(4096), N(1000), N(3), TO]).value32(OUT, (2 * HEAD + 5) as i64);
    // From the start there is the folder of now: ., .., 0, a, bb.
    script.call(OK, "fd_readdir", &[ROOT, N(4096), N(1000), N(0), TO]);
    script.value32(OUT, (5 * HEAD + 7) as i64);
    script.run();
}

#[test]
fn two_descriptors_list_one_folder_each_for_itself() {
    let mut script = scene();
    script.open(OK, ".", 0, READ);
    script.call(OK, "fd_readdir", &[ROOT, N(4096), N(1000), N(0), TO]);
    script.open(OK, "d", CREAT, READ);
    script.call(OK, "fd_readdir", &[N(4), N(4096), N(1000), N(0), TO]);
    script.value32(OUT, (6 * HEAD + 10) as i64);
    script.call(OK, "fd_readdir", &[ROOT, N(4096), N(1000), N(2), TO]).value32(OUT, (3 * HEAD + 6) as i64);
    script.run();
}

#[test]
fn kinds_and_parents_are_named() {
    let mut script = Script::new();
    script.dir("dir").dir("dir/sub").symlink("x", "dir/link").open(OK, "dir/sub", 0, READ);
    script.call(OK, "fd_readdir", &[N(4), N(4096), N(1000), N(0), TO]).value32(OUT, 51);
    entry(&mut script, 4096, 1, 3, ".", 3);
    entry(&mut script, 4096 + 25, 2, 2, "..", 3);
    script.open(OK, "dir", 0, READ);
    script.call(OK, "fd_readdir", &[N(5), N(4096), N(1000), N(2), TO]).value32(OUT, 55);
    entry(&mut script, 4096, 3, 4, "link", 7);
    entry(&mut script, 4096 + 28, 4, 3, "sub", 3);
    script.call(NOTDIR, "fd_readdir", &[N(1), N(4096), N(1000), N(0), TO]);
    script.run();
}
