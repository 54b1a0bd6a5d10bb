//! What is kept of all invocations of a workgroup: their ids, and who is at work.

use super::{Emit, SCRATCH};
use crate::compile::CompileError;
use crate::compile::asm::{Local, aligned, lanes, memory, splat};
use crate::compile::ir::{Input, Node};
use wasm_encoder::ValType;

impl Emit<'_> {
    /// Writes the table of local ids, where rows of invocations do not begin with vectors.
    pub(super) fn local_ids(&mut self) -> Result<(), CompileError> {
        let [x, y, _] = self.size;
        let is_read = |node: &Node| matches!(node, Node::Input(Input::LocalId(_)));
        if x % 4 == 0 || !self.ir.nodes.iter().any(is_read) {
            return Ok(());
        }
        let bytes = self.rounded() * 4;
        self.ids = self.take(bytes * 3)?;
        let [index, at] = [ValType::I32; 2].map(|ty| self.asm.local(ty));
        self.asm.int(0);
        self.asm.set(index);
        let again = self.asm.repeat();
        self.asm.get(SCRATCH);
        self.asm.get(index);
        self.asm.int(2);
        self.asm.op().i32_shl().i32_add();
        self.asm.set(at);
        for (axis, below, size) in [(0, 1, x), (1, x, y), (2, x * y, u32::MAX)] {
            self.asm.get(at);
            self.asm.get(index);
            self.asm.int(below);
            self.asm.op().i32_div_u();
            self.asm.int(size);
            self.asm.op().i32_rem_u().i32_store(memory(self.ids + axis * bytes));
        }
        self.asm.get(index);
        self.asm.int(1);
        self.asm.op().i32_add().local_tee(index);
        self.asm.int(self.invocations());
        self.asm.op().i32_lt_u();
        self.asm.jump_if(again);
        self.asm.end();
        // Who is no invocation has the first one's.
        for index in self.invocations()..self.rounded() {
            for axis in 0..3 {
                self.asm.get(SCRATCH);
                self.asm.int(0);
                self.asm.op().i32_store(memory(self.ids + axis * bytes + index * 4));
            }
        }
        self.asm.release(index);
        self.asm.release(at);
        Ok(())
    }

    /// For each vector of a workgroup: an address that goes up by 16 from scratch, in a local.
    pub(super) fn each_vector(&mut self, write: impl FnOnce(&mut Self, Local)) {
        let at = self.asm.local(ValType::I32);
        self.asm.get(SCRATCH);
        self.asm.set(at);
        let again = self.asm.repeat();
        write(self, at);
        self.asm.get(at);
        self.asm.int(16);
        self.asm.op().i32_add().local_tee(at);
        self.asm.get(SCRATCH);
        self.asm.op().i32_sub();
        let bytes = self.rounded() * 4;
        self.asm.int(bytes);
        self.asm.op().i32_lt_u();
        self.asm.jump_if(again);
        self.asm.end();
        self.asm.release(at);
    }

    /// All invocations are at work.
    pub(super) fn start_masks(&mut self) {
        let slot = self.mask_slot;
        let invocations = self.invocations();
        self.each_vector(|emit, at| {
            emit.asm.get(at);
            emit.asm.get(at);
            emit.asm.get(SCRATCH);
            emit.asm.op().i32_sub();
            emit.asm.int(2);
            emit.asm.op().i32_shr_u();
            emit.tail_mask(invocations);
            emit.asm.op().v128_store(aligned(slot));
        });
    }

    /// From the number of a vector's first invocation on the stack: which of the four there are.
    pub(in crate::compile) fn tail_mask(&mut self, invocations: u32) {
        self.asm.op().i32x4_splat();
        self.asm.op().v128_const(lanes([0, 1, 2, 3])).i32x4_add();
        self.asm.op().v128_const(splat(invocations)).i32x4_lt_u();
    }

    /// Pushes whether any invocation of the workgroup is at work.
    pub(super) fn any_at_work(&mut self) {
        let all = self.asm.local(ValType::V128);
        self.asm.op().v128_const(0).local_set(all);
        let slot = self.mask_slot;
        self.each_vector(|emit, at| {
            emit.asm.get(at);
            emit.asm.op().v128_load(aligned(slot)).local_get(all).v128_or().local_set(all);
        });
        self.asm.get(all);
        self.asm.op().v128_any_true();
        self.asm.release(all);
    }
}
