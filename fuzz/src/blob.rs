//! Verified blobs: real streams, changed and cut in any way, and streams of nothing.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use fizz_attest::{Blob, Digest};
use fizz_wire::blob::{BlobDecoder, BlobReceiver, BlobSource, DecodeError, GROUP_BYTES, Proven};

use crate::memory;

/// A decoder holds one group, in a list that doubles as it grows.
const MEMORY: usize = 4 * GROUP_BYTES as usize;

/// What is done to the stream of one of [`CASES`] before it is fed.
#[derive(Arbitrary, Debug)]
struct Plan<'a> {
    case: u8,
    from: u8,
    edits: Vec<Edit<'a>>,
    splits: Vec<u16>,
    /// Whether the same is tried with files, whose leftovers are changed in the same way.
    files: bool,
    /// Where leftovers end.
    cut: u32,
}

#[derive(Arbitrary, Debug)]
enum Edit<'a> {
    Flip { at: u32, by: u8 },
    Insert { at: u32, bytes: &'a [u8] },
    Remove { at: u32, len: u32 },
    Repeat { at: u32, len: u16 },
    Swap { a: u16, b: u16, len: u16 },
}

/// A blob, the source of its streams, the streams by their start, and its inner nodes by their place.
struct Case {
    bytes: Vec<u8>,
    source: BlobSource,
    streams: BTreeMap<u64, Vec<u8>>,
    pairs: BTreeMap<u64, Vec<u8>>,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let group = GROUP_BYTES as usize;
    [0, 1, 1023, 1025, group - 1, group, group + 1, 2 * group, 3 * group + 7, 5 * group - 1]
        .into_iter()
        .map(|size| {
            let mut bytes = vec![0; size];
            blake3::Hasher::new().update(&[size as u8]).finalize_xof().fill(&mut bytes);
            Case::new(bytes)
        })
        .collect()
});

/// - Nothing is ever kept that is not in the blob of that name, at that place.
/// - A stream is complete exactly when it is the right one, whatever the pieces it comes in.
/// - What was proven before an error is a right beginning, from which the right stream completes the blob; also
///   from files that somebody changed in between.
/// - A name without a blob keeps nothing but what hashes to it.
pub fn blob(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(plan) = Plan::arbitrary(&mut input) else { return };
    let case = &CASES[usize::from(plan.case) % CASES.len()];
    let groups = (case.bytes.len() as u64).div_ceil(GROUP_BYTES).max(1);
    let from = u64::from(plan.from) % groups * GROUP_BYTES;

    case.decode(&plan, from);
    case.receive(&plan);
    if plan.files {
        case.receive_files(&plan);
    }
    nothing(input.take_rest(), data);
}

impl Case {
    fn new(bytes: Vec<u8>) -> Case {
        let source = BlobSource::of_bytes(bytes.as_slice().into());
        assert_eq!(source.blob(), Blob::of(&bytes));
        let starts = (0..bytes.len().max(1) as u64).step_by(GROUP_BYTES as usize);
        let streams: BTreeMap<_, _> = starts.map(|from| (from, encoded(&source, from))).collect();
        let mut decoder = BlobDecoder::new(source.blob(), 0).expect("a good start");
        let mut pairs = BTreeMap::new();
        let fed = decoder.feed::<DecodeError>(&streams[&0], |piece| {
            if let Proven::Pair { position, bytes } = piece {
                assert!(pairs.insert(position, bytes.to_vec()).is_none());
            }
            Ok(())
        });
        assert!(fed.is_ok() && decoder.is_complete());
        Case { bytes, source, streams, pairs }
    }

    fn stream(&self, from: u64) -> Vec<u8> {
        self.streams[&from].clone()
    }

    fn holds(&self, piece: Proven<'_>) {
        match piece {
            Proven::Group { offset, bytes } => {
                let at = offset as usize;
                assert_eq!(&self.bytes[at..at + bytes.len()], bytes, "wrong bytes at {offset} are proven");
            }
            Proven::Pair { position, bytes } => {
                assert_eq!(self.pairs.get(&position).map(Vec::as_slice), Some(bytes), "a wrong inner node");
            }
        }
    }

    fn decode(&self, plan: &Plan<'_>, from: u64) {
        let right = self.stream(from);
        let stream = edited(right.clone(), &plan.edits);
        let mut decoder = BlobDecoder::new(self.source.blob(), from).expect("a good start");
        let mut next = from;
        let fed = memory::within(MEMORY, || {
            pieces(&stream, &plan.splits).try_for_each(|piece| {
                decoder.feed::<DecodeError>(piece, |proven| {
                    self.holds(proven);
                    if let Proven::Group { offset, bytes } = proven {
                        assert_eq!(offset, next, "groups come in order");
                        next += bytes.len() as u64;
                    }
                    Ok(())
                })
            })
        });
        assert_eq!(fed.is_ok() && decoder.is_complete(), stream == right, "{fed:?}");
        if fed.is_err() {
            assert!(!decoder.is_complete());
            assert!(decoder.feed::<DecodeError>(&right, |_| panic!("kept after an error")).is_err());
        }
    }

    /// Feeds the changed stream, then what is missing of the right one.
    fn complete(&self, mut receiver: BlobReceiver, plan: &Plan<'_>) -> BlobReceiver {
        let stream = edited(self.stream_of(&receiver), &plan.edits);
        receiver.begin().expect("a good start");
        let _ = pieces(&stream, &plan.splits).try_for_each(|piece| receiver.feed(piece));
        let proven = receiver.proven();
        assert!(proven == self.bytes.len() as u64 || proven.is_multiple_of(GROUP_BYTES));
        if !receiver.is_complete() {
            receiver.begin().expect("a good start");
            receiver.feed(&self.stream_of(&receiver)).expect("the right stream");
        }
        assert!(receiver.is_complete());
        assert!(receiver.feed(&[0]).is_err(), "bytes after the end");
        receiver
    }

    fn stream_of(&self, receiver: &BlobReceiver) -> Vec<u8> {
        if receiver.is_complete() { Vec::new() } else { self.stream(receiver.proven()) }
    }

    fn receive(&self, plan: &Plan<'_>) {
        let blob = self.source.blob();
        assert!(blob.size == 0 || BlobReceiver::in_memory(blob, blob.size - 1).is_err());
        let receiver = BlobReceiver::in_memory(blob, blob.size).expect("a blob that can be");
        assert_eq!(self.complete(receiver, plan).into_bytes().as_deref(), Some(&*self.bytes));
    }

    fn receive_files(&self, plan: &Plan<'_>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (data, outboard) = (folder.path().join("data"), folder.path().join("outboard"));
        let mut leftover = edited(self.bytes.clone(), &plan.edits);
        leftover.truncate(plan.cut as usize);
        std::fs::write(&data, leftover).expect("a file");
        self.source.save_outboard(&outboard).expect("a file");
        let nodes = std::fs::read(&outboard).expect("a file");
        std::fs::write(&outboard, edited(nodes, &plan.edits)).expect("a file");

        let receiver = BlobReceiver::in_file(self.source.blob(), &data, &outboard).expect("files that open");
        let kept = std::fs::read(&data).expect("a file");
        assert_eq!(kept, &self.bytes[..receiver.proven() as usize], "a wrong beginning is kept");
        drop(self.complete(receiver, plan));
        assert_eq!(std::fs::read(&data).expect("a file"), self.bytes);
        // The inner nodes are whole too: the files can be sent on.
        let stored = BlobSource::stored(self.source.blob(), &data, &outboard);
        assert_eq!(encoded(&stored, 0), self.streams[&0]);
    }
}

fn encoded(source: &BlobSource, from: u64) -> Vec<u8> {
    let mut encoder = source.encoder(from).expect("a good start");
    let mut stream = Vec::new();
    while encoder.append(&mut stream, 50_000).expect("the source is whole") {}
    stream
}

/// A name of the fuzzer's: its own hash with any size and start, or the right hash of the rest with a wrong size.
fn nothing(rest: &[u8], data: &[u8]) {
    let mut input = Unstructured::new(data);
    let (Ok(size), Ok(from), Ok(own)) =
        (u64::arbitrary(&mut input), u64::arbitrary(&mut input), bool::arbitrary(&mut input))
    else {
        return;
    };
    let size = if own { size } else { size % (4 * GROUP_BYTES) };
    let content = Digest::of_content(if own { data } else { rest });
    let blob = Blob { content, size };
    let Ok(mut decoder) = BlobDecoder::new(blob, from % (size | 1)).or_else(|_| BlobDecoder::new(blob, 0))
    else {
        return;
    };
    let _ = memory::within(MEMORY, || {
        decoder.feed::<DecodeError>(rest, |piece| {
            let Proven::Group { bytes, .. } = piece else { return Ok(()) };
            assert!(blob == Blob::of(bytes), "bytes of another blob are kept");
            Ok(())
        })
    });
}

/// Places are taken modulo the length, so that every edit does something.
fn edited(mut stream: Vec<u8>, edits: &[Edit<'_>]) -> Vec<u8> {
    for edit in edits.iter().take(8) {
        let place = |at: usize| at % (stream.len() + 1);
        let range = |at: usize, len: usize| place(at)..(place(at) + len).min(stream.len());
        match *edit {
            Edit::Flip { at, by } => {
                let at = place(at as usize);
                stream.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= by);
            }
            Edit::Insert { at, bytes } => {
                let at = place(at as usize);
                stream.splice(at..at, bytes.iter().copied());
            }
            Edit::Remove { at, len } => {
                let range = range(at as usize, len as usize);
                stream.drain(range);
            }
            Edit::Repeat { at, len } => {
                let again = stream[range(at as usize, len.into())].to_vec();
                let at = place(at as usize);
                stream.splice(at..at, again);
            }
            Edit::Swap { a, b, len } => {
                let (a, b) = (range(a.into(), len.into()), range(b.into(), len.into()));
                for (a, b) in a.zip(b) {
                    stream.swap(a, b);
                }
            }
        }
    }
    stream
}

/// Cuts a stream into pieces of the given lengths, the last of whatever is left. No stream is one empty piece.
fn pieces<'s>(mut stream: &'s [u8], splits: &'s [u16]) -> impl Iterator<Item = &'s [u8]> {
    let mut lengths = splits.iter().map(|&length| usize::from(length)).chain([usize::MAX]);
    std::iter::from_fn(move || {
        let length = lengths.next()?.min(stream.len());
        let (piece, rest) = stream.split_at(length);
        stream = rest;
        Some(piece)
    })
}
