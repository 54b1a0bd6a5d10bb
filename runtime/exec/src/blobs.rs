//! Where the bytes of a job come from.

use std::collections::BTreeMap;
use std::error::Error;

use fizz_attest::Blob;

/// Gives bytes by name. What it gives is checked against the name by whoever asks.
pub trait Blobs {
    /// All bytes of a blob.
    fn read(&self, blob: &Blob) -> Result<Vec<u8>, BlobError>;
}

/// A blob cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// It is not where it should be.
    #[error("blob {} of {} bytes cannot be read", .blob.content, .blob.size)]
    Missing {
        /// Its name.
        blob: Blob,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Other bytes lie in its place.
    #[error("what lies in the place of blob {} has the hash {} and {} bytes", .blob.content, .found.content, .found.size)]
    Wrong {
        /// The name asked for.
        blob: Blob,
        /// The name of what was found.
        found: Blob,
    },
}

impl BlobError {
    /// A blob that could not be read.
    pub fn new(blob: &Blob, source: impl Into<Box<dyn Error + Send + Sync>>) -> BlobError {
        BlobError::Missing { blob: *blob, source: source.into() }
    }
}

/// Reads and checks.
pub(crate) fn read(blobs: &dyn Blobs, blob: &Blob) -> Result<Vec<u8>, BlobError> {
    let bytes = blobs.read(blob)?;
    let found = Blob::of(&bytes);
    if found == *blob { Ok(bytes) } else { Err(BlobError::Wrong { blob: *blob, found }) }
}

impl Blobs for BTreeMap<Blob, Vec<u8>> {
    fn read(&self, blob: &Blob) -> Result<Vec<u8>, BlobError> {
        self.get(blob).cloned().ok_or_else(|| BlobError::new(blob, "it is not among the given files"))
    }
}
