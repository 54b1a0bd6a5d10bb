//! An endpoint: one UDP socket and one key, dialling and accepting at the same time.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fizz_attest::{PublicKey, SecretKey};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectError, ConnectionError, TransportConfig};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::debug;

use crate::config::EndpointConfig;
use crate::identity::{Identity, key_of_connection};
use crate::peer::{BUDGET_UNIT, CloseCode, Peer, Shared};

/// TLS alert 120 (RFC 7301), as a QUIC error code.
const NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;
/// QUIC's CONNECTION_REFUSED (RFC 9000 section 20.1).
const CONNECTION_REFUSED: u64 = 2;
/// Peers that wait to be accepted; more wait inside their handshake's place.
const ACCEPT_QUEUE: usize = 16;

/// A socket with a key. Clones share it. Dropping the last one stops accepting; connected peers live on.
#[derive(Clone)]
pub struct Endpoint {
    quic: quinn::Endpoint,
    identity: Arc<Identity>,
    key: PublicKey,
    transport: Arc<TransportConfig>,
    shared: Arc<Shared>,
    accepted: Arc<Mutex<mpsc::Receiver<Peer>>>,
    _acceptor: Arc<AbortOnDrop>,
}

struct AbortOnDrop(Option<tokio::task::JoinHandle<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// An endpoint cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The socket cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Socket {
        /// Address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The key or the algorithms do not work.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

/// A peer cannot be reached.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DialError {
    /// Nobody answers, or not all the way.
    #[error("{address} did not answer within {after:?}")]
    Timeout {
        /// Address dialled.
        address: SocketAddr,
        /// The time waited.
        after: Duration,
    },
    /// The peer has no room for a connection, or accepts none.
    #[error("{address} refused the connection")]
    Refused {
        /// Address dialled.
        address: SocketAddr,
    },
    /// Somebody else answers. The own key was not shown.
    #[error("{address} has the key {found}, not {expected}")]
    WrongKey {
        /// Address dialled.
        address: SocketAddr,
        /// Key asked for.
        expected: PublicKey,
        /// Key found.
        found: PublicKey,
    },
    /// The peer speaks QUIC, but no version of Fizz that this side knows.
    #[error("{address} does not speak this version of Fizz")]
    OtherProtocol {
        /// Address dialled.
        address: SocketAddr,
    },
    /// The handshake failed otherwise.
    #[error("the handshake with {address} failed: {reason}")]
    Handshake {
        /// Address dialled.
        address: SocketAddr,
        /// What happened.
        reason: String,
    },
    /// No packet can be sent there, as an IPv6 address from an IPv4 socket.
    #[error("{address} cannot be reached from this socket: {reason}")]
    Address {
        /// Address dialled.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// This endpoint is closed, or out of connections.
    #[error("this endpoint makes no more connections")]
    Closed,
}

impl Endpoint {
    /// Binds a UDP socket (port 0 chooses a free one) and starts to accept peers, unless the configuration says
    /// otherwise. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`BindError::Socket`] when the address is taken or not ours.
    pub fn bind(address: SocketAddr, key: &SecretKey, config: EndpointConfig) -> Result<Endpoint, BindError> {
        let identity = Identity::new(key).map_err(|error| BindError::Tls(error.to_string()))?;
        let transport = config.transport();
        let server = match config.accept {
            true => Some(server_config(&identity, &config, transport.clone())?),
            false => None,
        };
        let socket = |source| BindError::Socket { address, source };
        let udp = std::net::UdpSocket::bind(address).map_err(socket)?;
        let runtime = Arc::new(quinn::TokioRuntime);
        let quic =
            quinn::Endpoint::new(quinn::EndpointConfig::default(), server, udp, runtime).map_err(socket)?;
        let budget = Arc::new(Semaphore::new((config.receive_budget / BUDGET_UNIT).max(1)));
        let shared = Arc::new(Shared { config, budget });
        let (sender, receiver) = mpsc::channel(ACCEPT_QUEUE);
        let acceptor =
            shared.config.accept.then(|| tokio::spawn(accept_all(quic.clone(), shared.clone(), sender)));
        Ok(Endpoint {
            quic,
            identity: Arc::new(identity),
            key: key.public(),
            transport,
            shared,
            accepted: Arc::new(Mutex::new(receiver)),
            _acceptor: Arc::new(AbortOnDrop(acceptor)),
        })
    }

    /// The bound address.
    ///
    /// # Errors
    /// When the system has lost the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.quic.local_addr()
    }

    /// The own key.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// Connections that are open or about to be.
    pub fn connections(&self) -> usize {
        self.quic.open_connections()
    }

    /// Connects to a peer. With `expected`, any other key ends the handshake before the own key is shown.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn dial(&self, address: SocketAddr, expected: Option<PublicKey>) -> Result<Peer, DialError> {
        let handshake = |reason: String| DialError::Handshake { address, reason };
        let found = Arc::new(OnceLock::new());
        let tls =
            self.identity.client(expected, found.clone()).map_err(|error| handshake(error.to_string()))?;
        let crypto = QuicClientConfig::try_from(tls).map_err(|error| handshake(error.to_string()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(self.transport.clone());
        // The name is not sent; peers are named by their keys.
        let connecting = self.quic.connect_with(config, address, "fizz").map_err(|error| match error {
            ConnectError::EndpointStopping | ConnectError::CidsExhausted => DialError::Closed,
            error => DialError::Address { address, reason: error.to_string() },
        })?;
        let after = self.shared.config.handshake_timeout;
        let connected = tokio::time::timeout(after, connecting).await;
        let connection = match connected {
            Err(_) => return Err(DialError::Timeout { address, after }),
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                return Err(match (expected, found.get()) {
                    (Some(expected), Some(&found)) if found != expected => {
                        DialError::WrongKey { address, expected, found }
                    }
                    _ => dial_error(address, after, error),
                });
            }
        };
        let key = key_of_connection(&connection).ok_or_else(|| handshake("no key was shown".to_owned()))?;
        Ok(Peer::new(connection, key, self.shared.clone()))
    }

    /// Waits for the next peer that dials. `None` after [`close`](Endpoint::close), and where the configuration
    /// accepts nobody. Peers that nobody accepts hold a handshake's place. Cancel-safe.
    pub async fn accept(&self) -> Option<Peer> {
        self.accepted.lock().await.recv().await
    }

    /// Closes all connections and accepts no more.
    pub fn close(&self, reason: &str) {
        self.quic.close(quinn::VarInt::from_u32(CloseCode::Shutdown as u32), reason.as_bytes());
    }

    /// Waits until all connections are gone and the peers know it. Call it after [`close`](Endpoint::close), before
    /// the program ends.
    pub async fn wait_idle(&self) {
        self.quic.wait_idle().await;
    }
}

fn server_config(
    identity: &Identity,
    config: &EndpointConfig,
    transport: Arc<TransportConfig>,
) -> Result<quinn::ServerConfig, BindError> {
    let tls = identity.server().map_err(|error| BindError::Tls(error.to_string()))?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| BindError::Tls(error.to_string()))?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    server
        .transport_config(transport)
        .max_incoming(config.max_handshakes)
        .incoming_buffer_size(16 << 10)
        .incoming_buffer_size_total(1 << 20);
    Ok(server)
}

fn dial_error(address: SocketAddr, after: Duration, error: ConnectionError) -> DialError {
    let code = match &error {
        ConnectionError::ConnectionClosed(close) => Some(u64::from(close.error_code)),
        ConnectionError::TransportError(error) => Some(u64::from(error.code)),
        _ => None,
    };
    match (error, code) {
        (ConnectionError::TimedOut, _) => DialError::Timeout { address, after },
        (ConnectionError::LocallyClosed, _) => DialError::Closed,
        (_, Some(CONNECTION_REFUSED)) => DialError::Refused { address },
        (ConnectionError::VersionMismatch, _) | (_, Some(NO_APPLICATION_PROTOCOL)) => {
            DialError::OtherProtocol { address }
        }
        (error, _) => DialError::Handshake { address, reason: crate::text::clean(&error.to_string(), 256) },
    }
}

/// Takes every incoming connection, within the limits, and hands on those that prove a key.
async fn accept_all(quic: quinn::Endpoint, shared: Arc<Shared>, peers: mpsc::Sender<Peer>) {
    let limit = shared.config.max_handshakes.max(1);
    let handshakes = Arc::new(Semaphore::new(limit));
    while let Some(incoming) = quic.accept().await {
        let address = incoming.remote_address();
        let free = handshakes.available_permits();
        let Ok(permit) = handshakes.clone().try_acquire_owned() else {
            debug!(%address, "refused: too many handshakes");
            incoming.refuse();
            continue;
        };
        if quic.open_connections() >= shared.config.max_connections {
            debug!(%address, "refused: too many connections");
            incoming.refuse();
        } else if free <= limit / 2 && !incoming.remote_address_validated() {
            // Under load an address must be proven first, so that forged ones cost nothing.
            if let Err(error) = incoming.retry() {
                debug!(%address, %error, "no retry");
            }
        } else {
            let handshake = handshake(incoming, shared.clone(), peers.clone(), permit);
            tokio::spawn(handshake);
        }
    }
}

async fn handshake(
    incoming: quinn::Incoming,
    shared: Arc<Shared>,
    peers: mpsc::Sender<Peer>,
    permit: OwnedSemaphorePermit,
) {
    let address = incoming.remote_address();
    let connected = tokio::time::timeout(shared.config.handshake_timeout, async { incoming.await }).await;
    match connected {
        Err(_) => debug!(%address, "the handshake took too long"),
        Ok(Err(error)) => debug!(%address, %error, "the handshake failed"),
        Ok(Ok(connection)) => match key_of_connection(&connection) {
            None => debug!(%address, "no key was shown"),
            Some(key) => {
                // Fails only when the endpoint is gone, and then the connection closes.
                let _ = peers.send(Peer::new(connection, key, shared)).await;
            }
        },
    }
    drop(permit);
}
