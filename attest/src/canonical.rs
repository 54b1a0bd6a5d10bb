//! Canonical bytes: strict DAG-CBOR, one encoding for each value.
//!
//! The format is DAG-CBOR as specified by IPLD (shortest integers, definite lengths, map keys sorted by length and
//! then bytes, no tags but links, no trailing bytes). On top of the strict decoder, every decoded value is encoded
//! again and compared, so that no second encoding of any value can be accepted.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes are not the canonical encoding of the expected type.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CanonicalError {
    /// More bytes than this type may have.
    #[error("a {kind} of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Name of the type.
        kind: &'static str,
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes do not decode.
    #[error("the bytes are no valid {kind}: {message}")]
    Invalid {
        /// Name of the type.
        kind: &'static str,
        /// What the decoder says.
        message: String,
    },
    /// The bytes decode, but another encoding of the same value is the canonical one.
    #[error("the {kind} is not canonically encoded")]
    NotCanonical {
        /// Name of the type.
        kind: &'static str,
    },
}

/// A type with one canonical encoding.
pub trait Canonical: Serialize + DeserializeOwned {
    /// Name of the type, as in the payload type of a signed envelope.
    const TYPE: &'static str;
    /// Bytes a decoder takes at most.
    const MAX_BYTES: usize = 16 << 20;

    /// The canonical bytes.
    fn to_canonical(&self) -> Vec<u8> {
        serde_ipld_dagcbor::to_vec(self)
            .expect("canonical types hold only integers, bytes, text, lists and maps")
    }

    /// Decodes canonical bytes and refuses all others.
    fn from_canonical(bytes: &[u8]) -> Result<Self, CanonicalError> {
        let kind = Self::TYPE;
        if bytes.len() > Self::MAX_BYTES {
            return Err(CanonicalError::TooLarge { kind, size: bytes.len(), limit: Self::MAX_BYTES });
        }
        let value: Self = serde_ipld_dagcbor::from_slice(bytes).map_err(|error| CanonicalError::Invalid {
            kind,
            message: error.to_string().chars().take(200).collect(),
        })?;
        if value.to_canonical() != bytes {
            return Err(CanonicalError::NotCanonical { kind });
        }
        Ok(value)
    }
}
