//! A guest that makes the calls it reads from standard input and prints what came of each.

use fizz_sandbox::{Engine, Files, ModuleLimits, Program, TaskReport, TaskSpec, run};

use super::call::{Call, PATHS, TARGETS, letters};

/// Where calls leave numbers, and where they leave bytes; 64 bytes each, printed after the error number before them.
pub(crate) const OUT: u64 = 0x808;
pub(crate) const INTO: u64 = 0x848;
const ERRNO: u64 = 0x800;
const PRINTED: usize = 8 + 64 + 64;
/// Texts: one every 16 bytes, paths first.
const TEXTS: u64 = 0x1000;
const LETTERS: u64 = 0x2000;
/// Calls: the function and nine arguments of 8 bytes, of which the last is the buffer of calls that have one.
const SCRIPT: u64 = 0x1_0000;
const CALL: u64 = 80;
/// Calls in one script.
pub(crate) const CALLS_MAX: usize = 512;

/// Functions by number, with the types of their parameters.
const FUNCTIONS: [(&str, &str); 25] = [
    ("path_open", "iiiiiIIii"),
    ("fd_close", "i"),
    ("fd_renumber", "ii"),
    ("fd_read", "iiii"),
    ("fd_pread", "iiiIi"),
    ("fd_write", "iiii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_seek", "iIii"),
    ("fd_tell", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_allocate", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_readdir", "iiiIi"),
    ("fd_sync", "i"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_link", "iiiiiii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
];

pub(crate) fn path_at(path: usize) -> (u64, u64) {
    (TEXTS + 16 * path as u64, PATHS[path].len() as u64)
}

pub(crate) fn target_at(target: usize) -> (u64, u64) {
    (TEXTS + 16 * (PATHS.len() + target) as u64, TARGETS[target].len() as u64)
}

/// What a call has left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) errno: u16,
    pub(crate) out: [u8; 64],
    pub(crate) into: [u8; 64],
}

/// The guest, compiled.
pub(crate) fn compile(engine: &Engine) -> Program {
    let wasm = wat::parse_str(text()).expect("a module in text");
    Program::compile(engine, &wasm, &ModuleLimits::default()).expect("a good module")
}

fn text() -> String {
    let mut imports = String::new();
    let mut dispatch = String::new();
    for (number, (name, types)) in FUNCTIONS.iter().enumerate() {
        let params: String = types.chars().map(|ty| if ty == 'i' { " i32" } else { " i64" }).collect();
        imports.push_str(&format!(
            "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param{params}) (result i32)))\n"
        ));
        let loads: String = (1..=types.len())
            .zip(types.chars())
            .map(|(slot, ty)| {
                format!(
                    " ({}.load offset={} (local.get $at))",
                    if ty == 'i' { "i32" } else { "i64" },
                    8 * slot
                )
            })
            .collect();
        dispatch.push_str(&format!(
            "(if (i32.eq (local.get $function) (i32.const {number}))
                (then (local.set $errno (call ${name}{loads}))))\n"
        ));
    }
    let mut data = String::new();
    for (number, text) in PATHS.iter().chain(&TARGETS).enumerate() {
        let bytes: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        data.push_str(&format!("(data (i32.const {}) \"{bytes}\")\n", TEXTS + 16 * number as u64));
    }
    let letters = String::from_utf8(letters(0, 26)).expect("letters");
    // The rest of them, written so that no character needs escaping.
    let others: String = super::call::letters(26, 50).iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        "(module {imports} (memory (export \"memory\") 2) {data}
        (data (i32.const {LETTERS}) \"{letters}{others}\")
        (func (export \"_start\") (local $at i32) (local $end i32) (local $function i32) (local $errno i32)
            (i32.store (i32.const 0) (i32.const {SCRIPT})) (i32.store (i32.const 4) (i32.const {room}))
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (local.set $at (i32.const {SCRIPT}))
            (local.set $end (i32.add (local.get $at) (i32.load (i32.const 8))))
            (i32.store (i32.const 0) (i32.const {ERRNO})) (i32.store (i32.const 4) (i32.const {PRINTED}))
            (block (loop
                (br_if 1 (i32.ge_u (local.get $at) (local.get $end)))
                (memory.fill (i32.const {ERRNO}) (i32.const 0) (i32.const {PRINTED}))
                (local.set $function (i32.load (local.get $at)))
                {dispatch}
                (i32.store (i32.const {ERRNO}) (local.get $errno))
                (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
                (local.set $at (i32.add (local.get $at) (i32.const {CALL})))
                (br 0)))))",
        room = CALLS_MAX as u64 * CALL,
    )
}

/// Makes the calls in a fresh run on `files`.
pub(crate) fn make(program: &Program, files: Files, calls: &[Call]) -> (TaskReport, Vec<Answer>) {
    let mut script = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        let vector = SCRIPT + CALL * number as u64 + 72;
        let (name, mut slots) = call.arguments(vector);
        let function = FUNCTIONS.iter().position(|(known, _)| *known == name).expect("a known function");
        slots.insert(0, function as u64);
        slots.resize(10, 0);
        match *call {
            Call::Read { len, .. } | Call::Pread { len, .. } => slots[9] = INTO | u64::from(len) << 32,
            Call::Write { from, len, .. } | Call::Pwrite { from, len, .. } => {
                slots[9] = (LETTERS + u64::from(from)) | u64::from(len) << 32;
            }
            _ => {}
        }
        script.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
    }
    let mut spec = TaskSpec::new("model");
    spec.stdin = script.into();
    spec.files = files;
    spec.limits.gas = 10_000_000_000;
    spec.limits.descriptors = super::model::DESCRIPTORS_MAX as u64;
    let report = run(program, spec, None, None).expect("a sound node");
    assert!(report.outcome.is_success(), "{}: {:?}", report.outcome, report.diagnostic);
    let answers: Vec<_> = report
        .stderr
        .chunks_exact(PRINTED)
        .map(|bytes| Answer {
            errno: u16::from_le_bytes([bytes[0], bytes[1]]),
            out: bytes[8..72].try_into().expect("64 bytes"),
            into: bytes[72..].try_into().expect("64 bytes"),
        })
        .collect();
    assert_eq!(answers.len(), calls.len());
    (report, answers)
}
