use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    /// Futures that are not done, by the order in which they came.
    static TASKS: RefCell<BTreeMap<u64, Task>> = const { RefCell::new(BTreeMap::new()) };
    /// Those to poll next. One that is done may stand here still.
    static READY: RefCell<VecDeque<u64>> = const { RefCell::new(VecDeque::new()) };
    static LAST: Cell<u64> = const { Cell::new(0) };
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Wakes one task of the thread that made it, which in the sandbox is the only one.
struct Awake(u64);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        READY.with_borrow_mut(|ready| ready.push_back(self.0));
        run();
    }
}

/// Runs a future on this thread: up to the point where it waits for something, before this returns, and from there
/// when it is woken, before the call that wakes it returns. Tasks that wake or spawn others do not nest: those
/// run after them.
///
/// A future that nothing wakes any more is never finished, as with the original.
pub fn spawn_local<F: Future<Output = ()> + 'static>(future: F) {
    let id = LAST.get() + 1;
    LAST.set(id);
    TASKS.with_borrow_mut(|tasks| tasks.insert(id, Box::pin(future)));
    READY.with_borrow_mut(|ready| ready.push_back(id));
    run();
}

fn run() {
    if RUNNING.replace(true) {
        return;
    }
    // A task that panics must not leave the others waiting for a run that is over.
    struct Done;
    impl Drop for Done {
        fn drop(&mut self) {
            RUNNING.set(false);
        }
    }
    let _done = Done;
    while let Some(id) = READY.with_borrow_mut(VecDeque::pop_front) {
        // Outside of the map while it runs, since it may spawn others.
        let Some(mut task) = TASKS.with_borrow_mut(|tasks| tasks.remove(&id)) else { continue };
        let waker = Waker::from(Arc::new(Awake(id)));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            TASKS.with_borrow_mut(|tasks| tasks.insert(id, task));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::spawn_local;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use std::task::{Poll, Waker};

    #[test]
    fn a_ready_future_is_done_when_the_call_returns() {
        let done = Rc::new(Cell::new(false));
        let inside = Rc::clone(&done);
        spawn_local(async move { inside.set(true) });
        assert!(done.get());
    }

    #[test]
    fn a_future_that_waits_goes_on_when_it_is_woken() {
        let state = Rc::new(RefCell::new((0, None::<Waker>)));
        let inside = Rc::clone(&state);
        spawn_local(std::future::poll_fn(move |context| {
            let mut state = inside.borrow_mut();
            state.0 += 1;
            state.1 = Some(context.waker().clone());
            if state.0 < 3 { Poll::Pending } else { Poll::Ready(()) }
        }));
        for polled in 1..=3 {
            assert_eq!(state.borrow().0, polled);
            let waker = state.borrow_mut().1.take().unwrap();
            waker.wake();
        }
        assert_eq!(state.borrow().0, 3, "what is done is not polled again");
    }

    #[test]
    fn a_future_that_wakes_itself_is_polled_again() {
        let left = Rc::new(Cell::new(5));
        let inside = Rc::clone(&left);
        spawn_local(std::future::poll_fn(move |context| {
            inside.set(inside.get() - 1);
            context.waker().wake_by_ref();
            if inside.get() == 0 { Poll::Ready(()) } else { Poll::Pending }
        }));
        assert_eq!(left.get(), 0);
    }

    #[test]
    fn what_a_task_spawns_runs_after_it() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let outer = Rc::clone(&order);
        spawn_local(async move {
            let inner = Rc::clone(&outer);
            spawn_local(async move { inner.borrow_mut().push("inner") });
            outer.borrow_mut().push("outer");
        });
        assert_eq!(*order.borrow(), ["outer", "inner"]);
    }
}
