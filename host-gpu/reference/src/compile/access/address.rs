//! Addresses, and whether they are within bounds.

use crate::compile::asm::{Local, splat};
use crate::compile::emit::{Emit, NEAR, SCRATCH};
use crate::compile::ir::{At, Len, Term};
use wasm_encoder::ValType;

impl Emit<'_> {
    pub(super) fn is_below(&self, term: &Term) -> bool {
        match term.len {
            Len::Const(len) => self.shapes.values[term.index as usize].most < len,
            Len::Runtime(_) => false,
        }
    }

    pub(super) fn push_len(&mut self, len: Len) {
        match len {
            Len::Const(len) => self.asm.int(len),
            Len::Runtime(buffer) => {
                let local = self.buffers[buffer as usize].len;
                self.asm.get(local);
            }
        }
    }

    /// Adds index × stride to what is on the stack.
    pub(super) fn add_term(&mut self, term: &Term, vector: usize) {
        self.push_scalar(term.index, vector);
        if term.stride.is_power_of_two() {
            self.asm.int(term.stride.trailing_zeros());
            self.asm.op().i32_shl();
        } else {
            self.asm.int(term.stride);
            self.asm.op().i32_mul();
        }
        self.asm.op().i32_add();
    }

    /// Pushes the address of a place that one scalar stands for, and gives what the instruction must add.
    pub(in crate::compile) fn scalar_address(
        &mut self,
        at: &At,
        vector: usize,
        store: bool,
        doubt: bool,
    ) -> u32 {
        let base = self.base(at.space);
        self.asm.get(base);
        let checked: Vec<Term> =
            at.terms.iter().filter(|term| doubt || !self.is_below(term)).copied().collect();
        let near = checked.is_empty() || at.offset <= NEAR;
        if !near {
            self.asm.int(at.offset);
            self.asm.op().i32_add();
        }
        at.terms.iter().for_each(|term| self.add_term(term, vector));
        if !checked.is_empty() {
            if store {
                self.asm.get(SCRATCH)
            } else {
                self.asm.int(0)
            }
            self.push_in_bounds(&checked, vector);
            self.asm.op().select();
        }
        if near { at.offset } else { 0 }
    }

    /// Pushes whether all these scalar indices are in bounds.
    fn push_in_bounds(&mut self, checked: &[Term], vector: usize) {
        for (number, term) in checked.iter().enumerate() {
            self.push_scalar(term.index, vector);
            self.push_len(term.len);
            self.asm.op().i32_lt_u();
            if number > 0 {
                self.asm.op().i32_and();
            }
        }
    }

    /// The term that goes up by one word from one invocation to the next, if all others stay.
    pub(super) fn row(&self, at: &At) -> Option<usize> {
        let mut row = None;
        for (number, term) in at.terms.iter().enumerate() {
            let kind = self.shapes.values[term.index as usize];
            match kind.stride {
                _ if !kind.is_scalar() => return None,
                0 => {}
                1 if term.stride == 4 && row.is_none() => row = Some(number),
                _ => return None,
            }
        }
        row
    }

    /// Pushes the address of the first of four words in a row, without bounds.
    pub(super) fn row_address(&mut self, at: &At, vector: usize) {
        let base = self.base(at.space);
        self.asm.get(base);
        if at.offset > 0 {
            self.asm.int(at.offset);
            self.asm.op().i32_add();
        }
        at.terms.iter().for_each(|term| self.add_term(term, vector));
    }

    /// Pushes whether four words in a row are all in bounds; nothing, and gives false, if they are for sure.
    pub(super) fn push_row_in_bounds(&mut self, at: &At, row: usize, vector: usize) -> bool {
        let mut any = false;
        for (number, term) in at.terms.iter().enumerate() {
            if self.is_below(term) {
                continue;
            }
            self.push_scalar(term.index, vector);
            match term.len {
                Len::Const(len) if number == row => self.asm.int(len.saturating_sub(3)),
                Len::Runtime(buffer) if number == row => {
                    let local = self.buffers[buffer as usize].len_less_3;
                    self.asm.get(local);
                }
                len => self.push_len(len),
            }
            self.asm.op().i32_lt_u();
            if any {
                self.asm.op().i32_and();
            }
            any = true;
        }
        any
    }

    /// Pushes what the slow helpers take: address, index, and the length, or 0 where another index is out of bounds.
    pub(super) fn push_row_slow(&mut self, at: &At, row: usize, vector: usize) {
        self.row_address(at, vector);
        self.push_scalar(at.terms[row].index, vector);
        self.push_len(at.terms[row].len);
        let others: Vec<Term> =
            at.terms.iter().enumerate().filter(|(number, _)| *number != row).map(|(_, term)| *term).collect();
        if !others.is_empty() {
            self.asm.int(0);
            self.push_in_bounds(&others, vector);
            self.asm.op().select();
        }
    }

    /// A local with four addresses, and what the instructions must add. A mask says for whom the address is to be real.
    pub(super) fn vector_address(
        &mut self,
        at: &At,
        vector: usize,
        store: bool,
        mask: Option<Local>,
    ) -> (Local, u32) {
        let checked: Vec<Term> = at.terms.iter().filter(|term| !self.is_below(term)).copied().collect();
        let near = (checked.is_empty() && mask.is_none()) || at.offset <= NEAR;
        let base = self.base(at.space);
        self.asm.get(base);
        if !near {
            self.asm.int(at.offset);
            self.asm.op().i32_add();
        }
        let same = |emit: &Self, term: &&Term| emit.shapes.values[term.index as usize].is_same();
        let alike: Vec<Term> = at.terms.iter().filter(|term| same(self, term)).copied().collect();
        alike.iter().for_each(|term| self.add_term(term, vector));
        self.asm.op().i32x4_splat();
        let others: Vec<Term> = at.terms.iter().filter(|term| !same(self, term)).copied().collect();
        for term in others {
            self.push_vector(term.index, vector);
            if term.stride.is_power_of_two() {
                self.asm.int(term.stride.trailing_zeros());
                self.asm.op().i32x4_shl();
            } else {
                self.asm.op().v128_const(splat(term.stride)).i32x4_mul();
            }
            self.asm.op().i32x4_add();
        }
        if store && (mask.is_some() || !checked.is_empty()) {
            self.asm.get(SCRATCH);
            self.asm.op().i32x4_splat();
        }
        if let Some(mask) = mask {
            self.asm.get(mask);
        }
        for (number, term) in checked.iter().enumerate() {
            self.push_vector(term.index, vector);
            self.push_len(term.len);
            self.asm.op().i32x4_splat().i32x4_lt_u();
            if number > 0 || mask.is_some() {
                self.asm.op().v128_and();
            }
        }
        if mask.is_some() || !checked.is_empty() {
            if store {
                self.asm.op().v128_bitselect();
            } else {
                self.asm.op().v128_and();
            }
        }
        let local = self.asm.local(ValType::V128);
        self.asm.set(local);
        (local, if near { at.offset } else { 0 })
    }
}
