//! What an endpoint allows its peers.

use std::sync::Arc;
use std::time::Duration;

use quinn::{IdleTimeout, TransportConfig, VarInt};

/// Limits and times of an [`Endpoint`](crate::Endpoint). The default suits a node with few peers; a gateway raises
/// the connections and lowers the windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointConfig {
    /// Whether peers may dial this endpoint.
    pub accept: bool,
    /// Connections at once, dialled and accepted together; more are refused when they come in.
    pub max_connections: usize,
    /// Incoming handshakes at once; more are refused. Above half of it, a peer must first prove its address.
    pub max_handshakes: usize,
    /// Streams a peer may have open at once on one connection. Each task that runs or waits holds one.
    pub max_streams: u32,
    /// Bytes a peer may send on one stream before they are read.
    pub stream_window: u32,
    /// Bytes a peer may send on one connection before they are read; also what is kept to be sent again.
    pub connection_window: u32,
    /// Bytes of half-received frames over 64 KiB, of all peers together. Others wait for their turn.
    pub receive_budget: usize,
    /// Time for a whole handshake, on both sides.
    pub handshake_timeout: Duration,
    /// Time for a frame to arrive after its first byte, or to leave.
    pub frame_timeout: Duration,
    /// How often a silent connection is kept alive, which also keeps address translation open.
    pub keep_alive: Duration,
    /// Silence after which a connection is lost.
    pub idle_timeout: Duration,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        EndpointConfig {
            accept: true,
            max_connections: 256,
            max_handshakes: 64,
            max_streams: 256,
            stream_window: 256 << 10,
            connection_window: 1 << 20,
            receive_budget: 64 << 20,
            handshake_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(45),
        }
    }
}

impl EndpointConfig {
    /// The default of an endpoint that only dials.
    pub fn dial_only() -> EndpointConfig {
        EndpointConfig { accept: false, ..EndpointConfig::default() }
    }

    /// Small windows, few streams, no datagrams: an idle connection costs under 30 kB.
    pub(crate) fn transport(&self) -> Arc<TransportConfig> {
        let mut transport = TransportConfig::default();
        let idle = u32::try_from(self.idle_timeout.as_millis()).unwrap_or(u32::MAX);
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(self.max_streams))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .stream_receive_window(VarInt::from_u32(self.stream_window))
            .receive_window(VarInt::from_u32(self.connection_window))
            .send_window(u64::from(self.connection_window))
            .datagram_receive_buffer_size(None)
            .mtu_discovery_config(None)
            .keep_alive_interval(Some(self.keep_alive))
            .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))));
        Arc::new(transport)
    }
}
