//! Runs a program once, as a task.

use std::sync::Arc;
use std::time::Instant;

use fizz_attest::{HostFault, Outcome};
use fizz_gpu_abi::host::Sessions;

use crate::instance::{Begun, Finished, begin, internal};
use crate::instrument::Variant;
use crate::program::Program;
use crate::steps::Stepper;
use crate::task::{Fault, Observer, TaskReport, TaskSpec};

/// Runs a task to its end and reports what came of it.
///
/// `gpu` makes the session of a module that imports `fizz_gpu`; without it the module's `open` answers that there is
/// no GPU. `observer` sees output and progress as they happen.
///
/// A guest that traps between two calls leaves its gas inexact; the task is then run a second time, GPU included, in a
/// slower form that keeps it exact. The observer sees only the first run.
///
/// # Errors
/// [`Fault`] when the node could not run the task. Whatever the guest does is in the report.
pub fn run(
    program: &Program,
    task: TaskSpec,
    gpu: Option<Arc<dyn Sessions>>,
    observer: Option<Box<dyn Observer>>,
) -> Result<TaskReport, Fault> {
    let start = Instant::now();
    let stacks = program.engine().stacks();
    let mut report = stacks
        .run(|| run_here(program, &task, gpu.as_ref(), observer))
        .map_err(|error| Fault { kind: HostFault::Internal, detail: error.to_string() })??;
    report.total = start.elapsed();
    Ok(report)
}

/// Runs where the stack is large enough for it.
fn run_here(
    program: &Program,
    task: &TaskSpec,
    gpu: Option<&Arc<dyn Sessions>>,
    observer: Option<Box<dyn Observer>>,
) -> Result<TaskReport, Fault> {
    let first = run_once(program, task, gpu, observer, Variant::Fast)?;
    if first.gas_is_exact {
        return Ok(first.report);
    }
    let second = run_once(program, task, gpu, None, Variant::WriteThrough)?;
    settle(first.report, second.report)
}

/// Two runs that did the same, of which only the second counted its gas exactly.
pub(crate) fn settle(first: TaskReport, second: TaskReport) -> Result<TaskReport, Fault> {
    // If the gas was used up before the trap, only the second could tell.
    if second.outcome != first.outcome && second.outcome != Outcome::OutOfGas {
        return Err(internal(format!("two runs differ: {} and {}", first.outcome, second.outcome)));
    }
    Ok(TaskReport { run: first.run + second.run, diagnostic: first.diagnostic, ..second })
}

/// Runs one form of the program from the start of the task to its end.
pub(crate) fn run_once(
    program: &Program,
    task: &TaskSpec,
    gpu: Option<&Arc<dyn Sessions>>,
    observer: Option<Box<dyn Observer>>,
    variant: Variant,
) -> Result<Finished, Fault> {
    if program.has_steps() {
        return Stepper::start(program, task.clone(), observer, variant)?.run();
    }
    let live = match begin(program, task, gpu, observer, variant)? {
        Begun::Live(live) => live,
        Begun::Over(report) => return Ok(Finished { report: *report, gas_is_exact: true }),
    };
    let (live, result) = Stepper::run_through(live, program, task.chunk_gas);
    live.finish(result)
}
