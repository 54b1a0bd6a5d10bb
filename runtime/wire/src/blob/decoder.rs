//! Checks a Bao stream, without I/O.

use fizz_attest::Blob;

use super::tree::{Item, Walk, is_start, outboard_position};
use crate::message::MAX_BLOB_BYTES;

/// A Bao stream is refused.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Bytes do not have the hash they must have: of the group at this offset, or of an inner node above it, or the
    /// blob has another size.
    #[error("the bytes at offset {offset} do not match the hash {}", blob.content)]
    Mismatch {
        /// The blob.
        blob: Blob,
        /// Start of the first group that is not proven.
        offset: u64,
    },
    /// Bytes follow the last group.
    #[error("bytes follow the end of the blob {} of {} bytes", blob.content, blob.size)]
    Trailing {
        /// The blob.
        blob: Blob,
    },
    /// A start that is not at a group, or not before the end.
    #[error("a transfer of {} bytes cannot start at offset {from}", blob.size)]
    Start {
        /// The blob.
        blob: Blob,
        /// The offset.
        from: u64,
    },
    /// A larger blob than any peer takes.
    #[error("a blob of {size} bytes is over the limit of {MAX_BLOB_BYTES}")]
    TooLarge {
        /// Claimed size.
        size: u64,
    },
}

/// A piece of the stream that is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven<'a> {
    /// An inner node.
    Pair {
        /// Where it stands in the outboard, in bytes.
        position: u64,
        /// Its two hashes.
        bytes: &'a [u8],
    },
    /// A group.
    Group {
        /// Where it stands in the blob, in bytes.
        offset: u64,
        /// Its bytes.
        bytes: &'a [u8],
    },
}

/// Takes a Bao stream in pieces of any size and gives back what is proven. Holds at most one group.
pub struct BlobDecoder {
    blob: Blob,
    walk: Walk,
    item: Option<Item>,
    buffer: Vec<u8>,
    /// Start of the first group that is not proven.
    offset: u64,
    failed: bool,
}

impl BlobDecoder {
    /// A decoder of the stream that starts at `from`: 0, or the start of a group.
    ///
    /// # Errors
    /// [`DecodeError::Start`], [`DecodeError::TooLarge`].
    pub fn new(blob: Blob, from: u64) -> Result<BlobDecoder, DecodeError> {
        if blob.size > MAX_BLOB_BYTES {
            return Err(DecodeError::TooLarge { size: blob.size });
        }
        if !is_start(blob, from) {
            return Err(DecodeError::Start { blob, from });
        }
        let mut walk = Walk::new(blob, from);
        let item = walk.next();
        Ok(BlobDecoder { blob, walk, item, buffer: Vec::new(), offset: from, failed: false })
    }

    /// Whether the last group is proven. An empty blob needs one [`feed`](BlobDecoder::feed) of no bytes.
    pub fn is_complete(&self) -> bool {
        self.item.is_none() && !self.failed
    }

    /// Takes the next bytes of the stream; `keep` gets each piece as soon as it is proven.
    ///
    /// # Errors
    /// [`DecodeError::Mismatch`] and [`DecodeError::Trailing`], and what `keep` returns. After an error every call
    /// fails.
    pub fn feed<E: From<DecodeError>>(
        &mut self,
        mut bytes: &[u8],
        mut keep: impl FnMut(Proven<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mismatch = DecodeError::Mismatch { blob: self.blob, offset: self.offset };
        if std::mem::replace(&mut self.failed, true) {
            return Err(mismatch.into());
        }
        while let Some(item) = self.item {
            let missing = item.bytes() - self.buffer.len();
            // A whole item is checked where it lies; parts are put together first.
            let whole = if self.buffer.is_empty() && bytes.len() >= missing {
                let (whole, rest) = bytes.split_at(missing);
                bytes = rest;
                whole
            } else {
                let (part, rest) = bytes.split_at(missing.min(bytes.len()));
                self.buffer.extend_from_slice(part);
                bytes = rest;
                if self.buffer.len() < item.bytes() {
                    break;
                }
                self.buffer.as_slice()
            };
            if !self.walk.check(item, whole) {
                return Err(DecodeError::Mismatch { blob: self.blob, offset: self.offset }.into());
            }
            match item {
                Item::Pair { node, .. } => {
                    let position = outboard_position(self.blob.size, node).ok_or(mismatch)?;
                    keep(Proven::Pair { position, bytes: whole })?;
                }
                Item::Group { offset, size, .. } => {
                    keep(Proven::Group { offset, bytes: whole })?;
                    self.offset = offset + size as u64;
                }
            }
            self.buffer.clear();
            self.item = self.walk.next();
        }
        if self.item.is_none() && !bytes.is_empty() {
            return Err(DecodeError::Trailing { blob: self.blob }.into());
        }
        self.failed = false;
        Ok(())
    }
}
