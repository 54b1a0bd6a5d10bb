//! Tasks that run or wait on a node. A task is driven by itself, not by the connection that asked for it, so that a
//! requester that comes back finds it further on.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use fizz_attest::{Digest, HostFault};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

use crate::store::StoredResult;

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TaskState {
    /// It waits for this many others.
    Queued(u32),
    /// It runs, and has used this much gas.
    Running(u64),
    /// It is done, durably.
    Done(StoredResult),
    /// Nobody can run it.
    Rejected(String),
    /// The node failed.
    Fault(HostFault, String),
}

/// A lease's digest and a task of it.
pub(crate) type Key = (Digest, u32);

/// All tasks that are not done.
pub(crate) struct Tasks {
    /// One permit for each task that may run.
    pub(crate) slots: Semaphore,
    pub(crate) slot_count: u32,
    max_waiting: u32,
    pub(crate) waiting: AtomicU32,
    pub(crate) running: AtomicU32,
    pub(crate) done: AtomicU64,
    pub(crate) faults: AtomicU64,
    live: Mutex<BTreeMap<Key, Live>>,
}

struct Live {
    state: watch::Receiver<TaskState>,
    abort: AbortHandle,
}

impl Tasks {
    pub(crate) fn new(slots: u32, max_waiting: u32) -> Tasks {
        Tasks {
            slots: Semaphore::new(slots as usize),
            slot_count: slots,
            max_waiting,
            waiting: AtomicU32::new(0),
            running: AtomicU32::new(0),
            done: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            live: Mutex::new(BTreeMap::new()),
        }
    }

    /// The state of a live task, or that of one that `start` begins. `None` when too many wait.
    pub(crate) fn watch_or(
        &self,
        key: Key,
        start: impl FnOnce(watch::Sender<TaskState>) -> AbortHandle,
    ) -> Option<watch::Receiver<TaskState>> {
        let mut live = self.lock();
        if let Some(task) = live.get(&key) {
            return Some(task.state.clone());
        }
        let ahead = self.waiting.load(Ordering::Relaxed);
        if ahead >= self.max_waiting {
            return None;
        }
        let (sender, state) = watch::channel(TaskState::Queued(ahead));
        let abort = start(sender);
        live.insert(key, Live { state: state.clone(), abort });
        Some(state)
    }

    /// Forgets a task that came to an end.
    pub(crate) fn finished(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Stops all tasks of a lease. Returns how many there were.
    pub(crate) fn cancel(&self, lease: &Digest) -> u32 {
        let mut live = self.lock();
        let keys: Vec<Key> = live.keys().filter(|(digest, _)| digest == lease).copied().collect();
        for key in &keys {
            if let Some(task) = live.remove(key) {
                task.abort.abort();
            }
        }
        keys.len() as u32
    }

    /// Stops all tasks.
    pub(crate) fn cancel_all(&self) {
        for (_, task) in std::mem::take(&mut *self.lock()) {
            task.abort.abort();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Live>> {
        self.live.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Counts one more for as long as it lives, also when its task is aborted.
pub(crate) struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    pub(crate) fn new(counter: &'a AtomicU32) -> Counted<'a> {
        counter.fetch_add(1, Ordering::Relaxed);
        Counted(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
