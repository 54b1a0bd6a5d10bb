//! Statements of the source. Their nesting is bounded by the check of the shader.

use super::function::{Class, Rewriter, Shape};
use super::opaque::shape_of;
use naga::{AtomicFunction, Block, Expression, Function, Handle, Statement, SwitchCase};

impl Rewriter<'_, '_, '_> {
    pub(super) fn statements(&mut self, block: &Block) -> Result<(), String> {
        for (statement, span) in block.span_iter() {
            let most = self.lower.most;
            if self.lower.written + self.new.expressions.len() > most {
                return Err(format!("lowered, it has more than {most} expressions"));
            }
            self.span = *span;
            self.statement(statement)?;
        }
        Ok(())
    }

    fn inner_block(&mut self, block: &Block) -> Result<Block, String> {
        self.nested(|this| this.statements(block)).map(|(block, ())| block)
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), String> {
        match *statement {
            Statement::Emit(ref range) => {
                for handle in range.clone() {
                    self.expression(handle)?;
                }
            }
            Statement::Block(ref inner) => {
                let inner = self.inner_block(inner)?;
                self.push(Statement::Block(inner));
            }
            Statement::If { condition, ref accept, ref reject } => {
                let condition = self.get(condition)?;
                let (accept, reject) = (self.inner_block(accept)?, self.inner_block(reject)?);
                self.push(Statement::If { condition, accept, reject });
            }
            Statement::Switch { selector, ref cases } => {
                let selector = self.get(selector)?;
                let mut lowered = Vec::with_capacity(cases.len());
                for case in cases {
                    let body = self.inner_block(&case.body)?;
                    lowered.push(SwitchCase { value: case.value, body, fall_through: case.fall_through });
                }
                self.push(Statement::Switch { selector, cases: lowered });
            }
            Statement::Loop { ref body, ref continuing, break_if } => {
                let body = self.inner_block(body)?;
                let continuing = self.inner_block(continuing)?;
                let break_if = break_if.map(|condition| self.get(condition)).transpose()?;
                self.push(Statement::Loop { body, continuing, break_if });
            }
            Statement::Break | Statement::Continue | Statement::ControlBarrier(_) => {
                self.push(statement.clone());
            }
            Statement::Return { value } => {
                let value = match (value, self.old.result.as_ref()) {
                    (Some(value), Some(result)) => {
                        let value = self.get(value)?;
                        Some(if self.library { value } else { self.stored(value, result.ty) })
                    }
                    _ => None,
                };
                self.push(Statement::Return { value });
            }
            Statement::Store { pointer, value } => self.store(pointer, value)?,
            Statement::Atomic { pointer, fun, value, result } => self.atomic(pointer, fun, value, result)?,
            Statement::WorkGroupUniformLoad { pointer, result } => self.uniform_load(pointer, result)?,
            Statement::ImageStore { image, coordinate, array_index, value } => {
                self.image_store(image, coordinate, array_index, value)?;
            }
            Statement::Call { function, ref arguments, result } => {
                self.call_statement(function, arguments, result)?;
            }
            ref other => return Err(format!("{} not exact", what(other))),
        }
        Ok(())
    }

    /// An atomic operation whose result nobody uses.
    fn atomic(
        &mut self,
        pointer: Handle<Expression>,
        fun: AtomicFunction,
        value: Handle<Expression>,
        result: Option<Handle<Expression>>,
    ) -> Result<(), String> {
        if matches!(fun, AtomicFunction::Exchange { .. }) {
            return Err("an exchange of an atomic is not exact".to_owned());
        }
        if result.is_some_and(|result| self.used[result.index()]) {
            return Err("the value that an atomic had before is not exact".to_owned());
        }
        let (place, new) = (self.get(pointer)?, self.get(value)?);
        if self.is_float(value) {
            return Err("atomics of floats are not exact".to_owned());
        }
        let result = match result {
            None => None,
            Some(_) => {
                let ty = self.ty(value);
                let expression = Expression::AtomicResult { ty, comparison: false };
                Some(self.name(expression, Shape::Scalar, Class::Zero))
            }
        };
        self.guarded_statement(pointer, Statement::Atomic { pointer: place, fun, value: new, result });
        Ok(())
    }

    fn call_statement(
        &mut self,
        function: Handle<Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
    ) -> Result<(), String> {
        let source = self.source;
        let callee = &source.functions[function];
        let mut values = Vec::with_capacity(arguments.len());
        if self.library {
            for argument in arguments {
                values.push(self.get(*argument)?);
            }
            let name = callee.name.as_deref().unwrap_or_default();
            let value = self.call(name, &values)?;
            if let Some(result) = result {
                self.map[result.index()] = Some(value);
            }
            return Ok(());
        }
        for (argument, declared) in arguments.iter().zip(&callee.arguments) {
            let value = self.get(*argument)?;
            values.push(self.stored(value, declared.ty));
        }
        let function =
            *self.lower.functions.get(function.index()).ok_or("a call of what stands behind it")?;
        let value = match (result, callee.result.as_ref()) {
            (Some(result), Some(declared)) => {
                let shape = shape_of(&source.types[declared.ty].inner);
                let class = self.class_of(declared.ty);
                let value = self.name(Expression::CallResult(function), shape, class);
                self.map[result.index()] = Some(value);
                Some(value)
            }
            _ => None,
        };
        self.push(Statement::Call { function, arguments: values, result: value });
        Ok(())
    }
}

fn what(statement: &Statement) -> &'static str {
    match statement {
        Statement::ImageAtomic { .. } => "atomics of textures are",
        Statement::SubgroupBallot { .. }
        | Statement::SubgroupGather { .. }
        | Statement::SubgroupCollectiveOperation { .. } => "operations on subgroups are",
        _ => "a statement of this kind is",
    }
}
