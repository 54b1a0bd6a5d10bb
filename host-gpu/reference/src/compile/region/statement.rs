//! Single statements, under a mask.

use super::Mask;
use crate::compile::CompileError;
use crate::compile::asm::aligned;
use crate::compile::emit::{Emit, SCRATCH};
use crate::compile::ir::{Bin, Cell, Label, Node, Stmt, Ty, lists};
use crate::compile::shape::Level;

/// Arms of branches that are not jumped over: so few statements.
const SHORT: usize = 6;
/// Statements that are not jumped over when nobody is left.
const SOON: usize = 16;

impl<'a> Emit<'a> {
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

    pub(in crate::compile) fn list(&mut self, list: &[&'a Stmt], mask: Mask) -> Result<(), CompileError> {
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
            Stmt::Give(value) => self.push_vector(*value, 0),
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
            (true, Ty::F32) => self.asm.float(0),
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
        match stmt {
            Stmt::Let(value) => !matches!(
                self.ir.nodes[*value as usize],
                Node::Bin(Bin::DivS | Bin::DivU | Bin::RemS | Bin::RemU, ..) | Node::Load(_) | Node::Call(..)
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
