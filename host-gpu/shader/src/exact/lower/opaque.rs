//! Hiding constants.
//!
//! Mesa's code generator for processors replaces `x + 0` by `x` and `x * 0` by `0` where it sees a constant zero, whatever the modes say, and so forgets −0, infinity and
//! NaN. Constants travel through variables and calls, and a zero may come out of constants that are none. So nothing of floats that a driver could compute beforehand
//! is left: one operand of two that may be constants is hidden, and each that may be zero. To hide is to `xor` a word that is always 0, which only the host knows:
//! the last one of the immediates.

use super::function::{Class, Rewriter, Shape, Value};
use naga::{ArraySize, BinaryOperator, Expression, Handle, Literal, ScalarKind, Type, TypeInner};

/// Most parts of a variable whose every store is hidden; what is loaded from larger ones is.
const TRACKED: u64 = 64;

impl Rewriter<'_, '_, '_> {
    /// Whether what is in a variable of this type is never a constant that a driver knows.
    pub(super) fn is_tracked(&self, ty: Handle<Type>) -> bool {
        self.lower.size(ty).parts <= TRACKED
    }

    /// What is known of a value of this type that comes out of a variable or function.
    pub(super) fn class_of(&self, ty: Handle<Type>) -> Class {
        let float = self.lower.float_count(ty) > 0;
        if float && self.is_tracked(ty) { Class::Opaque } else { Class::Zero }
    }

    /// The value as it is put into a variable, passed or returned.
    pub(super) fn stored(&mut self, value: Value, ty: Handle<Type>) -> Value {
        if self.hides_zeros() && self.lower.float_count(ty) > 0 && self.is_tracked(ty) {
            self.hide(value, ty)
        } else {
            value
        }
    }

    /// The word that is 0.
    fn zero_word(&mut self) -> Value {
        if let Some(zero) = self.zeros[1] {
            return zero;
        }
        let variable = self.lower.slice();
        let zero = self.before(|this| {
            let base = this.name(Expression::GlobalVariable(variable), Shape::Other, Class::Opaque);
            let pointer = this.emit(Expression::AccessIndex { base, index: 3 }, Shape::Other, Class::Opaque);
            this.emit(Expression::Load { pointer }, Shape::Scalar, Class::Opaque)
        });
        self.zeros[1] = Some(zero);
        zero
    }

    fn zero_words(&mut self, shape: Shape) -> Value {
        let word = self.zero_word();
        let Shape::Vector(size) = shape else { return word };
        if let Some(zeros) = self.zeros[size as usize] {
            return zeros;
        }
        let zeros = self.before(|this| this.splat(word, shape));
        self.zeros[size as usize] = Some(zeros);
        zeros
    }

    /// The float that is 0.
    fn zero_float(&mut self) -> Value {
        if let Some(zero) = self.zero {
            return zero;
        }
        let word = self.zero_word();
        let zero = self.before(|this| this.bitcast(word, ScalarKind::Float));
        self.zero = Some(zero);
        zero
    }

    /// A scalar or vector of floats that no compiler takes for a constant.
    pub(super) fn opaque(&mut self, value: Value) -> Value {
        let shape = self.shape_of(value);
        if !self.hides_zeros() || self.class(value) == Class::Opaque || shape == Shape::Other {
            return value;
        }
        match self.new.expressions[value] {
            Expression::Literal(Literal::F32(zero)) if zero.to_bits() == 0 => return self.zero_float(),
            Expression::Splat { value: scalar, .. } => {
                let scalar = self.opaque(scalar);
                return self.splat(scalar, shape);
            }
            Expression::ZeroValue(_) => {
                let zero = self.zero_float();
                return self.splat(zero, shape);
            }
            _ => {}
        }
        let bits = self.bitcast(value, ScalarKind::Uint);
        let hidden = self.opaque_word(bits);
        self.bitcast(hidden, ScalarKind::Float)
    }

    /// The same of a `u32`, or of a vector of them.
    pub(super) fn opaque_word(&mut self, value: Value) -> Value {
        if !self.hides_zeros() || self.class(value) == Class::Opaque {
            return value;
        }
        let shape = self.shape_of(value);
        let zero = self.zero_words(shape);
        let expression = Expression::Binary { op: BinaryOperator::ExclusiveOr, left: value, right: zero };
        self.emit(expression, shape, Class::Opaque)
    }

    /// The same of an integer of either kind.
    pub(super) fn opaque_integer(&mut self, value: Value, kind: ScalarKind) -> Value {
        if !self.hides_zeros() || self.class(value) == Class::Opaque {
            return value;
        }
        if kind == ScalarKind::Uint {
            return self.opaque_word(value);
        }
        let bits = self.bitcast(value, ScalarKind::Uint);
        let hidden = self.opaque_word(bits);
        self.bitcast(hidden, kind)
    }

    /// The value with its literal zeros hidden, which costs nothing.
    pub(super) fn without_zeros(&mut self, value: Value) -> Value {
        match self.new.expressions[value] {
            Expression::Literal(Literal::F32(zero)) if zero.to_bits() == 0 => self.opaque(value),
            _ => value,
        }
    }

    /// The same of a value of any type with at most [`TRACKED`] parts.
    fn hide(&mut self, value: Value, ty: Handle<Type>) -> Value {
        if self.class(value) == Class::Opaque || self.lower.float_count(ty) == 0 {
            return value;
        }
        let is_zero = matches!(self.new.expressions[value], Expression::ZeroValue(_));
        match self.lower.result.types[ty].inner.clone() {
            TypeInner::Scalar(_) | TypeInner::Vector { .. } => {
                self.known[value.index()].shape = shape_of(&self.lower.result.types[ty].inner);
                self.opaque(value)
            }
            TypeInner::Matrix { columns, rows, scalar } => {
                let column = self.lower.vector(rows, scalar);
                self.hide_parts(value, ty, is_zero, vec![column; columns as usize])
            }
            TypeInner::Array { base, size: ArraySize::Constant(size), .. } => {
                if is_zero {
                    // All elements are one.
                    let zero = self.name(
                        Expression::ZeroValue(base),
                        shape_of(&self.lower.result.types[base].inner),
                        Class::Zero,
                    );
                    let element = self.hide(zero, base);
                    return self.compose(ty, vec![element; size.get() as usize]);
                }
                self.hide_parts(value, ty, false, vec![base; size.get() as usize])
            }
            TypeInner::Struct { members, .. } => {
                let parts = members.iter().map(|member| member.ty).collect();
                self.hide_parts(value, ty, is_zero, parts)
            }
            _ => value,
        }
    }

    fn hide_parts(
        &mut self,
        value: Value,
        ty: Handle<Type>,
        is_zero: bool,
        parts: Vec<Handle<Type>>,
    ) -> Value {
        let mut hidden = Vec::with_capacity(parts.len());
        for (index, part) in (0..).zip(parts) {
            let shape = shape_of(&self.lower.result.types[part].inner);
            let one = if is_zero {
                self.name(Expression::ZeroValue(part), shape, Class::Zero)
            } else {
                let class = self.class(value);
                self.emit(Expression::AccessIndex { base: value, index }, shape, class)
            };
            hidden.push(self.hide(one, part));
        }
        let value = self.compose(ty, hidden);
        // Parts that are no floats do not count.
        self.known[value.index()].class = Class::Opaque;
        value
    }
}

pub(super) fn shape_of(inner: &TypeInner) -> Shape {
    match *inner {
        TypeInner::Scalar(_) => Shape::Scalar,
        TypeInner::Vector { size, .. } => Shape::Vector(size),
        _ => Shape::Other,
    }
}
