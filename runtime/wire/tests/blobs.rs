//! Blobs without a network: what is proven, what is kept, what goes on where it broke.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::io::sync::encode_ranges_validated;
use bao_tree::{BlockSize, ChunkNum, ChunkRanges};
use common::{blob, bytes};
use fizz_attest::{Blob, Digest};
use fizz_wire::blob::{DecodeError, FeedError, GROUP_BYTES, OpenReceiverError, SourceError};
use fizz_wire::{BlobReceiver, BlobSource};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const GROUP: usize = GROUP_BYTES as usize;
const MIB: usize = 1 << 20;

fn stream_of(source: &BlobSource, from: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = source.encoder(from).unwrap();
    while encoder.append(&mut out, 50_000).unwrap() {}
    out
}

fn stream(data: &[u8], from: u64) -> Vec<u8> {
    stream_of(&BlobSource::of_bytes(Arc::from(data)), from)
}

/// A folder with the two files of a receiver.
struct Files {
    _folder: tempfile::TempDir,
    data: PathBuf,
    outboard: PathBuf,
}

impl Files {
    fn new() -> Files {
        let folder = tempfile::tempdir().unwrap();
        Files { data: folder.path().join("data"), outboard: folder.path().join("outboard"), _folder: folder }
    }

    fn receiver(&self, blob: Blob) -> BlobReceiver {
        BlobReceiver::in_file(blob, &self.data, &self.outboard).unwrap()
    }

    fn data(&self) -> Vec<u8> {
        std::fs::read(&self.data).unwrap()
    }
}

const SIZES: [usize; 12] = [
    0,
    1,
    1024,
    1025,
    GROUP - 1,
    GROUP,
    GROUP + 1,
    2 * GROUP,
    3 * GROUP + 7,
    5 * GROUP - 1023,
    64 * GROUP,
    10 * MIB,
];

#[test]
fn the_stream_is_the_one_of_bao_tree() {
    for size in SIZES {
        let data = bytes(size);
        let outboard = PreOrderMemOutboard::create(&data, BlockSize::from_chunk_log(4));
        assert_eq!(outboard.root.as_bytes(), &blob(&data).content.0);
        for from in [0, GROUP, 3 * GROUP, (size / GROUP).saturating_sub(1) * GROUP] {
            if from > 0 && from >= size {
                continue;
            }
            let ranges = ChunkRanges::from(ChunkNum(from as u64 / 1024)..);
            let mut theirs = Vec::new();
            encode_ranges_validated(data.as_slice(), &outboard, &ranges, &mut theirs).unwrap();
            assert!(stream(&data, from as u64) == theirs, "{size} bytes from {from}");
        }
    }
}

#[test]
fn the_stream_does_not_drift() {
    // Blob size, start, stream size, BLAKE3 of the stream.
    let vectors = include_str!("vectors/bao.txt");
    let mut now = String::from(
        "# Of the first bytes of the BLAKE3 XOF of `test blob`: size, start, size and BLAKE3 of the stream.\n",
    );
    for (size, from) in [(0, 0), (1, 0), (GROUP + 1, 0), (3 * GROUP + 7, 0), (3 * GROUP + 7, 2 * GROUP_BYTES)]
    {
        let stream = stream(&bytes(size), from);
        now += &format!("{size} {from} {} {}\n", stream.len(), blake3::hash(&stream));
    }
    assert_eq!(vectors, now);
}

#[test]
fn blobs_of_all_sizes_arrive_in_memory_and_in_files() {
    for size in SIZES {
        let data = bytes(size);
        let blob = blob(&data);
        let stream = stream(&data, 0);
        let mut memory = BlobReceiver::in_memory(blob, size as u64).unwrap();
        memory.feed(&stream).unwrap();
        assert!(memory.is_complete());
        assert!(memory.into_bytes().unwrap() == data);

        let files = Files::new();
        let mut receiver = files.receiver(blob);
        for piece in stream.chunks(1300) {
            receiver.feed(piece).unwrap();
        }
        assert!(receiver.is_complete());
        receiver.sync().unwrap();
        assert!(files.data() == data);
        // What was received can be sent on, from the files alone.
        let onward = BlobSource::stored(blob, &files.data, &files.outboard);
        assert!(stream_of(&onward, 0) == stream);
        // And a second receiver finds it whole.
        assert!(files.receiver(blob).is_complete());
    }
}

#[test]
fn a_file_and_memory_make_the_same_source() {
    let files = Files::new();
    for size in SIZES {
        let data = bytes(size);
        std::fs::write(&files.data, &data).unwrap();
        let source = BlobSource::of_file(&files.data).unwrap();
        assert_eq!(source.blob(), blob(&data));
        assert!(stream_of(&source, 0) == stream(&data, 0));
        source.save_outboard(&files.outboard).unwrap();
        let stored = BlobSource::stored(source.blob(), &files.data, &files.outboard);
        assert!(stream_of(&stored, 0) == stream(&data, 0));
        let indexed = BlobSource::index_file(&files.data, &files.outboard).unwrap();
        assert_eq!(indexed.blob(), blob(&data));
        assert!(stream_of(&indexed, 0) == stream(&data, 0));
    }
}

#[test]
fn a_flipped_byte_ends_the_transfer_before_its_group() {
    let data = bytes(20 * GROUP + 5);
    let blob = blob(&data);
    let good = stream(&data, 0);
    for group in [0, 7, 20] {
        // The group's bytes stand in the stream as they are.
        let needle = &data[group * GROUP..(group * GROUP + 5).min(data.len())];
        let at = good.windows(needle.len()).position(|window| window == needle).unwrap();
        let mut bad = good.clone();
        bad[at + 2] ^= 0x40;
        let files = Files::new();
        let mut receiver = files.receiver(blob);
        let error = receiver.feed(&bad).unwrap_err();
        let offset = (group * GROUP) as u64;
        assert!(
            matches!(error, FeedError::Decode(DecodeError::Mismatch { offset: o, .. }) if o == offset),
            "{error}"
        );
        assert!(error.to_string().contains(&format!("offset {offset}")), "{error}");
        // Nothing of the bad group, nor after it.
        assert!(files.data() == data[..group * GROUP]);
        assert_eq!(receiver.proven(), offset);
        // No more of this transfer is taken, not even right bytes.
        receiver.feed(&good[..1]).unwrap_err();
        // The next one completes it.
        let from = receiver.begin().unwrap();
        receiver.feed(&stream(&data, from)).unwrap();
        assert!(receiver.is_complete());
        assert!(files.data() == data);
    }
}

#[test]
fn a_flipped_inner_node_ends_the_transfer() {
    let data = bytes(20 * GROUP);
    let mut bad = stream(&data, 0);
    bad[0] ^= 1;
    let mut receiver = BlobReceiver::in_memory(blob(&data), u64::MAX).unwrap();
    let error = receiver.feed(&bad).unwrap_err();
    assert!(matches!(error, FeedError::Decode(DecodeError::Mismatch { offset: 0, .. })), "{error}");
}

#[test]
fn a_killed_receiver_goes_on_from_its_files() {
    let data = bytes(100 * GROUP + 77);
    let blob = blob(&data);
    let files = Files::new();
    let mut sent = 0;
    let mut cuts = 0;
    loop {
        // Made anew each time, as after `kill -9`.
        let mut receiver = files.receiver(blob);
        if receiver.is_complete() {
            break;
        }
        let from = receiver.begin().unwrap();
        assert_eq!(from % GROUP_BYTES, 0);
        let rest = stream(&data, from);
        let cut = &rest[..rest.len().min(300_000)];
        receiver.feed(cut).unwrap();
        sent += cut.len();
        cuts += 1;
    }
    assert!(cuts >= 5, "{cuts}");
    assert!(files.data() == data);
    // Each cut costs at most one group and one path of the tree.
    assert!(sent <= stream(&data, 0).len() + cuts * (GROUP + 64 * 8), "{sent}");
}

#[test]
fn what_damaged_files_do_not_prove_is_cut_off() {
    let data = bytes(40 * GROUP + 1);
    let blob = blob(&data);
    let good = stream(&data, 0);
    let spoil = |spoil: &dyn Fn(&Files)| {
        let files = Files::new();
        let mut receiver = files.receiver(blob);
        receiver.feed(&good[..good.len() - 100]).unwrap();
        assert_eq!(receiver.proven(), 40 * GROUP_BYTES - GROUP_BYTES);
        drop(receiver);
        spoil(&files);
        let mut receiver = files.receiver(blob);
        let proven = receiver.proven();
        assert!(files.data() == data[..proven as usize]);
        receiver.feed(&stream(&data, proven)).unwrap();
        assert!(receiver.is_complete());
        assert!(files.data() == data);
        proven / GROUP_BYTES
    };
    let flip = |path: &PathBuf, at: usize| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    assert_eq!(spoil(&|_| {}), 39);
    assert_eq!(spoil(&|files| flip(&files.data, 17 * GROUP + 3)), 17);
    assert_eq!(spoil(&|files| std::fs::write(&files.data, [1; 50 * GROUP]).unwrap()), 0);
    assert_eq!(spoil(&|files| flip(&files.outboard, 3)), 0);
    assert_eq!(spoil(&|files| std::fs::remove_file(&files.outboard).unwrap()), 0);
    assert_eq!(spoil(&|files| std::fs::remove_file(&files.data).unwrap()), 0);
    // Bytes behind what is proven: half a group, and garbage.
    let append = |files: &Files| {
        let mut bytes = files.data();
        bytes.extend([7; 20_000]);
        std::fs::write(&files.data, bytes).unwrap();
    };
    assert_eq!(spoil(&append), 39);
}

#[test]
fn lies_about_the_size_are_refused() {
    for size in [1, GROUP, GROUP + 1, 5 * GROUP, 64 * GROUP] {
        let data = bytes(size);
        let content = blob(&data).content;
        let good = stream(&data, 0);
        for claimed in [0, 1, size - 1, size + 1, size + GROUP, 2 * size, 1000 * size, 1 << 40] {
            if claimed == size {
                continue;
            }
            let lie = Blob { content, size: claimed as u64 };
            let Ok(mut receiver) = BlobReceiver::in_memory(lie, u64::MAX) else {
                // An empty blob has one hash only.
                assert_eq!(claimed, 0);
                continue;
            };
            // Honest bytes under the wrong size, then whatever else is wanted.
            let _ = receiver.feed(&good).and_then(|()| receiver.feed(&good));
            assert!(!receiver.is_complete(), "{size} bytes claimed as {claimed}");
            let proven = receiver.proven() as usize;
            assert!(proven < size, "{size} bytes claimed as {claimed}: {proven} proven");
        }
    }
    let lie = Blob { content: Digest([1; 32]), size: 0 };
    assert!(matches!(
        BlobReceiver::in_memory(lie, 10),
        Err(OpenReceiverError::Decode(DecodeError::Mismatch { offset: 0, .. }))
    ));
    let lie = Blob { content: Digest([1; 32]), size: u64::MAX };
    assert!(matches!(
        BlobReceiver::in_memory(lie, u64::MAX),
        Err(OpenReceiverError::Decode(DecodeError::TooLarge { size: u64::MAX }))
    ));
    assert!(matches!(
        BlobReceiver::in_memory(blob(&[1, 2, 3]), 2),
        Err(OpenReceiverError::OverLimit { size: 3, limit: 2 })
    ));
}

#[test]
fn bytes_after_the_end_are_refused() {
    for size in [0, 1, GROUP, 3 * GROUP + 1] {
        let data = bytes(size);
        let mut stream = stream(&data, 0);
        stream.push(0);
        let mut receiver = BlobReceiver::in_memory(blob(&data), u64::MAX).unwrap();
        let error = receiver.feed(&stream).unwrap_err();
        assert!(matches!(error, FeedError::Decode(DecodeError::Trailing { .. })), "{error}");
    }
}

#[test]
fn starts_inside_a_group_or_past_the_end_are_refused() {
    let source = BlobSource::of_bytes(Arc::from(bytes(2 * GROUP)));
    for from in [1, 1024, GROUP_BYTES + 1, 2 * GROUP_BYTES, 3 * GROUP_BYTES, u64::MAX] {
        let error = source.encoder(from).err().unwrap();
        assert!(matches!(error, SourceError::Shape(DecodeError::Start { .. })), "{error}");
    }
}

#[test]
fn files_that_are_too_large_or_missing_are_refused() {
    let files = Files::new();
    assert!(matches!(BlobSource::of_file(&files.data), Err(SourceError::Io { .. })));
    // A sparse file: nothing of it is read.
    std::fs::File::create(&files.data).unwrap().set_len((1 << 40) + 1).unwrap();
    let error = BlobSource::of_file(&files.data).unwrap_err();
    assert!(matches!(error, SourceError::Shape(DecodeError::TooLarge { .. })), "{error}");
}

#[test]
fn a_damaged_store_is_found_before_its_bytes_are_sent() {
    let data = bytes(10 * GROUP);
    let files = Files::new();
    std::fs::write(&files.data, &data).unwrap();
    let source = BlobSource::of_file(&files.data).unwrap();
    source.save_outboard(&files.outboard).unwrap();
    let damaged = |source: &BlobSource| {
        let mut out = Vec::new();
        let mut encoder = source.encoder(0).unwrap();
        let error = loop {
            match encoder.append(&mut out, 10_000) {
                Ok(more) => assert!(more, "the damage was not found"),
                Err(error) => break error,
            }
        };
        // What came out is right as far as it goes.
        assert!(stream(&data, 0).starts_with(&out));
        match error {
            SourceError::Damaged { offset, .. } => offset / GROUP_BYTES,
            error => panic!("{error}"),
        }
    };
    let mut bad = data.clone();
    bad[6 * GROUP + 9] ^= 1;
    std::fs::write(&files.data, &bad).unwrap();
    assert_eq!(damaged(&source), 6);
    std::fs::write(&files.data, &data[..8 * GROUP]).unwrap();
    assert_eq!(damaged(&source), 8);
    std::fs::write(&files.data, &data).unwrap();
    std::fs::write(&files.outboard, [0; 100]).unwrap();
    assert_eq!(damaged(&BlobSource::stored(source.blob(), &files.data, &files.outboard)), 0);
    std::fs::remove_file(&files.data).unwrap();
    assert!(matches!(source.encoder(0), Err(SourceError::Io { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_pieces_any_start_any_damage(
        size in 0usize..12 * GROUP,
        start in any::<prop::sample::Index>(),
        piece in 1usize..40_000,
        damage in prop::option::of((any::<prop::sample::Index>(), 1u8..)),
    ) {
        let data = bytes(size);
        let blob = blob(&data);
        let whole = stream(&data, 0);
        let mut receiver = BlobReceiver::in_memory(blob, u64::MAX).unwrap();
        // A first transfer that is cut anywhere, a second that may be damaged anywhere.
        receiver.feed(&whole[..start.index(whole.len() + 1)]).unwrap();
        let from = receiver.begin().unwrap();
        let mut rest = match receiver.is_complete() {
            true => Vec::new(),
            false => stream(&data, from),
        };
        let damaged = match damage {
            Some((at, flip)) if !rest.is_empty() => {
                let at = at.index(rest.len());
                rest[at] ^= flip;
                true
            }
            _ => false,
        };
        let result = rest.chunks(piece).try_for_each(|piece| receiver.feed(piece));
        prop_assert_eq!(result.is_err(), damaged);
        prop_assert_eq!(receiver.is_complete(), !damaged);
        let proven = receiver.proven() as usize;
        prop_assert!(damaged || proven == size);
        if damaged {
            prop_assert!(proven < size && proven.is_multiple_of(GROUP) && proven >= from as usize);
        } else {
            prop_assert!(receiver.into_bytes().unwrap() == data);
        }
    }

    #[test]
    fn random_streams_prove_nothing(
        size in 0u64..1 << 45, stream in prop::collection::vec(any::<u8>(), 1..40_000),
    ) {
        let lie = Blob { content: Digest([5; 32]), size };
        if let Ok(mut receiver) = BlobReceiver::in_memory(lie, u64::MAX) {
            let _ = receiver.feed(&stream);
            prop_assert_eq!(receiver.proven(), 0);
            prop_assert!(!receiver.is_complete());
        }
    }
}
