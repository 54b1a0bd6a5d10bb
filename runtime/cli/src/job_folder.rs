//! What a submission leaves in a folder, and how a verifier finds it again.
//!
//! ```text
//! DIR/receipts/0007.receipt   receipt, lease, job and manifest of task 7
//! DIR/outputs/0007/…          the files of task 7, beside 0007.stdout and 0007.stderr
//! DIR/blobs/abcd…             the module and the inputs, by hash
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fizz_attest::Blob;
use fizz_client::{Delivery, JobBlobs, host_path, write_delivery};
use fizz_exec::{BlobError, Blobs, Claimed, OutputName};

use crate::error::Failure;

/// Folders above a receipt in which its blobs are looked for.
const ANCESTORS: usize = 4;

/// Writes the module and the inputs.
pub(crate) fn write_blobs(folder: &Path, blobs: &JobBlobs) -> Result<(), Failure> {
    for blob in blobs.names() {
        let bytes =
            blobs.read(blob).map_err(|error| Failure::usage("an input has changed").because(&error))?;
        write(&folder.join("blobs").join(blob.content.to_string()), &bytes)?;
    }
    Ok(())
}

/// Writes a delivery's receipt and outputs. Returns the receipt's path.
pub(crate) fn write_task(folder: &Path, delivery: &Delivery) -> Result<PathBuf, Failure> {
    let name = format!("{:04}", delivery.checked.receipt.result.task);
    let outputs = folder.join("outputs");
    write_delivery(delivery, &outputs.join(&name))
        .map_err(|error| Failure::usage("cannot write the outputs").because(&error))?;
    for (stream, kind) in [(OutputName::Stdout, "stdout"), (OutputName::Stderr, "stderr")] {
        write(&outputs.join(format!("{name}.{kind}")), &delivered(delivery, &stream)?)?;
    }
    // The receipt comes last: where it stands, everything it names does.
    let path = folder.join("receipts").join(format!("{name}.receipt"));
    write(&path, &delivery.file.to_canonical())?;
    Ok(path)
}

/// The bytes of a delivered output.
pub(crate) fn delivered(delivery: &Delivery, name: &OutputName) -> Result<Vec<u8>, Failure> {
    delivery.read(name).map_err(|error| Failure::unexpected("a delivered output is gone").because(&error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| Failure::usage(format!("cannot write {}", path.display())).because(&error))
}

/// The files that a verifier has: those it was given, and those beside a receipt.
pub(crate) struct Found {
    given: BTreeMap<Blob, Vec<u8>>,
    receipt: PathBuf,
    task: u32,
}

impl Found {
    /// What lies beside `receipt`, and the `given` files.
    pub(crate) fn new(receipt: &Path, task: u32, given: BTreeMap<Blob, Vec<u8>>) -> Found {
        Found { given, receipt: receipt.to_owned(), task }
    }

    fn ancestors(&self) -> impl Iterator<Item = PathBuf> {
        let absolute = std::path::absolute(&self.receipt).unwrap_or_else(|_| self.receipt.clone());
        absolute.ancestors().skip(1).take(ANCESTORS).map(Path::to_owned).collect::<Vec<_>>().into_iter()
    }
}

impl Blobs for Found {
    fn read(&self, blob: &Blob) -> Result<Vec<u8>, BlobError> {
        if let Some(bytes) = self.given.get(blob) {
            return Ok(bytes.clone());
        }
        self.ancestors()
            .find_map(|folder| fs::read(folder.join("blobs").join(blob.content.to_string())).ok())
            .ok_or_else(|| {
                BlobError::new(
                    blob,
                    "it is neither among the given files nor in a `blobs` folder beside the receipt",
                )
            })
    }
}

impl Claimed for Found {
    fn read(&self, name: &OutputName, _: &Blob) -> Option<Vec<u8>> {
        let task = format!("{:04}", self.task);
        let path = match name {
            OutputName::Stdout => PathBuf::from(format!("{task}.stdout")),
            OutputName::Stderr => PathBuf::from(format!("{task}.stderr")),
            OutputName::File(path) => Path::new(&task).join(host_path(path)),
        };
        // DIR/receipts/0007.receipt, DIR/outputs/0007/…
        self.ancestors().find_map(|folder| fs::read(folder.join("outputs").join(&path)).ok())
    }
}
