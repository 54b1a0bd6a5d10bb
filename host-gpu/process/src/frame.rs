//! What the two processes say to each other, as bytes. Pure: no input and output.
//!
//! All numbers are little-endian. A request is [`REQUEST_BYTES`]: `u32 op, u32 word, 5 × u64`; unused words are 0. A reply is
//! [`REPLY_BYTES`]: `u32 kind, u32 code, u64 value, u64 gas, u64 length`, and `length` bytes follow it. Both sides take
//! what they read for hostile: whatever is not listed here is a [`FrameError`], and every length has a limit.

use fizz_gpu_abi::Class;
use fizz_gpu_abi::host::{Device, HostFault, Identity, Limit, Quotas};
use std::time::Duration;

/// Version of this page.
pub const VERSION: u32 = 3;
/// Bytes of a request.
pub const REQUEST_BYTES: usize = 48;
/// Bytes of a reply, without what follows it.
pub const REPLY_BYTES: usize = 32;
/// How often a worker hears that a call goes on, at most.
pub const WORKING_EVERY: Duration = Duration::from_millis(500);
/// Most bytes of a text or of an identity.
pub const MAX_TEXT: u64 = 16 << 10;

/// Bytes that the frame is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad {0} in a frame of the GPU's process")]
pub struct FrameError(&'static str);

/// Where the bytes of a call are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind the frame.
    Inline,
    /// In memory that both map, from this byte on: for requests the guest's, for answers the staging memory.
    Shared(u64),
}

/// Bytes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where they are.
    pub place: Place,
    /// How many.
    pub len: u64,
}

/// A request of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A fresh session. Ends the one before it.
    Begin(Quotas),
    /// Memory for answers, of so many bytes. Its descriptor comes with the frame. No reply.
    Stage(u64),
    /// The guest's memory, of so many bytes. Its descriptor comes with the frame. No reply.
    Lend(u64),
    /// `open`, with room for so many bytes of caps.
    Open {
        /// The request's bytes.
        request: Span,
        /// Bytes of room.
        caps: u64,
    },
    /// `submit`.
    Submit(Span),
    /// `write`.
    Write {
        /// The buffer's id.
        buffer: u32,
        /// Offset in the buffer.
        offset: u64,
        /// What is written.
        data: Span,
    },
    /// `read`.
    Read {
        /// The buffer's id.
        buffer: u32,
        /// Offset in the buffer.
        offset: u64,
        /// How many bytes, and where the answer puts them.
        into: Span,
    },
    /// `wait` for a serial.
    Wait(i64),
    /// `poll`.
    Poll,
    /// `take_error`, with room for so many bytes.
    TakeError(u64),
    /// `close`.
    Close,
    /// The session is dropped. Answered with zeros once the device is idle.
    End,
}

/// A reply of the GPU's process. Bytes that follow are counted in `len`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Its first word: which adapter it has, as an identity follows.
    Ready {
        /// Bytes of the identity.
        len: u64,
    },
    /// It has no adapter. A text follows.
    Refused {
        /// Bytes of the text.
        len: u64,
    },
    /// It works on the call, and has got further since the last word.
    Working,
    /// The call's answer.
    Answer {
        /// What the import answers.
        value: i64,
        /// GPU gas used so far.
        gas: u64,
        /// Bytes that follow.
        len: u64,
    },
    /// The session has ended. A text follows.
    Stopped {
        /// How.
        stop: StopKind,
        /// GPU gas used.
        gas: u64,
        /// Bytes of the text.
        len: u64,
    },
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopKind {
    /// The guest broke the stream's rules; the text says how.
    Protocol,
    /// The GPU gas is used up.
    OutOfGas,
    /// A quota was passed.
    Limit(Limit),
    /// The node's fault; the text says what.
    Fault(HostFault),
}

const LIMITS: [Limit; 6] = [
    Limit::Objects,
    Limit::Shaders,
    Limit::ShaderBytes,
    Limit::StreamBytes,
    Limit::Invocations,
    Limit::Records,
];
const FAULTS: [HostFault; 3] = [HostFault::DeviceLost, HostFault::OutOfMemory, HostFault::TimedOut];

/// Writes a frame of words.
fn words<const BYTES: usize>(first: u32, second: u32, rest: &[u64]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..4].copy_from_slice(&first.to_le_bytes());
    bytes[4..8].copy_from_slice(&second.to_le_bytes());
    for (to, word) in bytes[8..].chunks_exact_mut(8).zip(rest) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

impl Span {
    /// Bytes behind the frame.
    pub fn inline(len: usize) -> Span {
        Span { place: Place::Inline, len: len as u64 }
    }

    /// The place's word, and the words of offset and length.
    fn parts(self) -> (u32, u64, u64) {
        match self.place {
            Place::Inline => (0, 0, self.len),
            Place::Shared(at) => (1, at, self.len),
        }
    }

    fn read(place: u32, at: u64, len: u64) -> Result<Span, FrameError> {
        match place {
            0 if at == 0 => Ok(Span { place: Place::Inline, len }),
            1 if at.checked_add(len).is_some() => Ok(Span { place: Place::Shared(at), len }),
            _ => Err(FrameError("place")),
        }
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn halves(pair: u64) -> (u32, u32) {
    (pair as u32, (pair >> 32) as u32)
}

impl Request {
    /// The request's bytes.
    pub fn encode(&self) -> [u8; REQUEST_BYTES] {
        match *self {
            Request::Begin(Quotas {
                class,
                gas,
                bytes,
                objects,
                shaders,
                shader_bytes,
                stream_bytes,
                invocations,
            }) => words(
                1,
                class.code(),
                &[gas, bytes, invocations, pair(objects, shaders), pair(shader_bytes, stream_bytes)],
            ),
            Request::Stage(bytes) => words(2, 0, &[bytes]),
            Request::Lend(bytes) => words(3, 0, &[bytes]),
            Request::Open { request, caps } => {
                let (place, at, len) = request.parts();
                words(4, place, &[at, len, caps])
            }
            Request::Submit(stream) => {
                let (place, at, len) = stream.parts();
                words(5, place, &[at, len])
            }
            Request::Write { buffer, offset, data } => {
                let (place, at, len) = data.parts();
                words(6, place, &[at, len, buffer.into(), offset])
            }
            Request::Read { buffer, offset, into } => {
                let (place, at, len) = into.parts();
                words(7, place, &[at, len, buffer.into(), offset])
            }
            Request::Wait(serial) => words(8, 0, &[serial.cast_unsigned()]),
            Request::Poll => words(9, 0, &[]),
            Request::TakeError(len) => words(10, 0, &[len]),
            Request::Close => words(11, 0, &[]),
            Request::End => words(12, 0, &[]),
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`FrameError`] for whatever [`encode`](Request::encode) does not write.
    pub fn decode(bytes: &[u8; REQUEST_BYTES]) -> Result<Request, FrameError> {
        let place = u32_at(bytes, 4);
        let word = |index: usize| u64_at(bytes, 8 + 8 * index);
        let span = || Span::read(place, word(0), word(1));
        let buffer = || u32::try_from(word(2)).map_err(|_| FrameError("buffer"));
        let request = match u32_at(bytes, 0) {
            1 => {
                let ((objects, shaders), (shader_bytes, stream_bytes)) = (halves(word(3)), halves(word(4)));
                Request::Begin(Quotas {
                    class: class_of(place)?,
                    gas: word(0),
                    bytes: word(1),
                    objects,
                    shaders,
                    shader_bytes,
                    stream_bytes,
                    invocations: word(2),
                })
            }
            2 => Request::Stage(word(0)),
            3 => Request::Lend(word(0)),
            4 => Request::Open { request: span()?, caps: word(2) },
            5 => Request::Submit(span()?),
            6 => Request::Write { buffer: buffer()?, offset: word(3), data: span()? },
            7 => Request::Read { buffer: buffer()?, offset: word(3), into: span()? },
            8 => Request::Wait(word(0).cast_signed()),
            9 => Request::Poll,
            10 => Request::TakeError(word(0)),
            11 => Request::Close,
            12 => Request::End,
            _ => return Err(FrameError("op")),
        };
        // One encoding of each request.
        if request.encode() == *bytes { Ok(request) } else { Err(FrameError("unused word")) }
    }
}

impl Reply {
    /// The reply's bytes.
    pub fn encode(&self) -> [u8; REPLY_BYTES] {
        match *self {
            Reply::Ready { len } => words(1, VERSION, &[0, 0, len]),
            Reply::Refused { len } => words(2, VERSION, &[0, 0, len]),
            Reply::Working => words(3, 0, &[]),
            Reply::Answer { value, gas, len } => words(4, 0, &[value.cast_unsigned(), gas, len]),
            Reply::Stopped { stop, gas, len } => {
                let (kind, code) = stop.parts();
                words(kind, code, &[0, gas, len])
            }
        }
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// [`FrameError`] for whatever [`encode`](Reply::encode) does not write, for another version, and for texts that are too long.
    pub fn decode(bytes: &[u8; REPLY_BYTES]) -> Result<Reply, FrameError> {
        let (kind, code) = (u32_at(bytes, 0), u32_at(bytes, 4));
        let (value, gas, len) = (u64_at(bytes, 8), u64_at(bytes, 16), u64_at(bytes, 24));
        let reply = match kind {
            1 | 2 if code != VERSION => return Err(FrameError("version")),
            1 => Reply::Ready { len },
            2 => Reply::Refused { len },
            3 => Reply::Working,
            4 => Reply::Answer { value: value.cast_signed(), gas, len },
            _ => Reply::Stopped { stop: StopKind::read(kind, code)?, gas, len },
        };
        let text = !matches!(reply, Reply::Answer { .. });
        if text && len > MAX_TEXT {
            return Err(FrameError("length"));
        }
        if reply.encode() == *bytes { Ok(reply) } else { Err(FrameError("unused word")) }
    }
}

impl StopKind {
    fn parts(self) -> (u32, u32) {
        let place = |index: Option<usize>| index.map_or(u32::MAX, |index| index as u32);
        match self {
            StopKind::Protocol => (5, 0),
            StopKind::OutOfGas => (6, 0),
            StopKind::Limit(limit) => (7, place(LIMITS.iter().position(|other| *other == limit))),
            StopKind::Fault(fault) => (8, place(FAULTS.iter().position(|other| *other == fault))),
        }
    }

    fn read(kind: u32, code: u32) -> Result<StopKind, FrameError> {
        let stop = match kind {
            5 => Some(StopKind::Protocol),
            6 => Some(StopKind::OutOfGas),
            7 => LIMITS.get(code as usize).copied().map(StopKind::Limit),
            8 => FAULTS.get(code as usize).copied().map(StopKind::Fault),
            _ => return Err(FrameError("kind")),
        };
        stop.ok_or(FrameError("code"))
    }
}

/// The bytes of an identity: `u32 stream`, and the devices for the classes `fast` and `exact`, each as `u32 kind` (0: none, 1:
/// a device, 2: one that a processor plays) and, unless it is none, shader, adapter, driver, backend and probe, each as `u16
/// length` and UTF-8. Names longer than 1024 bytes are cut.
pub fn encode_identity(identity: &Identity) -> Vec<u8> {
    let mut bytes = identity.stream.to_le_bytes().to_vec();
    for device in [&identity.fast, &identity.exact] {
        let kind = device.as_ref().map_or(0, |device| 1 + u32::from(device.software));
        bytes.extend(kind.to_le_bytes());
        let Some(Device { shader, adapter, driver, backend, probe, software: _ }) = device else { continue };
        for name in [shader, adapter, driver, backend, probe] {
            let name = &name[..name.floor_char_boundary(MAX_NAME)];
            bytes.extend((name.len() as u16).to_le_bytes());
            bytes.extend(name.as_bytes());
        }
    }
    bytes
}

/// Most bytes of a name in an identity.
const MAX_NAME: usize = 1024;

/// Reads an identity.
///
/// # Errors
/// [`FrameError`] for whatever [`encode_identity`] does not write.
pub fn decode_identity(bytes: &[u8]) -> Result<Identity, FrameError> {
    let mut rest = bytes;
    let stream = number(&mut rest)?;
    let (fast, exact) = (device(&mut rest)?, device(&mut rest)?);
    if rest.is_empty() { Ok(Identity { stream, fast, exact }) } else { Err(FrameError("identity")) }
}

fn number(rest: &mut &[u8]) -> Result<u32, FrameError> {
    let (head, more) = rest.split_first_chunk::<4>().ok_or(FrameError("identity"))?;
    *rest = more;
    Ok(u32::from_le_bytes(*head))
}

fn device(rest: &mut &[u8]) -> Result<Option<Device>, FrameError> {
    let software = match number(rest)? {
        0 => return Ok(None),
        1 => false,
        2 => true,
        _ => return Err(FrameError("identity")),
    };
    let mut name = || {
        let (len, more) = rest.split_first_chunk::<2>()?;
        let (name, more) = more.split_at_checked(u16::from_le_bytes(*len).into())?;
        *rest = more;
        std::str::from_utf8(name).ok().filter(|name| name.len() <= MAX_NAME).map(str::to_owned)
    };
    let mut next = || name().ok_or(FrameError("identity"));
    let (shader, adapter, driver, backend, probe) = (next()?, next()?, next()?, next()?, next()?);
    Ok(Some(Device { shader, adapter, driver, backend, software, probe }))
}

/// The class of a job, as a word of a request.
fn class_of(word: u32) -> Result<Class, FrameError> {
    Class::from_code(word).filter(|class| *class != Class::Job).ok_or(FrameError("class"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_socket() {
        let quotas = Quotas {
            class: Class::Exact,
            gas: u64::MAX,
            bytes: 2,
            objects: 3,
            shaders: 4,
            shader_bytes: 5,
            stream_bytes: 6,
            invocations: 7,
        };
        let shared = Span { place: Place::Shared(9), len: 8 };
        for request in [
            Request::Begin(quotas),
            Request::Stage(1),
            Request::Lend(1 << 32),
            Request::Open { request: Span::inline(16), caps: 3 },
            Request::Submit(shared),
            Request::Write { buffer: u32::MAX, offset: u64::MAX, data: shared },
            Request::Read { buffer: 1, offset: 2, into: Span::inline(3) },
            Request::Wait(-1),
            Request::Poll,
            Request::TakeError(u64::MAX),
            Request::Close,
            Request::End,
        ] {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        let mut replies = vec![
            Reply::Ready { len: 1 },
            Reply::Refused { len: MAX_TEXT },
            Reply::Working,
            Reply::Answer { value: -1, gas: 2, len: u64::MAX },
            Reply::Stopped { stop: StopKind::Protocol, gas: 1, len: 2 },
            Reply::Stopped { stop: StopKind::OutOfGas, gas: 1, len: 0 },
        ];
        let stops = LIMITS.map(StopKind::Limit).into_iter().chain(FAULTS.map(StopKind::Fault));
        replies.extend(stops.map(|stop| Reply::Stopped { stop, gas: 1, len: 0 }));
        for reply in replies {
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let change = |request: Request, at: usize, byte: u8| {
            let mut bytes = request.encode();
            bytes[at] = byte;
            Request::decode(&bytes)
        };
        assert_eq!(change(Request::Poll, 0, 99), Err(FrameError("op")));
        assert_eq!(change(Request::Poll, 9, 1), Err(FrameError("unused word")));
        assert_eq!(change(Request::Submit(Span::inline(1)), 4, 2), Err(FrameError("place")));
        let end = Span { place: Place::Shared(u64::MAX), len: 0 };
        assert_eq!(change(Request::Submit(end), 16, 1), Err(FrameError("place")));
        let long = Reply::Stopped { stop: StopKind::Protocol, gas: 0, len: MAX_TEXT + 1 };
        assert_eq!(Reply::decode(&long.encode()), Err(FrameError("length")));
        assert_eq!(Reply::decode(&words(7, 6, &[])), Err(FrameError("code")));
        assert_eq!(Reply::decode(&words(1, VERSION + 1, &[])), Err(FrameError("version")));
    }

    #[test]
    fn identities_survive_and_are_cut() {
        let device = Device {
            shader: "naga 30".into(),
            adapter: "Größe".into(),
            driver: String::new(),
            backend: "vulkan".into(),
            software: true,
            probe: "0123".into(),
        };
        let exact = Some(Device { software: false, ..device.clone() });
        for exact in [None, exact] {
            let mut identity = Identity { stream: 1, fast: Some(device.clone()), exact };
            let bytes = encode_identity(&identity);
            assert_eq!(decode_identity(&bytes), Ok(identity.clone()));
            for end in 0..bytes.len() {
                assert!(decode_identity(&bytes[..end]).is_err());
            }
            assert!(decode_identity(&[&bytes[..], &[0]].concat()).is_err());
            identity.fast = Some(Device { driver: "ü".repeat(1000), ..device.clone() });
            let cut = decode_identity(&encode_identity(&identity)).unwrap();
            assert_eq!(cut.fast.unwrap().driver, "ü".repeat(512));
        }
        assert_eq!(decode_identity(&[1, 0, 0, 0, 3, 0, 0, 0]), Err(FrameError("identity")));
    }
}
