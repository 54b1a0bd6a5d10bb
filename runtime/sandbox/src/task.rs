//! What a run takes and gives.

use std::time::Duration;

use bytes::Bytes;
use fizz_attest::{Boundary, DEFAULT_CHUNK_GAS, GpuClass, HostFault, Limits, Outcome};

use crate::Files;

/// One task, as the job describes it. The result is a function of this and the module alone.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    /// Arguments; the first is the program's name.
    pub args: Vec<String>,
    /// Environment, in this order.
    pub env: Vec<(String, String)>,
    /// Standard input.
    pub stdin: Bytes,
    /// The file system at the start.
    pub files: Files,
    /// Seed of the job's random bytes.
    pub seed: [u8; 32],
    /// Number of the task in its job; tasks of one job have different random bytes.
    pub task_index: u32,
    /// What the guest's real-time clock shows at the start, in nanoseconds since 1970.
    pub epoch_ns: u64,
    /// What the task may use.
    pub limits: Limits,
    /// Gas after which a chunk of a module with steps ends, at the next step.
    pub chunk_gas: u64,
    /// How its GPU computes, if it finds one.
    pub gpu_class: GpuClass,
}

impl TaskSpec {
    /// A task without input: the program name, default limits, zero seed, 2026-01-01 as the time.
    pub fn new(program: impl Into<String>) -> Self {
        TaskSpec {
            args: vec![program.into()],
            env: Vec::new(),
            stdin: Bytes::new(),
            files: Files::new(),
            seed: [0; 32],
            task_index: 0,
            epoch_ns: 1_767_225_600_000_000_000,
            limits: Limits::default(),
            chunk_gas: DEFAULT_CHUNK_GAS,
            gpu_class: GpuClass::default(),
        }
    }
}

/// What came of a task. Everything but `diagnostic`, `peak_memory_bytes` and the durations is the same on every
/// honest node.
#[derive(Clone, Debug)]
pub struct TaskReport {
    /// How it ended.
    pub outcome: Outcome,
    /// CPU gas used; exact, also after a trap. Equal to the limit after `OutOfGas`.
    pub gas: u64,
    /// GPU gas used.
    pub gpu_gas: u64,
    /// Where its chunks ended, all but the last. A module without steps has one chunk, and so none of these.
    pub boundaries: Vec<Boundary>,
    /// Everything written to standard output.
    pub stdout: Vec<u8>,
    /// Everything written to standard error.
    pub stderr: Vec<u8>,
    /// The file system at the end.
    pub files: Files,
    /// Linear memory at its largest, in bytes.
    pub peak_memory_bytes: u64,
    /// For people: why and where the guest trapped. Never to be committed.
    pub diagnostic: Option<String>,
    /// Wall-clock time inside the guest and its host calls.
    pub run: Duration,
    /// Wall-clock time of everything, instantiation and a second run for the gas of a trap included.
    pub total: Duration,
}

/// The node could not run the task. It says nothing of the guest and is never committed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Fault {
    /// What failed.
    pub kind: HostFault,
    /// For the node's operator.
    pub detail: String,
}

/// Watches a run while it goes on. Nothing it does reaches the result.
pub trait Observer: Send {
    /// The guest has written to standard output.
    fn stdout(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// The guest has written to standard error.
    fn stderr(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// Called at every host call with the CPU gas used so far. It must be cheap.
    fn progress(&mut self, gas: u64) {
        let _ = gas;
    }
}
