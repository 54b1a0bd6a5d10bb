//! Runs a task of a job, and runs a receipt's task again to compare.
//!
//! Nodes, requesters and verifiers all come through here, so that they do the same: [`Executor::execute`] takes a
//! job, a task and the [`Blobs`] they name and gives an [`Executed`] task, from which a `TaskResult` follows;
//! [`verify`] does so for a receipt and compares. [`code`] has modules compiled by another process, and keeps what
//! comes out.
#![cfg_attr(not(test), forbid(unsafe_code))]

mod blobs;
mod check;
mod checkpoint;
pub mod code;
mod executor;
mod verify;

pub use blobs::{BlobError, Blobs};
pub use check::{CheckGpu, Checked, Way};
pub use checkpoint::{Checkpoint, CheckpointError, Reached};
pub use executor::{ExecuteError, Executed, Executor, OutputName};
pub use fizz_sandbox::Fault;
pub use fizz_sandbox::trace::{Divergence, Part};
pub use fizz_sandbox::{
    CodeKey, CodeSource, Engine, EngineError, EngineSettings, Form, MachineCode, Observer, OwnCompiler,
    ProgramError, Seal, Wanted,
};
pub use verify::{Claimed, Difference, Inconclusive, NoClaims, OutputDifference, Verdict, verify};
