//! Loads and stores.
//!
//! The shader's author is an enemy, so here is why nothing is touched but the bindings, the arguments and the thread's scratch:
//! - An address is a base plus offsets of members, known here, plus index × stride for each computed index. Each index is compared, as an unsigned
//!   number, with the length of its array ([`Term`]), or known to be below by [`Kind::most`](super::shape::Kind). With all indices in bounds the sum is
//!   within the type, and the type is within its binding: fixed parts because `run` ends where a binding is too short for them, runtime
//!   arrays because their length is computed from the binding's bytes.
//! - Where an index is out of bounds, the whole address is replaced: loads read the zeros at address 0, stores go to the first bytes of
//!   scratch. What is added behind the replacement is at most [`NEAR`].
//! - Variables of an invocation have their indices clamped.
//! - `most` follows from constants, built-in values, operations and scalars that are in locals of the function and were set by such; never from
//!   what was in memory, except where the bound is put on again after the load.

use super::asm::{Local, aligned, lanes, memory, splat};
use super::emit::{Emit, NEAR, SCRATCH};
use super::helper::Helper;
use super::ir::{At, AtId, Atomic, Cell, Len, Orders, Space, Term, Ty, Val};
use super::region::Mask;
use super::shape::Level;
use wasm_encoder::{BlockType, ValType};

/// Functions that watched programs import.
const TOUCH: u32 = 0;
const BARRIER: u32 = 1;

impl Emit<'_> {
    fn is_below(&self, term: &Term) -> bool {
        match term.len {
            Len::Const(len) => self.shapes.values[term.index as usize].most < len,
            Len::Runtime(_) => false,
        }
    }

    fn push_len(&mut self, len: Len) {
        match len {
            Len::Const(len) => self.asm.int(len),
            Len::Runtime(buffer) => {
                let local = self.buffers[buffer as usize].len;
                self.asm.get(local);
            }
        }
    }

    /// Adds index × stride to what is on the stack.
    fn add_term(&mut self, term: &Term, vector: usize) {
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
    pub(super) fn scalar_address(&mut self, at: &At, vector: usize, store: bool, doubt: bool) -> u32 {
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

    pub(super) fn load_scalar(&mut self, ty: Ty, offset: u32) {
        if ty == Ty::F32 {
            self.asm.op().f32_load(memory(offset));
        } else {
            self.asm.op().i32_load(memory(offset));
        }
    }

    /// The term that goes up by one word from one invocation to the next, if all others stay.
    fn row(&self, at: &At) -> Option<usize> {
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
    fn row_address(&mut self, at: &At, vector: usize) {
        let base = self.base(at.space);
        self.asm.get(base);
        if at.offset > 0 {
            self.asm.int(at.offset);
            self.asm.op().i32_add();
        }
        at.terms.iter().for_each(|term| self.add_term(term, vector));
    }

    /// Pushes whether four words in a row are all in bounds; nothing, and gives false, if they are for sure.
    fn push_row_in_bounds(&mut self, at: &At, row: usize, vector: usize) -> bool {
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
    fn push_row_slow(&mut self, at: &At, row: usize, vector: usize) {
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
    fn vector_address(&mut self, at: &At, vector: usize, store: bool, mask: Option<Local>) -> (Local, u32) {
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

    /// Pushes what lies at a place.
    pub(super) fn load(&mut self, at: AtId, value: Val, vector: usize) {
        let at = &self.ir.ats[at as usize];
        if let Space::Var(var) = at.space {
            self.load_variable(var, at, vector);
            return;
        }
        if self.shapes.values[value as usize].is_scalar() {
            let offset = self.scalar_address(at, vector, false, false);
            self.load_scalar(at.ty, offset);
            return;
        }
        if let Some(row) = self.row(at) {
            if self.push_row_in_bounds(at, row, vector) {
                self.asm.begin_if_with(BlockType::Result(ValType::V128));
                self.row_address(at, vector);
                self.asm.op().v128_load(memory(0)).else_();
                self.push_row_slow(at, row, vector);
                let slow = self.helpers.index(Helper::LoadRow);
                self.asm.op().call(slow);
                self.asm.end();
            } else {
                self.row_address(at, vector);
                self.asm.op().v128_load(memory(0));
            }
        } else {
            let (addresses, offset) = self.vector_address(at, vector, false, None);
            self.gather(addresses, offset);
            self.asm.release(addresses);
        }
        if at.ty == Ty::Bool {
            self.asm.op().v128_const(0).i32x4_ne();
        }
    }

    fn gather(&mut self, addresses: Local, offset: u32) {
        self.asm.get(addresses);
        self.asm.op().i32x4_extract_lane(0).v128_load32_zero(memory(offset));
        let word = self.asm.local(ValType::V128);
        for lane in 1..4 {
            self.asm.set(word);
            self.asm.get(addresses);
            self.asm.op().i32x4_extract_lane(lane);
            self.asm.get(word);
            self.asm.op().v128_load32_lane(memory(offset), lane);
        }
        self.asm.release(word);
    }

    fn scatter(&mut self, addresses: Local, offset: u32, word: Local) {
        for lane in 0..4 {
            self.asm.get(addresses);
            self.asm.op().i32x4_extract_lane(lane);
            self.asm.get(word);
            self.asm.op().v128_store32_lane(memory(offset), lane);
        }
    }

    /// A bool is one or zero in memory that invocations share.
    fn push_stored(&mut self, ty: Ty, value: Val, vector: usize) {
        self.push_vector(value, vector);
        if ty == Ty::Bool {
            self.asm.op().i32x4_neg();
        }
    }

    pub(super) fn store(&mut self, at: AtId, value: Val, mask: Mask, vector: usize) {
        let at = &self.ir.ats[at as usize];
        if let Space::Var(var) = at.space {
            self.store_variable(var, at, value, mask, vector);
            return;
        }
        let same = |value: Val| self.shapes.values[value as usize].is_same();
        if mask.is_full() && same(value) && at.terms.iter().all(|term| same(term.index)) {
            let offset = self.scalar_address(at, vector, true, false);
            self.push_scalar(value, vector);
            if at.ty == Ty::F32 {
                self.asm.op().f32_store(memory(offset));
            } else {
                self.asm.op().i32_store(memory(offset));
            }
            return;
        }
        let word = self.asm.local(ValType::V128);
        self.push_stored(at.ty, value, vector);
        self.asm.set(word);
        if let Some(row) = self.row(at) {
            self.store_row(at, row, word, mask, vector);
        } else {
            let (addresses, offset) = self.vector_address(at, vector, true, mask.local(vector));
            self.scatter(addresses, offset, word);
            self.asm.release(addresses);
        }
        self.asm.release(word);
    }

    fn store_row(&mut self, at: &At, row: usize, word: Local, mask: Mask, vector: usize) {
        let mut doubt = self.push_row_in_bounds(at, row, vector);
        if let Some(mask) = mask.local(vector) {
            self.asm.get(mask);
            self.asm.op().i32x4_all_true();
            if doubt {
                self.asm.op().i32_and();
            }
            doubt = true;
        }
        if doubt {
            self.asm.begin_if();
        }
        self.row_address(at, vector);
        self.asm.get(word);
        self.asm.op().v128_store(memory(0));
        if doubt {
            self.asm.op().else_();
            self.push_row_slow(at, row, vector);
            match mask.local(vector) {
                Some(mask) => self.asm.get(mask),
                None => {
                    self.asm.op().v128_const(-1);
                }
            }
            self.asm.get(word);
            let slow = self.helpers.index(Helper::StoreRow);
            self.asm.op().call(slow);
            self.asm.end();
        }
    }

    /// The local that a variable's leaves of a vector begin at, 16 bytes each.
    fn variable_base(&mut self, var: u32, vector: usize) -> Local {
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

    fn load_variable(&mut self, var: u32, at: &At, vector: usize) {
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

    fn store_variable(&mut self, var: u32, at: &At, value: Val, mask: Mask, vector: usize) {
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
    pub(super) fn get_cell(&mut self, cell: Cell, vector: usize) {
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
    pub(super) fn set_cell(&mut self, cell: Cell, value: Val, mask: Mask, parts: bool, vector: usize) {
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

    /// An atomic operation, one invocation after the other.
    pub(super) fn atomic(&mut self, atomic: &Atomic, mask: Mask, vector: usize) -> Local {
        let at = &self.ir.ats[atomic.at as usize];
        let shared = matches!(at.space, Space::Buffer(_));
        // The addresses must be real where an access follows: those out of bounds and of others are 0.
        let (addresses, offset) = self.vector_address(at, vector, false, mask.local(vector));
        self.asm.get(addresses);
        if offset > 0 {
            // Address 0 stays what it is.
            self.asm.op().v128_const(splat(offset)).i32x4_add();
            self.asm.get(addresses);
            self.asm.op().v128_const(0).i32x4_ne().v128_and();
        }
        for operand in [atomic.value, atomic.compare] {
            if operand == super::ir::NONE {
                self.asm.op().v128_const(0);
            } else {
                self.push_vector(operand, vector);
            }
        }
        let function = self.helpers.index(Helper::Atomic(atomic.op, shared));
        self.asm.op().call(function);
        self.asm.release(addresses);
        let result = self.asm.local(ValType::V128);
        self.asm.set(result);
        result
    }

    /// Tells who of a vector touches which word: nobody where the address is 0.
    pub(super) fn touch(&mut self, site: u32, at: AtId, mask: Mask, vector: usize) {
        let Some(first) = self.watched else { return };
        let at = &self.ir.ats[at as usize];
        let (addresses, offset) = self.vector_address(at, vector, false, mask.local(vector));
        if offset > 0 {
            self.asm.get(addresses);
            self.asm.op().v128_const(splat(offset)).i32x4_add();
            self.asm.get(addresses);
            self.asm.op().v128_const(0).i32x4_ne().v128_and();
            self.asm.set(addresses);
        }
        self.asm.get(addresses);
        self.asm.op().v128_any_true();
        self.asm.begin_if();
        self.asm.int(first + site);
        for lane in 0..4 {
            self.asm.get(addresses);
            self.asm.op().i32x4_extract_lane(lane);
        }
        let index = self.turn.index[vector];
        self.asm.get(index);
        self.asm.op().call(TOUCH);
        self.asm.end();
        self.asm.release(addresses);
    }

    /// Tells of a barrier.
    pub(super) fn barrier(&mut self, orders: Orders) {
        if self.watched.is_some() {
            self.asm.int(u32::from(orders.storage));
            self.asm.int(u32::from(orders.group));
            self.asm.op().call(BARRIER);
        }
    }
}
