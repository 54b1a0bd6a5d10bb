//! What is written for gas and stack.

use wasm_encoder::{BlockType, Instruction as I, ValType};

use super::{COSTS, Emitter, SizeUnit};
use crate::instrument::ENDING_STACK;
use crate::instrument::counted::Counted;
use crate::instrument::counter::Counter;
use crate::instrument::plan::Segment;

impl Emitter<'_, '_> {
    pub(super) fn prologue(&mut self, result: BlockType) {
        // The stack is checked before any gas is charged: the global is exact here, as the caller left it.
        if self.own.metered_stack {
            let (stack, global) = (self.stack, self.globals.stack);
            self.emit(&[
                I::GlobalGet(global),
                I::LocalTee(stack),
                I::I32Const(self.own.frame.cast_signed()),
                I::I32LtS,
                I::If(BlockType::Empty),
                I::I32Const(ENDING_STACK),
                I::GlobalSet(self.globals.ending),
                I::Unreachable,
                I::End,
                I::LocalGet(stack),
                I::I32Const(self.own.frame.cast_signed()),
                I::I32Sub,
                I::LocalSet(stack),
            ]);
        }
        if self.wrapped {
            self.emit(&[I::Block(result)]);
        }
    }

    /// Makes the local current.
    pub(super) fn reload(&mut self) {
        if self.counter == Counter::Global && !self.straight {
            let (gas, global) = (self.gas, self.globals.gas);
            self.sink().global_get(global).local_set(gas);
            self.counter = Counter::Both;
        }
    }

    /// The remaining gas onto the operand stack.
    pub(super) fn get_gas(&mut self) {
        let (gas, global) = (self.gas, self.globals.gas);
        if self.counter == Counter::Global {
            self.sink().global_get(global);
        } else {
            self.sink().local_get(gas);
        }
    }

    /// Where control may arrive with an exception: takes the gas over from the thrower, and pays for every frame
    /// that the engine has walked to get here.
    pub(super) fn land(&mut self) {
        self.counter = Counter::Global;
        self.reload();
        let thrown = self.globals.thrown;
        self.emit(&[
            I::GlobalGet(thrown),
            I::If(BlockType::Empty),
            I::LocalGet(self.gas),
            I::LocalGet(self.stack),
            I::I32Const(1),
            I::I32Add,
            I::GlobalGet(thrown),
            I::I32Sub,
            I::I64ExtendI32U,
            I::I64Const(COSTS.unwound_byte.into()),
            I::I64Mul,
            I::I64Sub,
        ]);
        self.charged_and_checked();
        self.emit(&[I::I32Const(0), I::GlobalSet(thrown), I::End]);
    }

    /// Notes how deep the thrower is.
    pub(super) fn throw(&mut self) {
        self.flush();
        self.emit(&[I::LocalGet(self.stack), I::I32Const(1), I::I32Add, I::GlobalSet(self.globals.thrown)]);
    }

    /// Makes the global current.
    pub(super) fn flush(&mut self) {
        if self.counter == Counter::Local {
            let (gas, global) = (self.gas, self.globals.gas);
            self.sink().local_get(gas).global_set(global);
            self.counter = Counter::Both;
        }
    }

    /// Before a loop whose gas is known: charges it whole, in every form, so that a trap inside has used the same gas
    /// whichever form it is found in.
    pub(super) fn enter_counted(&mut self, counted: &Counted) {
        self.reload();
        let total = counted.total(self.temporary);
        self.get_gas();
        self.emit(&total);
        self.emit(&[I::I64Sub]);
        self.charged_and_checked();
    }

    pub(super) fn segment(&mut self, segment: &Segment) {
        if segment.counted {
            return;
        }
        let cost = i64::try_from(segment.cost).unwrap_or(i64::MAX >> 8);
        let global = self.globals.gas;
        if self.straight {
            if cost > 0 {
                self.sink().global_get(global).i64_const(cost).i64_sub().global_set(global);
            }
            return;
        }
        // What is left is compared with the cost before it is charged: so the engine can compare in place, and
        // charge where the next use is.
        if segment.checked && !self.write_through {
            self.reload();
            let gas = self.gas;
            self.sink().local_get(gas).i64_const(cost);
            self.trap_if_less();
        }
        if cost > 0 {
            self.get_gas();
            self.sink().i64_const(cost).i64_sub();
            self.charged();
        }
        if segment.checked && self.write_through {
            self.get_gas();
            self.sink().i64_const(0);
            self.trap_if_less();
        }
    }

    /// Takes the new amount from the operand stack.
    pub(super) fn charged(&mut self) {
        let (gas, global) = (self.gas, self.globals.gas);
        let current = if self.write_through {
            self.sink().local_tee(gas).global_set(global);
            Counter::Both
        } else {
            self.sink().local_set(gas);
            Counter::Local
        };
        self.counter = self.counter.becomes(current);
    }

    /// Takes two amounts from the operand stack and ends the run if the lower is less than the upper.
    pub(super) fn trap_if_less(&mut self) {
        self.sink().i64_lt_s().if_(BlockType::Empty).unreachable().end();
    }

    /// Takes the new amount from the operand stack and ends the run if it is negative.
    pub(super) fn charged_and_checked(&mut self) {
        self.charged();
        self.emit(&[I::LocalGet(self.gas), I::I64Const(0)]);
        self.trap_if_less();
    }

    /// Charges a bulk operation whose size is the `i32` in the temporary local.
    pub(super) fn charge_size(&mut self, unit: SizeUnit) {
        self.get_gas();
        self.emit(&[I::LocalGet(self.temporary)]);
        match unit {
            SizeUnit::Bytes => {
                self.emit(&[I::I64ExtendI32U, I::I64Const(COSTS.bulk_byte.into()), I::I64Mul]);
            }
            SizeUnit::Elements => {
                self.emit(&[I::I64ExtendI32U, I::I64Const(COSTS.table_element.into()), I::I64Mul]);
            }
            SizeUnit::GrownElements => {
                let cap = COSTS.table_grow_cap.cast_signed();
                self.emit(&[
                    I::I32Const(cap),
                    I::LocalGet(self.temporary),
                    I::I32Const(cap),
                    I::I32LtU,
                    I::Select,
                    I::I64ExtendI32U,
                    I::I64Const(COSTS.table_element.into()),
                    I::I64Mul,
                ]);
            }
            SizeUnit::Pages => self.emit(&[I::I64ExtendI32U, I::I64Const(COSTS.page.into()), I::I64Mul]),
        }
        self.emit(&[I::I64Sub]);
        self.charged_and_checked();
    }

    /// Growth over the job's or the module's own maximum is answered here with −1, as the specification says, so that
    /// whatever reaches the engine can fail only because of the host.
    pub(super) fn memory_grow(&mut self) {
        // Only one of the two ways charges.
        self.reload();
        self.emit(&[
            I::LocalTee(self.temporary),
            I::I64ExtendI32U,
            I::MemorySize(0),
            I::I64ExtendI32U,
            I::I64Add,
            I::GlobalGet(self.globals.pages),
            I::I64LeU,
            I::If(BlockType::Result(ValType::I32)),
        ]);
        self.charge_size(SizeUnit::Pages);
        self.emit(&[I::LocalGet(self.temporary), I::MemoryGrow(0), I::Else, I::I32Const(-1), I::End]);
    }

    /// Tells the next callee how much stack is left, unless it does not look.
    pub(super) fn hand_over_stack(&mut self, callee: Option<u32>) {
        if self.own.metered_stack && self.reads_stack(callee) {
            let (stack, global) = (self.stack, self.globals.stack);
            self.sink().local_get(stack).global_set(global);
        }
    }

    /// A tail call gives our own frame back first.
    pub(super) fn give_back_stack(&mut self, callee: Option<u32>) {
        if self.own.metered_stack && self.reads_stack(callee) {
            self.emit(&[
                I::LocalGet(self.stack),
                I::I32Const(self.own.frame.cast_signed()),
                I::I32Add,
                I::GlobalSet(self.globals.stack),
            ]);
        }
    }

    /// Whether a function reads the stack global; `None` is a function not known here.
    pub(super) fn reads_stack(&self, callee: Option<u32>) -> bool {
        let Some(callee) = callee else { return true };
        match callee.checked_sub(self.facts.imported_functions) {
            None => false,
            Some(defined) => self.facts.functions[defined as usize].metered_stack,
        }
    }
}
