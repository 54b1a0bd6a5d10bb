//! What a node keeps: blobs as files named by their hash, leases and results in a `redb` database.
//!
//! ```text
//! DIR/node.redb                        leases and results
//! DIR/blobs/REQUESTER/ab/abcd…         a blob's bytes; abcd….bao its outboard, where it has more than one group
//! DIR/incoming/REQUESTER-abcd…         a blob that is still coming, resumed from what is proven
//! DIR/scratch/N/                       outputs of a task that runs, empty at start
//! DIR/code/                            machine code; DIR/code.secret is what marks it
//! ```
//! Whatever is acknowledged to a peer is on the disk before: files are synced before they are renamed into place,
//! and a database commit is durable when it returns. Requesters share no blob, so that none gets at another's by its
//! hash. Everything blocks.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};

use fizz_attest::{Blob, Canonical, Digest, Envelope, Job, Lease, OutputManifest, PublicKey};
use fizz_wire::blob::{BlobReceiver, BlobSource, FeedError, OpenReceiverError, SourceError};

mod files;
mod ledger;
mod space;
#[cfg(test)]
mod tests;

pub(crate) use files::blob_path;
use files::{Files, Sweep, sync_folder};
use ledger::{Ledger, Record};
use space::Space;

/// Decoded leases at hand, so that not every request decodes its job again.
const LEASES_AT_HAND: usize = 8;

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database.
    #[error("the node's database failed")]
    Database(#[source] Box<redb::Error>),
    /// Another process has the database open.
    #[error("{} is used by another node", .0.display())]
    InUse(PathBuf),
    /// A record does not decode; the database was changed by something else.
    #[error("the node's database holds a damaged {0}")]
    Damaged(&'static str),
    /// No room.
    #[error("the node's store has no room for {wanted} bytes, only for {free}")]
    Full {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes there are.
        free: u64,
    },
    /// The node, or the requester, has as many leases as it may.
    #[error("there are too many leases that are not over")]
    TooManyLeases,
    /// A link, a folder or a pipe stands where an output should.
    #[error("{} is no plain file", .0.display())]
    NotAFile(PathBuf),
    /// A file could not be read as a blob.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A transfer could not be begun.
    #[error(transparent)]
    Receiver(#[from] OpenReceiverError),
    /// A transfer could not be made durable.
    #[error(transparent)]
    Feed(#[from] FeedError),
}

/// A lease with its job, as the node accepted them.
#[derive(Clone, Debug)]
pub struct StoredLease {
    /// The lease.
    pub lease: Lease,
    /// Its job.
    pub job: Job,
    /// When its data may go, in seconds since 1970.
    pub keep_until: u64,
}

/// A committed result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    /// The receipt's envelope, canonical bytes.
    pub receipt: Vec<u8>,
    /// The manifest's canonical bytes.
    pub manifest: Vec<u8>,
}

/// A node's store.
#[derive(Debug)]
pub struct Store {
    files: Files,
    ledger: Ledger,
    at_hand: Mutex<VecDeque<(Digest, Arc<StoredLease>)>>,
    /// Shared by whoever imports outputs that no result names yet; held alone while files are removed.
    keeping: RwLock<()>,
}

/// As long as this lives, no file is removed: outputs can be imported and then named by a result.
#[derive(Debug)]
pub struct Keeping<'a>(#[allow(dead_code, reason = "a guard")] RwLockReadGuard<'a, ()>);

impl Store {
    /// Opens a store that may fill `limit` bytes, or makes one. Whatever an earlier run left half-done is removed,
    /// but for blobs that leases still wait for.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another node has it open; others where the disk or the database fails.
    pub fn open(root: &Path, limit: u64) -> Result<Store, StoreError> {
        std::fs::create_dir_all(root).map_err(|source| StoreError::Io {
            action: "make the folder",
            path: root.to_owned(),
            source,
        })?;
        // The database first: its lock keeps a second node out of the files.
        let ledger = Ledger::open(&root.join("node.redb"))?;
        let files = Files::open(root, Space::new(limit))?;
        sync_folder(root)?;
        ledger.leases(|record| files.space.count(record.bytes()))?;
        ledger.expire(0, files.sweep()?)?;
        Ok(Store { files, ledger, at_hand: Mutex::default(), keeping: RwLock::default() })
    }

    /// Bytes that are spoken for, of those that the store may fill.
    pub fn bytes(&self) -> u64 {
        self.files.space.taken()
    }

    /// The folder that holds a requester's blobs.
    pub fn blobs(&self, owner: &PublicKey) -> PathBuf {
        self.files.blobs(owner)
    }

    /// An empty folder of a name of the caller's own, for a task's outputs.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn scratch(&self, name: &str) -> Result<PathBuf, StoreError> {
        self.files.scratch(name)
    }

    /// Whether a requester's whole blob is here.
    pub fn has(&self, owner: &PublicKey, blob: &Blob) -> bool {
        self.files.has(owner, blob)
    }

    /// A blob to be sent.
    pub fn source(&self, owner: &PublicKey, blob: &Blob) -> Option<BlobSource> {
        self.files.source(owner, blob)
    }

    /// A receiver for a blob that is missing, with what earlier transfers left.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::Receiver`], [`StoreError::Io`].
    pub fn receiver(&self, owner: &PublicKey, blob: &Blob) -> Result<BlobReceiver, StoreError> {
        self.files.receiver(owner, blob)
    }

    /// Keeps a blob that arrived whole, durably.
    ///
    /// # Errors
    /// [`StoreError::Feed`], [`StoreError::Io`].
    pub fn adopt(&self, owner: &PublicKey, receiver: BlobReceiver) -> Result<(), StoreError> {
        self.files.adopt(owner, receiver)
    }

    /// Keeps everything from being removed.
    pub fn keep(&self) -> Keeping<'_> {
        Keeping(self.keeping.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Keeps files of the node's own as blobs of a requester, durably. They are gone from their paths afterwards.
    ///
    /// # Errors
    /// [`StoreError::NotAFile`], [`StoreError::Full`], [`StoreError::Source`], [`StoreError::Io`].
    pub fn import(
        &self,
        _: &Keeping<'_>,
        owner: &PublicKey,
        paths: &[PathBuf],
    ) -> Result<Vec<Blob>, StoreError> {
        self.files.import(owner, paths)
    }

    /// Keeps an accepted lease, durably.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::TooManyLeases`], [`StoreError::Database`].
    pub fn put_lease(
        &self,
        lease: &Lease,
        envelope: &Envelope,
        job: &[u8],
        keep_until: u64,
    ) -> Result<(), StoreError> {
        let record = Record { keep_until, envelope: envelope.to_canonical(), job: job.to_vec() };
        self.files.space.take(record.bytes())?;
        let put = self.ledger.put_lease(lease, &record);
        if !matches!(put, Ok(true)) {
            self.files.space.give_back(record.bytes());
        }
        put.map(|_| ())
    }

    /// A lease that was accepted.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub fn lease(&self, digest: &Digest) -> Result<Option<Arc<StoredLease>>, StoreError> {
        // Held while a job is decoded: one large job at a time is enough.
        let mut at_hand = self.at_hand.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, lease)) = at_hand.iter().find(|(known, _)| known == digest) {
            return Ok(Some(lease.clone()));
        }
        let Some(record) = self.ledger.lease(digest)? else { return Ok(None) };
        let (lease, job) = record.decode()?;
        let lease = Arc::new(StoredLease { lease, job, keep_until: record.keep_until });
        if at_hand.len() == LEASES_AT_HAND {
            at_hand.pop_front();
        }
        at_hand.push_back((*digest, lease.clone()));
        Ok(Some(lease))
    }

    /// How many leases are kept.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn lease_count(&self) -> Result<u64, StoreError> {
        self.ledger.lease_count()
    }

    /// Commits to a result, durably; afterwards the node may say that the task is done. The first result of a task
    /// stays, and is returned. `None` where the lease is gone meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn put_result(
        &self,
        _: &Keeping<'_>,
        (lease, task): (&Digest, u32),
        result: &StoredResult,
        manifest: &OutputManifest,
    ) -> Result<Option<StoredResult>, StoreError> {
        self.ledger.put_result(lease, task, result, manifest)
    }

    /// The result of a task, if it is committed.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn result(&self, lease: &Digest, task: u32) -> Result<Option<StoredResult>, StoreError> {
        self.ledger.result(lease, task)
    }

    /// Whether a blob is an output of one of the lease's committed results.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn is_output(&self, lease: &Digest, blob: &Blob) -> Result<bool, StoreError> {
        self.ledger.is_output(lease, blob)
    }

    /// Forgets leases whose time to be kept is over at `now` (seconds since 1970), their results, and all files that
    /// no other lease names. Returns the leases that went.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn expire(&self, now: u64) -> Result<Vec<Digest>, StoreError> {
        if !self.ledger.any_over(now)? {
            return Ok(Vec::new());
        }
        let _alone = self.keeping.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (gone, bytes) = self.ledger.expire(now, self.files.sweep()?)?;
        self.files.space.give_back(bytes);
        let mut at_hand = self.at_hand.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        at_hand.retain(|(digest, _)| !gone.contains(digest));
        Ok(gone)
    }
}
