//! Chunks: the resumable parts of a task, whose chain stands in the task's result.
//!
//! Each chunk is a leaf that names the state before it and the state after it. The first starts from the job, each
//! from the one before, and the last ends in the task's outcome, outputs and gas. A task without steps is one chunk.

use serde::{Deserialize, Serialize};

use crate::canonical::{Canonical, CanonicalError};
use crate::digest::{Digest, Domain};
use crate::list::at_most;
use crate::merkle;
use crate::outcome::Outcome;
use crate::receipt::TaskResult;

/// Chunks of one task at most. [`crate::Job::chunk_gas`] sees to it that no task can have more.
pub const MAX_CHUNKS: usize = 65_536;

/// Gas after which a chunk ends unless the job says otherwise: about two seconds at 16 gas in a nanosecond.
pub const DEFAULT_CHUNK_GAS: u64 = 32_000_000_000;

/// Gas that a chunk has at least, whatever the job says: about 67 ms. Every chunk's end costs the node a look at all
/// of the guest's memory.
pub const MIN_CHUNK_GAS: u64 = 1 << 30;

/// One chunk: a leaf of a task's chunk tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// Its number, from 0.
    pub index: u32,
    /// The state it starts from; of the first, [`Chunk::start_of`] the task.
    pub before: Digest,
    /// The state it leads to; of the last, [`Chunk::end_of`] the task.
    pub after: Digest,
    /// CPU gas that it used.
    pub gas: u64,
    /// GPU gas that it used.
    pub gpu_gas: u64,
}

impl Chunk {
    /// What the first chunk of a task starts from.
    pub fn start_of(job: &Digest, task: u32) -> Digest {
        Digest::of_parts(Domain::ChunkStart, &[&job.0, &task.to_le_bytes()])
    }

    /// What the last chunk of a task ends in. `outputs` is the root of the outputs, gas is the whole task's.
    pub fn end_of(outcome: &Outcome, outputs: &Digest, gas: u64, gpu_gas: u64) -> Digest {
        let end = TaskEnd { outcome: outcome.clone(), outputs: *outputs, gas, gpu_gas };
        Digest::of(Domain::ChunkEnd, &end.to_canonical())
    }

    /// The leaf's digest.
    pub fn digest(&self) -> Digest {
        Digest::of(Domain::Chunk, &self.to_canonical())
    }
}

impl Canonical for Chunk {
    const TYPE: &'static str = "chunk";
    const MAX_BYTES: usize = 1 << 10;
}

/// What the last chunk ends in.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskEnd {
    outcome: Outcome,
    outputs: Digest,
    gas: u64,
    gpu_gas: u64,
}

impl Canonical for TaskEnd {
    const TYPE: &'static str = "task end";
}

/// Where one chunk ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boundary {
    /// Digest of the whole state.
    pub state: Digest,
    /// CPU gas that the task has used so far.
    pub gas: u64,
    /// GPU gas that the task has used so far.
    pub gpu_gas: u64,
}

/// All chunks of a task, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkChain {
    /// The chunks, at least one.
    #[serde(deserialize_with = "at_most::<_, _, MAX_CHUNKS>")]
    pub chunks: Vec<Chunk>,
}

/// A chain that cannot be, or is not the chain of a result.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChunkError {
    /// Not a canonical chain.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// No chunk, or too many.
    #[error("a task has 1 to {MAX_CHUNKS} chunks, this one has {0}")]
    Count(usize),
    /// A chunk does not stand where its number says, or does not start where the one before it ended.
    #[error("chunk {0} does not follow from what is before it")]
    Broken(usize),
    /// The gas of the chunks goes back, or is not the task's.
    #[error("the gas of the chunks is not the gas of the task")]
    Gas,
    /// A chunk that is not the last ended before it had the job's gas for a chunk.
    #[error("chunk {index} ended after {gas} gas; each but the last has at least {least}")]
    Short {
        /// Its number.
        index: usize,
        /// Its gas.
        gas: u64,
        /// The job's gas for a chunk.
        least: u64,
    },
    /// The last chunk does not end in the task's outcome, outputs and gas.
    #[error("the last chunk does not end in the result of the task")]
    End,
    /// The tree over the chunks has another root than the result.
    #[error("the chunks are not those of the result")]
    Root,
}

impl ChunkChain {
    /// The chain of a task that met these boundaries, rising in gas, and then came to its end.
    ///
    /// # Errors
    /// [`ChunkError::Gas`] when the gas goes back, [`ChunkError::Count`] when there are too many boundaries.
    pub fn new(
        start: Digest,
        boundaries: &[Boundary],
        (end, gas, gpu_gas): (Digest, u64, u64),
    ) -> Result<ChunkChain, ChunkError> {
        if boundaries.len() >= MAX_CHUNKS {
            return Err(ChunkError::Count(boundaries.len() + 1));
        }
        let last = Boundary { state: end, gas, gpu_gas };
        let mut at = Boundary { state: start, gas: 0, gpu_gas: 0 };
        let mut chunks = Vec::with_capacity(boundaries.len() + 1);
        for (index, next) in (0..).zip(boundaries.iter().chain([&last])) {
            chunks.push(Chunk {
                index,
                before: at.state,
                after: next.state,
                gas: next.gas.checked_sub(at.gas).ok_or(ChunkError::Gas)?,
                gpu_gas: next.gpu_gas.checked_sub(at.gpu_gas).ok_or(ChunkError::Gas)?,
            });
            at = *next;
        }
        Ok(ChunkChain { chunks })
    }

    /// Decodes a chain and checks that it is the chain of `result`, in chunks of `chunk_gas`.
    ///
    /// # Errors
    /// [`ChunkError`] says what does not hold.
    pub fn decode(bytes: &[u8], result: &TaskResult, chunk_gas: u64) -> Result<ChunkChain, ChunkError> {
        let chain = ChunkChain::from_canonical(bytes)?;
        chain.check(result, chunk_gas)?;
        Ok(chain)
    }

    /// Checks that the chunks follow from each other, from the job to the result, and that none but the last has less
    /// gas than `chunk_gas`, which is the job's [`crate::Job::chunk_gas`].
    ///
    /// # Errors
    /// [`ChunkError`] says what does not hold.
    pub fn check(&self, result: &TaskResult, chunk_gas: u64) -> Result<(), ChunkError> {
        if self.chunks.is_empty() || self.chunks.len() > MAX_CHUNKS {
            return Err(ChunkError::Count(self.chunks.len()));
        }
        let mut before = Chunk::start_of(&result.job, result.task);
        let (mut gas, mut gpu_gas) = (0u64, 0u64);
        for (index, chunk) in self.chunks.iter().enumerate() {
            if chunk.index as usize != index || chunk.before != before {
                return Err(ChunkError::Broken(index));
            }
            before = chunk.after;
            gas = gas.checked_add(chunk.gas).ok_or(ChunkError::Gas)?;
            gpu_gas = gpu_gas.checked_add(chunk.gpu_gas).ok_or(ChunkError::Gas)?;
        }
        if (gas, gpu_gas) != (result.gas, result.gpu_gas) {
            return Err(ChunkError::Gas);
        }
        let (_, ended) = self.chunks.split_last().ok_or(ChunkError::Count(0))?;
        if let Some(short) = ended.iter().find(|chunk| chunk.gas < chunk_gas) {
            return Err(ChunkError::Short { index: short.index as usize, gas: short.gas, least: chunk_gas });
        }
        if before != Chunk::end_of(&result.outcome, &result.outputs, gas, gpu_gas) {
            return Err(ChunkError::End);
        }
        if self.root() != result.chunks {
            return Err(ChunkError::Root);
        }
        Ok(())
    }

    fn leaves(&self) -> Vec<Digest> {
        self.chunks.iter().map(Chunk::digest).collect()
    }

    /// The root that stands in the task's result: of the number of chunks and a Merkle tree over them.
    pub fn root(&self) -> Digest {
        chunk_root(self.chunks.len(), &merkle::root(Domain::ChunkNode, &self.leaves()))
    }

    /// One chunk with the proof that it is of this chain. `None` when there is no such chunk.
    pub fn prove(&self, index: u32) -> Option<ChunkProof> {
        let chunk = *self.chunks.get(index as usize)?;
        let path = merkle::path(Domain::ChunkNode, &self.leaves(), index as usize)?;
        Some(ChunkProof { chunk, count: u32::try_from(self.chunks.len()).ok()?, path })
    }
}

impl Canonical for ChunkChain {
    const TYPE: &'static str = "chunk chain";
}

fn chunk_root(count: usize, tree: &Digest) -> Digest {
    Digest::of_parts(Domain::ChunkRoot, &[&(count as u64).to_le_bytes(), &tree.0])
}

/// One chunk, and that it belongs to a task's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkProof {
    /// The chunk.
    pub chunk: Chunk,
    /// How many chunks the task has.
    pub count: u32,
    /// Siblings of the chunk in the tree, from the leaf up.
    #[serde(deserialize_with = "at_most::<_, _, 16>")]
    pub path: Vec<Digest>,
}

impl ChunkProof {
    /// Whether this is a chunk of the task with this `chunks` root.
    pub fn holds(&self, root: &Digest) -> bool {
        let (index, count) = (self.chunk.index as usize, self.count as usize);
        count <= MAX_CHUNKS
            && merkle::climb(Domain::ChunkNode, self.chunk.digest(), index, count, &self.path)
                .is_some_and(|tree| chunk_root(count, &tree) == *root)
    }
}

impl Canonical for ChunkProof {
    const TYPE: &'static str = "chunk proof";
    const MAX_BYTES: usize = 4 << 10;
}
