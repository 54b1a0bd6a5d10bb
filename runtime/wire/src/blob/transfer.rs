//! Blobs over channels: moves the bytes between streams, encoders and receivers.
//!
//! Blocking reads and writes of files happen on tokio's blocking threads, in batches; memory is handled in place.

use std::time::Duration;

use bytes::Bytes;
use fizz_attest::{Blob, Digest};
use tokio::time::{Instant, timeout_at};

use super::receiver::{BlobReceiver, FeedError};
use super::source::{BlobEncoder, BlobSource, SourceError};
use super::tree::is_start;
use crate::channel::{Channel, FrameReader, FrameWriter, ReceiveError, SendError, StreamCode};
use crate::message::{Reply, Request};
use crate::peer::{CallError, Peer};

/// Bytes that are read and checked at a time when sending.
const SEND_BATCH: usize = 128 << 10;
/// Bytes that must leave within the stall time.
const SEND_PIECE: usize = 16 << 10;
/// Pieces that are taken from a stream and checked at a time when receiving; each is about a packet.
const RECEIVE_PIECES: usize = 128;

/// A blob did not leave.
#[derive(Debug, thiserror::Error)]
pub enum SendBlobError {
    /// Its bytes cannot be read. The peer sees the stream given up.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The stream failed.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// A blob did not arrive. What was proven until then is kept in the receiver.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveBlobError {
    /// The bytes are wrong, or cannot be kept.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The stream ended too early.
    #[error("the stream ended at offset {offset} of a blob of {} bytes", blob.size)]
    Truncated {
        /// The blob.
        blob: Blob,
        /// Bytes that are proven.
        offset: u64,
    },
    /// Not one group in time, or no end after the last.
    #[error("the peer sent no whole group within {after:?} at offset {offset}")]
    Stalled {
        /// The time waited.
        after: Duration,
        /// Bytes that are proven.
        offset: u64,
    },
    /// The stream failed.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
}

/// How a `PutBlob` went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The peer had it already.
    Present,
    /// The peer has it now.
    Sent {
        /// Where the transfer started: what came before, the peer had.
        from: u64,
    },
}

/// A `PutBlob` or `GetBlob` did not go through.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The request failed, or the peer says no.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The bytes did not leave.
    #[error(transparent)]
    Send(#[from] SendBlobError),
    /// The bytes did not arrive.
    #[error(transparent)]
    Receive(#[from] ReceiveBlobError),
}

impl From<SendError> for TransferError {
    fn from(error: SendError) -> TransferError {
        CallError::from(error).into()
    }
}

impl FrameWriter {
    /// Sends a blob's Bao stream from `from` on: 0, or the start of a group before the end. Each 16 KiB must leave
    /// within `stall`. The stream stays open for more.
    ///
    /// # Errors
    /// [`SendBlobError`]. After an error nothing more can be sent.
    pub async fn send_blob(
        &mut self,
        source: &BlobSource,
        from: u64,
        stall: Duration,
    ) -> Result<(), SendBlobError> {
        match open(source, from).await {
            Ok(encoder) => self.send_encoded(encoder, source.is_file(), stall).await,
            Err(error) => Err(self.damaged(error)),
        }
    }

    async fn send_encoded(
        &mut self,
        mut encoder: BlobEncoder,
        blocks: bool,
        stall: Duration,
    ) -> Result<(), SendBlobError> {
        loop {
            let batch = run(blocks, move || encode(encoder)).await;
            let more = batch.more.map_err(|error| self.damaged(error))?;
            encoder = batch.encoder;
            let mut bytes = Bytes::from(batch.bytes);
            while !bytes.is_empty() {
                let piece = bytes.split_to(bytes.len().min(SEND_PIECE));
                self.write(piece, stall).await?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    fn damaged(&mut self, error: SourceError) -> SendBlobError {
        self.abort(StreamCode::Damaged);
        SendBlobError::Source(error)
    }
}

async fn open(source: &BlobSource, from: u64) -> Result<BlobEncoder, SourceError> {
    let opened = source.clone();
    run(source.is_file(), move || opened.encoder(from)).await
}

struct Batch {
    encoder: BlobEncoder,
    bytes: Vec<u8>,
    more: Result<bool, SourceError>,
}

fn encode(mut encoder: BlobEncoder) -> Batch {
    let mut bytes = Vec::new();
    let more = encoder.append(&mut bytes, SEND_BATCH);
    Batch { encoder, bytes, more }
}

impl FrameReader {
    /// Receives a blob's Bao stream from [`proven`](BlobReceiver::proven) on, and then the end of the stream. Each
    /// group must arrive within `stall`. If the future is dropped, a receiver with files can be left
    /// [`Abandoned`](FeedError::Abandoned); its files are fine.
    ///
    /// # Errors
    /// [`ReceiveBlobError`]. What is proven is kept, and the stream is not read again.
    pub async fn receive_blob(
        &mut self,
        receiver: &mut BlobReceiver,
        stall: Duration,
    ) -> Result<(), ReceiveBlobError> {
        let result = self.receive_groups(receiver, stall).await;
        if result.is_err() {
            self.stop();
        }
        result
    }

    async fn receive_groups(
        &mut self,
        receiver: &mut BlobReceiver,
        stall: Duration,
    ) -> Result<(), ReceiveBlobError> {
        let stream = self.between_frames()?;
        receiver.begin().map_err(FeedError::from)?;
        let mut deadline = Instant::now() + stall;
        let mut pieces = vec![Bytes::new(); RECEIVE_PIECES];
        loop {
            let offset = receiver.proven();
            let read = timeout_at(deadline, stream.read_chunks(&mut pieces)).await;
            let read = read.map_err(|_| ReceiveBlobError::Stalled { after: stall, offset })?;
            let Some(count) = read.map_err(ReceiveError::from)? else {
                let blob = receiver.blob();
                let whole = receiver.is_complete();
                return if whole { Ok(()) } else { Err(ReceiveBlobError::Truncated { blob, offset }) };
            };
            let batch = pieces[..count].iter_mut().map(std::mem::take).collect();
            feed(receiver, batch).await?;
            if receiver.proven() > offset {
                deadline = Instant::now() + stall;
            }
        }
    }
}

/// Feeds a batch, on a blocking thread where it goes to a file.
async fn feed(receiver: &mut BlobReceiver, batch: Vec<Bytes>) -> Result<(), FeedError> {
    if !receiver.is_file() {
        return batch.iter().try_for_each(|bytes| receiver.feed(bytes));
    }
    let mut moved = receiver.take();
    let (moved, result) = run(true, move || {
        let result = batch.iter().try_for_each(|bytes| moved.feed(bytes));
        (moved, result)
    })
    .await;
    *receiver = moved;
    result
}

/// Runs work in place, or on a blocking thread.
async fn run<T: Send + 'static>(blocks: bool, work: impl FnOnce() -> T + Send + 'static) -> T {
    if !blocks {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going away, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}

impl Channel {
    /// Answers `PutBlob`: says where to start and receives the blob. Does nothing if it is complete. The caller
    /// makes it durable and sends `Stored`, or on an error `Refused`.
    ///
    /// # Errors
    /// [`TransferError::Receive`], [`TransferError::Call`].
    pub async fn take_blob(
        &mut self,
        receiver: &mut BlobReceiver,
        stall: Duration,
    ) -> Result<(), TransferError> {
        if !receiver.is_complete() {
            let from = receiver.proven();
            self.writer.send(&Reply::Continue { from }).await?;
            self.reader.receive_blob(receiver, stall).await?;
        }
        Ok(())
    }

    /// Answers `GetBlob`: sends the blob from `from` on, and ends the stream.
    ///
    /// # Errors
    /// [`TransferError::Call`], [`TransferError::Send`]. Where the blob cannot even be opened, or `from` does not
    /// fit it, nothing was sent yet and the caller can still send `Refused`.
    pub async fn give_blob(
        &mut self,
        source: &BlobSource,
        from: u64,
        stall: Duration,
    ) -> Result<(), TransferError> {
        let encoder = open(source, from).await.map_err(SendBlobError::from)?;
        self.writer.send(&Reply::Blob { from }).await?;
        self.writer.send_encoded(encoder, source.is_file(), stall).await?;
        self.writer.finish()?;
        Ok(())
    }
}

impl Peer {
    /// Sends a blob that a lease needs. Returns when the peer has it durably. Each reply and each 16 KiB must come
    /// and go within `stall`.
    ///
    /// # Errors
    /// [`TransferError::Call`] when the peer refuses, [`TransferError::Send`] when the bytes do not leave. It can
    /// be called again, on any connection to the same peer: what arrived is not sent twice.
    pub async fn put_blob(
        &self,
        lease: Digest,
        source: &BlobSource,
        stall: Duration,
    ) -> Result<PutOutcome, TransferError> {
        let blob = source.blob();
        let mut channel = self.begin(&Request::PutBlob { lease, blob }).await?;
        let from = match reply(&mut channel, stall).await? {
            Reply::Stored => return Ok(PutOutcome::Present),
            Reply::Continue { from } if is_start(blob, from) => from,
            other => return Err(unexpected("continue", &other)),
        };
        let sent = channel.writer.send_blob(source, from, stall).await;
        match sent {
            Ok(()) => channel.writer.finish()?,
            // A peer that refuses in the middle stops reading and says why.
            Err(SendBlobError::Send(SendError::Stopped { code })) => {
                reply(&mut channel, stall).await?;
                return Err(SendBlobError::Send(SendError::Stopped { code }).into());
            }
            Err(error) => return Err(error.into()),
        }
        match reply(&mut channel, stall).await? {
            Reply::Stored => Ok(PutOutcome::Sent { from }),
            other => Err(unexpected("stored", &other)),
        }
    }

    /// Fetches an output of a lease, from where the receiver is. Does nothing if it is complete. The reply and each
    /// group must come within `stall`.
    ///
    /// # Errors
    /// [`TransferError::Call`] when the peer refuses, [`TransferError::Receive`] when the bytes do not arrive or
    /// are wrong. What is proven is kept in the receiver, which can go on with this or another peer.
    pub async fn get_blob(
        &self,
        lease: Digest,
        receiver: &mut BlobReceiver,
        stall: Duration,
    ) -> Result<(), TransferError> {
        if receiver.is_complete() {
            return Ok(());
        }
        let (blob, from) = (receiver.blob(), receiver.proven());
        let mut channel = self.begin(&Request::GetBlob { lease, blob, from }).await?;
        // A peer that refuses early may have stopped reading, which is no error here.
        let _ = channel.writer.finish();
        match reply(&mut channel, stall).await? {
            Reply::Blob { from: start } if start == from => {}
            other => return Err(unexpected("blob from the offset asked for", &other)),
        }
        Ok(channel.reader.receive_blob(receiver, stall).await?)
    }
}

/// The next reply; a refusal is an error.
async fn reply(channel: &mut Channel, wait: Duration) -> Result<Reply, CallError> {
    match channel.reader.receive_within(wait).await? {
        Reply::Refused(refusal) => Err(CallError::Refused(refusal)),
        reply => Ok(reply),
    }
}

fn unexpected(expected: &'static str, reply: &Reply) -> TransferError {
    CallError::Unexpected { expected, found: reply.name() }.into()
}
