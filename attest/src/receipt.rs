//! Results and receipts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::chunk::{Boundary, Chunk, ChunkChain, ChunkError};
use crate::digest::{Digest, Domain};
use crate::dsse::{Envelope, EnvelopeError};
use crate::job::{Job, JobError};
use crate::key::PublicKey;
use crate::lease::Lease;
use crate::outcome::Outcome;
use crate::outputs::{OutputError, OutputManifest};
use crate::profile::{EngineInfo, Profile};

/// What a task came to. Equal on every honest node of the same profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskResult {
    /// Format version, 1.
    pub v: u32,
    /// Digest of the job.
    pub job: Digest,
    /// Index of the task.
    pub task: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Root of the outputs.
    pub outputs: Digest,
    /// CPU gas used.
    pub gas: u64,
    /// GPU gas used.
    pub gpu_gas: u64,
    /// Root of the chunk chain; one leaf for a task without steps.
    pub chunks: Digest,
    /// Digest of the profile.
    pub profile: Digest,
}

impl TaskResult {
    /// The result of a task without steps, which is one chunk from the job to its outputs.
    pub fn of_whole_task(
        job: Digest,
        task: u32,
        outcome: Outcome,
        outputs: &OutputManifest,
        gas: u64,
        gpu_gas: u64,
        profile: &Profile,
    ) -> TaskResult {
        let outputs = outputs.root();
        let end = Chunk::end_of(&outcome, &outputs, gas, gpu_gas);
        let whole = ChunkChain::new(Chunk::start_of(&job, task), &[], (end, gas, gpu_gas));
        let chunks = whole.expect("one chunk is not too many, and no gas goes back in it").root();
        TaskResult { v: 1, job, task, outcome, outputs, gas, gpu_gas, chunks, profile: profile.digest() }
    }

    /// The result of a task with steps, and its chain of chunks. `self` is the result as of the whole task.
    ///
    /// # Errors
    /// [`ChunkError`] when the boundaries are too many or go back in gas.
    pub fn with_chunks(mut self, boundaries: &[Boundary]) -> Result<(TaskResult, ChunkChain), ChunkError> {
        let end = Chunk::end_of(&self.outcome, &self.outputs, self.gas, self.gpu_gas);
        let start = Chunk::start_of(&self.job, self.task);
        let chain = ChunkChain::new(start, boundaries, (end, self.gas, self.gpu_gas))?;
        self.chunks = chain.root();
        Ok((self, chain))
    }

    /// The digest that is compared, `result_digest`.
    pub fn digest(&self) -> Digest {
        Digest::of(Domain::Result, &self.to_canonical())
    }

    /// What differs between this result and another of the same job, task and profile.
    pub fn differences(&self, other: &TaskResult) -> Vec<ResultDifference> {
        let mut found = Vec::new();
        if self.outcome != other.outcome {
            found.push(ResultDifference::Outcome(self.outcome.clone(), other.outcome.clone()));
        }
        if self.outputs != other.outputs {
            found.push(ResultDifference::Outputs);
        }
        if self.gas != other.gas {
            found.push(ResultDifference::Gas(self.gas, other.gas));
        }
        if self.gpu_gas != other.gpu_gas {
            found.push(ResultDifference::GpuGas(self.gpu_gas, other.gpu_gas));
        }
        if found.is_empty() && self.digest() != other.digest() {
            found.push(ResultDifference::Chunks);
        }
        found
    }
}

impl Canonical for TaskResult {
    const TYPE: &'static str = "result";
    const MAX_BYTES: usize = 4 << 10;
}

/// One thing in which two results differ, the claimed value first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultDifference {
    /// The outcomes.
    Outcome(Outcome, Outcome),
    /// The outputs.
    Outputs,
    /// The CPU gas.
    Gas(u64, u64),
    /// The GPU gas.
    GpuGas(u64, u64),
    /// Only the chunk chains.
    Chunks,
}

impl fmt::Display for ResultDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResultDifference::Outcome(a, b) => write!(f, "outcome: {a} claimed, {b} found"),
            ResultDifference::Outputs => f.write_str("outputs"),
            ResultDifference::Gas(a, b) => write!(f, "gas: {a} claimed, {b} found"),
            ResultDifference::GpuGas(a, b) => write!(f, "GPU gas: {a} claimed, {b} found"),
            ResultDifference::Chunks => f.write_str("chunk chain"),
        }
    }
}

/// A node's signed word that a task came to a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Format version, 1.
    pub v: u32,
    /// The result.
    pub result: TaskResult,
    /// Digest of the lease under which the work was done.
    pub lease: Digest,
    /// The node, which signs this.
    pub node: PublicKey,
    /// The profile whose digest the result names.
    pub profile: Profile,
    /// What ran the guest. Not compared.
    pub engine: EngineInfo,
    /// SHA-256 of the output manifest, for other tools.
    #[serde(with = "serde_bytes")]
    pub manifest_sha256: [u8; 32],
    /// When the node began, by its clock, in milliseconds since 1970. Not compared.
    pub started_ms: u64,
    /// When the node was done.
    pub finished_ms: u64,
}

impl Receipt {
    /// The receipt's digest, by which evidence and samples name it.
    pub fn digest(&self) -> Digest {
        Digest::of(Domain::Receipt, &self.to_canonical())
    }
}

impl Canonical for Receipt {
    const TYPE: &'static str = "receipt";
    const MAX_BYTES: usize = 64 << 10;
}

/// A receipt with the papers it stands on, as it is kept in a file: all that a verifier needs but the blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptFile {
    /// The receipt's envelope, signed by the node.
    pub receipt: Envelope,
    /// The lease's envelope, signed by the requester.
    pub lease: Envelope,
    /// The job's canonical bytes.
    #[serde(with = "serde_bytes")]
    pub job: Vec<u8>,
    /// The output manifest's canonical bytes.
    #[serde(with = "serde_bytes")]
    pub manifest: Vec<u8>,
}

impl Canonical for ReceiptFile {
    const TYPE: &'static str = "receipt-file";
    const MAX_BYTES: usize = 64 << 20;
}

/// A receipt whose signatures and digests all hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// Its lease.
    pub lease: Lease,
    /// Its job.
    pub job: Job,
    /// Its outputs.
    pub manifest: OutputManifest,
}

/// A receipt's papers do not hold together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReceiptError {
    /// The receipt's envelope.
    #[error("the receipt: {0}")]
    Receipt(EnvelopeError),
    /// The lease's envelope.
    #[error("the lease: {0}")]
    Lease(EnvelopeError),
    /// The job.
    #[error("the job: {0}")]
    Job(#[from] JobError),
    /// The manifest.
    #[error("the output manifest: {0}")]
    Manifest(#[from] OutputError),
    /// One paper names another that is not there.
    #[error("the receipt does not match its papers: {0} differs")]
    Mismatch(&'static str),
}

impl ReceiptFile {
    /// Checks every signature and that every digest names the paper beside it.
    pub fn check(&self) -> Result<CheckedReceipt, ReceiptError> {
        let (lease, requester): (Lease, _) = self.lease.open_any().map_err(ReceiptError::Lease)?;
        if lease.requester != requester {
            let (expected, found) = (lease.requester, requester);
            return Err(ReceiptError::Lease(EnvelopeError::WrongKey { expected, found }));
        }
        let receipt: Receipt = self.receipt.open(&lease.node).map_err(ReceiptError::Receipt)?;
        let job = Job::decode(&self.job)?;
        let manifest = OutputManifest::decode(&self.manifest)?;
        let result = &receipt.result;
        let papers = [
            ("version", receipt.v == 1 && result.v == 1 && lease.v == 1),
            ("node", receipt.node == lease.node),
            ("lease digest", receipt.lease == lease.digest()),
            ("job digest", result.job == lease.job && result.job == job.digest()),
            ("task", lease.tasks.contains(&result.task) && (result.task as usize) < job.tasks.len()),
            ("profile digest", result.profile == receipt.profile.digest()),
            ("output root", result.outputs == manifest.root()),
            ("manifest SHA-256", receipt.manifest_sha256 == manifest.sha256()),
            ("gas limit", result.gas <= job.limits.gas && result.gpu_gas <= job.limits.gpu.gas),
        ];
        if let Some((name, _)) = papers.iter().find(|(_, holds)| !holds) {
            return Err(ReceiptError::Mismatch(name));
        }
        Ok(CheckedReceipt { receipt, lease, job, manifest })
    }
}
