//! What the engine computes before a loop although it stands in it: every operator whose operands do not change in the
//! loop, wherever in the loop it stands, on a path that is never taken too. It is charged where the loop is entered,
//! beside what the operator costs where it stands.
//!
//! A value has a level: the number of open loops in which it may change, so that an operator on values of a lower level
//! than its own place can be done that much further out. What is not known is taken for 0, which charges too much: so
//! for a local that the loop sets further on, and for one that was last set in a block that has ended, for control may
//! have left that block for elsewhere.

use wasmparser::Operator;

use super::{COSTS, track};

/// The work before one loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hoisted {
    /// Number of the defined function.
    pub(crate) function: u32,
    /// Number of the loop in it, in the order of the loops' heads.
    pub(crate) number: u32,
    /// Gas of the work.
    pub(crate) cost: u32,
}

/// What an operator does to the levels of operands.
enum Effect {
    Get(u32),
    Set(u32),
    Open {
        is_loop: bool,
    },
    Else,
    End,
    /// A constant of a number: it is made anew where it is used.
    Constant,
    /// A constant vector, which the engine moves out of one loop only.
    ConstantVector,
    /// So many results that are new here.
    New(usize),
    /// One result of the operands alone.
    Pure,
    /// Nothing new.
    Other,
}

/// A local as it was last set.
#[derive(Clone, Copy, Default)]
struct Local {
    level: u16,
    /// Where among the open structures, and which.
    depth: u32,
    structure: u64,
}

/// A structure within the outermost loop.
struct Frame {
    /// No two have the same.
    structure: u64,
    is_loop: bool,
    /// Operands below it.
    height: usize,
}

/// Follows levels through one function. Made once for all functions of a module.
#[derive(Default)]
pub(super) struct Hoisting {
    /// Of every operand.
    stack: Vec<u16>,
    locals: Vec<Local>,
    /// The outermost loop and what is open in it.
    frames: Vec<Frame>,
    /// Structures so far, in all functions.
    structures: u64,
    /// The open loops: what was found for each, by its place in `found`.
    open: Vec<usize>,
    /// Loops of the function so far.
    found: Vec<u32>,
}

impl Hoisting {
    /// A function with so many locals begins.
    pub(super) fn begin(&mut self, locals: u32) {
        self.stack.clear();
        self.locals.clear();
        self.locals.resize(locals as usize, Local::default());
        self.frames.clear();
        self.open.clear();
        self.found.clear();
    }

    /// The function number `function` has ended.
    pub(super) fn finish(&mut self, function: u32, all: &mut Vec<Hoisted>) {
        for (number, &cost) in (0..).zip(&self.found) {
            if cost > 0 {
                all.push(Hoisted { function, number, cost });
            }
        }
    }

    fn level(&self) -> u16 {
        u16::try_from(self.open.len()).unwrap_or(u16::MAX)
    }

    /// Takes the next operator, with the height of the operand stack before and after it. `values` is how many
    /// results a call has and a loop parameters, and 1 for a global that may change.
    pub(super) fn operator(
        &mut self,
        operator: &Operator<'_>,
        (before, after): (usize, usize),
        values: usize,
    ) {
        // Nothing is moved out where there is no loop.
        if self.open.is_empty() && !matches!(operator, Operator::Loop { .. }) {
            return;
        }
        let here = self.level();
        match effect(operator, (before, after), values) {
            Effect::Open { is_loop } => {
                self.stack.resize(after, 0);
                self.structures += 1;
                let height = after.saturating_sub(values);
                self.frames.push(Frame { structure: self.structures, is_loop, height });
                if is_loop {
                    self.open.push(self.found.len());
                    self.found.push(0);
                }
            }
            Effect::Else => {
                self.stack.resize(after, 0);
                self.structures += 1;
                if let Some(frame) = self.frames.last_mut() {
                    frame.structure = self.structures;
                }
            }
            Effect::End => {
                self.stack.resize(after, 0);
                if let Some(Frame { is_loop: true, height, .. }) = self.frames.pop() {
                    self.open.pop();
                    let outer = self.level();
                    self.stack.iter_mut().skip(height).for_each(|level| *level = (*level).min(outer));
                }
            }
            Effect::Get(local) => {
                let level = self.locals.get(local as usize).map_or(0, |local| self.level_of(local));
                self.push(after, level);
            }
            Effect::Set(local) => {
                let level = self.stack.get(before.wrapping_sub(1)).copied().unwrap_or(0);
                let depth = self.frames.len().saturating_sub(1);
                let structure = self.frames.last().map_or(0, |frame| frame.structure);
                if let Some(local) = self.locals.get_mut(local as usize) {
                    *local = Local { level, depth: u32::try_from(depth).unwrap_or(u32::MAX), structure };
                }
                self.stack.resize(after, level);
            }
            Effect::Constant => self.push(after, 0),
            Effect::ConstantVector => {
                self.charge(here.saturating_sub(1), operator);
                self.push(after, here.saturating_sub(1));
            }
            Effect::New(count) => {
                self.stack.resize(after, here);
                let first = after.saturating_sub(count);
                self.stack[first..].fill(here);
            }
            Effect::Pure => {
                let first = after.saturating_sub(1).min(self.stack.len());
                let level = self.stack[first..].iter().copied().max().unwrap_or(0);
                if level < here {
                    self.charge(level, operator);
                }
                self.push(after, level);
            }
            Effect::Other => self.stack.resize(after, 0),
        }
    }

    fn level_of(&self, local: &Local) -> u16 {
        let open = self.frames.get(local.depth as usize);
        if open.is_some_and(|frame| frame.structure == local.structure) { local.level } else { 0 }
    }

    /// The top of the stack of this height.
    fn push(&mut self, height: usize, level: u16) {
        self.stack.resize(height, 0);
        if let Some(top) = self.stack.last_mut() {
            *top = level;
        }
    }

    /// Work that is done before the open loop of this number.
    fn charge(&mut self, number: u16, operator: &Operator<'_>) {
        let found = self.open.get(usize::from(number)).and_then(|&index| self.found.get_mut(index));
        if let Some(cost) = found {
            *cost = cost.saturating_add(COSTS.operator(operator));
        }
    }
}

fn effect(operator: &Operator<'_>, (before, after): (usize, usize), values: usize) -> Effect {
    use Operator::*;
    match operator {
        LocalGet { local_index } => Effect::Get(*local_index),
        LocalSet { local_index } | LocalTee { local_index } => Effect::Set(*local_index),
        Loop { .. } => Effect::Open { is_loop: true },
        Block { .. } | If { .. } | TryTable { .. } => Effect::Open { is_loop: false },
        Else => Effect::Else,
        End => Effect::End,
        I32Const { .. } | I64Const { .. } | F32Const { .. } | F64Const { .. } | RefNull { .. } => {
            Effect::Constant
        }
        V128Const { .. } => Effect::ConstantVector,
        Call { .. } | CallIndirect { .. } => Effect::New(values),
        GlobalGet { .. } if values > 0 => Effect::New(1),
        RefFunc { .. }
        | MemorySize { .. }
        | MemoryGrow { .. }
        | TableGet { .. }
        | TableGrow { .. }
        | TableSize { .. } => Effect::New(1),
        Br { .. }
        | BrIf { .. }
        | BrTable { .. }
        | Return
        | ReturnCall { .. }
        | ReturnCallIndirect { .. }
        | Throw { .. }
        | ThrowRef
        | Unreachable
        | Nop
        | Drop
        | GlobalSet { .. }
        | TableSet { .. }
        | TableCopy { .. }
        | TableFill { .. }
        | TableInit { .. }
        | ElemDrop { .. }
        | DataDrop { .. }
        | MemoryCopy { .. }
        | MemoryFill { .. }
        | MemoryInit { .. } => Effect::Other,
        // A load takes an address, and a load into a lane a vector too; a store has no result.
        access if track::accesses_memory(access) => {
            if before.saturating_sub(after) < 2 {
                Effect::New(1)
            } else {
                Effect::Other
            }
        }
        _ => Effect::Pure,
    }
}
