//! The machine's memory: who has which part of it.

use crate::engine::{EngineError, Machine};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Where parts begin, and what their sizes are multiples of.
const ALIGN: u64 = 256;
/// The first byte that is given out; those below stay zero.
const FIRST: u64 = 4096;
/// The end of what is given out. A page before the end of a 32-bit memory, so that no address of a program wraps around.
const END: u64 = (1 << 32) - (64 << 10);
/// The memory grows by so much at least.
const STEP: u64 = 16 << 20;
/// Parts of this size and more go back to the system when they are free. Smaller ones are likely to be wanted again soon, and pages that are
/// there need not be made anew.
const DISCARDED: u64 = 128 << 20;
/// What the memory has beyond what is given out.
const SLACK: u64 = 64 << 10;

/// Free and taken parts of a machine's memory.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) machine: Arc<dyn Machine>,
    free: Mutex<Free>,
}

/// What is free, and where the memory ends that has been asked of the machine.
#[derive(Debug)]
struct Free {
    /// Start and size; neighbours are one.
    parts: BTreeMap<u64, u64>,
    grown: u64,
}

/// A part of the memory, until it is given back or dropped.
#[derive(Debug)]
pub(crate) struct Part {
    memory: Arc<Memory>,
    start: u64,
    /// As it was asked for.
    size: u64,
    given_back: AtomicBool,
}

impl Memory {
    pub(crate) fn new(machine: Arc<dyn Machine>) -> Arc<Memory> {
        let free = Free { parts: BTreeMap::new(), grown: FIRST };
        Arc::new(Memory { machine, free: Mutex::new(free) })
    }

    /// Takes a part of `size` bytes, with whatever is in it.
    ///
    /// # Errors
    /// When there is no room for it.
    pub(crate) fn take(self: &Arc<Self>, size: u64) -> Result<Part, EngineError> {
        let wanted = size.max(1).checked_next_multiple_of(ALIGN);
        let wanted = wanted.filter(|size| *size <= END).ok_or_else(|| no_room(size))?;
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let start = match free.find(wanted) {
            Some(start) => start,
            None => {
                let last = free.parts.last_key_value().map(|(start, size)| (*start, *size));
                let tail =
                    last.filter(|(start, size)| start + size == free.grown).map_or(0, |(_, size)| size);
                let more = (wanted - tail).max(STEP).min(END - free.grown);
                if tail + more < wanted {
                    return Err(no_room(size));
                }
                self.machine.grow(free.grown + more + SLACK)?;
                let start = free.grown;
                free.grown += more;
                free.give(start, more);
                free.find(wanted).ok_or_else(|| no_room(size))?
            }
        };
        Ok(Part { memory: self.clone(), start, size, given_back: AtomicBool::new(false) })
    }
}

fn no_room(size: u64) -> EngineError {
    EngineError::OutOfMemory(format!("{size} bytes are more than is free"))
}

impl Free {
    /// Takes from the first part that is large enough.
    fn find(&mut self, wanted: u64) -> Option<u64> {
        let (start, size) =
            self.parts.iter().find(|(_, size)| **size >= wanted).map(|(at, size)| (*at, *size))?;
        self.parts.remove(&start);
        if size > wanted {
            self.parts.insert(start + wanted, size - wanted);
        }
        Some(start)
    }

    /// Gives a part back.
    fn give(&mut self, mut start: u64, mut size: u64) {
        if let Some((before, length)) = self.parts.range(..start).next_back().map(|(at, size)| (*at, *size))
            && before + length == start
        {
            self.parts.remove(&before);
            (start, size) = (before, size + length);
        }
        if let Some(after) = self.parts.remove(&(start + size)) {
            size += after;
        }
        self.parts.insert(start, size);
    }
}

impl Part {
    /// Where it begins, for programs.
    pub(crate) fn address(&self) -> u32 {
        u32::try_from(self.start).expect("parts lie below 4 GiB")
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the part is still there.
    pub(crate) fn is_there(&self) -> bool {
        !self.given_back.load(Ordering::Acquire)
    }

    /// Gives the memory back, whoever still knows of the part. Nobody may be at work on it.
    pub(crate) fn give_back(&self) {
        if self.given_back.swap(true, Ordering::AcqRel) {
            return;
        }
        let size = self.size.max(1).next_multiple_of(ALIGN);
        if size >= DISCARDED {
            let (from, to) = (self.start.next_multiple_of(4096), (self.start + size) / 4096 * 4096);
            // SAFETY: nobody else has this part, and it is not free yet.
            unsafe { self.memory.machine.discard(from, to) };
        }
        let mut free = self.memory.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.give(self.start, size);
    }

    /// Where some of its bytes are in this process. They stay there as long as the part is neither given back nor dropped.
    ///
    /// # Panics
    /// When the range is not within it, and when it is given back.
    pub(crate) fn bytes(&self, range: Range<u64>) -> *mut [u8] {
        assert!(self.is_there(), "the memory is another's by now");
        assert!(range.start <= range.end && range.end <= self.size, "{range:?} of {} bytes", self.size);
        let start = usize::try_from(self.start + range.start).expect("addresses have 32 bits");
        let length = usize::try_from(range.end - range.start).expect("sizes have 32 bits");
        let base = self.memory.machine.base();
        // SAFETY: the part lies within what the machine has been made to have, which never shrinks.
        let first = unsafe { base.as_ptr().add(start) };
        std::ptr::slice_from_raw_parts_mut(first, length)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Kernel;
    use proptest::prelude::*;
    use std::ptr::NonNull;

    /// A machine that only says how large it is.
    #[derive(Debug)]
    struct Sizes(Mutex<u64>);

    // SAFETY: no test reads or writes through it.
    unsafe impl Machine for Sizes {
        fn base(&self) -> NonNull<u8> {
            NonNull::dangling()
        }
        fn size(&self) -> u64 {
            *self.0.lock().unwrap()
        }
        fn grow(&self, bytes: u64) -> Result<(), EngineError> {
            let mut size = self.0.lock().unwrap();
            *size = bytes.max(*size);
            Ok(())
        }
        unsafe fn discard(&self, from: u64, to: u64) {
            assert!(from <= to && to <= self.size());
        }
        fn compile(&self, _: &[u8]) -> Result<Box<dyn Kernel>, EngineError> {
            Err(EngineError::Invalid(String::new()))
        }
    }

    fn memory() -> Arc<Memory> {
        Memory::new(Arc::new(Sizes(Mutex::new(65536))))
    }

    #[test]
    fn all_of_it_can_be_had_and_no_more() {
        let memory = memory();
        assert!(memory.take(END).is_err());
        assert!(memory.take(u64::MAX).is_err());
        let whole = memory.take(END - FIRST).unwrap();
        assert_eq!(whole.address(), FIRST as u32);
        assert!(memory.take(1).is_err());
        whole.give_back();
        assert!(!whole.is_there());
        let (one, two) = (memory.take(0).unwrap(), memory.take(257).unwrap());
        assert_eq!(two.address() - one.address(), 256);
        // It is given back once.
        drop(whole);
        let three = memory.take(1).unwrap();
        assert_eq!(three.address() - two.address(), 512);
    }

    proptest! {
        #[test]
        fn parts_do_not_overlap_and_come_back(steps in proptest::collection::vec((any::<bool>(), 0..5_000_000u64), 1..100)) {
            let memory = memory();
            let mut parts: Vec<Part> = Vec::new();
            for (take, size) in steps {
                if take || parts.is_empty() {
                    let part = memory.take(size).unwrap();
                    prop_assert!(part.start >= FIRST && part.start.is_multiple_of(ALIGN));
                    for other in &parts {
                        prop_assert!(part.start + part.size <= other.start || other.start + other.size <= part.start);
                    }
                    parts.push(part);
                } else {
                    parts.swap_remove(size as usize % parts.len());
                }
            }
            parts.clear();
            let free = memory.free.lock().unwrap();
            prop_assert_eq!(free.parts.iter().map(|(start, size)| (*start, *size)).collect::<Vec<_>>(), [(FIRST, free.grown - FIRST)]);
        }
    }
}
