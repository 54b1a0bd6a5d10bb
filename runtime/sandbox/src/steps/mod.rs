//! Tasks in steps: long work that can be stopped, stored, moved and resumed, and checked in the middle.
//!
//! A step module exports `fizz_step() -> i32`. The host calls `_initialize` if it is exported, else `_start`, then
//! `fizz_step` until it answers 0; `proc_exit`, wherever it is called, ends the task. Between two calls the guest's
//! stack is empty, so that memory, globals and what the host keeps are the whole state. A chunk ends at the first
//! return to the host after the job's gas for a chunk.

mod opening;
mod stepper;

use fizz_attest::{Boundary, Digest};

use crate::instance::internal;
use crate::instrument::Variant;
use crate::program::Program;
use crate::state::{ResumeError, Snapshot};
use crate::task::{Fault, Observer, TaskReport, TaskSpec};
pub use opening::{Opened, Opening, OpeningError};
use stepper::ChunkEnd;
pub(crate) use stepper::Stepper;

/// A task of a step module that is run chunk by chunk.
///
/// While it lives, it holds a copy of the guest's memory, to find what changes from one chunk to the next.
pub struct Steps {
    /// `None` only while a chunk runs, and after a fault.
    stepper: Option<Stepper>,
    program: Program,
}

/// How far a task came.
#[derive(Clone, Debug)]
pub enum Progress {
    /// To the end of a chunk, with more to come.
    Chunk(Boundary),
    /// To its end. The report's boundaries are those that were met here, from the start or from where it was resumed.
    Ended(Box<TaskReport>),
}

impl Steps {
    /// Makes the instance of a task. Nothing of the guest has run yet.
    ///
    /// # Errors
    /// [`ResumeError::NoSteps`] when the module does not run in steps, [`ResumeError::Fault`] when the node fails.
    pub fn start(
        program: &Program,
        task: TaskSpec,
        observer: Option<Box<dyn Observer>>,
    ) -> Result<Steps, ResumeError> {
        if !program.has_steps() {
            return Err(ResumeError::NoSteps);
        }
        let stepper = Stepper::start(program, task, observer, Variant::Fast)?;
        Ok(Steps { stepper: Some(stepper), program: program.clone() })
    }

    /// Makes the instance of a task in the state of a snapshot. The task must be the same; its files must be those it
    /// was started with.
    ///
    /// # Errors
    /// [`ResumeError`] when the snapshot is not one of this task, or the node fails.
    pub fn resume(
        program: &Program,
        task: TaskSpec,
        snapshot: &Snapshot,
        observer: Option<Box<dyn Observer>>,
    ) -> Result<Steps, ResumeError> {
        let stepper = Stepper::resume(program, task, snapshot, observer, Variant::Fast)?;
        Ok(Steps { stepper: Some(stepper), program: program.clone() })
    }

    /// Runs to the end of the next chunk.
    ///
    /// # Errors
    /// [`Fault`] when the node fails, or when the task has ended already. Whatever the guest does is in the report.
    pub fn next_chunk(&mut self) -> Result<Progress, Fault> {
        let end = self.on_a_large_stack(Stepper::next_exact_chunk)?;
        Ok(match end {
            ChunkEnd::Boundary(boundary) => Progress::Chunk(boundary),
            ChunkEnd::Finished(finished) => Progress::Ended(Box::new(finished.report)),
        })
    }

    /// Digest of the state between two chunks; `None` before the first chunk and after the end.
    ///
    /// # Errors
    /// [`Fault`] when the node fails.
    pub fn state(&mut self) -> Result<Option<Digest>, Fault> {
        Ok(self.here()?.core()?.map(|core| core.digest()))
    }

    /// The whole state between two chunks; `None` before the first chunk and after the end.
    ///
    /// # Errors
    /// [`Fault`] when the node fails.
    pub fn snapshot(&mut self) -> Result<Option<Snapshot>, Fault> {
        self.here()?.snapshot()
    }

    /// Bytes of the copy of the guest's memory that is kept to find changes: 64 KiB for each page that is not zero.
    pub fn copied_bytes(&self) -> u64 {
        self.stepper.as_ref().map_or(0, Stepper::copied_bytes)
    }

    fn here(&mut self) -> Result<&mut Stepper, Fault> {
        self.stepper.as_mut().ok_or_else(lost)
    }

    /// The guest runs only where the stack is large enough for it.
    fn on_a_large_stack<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Stepper) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Fault> {
        let mut stepper = self.stepper.take().ok_or_else(lost)?;
        let (stepper, result) = self
            .program
            .engine()
            .stacks()
            .run(move || {
                let result = work(&mut stepper);
                (stepper, result)
            })
            .map_err(|error| internal(error.to_string()))?;
        self.stepper = Some(stepper);
        result
    }
}

fn lost() -> Fault {
    internal("the task was lost in a fault of this machine".to_owned())
}
