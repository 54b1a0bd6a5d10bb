//! Blobs between two endpoints.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::{LEASE, LONG, Pair, SHORT, bind, blob, bytes, pair, raw};
use fizz_attest::Blob;
use fizz_wire::blob::{
    DecodeError, FeedError, GROUP_BYTES, PutOutcome, ReceiveBlobError, SendBlobError, SourceError,
    TransferError,
};
use fizz_wire::{
    BlobReceiver, BlobSource, CallError, Channel, EndpointConfig, Lost, ReceiveError, RefusalCode, Reply,
    Request, SendError, StreamCode, frame,
};

const GROUP: usize = GROUP_BYTES as usize;

fn source(data: &[u8]) -> BlobSource {
    BlobSource::of_bytes(Arc::from(data))
}

fn stream(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(!source(data).encoder(0).unwrap().append(&mut out, usize::MAX).unwrap());
    out
}

fn files() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (data, outboard) = (folder.path().join("data"), folder.path().join("outboard"));
    (folder, data, outboard)
}

fn in_memory(blob: Blob) -> BlobReceiver {
    BlobReceiver::in_memory(blob, u64::MAX).unwrap()
}

/// Takes the next `GetBlob` of a peer and answers it.
async fn give(pair: &Pair, source: &BlobSource) -> Result<(), TransferError> {
    let mut channel = pair.here.accept().await.unwrap();
    let Request::GetBlob { blob, from, lease } = channel.receive().await.unwrap() else { panic!() };
    assert_eq!((blob, lease), (source.blob(), LEASE));
    channel.give_blob(source, from, LONG).await?;
    channel.writer.delivered().await?;
    Ok(())
}

/// Takes the next `PutBlob` of a peer and answers it.
async fn take(pair: &Pair, receiver: &mut BlobReceiver) -> Result<(), TransferError> {
    let mut channel = pair.here.accept().await.unwrap();
    let Request::PutBlob { blob, lease } = channel.receive().await.unwrap() else { panic!() };
    assert_eq!((blob, lease), (receiver.blob(), LEASE));
    channel.take_blob(receiver, LONG).await?;
    receiver.sync().unwrap();
    channel.send(&Reply::Stored).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_of_all_sizes_go_both_ways() {
    let pair = pair().await;
    for size in [0, 1, GROUP, GROUP + 1, 10 << 20] {
        let data = bytes(size);
        let blob = blob(&data);
        // From memory into files.
        let (_folder, path, outboard) = files();
        let mut receiver = BlobReceiver::in_file(blob, &path, &outboard).unwrap();
        let sent = source(&data);
        let (put, taken) = tokio::join!(pair.there.put_blob(LEASE, &sent, LONG), take(&pair, &mut receiver));
        taken.unwrap();
        // The empty blob is there before it is sent.
        let expected = if size == 0 { PutOutcome::Present } else { PutOutcome::Sent { from: 0 } };
        assert_eq!(put.unwrap(), expected);
        assert!(std::fs::read(&path).unwrap() == data);
        // From those files into memory.
        let stored = BlobSource::stored(blob, &path, &outboard);
        let mut back = in_memory(blob);
        if size > 0 {
            let (got, given) =
                tokio::join!(pair.there.get_blob(LEASE, &mut back, LONG), give(&pair, &stored));
            given.unwrap();
            got.unwrap();
        }
        assert!(back.into_bytes().unwrap() == data);
    }
}

#[tokio::test]
async fn a_blob_that_is_there_is_not_sent() {
    let pair = pair().await;
    let data = bytes(100_000);
    let mut receiver = in_memory(blob(&data));
    receiver.feed(&stream(&data)).unwrap();
    let sent = source(&data);
    let (put, taken) = tokio::join!(pair.there.put_blob(LEASE, &sent, LONG), take(&pair, &mut receiver));
    taken.unwrap();
    assert_eq!(put.unwrap(), PutOutcome::Present);
}

/// A node in the test's hands that answers `GetBlob` with these bytes, and then does as it is told.
struct Liar {
    connection: quinn::Connection,
    channel: Channel,
    _keep: (quinn::Endpoint, fizz_wire::Endpoint, fizz_wire::Peer),
}

/// What the liar does after its bytes.
enum Then {
    Finish,
    Stall,
}

async fn liar() -> Liar {
    let endpoint = bind(2, EndpointConfig::default());
    let (raw, connection) = raw::dial(endpoint.local_addr().unwrap(), 1).await;
    let peer = endpoint.accept().await.unwrap();
    let channel = peer.begin(&Request::Status).await.unwrap();
    Liar { connection, channel, _keep: (raw, endpoint, peer) }
}

impl Liar {
    /// Lets a receiver read these bytes as a Bao stream.
    async fn lie(
        &mut self,
        bytes: &[u8],
        then: Then,
        receiver: &mut BlobReceiver,
        stall: Duration,
    ) -> Result<(), ReceiveBlobError> {
        let (mut send, _receive) = self.connection.accept_bi().await.unwrap();
        let lie = async {
            // Fails where the receiver has seen enough.
            let _ = send.write_all(bytes).await;
            if let Then::Finish = then {
                let _ = send.finish();
            }
            send
        };
        let (received, _send) = tokio::join!(self.channel.reader.receive_blob(receiver, stall), lie);
        received
    }
}

#[tokio::test]
async fn a_flipped_byte_is_named_and_nothing_after_it_is_written() {
    let data = bytes(30 * GROUP + 5);
    let mut bad = stream(&data);
    let group = 17;
    let needle = &data[group * GROUP..][..16];
    let at = bad.windows(16).position(|window| window == needle).unwrap();
    bad[at + 9000] ^= 1;
    let (_folder, path, outboard) = files();
    let mut receiver = BlobReceiver::in_file(blob(&data), &path, &outboard).unwrap();
    let error = liar().await.lie(&bad, Then::Finish, &mut receiver, LONG).await.unwrap_err();
    let offset = (group * GROUP) as u64;
    let ReceiveBlobError::Feed(FeedError::Decode(DecodeError::Mismatch { offset: found, .. })) = error else {
        panic!("{error}")
    };
    assert_eq!(found, offset);
    assert_eq!(receiver.proven(), offset);
    assert!(std::fs::read(&path).unwrap() == data[..group * GROUP]);
}

#[tokio::test]
async fn a_peer_that_stalls_is_a_timeout() {
    let data = bytes(30 * GROUP);
    let good = stream(&data);
    let mut receiver = in_memory(blob(&data));
    // Five inner nodes stand before the first group, one before the third.
    let part = &good[..6 * 64 + 3 * GROUP + 500];
    let error = liar().await.lie(part, Then::Stall, &mut receiver, SHORT).await.unwrap_err();
    let offset = receiver.proven();
    assert_eq!(offset, 3 * GROUP_BYTES);
    assert!(
        matches!(error, ReceiveBlobError::Stalled { after: SHORT, offset: found } if found == offset),
        "{error}"
    );
    // All is there, but the end of the stream is not.
    let mut receiver = in_memory(blob(&data));
    let error = liar().await.lie(&good, Then::Stall, &mut receiver, SHORT).await.unwrap_err();
    assert!(matches!(error, ReceiveBlobError::Stalled { .. }), "{error}");
    assert!(receiver.is_complete());
}

#[tokio::test]
async fn a_peer_that_drips_is_a_timeout() {
    let data = bytes(2 * GROUP);
    let mut liar = liar().await;
    let (mut send, _receive) = liar.connection.accept_bi().await.unwrap();
    let drip = tokio::spawn(async move {
        // Faster than the stall time, and far too slow for a group.
        let mut pause = tokio::time::interval(SHORT / 6);
        for byte in stream(&data) {
            pause.tick().await;
            if send.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    });
    let mut receiver = in_memory(blob(&bytes(2 * GROUP)));
    let error = liar.channel.reader.receive_blob(&mut receiver, SHORT).await.unwrap_err();
    assert!(matches!(error, ReceiveBlobError::Stalled { offset: 0, .. }), "{error}");
    // The sender is told to stop.
    drip.await.unwrap();
}

#[tokio::test]
async fn a_stream_that_ends_early_or_late_is_refused() {
    let data = bytes(3 * GROUP + 1);
    let good = stream(&data);
    let mut receiver = in_memory(blob(&data));
    let short = &good[..good.len() - 1];
    let error = liar().await.lie(short, Then::Finish, &mut receiver, LONG).await.unwrap_err();
    let offset = receiver.proven();
    assert!(matches!(error, ReceiveBlobError::Truncated { offset: found, .. } if found == offset), "{error}");
    assert_eq!(offset, 3 * GROUP_BYTES);
    let mut receiver = in_memory(blob(&data));
    let long = [good.as_slice(), &[0]].concat();
    let error = liar().await.lie(&long, Then::Finish, &mut receiver, LONG).await.unwrap_err();
    assert!(
        matches!(error, ReceiveBlobError::Feed(FeedError::Decode(DecodeError::Trailing { .. }))),
        "{error}"
    );
}

#[tokio::test]
async fn a_lie_about_the_size_is_refused() {
    let data = bytes(5 * GROUP);
    let lie = Blob { size: data.len() as u64 + 1, ..blob(&data) };
    let mut receiver = in_memory(lie);
    let error = liar().await.lie(&stream(&data), Then::Finish, &mut receiver, LONG).await.unwrap_err();
    assert!(
        matches!(error, ReceiveBlobError::Feed(FeedError::Decode(DecodeError::Mismatch { .. }))),
        "{error}"
    );
    assert!(!receiver.is_complete());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_goes_on_after_the_connection_is_cut() {
    let data = bytes(3 << 20);
    let blob = blob(&data);
    let (_folder, path, outboard) = files();

    // The first node dies in the middle.
    let mut receiver = BlobReceiver::in_file(blob, &path, &outboard).unwrap();
    let mut dying = liar().await;
    let (mut send, _receive) = dying.connection.accept_bi().await.unwrap();
    let connection = dying.connection.clone();
    let half = stream(&data)[..1_600_000].to_vec();
    let die = async {
        send.write_all(&half).await.unwrap();
        // Enough was read that some of it is proven.
        connection.close(9u32.into(), b"pulled the plug");
    };
    let (received, ()) = tokio::join!(dying.channel.reader.receive_blob(&mut receiver, LONG), die);
    let error = received.unwrap_err();
    // The closing packet itself may be lost, and then the peer does not know the connection any more.
    let ReceiveBlobError::Receive(ReceiveError::Lost(Lost::Closed { code: 9, .. } | Lost::Forgotten)) = error
    else {
        panic!("{error}")
    };
    let proven = receiver.proven();
    assert!((1 << 20..1_600_000).contains(&proven) && proven.is_multiple_of(GROUP_BYTES), "{proven}");
    assert!(std::fs::read(&path).unwrap() == data[..proven as usize]);

    // So does the receiver. A new one finds the same on disk, and another node gives the rest.
    drop(receiver);
    let mut receiver = BlobReceiver::in_file(blob, &path, &outboard).unwrap();
    assert_eq!(receiver.proven(), proven);
    let pair = pair().await;
    let whole = source(&data);
    let (got, given) = tokio::join!(pair.there.get_blob(LEASE, &mut receiver, LONG), give(&pair, &whole));
    given.unwrap();
    got.unwrap();
    assert!(receiver.is_complete());
    assert!(std::fs::read(&path).unwrap() == data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_where_the_node_is() {
    let data = bytes(2 << 20);
    let (_folder, path, outboard) = files();
    let mut receiver = BlobReceiver::in_file(blob(&data), &path, &outboard).unwrap();
    receiver.feed(&stream(&data)[..1 << 20]).unwrap();
    let from = receiver.proven();
    assert!(from > 900_000);
    let pair = pair().await;
    let sent = source(&data);
    let (put, taken) = tokio::join!(pair.there.put_blob(LEASE, &sent, LONG), take(&pair, &mut receiver));
    taken.unwrap();
    assert_eq!(put.unwrap(), PutOutcome::Sent { from });
    assert!(std::fs::read(&path).unwrap() == data);
}

#[tokio::test]
async fn a_node_that_refuses_in_the_middle_is_heard() {
    let pair = pair().await;
    let data = bytes(8 << 20);
    let refuse = async {
        let mut channel = pair.here.accept().await.unwrap();
        channel.receive::<Request>().await.unwrap();
        channel.send(&Reply::Continue { from: 0 }).await.unwrap();
        channel.reader.stop();
        channel.send(&Reply::refused(RefusalCode::Busy, "disk full")).await.unwrap();
    };
    let sent = source(&data);
    let (put, ()) = tokio::join!(pair.there.put_blob(LEASE, &sent, LONG), refuse);
    let Err(TransferError::Call(CallError::Refused(refusal))) = put else { panic!("{put:?}") };
    assert_eq!((refusal.code, refusal.message.as_str()), (RefusalCode::Busy, "disk full"));
}

#[tokio::test]
async fn a_node_that_answers_nonsense_is_named() {
    let pair = pair().await;
    let data = bytes(3 * GROUP);
    let sent = source(&data);
    for nonsense in [Reply::Started, Reply::Continue { from: 1 << 30 }] {
        let answer = async {
            let mut channel = pair.here.accept().await.unwrap();
            channel.receive::<Request>().await.unwrap();
            channel.send(&nonsense).await.unwrap();
        };
        let (put, ()) = tokio::join!(pair.there.put_blob(LEASE, &sent, LONG), answer);
        let Err(TransferError::Call(CallError::Unexpected { found, .. })) = put else { panic!("{put:?}") };
        assert_eq!(found, nonsense.name());
    }
    let answer = async {
        let mut channel = pair.here.accept().await.unwrap();
        channel.receive::<Request>().await.unwrap();
        channel.send(&Reply::Blob { from: GROUP_BYTES }).await.unwrap();
    };
    let mut receiver = in_memory(blob(&data));
    let (got, ()) = tokio::join!(pair.there.get_blob(LEASE, &mut receiver, LONG), answer);
    assert!(matches!(got, Err(TransferError::Call(CallError::Unexpected { .. }))), "{got:?}");
}

#[tokio::test]
async fn a_peer_that_does_not_read_stalls_the_sender() {
    let pair = pair().await;
    let mut channel = pair.there.begin(&Request::Status).await.unwrap();
    let unread = pair.here.accept().await.unwrap();
    let error = channel.writer.send_blob(&source(&bytes(4 << 20)), 0, SHORT).await.unwrap_err();
    assert!(matches!(error, SendBlobError::Send(SendError::Stalled { after: SHORT })), "{error}");
    drop(unread);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_breaks_the_stream_off() {
    let data = bytes(40 * GROUP);
    let (_folder, path, _) = files();
    std::fs::write(&path, &data).unwrap();
    let damaged = BlobSource::of_file(&path).unwrap();
    let mut bad = data.clone();
    bad[30 * GROUP] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    let pair = pair().await;
    let mut receiver = in_memory(blob(&data));
    let (got, given) = tokio::join!(pair.there.get_blob(LEASE, &mut receiver, LONG), give(&pair, &damaged));
    let Err(TransferError::Send(SendBlobError::Source(SourceError::Damaged { offset, .. }))) = given else {
        panic!("{given:?}")
    };
    assert_eq!(offset, 30 * GROUP_BYTES);
    // Not a wrong byte, and not a clean end either.
    let Err(TransferError::Receive(ReceiveBlobError::Receive(ReceiveError::Reset { code }))) = got else {
        panic!("{got:?}")
    };
    assert_eq!(code, StreamCode::Damaged as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_that_cannot_be_opened_can_still_be_refused() {
    let pair = pair().await;
    let (_folder, path, outboard) = files();
    let data = bytes(3 * GROUP);
    let missing = BlobSource::stored(blob(&data), &path, &outboard);
    let answer = async {
        let mut channel = pair.here.accept().await.unwrap();
        let Request::GetBlob { from, .. } = channel.receive().await.unwrap() else { panic!() };
        let error = channel.give_blob(&missing, from, LONG).await.unwrap_err();
        let TransferError::Send(SendBlobError::Source(SourceError::Io { path: found, .. })) = error else {
            panic!("{error}")
        };
        assert_eq!(found, path);
        channel.send(&Reply::refused(RefusalCode::UnknownBlob, "lost")).await.unwrap();
    };
    let mut receiver = in_memory(blob(&data));
    let (got, ()) = tokio::join!(pair.there.get_blob(LEASE, &mut receiver, LONG), answer);
    let Err(TransferError::Call(CallError::Refused(refusal))) = got else { panic!("{got:?}") };
    assert_eq!(refusal.code, RefusalCode::UnknownBlob);
}

#[tokio::test]
async fn a_blob_after_half_a_frame_is_refused() {
    let mut liar = liar().await;
    let (mut send, _receive) = liar.connection.accept_bi().await.unwrap();
    send.write_all(&frame::encode(&Reply::Stored).unwrap()[..3]).await.unwrap();
    let waited = tokio::time::timeout(SHORT, liar.channel.receive::<Reply>()).await;
    assert!(waited.is_err());
    let mut receiver = in_memory(blob(&[1]));
    let error = liar.channel.reader.receive_blob(&mut receiver, SHORT).await.unwrap_err();
    assert!(matches!(error, ReceiveBlobError::Receive(ReceiveError::Stopped)), "{error}");
}
