//! Values: where they are, and the instructions that compute them.

use super::CompileError;
use super::asm::{aligned, lanes, scalar_type, splat};
use super::emit::{Emit, Place, SCRATCH};
use super::helper::Helper;
use super::ir::{Bin, Input, Node, Ty, Un, Val};
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

    fn scalar_unary(&mut self, op: Un, a: Val, vector: usize) {
        if op == Un::IAbs {
            self.asm.int(0);
            self.push_scalar(a, vector);
            self.asm.op().i32_sub();
            self.push_scalar(a, vector);
            self.push_scalar(a, vector);
            self.asm.int(0);
            self.asm.op().i32_lt_s().select();
            return;
        }
        self.push_scalar(a, vector);
        let asm = &mut self.asm;
        match op {
            Un::FNeg => asm.op().f32_neg(),
            Un::FAbs => asm.op().f32_abs(),
            Un::FSqrt => asm.op().f32_sqrt(),
            Un::FFloor => asm.op().f32_floor(),
            Un::FCeil => asm.op().f32_ceil(),
            Un::FTrunc => asm.op().f32_trunc(),
            Un::FNearest => asm.op().f32_nearest(),
            Un::INot => asm.op().i32_const(-1).i32_xor(),
            Un::Not => asm.op().i32_eqz(),
            Un::Clz => asm.op().i32_clz(),
            Un::Popcount => asm.op().i32_popcnt(),
            Un::FloatToI => asm.op().i32_trunc_sat_f32_s(),
            Un::FloatToU => asm.op().i32_trunc_sat_f32_u(),
            Un::IToFloat => asm.op().f32_convert_i32_s(),
            Un::UToFloat => asm.op().f32_convert_i32_u(),
            Un::FloatBits => asm.op().i32_reinterpret_f32(),
            Un::BitsFloat => asm.op().f32_reinterpret_i32(),
            Un::BoolToI | Un::IAbs => return,
        };
    }

    fn vector_unary(&mut self, op: Un, a: Val, vector: usize) {
        self.push_vector(a, vector);
        match op {
            // The bits are the same.
            Un::FloatBits | Un::BitsFloat => return,
            Un::Popcount => {
                self.asm.op().i8x16_popcnt().i16x8_extadd_pairwise_i8x16_u();
                self.asm.op().i32x4_extadd_pairwise_i16x8_u();
                return;
            }
            Un::Clz => {
                let clz = self.helpers.index(Helper::Clz);
                self.asm.op().call(clz);
                return;
            }
            _ => {}
        }
        let asm = &mut self.asm;
        match op {
            Un::FNeg => asm.op().f32x4_neg(),
            Un::FAbs => asm.op().f32x4_abs(),
            Un::FSqrt => asm.op().f32x4_sqrt(),
            Un::FFloor => asm.op().f32x4_floor(),
            Un::FCeil => asm.op().f32x4_ceil(),
            Un::FTrunc => asm.op().f32x4_trunc(),
            Un::FNearest => asm.op().f32x4_nearest(),
            Un::INot | Un::Not => asm.op().v128_not(),
            Un::IAbs => asm.op().i32x4_abs(),
            Un::FloatToI => asm.op().i32x4_trunc_sat_f32x4_s(),
            Un::FloatToU => asm.op().i32x4_trunc_sat_f32x4_u(),
            Un::IToFloat => asm.op().f32x4_convert_i32x4_s(),
            Un::UToFloat => asm.op().f32x4_convert_i32x4_u(),
            Un::BoolToI => asm.op().i32x4_neg(),
            // Above.
            Un::FloatBits | Un::BitsFloat | Un::Popcount | Un::Clz => asm.op().nop(),
        };
    }

    fn scalar_binary(&mut self, op: Bin, a: Val, b: Val, vector: usize) {
        match op {
            Bin::FMin | Bin::FMax => {
                self.push_scalar(a, vector);
                self.push_scalar(b, vector);
                if op == Bin::FMin {
                    self.asm.op().f32_min();
                } else {
                    self.asm.op().f32_max();
                }
                for (other, of) in [(b, a), (a, b)] {
                    self.push_scalar(other, vector);
                    self.push_scalar(of, vector);
                    self.push_scalar(of, vector);
                    self.asm.op().f32_eq().select();
                }
                return;
            }
            Bin::MinS | Bin::MinU | Bin::MaxS | Bin::MaxU => {
                for _ in 0..2 {
                    self.push_scalar(a, vector);
                    self.push_scalar(b, vector);
                }
                match op {
                    Bin::MinS => self.asm.op().i32_lt_s(),
                    Bin::MinU => self.asm.op().i32_lt_u(),
                    Bin::MaxS => self.asm.op().i32_gt_s(),
                    _ => self.asm.op().i32_gt_u(),
                };
                self.asm.op().select();
                return;
            }
            Bin::Dot4S | Bin::Dot4U => {
                self.dot4(op == Bin::Dot4S, a, b, vector);
                self.asm.op().i32x4_extract_lane(0);
                return;
            }
            _ => {}
        }
        self.push_scalar(a, vector);
        self.push_scalar(b, vector);
        let divisor = self.ir.constant(b).is_some_and(|by| by != 0 && by != u32::MAX);
        if matches!(op, Bin::DivS | Bin::DivU | Bin::RemS | Bin::RemU) && !divisor {
            let function = self.helpers.index(Helper::Divide(op));
            self.asm.op().call(function);
            return;
        }
        let asm = &mut self.asm;
        match op {
            Bin::FAdd => asm.op().f32_add(),
            Bin::FSub => asm.op().f32_sub(),
            Bin::FMul => asm.op().f32_mul(),
            Bin::FDiv => asm.op().f32_div(),
            Bin::IAdd => asm.op().i32_add(),
            Bin::ISub => asm.op().i32_sub(),
            Bin::IMul => asm.op().i32_mul(),
            Bin::DivS => asm.op().i32_div_s(),
            Bin::DivU => asm.op().i32_div_u(),
            Bin::RemS => asm.op().i32_rem_s(),
            Bin::RemU => asm.op().i32_rem_u(),
            Bin::And | Bin::BAnd => asm.op().i32_and(),
            Bin::Or | Bin::BOr => asm.op().i32_or(),
            Bin::Xor | Bin::BXor => asm.op().i32_xor(),
            Bin::Shl => asm.op().i32_shl(),
            Bin::ShrS => asm.op().i32_shr_s(),
            Bin::ShrU => asm.op().i32_shr_u(),
            Bin::FEq => asm.op().f32_eq(),
            Bin::FNe => asm.op().f32_ne(),
            Bin::FLt => asm.op().f32_lt(),
            Bin::FLe => asm.op().f32_le(),
            Bin::IEq => asm.op().i32_eq(),
            Bin::INe => asm.op().i32_ne(),
            Bin::LtS => asm.op().i32_lt_s(),
            Bin::LtU => asm.op().i32_lt_u(),
            Bin::LeS => asm.op().i32_le_s(),
            Bin::LeU => asm.op().i32_le_u(),
            // Above.
            Bin::FMin
            | Bin::FMax
            | Bin::MinS
            | Bin::MinU
            | Bin::MaxS
            | Bin::MaxU
            | Bin::Dot4S
            | Bin::Dot4U => asm.op().nop(),
        };
    }

    /// Four products of bytes, summed, for each of four invocations.
    fn dot4(&mut self, signed: bool, a: Val, b: Val, vector: usize) {
        let halves = [self.asm.local(ValType::V128), self.asm.local(ValType::V128)];
        for (half, local) in halves.into_iter().enumerate() {
            for operand in [a, b] {
                self.push_vector(operand, vector);
                match (signed, half) {
                    (true, 0) => self.asm.op().i16x8_extend_low_i8x16_s(),
                    (true, _) => self.asm.op().i16x8_extend_high_i8x16_s(),
                    (false, 0) => self.asm.op().i16x8_extend_low_i8x16_u(),
                    (false, _) => self.asm.op().i16x8_extend_high_i8x16_u(),
                };
            }
            // Bytes without sign fit, too: 2 · 255 · 255 is far below 2³¹.
            self.asm.op().i32x4_dot_i16x8_s();
            self.asm.set(local);
        }
        for first in [0_u8, 4] {
            halves.into_iter().for_each(|half| self.asm.get(half));
            let mut order = [0; 16];
            for (at, byte) in order.iter_mut().enumerate() {
                let (word, byte_of_word) = (at as u8 / 4, at as u8 % 4);
                *byte = word * 8 + first + byte_of_word;
            }
            self.asm.op().i8x16_shuffle(order);
        }
        self.asm.op().i32x4_add();
        halves.into_iter().for_each(|half| self.asm.release(half));
    }

    fn vector_binary(&mut self, op: Bin, a: Val, b: Val, vector: usize) {
        match op {
            Bin::FMin | Bin::FMax => {
                self.push_vector(a, vector);
                self.push_vector(b, vector);
                if op == Bin::FMin {
                    self.asm.op().f32x4_min();
                } else {
                    self.asm.op().f32x4_max();
                }
                for (other, of) in [(b, a), (a, b)] {
                    // A constant that is a number needs no look.
                    if self.ir.constant(of).is_some_and(|bits| !f32::from_bits(bits).is_nan()) {
                        continue;
                    }
                    self.push_vector(other, vector);
                    self.push_vector(of, vector);
                    self.push_vector(of, vector);
                    self.asm.op().f32x4_eq().v128_bitselect();
                }
                return;
            }
            Bin::Dot4S | Bin::Dot4U => {
                self.dot4(op == Bin::Dot4S, a, b, vector);
                return;
            }
            Bin::Shl | Bin::ShrS | Bin::ShrU if self.shapes.values[b as usize].is_same() => {
                self.push_vector(a, vector);
                self.push_scalar(b, vector);
                match op {
                    Bin::Shl => self.asm.op().i32x4_shl(),
                    Bin::ShrS => self.asm.op().i32x4_shr_s(),
                    _ => self.asm.op().i32x4_shr_u(),
                };
                return;
            }
            Bin::Shl | Bin::ShrS | Bin::ShrU => {
                self.push_vector(a, vector);
                self.push_vector(b, vector);
                let function = self.helpers.index(Helper::Shift(op));
                self.asm.op().call(function);
                return;
            }
            Bin::DivS | Bin::DivU | Bin::RemS | Bin::RemU => {
                self.vector_division(op, a, b, vector);
                return;
            }
            _ => {}
        }
        self.push_vector(a, vector);
        self.push_vector(b, vector);
        let asm = &mut self.asm;
        match op {
            Bin::FAdd => asm.op().f32x4_add(),
            Bin::FSub => asm.op().f32x4_sub(),
            Bin::FMul => asm.op().f32x4_mul(),
            Bin::FDiv => asm.op().f32x4_div(),
            Bin::IAdd => asm.op().i32x4_add(),
            Bin::ISub => asm.op().i32x4_sub(),
            Bin::IMul => asm.op().i32x4_mul(),
            Bin::And | Bin::BAnd => asm.op().v128_and(),
            Bin::Or | Bin::BOr => asm.op().v128_or(),
            Bin::Xor | Bin::BXor => asm.op().v128_xor(),
            Bin::MinS => asm.op().i32x4_min_s(),
            Bin::MinU => asm.op().i32x4_min_u(),
            Bin::MaxS => asm.op().i32x4_max_s(),
            Bin::MaxU => asm.op().i32x4_max_u(),
            Bin::FEq => asm.op().f32x4_eq(),
            Bin::FNe => asm.op().f32x4_ne(),
            Bin::FLt => asm.op().f32x4_lt(),
            Bin::FLe => asm.op().f32x4_le(),
            Bin::IEq => asm.op().i32x4_eq(),
            Bin::INe => asm.op().i32x4_ne(),
            Bin::LtS => asm.op().i32x4_lt_s(),
            Bin::LtU => asm.op().i32x4_lt_u(),
            Bin::LeS => asm.op().i32x4_le_s(),
            Bin::LeU => asm.op().i32x4_le_u(),
            // Above.
            Bin::FMin
            | Bin::FMax
            | Bin::Dot4S
            | Bin::Dot4U
            | Bin::Shl
            | Bin::ShrS
            | Bin::ShrU
            | Bin::DivS
            | Bin::DivU
            | Bin::RemS
            | Bin::RemU => asm.op().nop(),
        };
    }

    fn vector_division(&mut self, op: Bin, a: Val, b: Val, vector: usize) {
        let Some(by) = self.ir.constant(b).filter(|by| *by != 0 && *by != u32::MAX) else {
            self.push_vector(a, vector);
            self.push_vector(b, vector);
            let function = self.helpers.index(Helper::DivideVector(op));
            self.asm.op().call(function);
            return;
        };
        // The engine makes a multiplication of each.
        let operand = self.asm.local(ValType::V128);
        self.push_vector(a, vector);
        self.asm.op().local_tee(operand);
        for lane in 0..4 {
            self.asm.get(operand);
            self.asm.op().i32x4_extract_lane(lane);
            self.asm.int(by);
            match op {
                Bin::DivS => self.asm.op().i32_div_s(),
                Bin::DivU => self.asm.op().i32_div_u(),
                Bin::RemS => self.asm.op().i32_rem_s(),
                _ => self.asm.op().i32_rem_u(),
            };
            self.asm.op().i32x4_replace_lane(lane);
        }
        self.asm.release(operand);
    }
}
