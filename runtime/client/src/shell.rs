//! The shell around [`Dispatch`]: dials nodes, makes leases, collects deliveries, runs samples again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fizz_attest::{
    Blob, Canonical, CommittedLease, Digest, Domain, Envelope, HostFault, Job, Lease, Policy, PublicKey,
    choose_sample,
};
use fizz_exec::{Claimed, Executor, OutputName, Verdict};
use fizz_wire::{CloseCode, Endpoint, EndpointConfig, NodeInfo, Peer, Request};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::delivery::{Checked, Delivery, Ground, output_path};
use crate::dispatch::{Action, Commitment, Dispatch, Ending, LeaseId, NodeId};
use crate::node::{self, Heard, NodeError, Ran};
use crate::submit::{News, Report, Submission, SubmitError};

/// How often a silent node is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// How long a node may be silent until it is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long nodes have to confirm that they stop.
const CANCEL_WITHIN: Duration = Duration::from_secs(1);

/// Runs a job on nodes and checks a sample of what they deliver with `executor`. When `stop` is ready, the nodes are
/// told to stop, too. Nothing but a check that runs at that moment goes on when this returns.
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
    // Few connections, each with work on it: a node that dies is noticed soon.
    let config =
        EndpointConfig { keep_alive: KEEP_ALIVE, idle_timeout: IDLE_TIMEOUT, ..EndpointConfig::dial_only() };
    let endpoint = Endpoint::bind(any, &submission.key, config)?;
    let (notes, mut inbox) = mpsc::channel(64);
    let mut shell = Shell::new(submission, executor, notes);
    shell.connect(&endpoint);
    let ending = {
        let work = shell.work(&mut inbox, &mut tell);
        tokio::select! {
            ending = work => ending,
            () = stop => Err(SubmitError::Interrupted),
        }
    };
    let mut report = shell.finish().await;
    endpoint.close("the job is over");
    // Nodes that do not answer must not keep the requester.
    let _ = tokio::time::timeout(Duration::from_millis(500), endpoint.wait_idle()).await;
    if let Ending::Incomplete(missing) = ending? {
        report.missing = missing;
    }
    Ok(report)
}

/// What all requests of a submission share.
struct Context {
    submission: Submission,
    executor: Arc<Executor>,
    job: Arc<Job>,
    job_bytes: Arc<[u8]>,
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
    Ran(NodeId, LeaseId, u32, Result<Ran, NodeError>),
    Checking(NodeId, u32),
    Checked(NodeId, Vec<Commitment>, Vec<(u32, Verdict)>),
}

/// A lease that was made.
struct Made {
    node: NodeId,
    ground: Ground,
    digest: Digest,
    secret: [u8; 32],
    /// Tasks that the node was told to run, and that it has not ended.
    begun: BTreeSet<u32>,
}

struct Shell {
    dispatch: Dispatch,
    context: Arc<Context>,
    peers: BTreeMap<NodeId, Peer>,
    /// Who was reached under which key, so that no node is used twice.
    keys: BTreeMap<PublicKey, NodeId>,
    /// Nodes that are not used any more.
    gone: BTreeSet<NodeId>,
    leases: BTreeMap<LeaseId, Made>,
    report: Report,
    /// Everything that goes on over the network.
    requests: JoinSet<()>,
    /// Second runs, on threads of their own.
    checks: JoinSet<()>,
    /// Connections that are being closed.
    partings: JoinSet<()>,
}

impl Shell {
    fn new(submission: Submission, executor: Arc<Executor>, notes: mpsc::Sender<Note>) -> Shell {
        let tasks = submission.job.tasks.len() as u32;
        Shell {
            dispatch: Dispatch::new(tasks, submission.nodes.len(), submission.sample > 0),
            context: Arc::new(Context {
                job: Arc::new(submission.job.clone()),
                job_bytes: submission.job.to_canonical().into(),
                job_digest: submission.job.digest(),
                submission,
                executor,
                notes,
            }),
            peers: BTreeMap::new(),
            keys: BTreeMap::new(),
            gone: BTreeSet::new(),
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
            requests: JoinSet::new(),
            checks: JoinSet::new(),
            partings: JoinSet::new(),
        }
    }

    fn connect(&mut self, endpoint: &Endpoint) {
        for (node, address) in self.context.submission.nodes.iter().cloned().enumerate() {
            let (endpoint, context) = (endpoint.clone(), self.context.clone());
            self.requests.spawn(async move {
                let connected = node::connect(&endpoint, &address).await;
                context.note(Note::Connected(node, connected)).await;
            });
        }
    }

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
                Some(ended) = self.requests.join_next() => not_panicked(ended),
                Some(ended) = self.checks.join_next() => not_panicked(ended),
            }
        }
    }

    /// Tells the nodes that nobody waits for them any more.
    async fn finish(mut self) -> Report {
        for node in 0..self.context.submission.nodes.len() {
            self.part(node);
        }
        let partings = async { while self.partings.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(CANCEL_WITHIN, partings).await;
        self.requests.shutdown().await;
        self.report
    }

    /// Uses a node no more: stops what it was told to run, and closes the connection.
    fn part(&mut self, node: NodeId) {
        self.gone.insert(node);
        let Some(peer) = self.peers.remove(&node) else { return };
        let begun = self.leases.values().filter(|made| made.node == node && !made.begun.is_empty());
        let digests: Vec<Digest> = begun.map(|made| made.digest).collect();
        self.partings.spawn(async move {
            for lease in digests {
                if peer.call(&Request::Cancel { lease }, CANCEL_WITHIN).await.is_err() {
                    break;
                }
            }
            peer.close(CloseCode::Done, "nothing more is wanted of this node");
        });
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
        let ground = Ground {
            envelope: Arc::new(Envelope::sign(&lease, &submission.key)),
            lease: Arc::new(lease),
            job: context.job.clone(),
            job_bytes: context.job_bytes.clone(),
        };
        let digest = ground.lease.digest();
        let count = ground.lease.tasks.len();
        let made = Made { node, ground: ground.clone(), digest, secret, begun: BTreeSet::new() };
        self.leases.insert(id, made);
        self.requests.spawn(async move {
            let taken = node::offer(&peer, digest, &ground, &context.submission.blobs).await;
            context.note(Note::Leased(node, id, count, taken)).await;
        });
        Ok(())
    }

    fn run(&mut self, node: NodeId, lease: LeaseId, task: u32) {
        let (Some(peer), Some(made)) = (self.peers.get(&node).cloned(), self.leases.get_mut(&lease)) else {
            return;
        };
        made.begun.insert(task);
        let (ground, digest) = (made.ground.clone(), made.digest);
        let context = self.context.clone();
        self.requests.spawn(async move {
            let submission = &context.submission;
            let folder = submission.staging.join(format!("{task}-{node}-{lease}"));
            let deadline = Instant::now() + submission.task_time;
            let hear = |heard| drop(context.notes.try_send(Note::Heard(node, task, heard)));
            let ran = node::run(&peer, &ground, (digest, task), &folder, deadline, hear).await;
            context.note(Note::Ran(node, lease, task, ran)).await;
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
                Some(CommittedLease { lease: &made.ground.lease, secret: &made.secret, results })
            })
            .collect();
        let sample = choose_sample(&leases, self.context.submission.sample as usize);
        let deliveries: Vec<Delivery> = sample
            .iter()
            .filter_map(|task| self.report.deliveries.get(task).map(|(_, delivery)| delivery.clone()))
            .collect();
        let context = self.context.clone();
        self.checks.spawn_blocking(move || {
            let mut verdicts = Vec::new();
            for Delivery { checked, folder, .. } in deliveries {
                let task = checked.receipt.result.task;
                if context.notes.blocking_send(Note::Checking(node, task)).is_err() {
                    return;
                }
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
                if let Some(other) = self.keys.get(&peer.key()) {
                    return self.lose(node, &NodeError::SameNode(*other), tell);
                }
                self.keys.insert(peer.key(), node);
                tell(News::Connected { node, key: peer.key(), slots: info.slots });
                self.report.reached += 1;
                self.peers.insert(node, peer);
                self.dispatch.handle_ready(node, info.slots.clamp(1, 1024) as usize);
            }
            Note::Leased(node, lease, tasks, Ok(())) => {
                tell(News::Leased { node, tasks });
                self.dispatch.handle_leased(node, lease);
            }
            Note::Connected(node, Err(error)) | Note::Leased(node, _, _, Err(error)) => {
                self.lose(node, &error, tell);
            }
            Note::Heard(node, task, Heard::Started) => tell(News::Started { node, task }),
            Note::Heard(_, task, Heard::Gas(gas)) => tell(News::Progress { task, gas }),
            Note::Ran(node, lease, task, ran) => self.ran(node, lease, task, ran, tell),
            Note::Checking(node, task) => tell(News::Checking { node, task }),
            Note::Checked(node, committed, verdicts) => self.judge(node, &committed, verdicts, tell),
        }
    }

    fn ran(
        &mut self,
        node: NodeId,
        lease: LeaseId,
        task: u32,
        ran: Result<Ran, NodeError>,
        tell: &mut impl FnMut(News),
    ) {
        // A node that took too long, or failed otherwise, may still be at it.
        if matches!(ran, Ok(Ran::Done(_) | Ran::Rejected(_)))
            && let Some(made) = self.leases.get_mut(&lease)
        {
            made.begun.remove(&task);
        }
        match ran {
            Ok(Ran::Done(delivery)) => {
                let result = &delivery.checked.receipt.result;
                self.dispatch.handle_committed(node, task, result.digest());
                // A node that was lost meanwhile delivers too late.
                if self.dispatch.is_committed(task, node) {
                    tell(News::Committed { node, task, outcome: result.outcome.clone() });
                    self.report.deliveries.insert(task, (node, *delivery));
                }
            }
            Ok(Ran::Fault(kind, detail)) => self.fault(node, task, fault_text(kind, &detail), tell),
            Ok(Ran::Rejected(reason)) => self.fault(node, task, reason, tell),
            Err(error) => self.lose(node, &error, tell),
        }
    }

    fn lose(&mut self, node: NodeId, error: &NodeError, tell: &mut impl FnMut(News)) {
        // Every request under way fails when a connection does; the first of them is news.
        if !self.gone.contains(&node) {
            let mut reason = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                if !reason.contains(&cause.to_string()) {
                    reason = format!("{reason}: {cause}");
                }
                source = cause.source();
            }
            tell(News::NodeLost { node, reason: reason.clone() });
            self.report.reasons.push((node, reason));
        }
        self.dispatch.handle_node_lost(node);
        self.part(node);
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
                    self.part(node);
                    tell(News::Caught { node, task, differences, again });
                    return;
                }
            }
        }
        self.dispatch.handle_check_passed(node, committed);
    }
}

impl Context {
    fn verify(&self, checked: &Checked, folder: PathBuf) -> Verdict {
        let (blobs, claimed) = (&self.submission.blobs, Delivered(folder));
        fizz_exec::verify(&checked.to_receipt(), &self.executor, blobs, &claimed)
    }
}

/// A request that panicked reports nothing: the job would wait for it for ever.
fn not_panicked(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
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
