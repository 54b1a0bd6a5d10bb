//! The node's side: starts workers, hands them orders, and ends those that fail, hang or die.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fizz_attest::{Digest, GpuUse, HostFault, Job};
use fizz_exec::Form;
use fizz_exec::code::Compiler;
use fizz_wire::frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::code;
use super::{Description, Event, Instruction, Order};

/// A worker's start: making the engine and opening the GPU.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often a worker may want machine code of an order again, after the first time of each form: where the file was
/// gone, and where the engine did not take what was in it.
const ANEW_MAX: u32 = 2;
/// How long killed workers may take to be gone.
const STOP_WITHIN: Duration = Duration::from_secs(5);

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
    ready_within: Duration,
    description: Description,
    /// Answers workers that ask for machine code.
    compiler: Option<Arc<Compiler>>,
    idle: Mutex<Idle>,
    /// Processes that were started and have not been reaped.
    alive: Arc<watch::Sender<usize>>,
}

#[derive(Debug, Default)]
struct Idle {
    workers: Vec<Worker>,
    stopped: bool,
}

/// A worker process. Dropping it kills it and waits for its end in the background, so that it leaves no zombie.
#[derive(Debug)]
struct Worker {
    /// The job it holds; none before its first.
    job: Option<Digest>,
    child: Option<Child>,
    stdin: ChildStdin,
    stdout: ChildStdout,
    alive: Arc<watch::Sender<usize>>,
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
    /// It died while the node had its module compiled.
    #[error("the worker died while its module was compiled")]
    DiedWaiting,
    /// It says something that does not belong there.
    #[error("the worker spoke out of turn")]
    OutOfTurn,
    /// It computes under another profile than the node says.
    #[error("the worker's profile changed")]
    Changed,
    /// The pool has been stopped.
    #[error("the node stops")]
    Stopped,
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
        Pool::start_within(command, READY_WITHIN).await
    }

    /// As [`start`](Pool::start), with workers that must be ready within the given time.
    ///
    /// # Errors
    /// When no worker starts.
    pub async fn start_within(command: WorkerCommand, ready_within: Duration) -> Result<Pool, WorkerError> {
        let alive = Arc::new(watch::Sender::new(0));
        let mut worker = Worker::spawn(&command, None, &alive)?;
        let description = match worker.ready(ready_within).await {
            Ok(description) => description,
            Err(error) => {
                drop(worker);
                all_ended(&alive, STOP_WITHIN).await;
                return Err(error);
            }
        };
        let idle = Mutex::new(Idle { workers: vec![worker], stopped: false });
        Ok(Pool { command, ready_within, description, compiler: None, idle, alive })
    }

    /// The same, with a compiler for workers that ask for machine code.
    pub fn with_compiler(self, compiler: Arc<Compiler>) -> Pool {
        Pool { compiler: Some(compiler), ..self }
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
            Err(error @ (WorkerError::Spawn(_) | WorkerError::Changed | WorkerError::Stopped)) => {
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
        let mut worker = match self.take(job)? {
            Some(worker) => worker,
            None => {
                let mut worker = Worker::spawn(&self.command, Some(job), &self.alive)?;
                let found = worker.ready(self.ready_within).await?;
                if !self.fits(&found, order) {
                    return Err(WorkerError::Changed);
                }
                worker
            }
        };
        let event = worker.carry_out(order, limit, self.compiler.as_ref(), watch).await?;
        let mut idle = self.lock();
        if !matches!(event, Event::Fault(..)) && !idle.stopped {
            idle.workers.push(worker);
        }
        Ok(event)
    }

    /// Whether a worker computes as the node says, as far as the order can tell: where the GPU did not start this time, jobs that
    /// want none are served all the same.
    fn fits(&self, found: &Description, order: &Order) -> bool {
        let gpu = || match Job::decode(&order.job) {
            Ok(job) => {
                job.gpu == GpuUse::Off || found.gpu(job.gpu_class) == self.description.gpu(job.gpu_class)
            }
            Err(_) => false,
        };
        found.without_gpu() == self.description.without_gpu() && (*found == self.description || gpu())
    }

    /// Ends all workers, those at work too, starts no more, and waits a bounded time until their processes are gone.
    pub async fn stop(&self) {
        let workers = {
            let mut idle = self.lock();
            idle.stopped = true;
            std::mem::take(&mut idle.workers)
        };
        drop(workers);
        all_ended(&self.alive, STOP_WITHIN).await;
    }

    /// Worker processes that were started and have not been reaped.
    pub fn alive(&self) -> usize {
        *self.alive.borrow()
    }

    /// A worker that waits for this job, or one that has had none. One that waits for another job is ended instead,
    /// so that jobs never share a process.
    fn take(&self, job: Digest) -> Result<Option<Worker>, WorkerError> {
        let mut idle = self.lock();
        if idle.stopped {
            return Err(WorkerError::Stopped);
        }
        let idle = &mut idle.workers;
        let fits = |wanted: Option<Digest>| move |worker: &Worker| worker.job == wanted;
        let index = idle.iter().position(fits(Some(job))).or_else(|| idle.iter().position(fits(None)));
        Ok(match index {
            Some(index) => {
                let mut worker = idle.swap_remove(index);
                worker.job = Some(job);
                Some(worker)
            }
            None => {
                idle.pop();
                None
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Waits until no worker process is left, or the time is over.
async fn all_ended(alive: &watch::Sender<usize>, within: Duration) {
    let mut alive = alive.subscribe();
    let ended = tokio::time::timeout(within, alive.wait_for(|alive| *alive == 0)).await.is_ok();
    if !ended {
        tracing::warn!("a killed worker does not end");
    }
}

impl Worker {
    fn spawn(
        command: &WorkerCommand,
        job: Option<Digest>,
        alive: &Arc<watch::Sender<usize>>,
    ) -> Result<Worker, WorkerError> {
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
        alive.send_modify(|alive| *alive += 1);
        Ok(Worker { job, child: Some(child), stdin, stdout, alive: alive.clone() })
    }

    async fn ready(&mut self, within: Duration) -> Result<Description, WorkerError> {
        let deadline = Instant::now() + within;
        match timeout_at(deadline, self.next()).await.map_err(|_| WorkerError::TimedOut(within))?? {
            Event::Ready(description) => Ok(*description),
            _ => Err(WorkerError::NotReady),
        }
    }

    async fn carry_out(
        &mut self,
        order: &Order,
        limit: Duration,
        compiler: Option<&Arc<Compiler>>,
        watch: &mut impl FnMut(&Event),
    ) -> Result<Event, WorkerError> {
        let mut deadline = Instant::now() + limit;
        let late = |_| WorkerError::TimedOut(limit);
        let bytes = frame::encode(&Instruction::Order(Box::new(order.clone())))?;
        timeout_at(deadline, self.stdin.write_all(&bytes)).await.map_err(late)??;
        let mut started = false;
        let (mut asked, mut again) = (BTreeSet::new(), 0);
        loop {
            let event = timeout_at(deadline, self.next()).await.map_err(late)??;
            match event {
                Event::Started if !started => started = true,
                Event::Progress(_) if started => {}
                Event::WantsCode { form, anew } if started => {
                    again += u32::from(anew);
                    // Tasks that come over the network do not run from openings.
                    let in_turn = anew != asked.insert(form) && again <= ANEW_MAX && form != Form::Tracked;
                    let Some(compiler) = compiler.filter(|_| in_turn) else {
                        return Err(WorkerError::OutOfTurn);
                    };
                    let begun = Instant::now();
                    let mut unasked = [0];
                    let answer = tokio::select! {
                        biased;
                        // While it waits it says nothing, and where it is gone nobody needs the answer.
                        said = self.stdout.read(&mut unasked) => return Err(match said? {
                            0 => WorkerError::DiedWaiting,
                            _ => WorkerError::OutOfTurn,
                        }),
                        answer = code::answer(compiler, order, form, anew) => answer,
                    };
                    let bytes = frame::encode(&answer)?;
                    // Compiling has a limit of its own.
                    deadline += begun.elapsed();
                    timeout_at(deadline, self.stdin.write_all(&bytes)).await.map_err(late)??;
                }
                Event::Finished(_) | Event::Rejected(_) | Event::Fault(..) if started => return Ok(event),
                // Whatever comes before the start may belong to another order.
                _ => return Err(WorkerError::OutOfTurn),
            }
            watch(&event);
        }
    }

    async fn next(&mut self) -> Result<Event, WorkerError> {
        let mut header = [0; frame::HEADER_BYTES];
        self.stdout.read_exact(&mut header).await?;
        let length = frame::body_length::<Event>(header)?;
        let mut body = Vec::new();
        // Grows with what arrives, not with what is promised.
        (&mut self.stdout).take(length as u64).read_to_end(&mut body).await?;
        if body.len() < length {
            return Err(WorkerError::Pipe(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(frame::decode_body(&body)?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let (Some(mut child), alive) = (self.child.take(), self.alive.clone()) else { return };
        // It fails only where the process is gone already.
        let _ = child.start_kill();
        let reap = async move {
            let _ = child.wait().await;
            alive.send_modify(|alive| *alive -= 1);
        };
        // Without a runtime nobody waits for this pool any more.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(reap);
        }
    }
}
