//! A guest written as a list of WASI calls, each with the error number it must give.
//!
//! Descriptors are numbers that a test knows beforehand: the root is 3, and the lowest free number comes next.

use fizz_sandbox::{Files, TaskReport, TaskSpec};

use super::{SIGNATURES, module_with, run_task, task};

/// Where calls leave their results.
pub(crate) const OUT: usize = 1024;
/// Where reads put bytes, at most 60 KiB.
pub(crate) const INTO: usize = 4096;
/// Where texts and lists of buffers lie.
const DATA: usize = 65_536;

/// One argument of a call, or two that belong together.
#[derive(Clone, Copy)]
pub(crate) enum Arg<'a> {
    /// A number or an address.
    N(i64),
    /// A text: its address and length.
    T(&'a str),
    /// One buffer with these bytes: the list's address and its length.
    Bytes(&'a [u8]),
    /// One buffer of that length at [`INTO`]: the list's address and its length.
    Room(u32),
}

pub(crate) use Arg::{Bytes, N, Room, T};

/// Where results go, as an argument.
pub(crate) const TO: Arg<'static> = N(OUT as i64);
/// The root folder.
pub(crate) const ROOT: Arg<'static> = N(3);

/// Flags of `path_open`.
pub(crate) const CREAT: i64 = 1;
pub(crate) const DIRECTORY: i64 = 2;
pub(crate) const EXCL: i64 = 4;
pub(crate) const TRUNC: i64 = 8;
/// Rights.
pub(crate) const READ: i64 = 1 << 1;
pub(crate) const WRITE: i64 = 1 << 6;
/// Flags of descriptors.
pub(crate) const APPEND: i64 = 1;

/// Calls and what they must give, in order.
#[derive(Default)]
pub(crate) struct Script {
    data: String,
    data_len: usize,
    body: String,
    /// What each number is, and what it must be if that is known.
    expected: Vec<(String, Option<i64>)>,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        let at = DATA + self.data_len;
        let text: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        self.data.push_str(&format!("(data (i32.const {at}) \"{text}\")\n"));
        self.data_len += bytes.len().next_multiple_of(8);
        assert!(DATA + self.data_len < 262_000, "the script has too much data");
        at
    }

    /// One call and its error number.
    pub(crate) fn call(&mut self, errno: i64, name: &str, args: &[Arg<'_>]) -> &mut Self {
        let mut values = Vec::new();
        for arg in args {
            match *arg {
                N(value) => values.push(value),
                T(text) => values.extend([self.place(text.as_bytes()) as i64, text.len() as i64]),
                Bytes(bytes) => {
                    let at = self.place(bytes) as u32;
                    let list = [at.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
                    values.extend([self.place(&list) as i64, 1]);
                }
                Room(len) => {
                    let list = [(INTO as u32).to_le_bytes(), len.to_le_bytes()].concat();
                    values.extend([self.place(&list) as i64, 1]);
                }
            }
        }
        let (_, params, _) = SIGNATURES.iter().find(|(known, ..)| *known == name).expect("a WASI function");
        let types: Vec<_> = params.split_whitespace().collect();
        assert_eq!(types.len(), values.len(), "arguments of {name}");
        let args: String =
            types.iter().zip(values).map(|(ty, value)| format!(" ({ty}.const {value})")).collect();
        let label = format!("errno of {name}{args}");
        self.see(&format!("(i64.extend_i32_u (call ${name}{args}))"), label, errno)
    }

    fn see(&mut self, value: &str, label: String, expected: i64) -> &mut Self {
        self.print(value);
        self.expected.push((label, Some(expected)));
        self
    }

    fn print(&mut self, value: &str) {
        let print = "(call $print (i32.const 0) (i32.const 8))";
        self.body.push_str(&format!("(i64.store (i32.const 0) {value}) {print}\n"));
    }

    /// The 64-bit number at an address.
    pub(crate) fn value(&mut self, at: usize, expected: i64) -> &mut Self {
        let after = self.expected.last().map_or("the start", |(label, _)| label).to_owned();
        self.see(&format!("(i64.load (i32.const {at}))"), format!("number at {at} after {after}"), expected)
    }

    /// The 32-bit number at an address.
    pub(crate) fn value32(&mut self, at: usize, expected: i64) -> &mut Self {
        let after = self.expected.last().map_or("the start", |(label, _)| label).to_owned();
        self.see(
            &format!("(i64.load32_u (i32.const {at}))"),
            format!("number at {at} after {after}"),
            expected,
        )
    }

    /// The 64-bit number at an address, which the test looks at itself.
    pub(crate) fn seen(&mut self, at: usize) -> &mut Self {
        self.print(&format!("(i64.load (i32.const {at}))"));
        self.expected.push((String::new(), None));
        self
    }

    /// The first bytes that a read left.
    pub(crate) fn read(&mut self, expected: &[u8]) -> &mut Self {
        for (index, byte) in expected.iter().enumerate() {
            let label = format!("byte {index} of {:?}", String::from_utf8_lossy(expected));
            let value = format!("(i64.load8_u (i32.const {}))", INTO + index);
            self.see(&value, label, i64::from(*byte));
        }
        self
    }

    /// Stores a number before the next call.
    pub(crate) fn store(&mut self, at: usize, value: i64) -> &mut Self {
        self.body.push_str(&format!("(i64.store (i32.const {at}) (i64.const {value}))\n"));
        self
    }

    /// `path_open` below the root, following links.
    pub(crate) fn open(&mut self, errno: i64, path: &str, flags: i64, rights: i64) -> &mut Self {
        self.open_with(errno, 1, path, flags, rights, 0)
    }

    pub(crate) fn open_with(
        &mut self,
        errno: i64,
        lookup: i64,
        path: &str,
        flags: i64,
        rights: i64,
        descriptor_flags: i64,
    ) -> &mut Self {
        let args = [ROOT, N(lookup), T(path), N(flags), N(rights), N(-1), N(descriptor_flags), TO];
        self.call(errno, "path_open", &args)
    }

    /// Makes a file with these bytes as the given descriptor, and closes it.
    pub(crate) fn file(&mut self, path: &str, bytes: &[u8]) -> &mut Self {
        self.open(0, path, CREAT | TRUNC, READ | WRITE);
        self.body.push_str(&format!("(i32.store (i32.const 16) (i32.load (i32.const {OUT})))\n"));
        let at = self.place(bytes) as u32;
        let list = [at.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
        let list = self.place(&list);
        let write = format!(
            "(call $fd_write (i32.load (i32.const 16)) (i32.const {list}) (i32.const 1) (i32.const 24))"
        );
        self.see(&format!("(i64.extend_i32_u {write})"), format!("writing {path}"), 0);
        let close = "(i64.extend_i32_u (call $fd_close (i32.load (i32.const 16))))";
        self.see(close, format!("closing {path}"), 0)
    }

    pub(crate) fn dir(&mut self, path: &str) -> &mut Self {
        self.call(0, "path_create_directory", &[ROOT, T(path)])
    }

    pub(crate) fn symlink(&mut self, target: &str, path: &str) -> &mut Self {
        self.call(0, "path_symlink", &[T(target), ROOT, T(path)])
    }

    /// Runs it without files, with gas to spare.
    #[track_caller]
    pub(crate) fn run(&self) -> TaskReport {
        self.run_with(task())
    }

    /// Runs it on files.
    #[track_caller]
    pub(crate) fn run_on(&self, files: Files) -> TaskReport {
        self.run_with(TaskSpec { files, ..task() })
    }

    /// Runs it and checks every result.
    #[track_caller]
    pub(crate) fn run_with(&self, task: TaskSpec) -> TaskReport {
        let report = self.try_run(task);
        assert!(report.outcome.is_success(), "{}: {:?}", report.outcome, report.diagnostic);
        report
    }

    /// Runs it to whatever end, and checks the results that it had until then.
    #[track_caller]
    pub(crate) fn try_run(&self, task: TaskSpec) -> TaskReport {
        let report = run_task(&module_with(&self.data, &self.body), task);
        let seen =
            report.stdout.chunks(8).map(|eight| i64::from_le_bytes(eight.try_into().expect("whole numbers")));
        for ((label, expected), seen) in self.expected.iter().zip(seen) {
            assert_eq!(seen, expected.unwrap_or(seen), "{label}");
        }
        if report.outcome.is_success() {
            assert_eq!(report.stdout.len(), 8 * self.expected.len());
        }
        report
    }

    /// How many results it has so far.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks")]
    pub(crate) fn len(&self) -> usize {
        self.expected.len()
    }
}
