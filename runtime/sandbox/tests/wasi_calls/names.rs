//! Making, moving, linking and removing names.

use crate::common::script::{DIRECTORY, N, OUT, READ, ROOT, Script, T, TO};
use crate::errno::*;

/// `/file`, `/other`, `/dir/inner`, `/empty`, and links: `to-file`, `to-dir`, `to-nothing`.
fn scene() -> Script {
    let mut script = Script::new();
    script.file("file", b"text").file("other", b"").dir("dir").file("dir/inner", b"").dir("empty");
    script.symlink("file", "to-file").symlink("dir", "to-dir").symlink("nothing", "to-nothing");
    script
}

/// Runs one call on the scene for each row, and checks that what fails changes nothing.
fn each(name: &str, rows: &[(&[&str], i64)]) {
    for (texts, errno) in rows {
        let mut script = scene();
        let args: Vec<_> = match (name, texts) {
            ("path_rename", [from, to]) => vec![ROOT, T(from), ROOT, T(to)],
            ("path_link", [from, to]) => vec![ROOT, N(0), T(from), ROOT, T(to)],
            ("path_symlink", [target, path]) => vec![T(target), ROOT, T(path)],
            (_, [path]) => vec![ROOT, T(path)],
            _ => panic!("{name} takes other texts than {texts:?}"),
        };
        script.call(*errno, name, &args);
        let report = script.run();
        let names = report.files.len();
        if *errno != OK {
            assert_eq!(names, 8, "{name} {texts:?}");
            assert_eq!(report.files.get("/file").as_deref(), Some(b"text".as_slice()), "{name} {texts:?}");
        }
    }
}

#[test]
fn folders_are_made() {
    each(
        "path_create_directory",
        &[
            (&["new"], OK),
            (&["new/"], OK),
            (&["dir/new"], OK),
            (&["to-dir/new"], OK),
            (&["dir"], EXIST),
            (&["dir/"], EXIST),
            (&["file"], EXIST),
            (&["file/"], EXIST),
            (&["file/new"], NOTDIR),
            (&["none/new"], NOENT),
            (&["to-nothing"], EXIST),
            (&["to-nothing/"], EXIST),
            (&["."], EXIST),
            (&["dir/.."], EXIST),
            (&[".."], PERM),
            (&["/new"], PERM),
            (&[""], NOENT),
            (&["a\0"], INVAL),
        ],
    );
}

#[test]
fn folders_are_removed_when_empty() {
    each(
        "path_remove_directory",
        &[
            (&["empty"], OK),
            (&["empty/"], OK),
            (&["dir"], NOTEMPTY),
            (&["file"], NOTDIR),
            (&["file/"], NOTDIR),
            (&["to-dir"], NOTDIR),
            // The link is meant, not what it points to.
            (&["to-dir/"], NOTDIR),
            (&["none"], NOENT),
            (&["none/x"], NOENT),
            (&["."], INVAL),
            (&["empty/."], INVAL),
            (&["dir/.."], INVAL),
            (&[".."], PERM),
            (&[""], NOENT),
        ],
    );
}

#[test]
fn files_and_links_are_removed() {
    each(
        "path_unlink_file",
        &[
            (&["file"], OK),
            (&["to-dir"], OK),
            (&["to-nothing"], OK),
            (&["to-dir/inner"], OK),
            (&["file/"], NOTDIR),
            (&["to-file/"], NOTDIR),
            (&["to-dir/"], NOTDIR),
            (&["dir"], ISDIR),
            (&["dir/"], ISDIR),
            (&["."], ISDIR),
            (&["none"], NOENT),
            (&["file/x"], NOTDIR),
            (&["../file"], PERM),
        ],
    );
}

#[test]
fn names_move_by_the_rules_of_rename() {
    each(
        "path_rename",
        &[
            (&["file", "new"], OK),
            (&["file", "other"], OK),
            (&["file", "file"], OK),
            (&["file", "to-dir"], OK),
            (&["file", "to-nothing"], OK),
            (&["to-dir", "file"], OK),
            (&["dir", "new"], OK),
            (&["dir", "new/"], OK),
            (&["dir/", "new"], OK),
            (&["dir", "empty"], OK),
            (&["dir", "empty/"], OK),
            (&["dir", "dir"], OK),
            (&["dir/inner", "inner"], OK),
            (&["empty", "dir/sub"], OK),
            (&["file", "dir"], ISDIR),
            (&["file", "empty"], ISDIR),
            (&["file", "new/"], NOTDIR),
            (&["file/", "new"], NOTDIR),
            (&["to-dir/", "new"], NOTDIR),
            (&["file", "to-dir/"], NOTDIR),
            (&["dir", "file"], NOTDIR),
            (&["dir", "to-dir"], NOTDIR),
            (&["empty", "to-dir/"], NOTDIR),
            (&["empty", "dir"], NOTEMPTY),
            (&["dir", "dir/sub"], INVAL),
            (&["dir", "dir/inner/x"], NOTDIR),
            (&["dir", "to-dir/sub"], INVAL),
            (&["dir", "."], INVAL),
            (&["dir/.", "new"], INVAL),
            (&["dir", "empty/.."], INVAL),
            (&["none", "new"], NOENT),
            (&["file", "none/new"], NOENT),
            (&["file", "other/new"], NOTDIR),
            (&["file", "../new"], PERM),
            (&["../file", "new"], PERM),
            (&["file", ""], NOENT),
            (&["", "new"], NOENT),
        ],
    );
}

#[test]
fn a_file_gets_a_second_name() {
    each(
        "path_link",
        &[
            (&["file", "new"], OK),
            (&["file", "dir/new"], OK),
            (&["to-nothing", "new"], OK),
            (&["file", "other"], EXIST),
            (&["file", "file"], EXIST),
            (&["file", "dir"], EXIST),
            (&["file", "to-nothing"], EXIST),
            (&["file", "new/"], NOENT),
            (&["file", "other/"], NOTDIR),
            (&["file", "none/new"], NOENT),
            (&["file/", "new"], NOTDIR),
            (&["dir", "new"], PERM),
            (&["to-dir/", "new"], PERM),
            (&["none", "new"], NOENT),
            (&["file", "../new"], PERM),
        ],
    );
    // Following the last link is not offered, as in the public suites.
    let mut script = scene();
    script.call(INVAL, "path_link", &[ROOT, N(1), T("to-file"), ROOT, T("new")]);
    script.run();
}

#[test]
fn links_are_made_and_read() {
    each(
        "path_symlink",
        &[
            (&["anything", "new"], OK),
            (&["../up", "dir/new"], OK),
            (&["x", "file"], EXIST),
            (&["x", "dir"], EXIST),
            (&["x", "dir/"], EXIST),
            (&["x", "to-nothing"], EXIST),
            (&["x", "new/"], NOENT),
            (&["x", "file/"], NOTDIR),
            (&["x", "file/new"], NOTDIR),
            (&["x", "none/new"], NOENT),
            (&["/file", "new"], PERM),
            (&["", "new"], NOENT),
            (&["a\0b", "new"], INVAL),
            (&["x", "../new"], PERM),
        ],
    );
    let mut script = scene();
    script.store(4096, 0);
    script.call(OK, "path_readlink", &[ROOT, T("to-dir"), N(4096), N(10), TO]).value32(OUT, 3);
    script.value(4096, 0x72_6964);
    // A buffer that is too small gets what fits, as from `readlink`.
    script.store(4096, -1);
    script.call(OK, "path_readlink", &[ROOT, T("to-nothing"), N(4096), N(2), TO]).value32(OUT, 2);
    script.value(4096, 0xffff_ffff_ffff_6f6e_u64 as i64);
    script.call(OK, "path_readlink", &[ROOT, T("to-dir"), N(4096), N(0), TO]).value32(OUT, 0);
    script.call(INVAL, "path_readlink", &[ROOT, T("file"), N(4096), N(10), TO]);
    script.call(INVAL, "path_readlink", &[ROOT, T("to-dir/"), N(4096), N(10), TO]);
    script.call(NOENT, "path_readlink", &[ROOT, T("none"), N(4096), N(10), TO]);
    script.run();
}

#[test]
fn bytes_that_are_no_text_are_no_path() {
    let mut script = Script::new();
    script.store(2048, 0xff);
    script.call(ILSEQ, "path_create_directory", &[ROOT, N(2048), N(1)]);
    script.run();
}

#[test]
fn names_of_one_file_share_it_and_are_counted() {
    let mut script = scene();
    script.call(OK, "path_link", &[ROOT, N(0), T("file"), ROOT, T("dir/second")]);
    script.call(OK, "path_filestat_get", &[ROOT, N(0), T("dir/second"), TO]);
    script.value(OUT + 24, 2).value(OUT + 32, 4);
    // Moving one over the other does nothing, as POSIX has it.
    script.call(OK, "path_rename", &[ROOT, T("file"), ROOT, T("dir/second")]);
    script.call(OK, "path_unlink_file", &[ROOT, T("file")]);
    script.call(OK, "path_filestat_get", &[ROOT, N(0), T("dir/second"), TO]).value(OUT + 24, 1);
    assert_eq!(script.run().files.get("/dir/second").as_deref(), Some(b"text".as_slice()));
}

#[test]
fn what_is_open_lives_on_without_a_name() {
    let mut script = scene();
    script.open(OK, "file", 0, READ).open(OK, "empty", DIRECTORY, READ);
    script.call(OK, "path_rename", &[ROOT, T("other"), ROOT, T("file")]);
    script.call(OK, "path_unlink_file", &[ROOT, T("file")]);
    script.call(OK, "fd_filestat_get", &[N(4), TO]).value(OUT + 24, 0).value(OUT + 32, 4);
    script.call(OK, "path_remove_directory", &[ROOT, T("empty")]);
    script.call(NOENT, "path_create_directory", &[N(5), T("x")]);
    script.call(NOENT, "path_rename", &[ROOT, T("dir"), N(5), T("x")]);
    script.call(OK, "fd_filestat_get", &[N(5), TO]);
    assert_eq!(script.run().files.len(), 5);
}

#[test]
fn a_folder_moves_with_all_that_is_in_it_and_with_who_has_it_open() {
    let mut script = scene();
    script.open(OK, "dir", DIRECTORY, READ);
    script.call(OK, "path_rename", &[ROOT, T("dir"), ROOT, T("empty/moved")]);
    script.call(OK, "path_create_directory", &[N(4), T("more")]);
    let files = script.run().files;
    assert!(files.get("/empty/moved/inner").is_some());
    assert!(files.get("/dir/inner").is_none());
}
