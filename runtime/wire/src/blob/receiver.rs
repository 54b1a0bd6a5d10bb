//! The receiving side: proven groups go to memory or to a file, and a broken transfer goes on where it broke.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fizz_attest::Blob;

use super::decoder::{BlobDecoder, DecodeError, Proven};
use super::tree::{Item, PAIR_BYTES, Walk, outboard_position, tree};
use super::{BlobSource, GROUP_BYTES};

/// Receives one blob, over one or several transfers. Only proven groups are ever written, in order and without
/// holes, so that the written part is always a right beginning of the blob.
pub struct BlobReceiver {
    blob: Blob,
    target: Target,
    /// Bytes that are proven and written: whole groups, or the whole blob.
    proven: u64,
    complete: bool,
    /// The transfer that is going on.
    decoder: Option<BlobDecoder>,
}

enum Target {
    Memory(Vec<u8>),
    Files {
        data: Writer,
        outboard: Option<Writer>,
    },
    /// The files are on another thread, or were left there.
    Gone,
}

/// A file with what failed, for errors.
struct Writer {
    file: File,
    position: u64,
    path: PathBuf,
}

/// A receiver cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenReceiverError {
    /// The blob cannot be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The blob is larger than the caller allows.
    #[error("a blob of {size} bytes is over the limit of {limit}")]
    OverLimit {
        /// Claimed size.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A file cannot be opened, read or cut.
    #[error("cannot open {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Bytes of a stream were refused, or could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The stream is wrong.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The bytes are right, but cannot be written.
    #[error("cannot write {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An earlier transfer was dropped while it wrote: make a new receiver from the files.
    #[error("the receiver was abandoned in the middle of a write")]
    Abandoned,
}

impl BlobReceiver {
    /// Receives into memory, which grows with what arrives.
    ///
    /// # Errors
    /// [`OpenReceiverError::OverLimit`] when the blob is larger than `limit` bytes; [`OpenReceiverError::Decode`]
    /// when it cannot be.
    pub fn in_memory(blob: Blob, limit: u64) -> Result<BlobReceiver, OpenReceiverError> {
        if blob.size > limit {
            return Err(OpenReceiverError::OverLimit { size: blob.size, limit });
        }
        BlobReceiver::new(blob, Target::Memory(Vec::new()), 0)
    }

    /// Receives into the file `data`, and the inner nodes of the tree into the file `outboard`. Whatever earlier
    /// transfers left in both is checked again, and what it does not prove is cut off. Reads all of `data`: call it
    /// where blocking is allowed. A blob of one group or less has no outboard file.
    ///
    /// # Errors
    /// [`OpenReceiverError::Io`], [`OpenReceiverError::Decode`].
    pub fn in_file(blob: Blob, data: &Path, outboard: &Path) -> Result<BlobReceiver, OpenReceiverError> {
        // Also refuses what cannot be, before anything is touched.
        BlobDecoder::new(blob, 0)?;
        let mut data = Writer::open(data)?;
        let mut outboard = match tree(blob.size).outboard_size() {
            0 => None,
            _ => Some(Writer::open(outboard)?),
        };
        let proven = prove(blob, &data, outboard.as_ref()).map_err(|source| data.open_error(source))?;
        data.file.set_len(proven).map_err(|source| data.open_error(source))?;
        for writer in std::iter::once(&mut data).chain(&mut outboard) {
            // Proving moved the files' positions behind the writers' backs.
            writer.file.rewind().map_err(|source| writer.open_error(source))?;
        }
        BlobReceiver::new(blob, Target::Files { data, outboard }, proven)
    }

    fn new(blob: Blob, target: Target, proven: u64) -> Result<BlobReceiver, OpenReceiverError> {
        // An empty blob is proven by its hash alone.
        let complete = proven == blob.size && (blob.size > 0 || blob == Blob::of(&[]));
        let receiver = BlobReceiver { blob, target, proven, complete, decoder: None };
        if blob.size == 0 && !complete {
            return Err(DecodeError::Mismatch { blob, offset: 0 }.into());
        }
        BlobDecoder::new(blob, 0)?;
        Ok(receiver)
    }

    /// The blob's name.
    pub fn blob(&self) -> Blob {
        self.blob
    }

    /// Bytes that are proven and kept. The next transfer starts here.
    pub fn proven(&self) -> u64 {
        self.proven
    }

    /// Whether the whole blob is proven and kept.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether keeping bytes may block on a disk.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.target, Target::Files { .. })
    }

    /// Takes the receiver to another thread and leaves a hollow one.
    pub(super) fn take(&mut self) -> BlobReceiver {
        let hollow = BlobReceiver {
            blob: self.blob,
            target: Target::Gone,
            proven: self.proven,
            complete: false,
            decoder: None,
        };
        std::mem::replace(self, hollow)
    }

    /// Begins a transfer that starts at [`proven`](BlobReceiver::proven) and forgets what is left of another.
    pub fn begin(&mut self) -> Result<u64, DecodeError> {
        self.decoder = match self.complete {
            true => None,
            false => Some(BlobDecoder::new(self.blob, self.proven)?),
        };
        Ok(self.proven)
    }

    /// Takes the next bytes of the transfer's Bao stream. What is proven is kept before it returns, also when it
    /// returns an error.
    ///
    /// # Errors
    /// [`FeedError::Decode`] for wrong bytes, and for bytes after the end; [`FeedError::Io`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), FeedError> {
        if self.complete {
            return match bytes {
                [] => Ok(()),
                _ => Err(DecodeError::Trailing { blob: self.blob }.into()),
            };
        }
        if self.decoder.is_none() {
            self.begin()?;
        }
        let BlobReceiver { blob, target, proven, complete, decoder } = self;
        let Some(decoder) = decoder else {
            return Ok(());
        };
        decoder.feed(bytes, |piece| {
            target.keep(piece)?;
            if let Proven::Group { offset, bytes } = piece {
                *proven = offset + bytes.len() as u64;
                *complete = *proven == blob.size;
            }
            Ok(())
        })
    }

    /// The whole blob; `None` when it is not complete, or goes to a file.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self.target {
            Target::Memory(bytes) if self.complete => Some(bytes),
            _ => None,
        }
    }

    /// The whole blob as a source; `None` as for [`into_bytes`](BlobReceiver::into_bytes).
    pub fn into_source(self) -> Option<BlobSource> {
        self.into_bytes().map(|bytes| BlobSource::of_bytes(Arc::from(bytes)))
    }

    /// Makes what is proven durable: call it before the files are renamed and the blob is acknowledged. Blocks.
    ///
    /// # Errors
    /// [`FeedError::Io`].
    pub fn sync(&mut self) -> Result<(), FeedError> {
        if let Target::Files { data, outboard } = &mut self.target {
            for writer in std::iter::once(data).chain(outboard) {
                writer.file.sync_all().map_err(|source| writer.write_error(source))?;
            }
        }
        Ok(())
    }
}

impl Target {
    fn keep(&mut self, piece: Proven<'_>) -> Result<(), FeedError> {
        match (self, piece) {
            (Target::Gone, _) => return Err(FeedError::Abandoned),
            (Target::Memory(memory), Proven::Group { bytes, .. }) => memory.extend_from_slice(bytes),
            // Memory is trusted: nothing is proven from it again.
            (Target::Memory(_), Proven::Pair { .. }) => {}
            (Target::Files { data, .. }, Proven::Group { offset, bytes }) => data.write_at(offset, bytes)?,
            (Target::Files { outboard, .. }, Proven::Pair { position, bytes }) => {
                if let Some(outboard) = outboard {
                    outboard.write_at(position, bytes)?;
                }
            }
        }
        Ok(())
    }
}

impl Writer {
    fn open(path: &Path) -> Result<Writer, OpenReceiverError> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map(|file| Writer { file, position: 0, path: path.to_owned() })
            .map_err(|source| OpenReceiverError::Io { path: path.to_owned(), source })
    }

    fn open_error(&self, source: io::Error) -> OpenReceiverError {
        OpenReceiverError::Io { path: self.path.clone(), source }
    }

    fn write_error(&self, source: io::Error) -> FeedError {
        FeedError::Io { path: self.path.clone(), source }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), FeedError> {
        let mut write = || -> io::Result<()> {
            if self.position != offset {
                self.file.seek(SeekFrom::Start(offset))?;
            }
            // Unknown until the write is whole.
            self.position = u64::MAX;
            self.file.write_all(bytes)?;
            self.position = offset + bytes.len() as u64;
            Ok(())
        };
        write().map_err(|source| self.write_error(source))
    }
}

/// How many bytes at the start of `data` the inner nodes in `outboard` prove to belong to `blob`.
fn prove(blob: Blob, data: &Writer, outboard: Option<&Writer>) -> io::Result<u64> {
    let mut walk = Walk::new(blob, 0);
    let mut data = BufReader::with_capacity(256 << 10, &data.file);
    let mut piece = Vec::with_capacity(GROUP_BYTES as usize);
    let mut proven = 0;
    while let Some(item) = walk.next() {
        piece.clear();
        match item {
            Item::Pair { node, .. } => {
                let (Some(outboard), Some(position)) = (outboard, outboard_position(blob.size, node)) else {
                    break;
                };
                let mut file = &outboard.file;
                file.seek(SeekFrom::Start(position))?;
                file.take(PAIR_BYTES as u64).read_to_end(&mut piece)?;
            }
            Item::Group { size, .. } => {
                data.by_ref().take(size as u64).read_to_end(&mut piece)?;
            }
        }
        if piece.len() != item.bytes() || !walk.check(item, &piece) {
            break;
        }
        if let Item::Group { offset, size, .. } = item {
            proven = offset + size as u64;
        }
    }
    Ok(proven)
}
