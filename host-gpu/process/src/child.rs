//! A GPU's process as the worker has it: started, spoken to, killed, reaped.

#[cfg(unix)]
use crate::client::Transport;
use crate::client::{GpuCommand, StartError, Watch};
use crate::frame::{REPLY_BYTES, REQUEST_BYTES, Reply, Request, decode_identity};
use crate::link::{Link, Pump};
use crate::starter;
use fizz_gpu_abi::host::Identity;
use std::io;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take until it says what it has: loading a driver.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// Added to the longest step at most, so that the process can say itself that it took too long.
const GRACE: Duration = Duration::from_secs(1);
/// How long a process may take to let a session go that has left work behind: nobody waits for that work any more.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// How long a killed process is waited for: one in the middle of a driver may hang in the kernel, for ever too.
const REAPED_WITHIN: Duration = Duration::from_secs(1);
/// Bytes of a second that come at least, once they come: what is long may take longer by this.
const BYTES_PER_SECOND: u64 = 16 << 20;

/// A live process. Dropping it kills and reaps it.
pub(crate) struct Process {
    /// None once it is somebody else's to reap.
    child: Option<Child>,
    link: Link,
    wait: Duration,
    /// Memory for answers, where two processes can share one.
    #[cfg(target_os = "linux")]
    staging: Option<(std::os::fd::OwnedFd, crate::mapping::Mapping)>,
}

/// Bytes of the memory for answers: no guest can want more at once. It takes room only where it is written to, and no ceiling
/// counts it, so that only its beginning stays.
#[cfg(target_os = "linux")]
const STAGING_BYTES: u64 = 1 << 32;
/// Bytes of it that stay for the next answer.
#[cfg(target_os = "linux")]
const STAGING_KEPT: u64 = 64 << 20;

impl Process {
    /// Starts one and asks what it has.
    pub(crate) fn start(command: &GpuCommand, watch: Watch) -> Result<(Process, Identity), StartError> {
        let mut process = Process::spawn(command).map_err(StartError::Spawn)?;
        let told = process.ready();
        let identity = match told {
            Ok(Ok(identity)) => identity,
            Ok(Err(reason)) => return Err(StartError::Refused(reason)),
            Err(error) => return Err(StartError::Died(process.epitaph(&error))),
        };
        process.wait = watch.step + watch.step.min(GRACE);
        #[cfg(target_os = "linux")]
        process.stage(command.transport).map_err(StartError::Spawn)?;
        Ok((process, identity))
    }

    fn spawn(command: &GpuCommand) -> io::Result<Process> {
        let mut child = starter::command(&command.program);
        child.args(&command.args);
        #[cfg(unix)]
        if command.transport != Transport::Pipes {
            let (here, there) = std::os::unix::net::UnixStream::pair()?;
            child.stdin(Stdio::from(std::os::fd::OwnedFd::from(there)));
            // Whatever a driver prints must not go where the worker speaks to its node.
            child.stdout(Stdio::null());
            return Ok(Process::new(starter::start(child)?, Link::Socket(here)));
        }
        child.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = starter::start(child)?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        Ok(Process::new(child, Link::Pipes { to: Box::new(to), from: Pump::new(from, || {}) }))
    }

    fn new(child: Child, link: Link) -> Process {
        Process {
            child: Some(child),
            link,
            wait: READY_WITHIN,
            #[cfg(target_os = "linux")]
            staging: None,
        }
    }

    /// Until when so many bytes must have gone or come.
    fn deadline(&self, bytes: usize) -> Instant {
        Instant::now() + self.wait + Duration::from_secs(bytes as u64 / BYTES_PER_SECOND)
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
        self.reply_until(Instant::now() + self.wait)
    }

    fn reply_until(&mut self, deadline: Instant) -> io::Result<Reply> {
        let mut bytes = [0; REPLY_BYTES];
        self.link.receive(&mut bytes, deadline)?;
        Reply::decode(&bytes).map_err(io::Error::other)
    }

    /// Bytes behind a reply. The length has been checked.
    pub(crate) fn receive(&mut self, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn fill(&mut self, into: &mut [u8]) -> io::Result<()> {
        let deadline = self.deadline(into.len());
        self.link.receive(into, deadline)
    }

    /// A text behind a reply, in printable characters.
    pub(crate) fn text(&mut self, len: u64) -> io::Result<String> {
        let bytes = self.receive(len)?;
        let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
        Ok(String::from_utf8_lossy(&bytes).chars().map(printable).collect())
    }

    pub(crate) fn send(&mut self, frame: &[u8; REQUEST_BYTES], rest: &[u8]) -> io::Result<()> {
        let deadline = self.deadline(rest.len());
        self.link.send(frame, rest, Some(deadline))
    }

    /// Whether it still runs.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Lets its session go, whatever work that has left behind. None where it has not done so in a second, and was killed.
    pub(crate) fn leave(mut self) -> Option<Process> {
        let deadline = Instant::now() + LEAVE_WITHIN.min(self.wait);
        self.link.send(&Request::End.encode(), &[], Some(deadline)).ok()?;
        loop {
            match self.reply_until(deadline).ok()? {
                Reply::Working => {}
                Reply::Answer { value: 0, gas: 0, len: 0 } => return Some(self),
                _ => return None,
            }
        }
    }

    /// Kills it, and says what became of it.
    pub(crate) fn epitaph(mut self, error: &io::Error) -> String {
        // Give a process that is dying the time to be dead by itself, so that its own end is told and not ours.
        let dies = error.kind() == io::ErrorKind::UnexpectedEof;
        let until = Instant::now() + if dies { REAPED_WITHIN } else { Duration::ZERO };
        let own = loop {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() >= until {
                break ended;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
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
        if transport != Transport::Best {
            return Ok(());
        }
        let memory = crate::mapping::create("fizz-gpu-answers", STAGING_BYTES)?;
        let mapping = crate::mapping::Mapping::new(&memory, STAGING_BYTES, false)?;
        self.send_descriptor(&Request::Stage(STAGING_BYTES).encode(), std::os::fd::AsFd::as_fd(&memory))?;
        self.staging = Some((memory, mapping));
        Ok(())
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
        self.staging.as_ref().map(|(_, mapping)| mapping)
    }

    /// Gives back what an answer of so many bytes took of that memory, but for its beginning.
    pub(crate) fn release(&self, bytes: u64) -> io::Result<()> {
        use rustix::fs::FallocateFlags;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match &self.staging {
            Some((memory, _)) if bytes > STAGING_KEPT => {
                rustix::fs::fallocate(memory, flags, STAGING_KEPT, STAGING_BYTES - STAGING_KEPT)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // It fails only where the process is gone already.
        let _ = child.kill();
        reap(child, REAPED_WITHIN);
    }
}

/// Waits for the end of a process that was killed. Whoever has the watch over it must not hang with it: what takes longer is a
/// thread's.
fn reap(mut child: Child, within: Duration) {
    const LONGEST: Duration = Duration::from_millis(10);
    let begun = Instant::now();
    let mut pause = Duration::from_micros(100);
    while begun.elapsed() < within {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(pause);
        pause = (2 * pause).min(LONGEST);
    }
    // Without a thread it stays a zombie until this process ends.
    let _ = std::thread::Builder::new().name("reap".to_owned()).spawn(move || child.wait());
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_that_does_not_end_is_reaped_later_and_keeps_nobody() {
        let child = Command::new("sleep").arg("2").spawn().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        let begun = Instant::now();
        // Nobody kills it: so does one that hangs in the kernel behave.
        reap(child, Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_secs(1));
        #[cfg(target_os = "linux")]
        while std::fs::exists(&stat).unwrap() {
            assert!(begun.elapsed() < Duration::from_secs(30), "a zombie");
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = stat;
    }
}
