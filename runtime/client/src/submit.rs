//! The shell around [`Dispatch`]: dials nodes, makes leases, collects deliveries, runs samples again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fizz_attest::{
    Blob, Canonical, CheckedReceipt, CommittedLease, Digest, Domain, Envelope, HostFault, Job, Lease,
    Outcome, Policy, PublicKey, SecretKey, choose_sample,
};
use fizz_exec::{Claimed, Difference, Executor, OutputName, Verdict};
use fizz_wire::{BindError, Endpoint, EndpointConfig, NodeInfo, Peer, Request};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::address::NodeAddress;
use crate::blobs::JobBlobs;
use crate::dispatch::{Action, Commitment, Dispatch, Ending, LeaseId, NodeId};
use crate::node::{self, Delivery, Heard, NodeError, Ran, output_path};

/// How long nodes have to confirm that they stop.
const CANCEL_WITHIN: Duration = Duration::from_secs(1);

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

/// Runs a job on nodes and checks a sample of what they deliver with `executor`. When `stop` is ready, the nodes are
/// told to stop, too.
///
/// # Errors
/// [`SubmitError`], before anything is sent. Everything later is in the [`Report`].
pub async fn submit(
    submission: Submission,
    executor: Arc<Executor>,
    stop: impl Future<Output = ()>,
    mut tell: impl FnMut(News),
) -> Result<Report, SubmitError> {
    let any = match submission.nodes.iter().any(|node| node.address.is_ipv6()) {
        true => "[::]:0",
        false => "0.0.0.0:0",
    };
    let any = any.parse().expect("a literal address");
    let endpoint = Endpoint::bind(any, &submission.key, EndpointConfig::dial_only())?;
    let (notes, mut inbox) = mpsc::channel(64);
    let tasks = submission.job.tasks.len() as u32;
    let mut shell = Shell {
        dispatch: Dispatch::new(tasks, submission.nodes.len(), submission.sample > 0),
        context: Arc::new(Context {
            job: submission.job.to_canonical(),
            job_digest: submission.job.digest(),
            submission,
            executor,
            notes,
        }),
        peers: BTreeMap::new(),
        leases: BTreeMap::new(),
        report: Report {
            deliveries: BTreeMap::new(),
            reached: 0,
            missing: Vec::new(),
            reasons: Vec::new(),
            caught: Vec::new(),
            passed: Vec::new(),
            inconclusive: Vec::new(),
        },
    };
    for (node, address) in shell.context.submission.nodes.iter().cloned().enumerate() {
        let (endpoint, context) = (endpoint.clone(), shell.context.clone());
        tokio::spawn(async move {
            let connected = node::connect(&endpoint, &address).await;
            context.note(Note::Connected(node, connected)).await;
        });
    }
    let ending = {
        let work = shell.work(&mut inbox, &mut tell);
        tokio::select! {
            ending = work => Some(ending?),
            () = stop => None,
        }
    };
    let Some(ending) = ending else {
        shell.cancel().await;
        return Err(SubmitError::Interrupted);
    };
    if let Ending::Incomplete(missing) = ending {
        shell.report.missing = missing;
    }
    shell.peers.clear();
    endpoint.close("the job is done");
    // Nodes that do not answer must not keep the requester.
    let _ = tokio::time::timeout(Duration::from_millis(500), endpoint.wait_idle()).await;
    Ok(shell.report)
}

/// What all requests of a submission share.
struct Context {
    submission: Submission,
    executor: Arc<Executor>,
    job: Vec<u8>,
    job_digest: Digest,
    notes: mpsc::Sender<Note>,
}

impl Context {
    async fn note(&self, note: Note) {
        // Nobody listens once the job has ended.
        let _ = self.notes.send(note).await;
    }
}

/// What the requests report.
enum Note {
    Connected(NodeId, Result<(Peer, NodeInfo), NodeError>),
    Leased(NodeId, LeaseId, usize, Result<(), NodeError>),
    Heard(NodeId, u32, Heard),
    Ran(NodeId, u32, Result<Ran, NodeError>),
    Checking(NodeId, u32),
    Checked(NodeId, Vec<Commitment>, Vec<(u32, Verdict)>),
}

/// A lease that was made.
struct Made {
    lease: Lease,
    envelope: Envelope,
    digest: Digest,
    secret: [u8; 32],
}

struct Shell {
    dispatch: Dispatch,
    context: Arc<Context>,
    peers: BTreeMap<NodeId, Peer>,
    leases: BTreeMap<LeaseId, Made>,
    report: Report,
}

impl Shell {
    async fn work(
        &mut self,
        inbox: &mut mpsc::Receiver<Note>,
        tell: &mut impl FnMut(News),
    ) -> Result<Ending, SubmitError> {
        let gathered = tokio::time::sleep(self.context.submission.gather);
        tokio::pin!(gathered);
        let mut gathering = true;
        loop {
            gathering &= self.dispatch.is_connecting();
            if !gathering {
                while let Some(action) = self.dispatch.poll_action() {
                    self.carry_out(action)?;
                }
            }
            if let Some(ending) = self.dispatch.ending() {
                return Ok(ending);
            }
            tokio::select! {
                () = &mut gathered, if gathering => gathering = false,
                // The shell itself holds a sender, so that there is always another note to wait for.
                Some(note) = inbox.recv() => self.handle(note, tell),
            }
        }
    }

    /// Tells the nodes that nobody waits for them any more.
    async fn cancel(&mut self) {
        let mut calls = Vec::new();
        for Made { lease, digest, .. } in self.leases.values() {
            let Some(peer) = self.peers.values().find(|peer| peer.key() == lease.node).cloned() else {
                continue;
            };
            let request = Request::Cancel { lease: *digest };
            calls.push(tokio::spawn(async move { peer.call(&request, CANCEL_WITHIN).await }));
        }
        for call in calls {
            let _ = call.await;
        }
    }

    fn carry_out(&mut self, action: Action) -> Result<(), SubmitError> {
        match action {
            Action::Lease { node, lease, tasks } => self.lease(node, lease, tasks)?,
            Action::Run { node, lease, task } => self.run(node, lease, task),
            Action::Check { node, committed } => self.check(node, committed),
        }
        Ok(())
    }

    fn lease(&mut self, node: NodeId, id: LeaseId, tasks: Vec<u32>) -> Result<(), SubmitError> {
        let Some(peer) = self.peers.get(&node).cloned() else { return Ok(()) };
        let context = self.context.clone();
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(SubmitError::Random)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let submission = &context.submission;
        let lease = Lease {
            v: 1,
            network: "direct".into(),
            requester: submission.key.public(),
            node: peer.key(),
            job: context.job_digest,
            chunk_gas: 0,
            policy: if submission.sample > 0 { Policy::Sample(submission.sample) } else { Policy::Trust },
            price: 0,
            challenge: Digest::of(Domain::Challenge, &secret),
            expires: now
                + submission.task_time.as_secs().saturating_mul(tasks.len() as u64).clamp(600, 7 * 86_400),
            keep_seconds: 3600,
            opening_bytes: 0,
            tasks,
        };
        let envelope = Envelope::sign(&lease, &submission.key);
        let digest = lease.digest();
        let count = lease.tasks.len();
        self.leases.insert(id, Made { lease, envelope: envelope.clone(), digest, secret });
        tokio::spawn(async move {
            let taken = node::offer(&peer, digest, &envelope, &context.job, &context.submission.blobs).await;
            context.note(Note::Leased(node, id, count, taken)).await;
        });
        Ok(())
    }

    fn run(&mut self, node: NodeId, lease: LeaseId, task: u32) {
        let (Some(peer), Some(made)) = (self.peers.get(&node).cloned(), self.leases.get(&lease)) else {
            return;
        };
        let (envelope, digest) = (made.envelope.clone(), made.digest);
        let context = self.context.clone();
        tokio::spawn(async move {
            let submission = &context.submission;
            let folder = submission.staging.join(format!("{task}-{node}-{lease}"));
            let deadline = Instant::now() + submission.task_time;
            let hear = |heard| drop(context.notes.try_send(Note::Heard(node, task, heard)));
            let ran =
                node::run(&peer, &envelope, &context.job, (digest, task), &folder, deadline, hear).await;
            context.note(Note::Ran(node, task, ran)).await;
        });
    }

    /// Chooses the sample from the secrets, which were not known to the node, and the commitments, which are made.
    fn check(&mut self, node: NodeId, committed: Vec<Commitment>) {
        let mut results: BTreeMap<LeaseId, Vec<(u32, Digest)>> = BTreeMap::new();
        for commitment in &committed {
            results.entry(commitment.lease).or_default().push((commitment.task, commitment.result));
        }
        let leases: Vec<CommittedLease<'_>> = results
            .iter()
            .filter_map(|(id, results)| {
                let made = self.leases.get(id)?;
                Some(CommittedLease { lease: &made.lease, secret: &made.secret, results })
            })
            .collect();
        let sample = choose_sample(&leases, self.context.submission.sample as usize);
        let deliveries: Vec<Delivery> = sample
            .iter()
            .filter_map(|task| self.report.deliveries.get(task).map(|(_, delivery)| delivery.clone()))
            .collect();
        let context = self.context.clone();
        tokio::task::spawn_blocking(move || {
            let mut verdicts = Vec::new();
            for Delivery { checked, folder, .. } in deliveries {
                let task = checked.receipt.result.task;
                let _ = context.notes.blocking_send(Note::Checking(node, task));
                verdicts.push((task, context.verify(&checked, folder)));
                if let Some((_, Verdict::Different(_))) = verdicts.last() {
                    break;
                }
            }
            let _ = context.notes.blocking_send(Note::Checked(node, committed, verdicts));
        });
    }

    fn handle(&mut self, note: Note, tell: &mut impl FnMut(News)) {
        match note {
            Note::Connected(node, Ok((peer, info))) => {
                tell(News::Connected { node, key: peer.key(), slots: info.slots });
                self.report.reached += 1;
                self.peers.insert(node, peer);
                self.dispatch.handle_ready(node, info.slots.clamp(1, 1024) as usize);
            }
            Note::Leased(node, lease, tasks, Ok(())) => {
                tell(News::Leased { node, tasks });
                self.dispatch.handle_leased(node, lease);
            }
            Note::Connected(node, Err(error))
            | Note::Leased(node, _, _, Err(error))
            | Note::Ran(node, _, Err(error)) => self.lose(node, &error, tell),
            Note::Heard(node, task, Heard::Started) => tell(News::Started { node, task }),
            Note::Heard(_, task, Heard::Gas(gas)) => tell(News::Progress { task, gas }),
            Note::Ran(node, task, Ok(Ran::Done(delivery))) => {
                let result = &delivery.checked.receipt.result;
                tell(News::Committed { node, task, outcome: result.outcome.clone() });
                self.dispatch.handle_committed(node, task, result.digest());
                // A node that was lost meanwhile may deliver too late.
                if self.dispatch.committed().any(|done| done == (task, node)) {
                    self.report.deliveries.insert(task, (node, *delivery));
                }
            }
            Note::Ran(node, task, Ok(Ran::Fault(kind, detail))) => {
                self.fault(node, task, fault_text(kind, &detail), tell);
            }
            Note::Ran(node, task, Ok(Ran::Rejected(reason))) => self.fault(node, task, reason, tell),
            Note::Checking(node, task) => tell(News::Checking { node, task }),
            Note::Checked(node, committed, verdicts) => self.judge(node, &committed, verdicts, tell),
        }
    }

    fn lose(&mut self, node: NodeId, error: &NodeError, tell: &mut impl FnMut(News)) {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            if !reason.contains(&cause.to_string()) {
                reason = format!("{reason}: {cause}");
            }
            source = cause.source();
        }
        // Every request under way fails when a connection does; one of them is news.
        if self.peers.remove(&node).is_some() || !self.report.reasons.iter().any(|(lost, _)| *lost == node) {
            tell(News::NodeLost { node, reason: reason.clone() });
            self.report.reasons.push((node, reason));
        }
        self.dispatch.handle_node_lost(node);
    }

    fn fault(&mut self, node: NodeId, task: u32, reason: String, tell: &mut impl FnMut(News)) {
        self.report.reasons.push((node, format!("task {task}: {reason}")));
        tell(News::Fault { node, task, reason });
        self.dispatch.handle_fault(node, task);
    }

    fn judge(
        &mut self,
        node: NodeId,
        committed: &[Commitment],
        verdicts: Vec<(u32, Verdict)>,
        tell: &mut impl FnMut(News),
    ) {
        for (task, verdict) in verdicts {
            match verdict {
                Verdict::Same => {
                    self.report.passed.push((node, task));
                    tell(News::CheckPassed { node, task });
                }
                Verdict::Inconclusive(reason) => {
                    let reason = reason.to_string();
                    self.report.inconclusive.push((node, task, reason.clone()));
                    tell(News::Inconclusive { node, task, reason });
                }
                Verdict::Different(differences) => {
                    if let Some((_, evidence)) = self.report.deliveries.get(&task) {
                        self.report.caught.push((node, evidence.clone()));
                    }
                    let again = self.dispatch.handle_check_failed(node);
                    self.report.deliveries.retain(|_, (by, _)| *by != node);
                    self.report.passed.retain(|(by, _)| *by != node);
                    self.peers.remove(&node);
                    tell(News::Caught { node, task, differences, again });
                    return;
                }
            }
        }
        self.dispatch.handle_check_passed(node, committed);
    }
}

impl Context {
    fn verify(&self, checked: &CheckedReceipt, folder: PathBuf) -> Verdict {
        fizz_exec::verify(checked, &self.executor, &self.submission.blobs, &Delivered(folder))
    }
}

fn fault_text(kind: HostFault, detail: &str) -> String {
    if detail.is_empty() { kind.to_string() } else { format!("{kind} ({detail})") }
}

/// What a node delivered.
struct Delivered(PathBuf);

impl Claimed for Delivered {
    fn read(&self, _: &OutputName, blob: &Blob) -> Option<Vec<u8>> {
        std::fs::read(output_path(&self.0, blob)).ok()
    }
}
