//! Values that are known without running: integer and logical operations on constants, and operations that do nothing.
//!
//! Float arithmetic is left alone, so that the device's own does it.

use super::ir::{Bin, Ir, Node, Ty, Un, Val};

/// What an operation is instead.
pub(crate) enum Folded {
    Value(Val),
    Node(Node),
}

fn word(bits: u32) -> Option<Folded> {
    Some(Folded::Node(Node::Const(Ty::I32, bits)))
}

fn truth(holds: bool) -> Option<Folded> {
    Some(Folded::Node(Node::Const(Ty::Bool, u32::from(holds))))
}

pub(crate) fn fold(ir: &Ir, node: Node) -> Option<Folded> {
    match node {
        Node::Un(op, a) => unary(ir, op, a),
        Node::Bin(op, a, b) => match (ir.constant(a), ir.constant(b)) {
            (Some(x), Some(y)) => constants(op, x, y),
            (Some(_), None) if op.commutes() => Some(Folded::Node(Node::Bin(op, b, a))),
            (None, Some(y)) => right(op, a, y),
            (None, None) if a == b => same(op, a),
            _ => None,
        },
        Node::Sel(condition, a, b) => match ir.constant(condition) {
            Some(holds) => Some(Folded::Value(if holds != 0 { a } else { b })),
            None => (a == b).then_some(Folded::Value(a)),
        },
        _ => None,
    }
}

fn unary(ir: &Ir, op: Un, a: Val) -> Option<Folded> {
    if let (Un::Not, Node::Un(Un::Not, inner)) = (op, ir.nodes[a as usize]) {
        return Some(Folded::Value(inner));
    }
    let bits = ir.constant(a)?;
    let float = |value: f32| Some(Folded::Node(Node::Const(Ty::F32, value.to_bits())));
    match op {
        Un::INot => word(!bits),
        Un::IAbs => word((bits as i32).wrapping_abs() as u32),
        Un::Not => truth(bits == 0),
        Un::Clz => word(bits.leading_zeros()),
        Un::Popcount => word(bits.count_ones()),
        Un::BoolToI | Un::FloatBits => word(bits),
        Un::BitsFloat => Some(Folded::Node(Node::Const(Ty::F32, bits))),
        Un::IToFloat => float(bits as i32 as f32),
        Un::UToFloat => float(bits as f32),
        Un::FNeg => Some(Folded::Node(Node::Const(Ty::F32, bits ^ 0x8000_0000))),
        _ => None,
    }
}

fn constants(op: Bin, x: u32, y: u32) -> Option<Folded> {
    let (sx, sy) = (x as i32, y as i32);
    match op {
        Bin::IAdd => word(x.wrapping_add(y)),
        Bin::ISub => word(x.wrapping_sub(y)),
        Bin::IMul => word(x.wrapping_mul(y)),
        Bin::DivU => word(x.checked_div(y).unwrap_or(x)),
        Bin::RemU => word(x.checked_rem(y).unwrap_or(0)),
        Bin::DivS => word(if y == 0 { x } else { sx.wrapping_div(sy) as u32 }),
        Bin::RemS => word(if y == 0 { 0 } else { sx.wrapping_rem(sy) as u32 }),
        Bin::And => word(x & y),
        Bin::Or => word(x | y),
        Bin::Xor => word(x ^ y),
        Bin::Shl => word(x << (y & 31)),
        Bin::ShrU => word(x >> (y & 31)),
        Bin::ShrS => word((sx >> (y & 31)) as u32),
        Bin::MinS => word(sx.min(sy) as u32),
        Bin::MinU => word(x.min(y)),
        Bin::MaxS => word(sx.max(sy) as u32),
        Bin::MaxU => word(x.max(y)),
        Bin::IEq => truth(x == y),
        Bin::INe | Bin::BXor => truth(x != y),
        Bin::LtS => truth(sx < sy),
        Bin::LtU => truth(x < y),
        Bin::LeS => truth(sx <= sy),
        Bin::LeU => truth(x <= y),
        Bin::BAnd => truth(x & y != 0),
        Bin::BOr => truth(x | y != 0),
        _ => None,
    }
}

/// An operation with a constant on its right.
fn right(op: Bin, a: Val, y: u32) -> Option<Folded> {
    let keep = Some(Folded::Value(a));
    match (op, y) {
        (Bin::IAdd | Bin::ISub | Bin::Or | Bin::Xor | Bin::MaxU, 0) => keep,
        (Bin::Shl | Bin::ShrU | Bin::ShrS, _) if y & 31 == 0 => keep,
        (Bin::IMul | Bin::DivU | Bin::DivS, 1) => keep,
        (Bin::And | Bin::MinU, u32::MAX) => keep,
        (Bin::IMul | Bin::And | Bin::MinU, 0) | (Bin::RemU, 1) => word(0),
        (Bin::LtU, 0) => truth(false),
        (Bin::BAnd, 0) => truth(false),
        (Bin::BAnd, _) | (Bin::BOr | Bin::BXor, 0) => keep,
        (Bin::BOr, _) => truth(true),
        (Bin::BXor, _) => Some(Folded::Node(Node::Un(Un::Not, a))),
        _ => None,
    }
}

fn same(op: Bin, a: Val) -> Option<Folded> {
    match op {
        Bin::IEq | Bin::LeU | Bin::LeS => truth(true),
        Bin::INe | Bin::LtU | Bin::LtS | Bin::BXor => truth(false),
        Bin::ISub | Bin::Xor => word(0),
        Bin::And | Bin::Or | Bin::BAnd | Bin::BOr | Bin::MinS | Bin::MinU | Bin::MaxS | Bin::MaxU => {
            Some(Folded::Value(a))
        }
        _ => None,
    }
}
