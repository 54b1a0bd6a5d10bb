//! Open descriptors: offsets, sizes, rights, numbers.

use crate::common::script::{Bytes, CREAT, DIRECTORY, N, OUT, READ, ROOT, Room, Script, T, TO, TRUNC, WRITE};
use crate::errno::*;

/// `whence` of `fd_seek`.
const SET: i64 = 0;
const CUR: i64 = 1;
const END: i64 = 2;

/// `/file` with ten digits, open for both as 4.
fn scene() -> Script {
    let mut script = Script::new();
    script.file("file", b"0123456789").open(OK, "file", 0, READ | WRITE);
    script
}

#[test]
fn seeking_is_checked_and_may_pass_the_end() {
    let mut script = scene();
    script.call(OK, "fd_seek", &[N(4), N(-3), N(END), TO]).value(OUT, 7);
    script.call(OK, "fd_seek", &[N(4), N(1), N(CUR), TO]).value(OUT, 8);
    script.call(OK, "fd_read", &[N(4), Room(10), TO]).value32(OUT, 2).read(b"89");
    script.call(OK, "fd_tell", &[N(4), TO]).value(OUT, 10);
    script.call(INVAL, "fd_seek", &[N(4), N(-11), N(CUR), TO]);
    script.call(INVAL, "fd_seek", &[N(4), N(-1), N(SET), TO]);
    script.call(INVAL, "fd_seek", &[N(4), N(0), N(3), TO]);
    script.call(OK, "fd_tell", &[N(4), TO]).value(OUT, 10);
    script.call(OK, "fd_seek", &[N(4), N(5), N(END), TO]).value(OUT, 15);
    script.call(OK, "fd_read", &[N(4), Room(10), TO]).value32(OUT, 0);
    // Seeking alone makes nothing; a write there leaves a hole of zeros.
    script.call(OK, "fd_filestat_get", &[N(4), TO]).value(OUT + 32, 10);
    script.call(OK, "fd_write", &[N(4), Bytes(b"end"), TO]);
    script.call(OK, "fd_tell", &[N(4), TO]).value(OUT, 18);
    // As far as `off_t` reaches, and no further.
    script.call(OK, "fd_seek", &[N(4), N(i64::MAX), N(SET), TO]).value(OUT, i64::MAX);
    script.call(INVAL, "fd_seek", &[N(4), N(1), N(CUR), TO]);
    script.call(INVAL, "fd_seek", &[N(4), N(i64::MAX), N(END), TO]);
    script.call(OK, "fd_read", &[N(4), Room(10), TO]).value32(OUT, 0);
    script.call(FBIG, "fd_write", &[N(4), Bytes(b"x"), TO]);
    let files = script.run().files;
    assert_eq!(files.get("/file").as_deref(), Some(b"0123456789\0\0\0\0\0end".as_slice()));
}

#[test]
fn reading_and_writing_at_an_offset_leaves_the_descriptors_own() {
    let mut script = scene();
    script.call(OK, "fd_pread", &[N(4), Room(4), N(8), TO]).value32(OUT, 2).read(b"89");
    script.call(OK, "fd_pread", &[N(4), Room(4), N(10), TO]).value32(OUT, 0);
    script.call(OK, "fd_pread", &[N(4), Room(4), N(1 << 50), TO]).value32(OUT, 0);
    script.call(INVAL, "fd_pread", &[N(4), Room(4), N(-1), TO]);
    script.call(OK, "fd_pwrite", &[N(4), Bytes(b"ab"), N(11), TO]).value32(OUT, 2);
    script.call(OK, "fd_pwrite", &[N(4), Bytes(b""), N(50), TO]).value32(OUT, 0);
    script.call(INVAL, "fd_pwrite", &[N(4), Bytes(b"x"), N(-1), TO]);
    script.call(FBIG, "fd_pwrite", &[N(4), Bytes(b"x"), N(1 << 60), TO]);
    script.call(OK, "fd_tell", &[N(4), TO]).value(OUT, 0);
    script.call(SPIPE, "fd_pread", &[N(0), Room(4), N(0), TO]);
    script.call(SPIPE, "fd_pwrite", &[N(1), Bytes(b"x"), N(0), TO]);
    assert_eq!(script.run().files.get("/file").as_deref(), Some(b"0123456789\0ab".as_slice()));
}

#[test]
fn sizes_change_both_ways_and_new_bytes_are_zero() {
    let mut script = scene();
    script.call(OK, "fd_filestat_set_size", &[N(4), N(3)]);
    script.call(OK, "fd_filestat_set_size", &[N(4), N(6)]);
    script.call(OK, "fd_pread", &[N(4), Room(10), N(0), TO]).value32(OUT, 6).read(b"012\0\0\0");
    script.call(OK, "fd_allocate", &[N(4), N(2), N(2)]);
    script.call(OK, "fd_filestat_get", &[N(4), TO]).value(OUT + 32, 6);
    script.call(OK, "fd_allocate", &[N(4), N(6), N(2)]);
    script.call(INVAL, "fd_allocate", &[N(4), N(0), N(0)]);
    script.call(INVAL, "fd_allocate", &[N(4), N(-1), N(1)]);
    script.call(INVAL, "fd_allocate", &[N(4), N(1), N(-1)]);
    script.call(FBIG, "fd_allocate", &[N(4), N(i64::MAX), N(i64::MAX)]);
    script.call(INVAL, "fd_filestat_set_size", &[N(4), N(-1)]);
    script.call(FBIG, "fd_filestat_set_size", &[N(4), N(1 << 60)]);
    assert_eq!(script.run().files.get("/file").as_deref(), Some(b"012\0\0\0\0\0".as_slice()));
}

#[test]
fn two_descriptors_of_one_file_have_their_own_offsets() {
    let mut script = scene();
    script.open(OK, "file", 0, READ);
    script.call(OK, "fd_write", &[N(4), Bytes(b"AB"), TO]);
    script.call(OK, "fd_read", &[N(5), Room(4), TO]).read(b"AB23");
    script.call(OK, "fd_tell", &[N(4), TO]).value(OUT, 2);
    script.run();
}

#[test]
fn a_folder_is_no_file() {
    let mut script = Script::new();
    script.dir("dir").open(OK, "dir", DIRECTORY, READ);
    script.call(ISDIR, "fd_read", &[N(4), Room(4), TO]);
    script.call(ISDIR, "fd_pread", &[N(4), Room(4), N(0), TO]);
    script.call(BADF, "fd_write", &[N(4), Bytes(b"x"), TO]);
    script.call(BADF, "fd_pwrite", &[N(4), Bytes(b"x"), N(0), TO]);
    script.call(BADF, "fd_seek", &[N(4), N(0), N(CUR), TO]);
    script.call(BADF, "fd_tell", &[N(4), TO]);
    script.call(BADF, "fd_advise", &[N(4), N(0), N(0), N(0)]);
    script.call(BADF, "fd_allocate", &[N(4), N(0), N(1)]);
    script.call(BADF, "fd_filestat_set_size", &[N(4), N(0)]);
    // As on Linux.
    script.call(OK, "fd_sync", &[N(4)]).call(OK, "fd_datasync", &[N(4)]);
    script.call(OK, "fd_fdstat_get", &[N(4), TO]).value32(OUT, 3);
    script.call(BADF, "fd_prestat_get", &[N(4), TO]);
    script.run();
}

#[test]
fn streams_are_no_files() {
    let mut script = Script::new();
    for stream in 0..3 {
        script.call(SPIPE, "fd_seek", &[N(stream), N(0), N(CUR), TO]);
        script.call(SPIPE, "fd_tell", &[N(stream), TO]);
        script.call(SPIPE, "fd_advise", &[N(stream), N(0), N(0), N(0)]);
        script.call(SPIPE, "fd_allocate", &[N(stream), N(0), N(1)]);
        script.call(SPIPE, "fd_filestat_set_size", &[N(stream), N(0)]);
        script.call(INVAL, "fd_sync", &[N(stream)]).call(INVAL, "fd_datasync", &[N(stream)]);
        script.call(BADF, "fd_filestat_set_times", &[N(stream), N(0), N(0), N(0)]);
        script.call(NOTDIR, "fd_readdir", &[N(stream), N(4096), N(100), N(0), TO]);
        script.call(OK, "fd_fdstat_get", &[N(stream), TO]).value32(OUT, 0);
        script.call(OK, "fd_filestat_get", &[N(stream), TO]).value(OUT + 32, 0);
        script.call(BADF, "fd_prestat_get", &[N(stream), TO]);
    }
    script.call(BADF, "fd_write", &[N(0), Bytes(b"x"), TO]);
    script.call(BADF, "fd_read", &[N(1), Room(4), TO]);
    script.call(BADF, "fd_read", &[N(2), Room(4), TO]);
    script.run();
}

#[test]
fn a_closed_number_is_bad_everywhere() {
    let mut script = Script::new();
    let nine = N(9);
    script.call(BADF, "fd_advise", &[nine, N(0), N(0), N(0)]);
    script.call(BADF, "fd_allocate", &[nine, N(0), N(1)]);
    script.call(BADF, "fd_close", &[nine]);
    script.call(BADF, "fd_datasync", &[nine]);
    script.call(BADF, "fd_fdstat_get", &[nine, TO]);
    script.call(BADF, "fd_fdstat_set_flags", &[nine, N(0)]);
    script.call(BADF, "fd_fdstat_set_rights", &[nine, N(0), N(0)]);
    script.call(BADF, "fd_filestat_get", &[nine, TO]);
    script.call(BADF, "fd_filestat_set_size", &[nine, N(0)]);
    script.call(BADF, "fd_filestat_set_times", &[nine, N(0), N(0), N(0)]);
    script.call(BADF, "fd_pread", &[nine, Room(1), N(0), TO]);
    script.call(BADF, "fd_prestat_dir_name", &[nine, N(4096), N(9)]);
    script.call(BADF, "fd_prestat_get", &[nine, TO]);
    script.call(BADF, "fd_pwrite", &[nine, Bytes(b""), N(0), TO]);
    script.call(BADF, "fd_read", &[nine, Room(1), TO]);
    script.call(BADF, "fd_readdir", &[nine, N(4096), N(9), N(0), TO]);
    script.call(BADF, "fd_renumber", &[nine, N(3)]);
    script.call(BADF, "fd_renumber", &[N(3), nine]);
    script.call(BADF, "fd_seek", &[nine, N(0), N(0), TO]);
    script.call(BADF, "fd_sync", &[nine]);
    script.call(BADF, "fd_tell", &[nine, TO]);
    script.call(BADF, "fd_write", &[nine, Bytes(b""), TO]);
    script.call(BADF, "path_create_directory", &[nine, T("x")]);
    script.call(BADF, "path_filestat_get", &[nine, N(0), T("x"), TO]);
    script.call(BADF, "path_filestat_set_times", &[nine, N(0), T("x"), N(0), N(0), N(0)]);
    script.call(BADF, "path_link", &[nine, N(0), T("x"), ROOT, T("y")]);
    script.call(BADF, "path_link", &[ROOT, N(0), T("x"), nine, T("y")]);
    script.call(BADF, "path_readlink", &[nine, T("x"), N(4096), N(9), TO]);
    script.call(BADF, "path_remove_directory", &[nine, T("x")]);
    script.call(BADF, "path_rename", &[nine, T("x"), ROOT, T("y")]);
    script.call(BADF, "path_rename", &[ROOT, T("x"), nine, T("y")]);
    script.call(BADF, "path_symlink", &[T("x"), nine, T("y")]);
    script.call(BADF, "path_unlink_file", &[nine, T("x")]);
    script.call(BADF, "sock_accept", &[nine, N(0), TO]);
    script.call(BADF, "sock_recv", &[nine, Room(1), N(0), TO, TO]);
    script.call(BADF, "sock_send", &[nine, Bytes(b""), N(0), TO]);
    script.call(BADF, "sock_shutdown", &[nine, N(1)]);
    script.run();
}

#[test]
fn nothing_is_a_socket() {
    let mut script = scene();
    for fd in [0, 1, 3, 4] {
        script.call(NOTSOCK, "sock_accept", &[N(fd), N(0), TO]);
        script.call(NOTSOCK, "sock_recv", &[N(fd), Room(1), N(0), TO, TO]);
        script.call(NOTSOCK, "sock_send", &[N(fd), Bytes(b"x"), N(0), TO]);
        script.call(NOTSOCK, "sock_shutdown", &[N(fd), N(1)]);
    }
    script.run();
}

#[test]
fn a_renumbered_descriptor_keeps_its_offset_and_frees_its_number() {
    let mut script = scene();
    script.open(OK, "other", CREAT, WRITE);
    script.call(OK, "fd_seek", &[N(4), N(7), N(SET), TO]);
    script.call(OK, "fd_renumber", &[N(4), N(5)]);
    script.call(OK, "fd_read", &[N(5), Room(9), TO]).value32(OUT, 3).read(b"789");
    script.call(BADF, "fd_tell", &[N(4), TO]);
    script.call(OK, "fd_renumber", &[N(5), N(5)]);
    script.open(OK, "other", 0, READ).value32(OUT, 4);
    // The streams can be replaced too, and then are files.
    script.call(OK, "fd_renumber", &[N(4), N(0)]);
    script.call(OK, "fd_read", &[N(0), Room(9), TO]).value32(OUT, 0);
    script.call(OK, "fd_seek", &[N(0), N(0), N(SET), TO]);
    script.run();
}

#[test]
fn the_root_is_known_by_its_name_and_can_be_closed() {
    let mut script = Script::new();
    script.call(OK, "fd_prestat_get", &[ROOT, TO]).value(OUT, 1 << 32);
    script.store(4096, 0x2e2e);
    script.call(OK, "fd_prestat_dir_name", &[ROOT, N(4096), N(1)]).value(4096, 0x2e2f);
    script.call(OK, "fd_prestat_dir_name", &[ROOT, N(4096), N(8)]).value(4096, 0x2e2f);
    script.call(NAMETOOLONG, "fd_prestat_dir_name", &[ROOT, N(4096), N(0)]);
    script.open(OK, ".", DIRECTORY, READ);
    script.call(OK, "fd_close", &[ROOT]);
    script.call(BADF, "path_create_directory", &[ROOT, T("x")]);
    script.call(OK, "path_create_directory", &[N(4), T("x")]);
    assert_eq!(script.run().files.len(), 1);
}

const FD_SEEK: i64 = 1 << 2;
const FD_TELL: i64 = 1 << 5;
const PATH_OPEN: i64 = 1 << 13;
const FD_READDIR: i64 = 1 << 14;

#[test]
fn rights_can_be_given_up_but_not_won() {
    let mut script = scene();
    let keep = READ | FD_TELL;
    script.call(NOTCAPABLE, "fd_fdstat_set_rights", &[N(4), N(keep | FD_READDIR), N(0)]);
    script.call(NOTCAPABLE, "fd_fdstat_set_rights", &[N(4), N(keep), N(READ)]);
    script.call(OK, "fd_fdstat_set_rights", &[N(4), N(keep), N(0)]);
    script.call(OK, "fd_fdstat_get", &[N(4), TO]).value(OUT + 8, keep).value(OUT + 16, 0);
    script.call(OK, "fd_read", &[N(4), Room(2), TO]).read(b"01");
    script.call(OK, "fd_tell", &[N(4), TO]).value(OUT, 2);
    script.call(OK, "fd_seek", &[N(4), N(0), N(CUR), TO]).value(OUT, 2);
    script.call(NOTCAPABLE, "fd_seek", &[N(4), N(0), N(SET), TO]);
    script.call(NOTCAPABLE, "fd_pread", &[N(4), Room(2), N(0), TO]);
    script.call(NOTCAPABLE, "fd_write", &[N(4), Bytes(b"x"), TO]);
    script.call(NOTCAPABLE, "fd_filestat_set_size", &[N(4), N(0)]);
    script.call(NOTCAPABLE, "fd_filestat_set_times", &[N(4), N(0), N(0), N(0)]);
    script.call(NOTCAPABLE, "fd_filestat_get", &[N(4), TO]);
    script.call(NOTCAPABLE, "fd_fdstat_set_flags", &[N(4), N(0)]);
    script.call(NOTCAPABLE, "fd_advise", &[N(4), N(0), N(0), N(0)]);
    script.call(NOTCAPABLE, "fd_allocate", &[N(4), N(0), N(1)]);
    script.call(NOTCAPABLE, "fd_sync", &[N(4)]).call(NOTCAPABLE, "fd_datasync", &[N(4)]);
    script.call(NOTCAPABLE, "fd_fdstat_set_rights", &[N(4), N(keep | FD_SEEK), N(0)]);
    // A write-only file never had the right to read.
    script.open(OK, "file", 0, WRITE);
    script.call(NOTCAPABLE, "fd_fdstat_set_rights", &[N(5), N(READ), N(0)]);
    script.run();
}

#[test]
fn rights_given_up_for_a_folder_hold_for_what_is_opened_through_it() {
    let mut script = scene();
    script.open(OK, ".", DIRECTORY, READ);
    let base = PATH_OPEN | FD_READDIR;
    script.call(OK, "fd_fdstat_set_rights", &[N(5), N(base), N(READ | FD_SEEK | FD_READDIR)]);
    let open = |flags, rights| [N(5), N(0), T("file"), N(flags), N(rights), N(0), N(0), TO];
    script.call(NOTCAPABLE, "path_open", &open(CREAT, READ));
    script.call(NOTCAPABLE, "path_open", &open(TRUNC, READ));
    script.call(NOTCAPABLE, "path_open", &open(0, WRITE));
    script.call(OK, "path_open", &open(0, READ));
    script.call(OK, "fd_fdstat_get", &[N(6), TO]).value(OUT + 8, READ | FD_SEEK);
    script.call(NOTCAPABLE, "fd_tell", &[N(6), TO]);
    script.call(NOTCAPABLE, "path_create_directory", &[N(5), T("x")]);
    script.call(NOTCAPABLE, "path_filestat_get", &[N(5), N(0), T("file"), TO]);
    script.call(NOTCAPABLE, "path_filestat_set_times", &[N(5), N(0), T("file"), N(0), N(0), N(0)]);
    script.call(NOTCAPABLE, "path_link", &[N(5), N(0), T("file"), ROOT, T("y")]);
    script.call(NOTCAPABLE, "path_link", &[ROOT, N(0), T("file"), N(5), T("y")]);
    script.call(NOTCAPABLE, "path_readlink", &[N(5), T("x"), N(4096), N(9), TO]);
    script.call(NOTCAPABLE, "path_remove_directory", &[N(5), T("x")]);
    script.call(NOTCAPABLE, "path_rename", &[N(5), T("file"), ROOT, T("y")]);
    script.call(NOTCAPABLE, "path_rename", &[ROOT, T("file"), N(5), T("y")]);
    script.call(NOTCAPABLE, "path_symlink", &[T("x"), N(5), T("y")]);
    script.call(NOTCAPABLE, "path_unlink_file", &[N(5), T("file")]);
    script.call(OK, "fd_readdir", &[N(5), N(4096), N(100), N(0), TO]);
    // A folder opened through it can do no more than that.
    script.call(NOTCAPABLE, "path_open", &[N(5), N(0), T("."), N(CREAT), N(0), N(0), N(0), TO]);
    script.call(OK, "path_open", &[N(5), N(0), T("."), N(DIRECTORY), N(0), N(0), N(0), TO]);
    script.call(OK, "fd_fdstat_get", &[N(7), TO]).value(OUT + 8, FD_READDIR);
    script.call(NOTCAPABLE, "path_open", &[N(7), N(0), T("file"), N(0), N(READ), N(0), N(0), TO]);
    // The other descriptor of the same folder keeps all.
    script.file("new", b"");
    script.run();
}
