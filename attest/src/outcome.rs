//! How a task ended: what is the guest's and committed, and what is the host's and never is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a task ended, as every honest node must find it. It is part of the committed result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// `_start` returned (code 0) or the guest called `proc_exit` with this code.
    Completed {
        /// The guest's exit code, any 32-bit value.
        exit_code: u32,
    },
    /// The guest did something that WebAssembly or the host interface answers with a trap.
    Trapped {
        /// What it did.
        kind: TrapKind,
    },
    /// The guest used up the gas of its job. The gas of such a result equals the limit.
    OutOfGas,
    /// The guest met a limit of its job, at the same point on every machine.
    LimitExceeded {
        /// Which limit.
        kind: LimitKind,
    },
}

impl Outcome {
    /// Whether the guest ended by itself with code 0.
    pub fn is_success(&self) -> bool {
        matches!(self, Outcome::Completed { exit_code: 0 })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Completed { exit_code } => write!(f, "completed with exit code {exit_code}"),
            Outcome::Trapped { kind } => write!(f, "trapped: {kind}"),
            Outcome::OutOfGas => f.write_str("out of gas"),
            Outcome::LimitExceeded { kind } => write!(f, "limit exceeded: {kind}"),
        }
    }
}

/// Why a guest trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrapKind {
    /// The `unreachable` instruction (a Rust panic with `panic = "abort"` ends here).
    Unreachable,
    /// A load, store or bulk operation outside linear memory.
    MemoryOutOfBounds,
    /// A table access outside the table.
    TableOutOfBounds,
    /// `call_indirect` through a null entry.
    IndirectCallToNull,
    /// `call_indirect` through an entry of another type.
    BadSignature,
    /// Signed division overflow.
    IntegerOverflow,
    /// Integer division by zero.
    IntegerDivisionByZero,
    /// A float that does not fit the integer it is converted to.
    BadConversionToInteger,
    /// The metered call depth went past the job's stack limit.
    StackOverflow,
    /// A null reference was used.
    NullReference,
    /// An exception left `_start`.
    UncaughtException,
    /// A host call got a pointer outside linear memory, or bytes it must refuse.
    BadHostCall,
    /// The GPU command stream was malformed.
    GpuProtocol,
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrapKind::Unreachable => "unreachable executed",
            TrapKind::MemoryOutOfBounds => "memory access out of bounds",
            TrapKind::TableOutOfBounds => "table access out of bounds",
            TrapKind::IndirectCallToNull => "indirect call to null",
            TrapKind::BadSignature => "indirect call with another signature",
            TrapKind::IntegerOverflow => "integer overflow",
            TrapKind::IntegerDivisionByZero => "integer division by zero",
            TrapKind::BadConversionToInteger => "float does not fit the integer",
            TrapKind::StackOverflow => "call stack exhausted",
            TrapKind::NullReference => "null reference",
            TrapKind::UncaughtException => "uncaught exception",
            TrapKind::BadHostCall => "bad pointer in a host call",
            TrapKind::GpuProtocol => "malformed GPU command stream",
        })
    }
}

/// Which deterministic limit a guest met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// The module needs more linear memory at its start than the job allows.
    Memory,
    /// The module needs larger tables at its start than the job allows.
    Table,
    /// Files, stdout and stderr together passed the job's bytes.
    OutputBytes,
    /// More files and folders than the job allows.
    Files,
    /// The GPU gas of the job is used up.
    GpuGas,
    /// Live GPU objects.
    GpuObjects,
    /// GPU shaders made.
    GpuShaders,
    /// Bytes of one shader's source.
    GpuShaderBytes,
    /// Bytes of one GPU command stream.
    GpuStreamBytes,
    /// Invocations of one dispatch.
    GpuInvocations,
    /// GPU error records that the guest did not fetch.
    GpuRecords,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LimitKind::Memory => "memory",
            LimitKind::Table => "tables",
            LimitKind::OutputBytes => "output bytes",
            LimitKind::Files => "files",
            LimitKind::GpuGas => "GPU gas",
            LimitKind::GpuObjects => "GPU objects",
            LimitKind::GpuShaders => "GPU shaders",
            LimitKind::GpuShaderBytes => "bytes of a GPU shader",
            LimitKind::GpuStreamBytes => "bytes of a GPU command stream",
            LimitKind::GpuInvocations => "invocations of a GPU dispatch",
            LimitKind::GpuRecords => "unread GPU errors",
        })
    }
}

/// What went wrong on the node and says nothing of the guest. Never committed; the task is tried on another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostFault {
    /// The host could not give memory that the job's limits allow.
    OutOfMemory,
    /// Compilation failed or took longer than the node allows.
    Compile,
    /// The wall-clock limit of the node passed.
    TimedOut,
    /// The worker process died.
    WorkerDied,
    /// The native stack overflowed before the metered one.
    NativeStack,
    /// The GPU device was lost or its driver failed.
    GpuLost,
    /// The node has no GPU that the job asks for.
    NoGpu,
    /// The node's store failed.
    Store,
    /// Anything else inside the node.
    Internal,
}

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HostFault::OutOfMemory => "the node is out of memory",
            HostFault::Compile => "the node could not compile the module",
            HostFault::TimedOut => "the node's time limit passed",
            HostFault::WorkerDied => "the node's worker process died",
            HostFault::NativeStack => "the node's native stack overflowed",
            HostFault::GpuLost => "the node lost its GPU",
            HostFault::NoGpu => "the node has no GPU for this job",
            HostFault::Store => "the node's store failed",
            HostFault::Internal => "the node failed",
        })
    }
}
