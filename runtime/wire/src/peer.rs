//! A connected peer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fizz_attest::PublicKey;
use quinn::{ConnectionError, VarInt};
use tokio::sync::Semaphore;

use crate::channel::{Channel, ReceiveError, SendError};
use crate::config::EndpointConfig;
use crate::message::{Refusal, Reply, Request};

/// A connection to a peer whose key is proven. Clones share the connection; it closes when the last one and all its
/// channels are dropped.
#[derive(Clone)]
pub struct Peer {
    connection: quinn::Connection,
    key: PublicKey,
    shared: Arc<Shared>,
}

/// What all peers of an endpoint share.
pub(crate) struct Shared {
    pub(crate) config: EndpointConfig,
    /// Units of [`BUDGET_UNIT`] bytes for large frames that are not whole yet.
    pub(crate) budget: Arc<Semaphore>,
}

/// Bytes of one permit of the receive budget; frames up to this size need none.
pub(crate) const BUDGET_UNIT: usize = 64 << 10;

impl Peer {
    pub(crate) fn new(connection: quinn::Connection, key: PublicKey, shared: Arc<Shared>) -> Peer {
        Peer { connection, key, shared }
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The peer's key, which it proved in the handshake.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The address the peer is reached at now.
    pub fn address(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    /// Opens a channel. The peer sees it with the first frame. Waits as long as the peer allows no more streams.
    pub async fn open(&self) -> Result<Channel, Lost> {
        let (send, receive) = self.connection.open_bi().await?;
        Ok(Channel::new(send, receive, self.shared.clone()))
    }

    /// Waits for the next channel the peer opens.
    pub async fn accept(&self) -> Result<Channel, Lost> {
        let (send, receive) = self.connection.accept_bi().await?;
        Ok(Channel::new(send, receive, self.shared.clone()))
    }

    /// Opens a channel and sends a request on it. The replies are the caller's to read.
    ///
    /// # Errors
    /// [`CallError::Timeout`] when the peer allows no further stream within the frame timeout; [`CallError::Lost`]
    /// and [`CallError::Send`].
    pub async fn begin(&self, request: &Request) -> Result<Channel, CallError> {
        let after = self.shared.config.frame_timeout;
        let opened = tokio::time::timeout(after, self.open()).await;
        let mut channel = opened.map_err(|_| CallError::Timeout { after })??;
        channel.writer.send(request).await?;
        Ok(channel)
    }

    /// Sends a request that has one reply, and reads it.
    ///
    /// # Errors
    /// [`CallError::Timeout`] when the whole takes longer than `wait`, [`CallError::Refused`] when the peer says no.
    pub async fn call(&self, request: &Request, wait: Duration) -> Result<Reply, CallError> {
        let exchange = async {
            let mut channel = self.begin(request).await?;
            // A peer that refuses early may have stopped reading, which is no error here.
            let _ = channel.writer.finish();
            match channel.reader.receive::<Reply>().await? {
                Reply::Refused(refusal) => Err(CallError::Refused(refusal)),
                reply => Ok(reply),
            }
        };
        tokio::time::timeout(wait, exchange).await.map_err(|_| CallError::Timeout { after: wait })?
    }

    /// Closes the connection, with all its channels. `reason` is for the peer's log.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.connection.close(VarInt::from_u32(code as u32), reason.as_bytes());
    }

    /// Waits until the connection is closed or lost.
    pub async fn closed(&self) -> Lost {
        self.connection.closed().await.into()
    }

    /// Why the connection is gone, if it is.
    pub fn lost(&self) -> Option<Lost> {
        self.connection.close_reason().map(Lost::from)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("key", &self.key).field("address", &self.address()).finish()
    }
}

/// Why a side closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CloseCode {
    /// Nothing more to say.
    Done = 0,
    /// The endpoint stops.
    Shutdown = 1,
    /// The peer broke the protocol.
    Protocol = 2,
    /// The peer used more than it may.
    Limit = 3,
}

/// A connection is gone.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Lost {
    /// The peer closed it.
    #[error("the peer closed the connection (code {code}): {reason}")]
    Closed {
        /// A [`CloseCode`], or a number that this version does not know.
        code: u64,
        /// The peer's words, cleaned.
        reason: String,
    },
    /// The peer was silent for too long.
    #[error("the peer does not answer any more")]
    Silent,
    /// The peer has forgotten the connection, mostly because it started anew.
    #[error("the peer does not know the connection any more")]
    Forgotten,
    /// This side closed it.
    #[error("the connection was closed here")]
    ClosedHere,
    /// One side broke QUIC or TLS, as the other saw it.
    #[error("the connection broke: {reason}")]
    Broken {
        /// What happened.
        reason: String,
    },
}

impl From<ConnectionError> for Lost {
    fn from(error: ConnectionError) -> Lost {
        match error {
            ConnectionError::ApplicationClosed(close) => Lost::Closed {
                code: close.error_code.into_inner(),
                reason: crate::text::clean(&String::from_utf8_lossy(&close.reason), 256),
            },
            ConnectionError::TimedOut => Lost::Silent,
            ConnectionError::Reset => Lost::Forgotten,
            ConnectionError::LocallyClosed => Lost::ClosedHere,
            error => Lost::Broken { reason: crate::text::clean(&error.to_string(), 256) },
        }
    }
}

/// A request did not get its reply.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The peer says no.
    #[error("the peer refused: {0}")]
    Refused(Refusal),
    /// No reply in time.
    #[error("no reply within {after:?}")]
    Timeout {
        /// The time waited.
        after: Duration,
    },
    /// A reply that does not belong to the request.
    #[error("the peer answered `{found}` where {expected} was expected")]
    Unexpected {
        /// What would have fitted.
        expected: &'static str,
        /// The reply's name.
        found: &'static str,
    },
    /// The connection is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The request did not leave.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The reply did not arrive.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
}
