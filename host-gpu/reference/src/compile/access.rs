//! Loads and stores: of what invocations share here, `variable` has their own; `address` finds where.
//!
//! The shader's author is an enemy, so here is why nothing is touched but the bindings, the arguments and the thread's scratch:
//! - An address is a base plus offsets of members, known here, plus index × stride for each computed index. Each index is compared, as an unsigned
//!   number, with the length of its array ([`Term`](super::ir::Term)), or known to be below by [`Kind::most`](super::shape::Kind). With all indices in bounds the sum is
//!   within the type, and the type is within its binding: fixed parts because `run` ends where a binding is too short for them, runtime
//!   arrays because their length is computed from the binding's bytes.
//! - Where an index is out of bounds, the whole address is replaced: loads read the zeros at address 0, stores go to the first bytes of
//!   scratch. What is added behind the replacement is at most [`NEAR`](super::emit::NEAR).
//! - Variables of an invocation have their indices clamped.
//! - `most` follows from constants, built-in values, operations and scalars that are in locals of the function and were set by such; never from
//!   what was in memory, except where the bound is put on again after the load.

mod address;
mod variable;

use super::asm::{Local, memory, splat};
use super::emit::Emit;
use super::helper::Helper;
use super::ir::{At, AtId, Atomic, Orders, Space, Ty, Val};
use super::region::Mask;
use crate::race::Memory;
use wasm_encoder::{BlockType, ValType};

/// Functions that watched programs import.
const TOUCH: u32 = 0;
const BARRIER: u32 = 1;

impl Emit<'_> {
    pub(super) fn load_scalar(&mut self, ty: Ty, offset: u32) {
        if ty == Ty::F32 {
            self.asm.op().f32_load(memory(offset));
        } else {
            self.asm.op().i32_load(memory(offset));
        }
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
            let memories = [
                (orders.storage, Memory::Storage),
                (orders.group, Memory::Workgroup),
                (orders.textures, Memory::Texture),
            ];
            let ordered = memories.into_iter().filter(|(ordered, _)| *ordered);
            self.asm.int(ordered.map(|(_, memory)| memory.bit()).sum());
            self.asm.op().call(BARRIER);
        }
    }
}
