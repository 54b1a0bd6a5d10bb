//! Operations on scalars and on vectors.

use crate::compile::emit::Emit;
use crate::compile::helper::Helper;
use crate::compile::ir::{Bin, Un, Val};
use wasm_encoder::ValType;

impl Emit<'_> {
    pub(super) fn scalar_unary(&mut self, op: Un, a: Val, vector: usize) {
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

    pub(super) fn vector_unary(&mut self, op: Un, a: Val, vector: usize) {
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

    pub(super) fn scalar_binary(&mut self, op: Bin, a: Val, b: Val, vector: usize) {
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

    pub(super) fn vector_binary(&mut self, op: Bin, a: Val, b: Val, vector: usize) {
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
