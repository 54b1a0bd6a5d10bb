//! What is remembered of each word that a dispatch touches.

use super::{Access, Memory, RaceCheck, Who};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Words of a page.
const PAGE: usize = 256;
/// Most pages of all memories: 20 KiB each.
const MAX_PAGES: usize = 64 << 10;
/// Most pairs of places that are remembered as told.
const MAX_TOLD: usize = 1 << 16;

/// A touch in 64 bits: the interval in which it was (32), the invocation (10), the place (22). Intervals begin with a workgroup and
/// with each barrier that orders the memory, and are numbered from 1; zero is no touch.
type Packed = u64;

fn interval(touch: Packed) -> u32 {
    (touch >> 32) as u32
}

fn invocation(touch: Packed) -> u32 {
    (touch >> 22) as u32 & 1023
}

fn site(touch: Packed) -> u32 {
    touch as u32 & ((1 << 22) - 1)
}

/// Touches of one kind: one of an earlier workgroup, and two of different invocations in the last interval.
type Some3 = [Packed; 3];

#[derive(Clone, Copy, Debug, Default)]
struct Word {
    write: Packed,
    reads: Some3,
    atomics: Some3,
    atomic_reads: Some3,
}

/// One memory.
#[derive(Debug)]
struct Shadow {
    memory: Memory,
    /// By address.
    pages: Vec<Option<Box<[Word; PAGE]>>>,
    /// Which pages there are.
    used: Vec<usize>,
    /// The interval now, and the first of this workgroup.
    now: u32,
    start: u32,
}

impl Shadow {
    fn new(memory: Memory) -> Self {
        Shadow { memory, pages: Vec::new(), used: Vec::new(), now: 0, start: 0 }
    }

    /// Forgets all touches.
    fn clear(&mut self) {
        for page in self.used.drain(..) {
            self.pages[page] = None;
        }
        (self.now, self.start) = (0, 0);
    }

    fn races(&self, before: Packed, who: u32) -> bool {
        if before == 0 {
            return false;
        }
        if interval(before) < self.start {
            // Another workgroup's; its own variables are gone with it.
            return self.memory != Memory::Workgroup;
        }
        interval(before) == self.now && invocation(before) != who
    }

    /// The page with a word, and its place there; none if there is no room for the page.
    fn page(&mut self, address: u32, room: bool) -> Option<(usize, usize)> {
        let (page, word) = (address as usize / 4 / PAGE, address as usize / 4 % PAGE);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        if self.pages[page].is_none() {
            if !room {
                return None;
            }
            self.pages[page] = Some(Box::new([Word::default(); PAGE]));
            self.used.push(page);
        }
        Some((page, word))
    }
}

/// Keeps a touch in the interval `now` of a workgroup that began with the interval `start`.
fn keep(kept: &mut Some3, touch: Packed, now: u32, start: u32) {
    let [earlier, first, second] = kept;
    if interval(*first) != now {
        if *first != 0 && interval(*first) < start {
            *earlier = *first;
        }
        (*first, *second) = (touch, 0);
    } else if invocation(*first) != invocation(touch) && interval(*second) != now {
        *second = touch;
    }
}

/// Looks for races on one machine, whose dispatches run one after the other on one thread.
#[derive(Debug)]
pub struct Watch {
    check: RaceCheck,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    shadows: [Shadow; 3],
    /// The first interval of each workgroup in each memory.
    workgroups: Vec<([u32; 3], [u32; 3])>,
    /// Memory and access of the places seen.
    kinds: Vec<Option<(Memory, Access)>>,
    told: HashSet<(u32, u32)>,
    /// Pages that there may be.
    most_pages: usize,
    /// Whether this dispatch has touched more than can be looked at.
    full: bool,
}

impl Watch {
    /// For a new machine.
    pub fn new(check: &RaceCheck) -> Watch {
        let state = State {
            shadows: Memory::ALL.map(Shadow::new),
            workgroups: Vec::new(),
            kinds: Vec::new(),
            told: HashSet::new(),
            most_pages: MAX_PAGES,
            full: false,
        };
        Watch { check: check.clone(), state: Mutex::new(state) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A dispatch begins: all before it is ordered.
    pub fn dispatch(&self) {
        let mut state = self.lock();
        state.shadows.iter_mut().for_each(Shadow::clear);
        state.workgroups.clear();
        state.full = false;
    }

    /// A workgroup begins.
    pub fn workgroup(&self, id: [u32; 3]) {
        let mut state = self.lock();
        for memory in Memory::ALL {
            let full = state.next(memory);
            let shadow = state.shadow(memory);
            shadow.start = shadow.now;
            state.full |= full;
        }
        let starts = [0, 1, 2].map(|memory: usize| state.shadows[memory].start);
        state.workgroups.push((starts, id));
    }

    /// A barrier of the workgroup, which orders storage buffers (1), its own memory (2), textures (4), or what is the sum of these.
    pub fn barrier(&self, memories: u32) {
        let mut state = self.lock();
        for memory in Memory::ALL.into_iter().filter(|memory| memories & memory.bit() != 0) {
            let full = state.next(memory);
            state.full |= full;
        }
    }

    /// Four invocations from `first` on touch words at these addresses; zero for those that touch none.
    pub fn touch(&self, site: u32, addresses: [u32; 4], first: u32) {
        if addresses == [0; 4] {
            return;
        }
        let mut state = self.lock();
        let Some((memory, access)) = state.kind(site, &self.check) else { return };
        for (lane, address) in (0..).zip(addresses) {
            if address != 0 && !state.full {
                state.one(&self.check, (memory, access), site, address, first + lane);
            }
        }
        if state.full {
            self.check.incomplete();
        }
    }
}

impl State {
    fn shadow(&mut self, memory: Memory) -> &mut Shadow {
        &mut self.shadows[memory as usize]
    }

    /// The next interval; says whether there is none.
    fn next(&mut self, memory: Memory) -> bool {
        let shadow = self.shadow(memory);
        shadow.now = shadow.now.saturating_add(1);
        shadow.now == u32::MAX
    }

    fn kind(&mut self, site: u32, check: &RaceCheck) -> Option<(Memory, Access)> {
        let index = site as usize;
        if self.kinds.len() <= index {
            self.kinds.resize(index + 1, None);
        }
        if self.kinds[index].is_none() {
            self.kinds[index] = check.kind(site);
        }
        self.kinds[index]
    }

    fn one(&mut self, check: &RaceCheck, kind: (Memory, Access), place: u32, address: u32, who: u32) {
        let (memory, access) = kind;
        let room = self.shadows.iter().map(|shadow| shadow.used.len()).sum::<usize>() < self.most_pages;
        let shadow = self.shadow(memory);
        let Some((page, word)) = shadow.page(address, room) else {
            self.full = true;
            return;
        };
        let touch = u64::from(shadow.now) << 32 | u64::from(who & 1023) << 22 | u64::from(place);
        let Some(known) = shadow.pages[page].as_ref().map(|page| &page[word]) else { return };
        let one = [known.write];
        // What conflicts with this one.
        let against: [&[Packed]; 4] = match access {
            Access::Write => [&one, &known.reads, &known.atomics, &known.atomic_reads],
            Access::Read => [&one, &known.atomics, &[], &[]],
            Access::Atomic => [&one, &known.reads, &[], &[]],
            Access::AtomicRead => [&one, &[], &[], &[]],
        };
        let mut racing = [0; 10];
        let all = against.into_iter().flatten().filter(|before| shadow.races(**before, who));
        racing.iter_mut().zip(all).for_each(|(to, before)| *to = *before);
        let (now, start) = (shadow.now, shadow.start);
        if let Some(page) = &mut shadow.pages[page] {
            let known = &mut page[word];
            match access {
                Access::Write => known.write = touch,
                Access::Read => keep(&mut known.reads, touch, now, start),
                Access::Atomic => keep(&mut known.atomics, touch, now, start),
                Access::AtomicRead => keep(&mut known.atomic_reads, touch, now, start),
            }
        }
        for before in racing.into_iter().take_while(|before| *before != 0) {
            self.tell(check, memory, before, touch);
        }
    }

    /// Reports a pair of places, once.
    fn tell(&mut self, check: &RaceCheck, memory: Memory, before: Packed, touch: Packed) {
        if self.told.len() >= MAX_TOLD || !self.told.insert((site(before), site(touch))) {
            return;
        }
        let at = |interval: u32| {
            let next = self.workgroups.partition_point(|(starts, _)| starts[memory as usize] <= interval);
            next.checked_sub(1).map_or([0; 3], |index| self.workgroups[index].1)
        };
        let side = |touch: Packed| Who {
            site: site(touch),
            workgroup: at(interval(touch)),
            invocation: invocation(touch),
        };
        check.report(memory, side(before), side(touch));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::Site;

    const KINDS: [Access; 4] = [Access::Read, Access::Write, Access::AtomicRead, Access::Atomic];

    /// A check whose places 0 to 3 are these kinds of access.
    fn watch(memory: Memory) -> (RaceCheck, Watch) {
        let check = RaceCheck::default();
        let site = |access| Site { variable: String::new(), memory, access, line: 1, column: 1 };
        assert_eq!(check.register("", [8, 1, 1], KINDS.map(site).to_vec()), Some(0));
        let watch = Watch::new(&check);
        watch.dispatch();
        watch.workgroup([0; 3]);
        (check, watch)
    }

    /// An atomic and a plain access race, as two plain ones do of which one writes; sessions do not let shaders mix them.
    #[test]
    fn what_races_with_what() {
        for memory in Memory::ALL {
            for (one, first) in (0..).zip(KINDS) {
                for (other, second) in (0..).zip(KINDS) {
                    let (check, watch) = watch(memory);
                    watch.touch(one, [4096, 0, 0, 0], 0);
                    watch.touch(other, [4096, 0, 0, 0], 0);
                    assert!(check.races().found.is_empty(), "one invocation alone");
                    watch.touch(other, [0, 4096, 0, 0], 4);
                    let atomic = |access| matches!(access, Access::Atomic | Access::AtomicRead);
                    let writes = |access| matches!(access, Access::Write | Access::Atomic);
                    // The first invocation made both accesses.
                    let race = |a, b| (writes(a) || writes(b)) && !(atomic(a) && atomic(b));
                    let wanted = race(first, second) || race(second, second);
                    assert_eq!(!check.races().found.is_empty(), wanted, "{memory:?} {first:?} {second:?}");
                }
            }
        }
    }

    #[test]
    fn a_reader_is_remembered_until_another_workgroup_writes() {
        let (check, watch) = watch(Memory::Texture);
        watch.touch(0, [4096; 4], 0);
        watch.barrier(Memory::Texture.bit());
        watch.touch(1, [4096, 0, 0, 0], 0);
        watch.barrier(7);
        watch.touch(0, [4096; 4], 4);
        assert!(check.races().found.is_empty());
        watch.workgroup([1, 2, 3]);
        watch.touch(1, [0, 0, 4096, 0], 4);
        let found = check.races().found;
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|race| race.touches[1].workgroup == [1, 2, 3]));
        assert!(found.iter().all(|race| race.touches[1].invocation == [6, 0, 0]));
        // Nothing is left of a dispatch that is over.
        let (check, watch) = (check.clone(), watch);
        watch.dispatch();
        watch.workgroup([0; 3]);
        watch.touch(1, [4096, 0, 0, 0], 0);
        assert_eq!(check.races().found, found);
    }

    #[test]
    fn a_dispatch_that_touches_too_much_does_not_hide_the_next_ones_races() {
        let (check, watch) = watch(Memory::Texture);
        watch.lock().most_pages = 2;
        let race = |first: u32| {
            for word in 0..3 {
                watch.touch(1, [first + word * 4 * PAGE as u32; 4], 0);
            }
        };
        race(4096);
        assert!(check.races().incomplete);
        let found = check.races().found;
        assert_eq!(found.len(), 1, "in what was looked at");
        let before = found[0].touches[0].workgroup;
        watch.dispatch();
        watch.workgroup([7, 0, 0]);
        watch.touch(3, [4096, 0, 0, 0], 0);
        watch.touch(1, [0, 4096, 0, 0], 0);
        let found = check.races().found;
        assert_eq!(found.len(), 2);
        assert!(found.iter().any(|race| race.touches[0].workgroup != before), "{found:?}");
    }
}
