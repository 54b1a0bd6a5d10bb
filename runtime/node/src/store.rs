//! What a node keeps: blobs as files named by their hash, leases and results in a `redb` database.
//!
//! ```text
//! DIR/node.redb              leases and results
//! DIR/blobs/ab/abcd…         a blob's bytes; abcd….bao its outboard, where it has more than one group
//! DIR/incoming/abcd…         a blob that is still coming, resumed from what is proven
//! DIR/scratch/N/             outputs of a task that runs, empty at start
//! ```
//! Whatever is acknowledged to a peer is on the disk before: files are synced before they are renamed into place,
//! and a database commit is durable when it returns.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fizz_attest::{Blob, Canonical, Digest, Envelope, Job, Lease, OutputManifest};
use fizz_wire::blob::{BlobReceiver, BlobSource, FeedError, OpenReceiverError, SourceError};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

/// Lease digest to the expiry of its data (seconds since 1970), its envelope and its job's canonical bytes.
const LEASES: TableDefinition<'_, &[u8; 32], (u64, &[u8], &[u8])> = TableDefinition::new("leases");
/// Lease digest and task to the receipt's envelope and the manifest's canonical bytes.
const RESULTS: TableDefinition<'_, (&[u8; 32], u32), (&[u8], &[u8])> = TableDefinition::new("results");

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

macro_rules! database_errors {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> StoreError {
                StoreError::Database(Box::new(error.into()))
            }
        }
    )*};
}

database_errors!(CommitError, DatabaseError, StorageError, TableError, TransactionError);

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
    root: PathBuf,
    database: Database,
    bytes: AtomicU64,
    /// Serialises renames into place, so that bytes are counted once.
    placing: Mutex<()>,
}

impl Store {
    /// Opens a store, or makes one. Whatever an earlier run left half-done in `scratch` is removed.
    pub fn open(root: &Path) -> Result<Store, StoreError> {
        for folder in ["blobs", "incoming", "scratch"] {
            make_folder(&root.join(folder))?;
        }
        let path = root.join("node.redb");
        let database = match Database::create(&path) {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::InUse(path)),
            Err(error) => return Err(error.into()),
        };
        let transaction = database.begin_write()?;
        transaction.open_table(LEASES)?;
        transaction.open_table(RESULTS)?;
        transaction.commit()?;
        let store =
            Store { root: root.to_owned(), database, bytes: AtomicU64::new(0), placing: Mutex::new(()) };
        clear_folder(&root.join("scratch"))?;
        store.bytes.store(store.count_bytes()?, Ordering::Relaxed);
        Ok(store)
    }

    /// Bytes of blobs kept, outboards apart.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The folder that holds blobs.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// An empty folder of a name of the caller's own, for a task's outputs.
    pub fn scratch(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.root.join("scratch").join(name);
        clear_folder(&path)?;
        make_folder(&path)?;
        Ok(path)
    }

    /// Whether the whole blob is here.
    pub fn has(&self, blob: &Blob) -> bool {
        fs::metadata(blob_path(&self.blobs(), blob)).is_ok_and(|metadata| metadata.len() == blob.size)
    }

    /// A blob to be sent.
    pub fn source(&self, blob: &Blob) -> Option<BlobSource> {
        let path = blob_path(&self.blobs(), blob);
        self.has(blob).then(|| BlobSource::stored(*blob, &path, &outboard_path(&path)))
    }

    /// A receiver for a blob that is missing, with what earlier transfers left. Blocks.
    pub fn receiver(&self, blob: &Blob) -> Result<BlobReceiver, StoreError> {
        let path = self.incoming(blob);
        Ok(BlobReceiver::in_file(*blob, &path, &outboard_path(&path))?)
    }

    /// Keeps a blob that arrived whole. Blocks until it is durable.
    pub fn adopt(&self, mut receiver: BlobReceiver) -> Result<(), StoreError> {
        receiver.sync()?;
        let blob = receiver.blob();
        drop(receiver);
        self.place(&blob, &self.incoming(&blob))
    }

    /// Keeps a file of the node's own, which is gone from its path afterwards. Blocks until it is durable.
    pub fn import(&self, path: &Path) -> Result<Blob, StoreError> {
        let source = BlobSource::of_file(path)?;
        let blob = source.blob();
        let outboard = outboard_path(path);
        source.save_outboard(&outboard).map_err(io_error("write", &outboard))?;
        for path in [path, &outboard] {
            File::open(path).and_then(|file| file.sync_all()).map_err(io_error("sync", path))?;
        }
        self.place(&blob, path)?;
        Ok(blob)
    }

    fn incoming(&self, blob: &Blob) -> PathBuf {
        self.root.join("incoming").join(blob.content.to_string())
    }

    /// Moves synced files into place, the outboard first: a blob is there when its bytes are.
    fn place(&self, blob: &Blob, from: &Path) -> Result<(), StoreError> {
        let to = blob_path(&self.blobs(), blob);
        let folder = to.parent().unwrap_or(&self.root).to_owned();
        let _placing = self.placing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        make_folder(&folder)?;
        let new = !self.has(blob);
        let (from_outboard, to_outboard) = (outboard_path(from), outboard_path(&to));
        if from_outboard.exists() {
            fs::rename(&from_outboard, &to_outboard).map_err(io_error("place", &to_outboard))?;
        }
        fs::rename(from, &to).map_err(io_error("place", &to))?;
        sync_folder(&folder)?;
        if new {
            self.bytes.fetch_add(blob.size, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Keeps an accepted lease. Blocks until it is durable.
    pub fn put_lease(
        &self,
        lease: &Lease,
        envelope: &Envelope,
        job: &[u8],
        keep_until: u64,
    ) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        transaction
            .open_table(LEASES)?
            .insert(&lease.digest().0, (keep_until, envelope.to_canonical().as_slice(), job))?;
        transaction.commit()?;
        Ok(())
    }

    /// A lease that was accepted.
    pub fn lease(&self, digest: &Digest) -> Result<Option<StoredLease>, StoreError> {
        let table = self.database.begin_read()?.open_table(LEASES)?;
        let Some(row) = table.get(&digest.0)? else { return Ok(None) };
        let (keep_until, envelope, job) = row.value();
        let envelope = Envelope::from_canonical(envelope).map_err(|_| StoreError::Damaged("lease"))?;
        let (lease, _) = envelope.open_any().map_err(|_| StoreError::Damaged("lease"))?;
        let job = Job::decode(job).map_err(|_| StoreError::Damaged("job"))?;
        Ok(Some(StoredLease { lease, job, keep_until }))
    }

    /// How many leases are kept.
    pub fn lease_count(&self) -> Result<u64, StoreError> {
        use redb::ReadableTableMetadata;
        Ok(self.database.begin_read()?.open_table(LEASES)?.len()?)
    }

    /// Commits to a result. Blocks until it is durable; afterwards the node may say that the task is done. The first
    /// result of a task stays.
    pub fn put_result(
        &self,
        lease: &Digest,
        task: u32,
        result: &StoredResult,
    ) -> Result<StoredResult, StoreError> {
        let transaction = self.database.begin_write()?;
        let kept = {
            let mut table = transaction.open_table(RESULTS)?;
            let key = (&lease.0, task);
            let earlier = table.get(key)?.map(|row| own(row.value()));
            if earlier.is_none() {
                table.insert(key, (result.receipt.as_slice(), result.manifest.as_slice()))?;
            }
            earlier.unwrap_or_else(|| result.clone())
        };
        transaction.commit()?;
        Ok(kept)
    }

    /// The result of a task, if it is committed.
    pub fn result(&self, lease: &Digest, task: u32) -> Result<Option<StoredResult>, StoreError> {
        let table = self.database.begin_read()?.open_table(RESULTS)?;
        Ok(table.get((&lease.0, task))?.map(|row| own(row.value())))
    }

    /// Whether a blob is an output of one of the lease's committed results.
    pub fn is_output(&self, lease: &Digest, blob: &Blob) -> Result<bool, StoreError> {
        let table = self.database.begin_read()?.open_table(RESULTS)?;
        for row in table.range((&lease.0, 0)..=(&lease.0, u32::MAX))? {
            let row = row?.1;
            let manifest =
                OutputManifest::decode(row.value().1).map_err(|_| StoreError::Damaged("manifest"))?;
            if manifest.blobs().any(|(_, output)| output == *blob) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets leases whose time to be kept is over, their results, and the blobs that no other lease names.
    /// Returns how many leases went. Blocks.
    pub fn expire(&self, now: u64) -> Result<usize, StoreError> {
        let transaction = self.database.begin_write()?;
        let mut kept = BTreeSet::new();
        let gone = {
            let mut leases = transaction.open_table(LEASES)?;
            let mut results = transaction.open_table(RESULTS)?;
            let mut gone = Vec::new();
            for row in leases.iter()? {
                let (key, value) = row?;
                let (keep_until, _, job) = value.value();
                if keep_until < now {
                    gone.push(*key.value());
                    continue;
                }
                let job = Job::decode(job).map_err(|_| StoreError::Damaged("job"))?;
                kept.extend(job.blobs(0..job.tasks.len() as u32));
            }
            for lease in &gone {
                leases.remove(lease)?;
            }
            results.retain(|(lease, _), _| !gone.contains(lease))?;
            for row in results.iter()? {
                let manifest =
                    OutputManifest::decode(row?.1.value().1).map_err(|_| StoreError::Damaged("manifest"))?;
                kept.extend(manifest.blobs().map(|(_, blob)| blob));
            }
            gone.len()
        };
        // Before the commit, so that a lease that is accepted now waits, and finds its blobs missing.
        if gone > 0 {
            self.remove_all_but(&kept)?;
        }
        transaction.commit()?;
        Ok(gone)
    }

    fn remove_all_but(&self, kept: &BTreeSet<Blob>) -> Result<(), StoreError> {
        let kept: BTreeSet<String> = kept.iter().map(|blob| blob.content.to_string()).collect();
        let _placing = self.placing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for (path, _) in self.files()? {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            if !kept.contains(name) {
                fs::remove_file(&path).map_err(io_error("remove", &path))?;
            }
        }
        self.bytes.store(self.count_bytes()?, Ordering::Relaxed);
        Ok(())
    }

    fn count_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.files()?.iter().filter(|(path, _)| path.extension().is_none()).map(|(_, size)| size).sum())
    }

    fn files(&self) -> Result<Vec<(PathBuf, u64)>, StoreError> {
        let mut files = Vec::new();
        let mut folders = vec![self.blobs()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
                let entry = entry.map_err(io_error("list", &folder))?;
                let metadata = entry.metadata().map_err(io_error("read", &entry.path()))?;
                match metadata.is_dir() {
                    true => folders.push(entry.path()),
                    false => files.push((entry.path(), metadata.len())),
                }
            }
        }
        Ok(files)
    }
}

/// Where a blob lies below a folder of blobs.
pub(crate) fn blob_path(blobs: &Path, blob: &Blob) -> PathBuf {
    let name = blob.content.to_string();
    blobs.join(&name[..2]).join(name)
}

fn outboard_path(path: &Path) -> PathBuf {
    path.with_extension("bao")
}

fn own((receipt, manifest): (&[u8], &[u8])) -> StoredResult {
    StoredResult { receipt: receipt.to_vec(), manifest: manifest.to_vec() }
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { action, path: path.to_owned(), source }
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(io_error("make the folder", path))
}

fn clear_folder(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Ok(()) => make_folder(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(path),
        Err(error) => Err(io_error("clear", path)(error)),
    }
}

/// Makes renames in a folder durable. Only Unix can open folders for that; elsewhere the file system decides.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(io_error("sync", path))?;
    }
    Ok(())
}
