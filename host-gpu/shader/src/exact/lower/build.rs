//! Expressions and statements of the result.

use super::function::{Class, Known, Rewriter, Shape, Value};
use naga::{
    BinaryOperator, Block, Expression, Handle, Literal, MathFunction, Range, Scalar, ScalarKind, Statement,
    Type, TypeInner, VectorSize,
};

impl Rewriter<'_, '_, '_> {
    /// An expression that needs no `Emit`.
    pub(super) fn name(&mut self, expression: Expression, shape: Shape, class: Class) -> Value {
        let handle = self.new.expressions.append(expression, self.span);
        self.known.push(Known { shape, class });
        handle
    }

    /// An expression that is computed here.
    pub(super) fn emit(&mut self, expression: Expression, shape: Shape, class: Class) -> Value {
        let handle = self.name(expression, shape, class);
        // One statement for what is computed in a row.
        if let Some(Statement::Emit(range)) = self.block.last_mut() {
            let indices = range.index_range();
            if indices.end as usize == handle.index() {
                let longer = indices.start..indices.end + 1;
                *range = Range::from_index_range(longer, &self.new.expressions);
                return handle;
            }
        }
        self.push(Statement::Emit(Range::new_from_bounds(handle, handle)));
        handle
    }

    /// Does `work` at the start of the function.
    pub(super) fn before<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        std::mem::swap(&mut self.prelude, &mut self.block);
        let result = work(self);
        std::mem::swap(&mut self.prelude, &mut self.block);
        result
    }

    /// Does `work` in a block of its own.
    pub(super) fn nested<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<(Block, T), String> {
        let outer = std::mem::take(&mut self.block);
        let result = work(self);
        let block = std::mem::replace(&mut self.block, outer);
        Ok((block, result?))
    }

    pub(super) fn class(&self, value: Value) -> Class {
        self.known[value.index()].class
    }

    pub(super) fn shape_of(&self, value: Value) -> Shape {
        self.known[value.index()].shape
    }

    pub(super) fn word(&mut self, value: u32) -> Value {
        self.name(Expression::Literal(Literal::U32(value)), Shape::Scalar, Class::Zero)
    }

    pub(super) fn float(&mut self, value: f32) -> Value {
        let class = if value == 0.0 { Class::Zero } else { Class::Constant };
        self.name(Expression::Literal(Literal::F32(value)), Shape::Scalar, class)
    }

    /// As many copies of a scalar as `shape` has components.
    pub(super) fn splat(&mut self, value: Value, shape: Shape) -> Value {
        match (shape, self.shape_of(value)) {
            (Shape::Vector(size), Shape::Scalar) => {
                let class = self.class(value);
                self.emit(Expression::Splat { size, value }, shape, class)
            }
            _ => value,
        }
    }

    pub(super) fn words(&mut self, value: u32, shape: Shape) -> Value {
        let word = self.word(value);
        self.splat(word, shape)
    }

    pub(super) fn floats(&mut self, value: f32, shape: Shape) -> Value {
        let float = self.float(value);
        self.splat(float, shape)
    }

    /// An operation on integers or booleans, or a comparison.
    pub(super) fn binary(&mut self, op: BinaryOperator, left: Value, right: Value) -> Value {
        let shape = self.shape_of(left);
        self.emit(Expression::Binary { op, left, right }, shape, Class::Zero)
    }

    pub(super) fn select(&mut self, condition: Value, accept: Value, reject: Value) -> Value {
        let (shape, class) = (self.shape_of(accept), self.class(accept).min(self.class(reject)));
        self.emit(Expression::Select { condition, accept, reject }, shape, class)
    }

    /// The bits of a value as another kind of 32-bit numbers.
    pub(super) fn bitcast(&mut self, expr: Value, kind: ScalarKind) -> Value {
        let Known { shape, class } = self.known[expr.index()];
        self.emit(Expression::As { expr, kind, convert: None }, shape, class)
    }

    pub(super) fn native(&mut self, fun: MathFunction, arg: Value, arg1: Option<Value>) -> Value {
        let shape = self.shape_of(arg);
        self.emit(Expression::Math { fun, arg, arg1, arg2: None, arg3: None }, shape, Class::Zero)
    }

    /// A component of a vector, or a scalar itself.
    pub(super) fn component(&mut self, value: Value, index: u32) -> Value {
        match self.new.expressions[value] {
            Expression::Splat { value, .. } => return value,
            Expression::Compose { ref components, .. } => {
                if let Shape::Vector(size) = self.shape_of(value)
                    && components.len() == size as usize
                {
                    return components[index as usize];
                }
            }
            _ => {}
        }
        match self.shape_of(value) {
            Shape::Vector(_) => {
                let class = self.class(value);
                self.emit(Expression::AccessIndex { base: value, index }, Shape::Scalar, class)
            }
            _ => value,
        }
    }

    pub(super) fn compose(&mut self, ty: Handle<Type>, components: Vec<Value>) -> Value {
        let class = components.iter().map(|value| self.class(*value)).min().unwrap_or(Class::Zero);
        let shape = match self.lower.result.types[ty].inner {
            TypeInner::Vector { size, .. } => Shape::Vector(size),
            _ => Shape::Other,
        };
        self.emit(Expression::Compose { ty, components }, shape, class)
    }

    pub(super) fn vector(&mut self, size: VectorSize, scalar: Scalar, components: Vec<Value>) -> Value {
        let ty = self.lower.vector(size, scalar);
        self.compose(ty, components)
    }

    /// What `work` gives for each component of `values`, where scalars stand for all components.
    pub(super) fn each(
        &mut self,
        shape: Shape,
        scalar: Scalar,
        values: &[Value],
        mut work: impl FnMut(&mut Self, &[Value]) -> Result<Value, String>,
    ) -> Result<Value, String> {
        let Shape::Vector(size) = shape else { return work(self, values) };
        let mut components = Vec::with_capacity(size as usize);
        for index in 0..size as u32 {
            let arguments: Vec<Value> = values.iter().map(|value| self.component(*value, index)).collect();
            components.push(work(self, &arguments)?);
        }
        Ok(self.vector(size, scalar, components))
    }
}
