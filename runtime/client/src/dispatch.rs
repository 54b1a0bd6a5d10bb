//! Which node does which task: a state machine without clocks or I/O.
//!
//! The shell tells what happened through the `handle_*` methods and carries out what [`Dispatch::poll_action`]
//! answers until it answers `None`. Tasks go to nodes in leased batches that shrink towards the end of the job; a
//! node that runs dry takes over tasks that a slower one has not begun. When every task is committed, each node's
//! new commitments are spot-checked; a node that fails is banned, and all its tasks are done again by others. Only
//! tasks whose node was not banned are ever final.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fizz_attest::Digest;

/// A node of this job, by its place in the list the requester gave.
pub type NodeId = usize;
/// A lease of this job, in the order of making.
pub type LeaseId = usize;

/// Nodes on which a task may fail by the node's fault before it is given up.
pub const FAULTS_BEFORE_UNRUNNABLE: usize = 3;

/// What the shell must do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Offer these tasks to the node under a new lease, then report [`Dispatch::handle_leased`] or
    /// [`Dispatch::handle_node_lost`].
    Lease {
        /// To whom.
        node: NodeId,
        /// The lease's number.
        lease: LeaseId,
        /// The batch.
        tasks: Vec<u32>,
    },
    /// Have one task of a lease done; report [`Dispatch::handle_committed`] or [`Dispatch::handle_fault`].
    Run {
        /// By whom.
        node: NodeId,
        /// Under which lease.
        lease: LeaseId,
        /// Which task.
        task: u32,
    },
    /// Choose a sample of these commitments and run it again; report `handle_check_*`.
    Check {
        /// Whose.
        node: NodeId,
        /// The commitments not yet checked: lease, task, result digest, by lease and task.
        committed: Vec<Commitment>,
    },
}

/// One commitment of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Commitment {
    /// The lease it was made under.
    pub lease: LeaseId,
    /// The task.
    pub task: u32,
    /// Digest of the task's result.
    pub result: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TaskState {
    Pending,
    /// In a lease that exists or is being made, not begun.
    Leased(NodeId, LeaseId),
    Running(NodeId, LeaseId),
    Committed(NodeId, Commitment),
    Unrunnable,
}

#[derive(Clone, Debug)]
struct Node {
    slots: usize,
    state: NodeState,
    running: usize,
    /// The lease being offered; the node gets nothing else meanwhile.
    offering: Option<LeaseId>,
    unchecked: BTreeSet<Commitment>,
    checking: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeState {
    Connecting,
    Ready,
    Lost,
    Banned,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every task is committed by a node that passed its checks.
    Complete,
    /// These tasks are done by nobody: too many nodes failed at them, or none is left.
    Incomplete(Vec<u32>),
}

/// The state of one job's distribution.
#[derive(Clone, Debug)]
pub struct Dispatch {
    tasks: Vec<TaskState>,
    pending: VecDeque<u32>,
    faults: BTreeMap<u32, BTreeSet<NodeId>>,
    nodes: Vec<Node>,
    leases: usize,
    check: bool,
}

impl Dispatch {
    /// A job of `tasks` tasks on `nodes` nodes, none of which is connected yet. With `check`, commitments are
    /// spot-checked before the job ends.
    pub fn new(tasks: u32, nodes: usize, check: bool) -> Dispatch {
        let node = Node {
            slots: 0,
            state: NodeState::Connecting,
            running: 0,
            offering: None,
            unchecked: BTreeSet::new(),
            checking: false,
        };
        Dispatch {
            tasks: vec![TaskState::Pending; tasks as usize],
            pending: (0..tasks).collect(),
            faults: BTreeMap::new(),
            nodes: vec![node; nodes],
            leases: 0,
            check,
        }
    }

    /// The node is connected and takes `slots` tasks at once.
    pub fn handle_ready(&mut self, node: NodeId, slots: usize) {
        if self.nodes[node].state == NodeState::Connecting {
            self.nodes[node].state = NodeState::Ready;
            self.nodes[node].slots = slots.max(1);
        }
    }

    /// The node accepted a lease and has every blob.
    pub fn handle_leased(&mut self, node: NodeId, lease: LeaseId) {
        if self.nodes[node].offering == Some(lease) {
            self.nodes[node].offering = None;
        }
    }

    /// The node cannot be used any more (unreachable, refusing, failing). What it committed stands.
    pub fn handle_node_lost(&mut self, node: NodeId) {
        if self.nodes[node].state != NodeState::Banned {
            self.nodes[node].state = NodeState::Lost;
        }
        self.drop_unfinished(node);
    }

    /// The node committed to a task, and all its outputs are here.
    pub fn handle_committed(&mut self, node: NodeId, task: u32, result: Digest) {
        let TaskState::Running(runner, lease) = self.tasks[task as usize] else { return };
        if runner != node {
            return;
        }
        let commitment = Commitment { lease, task, result };
        self.tasks[task as usize] = TaskState::Committed(node, commitment);
        self.nodes[node].running -= 1;
        self.nodes[node].unchecked.insert(commitment);
    }

    /// The node could not do the task, by its own fault. Another will try.
    pub fn handle_fault(&mut self, node: NodeId, task: u32) {
        if matches!(self.tasks[task as usize], TaskState::Running(runner, _) if runner == node) {
            self.nodes[node].running -= 1;
            self.faults.entry(task).or_default().insert(node);
            self.return_task(task);
        }
    }

    /// The sample of these commitments was run again and agreed, or could not be compared.
    pub fn handle_check_passed(&mut self, node: NodeId, checked: &[Commitment]) {
        self.nodes[node].checking = false;
        for commitment in checked {
            self.nodes[node].unchecked.remove(commitment);
        }
    }

    /// The node committed to something else than what a second run gave. All its work is thrown away.
    /// Returns the tasks that will be done again.
    pub fn handle_check_failed(&mut self, node: NodeId) -> Vec<u32> {
        self.nodes[node].state = NodeState::Banned;
        self.nodes[node].checking = false;
        self.nodes[node].unchecked.clear();
        let mut again = Vec::new();
        for task in 0..self.tasks.len() as u32 {
            if matches!(self.tasks[task as usize], TaskState::Committed(by, _) if by == node) {
                self.return_task(task);
                again.push(task);
            }
        }
        self.drop_unfinished(node);
        again
    }

    /// Whether some node has neither been reached nor been given up.
    pub fn is_connecting(&self) -> bool {
        self.nodes.iter().any(|node| node.state == NodeState::Connecting)
    }

    /// How the job ended, once every task is in its final state.
    pub fn ending(&self) -> Option<Ending> {
        let checks_due =
            self.nodes.iter().any(|node| node.checking || self.check && !node.unchecked.is_empty());
        let mut missing = Vec::new();
        for (task, state) in self.tasks.iter().enumerate() {
            match state {
                TaskState::Committed(..) => {}
                TaskState::Unrunnable => missing.push(task as u32),
                TaskState::Pending if !self.anybody_for(task as u32) => missing.push(task as u32),
                _ => return None,
            }
        }
        match (checks_due, missing.is_empty()) {
            (true, _) => None,
            (false, true) => Some(Ending::Complete),
            (false, false) => Some(Ending::Incomplete(missing)),
        }
    }

    /// Who committed to each task so far.
    pub fn committed(&self) -> impl Iterator<Item = (u32, NodeId)> + '_ {
        self.tasks.iter().enumerate().filter_map(|(task, state)| match state {
            TaskState::Committed(node, _) => Some((task as u32, *node)),
            _ => None,
        })
    }

    /// Whether this node's commitment to the task stands.
    pub fn is_committed(&self, task: u32, node: NodeId) -> bool {
        matches!(self.tasks.get(task as usize), Some(TaskState::Committed(by, _)) if *by == node)
    }

    /// The next thing to do, or `None` until something is handled.
    pub fn poll_action(&mut self) -> Option<Action> {
        (0..self.nodes.len())
            .find_map(|node| self.next_run(node))
            .or_else(|| (0..self.nodes.len()).find_map(|node| self.next_lease(node)))
            .or_else(|| self.next_check())
    }

    fn next_run(&mut self, id: NodeId) -> Option<Action> {
        let node = &self.nodes[id];
        if node.state != NodeState::Ready || node.offering.is_some() || node.running >= node.slots {
            return None;
        }
        let (task, lease) = self.tasks.iter().enumerate().find_map(|(task, state)| match state {
            TaskState::Leased(holder, lease) if *holder == id => Some((task as u32, *lease)),
            _ => None,
        })?;
        self.tasks[task as usize] = TaskState::Running(id, lease);
        self.nodes[id].running += 1;
        Some(Action::Run { node: id, lease, task })
    }

    fn next_lease(&mut self, id: NodeId) -> Option<Action> {
        let node = &self.nodes[id];
        if node.state != NodeState::Ready || node.offering.is_some() || node.running >= node.slots {
            return None;
        }
        let mut batch = self.batch_for(id);
        if batch.is_empty() {
            batch = self.take_over_for(id);
        }
        if batch.is_empty() {
            return None;
        }
        let lease = self.leases;
        self.leases += 1;
        for task in &batch {
            self.tasks[*task as usize] = TaskState::Leased(id, lease);
        }
        self.nodes[id].offering = Some(lease);
        Some(Action::Lease { node: id, lease, tasks: batch })
    }

    /// Guided self-scheduling (Polychronopoulos and Kuck, 1987): a share of what is left, by slots, halved.
    fn batch_for(&mut self, id: NodeId) -> Vec<u32> {
        let eligible: Vec<u32> =
            self.pending.iter().copied().filter(|task| self.may_run(id, *task)).collect();
        let slots: usize =
            self.nodes.iter().filter(|node| node.is_hopeful()).map(|node| node.slots.max(1)).sum();
        let share = (eligible.len() * self.nodes[id].slots).div_ceil(2 * slots.max(1));
        let count = share.max(self.nodes[id].slots);
        let mut batch: Vec<u32> = eligible.into_iter().take(count).collect();
        batch.sort_unstable();
        self.pending.retain(|task| batch.binary_search(task).is_err());
        batch
    }

    /// Half of the unbegun tasks of the node that has most of them, more than it has slots for.
    fn take_over_for(&self, id: NodeId) -> Vec<u32> {
        let mut unbegun: BTreeMap<NodeId, Vec<u32>> = BTreeMap::new();
        for (task, state) in self.tasks.iter().enumerate() {
            if let TaskState::Leased(holder, _) = state
                && *holder != id
                && self.nodes[*holder].offering.is_none()
                && self.may_run(id, task as u32)
            {
                unbegun.entry(*holder).or_default().push(task as u32);
            }
        }
        let Some(most) = unbegun.values().max_by_key(|tasks| tasks.len()) else { return Vec::new() };
        most[most.len() / 2..].to_vec()
    }

    /// When nothing is left to run, each node with unchecked commitments is checked.
    fn next_check(&mut self) -> Option<Action> {
        let idle = self.tasks.iter().enumerate().all(|(task, state)| match state {
            TaskState::Committed(..) | TaskState::Unrunnable => true,
            TaskState::Pending => !self.anybody_for(task as u32),
            _ => false,
        });
        if !self.check || !idle {
            return None;
        }
        let id = self.nodes.iter().position(|node| !node.checking && !node.unchecked.is_empty())?;
        self.nodes[id].checking = true;
        Some(Action::Check { node: id, committed: self.nodes[id].unchecked.iter().copied().collect() })
    }

    fn may_run(&self, node: NodeId, task: u32) -> bool {
        !self.faults.get(&task).is_some_and(|failed| failed.contains(&node))
    }

    fn anybody_for(&self, task: u32) -> bool {
        self.nodes.iter().enumerate().any(|(id, node)| node.is_hopeful() && self.may_run(id, task))
    }

    /// Puts a task back, or gives it up where enough nodes failed at it.
    fn return_task(&mut self, task: u32) {
        let failed = self.faults.get(&task).map_or(0, BTreeSet::len);
        self.tasks[task as usize] = if failed >= FAULTS_BEFORE_UNRUNNABLE {
            TaskState::Unrunnable
        } else {
            self.pending.push_back(task);
            TaskState::Pending
        };
    }

    fn drop_unfinished(&mut self, id: NodeId) {
        self.nodes[id].running = 0;
        self.nodes[id].offering = None;
        for task in 0..self.tasks.len() as u32 {
            match self.tasks[task as usize] {
                TaskState::Leased(node, _) | TaskState::Running(node, _) if node == id => {
                    self.return_task(task)
                }
                _ => {}
            }
        }
    }
}

impl Node {
    fn is_hopeful(&self) -> bool {
        matches!(self.state, NodeState::Connecting | NodeState::Ready)
    }
}

#[cfg(test)]
mod tests;
