//! The state of a task between two calls of its guest, all but the bytes: those stand in it by their hashes.

use fizz_attest::{Canonical, Digest, Domain};
use serde::{Deserialize, Serialize};
use wasmparser::ValType;
use wasmtime::Val;

use super::memory::MemoryCopy;
use crate::instance::{Live, internal};
use crate::instrument::ModuleFacts;
use crate::program::Program;
use crate::task::{Fault, TaskSpec};
use crate::wasi::{StreamHashes, WasiState};

/// Version of what a state holds and of its encoding.
pub(crate) const STATE_VERSION: u32 = 1;

/// A state; its digest is that of its canonical bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Core {
    /// [`STATE_VERSION`].
    pub(crate) v: u32,
    /// Digest of what the task is run on.
    pub(crate) task: Digest,
    /// Chunks that have ended.
    pub(crate) chunk: u32,
    /// CPU gas used.
    pub(crate) gas: u64,
    /// Nanoseconds slept.
    pub(crate) slept: u64,
    /// Pages of linear memory.
    pub(crate) pages: u32,
    /// Root of the tree over them.
    pub(crate) memory: Digest,
    /// The mutable globals, by rising index, each as the little-endian bytes of its bits.
    #[serde(with = "serde_bytes")]
    pub(crate) globals: Vec<u8>,
    pub(crate) wasi: WasiState,
}

/// Bytes that names, links and descriptors may take in a state. With everything else that stands in it, it stays below
/// what is decoded.
pub(crate) const NAMES_MAX: u64 = 240 << 20;

impl Canonical for Core {
    const TYPE: &'static str = "state";
    const MAX_BYTES: usize = 256 << 20;
}

impl Core {
    /// The digest of the whole state.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(Domain::State, &self.to_canonical())
    }

    /// The state of an instance between two calls. `memory` and `streams` are what was seen of it before.
    pub(crate) fn save(
        live: &mut Live,
        facts: &ModuleFacts,
        (task, chunk): (Digest, u32),
        memory: &mut MemoryCopy,
        streams: &mut StreamHashes,
    ) -> Result<Core, Fault> {
        memory.update(live.guest.handles.memory.data(&live.store));
        Core::collect(live, facts, (task, chunk), (memory.len(), memory.root()), streams)
    }

    /// The same for a memory whose pages and root are known.
    pub(crate) fn collect(
        live: &mut Live,
        facts: &ModuleFacts,
        (task, chunk): (Digest, u32),
        (pages, memory): (u32, Digest),
        streams: &mut StreamHashes,
    ) -> Result<Core, Fault> {
        let gas = live.used();
        let globals = save_globals(live, facts)?;
        let host = live.store.data_mut();
        Ok(Core {
            v: STATE_VERSION,
            task,
            chunk,
            gas,
            slept: host.meter.slept(),
            pages,
            memory,
            globals,
            wasi: host.wasi.save(streams),
        })
    }
}

/// The digest of what a task is run on and under which profile, as far as it is not state itself: all but the files.
pub(crate) fn task_digest(program: &Program, task: &TaskSpec) -> Digest {
    #[derive(Serialize, Deserialize)]
    struct Bound {
        profile: Digest,
        module: Digest,
        args: Vec<String>,
        env: Vec<(String, String)>,
        stdin: Digest,
        seed: Digest,
        task_index: u32,
        epoch_ns: u64,
        limits: fizz_attest::Limits,
        chunk_gas: u64,
    }
    impl Canonical for Bound {
        const TYPE: &'static str = "task";
    }
    let TaskSpec { args, env, stdin, files: _, seed, task_index, epoch_ns, limits, chunk_gas, gpu_class: _ } =
        task;
    let bound = Bound {
        profile: crate::profile().digest(),
        module: program.digest(),
        args: args.clone(),
        env: env.clone(),
        stdin: Digest::of_content(stdin),
        seed: Digest(*seed),
        task_index: *task_index,
        epoch_ns: *epoch_ns,
        limits: limits.clone(),
        chunk_gas: *chunk_gas,
    };
    Digest::of(Domain::StateTask, &bound.to_canonical())
}

/// Bytes of a global of this type.
fn width(ty: ValType) -> usize {
    match ty {
        ValType::I32 | ValType::F32 => 4,
        ValType::I64 | ValType::F64 => 8,
        ValType::V128 => 16,
        ValType::Ref(_) => 0,
    }
}

/// Splits saved globals: the index of each and its bytes. `None` when the bytes are not those of this module.
pub(crate) fn split_globals<'b>(facts: &ModuleFacts, mut bytes: &'b [u8]) -> Option<Vec<(u32, &'b [u8])>> {
    let mut split = Vec::new();
    for &(index, ty) in &facts.mutable_globals {
        let (one, rest) = bytes.split_at_checked(width(ty))?;
        split.push((index, one));
        bytes = rest;
    }
    bytes.is_empty().then_some(split)
}

fn save_globals(live: &mut Live, facts: &ModuleFacts) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    for &(index, _) in &facts.mutable_globals {
        let global = live.global(index)?;
        match global.get(&mut live.store) {
            Val::I32(value) => bytes.extend(value.to_le_bytes()),
            Val::I64(value) => bytes.extend(value.to_le_bytes()),
            Val::F32(bits) => bytes.extend(bits.to_le_bytes()),
            Val::F64(bits) => bytes.extend(bits.to_le_bytes()),
            Val::V128(value) => bytes.extend(value.as_u128().to_le_bytes()),
            other => return Err(internal(format!("global {index} holds {other:?}"))),
        }
    }
    Ok(bytes)
}

/// Sets the mutable globals. Whether the bytes are those of this module.
pub(crate) fn restore_globals(live: &mut Live, facts: &ModuleFacts, bytes: &[u8]) -> Result<bool, Fault> {
    let Some(split) = split_globals(facts, bytes) else { return Ok(false) };
    for ((index, bytes), &(_, ty)) in split.into_iter().zip(&facts.mutable_globals) {
        let mut bits = [0; 16];
        bits[..bytes.len()].copy_from_slice(bytes);
        let bits = u128::from_le_bytes(bits);
        let value = match ty {
            ValType::I32 => Val::I32((bits as u32).cast_signed()),
            ValType::I64 => Val::I64((bits as u64).cast_signed()),
            ValType::F32 => Val::F32(bits as u32),
            ValType::F64 => Val::F64(bits as u64),
            ValType::V128 => Val::V128(bits.into()),
            ValType::Ref(_) => return Ok(false),
        };
        let global = live.global(index)?;
        global.set(&mut live.store, value).map_err(|error| internal(error.to_string()))?;
    }
    Ok(true)
}
