//! The whole program: the loop over workgroups, and what runs at their level.

mod invocations;
mod steps;
mod uses;

use super::CompileError;
use super::asm::{Asm, Local, memory, scalar_type};
use super::helper::Helpers;
use super::inline::Buffer;
use super::ir::{Cell, Ir, Label, Space, Stmt, Val};
use super::plan::{OUTSIDE, Plan, RegionId};
use super::shape::{Level, Shapes};
use std::collections::{BTreeMap, HashSet};
use wasm_encoder::ValType;

/// Locals of a value or cell: one for each vector of a turn. What is the same in the whole workgroup has one.
pub(super) type Locals = [Local; 2];

/// Parameters of the function.
const ARGS: Local = 0;
pub(super) const SCRATCH: Local = 1;
const AT: [Local; 3] = [2, 3, 4];
const COUNT: Local = 5;

/// Bytes at the start of scratch: where stores go that must not be seen.
pub(super) const TRASH: u32 = 64;
/// Bytes that a load may read behind address 0, where zeros are.
pub(super) const NEAR: u32 = 60;
/// Most bytes of scratch.
const MAX_SCRATCH: u32 = crate::program::MAX_SCRATCH;

/// Where a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Nowhere yet.
    Unset,
    Local(Locals),
    /// Computed where it is used.
    Deferred,
}

/// Locals of a binding: address, bytes, elements of the runtime array, and those less 3.
#[derive(Clone, Copy)]
pub(super) struct BufferLocals {
    pub(super) address: Local,
    pub(super) len: Local,
    pub(super) len_less_3: Local,
}

/// The loop over vectors that is being written.
pub(super) struct Turn {
    pub(super) id: RegionId,
    /// How many lists are open at its top.
    pub(super) scope: usize,
    /// Vectors in a turn.
    pub(super) vectors: usize,
    /// The first invocation of each vector.
    pub(super) index: Locals,
    /// Scratch, 4 bytes on for each invocation before.
    pub(super) base: Locals,
    /// Bases of variables in memory.
    pub(super) vars: BTreeMap<u32, Locals>,
    /// Locals of cells.
    pub(super) cells: BTreeMap<Cell, Locals>,
}

pub(super) struct Emit<'a> {
    pub(super) ir: &'a Ir,
    pub(super) shapes: &'a Shapes,
    pub(super) plan: &'a Plan<'a>,
    /// Stores to cells that must keep what others have there; all, if it is not known.
    keeping: Option<HashSet<*const Stmt>>,
    pub(super) size: [u32; 3],
    pub(super) asm: Asm,
    pub(super) helpers: Helpers,
    /// The number of the first place that touches memory, if they are watched.
    pub(super) watched: Option<u32>,
    pub(super) places: Vec<Place>,
    /// How often a value is used, how deep its deferred computation is, and the list that it is in.
    pub(super) uses: Vec<u32>,
    pub(super) depths: Vec<u8>,
    /// Locals to release, list by list.
    pub(super) scopes: Vec<Vec<Local>>,
    pub(super) turn: Turn,
    pub(super) shared_cells: BTreeMap<Cell, Local>,
    pub(super) buffers: Vec<BufferLocals>,
    pub(super) group: Local,
    immediate: Local,
    counts: Locals,
    depth_count: Local,
    scratch: u32,
    pub(super) slots: BTreeMap<Val, u32>,
    pub(super) cell_slots: BTreeMap<Cell, u32>,
    pub(super) var_slots: BTreeMap<u32, u32>,
    /// Where the local ids of all invocations stand, axis by axis.
    pub(super) ids: u32,
    /// Slots of masks, where they are kept.
    pub(super) mask_slot: u32,
    pub(super) left_slots: BTreeMap<Label, u32>,
    /// Open blocks, and masks of those that left a block early.
    pub(super) labels: BTreeMap<Label, u32>,
    pub(super) left: BTreeMap<Label, Locals>,
}

/// What the function gives.
pub(super) struct Written {
    pub(super) asm: Asm,
    pub(super) helpers: Helpers,
    pub(super) scratch: u32,
}

pub(super) fn emit<'a>(
    ir: &'a Ir,
    shapes: &'a Shapes,
    plan: &'a Plan<'a>,
    size: [u32; 3],
    (buffers, group_bytes): (&[Buffer], u32),
    watched: Option<u32>,
) -> Result<Written, CompileError> {
    let helpers = Helpers::new(if watched.is_some() { 2 } else { 0 });
    let mut emit = Emit::new(ir, shapes, plan, helpers, 6);
    emit.size = size;
    emit.watched = watched;
    emit.run(buffers, group_bytes)?;
    Ok(Written { asm: emit.asm, helpers: emit.helpers, scratch: emit.scratch.next_multiple_of(64) })
}

impl Turn {
    /// At the level of the workgroup.
    pub(super) fn outside() -> Turn {
        Turn {
            id: OUTSIDE,
            scope: 0,
            vectors: 1,
            index: [0; 2],
            base: [SCRATCH; 2],
            vars: BTreeMap::new(),
            cells: BTreeMap::new(),
        }
    }
}

impl<'a> Emit<'a> {
    /// For a function with so many parameters.
    pub(super) fn new(
        ir: &'a Ir,
        shapes: &'a Shapes,
        plan: &'a Plan<'a>,
        helpers: Helpers,
        parameters: u32,
    ) -> Self {
        let mut asm = Asm::new(parameters);
        let [group, immediate, groups_x, groups_y, groups_z] = [ValType::I32; 5].map(|ty| asm.local(ty));
        Emit {
            ir,
            shapes,
            plan,
            keeping: super::wait::keeping(ir, shapes),
            size: [1; 3],
            asm,
            helpers,
            watched: None,
            places: vec![Place::Unset; ir.nodes.len()],
            uses: uses::count_uses(ir),
            depths: vec![0; ir.nodes.len()],
            scopes: vec![Vec::new()],
            turn: Turn::outside(),
            shared_cells: BTreeMap::new(),
            buffers: Vec::new(),
            group,
            immediate,
            counts: [groups_x, groups_y],
            depth_count: groups_z,
            scratch: TRASH,
            slots: BTreeMap::new(),
            cell_slots: BTreeMap::new(),
            var_slots: BTreeMap::new(),
            ids: 0,
            mask_slot: 0,
            left_slots: BTreeMap::new(),
            labels: BTreeMap::new(),
            left: BTreeMap::new(),
        }
    }

    /// Invocations of a workgroup, made up to whole vectors.
    pub(super) fn rounded(&self) -> u32 {
        self.invocations().next_multiple_of(4)
    }

    pub(super) fn invocations(&self) -> u32 {
        self.size.iter().product()
    }

    /// Takes `bytes` of scratch.
    pub(super) fn take(&mut self, bytes: u32) -> Result<u32, CompileError> {
        let offset = self.scratch.next_multiple_of(16);
        self.scratch = offset.saturating_add(bytes);
        if self.scratch > MAX_SCRATCH {
            return Err(CompileError::TooLarge("memory of one workgroup's variables and values"));
        }
        Ok(offset)
    }

    /// A slot of one value of each invocation.
    pub(super) fn take_slot(&mut self) -> Result<u32, CompileError> {
        self.take(self.rounded() * 4)
    }

    fn run(&mut self, buffers: &[Buffer], group_bytes: u32) -> Result<(), CompileError> {
        self.bindings(buffers);
        let group = self.take(group_bytes)?;
        self.asm.get(SCRATCH);
        self.asm.int(group);
        self.asm.op().i32_add();
        self.asm.set(self.group);
        // Before any local was used for something else: they begin as zeros.
        for cell in 0..self.ir.cells.len() as Cell {
            let shared = self.shapes.cells[cell as usize].level == Level::Group;
            if shared && self.shapes.used_cells[cell as usize] && !self.in_memory(cell) {
                self.shared_cell(cell);
            }
        }
        self.local_ids()?;
        for value in self.plan.kept.clone() {
            let slot = self.take_slot()?;
            self.slots.insert(value, slot);
        }
        for cell in self.plan.kept_cells.clone() {
            if !self.in_memory(cell) && self.shapes.cells[cell as usize].level != Level::Group {
                let slot = self.take_slot()?;
                self.cell_slots.insert(cell, slot);
            }
        }
        if self.plan.keeps_masks {
            self.mask_slot = self.take_slot()?;
        }
        let end = self.asm.block();
        self.asm.get(COUNT);
        self.asm.op().i32_eqz();
        self.asm.jump_if(end);
        let next = self.asm.repeat();
        if group_bytes > 0 {
            self.asm.get(self.group);
            self.asm.int(0);
            self.asm.int(group_bytes);
            self.asm.op().memory_fill(0);
        }
        if self.plan.keeps_masks {
            self.start_masks();
        }
        let plan = self.plan;
        self.steps(&plan.steps)?;
        self.advance();
        self.asm.get(COUNT);
        self.asm.int(1);
        self.asm.op().i32_sub().local_tee(COUNT);
        self.asm.jump_if(next);
        self.asm.end();
        self.asm.end();
        self.asm.check()
    }

    /// To the next workgroup.
    fn advance(&mut self) {
        let add = |asm: &mut Asm, axis: Local| {
            asm.get(axis);
            asm.int(1);
            asm.op().i32_add().local_tee(axis);
        };
        add(&mut self.asm, AT[0]);
        self.asm.get(self.counts[0]);
        self.asm.op().i32_ge_u();
        self.asm.begin_if();
        self.asm.int(0);
        self.asm.set(AT[0]);
        add(&mut self.asm, AT[1]);
        self.asm.get(self.counts[1]);
        self.asm.op().i32_ge_u();
        self.asm.begin_if();
        self.asm.int(0);
        self.asm.set(AT[1]);
        add(&mut self.asm, AT[2]);
        self.asm.op().drop();
        self.asm.end();
        self.asm.end();
    }

    /// Reads the arguments. A binding smaller than what is in front of its runtime array ends the run: every check
    /// relies on it.
    fn bindings(&mut self, buffers: &[Buffer]) {
        for (offset, local) in [(0, self.counts[0]), (4, self.counts[1]), (8, self.depth_count)] {
            self.asm.get(ARGS);
            self.asm.op().i32_load(memory(offset));
            self.asm.set(local);
        }
        self.asm.get(ARGS);
        self.asm.int(16);
        self.asm.op().i32_add();
        self.asm.set(self.immediate);
        let mut next = 48;
        for buffer in buffers {
            let [address, len, len_less_3] = [ValType::I32; 3].map(|ty| self.asm.local(ty));
            let (base, at) = match (buffer.binding, self.buffers.last()) {
                // Where texels are stands in the shape in front of them.
                (None, Some(shape)) => (shape.address, 0),
                _ => {
                    next += 8;
                    (ARGS, next - 8)
                }
            };
            self.asm.get(base);
            self.asm.op().i32_load(memory(at));
            self.asm.set(address);
            self.asm.get(base);
            self.asm.op().i32_load(memory(at + 4));
            self.asm.set(len);
            self.asm.get(len);
            self.asm.int(buffer.fixed);
            self.asm.op().i32_lt_u();
            self.asm.begin_if();
            self.asm.op().return_();
            self.asm.end();
            if let Some((offset, stride)) = buffer.runtime {
                self.asm.get(len);
                self.asm.int(offset);
                self.asm.op().i32_sub();
                self.asm.int(stride.max(1));
                self.asm.op().i32_div_u();
                self.asm.set(len);
                self.asm.get(len);
                self.asm.int(3);
                self.asm.op().i32_sub();
                self.asm.int(0);
                self.asm.get(len);
                self.asm.int(3);
                self.asm.op().i32_gt_u().select();
                self.asm.set(len_less_3);
            }
            self.buffers.push(BufferLocals { address, len, len_less_3 });
        }
    }

    pub(super) fn in_memory(&self, cell: Cell) -> bool {
        self.shapes.in_memory[self.ir.owner[cell as usize] as usize]
    }

    pub(super) fn group_id(&self, axis: u8) -> Local {
        AT[axis as usize]
    }

    pub(super) fn groups(&self, axis: u8) -> Local {
        [self.counts[0], self.counts[1], self.depth_count][axis as usize]
    }

    /// The local with the address of a space.
    pub(super) fn base(&self, space: Space) -> Local {
        match space {
            Space::Buffer(buffer) => self.buffers[buffer as usize].address,
            Space::Group => self.group,
            Space::Immediate => self.immediate,
            Space::Var(_) => SCRATCH,
        }
    }

    /// Whether invocations that are not at work at a store to a cell may still read what they have there.
    pub(super) fn keeps_others(&self, stmt: &Stmt) -> bool {
        self.keeping.as_ref().is_none_or(|keeping| keeping.contains(&std::ptr::from_ref(stmt)))
    }

    /// The local of a cell that is the same in the whole workgroup.
    pub(super) fn shared_cell(&mut self, cell: Cell) -> Local {
        if let Some(local) = self.shared_cells.get(&cell) {
            return *local;
        }
        let local = self.asm.local(scalar_type(self.ir.cells[cell as usize]));
        self.shared_cells.insert(cell, local);
        local
    }

    pub(super) fn close_scope(&mut self) {
        for local in self.scopes.pop().unwrap_or_default() {
            self.asm.release(local);
        }
    }
}
