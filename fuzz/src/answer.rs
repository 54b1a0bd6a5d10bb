//! What goes through the pipes of a process that compiles, which its module may have taken over.

use crate::memory;
use crate::pipe::{Answer, COMPILED, FAILED, ORDER_BYTES, Order, read_answer, write_answer};

/// Two bytes for the size of the module, then an answer, and whatever follows it.
///
/// - No answer takes memory for what it only promises.
/// - An answer has one encoding, what comes after it is not looked at, and no part of it is an answer.
/// - An order has one encoding too.
pub fn answer(data: &[u8]) {
    if let Some(order) = data.first_chunk::<ORDER_BYTES>()
        && let Ok(read) = Order::decode(*order)
    {
        assert_eq!(read.encode(), *order);
    }
    let Some((size, stream)) = data.split_first_chunk::<2>() else { return };
    let wasm_bytes = u64::from(u16::from_le_bytes(*size)).pow(4);
    let limit = (1 << 16) + 8 * stream.len();
    let Ok(answer) = memory::within(limit, || read_answer(stream, wasm_bytes)) else { return };
    let mut written = Vec::new();
    let (status, parts) = match &answer {
        Answer::Code(key, code) => (COMPILED, [&key[..], code]),
        Answer::Refused(reason) => (FAILED, [reason.as_bytes(), &[]]),
    };
    write_answer(&mut written, status, &parts).expect("memory is no pipe");
    match answer {
        Answer::Code(..) => assert!(stream.starts_with(&written)),
        // Bytes that are no text have been replaced.
        Answer::Refused(_) => assert_eq!(read_answer(&written[..], u64::MAX).expect("an answer"), answer),
    }
    for end in [0, 8, written.len() - 1] {
        assert!(read_answer(&written[..end], u64::MAX).is_err());
    }
}
