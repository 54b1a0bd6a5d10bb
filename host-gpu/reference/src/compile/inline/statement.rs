//! Statements.

use super::super::CompileError;
use super::super::ir::{AtomicOp, Bin, Label, NONE, Node, Orders, Stmt, Ty, Un};
use super::{Frame, Inline, Value};
use crate::race::Access;
use naga::{AtomicFunction, Block, Expression, Handle, ScalarKind, Span, Statement, SwitchValue};

impl<'m> Inline<'m> {
    pub(super) fn inner(
        &mut self,
        frame: &mut Frame<'m>,
        block: &'m Block,
    ) -> Result<Vec<Stmt>, CompileError> {
        let before = std::mem::take(&mut self.list);
        self.block(frame, block)?;
        Ok(std::mem::replace(&mut self.list, before))
    }

    pub(super) fn block(&mut self, frame: &mut Frame<'m>, block: &'m Block) -> Result<(), CompileError> {
        self.deeper()?;
        for (statement, span) in block.span_iter() {
            self.statement(frame, statement, *span)?;
        }
        self.depth -= 1;
        Ok(())
    }

    pub(super) fn statement(
        &mut self,
        frame: &mut Frame<'m>,
        statement: &'m Statement,
        span: Span,
    ) -> Result<(), CompileError> {
        match statement {
            Statement::Emit(range) => {
                for expression in range.clone() {
                    let value = self.compute(frame, expression)?;
                    frame.values[expression.index()] = Some(value);
                }
            }
            Statement::Block(inner) => self.block(frame, inner)?,
            Statement::If { condition, accept, reject } => {
                let condition = self.one(frame, *condition)?;
                let accept = self.inner(frame, accept)?;
                let reject = self.inner(frame, reject)?;
                self.list.push(Stmt::If(condition, accept, reject));
            }
            Statement::Switch { selector, cases } => self.switch(frame, *selector, cases)?,
            Statement::Loop { body, continuing, break_if } => {
                self.repeat(frame, body, continuing, *break_if)?;
            }
            Statement::Break => {
                let label = *frame.breaks.last().ok_or_else(|| CompileError::unsupported("a stray break"))?;
                self.jump(label);
            }
            Statement::Continue => {
                let label =
                    *frame.continues.last().ok_or_else(|| CompileError::unsupported("a stray continue"))?;
                self.jump(label);
            }
            Statement::Return { value } => {
                let value = match value {
                    Some(value) => Some(self.value(frame, *value)?),
                    None => None,
                };
                match frame.exit {
                    Some((label, result)) => {
                        if let (Some(var), Some(Value::Flat(values))) = (result, value) {
                            self.fill(var, &values)?;
                        }
                        self.jump(label);
                    }
                    None => frame.returned = value,
                }
            }
            Statement::ControlBarrier(barrier) => self.list.push(Stmt::Barrier(Orders {
                storage: barrier.contains(naga::Barrier::STORAGE),
                group: barrier.contains(naga::Barrier::WORK_GROUP),
                textures: barrier.contains(naga::Barrier::TEXTURE),
            })),
            // Within a workgroup, invocations run in turns that a barrier alone ends; other workgroups see atomics in order.
            Statement::MemoryBarrier(_) => {}
            Statement::Store { pointer, value } => {
                let place = self.place(frame, *pointer)?;
                let values = self.flat(frame, *value)?;
                self.touch(&place, self.access(&place, Access::Write), span)?;
                if self.is_atomic(place.shape) {
                    let at = self.at(&place, place.offset, Ty::I32);
                    self.atomic(AtomicOp::Store, at, values[0], NONE);
                } else {
                    self.store(&place, &values)?;
                }
            }
            Statement::ImageStore { image, coordinate, array_index, value } => {
                self.image_store(frame, (*image, *coordinate), *array_index, *value, span)?;
            }
            Statement::Atomic { pointer, fun, value, result } => {
                let place = self.place(frame, *pointer)?;
                self.touch(&place, Access::Atomic, span)?;
                self.atomic_statement(frame, *pointer, *fun, *value, *result)?;
            }
            Statement::WorkGroupUniformLoad { pointer, result } => {
                let place = self.place(frame, *pointer)?;
                let mut values = Vec::new();
                for (offset, ty) in self.scalars(&place)? {
                    let at = self.at(&place, offset, ty);
                    let value = self.ir.node(Node::Result(ty));
                    self.list.push(Stmt::UniformLoad(at, value));
                    values.push(value);
                }
                frame.values[result.index()] = Some(Value::Flat(values.into()));
            }
            Statement::Call { function, arguments, result } => {
                let mut given = Vec::new();
                for argument in arguments {
                    given.push(self.value(frame, *argument)?);
                }
                let value = match self.call_out(*function, &given)? {
                    None => self.call(&self.module.functions[*function], &self.info[*function], given)?,
                    value => value,
                };
                if let (Some(result), Some(value)) = (result, value) {
                    frame.values[result.index()] = Some(value);
                }
            }
            other => {
                let text = format!("{other:?}");
                let name = text.split([' ', '(', '{']).next().unwrap_or("").to_owned();
                return Err(CompileError::unsupported(format!("the statement {name}")));
            }
        }
        Ok(())
    }

    pub(super) fn atomic_statement(
        &mut self,
        frame: &mut Frame<'m>,
        pointer: Handle<Expression>,
        fun: AtomicFunction,
        value: Handle<Expression>,
        result: Option<Handle<Expression>>,
    ) -> Result<(), CompileError> {
        let place = self.place(frame, pointer)?;
        let signed = self.kind(frame, value)? == ScalarKind::Sint;
        let mut compare = NONE;
        let op = match fun {
            AtomicFunction::Add => AtomicOp::Add,
            AtomicFunction::Subtract => AtomicOp::Sub,
            AtomicFunction::And => AtomicOp::And,
            AtomicFunction::ExclusiveOr => AtomicOp::Xor,
            AtomicFunction::InclusiveOr => AtomicOp::Or,
            AtomicFunction::Min => {
                if signed {
                    AtomicOp::MinS
                } else {
                    AtomicOp::MinU
                }
            }
            AtomicFunction::Max => {
                if signed {
                    AtomicOp::MaxS
                } else {
                    AtomicOp::MaxU
                }
            }
            AtomicFunction::Exchange { compare: None } => AtomicOp::Exchange,
            AtomicFunction::Exchange { compare: Some(with) } => {
                compare = self.one(frame, with)?;
                AtomicOp::CompareExchange
            }
        };
        let value = self.one(frame, value)?;
        let at = self.at(&place, place.offset, Ty::I32);
        let old = self.atomic(op, at, value, compare);
        if let Some(result) = result {
            let mut flat = vec![old];
            if op == AtomicOp::CompareExchange {
                flat.push(self.bin(Bin::IEq, old, compare));
            }
            frame.values[result.index()] = Some(Value::Flat(flat.into()));
        }
        Ok(())
    }

    pub(super) fn jump(&mut self, label: Label) {
        let index = label as usize;
        if self.used.len() <= index {
            self.used.resize(index + 1, false);
        }
        self.used[index] = true;
        self.list.push(Stmt::Break(label));
    }

    /// A block around `inner`, if anything jumps to its end.
    pub(super) fn wrap(&mut self, label: Label, inner: Vec<Stmt>) {
        if self.used.get(label as usize).copied().unwrap_or(false) {
            self.list.push(Stmt::Block(label, inner));
        } else {
            self.list.extend(inner);
        }
    }

    pub(super) fn repeat(
        &mut self,
        frame: &mut Frame<'m>,
        body: &'m Block,
        continuing: &'m Block,
        break_if: Option<Handle<Expression>>,
    ) -> Result<(), CompileError> {
        let (end, next) = (self.ir.label(), self.ir.label());
        frame.breaks.push(end);
        frame.continues.push(next);
        let inner = self.inner(frame, body)?;
        frame.continues.pop();
        let before = std::mem::take(&mut self.list);
        self.wrap(next, inner);
        self.block(frame, continuing)?;
        if let Some(condition) = break_if {
            let condition = self.one(frame, condition)?;
            let around = std::mem::take(&mut self.list);
            self.jump(end);
            let leave = std::mem::replace(&mut self.list, around);
            self.list.push(Stmt::If(condition, leave, Vec::new()));
        }
        frame.breaks.pop();
        let turn = std::mem::replace(&mut self.list, before);
        self.wrap(end, vec![Stmt::Loop(turn)]);
        Ok(())
    }

    /// A switch: each case in an `if` of its own, on conditions that are all computed before.
    pub(super) fn switch(
        &mut self,
        frame: &mut Frame<'m>,
        selector: Handle<Expression>,
        cases: &'m [naga::SwitchCase],
    ) -> Result<(), CompileError> {
        let selector = self.one(frame, selector)?;
        let end = self.ir.label();
        let mut any = None;
        let mut conditions = Vec::new();
        for case in cases {
            let word = match case.value {
                SwitchValue::I32(value) => value as u32,
                SwitchValue::U32(value) => value,
                SwitchValue::Default => {
                    conditions.push(None);
                    continue;
                }
            };
            let word = self.word(word);
            let is_it = self.bin(Bin::IEq, selector, word);
            any = Some(match any {
                Some(before) => self.bin(Bin::BOr, before, is_it),
                None => is_it,
            });
            conditions.push(Some(is_it));
        }
        let otherwise = match any {
            Some(any) => self.un(Un::Not, any),
            None => self.emit(Node::Const(Ty::Bool, 1)),
        };
        let mut reached = None;
        let mut bodies = Vec::new();
        for (case, condition) in cases.iter().zip(conditions) {
            let condition = condition.unwrap_or(otherwise);
            let here = match reached {
                Some(before) => self.bin(Bin::BOr, before, condition),
                None => condition,
            };
            reached = case.fall_through.then_some(here);
            bodies.push((here, &case.body));
        }
        let before = std::mem::take(&mut self.list);
        frame.breaks.push(end);
        for (condition, body) in bodies {
            if body.is_empty() {
                continue;
            }
            let inner = self.inner(frame, body)?;
            self.list.push(Stmt::If(condition, inner, Vec::new()));
        }
        frame.breaks.pop();
        let inner = std::mem::replace(&mut self.list, before);
        self.wrap(end, inner);
        Ok(())
    }
}

/// Whether a `return` stands anywhere but at the very end.
pub(super) fn early_returns(block: &Block, at_end: bool) -> bool {
    let last = block.len().saturating_sub(1);
    block.iter().enumerate().any(|(index, statement)| {
        let at_end = at_end && index == last;
        match statement {
            Statement::Return { .. } => !at_end,
            Statement::Block(inner) => early_returns(inner, at_end),
            Statement::If { accept, reject, .. } => {
                early_returns(accept, false) || early_returns(reject, false)
            }
            Statement::Loop { body, continuing, .. } => {
                early_returns(body, false) || early_returns(continuing, false)
            }
            Statement::Switch { cases, .. } => cases.iter().any(|case| early_returns(&case.body, false)),
            _ => false,
        }
    })
}
