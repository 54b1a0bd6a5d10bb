//! How much of the time the device works: rests between submissions, for operators who want their machine for themselves too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a rest is interrupted to say that the process lives.
const SLICE: Duration = Duration::from_millis(250);

/// A duty cycle, shared by the sessions of a device.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Share of the time in percent, 1 to 100.
    percent: u8,
    /// Until when the device rests.
    rest_until: Arc<Mutex<Option<Instant>>>,
}

impl Default for Pace {
    fn default() -> Self {
        Pace::new(100)
    }
}

impl Pace {
    pub(crate) fn new(percent: u8) -> Self {
        Pace { percent: percent.clamp(1, 100), rest_until: Arc::default() }
    }

    /// Whether work is to be waited for and followed by a rest.
    pub(crate) fn rests(&self) -> bool {
        self.percent < 100
    }

    /// Waits until the device may work again. `beat` is called now and then.
    pub(crate) fn rest(&self, beat: impl Fn()) {
        if !self.rests() {
            return;
        }
        let until = self.rest_until.lock().unwrap_or_else(PoisonError::into_inner).take();
        while let Some(left) = until.and_then(|until| until.checked_duration_since(Instant::now())) {
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(SLICE));
            beat();
        }
    }

    /// After work that took so long, it rests.
    pub(crate) fn worked(&self, busy: Duration) {
        if self.rests() {
            let mut rest_until = self.rest_until.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            // What another session owes is owed too.
            let from = rest_until.map_or(now, |until| until.max(now));
            *rest_until = Some(from + owed(self.percent, busy));
        }
    }
}

/// The rest that makes work of this length the given share of the time.
fn owed(percent: u8, busy: Duration) -> Duration {
    busy * u32::from(100 - percent) / u32::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_make_work_the_share_that_was_asked_for() {
        let second = Duration::from_secs(1);
        assert_eq!(owed(100, second), Duration::ZERO);
        assert_eq!(owed(50, second), second);
        assert_eq!(owed(25, second), 3 * second);
        assert_eq!(owed(1, second * 10), 990 * second);
    }

    #[test]
    fn rests_that_two_sessions_owe_add_up() {
        let pace = Pace::new(50);
        let begun = Instant::now();
        pace.worked(Duration::from_millis(40));
        pace.clone().worked(Duration::from_millis(40));
        pace.rest(|| {});
        assert!(begun.elapsed() >= Duration::from_millis(80));
    }

    #[test]
    fn the_next_work_waits_for_the_rest_of_the_last() {
        let pace = Pace::new(50);
        pace.rest(|| panic!("nothing has worked yet"));
        let begun = Instant::now();
        pace.worked(Duration::from_millis(40));
        let beats = std::cell::Cell::new(0);
        pace.clone().rest(|| beats.set(beats.get() + 1));
        assert!(begun.elapsed() >= Duration::from_millis(40));
        assert!(beats.get() > 0);
    }
}
