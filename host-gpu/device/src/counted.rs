//! Counts that fall when the last reference to an object goes.
//!
//! An id can be released while other objects still hold what it named, so quotas follow the objects, not the ids.
//! Only sessions hold references, on one thread, so the moment of each fall is decided by the stream alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A total that is shared with the guards it gave out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total(Arc<AtomicU64>);

impl Total {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds `amount` until the guard is dropped, unless the total would pass `most`.
    pub(crate) fn add(&self, amount: u64, most: u64) -> Option<Counted> {
        if amount > most.saturating_sub(self.get()) {
            return None;
        }
        self.0.fetch_add(amount, Ordering::Relaxed);
        Some(Counted { total: self.clone(), amount })
    }
}

/// A part of a [`Total`].
#[derive(Debug)]
pub(crate) struct Counted {
    total: Total,
    amount: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.amount, Ordering::Relaxed);
    }
}
