//! A task with steps, stopped between two chunks: stored, moved, and taken up again.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fizz_attest::{Boundary, Digest, Job, MAX_CHUNKS};
use fizz_sandbox::{Observer, Progress, ResumeError, Snapshot, SnapshotError, Steps};

use crate::blobs::Blobs;
use crate::executor::{ExecuteError, Executed, Executor, specify};

/// A task between two chunks, with all that its receipt will need of the chunks before.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The job, whose inputs, output folder and salt no state names.
    job: Digest,
    /// Where the chunks ended so far, the last of them here.
    boundaries: Vec<Boundary>,
    snapshot: Snapshot,
}

/// Bytes are not a checkpoint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// They do not begin like one.
    #[error("this is not a checkpoint, or of a version of Fizz that this one does not know")]
    Magic,
    /// They end too early, or the chunks before are not those that lead here.
    #[error("the checkpoint is cut short, or does not hang together")]
    Broken,
    /// The state.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// Names the format and its version.
const MAGIC: &[u8; 8] = b"fizzcp\x00\x02";
/// Bytes of a stored boundary: state, gas, GPU gas.
const BOUNDARY: usize = 48;

impl Checkpoint {
    /// Where the chunks ended so far.
    pub fn boundaries(&self) -> &[Boundary] {
        &self.boundaries
    }

    /// Digest of the state.
    pub fn state(&self) -> Digest {
        self.snapshot.boundary().state
    }

    /// CPU gas used so far.
    pub fn gas(&self) -> u64 {
        self.snapshot.boundary().gas
    }

    /// The bytes in which it is stored: magic, the job's digest, the number of boundaries (u32), each as state, gas and
    /// GPU gas, then the snapshot. Numbers are little-endian.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.job.0);
        let count = u32::try_from(self.boundaries.len()).expect("a task has at most 65,536 chunks");
        out.extend(count.to_le_bytes());
        for Boundary { state, gas, gpu_gas } in &self.boundaries {
            out.extend(state.0);
            out.extend(gas.to_le_bytes());
            out.extend(gpu_gas.to_le_bytes());
        }
        out.extend(self.snapshot.encode());
        out
    }

    /// Reads it back. The bytes may come from anybody.
    ///
    /// # Errors
    /// [`CheckpointError`] when they are no checkpoint.
    pub fn decode(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
        use CheckpointError::{Broken, Magic};
        let bytes = bytes.strip_prefix(MAGIC).ok_or(Magic)?;
        let (job, bytes) = bytes.split_first_chunk::<32>().ok_or(Broken)?;
        let (count, bytes) = bytes.split_first_chunk::<4>().ok_or(Broken)?;
        let count = u32::from_le_bytes(*count) as usize;
        if count >= MAX_CHUNKS {
            return Err(Broken);
        }
        let (listed, bytes) = bytes.split_at_checked(count * BOUNDARY).ok_or(Broken)?;
        let number = |bytes: &[u8]| bytes.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        let boundaries: Option<Vec<Boundary>> = listed
            .chunks_exact(BOUNDARY)
            .map(|one| {
                let state = Digest(*one.first_chunk::<32>()?);
                Some(Boundary { state, gas: number(&one[32..40])?, gpu_gas: number(&one[40..])? })
            })
            .collect();
        let boundaries = boundaries.ok_or(Broken)?;
        let snapshot = Snapshot::decode(bytes)?;
        let rising =
            boundaries.windows(2).all(|two| two[0].gas <= two[1].gas && two[0].gpu_gas <= two[1].gpu_gas);
        let here = boundaries.last() == Some(&snapshot.boundary()) && snapshot.chunk() as usize == count;
        if rising && here { Ok(Checkpoint { job: Digest(*job), boundaries, snapshot }) } else { Err(Broken) }
    }
}

/// How far [`Executor::execute_in_chunks`] came.
#[derive(Debug)]
pub enum Reached {
    /// To the end of the task.
    End(Box<Executed>),
    /// To where the caller wanted it to stop.
    Stopped(Box<Checkpoint>),
}

impl Executor {
    /// Runs a task with steps from its start, or from a checkpoint of the same task, until it ends or `at_chunk`, which
    /// sees the checkpoint at the end of every chunk, breaks off.
    ///
    /// # Errors
    /// [`ExecuteError`]: also when the module has no steps, or the checkpoint is not one of this task.
    pub fn execute_in_chunks(
        &self,
        (job, task): (&Job, u32),
        blobs: &dyn Blobs,
        from: Option<Checkpoint>,
        observer: Option<Box<dyn Observer>>,
        at_chunk: &mut dyn FnMut(&Checkpoint) -> ControlFlow<()>,
    ) -> Result<Reached, ExecuteError> {
        if task as usize >= job.tasks.len() {
            return Err(ExecuteError::NoSuchTask { task, tasks: job.tasks.len() });
        }
        let compiling = Instant::now();
        let (program, compiled) = self.program(&job.module.blob, blobs)?;
        let compile_time = if compiled { compiling.elapsed() } else { Duration::ZERO };
        let program = Arc::unwrap_or_clone(program);
        let spec = specify(job, task, blobs)?;
        let digest = job.digest();
        let mut boundaries = Vec::new();
        let mut steps = match from {
            None => Steps::start(&program, spec, observer)?,
            Some(checkpoint) if checkpoint.job != digest => return Err(ResumeError::OtherTask.into()),
            Some(checkpoint) => {
                boundaries = checkpoint.boundaries;
                Steps::resume(&program, spec, &checkpoint.snapshot, observer)?
            }
        };
        loop {
            match steps.next_chunk()? {
                Progress::Ended(mut report) => {
                    report.boundaries = boundaries;
                    let executed = Executed::new(
                        *report,
                        job,
                        (self.profile(None), self.engine_info(None)),
                        compile_time,
                    );
                    return Ok(Reached::End(Box::new(executed)));
                }
                Progress::Chunk(boundary) => {
                    boundaries.push(boundary);
                    let snapshot = steps.snapshot()?.ok_or_else(|| ExecuteError::Fault {
                        kind: fizz_attest::HostFault::Internal,
                        detail: "there is no state at the end of a chunk".into(),
                    })?;
                    let checkpoint = Checkpoint { job: digest, boundaries: boundaries.clone(), snapshot };
                    if at_chunk(&checkpoint).is_break() {
                        return Ok(Reached::Stopped(Box::new(checkpoint)));
                    }
                }
            }
        }
    }
}
