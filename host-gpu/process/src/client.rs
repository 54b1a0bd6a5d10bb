//! The worker's side: a session whose calls go to another process.

use crate::child::Process;
use crate::claims::Claims;
use crate::frame::{Place, REQUEST_BYTES, Reply, Request, Span, StopKind, WORKING_EVERY};
use fizz_gpu_abi::host::{HostFault, Identity, Lent, Limit, Quotas, Session, Sessions, Stop};
use fizz_gpu_abi::{Caps, MAX_RECORD, PollState, status};
use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Processes without a session that are kept.
const IDLE: usize = 2;

/// How the GPU's process is started: a program that makes a [`Server`](crate::Server).
///
/// It gets the variables of the environment that say where programs, libraries and drivers are and how drivers behave, and no
/// others: what a node's operator keeps in the environment is not for drivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// How it is spoken to.
    pub transport: Transport,
}

/// How two processes speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// A socket and shared memory on Linux, a socket on other Unix systems, else pipes.
    #[default]
    Best,
    /// A socket where there are sockets, and all bytes through it.
    Copying,
    /// Pipes, and all bytes through them.
    Pipes,
}

/// When a process has hung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Wall-clock time of one step at most: of making one shader, pipeline or other object, of one submission, of one wait for the
    /// device. A call of the guest may have many steps.
    pub step: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Watch { step: Duration::from_secs(30) }
    }
}

/// The GPU's process cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program does not start.
    #[error("cannot start the GPU's process: {0}")]
    Spawn(io::Error),
    /// It runs, and has no adapter to give; its own words.
    #[error("{0}")]
    Refused(String),
    /// It crashed or hung before it could say anything.
    #[error("{0}, before it said what it has")]
    Died(String),
}

/// Sessions in processes of their own.
#[derive(Clone)]
pub struct GpuProcess {
    shared: Arc<Shared>,
}

struct Shared {
    command: GpuCommand,
    watch: Watch,
    identity: Identity,
    idle: Mutex<Vec<Process>>,
}

impl std::fmt::Debug for GpuProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("GpuProcess").field(&self.shared.identity).finish()
    }
}

impl GpuProcess {
    /// Starts a first process, to learn which adapter there is.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(command: GpuCommand, watch: Watch) -> Result<GpuProcess, StartError> {
        let (process, identity) = Process::start(&command, watch)?;
        let idle = Mutex::new(vec![process]);
        Ok(GpuProcess { shared: Arc::new(Shared { command, watch, identity, idle }) })
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process that an earlier session has left.
    fn left(&self) -> Option<Process> {
        while let Some(mut process) = { self.idle().pop() } {
            if process.lives() {
                return Some(process);
            }
        }
        None
    }

    /// A fresh process.
    fn fresh(&self) -> Result<Process, Stop> {
        let lost = |text: String| Stop::HostFault(HostFault::DeviceLost, text);
        let (process, identity) =
            Process::start(&self.command, self.watch).map_err(|error| lost(error.to_string()))?;
        if identity != self.identity {
            // The profile of the task's receipt names the first.
            return Err(lost("the adapter changed".to_owned()));
        }
        Ok(process)
    }
}

impl GpuProcess {
    fn begin(&self, process: Process, quotas: &Quotas) -> Result<Box<dyn Session>, Stop> {
        let mut remote = Remote {
            shared: self.shared.clone(),
            process: Some(process),
            quotas: *quotas,
            gas: 0,
            serial: 0,
            stopped: None,
            lent: None,
            claims: Claims::default(),
        };
        remote.call(Request::Begin(*quotas), &[])?;
        Ok(Box::new(remote))
    }
}

impl Sessions for GpuProcess {
    fn session(&self, quotas: &Quotas) -> Result<Box<dyn Session>, Stop> {
        // One that waited may have died meanwhile.
        if let Some(session) = self.shared.left().and_then(|process| self.begin(process, quotas).ok()) {
            return Ok(session);
        }
        self.begin(self.shared.fresh()?, quotas)
    }

    fn identity(&self) -> Identity {
        self.shared.identity.clone()
    }
}

/// A session in another process.
struct Remote {
    shared: Arc<Shared>,
    /// None once it is dead.
    process: Option<Process>,
    quotas: Quotas,
    gas: u64,
    /// Last serial given out.
    serial: i64,
    stopped: Option<Stop>,
    /// Address and size of the guest's memory, once the process has it.
    lent: Option<(usize, u64)>,
    /// What was asked of the process so far.
    claims: Claims,
}

/// An answer that is as it must be; so many bytes follow.
struct Answer {
    value: i64,
    len: u64,
}

fn rubbish(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it answered with {what}"))
}

impl Remote {
    /// One call, without the bytes that may follow its answer.
    fn call(&mut self, request: Request, bytes: &[u8]) -> Result<Answer, Stop> {
        if let Some(stop) = &self.stopped {
            return Err(stop.clone());
        }
        let long = matches!(request, Request::Submit(span) if span.len > self.quotas.stream_bytes.into());
        let answer = self.exchange(&request.encode(), bytes).and_then(|reply| self.judge(reply, long));
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(stop)) => {
                if matches!(stop, Stop::HostFault(..)) {
                    // Whatever failed may have left its driver in no state to go on.
                    self.process = None;
                }
                self.stopped = Some(stop.clone());
                Err(stop)
            }
            Err(error) => Err(self.fail(&error)),
        }
    }

    fn exchange(&mut self, frame: &[u8; REQUEST_BYTES], bytes: &[u8]) -> io::Result<Reply> {
        let process = self.process.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        process.send(frame, bytes)?;
        let begun = Instant::now();
        for signs in 1.. {
            match process.reply()? {
                // A process that says nothing else would be listened to for ever.
                Reply::Working if WORKING_EVERY / 2 * signs > begun.elapsed() + WORKING_EVERY => break,
                Reply::Working => {}
                reply => return Ok(reply),
            }
        }
        Err(rubbish("signs of life without a pause"))
    }

    /// `long` says that a stream over its limit was submitted.
    fn judge(&mut self, reply: Reply, long: bool) -> io::Result<Result<Answer, Stop>> {
        let mut note = |gas: u64| {
            if gas < self.gas || gas > self.quotas.gas {
                return Err(rubbish("impossible gas"));
            }
            self.gas = gas;
            Ok(())
        };
        match reply {
            Reply::Answer { value, gas, len } => {
                note(gas)?;
                if long && value != status::NOT_OPEN.into() {
                    return Err(rubbish("an answer to a stream over its limit"));
                }
                Ok(Ok(Answer { value, len }))
            }
            Reply::Stopped { stop, gas, len } => {
                note(gas)?;
                let limit = match stop {
                    StopKind::OutOfGas => gas == self.quotas.gas,
                    StopKind::Limit(Limit::StreamBytes) if long => true,
                    StopKind::Limit(limit) => self.claims.allow(limit, &self.quotas),
                    StopKind::Protocol | StopKind::Fault(_) => true,
                };
                if !limit {
                    return Err(rubbish("a limit that was not passed"));
                }
                let process = self.process.as_mut().ok_or(io::ErrorKind::NotConnected)?;
                let text = process.text(len)?;
                Ok(Err(match stop {
                    StopKind::Protocol => Stop::Protocol(Cow::Owned(text)),
                    StopKind::OutOfGas => Stop::OutOfGas,
                    StopKind::Limit(limit) => Stop::LimitExceeded(limit),
                    StopKind::Fault(fault) => Stop::HostFault(fault, text),
                }))
            }
            Reply::Ready { .. } | Reply::Refused { .. } | Reply::Working => Err(rubbish("something else")),
        }
    }

    /// Ends the process and the session.
    fn fail(&mut self, error: &io::Error) -> Stop {
        let late = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        let (fault, text) = match (self.process.take(), late) {
            (Some(process), true) => {
                drop(process);
                let step = self.shared.watch.step.as_secs_f64();
                (
                    HostFault::TimedOut,
                    format!("the GPU's process was ended: one step took longer than {step} s"),
                )
            }
            (Some(process), false) => (HostFault::DeviceLost, process.epitaph(error)),
            (None, _) => (HostFault::DeviceLost, "the GPU's process is gone".to_owned()),
        };
        let stop = Stop::HostFault(fault, text);
        self.stopped = Some(stop.clone());
        stop
    }

    /// Fills a buffer with what follows an answer.
    fn fill(&mut self, into: &mut [u8]) -> Result<(), Stop> {
        let process = self.process.as_mut();
        let filled = process.map_or(Err(io::ErrorKind::NotConnected.into()), |process| process.fill(into));
        filled.map_err(|error| self.fail(&error))
    }

    /// An answer to a call that fills a part of `into`: a length, or a negative status.
    fn filled(&mut self, answer: &Answer, into: &mut [u8]) -> Result<i32, Stop> {
        let len = answer.len;
        let right = answer.value.max(0).cast_unsigned() == len && len <= into.len() as u64;
        let value = self.small(answer.value)?;
        if !right {
            return Err(self.fail(&rubbish("another length than it says")));
        }
        self.fill(&mut into[..len as usize])?;
        Ok(value)
    }

    fn small(&mut self, value: i64) -> Result<i32, Stop> {
        i32::try_from(value).map_err(|_| self.fail(&rubbish("no status")))
    }

    /// A status, with no bytes behind it.
    fn status(&mut self, request: Request, bytes: &[u8]) -> Result<i32, Stop> {
        let answer = self.call(request, bytes)?;
        if answer.len != 0 {
            return Err(self.fail(&rubbish("bytes that nobody wants")));
        }
        self.small(answer.value)
    }

    /// Where bytes are: where the process can read them itself, or else behind the frame.
    fn span<'a>(&self, bytes: &'a [u8]) -> (Span, &'a [u8]) {
        let shared = self.lent.and_then(|(start, size)| {
            let at = (bytes.as_ptr() as usize).checked_sub(start)? as u64;
            at.checked_add(bytes.len() as u64).filter(|end| *end <= size)?;
            Some(Span { place: Place::Shared(at), len: bytes.len() as u64 })
        });
        match shared {
            Some(span) => (span, &[]),
            None => (Span::inline(bytes.len()), bytes),
        }
    }
}

impl Session for Remote {
    fn open(&mut self, request: &[u8], caps: &mut [u8]) -> Result<i32, Stop> {
        let (span, bytes) = self.span(request);
        let room = caps.len().min(Caps::SIZE);
        let answer = self.call(Request::Open { request: span, caps: room as u64 }, bytes)?;
        self.filled(&answer, &mut caps[..room])
    }

    fn submit(&mut self, stream: &[u8]) -> Result<i64, Stop> {
        // A byte more than the limit is as good as all of them.
        let most = (self.quotas.stream_bytes as usize).saturating_add(1);
        let stream = &stream[..stream.len().min(most)];
        if stream.len() < most {
            self.claims.note(stream);
        }
        let (span, bytes) = self.span(stream);
        let answer = self.call(Request::Submit(span), bytes)?;
        let next = answer.value == self.serial + 1;
        if answer.len != 0 || !next && answer.value != status::NOT_OPEN.into() {
            return Err(self.fail(&rubbish("a wrong serial")));
        }
        self.serial += i64::from(next);
        Ok(answer.value)
    }

    fn write(&mut self, buffer: u32, offset: u64, data: &[u8]) -> Result<i32, Stop> {
        let (span, bytes) = self.span(data);
        self.status(Request::Write { buffer, offset, data: span }, bytes)
    }

    fn read(&mut self, buffer: u32, offset: u64, into: &mut [u8]) -> Result<i32, Stop> {
        let len = into.len() as u64;
        #[cfg(target_os = "linux")]
        if self
            .process
            .as_ref()
            .and_then(Process::staging)
            .is_some_and(|staging| staging.bytes(0, len).is_some())
        {
            let there = Span { place: Place::Shared(0), len };
            let status = self.status(Request::Read { buffer, offset, into: there }, &[])?;
            if status == status::OK
                && let Some(staging) = self.process.as_ref().and_then(Process::staging)
                && let Some(bytes) = staging.bytes(0, len)
            {
                into.copy_from_slice(bytes);
            }
            let released = self.process.as_ref().map_or(Ok(()), |process| process.release(len));
            return match released {
                Ok(()) => Ok(status),
                Err(error) => Err(self.fail(&error)),
            };
        }
        let answer = self.call(Request::Read { buffer, offset, into: Span::inline(into.len()) }, &[])?;
        let wanted = if answer.value == status::OK.into() { len } else { 0 };
        let status = self.small(answer.value)?;
        if answer.len != wanted {
            return Err(self.fail(&rubbish("another number of bytes than it was asked for")));
        }
        if wanted > 0 {
            self.fill(into)?;
        }
        Ok(status)
    }

    fn wait(&mut self, serial: i64, _timeout_ns: i64) -> Result<i32, Stop> {
        self.status(Request::Wait(serial), &[])
    }

    fn poll(&mut self, out: &mut [u8; PollState::SIZE]) -> Result<i64, Stop> {
        let answer = self.call(Request::Poll, &[])?;
        match answer.len {
            0 => Ok(answer.value),
            len if len == PollState::SIZE as u64 => {
                self.fill(out)?;
                Ok(answer.value)
            }
            _ => Err(self.fail(&rubbish("no state"))),
        }
    }

    fn take_error(&mut self, into: &mut [u8]) -> Result<i32, Stop> {
        let room = into.len().min(MAX_RECORD);
        let answer = self.call(Request::TakeError(room as u64), &[])?;
        self.filled(&answer, &mut into[..room])
    }

    fn close(&mut self) -> Result<i32, Stop> {
        self.status(Request::Close, &[])
    }

    fn gas(&self) -> u64 {
        self.gas
    }

    fn wants_memory(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.process.as_ref().is_some_and(|process| process.staging().is_some());
        #[cfg(not(target_os = "linux"))]
        false
    }

    fn lend(&mut self, memory: Lent<'_>) {
        #[cfg(target_os = "linux")]
        if let (Some(process), Some(descriptor)) =
            (&mut self.process, memory.file.downcast_ref::<std::os::fd::OwnedFd>())
        {
            let frame = Request::Lend(memory.bytes).encode();
            match process.send_descriptor(&frame, std::os::fd::AsFd::as_fd(descriptor)) {
                Ok(()) => self.lent = Some((memory.address, memory.bytes)),
                Err(error) => drop(self.fail(&error)),
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = memory;
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        if self.shared.idle().len() >= IDLE {
            return;
        }
        // Not under the lock: it takes up to a second.
        let Some(process) = process.leave() else { return };
        let mut idle = self.shared.idle();
        if idle.len() < IDLE {
            idle.push(process);
        }
    }
}
