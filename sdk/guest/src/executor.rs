use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Remembers that the future asked to be polled again.
struct Awake {
    asked: AtomicBool,
    #[cfg(not(target_family = "wasm"))]
    thread: std::thread::Thread,
}

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.asked.store(true, Ordering::Release);
        #[cfg(not(target_family = "wasm"))]
        self.thread.unpark();
    }
}

/// Runs a future to its end on this thread.
///
/// In the sandbox there is one thread and every GPU future is ready at once, so this never waits.
///
/// # Panics
/// In the sandbox, if the future is not ready and has not asked to be polled again: nothing is left that
/// could ever wake it.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let awake = Arc::new(Awake {
        asked: AtomicBool::new(false),
        #[cfg(not(target_family = "wasm"))]
        thread: std::thread::current(),
    });
    let waker = Waker::from(Arc::clone(&awake));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        while !awake.asked.swap(false, Ordering::Acquire) {
            #[cfg(not(target_family = "wasm"))]
            std::thread::park();
            #[cfg(target_family = "wasm")]
            panic!("block_on: the future waits for something that cannot happen in one thread");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::block_on;
    use std::sync::{Arc, Mutex};
    use std::task::{Poll, Waker};

    #[test]
    fn a_ready_future_returns_its_value() {
        assert_eq!(block_on(async { 6 * 7 }), 42);
    }

    #[test]
    fn a_future_may_ask_to_be_polled_again() {
        let mut left = 3;
        let polled = block_on(std::future::poll_fn(|context| {
            if left == 0 {
                return Poll::Ready("done");
            }
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        }));
        assert_eq!((polled, left), ("done", 0));
    }

    #[test]
    fn a_future_may_be_woken_by_another_thread() {
        let state = Arc::new(Mutex::new((false, None::<Waker>)));
        let other = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let mut state = other.lock().unwrap();
            state.0 = true;
            if let Some(waker) = state.1.take() {
                waker.wake();
            }
        });
        block_on(std::future::poll_fn(|context| {
            let mut state = state.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(context.waker().clone());
            Poll::Pending
        }));
        thread.join().unwrap();
    }
}
