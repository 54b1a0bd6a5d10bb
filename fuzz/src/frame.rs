//! Frames between peers, and between a node and its workers.

use std::fmt::Debug;

use fizz_wire::frame::{self, FrameError, HEADER_BYTES, Message, VERSION};
use fizz_wire::{Reply, Request};

use crate::memory;
use crate::protocol::{Event, Instruction};

/// For each kind of message:
/// - no bytes make the decoder panic or take much more memory than there are bytes;
/// - what decodes passes its own check and encodes to the same bytes;
/// - no part of a frame, and no frame with a byte more, is a frame.
pub fn frame(data: &[u8]) {
    kind::<Request>(data);
    kind::<Reply>(data);
    kind::<Instruction>(data);
    kind::<Event>(data);
}

fn kind<M: Message + Debug + PartialEq>(data: &[u8]) {
    whole::<M>(data);
    // The same bytes as a message, with the right header, so that the fuzzer need not find it.
    let length = u32::try_from(data.len() + 1).expect("inputs are short");
    let framed = [&length.to_le_bytes()[..], &[VERSION], data].concat();
    whole::<M>(&framed);
}

fn whole<M: Message + Debug + PartialEq>(bytes: &[u8]) {
    let decoded = memory::within(memory::for_input(bytes.len()), || frame::decode::<M>(bytes));
    if let Some(header) = bytes.first_chunk::<HEADER_BYTES>() {
        let length = frame::body_length::<M>(*header);
        assert!(length.is_ok_and(|length| length <= M::MAX_BYTES) || decoded.is_err());
    }
    let Ok(message) = decoded else { return };
    assert_eq!(message.check(), Ok(()));
    assert_eq!(frame::encode(&message).as_deref(), Ok(bytes), "two encodings of one {}", M::KIND);
    let short = &bytes[..bytes.len() - 1];
    assert!(matches!(frame::decode::<M>(short), Err(FrameError::Truncated { .. })));
    let long = [bytes, &[0]].concat();
    assert!(matches!(frame::decode::<M>(&long), Err(FrameError::Trailing { .. })));
    // A message whose body lacks its end or goes on is none either, whatever the header says.
    assert!(frame::decode_body::<M>(&short[HEADER_BYTES..]).is_err());
    assert!(frame::decode_body::<M>(&long[HEADER_BYTES..]).is_err());
}
