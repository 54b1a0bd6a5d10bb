//! What runs once for a workgroup.

use super::{Emit, Place};
use crate::compile::CompileError;
use crate::compile::asm::{aligned, scalar_type};
use crate::compile::ir::{AtId, Label, Orders, Stmt, Val};
use crate::compile::plan::Step;

impl<'a> Emit<'a> {
    pub(super) fn steps(&mut self, steps: &'a [Step<'a>]) -> Result<(), CompileError> {
        self.asm.check()?;
        self.scopes.push(Vec::new());
        for step in steps {
            match step {
                Step::Scalar(Stmt::Set(cell, value)) => {
                    self.push_scalar(*value, 0);
                    let local = self.shared_cell(*cell);
                    self.asm.set(local);
                }
                Step::Scalar(Stmt::Let(value)) => self.define(*value)?,
                Step::Scalar(_) => {}
                Step::Region(region) => self.region(region)?,
                Step::If(condition, accept, reject) => {
                    self.push_scalar(*condition, 0);
                    self.asm.begin_if();
                    self.steps(accept)?;
                    if !reject.is_empty() {
                        self.asm.op().else_();
                        self.steps(reject)?;
                    }
                    self.asm.end();
                }
                Step::Block(label, inner) => self.outer_block(*label, inner)?,
                Step::Loop(inner) => {
                    let again = self.asm.repeat();
                    self.steps(inner)?;
                    if self.plan.keeps_masks {
                        self.any_at_work();
                        self.asm.jump_if(again);
                    } else {
                        self.asm.jump(again);
                    }
                    self.asm.end();
                }
                Step::Break(label) => {
                    let to = self.labels[label];
                    self.asm.jump(to);
                }
                Step::UniformLoad(at, result) => {
                    self.uniform_load(*at, *result);
                    // Barriers stand around it.
                    self.barrier(Orders { storage: false, group: true, textures: false });
                }
                Step::Barrier(orders) => self.barrier(*orders),
            }
        }
        self.close_scope();
        Ok(())
    }

    fn outer_block(&mut self, label: Label, inner: &'a [Step<'a>]) -> Result<(), CompileError> {
        let parted = self.plan.keeps_masks;
        if parted {
            let slot = self.take_slot()?;
            self.left_slots.insert(label, slot);
            self.each_vector(|emit, at| {
                emit.asm.get(at);
                emit.asm.op().v128_const(0).v128_store(aligned(slot));
            });
        }
        let open = self.asm.block();
        self.labels.insert(label, open);
        self.steps(inner)?;
        self.asm.end();
        if let Some(slot) = self.left_slots.get(&label).copied() {
            let mask = self.mask_slot;
            self.each_vector(|emit, at| {
                emit.asm.get(at);
                emit.asm.get(at);
                emit.asm.op().v128_load(aligned(mask));
                emit.asm.get(at);
                emit.asm.op().v128_load(aligned(slot)).v128_or().v128_store(aligned(mask));
            });
        }
        Ok(())
    }

    fn uniform_load(&mut self, at: AtId, result: Val) {
        let at = &self.ir.ats[at as usize];
        let ty = self.ir.types[result as usize];
        // What is known of an index may not hold where no invocation computed it, so nothing is taken for granted.
        let offset = self.scalar_address(at, 0, false, true);
        let local = self.asm.local(scalar_type(ty));
        self.load_scalar(ty, offset);
        self.asm.set(local);
        self.places[result as usize] = Place::Local([local; 2]);
        self.scopes[0].push(local);
    }
}
