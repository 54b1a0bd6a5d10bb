//! Values, each computed once.

use super::Optimise;
use crate::compile::fold::{Folded, fold};
use crate::compile::ir::{At, AtId, Cell, Len, NONE, Node, Space, Stmt, Term, Ty, Val};

impl Optimise<'_> {
    /// A place in the result, or the cell that it is.
    pub(super) fn place(&mut self, at: AtId, list: &mut Vec<Stmt>) -> Result<Cell, AtId> {
        let from = self.from;
        let at = &from.ats[at as usize];
        let mut to = At { space: at.space, offset: at.offset, ty: at.ty, terms: Vec::new() };
        let is_var = matches!(at.space, Space::Var(_));
        for term in &at.terms {
            let index = self.operand(term.index, list);
            match (self.to.constant(index), term.len) {
                (Some(index), Len::Const(len)) if index < len => to.offset += index * term.stride,
                (Some(_), Len::Const(len)) if is_var => to.offset += (len - 1) * term.stride,
                _ => to.terms.push(Term { index, ..*term }),
            }
        }
        match to.space {
            Space::Var(var) if to.terms.is_empty() => Ok(self.to.vars[var as usize].first + to.offset),
            _ => Err(self.to.at(to)),
        }
    }

    pub(super) fn define(&mut self, value: Val, to: &mut Vec<Stmt>) {
        let node = match self.from.nodes[value as usize] {
            Node::Un(op, a) => Node::Un(op, self.operand(a, to)),
            Node::Bin(op, a, b) => Node::Bin(op, self.operand(a, to), self.operand(b, to)),
            Node::Sel(a, b, c) => Node::Sel(self.operand(a, to), self.operand(b, to), self.operand(c, to)),
            Node::Call(call, a, b) => {
                let a = self.operand(a, to);
                Node::Call(call, a, if b == NONE { NONE } else { self.operand(b, to) })
            }
            Node::Load(at) => match self.place(at, to) {
                Ok(cell) => Node::Get(cell),
                Err(at) => Node::Load(at),
            },
            other => other,
        };
        self.map[value as usize] = self.value(node, to);
    }

    pub(super) fn operand(&mut self, value: Val, to: &mut Vec<Stmt>) -> Val {
        let known = self.map[value as usize];
        if known != NONE && matches!(self.from.nodes[value as usize], Node::Const(..)) {
            // Constants are named by no statement; theirs may be of a scope that ended.
            return self.constant(value, to);
        }
        if known == NONE { self.constant(value, to) } else { known }
    }

    fn constant(&mut self, value: Val, to: &mut Vec<Stmt>) -> Val {
        let mapped = self.value(self.from.nodes[value as usize], to);
        self.map[value as usize] = mapped;
        mapped
    }

    /// The value of a node whose operands are of the result.
    pub(super) fn value(&mut self, node: Node, to: &mut Vec<Stmt>) -> Val {
        if let Node::Get(cell) = node {
            let owner = self.to.owner[cell as usize] as usize;
            if let Some((value, age)) = self.known.get(&cell)
                && *age == self.ages[owner]
            {
                return *value;
            }
            let value = self.to.node(node);
            to.push(Stmt::Let(value));
            let before = self.known.insert(cell, (value, self.ages[owner]));
            self.known_log.push((cell, before));
            return value;
        }
        match fold(&self.to, node) {
            Some(Folded::Value(value)) => return value,
            Some(Folded::Node(node)) => return self.value(node, to),
            None => {}
        }
        if let Some(sum) = self.sum(node, to) {
            return sum;
        }
        let age = match node {
            Node::Load(at) => match self.to.ats[at as usize].space {
                Space::Group => self.group_age,
                Space::Buffer(buffer) if self.writable[buffer as usize] => self.storage_age,
                Space::Buffer(_) | Space::Immediate => 0,
                // Not shared, so each is its own.
                Space::Var(_) => {
                    self.next_age += 1;
                    self.next_age - 1
                }
            },
            _ => 0,
        };
        if let Some(value) = self.seen.get(&(node, age)) {
            return *value;
        }
        let value = self.to.node(node);
        if !matches!(node, Node::Const(..)) {
            to.push(Stmt::Let(value));
        }
        self.seen.insert((node, age), value);
        self.seen_log.push((node, age));
        value
    }

    /// `(x + a) + b` and `x - b` as sums with one constant.
    fn sum(&mut self, node: Node, to: &mut Vec<Stmt>) -> Option<Val> {
        use crate::compile::ir::Bin::{IAdd, ISub};
        let (a, b, negate) = match node {
            Node::Bin(IAdd, a, b) => (a, b, false),
            Node::Bin(ISub, a, b) => (a, b, true),
            _ => return None,
        };
        let bits = self.to.constant(b)?;
        let bits = if negate { bits.wrapping_neg() } else { bits };
        if let Node::Bin(IAdd, x, inner) = self.to.nodes[a as usize]
            && let Some(more) = self.to.constant(inner)
        {
            let total = self.value(Node::Const(Ty::I32, bits.wrapping_add(more)), to);
            return Some(self.value(Node::Bin(IAdd, x, total), to));
        }
        if !negate {
            return None;
        }
        let bits = self.value(Node::Const(Ty::I32, bits), to);
        Some(self.value(Node::Bin(IAdd, a, bits), to))
    }
}
