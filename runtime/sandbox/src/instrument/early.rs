//! What the engine may do before a loop, though it stands in the loop: work without side effects whose operands do not
//! change there, on a path that is never taken too.
//!
//! Whether operands change is for the engine to find, and no rule that this pass could know is that of every engine
//! version. So where a loop is entered, all the work in it is paid that its first round may pass by.

use wasmparser::Operator;

use super::operands::{Effect, Opening, leaves, weight};

/// What one operator costs beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extra {
    /// Number of the defined function.
    pub(crate) function: u32,
    /// Number of the operator in it.
    pub(crate) operator: u32,
    pub(crate) cost: u32,
}

/// No frame: what is not passed by.
const NEVER: u32 = u32::MAX;

struct OpenLoop {
    operator: u32,
    /// Work in it that is charged to it and to all that are outside of it.
    work: u64,
    /// What comes up to the end of this frame may be passed by in the first round.
    until: u32,
}

/// Follows one function after the other. Made once for all functions of a module.
#[derive(Default)]
pub(super) struct Early {
    /// Whether each open structure is a loop.
    frames: Vec<bool>,
    loops: Vec<OpenLoop>,
    /// Operators so far.
    operator: u32,
    extras: Vec<(u32, u32)>,
}

impl Early {
    /// A function begins.
    pub(super) fn begin(&mut self) {
        self.frames.clear();
        self.loops.clear();
        self.extras.clear();
        self.frames.push(false);
        self.operator = 0;
    }

    /// The function number `function` has ended.
    pub(super) fn finish(&mut self, function: u32, all: &mut Vec<Extra>) {
        self.extras.sort_unstable();
        all.extend(self.extras.iter().map(|&(operator, cost)| Extra { function, operator, cost }));
    }

    /// Takes the next operator.
    pub(super) fn operator(&mut self, operator: &Operator<'_>, effect: Effect) {
        let outermost = u32::try_from(self.frames.len()).unwrap_or(NEVER).saturating_sub(1);
        leaves(operator, outermost, |depth| self.passes(depth));
        match effect {
            Effect::Open(opening) => {
                if opening == Opening::Loop {
                    self.loops.push(OpenLoop { operator: self.operator, work: 0, until: NEVER });
                }
                self.frames.push(opening == Opening::Loop);
                if opening == Opening::If {
                    self.passes(0);
                }
            }
            Effect::End => self.end(),
            Effect::Pure => self.work(weight(operator)),
            _ => {}
        }
        self.operator += 1;
    }

    fn end(&mut self) {
        let index = u32::try_from(self.frames.len()).unwrap_or(NEVER).saturating_sub(1);
        if self.frames.pop() == Some(true)
            && let Some(OpenLoop { operator, work, .. }) = self.loops.pop()
        {
            if let Some(outer) = self.loops.last_mut() {
                outer.work = outer.work.saturating_add(work);
            }
            if work > 0 {
                self.extras.push((operator, u32::try_from(work).unwrap_or(u32::MAX)));
            }
        }
        for open in self.loops.iter_mut().rev().skip_while(|open| open.until == NEVER) {
            if open.until != index {
                break;
            }
            open.until = NEVER;
        }
    }

    /// Work of the open loops whose first round may pass it by: those are the outer ones of them.
    fn work(&mut self, weight: u32) {
        let passed = self.loops.partition_point(|open| open.until != NEVER);
        if let Some(open) = passed.checked_sub(1).and_then(|innermost| self.loops.get_mut(innermost)) {
            open.work = open.work.saturating_add(weight.into());
        }
    }

    /// Control may go from here to the label at this depth.
    fn passes(&mut self, depth: u32) {
        let target = self.frames.len().saturating_sub(1 + depth as usize);
        let target = u32::try_from(target).unwrap_or(NEVER - 1);
        for open in self.loops.iter_mut().rev() {
            if open.until <= target {
                break;
            }
            open.until = target;
        }
    }
}
