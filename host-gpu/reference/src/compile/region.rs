//! Statements for vectors of four invocations.
//!
//! Where invocations part, a mask says who is at work. A jump that not all take adds those who take it to the mask of the block that they leave, where
//! they wait for its end, and takes them out of the mask at work. What nobody is at work for is jumped over.

use super::CompileError;
use super::asm::{Local, aligned, scalar_type};
use super::emit::{Emit, Locals, SCRATCH, Turn};
use super::ir::{Cell, Label, Stmt, lists};
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

/// Arms of branches that are not jumped over: so few statements.
const SHORT: usize = 6;
/// Statements that are not jumped over when nobody is left.
const SOON: usize = 16;

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

    /// Whether some may leave this statement for the end of a block around it, by themselves.
    fn leaks(&self, stmt: &Stmt, within: &mut Vec<Label>) -> bool {
        match stmt {
            Stmt::Break(label) => {
                !within.contains(label)
                    && (self.is_masked(self.shapes.level(stmt)) || self.plan.outer.contains(label))
            }
            Stmt::Block(label, inner) => {
                within.push(*label);
                let leaks = inner.iter().any(|stmt| self.leaks(stmt, within));
                within.pop();
                leaks
            }
            _ => lists(stmt).any(|list| list.iter().any(|stmt| self.leaks(stmt, within))),
        }
    }

    fn inner(&mut self, list: &'a [Stmt], mask: Mask) -> Result<(), CompileError> {
        let list: Vec<&Stmt> = list.iter().collect();
        self.scopes.push(Vec::new());
        self.list(&list, mask)?;
        self.close_scope();
        Ok(())
    }

    fn list(&mut self, list: &[&'a Stmt], mask: Mask) -> Result<(), CompileError> {
        let last = list.len().saturating_sub(1);
        let leaky: Vec<bool> = list.iter().map(|stmt| self.leaks(stmt, &mut Vec::new())).collect();
        let around = leaky[..last].contains(&true).then(|| self.asm.block());
        for (number, stmt) in list.iter().enumerate() {
            self.statement(stmt, mask, leaky[number])?;
            let look = leaky[number]
                && number < last
                && !self.is_soon_over(&list[number + 1..], &leaky[number + 1..]);
            if let (Some(around), Mask::Local(mask), true) = (around, mask, look) {
                self.push_any(mask);
                self.asm.op().i32_eqz();
                self.asm.jump_if(around);
            }
        }
        if around.is_some() {
            self.asm.end();
        }
        self.asm.check()
    }

    /// Whether so little comes before the list's end, or before it is looked again who is left, that looking now does not pay.
    fn is_soon_over(&self, rest: &[&Stmt], leaky: &[bool]) -> bool {
        // There, what all leave together is left by masks, too; stores behind it do not expect that.
        if self.plan.keeps_masks {
            return false;
        }
        let more = rest.iter().zip(leaky).take_while(|(_, leaks)| !**leaks);
        let (cheap, count) =
            more.fold((true, 0), |(cheap, count), (stmt, _)| (cheap && self.is_cheap(stmt), count + 1));
        cheap && count <= SOON
    }

    fn statement(&mut self, stmt: &'a Stmt, mask: Mask, leaks: bool) -> Result<(), CompileError> {
        let vectors = 0..self.turn.vectors;
        match stmt {
            Stmt::Let(value) => self.define(*value)?,
            Stmt::Set(cell, value) => {
                let parts = self.is_masked(self.shapes.level(stmt)) && self.keeps_others(stmt);
                if self.shapes.cells[*cell as usize].level == Level::Group && !self.in_memory(*cell) {
                    self.push_scalar(*value, 0);
                    let local = self.shared_cell(*cell);
                    self.asm.set(local);
                } else {
                    vectors.for_each(|vector| self.set_cell(*cell, *value, mask, parts, vector));
                }
            }
            Stmt::Zero(var) => self.zero(*var, stmt, mask),
            Stmt::Touch(site, at) => vectors.for_each(|vector| self.touch(*site, *at, mask, vector)),
            Stmt::Store(at, value) => vectors.for_each(|vector| self.store(*at, *value, mask, vector)),
            Stmt::Atomic(atomic) => {
                let mut locals = [0; 2];
                for vector in vectors {
                    locals[vector] = self.atomic(atomic, mask, vector);
                }
                self.keep(atomic.result, locals, self.turn.vectors);
            }
            Stmt::If(condition, accept, reject) => {
                if self.is_masked(self.shapes.values[*condition as usize].level) {
                    return self.parted_branch(stmt, mask, leaks);
                }
                self.push_scalar(*condition, 0);
                self.asm.begin_if();
                self.inner(accept, mask)?;
                if !reject.is_empty() {
                    self.asm.op().else_();
                    self.inner(reject, mask)?;
                }
                self.asm.end();
            }
            Stmt::Block(label, inner) => self.block(*label, inner, mask)?,
            Stmt::Loop(inner) => {
                let again = self.asm.repeat();
                self.inner(inner, mask)?;
                match mask {
                    Mask::Local(locals) if self.is_masked(self.shapes.level(stmt)) || leaks => {
                        self.push_any(locals);
                        self.asm.jump_if(again);
                    }
                    _ => self.asm.jump(again),
                }
                self.asm.end();
            }
            Stmt::Break(label) => self.leave(stmt, *label, mask),
            // They stand at the level of the workgroup.
            Stmt::Barrier(_) | Stmt::UniformLoad(..) => {}
        }
        Ok(())
    }

    fn zero(&mut self, var: u32, stmt: &Stmt, mask: Mask) {
        let of = self.ir.vars[var as usize].clone();
        let parts = self.is_masked(self.shapes.level(stmt));
        if self.shapes.in_memory[var as usize] && mask.is_full() && of.leaves > 16 {
            for vector in 0..self.turn.vectors {
                let base = self.turn.vars.get(&var).map_or(SCRATCH, |locals| locals[vector]);
                self.asm.get(base);
                self.asm.int(0);
                self.asm.int(of.leaves * 16);
                self.asm.op().memory_fill(0);
            }
            return;
        }
        for cell in of.first..of.first + of.leaves {
            for vector in 0..self.turn.vectors {
                self.zero_cell(cell, mask, parts, vector);
            }
        }
    }

    fn zero_cell(&mut self, cell: Cell, mask: Mask, parts: bool, vector: usize) {
        let in_memory = self.in_memory(cell);
        let kind = self.shapes.cells[cell as usize];
        if in_memory {
            let var = self.ir.owner[cell as usize];
            let leaf = cell - self.ir.vars[var as usize].first;
            let base = self.turn.vars.get(&var).map_or(SCRATCH, |locals| locals[vector]);
            self.asm.get(base);
            match mask.local(vector) {
                Some(mask) => {
                    self.asm.get(base);
                    self.asm.op().v128_load(aligned(leaf * 16));
                    self.asm.get(mask);
                    self.asm.op().v128_andnot();
                }
                None => {
                    self.asm.op().v128_const(0);
                }
            }
            self.asm.op().v128_store(aligned(leaf * 16));
            return;
        }
        let local = self.cell_local(cell, vector);
        let mask = mask.local(vector).filter(|_| parts && kind.level != Level::Group);
        match (kind.is_scalar(), self.ir.cells[cell as usize]) {
            (true, super::ir::Ty::F32) => self.asm.float(0),
            (true, _) => self.asm.int(0),
            (false, _) => {
                self.asm.op().v128_const(0);
            }
        }
        if let Some(mask) = mask {
            self.asm.get(local);
            self.asm.get(mask);
            if kind.is_scalar() {
                self.asm.op().v128_any_true().select();
            } else {
                self.asm.op().v128_bitselect();
            }
        }
        self.asm.set(local);
    }

    fn parted_branch(&mut self, stmt: &'a Stmt, mask: Mask, leaks: bool) -> Result<(), CompileError> {
        let Stmt::If(condition, accept, reject) = stmt else { return Ok(()) };
        let (yes, no) = (self.vector_locals(), self.vector_locals());
        for vector in 0..self.turn.vectors {
            self.push_vector(*condition, vector);
            self.asm.op().local_tee(no[vector]);
            if let Some(mask) = mask.local(vector) {
                self.asm.get(mask);
                self.asm.op().v128_and();
            }
            self.asm.set(yes[vector]);
            if !reject.is_empty() || leaks {
                match mask.local(vector) {
                    Some(mask) => self.asm.get(mask),
                    None => {
                        self.asm.op().v128_const(-1);
                    }
                }
                self.asm.get(no[vector]);
                self.asm.op().v128_andnot();
                self.asm.set(no[vector]);
            }
        }
        for (arm, of) in [(accept, yes), (reject, no)] {
            if arm.is_empty() {
                continue;
            }
            let short = arm.len() <= SHORT && arm.iter().all(|stmt| self.is_cheap(stmt));
            if !short {
                self.push_any(of);
                self.asm.begin_if();
            }
            self.inner(arm, Mask::Local(of))?;
            if !short {
                self.asm.end();
            }
        }
        if let (true, Mask::Local(mask)) = (leaks, mask) {
            for vector in 0..self.turn.vectors {
                self.asm.get(yes[vector]);
                self.asm.get(no[vector]);
                self.asm.op().v128_or();
                self.asm.set(mask[vector]);
            }
        }
        self.release(yes);
        self.release(no);
        Ok(())
    }

    fn is_cheap(&self, stmt: &Stmt) -> bool {
        use super::ir::{Bin, Node};
        match stmt {
            Stmt::Let(value) => !matches!(
                self.ir.nodes[*value as usize],
                Node::Bin(Bin::DivS | Bin::DivU | Bin::RemS | Bin::RemU, ..) | Node::Load(_)
            ),
            Stmt::Set(cell, _) => {
                !self.in_memory(*cell) && self.shapes.cells[*cell as usize].level == Level::None
            }
            Stmt::Break(label) => !self.plan.outer.contains(label) && self.is_masked(self.shapes.level(stmt)),
            _ => false,
        }
    }

    fn block(&mut self, label: Label, inner: &'a [Stmt], mask: Mask) -> Result<(), CompileError> {
        let parted = self.is_masked(self.shapes.parted[label as usize]);
        let mut inside = mask;
        if parted {
            // Where all are at work behind the block, nobody needs to remember who left.
            if !mask.is_full() {
                let left = self.vector_locals();
                for local in left.into_iter().take(self.turn.vectors) {
                    self.asm.op().v128_const(0).local_set(local);
                }
                self.left.insert(label, left);
            } else {
                let all = self.vector_locals();
                for local in all.into_iter().take(self.turn.vectors) {
                    self.asm.op().v128_const(-1).local_set(local);
                }
                inside = Mask::Local(all);
            }
        }
        let open = self.asm.block();
        self.labels.insert(label, open);
        self.inner(inner, inside)?;
        self.asm.end();
        if let (Some(left), Mask::Local(mask)) = (self.left.remove(&label), mask) {
            for vector in 0..self.turn.vectors {
                self.asm.get(mask[vector]);
                self.asm.get(left[vector]);
                self.asm.op().v128_or();
                self.asm.set(mask[vector]);
            }
            self.release(left);
        } else if let (true, Mask::Local(all)) = (mask.is_full(), inside) {
            self.release(all);
        }
        Ok(())
    }

    /// A jump to the end of a block.
    fn leave(&mut self, stmt: &Stmt, label: Label, mask: Mask) {
        let outer = self.plan.outer.contains(&label);
        let Mask::Local(mask) = mask else {
            let to = self.labels[&label];
            self.asm.jump(to);
            return;
        };
        if outer {
            let slot = self.left_slots[&label];
            self.asm.get(self.turn.base[0]);
            self.asm.get(self.turn.base[0]);
            self.asm.op().v128_load(aligned(slot));
            self.asm.get(mask[0]);
            self.asm.op().v128_or().v128_store(aligned(slot));
        } else if self.is_masked(self.shapes.level(stmt)) {
            let vectors = self.turn.vectors;
            for (left, gone) in self.left.get(&label).into_iter().flatten().zip(mask).take(vectors) {
                self.asm.op().local_get(*left).local_get(gone).v128_or().local_set(*left);
            }
        } else {
            let to = self.labels[&label];
            self.asm.jump(to);
            return;
        }
        for local in mask.into_iter().take(self.turn.vectors) {
            self.asm.op().v128_const(0).local_set(local);
        }
    }
}
