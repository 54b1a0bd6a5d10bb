//! Operators.

use super::function::{Class, Rewriter, Shape, Value};
use naga::{BinaryOperator as Op, Expression, Handle, Literal, Scalar, ScalarKind, TypeInner, UnaryOperator};

impl Rewriter<'_, '_, '_> {
    pub(super) fn operator(
        &mut self,
        op: Op,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Result<Value, String> {
        let (a, b) = (self.get(left)?, self.get(right)?);
        let matrix = |inner: &TypeInner| matches!(inner, TypeInner::Matrix { .. });
        if matrix(self.inner(left)) || matrix(self.inner(right)) {
            return self.matrix(op, left, right);
        }
        if self.is_float(left) {
            return self.floats_operator(op, a, b);
        }
        match op {
            Op::ShiftLeft | Op::ShiftRight if !self.library && !self.lower.native.shifts => {
                let amount = self.shift_amount(b);
                Ok(self.binary(op, a, amount))
            }
            _ => {
                // A vector and a scalar.
                let shape = self.wider(a, b);
                let (a, b) = (self.splat(a, shape), self.splat(b, shape));
                Ok(self.binary(op, a, b))
            }
        }
    }

    /// The amount modulo 32.
    fn shift_amount(&mut self, amount: Value) -> Value {
        let known = match self.new.expressions[amount] {
            Expression::Splat { value, .. } => value,
            _ => amount,
        };
        if let Expression::Literal(Literal::U32(0..32)) = self.new.expressions[known] {
            return amount;
        }
        let shape = self.shape_of(amount);
        let mask = self.words(31, shape);
        self.binary(Op::And, amount, mask)
    }

    /// The shape of what comes out of two values, of which one may be a scalar.
    pub(super) fn wider(&self, a: Value, b: Value) -> Shape {
        match (self.shape_of(a), self.shape_of(b)) {
            (Shape::Scalar, shape) | (shape, _) => shape,
        }
    }

    /// An operator on scalars or vectors of floats.
    fn floats_operator(&mut self, op: Op, a: Value, b: Value) -> Result<Value, String> {
        let shape = self.wider(a, b);
        match op {
            Op::Add | Op::Subtract | Op::Multiply => {
                let (a, b) = (self.splat(a, shape), self.splat(b, shape));
                Ok(self.arithmetic(op, a, b))
            }
            Op::Divide => self.divide(a, b),
            Op::Modulo if self.library => Err("the library has a remainder".to_owned()),
            Op::Modulo => self.library_call("fizz_rem", shape, &[a, b]),
            Op::NotEqual => {
                // naga writes a comparison that is false for NaN.
                let equal = self.binary(Op::Equal, a, b);
                Ok(self.emit(
                    Expression::Unary { op: UnaryOperator::LogicalNot, expr: equal },
                    shape,
                    Class::Zero,
                ))
            }
            Op::Equal | Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
                Ok(self.binary(op, a, b))
            }
            _ => Err("an operator that floats do not have".to_owned()),
        }
    }

    pub(super) fn divide(&mut self, a: Value, b: Value) -> Result<Value, String> {
        let shape = self.wider(a, b);
        if self.lower.native.divide {
            let (a, b) = (self.splat(a, shape), self.splat(b, shape));
            return Ok(self.arithmetic(Op::Divide, a, b));
        }
        self.library_call("fizz_div", shape, &[a, b])
    }

    /// A sum, difference, product or quotient of scalars or vectors of one shape, of which a driver cannot know a zero beforehand, nor the result.
    pub(super) fn arithmetic(&mut self, op: Op, mut a: Value, mut b: Value) -> Value {
        if self.hides_zeros() {
            if self.class(a) == Class::Zero {
                a = self.opaque(a);
            }
            if self.class(b) == Class::Zero {
                b = self.opaque(b);
            }
            if self.class(a) != Class::Opaque && self.class(b) != Class::Opaque {
                a = self.opaque(a);
            }
        }
        let shape = self.shape_of(a);
        self.emit(Expression::Binary { op, left: a, right: b }, shape, Class::Opaque)
    }

    pub(super) fn add(&mut self, a: Value, b: Value) -> Value {
        self.arithmetic(Op::Add, a, b)
    }

    pub(super) fn subtract(&mut self, a: Value, b: Value) -> Value {
        self.arithmetic(Op::Subtract, a, b)
    }

    pub(super) fn multiply(&mut self, a: Value, b: Value) -> Value {
        let shape = self.wider(a, b);
        let (a, b) = (self.splat(a, shape), self.splat(b, shape));
        self.arithmetic(Op::Multiply, a, b)
    }

    pub(super) fn negate(&mut self, expr: Value) -> Value {
        let (shape, class) = (self.shape_of(expr), self.class(expr));
        self.emit(Expression::Unary { op: UnaryOperator::Negate, expr }, shape, class)
    }

    /// A function of the library, component by component, of values that a driver does not know.
    pub(super) fn library_call(
        &mut self,
        name: &str,
        shape: Shape,
        values: &[Value],
    ) -> Result<Value, String> {
        let values: Vec<Value> = values.iter().map(|value| self.opaque(*value)).collect();
        self.each(shape, Scalar::F32, &values, |this, components| this.call(name, components))
    }

    /// Products of the components, added from the first to the last.
    pub(super) fn dot(&mut self, a: Value, b: Value) -> Value {
        let products = self.multiply(a, b);
        let Shape::Vector(size) = self.shape_of(products) else { return products };
        let mut sum = self.component(products, 0);
        for index in 1..size as u32 {
            let product = self.component(products, index);
            sum = self.add(sum, product);
        }
        sum
    }

    /// The bits of floats, of a NaN the canonical ones.
    pub(super) fn canonical_bits(&mut self, value: Value) -> Value {
        let shape = self.shape_of(value);
        let bits = self.bitcast(value, ScalarKind::Uint);
        let (mask, infinity) = (self.words(0x7fff_ffff, shape), self.words(0x7f80_0000, shape));
        let size = self.binary(Op::And, bits, mask);
        let is_nan = self.binary(Op::Greater, size, infinity);
        let nan = self.words(0x7fc0_0000, shape);
        self.select(is_nan, nan, bits)
    }
}
