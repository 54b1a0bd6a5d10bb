//! What of the WASI layer is state: all but what follows from the task itself.

use blake3::Hasher;
use fizz_attest::{Blob, Digest};
use serde::{Deserialize, Serialize};

use super::Wasi;
use super::descriptors::{DescriptorState, holders};
use crate::files::{Contents, FilesState, Refused};

/// The state of the WASI layer between two calls of the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WasiState {
    /// Random bytes already given out.
    pub(crate) random: u64,
    /// Bytes of standard input already read.
    pub(crate) stdin: u64,
    /// Standard output so far.
    pub(crate) stdout: Blob,
    /// Standard error so far.
    pub(crate) stderr: Blob,
    pub(crate) files: FilesState,
    /// By rising number.
    pub(crate) descriptors: Vec<DescriptorState>,
}

/// Hashes of the two output streams, which only ever grow.
#[derive(Default)]
pub(crate) struct StreamHashes {
    stdout: StreamHash,
    stderr: StreamHash,
}

#[derive(Default)]
struct StreamHash {
    hasher: Hasher,
    hashed: usize,
}

impl StreamHash {
    fn of(&mut self, stream: &[u8]) -> Blob {
        self.hasher.update(&stream[self.hashed..]);
        self.hashed = stream.len();
        Blob { content: Digest(*self.hasher.finalize().as_bytes()), size: stream.len() as u64 }
    }
}

/// No task can have taken so many random bytes: each costs gas.
const RANDOM_MAX: u64 = 1 << 62;

impl Wasi {
    pub(crate) fn save(&mut self, hashes: &mut StreamHashes) -> WasiState {
        let Wasi {
            // These follow from the task.
            args: _,
            env: _,
            epoch_ns: _,
            stdin: _,
            stdin_at,
            stdout,
            stderr,
            files,
            descriptors,
            random,
        } = self;
        WasiState {
            random: random.position(),
            stdin: *stdin_at as u64,
            stdout: hashes.stdout.of(stdout),
            stderr: hashes.stderr.of(stderr),
            files: files.save(),
            descriptors: descriptors.save(),
        }
    }

    /// How large the state is: bytes that the guest has written, and the names, descriptors and listed names
    /// that stand in it.
    pub(crate) fn extent(&self) -> (u64, u64) {
        let (bytes, names) = self.files.extent();
        (bytes, names + self.descriptors.entries())
    }

    /// Bytes that names, links and descriptors take in a state at the most.
    pub(crate) fn names_bytes(&self) -> u64 {
        self.files.state_bytes() + self.descriptors.state_bytes()
    }

    /// Takes a saved state over, in the place of a fresh one of the same task.
    pub(crate) fn restore(
        &mut self,
        saved: &WasiState,
        (stdout, stderr): (&[u8], &[u8]),
        contents: Contents<'_>,
    ) -> Result<(), Refused> {
        let stdin_at = usize::try_from(saved.stdin).unwrap_or(usize::MAX);
        if stdin_at > self.stdin.len() {
            return Err("more of standard input is read than there is");
        }
        if saved.random > RANDOM_MAX {
            return Err("more random bytes are taken than any gas pays for");
        }
        let streams = (stdout.len() as u64).saturating_add(stderr.len() as u64);
        if streams > saved.files.used_bytes {
            return Err("the output streams are longer than what is counted");
        }
        self.files.restore(&saved.files, holders(&saved.descriptors), contents)?;
        self.descriptors.restore(&saved.descriptors, &self.files)?;
        self.random.set_position(saved.random);
        self.stdin_at = stdin_at;
        self.stdout = stdout.to_vec();
        self.stderr = stderr.to_vec();
        Ok(())
    }
}
