//! Tasks that run or wait on a node. A task is driven by itself, not by the connection that asked for it, so that a
//! requester that comes back finds it further on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use fizz_attest::{Digest, HostFault};
use fizz_wire::RefusalCode;
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
    /// It is not run: nobody can, or nobody need any more.
    Refused(RefusalCode, String),
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
    waiting: Arc<AtomicU32>,
    running: Arc<AtomicU32>,
    pub(crate) done: AtomicU64,
    pub(crate) faults: AtomicU64,
    live: Arc<Mutex<Live>>,
}

#[derive(Default)]
struct Live {
    tasks: BTreeMap<Key, Task>,
    begun: u64,
    stopped: bool,
}

struct Task {
    /// Tells a task from an earlier one of the same key, which may come to its end later.
    number: u64,
    state: watch::Receiver<TaskState>,
    /// None while it is being begun.
    abort: Option<AbortHandle>,
}

/// What a task holds as long as it lives, however it ends.
pub(crate) struct Place {
    key: Key,
    number: u64,
    live: Arc<Mutex<Live>>,
    running: Arc<AtomicU32>,
    counted: Option<Counted>,
}

impl Tasks {
    pub(crate) fn new(slots: u32, max_waiting: u32) -> Tasks {
        Tasks {
            slots: Semaphore::new(slots as usize),
            slot_count: slots,
            max_waiting,
            waiting: Arc::default(),
            running: Arc::default(),
            done: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            live: Arc::default(),
        }
    }

    /// The state of a live task, or that of one that `start` begins. `None` when too many wait, and after
    /// [`stop`](Tasks::stop).
    pub(crate) fn watch_or(
        &self,
        key: Key,
        start: impl FnOnce(Place, watch::Sender<TaskState>) -> AbortHandle,
    ) -> Option<watch::Receiver<TaskState>> {
        let mut live = lock(&self.live);
        if let Some(task) = live.tasks.get(&key) {
            return Some(task.state.clone());
        }
        let ahead = self.waiting();
        // A free slot is taken at once: such a task does not wait.
        let free = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        if live.stopped || ahead >= self.max_waiting.saturating_add(free) {
            return None;
        }
        let (sender, state) = watch::channel(TaskState::Queued(ahead));
        live.begun += 1;
        let number = live.begun;
        let counted = Some(Counted::new(self.waiting.clone()));
        let place = Place { key, number, live: self.live.clone(), running: self.running.clone(), counted };
        live.tasks.insert(key, Task { number, state: state.clone(), abort: None });
        // A runtime that shuts down drops the place at once, which takes the lock.
        drop(live);
        let abort = start(place, sender);
        match lock(&self.live).tasks.get_mut(&key).filter(|task| task.number == number) {
            Some(task) => task.abort = Some(abort),
            // Cancelled meanwhile, or over already.
            None => abort.abort(),
        }
        Some(state)
    }

    /// Tasks that wait for a slot.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Tasks that have one.
    pub(crate) fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    /// Stops all tasks of a lease. Returns how many there were.
    pub(crate) fn cancel(&self, lease: &Digest) -> u32 {
        let of_lease: Vec<Task> = {
            let mut live = lock(&self.live);
            let keys: Vec<Key> =
                live.tasks.range((*lease, 0)..=(*lease, u32::MAX)).map(|(key, _)| *key).collect();
            keys.iter().filter_map(|key| live.tasks.remove(key)).collect()
        };
        of_lease.iter().for_each(Task::abort);
        of_lease.len().try_into().unwrap_or(u32::MAX)
    }

    /// Stops all tasks, and begins no more.
    pub(crate) fn stop(&self) {
        let all = {
            let mut live = lock(&self.live);
            live.stopped = true;
            std::mem::take(&mut live.tasks)
        };
        all.values().for_each(Task::abort);
    }
}

impl Task {
    fn abort(&self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

impl Place {
    /// The task got a slot.
    pub(crate) fn runs(&mut self) {
        self.counted = Some(Counted::new(self.running.clone()));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut live = lock(&self.live);
        if live.tasks.get(&self.key).is_some_and(|task| task.number == self.number) {
            live.tasks.remove(&self.key);
        }
    }
}

fn lock(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Counts one more for as long as it lives.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(counter: Arc<AtomicU32>) -> Counted {
        counter.fetch_add(1, Ordering::Relaxed);
        Counted(counter)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(lease: u8, task: u32) -> Key {
        (Digest([lease; 32]), task)
    }

    /// Begins a task that waits for a slot and then for ever.
    fn begin(tasks: &Arc<Tasks>, key: Key) -> Option<watch::Receiver<TaskState>> {
        let of = tasks.clone();
        tasks.watch_or(key, |mut place, state| {
            let drive = async move {
                let Ok(_slot) = of.slots.acquire().await else { return };
                place.runs();
                state.send_replace(TaskState::Running(0));
                std::future::pending::<()>().await;
            };
            tokio::spawn(drive).abort_handle()
        })
    }

    async fn ended(mut state: watch::Receiver<TaskState>) {
        while state.changed().await.is_ok() {}
    }

    #[tokio::test]
    async fn a_task_is_begun_once_however_often_it_is_asked_for() {
        let tasks = Arc::new(Tasks::new(1, 1));
        let mut first = begin(&tasks, key(1, 0)).unwrap();
        first.wait_for(|state| *state == TaskState::Running(0)).await.unwrap();
        let again = tasks.watch_or(key(1, 0), |_, _| panic!("begun twice")).unwrap();
        assert_eq!(*again.borrow(), TaskState::Running(0));
        assert_eq!((tasks.running(), tasks.waiting()), (1, 0));
    }

    #[tokio::test]
    async fn too_many_wait_also_before_any_of_them_is_polled() {
        let tasks = Arc::new(Tasks::new(2, 3));
        // Nothing is awaited here, so that no task has been polled.
        let begun = (0..10).filter(|task| begin(&tasks, key(1, *task)).is_some()).count();
        assert_eq!(begun, 5);
        assert_eq!(tasks.waiting(), 5);
    }

    #[tokio::test]
    async fn cancelling_frees_slots_and_counts_what_it_stops() {
        let tasks = Arc::new(Tasks::new(1, 8));
        let ours = [begin(&tasks, key(1, 0)).unwrap(), begin(&tasks, key(1, 1)).unwrap()];
        let mut other = begin(&tasks, key(2, 0)).unwrap();
        assert_eq!(tasks.cancel(&Digest([1; 32])), 2);
        assert_eq!(tasks.cancel(&Digest([1; 32])), 0);
        for state in ours {
            ended(state).await;
        }
        other.wait_for(|state| *state == TaskState::Running(0)).await.unwrap();
        assert_eq!((tasks.running(), tasks.waiting()), (1, 0));
    }

    #[tokio::test]
    async fn the_end_of_a_cancelled_task_does_not_take_a_new_one_with_it() {
        let tasks = Arc::new(Tasks::new(1, 8));
        let old = begin(&tasks, key(1, 0)).unwrap();
        tasks.cancel(&Digest([1; 32]));
        // The old one has not been dropped yet.
        let new = begin(&tasks, key(1, 0)).unwrap();
        ended(old).await;
        assert!(tasks.watch_or(key(1, 0), |_, _| panic!("forgotten")).is_some());
        assert_eq!(tasks.cancel(&Digest([1; 32])), 1);
        ended(new).await;
    }

    #[tokio::test]
    async fn a_task_that_panics_is_forgotten() {
        let tasks = Arc::new(Tasks::new(1, 8));
        let state = tasks.watch_or(key(1, 0), |place, state| {
            let drive = async move {
                let _held = (place, state);
                // Unwinds without the message that a panic prints.
                std::panic::resume_unwind(Box::new(()));
            };
            tokio::spawn(drive).abort_handle()
        });
        ended(state.unwrap()).await;
        while tasks.waiting() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(tasks.cancel(&Digest([1; 32])), 0);
    }

    #[tokio::test]
    async fn nothing_begins_after_the_stop() {
        let tasks = Arc::new(Tasks::new(1, 8));
        let state = begin(&tasks, key(1, 0)).unwrap();
        tasks.stop();
        ended(state).await;
        assert!(tasks.watch_or(key(1, 1), |_, _| panic!("begun")).is_none());
    }
}
