//! Verified blobs: bytes named by their BLAKE3 hash and size, moved as Bao streams.
//!
//! A Bao stream is the blob's hash tree in pre-order, from a start offset on: 64 bytes for each inner node that
//! stands above a wanted group, and each wanted group of 16 KiB where it falls. No length stands before it: the
//! blob's name says it. Everything is checked against the root on the way down, so each group is proven when its
//! last byte is there, and a wrong size shows as a wrong hash at the latest in the last group. The geometry is the
//! one of the crate `bao-tree`; the outboard files are its pre-order outboards (without a size).
//!
//! [`BlobReceiver`] and [`BlobEncoder`] know no network: bytes are given to one and taken from the other.

mod decoder;
mod receiver;
mod source;
mod transfer;
mod tree;

pub use decoder::{BlobDecoder, DecodeError, Proven};
pub use receiver::{BlobReceiver, FeedError, OpenReceiverError};
pub use source::{BlobEncoder, BlobSource, SourceError};
pub use transfer::{PutOutcome, ReceiveBlobError, SendBlobError, TransferError};

/// Bytes of a group, the unit in which blobs are checked.
pub const GROUP_BYTES: u64 = 16 << 10;
