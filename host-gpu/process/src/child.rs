//! A GPU's process as the worker has it: started, spoken to, killed, reaped.

#[cfg(unix)]
use crate::client::Transport;
use crate::client::{GpuCommand, StartError, Watch};
use crate::frame::{REPLY_BYTES, REQUEST_BYTES, Reply, decode_identity};
use crate::link::{Link, Pump};
use fizz_gpu_abi::host::Identity;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a process may take until it says what it has: loading a driver.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Added to the longest step at most, so that the process can say itself that it took too long.
const GRACE: Duration = Duration::from_secs(1);

/// A live process. Dropping it kills and reaps it.
pub(crate) struct Process {
    child: Child,
    link: Link,
    wait: Duration,
    /// Memory for answers, where two processes can share one.
    #[cfg(target_os = "linux")]
    staging: Option<crate::mapping::Mapping>,
}

/// Bytes of the memory for answers: no guest can want more at once. It takes room only where it is written to.
#[cfg(target_os = "linux")]
const STAGING_BYTES: u64 = 1 << 32;

impl Process {
    /// Starts one and asks what it has.
    pub(crate) fn start(command: &GpuCommand, watch: Watch) -> Result<(Process, Identity), StartError> {
        let mut process = Process::spawn(command).map_err(StartError::Spawn)?;
        process.wait_at_most(READY_WITHIN).map_err(StartError::Spawn)?;
        let told = process.ready();
        let identity = match told {
            Ok(Ok(identity)) => identity,
            Ok(Err(reason)) => return Err(StartError::Refused(reason)),
            Err(error) => return Err(StartError::Died(process.epitaph(&error))),
        };
        process.wait_at_most(watch.step + watch.step.min(GRACE)).map_err(StartError::Spawn)?;
        #[cfg(target_os = "linux")]
        process.stage(command.transport).map_err(StartError::Spawn)?;
        Ok((process, identity))
    }

    fn spawn(command: &GpuCommand) -> io::Result<Process> {
        let mut child = Command::new(&command.program);
        child.args(&command.args);
        #[cfg(unix)]
        if command.transport != Transport::Pipes {
            let (here, there) = std::os::unix::net::UnixStream::pair()?;
            child.stdin(Stdio::from(std::os::fd::OwnedFd::from(there)));
            // Whatever a driver prints must not go where the worker speaks to its node.
            let child = child.stdout(Stdio::null()).spawn()?;
            return Ok(Process::new(child, Link::Socket(here)));
        }
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        Ok(Process::new(child, Link::Pipes { to: Box::new(to), from: Pump::new(from, || {}) }))
    }

    fn new(child: Child, link: Link) -> Process {
        Process {
            child,
            link,
            wait: READY_WITHIN,
            #[cfg(target_os = "linux")]
            staging: None,
        }
    }

    fn wait_at_most(&mut self, wait: Duration) -> io::Result<()> {
        self.wait = wait;
        match &self.link {
            #[cfg(unix)]
            Link::Socket(socket) => {
                socket.set_read_timeout(Some(wait))?;
                socket.set_write_timeout(Some(wait))
            }
            Link::Pipes { .. } => Ok(()),
        }
    }

    fn ready(&mut self) -> io::Result<Result<Identity, String>> {
        match self.reply()? {
            Reply::Ready { len } => {
                let bytes = self.receive(len)?;
                decode_identity(&bytes).map(Ok).map_err(io::Error::other)
            }
            Reply::Refused { len } => Ok(Err(self.text(len)?)),
            _ => Err(io::Error::other("it did not say what it is")),
        }
    }

    /// The next reply, without what follows it.
    pub(crate) fn reply(&mut self) -> io::Result<Reply> {
        let mut bytes = [0; REPLY_BYTES];
        self.link.receive(&mut bytes, self.wait)?;
        Reply::decode(&bytes).map_err(io::Error::other)
    }

    /// Bytes behind a reply. The length has been checked.
    pub(crate) fn receive(&mut self, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        self.link.receive(&mut bytes, self.wait)?;
        Ok(bytes)
    }

    pub(crate) fn fill(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.link.receive(into, self.wait)
    }

    /// A text behind a reply, in printable characters.
    pub(crate) fn text(&mut self, len: u64) -> io::Result<String> {
        let bytes = self.receive(len)?;
        let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
        Ok(String::from_utf8_lossy(&bytes).chars().map(printable).collect())
    }

    pub(crate) fn send(&mut self, frame: &[u8; REQUEST_BYTES], rest: &[u8]) -> io::Result<()> {
        self.link.send(frame, rest)
    }

    /// Whether it still runs.
    pub(crate) fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it, and says what became of it.
    pub(crate) fn epitaph(mut self, error: &io::Error) -> String {
        // Give a process that is dying the time to be dead by itself, so that its own end is told and not ours.
        let own = (0..20).find_map(|_| {
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_none() && error.kind() == io::ErrorKind::UnexpectedEof {
                std::thread::sleep(Duration::from_millis(5));
            }
            ended
        });
        match own {
            Some(status) => format!("the GPU's process died ({status})"),
            None => format!("the GPU's process was ended ({error})"),
        }
    }
}

#[cfg(target_os = "linux")]
impl Process {
    /// Makes the memory for answers, and gives it to the process.
    fn stage(&mut self, transport: Transport) -> io::Result<()> {
        use crate::frame::Request;
        if transport != Transport::Best {
            return Ok(());
        }
        let memory = crate::mapping::create("fizz-gpu-answers", STAGING_BYTES)?;
        self.staging = Some(crate::mapping::Mapping::new(&memory, STAGING_BYTES, false)?);
        self.send_descriptor(&Request::Stage(STAGING_BYTES).encode(), std::os::fd::AsFd::as_fd(&memory))
    }

    /// Sends a frame and a descriptor.
    pub(crate) fn send_descriptor(
        &mut self,
        frame: &[u8; REQUEST_BYTES],
        descriptor: std::os::fd::BorrowedFd<'_>,
    ) -> io::Result<()> {
        match &self.link {
            Link::Socket(socket) => crate::descriptors::send(socket, frame, descriptor),
            Link::Pipes { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The memory for answers.
    pub(crate) fn staging(&self) -> Option<&crate::mapping::Mapping> {
        self.staging.as_ref()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only where the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
