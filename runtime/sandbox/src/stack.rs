//! Threads whose native stack is so large that a guest always meets its metered stack limit first.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Native bytes per metered byte: twice what the cost table's rule for frames bounds a native frame by.
pub(crate) const NATIVE_FACTOR: usize = 64;
/// The largest metered stack. A job that asks for more gets this; it is part of the instrumentation's version.
pub(crate) const METERED_MAX: u64 = 4 << 20;
/// Native stack that a guest may use.
pub(crate) const WASM_STACK: usize =
    (METERED_MAX as usize + crate::instrument::COSTS.frame_leaf as usize) * NATIVE_FACTOR;
/// Native stack for the host functions above the guest and the frames below it.
const HOST_STACK: usize = 4 << 20;
/// Idle threads that are kept.
const IDLE_MAX: usize = 16;

type Work = Box<dyn FnOnce() + Send>;

/// Idle big-stack threads, shared by the clones of an engine. Address space is reserved, memory only as it is used.
#[derive(Clone, Default)]
pub(crate) struct Stacks {
    idle: Arc<Mutex<Vec<Sender<Work>>>>,
}

/// A big-stack thread could not be had, or what ran on it panicked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    #[error("cannot start a thread with a large stack: {0}")]
    Spawn(#[from] std::io::Error),
    #[error("internal error while running a guest: {0}")]
    Panicked(String),
}

impl Stacks {
    /// Runs `work` on a big stack and waits for it: on an idle thread, else on a new one. Never on this one, even if
    /// it is one: a guest below us may have used up most of its stack.
    pub(crate) fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, StackError> {
        let (answer, answered) = channel();
        let work: Work = Box::new(move || {
            // The caller waits for the answer, so it is there to take it.
            let _ = answer.send(caught(work));
        });
        let thread = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let thread = match thread {
            Some(thread) => thread,
            None => self.spawn()?,
        };
        let lost = || StackError::Panicked("the thread ended early".to_owned());
        thread.send(work).map_err(|_| lost())?;
        let result = answered.recv().map_err(|_| lost())?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(thread);
        }
        result
    }

    fn spawn(&self) -> Result<Sender<Work>, StackError> {
        let (sender, receiver): (Sender<Work>, Receiver<Work>) = channel();
        std::thread::Builder::new().name("fizz-guest".to_owned()).stack_size(WASM_STACK + HOST_STACK).spawn(
            move || {
                // Ends when the sender is dropped.
                for work in receiver {
                    work();
                }
            },
        )?;
        Ok(sender)
    }
}

fn caught<R>(work: impl FnOnce() -> R) -> Result<R, StackError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| StackError::Panicked(message_of(&*panic)))
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_used_again_and_a_panic_is_an_error() {
        let stacks = Stacks::default();
        let first = stacks.run(|| std::thread::current().id()).unwrap();
        let error = stacks.run(|| -> () { panic!("boom") }).unwrap_err();
        assert_eq!(error.to_string(), "internal error while running a guest: boom");
        let again = stacks.run(|| std::thread::current().id()).unwrap();
        assert_eq!(first, again);
    }

    #[test]
    fn work_inside_work_has_a_whole_stack_of_its_own() {
        let stacks = Stacks::default();
        let inner = stacks.clone();
        let (outer, nested) = stacks
            .run(move || {
                let here = std::thread::current().id();
                (here, inner.run(|| std::thread::current().id()).unwrap())
            })
            .unwrap();
        assert_ne!(outer, nested);
    }
}
