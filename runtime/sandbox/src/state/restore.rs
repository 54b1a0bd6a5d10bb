//! Brings an instance into a saved state.

use std::collections::BTreeMap;

use bytes::Bytes;
use fizz_attest::{Blob, Digest, MAX_CHUNKS};

use super::codec::Parts;
use super::core::restore_globals;
use super::tree::{PAGE, ZERO_PAGE};
use crate::files::{Content, Files};
use crate::instance::Live;
use crate::program::Program;
use crate::task::{Fault, TaskSpec};

/// A saved state cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The state is of another task: another module, other arguments, input, seed or limits.
    #[error(
        "the saved state is of another task: module, arguments, inputs, seed, time and limits must be the same"
    )]
    OtherTask,
    /// The module does not run in steps.
    #[error("the module exports no `fizz_step`, so that no state of it can be resumed")]
    NoSteps,
    /// The state cannot be one of this task.
    #[error("the saved state cannot be one of this task: {0}")]
    Impossible(&'static str),
    /// The node is at fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Brings a fresh instance of the task into the state. Pages that are not among the parts become zero.
pub(crate) fn restore(
    live: &mut Live,
    program: &Program,
    task: &TaskSpec,
    parts: &Parts,
) -> Result<(), ResumeError> {
    let core = &parts.core;
    if core.gas > task.limits.gas.min(i64::MAX.cast_unsigned()) {
        return Err(ResumeError::Impossible("more gas is used than the task may use"));
    }
    // A chunk ends once it has used its gas.
    if core.gas < u64::from(core.chunk).saturating_mul(task.chunk_gas) || core.chunk as usize >= MAX_CHUNKS {
        return Err(ResumeError::Impossible("there are more chunks than its gas allows"));
    }
    restore_memory(live, program, task, parts)?;
    if !restore_globals(live, program.facts(), &core.globals)? {
        return Err(ResumeError::Impossible("its globals are not those of the module"));
    }
    live.set_used(core.gas)?;
    let given = given(&task.files);
    let contents = |blob: &Blob, owned: bool| -> Option<Content> {
        if owned {
            let bytes = parts.contents.get(&blob.content)?;
            (bytes.len() as u64 == blob.size).then(|| Content::Owned(bytes.to_vec()))
        } else {
            let bytes = given.get(&blob.content)?;
            (bytes.len() as u64 == blob.size).then(|| Content::Shared(bytes.clone()))
        }
    };
    let stream = |blob: Blob| parts.contents.get(&blob.content).map_or(&[][..], |bytes| &bytes[..]);
    let streams = (stream(core.wasi.stdout), stream(core.wasi.stderr));
    let host = live.store.data_mut();
    host.meter.set_slept(core.slept);
    host.wasi.restore(&core.wasi, streams, &contents).map_err(ResumeError::Impossible)
}

/// The files of a task by their hash.
fn given(files: &Files) -> BTreeMap<Digest, Bytes> {
    files.regular_files("/").into_iter().map(|(_, bytes)| (Digest::of_content(&bytes), bytes)).collect()
}

fn restore_memory(
    live: &mut Live,
    program: &Program,
    task: &TaskSpec,
    parts: &Parts,
) -> Result<(), ResumeError> {
    let facts = program.facts();
    let (first, declared) = (facts.memory.0, facts.memory.1.unwrap_or(1 << 16));
    let wanted = u64::from(parts.core.pages);
    if wanted < first || wanted > declared.min(task.limits.memory_bytes >> 16) {
        return Err(ResumeError::Impossible("its memory is not of a size that the task's can have"));
    }
    let memory = live.guest.handles.memory;
    if wanted > first {
        memory.grow(&mut live.store, wanted - first).map_err(|error| Fault {
            kind: fizz_attest::HostFault::OutOfMemory,
            detail: error.to_string(),
        })?;
    }
    for (index, now) in (0..).zip(memory.data_mut(&mut live.store).chunks_exact_mut(PAGE)) {
        match parts.pages.get(&index) {
            Some(Some(page)) => now.copy_from_slice(page),
            // Not written where nothing has to change, so that it takes no memory.
            _ if u64::from(index) < first && *now != ZERO_PAGE => now.fill(0),
            _ => {}
        }
    }
    Ok(())
}
