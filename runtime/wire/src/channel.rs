//! A channel: one bidirectional stream that carries frames, and blobs between them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::sync::{AcquireError, OwnedSemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::frame::{self, FrameError, HEADER_BYTES, Message};
use crate::peer::{BUDGET_UNIT, Lost, Shared};

/// Both directions of a stream. Split it by taking the fields.
pub struct Channel {
    /// What goes to the peer.
    pub writer: FrameWriter,
    /// What comes from the peer.
    pub reader: FrameReader,
}

impl Channel {
    pub(crate) fn new(send: SendStream, receive: RecvStream, shared: Arc<Shared>) -> Channel {
        Channel {
            writer: FrameWriter { stream: send, shared: shared.clone(), torn: false },
            reader: FrameReader { stream: receive, shared, partial: Partial::default() },
        }
    }

    /// Sends a message; see [`FrameWriter::send`].
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), SendError> {
        self.writer.send(message).await
    }

    /// Receives a message; see [`FrameReader::receive`].
    pub async fn receive<M: Message>(&mut self) -> Result<M, ReceiveError> {
        self.reader.receive().await
    }
}

/// A message did not leave.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The peer would refuse the message; nothing was sent.
    #[error("the message cannot be sent: {0}")]
    Frame(#[from] FrameError),
    /// The peer reads no more of this stream.
    #[error("the peer stopped reading (code {code})")]
    Stopped {
        /// The peer's code.
        code: u64,
    },
    /// The peer did not take the bytes in time.
    #[error("the peer took no bytes for {after:?}")]
    Stalled {
        /// The time waited.
        after: Duration,
    },
    /// This side has finished the stream, or gave up in the middle of a frame.
    #[error("the stream is finished")]
    Finished,
    /// The connection is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl From<WriteError> for SendError {
    fn from(error: WriteError) -> SendError {
        match error {
            WriteError::Stopped(code) => SendError::Stopped { code: code.into_inner() },
            WriteError::ConnectionLost(error) => SendError::Lost(error.into()),
            WriteError::ClosedStream | WriteError::ZeroRttRejected => SendError::Finished,
        }
    }
}

/// The sending half of a [`Channel`]. When it is dropped the stream ends, as with [`finish`](FrameWriter::finish).
pub struct FrameWriter {
    stream: SendStream,
    shared: Arc<Shared>,
    /// Whether a send was given up half-way, so that nothing may follow.
    torn: bool,
}

impl FrameWriter {
    /// Sends a message. If the future is dropped half-way, later sends fail with [`SendError::Finished`] and the
    /// peer sees the stream cut off.
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<(), SendError> {
        let frame = frame::encode(message)?;
        let wait = self.shared.config.frame_timeout;
        self.write(Bytes::from(frame), wait).await
    }

    /// Writes raw bytes within `wait`.
    pub(crate) async fn write(&mut self, bytes: Bytes, wait: Duration) -> Result<(), SendError> {
        if self.torn {
            return Err(SendError::Finished);
        }
        self.torn = true;
        match tokio::time::timeout(wait, self.stream.write_chunk(bytes)).await {
            Ok(result) => result?,
            Err(_) => return Err(SendError::Stalled { after: wait }),
        }
        self.torn = false;
        Ok(())
    }

    /// Ends the stream: the peer reads what was sent, and then the end.
    pub fn finish(&mut self) -> Result<(), SendError> {
        self.stream.finish().map_err(|_| SendError::Finished)
    }

    /// Gives the stream up: the peer sees an error instead of the end.
    pub fn abort(&mut self, code: StreamCode) {
        self.torn = true;
        // It fails only where the stream is over already.
        let _ = self.stream.reset(VarInt::from_u32(code as u32));
    }

    /// After [`finish`](FrameWriter::finish), waits until the peer has got everything.
    pub async fn delivered(&mut self) -> Result<(), SendError> {
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(code)) => Err(SendError::Stopped { code: code.into_inner() }),
            Err(error) => Err(WriteError::from(error).into()),
        }
    }
}

/// Why one direction of a stream is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum StreamCode {
    /// Nobody wants the rest.
    Cancelled = 1,
    /// The sender cannot read its own bytes any more.
    Damaged = 2,
}

/// A message did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The frame is refused.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The stream is over and no message came.
    #[error("the peer ended the stream")]
    Ended,
    /// No message began in time.
    #[error("the peer sent nothing for {after:?}")]
    Timeout {
        /// The time waited.
        after: Duration,
    },
    /// A message began and did not end in time.
    #[error("the peer did not finish a message within {after:?}, {found} bytes of it came")]
    Stalled {
        /// The time waited.
        after: Duration,
        /// Bytes of the frame's body that came.
        found: usize,
    },
    /// The peer gave the stream up.
    #[error("the peer gave up the stream (code {code})")]
    Reset {
        /// The peer's code.
        code: u64,
    },
    /// This side has stopped reading, or read an error before.
    #[error("the stream is not read any more")]
    Stopped,
    /// The connection is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl From<ReadError> for ReceiveError {
    fn from(error: ReadError) -> ReceiveError {
        match error {
            ReadError::Reset(code) => ReceiveError::Reset { code: code.into_inner() },
            ReadError::ConnectionLost(error) => ReceiveError::Lost(error.into()),
            ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected => {
                ReceiveError::Stopped
            }
        }
    }
}

/// The receiving half of a [`Channel`].
pub struct FrameReader {
    stream: RecvStream,
    shared: Arc<Shared>,
    partial: Partial,
}

/// A frame that is not whole yet. It lives in the reader, so that a dropped future loses nothing.
#[derive(Default)]
struct Partial {
    header: Vec<u8>,
    /// Set when the header is whole.
    length: Option<usize>,
    body: Vec<u8>,
    permit: Option<OwnedSemaphorePermit>,
    deadline: Option<Instant>,
    failed: bool,
}

impl FrameReader {
    /// Receives the next message. Waits for its first byte as long as the connection lives; the rest must follow
    /// within the endpoint's frame timeout. Cancel-safe.
    ///
    /// # Errors
    /// [`ReceiveError::Ended`] when there is none. After any error the stream is not read again.
    pub async fn receive<M: Message>(&mut self) -> Result<M, ReceiveError> {
        self.next().await?.ok_or(ReceiveError::Ended)
    }

    /// As [`receive`](FrameReader::receive), but its first byte must come within `wait`.
    pub async fn receive_within<M: Message>(&mut self, wait: Duration) -> Result<M, ReceiveError> {
        let first = tokio::time::timeout(wait, self.first_byte()).await;
        first.map_err(|_| ReceiveError::Timeout { after: wait })??;
        self.receive().await
    }

    /// As [`receive`](FrameReader::receive), but the end of the stream between two messages is `None`.
    pub async fn next<M: Message>(&mut self) -> Result<Option<M>, ReceiveError> {
        if self.partial.failed {
            return Err(ReceiveError::Stopped);
        }
        let result = self.read_frame().await;
        if result.is_err() {
            self.partial.failed = true;
        }
        result
    }

    async fn first_byte(&mut self) -> Result<(), ReceiveError> {
        if self.partial.failed {
            return Err(ReceiveError::Stopped);
        }
        if self.partial.header.is_empty()
            && let Some(chunk) = self.stream.read_chunk(1, true).await?
        {
            self.begin(&chunk.bytes);
        }
        Ok(())
    }

    fn begin(&mut self, first: &[u8]) {
        self.partial.header.extend_from_slice(first);
        self.partial.deadline = Some(Instant::now() + self.shared.config.frame_timeout);
    }

    async fn read_frame<M: Message>(&mut self) -> Result<Option<M>, ReceiveError> {
        self.first_byte().await?;
        let Some(deadline) = self.partial.deadline else {
            return Ok(None);
        };
        let whole = timeout_at(deadline, self.fill::<M>()).await;
        whole.map_err(|_| ReceiveError::Stalled {
            after: self.shared.config.frame_timeout,
            found: self.partial.body.len(),
        })??;
        let message = frame::decode_body(&self.partial.body)?;
        self.partial = Partial::default();
        Ok(Some(message))
    }

    /// Reads until the partial frame is whole. Memory grows with what arrives, never with what was announced.
    async fn fill<M: Message>(&mut self) -> Result<(), ReceiveError> {
        while self.partial.header.len() < HEADER_BYTES {
            let missing = HEADER_BYTES - self.partial.header.len();
            match self.stream.read_chunk(missing, true).await? {
                Some(chunk) => self.partial.header.extend_from_slice(&chunk.bytes),
                None => return Err(self.truncated::<M>()),
            }
        }
        let length = match self.partial.length {
            Some(length) => length,
            None => {
                let mut header = [0; HEADER_BYTES];
                header.copy_from_slice(&self.partial.header);
                *self.partial.length.insert(frame::body_length::<M>(header)?)
            }
        };
        while self.partial.body.len() < length {
            let body = self.partial.body.len();
            // A large frame needs a share of the budget once its first part has really come.
            if body >= BUDGET_UNIT && self.partial.permit.is_none() {
                let permit = self.budget(length).await.map_err(|_| ReceiveError::Lost(Lost::ClosedHere))?;
                self.partial.permit = Some(permit);
            }
            let limit = if self.partial.permit.is_some() { length } else { length.min(BUDGET_UNIT) };
            match self.stream.read_chunk(limit - body, true).await? {
                Some(chunk) => self.partial.body.extend_from_slice(&chunk.bytes),
                None => return Err(self.truncated::<M>()),
            }
        }
        Ok(())
    }

    async fn budget(&self, length: usize) -> Result<OwnedSemaphorePermit, AcquireError> {
        // A frame over the whole budget takes all of it.
        let whole = (self.shared.config.receive_budget / BUDGET_UNIT).max(1);
        let units = u32::try_from(length.div_ceil(BUDGET_UNIT).min(whole)).unwrap_or(u32::MAX);
        self.shared.budget.clone().acquire_many_owned(units).await
    }

    fn truncated<M: Message>(&self) -> ReceiveError {
        let found = self.partial.header.len() + self.partial.body.len();
        let needed = HEADER_BYTES + self.partial.length.unwrap_or_default();
        ReceiveError::Frame(FrameError::Truncated { kind: M::KIND, needed, found })
    }

    /// The raw stream, where no frame has begun.
    pub(crate) fn between_frames(&mut self) -> Result<&mut RecvStream, ReceiveError> {
        if self.partial.failed || !self.partial.header.is_empty() {
            return Err(ReceiveError::Stopped);
        }
        Ok(&mut self.stream)
    }

    /// Reads no more: the peer's sends fail.
    pub fn stop(&mut self) {
        self.partial.failed = true;
        // It fails only where the stream is over already.
        let _ = self.stream.stop(VarInt::from_u32(StreamCode::Cancelled as u32));
    }
}

#[cfg(test)]
mod tests;
