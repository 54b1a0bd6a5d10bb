//! Finds innermost loops whose trip count is known when they are entered, so that they can be charged there at once.
//!
//! Such a loop runs straight from its head to its one test, which compares a local that each round moves by a
//! constant with something that the loop does not change, for equality: the form into which compilers bring most
//! loops. It calls nothing. Its rounds are then the solution of `first + k · step = bound` modulo 2³².

use wasm_encoder::Instruction as I;
use wasmparser::Operator;

use super::act::is_stop;

/// Rounds that cost more are charged one by one: so a charge stays far from the end of an `i64`.
const ROUND_MAX: u64 = 1 << 30;
/// Loops that set locals more often are left alone.
const SETS_MAX: usize = 64;

/// What the counter is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Constant(i32),
    Local(u32),
}

/// A loop that is charged when it is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// Index of the `loop` operator.
    pub(super) start: usize,
    counter: u32,
    step: i32,
    /// Whether the test sees the counter after its step.
    after_step: bool,
    bound: Bound,
    /// Gas of the operators up to the test, and of those from there back to the head.
    costs: [u64; 2],
}

impl Counted {
    /// Instructions that leave the gas of the whole loop on the operand stack, as an `i64`. If the counter steps over
    /// its bound for ever, they end the run for want of gas. `temporary` is an `i32` local.
    pub(super) fn total(&self, temporary: u32) -> Vec<I<'static>> {
        let bound = match self.bound {
            Bound::Constant(value) => I::I32Const(value),
            Bound::Local(local) => I::LocalGet(local),
        };
        let mut code = Vec::with_capacity(32);
        // The way from the first value that is tested to the bound, in the direction of the step.
        if self.step > 0 {
            code.extend([bound, I::LocalGet(self.counter), I::I32Sub]);
        } else {
            code.extend([I::LocalGet(self.counter), bound, I::I32Sub]);
        }
        if self.after_step {
            code.extend([I::I32Const(self.step.wrapping_abs()), I::I32Sub]);
        }
        let step = self.step.unsigned_abs();
        let shift = step.trailing_zeros();
        if shift > 0 {
            let low = (1u32 << shift) - 1;
            code.extend([
                I::LocalTee(temporary),
                I::I32Const(low.cast_signed()),
                I::I32And,
                I::If(wasm_encoder::BlockType::Empty),
                I::Unreachable,
                I::End,
                I::LocalGet(temporary),
                I::I32Const(shift.cast_signed()),
                I::I32ShrU,
            ]);
        }
        let odd = step >> shift;
        if odd > 1 {
            let mask = u32::MAX >> shift;
            code.extend([I::I32Const(inverse(odd).cast_signed()), I::I32Mul]);
            code.extend([I::I32Const(mask.cast_signed()), I::I32And]);
        }
        let [before, after] = self.costs.map(u64::cast_signed);
        code.extend([
            I::I64ExtendI32U,
            I::I64Const(before + after),
            I::I64Mul,
            I::I64Const(before),
            I::I64Add,
        ]);
        code
    }

    /// With the gas of a round before and after the test, if it is small enough.
    pub(super) fn costing(self, costs: [u64; 2]) -> Option<Counted> {
        let sum = costs[0].saturating_add(costs[1]);
        (sum < ROUND_MAX).then_some(Counted { costs, ..self })
    }
}

/// The number that gives 1 with an odd one, modulo 2³². Each step of Newton's method doubles the bits that are right,
/// of which an odd number has three as its own inverse.
fn inverse(odd: u32) -> u32 {
    (0..4).fold(odd, |inverse, _| inverse.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(inverse))))
}

/// An operator as far as tests and steps are made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Get(u32),
    Tee(u32),
    Constant(i32),
    Add,
    Equal,
    NotEqual,
    IsZero,
    Other,
}

/// One side of a test.
#[derive(Debug, Clone, Copy)]
enum Side {
    Constant(i32),
    /// A local as it is at this operator.
    Local(u32, usize),
}

#[derive(Debug, Clone, Copy)]
struct Test {
    sides: [Side; 2],
    /// Whether control goes back where they are equal.
    back_if_equal: bool,
    /// Whether the branch goes back; otherwise it leaves the loop.
    is_back: bool,
    at: usize,
}

/// A local that is set in the loop.
#[derive(Debug, Clone, Copy)]
struct Set {
    local: u32,
    /// By which constant it is moved, if it is.
    step: Option<i32>,
    at: usize,
}

/// An open loop that may turn out to be counted.
#[derive(Debug)]
pub(super) struct Candidate {
    start: usize,
    /// The last operators, the latest at the end.
    words: [Word; 8],
    sets: Vec<Set>,
    test: Option<Test>,
    /// Index of the last branch back.
    back: usize,
}

impl Candidate {
    pub(super) fn new(start: usize) -> Self {
        Candidate { start, words: [Word::Other; 8], sets: Vec::new(), test: None, back: 0 }
    }

    /// Takes the next operator of the loop's body. `false` if the loop is not counted.
    pub(super) fn take(&mut self, at: usize, operator: &Operator<'_>) -> bool {
        if self.back > 0 {
            return false;
        }
        let word = match *operator {
            Operator::LocalGet { local_index } => Word::Get(local_index),
            Operator::I32Const { value } => Word::Constant(value),
            Operator::I32Add => Word::Add,
            Operator::I32Eq => Word::Equal,
            Operator::I32Ne => Word::NotEqual,
            Operator::I32Eqz => Word::IsZero,
            Operator::LocalSet { local_index } => {
                self.set(local_index, at);
                Word::Other
            }
            Operator::LocalTee { local_index } => {
                self.set(local_index, at);
                Word::Tee(local_index)
            }
            Operator::BrIf { relative_depth } => {
                if self.test.is_some() || !self.test(relative_depth == 0, at) {
                    return false;
                }
                if relative_depth == 0 {
                    self.back = at;
                }
                Word::Other
            }
            Operator::Br { relative_depth: 0 } if self.test.is_some() => {
                self.back = at;
                Word::Other
            }
            ref other => {
                // Control may leave the straight way, or gas be charged on it, other than by a trap.
                if is_stop(other) {
                    return false;
                }
                Word::Other
            }
        };
        self.words.rotate_left(1);
        self.words[7] = word;
        self.sets.len() <= SETS_MAX
    }

    fn set(&mut self, local: u32, at: usize) {
        let step = match self.words[5..] {
            [Word::Get(of), Word::Constant(step), Word::Add] if of == local => Some(step),
            _ => None,
        };
        self.sets.push(Set { local, step, at });
    }

    /// Notes the test before a conditional branch.
    fn test(&mut self, is_back: bool, at: usize) -> bool {
        let (last, before) = (self.words[7], &self.words[..7]);
        let zero = Side::Constant(0);
        let sides = match last {
            Word::Equal | Word::NotEqual => side(before, at - 1).and_then(|(right, words)| {
                let (left, _) = side(&before[..before.len() - words], at - 1 - words)?;
                Some([left, right])
            }),
            Word::IsZero => side(before, at - 1).map(|(value, _)| [value, zero]),
            _ => side(&self.words, at).map(|(value, _)| [value, zero]),
        };
        let branches_if_equal = matches!(last, Word::Equal | Word::IsZero);
        let back_if_equal = branches_if_equal == is_back;
        self.test = sides.map(|sides| Test { sides, back_if_equal, is_back, at });
        self.test.is_some()
    }

    /// At the loop's `end`: the loop, if it is counted, but for its costs; and where its test is.
    pub(super) fn close(&self, end: usize) -> Option<(Counted, usize)> {
        let test = self.test.filter(|test| !test.back_if_equal)?;
        if self.back + 1 != end || test.is_back != (self.back == test.at) {
            return None;
        }
        let [left, right] = test.sides;
        let (counter, bound) = match (self.step_of(left), self.step_of(right)) {
            (Some(counter), None) => (counter, self.bound(right)?),
            (None, Some(counter)) => (counter, self.bound(left)?),
            _ => return None,
        };
        let (set, seen) = counter;
        let counted = Counted {
            start: self.start,
            counter: set.local,
            step: set.step.filter(|&step| step != 0 && step != i32::MIN)?,
            after_step: set.at <= seen,
            bound,
            costs: [0; 2],
        };
        Some((counted, test.at))
    }

    /// The one place where a side is stepped, and where the side is taken from it.
    fn step_of(&self, side: Side) -> Option<(Set, usize)> {
        let Side::Local(local, at) = side else { return None };
        let mut sets = self.sets.iter().filter(|set| set.local == local);
        let set = sets.next()?;
        (sets.next().is_none() && set.step.is_some()).then_some((*set, at))
    }

    /// A side that the loop does not change.
    fn bound(&self, side: Side) -> Option<Bound> {
        match side {
            Side::Constant(value) => Some(Bound::Constant(value)),
            Side::Local(local, _) => {
                self.sets.iter().all(|set| set.local != local).then_some(Bound::Local(local))
            }
        }
    }
}

/// The value that the last of `words` leave, where `end` is the index of the operator after them; and how many words
/// that takes.
fn side(words: &[Word], end: usize) -> Option<(Side, usize)> {
    match *words {
        [.., Word::Get(of), Word::Constant(_), Word::Add, Word::Tee(local)] if of == local => {
            Some((Side::Local(local, end - 1), 4))
        }
        [.., Word::Tee(local)] => Some((Side::Local(local, end - 1), 1)),
        [.., Word::Get(local)] => Some((Side::Local(local, end - 1), 1)),
        [.., Word::Constant(value)] => Some((Side::Constant(value), 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
