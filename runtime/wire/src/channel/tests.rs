//! What half-received frames cost.

use std::net::Ipv4Addr;

use fizz_attest::SecretKey;

use super::*;
use crate::{Endpoint, EndpointConfig, Peer, Reply, Request};

struct Pair {
    there: Peer,
    here: Peer,
    _endpoints: [Endpoint; 2],
}

async fn pair(config: EndpointConfig) -> Pair {
    let bind = |seed| {
        let key = SecretKey::from_bytes(&[seed; 32]);
        Endpoint::bind((Ipv4Addr::LOCALHOST, 0).into(), &key, config.clone()).unwrap()
    };
    let (a, b) = (bind(1), bind(2));
    let there = a.dial(b.local_addr().unwrap(), None).await.unwrap();
    let here = b.accept().await.unwrap();
    Pair { there, here, _endpoints: [a, b] }
}

/// Writes raw bytes on a new stream, and gives both ends.
async fn begin(pair: &Pair, bytes: &[u8]) -> (Channel, Channel) {
    let mut sender = pair.there.open().await.unwrap();
    sender.writer.stream.write_all(bytes).await.unwrap();
    (sender, pair.here.accept().await.unwrap())
}

/// The first `size` bytes of a frame that announces `length`.
fn beginning(length: usize, size: usize) -> Vec<u8> {
    let mut bytes = u32::try_from(length).unwrap().to_le_bytes().to_vec();
    bytes.resize(HEADER_BYTES + size, 1);
    bytes
}

#[tokio::test]
async fn memory_follows_what_arrives_not_what_is_announced() {
    let frame_timeout = Duration::from_millis(300);
    let pair = pair(EndpointConfig { frame_timeout, ..EndpointConfig::default() }).await;
    for size in [0, 1, 1000, 100_000] {
        let (_sender, mut receiver) = begin(&pair, &beginning(Request::MAX_BYTES, size)).await;
        let error = receiver.receive::<Request>().await.unwrap_err();
        assert!(matches!(error, ReceiveError::Stalled { found, .. } if found == size), "{error}");
        let capacity = receiver.reader.partial.body.capacity();
        assert!(capacity <= 2 * size + 4096, "{capacity} bytes are held for {size}");
    }
}

#[tokio::test]
async fn large_frames_wait_for_their_share_and_small_ones_do_not() {
    let units = 3;
    let config = EndpointConfig { receive_budget: units * BUDGET_UNIT, ..EndpointConfig::default() };
    let pair = pair(config).await;
    let budget = pair.here_budget();

    // A frame of all the budget has begun, and takes its share when its first part is there.
    let large = frame::encode(&Reply::Done { receipt: vec![], manifest: vec![5; 2 * BUDGET_UNIT] }).unwrap();
    let (mut first, mut first_here) = begin(&pair, &large[..BUDGET_UNIT + 100]).await;
    let first_done = tokio::spawn(async move { first_here.receive::<Reply>().await });
    while budget.available_permits() > 0 {
        tokio::task::yield_now().await;
    }

    // Another large one stops after its free part; a small one passes.
    let (_second, mut second_here) = begin(&pair, &large).await;
    let waiting = tokio::time::timeout(Duration::from_millis(200), second_here.receive::<Reply>()).await;
    assert!(waiting.is_err());
    assert_eq!(second_here.reader.partial.body.len(), BUDGET_UNIT);
    let (_small, mut small_here) = begin(&pair, &frame::encode(&Request::Status).unwrap()).await;
    assert_eq!(small_here.receive::<Request>().await.unwrap(), Request::Status);

    // When the first is whole, the second goes on.
    first.writer.stream.write_all(&large[BUDGET_UNIT + 100..]).await.unwrap();
    let whole = first_done.await.unwrap().unwrap();
    assert_eq!(second_here.receive::<Reply>().await.unwrap(), whole);
    assert_eq!(budget.available_permits(), units);
}

impl Pair {
    fn here_budget(&self) -> Arc<tokio::sync::Semaphore> {
        self.here.shared().budget.clone()
    }
}

#[tokio::test]
async fn nothing_follows_half_a_frame() {
    let frame_timeout = Duration::from_millis(200);
    let pair = pair(EndpointConfig { frame_timeout, ..EndpointConfig::default() }).await;
    // The peer never reads, so that a large frame stalls half-way.
    let large = Reply::Done { receipt: vec![], manifest: vec![5; 4 << 20] };
    let mut sender = pair.there.open().await.unwrap();
    let error = sender.send(&large).await.unwrap_err();
    assert!(matches!(error, SendError::Stalled { after } if after == frame_timeout), "{error}");
    assert!(matches!(sender.send(&Reply::Stored).await, Err(SendError::Finished)));
}
