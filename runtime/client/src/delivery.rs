//! What a node delivers for a task.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fizz_attest::{
    Blob, Canonical, CheckedReceipt, Envelope, Job, Lease, OutputManifest, Receipt, ReceiptError, ReceiptFile,
};
use fizz_exec::OutputName;

/// A task done by a node: its checked papers, and its outputs in files.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The papers.
    pub file: Papers,
    /// What they say.
    pub checked: Checked,
    /// The folder where each output lies under its hash.
    pub folder: PathBuf,
}

/// The papers of a delivery. What many deliveries have in common, they share.
#[derive(Clone, Debug)]
pub struct Papers {
    receipt: Envelope,
    lease: Arc<Envelope>,
    job: Arc<[u8]>,
    manifest: Vec<u8>,
}

/// What the papers of a delivery say.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The receipt.
    pub receipt: Receipt,
    /// Its lease.
    pub lease: Arc<Lease>,
    /// Its job.
    pub job: Arc<Job>,
    /// Its outputs.
    pub manifest: OutputManifest,
}

/// The requester's own papers, which every delivery under one lease stands on.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) lease: Arc<Lease>,
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) job: Arc<Job>,
    pub(crate) job_bytes: Arc<[u8]>,
}

impl Papers {
    /// The papers as a file.
    pub fn to_file(&self) -> ReceiptFile {
        ReceiptFile {
            receipt: self.receipt.clone(),
            lease: (*self.lease).clone(),
            job: self.job.to_vec(),
            manifest: self.manifest.clone(),
        }
    }

    /// The canonical bytes of the file.
    pub fn to_canonical(&self) -> Vec<u8> {
        self.to_file().to_canonical()
    }
}

impl Checked {
    /// The same as a verifier takes it.
    pub fn to_receipt(&self) -> CheckedReceipt {
        CheckedReceipt {
            receipt: self.receipt.clone(),
            lease: (*self.lease).clone(),
            job: (*self.job).clone(),
            manifest: self.manifest.clone(),
        }
    }
}

/// Checks what a node sent against the papers it was given.
pub(crate) fn check(
    receipt: Envelope,
    manifest: Vec<u8>,
    ground: &Ground,
) -> Result<(Papers, Checked), ReceiptError> {
    let papers = Papers { receipt, lease: ground.envelope.clone(), job: ground.job_bytes.clone(), manifest };
    let CheckedReceipt { receipt, manifest, .. } = papers.to_file().check()?;
    Ok((papers, Checked { receipt, lease: ground.lease.clone(), job: ground.job.clone(), manifest }))
}

impl Delivery {
    /// The bytes of an output.
    ///
    /// # Errors
    /// When there is no such output, or its file is gone.
    pub fn read(&self, name: &OutputName) -> std::io::Result<Vec<u8>> {
        let manifest = &self.checked.manifest;
        let blob = match name {
            OutputName::Stdout => Some(manifest.stdout),
            OutputName::Stderr => Some(manifest.stderr),
            OutputName::File(path) => {
                manifest.files.iter().find(|entry| entry.path == *path).map(|entry| entry.blob)
            }
        };
        let blob = blob.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
        std::fs::read(output_path(&self.folder, &blob))
    }
}

/// Where an output lies below a delivery's folder.
pub(crate) fn output_path(folder: &Path, blob: &Blob) -> PathBuf {
    folder.join(blob.content.to_string())
}
