//! What goes into a submission and what comes out of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use fizz_attest::{Job, Outcome, PublicKey, SecretKey};
use fizz_exec::Difference;
use fizz_wire::BindError;

use crate::address::NodeAddress;
use crate::blobs::JobBlobs;
use crate::delivery::Delivery;
use crate::dispatch::NodeId;

/// A job and how it is to be done.
pub struct Submission {
    /// The job.
    pub job: Job,
    /// Every blob that it names.
    pub blobs: JobBlobs,
    /// Where nodes are, one at least.
    pub nodes: Vec<NodeAddress>,
    /// The requester's key.
    pub key: SecretKey,
    /// How many tasks of each node are run again; 0 trusts them.
    pub sample: u32,
    /// How long one task may take until the node is taken to have failed.
    pub task_time: Duration,
    /// How long to wait for nodes to answer before tasks are handed out to those that did.
    pub gather: Duration,
    /// A folder for deliveries, removed by the caller.
    pub staging: PathBuf,
}

/// What happens during a submission, in order. Nodes are named by their place in [`Submission::nodes`].
#[derive(Clone, Debug)]
pub enum News {
    /// A node is connected.
    Connected {
        /// Which.
        node: NodeId,
        /// Its key.
        key: PublicKey,
        /// Tasks it runs at once.
        slots: u32,
    },
    /// A node cannot be used any more.
    NodeLost {
        /// Which.
        node: NodeId,
        /// Why.
        reason: String,
    },
    /// A node has a batch of tasks, and all blobs.
    Leased {
        /// Which.
        node: NodeId,
        /// How many tasks.
        tasks: usize,
    },
    /// A guest has begun.
    Started {
        /// Where.
        node: NodeId,
        /// Which task.
        task: u32,
    },
    /// A guest goes on.
    Progress {
        /// Which task.
        task: u32,
        /// Gas used so far.
        gas: u64,
    },
    /// A node signed a result, and its outputs are here.
    Committed {
        /// Which.
        node: NodeId,
        /// Which task.
        task: u32,
        /// How the guest ended.
        outcome: Outcome,
    },
    /// A node could not do a task.
    Fault {
        /// Which.
        node: NodeId,
        /// Which task.
        task: u32,
        /// The node's words.
        reason: String,
    },
    /// A task is run again here.
    Checking {
        /// Whose.
        node: NodeId,
        /// Which task.
        task: u32,
    },
    /// A second run gave the same.
    CheckPassed {
        /// Whose.
        node: NodeId,
        /// Which task.
        task: u32,
    },
    /// A second run says nothing.
    Inconclusive {
        /// Whose.
        node: NodeId,
        /// Which task.
        task: u32,
        /// Why.
        reason: String,
    },
    /// A second run gave something else: the node is out, and its work is done again.
    Caught {
        /// Whose.
        node: NodeId,
        /// Which task.
        task: u32,
        /// What differs.
        differences: Vec<Difference>,
        /// The tasks that are done again.
        again: Vec<u32>,
    },
}

/// A submission cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// No socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no randomness.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The caller gave up. The nodes were told.
    #[error("interrupted")]
    Interrupted,
}

/// How a submission ended.
#[derive(Debug)]
pub struct Report {
    /// What was delivered for each task, and by which node. Tasks of nodes that were caught are not among them.
    pub deliveries: BTreeMap<u32, (NodeId, Delivery)>,
    /// Nodes that were connected at some time.
    pub reached: usize,
    /// Tasks that nobody did.
    pub missing: Vec<u32>,
    /// Why, in the nodes' words: node and reason.
    pub reasons: Vec<(NodeId, String)>,
    /// Nodes caught with a wrong result, with the evidence.
    pub caught: Vec<(NodeId, Delivery)>,
    /// Checks that agreed.
    pub passed: Vec<(NodeId, u32)>,
    /// Checks that said nothing, and why.
    pub inconclusive: Vec<(NodeId, u32, String)>,
}
