//! Stacks so large that a guest always meets its metered stack limit first. A guest runs on the caller's thread, which
//! is switched to such a stack for as long as it runs: to hand the work to another thread and to wait for it costs more
//! than a small task itself.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use corosensei::on_stack;
use corosensei::stack::DefaultStack;

/// Native bytes per metered byte: twice what the cost table's rule for frames bounds a native frame by.
pub(crate) const NATIVE_FACTOR: usize = 64;
/// The largest metered stack. A job that asks for more gets this; it is part of the instrumentation's version.
pub(crate) const METERED_MAX: u64 = 4 << 20;
/// Native stack that a guest may use.
pub(crate) const WASM_STACK: usize =
    (METERED_MAX as usize + crate::instrument::COSTS.frame_leaf as usize) * NATIVE_FACTOR;
/// Native stack for the host functions above the guest and the frames below it.
const HOST_STACK: usize = 4 << 20;
/// Idle stacks that are kept.
const IDLE_MAX: usize = 16;

/// Idle stacks, shared by the clones of an engine. Address space is reserved, memory only as it is used; each ends in a
/// page that nobody may touch.
#[derive(Clone, Default)]
pub(crate) struct Stacks {
    idle: Arc<Mutex<Vec<DefaultStack>>>,
}

/// A large stack could not be had, or what ran on it panicked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    #[error("cannot make a large stack: {0}")]
    Make(#[from] std::io::Error),
    #[error("internal error while running a guest: {0}")]
    Panicked(String),
}

impl Stacks {
    /// Runs `work` on a large stack: an idle one, else a new one. Never on what is left of this one, even if it is
    /// large: a guest below us may have used up most of it.
    pub(crate) fn run<R>(&self, work: impl FnOnce() -> R) -> Result<R, StackError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut stack = match idle {
            Some(stack) => stack,
            None => {
                let mut stack = DefaultStack::new(WASM_STACK + HOST_STACK)?;
                trim::keep_to_small_pages(&mut stack);
                stack
            }
        };
        let result = on_stack(&mut stack, || caught(work));
        if trim::give_back_memory(&mut stack) {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MAX {
                idle.push(stack);
            }
        }
        result
    }
}

#[cfg(target_os = "linux")]
mod trim {
    use corosensei::stack::{DefaultStack, Stack};
    use rustix::mm::{Advice, madvise};

    /// Bytes at the base of a stack that stay in memory: more than most tasks use.
    const KEPT: usize = 256 << 10;

    /// Huge pages would make a shallow guest hold megabytes, and come back after what was given back is touched again.
    /// A kernel without them refuses the advice, which changes nothing.
    #[allow(unsafe_code, reason = "the memory of a stack is known only by its addresses")]
    pub(super) fn keep_to_small_pages(stack: &mut DefaultStack) {
        let (limit, base) = (stack.limit().get(), stack.base().get());
        // SAFETY: the range is the mapping of the stack, which is borrowed here alone; the advice changes neither its
        // contents nor its protection.
        let _ = unsafe { madvise(limit as *mut _, base - limit, Advice::LinuxNoHugepage) };
    }

    /// Gives back the memory that a deep guest has used. Whether the stack is fit to be used again.
    #[allow(unsafe_code, reason = "the memory of a stack is known only by its addresses")]
    pub(super) fn give_back_memory(stack: &mut DefaultStack) -> bool {
        let (limit, kept) = (stack.limit().get(), stack.base().get() - KEPT);
        // SAFETY: the range lies within the mapping of the stack, which is borrowed here alone, and on which nothing
        // runs. What is given back reads as zeros, and a stack is written before it is read. The page at the limit
        // stays untouchable: advice changes no protection.
        unsafe { madvise(limit as *mut _, kept - limit, Advice::LinuxDontNeed) }.is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod trim {
    use corosensei::stack::DefaultStack;

    pub(super) fn keep_to_small_pages(_: &mut DefaultStack) {}

    /// Other systems have no common way to do this, and a new stack for each task costs them little.
    pub(super) fn give_back_memory(_: &mut DefaultStack) -> bool {
        false
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

    /// Where the stack is.
    fn place() -> usize {
        let here = 0u8;
        std::hint::black_box(&raw const here) as usize
    }

    #[test]
    fn work_runs_on_this_thread_and_a_panic_is_an_error() {
        let stacks = Stacks::default();
        let thread = stacks.run(|| std::thread::current().id()).unwrap();
        assert_eq!(thread, std::thread::current().id());
        let error = stacks.run(|| -> () { panic!("boom") }).unwrap_err();
        assert_eq!(error.to_string(), "internal error while running a guest: boom");
        let (first, again) = (stacks.run(place).unwrap(), stacks.run(place).unwrap());
        assert!(first.abs_diff(place()) > HOST_STACK, "{first:x}");
        if cfg!(target_os = "linux") {
            assert!(first.abs_diff(again) < HOST_STACK, "{first:x} {again:x}");
        }
    }

    #[test]
    fn work_inside_work_has_a_whole_stack_of_its_own() {
        let stacks = Stacks::default();
        let (outer, nested) = stacks.run(|| (place(), stacks.run(place).unwrap())).unwrap();
        assert!(outer.abs_diff(nested) > WASM_STACK, "{outer:x} {nested:x}");
    }

    /// Fills the stack down to `bytes` below.
    #[cfg(target_os = "linux")]
    fn descend(bytes: usize) -> u8 {
        let mut frame = [1u8; 4096];
        std::hint::black_box(&mut frame);
        if bytes > frame.len() { descend(bytes - frame.len()).wrapping_add(frame[bytes % 4096]) } else { 0 }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn all_of_it_can_be_used_and_what_was_used_is_given_back() {
        let stacks = Stacks::default();
        let at = stacks.run(place).unwrap();
        let below = at - WASM_STACK..at;
        let used = |stacks: &Stacks| stacks.run(|| (descend(WASM_STACK), resident(below.clone()))).unwrap().1;
        assert!(resident(below.clone()) <= 1 << 20);
        assert!(used(&stacks) > WASM_STACK / 10 * 9);
        assert!(resident(below.clone()) <= 1 << 20);
    }

    /// Bytes of memory behind a range of addresses, as the kernel tells.
    #[cfg(target_os = "linux")]
    fn resident(range: std::ops::Range<usize>) -> usize {
        use std::os::unix::fs::FileExt;
        let page = rustix::param::page_size();
        let mut entries = vec![0; range.len() / page * 8];
        let map = std::fs::File::open("/proc/self/pagemap").unwrap();
        map.read_exact_at(&mut entries, (range.start / page * 8) as u64).unwrap();
        let present = |entry: &&[u8; 8]| u64::from_ne_bytes(**entry) >> 63 == 1;
        entries.as_chunks().0.iter().filter(present).count() * page
    }
}
