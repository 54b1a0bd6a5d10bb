//! `path_open`: every combination of flags, access and what stands at the path.

use fizz_sandbox::Files;

use crate::common::script::{
    APPEND, Bytes, CREAT, DIRECTORY, EXCL, N, READ, ROOT, Room, Script, T, TO, TRUNC, WRITE,
};
use crate::errno::*;

/// `/file`, `/dir/inner`, and links: `to-file`, `to-dir`, `to-nothing`, `self`.
fn scene() -> Script {
    let mut script = Script::new();
    script.file("file", b"text").dir("dir").file("dir/inner", b"");
    script.symlink("file", "to-file").symlink("dir", "to-dir");
    script.symlink("nothing", "to-nothing").symlink("self", "self");
    script
}

#[test]
fn flags_meet_what_stands_there() {
    let both = CREAT | EXCL;
    for (path, flags, rights, errno) in [
        ("file", 0, READ, OK),
        ("file", 0, WRITE, OK),
        ("file", 0, 0, OK),
        ("file", CREAT, READ | WRITE, OK),
        ("file", both, READ, EXIST),
        // EXCL without CREAT means nothing.
        ("file", EXCL, READ, OK),
        ("file", DIRECTORY, READ, NOTDIR),
        ("file", DIRECTORY | TRUNC, WRITE, NOTDIR),
        ("file/", 0, READ, NOTDIR),
        ("file/", CREAT, READ, NOTDIR),
        ("file/.", 0, READ, NOTDIR),
        ("file/x", 0, READ, NOTDIR),
        ("file/x", CREAT, READ, NOTDIR),
        ("file/..", 0, READ, NOTDIR),
        ("dir", 0, READ, OK),
        ("dir/", 0, READ, OK),
        ("dir", DIRECTORY, READ, OK),
        ("dir", DIRECTORY, READ | WRITE, ISDIR),
        ("dir", 0, WRITE, ISDIR),
        ("dir", TRUNC, READ, ISDIR),
        ("dir", CREAT, READ, ISDIR),
        ("dir", both, READ, EXIST),
        ("dir/", both, READ, EXIST),
        ("dir", CREAT | DIRECTORY, READ, INVAL),
        ("dir/..", 0, READ, OK),
        (".", 0, READ, OK),
        ("./dir/.//inner", 0, READ, OK),
        ("..", 0, READ, PERM),
        ("dir/../..", 0, READ, PERM),
        ("/", 0, READ, PERM),
        ("/file", 0, READ, PERM),
        ("", 0, READ, NOENT),
        ("none", 0, READ, NOENT),
        ("none", TRUNC, WRITE, NOENT),
        ("none/", CREAT, WRITE, ISDIR),
        ("none/x", CREAT, WRITE, NOENT),
        ("fil\0", 0, READ, INVAL),
        ("to-file", 0, READ, OK),
        ("to-file/", 0, READ, NOTDIR),
        ("to-file", both, READ, EXIST),
        ("to-dir", DIRECTORY, READ, OK),
        ("to-dir/inner", 0, READ, OK),
        ("to-nothing", 0, READ, NOENT),
        ("to-nothing", both, READ, EXIST),
        ("to-nothing/", both, READ, EXIST),
        ("self", 0, READ, LOOP),
        ("self", CREAT, READ, LOOP),
        ("self/x", 0, READ, LOOP),
    ] {
        let mut script = scene();
        script.open(errno, path, flags, rights);
        let files = script.run().files;
        // What fails changes nothing.
        if errno != OK {
            assert_eq!((files.len(), files.get("/file").as_deref()), (7, Some(b"text".as_slice())), "{path}");
        }
    }
}

#[test]
fn links_are_not_followed_unless_asked() {
    let mut script = scene();
    script.open_with(LOOP, 0, "to-file", 0, READ, 0);
    script.open_with(LOOP, 0, "to-dir", DIRECTORY, READ, 0);
    script.open_with(LOOP, 0, "to-nothing", CREAT, READ, 0);
    // A slash, and what lies beyond, is followed all the same.
    script.open_with(OK, 0, "to-dir/", 0, READ, 0);
    script.open_with(OK, 0, "to-dir/inner", 0, READ, 0);
    // Unknown lookup flags.
    script.open_with(INVAL, 2, "file", 0, READ, 0);
    assert_eq!(script.run().files.len(), 7);
}

#[test]
fn a_dangling_link_makes_its_target() {
    let mut script = scene();
    script.open(OK, "to-nothing", CREAT, WRITE);
    script.call(OK, "fd_write", &[N(4), Bytes(b"made"), TO]);
    assert_eq!(script.run().files.get("/nothing").as_deref(), Some(b"made".as_slice()));
}

#[test]
fn truncation_needs_no_access_and_happens_before_the_first_write() {
    let mut script = scene();
    script.open(OK, "file", TRUNC, READ);
    script.call(OK, "fd_read", &[N(4), Room(10), TO]).value32(1024, 0);
    script.call(BADF, "fd_write", &[N(4), Bytes(b"x"), TO]);
    assert_eq!(script.run().files.get("/file").as_deref(), Some(b"".as_slice()));
}

#[test]
fn access_is_what_was_asked_for() {
    let mut script = scene();
    script.open(OK, "file", 0, READ).open(OK, "file", 0, WRITE).open(OK, "file", 0, 0);
    script.call(OK, "fd_read", &[N(4), Room(2), TO]).value32(1024, 2).read(b"te");
    script.call(BADF, "fd_write", &[N(4), Bytes(b"x"), TO]);
    script.call(BADF, "fd_pwrite", &[N(4), Bytes(b"x"), N(0), TO]);
    script.call(INVAL, "fd_filestat_set_size", &[N(4), N(1)]);
    script.call(BADF, "fd_allocate", &[N(4), N(0), N(9)]);
    script.call(BADF, "fd_read", &[N(5), Room(2), TO]);
    script.call(BADF, "fd_pread", &[N(5), Room(2), N(0), TO]);
    script.call(OK, "fd_write", &[N(5), Bytes(b"T"), TO]);
    script.call(BADF, "fd_read", &[N(6), Room(2), TO]);
    script.call(BADF, "fd_write", &[N(6), Bytes(b"x"), TO]);
    script.call(OK, "fd_filestat_get", &[N(6), TO]).value(1024 + 32, 4);
    assert_eq!(script.run().files.get("/file").as_deref(), Some(b"Text".as_slice()));
}

#[test]
fn what_is_opened_below_a_folder_stays_below_it() {
    let mut script = scene();
    script.symlink("../file", "dir/up").symlink("inner", "dir/here");
    script.open(OK, "dir", DIRECTORY, READ);
    let below = |path| [N(4), N(1), T(path), N(0), N(READ), N(-1), N(0), TO];
    script.call(OK, "path_open", &below("inner"));
    script.call(OK, "path_open", &below("here"));
    script.call(OK, "path_open", &below("."));
    script.call(PERM, "path_open", &below(".."));
    script.call(PERM, "path_open", &below("up"));
    script.call(PERM, "path_open", &below("../dir/inner"));
    // Through the root the same link is fine.
    script.open(OK, "dir/up", 0, READ);
    // Descriptors that are no folder.
    script.call(NOTDIR, "path_open", &[N(5), N(1), T("x"), N(0), N(READ), N(-1), N(0), TO]);
    script.call(NOTDIR, "path_open", &[N(0), N(1), T("x"), N(0), N(READ), N(-1), N(0), TO]);
    script.call(BADF, "path_open", &[N(99), N(1), T("x"), N(0), N(READ), N(-1), N(0), TO]);
    script.run();
}

#[test]
fn unknown_flags_are_refused_and_unknown_rights_are_not() {
    let mut script = scene();
    script.call(INVAL, "path_open", &[ROOT, N(0), T("file"), N(16), N(READ), N(-1), N(0), TO]);
    script.call(INVAL, "path_open", &[ROOT, N(0), T("file"), N(0), N(READ), N(-1), N(32), TO]);
    // Old toolchains ask for rights that never existed.
    script.call(OK, "path_open", &[ROOT, N(0), T("file"), N(0), N(-1), N(-1), N(0), TO]);
    script.run();
}

#[test]
fn appending_goes_to_the_end_wherever_one_stands() {
    let mut script = scene();
    script.open_with(OK, 0, "file", 0, READ | WRITE, APPEND);
    script.call(OK, "fd_write", &[N(4), Bytes(b"12"), TO]);
    script.call(OK, "fd_tell", &[N(4), TO]).value(1024, 6);
    script.call(OK, "fd_seek", &[N(4), N(0), N(0), TO]);
    script.call(OK, "fd_write", &[N(4), Bytes(b"34"), TO]);
    script.call(OK, "fd_pwrite", &[N(4), Bytes(b"56"), N(0), TO]);
    script.call(OK, "fd_tell", &[N(4), TO]).value(1024, 8);
    // Switched off, and on again.
    script.call(OK, "fd_fdstat_set_flags", &[N(4), N(0)]);
    script.call(OK, "fd_pwrite", &[N(4), Bytes(b"T"), N(0), TO]);
    script.call(OK, "fd_fdstat_set_flags", &[N(4), N(APPEND)]);
    script.call(OK, "fd_write", &[N(4), Bytes(b"!"), TO]);
    script.call(OK, "fd_fdstat_get", &[N(4), TO]).value32(1024, 4 | APPEND << 16);
    assert_eq!(script.run().files.get("/file").as_deref(), Some(b"Text123456!".as_slice()));
}

#[test]
fn an_input_is_changed_in_the_run_only() {
    let mut files = Files::new();
    files.insert("/in", "0123456789").unwrap();
    let mut script = Script::new();
    script.open(OK, "in", 0, READ | WRITE);
    script.call(OK, "fd_pwrite", &[N(4), Bytes(b"X"), N(3), TO]);
    script.call(OK, "fd_filestat_set_size", &[N(4), N(5)]);
    assert_eq!(script.run_on(files.clone()).files.get("/in").as_deref(), Some(b"012X4".as_slice()));
    assert_eq!(files.get("/in").as_deref(), Some(b"0123456789".as_slice()));
}
