//! Frames between a worker and the GPU's process.

use fizz_gpu_process::frame::{
    MAX_TEXT, REPLY_BYTES, REQUEST_BYTES, Reply, Request, decode_identity, encode_identity,
};

use crate::memory;

/// - No bytes make a decoder panic or take much more memory than there are bytes.
/// - What decodes encodes to the same bytes: no request, reply or identity has two forms.
/// - No range of shared memory passes the end of the numbers, and no text is longer than its limit.
pub fn gpu_process(data: &[u8]) {
    for frame in data.as_chunks::<REQUEST_BYTES>().0 {
        if let Ok(request) = Request::decode(frame) {
            assert_eq!(request.encode(), *frame, "two forms of {request:?}");
        }
    }
    for frame in data.as_chunks::<REPLY_BYTES>().0 {
        let Ok(reply) = Reply::decode(frame) else { continue };
        assert_eq!(reply.encode(), *frame, "two forms of {reply:?}");
        if let Reply::Ready { len } | Reply::Refused { len } | Reply::Stopped { len, .. } = reply {
            assert!(len <= MAX_TEXT);
        }
    }
    let identity = memory::within(memory::for_input(data.len()), || decode_identity(data));
    if let Ok(identity) = identity {
        assert_eq!(encode_identity(&identity), data, "two forms of {identity:?}");
    }
}
