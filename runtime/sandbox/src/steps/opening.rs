//! A part of a state: what one chunk touches, with the proof that it is of the state. It lets anybody check a chunk of
//! a task with little more than the pages that the chunk looks at.

use std::collections::{BTreeMap, BTreeSet};

use fizz_attest::{Boundary, Digest, Outcome};

use super::stepper::Running;
use crate::instance::{Begun, Live, begin, internal};
use crate::instrument::{MISSING, PRESENT, TOUCHED, Variant};
use crate::program::Program;
use crate::state::{
    Core, Kind, MemoryCopy, Parts, ResumeError, Snapshot, SnapshotError, ZERO_PAGE, page_leaf, restore,
    root_of, task_digest,
};
use crate::task::{Fault, TaskReport, TaskSpec};
use crate::wasi::{HostPages, StreamHashes};

/// The part of a state that one chunk needs: everything but linear memory, of that the pages that the chunk touches,
/// and the hashes that join them to the state.
#[derive(Clone, Debug)]
pub struct Opening {
    parts: Parts,
}

/// How a chunk ended that was run from an opening.
#[derive(Clone, Debug)]
pub enum Opened {
    /// In this state, with more to come.
    Chunk(Boundary),
    /// With the end of the task.
    Ended(Box<TaskReport>),
    /// Not within the gas that it was given.
    OverGas,
}

/// A chunk cannot be run from an opening.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// The chunk touches a page that is not in the opening.
    #[error("the opening is incomplete: page {0} of memory is missing")]
    Incomplete(u32),
    /// The state cannot be resumed.
    #[error(transparent)]
    Resume(#[from] ResumeError),
}

impl From<Fault> for OpeningError {
    fn from(fault: Fault) -> Self {
        OpeningError::Resume(fault.into())
    }
}

impl Opening {
    /// Runs the chunk that starts at a snapshot, to find which pages it touches, and takes those.
    ///
    /// # Errors
    /// [`ResumeError`] when the snapshot is not one of this task, or the node fails.
    pub fn of(program: &Program, task: TaskSpec, snapshot: &Snapshot) -> Result<Opening, ResumeError> {
        let run = Tracked::run(program, task.clone(), &snapshot.parts, HostPages::all(), u64::MAX)?;
        let mut tree = crate::state::PageTree::default();
        tree.update(snapshot.parts.pages.iter().map(|(&index, page)| {
            (index, page.as_ref().map_or_else(|| page_leaf(&ZERO_PAGE), |page| page_leaf(page)))
        }));
        // There is always a page, so that there is a way to the root.
        let mut touched = run.touched;
        touched.insert(0);
        let siblings = tree.siblings(&touched);
        let page = |index: u32| (index, snapshot.parts.pages.get(&index).cloned().flatten());
        let pages = touched.into_iter().map(page).collect();
        let Parts { core, contents, .. } = snapshot.parts.clone();
        Ok(Opening { parts: Parts { core, pages, siblings, contents } })
    }

    /// The state that the chunk starts from.
    pub fn boundary(&self) -> Boundary {
        let core = &self.parts.core;
        Boundary { state: core.digest(), gas: core.gas, gpu_gas: 0 }
    }

    /// Number of the chunk.
    pub fn chunk(&self) -> u32 {
        self.parts.core.chunk
    }

    /// The bytes in which it travels.
    pub fn encode(&self) -> Vec<u8> {
        self.parts.encode(Kind::Part)
    }

    /// Reads it back. The bytes may come from anybody: what is returned hangs together, and its
    /// [`Opening::boundary`] says which state it is a part of.
    ///
    /// # Errors
    /// [`SnapshotError`] when the bytes are not an opening.
    pub fn decode(bytes: &[u8]) -> Result<Opening, SnapshotError> {
        Parts::decode(bytes, Kind::Part).map(|parts| Opening { parts })
    }

    /// Runs the chunk. `gas` is what it may use: give one more than is claimed of it, so that a false claim does not
    /// cost more than a true one.
    ///
    /// # Errors
    /// [`OpeningError`] when a page is missing, the opening is not of this task, or the node fails.
    pub fn run(&self, program: &Program, task: TaskSpec, gas: u64) -> Result<Opened, OpeningError> {
        let mut there = HostPages { pages: vec![0; 65_536], missing: None };
        for &index in self.parts.pages.keys() {
            there.pages[index as usize] = PRESENT;
        }
        let limit = task.limits.gas;
        let run = Tracked::run(program, task, &self.parts, there, gas)?;
        match run.end {
            End::Missing => Err(OpeningError::Incomplete(run.missing.unwrap_or_default())),
            End::Over(report) => {
                // The limit was lowered only for this run.
                let over = report.outcome == Outcome::OutOfGas && report.gas < limit;
                Ok(if over { Opened::OverGas } else { Opened::Ended(report) })
            }
            End::Chunk { mut live, task, pages } => {
                let memory = live.guest.handles.memory.data(&live.store);
                let leaves: BTreeMap<u32, Digest> = self
                    .parts
                    .pages
                    .keys()
                    .map(|&index| {
                        let start = (index as usize) << 16;
                        (index, page_leaf(memory.get(start..start + (1 << 16)).unwrap_or(&ZERO_PAGE)))
                    })
                    .collect();
                let root = root_of(&leaves, &self.parts.siblings)
                    .ok_or_else(|| internal("an opening lost its proof".to_owned()))?;
                let at = (task, self.parts.core.chunk + 1);
                let streams = &mut StreamHashes::default();
                let core = Core::collect(&mut live, program.facts(), at, (pages, root), streams)?;
                Ok(Opened::Chunk(Boundary { state: core.digest(), gas: core.gas, gpu_gas: 0 }))
            }
        }
    }
}

/// A chunk that was run with its pages watched.
struct Tracked {
    end: End,
    touched: BTreeSet<u32>,
    missing: Option<u32>,
}

enum End {
    Chunk {
        live: Box<Live>,
        task: Digest,
        pages: u32,
    },
    Over(Box<TaskReport>),
    /// At a page that is missing.
    Missing,
}

impl Tracked {
    /// Runs one chunk from a state of which the pages in `there` are known.
    fn run(
        program: &Program,
        task: TaskSpec,
        parts: &Parts,
        there: HostPages,
        gas: u64,
    ) -> Result<Tracked, ResumeError> {
        if !program.has_steps() {
            return Err(ResumeError::NoSteps);
        }
        if parts.core.task != task_digest(program, &task) {
            return Err(ResumeError::OtherTask);
        }
        let (stacks, program, parts) = (program.engine().stacks().clone(), program.clone(), parts.clone());
        stacks
            .run(move || Tracked::run_here(&program, task, &parts, there, gas))
            .map_err(|error| internal(error.to_string()))?
    }

    fn run_here(
        program: &Program,
        mut task: TaskSpec,
        parts: &Parts,
        there: HostPages,
        gas: u64,
    ) -> Result<Tracked, ResumeError> {
        let core = &parts.core;
        task.limits.gas = task.limits.gas.min(core.gas.saturating_add(gas));
        let Begun::Live(mut live) = begin(program, &task, None, None, Variant::Tracked)? else {
            return Err(ResumeError::Impossible("the task ends before its first instruction"));
        };
        restore(&mut live, program, &task, parts)?;
        let watched = live.guest.touched.ok_or_else(|| internal("nothing watches the pages".to_owned()))?;
        watched.data_mut(&mut live.store)[..there.pages.len()].copy_from_slice(&there.pages);
        live.store.data_mut().pages = Some(there);
        let mut running = Running::resumed(*live, core, MemoryCopy::new(program.image_pages()));
        let result = running.steps(program, task.chunk_gas);
        let mut live = running.live;

        let seen = watched.data(&live.store);
        let word = seen[MISSING..].first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let mut missing = word.checked_sub(1);
        let mut touched: BTreeSet<u32> = touched_in(&seen[..MISSING]);
        if let Some(pages) = live.store.data_mut().pages.take() {
            missing = missing.or(pages.missing);
            touched.extend(touched_in(&pages.pages));
        }
        let end = match result {
            Ok(true) => {
                let pages = live.guest.handles.memory.size(&live.store) as u32;
                End::Chunk { live: Box::new(live), task: core.task, pages }
            }
            // What ended it is known.
            _ if missing.is_some() => End::Missing,
            ended => End::Over(Box::new(live.finish(ended.map(drop))?.report)),
        };
        Ok(Tracked { end, touched, missing })
    }
}

fn touched_in(pages: &[u8]) -> BTreeSet<u32> {
    (0..).zip(pages).filter(|(_, state)| **state == TOUCHED).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, ModuleLimits, Progress, Steps};

    /// Each step loads and stores in some pages; the host alone reads one, and writes another.
    const GUEST: &str = r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 20)
        (data (i32.const 0x10100) "\00\00\03\00\10\00\00\00")
        (func (export "_start") (local $i i32) (loop $more
            (i32.store (i32.shl (local.get $i) (i32.const 12)) (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 320)))))
        (func (export "fizz_step") (result i32)
            (drop (call $random (i32.const 0x20000) (i32.const 8)))
            (drop (call $write (i32.const 1) (i32.const 0x10100) (i32.const 1) (i32.const 0x40000)))
            (v128.store (i32.const 0x5fff8) (v128.load8x8_s offset=0x70000 (i32.const 0)))
            (memory.copy (i32.const 0x8fff0) (i32.const 0xb0000) (i32.const 0x20))
            (memory.fill (i32.const 0xc0000) (i32.const 1) (i32.const 1))
            (f64.store (i32.const 0xd0000) (f64.promote_f32 (f32.load (i32.const 0xe0000))))
            (drop (v128.load16_lane 1 (i32.const 0xf0000) (v128.const i64x2 0 0)))
            (i64.store16 (i32.const 0x100000) (i64.const 1))
            (f32.store (i32.const 0x110000) (f32.const 1))
            (i32.store8 (i32.add (i32.const 0x110000) (i32.const 0x10000)) (i32.const 1))
            (i32.const 1)))"#;

    fn opened() -> (Program, TaskSpec, Snapshot, Opening, Boundary) {
        let wasm = wat::parse_str(GUEST).unwrap();
        let program = Program::compile(&Engine::new().unwrap(), &wasm, &ModuleLimits::default()).unwrap();
        let task = TaskSpec { chunk_gas: 1, ..TaskSpec::new("opened") };
        let mut steps = Steps::start(&program, task.clone(), None).unwrap();
        let mut next = || match steps.next_chunk().unwrap() {
            Progress::Chunk(boundary) => (boundary, steps.snapshot().unwrap().unwrap()),
            Progress::Ended(report) => panic!("{report:?}"),
        };
        let (_, snapshot) = next();
        let (after, _) = next();
        let opening = Opening::of(&program, task.clone(), &snapshot).unwrap();
        (program, task, snapshot, opening, after)
    }

    #[test]
    fn exactly_the_touched_pages_are_opened() {
        let (program, task, _, opening, after) = opened();
        let pages: Vec<u32> = opening.parts.pages.keys().copied().collect();
        let touched = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18];
        assert_eq!(pages, touched);
        match opening.run(&program, task, u64::MAX).unwrap() {
            Opened::Chunk(found) => assert_eq!(found, after),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_page_left_out_is_missed_and_no_wrong_state_comes_of_it() {
        let (program, task, snapshot, opening, _) = opened();
        let mut tree = crate::state::PageTree::default();
        tree.update(
            snapshot.parts.pages.iter().map(|(&index, page)| (index, page_leaf(page.as_ref().unwrap()))),
        );
        for &left_out in opening.parts.pages.keys().filter(|page| **page != 0) {
            let mut part = opening.clone();
            part.parts.pages.remove(&left_out);
            part.parts.siblings = tree.siblings(&part.parts.pages.keys().copied().collect());
            // It is a good opening, only of too little.
            let part = Opening::decode(&part.encode()).unwrap();
            assert_eq!(part.boundary(), opening.boundary());
            match part.run(&program, task.clone(), u64::MAX) {
                Err(OpeningError::Incomplete(page)) => assert_eq!(page, left_out),
                other => panic!("without page {left_out}: {other:?}"),
            }
        }
    }
}
