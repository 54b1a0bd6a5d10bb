//! The sending side: a blob with its outboard, and the stream made from both.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bao_tree::io::outboard::PreOrderOutboard;
use bao_tree::io::sync::{CreateOutboard, WriteAt};
use fizz_attest::{Blob, Digest};

use super::decoder::DecodeError;
use super::tree::{Item, PAIR_BYTES, Walk, is_start, outboard_position, tree};
use crate::message::MAX_BLOB_BYTES;

/// A blob that can be sent. Clones share its bytes.
#[derive(Clone, Debug)]
pub struct BlobSource {
    blob: Blob,
    data: Store,
    outboard: Store,
}

#[derive(Clone, Debug)]
enum Store {
    Memory(Arc<[u8]>),
    File(PathBuf),
}

/// A blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file or its outboard cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The stored bytes are not what their name says any more.
    #[error("the stored blob {} is damaged at offset {offset}", blob.content)]
    Damaged {
        /// The blob.
        blob: Blob,
        /// Start of the group, or of the first group below the inner node, that is wrong.
        offset: u64,
    },
    /// A start that is not at a group, or a blob that is too large.
    #[error(transparent)]
    Shape(#[from] DecodeError),
}

impl BlobSource {
    /// A blob in memory.
    pub fn of_bytes(bytes: Arc<[u8]>) -> BlobSource {
        let size = bytes.len() as u64;
        let (root, outboard) =
            index(&bytes[..], size, Vec::new()).expect("memory is read and written without errors");
        BlobSource::new(size, root, Store::Memory(bytes), outboard)
    }

    /// A file, read once to find its name. Its outboard (64 bytes for each 16 KiB) is kept in memory. The file must
    /// not change as long as the source is used; if it does, sending fails with [`SourceError::Damaged`].
    ///
    /// # Errors
    /// [`SourceError::Io`], [`SourceError::Shape`].
    pub fn of_file(path: &Path) -> Result<BlobSource, SourceError> {
        let (size, root, outboard) = read_file(path, Vec::new())?;
        Ok(BlobSource::new(size, root, Store::File(path.to_owned()), outboard))
    }

    /// As [`of_file`](BlobSource::of_file), but the outboard is written to a file, so that memory stays small
    /// whatever the size.
    ///
    /// # Errors
    /// [`SourceError::Io`], [`SourceError::Shape`].
    pub fn index_file(path: &Path, outboard: &Path) -> Result<BlobSource, SourceError> {
        let io = |source| SourceError::Io { path: outboard.to_owned(), source };
        let index = File::create(outboard).map_err(io)?;
        let (size, root, _) = read_file(path, index)?;
        Ok(BlobSource::stored(Blob { content: Digest(root.into()), size }, path, outboard))
    }

    /// A file whose name is known and whose outboard is a file, as [`BlobReceiver`](super::BlobReceiver) leaves
    /// both. Nothing is read yet: every byte is checked while it is sent.
    pub fn stored(blob: Blob, data: &Path, outboard: &Path) -> BlobSource {
        let outboard = match tree(blob.size).outboard_size() {
            0 => Store::Memory(Arc::from([])),
            _ => Store::File(outboard.to_owned()),
        };
        BlobSource { blob, data: Store::File(data.to_owned()), outboard }
    }

    fn new(size: u64, root: blake3::Hash, data: Store, outboard: Vec<u8>) -> BlobSource {
        let blob = Blob { content: Digest(root.into()), size };
        BlobSource { blob, data, outboard: Store::Memory(outboard.into()) }
    }

    /// Writes the outboard to a file, for [`stored`](BlobSource::stored).
    ///
    /// # Errors
    /// What the system says.
    pub fn save_outboard(&self, path: &Path) -> io::Result<()> {
        match &self.outboard {
            Store::Memory(bytes) => std::fs::write(path, bytes),
            Store::File(from) => std::fs::copy(from, path).map(|_| ()),
        }
    }

    /// The blob's name.
    pub fn blob(&self) -> Blob {
        self.blob
    }

    /// Whether reading it may block on a disk.
    pub(super) fn is_file(&self) -> bool {
        matches!((&self.data, &self.outboard), (Store::File(_), _) | (_, Store::File(_)))
    }

    /// The Bao stream from `from` on: 0, or the start of a group before the end.
    ///
    /// # Errors
    /// [`SourceError::Shape`], [`SourceError::Io`].
    pub fn encoder(&self, from: u64) -> Result<BlobEncoder, SourceError> {
        if !is_start(self.blob, from) {
            return Err(DecodeError::Start { blob: self.blob, from }.into());
        }
        Ok(BlobEncoder {
            blob: self.blob,
            walk: Walk::new(self.blob, from),
            data: self.data.open()?,
            outboard: self.outboard.open()?,
            offset: from,
        })
    }
}

/// Reads `size` bytes, writes their outboard, and gives their hash.
fn index<W: WriteAt>(bytes: impl Read, size: u64, outboard: W) -> io::Result<(blake3::Hash, W)> {
    let mut outboard =
        PreOrderOutboard { root: blake3::Hash::from([0; 32]), tree: tree(size), data: outboard };
    outboard.init_from(bytes)?;
    Ok((outboard.root, outboard.data))
}

fn read_file<W: WriteAt>(path: &Path, outboard: W) -> Result<(u64, blake3::Hash, W), SourceError> {
    let io = |source| SourceError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    if size > MAX_BLOB_BYTES {
        return Err(DecodeError::TooLarge { size }.into());
    }
    let (root, outboard) = index(BufReader::with_capacity(256 << 10, file), size, outboard).map_err(io)?;
    Ok((size, root, outboard))
}

impl Store {
    fn open(&self) -> Result<Reader, SourceError> {
        Ok(match self {
            Store::Memory(bytes) => Reader::Memory(bytes.clone()),
            Store::File(path) => {
                let io = |source| SourceError::Io { path: path.clone(), source };
                Reader::File { file: File::open(path).map_err(io)?, position: 0, path: path.clone() }
            }
        })
    }
}

enum Reader {
    Memory(Arc<[u8]>),
    File { file: File, position: u64, path: PathBuf },
}

impl Reader {
    /// Appends `size` bytes from `offset` on; fewer where the store ends before.
    fn append(&mut self, offset: u64, size: usize, out: &mut Vec<u8>) -> Result<(), SourceError> {
        match self {
            Reader::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = start.saturating_add(size).min(bytes.len());
                out.extend_from_slice(&bytes[start..end]);
            }
            Reader::File { file, position, path } => {
                let mut read = || -> io::Result<()> {
                    // Groups are read in order; the outboard, nearly so.
                    if *position != offset {
                        file.seek(SeekFrom::Start(offset))?;
                    }
                    *position = offset + file.by_ref().take(size as u64).read_to_end(out)? as u64;
                    Ok(())
                };
                read().map_err(|source| SourceError::Io { path: path.clone(), source })?;
            }
        }
        Ok(())
    }
}

/// Makes a Bao stream, piece by piece. Every piece is checked before it is given out, so that a damaged disk never
/// makes a peer look like a liar.
pub struct BlobEncoder {
    blob: Blob,
    walk: Walk,
    data: Reader,
    outboard: Reader,
    /// Start of the first group that is not given out.
    offset: u64,
}

impl BlobEncoder {
    /// Appends at least `wanted` more bytes of the stream to `out`, by whole items of at most 16 KiB. Returns
    /// whether the stream goes on.
    ///
    /// # Errors
    /// [`SourceError::Io`], [`SourceError::Damaged`]. What was appended until then is right.
    pub fn append(&mut self, out: &mut Vec<u8>, wanted: usize) -> Result<bool, SourceError> {
        let end = out.len().saturating_add(wanted);
        while out.len() < end {
            let Some(item) = self.walk.next() else {
                return Ok(false);
            };
            let start = out.len();
            match item {
                Item::Pair { node, .. } => {
                    let position = outboard_position(self.blob.size, node).unwrap_or(u64::MAX);
                    self.outboard.append(position, PAIR_BYTES, out)?;
                }
                Item::Group { offset, size, .. } => self.data.append(offset, size, out)?,
            }
            if !self.walk.check(item, &out[start..]) {
                out.truncate(start);
                return Err(SourceError::Damaged { blob: self.blob, offset: self.offset });
            }
            if let Item::Group { offset, size, .. } = item {
                self.offset = offset + size as u64;
            }
        }
        Ok(true)
    }
}
