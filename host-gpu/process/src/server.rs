//! The GPU's process itself: answers calls until the worker is gone.

use crate::bounds;
use crate::frame::{
    MAX_TEXT, Place, REQUEST_BYTES, Reply, Request, Span, StopKind, WORKING_EVERY, encode_identity,
};
use crate::link::{Link, Pump};
use fizz_gpu_abi::host::{Quotas, Session, Sessions, Stop};
use fizz_gpu_abi::{Caps, Class, MAX_RECORD, PollState, status};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Longest request of `open`.
const REQUEST_MAX: u64 = 4096;

#[cfg(target_os = "linux")]
type Memory = crate::mapping::Mapping;
#[cfg(target_os = "linux")]
type Descriptor = std::os::fd::OwnedFd;

/// This process as the GPU's, over standard input and output.
pub struct Server {
    input: Input,
    output: Arc<Output>,
}

enum Input {
    #[cfg(unix)]
    Socket(std::os::unix::net::UnixStream),
    Pipe(Pump),
}

/// Replies, and signs of life among them.
struct Output {
    link: Mutex<Link>,
    /// The last word of a call that goes on.
    last: Mutex<Option<Instant>>,
}

impl Output {
    fn send(&self, reply: Reply, rest: &[u8]) -> io::Result<()> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).send(&reply.encode(), rest, None)
    }

    fn busy(&self, since: Option<Instant>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn beat(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() >= WORKING_EVERY) {
            *last = Some(Instant::now());
            // A socket that breaks here is met again by the answer.
            let _ = self.send(Reply::Working, &[]);
        }
    }
}

impl Server {
    /// Takes standard input and output over, holds this process to so many bytes of private memory, and sees to it that it ends
    /// with the worker. To be called before a driver is loaded.
    ///
    /// # Errors
    /// When the worker is gone already.
    pub fn start(memory_bytes: u64) -> io::Result<Server> {
        bounds::bound(memory_bytes)?;
        #[cfg(unix)]
        if let Some(socket) = standard_socket()? {
            let (watched, answers) = (socket.try_clone()?, socket.try_clone()?);
            std::thread::spawn(move || end_with(&watched));
            let output = Output { link: Mutex::new(Link::Socket(answers)), last: Mutex::new(None) };
            return Ok(Server { input: Input::Socket(socket), output: Arc::new(output) });
        }
        let input = Pump::new(io::stdin(), || std::process::exit(0));
        let never = Pump::new(io::empty(), || {});
        let link = Link::Pipes { to: Box::new(io::stdout()), from: never };
        let output = Output { link: Mutex::new(link), last: Mutex::new(None) };
        Ok(Server { input: Input::Pipe(input), output: Arc::new(output) })
    }

    /// What a device calls whenever it has got further, so that the worker knows that it has not hung.
    pub fn heartbeat(&self) -> Arc<dyn Fn() + Send + Sync> {
        let output = self.output.clone();
        Arc::new(move || output.beat())
    }

    /// Tells the worker that there is no GPU, and why.
    ///
    /// # Errors
    /// When the worker is gone.
    pub fn refuse(self, reason: &str) -> io::Result<()> {
        let reason = cut(reason);
        self.output.send(Reply::Refused { len: reason.len() as u64 }, reason.as_bytes())
    }

    /// Tells the worker what there is, and answers its calls until it is gone.
    ///
    /// # Errors
    /// When the worker sends what a worker does not send.
    pub fn serve(mut self, sessions: &dyn Sessions) -> io::Result<()> {
        let identity = encode_identity(&sessions.identity());
        self.output.send(Reply::Ready { len: identity.len() as u64 }, &identity)?;
        let mut serving = Serving::new(sessions);
        while let Some(incoming) = self.request()? {
            self.output.busy(Some(Instant::now()));
            let answer = serving.carry_out(incoming, &mut self.input)?;
            self.output.busy(None);
            if let Some((reply, rest)) = answer {
                self.output.send(reply, &rest)?;
            }
        }
        Ok(())
    }

    /// The next request; none at the end.
    fn request(&mut self) -> io::Result<Option<Incoming>> {
        let mut frame = [0; REQUEST_BYTES];
        let mut incoming = Incoming {
            request: Request::End,
            #[cfg(target_os = "linux")]
            descriptor: None,
        };
        match &mut self.input {
            #[cfg(target_os = "linux")]
            Input::Socket(socket) => {
                crate::descriptors::linger(socket);
                let mut filled = 0;
                while filled < frame.len() {
                    match crate::descriptors::receive(socket, &mut frame[filled..]) {
                        Ok((0, _)) if filled == 0 => return Ok(None),
                        Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Ok((count, descriptor)) => {
                            filled += count;
                            incoming.descriptor = descriptor.or(incoming.descriptor.take());
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            input => match input.fill(&mut frame) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                other => other?,
            },
        }
        incoming.request = Request::decode(&frame).map_err(io::Error::other)?;
        Ok(Some(incoming))
    }
}

/// Standard input, if it is a socket.
#[cfg(unix)]
fn standard_socket() -> io::Result<Option<std::os::unix::net::UnixStream>> {
    use std::os::fd::AsFd;
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let file = std::fs::File::from(stdin);
    if !std::os::unix::fs::FileTypeExt::is_socket(&file.metadata()?.file_type()) {
        return Ok(None);
    }
    Ok(Some(std::os::fd::OwnedFd::from(file).into()))
}

/// Ends this process when the other end of the socket is gone, whatever hangs in a driver.
#[cfg(unix)]
fn end_with(socket: &std::os::unix::net::UnixStream) {
    use rustix::event::{PollFd, PollFlags, poll};
    #[cfg(target_os = "linux")]
    let flags = PollFlags::RDHUP;
    #[cfg(not(target_os = "linux"))]
    let flags = PollFlags::HUP;
    loop {
        let mut watched = [PollFd::new(socket, flags)];
        match poll(&mut watched, None) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) if !watched[0].revents().intersects(flags | PollFlags::HUP | PollFlags::ERR) => {}
            _ => break,
        }
    }
    // Nothing of the driver's is asked to tidy up: it may be what hangs.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

impl Input {
    fn fill(&mut self, into: &mut [u8]) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Input::Socket(socket) => io::Read::read_exact(socket, into),
            Input::Pipe(pump) => pump.fill(into, None),
        }
    }
}

/// A request with what came along.
struct Incoming {
    request: Request,
    #[cfg(target_os = "linux")]
    descriptor: Option<Descriptor>,
}

/// The one session, and the memories that both processes map.
struct Serving<'a> {
    sessions: &'a dyn Sessions,
    session: Option<Box<dyn Session>>,
    quotas: Quotas,
    #[cfg(target_os = "linux")]
    lent: Option<Memory>,
    #[cfg(target_os = "linux")]
    staging: Option<Memory>,
}

type Answer = Option<(Reply, Vec<u8>)>;

fn worker_broke(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the worker sent {what}"))
}

impl<'a> Serving<'a> {
    fn new(sessions: &'a dyn Sessions) -> Self {
        let quotas = Quotas {
            class: Class::Fast,
            gas: 0,
            bytes: 0,
            objects: 0,
            shaders: 0,
            shader_bytes: 0,
            stream_bytes: 0,
            invocations: 0,
        };
        Serving {
            sessions,
            session: None,
            quotas,
            #[cfg(target_os = "linux")]
            lent: None,
            #[cfg(target_os = "linux")]
            staging: None,
        }
    }

    fn carry_out(&mut self, incoming: Incoming, input: &mut Input) -> io::Result<Answer> {
        match incoming.request {
            Request::Begin(quotas) => return Ok(Some(self.begin(quotas))),
            Request::End => {
                self.end();
                return Ok(Some((Reply::Answer { value: 0, gas: 0, len: 0 }, Vec::new())));
            }
            Request::Stage(_) | Request::Lend(_) => return self.take(incoming).map(|()| None),
            _ => {}
        }
        // Bytes behind the frame come first, whatever becomes of the call.
        let inline = match incoming.request {
            Request::Open { request, .. } => read_inline(request, REQUEST_MAX, input)?,
            Request::Submit(stream) => read_inline(stream, u64::from(self.quotas.stream_bytes) + 1, input)?,
            Request::Write { data, .. } => read_inline(data, u64::MAX, input)?,
            _ => Vec::new(),
        };
        let mut rest = Vec::new();
        let Some(session) = &mut self.session else { return Err(worker_broke("a call without a session")) };
        #[cfg(target_os = "linux")]
        let lent = self.lent.as_ref();
        let shared = |span: Span| -> io::Result<&[u8]> {
            match span.place {
                Place::Inline => Ok(&inline),
                #[cfg(target_os = "linux")]
                Place::Shared(at) => lent
                    .and_then(|memory| memory.bytes(at, span.len))
                    .ok_or_else(|| worker_broke("a range outside the guest's memory")),
                #[cfg(not(target_os = "linux"))]
                Place::Shared(_) => Err(worker_broke("a range of a memory that is not shared")),
            }
        };
        let result = match incoming.request {
            Request::Open { request, caps } => {
                if request.len > REQUEST_MAX {
                    return Err(worker_broke("a long request to open"));
                }
                // Copied before anybody looks at it.
                let request = shared(request)?.to_vec();
                rest = vec![0; caps.min(Caps::SIZE as u64) as usize];
                session.open(&request, &mut rest).map(i64::from)
            }
            Request::Submit(mut stream) => {
                stream.len = stream.len.min(u64::from(self.quotas.stream_bytes) + 1);
                let stream = shared(stream)?.to_vec();
                session.submit(&stream)
            }
            Request::Write { buffer, offset, data } => {
                session.write(buffer, offset, shared(data)?).map(i64::from)
            }
            Request::Read { buffer, offset, into } => match into.place {
                Place::Inline => {
                    rest = zeros(into.len)?;
                    session.read(buffer, offset, &mut rest).map(i64::from)
                }
                #[cfg(target_os = "linux")]
                Place::Shared(at) => {
                    let staging = self.staging.as_mut().and_then(|memory| memory.bytes_mut(at, into.len));
                    let into = staging.ok_or_else(|| worker_broke("a range outside the staging memory"))?;
                    session.read(buffer, offset, into).map(i64::from)
                }
                #[cfg(not(target_os = "linux"))]
                Place::Shared(_) => return Err(worker_broke("a range of a memory that is not shared")),
            },
            Request::Wait(serial) => session.wait(serial, 0).map(i64::from),
            Request::Poll => {
                let mut state = [0; PollState::SIZE];
                let polled = session.poll(&mut state);
                if polled.as_ref().is_ok_and(|serial| *serial >= 0) {
                    rest = state.to_vec();
                }
                polled
            }
            Request::TakeError(room) => {
                rest = vec![0; room.min(MAX_RECORD as u64) as usize];
                session.take_error(&mut rest).map(i64::from)
            }
            Request::Close => session.close().map(i64::from),
            Request::Begin(_) | Request::End | Request::Stage(_) | Request::Lend(_) => {
                return Err(worker_broke("something out of turn"));
            }
        };
        let gas = session.gas();
        Ok(Some(match result {
            Ok(value) => {
                let filled = match incoming.request {
                    Request::Open { .. } | Request::TakeError(_) => value.max(0).cast_unsigned(),
                    Request::Read { .. } if value != status::OK.into() => 0,
                    _ => rest.len() as u64,
                };
                rest.truncate(usize::try_from(filled).unwrap_or(usize::MAX));
                (Reply::Answer { value, gas, len: rest.len() as u64 }, rest)
            }
            Err(stop) => stopped(&stop, gas),
        }))
    }

    fn begin(&mut self, quotas: Quotas) -> (Reply, Vec<u8>) {
        self.end();
        self.quotas = quotas;
        match self.sessions.session(&quotas) {
            Ok(session) => {
                self.session = Some(session);
                (Reply::Answer { value: 0, gas: 0, len: 0 }, Vec::new())
            }
            Err(stop) => stopped(&stop, 0),
        }
    }

    fn end(&mut self) {
        self.session = None;
        #[cfg(target_os = "linux")]
        {
            self.lent = None;
        }
    }

    /// Maps a memory that came along.
    fn take(&mut self, incoming: Incoming) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            let missing = || worker_broke("no memory along with its size");
            let descriptor = incoming.descriptor.ok_or_else(missing)?;
            match incoming.request {
                Request::Lend(bytes) => self.lent = Some(Memory::new(&descriptor, bytes, false)?),
                Request::Stage(bytes) => self.staging = Some(Memory::new(&descriptor, bytes, true)?),
                _ => return Err(worker_broke("something out of turn")),
            }
            Ok(())
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = incoming;
            Err(worker_broke("a memory, which cannot be shared here"))
        }
    }
}

/// The bytes behind a frame; for a span elsewhere none.
fn read_inline(span: Span, most: u64, input: &mut Input) -> io::Result<Vec<u8>> {
    if span.place != Place::Inline {
        return Ok(Vec::new());
    }
    if span.len > most {
        return Err(worker_broke("more bytes than the call takes"));
    }
    let mut bytes = zeros(span.len)?;
    input.fill(&mut bytes)?;
    Ok(bytes)
}

/// So many zeros, if there is room for them.
fn zeros(len: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT as usize)]
}

fn stopped(stop: &Stop, gas: u64) -> (Reply, Vec<u8>) {
    let (kind, text): (StopKind, &str) = match stop {
        Stop::Protocol(text) => (StopKind::Protocol, text),
        Stop::OutOfGas => (StopKind::OutOfGas, ""),
        Stop::LimitExceeded(limit) => (StopKind::Limit(*limit), ""),
        Stop::HostFault(fault, text) => (StopKind::Fault(*fault), text),
    };
    let text = cut(text).as_bytes().to_vec();
    (Reply::Stopped { stop: kind, gas, len: text.len() as u64 }, text)
}
