//! The codec alone: every message survives, nothing else is accepted, and the bytes do not drift.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use fizz_attest::{Blob, Digest, HostFault};
use fizz_wire::frame::{self, FrameError, Message};
use fizz_wire::message::{MAX_BLOB_BYTES, MAX_TEXT_BYTES, choose_protocol};
use fizz_wire::{NodeInfo, RefusalCode, Reply, Request, StatusReport};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const LEASE: Digest = Digest([0x1e; 32]);

fn blob() -> Blob {
    Blob { content: Digest([0xb1; 32]), size: 300_000 }
}

fn requests() -> Vec<(&'static str, Request)> {
    vec![
        ("hello", Request::Hello { protocols: vec![1, 300], fizz: "0.1.0".to_owned() }),
        ("offer", Request::Offer { lease: vec![1, 2, 3], job: vec![0xff; 3] }),
        ("put_blob", Request::PutBlob { lease: LEASE, blob: blob() }),
        ("run", Request::Run { lease: LEASE, task: 65_535 }),
        ("get_blob", Request::GetBlob { lease: LEASE, blob: blob(), from: 32_768 }),
        ("status", Request::Status),
        ("cancel", Request::Cancel { lease: LEASE }),
    ]
}

fn replies() -> Vec<(&'static str, Reply)> {
    let node = NodeInfo {
        slots: 4,
        profile: vec![0xa1, 0x61],
        gpu_profile: None,
        max_gas: 1_000_000_000_000,
        max_memory_bytes: 1 << 30,
    };
    let gpu_node = NodeInfo { gpu_profile: Some(vec![0xa2]), ..node.clone() };
    let fizz = "0.1.0".to_owned();
    let report = StatusReport {
        fizz: fizz.clone(),
        uptime_seconds: 3600,
        slots: 4,
        running: 1,
        queued: 2,
        done: 300,
        faults: 4,
        leases: 5,
        connections: 6,
        stored_bytes: 1 << 33,
    };
    vec![
        ("refused", Reply::refused(RefusalCode::Internal, "no")),
        ("welcome", Reply::Welcome { protocol: 1, fizz: fizz.clone(), node }),
        ("welcome_gpu", Reply::Welcome { protocol: 1, fizz, node: gpu_node }),
        ("accepted", Reply::Accepted { missing: vec![blob(), Blob { size: 0, ..blob() }] }),
        ("continue", Reply::Continue { from: 16_384 }),
        ("stored", Reply::Stored),
        ("queued", Reply::Queued { ahead: 3 }),
        ("started", Reply::Started),
        ("progress", Reply::Progress { gas: 1 << 40 }),
        ("done", Reply::Done { receipt: vec![1; 3], manifest: vec![2; 3] }),
        ("fault", Reply::fault(HostFault::Internal, "out of luck")),
        ("blob", Reply::Blob { from: 0 }),
        ("status", Reply::Status(report)),
        ("cancelled", Reply::Cancelled { tasks: 7 }),
    ]
}

const CODES: [(RefusalCode, &str); 12] = [
    (RefusalCode::Unsupported, "unsupported"),
    (RefusalCode::TooLarge, "too_large"),
    (RefusalCode::Busy, "busy"),
    (RefusalCode::BadLease, "bad_lease"),
    (RefusalCode::BadJob, "bad_job"),
    (RefusalCode::UnknownLease, "unknown_lease"),
    (RefusalCode::UnknownBlob, "unknown_blob"),
    (RefusalCode::BadBlob, "bad_blob"),
    (RefusalCode::NoGpu, "no_gpu"),
    (RefusalCode::Expired, "expired"),
    (RefusalCode::NotYours, "not_yours"),
    (RefusalCode::Internal, "internal"),
];

/// They travel by their place in `HostFault`, which must not change either.
const FAULTS: [HostFault; 9] = [
    HostFault::OutOfMemory,
    HostFault::Compile,
    HostFault::TimedOut,
    HostFault::WorkerDied,
    HostFault::NativeStack,
    HostFault::GpuLost,
    HostFault::NoGpu,
    HostFault::Store,
    HostFault::Internal,
];

/// The lines of the file of vectors that one kind of message should have.
fn lines<M: Message>(messages: &[(&'static str, M)]) -> Vec<String> {
    messages
        .iter()
        .map(|(name, message)| format!("{} {name} {}", M::KIND, hex::encode(frame::encode(message).unwrap())))
        .collect()
}

#[test]
fn vectors_do_not_drift() {
    let kept: Vec<&str> =
        include_str!("vectors/messages.txt").lines().filter(|line| !line.starts_with('#')).collect();
    let mut now = lines(&requests());
    now.extend(lines(&replies()));
    for (code, text) in CODES {
        assert_eq!(code.as_str(), text);
        now.extend(lines(&[(text, Reply::refused(code, ""))]));
    }
    for fault in FAULTS {
        let line = lines(&[("", Reply::fault(fault, ""))]).remove(0);
        now.push(line.replacen("  ", &format!(" fault_{fault:?} "), 1));
    }
    assert_eq!(kept, now, "\nthe wire format changed; the new vectors are\n{}\n", now.join("\n"));
    // And back.
    let by_name: BTreeMap<(&str, &str), &str> = kept
        .iter()
        .map(|line| {
            let mut parts = line.split(' ');
            let mut part = || parts.next().unwrap();
            ((part(), part()), part())
        })
        .collect();
    let bytes = |kind, name| hex::decode(by_name[&(kind, name)]).unwrap();
    for (name, request) in requests() {
        assert_eq!(frame::decode::<Request>(&bytes("request", name)).unwrap(), request);
    }
    for (name, reply) in replies() {
        assert_eq!(frame::decode::<Reply>(&bytes("reply", name)).unwrap(), reply);
    }
}

#[test]
fn every_prefix_and_every_longer_frame_is_refused() {
    fn check<M: Message + Debug>(message: &M) {
        let whole = frame::encode(message).unwrap();
        for cut in 0..whole.len() {
            let error = frame::decode::<M>(&whole[..cut]).unwrap_err();
            assert!(matches!(error, FrameError::Truncated { found, .. } if found == cut), "{error}");
        }
        let longer = [whole.as_slice(), &[0]].concat();
        let error = frame::decode::<M>(&longer).unwrap_err();
        assert!(matches!(error, FrameError::Trailing { extra: 1, .. }), "{error}");
        // A body that is one byte short or long, under a header that fits it.
        for body in [&whole[4..whole.len() - 1], &longer[4..]] {
            let header = u32::try_from(body.len()).unwrap().to_le_bytes();
            frame::decode::<M>(&[header.as_slice(), body].concat()).unwrap_err();
        }
    }
    requests().iter().for_each(|(_, message)| check(message));
    replies().iter().for_each(|(_, message)| check(message));
}

#[test]
fn lengths_over_the_limit_are_refused_whatever_follows() {
    for size in [u32::MAX, 1 << 31, u32::try_from(Reply::MAX_BYTES + 1).unwrap()] {
        let error = frame::decode::<Reply>(&size.to_le_bytes()).unwrap_err();
        assert_eq!(
            error,
            FrameError::TooLarge { kind: "reply", size: u64::from(size), limit: Reply::MAX_BYTES }
        );
    }
}

#[test]
fn fields_out_of_bounds_are_named() {
    let digest = Digest([1; 32]);
    let huge = Blob { content: digest, size: MAX_BLOB_BYTES + 1 };
    let hello = |protocols, fizz: &str| Request::Hello { protocols, fizz: fizz.to_owned() };
    let get = |from| Request::GetBlob { lease: digest, blob: blob(), from };
    let cases = [
        (hello(vec![1; 17], ""), "protocols"),
        (hello(vec![], "1\u{7}"), "fizz"),
        (hello(vec![], "\u{202e}1"), "fizz"),
        (Request::Offer { lease: vec![0; 2 << 20], job: vec![] }, "lease"),
        (Request::Offer { lease: vec![], job: vec![0; (16 << 20) + 1] }, "job"),
        (Request::PutBlob { lease: digest, blob: huge }, "blob"),
        (get(1), "from"),
        (get(16_383), "from"),
        (get(blob().size.next_multiple_of(16_384)), "from"),
    ];
    for (request, field) in cases {
        match frame::encode(&request) {
            Err(FrameError::Field(error)) => assert_eq!(error.field, field),
            other => panic!("{request:?}: {other:?}"),
        }
    }
    let long = Reply::Fault { kind: HostFault::Store, message: "é".repeat(MAX_TEXT_BYTES) };
    assert!(matches!(frame::encode(&long), Err(FrameError::Field(_))));
    let Reply::Fault { message, .. } = Reply::fault(HostFault::Store, &"é".repeat(MAX_TEXT_BYTES)) else {
        panic!()
    };
    assert_eq!(message.len(), MAX_TEXT_BYTES);
}

#[test]
fn the_best_common_protocol_is_chosen() {
    assert_eq!(choose_protocol(&[7, 1]), Some(1));
    assert_eq!(choose_protocol(&[]), None);
    assert_eq!(choose_protocol(&[0, 2]), None);
}

fn any_digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn any_blob() -> impl Strategy<Value = Blob> {
    (any_digest(), 0..=MAX_BLOB_BYTES).prop_map(|(content, size)| Blob { content, size })
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

fn any_request() -> impl Strategy<Value = Request> {
    prop_oneof![
        (prop::collection::vec(any::<u32>(), 0..=16), "[ -~]{0,64}")
            .prop_map(|(protocols, fizz)| Request::Hello { protocols, fizz }),
        (any_bytes(), any_bytes()).prop_map(|(lease, job)| Request::Offer { lease, job }),
        (any_digest(), any_blob()).prop_map(|(lease, blob)| Request::PutBlob { lease, blob }),
        (any_digest(), any::<u32>()).prop_map(|(lease, task)| Request::Run { lease, task }),
        (any_digest(), any_blob(), any::<u64>()).prop_map(|(lease, blob, from)| {
            let groups = blob.size.div_ceil(16_384).max(1);
            Request::GetBlob { lease, blob, from: from % groups * 16_384 }
        }),
        Just(Request::Status),
        any_digest().prop_map(|lease| Request::Cancel { lease }),
    ]
}

fn any_reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        (0..CODES.len(), any::<String>()).prop_map(|(code, text)| Reply::refused(CODES[code].0, &text)),
        (any::<u32>(), any_bytes(), prop::option::of(any_bytes()), any::<u64>(), any::<u64>()).prop_map(
            |(slots, profile, gpu_profile, max_gas, max_memory_bytes)| Reply::Welcome {
                protocol: slots / 2,
                fizz: slots.to_string(),
                node: NodeInfo { slots, profile, gpu_profile, max_gas, max_memory_bytes },
            }
        ),
        prop::collection::vec(any_blob(), 0..50).prop_map(|missing| Reply::Accepted { missing }),
        any::<u32>().prop_map(|ahead| Reply::Queued { ahead }),
        any::<u64>().prop_map(|gas| Reply::Progress { gas }),
        (any_bytes(), any_bytes()).prop_map(|(receipt, manifest)| Reply::Done { receipt, manifest }),
        any::<String>().prop_map(|text| Reply::fault(HostFault::GpuLost, &text)),
        (any::<u32>(), any::<u64>()).prop_map(|(queued, done)| {
            Reply::Status(StatusReport { queued, done, ..StatusReport::default() })
        }),
    ]
}

/// Whatever decodes must encode to the same bytes.
fn decodes_to_itself<M: Message>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = frame::decode::<M>(bytes) {
        prop_assert_eq!(frame::encode(&message).unwrap(), bytes);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default() })]

    #[test]
    fn requests_survive(request in any_request()) {
        let bytes = frame::encode(&request).unwrap();
        prop_assert_eq!(frame::decode::<Request>(&bytes).unwrap(), request);
    }

    #[test]
    fn replies_survive(reply in any_reply()) {
        let bytes = frame::encode(&reply).unwrap();
        prop_assert_eq!(frame::decode::<Reply>(&bytes).unwrap(), reply);
    }

    #[test]
    fn a_changed_byte_never_gives_a_second_encoding(
        request in any_request(), reply in any_reply(), at in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let mut bytes = frame::encode(&request).unwrap();
        let index = at.index(bytes.len());
        bytes[index] ^= flip;
        decodes_to_itself::<Request>(&bytes)?;
        let mut bytes = frame::encode(&reply).unwrap();
        let index = at.index(bytes.len());
        bytes[index] ^= flip;
        decodes_to_itself::<Reply>(&bytes)?;
    }

    #[test]
    fn random_bodies_are_harmless(body in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..16) {
        let mut bytes = u32::try_from(body.len() + 2).unwrap().to_le_bytes().to_vec();
        bytes.extend([1, kind]);
        bytes.extend(body);
        decodes_to_itself::<Request>(&bytes)?;
        decodes_to_itself::<Reply>(&bytes)?;
    }
}
