//! What every operator does to the bits of floats: data, that a test holds against the list of all operators.

use wasmparser::{Operator, ValType};

use super::class::Lanes;

/// An operator's part in the flow of bits. Operands that are not floats count as ones with defined bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// May make a NaN of any bits, which the engine's canonicalising mode replaces.
    Arithmetic { operands: u8, reads: Lanes, gives: Lanes, vector: bool },
    /// Only asks whether its operands are NaNs: a comparison, or a conversion to integers.
    Asks { operands: u8, lanes: Lanes },
    /// A constant or a conversion from integers that is no NaN, in lanes of either width.
    Number { operands: u8 },
    /// Turns the sign bit.
    Turn { lanes: Lanes, vector: bool },
    /// Clears the sign bit.
    Clear { lanes: Lanes, vector: bool },
    /// In each lane one of its two operands.
    Pick(Lanes),
    /// One of its two lower operands, whole.
    Select,
    /// Takes a lane out of a vector.
    Extract(Lanes),
    /// A vector of equal lanes.
    Splat(Lanes),
    /// Puts a scalar into a vector.
    Replace(Lanes),
    /// Shows the bits of its operands; its results have defined bits.
    Shows { operands: u8, results: u8 },
    /// A local is read.
    Get(u32),
    /// A local is written.
    Set(u32),
    /// A local is written and the operand stays.
    Tee(u32),
    /// The operand is gone.
    Drop,
    /// Control, or its arity depends on more than the operator: see the walk.
    Other,
}

/// The effect of an operator.
pub(super) fn effect(operator: &Operator<'_>) -> Effect {
    use Effect::{Arithmetic, Asks, Clear, Extract, Number, Pick, Replace, Select, Shows, Splat, Turn};
    use Lanes::{F32, F64};
    use Operator as O;
    let scalar = |operands, lanes| Arithmetic { operands, reads: lanes, gives: lanes, vector: false };
    let vector = |operands, lanes| Arithmetic { operands, reads: lanes, gives: lanes, vector: true };
    match *operator {
        O::F32Ceil | O::F32Floor | O::F32Trunc | O::F32Nearest | O::F32Sqrt => scalar(1, F32),
        O::F64Ceil | O::F64Floor | O::F64Trunc | O::F64Nearest | O::F64Sqrt => scalar(1, F64),
        O::F32Add | O::F32Sub | O::F32Mul | O::F32Div | O::F32Min | O::F32Max => scalar(2, F32),
        O::F64Add | O::F64Sub | O::F64Mul | O::F64Div | O::F64Min | O::F64Max => scalar(2, F64),
        O::F32DemoteF64 => Arithmetic { operands: 1, reads: F64, gives: F32, vector: false },
        O::F64PromoteF32 => Arithmetic { operands: 1, reads: F32, gives: F64, vector: false },

        O::F32x4Ceil | O::F32x4Floor | O::F32x4Trunc | O::F32x4Nearest | O::F32x4Sqrt => vector(1, F32),
        O::F64x2Ceil | O::F64x2Floor | O::F64x2Trunc | O::F64x2Nearest | O::F64x2Sqrt => vector(1, F64),
        O::F32x4Add | O::F32x4Sub | O::F32x4Mul | O::F32x4Div | O::F32x4Min | O::F32x4Max => vector(2, F32),
        O::F64x2Add | O::F64x2Sub | O::F64x2Mul | O::F64x2Div | O::F64x2Min | O::F64x2Max => vector(2, F64),
        O::F32x4DemoteF64x2Zero => Arithmetic { operands: 1, reads: F64, gives: F32, vector: true },
        O::F64x2PromoteLowF32x4 => Arithmetic { operands: 1, reads: F32, gives: F64, vector: true },

        O::F32Neg => Turn { lanes: F32, vector: false },
        O::F64Neg => Turn { lanes: F64, vector: false },
        O::F32x4Neg => Turn { lanes: F32, vector: true },
        O::F64x2Neg => Turn { lanes: F64, vector: true },
        O::F32Abs => Clear { lanes: F32, vector: false },
        O::F64Abs => Clear { lanes: F64, vector: false },
        O::F32x4Abs => Clear { lanes: F32, vector: true },
        O::F64x2Abs => Clear { lanes: F64, vector: true },

        O::F32x4PMin | O::F32x4PMax => Pick(F32),
        O::F64x2PMin | O::F64x2PMax => Pick(F64),
        O::Select | O::TypedSelect { .. } => Select,
        O::F32x4ExtractLane { .. } => Extract(F32),
        O::F64x2ExtractLane { .. } => Extract(F64),
        O::F32x4Splat => Splat(F32),
        O::F64x2Splat => Splat(F64),
        O::F32x4ReplaceLane { .. } => Replace(F32),
        O::F64x2ReplaceLane { .. } => Replace(F64),

        O::F32Eq | O::F32Ne | O::F32Lt | O::F32Gt | O::F32Le | O::F32Ge => Asks { operands: 2, lanes: F32 },
        O::F64Eq | O::F64Ne | O::F64Lt | O::F64Gt | O::F64Le | O::F64Ge => Asks { operands: 2, lanes: F64 },
        O::F32x4Eq | O::F32x4Ne | O::F32x4Lt | O::F32x4Gt | O::F32x4Le | O::F32x4Ge => {
            Asks { operands: 2, lanes: F32 }
        }
        O::F64x2Eq | O::F64x2Ne | O::F64x2Lt | O::F64x2Gt | O::F64x2Le | O::F64x2Ge => {
            Asks { operands: 2, lanes: F64 }
        }
        O::I32TruncF32S
        | O::I32TruncF32U
        | O::I64TruncF32S
        | O::I64TruncF32U
        | O::I32TruncSatF32S
        | O::I32TruncSatF32U
        | O::I64TruncSatF32S
        | O::I64TruncSatF32U
        | O::I32x4TruncSatF32x4S
        | O::I32x4TruncSatF32x4U => Asks { operands: 1, lanes: F32 },
        O::I32TruncF64S
        | O::I32TruncF64U
        | O::I64TruncF64S
        | O::I64TruncF64U
        | O::I32TruncSatF64S
        | O::I32TruncSatF64U
        | O::I64TruncSatF64S
        | O::I64TruncSatF64U
        | O::I32x4TruncSatF64x2SZero
        | O::I32x4TruncSatF64x2UZero => Asks { operands: 1, lanes: F64 },

        O::F32ConvertI32S
        | O::F32ConvertI32U
        | O::F32ConvertI64S
        | O::F32ConvertI64U
        | O::F64ConvertI32S
        | O::F64ConvertI32U
        | O::F64ConvertI64S
        | O::F64ConvertI64U
        // Every f64 NaN is an f32 NaN in its upper half; the other way it does not hold.
        | O::F32x4ConvertI32x4S
        | O::F32x4ConvertI32x4U => Number { operands: 1 },
        O::F32Const { value } if !f32::from_bits(value.bits()).is_nan() => Number { operands: 0 },
        O::F64Const { value } if !f64::from_bits(value.bits()).is_nan() => Number { operands: 0 },
        O::V128Const { value } if is_number(value.i128().cast_unsigned()) => Number { operands: 0 },

        O::LocalGet { local_index } => Effect::Get(local_index),
        O::LocalSet { local_index } => Effect::Set(local_index),
        O::LocalTee { local_index } => Effect::Tee(local_index),
        O::Drop => Effect::Drop,
        // Their arity is fixed, but they end the path.
        O::Unreachable | O::ThrowRef => Effect::Other,
        ref other => match fixed_arity(other) {
            Some((operands, results)) => Shows { operands, results },
            None => Effect::Other,
        },
    }
}

/// Whether no lane of a vector is a NaN, in lanes of either width.
fn is_number(vector: u128) -> bool {
    let bytes = vector.to_le_bytes();
    let narrow = bytes.as_chunks::<4>().0.iter().all(|lane| !f32::from_le_bytes(*lane).is_nan());
    let wide = bytes.as_chunks::<8>().0.iter().all(|lane| !f64::from_le_bytes(*lane).is_nan());
    narrow && wide
}

/// Operands and results of an operator, where they do not depend on the module or the place.
fn fixed_arity(operator: &Operator<'_>) -> Option<(u8, u8)> {
    macro_rules! arity {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $( Operator::$op { .. } => arity!(@ $($ann)*), )*
                _ => None,
            }
        };
        (@ arity custom) => { None };
        (@ arity $operands:literal -> $results:literal) => { Some(($operands, $results)) };
    }
    wasmparser::for_each_operator!(arity)
}

/// Whether an operator makes values that may have to be made canonical. A function without one is left alone.
pub(in crate::instrument) fn makes_nans(operator: &Operator<'_>) -> bool {
    matches!(effect(operator), Effect::Arithmetic { .. })
}

/// The most bytes that a function grows by if it makes NaNs, whatever its operators: the temporaries, and the head of
/// the list of its unlikely branches.
pub(in crate::instrument) const FIXED_GROWTH: u64 = 32;

/// The most bytes that the code after an operator takes that makes its result canonical. `top` is the type of the
/// value on top of the operand stack after it.
pub(in crate::instrument) fn growth(operator: &Operator<'_>, top: ValType) -> u64 {
    let bytes = match top {
        ValType::F32 | ValType::F64 => super::form::SCALAR_BYTES,
        ValType::V128 => super::form::VECTOR_BYTES,
        _ => return 0,
    };
    match effect(operator) {
        Effect::Shows { .. }
        | Effect::Asks { .. }
        | Effect::Number { .. }
        | Effect::Set(_)
        | Effect::Drop => 0,
        Effect::Other if !matches!(operator, Operator::End | Operator::Loop { .. }) => 0,
        _ => bytes,
    }
}
