//! How Fizz peers talk: QUIC, peer identity, messages, verified blobs.
//!
//! The order of things: both sides [`Endpoint::bind`]; one [`dial`](Endpoint::dial)s, the other
//! [`accept`](Endpoint::accept)s, and each gets a [`Peer`] that is named by its ed25519 key. From then on they are
//! equal: whoever wants something opens a [`Channel`], a fresh bidirectional stream, sends one [`Request`] and
//! reads [`Reply`]s. Blobs travel on the same stream as Bao: the receiver checks every 16 KiB group against the
//! BLAKE3 hash that names the blob, before it writes the group.
//!
//! What a peer sends is hostile until checked. [`frame`] and [`blob`] have a part without I/O that decides, and
//! thin code that moves bytes. No read allocates more than a small factor of the bytes that really arrived, and
//! no wait can be dragged out: a frame that has begun, a group of a blob and a handshake each have their time.
//!
//! ```
//! use std::time::Duration;
//!
//! use fizz_attest::SecretKey;
//! use fizz_wire::{Endpoint, EndpointConfig, Reply, Request};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let loopback = "127.0.0.1:0".parse()?;
//! let node_key = SecretKey::from_bytes(&[1; 32]);
//! let node = Endpoint::bind(loopback, &node_key, EndpointConfig::default())?;
//! let address = node.local_addr()?;
//! tokio::spawn(async move {
//!     while let Some(peer) = node.accept().await {
//!         while let Ok(mut channel) = peer.accept().await {
//!             if let Ok(Request::Cancel { .. }) = channel.receive().await {
//!                 channel.send(&Reply::Cancelled { tasks: 3 }).await.ok();
//!             }
//!         }
//!     }
//! });
//!
//! let me = Endpoint::bind(loopback, &SecretKey::from_bytes(&[2; 32]), EndpointConfig::dial_only())?;
//! let peer = me.dial(address, Some(node_key.public())).await?;
//! let request = Request::Cancel { lease: fizz_attest::Digest([0; 32]) };
//! let reply = peer.call(&request, Duration::from_secs(10)).await?;
//! assert_eq!(reply, Reply::Cancelled { tasks: 3 });
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod blob;
mod channel;
mod config;
mod endpoint;
pub mod frame;
mod identity;
pub mod message;
mod peer;
mod text;

pub use blob::{BlobReceiver, BlobSource};
pub use channel::{Channel, FrameReader, FrameWriter, ReceiveError, SendError, StreamCode};
pub use config::EndpointConfig;
pub use endpoint::{BindError, DialError, Endpoint};
pub use frame::{FieldError, FrameError, Message};
pub use message::{NodeInfo, Refusal, RefusalCode, Reply, Request, StatusReport};
pub use peer::{CallError, CloseCode, Lost, Peer};

/// The protocol's name in the TLS handshake (ALPN). Peers that share none do not connect.
pub const ALPN: &[u8] = b"fizz/1";
