//! The store's database: leases, results, and which blobs are whose outputs.

use std::collections::BTreeSet;
use std::path::Path;

use fizz_attest::{Blob, Canonical, Digest, Envelope, Job, Lease, OutputManifest, PublicKey};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::{StoreError, StoredResult, Sweep};

type Key = &'static [u8; 32];
type Bytes = &'static [u8];
type LeaseRow = (u64, Key, Bytes, Bytes);
type ResultKey = (Key, u32);
type ResultRow = (Bytes, Bytes);

/// Lease digest to the expiry of its data (seconds since 1970), its requester, its envelope and its job's canonical
/// bytes.
const LEASES: TableDefinition<'_, Key, LeaseRow> = TableDefinition::new("leases");
/// Requester and lease digest, to count leases.
const REQUESTERS: TableDefinition<'_, (Key, Key), ()> = TableDefinition::new("requesters");
/// Lease digest and task to the receipt's envelope and the manifest's canonical bytes.
const RESULTS: TableDefinition<'_, ResultKey, ResultRow> = TableDefinition::new("results");
/// Lease digest and content of an output to its size.
const OUTPUTS: TableDefinition<'_, (Key, Key), u64> = TableDefinition::new("outputs");

/// Leases kept at most.
const MAX_LEASES: u64 = 65_536;
/// Leases of one requester kept at most.
const MAX_LEASES_OF_ONE: usize = 4_096;

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

#[derive(Debug)]
pub(super) struct Ledger {
    database: Database,
}

/// A lease as it is kept.
pub(super) struct Record {
    pub(super) keep_until: u64,
    pub(super) envelope: Vec<u8>,
    pub(super) job: Vec<u8>,
}

impl Record {
    /// Bytes that count.
    pub(super) fn bytes(&self) -> u64 {
        (self.envelope.len() + self.job.len()) as u64
    }

    pub(super) fn decode(&self) -> Result<(Lease, Job), StoreError> {
        let damaged = |_| StoreError::Damaged("lease");
        let envelope = Envelope::from_canonical(&self.envelope).map_err(damaged)?;
        // Its signature was checked when it was taken.
        let lease = Lease::from_canonical(&envelope.payload).map_err(damaged)?;
        let job = Job::decode(&self.job).map_err(|_| StoreError::Damaged("job"))?;
        Ok((lease, job))
    }
}

impl Ledger {
    pub(super) fn open(path: &Path) -> Result<Ledger, StoreError> {
        let database = match Database::create(path) {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::InUse(path.to_owned())),
            Err(error) => return Err(error.into()),
        };
        let transaction = database.begin_write()?;
        transaction.open_table(LEASES)?;
        transaction.open_table(REQUESTERS)?;
        transaction.open_table(RESULTS)?;
        transaction.open_table(OUTPUTS)?;
        transaction.commit()?;
        Ok(Ledger { database })
    }

    /// Keeps a lease. Returns whether it is new.
    pub(super) fn put_lease(&self, lease: &Lease, record: &Record) -> Result<bool, StoreError> {
        let (digest, requester) = (lease.digest(), &lease.requester.0);
        let transaction = self.database.begin_write()?;
        {
            let mut leases = transaction.open_table(LEASES)?;
            let mut requesters = transaction.open_table(REQUESTERS)?;
            if leases.get(&digest.0)?.is_some() {
                return Ok(false);
            }
            let own = requesters.range((requester, &[0; 32])..=(requester, &[u8::MAX; 32]))?;
            if leases.len()? >= MAX_LEASES || own.take(MAX_LEASES_OF_ONE).count() == MAX_LEASES_OF_ONE {
                return Err(StoreError::TooManyLeases);
            }
            let Record { keep_until, envelope, job } = record;
            leases.insert(&digest.0, (*keep_until, requester, envelope.as_slice(), job.as_slice()))?;
            requesters.insert((requester, &digest.0), ())?;
        }
        transaction.commit()?;
        Ok(true)
    }

    pub(super) fn lease(&self, digest: &Digest) -> Result<Option<Record>, StoreError> {
        let table = self.database.begin_read()?.open_table(LEASES)?;
        Ok(table.get(&digest.0)?.map(|row| record(row.value())))
    }

    pub(super) fn lease_count(&self) -> Result<u64, StoreError> {
        Ok(self.database.begin_read()?.open_table(LEASES)?.len()?)
    }

    /// Keeps the first result of a task, and returns the one that is kept; `None` where the lease is gone.
    pub(super) fn put_result(
        &self,
        lease: &Digest,
        task: u32,
        result: &StoredResult,
        manifest: &OutputManifest,
    ) -> Result<Option<StoredResult>, StoreError> {
        let transaction = self.database.begin_write()?;
        {
            let mut results = transaction.open_table(RESULTS)?;
            let mut outputs = transaction.open_table(OUTPUTS)?;
            let key = (&lease.0, task);
            if transaction.open_table(LEASES)?.get(&lease.0)?.is_none() {
                return Ok(None);
            }
            if let Some(earlier) = results.get(key)? {
                return Ok(Some(own(earlier.value())));
            }
            results.insert(key, (result.receipt.as_slice(), result.manifest.as_slice()))?;
            for (_, blob) in manifest.blobs() {
                outputs.insert((&lease.0, &blob.content.0), blob.size)?;
            }
        }
        transaction.commit()?;
        Ok(Some(result.clone()))
    }

    pub(super) fn result(&self, lease: &Digest, task: u32) -> Result<Option<StoredResult>, StoreError> {
        let table = self.database.begin_read()?.open_table(RESULTS)?;
        Ok(table.get((&lease.0, task))?.map(|row| own(row.value())))
    }

    pub(super) fn is_output(&self, lease: &Digest, blob: &Blob) -> Result<bool, StoreError> {
        let table = self.database.begin_read()?.open_table(OUTPUTS)?;
        Ok(table.get((&lease.0, &blob.content.0))?.is_some_and(|size| size.value() == blob.size))
    }

    /// Calls `each` with every lease.
    pub(super) fn leases(&self, mut each: impl FnMut(&Record)) -> Result<(), StoreError> {
        let table = self.database.begin_read()?.open_table(LEASES)?;
        for row in table.iter()? {
            each(&record(row?.1.value()));
        }
        Ok(())
    }

    /// Whether there is a lease whose data may go.
    pub(super) fn any_over(&self, now: u64) -> Result<bool, StoreError> {
        let table = self.database.begin_read()?.open_table(LEASES)?;
        for row in table.iter()? {
            if row?.1.value().0 < now {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets leases whose data may go, with their results, and removes the files that no other lease names.
    /// Returns the leases that went, and how many bytes they counted.
    pub(super) fn expire(&self, now: u64, mut sweep: Sweep<'_>) -> Result<(Vec<Digest>, u64), StoreError> {
        let transaction = self.database.begin_write()?;
        let mut gone = BTreeSet::new();
        let mut bytes = 0;
        {
            let mut leases = transaction.open_table(LEASES)?;
            let mut requesters = transaction.open_table(REQUESTERS)?;
            let mut results = transaction.open_table(RESULTS)?;
            let mut outputs = transaction.open_table(OUTPUTS)?;
            for row in leases.iter()? {
                let (key, value) = row?;
                let (keep_until, requester, ..) = value.value();
                let (digest, requester) = (*key.value(), PublicKey(*requester));
                let record = record(value.value());
                if keep_until < now {
                    gone.insert(digest);
                    bytes += record.bytes();
                    continue;
                }
                let (lease, job) = record.decode()?;
                job.blobs(lease.tasks.iter().copied()).iter().for_each(|blob| sweep.keep(&requester, blob));
                for row in outputs.range((&digest, &[0; 32])..=(&digest, &[u8::MAX; 32]))? {
                    let (key, size) = row?;
                    let content = Digest(*key.value().1);
                    sweep.keep(&requester, &Blob { content, size: size.value() });
                }
            }
            leases.retain(|digest, _| !gone.contains(digest))?;
            requesters.retain(|(_, digest), ()| !gone.contains(digest))?;
            results.retain(|(digest, _), _| !gone.contains(digest))?;
            outputs.retain(|(digest, _), _| !gone.contains(digest))?;
        }
        // Before the commit, so that a lease that is accepted now waits, and finds its blobs missing.
        sweep.finish()?;
        transaction.commit()?;
        Ok((gone.into_iter().map(Digest).collect(), bytes))
    }
}

fn record((keep_until, _, envelope, job): (u64, &[u8; 32], &[u8], &[u8])) -> Record {
    Record { keep_until, envelope: envelope.to_vec(), job: job.to_vec() }
}

fn own((receipt, manifest): (&[u8], &[u8])) -> StoredResult {
    StoredResult { receipt: receipt.to_vec(), manifest: manifest.to_vec() }
}
