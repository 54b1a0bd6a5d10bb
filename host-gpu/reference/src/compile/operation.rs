//! Operations of naga on composites, as operations on their scalars.

use super::CompileError;
use super::inline::{Frame, Inline};
use super::ir::{Bin, Node, Ty, Un, Val};
use naga::{
    BinaryOperator, Expression, Handle, MathFunction, RelationalFunction, ScalarKind, TypeInner,
    UnaryOperator,
};
use std::rc::Rc;

type Flat = Rc<[Val]>;

impl<'m> Inline<'m> {
    /// The kind of number that an expression is or is made of.
    pub(super) fn kind(&self, frame: &Frame<'m>, of: Handle<Expression>) -> Result<ScalarKind, CompileError> {
        let inner = frame.info[of].ty.inner_with(&self.module.types);
        match inner {
            TypeInner::Scalar(scalar)
            | TypeInner::Vector { scalar, .. }
            | TypeInner::Matrix { scalar, .. }
            | TypeInner::Atomic(scalar) => {
                super::layout::scalar(*scalar)?;
                Ok(scalar.kind)
            }
            other => Err(CompileError::unsupported(format!("an operation on {other:?}"))),
        }
    }

    fn is_matrix(&self, frame: &Frame<'m>, of: Handle<Expression>) -> bool {
        matches!(frame.info[of].ty.inner_with(&self.module.types), TypeInner::Matrix { .. })
    }

    fn is_scalar(&self, frame: &Frame<'m>, of: Handle<Expression>) -> bool {
        matches!(frame.info[of].ty.inner_with(&self.module.types), TypeInner::Scalar(_))
    }

    pub(super) fn operation(
        &mut self,
        frame: &mut Frame<'m>,
        expression: Handle<Expression>,
    ) -> Result<Flat, CompileError> {
        let function = frame.function;
        Ok(match function.expressions[expression] {
            Expression::Literal(literal) => [self.literal(literal)?].into(),
            Expression::Constant(constant) => self.constant(self.module.constants[constant].init)?,
            Expression::ZeroValue(ty) => self.zero(ty)?,
            Expression::Compose { ref components, .. } => {
                let mut all = Vec::new();
                for component in components {
                    all.extend(self.flat(frame, *component)?.iter());
                }
                all.into()
            }
            Expression::Splat { size, value } => {
                let value = self.flat(frame, value)?;
                vec![value[0]; size as usize].into()
            }
            Expression::Swizzle { size, vector, pattern } => {
                let vector = self.flat(frame, vector)?;
                pattern[..size as usize].iter().map(|at| vector[*at as usize]).collect()
            }
            Expression::Unary { op, expr } => {
                let kind = self.kind(frame, expr)?;
                let values = self.flat(frame, expr)?;
                let zero = self.word(0);
                self.each(&values, |inline, value| match (op, kind) {
                    (UnaryOperator::Negate, ScalarKind::Float) => inline.un(Un::FNeg, value),
                    (UnaryOperator::Negate, _) => inline.bin(Bin::ISub, zero, value),
                    (UnaryOperator::LogicalNot, _) => inline.un(Un::Not, value),
                    (UnaryOperator::BitwiseNot, _) => inline.un(Un::INot, value),
                })
            }
            Expression::Binary { op, left, right } => self.binary(frame, op, left, right)?,
            Expression::Select { condition, accept, reject } => {
                let condition = self.flat(frame, condition)?;
                let (accept, reject) = (self.flat(frame, accept)?, self.flat(frame, reject)?);
                (0..accept.len())
                    .map(|at| {
                        let condition = condition[if condition.len() == 1 { 0 } else { at }];
                        self.emit(Node::Sel(condition, accept[at], reject[at]))
                    })
                    .collect()
            }
            Expression::Relational { fun, argument } => {
                let op = match fun {
                    RelationalFunction::All => Bin::BAnd,
                    RelationalFunction::Any => Bin::BOr,
                    other => return Err(CompileError::unsupported(format!("the function {other:?}"))),
                };
                let values = self.flat(frame, argument)?;
                let mut all = values[0];
                for value in &values[1..] {
                    all = self.bin(op, all, *value);
                }
                [all].into()
            }
            Expression::Math { fun, arg, arg1, arg2, arg3 } => {
                let kind = self.kind(frame, arg)?;
                let mut given = Vec::new();
                for argument in [Some(arg), arg1, arg2, arg3].into_iter().flatten() {
                    given.push(self.flat(frame, argument)?);
                }
                self.math(fun, kind, &given)?
            }
            Expression::As { expr, kind: to, convert } => {
                let from = self.kind(frame, expr)?;
                let values = self.flat(frame, expr)?;
                if convert.is_some_and(|width| width != 4 && to != ScalarKind::Bool) {
                    return Err(CompileError::unsupported("a conversion to another width"));
                }
                self.convert(&values, from, to, convert.is_none())
            }
            ref other => {
                let text = format!("{other:?}");
                let name = text.split([' ', '(', '{']).next().unwrap_or("").to_owned();
                return Err(CompileError::unsupported(format!("the expression {name}")));
            }
        })
    }

    fn each(&mut self, values: &[Val], mut one: impl FnMut(&mut Self, Val) -> Val) -> Flat {
        values.iter().map(|value| one(self, *value)).collect()
    }

    /// Applies an operation componentwise; a scalar goes with each component.
    fn zip(&mut self, a: &Flat, b: &Flat, mut one: impl FnMut(&mut Self, Val, Val) -> Val) -> Flat {
        let at = |values: &Flat, index: usize| values[if values.len() == 1 { 0 } else { index }];
        (0..a.len().max(b.len())).map(|index| one(self, at(a, index), at(b, index))).collect()
    }

    fn binary(
        &mut self,
        frame: &mut Frame<'m>,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Result<Flat, CompileError> {
        let kind = self.kind(frame, left)?;
        if op == BinaryOperator::Multiply {
            let product = |inline: &Self, a, b| inline.is_matrix(frame, a) && !inline.is_scalar(frame, b);
            if product(self, left, right) || product(self, right, left) {
                return Err(CompileError::unsupported("a matrix product"));
            }
        }
        let (a, b) = (self.flat(frame, left)?, self.flat(frame, right)?);
        Ok(self.zip(&a, &b, |inline, a, b| inline.scalar_binary(op, kind, a, b)))
    }

    fn scalar_binary(&mut self, op: BinaryOperator, kind: ScalarKind, a: Val, b: Val) -> Val {
        use BinaryOperator as Op;
        let float = kind == ScalarKind::Float;
        let signed = kind == ScalarKind::Sint;
        let logic = kind == ScalarKind::Bool;
        let by = |f: Bin, s: Bin, u: Bin| {
            if float {
                f
            } else if signed {
                s
            } else {
                u
            }
        };
        let (op, a, b) = match op {
            Op::Add => (by(Bin::FAdd, Bin::IAdd, Bin::IAdd), a, b),
            Op::Subtract => (by(Bin::FSub, Bin::ISub, Bin::ISub), a, b),
            Op::Multiply => (by(Bin::FMul, Bin::IMul, Bin::IMul), a, b),
            Op::Divide => (by(Bin::FDiv, Bin::DivS, Bin::DivU), a, b),
            Op::Modulo if float => {
                let quotient = self.bin(Bin::FDiv, a, b);
                let whole = self.un(Un::FTrunc, quotient);
                let product = self.bin(Bin::FMul, b, whole);
                (Bin::FSub, a, product)
            }
            Op::Modulo => (by(Bin::FSub, Bin::RemS, Bin::RemU), a, b),
            Op::Equal if logic => {
                let differ = self.bin(Bin::BXor, a, b);
                return self.un(Un::Not, differ);
            }
            Op::NotEqual if logic => (Bin::BXor, a, b),
            Op::Equal => (by(Bin::FEq, Bin::IEq, Bin::IEq), a, b),
            Op::NotEqual => (by(Bin::FNe, Bin::INe, Bin::INe), a, b),
            Op::Less => (by(Bin::FLt, Bin::LtS, Bin::LtU), a, b),
            Op::LessEqual => (by(Bin::FLe, Bin::LeS, Bin::LeU), a, b),
            Op::Greater => (by(Bin::FLt, Bin::LtS, Bin::LtU), b, a),
            Op::GreaterEqual => (by(Bin::FLe, Bin::LeS, Bin::LeU), b, a),
            Op::And if logic => (Bin::BAnd, a, b),
            Op::InclusiveOr if logic => (Bin::BOr, a, b),
            Op::ExclusiveOr if logic => (Bin::BXor, a, b),
            Op::And => (Bin::And, a, b),
            Op::InclusiveOr => (Bin::Or, a, b),
            Op::ExclusiveOr => (Bin::Xor, a, b),
            Op::LogicalAnd => (Bin::BAnd, a, b),
            Op::LogicalOr => (Bin::BOr, a, b),
            Op::ShiftLeft => (Bin::Shl, a, b),
            Op::ShiftRight => (if signed { Bin::ShrS } else { Bin::ShrU }, a, b),
        };
        self.bin(op, a, b)
    }

    fn convert(&mut self, values: &Flat, from: ScalarKind, to: ScalarKind, bits: bool) -> Flat {
        use ScalarKind::{Bool, Float, Sint, Uint};
        let zero = self.word(0);
        let float_zero = self.emit(Node::Const(Ty::F32, 0));
        self.each(values, |inline, value| match (from, to) {
            (Float, Sint | Uint) if bits => inline.un(Un::FloatBits, value),
            (Sint | Uint, Float) if bits => inline.un(Un::BitsFloat, value),
            (Float, Sint) => inline.un(Un::FloatToI, value),
            (Float, Uint) => inline.un(Un::FloatToU, value),
            (Float, Bool) => inline.bin(Bin::FNe, value, float_zero),
            (Sint, Float) => inline.un(Un::IToFloat, value),
            (Uint, Float) => inline.un(Un::UToFloat, value),
            (Sint | Uint, Bool) => inline.bin(Bin::INe, value, zero),
            (Bool, Float) => {
                let word = inline.un(Un::BoolToI, value);
                inline.un(Un::IToFloat, word)
            }
            (Bool, Sint | Uint) => inline.un(Un::BoolToI, value),
            _ => value,
        })
    }

    fn math(&mut self, fun: MathFunction, kind: ScalarKind, given: &[Flat]) -> Result<Flat, CompileError> {
        use MathFunction as F;
        let a = &given[0];
        let float = kind == ScalarKind::Float;
        let signed = kind == ScalarKind::Sint;
        let by = |f: Bin, s: Bin, u: Bin| {
            if float {
                f
            } else if signed {
                s
            } else {
                u
            }
        };
        let (min, max) = (by(Bin::FMin, Bin::MinS, Bin::MinU), by(Bin::FMax, Bin::MaxS, Bin::MaxU));
        let unary = match fun {
            F::Abs if float => Some(Un::FAbs),
            F::Abs if signed => Some(Un::IAbs),
            F::Abs => return Ok(a.clone()),
            F::Ceil => Some(Un::FCeil),
            F::Floor => Some(Un::FFloor),
            F::Trunc => Some(Un::FTrunc),
            F::Round => Some(Un::FNearest),
            F::Sqrt => Some(Un::FSqrt),
            F::CountOneBits => Some(Un::Popcount),
            F::CountLeadingZeros => Some(Un::Clz),
            _ => None,
        };
        if let Some(op) = unary {
            return Ok(self.each(a, |inline, value| inline.un(op, value)));
        }
        Ok(match fun {
            F::Min => self.zip(a, &given[1], |inline, a, b| inline.bin(min, a, b)),
            F::Max => self.zip(a, &given[1], |inline, a, b| inline.bin(max, a, b)),
            F::Clamp => {
                let above = self.zip(a, &given[1], |inline, a, b| inline.bin(max, a, b));
                self.zip(&above, &given[2], |inline, a, b| inline.bin(min, a, b))
            }
            F::Fma => {
                let product = self.zip(a, &given[1], |inline, a, b| inline.bin(Bin::FMul, a, b));
                self.zip(&product, &given[2], |inline, a, b| inline.bin(Bin::FAdd, a, b))
            }
            F::Dot => {
                let (add, multiply) = if float { (Bin::FAdd, Bin::FMul) } else { (Bin::IAdd, Bin::IMul) };
                let products = self.zip(a, &given[1], |inline, a, b| inline.bin(multiply, a, b));
                let mut sum = products[0];
                for product in &products[1..] {
                    sum = self.bin(add, sum, *product);
                }
                [sum].into()
            }
            F::Dot4I8Packed => [self.bin(Bin::Dot4S, a[0], given[1][0])].into(),
            F::Dot4U8Packed => [self.bin(Bin::Dot4U, a[0], given[1][0])].into(),
            F::CountTrailingZeros => self.each(a, |inline, value| {
                let (one, width) = (inline.word(1), inline.word(32));
                let (before, not) = (inline.bin(Bin::ISub, value, one), inline.un(Un::INot, value));
                let zeros = inline.bin(Bin::And, not, before);
                let leading = inline.un(Un::Clz, zeros);
                inline.bin(Bin::ISub, width, leading)
            }),
            F::FirstTrailingBit => self.each(a, |inline, value| {
                let (zero, top) = (inline.word(0), inline.word(31));
                let negative = inline.bin(Bin::ISub, zero, value);
                let lowest = inline.bin(Bin::And, value, negative);
                let leading = inline.un(Un::Clz, lowest);
                inline.bin(Bin::ISub, top, leading)
            }),
            F::FirstLeadingBit => self.each(a, |inline, value| {
                let top = inline.word(31);
                let mut bits = value;
                if signed {
                    let sign = inline.bin(Bin::ShrS, value, top);
                    bits = inline.bin(Bin::Xor, value, sign);
                }
                let leading = inline.un(Un::Clz, bits);
                inline.bin(Bin::ISub, top, leading)
            }),
            F::ReverseBits => self.each(a, Self::reverse_bits),
            F::ExtractBits => {
                let (offset, count) = (given[1][0], given[2][0]);
                self.each(a, |inline, value| inline.extract_bits(value, offset, count, signed))
            }
            F::InsertBits => {
                let (offset, count) = (given[2][0], given[3][0]);
                self.zip(a, &given[1], |inline, value, new| inline.insert_bits(value, new, offset, count))
            }
            other => return Err(CompileError::unsupported(format!("the function {other:?}"))),
        })
    }

    fn reverse_bits(&mut self, value: Val) -> Val {
        let mut value = value;
        for (shift, mask) in
            [(1, 0x5555_5555), (2, 0x3333_3333), (4, 0x0f0f_0f0f), (8, 0x00ff_00ff), (16, 0x0000_ffff)]
        {
            let (shift, mask) = (self.word(shift), self.word(mask));
            let right = self.bin(Bin::ShrU, value, shift);
            let right = self.bin(Bin::And, right, mask);
            let left = self.bin(Bin::And, value, mask);
            let left = self.bin(Bin::Shl, left, shift);
            value = self.bin(Bin::Or, left, right);
        }
        value
    }

    /// `offset` and `count` within the word, as WGSL clamps them.
    fn field(&mut self, offset: Val, count: Val) -> (Val, Val) {
        let width = self.word(32);
        let offset = self.bin(Bin::MinU, offset, width);
        let left = self.bin(Bin::ISub, width, offset);
        (offset, self.bin(Bin::MinU, count, left))
    }

    fn extract_bits(&mut self, value: Val, offset: Val, count: Val, signed: bool) -> Val {
        let (offset, count) = self.field(offset, count);
        let (width, zero) = (self.word(32), self.word(0));
        let unused = self.bin(Bin::ISub, width, count);
        let above = self.bin(Bin::ISub, unused, offset);
        let top = self.bin(Bin::Shl, value, above);
        let field = self.bin(if signed { Bin::ShrS } else { Bin::ShrU }, top, unused);
        let empty = self.bin(Bin::IEq, count, zero);
        self.emit(Node::Sel(empty, zero, field))
    }

    fn insert_bits(&mut self, value: Val, new: Val, offset: Val, count: Val) -> Val {
        let (offset, count) = self.field(offset, count);
        let (width, zero, ones) = (self.word(32), self.word(0), self.word(u32::MAX));
        let unused = self.bin(Bin::ISub, width, count);
        let mask = self.bin(Bin::ShrU, ones, unused);
        let mask = self.bin(Bin::Shl, mask, offset);
        let moved = self.bin(Bin::Shl, new, offset);
        let differ = self.bin(Bin::Xor, value, moved);
        let change = self.bin(Bin::And, differ, mask);
        let inserted = self.bin(Bin::Xor, value, change);
        let empty = self.bin(Bin::IEq, count, zero);
        self.emit(Node::Sel(empty, value, inserted))
    }
}
