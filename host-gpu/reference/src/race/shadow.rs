//! What is remembered of each word that a dispatch touches.

use super::{Access, Memory, RaceCheck, Who};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Words of a page.
const PAGE: usize = 256;
/// Most pages of both memories: 14 KiB each.
const MAX_PAGES: usize = 96 << 10;
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
}

/// One memory: storage, or the workgroup's.
#[derive(Debug)]
struct Shadow {
    memory: Memory,
    pages: HashMap<u32, Box<[Word; PAGE]>>,
    /// The interval now, and the first of this workgroup.
    now: u32,
    start: u32,
}

impl Shadow {
    fn new(memory: Memory) -> Self {
        Shadow { memory, pages: HashMap::new(), now: 0, start: 0 }
    }

    fn races(&self, before: Packed, who: u32) -> bool {
        if before == 0 {
            return false;
        }
        if interval(before) < self.start {
            // Another workgroup's; its own variables are gone with it.
            return self.memory == Memory::Storage;
        }
        interval(before) == self.now && invocation(before) != who
    }

    fn keep(&self, kept: &mut Some3, touch: Packed) {
        let [earlier, first, second] = kept;
        if interval(*first) != self.now {
            if *first != 0 && interval(*first) < self.start {
                *earlier = *first;
            }
            (*first, *second) = (touch, 0);
        } else if invocation(*first) != invocation(touch) && interval(*second) != self.now {
            *second = touch;
        }
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
    storage: Shadow,
    group: Shadow,
    /// The first interval of each workgroup in storage memory.
    workgroups: Vec<(u32, [u32; 3])>,
    /// Memory and access of the places seen.
    kinds: Vec<Option<(Memory, Access)>>,
    told: HashSet<(u32, u32)>,
    full: bool,
}

impl Watch {
    /// For a new machine.
    pub fn new(check: &RaceCheck) -> Watch {
        let state = State {
            storage: Shadow::new(Memory::Storage),
            group: Shadow::new(Memory::Workgroup),
            workgroups: Vec::new(),
            kinds: Vec::new(),
            told: HashSet::new(),
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
        for memory in [Memory::Storage, Memory::Workgroup] {
            let shadow = state.shadow(memory);
            shadow.pages.clear();
            (shadow.now, shadow.start) = (0, 0);
        }
        state.workgroups.clear();
    }

    /// A workgroup begins.
    pub fn workgroup(&self, id: [u32; 3]) {
        let mut state = self.lock();
        for memory in [Memory::Storage, Memory::Workgroup] {
            let full = state.next(memory);
            let shadow = state.shadow(memory);
            shadow.start = shadow.now;
            state.full |= full;
        }
        let start = state.storage.start;
        state.workgroups.push((start, id));
    }

    /// A barrier of the workgroup, which orders storage or its own memory, or both.
    pub fn barrier(&self, storage: bool, workgroup: bool) {
        let mut state = self.lock();
        for (orders, memory) in [(storage, Memory::Storage), (workgroup, Memory::Workgroup)] {
            if orders {
                let full = state.next(memory);
                state.full |= full;
            }
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
        match memory {
            Memory::Storage => &mut self.storage,
            Memory::Workgroup => &mut self.group,
        }
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
        let pages = self.storage.pages.len() + self.group.pages.len();
        let shadow = match memory {
            Memory::Storage => &mut self.storage,
            Memory::Workgroup => &mut self.group,
        };
        let (page, word) = (address / 4 / PAGE as u32, address as usize / 4 % PAGE);
        if pages >= MAX_PAGES && !shadow.pages.contains_key(&page) {
            self.full = true;
            return;
        }
        let mut known = shadow.pages.entry(page).or_insert_with(|| Box::new([Word::default(); PAGE]))[word];
        let touch = u64::from(shadow.now) << 32 | u64::from(who & 1023) << 22 | u64::from(place);
        let mut against = [0; 7];
        against[0] = known.write;
        if access != Access::Read && access != Access::AtomicRead {
            against[1..4].copy_from_slice(&known.reads);
        }
        if !matches!(access, Access::Atomic | Access::AtomicRead) {
            against[4..].copy_from_slice(&known.atomics);
        }
        for before in against {
            let kinds = &self.kinds;
            let conflicts = || kinds[site(before) as usize].is_some_and(|(_, other)| access.conflicts(other));
            if shadow.races(before, who) && conflicts() {
                let pair = (site(before), place);
                if self.told.len() < MAX_TOLD && self.told.insert(pair) {
                    let at = |interval: u32| match memory {
                        Memory::Storage => {
                            let next = self.workgroups.partition_point(|(start, _)| *start <= interval);
                            self.workgroups[next - 1].1
                        }
                        // Only those of one workgroup race there.
                        Memory::Workgroup => self.workgroups[self.workgroups.len() - 1].1,
                    };
                    let side = |touch: Packed| Who {
                        site: site(touch),
                        workgroup: at(interval(touch)),
                        invocation: invocation(touch),
                    };
                    check.report(memory, side(before), side(touch));
                }
            }
        }
        match access {
            Access::Write => known.write = touch,
            Access::Read => shadow.keep(&mut known.reads, touch),
            Access::Atomic | Access::AtomicRead => shadow.keep(&mut known.atomics, touch),
        }
        if let Some(page) = shadow.pages.get_mut(&page) {
            page[word] = known;
        }
    }
}
