//! Frames: a length, a version, and one message in postcard.
//!
//! ```text
//! length   u32, little endian: how many bytes follow
//! version  u8: 1
//! message  postcard (https://postcard.jamesmunns.com/wire-format)
//! ```
//!
//! This part is pure. A decoder accepts one encoding of each message: no bytes may be left over, and variable-length
//! integers must be as short as they can be.

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version byte of every frame.
pub const VERSION: u8 = 1;

/// Bytes of the length before a frame's body.
pub const HEADER_BYTES: usize = 4;

/// A message that travels in a frame.
pub trait Message: Serialize + DeserializeOwned {
    /// What messages of this type are called in errors.
    const KIND: &'static str;
    /// Bytes of a frame's body (version and message) at most.
    const MAX_BYTES: usize;

    /// Checks the bounds of every field. Called before a message is sent and after one is decoded.
    fn check(&self) -> Result<(), FieldError>;
}

/// A field of a message is out of bounds.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("field `{field}` of a {message} message: {problem}")]
pub struct FieldError {
    /// The message.
    pub message: &'static str,
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// A frame is refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// The length is over the limit of its direction. Nothing was allocated for it.
    #[error("a {kind} frame of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Kind of message.
        kind: &'static str,
        /// Length in the header, or of the message to be sent.
        size: u64,
        /// Bytes allowed.
        limit: usize,
    },
    /// The length is 0, so that not even the version is there.
    #[error("an empty {kind} frame")]
    Empty {
        /// Kind of message.
        kind: &'static str,
    },
    /// Another version of the format.
    #[error("a {kind} frame of version {found}, only {VERSION} is known")]
    Version {
        /// Kind of message.
        kind: &'static str,
        /// The version byte.
        found: u8,
    },
    /// Bytes end before the frame does.
    #[error("a {kind} frame ends after {found} of {needed} bytes")]
    Truncated {
        /// Kind of message.
        kind: &'static str,
        /// Bytes of the whole frame.
        needed: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Bytes are left after the frame, or inside it after the message.
    #[error("a {kind} frame has {extra} bytes too many")]
    Trailing {
        /// Kind of message.
        kind: &'static str,
        /// Bytes left over.
        extra: usize,
    },
    /// The bytes are no message of this kind.
    #[error("not a {kind}: {message}")]
    Invalid {
        /// Kind of message.
        kind: &'static str,
        /// What the decoder says.
        message: String,
    },
    /// The bytes decode, but another encoding of the same message is the right one.
    #[error("a {kind} that is not in its shortest encoding")]
    NotCanonical {
        /// Kind of message.
        kind: &'static str,
    },
    /// A field is out of bounds.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// Encodes a message as a whole frame.
///
/// # Errors
/// [`FrameError::Field`] and [`FrameError::TooLarge`] when the peer would refuse it.
pub fn encode<M: Message>(message: &M) -> Result<Vec<u8>, FrameError> {
    message.check()?;
    let start = vec![0, 0, 0, 0, VERSION];
    let mut frame = postcard::to_extend(message, start)
        .map_err(|error| FrameError::Invalid { kind: M::KIND, message: error.to_string() })?;
    let body = frame.len() - HEADER_BYTES;
    let length = u32::try_from(body).ok().filter(|_| body <= M::MAX_BYTES).ok_or(FrameError::TooLarge {
        kind: M::KIND,
        size: body as u64,
        limit: M::MAX_BYTES,
    })?;
    frame[..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Decodes bytes that are exactly one frame.
///
/// # Errors
/// Any [`FrameError`]. A length over the limit is refused whatever follows it.
pub fn decode<M: Message>(bytes: &[u8]) -> Result<M, FrameError> {
    let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(FrameError::Truncated { kind: M::KIND, needed: HEADER_BYTES, found: bytes.len() });
    };
    let length = body_length::<M>(*header)?;
    if body.len() < length {
        let needed = HEADER_BYTES + length;
        return Err(FrameError::Truncated { kind: M::KIND, needed, found: bytes.len() });
    }
    if body.len() > length {
        return Err(FrameError::Trailing { kind: M::KIND, extra: body.len() - length });
    }
    decode_body(body)
}

/// The length in a frame's header, checked against the limit of its kind.
///
/// # Errors
/// [`FrameError::TooLarge`] and [`FrameError::Empty`].
pub fn body_length<M: Message>(header: [u8; HEADER_BYTES]) -> Result<usize, FrameError> {
    let size = u32::from_le_bytes(header);
    match usize::try_from(size) {
        Ok(0) => Err(FrameError::Empty { kind: M::KIND }),
        Ok(length) if length <= M::MAX_BYTES => Ok(length),
        _ => Err(FrameError::TooLarge { kind: M::KIND, size: u64::from(size), limit: M::MAX_BYTES }),
    }
}

/// Decodes a frame's body: version and message.
///
/// # Errors
/// Any [`FrameError`] but those about lengths of the whole frame.
pub fn decode_body<M: Message>(body: &[u8]) -> Result<M, FrameError> {
    let (&version, bytes) = body.split_first().ok_or(FrameError::Empty { kind: M::KIND })?;
    if version != VERSION {
        return Err(FrameError::Version { kind: M::KIND, found: version });
    }
    let (message, rest) = postcard::take_from_bytes::<M>(bytes)
        .map_err(|error| FrameError::Invalid { kind: M::KIND, message: error.to_string() })?;
    if !rest.is_empty() {
        return Err(FrameError::Trailing { kind: M::KIND, extra: rest.len() });
    }
    message.check()?;
    match postcard::serialize_with_flavor(&message, Compare { left: bytes }) {
        Ok(true) => Ok(message),
        _ => Err(FrameError::NotCanonical { kind: M::KIND }),
    }
}

/// Compares an encoding with expected bytes as it is made, so that no copy of it is kept.
struct Compare<'a> {
    left: &'a [u8],
}

impl Flavor for Compare<'_> {
    type Output = bool;

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.left = self.left.strip_prefix(data).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.left.is_empty())
    }
}
