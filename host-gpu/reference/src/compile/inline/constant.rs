//! Constants.

use super::super::CompileError;
use super::super::ir::{Node, Ty, Val};
use super::super::layout::{Shape, Unit};
use super::Inline;
use naga::{Expression, Handle, Literal, Type};
use std::rc::Rc;

impl<'m> Inline<'m> {
    /// A constant expression of the module.
    pub(in crate::compile) fn constant(
        &mut self,
        expression: Handle<Expression>,
    ) -> Result<Rc<[Val]>, CompileError> {
        self.deeper()?;
        let values = match &self.module.global_expressions[expression] {
            Expression::Literal(literal) => [self.literal(*literal)?].into(),
            Expression::Constant(constant) => self.constant(self.module.constants[*constant].init)?,
            Expression::ZeroValue(ty) => self.zero(*ty)?,
            Expression::Splat { size, value } => {
                let value = self.constant(*value)?;
                vec![value[0]; *size as usize].into()
            }
            Expression::Compose { ty, components } => {
                self.layouts.count(Shape::Type(*ty))?;
                let mut all = Vec::new();
                for component in components {
                    all.extend(self.constant(*component)?.iter());
                }
                all.into()
            }
            Expression::Swizzle { size, vector, pattern } => {
                let vector = self.constant(*vector)?;
                pattern[..*size as usize].iter().map(|at| vector[*at as usize]).collect()
            }
            other => {
                return Err(CompileError::unsupported(format!("the constant expression {other:?}")));
            }
        };
        self.depth -= 1;
        Ok(values)
    }

    pub(in crate::compile) fn zero(&mut self, ty: Handle<Type>) -> Result<Rc<[Val]>, CompileError> {
        let mut types = Vec::new();
        self.layouts.each(Shape::Type(ty), Unit::Leaves, 0, &mut |_, ty| types.push(ty))?;
        Ok(types.into_iter().map(|ty| self.ir.node(Node::Const(ty, 0))).collect())
    }

    pub(in crate::compile) fn literal(&mut self, literal: Literal) -> Result<Val, CompileError> {
        let (ty, bits) = match literal {
            Literal::F32(value) => (Ty::F32, value.to_bits()),
            Literal::U32(value) => (Ty::I32, value),
            Literal::I32(value) => (Ty::I32, value as u32),
            Literal::Bool(value) => (Ty::Bool, u32::from(value)),
            other => return Err(CompileError::unsupported(format!("the literal {other:?}"))),
        };
        Ok(self.ir.node(Node::Const(ty, bits)))
    }
}
