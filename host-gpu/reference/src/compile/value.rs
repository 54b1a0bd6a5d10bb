//! Values: where they are, and the instructions that compute them.

mod arithmetic;

use super::CompileError;
use super::asm::{aligned, lanes, scalar_type, splat};
use super::emit::{Emit, Place, SCRATCH};
use super::helper::Helper;
use super::ir::{Bin, Call, Input, NONE, Node, Ty, Un, Val};
use super::plan::OUTSIDE;
use super::shape::Level;
use wasm_encoder::ValType;

/// Deepest computation that is written where it is used.
const MAX_DEPTH: u8 = 24;

/// Whether an operation's instructions take an operand more than once.
pub(super) fn reads_twice(op: Bin) -> bool {
    matches!(
        op,
        Bin::FMin | Bin::FMax | Bin::MinS | Bin::MinU | Bin::MaxS | Bin::MaxU | Bin::Dot4S | Bin::Dot4U
    ) || matches!(op, Bin::DivU | Bin::RemU | Bin::DivS | Bin::RemS)
}

pub(super) fn reads_unary_twice(op: Un) -> bool {
    matches!(op, Un::IAbs | Un::Clz)
}

impl Emit<'_> {
    /// Computes a value where it stands, or leaves that to its one user.
    pub(super) fn define(&mut self, value: Val) -> Result<(), CompileError> {
        let kind = self.shapes.values[value as usize];
        let node = self.ir.nodes[value as usize];
        let pure =
            matches!(node, Node::Un(..) | Node::Bin(..) | Node::Sel(..) | Node::Input(_) | Node::Length(_));
        if pure && self.uses[value as usize] == 1 && !self.slots.contains_key(&value) {
            let mut depth = 0;
            super::ir::operands(self.ir, value, |operand| {
                if matches!(self.places[operand as usize], Place::Deferred) {
                    depth = self.depths[operand as usize].max(depth);
                }
            });
            if depth < MAX_DEPTH {
                self.depths[value as usize] = depth + 1;
                self.places[value as usize] = Place::Deferred;
                return Ok(());
            }
        }
        let shared = kind.level == Level::Group;
        let scalar = kind.is_scalar();
        let ty = if scalar { scalar_type(self.ir.types[value as usize]) } else { ValType::V128 };
        let count = if shared { 1 } else { self.turn.vectors };
        let mut locals = [0; 2];
        for (vector, local) in locals.iter_mut().enumerate().take(count) {
            self.compute(value, vector);
            *local = self.asm.local(ty);
            self.asm.set(*local);
        }
        self.keep(value, locals, count);
        self.asm.check()
    }

    /// Remembers the locals of a value, and stores it where other regions need it.
    pub(super) fn keep(&mut self, value: Val, mut locals: super::emit::Locals, count: usize) {
        let kind = self.shapes.values[value as usize];
        if count == 1 {
            locals[1] = locals[0];
        }
        // What is shared outlives the region that computes it at its top.
        let up = usize::from(
            kind.level == Level::Group && self.turn.id != OUTSIDE && self.scopes.len() == self.turn.scope,
        );
        let scope = self.scopes.len() - 1 - up;
        self.scopes[scope].extend(locals.iter().take(count));
        self.places[value as usize] = Place::Local(locals);
        let Some(slot) = self.slots.get(&value).copied() else { return };
        for (vector, local) in locals.into_iter().enumerate().take(self.turn.vectors) {
            self.asm.get(self.turn.base[vector]);
            self.asm.get(local);
            self.store_slot(kind.is_scalar(), self.ir.types[value as usize], slot);
        }
    }

    pub(super) fn store_slot(&mut self, scalar: bool, ty: Ty, slot: u32) {
        match (scalar, ty) {
            (false, _) => self.asm.op().v128_store(aligned(slot)),
            (true, Ty::F32) => self.asm.op().f32_store(super::asm::memory(slot)),
            (true, _) => self.asm.op().i32_store(super::asm::memory(slot)),
        };
    }

    pub(super) fn load_slot(&mut self, scalar: bool, ty: Ty, slot: u32) {
        match (scalar, ty) {
            (false, _) => self.asm.op().v128_load(aligned(slot)),
            (true, Ty::F32) => self.asm.op().f32_load(super::asm::memory(slot)),
            (true, _) => self.asm.op().i32_load(super::asm::memory(slot)),
        };
    }

    /// Pushes a value in its own form: a scalar if one stands for the vector.
    fn push_own(&mut self, value: Val, vector: usize) {
        let kind = self.shapes.values[value as usize];
        let ty = self.ir.types[value as usize];
        if let Node::Const(_, bits) = self.ir.nodes[value as usize] {
            if ty == Ty::F32 {
                self.asm.float(bits)
            } else {
                self.asm.int(bits)
            }
            return;
        }
        let here = kind.level == Level::Group || self.plan.region_of[value as usize] == self.turn.id;
        match (self.places[value as usize], self.slots.get(&value).copied()) {
            (Place::Local(locals), _) if here => self.asm.get(locals[vector]),
            (_, Some(slot)) if !here && self.turn.id == OUTSIDE => {
                // The first invocation's, for all: they are known to agree.
                self.asm.get(SCRATCH);
                self.load_slot(true, ty, slot);
            }
            (_, Some(slot)) if !here => {
                self.asm.get(self.turn.base[vector]);
                self.load_slot(kind.is_scalar(), ty, slot);
                // Where no invocation was at work, nothing was stored; bounds that are known must hold all the same.
                if ty == Ty::I32 && kind.most < u32::MAX {
                    if kind.is_scalar() {
                        self.asm.at_most(kind.most);
                    } else {
                        self.asm.op().v128_const(splat(kind.most)).i32x4_min_u();
                    }
                }
            }
            _ => self.compute(value, vector),
        }
    }

    /// Pushes the one scalar that stands for a value in a vector.
    pub(super) fn push_scalar(&mut self, value: Val, vector: usize) {
        self.push_own(value, vector);
    }

    /// Pushes a value of four invocations.
    pub(super) fn push_vector(&mut self, value: Val, vector: usize) {
        let kind = self.shapes.values[value as usize];
        let ty = self.ir.types[value as usize];
        if let Node::Const(_, bits) = self.ir.nodes[value as usize] {
            let bits = if ty == Ty::Bool { bits.wrapping_neg() } else { bits };
            self.asm.op().v128_const(splat(bits));
            return;
        }
        if !kind.is_scalar() {
            self.push_own(value, vector);
            return;
        }
        if ty == Ty::Bool {
            self.asm.int(0);
        }
        self.push_own(value, vector);
        match ty {
            Ty::Bool => self.asm.op().i32_sub().i32x4_splat(),
            Ty::F32 => self.asm.op().f32x4_splat(),
            Ty::I32 => self.asm.op().i32x4_splat(),
        };
        if kind.stride != 0 {
            let step = kind.stride as u32;
            let steps = [0, step, step.wrapping_mul(2), step.wrapping_mul(3)];
            self.asm.op().v128_const(lanes(steps)).i32x4_add();
        }
    }

    /// Computes a value onto the stack, in its own form.
    fn compute(&mut self, value: Val, vector: usize) {
        let scalar = self.shapes.values[value as usize].is_scalar();
        match self.ir.nodes[value as usize] {
            Node::Const(..) => self.push_own(value, vector),
            Node::Input(input) => self.input(input, scalar, vector),
            Node::Length(buffer) => {
                let len = self.buffers[buffer as usize].len;
                self.asm.get(len);
            }
            Node::Get(cell) => self.get_cell(cell, vector),
            Node::Load(at) => self.load(at, value, vector),
            Node::Call(call, a, b) => self.call(call, [a, b], scalar, vector),
            // Set by their statement.
            Node::Result(_) => self.asm.int(0),
            Node::Un(op, a) if scalar => self.scalar_unary(op, a, vector),
            Node::Un(op, a) => self.vector_unary(op, a, vector),
            Node::Bin(op, a, b) if scalar => self.scalar_binary(op, a, b, vector),
            Node::Bin(op, a, b) => self.vector_binary(op, a, b, vector),
            Node::Sel(condition, a, b) if scalar => {
                self.push_scalar(a, vector);
                self.push_scalar(b, vector);
                self.push_scalar(condition, vector);
                self.asm.op().select();
            }
            Node::Sel(condition, a, b) => {
                self.push_vector(a, vector);
                self.push_vector(b, vector);
                self.push_vector(condition, vector);
                self.asm.op().v128_bitselect();
            }
        }
    }

    /// A call; of a scalar, with four of it.
    fn call(&mut self, call: Call, arguments: [Val; 2], scalar: bool, vector: usize) {
        let given = arguments.into_iter().filter(|argument| *argument != NONE);
        let count = given.clone().count();
        given.for_each(|argument| self.push_vector(argument, vector));
        let function = self.helpers.index(Helper::Callee(call.callee, count));
        self.asm.op().call(function);
        match (scalar, call.result) {
            (false, _) => {}
            (true, Ty::F32) => {
                self.asm.op().f32x4_extract_lane(0);
            }
            (true, _) => {
                self.asm.op().i32x4_extract_lane(0);
            }
        }
    }

    fn input(&mut self, input: Input, scalar: bool, vector: usize) {
        let [x, y, z] = self.size;
        match input {
            Input::GroupId(axis) => {
                let local = self.group_id(axis);
                self.asm.get(local);
            }
            Input::Groups(axis) => {
                let local = self.groups(axis);
                self.asm.get(local);
            }
            Input::Argument(number, _) => self.asm.get(number.into()),
            Input::LocalIndex => self.asm.get(self.turn.index[vector]),
            Input::LocalId(axis) if scalar => {
                self.asm.get(self.turn.index[vector]);
                let (below, size, last) =
                    [(1, x, y * z == 1), (x, y, z == 1), (x * y, z, true)][axis as usize];
                if below > 1 {
                    self.asm.int(below);
                    self.asm.op().i32_div_u();
                }
                if !last {
                    self.asm.int(size);
                    self.asm.op().i32_rem_u();
                }
            }
            Input::LocalId(axis) => {
                self.asm.get(self.turn.base[vector]);
                let offset = self.ids + u32::from(axis) * self.rounded() * 4;
                self.asm.op().v128_load(aligned(offset));
            }
        }
    }
}
