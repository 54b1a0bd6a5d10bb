//! Built-in functions, each with its order of operations.

use super::function::{Class, Rewriter, Shape, Value};
use super::matrix;
use naga::{BinaryOperator as Op, Expression, Handle, MathFunction as F, Scalar, ScalarKind, Type};

impl Rewriter<'_, '_, '_> {
    pub(super) fn math(
        &mut self,
        handle: Handle<Expression>,
        fun: F,
        arg: Handle<Expression>,
        rest: [Option<Handle<Expression>>; 3],
    ) -> Result<Value, String> {
        let mut values = vec![self.get(arg)?];
        for more in rest.into_iter().flatten() {
            values.push(self.get(more)?);
        }
        if self.library || !(self.is_float(arg) || self.is_float(handle)) {
            return Ok(self.integers(handle, fun, &values));
        }
        let shape = self.shape(handle);
        if let Some(name) = scalar_function(fun) {
            return self.library_call(name, shape, &values);
        }
        let arguments =
            [values[0], *values.get(1).unwrap_or(&values[0]), *values.get(2).unwrap_or(&values[0])];
        let [a, b, c] = arguments;
        match fun {
            F::Abs => {
                let class = self.class(a);
                let value = self.native(fun, a, None);
                self.known[value.index()].class = class;
                Ok(value)
            }
            F::Ceil | F::Floor | F::Trunc | F::Round => {
                let a = self.opaque(a);
                Ok(self.exact(fun, a, None))
            }
            F::Sqrt => self.square_root(a),
            F::Min | F::Max => self.extreme(fun, a, b),
            F::Clamp => {
                let lower = self.extreme(F::Max, a, b)?;
                self.extreme(F::Min, lower, c)
            }
            F::Saturate => {
                let (zero, one) = (self.floats(0.0, shape), self.floats(1.0, shape));
                let lower = self.extreme(F::Max, a, zero)?;
                self.extreme(F::Min, lower, one)
            }
            F::Fma => {
                let product = self.multiply(a, b);
                Ok(self.add(product, c))
            }
            F::Degrees | F::Radians => {
                let factor = if fun == F::Degrees { DEGREES } else { RADIANS };
                let factor = self.float(factor);
                Ok(self.multiply(a, factor))
            }
            F::Mix => self.mix(a, b, c),
            F::Step => {
                let condition = self.binary(Op::LessEqual, a, b);
                let (one, zero) = (self.floats(1.0, shape), self.floats(0.0, shape));
                let zero = self.opaque(zero);
                Ok(self.select(condition, one, zero))
            }
            F::SmoothStep => self.smooth_step(a, b, c),
            F::Ldexp => {
                let (a, b) = (self.opaque(a), self.opaque_integer(b, ScalarKind::Sint));
                self.each(shape, Scalar::F32, &[a, b], |this, one| this.call("fizz_ldexp", one))
            }
            F::Modf => self.modf(handle, a),
            F::Frexp => self.frexp(handle, a),
            F::Dot => Ok(self.dot(a, b)),
            F::Cross => Ok(self.cross(a, b)),
            F::Length => self.length(a),
            F::Distance => {
                let difference = self.subtract(a, b);
                self.length(difference)
            }
            F::Normalize => {
                let square = self.dot(a, a);
                let inverse = self.call("fizz_inverse_sqrt", &[square])?;
                Ok(self.multiply(a, inverse))
            }
            F::FaceForward => {
                let dot = self.dot(b, c);
                let zero = self.float(0.0);
                let condition = self.binary(Op::Less, dot, zero);
                let negative = self.negate(a);
                Ok(self.select(condition, a, negative))
            }
            F::Reflect => {
                let two = self.float(2.0);
                let dot = self.dot(b, a);
                let twice = self.multiply(two, dot);
                let along = self.multiply(twice, b);
                Ok(self.subtract(a, along))
            }
            F::Refract => self.refract(a, b, c),
            F::Transpose => match matrix::size(self.inner(arg)) {
                Some((columns, rows)) => Ok(self.transpose(a, columns, rows)),
                None => Err("a transpose of no matrix".to_owned()),
            },
            F::Determinant => match matrix::size(self.inner(arg)) {
                Some((columns, _)) => Ok(self.determinant(a, columns)),
                None => Err("a determinant of no matrix".to_owned()),
            },
            F::Outer => Ok(self.outer(a, b)),
            F::Pack4x8snorm => self.pack(a, "fizz_to_snorm8", 8),
            F::Pack4x8unorm => self.pack(a, "fizz_to_unorm8", 8),
            F::Pack2x16snorm => self.pack(a, "fizz_to_snorm16", 16),
            F::Pack2x16unorm => self.pack(a, "fizz_to_unorm16", 16),
            F::Pack2x16float => self.pack(a, "fizz_f32_to_f16", 16),
            F::Unpack4x8snorm => self.unpack(a, shape, "fizz_from_snorm8", 8),
            F::Unpack4x8unorm => self.unpack(a, shape, "fizz_from_unorm8", 8),
            F::Unpack2x16snorm => self.unpack(a, shape, "fizz_from_snorm16", 16),
            F::Unpack2x16unorm => self.unpack(a, shape, "fizz_from_unorm16", 16),
            F::Unpack2x16float => self.unpack(a, shape, "fizz_f16_to_f32", 16),
            _ => Err(format!("the built-in function {fun:?} is not exact")),
        }
    }

    /// A function of integers; or of the library, which uses only exact ones.
    fn integers(&mut self, handle: Handle<Expression>, fun: F, values: &[Value]) -> Value {
        let shape = self.shape(handle);
        if fun == F::Clamp {
            // As WGSL says; drivers leave open what comes out when the bounds are crossed.
            let low = self.native(F::Max, values[0], values.get(1).copied());
            return self.native(F::Min, low, values.get(2).copied());
        }
        match fun {
            F::Sign => {
                let (one, minus_one) = (self.signed_words(1, shape), self.signed_words(-1, shape));
                let low = self.native(F::Min, values[0], Some(one));
                return self.native(F::Max, low, Some(minus_one));
            }
            F::Pack4xI8 | F::Pack4xU8 | F::Pack4xI8Clamp | F::Pack4xU8Clamp => {
                return self.pack_bytes(fun, values[0]);
            }
            F::Unpack4xI8 | F::Unpack4xU8 => {
                let ty = self.ty(handle);
                return self.unpack_bytes(fun, values[0], ty);
            }
            _ => {}
        }
        let [arg1, arg2, arg3] = [1, 2, 3].map(|index| values.get(index).copied());
        self.emit(Expression::Math { fun, arg: values[0], arg1, arg2, arg3 }, shape, Class::Zero)
    }

    fn signed_words(&mut self, value: i32, shape: Shape) -> Value {
        let words = self.words(value.cast_unsigned(), shape);
        self.bitcast(words, ScalarKind::Sint)
    }

    /// Four integers as bytes of a word, the first one lowest.
    pub(super) fn pack_bytes(&mut self, fun: F, four: Value) -> Value {
        let shape = self.shape_of(four);
        let within = match fun {
            F::Pack4xI8Clamp => {
                let (low, high) = (self.signed_words(-128, shape), self.signed_words(127, shape));
                let above = self.native(F::Max, four, Some(low));
                self.native(F::Min, above, Some(high))
            }
            F::Pack4xU8Clamp => {
                let high = self.words(255, shape);
                self.native(F::Min, four, Some(high))
            }
            _ => four,
        };
        let words = self.bitcast(within, ScalarKind::Uint);
        let mask = self.words(255, shape);
        let bytes = self.binary(Op::And, words, mask);
        let mut packed = self.component(bytes, 0);
        for index in 1..4 {
            let (byte, places) = (self.component(bytes, index), self.word(8 * index));
            let moved = self.binary(Op::ShiftLeft, byte, places);
            packed = self.binary(Op::InclusiveOr, packed, moved);
        }
        packed
    }

    /// The bytes of a word as four integers.
    pub(super) fn unpack_bytes(&mut self, fun: F, word: Value, ty: Handle<Type>) -> Value {
        let kind = if fun == F::Unpack4xI8 { ScalarKind::Sint } else { ScalarKind::Uint };
        let mut bytes = Vec::with_capacity(4);
        for index in 0..4 {
            let (up, down) = (self.word(24 - 8 * index), self.word(24));
            let moved = self.binary(Op::ShiftLeft, word, up);
            let moved = self.bitcast(moved, kind);
            bytes.push(self.binary(Op::ShiftRight, moved, down));
        }
        self.compose(ty, bytes)
    }

    /// A function of floats that devices compute alike.
    fn exact(&mut self, fun: F, arg: Value, arg1: Option<Value>) -> Value {
        let value = self.native(fun, arg, arg1);
        self.known[value.index()].class = Class::Opaque;
        value
    }

    pub(super) fn square_root(&mut self, a: Value) -> Result<Value, String> {
        let a = self.opaque(a);
        if self.lower.native.sqrt {
            return Ok(self.native_sqrt(a));
        }
        let shape = self.shape_of(a);
        self.library_call("fizz_sqrt", shape, &[a])
    }

    /// The smaller or larger.
    fn extreme(&mut self, fun: F, a: Value, b: Value) -> Result<Value, String> {
        let shape = self.wider(a, b);
        if self.lower.native.min_max {
            let (a, b) = (self.splat(a, shape), self.splat(b, shape));
            return Ok(self.exact(fun, a, Some(b)));
        }
        let name = if fun == F::Min { "fizz_min" } else { "fizz_max" };
        self.library_call(name, shape, &[a, b])
    }

    /// a · (1 − c) + b · c.
    fn mix(&mut self, a: Value, b: Value, c: Value) -> Result<Value, String> {
        let shape = self.shape_of(c);
        let one = self.floats(1.0, shape);
        let rest = self.subtract(one, c);
        let (left, right) = (self.multiply(a, rest), self.multiply(b, c));
        Ok(self.add(left, right))
    }

    /// t · t · (3 − 2 · t) for t = saturate((c − a) / (b − a)).
    fn smooth_step(&mut self, a: Value, b: Value, c: Value) -> Result<Value, String> {
        let shape = self.shape_of(c);
        let (above, range) = (self.subtract(c, a), self.subtract(b, a));
        let quotient = self.divide(above, range)?;
        let (zero, one) = (self.floats(0.0, shape), self.floats(1.0, shape));
        let low = self.extreme(F::Max, quotient, zero)?;
        let t = self.extreme(F::Min, low, one)?;
        let (two, three) = (self.floats(2.0, shape), self.floats(3.0, shape));
        let twice = self.multiply(two, t);
        let factor = self.subtract(three, twice);
        let square = self.multiply(t, t);
        Ok(self.multiply(square, factor))
    }

    /// trunc(a), and a less that.
    fn modf(&mut self, handle: Handle<Expression>, a: Value) -> Result<Value, String> {
        let a = self.opaque(a);
        let whole = self.exact(F::Trunc, a, None);
        let fraction = self.subtract(a, whole);
        let ty = self.result_type(handle).ok_or("modf has no type")?;
        Ok(self.compose(ty, vec![fraction, whole]))
    }

    fn frexp(&mut self, handle: Handle<Expression>, a: Value) -> Result<Value, String> {
        let a = self.opaque(a);
        let shape = self.shape_of(a);
        let fraction = self.each(shape, Scalar::F32, &[a], |this, one| this.call("fizz_frexp_fract", one))?;
        let exponent = self.each(shape, Scalar::I32, &[a], |this, one| this.call("fizz_frexp_exp", one))?;
        let ty = self.result_type(handle).ok_or("frexp has no type")?;
        Ok(self.compose(ty, vec![fraction, exponent]))
    }

    /// a.y · b.z − a.z · b.y, and so on.
    fn cross(&mut self, a: Value, b: Value) -> Value {
        let mut parts = Vec::with_capacity(3);
        for (left, right) in [(1, 2), (2, 0), (0, 1)] {
            let (a1, b2) = (self.component(a, left), self.component(b, right));
            let (a2, b1) = (self.component(a, right), self.component(b, left));
            let (plus, minus) = (self.multiply(a1, b2), self.multiply(a2, b1));
            parts.push(self.subtract(plus, minus));
        }
        self.vector(naga::VectorSize::Tri, Scalar::F32, parts)
    }

    /// The root of the dot product with itself; of a scalar, what it is without its sign.
    fn length(&mut self, a: Value) -> Result<Value, String> {
        if self.shape_of(a) == Shape::Scalar {
            let a = self.opaque(a);
            return Ok(self.exact(F::Abs, a, None));
        }
        let square = self.dot(a, a);
        self.square_root(square)
    }

    /// 0 if k < 0, else c · a − (c · d + sqrt(k)) · b, for d = dot(b, a) and k = 1 − c · c · (1 − d · d).
    fn refract(&mut self, a: Value, b: Value, c: Value) -> Result<Value, String> {
        let one = self.float(1.0);
        let d = self.dot(b, a);
        let square = self.multiply(d, d);
        let sine = self.subtract(one, square);
        let ratio = self.multiply(c, c);
        let bent = self.multiply(ratio, sine);
        let k = self.subtract(one, bent);
        let root = self.square_root(k)?;
        let along = self.multiply(c, d);
        let factor = self.add(along, root);
        let (straight, normal) = (self.multiply(c, a), self.multiply(factor, b));
        let refracted = self.subtract(straight, normal);
        let zero = self.float(0.0);
        let condition = self.binary(Op::Less, k, zero);
        let shape = self.shape_of(refracted);
        let nothing = self.opaque(zero);
        let nothing = self.splat(nothing, shape);
        Ok(self.select(condition, nothing, refracted))
    }

    /// Bits of each component, the first ones lowest. `name` gives no more than `bits` bits.
    pub(super) fn pack(&mut self, vector: Value, name: &str, bits: u32) -> Result<Value, String> {
        let vector = self.opaque(vector);
        let mut word: Option<Value> = None;
        for index in 0..32 / bits {
            let component = self.component(vector, index);
            let mut part = self.call(name, &[component])?;
            if index > 0 {
                let by = self.word(index * bits);
                part = self.binary(Op::ShiftLeft, part, by);
            }
            word = Some(word.map_or(part, |word| self.binary(Op::InclusiveOr, word, part)));
        }
        word.ok_or_else(|| "a vector without components".to_owned())
    }

    /// What `name` gives for the bits of each component, the lowest first.
    pub(super) fn unpack(
        &mut self,
        word: Value,
        shape: Shape,
        name: &str,
        bits: u32,
    ) -> Result<Value, String> {
        let Shape::Vector(size) = shape else { return Err("a vector without components".to_owned()) };
        let word = self.opaque_word(word);
        let mut components = Vec::with_capacity(size as usize);
        for index in 0..size as u32 {
            let by = self.word(index * bits);
            let shifted = self.binary(Op::ShiftRight, word, by);
            let mask = self.word((1 << bits) - 1);
            let part = self.binary(Op::And, shifted, mask);
            components.push(self.call(name, &[part])?);
        }
        Ok(self.vector(size, Scalar { kind: ScalarKind::Float, width: 4 }, components))
    }
}

const DEGREES: f32 = 57.295_78;
const RADIANS: f32 = 0.017_453_292;

/// The library's function for a component.
fn scalar_function(fun: F) -> Option<&'static str> {
    Some(match fun {
        F::Cos => "fizz_cos",
        F::Cosh => "fizz_cosh",
        F::Sin => "fizz_sin",
        F::Sinh => "fizz_sinh",
        F::Tan => "fizz_tan",
        F::Tanh => "fizz_tanh",
        F::Acos => "fizz_acos",
        F::Asin => "fizz_asin",
        F::Atan => "fizz_atan",
        F::Atan2 => "fizz_atan2",
        F::Asinh => "fizz_asinh",
        F::Acosh => "fizz_acosh",
        F::Atanh => "fizz_atanh",
        F::Fract => "fizz_fract",
        F::Exp => "fizz_exp",
        F::Exp2 => "fizz_exp2",
        F::Log => "fizz_log",
        F::Log2 => "fizz_log2",
        F::Pow => "fizz_pow",
        F::Sign => "fizz_sign",
        F::InverseSqrt => "fizz_inverse_sqrt",
        F::QuantizeToF16 => "fizz_quantize_to_f16",
        _ => return None,
    })
}
