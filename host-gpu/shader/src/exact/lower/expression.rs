//! One expression of the source.

use super::function::{Class, Rewriter, Shape, Value};
use super::opaque::shape_of;
use naga::{
    AddressSpace, Binding, Expression, Handle, Literal, RelationalFunction, ScalarKind, Type, TypeInner,
};

impl Rewriter<'_, '_, '_> {
    /// An operand: what was computed, or what needs no computing.
    pub(super) fn get(&mut self, handle: Handle<Expression>) -> Result<Value, String> {
        if let Some(value) = self.map[handle.index()] {
            return Ok(value);
        }
        let value = match self.old.expressions[handle] {
            Expression::Literal(Literal::F32(value)) => self.float(value),
            Expression::Literal(literal) => {
                self.name(Expression::Literal(literal), Shape::Scalar, Class::Zero)
            }
            Expression::Constant(constant) => {
                let init = self.source.constants[constant].init;
                if self.library {
                    let Expression::Literal(literal) = self.source.global_expressions[init] else {
                        return Err("a constant of the library is no number".to_owned());
                    };
                    let class = Class::Constant;
                    self.name(Expression::Literal(literal), Shape::Scalar, class)
                } else {
                    let shape = shape_of(&self.source.types[self.source.constants[constant].ty].inner);
                    let class = self.constant_class(init);
                    self.name(Expression::Constant(constant), shape, class)
                }
            }
            Expression::ZeroValue(_) => {
                let (ty, shape) = (self.ty(handle), self.shape(handle));
                self.name(Expression::ZeroValue(ty), shape, Class::Zero)
            }
            Expression::FunctionArgument(index) => {
                let (shape, class) = (self.shape(handle), self.argument_class(index));
                self.name(Expression::FunctionArgument(index), shape, class)
            }
            ref name @ (Expression::GlobalVariable(_) | Expression::LocalVariable(_)) => {
                self.name(name.clone(), Shape::Other, Class::Zero)
            }
            _ => return Err("an operand has not been computed".to_owned()),
        };
        self.map[handle.index()] = Some(value);
        Ok(value)
    }

    fn argument_class(&self, index: u32) -> Class {
        let argument = self.old.arguments.get(index as usize);
        match argument {
            Some(argument) if !self.library && argument.binding.is_none() => self.class_of(argument.ty),
            Some(argument) if matches!(argument.binding, Some(Binding::Location { .. })) => Class::Opaque,
            _ => Class::Zero,
        }
    }

    /// Whether a constant may have a zero.
    fn constant_class(&self, init: Handle<Expression>) -> Class {
        match self.source.global_expressions[init] {
            Expression::Literal(Literal::F32(value)) if value != 0.0 => Class::Constant,
            _ => Class::Zero,
        }
    }

    /// Computes an expression here.
    pub(super) fn expression(&mut self, handle: Handle<Expression>) -> Result<(), String> {
        let around = std::mem::replace(&mut self.span, self.old.expressions.get_span(handle));
        let value = self.lowered(handle)?;
        self.span = around;
        self.map[handle.index()] = Some(value);
        Ok(())
    }

    fn lowered(&mut self, handle: Handle<Expression>) -> Result<Value, String> {
        let shape = self.shape(handle);
        match self.old.expressions[handle] {
            ref name if super::function::is_name(name) => self.get(handle),
            Expression::Compose { ref components, .. } => {
                let mut values = Vec::with_capacity(components.len());
                for component in components {
                    let value = self.get(*component)?;
                    values.push(self.without_zeros(value));
                }
                let ty = self.ty(handle);
                Ok(self.compose(ty, values))
            }
            Expression::Splat { value, .. } => {
                let value = self.get(value)?;
                let value = self.without_zeros(value);
                Ok(self.splat(value, shape))
            }
            Expression::Swizzle { size, vector, pattern } => {
                let vector = self.get(vector)?;
                let class = self.class(vector);
                Ok(self.emit(Expression::Swizzle { size, vector, pattern }, shape, class))
            }
            Expression::Access { base, index } => self.access(handle, base, index),
            Expression::AccessIndex { base, index } => self.access_index(handle, base, index),
            Expression::Load { pointer } => self.load(handle, pointer),
            Expression::Unary { op, expr } => {
                let expr = self.get(expr)?;
                let class = self.class(expr);
                Ok(self.emit(Expression::Unary { op, expr }, shape, class))
            }
            Expression::Binary { op, left, right } => self.operator(op, left, right),
            Expression::Select { condition, accept, reject } => {
                let (condition, accept) = (self.get(condition)?, self.get(accept)?);
                let reject = self.get(reject)?;
                let (accept, reject) = (self.without_zeros(accept), self.without_zeros(reject));
                Ok(self.select(condition, accept, reject))
            }
            Expression::Relational { fun, argument } => {
                if !matches!(fun, RelationalFunction::All | RelationalFunction::Any) {
                    return Err("tests for NaN and infinity are not exact".to_owned());
                }
                let argument = self.get(argument)?;
                Ok(self.emit(Expression::Relational { fun, argument }, shape, Class::Zero))
            }
            Expression::Math { fun, arg, arg1, arg2, arg3 } => {
                self.math(handle, fun, arg, [arg1, arg2, arg3])
            }
            Expression::As { expr, kind, convert } => self.conversion(handle, expr, kind, convert),
            Expression::ArrayLength(pointer) => {
                let pointer = self.get(pointer)?;
                Ok(self.emit(Expression::ArrayLength(pointer), shape, Class::Zero))
            }
            Expression::ImageLoad { image, coordinate, array_index, sample: None, level: None } => {
                self.image_load(image, coordinate, array_index)
            }
            Expression::ImageQuery { image, query } => self.image_query(handle, image, query),
            ref other => Err(format!("{} not exact", what(other))),
        }
    }

    /// A conversion, or the bits of one kind of number as another.
    fn conversion(
        &mut self,
        handle: Handle<Expression>,
        expr: Handle<Expression>,
        kind: ScalarKind,
        convert: Option<u8>,
    ) -> Result<Value, String> {
        let shape = self.shape(handle);
        let from = self.scalar(expr).map(|scalar| scalar.kind);
        let matrix = matches!(*self.inner(expr), TypeInner::Matrix { .. });
        if convert.is_some_and(|width| width != 4 && width != naga::BOOL_WIDTH) {
            return Err("numbers of other widths than 32 bits are not exact".to_owned());
        }
        let value = self.get(expr)?;
        let (from_float, to_float) = (from == Some(ScalarKind::Float), kind == ScalarKind::Float);
        if matrix || (from_float && to_float) || self.library {
            let (class, expression) = (self.class(value), Expression::As { expr: value, kind, convert });
            return Ok(if matrix || from_float && to_float {
                value
            } else {
                self.emit(expression, shape, class)
            });
        }
        let integer = matches!(kind, ScalarKind::Sint | ScalarKind::Uint);
        match (from, convert) {
            // Bits become visible.
            (Some(ScalarKind::Float), None) => {
                let bits = self.canonical_bits(value);
                Ok(if kind == ScalarKind::Uint { bits } else { self.bitcast(bits, kind) })
            }
            (Some(ScalarKind::Float), Some(_)) if integer && !self.lower.native.conversions => {
                let value = self.opaque(value);
                let (name, scalar) = match kind {
                    ScalarKind::Sint => ("fizz_f32_to_i32", naga::Scalar::I32),
                    _ => ("fizz_f32_to_u32", naga::Scalar::U32),
                };
                self.each(shape, scalar, &[value], |this, one| this.call(name, one))
            }
            (Some(ScalarKind::Bool), Some(_)) if to_float => {
                let (one, zero) = (self.floats(1.0, shape), self.floats(0.0, shape));
                let zero = self.opaque(zero);
                Ok(self.select(value, one, zero))
            }
            (Some(from @ (ScalarKind::Sint | ScalarKind::Uint)), _) if to_float => {
                let value = self.opaque_integer(value, from);
                Ok(self.emit(Expression::As { expr: value, kind, convert }, shape, Class::Opaque))
            }
            _ => Ok(self.emit(Expression::As { expr: value, kind, convert }, shape, Class::Zero)),
        }
    }

    /// What is known of a value that is loaded from where a pointer of the source points.
    pub(super) fn loaded_class(&self, pointer: Handle<Expression>) -> Class {
        let mut root = pointer;
        loop {
            match self.old.expressions[root] {
                Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => root = base,
                Expression::LocalVariable(variable) if !self.library => {
                    return self.class_of(self.old.local_variables[variable].ty);
                }
                Expression::GlobalVariable(variable) if !self.library => {
                    return match self.source.global_variables[variable].space {
                        AddressSpace::Private | AddressSpace::Function => Class::Zero,
                        _ => Class::Opaque,
                    };
                }
                _ => return Class::Zero,
            }
        }
    }

    /// The type of what a statement leaves behind.
    pub(super) fn result_type(&self, handle: Handle<Expression>) -> Option<Handle<Type>> {
        self.types[handle.index()].handle()
    }
}

/// The name of what no lowered module may have.
pub(super) fn what(expression: &Expression) -> &'static str {
    match expression {
        Expression::ImageSample { .. } | Expression::ImageLoad { .. } => "sampled textures are",
        Expression::Derivative { .. } => "derivatives are",
        Expression::Override(_) => "an override without a value is",
        Expression::SubgroupBallotResult | Expression::SubgroupOperationResult { .. } => {
            "operations on subgroups are"
        }
        _ => "an expression of this kind is",
    }
}
