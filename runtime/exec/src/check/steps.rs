//! The ways that only a task with steps has: stopped and taken up again, and chunks alone.

use fizz_attest::{HostFault, Job, Outcome};
use fizz_sandbox::trace::{Form, Subject};
use fizz_sandbox::{
    Opened, Opening, OpeningError, Program, Progress, ResumeError, Snapshot, SnapshotError, Steps,
    TaskReport, TaskSpec,
};

use super::{BETWEEN, Checked, differences};
use crate::executor::ExecuteError;

pub(super) const CUT: &str = "in shorter chunks, whose ends cost gas";
pub(super) const RESUMED: &str = "stopped in the middle, stored and taken up again";
pub(super) const OPENED: &str = "chunks alone, from the pages that they touch";

/// Chunks that a task is cut into where it has fewer by itself, so that there is a middle.
const CHUNKS: u64 = 4;
/// Chunks that are run alone, about, where a task has more: each is read from a whole state.
const OPENED_MOST: usize = 16;
/// Gas for the ends of these chunks, where the job's is used up almost.
const ENDS_GAS: u64 = 1 << 32;

/// Adds the ways of a task with steps, unless it ends within its first step. `again` is the program in which states are
/// taken up, and `first` what the uninterrupted run reported.
pub(super) fn compare(
    checked: &mut Checked,
    (program, again): (&Program, &Program),
    task: &TaskSpec,
    first: &TaskReport,
    job: &Job,
) -> Result<(), ExecuteError> {
    let mut task = task.clone();
    let cut;
    let (base, gas) = if first.boundaries.len() as u64 >= CHUNKS - 1 {
        (first, checked.gas())
    } else {
        // The end of a chunk costs gas, so that a task in shorter chunks is another one: it is compared with itself.
        task.chunk_gas = first.gas / CHUNKS + 1;
        if first.outcome != Outcome::OutOfGas {
            task.limits.gas = task.limits.gas.saturating_mul(2).saturating_add(ENDS_GAS);
        }
        let form = Form::WriteThrough;
        cut = Subject { program: program.clone(), task: task.clone(), form, gpu: None }.run()?;
        if cut.boundaries.is_empty() {
            return Ok(());
        }
        checked.add(CUT, &cut, true);
        (&cut, Some(cut.gas))
    };
    let middle = base.boundaries.len() / 2 + 1;
    let middle = middle.min(base.boundaries.len());
    let every = base.boundaries.len().div_ceil(OPENED_MOST).max(1);
    let (mut stored, mut before) = (None, None);
    let (mut boundaries, mut alone) = (Vec::new(), Vec::new());
    let mut steps = Steps::start(program, task.clone(), None)?;
    let report = loop {
        let progress = steps.next_chunk()?;
        if let Some(before) = before.take()
            && let Some(what) = run_alone((program, again), &task, &before, &progress)?
        {
            alone.push(format!("chunk {}: {what}", boundaries.len()));
        }
        match progress {
            Progress::Ended(report) => break *report,
            Progress::Chunk(boundary) => boundaries.push(boundary),
        }
        let (is_middle, is_opened) = (boundaries.len() == middle, boundaries.len().is_multiple_of(every));
        if !is_middle && !is_opened {
            continue;
        }
        let snapshot =
            steps.snapshot()?.ok_or_else(|| internal("there is no state at the end of a chunk"))?;
        if is_middle {
            stored = Some(snapshot.encode());
        }
        before = is_opened.then_some(snapshot);
    };
    drop(steps);
    if let Some(stored) = stored {
        let resumed = take_up(again, &task, &stored)?;
        checked.add(RESUMED, &resumed, true);
        let mut found = differences((base, gas), (&resumed, Some(resumed.gas)), job);
        if base.boundaries.get(middle..) != Some(&resumed.boundaries) {
            found.push(BETWEEN.to_owned());
        }
        checked.differ(RESUMED, found);
    }
    // Even where states are taken between chunks, the task goes on as if none had been.
    checked.add(OPENED, &report, true);
    let mut found = differences((base, gas), (&report, Some(report.gas)), job);
    if base.boundaries != boundaries {
        found.push(BETWEEN.to_owned());
    }
    found.extend(alone);
    checked.differ(OPENED, found);
    Ok(())
}

/// Goes on from stored bytes to the end.
fn take_up(program: &Program, task: &TaskSpec, stored: &[u8]) -> Result<TaskReport, ExecuteError> {
    let snapshot = Snapshot::decode(stored).map_err(unreadable)?;
    let mut steps = Steps::resume(program, task.clone(), &snapshot, None)?;
    loop {
        if let Progress::Ended(report) = steps.next_chunk()? {
            return Ok(*report);
        }
    }
}

/// What differs between a chunk as it `ended` and the same run from its opening, as a verifier would: from bytes, in
/// another instance, with no more gas than is claimed and one.
fn run_alone(
    (program, again): (&Program, &Program),
    task: &TaskSpec,
    before: &Snapshot,
    ended: &Progress,
) -> Result<Option<String>, ExecuteError> {
    let bytes = Opening::of(program, task.clone(), before)?.encode();
    let opening = Opening::decode(&bytes).map_err(unreadable)?;
    if opening.boundary() != before.boundary() {
        return Ok(Some("its opening is of another state".to_owned()));
    }
    let end = match ended {
        Progress::Chunk(boundary) => boundary.gas,
        Progress::Ended(report) => report.gas,
    };
    let claimed = end - before.boundary().gas;
    let found = match opening.run(again, task.clone(), claimed + 1) {
        Ok(found) => found,
        Err(OpeningError::Resume(error @ ResumeError::Fault(_))) => return Err(error.into()),
        Err(error) => return Ok(Some(error.to_string())),
    };
    Ok(match (ended, found) {
        (_, Opened::OverGas) => Some(format!("it takes more than {claimed} gas")),
        (Progress::Chunk(expected), Opened::Chunk(found)) => (found != *expected).then(|| {
            let (a, b) = (expected.state.short(), found.state.short());
            format!("states {a} at {} gas and {b} at {} gas", expected.gas, found.gas)
        }),
        (Progress::Ended(expected), Opened::Ended(found)) => {
            let same = found.outcome == expected.outcome
                && found.gas == expected.gas
                && found.stdout == expected.stdout
                && found.stderr == expected.stderr
                && found.files.regular_files("/") == expected.files.regular_files("/");
            (!same).then(|| {
                let (a, b) = (&expected.outcome, &found.outcome);
                format!("the end: {a} at {} gas, {b} at {} gas, or outputs", expected.gas, found.gas)
            })
        }
        (Progress::Chunk(_), Opened::Ended(_)) => Some("the task ends in it".to_owned()),
        (Progress::Ended(_), Opened::Chunk(_)) => Some("the task does not end in it".to_owned()),
    })
}

fn unreadable(error: SnapshotError) -> ExecuteError {
    internal(&format!("our own bytes: {error}"))
}

fn internal(detail: &str) -> ExecuteError {
    ExecuteError::Fault { kind: HostFault::Internal, detail: detail.to_owned() }
}
