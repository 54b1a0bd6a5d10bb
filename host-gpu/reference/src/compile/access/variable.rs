//! Variables of an invocation.

use crate::compile::asm::{Local, aligned, lanes, splat};
use crate::compile::emit::{Emit, SCRATCH};
use crate::compile::ir::{At, Cell, Len, Space, Val};
use crate::compile::region::Mask;
use crate::compile::shape::Level;
use wasm_encoder::ValType;

impl Emit<'_> {
    /// The local that a variable's leaves of a vector begin at, 16 bytes each.
    pub(super) fn variable_base(&mut self, var: u32, vector: usize) -> Local {
        if let Some(locals) = self.turn.vars.get(&var) {
            return locals[vector];
        }
        // Made at the start of the region.
        SCRATCH
    }

    /// Pushes the address of a variable's leaf in a vector, or gives a local with four addresses.
    fn variable_address(&mut self, var: u32, at: &At, vector: usize) -> Option<Local> {
        let base = self.variable_base(var, vector);
        let same = at.terms.iter().all(|term| self.shapes.values[term.index as usize].is_same());
        self.asm.get(base);
        if same {
            for term in &at.terms {
                self.push_scalar(term.index, vector);
                if let (false, Len::Const(len)) = (self.is_below(term), term.len) {
                    self.asm.at_most(len - 1);
                }
                self.asm.int(term.stride * 16);
                self.asm.op().i32_mul().i32_add();
            }
            return None;
        }
        self.asm.op().i32x4_splat().v128_const(lanes([0, 4, 8, 12])).i32x4_add();
        for term in &at.terms {
            self.push_vector(term.index, vector);
            if let (false, Len::Const(len)) = (self.is_below(term), term.len) {
                self.asm.op().v128_const(splat(len - 1)).i32x4_min_u();
            }
            self.asm.op().v128_const(splat(term.stride * 16)).i32x4_mul().i32x4_add();
        }
        let local = self.asm.local(ValType::V128);
        self.asm.set(local);
        Some(local)
    }

    pub(super) fn load_variable(&mut self, var: u32, at: &At, vector: usize) {
        match self.variable_address(var, at, vector) {
            None => {
                self.asm.op().v128_load(aligned(at.offset * 16));
            }
            Some(addresses) => {
                self.gather(addresses, at.offset * 16);
                self.asm.release(addresses);
            }
        }
    }

    pub(super) fn store_variable(&mut self, var: u32, at: &At, value: Val, mask: Mask, vector: usize) {
        let word = self.asm.local(ValType::V128);
        self.push_vector(value, vector);
        self.asm.set(word);
        let offset = at.offset * 16;
        match (self.variable_address(var, at, vector), mask.local(vector)) {
            (None, None) => {
                self.asm.get(word);
                self.asm.op().v128_store(aligned(offset));
            }
            (None, Some(mask)) => {
                let address = self.asm.local(ValType::I32);
                self.asm.op().local_tee(address);
                self.asm.get(word);
                self.asm.get(address);
                self.asm.op().v128_load(aligned(offset));
                self.asm.get(mask);
                self.asm.op().v128_bitselect().v128_store(aligned(offset));
                self.asm.release(address);
            }
            (Some(addresses), None) => {
                self.scatter(addresses, offset, word);
                self.asm.release(addresses);
            }
            (Some(addresses), Some(mask)) => {
                self.asm.get(addresses);
                self.asm.op().v128_const(splat(offset)).i32x4_add();
                self.asm.get(SCRATCH);
                self.asm.op().i32x4_splat();
                self.asm.get(mask);
                self.asm.op().v128_bitselect();
                self.asm.set(addresses);
                self.scatter(addresses, 0, word);
                self.asm.release(addresses);
            }
        }
        self.asm.release(word);
    }

    /// Pushes a cell's value.
    pub(in crate::compile) fn get_cell(&mut self, cell: Cell, vector: usize) {
        if self.in_memory(cell) {
            let var = self.ir.owner[cell as usize];
            let leaf = cell - self.ir.vars[var as usize].first;
            let base = self.variable_base(var, vector);
            self.asm.get(base);
            self.asm.op().v128_load(aligned(leaf * 16));
        } else {
            let local = self.cell_local(cell, vector);
            self.asm.get(local);
        }
    }

    /// Sets a cell, for those of the mask if there is one. `parts` says whether others may have another value there.
    pub(in crate::compile) fn set_cell(
        &mut self,
        cell: Cell,
        value: Val,
        mask: Mask,
        parts: bool,
        vector: usize,
    ) {
        if self.in_memory(cell) {
            let var = self.ir.owner[cell as usize];
            let offset = cell - self.ir.vars[var as usize].first;
            let ty = self.ir.cells[cell as usize];
            let at = At { space: Space::Var(var), offset, ty, terms: Vec::new() };
            self.store_variable(var, &at, value, mask, vector);
            return;
        }
        let kind = self.shapes.cells[cell as usize];
        let local = self.cell_local(cell, vector);
        let mask = mask.local(vector).filter(|_| parts);
        if kind.is_scalar() {
            self.push_scalar(value, vector);
            if let Some(mask) = mask.filter(|_| kind.level != Level::Group) {
                self.asm.get(local);
                self.asm.get(mask);
                self.asm.op().v128_any_true().select();
            }
        } else {
            self.push_vector(value, vector);
            if let Some(mask) = mask {
                self.asm.get(local);
                self.asm.get(mask);
                self.asm.op().v128_bitselect();
            }
        }
        self.asm.set(local);
    }
}
