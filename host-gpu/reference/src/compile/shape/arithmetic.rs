//! What operations make of what is known of their operands.

use super::{Kind, Level};
use crate::compile::ir::{Bin, Un};

pub(super) fn unary(op: Un, a: Kind) -> Kind {
    let most = match op {
        Un::Clz | Un::Popcount => 32,
        Un::BoolToI => 1,
        _ => u32::MAX,
    };
    match (a.level, a.stride, op) {
        (Level::None, ..) => Kind { most, ..Kind::ANY },
        (level, 0, _) => Kind { most, ..Kind::same(level) },
        (level, stride, Un::INot) => Kind { stride: stride.wrapping_neg(), ..Kind::same(level) },
        _ => Kind { most, ..Kind::ANY },
    }
}

/// No value is above, for operations on numbers that are not above.
fn most(op: Bin, a: Kind, b: Kind, constant: Option<u32>) -> u32 {
    let bits = |most: u32| u32::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
    match (op, constant) {
        (Bin::IAdd, _) => a.most.saturating_add(b.most),
        (Bin::IMul, _) => a.most.saturating_mul(b.most),
        (Bin::And | Bin::MinU, _) => a.most.min(b.most),
        (Bin::Or | Bin::Xor, _) => bits(a.most) | bits(b.most),
        (Bin::MaxU, _) => a.most.max(b.most),
        (Bin::Shl, Some(by)) => a.most.saturating_mul(1 << (by & 31)),
        (Bin::ShrU, Some(by)) => a.most >> (by & 31),
        (Bin::ShrU | Bin::DivU, _) => a.most,
        (Bin::RemU, Some(by)) if by > 0 => a.most.min(by - 1),
        (Bin::RemU, _) => a.most,
        _ => u32::MAX,
    }
}

pub(super) fn binary(op: Bin, a: Kind, b: Kind, constant: Option<u32>) -> Kind {
    let most = most(op, a, b, constant);
    let level = a.level.max(b.level);
    if level == Level::None {
        return Kind { most, ..Kind::ANY };
    }
    let zeros = match (op, constant) {
        (Bin::IAdd | Bin::ISub | Bin::Or | Bin::Xor, _) => a.zeros.min(b.zeros),
        (Bin::IMul, _) => (a.zeros + b.zeros).min(32),
        (Bin::And, _) => a.zeros.max(b.zeros),
        (Bin::Shl, Some(by)) => (a.zeros + (by & 31) as u8).min(32),
        (Bin::ShrU, Some(by)) => a.zeros.saturating_sub((by & 31) as u8),
        _ => 0,
    };
    let even = |stride: i32| Kind { level, stride, zeros, most };
    if a.stride == 0 && b.stride == 0 {
        return even(0);
    }
    let other = Kind { most, ..Kind::ANY };
    // Four invocations in a row, the first one's a multiple of four.
    let row = |kind: Kind| kind.stride == 1 && kind.zeros >= 2;
    match (op, constant) {
        (Bin::IAdd, _) => even(a.stride.wrapping_add(b.stride)),
        (Bin::ISub, _) => even(a.stride.wrapping_sub(b.stride)),
        (Bin::IMul, Some(by)) => even(a.stride.wrapping_mul(by as i32)),
        (Bin::Shl, Some(by)) => even(a.stride.wrapping_shl(by & 31)),
        (Bin::And, Some(mask)) if row(a) && mask & 3 == 3 => even(1),
        (Bin::And, Some(mask)) if row(a) && mask & 3 == 0 => even(0),
        (Bin::ShrU | Bin::ShrS, Some(by)) if row(a) && by & 31 >= 2 => even(0),
        (Bin::DivU, Some(by)) if row(a) && by % 4 == 0 && by > 0 => even(0),
        (Bin::RemU, Some(by)) if row(a) && by % 4 == 0 && by > 0 => Kind { zeros: 2, ..even(1) },
        (Bin::Or | Bin::Xor, _) if row(a) && b.stride == 0 && b.zeros >= 2 => even(1),
        (Bin::Or | Bin::Xor, _) if row(b) && a.stride == 0 && a.zeros >= 2 => even(1),
        (Bin::LtU | Bin::LtS, _) if row(a) && b.stride == 0 && b.zeros >= 2 => even(0),
        (Bin::LeU | Bin::LeS, _) if row(b) && a.stride == 0 && a.zeros >= 2 => even(0),
        _ => other,
    }
}
