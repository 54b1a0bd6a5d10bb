//! WASI preview 1, virtual through and through.
//!
//! `wasi-common` gives the interface: its types, error numbers, and the 46 functions that check and convert what a
//! guest passes (`abi`, generated from the WASI witx files). What those functions do is ours, because a guest may
//! see nothing but its job: descriptors, files, clocks, random bytes. This folder is the only place that knows
//! `wasi-common`. `WASI.md` beside `Cargo.toml` says what a guest sees, with every rule and limit.

mod clock;
mod descriptors;
mod directory;
mod file;
mod link;
mod memory;
mod poll;
mod process;
mod rights;
mod snapshot;
mod state;
mod touch;

use blake3::OutputReader;
use bytes::Bytes;
use fizz_attest::Domain;
pub(crate) use link::{add_to_linker, is_served};
pub(crate) use state::{StreamHashes, WasiState};
pub(crate) use touch::HostPages;
use wasi_common::StringArray;

use crate::files::{FileError, System};
use crate::task::TaskSpec;
use descriptors::Descriptors;

/// Version of what a guest can see through WASI. It stands in the profile.
pub(crate) const WASI_VERSION: u32 = 3;

/// The WASI state of one run.
pub(crate) struct Wasi {
    args: StringArray,
    env: StringArray,
    stdin: Bytes,
    /// Bytes of standard input already read.
    stdin_at: usize,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) files: System,
    descriptors: Descriptors,
    random: OutputReader,
    epoch_ns: u64,
}

/// Arguments may have this many bytes, and the environment too.
const STRINGS_MAX: usize = 16 << 20;

/// Why a task cannot even start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The file system passes a quota of the job: the guest's outcome.
    Files(FileError),
    /// Arguments or environment are impossible: the caller's fault.
    Strings(&'static str),
}

impl Wasi {
    pub(crate) fn new(task: &TaskSpec) -> Result<Self, StartError> {
        let limits = &task.limits;
        let files = System::new(&task.files, task.epoch_ns, limits.output_bytes, limits.files)
            .map_err(StartError::Files)?;
        Ok(Wasi {
            args: strings(task.args.iter().cloned())?,
            env: strings(task.env.iter().map(|(key, value)| format!("{key}={value}")))?,
            stdin: task.stdin.clone(),
            stdin_at: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
            files,
            descriptors: Descriptors::new(limits.descriptors),
            random: random(&task.seed, task.task_index),
            epoch_ns: task.epoch_ns,
        })
    }
}

fn strings(all: impl Iterator<Item = String>) -> Result<StringArray, StartError> {
    let mut array = StringArray::new();
    let mut total = 0;
    for text in all {
        if text.contains('\0') {
            return Err(StartError::Strings("an argument or environment variable holds a NUL byte"));
        }
        total += text.len() + 1;
        if total > STRINGS_MAX {
            return Err(StartError::Strings("arguments or environment have more than 16 MiB"));
        }
        array.push(text).map_err(|_| StartError::Strings("too many arguments"))?;
    }
    Ok(array)
}

/// The guest's random bytes: a BLAKE3 stream keyed by the job's seed and the task's number.
fn random(seed: &[u8; 32], task_index: u32) -> OutputReader {
    let mut hasher = blake3::Hasher::new_derive_key(Domain::GuestRandom.context());
    hasher.update(seed);
    hasher.update(&task_index.to_le_bytes());
    hasher.finalize_xof()
}
