//! The threads that run a dispatch together.
//!
//! Whoever executes the commands runs workgroups itself. It calls the others only for what takes long enough to be worth waking them:
//! it runs the first workgroups alone and takes the time. No result depends on who ran which workgroup.

use super::resource::Pipeline;
use crate::engine::{EngineError, Work};
use crate::race::Watch;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is left of a dispatch must take longer for the other threads to be woken.
const WORTH_WAKING: Duration = Duration::from_micros(60);
/// How long a piece is to take that a thread fetches at once.
const PIECE: Duration = Duration::from_micros(100);

/// A dispatch under way.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) pipeline: Arc<Pipeline>,
    /// Address of the arguments.
    pub(crate) args: u32,
    /// Address of the first thread's scratch memory, and bytes from one thread's to the next's.
    pub(crate) scratch: u32,
    pub(crate) stride: u32,
    pub(crate) counts: [u32; 3],
}

impl Dispatch {
    fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).product()
    }

    /// Runs all workgroups on this thread, one after the other, and tells who it is. They are those from `base` on of a dispatch.
    ///
    /// # Errors
    /// If the program trapped.
    pub(crate) fn watched(&self, watch: &Watch, base: [u32; 3]) -> Result<(), EngineError> {
        if base == [0; 3] {
            watch.dispatch();
        }
        let [x, y, _] = self.counts.map(u64::from);
        for number in 0..self.total() {
            let place = [number % x, number / x % y, number / x / y];
            let place = place.map(|value| u32::try_from(value).expect("counts have 32 bits"));
            watch.workgroup([0, 1, 2].map(|axis| base[axis].saturating_add(place[axis])));
            guarded(|| self.run(0, number, 1))?;
        }
        Ok(())
    }

    /// Runs workgroups by their numbers in the order x, y, z.
    fn run(&self, thread: usize, first: u64, count: u64) -> Result<(), EngineError> {
        let [x, y, _] = self.counts.map(u64::from);
        let place = |value: u64| u32::try_from(value).expect("counts have 32 bits");
        let (mut first, end) = (first, first + count);
        self.pipeline.with_instance(thread, |instance| {
            while first < end {
                let count = (end - first).min(1 << 30);
                let work = Work {
                    args: self.args,
                    scratch: self.scratch + self.stride * u32::try_from(thread).expect("few threads"),
                    first: [place(first % x), place(first / x % y), place(first / x / y)],
                    count: place(count),
                };
                // SAFETY: the memory of the bindings belongs to this dispatch until it ends: the queue executes one command after the other, and
                // wgpu maps no buffer that is in use. This thread alone has its scratch memory.
                unsafe { instance.run(work) }?;
                first += count;
            }
            Ok(())
        })
    }
}

/// A dispatch as all threads see it.
struct Shared {
    dispatch: Dispatch,
    /// The next workgroup that nobody has, and how many to fetch at once.
    next: AtomicU64,
    piece: u64,
    failed: AtomicBool,
    error: Mutex<Option<EngineError>>,
}

impl Shared {
    /// Fetches and runs until nothing is left.
    fn work(&self, thread: usize) {
        let total = self.dispatch.total();
        while !self.failed.load(Ordering::Relaxed) {
            let first = self.next.fetch_add(self.piece, Ordering::Relaxed);
            if first >= total {
                return;
            }
            let count = self.piece.min(total - first);
            if let Err(error) = guarded(|| self.dispatch.run(thread, first, count)) {
                self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                self.failed.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// A panic becomes an error.
fn guarded(work: impl FnOnce() -> Result<(), EngineError>) -> Result<(), EngineError> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    result.unwrap_or_else(|_| Err(EngineError::Trapped("a thread panicked".to_owned())))
}

/// Threads that wait for work.
pub(crate) struct Pool {
    gate: Arc<Gate>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    /// There is work, or an end of it all.
    called: Condvar,
    /// A thread has finished.
    finished: Condvar,
}

#[derive(Default)]
struct State {
    work: Option<Arc<Shared>>,
    /// Counts the dispatches, so that no thread takes one twice.
    turn: u64,
    busy: usize,
    over: bool,
}

impl Pool {
    /// A pool of `threads`, of which whoever calls [`run`](Pool::run) is one. Fewer, if the system gives no more.
    pub(crate) fn new(threads: usize) -> Pool {
        let gate = Arc::new(Gate::default());
        let others = (1..threads.max(1)).map_while(|number| {
            let gate = gate.clone();
            let thread = std::thread::Builder::new()
                .name(format!("reference {number}"))
                .stack_size(super::THREAD_STACK);
            thread.spawn(move || gate.serve(number)).ok()
        });
        let threads = others.collect();
        Pool { gate, threads }
    }

    /// How many threads there are.
    pub(crate) fn size(&self) -> usize {
        self.threads.len() + 1
    }

    /// Runs all workgroups of a dispatch.
    ///
    /// # Errors
    /// The first that was noticed, if a program trapped.
    pub(crate) fn run(&self, dispatch: Dispatch) -> Result<(), EngineError> {
        let total = dispatch.total();
        if total == 0 {
            return Ok(());
        }
        if self.threads.is_empty() {
            return guarded(|| dispatch.run(0, 0, total));
        }
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (mut next, mut piece) = (0, 1);
        let each = loop {
            let count = piece.min(total - next);
            let begun = Instant::now();
            guarded(|| dispatch.run(0, next, count))?;
            let each = (nanos(begun.elapsed()) / count).max(1);
            next += count;
            if next == total {
                return Ok(());
            }
            if each.saturating_mul(total - next) > nanos(WORTH_WAKING) {
                break each;
            }
            // The first ones need not be like the rest.
            piece *= 2;
        };
        let left = total - next;
        // Not so large that the last piece keeps all but one waiting.
        let fair = left.div_ceil(4 * self.size() as u64);
        let piece = (nanos(PIECE) / each).clamp(1, fair);
        let shared = Arc::new(Shared {
            dispatch,
            next: AtomicU64::new(next),
            piece,
            failed: AtomicBool::new(false),
            error: Mutex::new(None),
        });
        self.gate.call(shared.clone());
        shared.work(0);
        self.gate.finish();
        let error = shared.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        error.map_or(Ok(()), Err)
    }
}

impl Gate {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, work: Arc<Shared>) {
        let mut state = self.lock();
        state.work = Some(work);
        state.turn += 1;
        drop(state);
        self.called.notify_all();
    }

    /// Waits for those that have taken the work.
    fn finish(&self) {
        let mut state = self.lock();
        state.work = None;
        while state.busy > 0 {
            state = self.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn serve(&self, thread: usize) {
        let mut seen = 0;
        loop {
            let work = {
                let mut state = self.lock();
                loop {
                    if state.over {
                        return;
                    }
                    match &state.work {
                        Some(work) if state.turn != seen => {
                            seen = state.turn;
                            let work = work.clone();
                            state.busy += 1;
                            break work;
                        }
                        _ => state = self.called.wait(state).unwrap_or_else(PoisonError::into_inner),
                    }
                }
            };
            work.work(thread);
            drop(work);
            let mut state = self.lock();
            state.busy -= 1;
            if state.busy == 0 {
                self.finished.notify_all();
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.gate.lock().over = true;
        self.gate.called.notify_all();
        for thread in self.threads.drain(..) {
            // A panic in it has been told already.
            let _ = thread.join();
        }
    }
}
