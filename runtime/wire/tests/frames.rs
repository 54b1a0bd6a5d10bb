//! Frames over a stream: what is refused, and when.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

mod common;

use std::time::Duration;

use common::{LONG, SHORT, bind, pair, raw};
use fizz_attest::Digest;
use fizz_wire::frame::{self, FrameError, Message};
use fizz_wire::{
    CallError, Channel, Endpoint, EndpointConfig, Peer, ReceiveError, RefusalCode, Reply, Request,
};

/// A stream whose other end is in the test's hands.
struct Rig {
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    channel: Channel,
    _peer: Peer,
    _acceptor: Endpoint,
    _dialler: (quinn::Endpoint, quinn::Connection),
}

/// Opens a stream with these first bytes.
async fn rig(first: &[u8], config: EndpointConfig) -> Rig {
    let acceptor = bind(2, config);
    let dialler = raw::dial(acceptor.local_addr().unwrap(), 1).await;
    let (mut send, receive) = dialler.1.open_bi().await.unwrap();
    send.write_all(first).await.unwrap();
    let peer = acceptor.accept().await.unwrap();
    let channel = peer.accept().await.unwrap();
    Rig { send, receive, channel, _peer: peer, _acceptor: acceptor, _dialler: dialler }
}

/// What receiving a request that ends after these bytes comes to.
async fn refused(bytes: &[u8]) -> FrameError {
    let mut rig = rig(bytes, EndpointConfig::default()).await;
    rig.send.finish().unwrap();
    match rig.channel.receive::<Request>().await {
        Err(ReceiveError::Frame(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn four_gigabytes_are_refused_at_the_header() {
    // The stream stays open: the header alone is enough.
    let mut rig = rig(&[0xff; 4], EndpointConfig::default()).await;
    let error = rig.channel.receive::<Request>().await.unwrap_err();
    let expected =
        FrameError::TooLarge { kind: "request", size: u64::from(u32::MAX), limit: Request::MAX_BYTES };
    assert!(matches!(&error, ReceiveError::Frame(found) if *found == expected), "{error}");
    assert!(error.to_string().contains("4294967295"));
    // And nothing more is read.
    assert!(matches!(rig.channel.receive::<Request>().await, Err(ReceiveError::Stopped)));
}

#[tokio::test]
async fn one_byte_over_the_limit_is_refused() {
    let size = u32::try_from(Request::MAX_BYTES + 1).unwrap();
    let expected = FrameError::TooLarge { kind: "request", size: u64::from(size), limit: Request::MAX_BYTES };
    assert_eq!(refused(&size.to_le_bytes()).await, expected);
}

#[tokio::test]
async fn truncated_frames_are_refused() {
    let whole = frame::encode(&Request::Run { lease: Digest([9; 32]), task: 3 }).unwrap();
    let kind = "request";
    assert_eq!(refused(&whole[..2]).await, FrameError::Truncated { kind, needed: 4, found: 2 });
    let cut = whole.len() - 1;
    assert_eq!(refused(&whole[..cut]).await, FrameError::Truncated { kind, needed: whole.len(), found: cut });
}

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let kind = "request";
    assert_eq!(refused(&[0, 0, 0, 0]).await, FrameError::Empty { kind });
    assert_eq!(refused(&[2, 0, 0, 0, 9, 5]).await, FrameError::Version { kind, found: 9 });
    // `Status` and a byte too many.
    assert_eq!(refused(&[3, 0, 0, 0, 1, 5, 0]).await, FrameError::Trailing { kind, extra: 1 });
    // `Status`, with its number in two bytes.
    assert_eq!(refused(&[3, 0, 0, 0, 1, 0x85, 0]).await, FrameError::NotCanonical { kind });
    // No such request.
    assert!(matches!(refused(&[2, 0, 0, 0, 1, 99]).await, FrameError::Invalid { .. }));
    // A `Hello` with 17 protocol versions.
    let mut hello = vec![21, 0, 0, 0, 1, 0, 17];
    hello.extend([1; 17]);
    hello.push(0);
    assert!(matches!(refused(&hello).await, FrameError::Invalid { .. }));
}

#[tokio::test]
async fn the_end_between_frames_is_an_end() {
    let status = frame::encode(&Request::Status).unwrap();
    let mut rig = rig(&status, EndpointConfig::default()).await;
    rig.send.finish().unwrap();
    assert_eq!(rig.channel.reader.next::<Request>().await.unwrap(), Some(Request::Status));
    assert_eq!(rig.channel.reader.next::<Request>().await.unwrap(), None);
    assert!(matches!(rig.channel.receive::<Request>().await, Err(ReceiveError::Ended)));
}

#[tokio::test]
async fn several_frames_and_what_follows_them_stay_apart() {
    let run = Request::Run { lease: Digest([9; 32]), task: 70_000 };
    let mut bytes = frame::encode(&run).unwrap();
    bytes.extend(frame::encode(&Request::Status).unwrap());
    let mut rig = rig(&bytes, EndpointConfig::default()).await;
    assert_eq!(rig.channel.receive::<Request>().await.unwrap(), run);
    assert_eq!(rig.channel.receive::<Request>().await.unwrap(), Request::Status);
}

#[tokio::test]
async fn half_a_frame_is_waited_for_only_so_long() {
    let config = EndpointConfig { frame_timeout: SHORT, ..EndpointConfig::default() };
    let mut rig = rig(&[3, 0, 0, 0, 1], config).await;
    let error = rig.channel.receive::<Request>().await.unwrap_err();
    assert!(matches!(error, ReceiveError::Stalled { after: SHORT, found: 1 }), "{error}");
}

#[tokio::test]
async fn a_silent_peer_is_waited_for_only_so_long() {
    let pair = pair().await;
    let answer = async {
        // It reads the request and never answers.
        let mut channel = pair.here.accept().await.unwrap();
        assert_eq!(channel.receive::<Request>().await.unwrap(), Request::Status);
        channel
    };
    let (reply, _held) = tokio::join!(pair.there.call(&Request::Status, SHORT), answer);
    assert!(matches!(reply, Err(CallError::Timeout { after: SHORT })), "{reply:?}");
    let mut channel = pair.there.begin(&Request::Status).await.unwrap();
    let error = channel.reader.receive_within::<Reply>(SHORT).await.unwrap_err();
    assert!(matches!(error, ReceiveError::Timeout { after: SHORT }), "{error}");
}

#[tokio::test]
async fn a_dropped_receive_loses_nothing() {
    let run = Request::Run { lease: Digest([9; 32]), task: 3 };
    let whole = frame::encode(&run).unwrap();
    let mut rig = rig(&whole[..1], EndpointConfig::default()).await;
    for cut in [2, 4, 5, 20, whole.len()] {
        let waited = tokio::time::timeout(Duration::from_millis(50), rig.channel.receive::<Request>()).await;
        assert!(waited.is_err(), "{waited:?}");
        let sent = [1, 2, 4, 5, 20].iter().rev().find(|sent| **sent < cut).unwrap();
        rig.send.write_all(&whole[*sent..cut]).await.unwrap();
    }
    assert_eq!(rig.channel.receive::<Request>().await.unwrap(), run);
}

#[tokio::test]
async fn a_refusal_is_an_error_of_the_call() {
    let pair = pair().await;
    let answer = async {
        let mut channel = pair.here.accept().await.unwrap();
        // Refused without reading on.
        channel.reader.stop();
        channel.send(&Reply::refused(RefusalCode::Busy, "come\u{1b}[2J back")).await.unwrap();
    };
    let (reply, ()) = tokio::join!(pair.there.call(&Request::Status, LONG), answer);
    let Err(CallError::Refused(refusal)) = reply else { panic!("{reply:?}") };
    assert_eq!(refusal.code, RefusalCode::Busy);
    assert_eq!(refusal.to_string(), "busy: come [2J back");
}

#[tokio::test]
async fn an_offer_of_the_largest_size_arrives() {
    let pair = pair().await;
    let offer = Request::Offer {
        lease: vec![7; fizz_wire::message::MAX_LEASE_BYTES],
        job: vec![8; fizz_wire::message::MAX_JOB_BYTES],
    };
    let answer = async {
        let mut channel = pair.here.accept().await.unwrap();
        let request = channel.receive::<Request>().await.unwrap();
        channel.send(&Reply::Accepted { missing: Vec::new() }).await.unwrap();
        request
    };
    let (reply, request) = tokio::join!(pair.there.call(&offer, LONG), answer);
    assert_eq!(reply.unwrap(), Reply::Accepted { missing: Vec::new() });
    assert_eq!(request, offer);
}

#[tokio::test]
async fn what_the_peer_would_refuse_is_not_sent() {
    let pair = pair().await;
    let long = Request::Hello { protocols: vec![1], fizz: "x".repeat(65) };
    let error = pair.there.call(&long, LONG).await.unwrap_err();
    assert!(error.to_string().contains("field `fizz` of a hello message"), "{error}");
}

#[tokio::test]
async fn a_reset_stream_is_named() {
    let mut rig = rig(&[9, 0], EndpointConfig::default()).await;
    rig.send.reset(5u32.into()).unwrap();
    let error = rig.channel.receive::<Request>().await.unwrap_err();
    assert!(matches!(error, ReceiveError::Reset { code: 5 }), "{error}");
    // The other direction still works.
    rig.channel.send(&Reply::Stored).await.unwrap();
    rig.channel.writer.finish().unwrap();
    assert_eq!(rig.receive.read_to_end(100).await.unwrap(), [2, 0, 0, 0, 1, 4]);
}

#[tokio::test]
async fn a_peer_that_allows_no_more_streams_is_waited_for_only_so_long() {
    let config = EndpointConfig { max_streams: 1, frame_timeout: SHORT, ..EndpointConfig::default() };
    let pair = common::pair_with(config).await;
    let held = pair.there.begin(&Request::Status).await.unwrap();
    let error = pair.there.begin(&Request::Status).await.err().unwrap();
    assert!(matches!(error, CallError::Timeout { after: SHORT }), "{error}");
    drop(held);
}
