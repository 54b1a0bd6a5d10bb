//! The messages of the protocol.
//!
//! A peer that wants something opens a stream, sends one [`Request`] and reads [`Reply`]s. Which replies follow:
//!
//! | request | replies |
//! |---|---|
//! | `Hello` | `Welcome` |
//! | `Offer` | `Accepted` |
//! | `PutBlob` | `Stored` where the node has it; else `Continue{from}`, then the requester sends Bao, then `Stored` |
//! | `Run` | any number of `Queued`, `Started`, `Progress`; at last `Done` or `Fault` |
//! | `GetBlob` | `Blob{from}`, then Bao |
//! | `Status` | `Status` |
//! | `Cancel` | `Cancelled` |
//!
//! Each may be answered with `Refused` instead, at any point between two frames. Enums grow at their end only;
//! everything else makes a new protocol version, which `Hello` negotiates.

use std::fmt;

use fizz_attest::{Blob, Canonical, Digest, HostFault, Job, Lease, OutputManifest, Receipt, at_most};
use serde::{Deserialize, Serialize};

use crate::text;

mod bounds;

/// Versions of the protocol that this crate speaks, the best first.
pub const PROTOCOLS: &[u32] = &[1];
/// Protocol versions in a `Hello` at most.
pub const MAX_PROTOCOLS: usize = 16;
/// Bytes of a version text at most.
pub const MAX_VERSION_BYTES: usize = 64;
/// Bytes of a text for people at most.
pub const MAX_TEXT_BYTES: usize = 4 << 10;
/// Bytes of a signed envelope around a receipt at most.
pub const MAX_RECEIPT_BYTES: usize = Receipt::MAX_BYTES + (4 << 10);
/// Bytes of a lease in its signed envelope at most.
pub const MAX_LEASE_BYTES: usize = Lease::MAX_BYTES + (4 << 10);
/// Bytes of a job at most.
pub const MAX_JOB_BYTES: usize = Job::MAX_BYTES;
/// Bytes of an output manifest at most.
pub const MAX_MANIFEST_BYTES: usize = OutputManifest::MAX_BYTES;
/// Bytes of a profile at most.
pub const MAX_PROFILE_BYTES: usize = 16 << 10;
/// Blobs that a node may ask for after an offer at most.
pub const MAX_MISSING: usize = 1 << 18;
/// Bytes of a blob at most: 1 TiB.
pub const MAX_BLOB_BYTES: u64 = 1 << 40;

/// The best protocol version that both sides speak.
pub fn choose_protocol(offered: &[u32]) -> Option<u32> {
    PROTOCOLS.iter().copied().find(|version| offered.contains(version))
}

/// What a peer asks for; the first frame of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Who are you, and what do you offer?
    Hello {
        /// Protocol versions the requester speaks.
        #[serde(deserialize_with = "at_most::<_, _, MAX_PROTOCOLS>")]
        protocols: Vec<u32>,
        /// The requester's version of Fizz, for logs.
        fizz: String,
    },
    /// Take this work?
    Offer {
        /// The lease in its signed envelope, canonical bytes.
        #[serde(with = "serde_bytes")]
        lease: Vec<u8>,
        /// The job's canonical bytes.
        #[serde(with = "serde_bytes")]
        job: Vec<u8>,
    },
    /// Here is a blob that you lack.
    PutBlob {
        /// Digest of the lease that needs it.
        lease: Digest,
        /// Its name.
        blob: Blob,
    },
    /// Run a task of an accepted lease; the replies are a stream of events.
    Run {
        /// Digest of the lease.
        lease: Digest,
        /// Index of the task in the job.
        task: u32,
    },
    /// Give me an output.
    GetBlob {
        /// Digest of the lease that made it.
        lease: Digest,
        /// Its name.
        blob: Blob,
        /// Bytes the requester has proven already, whole groups of 16 KiB.
        from: u64,
    },
    /// How are you?
    Status,
    /// Stop all work of a lease.
    Cancel {
        /// Digest of the lease.
        lease: Digest,
    },
}

/// An answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// No.
    Refused(Refusal),
    /// To `Hello`.
    Welcome {
        /// The protocol version to speak from now on.
        protocol: u32,
        /// The node's version of Fizz.
        fizz: String,
        /// What the node offers.
        node: NodeInfo,
    },
    /// To `Offer`: the lease is taken, and these blobs are needed before its tasks can run.
    Accepted {
        /// Blobs that the node has not.
        #[serde(deserialize_with = "at_most::<_, _, MAX_MISSING>")]
        missing: Vec<Blob>,
    },
    /// To `PutBlob`: send Bao from here on.
    Continue {
        /// Bytes the node has proven already, whole groups of 16 KiB.
        from: u64,
    },
    /// To `PutBlob`: the node has the whole blob, durably.
    Stored,
    /// To `Run`: the task waits.
    Queued {
        /// Tasks that run before it.
        ahead: u32,
    },
    /// To `Run`: the guest runs.
    Started,
    /// To `Run`: how far the guest is.
    Progress {
        /// Gas used so far.
        gas: u64,
    },
    /// To `Run`: the task is done, and its result is durable on the node.
    Done {
        /// The receipt in its signed envelope, canonical bytes.
        #[serde(with = "serde_bytes")]
        receipt: Vec<u8>,
        /// The output manifest's canonical bytes.
        #[serde(with = "serde_bytes")]
        manifest: Vec<u8>,
    },
    /// To `Run`: the node failed, which says nothing of the task.
    Fault {
        /// What went wrong.
        kind: HostFault,
        /// Details for people.
        message: String,
    },
    /// To `GetBlob`: Bao follows.
    Blob {
        /// Where it starts, as asked.
        from: u64,
    },
    /// To `Status`.
    Status(StatusReport),
    /// To `Cancel`.
    Cancelled {
        /// Tasks that were stopped or will not start.
        tasks: u32,
    },
}

impl Reply {
    /// A fault, with details made fit to travel.
    pub fn fault(kind: HostFault, message: &str) -> Reply {
        Reply::Fault { kind, message: text::clean(message, MAX_TEXT_BYTES) }
    }

    /// A refusal, with details made fit to travel.
    pub fn refused(code: RefusalCode, message: &str) -> Reply {
        Reply::Refused(Refusal::new(code, message))
    }

    /// The reply's name, for errors.
    pub fn name(&self) -> &'static str {
        match self {
            Reply::Refused(_) => "refused",
            Reply::Welcome { .. } => "welcome",
            Reply::Accepted { .. } => "accepted",
            Reply::Continue { .. } => "continue",
            Reply::Stored => "stored",
            Reply::Queued { .. } => "queued",
            Reply::Started => "started",
            Reply::Progress { .. } => "progress",
            Reply::Done { .. } => "done",
            Reply::Fault { .. } => "fault",
            Reply::Blob { .. } => "blob",
            Reply::Status(_) => "status",
            Reply::Cancelled { .. } => "cancelled",
        }
    }
}

/// What a node offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Tasks that run at once.
    pub slots: u32,
    /// Canonical bytes of the profile of tasks without a GPU.
    #[serde(with = "serde_bytes")]
    pub profile: Vec<u8>,
    /// Canonical bytes of the profile of GPU tasks, of the class `exact` where the node has a device for it, else `fast`.
    #[serde(with = "serde_bytes")]
    pub gpu_profile: Option<Vec<u8>>,
    /// Most gas of one task.
    pub max_gas: u64,
    /// Most linear memory of one task, in bytes.
    pub max_memory_bytes: u64,
}

/// How a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The node's version of Fizz.
    pub fizz: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Tasks that run at once.
    pub slots: u32,
    /// Tasks that run now.
    pub running: u32,
    /// Tasks that wait.
    pub queued: u32,
    /// Tasks done since the node started.
    pub done: u64,
    /// Tasks that ended in a host fault since the node started.
    pub faults: u64,
    /// Leases that are not over.
    pub leases: u32,
    /// Open connections.
    pub connections: u32,
    /// Bytes of blobs in its store.
    pub stored_bytes: u64,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The reason, for programs.
    pub code: RefusalCode,
    /// The reason, for people.
    pub message: String,
}

impl Refusal {
    /// A refusal, with details made fit to travel.
    pub fn new(code: RefusalCode, message: &str) -> Refusal {
        Refusal { code, message: text::clean(message, MAX_TEXT_BYTES) }
    }
}

/// The kind of a [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RefusalCode {
    /// No common protocol version, or a request this node does not answer.
    Unsupported,
    /// Larger than this node takes.
    TooLarge,
    /// No room now.
    Busy,
    /// The lease is malformed, wrongly signed, or not for this node.
    BadLease,
    /// The job is malformed, or not the one of the lease.
    BadJob,
    /// No such lease here.
    UnknownLease,
    /// No such blob here, or not one that the lease names.
    UnknownBlob,
    /// The bytes of a blob are not the ones of its name.
    BadBlob,
    /// The job wants a GPU that this node has not.
    NoGpu,
    /// The lease is over.
    Expired,
    /// The lease is another peer's.
    NotYours,
    /// The node failed.
    Internal,
}

impl RefusalCode {
    /// The code as stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            RefusalCode::Unsupported => "unsupported",
            RefusalCode::TooLarge => "too_large",
            RefusalCode::Busy => "busy",
            RefusalCode::BadLease => "bad_lease",
            RefusalCode::BadJob => "bad_job",
            RefusalCode::UnknownLease => "unknown_lease",
            RefusalCode::UnknownBlob => "unknown_blob",
            RefusalCode::BadBlob => "bad_blob",
            RefusalCode::NoGpu => "no_gpu",
            RefusalCode::Expired => "expired",
            RefusalCode::NotYours => "not_yours",
            RefusalCode::Internal => "internal",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
