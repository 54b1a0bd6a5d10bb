//! Statements for vectors of four invocations.
//!
//! Where invocations part, a mask says who is at work. A jump that not all take adds those who take it to the mask of the block that they leave, where
//! they wait for its end, and takes them out of the mask at work. What nobody is at work for is jumped over.

mod statement;

use super::CompileError;
use super::asm::{Local, aligned, scalar_type};
use super::emit::{Emit, Locals, SCRATCH, Turn};
use super::ir::{Cell, Stmt, lists};
use super::plan::Region;
use super::shape::Level;
use std::collections::{BTreeMap, BTreeSet};
use wasm_encoder::ValType;

/// Who is at work.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mask {
    /// All invocations of the vectors.
    Full,
    Local(Locals),
}

impl Mask {
    pub(super) fn is_full(self) -> bool {
        matches!(self, Mask::Full)
    }

    pub(super) fn local(self, vector: usize) -> Option<Local> {
        match self {
            Mask::Full => None,
            Mask::Local(locals) => Some(locals[vector]),
        }
    }
}

impl<'a> Emit<'a> {
    /// Whether control flow of this level takes masks.
    fn is_masked(&self, level: Level) -> bool {
        level == Level::None || (level == Level::Vector && self.turn.vectors > 1)
    }

    fn vector_locals(&mut self) -> Locals {
        let first = self.asm.local(ValType::V128);
        let second = if self.turn.vectors > 1 { self.asm.local(ValType::V128) } else { first };
        [first, second]
    }

    fn release(&mut self, locals: Locals) {
        self.asm.release(locals[0]);
        if locals[1] != locals[0] {
            self.asm.release(locals[1]);
        }
    }

    /// Pushes whether anyone is at work.
    fn push_any(&mut self, mask: Locals) {
        self.asm.get(mask[0]);
        if self.turn.vectors > 1 {
            self.asm.get(mask[1]);
            self.asm.op().v128_or();
        }
        self.asm.op().v128_any_true();
    }

    /// Whether a region has a loop that invocations leave by themselves: two vectors at once keep the processor busier there.
    fn has_parted_loop(&self, stmt: &Stmt) -> bool {
        (matches!(stmt, Stmt::Loop(_)) && self.shapes.level(stmt) == Level::None)
            || lists(stmt).any(|list| list.iter().any(|stmt| self.has_parted_loop(stmt)))
    }

    pub(super) fn region(&mut self, region: &'a Region<'a>) -> Result<(), CompileError> {
        let pairs = self.invocations().is_multiple_of(8) && !self.plan.keeps_masks;
        let vectors = if pairs && region.body.iter().any(|stmt| self.has_parted_loop(stmt)) { 2 } else { 1 };
        let index = [self.asm.local(ValType::I32), self.asm.local(ValType::I32)];
        let base = [self.asm.local(ValType::I32), self.asm.local(ValType::I32)];
        self.scopes.push(Vec::new());
        let turn = Turn {
            id: region.id,
            scope: self.scopes.len(),
            vectors,
            index,
            base,
            vars: BTreeMap::new(),
            cells: BTreeMap::new(),
        };
        let before = std::mem::replace(&mut self.turn, turn);
        let saved = self.save_shared(region);
        self.asm.int(0);
        self.asm.set(index[0]);
        let again = self.asm.repeat();
        for vector in 0..vectors {
            if vector > 0 {
                self.asm.get(index[0]);
                self.asm.int(4 * vector as u32);
                self.asm.op().i32_add();
                self.asm.set(index[vector]);
            }
            self.asm.get(SCRATCH);
            self.asm.get(index[vector]);
            self.asm.int(2);
            self.asm.op().i32_shl().i32_add();
            self.asm.set(base[vector]);
        }
        self.variables(region)?;
        self.cells_in(region);
        let mask = self.first_mask();
        let skip = self.plan.keeps_masks.then(|| self.asm.block());
        if let (Some(skip), Mask::Local(mask)) = (skip, mask) {
            self.push_any(mask);
            self.asm.op().i32_eqz();
            self.asm.jump_if(skip);
        }
        // Not where a vector is jumped over: what others made of them must stay.
        for (cell, copy) in &saved {
            self.asm.get(*copy);
            let local = self.shared_cell(*cell);
            self.asm.set(local);
        }
        self.list(&region.body, mask)?;
        if skip.is_some() {
            self.asm.end();
        }
        self.cells_out(region);
        if let (true, Mask::Local(mask)) = (self.plan.keeps_masks, mask) {
            self.asm.get(base[0]);
            self.asm.get(mask[0]);
            let slot = self.mask_slot;
            self.asm.op().v128_store(aligned(slot));
        }
        self.asm.get(index[0]);
        self.asm.int(4 * vectors as u32);
        self.asm.op().i32_add().local_tee(index[0]);
        let end = self.rounded();
        self.asm.int(end);
        self.asm.op().i32_lt_u();
        self.asm.jump_if(again);
        self.asm.end();
        if let Mask::Local(mask) = mask {
            self.release(mask);
        }
        saved.into_iter().for_each(|(_, copy)| self.asm.release(copy));
        let turn = std::mem::replace(&mut self.turn, before);
        for (cell, locals) in turn.cells {
            let shared = self.shapes.cells[cell as usize].level == Level::Group;
            (0..if shared { 0 } else { vectors }).for_each(|vector| self.asm.release(locals[vector]));
        }
        for locals in turn.vars.into_values() {
            (0..vectors).for_each(|vector| self.asm.release(locals[vector]));
        }
        index.into_iter().chain(base).for_each(|local| self.asm.release(local));
        self.close_scope();
        Ok(())
    }

    /// Cells of the whole workgroup that each vector changes again begin with what they were.
    fn save_shared(&mut self, region: &Region<'_>) -> Vec<(Cell, Local)> {
        let mut saved = Vec::new();
        for (cell, used) in &region.cells {
            let shared = self.shapes.cells[*cell as usize].level == Level::Group && !self.in_memory(*cell);
            if shared && used.set && used.read_first {
                let local = self.shared_cell(*cell);
                let copy = self.asm.local(scalar_type(self.ir.cells[*cell as usize]));
                self.asm.get(local);
                self.asm.set(copy);
                saved.push((*cell, copy));
            }
        }
        saved
    }

    /// Bases of the variables in memory.
    fn variables(&mut self, region: &Region<'_>) -> Result<(), CompileError> {
        for var in self.touched_variables(region) {
            if !self.shapes.in_memory[var as usize] {
                continue;
            }
            let leaves = self.ir.vars[var as usize].leaves;
            let kept = self.plan.kept_vars.contains(&var);
            let vectors = if kept { self.rounded() / 4 } else { 2 };
            let slot = match self.var_slots.get(&var) {
                Some(slot) => *slot,
                None => {
                    let slot = self.take(leaves.saturating_mul(16).saturating_mul(vectors))?;
                    self.var_slots.insert(var, slot);
                    slot
                }
            };
            let mut locals = [0; 2];
            for (vector, local) in locals.iter_mut().enumerate().take(self.turn.vectors) {
                *local = self.asm.local(ValType::I32);
                self.asm.get(SCRATCH);
                if kept {
                    self.asm.get(self.turn.index[vector]);
                    self.asm.int(leaves * 4);
                    self.asm.op().i32_mul().i32_add();
                    self.asm.int(slot);
                } else {
                    self.asm.int(slot + vector as u32 * leaves * 16);
                }
                self.asm.op().i32_add();
                self.asm.set(*local);
            }
            self.turn.vars.insert(var, locals);
        }
        Ok(())
    }

    fn touched_variables(&self, region: &Region<'_>) -> BTreeSet<u32> {
        let mut touched: BTreeSet<u32> =
            region.cells.keys().map(|cell| self.ir.owner[*cell as usize]).collect();
        let mut lists_left: Vec<&Stmt> = region.body.clone();
        while let Some(stmt) = lists_left.pop() {
            let at = match stmt {
                Stmt::Store(at, _) => Some(*at),
                Stmt::Let(value) => match self.ir.nodes[*value as usize] {
                    super::ir::Node::Load(at) => Some(at),
                    _ => None,
                },
                _ => None,
            };
            if let Some(super::ir::Space::Var(var)) = at.map(|at| self.ir.ats[at as usize].space) {
                touched.insert(var);
            }
            lists(stmt).for_each(|list| lists_left.extend(list));
        }
        touched
    }

    /// The local of a cell in this region.
    pub(super) fn cell_local(&mut self, cell: Cell, vector: usize) -> Local {
        let kind = self.shapes.cells[cell as usize];
        if kind.level == Level::Group {
            return self.shared_cell(cell);
        }
        if let Some(locals) = self.turn.cells.get(&cell) {
            return locals[vector];
        }
        let ty = if kind.is_scalar() { scalar_type(self.ir.cells[cell as usize]) } else { ValType::V128 };
        let first = self.asm.local(ty);
        let second = if self.turn.vectors > 1 { self.asm.local(ty) } else { first };
        self.turn.cells.insert(cell, [first, second]);
        [first, second][vector]
    }

    fn cells_in(&mut self, region: &Region<'_>) {
        // All of them now: a local that is in use further up must not become a cell's.
        for cell in region.cells.keys() {
            if !self.in_memory(*cell) {
                self.cell_local(*cell, 0);
            }
        }
        for (cell, used) in &region.cells {
            // Those who are not at work here must find what they had.
            let needed = used.read_first || self.plan.keeps_masks;
            let Some(slot) = self.cell_slots.get(cell).copied().filter(|_| needed) else { continue };
            let scalar = self.shapes.cells[*cell as usize].is_scalar();
            for vector in 0..self.turn.vectors {
                self.asm.get(self.turn.base[vector]);
                self.load_slot(scalar, self.ir.cells[*cell as usize], slot);
                let local = self.cell_local(*cell, vector);
                self.asm.set(local);
            }
        }
    }

    fn cells_out(&mut self, region: &Region<'_>) {
        for (cell, used) in &region.cells {
            let Some(slot) = self.cell_slots.get(cell).copied().filter(|_| used.set) else { continue };
            let scalar = self.shapes.cells[*cell as usize].is_scalar();
            for vector in 0..self.turn.vectors {
                self.asm.get(self.turn.base[vector]);
                let local = self.cell_local(*cell, vector);
                self.asm.get(local);
                self.store_slot(scalar, self.ir.cells[*cell as usize], slot);
            }
        }
    }

    /// Who is at work where a region begins.
    fn first_mask(&mut self) -> Mask {
        let invocations = self.invocations();
        if self.plan.keeps_masks {
            let mask = self.vector_locals();
            self.asm.get(self.turn.base[0]);
            let slot = self.mask_slot;
            self.asm.op().v128_load(aligned(slot));
            self.asm.set(mask[0]);
            return Mask::Local(mask);
        }
        if invocations.is_multiple_of(4) {
            return Mask::Full;
        }
        let mask = self.vector_locals();
        self.asm.get(self.turn.index[0]);
        self.tail_mask(invocations);
        self.asm.set(mask[0]);
        Mask::Local(mask)
    }
}
