//! The blobs of a job on the requester's side.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fizz_attest::Blob;
use fizz_exec::BlobError;
use fizz_wire::BlobSource;
use fizz_wire::blob::SourceError;

/// Bytes in memory and in files, by name.
#[derive(Clone, Default)]
pub struct JobBlobs {
    blobs: BTreeMap<Blob, (BlobSource, Origin)>,
}

#[derive(Clone)]
enum Origin {
    Bytes(Arc<[u8]>),
    File(PathBuf),
}

impl JobBlobs {
    /// Adds bytes and returns their name.
    pub fn add_bytes(&mut self, bytes: impl Into<Arc<[u8]>>) -> Blob {
        let bytes = bytes.into();
        let source = BlobSource::of_bytes(bytes.clone());
        let blob = source.blob();
        self.blobs.insert(blob, (source, Origin::Bytes(bytes)));
        blob
    }

    /// Adds a file, which must not change until the job is done, and returns its name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add_file(&mut self, path: &Path) -> Result<Blob, SourceError> {
        let source = BlobSource::of_file(path)?;
        let blob = source.blob();
        self.blobs.insert(blob, (source, Origin::File(path.to_owned())));
        Ok(blob)
    }

    /// What to send of a blob.
    pub(crate) fn source(&self, blob: &Blob) -> Option<&BlobSource> {
        self.blobs.get(blob).map(|(source, _)| source)
    }

    /// The names of all blobs.
    pub fn names(&self) -> impl Iterator<Item = &Blob> {
        self.blobs.keys()
    }
}

impl fizz_exec::Blobs for JobBlobs {
    fn read(&self, blob: &Blob) -> Result<Vec<u8>, BlobError> {
        match self.blobs.get(blob) {
            Some((_, Origin::Bytes(bytes))) => Ok(bytes.to_vec()),
            Some((_, Origin::File(path))) => std::fs::read(path).map_err(|error| BlobError::new(blob, error)),
            None => Err(BlobError::new(blob, "it is not among the job's blobs")),
        }
    }
}
