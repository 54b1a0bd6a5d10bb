//! Loops whose number of turns is known where they begin.
//!
//! The form is that of `for (var i = a; i < n; i += s)`: an integer `i` that only the end of each turn stores to, no other way out, and `n` and `s`
//! that stay what they are while the loop runs. Such a loop is charged once, before it: `i`, `n` and `s` are read there, and the turns are
//!
//! ```text
//! up, i < n:    a < n  ? (n - a - 1) / s + 2 : 1       i <= n: a <= n ? (n - a) / s + 2 : 1
//! down:         the same from the other side
//! i != n:       |n - a| + 1, for steps of 1
//! i > 0, i >>= s:  bits of a / s, rounded up, + 1
//! ```
//!
//! the last of which finds that it is over. A loop whose `i` would pass the end of its type before `n`, or does not move, is charged as one without end.

use super::order::Order;
use naga::{
    AddressSpace, BinaryOperator as Op, Expression, Function, Handle, Literal, LocalVariable, Module, Scalar,
    StorageAccess, TypeInner, UnaryOperator,
};

/// A loop that is charged before it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    pub(crate) variable: Handle<LocalVariable>,
    pub(crate) signed: bool,
    /// The loop goes on while this holds of the variable and the bound.
    pub(crate) while_: While,
    pub(crate) bound: Handle<Expression>,
    pub(crate) step: Step,
}

/// How the variable and the bound are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum While {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    NotEqual,
    /// Above 0, for a variable that is shifted.
    Bits,
}

/// How the variable moves in each turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Up or down by a number that the shader states.
    Up(u32),
    Down(u32),
    /// Up or down by a value.
    UpBy(Handle<Expression>),
    DownBy(Handle<Expression>),
    /// Right by so many bits, 1 to 31.
    Right(u32),
}

/// A loop's condition, and whether it goes on when that is true.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) condition: Handle<Expression>,
    pub(crate) goes_on: bool,
}

/// Expressions that are computed once more before a loop.
const MOST_COPIED: usize = 64;

pub(crate) struct Finder<'m> {
    pub(crate) module: &'m Module,
    pub(crate) function: &'m Function,
    pub(crate) order: &'m Order,
    /// Of each expression, whether it is of floats.
    pub(crate) floats: &'m [bool],
}

impl Finder<'_> {
    /// What is known of the loop of this number, which has no way out but its head, and moves `variable` to `next` at the end of each turn.
    pub(crate) fn find(
        &self,
        number: usize,
        head: Head,
        variable: Handle<LocalVariable>,
        next: Handle<Expression>,
    ) -> Option<Ahead> {
        let ty = &self.module.types[self.function.local_variables[variable].ty].inner;
        let signed = match *ty {
            TypeInner::Scalar(Scalar::I32) => true,
            TypeInner::Scalar(Scalar::U32) => false,
            _ => return None,
        };
        let Head { mut condition, mut goes_on } = head;
        while let Expression::Unary { op: UnaryOperator::LogicalNot, expr } =
            self.function.expressions[condition]
        {
            (condition, goes_on) = (expr, !goes_on);
        }
        let Expression::Binary { op, left, right } = self.function.expressions[condition] else {
            return None;
        };
        if !self.order.is_made_in(condition, number) {
            return None;
        }
        let (op, bound) = match (self.is(left, variable, number), self.is(right, variable, number)) {
            (true, false) => (op, right),
            (false, true) => (mirrored(op)?, left),
            _ => return None,
        };
        let op = if goes_on { op } else { negated(op)? };
        let mut room = MOST_COPIED;
        let step = self.step(variable, next, number, &mut room)?;
        let while_ = match (op, step) {
            (Op::Greater | Op::NotEqual, Step::Right(_)) if self.literal(bound) == Some(0) && !signed => {
                While::Bits
            }
            (Op::Less, Step::Up(_) | Step::UpBy(_)) => While::Less,
            (Op::LessEqual, Step::Up(_) | Step::UpBy(_)) => While::LessEqual,
            (Op::Greater, Step::Down(_) | Step::DownBy(_)) => While::Greater,
            (Op::GreaterEqual, Step::Down(_) | Step::DownBy(_)) => While::GreaterEqual,
            (Op::NotEqual, Step::Up(1) | Step::Down(1)) => While::NotEqual,
            _ => return None,
        };
        self.stays(bound, number, &mut room)?;
        Some(Ahead { variable, signed, while_, bound, step })
    }

    /// Whether the condition can be computed once more behind the loop.
    pub(crate) fn repeats(&self, number: usize, head: Head, variable: Handle<LocalVariable>) -> bool {
        let mut room = MOST_COPIED;
        self.copies(head.condition, Some(variable), number, &mut room).is_some()
    }

    /// Whether an expression is the variable's value in this turn.
    fn is(&self, handle: Handle<Expression>, variable: Handle<LocalVariable>, number: usize) -> bool {
        let Expression::Load { pointer } = self.function.expressions[handle] else { return false };
        self.order.is_made_in(handle, number)
            && matches!(self.function.expressions[pointer], Expression::LocalVariable(of) if of == variable)
    }

    fn is_float(&self, handle: Handle<Expression>) -> bool {
        self.floats.get(handle.index()).copied().unwrap_or(true)
    }

    fn step(
        &self,
        variable: Handle<LocalVariable>,
        next: Handle<Expression>,
        number: usize,
        room: &mut usize,
    ) -> Option<Step> {
        let Expression::Binary { op, left, right } = self.function.expressions[next] else { return None };
        if !self.order.is_made_in(next, number) {
            return None;
        }
        let by = match (op, self.is(left, variable, number), self.is(right, variable, number)) {
            (Op::Add, true, false) | (Op::Subtract | Op::ShiftRight, true, _) => right,
            (Op::Add, false, true) => left,
            _ => return None,
        };
        match (op, self.literal(by)) {
            (Op::ShiftRight, Some(bits)) => {
                u32::try_from(bits).ok().filter(|bits| (1..32).contains(bits)).map(Step::Right)
            }
            (Op::Add, Some(by)) | (Op::Subtract, Some(by)) => {
                let up = (op == Op::Add) == (by > 0);
                let size = u32::try_from(by.unsigned_abs()).ok().filter(|size| *size != 0)?;
                Some(if up { Step::Up(size) } else { Step::Down(size) })
            }
            (Op::Add, None) => self.stays(by, number, room).map(|()| Step::UpBy(by)),
            (Op::Subtract, None) => self.stays(by, number, room).map(|()| Step::DownBy(by)),
            _ => None,
        }
    }

    fn literal(&self, handle: Handle<Expression>) -> Option<i64> {
        let literal = match self.function.expressions[handle] {
            Expression::Literal(literal) => literal,
            Expression::Constant(constant) => {
                match self.module.global_expressions[self.module.constants[constant].init] {
                    Expression::Literal(literal) => literal,
                    _ => return None,
                }
            }
            _ => return None,
        };
        match literal {
            Literal::U32(value) => Some(value.into()),
            Literal::I32(value) => Some(value.into()),
            _ => None,
        }
    }

    /// Whether a value is the same in all turns, and can be computed before the first.
    fn stays(&self, handle: Handle<Expression>, number: usize, room: &mut usize) -> Option<()> {
        self.copies(handle, None, number, room)
    }

    /// The same; of `moving` the value of now may be read.
    fn copies(
        &self,
        handle: Handle<Expression>,
        moving: Option<Handle<LocalVariable>>,
        number: usize,
        room: &mut usize,
    ) -> Option<()> {
        if !self.order.is_made_in(handle, number) {
            return Some(());
        }
        *room = room.checked_sub(1)?;
        let mut expression = self.function.expressions[handle].clone();
        match expression {
            Expression::Load { pointer } if !self.keeps(pointer, moving, number) => return None,
            // A sum of floats may be rounded in another way here than there.
            Expression::Unary { .. } | Expression::Binary { .. } | Expression::Math { .. }
                if self.is_float(handle) =>
            {
                return None;
            }
            Expression::Math { arg, .. } if self.is_float(arg) => return None,
            _ => {}
        }
        let mut found = Some(());
        operands(&mut expression, &mut |operand| {
            if found.is_some() {
                found = self.copies(*operand, moving, number, room);
            }
        })?;
        found
    }

    /// Whether the place that a pointer points to keeps its value while a loop runs.
    fn keeps(
        &self,
        mut pointer: Handle<Expression>,
        moving: Option<Handle<LocalVariable>>,
        number: usize,
    ) -> bool {
        loop {
            match self.function.expressions[pointer] {
                Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => pointer = base,
                Expression::LocalVariable(variable) => {
                    let stored = self.order.stores_in(variable, number) != 0 && moving != Some(variable);
                    return !stored && !self.order.is_lent(variable);
                }
                Expression::GlobalVariable(variable) => {
                    // WebGPU lets nobody write to a buffer that a dispatch only reads.
                    return match self.module.global_variables[variable].space {
                        AddressSpace::Uniform => true,
                        AddressSpace::Storage { access } => !access.contains(StorageAccess::STORE),
                        _ => false,
                    };
                }
                _ => return false,
            }
        }
    }
}

/// Gives the operands of an expression that depends on nothing else; `None` if it does.
pub(crate) fn operands(
    expression: &mut Expression,
    to: &mut impl FnMut(&mut Handle<Expression>),
) -> Option<()> {
    match expression {
        Expression::AccessIndex { base: one, .. }
        | Expression::Load { pointer: one }
        | Expression::Splat { value: one, .. }
        | Expression::Swizzle { vector: one, .. }
        | Expression::Unary { expr: one, .. }
        | Expression::As { expr: one, .. }
        | Expression::Relational { argument: one, .. }
        | Expression::ArrayLength(one) => to(one),
        Expression::Access { base: one, index: other }
        | Expression::Binary { left: one, right: other, .. } => {
            to(one);
            to(other);
        }
        Expression::Compose { components, .. } => components.iter_mut().for_each(to),
        Expression::Select { condition, accept, reject } => {
            [condition, accept, reject].into_iter().for_each(to);
        }
        Expression::Math { arg, arg1, arg2, arg3, .. } => {
            [Some(arg), arg1.as_mut(), arg2.as_mut(), arg3.as_mut()].into_iter().flatten().for_each(to);
        }
        _ => return None,
    }
    Some(())
}

/// The operator with its sides exchanged.
fn mirrored(op: Op) -> Option<Op> {
    Some(match op {
        Op::Less => Op::Greater,
        Op::LessEqual => Op::GreaterEqual,
        Op::Greater => Op::Less,
        Op::GreaterEqual => Op::LessEqual,
        Op::NotEqual | Op::Equal => op,
        _ => return None,
    })
}

/// The operator that holds where this one does not.
fn negated(op: Op) -> Option<Op> {
    Some(match op {
        Op::Less => Op::GreaterEqual,
        Op::LessEqual => Op::Greater,
        Op::Greater => Op::LessEqual,
        Op::GreaterEqual => Op::Less,
        Op::Equal => Op::NotEqual,
        Op::NotEqual => Op::Equal,
        _ => return None,
    })
}
