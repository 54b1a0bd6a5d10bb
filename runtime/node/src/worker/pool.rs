//! The node's side: starts workers, hands them orders, and ends those that fail, hang or die.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use fizz_attest::{Digest, HostFault};
use fizz_wire::frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, timeout_at};

use super::{Description, Event, Order};

/// A worker's start: making the engine and opening the GPU.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How a worker is started: a program that calls [`work`](super::work).
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// Keeps workers that wait for another task of their job.
#[derive(Debug)]
pub struct Pool {
    command: WorkerCommand,
    description: Description,
    idle: Mutex<Vec<Worker>>,
}

#[derive(Debug)]
struct Worker {
    /// The job it holds; none before its first.
    job: Option<Digest>,
    // Dropping the child kills it.
    _child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

/// A worker could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The process does not start.
    #[error("cannot start a worker: {0}")]
    Spawn(std::io::Error),
    /// It died, or cannot be spoken to.
    #[error("the worker's pipe broke: {0}")]
    Pipe(#[from] std::io::Error),
    /// It says what a worker does not say.
    #[error("the worker sent rubbish: {0}")]
    Frame(#[from] frame::FrameError),
    /// It does not begin with what a worker begins with.
    #[error("the worker did not say what it is")]
    NotReady,
    /// It computes under another profile than the node says.
    #[error("the worker's profile changed")]
    Changed,
    /// It took too long.
    #[error("the time limit of {} s passed", .0.as_secs())]
    TimedOut(Duration),
}

impl Pool {
    /// Starts a first worker to learn what workers here are.
    ///
    /// # Errors
    /// When no worker starts.
    pub async fn start(command: WorkerCommand) -> Result<Pool, WorkerError> {
        let mut worker = Worker::spawn(&command, None)?;
        let description = worker.ready().await?;
        Ok(Pool { command, description, idle: Mutex::new(vec![worker]) })
    }

    /// Under which profiles the workers compute.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Runs one task of a job and returns the last event: `Finished`, `Rejected` or `Fault`. The others go to
    /// `watch`. Dropping the future ends the worker.
    pub async fn run(
        &self,
        job: Digest,
        order: &Order,
        limit: Duration,
        mut watch: impl FnMut(&Event),
    ) -> Event {
        match self.try_run(job, order, limit, &mut watch).await {
            Ok(event) => event,
            Err(error @ WorkerError::TimedOut(_)) => Event::Fault(HostFault::TimedOut, error.to_string()),
            Err(error @ (WorkerError::Spawn(_) | WorkerError::Changed)) => {
                Event::Fault(HostFault::Internal, error.to_string())
            }
            Err(error) => Event::Fault(HostFault::WorkerDied, error.to_string()),
        }
    }

    async fn try_run(
        &self,
        job: Digest,
        order: &Order,
        limit: Duration,
        watch: &mut impl FnMut(&Event),
    ) -> Result<Event, WorkerError> {
        let mut worker = match self.take(job) {
            Some(worker) => worker,
            None => {
                let mut worker = Worker::spawn(&self.command, Some(job))?;
                if worker.ready().await? != self.description {
                    return Err(WorkerError::Changed);
                }
                worker
            }
        };
        let event = worker.carry_out(order, limit, watch).await?;
        if !matches!(event, Event::Fault(..)) {
            self.lock().push(worker);
        }
        Ok(event)
    }

    /// Ends all workers that wait.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// A worker that waits for this job, or one that has had none. One that waits for another job is ended instead,
    /// so that jobs never share a process.
    fn take(&self, job: Digest) -> Option<Worker> {
        let mut idle = self.lock();
        let fits = |wanted: Option<Digest>| move |worker: &Worker| worker.job == wanted;
        let index = idle.iter().position(fits(Some(job))).or_else(|| idle.iter().position(fits(None)));
        match index {
            Some(index) => {
                let mut worker = idle.swap_remove(index);
                worker.job = Some(job);
                Some(worker)
            }
            None => {
                idle.pop();
                None
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Worker {
    fn spawn(command: &WorkerCommand, job: Option<Digest>) -> Result<Worker, WorkerError> {
        let mut child = Command::new(&command.program)
            .args(&command.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(WorkerError::Spawn)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(WorkerError::Spawn(std::io::Error::other("no pipes")));
        };
        Ok(Worker { job, _child: child, stdin, stdout })
    }

    async fn ready(&mut self) -> Result<Description, WorkerError> {
        let deadline = Instant::now() + READY_WITHIN;
        match timeout_at(deadline, self.next()).await.map_err(|_| WorkerError::TimedOut(READY_WITHIN))?? {
            Event::Ready(description) => Ok(*description),
            _ => Err(WorkerError::NotReady),
        }
    }

    async fn carry_out(
        &mut self,
        order: &Order,
        limit: Duration,
        watch: &mut impl FnMut(&Event),
    ) -> Result<Event, WorkerError> {
        let deadline = Instant::now() + limit;
        let late = |_| WorkerError::TimedOut(limit);
        let bytes = frame::encode(order)?;
        timeout_at(deadline, self.stdin.write_all(&bytes)).await.map_err(late)??;
        loop {
            match timeout_at(deadline, self.next()).await.map_err(late)?? {
                event @ (Event::Started | Event::Progress(_)) => watch(&event),
                Event::Ready(_) => return Err(WorkerError::NotReady),
                last => return Ok(last),
            }
        }
    }

    async fn next(&mut self) -> Result<Event, WorkerError> {
        let mut header = [0; frame::HEADER_BYTES];
        self.stdout.read_exact(&mut header).await?;
        let length = frame::body_length::<Event>(header)?;
        let mut body = Vec::new();
        // Grows with what arrives, not with what is promised.
        (&mut self.stdout).take(length as u64).read_to_end(&mut body).await?;
        Ok(frame::decode_body(&body)?)
    }
}
