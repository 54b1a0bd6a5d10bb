//! How much of the disk the store may fill, and how much of that is spoken for.

use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreError;

/// Bytes spoken for: blobs that are here, those that are coming in at their whole size, and leases.
#[derive(Debug)]
pub(super) struct Space {
    limit: u64,
    taken: AtomicU64,
}

impl Space {
    pub(super) fn new(limit: u64) -> Space {
        Space { limit, taken: AtomicU64::new(0) }
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes bytes before they are written, so that nobody writes more than there is room for.
    pub(super) fn take(&self, bytes: u64) -> Result<(), StoreError> {
        let more = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.limit);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(()),
            Err(taken) => Err(StoreError::Full { wanted: bytes, free: self.limit.saturating_sub(taken) }),
        }
    }

    /// Counts bytes that are on the disk already, whatever the limit.
    pub(super) fn count(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_limit() {
        let space = Space::new(100);
        space.take(60).unwrap();
        let error = space.take(41).unwrap_err();
        assert!(matches!(error, StoreError::Full { wanted: 41, free: 40 }), "{error}");
        assert!(space.take(u64::MAX).is_err());
        space.take(40).unwrap();
        space.give_back(60);
        assert_eq!(space.taken(), 40);
    }
}
