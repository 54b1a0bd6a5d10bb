//! Loops whose number of turns follows from constants.
//!
//! The form is that of `for (var i = A; c(i); i = f(i))`, where nothing but the end of the loop stores to `i`, and the
//! loop has no other way out. `c` and `f` may be made of `i`, integer constants, and operators on them; the turns are counted by running them.
//! What they are made of must be computed in each turn, before `i` is stored: a load before the loop has the value of then for ever.

use super::ahead::{Ahead, Finder, Head};
use super::order::{Order, root};
use naga::{
    BinaryOperator as Op, Block, Expression, Function, Handle, Literal, LocalVariable, Module, Statement,
};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// Turns that are worth counting.
const MOST: u64 = 1 << 16;
/// Expressions evaluated for one module; loops after that are not known.
pub(crate) const WORK: u64 = 1 << 18;

/// What is known of the turns of a loop.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turns {
    /// Their number.
    pub(crate) fixed: Option<u64>,
    /// That it can be computed before the loop.
    pub(crate) ahead: Option<Ahead>,
    /// The loop's only way out, if its condition can be computed once more behind it.
    pub(crate) head: Option<Head>,
}

pub(crate) struct Trips<'m> {
    module: &'m Module,
    function: &'m Function,
    order: &'m Order,
    floats: &'m [bool],
    /// What is left of [`WORK`].
    work: &'m Cell<u64>,
}

impl<'m> Trips<'m> {
    pub(crate) fn new(
        module: &'m Module,
        function: &'m Function,
        order: &'m Order,
        floats: &'m [bool],
        work: &'m Cell<u64>,
    ) -> Self {
        Trips { module, function, order, floats, work }
    }

    /// What is known of a loop's turns, the last of which finds that it is over. `number` is the loop's, `before` are the statements before it in
    /// its block.
    pub(crate) fn look(
        &self,
        number: usize,
        before: &[Statement],
        (body, continuing): (&Block, &Block),
        break_if: bool,
        in_loop: bool,
    ) -> Turns {
        self.form(number, (body, continuing), break_if).map_or(Turns::default(), |form| {
            let (module, function, order) = (self.module, self.function, self.order);
            let finder = Finder { module, function, order, floats: self.floats };
            let Form { head, variable, next, .. } = form;
            Turns {
                fixed: self.count(before, (body, continuing), &form, in_loop),
                ahead: finder.find(number, head, variable, next),
                head: finder.repeats(number, head, variable).then_some(head),
            }
        })
    }

    fn form(&self, number: usize, (body, continuing): (&Block, &Block), break_if: bool) -> Option<Form> {
        if break_if {
            return None;
        }
        let (at, head, rest) = head(body)?;
        if leaves(rest) || leaves(continuing) {
            return None;
        }
        let (end, variable, next) = self.step(continuing)?;
        if self.order.stores_in(variable, number) != 1 || self.order.is_lent(variable) {
            return None;
        }
        Some(Form { at, head, end, variable, next })
    }

    /// The turns, by running the loop's head and end.
    fn count(
        &self,
        before: &[Statement],
        (body, continuing): (&Block, &Block),
        form: &Form,
        in_loop: bool,
    ) -> Option<u64> {
        let Form { at, head, end, variable, next } = *form;
        let mut value = self.start(before, variable, in_loop)?;
        // The head computes in each turn, and the end behind it.
        let mut fresh = emitted(&body[..at]);
        let of_condition = fresh.clone();
        fresh.extend(emitted(&continuing[..end]));
        for turn in 1..=MOST {
            let found = Turn { trips: self, fresh: &of_condition, variable, now: value };
            match found.value(head.condition, &mut BTreeMap::new())? {
                Literal::Bool(found) if found == head.goes_on => {}
                Literal::Bool(_) => return Some(turn),
                _ => return None,
            }
            let found = Turn { trips: self, fresh: &fresh, variable, now: value };
            value = found.value(next, &mut BTreeMap::new())?;
        }
        None
    }

    /// The one store at the end of each turn, with its place.
    fn step(&self, continuing: &Block) -> Option<(usize, Handle<LocalVariable>, Handle<Expression>)> {
        let mut found = None;
        for (index, statement) in continuing.iter().enumerate() {
            match statement {
                Statement::Emit(_) => {}
                Statement::Store { pointer, value } if found.is_none() => {
                    let Expression::LocalVariable(variable) = self.function.expressions[*pointer] else {
                        return None;
                    };
                    found = Some((index, variable, *value));
                }
                _ => return None,
            }
        }
        found
    }

    /// The variable's value before the first turn.
    fn start(&self, before: &[Statement], variable: Handle<LocalVariable>, in_loop: bool) -> Option<Literal> {
        for statement in before.iter().rev() {
            match statement {
                Statement::Emit(_) => {}
                Statement::Store { pointer, value } => match root(self.function, *pointer) {
                    Some(stored) if stored == variable => {
                        let whole =
                            matches!(self.function.expressions[*pointer], Expression::LocalVariable(_));
                        return if whole { self.constant(*value) } else { None };
                    }
                    _ => {}
                },
                // It may store, or jump.
                _ => break,
            }
        }
        // Its initial value, if nothing else stores and the loop runs once.
        if in_loop || self.order.stores(variable) != 1 {
            return None;
        }
        match self.function.local_variables[variable].init {
            Some(init) => self.constant(init),
            None => None,
        }
    }

    /// A constant's value.
    fn constant(&self, handle: Handle<Expression>) -> Option<Literal> {
        match self.function.expressions[handle] {
            Expression::Literal(literal) => Some(literal),
            Expression::Constant(constant) => {
                match self.module.global_expressions[self.module.constants[constant].init] {
                    Expression::Literal(literal) => Some(literal),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// A loop of the form that is known.
struct Form {
    /// Where the head's condition is, in the body, and what it is.
    at: usize,
    head: Head,
    /// Where the one store is, in the end of each turn, and to which variable it stores what.
    end: usize,
    variable: Handle<LocalVariable>,
    next: Handle<Expression>,
}

/// One turn of a loop.
struct Turn<'t> {
    trips: &'t Trips<'t>,
    /// What this turn computes; everything else is of before it.
    fresh: &'t BTreeSet<Handle<Expression>>,
    variable: Handle<LocalVariable>,
    now: Literal,
}

impl Turn<'_> {
    /// The value of an expression while the variable has its value of now. `known` are the values found already.
    fn value(
        &self,
        handle: Handle<Expression>,
        known: &mut BTreeMap<Handle<Expression>, Literal>,
    ) -> Option<Literal> {
        let trips = self.trips;
        trips.work.set(trips.work.get().checked_sub(1)?);
        if let Some(value) = trips.constant(handle) {
            return Some(value);
        }
        if let Some(value) = known.get(&handle) {
            return Some(*value);
        }
        if !self.fresh.contains(&handle) {
            return None;
        }
        let value = match trips.function.expressions[handle] {
            Expression::Load { pointer } => match trips.function.expressions[pointer] {
                Expression::LocalVariable(loaded) if loaded == self.variable => self.now,
                _ => return None,
            },
            Expression::Binary { op, left, right } => {
                binary(op, self.value(left, known)?, self.value(right, known)?)?
            }
            _ => return None,
        };
        known.insert(handle, value);
        Some(value)
    }
}

/// What the statements compute, nested ones apart.
fn emitted(statements: &[Statement]) -> BTreeSet<Handle<Expression>> {
    let ranges = statements.iter().filter_map(|statement| match statement {
        Statement::Emit(range) => Some(range.clone()),
        _ => None,
    });
    ranges.flatten().collect()
}

/// Integer operators, wrapping as in WGSL. Nothing that WGSL leaves open.
fn binary(op: Op, left: Literal, right: Literal) -> Option<Literal> {
    macro_rules! integers {
        ($a:ident, $b:ident, $of:expr) => {
            Some(match op {
                Op::Add => $of($a.wrapping_add($b)),
                Op::Subtract => $of($a.wrapping_sub($b)),
                Op::Multiply => $of($a.wrapping_mul($b)),
                Op::Divide => $of($a.checked_div($b)?),
                Op::Modulo => $of($a.checked_rem($b)?),
                Op::And => $of($a & $b),
                Op::InclusiveOr => $of($a | $b),
                Op::ExclusiveOr => $of($a ^ $b),
                Op::Equal => Literal::Bool($a == $b),
                Op::NotEqual => Literal::Bool($a != $b),
                Op::Less => Literal::Bool($a < $b),
                Op::LessEqual => Literal::Bool($a <= $b),
                Op::Greater => Literal::Bool($a > $b),
                Op::GreaterEqual => Literal::Bool($a >= $b),
                _ => return None,
            })
        };
    }
    match (op, left, right) {
        (Op::ShiftLeft, Literal::U32(a), Literal::U32(b)) if b < 32 => Some(Literal::U32(a << b)),
        (Op::ShiftRight, Literal::U32(a), Literal::U32(b)) if b < 32 => Some(Literal::U32(a >> b)),
        (Op::ShiftLeft, Literal::I32(a), Literal::U32(b)) if b < 32 => Some(Literal::I32(a << b)),
        (Op::ShiftRight, Literal::I32(a), Literal::U32(b)) if b < 32 => Some(Literal::I32(a >> b)),
        (_, Literal::U32(a), Literal::U32(b)) => integers!(a, b, Literal::U32),
        (_, Literal::I32(a), Literal::I32(b)) => integers!(a, b, Literal::I32),
        _ => None,
    }
}

/// The condition at a body's start with its place, and the rest of the body.
fn head(body: &[Statement]) -> Option<(usize, Head, &[Statement])> {
    let (index, statement) =
        body.iter().enumerate().find(|(_, statement)| !matches!(statement, Statement::Emit(_)))?;
    let Statement::If { condition, accept, reject } = statement else { return None };
    let goes_on = match (&accept[..], &reject[..]) {
        ([], [Statement::Break]) => true,
        ([Statement::Break], []) => false,
        _ => return None,
    };
    Some((index, Head { condition: *condition, goes_on }, &body[index + 1..]))
}

/// Whether a part of a loop's body may leave the loop.
fn leaves(block: &[Statement]) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Break | Statement::Return { .. } | Statement::Kill => true,
        Statement::Block(inner) => leaves(inner),
        Statement::If { accept, reject, .. } => leaves(accept) || leaves(reject),
        // A break of its own counts as one of the loop's: simpler, and only a loop that counts its turns.
        Statement::Switch { cases, .. } => cases.iter().any(|case| leaves(&case.body)),
        Statement::Loop { body, continuing, .. } => returns(body) || returns(continuing),
        _ => false,
    })
}

fn returns(block: &Block) -> bool {
    let mut found = false;
    visit(block, &mut |statement| {
        found |= matches!(statement, Statement::Return { .. } | Statement::Kill);
    });
    found
}

fn visit(block: &[Statement], to: &mut impl FnMut(&Statement)) {
    for statement in block {
        to(statement);
        match statement {
            Statement::Block(inner) => visit(inner, to),
            Statement::If { accept, reject, .. } => {
                visit(accept, to);
                visit(reject, to);
            }
            Statement::Switch { cases, .. } => {
                for case in cases {
                    visit(&case.body, to);
                }
            }
            Statement::Loop { body, continuing, .. } => {
                visit(body, to);
                visit(continuing, to);
            }
            _ => {}
        }
    }
}
