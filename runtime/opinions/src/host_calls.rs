//! What WASI answers: scripts of host calls, whose answers and written memory are printed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::corpus::Entry;

/// A path or other text, in the guest's memory; a host call gets its address and its length.
/// Numbers are arguments as they are. `Scratch(n)` is the address of the n-th 256 bytes that calls may write.
#[derive(Clone, Copy)]
enum Arg {
    N(i64),
    Text(&'static str),
    Scratch(i64),
    /// One vector of memory: at the n-th scratch, so many bytes.
    Vector(i64, i64),
}

use Arg::{N, Scratch, Text, Vector};

type Call = (&'static str, &'static [Arg]);

/// The root folder, the first descriptor that `path_open` gives, and the one after it.
const ROOT: Arg = N(3);
const FIRST: Arg = N(4);
const SECOND: Arg = N(5);
const ALL_RIGHTS: Arg = N(0x1fff_ffff);

const SCRIPTS: &[(&str, &[Call])] = &[
    (
        "clocks-and-random",
        &[
            ("clock_time_get", &[N(0), N(1), Scratch(0)]),
            ("clock_time_get", &[N(1), N(1), Scratch(1)]),
            ("clock_time_get", &[N(2), N(1), Scratch(2)]),
            ("clock_time_get", &[N(9), N(1), Scratch(2)]),
            ("clock_res_get", &[N(0), Scratch(3)]),
            ("random_get", &[Scratch(4), N(200)]),
            ("random_get", &[Scratch(5), N(0)]),
            ("random_get", &[Scratch(5), N(1)]),
            ("sched_yield", &[]),
            ("clock_time_get", &[N(1), N(1), Scratch(6)]),
        ],
    ),
    (
        "arguments",
        &[
            ("args_sizes_get", &[Scratch(0), Scratch(1)]),
            ("args_get", &[Scratch(2), Scratch(3)]),
            ("environ_sizes_get", &[Scratch(4), Scratch(5)]),
            ("environ_get", &[Scratch(6), Scratch(7)]),
            ("fd_read", &[N(0), Vector(8, 5), N(1), Scratch(9)]),
            ("fd_read", &[N(0), Vector(10, 200), N(1), Scratch(11)]),
            ("fd_read", &[N(0), Vector(12, 200), N(1), Scratch(13)]),
        ],
    ),
    (
        "files",
        &[
            ("path_open", &[ROOT, N(0), Text("in/a"), N(0), ALL_RIGHTS, ALL_RIGHTS, N(0), Scratch(0)]),
            ("fd_fdstat_get", &[FIRST, Scratch(1)]),
            ("fd_filestat_get", &[FIRST, Scratch(2)]),
            ("fd_read", &[FIRST, Vector(3, 4), N(1), Scratch(4)]),
            ("fd_tell", &[FIRST, Scratch(5)]),
            ("fd_seek", &[FIRST, N(-2), N(2), Scratch(6)]),
            ("fd_seek", &[FIRST, N(-200), N(1), Scratch(6)]),
            ("fd_pread", &[FIRST, Vector(7, 9), N(1), N(3), Scratch(8)]),
            ("path_open", &[ROOT, N(0), Text("out/new"), N(1), ALL_RIGHTS, ALL_RIGHTS, N(0), Scratch(9)]),
            ("path_open", &[ROOT, N(0), Text("out/new"), N(5), ALL_RIGHTS, ALL_RIGHTS, N(0), Scratch(9)]),
            ("fd_write", &[SECOND, Vector(3, 4), N(1), Scratch(10)]),
            ("fd_seek", &[SECOND, N(100), N(0), Scratch(10)]),
            ("fd_write", &[SECOND, Vector(3, 4), N(1), Scratch(10)]),
            ("fd_pwrite", &[SECOND, Vector(3, 2), N(1), N(50), Scratch(10)]),
            ("fd_filestat_get", &[SECOND, Scratch(11)]),
            ("fd_filestat_set_size", &[SECOND, N(90)]),
            ("fd_allocate", &[SECOND, N(0), N(200)]),
            ("fd_advise", &[SECOND, N(0), N(10), N(0)]),
            ("fd_sync", &[SECOND]),
            ("fd_fdstat_set_flags", &[SECOND, N(1)]),
            ("fd_write", &[SECOND, Vector(3, 1), N(1), Scratch(12)]),
            ("fd_renumber", &[SECOND, FIRST]),
            ("fd_filestat_get", &[FIRST, Scratch(13)]),
            ("fd_filestat_get", &[SECOND, Scratch(14)]),
            ("fd_close", &[FIRST]),
            ("fd_close", &[FIRST]),
            ("fd_write", &[FIRST, Vector(3, 1), N(1), Scratch(12)]),
        ],
    ),
    (
        "paths",
        &[
            ("path_create_directory", &[ROOT, Text("out/folder")]),
            ("path_create_directory", &[ROOT, Text("out/folder")]),
            ("path_create_directory", &[ROOT, Text("no/folder")]),
            ("path_symlink", &[Text("../in/a"), ROOT, Text("out/link")]),
            ("path_symlink", &[Text("loop"), ROOT, Text("out/loop")]),
            ("path_readlink", &[ROOT, Text("out/link"), Scratch(0), N(4), Scratch(1)]),
            ("path_filestat_get", &[ROOT, N(0), Text("out/link"), Scratch(2)]),
            ("path_filestat_get", &[ROOT, N(1), Text("out/link"), Scratch(3)]),
            ("path_filestat_get", &[ROOT, N(1), Text("out/loop"), Scratch(4)]),
            ("path_filestat_get", &[ROOT, N(1), Text("../in/a"), Scratch(4)]),
            ("path_filestat_get", &[ROOT, N(1), Text("/in/a"), Scratch(4)]),
            ("path_filestat_get", &[ROOT, N(1), Text("in/a/"), Scratch(4)]),
            ("path_filestat_get", &[ROOT, N(1), Text(""), Scratch(4)]),
            ("path_link", &[ROOT, N(0), Text("in/a"), ROOT, Text("out/hard")]),
            ("path_filestat_set_times", &[ROOT, N(0), Text("out/hard"), N(5), N(7), N(5)]),
            ("path_filestat_get", &[ROOT, N(0), Text("in/a"), Scratch(5)]),
            ("path_rename", &[ROOT, Text("out/hard"), ROOT, Text("out/folder/moved")]),
            ("path_rename", &[ROOT, Text("out"), ROOT, Text("out/folder/out")]),
            ("path_rename", &[ROOT, Text("in"), ROOT, Text("out/folder")]),
            ("path_rename", &[ROOT, Text("none"), ROOT, Text("other")]),
            ("path_remove_directory", &[ROOT, Text("out/folder")]),
            ("path_remove_directory", &[ROOT, Text("out/link")]),
            ("path_unlink_file", &[ROOT, Text("out/folder")]),
            ("path_unlink_file", &[ROOT, Text("out/folder/moved")]),
            ("path_remove_directory", &[ROOT, Text("out/folder")]),
            ("path_open", &[ROOT, N(0), Text("out"), N(2), ALL_RIGHTS, ALL_RIGHTS, N(0), Scratch(6)]),
            ("fd_readdir", &[FIRST, Scratch(7), N(60), N(0), Scratch(8)]),
            ("fd_readdir", &[FIRST, Scratch(9), N(200), N(2), Scratch(10)]),
            ("fd_readdir", &[FIRST, Scratch(11), N(200), N(99), Scratch(12)]),
            ("path_open", &[FIRST, N(1), Text("link"), N(0), ALL_RIGHTS, ALL_RIGHTS, N(0), Scratch(13)]),
            ("path_open", &[FIRST, N(1), Text("loop"), N(0), ALL_RIGHTS, ALL_RIGHTS, N(0), Scratch(13)]),
        ],
    ),
    (
        "descriptors",
        &[
            ("fd_prestat_get", &[ROOT, Scratch(0)]),
            ("fd_prestat_get", &[FIRST, Scratch(0)]),
            ("fd_prestat_dir_name", &[ROOT, Scratch(1), N(1)]),
            ("fd_prestat_dir_name", &[ROOT, Scratch(1), N(0)]),
            ("fd_fdstat_get", &[N(0), Scratch(2)]),
            ("fd_fdstat_get", &[N(1), Scratch(3)]),
            ("fd_fdstat_get", &[ROOT, Scratch(4)]),
            ("fd_filestat_get", &[N(1), Scratch(5)]),
            ("fd_filestat_get", &[ROOT, Scratch(6)]),
            ("fd_seek", &[N(1), N(0), N(1), Scratch(7)]),
            ("fd_read", &[N(1), Vector(8, 1), N(1), Scratch(9)]),
            ("fd_write", &[N(0), Vector(8, 1), N(1), Scratch(9)]),
            ("sock_shutdown", &[N(0), N(1)]),
            ("proc_raise", &[N(2)]),
            ("fd_close", &[N(2)]),
            ("path_open", &[ROOT, N(0), Text("in/a"), N(0), ALL_RIGHTS, ALL_RIGHTS, N(0), Scratch(10)]),
        ],
    ),
];

/// Where texts, vectors and scratch lie, and the log: what each call returned.
const TEXTS: i64 = 1024;
const VECTORS: i64 = 8192;
const SCRATCH: i64 = 16384;
const SCRATCHES: i64 = 16;
const LOG: i64 = 32768;

pub(crate) fn entries() -> Vec<Entry> {
    SCRIPTS
        .iter()
        .map(|(name, calls)| {
            let mut entry =
                Entry::new(format!("host-calls-{name}"), assemble(name, calls), &["one", "", "é"])
                    .with_file("/in/a", "some bytes of input")
                    .with_file("/in/b/c", "")
                    .with_file("/out/z", "last");
            entry.task.env.push(("NAME".to_owned(), "value".to_owned()));
            entry.task.stdin = b"standard input".as_slice().into();
            entry.task.seed = [7; 32];
            entry.task.task_index = 3;
            entry
        })
        .collect()
}

fn assemble(name: &str, calls: &[Call]) -> Vec<u8> {
    let mut data = Data::default();
    let mut body = String::new();
    let mut imports = BTreeSet::from([String::from(FD_WRITE)]);
    for (number, (function, arguments)) in calls.iter().enumerate() {
        let mut values = Vec::new();
        for argument in *arguments {
            match *argument {
                N(value) => values.push(value),
                Text(text) => values.extend([data.text(text), text.len() as i64]),
                Scratch(number) => values.push(SCRATCH + 256 * number),
                Vector(number, len) => values.push(data.vector(SCRATCH + 256 * number, len)),
            }
        }
        let types = types(function);
        assert_eq!(types.len(), values.len(), "{name}: {function}");
        let pushes: String =
            types.iter().zip(values).map(|(ty, value)| format!("({ty}.const {value})")).collect();
        let _ =
            writeln!(body, "(i32.store (i32.const {}) (call ${function} {pushes}))", LOG + 4 * number as i64);
        imports.insert(format!(
            "(import \"wasi_snapshot_preview1\" \"{function}\" (func ${function} (param {}) (result i32)))\n",
            types.join(" ")
        ));
    }
    let log = data.vector(LOG, 4 * calls.len() as i64);
    let scratch = data.vector(SCRATCH, 256 * SCRATCHES);
    for vector in [log, scratch] {
        let _ = writeln!(
            body,
            "(drop (call $fd_write (i32.const 1) (i32.const {vector}) (i32.const 1) (i32.const 0)))"
        );
    }
    let imports: String = imports.into_iter().collect();
    let wat = format!(
        "(module {imports} (memory (export \"memory\") 1) {} (func (export \"_start\") {body}))",
        data.segments()
    );
    wat::parse_str(&wat).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const FD_WRITE: &str = "(import \"wasi_snapshot_preview1\" \"fd_write\" (func $fd_write (param i32 i32 i32 i32) (result i32)))\n";

/// Types of a host function's parameters.
fn types(function: &str) -> Vec<&'static str> {
    let letters = match function {
        "sched_yield" => "",
        "fd_close" | "fd_sync" | "proc_raise" => "i",
        "clock_time_get" => "iIi",
        "fd_filestat_set_size" => "iI",
        "fd_allocate" => "iII",
        "fd_advise" => "iIIi",
        "fd_seek" => "iIii",
        "fd_pread" | "fd_pwrite" => "iiiIi",
        "fd_readdir" => "iiiIi",
        "fd_read" | "fd_write" => "iiii",
        "fd_prestat_dir_name" | "path_create_directory" | "path_remove_directory" | "path_unlink_file" => {
            "iii"
        }
        "path_symlink" | "path_filestat_get" => "iiiii",
        "path_rename" | "path_readlink" => "iiiiii",
        "path_link" => "iiiiiii",
        "path_open" => "iiiiiIIii",
        "path_filestat_set_times" => "iiiiIIi",
        _ => "ii",
    };
    letters.chars().map(|letter| if letter == 'I' { "i64" } else { "i32" }).collect()
}

/// Bytes that the module starts with.
#[derive(Default)]
struct Data {
    texts: Vec<u8>,
    vectors: Vec<u8>,
}

impl Data {
    fn text(&mut self, text: &str) -> i64 {
        let at = TEXTS + self.texts.len() as i64;
        self.texts.extend(text.bytes());
        at
    }

    fn vector(&mut self, address: i64, len: i64) -> i64 {
        let at = VECTORS + self.vectors.len() as i64;
        for number in [address, len] {
            self.vectors.extend((number as u32).to_le_bytes());
        }
        at
    }

    fn segments(&self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
        format!(
            "(data (i32.const {TEXTS}) \"{}\") (data (i32.const {VECTORS}) \"{}\")",
            hex(&self.texts),
            hex(&self.vectors)
        )
    }
}
