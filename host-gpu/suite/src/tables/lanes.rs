//! Operations on all lanes of a block at once.

use naga::{BinaryOperator as Op, MathFunction as F, ScalarKind as Kind, UnaryOperator};

/// Lanes of a register.
pub(crate) const LANES: usize = 512;
pub(crate) type Lanes = [u32; LANES];

/// A function of a lane as one of all lanes.
macro_rules! each {
    (|$a:ident| $value:expr) => {
        |from: &Lanes, to: &mut Lanes| {
            for (to, from) in to.iter_mut().zip(from) {
                let $a = *from;
                *to = $value;
            }
        }
    };
    (|$a:ident, $b:ident| $value:expr) => {
        |left: &Lanes, right: &Lanes, to: &mut Lanes| {
            for ((to, left), right) in to.iter_mut().zip(left).zip(right) {
                let ($a, $b) = (*left, *right);
                *to = $value;
            }
        }
    };
}
macro_rules! floats {
    (|$a:ident| $value:expr) => {
        each!(|a| {
            let $a = f32::from_bits(a);
            f32::to_bits($value)
        })
    };
    (|$a:ident, $b:ident| $value:expr) => {
        each!(|a, b| {
            let ($a, $b) = (f32::from_bits(a), f32::from_bits(b));
            f32::to_bits($value)
        })
    };
}
/// A comparison: all bits or none.
macro_rules! compare {
    ($kind:expr, $op:tt) => {
        match $kind {
            Kind::Float => each!(|a, b| u32::from(f32::from_bits(a) $op f32::from_bits(b)).wrapping_neg()),
            Kind::Sint => each!(|a, b| u32::from((a as i32) $op (b as i32)).wrapping_neg()),
            _ => each!(|a, b| u32::from(a $op b).wrapping_neg()),
        }
    };
}

pub(crate) type One = fn(&Lanes, &mut Lanes);
pub(crate) type Two = fn(&Lanes, &Lanes, &mut Lanes);

pub(crate) fn unary(op: UnaryOperator, kind: Kind) -> One {
    match (op, kind) {
        (UnaryOperator::Negate, Kind::Float) => each!(|a| a ^ 0x8000_0000),
        (UnaryOperator::Negate, Kind::Sint) => each!(|a| a.wrapping_neg()),
        (UnaryOperator::LogicalNot | UnaryOperator::BitwiseNot, _) => each!(|a| !a),
        other => panic!("the library has {other:?}"),
    }
}

pub(crate) fn binary(op: Op, kind: Kind) -> (Two, Kind) {
    let float = kind == Kind::Float;
    let compute: Two = match op {
        Op::Add if float => floats!(|a, b| a + b),
        Op::Subtract if float => floats!(|a, b| a - b),
        Op::Multiply if float => floats!(|a, b| a * b),
        Op::Add => each!(|a, b| a.wrapping_add(b)),
        Op::Subtract => each!(|a, b| a.wrapping_sub(b)),
        Op::Multiply => each!(|a, b| a.wrapping_mul(b)),
        Op::And | Op::LogicalAnd => each!(|a, b| a & b),
        Op::InclusiveOr | Op::LogicalOr => each!(|a, b| a | b),
        Op::ExclusiveOr => each!(|a, b| a ^ b),
        // An amount that is too large must not look as if it worked.
        Op::ShiftLeft => each!(|a, b| if b < 32 { a << b } else { 0xdead_beef }),
        Op::ShiftRight if kind == Kind::Sint => {
            each!(|a, b| if b < 32 { ((a as i32) >> b) as u32 } else { 0xdead_beef })
        }
        Op::ShiftRight => each!(|a, b| if b < 32 { a >> b } else { 0xdead_beef }),
        Op::Equal => compare!(kind, ==),
        Op::NotEqual if !float => compare!(kind, !=),
        Op::Less => compare!(kind, <),
        Op::LessEqual => compare!(kind, <=),
        Op::Greater => compare!(kind, >),
        Op::GreaterEqual => compare!(kind, >=),
        other => panic!("the library has {other:?} of {kind:?}"),
    };
    let compares =
        matches!(op, Op::Equal | Op::NotEqual | Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual);
    (compute, if compares { Kind::Bool } else { kind })
}

/// None where the bits stay.
pub(crate) fn conversion(from: Kind, to: Kind, convert: bool) -> Option<One> {
    match (from, to) {
        _ if !convert => None,
        (Kind::Float, Kind::Float) | (Kind::Sint | Kind::Uint, Kind::Sint | Kind::Uint) => None,
        // What is out of range differs by device: it must not look as if it worked.
        (Kind::Float, Kind::Sint) => Some(each!(|a| {
            let a = f32::from_bits(a);
            if (-2_147_483_648.0..2_147_483_648.0).contains(&a) { a as i32 as u32 } else { 0xdead_beef }
        })),
        (Kind::Float, Kind::Uint) => Some(each!(|a| {
            let a = f32::from_bits(a);
            if a > -1.0 && a < 4_294_967_296.0 { a as u32 } else { 0xdead_beef }
        })),
        (Kind::Sint, Kind::Float) => Some(each!(|a| (a as i32 as f32).to_bits())),
        (Kind::Uint, Kind::Float) => Some(each!(|a| (a as f32).to_bits())),
        other => panic!("the library has {other:?}"),
    }
}

pub(crate) fn one(fun: F, kind: Kind) -> One {
    match (fun, kind) {
        (F::Abs, Kind::Float) => each!(|a| a & 0x7fff_ffff),
        (F::Abs, Kind::Sint) => each!(|a| (a as i32).wrapping_abs() as u32),
        (F::Floor, Kind::Float) => floats!(|a| a.floor()),
        (F::Ceil, Kind::Float) => floats!(|a| a.ceil()),
        (F::Trunc, Kind::Float) => floats!(|a| a.trunc()),
        (F::Round, Kind::Float) => floats!(|a| a.round_ties_even()),
        (F::CountLeadingZeros, Kind::Sint | Kind::Uint) => each!(|a| a.leading_zeros()),
        other => panic!("the library has {other:?}"),
    }
}

pub(crate) fn two(fun: F, kind: Kind) -> Two {
    match (fun, kind) {
        (F::Min, Kind::Uint) => each!(|a, b| a.min(b)),
        (F::Max, Kind::Uint) => each!(|a, b| a.max(b)),
        (F::Min, Kind::Sint) => each!(|a, b| (a as i32).min(b as i32) as u32),
        (F::Max, Kind::Sint) => each!(|a, b| (a as i32).max(b as i32) as u32),
        other => panic!("the library has {other:?}"),
    }
}
