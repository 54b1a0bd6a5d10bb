//! BLAKE3 digests with domains.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A BLAKE3 digest. On the wire and in canonical bytes it is a byte string of length 32, in text 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

/// What a digest is of. Each domain is a `blake3::derive_key` context, so that bytes hashed for one purpose never
/// have the digest of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A job's canonical bytes.
    Job,
    /// A lease's canonical bytes.
    Lease,
    /// A profile's canonical bytes.
    Profile,
    /// A task result's canonical bytes.
    Result,
    /// A receipt's canonical bytes.
    Receipt,
    /// A leaf of the output tree.
    OutputLeaf,
    /// An inner node of the output tree.
    OutputNode,
    /// A leaf of the chunk tree.
    Chunk,
    /// An inner node of the chunk tree.
    ChunkNode,
    /// The chunk tree's root with the number of its leaves.
    ChunkRoot,
    /// What the first chunk of a task starts from.
    ChunkStart,
    /// What the last chunk of a task ends in.
    ChunkEnd,
    /// The state of a task between two steps, canonically encoded.
    State,
    /// What a task is run on, as far as it is not state: module, arguments, environment, inputs, limits.
    StateTask,
    /// A page of linear memory.
    StatePage,
    /// An inner node of the tree over pages.
    StateNode,
    /// A challenge secret, whose digest stands in a lease.
    Challenge,
    /// The choice of samples from a secret and commitments.
    Sample,
    /// The guest's random bytes, keyed by the job's seed and the task's index.
    GuestRandom,
    /// A table of gas costs.
    CostTable,
}

impl Domain {
    /// The `derive_key` context.
    pub const fn context(self) -> &'static str {
        match self {
            Domain::Job => "fizz 2026-11 job v1",
            Domain::Lease => "fizz 2026-11 lease v1",
            Domain::Profile => "fizz 2026-11 profile v1",
            Domain::Result => "fizz 2026-11 task result v1",
            Domain::Receipt => "fizz 2026-11 receipt v1",
            Domain::OutputLeaf => "fizz 2026-11 output leaf v1",
            Domain::OutputNode => "fizz 2026-11 output node v1",
            Domain::Chunk => "fizz 2026-11 chunk leaf v1",
            Domain::ChunkNode => "fizz 2026-11 chunk node v1",
            Domain::ChunkRoot => "fizz 2026-11 chunk root v1",
            Domain::ChunkStart => "fizz 2026-11 chunk start v1",
            Domain::ChunkEnd => "fizz 2026-11 chunk end v1",
            Domain::State => "fizz 2026-11 state v1",
            Domain::StateTask => "fizz 2026-11 state task v1",
            Domain::StatePage => "fizz 2026-11 state page v1",
            Domain::StateNode => "fizz 2026-11 state node v1",
            Domain::Challenge => "fizz 2026-11 challenge secret v1",
            Domain::Sample => "fizz 2026-11 sample choice v1",
            Domain::GuestRandom => "fizz 2026-11 guest random v1",
            Domain::CostTable => "fizz 2026-11 cost table v1",
        }
    }
}

impl Digest {
    /// The digest of `bytes` in a domain.
    pub fn of(domain: Domain, bytes: &[u8]) -> Digest {
        Digest::of_parts(domain, &[bytes])
    }

    /// The digest of the concatenation of fixed-length `parts` in a domain.
    pub fn of_parts(domain: Domain, parts: &[&[u8]]) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key(domain.context());
        for part in parts {
            hasher.update(part);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// The plain BLAKE3 hash of a file's bytes, which is also the root of its Bao tree.
    pub fn of_content(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// The first eight hex digits, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not 64 hex digits.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a digest: 64 hex digits are expected")]
pub struct ParseDigestError(String);

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| ParseDigestError(text.chars().take(80).collect()))?;
        Ok(Digest(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            deserializer.deserialize_bytes(ByteArrayVisitor::<32>).map(Digest)
        }
    }
}

/// Reads a byte string of exactly `N` bytes.
pub(crate) struct ByteArrayVisitor<const N: usize>;

impl<const N: usize> de::Visitor<'_> for ByteArrayVisitor<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a byte string of length {N}")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}
