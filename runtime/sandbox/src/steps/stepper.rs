//! Calls a step module, chunk by chunk, on the thread that it is called on.

use fizz_attest::{Boundary, Digest, LimitKind};

use crate::host::Ending;
use crate::instance::{Begun, Finished, Live, begin, internal};
use crate::instrument::{COSTS, StepFacts, Variant};
use crate::program::Program;
use crate::run::settle;
use crate::state::{Core, MemoryCopy, NAMES_MAX, ResumeError, Snapshot, restore, task_digest};
use crate::task::{Fault, Observer, TaskReport, TaskSpec};
use crate::wasi::StreamHashes;

/// A task of a step module, between two chunks.
pub(crate) struct Stepper {
    program: Program,
    task: TaskSpec,
    /// Where this process took the task over; `None` for its start.
    origin: Option<Snapshot>,
    stage: Stage,
    /// Where the chunks ended that ran here.
    boundaries: Vec<Boundary>,
}

enum Stage {
    Live(Box<Running>),
    /// The task was over before its first instruction.
    Over(Box<TaskReport>),
    Ended,
}

pub(super) struct Running {
    pub(super) live: Live,
    task: Digest,
    memory: MemoryCopy,
    streams: StreamHashes,
    /// Chunks that have ended, in all processes.
    chunk: u32,
    /// Gas at which this chunk began.
    chunk_start: u64,
    /// Whether the call before the first step was made.
    began: bool,
}

/// How a chunk ended.
pub(crate) enum ChunkEnd {
    Boundary(Boundary),
    Finished(Box<Finished>),
}

impl Stepper {
    pub(crate) fn start(
        program: &Program,
        task: TaskSpec,
        observer: Option<Box<dyn Observer>>,
        variant: Variant,
    ) -> Result<Stepper, Fault> {
        let stage = match begin(program, &task, None, observer, variant)? {
            Begun::Over(report) => Stage::Over(report),
            Begun::Live(live) => Stage::Live(Box::new(Running {
                live: *live,
                task: task_digest(program, &task),
                memory: MemoryCopy::new(program.image_pages()),
                streams: StreamHashes::default(),
                chunk: 0,
                chunk_start: 0,
                began: false,
            })),
        };
        let boundaries = Vec::new();
        Ok(Stepper { program: program.clone(), task, origin: None, stage, boundaries })
    }

    pub(crate) fn resume(
        program: &Program,
        task: TaskSpec,
        snapshot: &Snapshot,
        observer: Option<Box<dyn Observer>>,
        variant: Variant,
    ) -> Result<Stepper, ResumeError> {
        if !program.has_steps() {
            return Err(ResumeError::NoSteps);
        }
        let core = &snapshot.parts.core;
        if core.task != task_digest(program, &task) {
            return Err(ResumeError::OtherTask);
        }
        let Begun::Live(mut live) = begin(program, &task, None, observer, variant)? else {
            return Err(ResumeError::Impossible("the task ends before its first instruction"));
        };
        restore(&mut live, program, &task, &snapshot.parts)?;
        let running = Running::resumed(*live, core, MemoryCopy::new(program.image_pages()));
        Ok(Stepper {
            program: program.clone(),
            task,
            origin: Some(snapshot.clone()),
            stage: Stage::Live(Box::new(running)),
            boundaries: Vec::new(),
        })
    }

    /// Runs all chunks that are left.
    pub(crate) fn run(mut self) -> Result<Finished, Fault> {
        loop {
            if let ChunkEnd::Finished(finished) = self.next_chunk()? {
                return Ok(*finished);
            }
        }
    }

    /// Calls all of a task, with steps or without, and stops at no chunk: but each of them is charged for its end.
    pub(crate) fn run_through(
        mut live: Box<Live>,
        program: &Program,
        chunk_gas: u64,
    ) -> (Box<Live>, wasmtime::Result<()>) {
        let (mut began, mut chunk_start) = (false, 0);
        let result = if program.has_steps() {
            loop {
                match steps(&mut live, program, &mut began, (chunk_start, chunk_gas)) {
                    Ok(true) => chunk_start = live.used(),
                    ended => break ended.map(drop),
                }
            }
        } else {
            call_first(&mut live, program)
        };
        (live, result)
    }

    /// Runs to the end of a chunk.
    pub(crate) fn next_chunk(&mut self) -> Result<ChunkEnd, Fault> {
        let mut running = match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Ended => return Err(internal("the task has ended".to_owned())),
            Stage::Over(report) => {
                return Ok(ChunkEnd::Finished(Box::new(Finished { report: *report, gas_is_exact: true })));
            }
            Stage::Live(running) => running,
        };
        match running.steps(&self.program, self.task.chunk_gas) {
            Ok(true) => {
                let boundary = running.end_chunk(&self.program)?;
                self.boundaries.push(boundary);
                self.stage = Stage::Live(running);
                Ok(ChunkEnd::Boundary(boundary))
            }
            ended => {
                let mut finished = running.live.finish(ended.map(drop))?;
                finished.report.boundaries = std::mem::take(&mut self.boundaries);
                Ok(ChunkEnd::Finished(Box::new(finished)))
            }
        }
    }

    /// Runs to the end of a chunk. A trap whose gas is not known exactly is found again in the slower form, from where
    /// this process took the task over.
    pub(crate) fn next_exact_chunk(&mut self) -> Result<ChunkEnd, Fault> {
        let end = self.next_chunk()?;
        let ChunkEnd::Finished(first) = &end else { return Ok(end) };
        if first.gas_is_exact {
            return Ok(end);
        }
        let again = match &self.origin {
            None => Stepper::start(&self.program, self.task.clone(), None, Variant::WriteThrough),
            Some(origin) => {
                let (program, task) = (&self.program, self.task.clone());
                Stepper::resume(program, task, origin, None, Variant::WriteThrough).map_err(|error| {
                    match error {
                        ResumeError::Fault(fault) => fault,
                        other => internal(other.to_string()),
                    }
                })
            }
        };
        let second = again?.run()?;
        let report = settle(first.report.clone(), second.report)?;
        Ok(ChunkEnd::Finished(Box::new(Finished { report, gas_is_exact: true })))
    }

    /// Bytes of the copy of the guest's memory.
    pub(crate) fn copied_bytes(&self) -> u64 {
        match &self.stage {
            Stage::Live(running) => running.memory.bytes(),
            Stage::Over(_) | Stage::Ended => 0,
        }
    }

    /// The state between two chunks, hashed anew where there was none yet. `None` when the task is over.
    pub(crate) fn core(&mut self) -> Result<Option<Core>, Fault> {
        let Stage::Live(running) = &mut self.stage else { return Ok(None) };
        if !running.began {
            return Ok(None);
        }
        running.save(&self.program).map(Some)
    }

    /// The whole state between two chunks. `None` before the first chunk has ended and when the task is over.
    pub(crate) fn snapshot(&mut self) -> Result<Option<Snapshot>, Fault> {
        let Some(core) = self.core()? else { return Ok(None) };
        let Stage::Live(running) = &self.stage else { return Ok(None) };
        Ok(Some(Snapshot::new(core, &running.memory, &running.live)))
    }
}

/// Calls what a task begins with: the start function, then what comes before the first step, or the whole of a command.
fn call_first(live: &mut Live, program: &Program) -> wasmtime::Result<()> {
    live.call_start()?;
    match program.facts().steps {
        None => live.call_action("_start"),
        Some(StepFacts { first: Some(first) }) => live.call_action(first),
        Some(StepFacts { first: None }) => Ok(()),
    }
}

/// Makes one step. Whether more follow.
fn call_step(live: &mut Live) -> wasmtime::Result<bool> {
    // A step costs as much as a host call: the way in and out is as long. Without gas the task ends here.
    Ok(live.charge(COSTS.host_call.into())? && live.call_question("fizz_step")? != 0)
}

/// Steps until a chunk is over and its end paid for (`true`), or the task is over. The chunk began at the gas
/// `chunk_start`.
fn steps(
    live: &mut Live,
    program: &Program,
    began: &mut bool,
    (chunk_start, chunk_gas): (u64, u64),
) -> wasmtime::Result<bool> {
    if !*began {
        call_first(live, program)?;
        *began = true;
        if chunk_ends(live, program, (chunk_start, chunk_gas))? {
            return Ok(true);
        }
    }
    while call_step(live)? {
        if chunk_ends(live, program, (chunk_start, chunk_gas))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a chunk ends here, which is charged. It does not where the gas is used up, or does not pay for the end: the
/// next charge will find that.
///
/// The price is a function of the state alone, not of what has changed in it: so it is the same from wherever the task
/// was taken up. A state whose names are too many bytes to be stored ends the task.
fn chunk_ends(
    live: &mut Live,
    program: &Program,
    (chunk_start, chunk_gas): (u64, u64),
) -> wasmtime::Result<bool> {
    if live.remaining() < 0 || live.used() - chunk_start < chunk_gas {
        return Ok(false);
    }
    let memory = live.guest.handles.memory.data_size(&live.store) as u64;
    let (written, entries) = live.store.data().wasi.extent();
    let entries = entries + program.facts().mutable_globals.len() as u64;
    let paid = live.charge(COSTS.chunk_end(memory.saturating_add(written), entries))?;
    // Every name was paid for, so they may be looked at.
    if paid && live.store.data().wasi.names_bytes() > NAMES_MAX {
        return Err(live.store.data_mut().meter.end(Ending::Limit(LimitKind::Files)).into());
    }
    Ok(paid)
}

impl Running {
    /// An instance that was brought into a state.
    pub(super) fn resumed(live: Live, core: &Core, memory: MemoryCopy) -> Running {
        Running {
            live,
            task: core.task,
            memory,
            streams: StreamHashes::default(),
            chunk: core.chunk,
            chunk_start: core.gas,
            began: true,
        }
    }

    /// Steps until a chunk is over (`true`) or the task is.
    pub(super) fn steps(&mut self, program: &Program, chunk_gas: u64) -> wasmtime::Result<bool> {
        steps(&mut self.live, program, &mut self.began, (self.chunk_start, chunk_gas))
    }

    fn end_chunk(&mut self, program: &Program) -> Result<Boundary, Fault> {
        self.chunk += 1;
        let core = self.save(program)?;
        self.chunk_start = core.gas;
        Ok(Boundary { state: core.digest(), gas: core.gas, gpu_gas: 0 })
    }

    fn save(&mut self, program: &Program) -> Result<Core, Fault> {
        let at = (self.task, self.chunk);
        Core::save(&mut self.live, program.facts(), at, &mut self.memory, &mut self.streams)
    }
}
