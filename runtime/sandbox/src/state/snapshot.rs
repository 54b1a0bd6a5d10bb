//! A whole state, that can be stored, moved to another process, and resumed.

use std::collections::BTreeMap;

use bytes::Bytes;
use fizz_attest::{Boundary, Digest};

use super::codec::{Kind, Parts, SnapshotError, contents_of};
use super::core::Core;
use super::memory::MemoryCopy;
use crate::instance::Live;

/// The whole state of a task between two chunks. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) parts: Parts,
}

impl Snapshot {
    pub(crate) fn new(core: Core, memory: &MemoryCopy, live: &Live) -> Snapshot {
        let bytes = live.guest.handles.memory.data(&live.store);
        let pages = memory.pages(bytes).into_iter().map(|(index, page)| (index, Some(page))).collect();
        let contents = written(&core, live);
        Snapshot { parts: Parts { core, pages, siblings: Vec::new(), contents } }
    }

    /// Where in the task this is: the digest of the state and the gas used.
    pub fn boundary(&self) -> Boundary {
        let core = &self.parts.core;
        Boundary { state: core.digest(), gas: core.gas, gpu_gas: 0 }
    }

    /// Number of the chunk that starts here.
    pub fn chunk(&self) -> u32 {
        self.parts.core.chunk
    }

    /// Digest of the task, as it must be given again to resume: module, arguments, environment, standard input, seed,
    /// time and limits.
    pub fn task(&self) -> Digest {
        self.parts.core.task
    }

    /// The bytes in which it can be stored. There is one encoding for each state.
    pub fn encode(&self) -> Vec<u8> {
        self.parts.encode(Kind::Whole)
    }

    /// Reads it back. The bytes may come from anybody: what is returned hangs together, and its
    /// [`Snapshot::boundary`] says which state it is.
    ///
    /// # Errors
    /// [`SnapshotError`] when the bytes are not a snapshot, or not the one encoding of it.
    pub fn decode(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
        Parts::decode(bytes, Kind::Whole).map(|parts| Snapshot { parts })
    }
}

/// The bytes that a core names, as they are in the instance.
pub(crate) fn written(core: &Core, live: &Live) -> BTreeMap<Digest, Bytes> {
    let wasi = &live.store.data().wasi;
    let files: BTreeMap<u64, &[u8]> = wasi.files.contents(true).collect();
    let mut contents = BTreeMap::new();
    let mut keep = |digest: Digest, bytes: &[u8]| {
        contents.entry(digest).or_insert_with(|| Bytes::copy_from_slice(bytes));
    };
    keep(core.wasi.stdout.content, &wasi.stdout);
    keep(core.wasi.stderr.content, &wasi.stderr);
    for node in &core.wasi.files.nodes {
        if let (crate::files::KindState::File { blob, owned: true }, Some(bytes)) =
            (&node.kind, files.get(&node.inode))
        {
            keep(blob.content, bytes);
        }
    }
    debug_assert!(contents_of(core).iter().all(|blob| contents.contains_key(&blob.content)));
    contents
}
