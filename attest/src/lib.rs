//! What Fizz signs and compares: jobs, leases, results and receipts.
//!
//! This crate is pure: no I/O, no clock, no engine. Everything that is hashed or signed is strict DAG-CBOR
//! ([`canonical`]): integers, bytes, text, lists and maps, never a float, and a decoder refuses every other
//! encoding of the same value. Every hash has a domain ([`Domain`]).
//!
//! The order of things: a requester writes a [`Job`], signs a [`Lease`] that hands some of its tasks to a node,
//! the node runs a task and gets an [`Outcome`], gas and [`OutputManifest`]; those make a [`TaskResult`], which is
//! equal on every honest node, and the node signs a [`Receipt`] for it. All signatures are over a DSSE
//! [`Envelope`]. A verifier runs the task again and compares two [`TaskResult`]s.
#![forbid(unsafe_code)]

pub mod canonical;
mod chunk;
mod digest;
mod dsse;
mod job;
mod key;
mod lease;
mod limits;
mod list;
mod merkle;
mod outcome;
mod outputs;
mod profile;
mod receipt;

pub use canonical::{Canonical, CanonicalError};
pub use chunk::{
    Boundary, Chunk, ChunkChain, ChunkError, ChunkProof, DEFAULT_CHUNK_GAS, MAX_CHUNKS, MIN_CHUNK_GAS,
};
pub use digest::{Digest, Domain, ParseDigestError};
pub use dsse::{Envelope, EnvelopeError, Signature};
pub use job::{
    Artifact, Blob, DEFAULT_EPOCH_NS, GpuClass, GpuUse, InputFile, Job, JobError, MAX_ARG_BYTES, MAX_ARGS,
    MAX_PATH_BYTES, MAX_TASKS, Task, check_path,
};
pub use key::{KeyError, PublicKey, SecretKey};
pub use lease::{CommittedLease, Lease, Policy, choose_sample};
pub use limits::{GpuLimits, Limits};
pub use list::at_most;
pub use outcome::{HostFault, LimitKind, Outcome, TrapKind};
pub use outputs::{OutputEntry, OutputError, OutputManifest};
pub use profile::{EngineInfo, GpuProfile, Profile};
pub use receipt::{CheckedReceipt, Receipt, ReceiptError, ReceiptFile, ResultDifference, TaskResult};
