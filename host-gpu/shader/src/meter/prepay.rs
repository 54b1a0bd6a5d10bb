//! Writes what a loop whose turns are known pays before it begins, and what it is asked behind its end.

use super::CAP;
use super::ahead::{Ahead, Head, Step, While, operands};
use super::build::Build;
use super::order::Order;
use naga::{
    BinaryOperator as Op, Expression, GlobalVariable, Handle, Literal, MathFunction, ScalarKind, Statement,
};
use std::collections::BTreeMap;

type Value = Handle<Expression>;

/// `let gone = left <= turns * weight; left = gone ? 0 : left - turns * weight;`, and gives `gone`.
pub(crate) fn charge(
    build: &mut Build<'_>,
    order: &Order,
    number: usize,
    ahead: &Ahead,
    weight: u32,
    counter: Handle<GlobalVariable>,
) -> Value {
    let rounds = Prepay { build, order, number, signed: ahead.signed }.rounds(ahead);
    // One more turn finds the end.
    let most = build.word(CAP / weight.max(1));
    let too_many = build.binary(Op::GreaterEqual, rounds, most);
    let weight = build.word(weight);
    let all_but_one = build.binary(Op::Multiply, rounds, weight);
    let total = build.binary(Op::Add, all_but_one, weight);
    let pointer = build.global(counter);
    let left = build.load(pointer);
    let too_little = build.binary(Op::LessEqual, left, total);
    let gone = build.binary(Op::LogicalOr, too_many, too_little);
    let rest = build.binary(Op::Subtract, left, total);
    let zero = build.word(0);
    let value = build.emit(Expression::Select { condition: gone, accept: zero, reject: rest });
    build.push(Statement::Store { pointer, value });
    gone
}

/// `if gone { i = n; }`, so that the loop ends where it begins; `false` if there is no value of `i` that surely does that.
///
/// A loop inside an `if` would do the same, and takes a fifth more time on a processor that plays a GPU when it has barriers.
pub(crate) fn skip(build: &mut Build<'_>, order: &Order, number: usize, ahead: &Ahead, gone: Value) -> bool {
    let end = match ahead.while_ {
        // The bound is 0.
        While::Less | While::Greater | While::NotEqual | While::Bits => ahead.bound,
        While::LessEqual | While::GreaterEqual => return false,
    };
    let accept = copy(build, order, number, end, &mut BTreeMap::new());
    let pointer = build.name(Expression::LocalVariable(ahead.variable));
    let reject = build.load(pointer);
    let value = build.emit(Expression::Select { condition: gone, accept, reject });
    build.push(Statement::Store { pointer, value });
    true
}

/// `if condition { cut = 1; }`, with the condition on which the loop goes on.
pub(crate) fn came_to_its_end(
    build: &mut Build<'_>,
    order: &Order,
    number: usize,
    head: Head,
    cut: Handle<GlobalVariable>,
) {
    let condition = copy(build, order, number, head.condition, &mut BTreeMap::new());
    let pointer = build.global(cut);
    let cut_short = |build: &mut Build<'_>| {
        let value = build.word(super::CUT);
        build.push(Statement::Store { pointer, value });
    };
    if head.goes_on {
        build.when(condition, cut_short);
    } else {
        let condition =
            build.emit(Expression::Unary { op: naga::UnaryOperator::LogicalNot, expr: condition });
        build.when(condition, cut_short);
    }
}

/// Computes an expression of a loop outside it; what stands before the loop is taken from there.
fn copy(
    build: &mut Build<'_>,
    order: &Order,
    number: usize,
    of: Value,
    known: &mut BTreeMap<Value, Value>,
) -> Value {
    if !order.is_made_in(of, number) {
        return of;
    }
    if let Some(found) = known.get(&of) {
        return *found;
    }
    let mut expression = build.function.expressions[of].clone();
    // Looked at before: it depends on its operands alone.
    let _ = operands(&mut expression, &mut |operand| *operand = copy(build, order, number, *operand, known));
    let found = build.emit(expression);
    known.insert(of, found);
    found
}

struct Prepay<'b, 'f> {
    build: &'b mut Build<'f>,
    order: &'b Order,
    number: usize,
    signed: bool,
}

impl Prepay<'_, '_> {
    /// How often the loop goes on; the largest number if it never ends.
    fn rounds(&mut self, ahead: &Ahead) -> Value {
        let pointer = self.build.name(Expression::LocalVariable(ahead.variable));
        let start = self.build.load(pointer);
        let bound = copy(self.build, self.order, self.number, ahead.bound, &mut BTreeMap::new());
        match (ahead.while_, ahead.step) {
            (While::Bits, Step::Right(by)) => self.bits(start, by),
            (While::NotEqual, Step::Down(_)) => self.distance(bound, start),
            (While::NotEqual, _) => self.distance(start, bound),
            (While::Less, step) => self.steps(Op::Less, (start, bound), true, step),
            (While::LessEqual, step) => self.steps(Op::LessEqual, (start, bound), true, step),
            (While::Greater, step) => self.steps(Op::Greater, (start, bound), false, step),
            (While::GreaterEqual, step) => self.steps(Op::GreaterEqual, (start, bound), false, step),
            // `Finder` makes no other.
            (While::Bits, _) => self.build.word(u32::MAX),
        }
    }

    /// The bits of a word, by so many at a time.
    fn bits(&mut self, word: Value, by: u32) -> Value {
        // Of 0 it is the largest number, and the sum is 0.
        let highest = self.build.emit(Expression::Math {
            fun: MathFunction::FirstLeadingBit,
            arg: word,
            arg1: None,
            arg2: None,
            arg3: None,
        });
        let up = self.build.word(by);
        let sum = self.build.binary(Op::Add, highest, up);
        if by == 1 { sum } else { self.build.binary(Op::Divide, sum, up) }
    }

    /// Steps while `start` compares so with `bound`.
    fn steps(&mut self, op: Op, (start, bound): (Value, Value), up: bool, step: Step) -> Value {
        let enters = self.build.binary(op, start, bound);
        let strict = matches!(op, Op::Less | Op::Greater);
        let one = self.build.word(1);
        let mut distance = if up { self.distance(start, bound) } else { self.distance(bound, start) };
        if strict {
            distance = self.build.binary(Op::Subtract, distance, one);
        }
        let (size, moves) = match step {
            Step::Up(size) | Step::Down(size) => (self.build.word(size), None),
            Step::UpBy(by) | Step::DownBy(by) => {
                let by = copy(self.build, self.order, self.number, by, &mut BTreeMap::new());
                let zero = self.zero();
                (self.word(by), Some(self.build.binary(Op::Greater, by, zero)))
            }
            Step::Right(_) => (one, None),
        };
        let by_one = matches!(step, Step::Up(1) | Step::Down(1));
        let whole = if by_one { distance } else { self.build.binary(Op::Divide, distance, size) };
        let mut rounds = self.build.binary(Op::Add, whole, one);
        let endless = self.build.word(u32::MAX);
        // A strict bound is met by steps of one before the end of the type.
        if !(by_one && strict) {
            let last = self.end(up);
            let start = self.word(start);
            let (from, to) = if up { (start, last) } else { (last, start) };
            let room = self.build.binary(Op::Subtract, to, from);
            let moved = if by_one { whole } else { self.build.binary(Op::Multiply, whole, size) };
            let none = self.build.binary(Op::Less, room, size);
            let rest = self.build.binary(Op::Subtract, room, size);
            let passes = self.build.binary(Op::Greater, moved, rest);
            let wraps = self.build.binary(Op::LogicalOr, none, passes);
            rounds =
                self.build.emit(Expression::Select { condition: wraps, accept: endless, reject: rounds });
        }
        if let Some(condition) = moves {
            rounds = self.build.emit(Expression::Select { condition, accept: rounds, reject: endless });
        }
        let zero = self.build.word(0);
        self.build.emit(Expression::Select { condition: enters, accept: rounds, reject: zero })
    }

    /// `to - from` in 32 bits without a sign.
    fn distance(&mut self, from: Value, to: Value) -> Value {
        let (from, to) = (self.word(from), self.word(to));
        self.build.binary(Op::Subtract, to, from)
    }

    /// The same bits without a sign.
    fn word(&mut self, value: Value) -> Value {
        if !self.signed {
            return value;
        }
        self.build.emit(Expression::As { expr: value, kind: ScalarKind::Uint, convert: None })
    }

    fn zero(&mut self) -> Value {
        let zero = if self.signed { Literal::I32(0) } else { Literal::U32(0) };
        self.build.name(Expression::Literal(zero))
    }

    /// The last value of the type, upwards or downwards.
    fn end(&mut self, up: bool) -> Value {
        let end = match (self.signed, up) {
            (false, true) => u32::MAX,
            (false, false) => 0,
            (true, true) => i32::MAX.cast_unsigned(),
            (true, false) => i32::MIN.cast_unsigned(),
        };
        self.build.word(end)
    }
}
