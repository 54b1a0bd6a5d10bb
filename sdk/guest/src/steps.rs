//! Jobs in steps: long work that can be stopped after any step, stored, moved to another machine and gone on with,
//! and of which a verifier can check a part without doing the rest again.

use std::sync::Mutex;

/// Whether there is more to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another step follows.
    Again,
    /// The job is done.
    Done,
}

/// Writes the `main` and, in the sandbox, the `fizz_step` export of a job that works in steps.
///
/// The first argument is the type of the state, which must be [`Send`]. The second makes it, once, at the start. The
/// third does one step with it and says whether more follow. Natively the program does all its steps by itself. In the
/// sandbox the host calls one step after the other: between two steps the call stack is empty, so that memory, files
/// and descriptors are all that there is, and a task can be stored there.
///
/// A step should take long enough that a call does not matter (a microsecond), and not longer than one would wait for
/// a checkpoint (a second). `std::process::exit`, wherever it is called, ends the job.
///
/// To be used in the root of a binary crate; it cannot stand in one that forbids `unsafe_code`, for an export has a
/// name that no other may have.
///
/// ```no_run
/// use fizz_sdk::Step;
///
/// struct Sum { next: u64, sum: u64 }
///
/// fn begin() -> Sum {
///     Sum { next: 0, sum: 0 }
/// }
///
/// fn step(state: &mut Sum) -> Step {
///     state.sum += state.next;
///     state.next += 1;
///     if state.next < 1_000 {
///         return Step::Again;
///     }
///     println!("{}", state.sum);
///     Step::Done
/// }
///
/// fizz_sdk::steps!(Sum, begin, step);
/// ```
#[macro_export]
macro_rules! steps {
    ($state:ty, $begin:expr, $step:expr) => {
        static FIZZ_STATE: $crate::Stepped<$state> = $crate::Stepped::new();

        fn main() {
            FIZZ_STATE.begin($begin);
            // In the sandbox the host makes the steps.
            #[cfg(not(target_family = "wasm"))]
            while FIZZ_STATE.step($step) == $crate::Step::Again {}
        }

        /// One step; 0 when the job is done.
        #[cfg(target_family = "wasm")]
        #[unsafe(no_mangle)]
        pub extern "C" fn fizz_step() -> i32 {
            match FIZZ_STATE.step($step) {
                $crate::Step::Again => 1,
                $crate::Step::Done => 0,
            }
        }
    };
}

/// The state of a job between its steps; [`steps!`] keeps it.
#[derive(Debug, Default)]
pub struct Stepped<T>(Mutex<Option<T>>);

impl<T> Stepped<T> {
    /// No state yet.
    pub const fn new() -> Self {
        Stepped(Mutex::new(None))
    }

    /// Makes the state.
    pub fn begin(&self, begin: impl FnOnce() -> T) {
        // Made outside the lock, as the job may end while it is made.
        let state = begin();
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(state);
    }

    /// Makes one step. Without a state there is nothing to do.
    pub fn step(&self, step: impl FnOnce(&mut T) -> Step) -> Step {
        let mut state = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.as_mut().map_or(Step::Done, step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_on_from_the_state_that_was_left() {
        let state = Stepped::new();
        let step = |count: &mut u32| {
            *count += 1;
            if *count < 3 { Step::Again } else { Step::Done }
        };
        assert_eq!(state.step(step), Step::Done, "nothing has begun");
        state.begin(|| 0);
        assert_eq!(
            [state.step(step), state.step(step), state.step(step)],
            [Step::Again, Step::Again, Step::Done]
        );
    }
}
