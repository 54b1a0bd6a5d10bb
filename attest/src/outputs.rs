//! Output manifests: the named files a task leaves, and the Merkle root that stands in its result.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::canonical::{Canonical, CanonicalError};
use crate::digest::{Digest, Domain};
use crate::job::{Blob, check_path};
use crate::merkle;

/// What a task left: its streams and the files of its output folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputManifest {
    /// Standard output.
    pub stdout: Blob,
    /// Standard error.
    pub stderr: Blob,
    /// The files, by rising path, each path once.
    pub files: Vec<OutputEntry>,
}

/// One output file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputEntry {
    /// Path below the output folder, without a leading `/`.
    pub path: String,
    /// Its bytes.
    pub blob: Blob,
}

/// A manifest that cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OutputError {
    /// Not a canonical manifest.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A path that would leave the output folder or is not plain.
    #[error("`{0}` cannot be an output path")]
    Path(String),
    /// Files out of order, or one twice.
    #[error("`{0}` is out of order, twice in the manifest, or both a file and a folder")]
    Order(String),
}

impl OutputManifest {
    /// Decodes a manifest and checks its paths and order. Paths hold whatever a guest may call a file, which is more
    /// than some hosts allow: whoever writes them to a disk must look again.
    pub fn decode(bytes: &[u8]) -> Result<OutputManifest, OutputError> {
        let manifest = OutputManifest::from_canonical(bytes)?;
        for entry in &manifest.files {
            check_path(&format!("/{}", entry.path))
                .map_err(|_| OutputError::Path(entry.path.chars().take(80).collect()))?;
        }
        let mut folders = std::collections::BTreeSet::new();
        for (index, entry) in manifest.files.iter().enumerate() {
            let rising = index == 0 || manifest.files[index - 1].path < entry.path;
            let mut at = 0;
            while let Some(slash) = entry.path[at..].find('/') {
                at += slash;
                folders.insert(&entry.path[..at]);
                at += 1;
            }
            if !rising {
                return Err(OutputError::Order(entry.path.clone()));
            }
        }
        match manifest.files.iter().find(|entry| folders.contains(entry.path.as_str())) {
            Some(entry) => Err(OutputError::Order(entry.path.clone())),
            None => Ok(manifest),
        }
    }

    /// The root of a Merkle tree over stdout, stderr and the files in this order, of the shape of RFC 9162 §2.1.
    pub fn root(&self) -> Digest {
        let streams = [("stdout", &self.stdout), ("stderr", &self.stderr)];
        let mut leaves: Vec<Digest> = streams.iter().map(|(name, blob)| leaf(0, name, blob)).collect();
        leaves.extend(self.files.iter().map(|entry| leaf(1, &entry.path, &entry.blob)));
        merkle::root(Domain::OutputNode, &leaves)
    }

    /// SHA-256 of the canonical bytes, for tools that know only that.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.to_canonical()).into()
    }

    /// Every blob of the manifest with its name: `stdout`, `stderr`, then the paths.
    pub fn blobs(&self) -> impl Iterator<Item = (&str, Blob)> {
        [("stdout", self.stdout), ("stderr", self.stderr)]
            .into_iter()
            .chain(self.files.iter().map(|entry| (entry.path.as_str(), entry.blob)))
    }
}

impl Canonical for OutputManifest {
    const TYPE: &'static str = "outputs";
}

/// A leaf binds the kind (0 stream, 1 file), the size, the content and the name.
fn leaf(kind: u8, name: &str, blob: &Blob) -> Digest {
    Digest::of_parts(
        Domain::OutputLeaf,
        &[&[kind], &blob.size.to_le_bytes(), &blob.content.0, name.as_bytes()],
    )
}
