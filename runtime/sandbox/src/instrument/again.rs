//! What the engine may do more than once, or before it is asked for, though it stands in one place: an engine that
//! optimises keeps work without side effects in a graph, and does it where its result is wanted, which may be in each
//! of many branches. No rule that this pass could know is that of every engine version; so what cannot be excluded is
//! charged by a share.
//!
//! A value has a cone: the weight of the work behind it, back to what is done in its place: loads, calls, parameters.
//! A straight run of operators that reads a local that it has not set pays a share of the local's cone
//! ([`CostTable::again_shift`]), unless it is small ([`CostTable::again_free`]); together at most that share of all
//! such work in the function so far. And where a loop is entered, all the work in it is paid that its first round may
//! pass by: where operands do not change in the loop, the engine does the work before it, on a path that is never taken
//! too; and whether they change is for the engine to find.
//!
//! An operator with an effect has its operands done where it stands: so a local that it takes directly is done from
//! there on, to where ways meet.
//!
//! [`CostTable::again_shift`]: super::CostTable::again_shift
//! [`CostTable::again_free`]: super::CostTable::again_free

use wasmparser::{Catch, Operator};

use super::{COSTS, track};

/// What an operator does to operands.
enum Effect {
    Get(u32),
    Set(u32),
    Open {
        is_loop: bool,
    },
    Else,
    End,
    /// So many results that are new here.
    New(usize),
    /// One result of the operands alone.
    Pure,
    /// Nothing new.
    Other,
}

/// What one operator costs beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extra {
    /// Number of the defined function.
    pub(crate) function: u32,
    /// Number of the operator in it.
    pub(crate) operator: u32,
    pub(crate) cost: u32,
}

#[derive(Clone, Copy, Default)]
struct Operand {
    cone: u32,
    /// The local that it is a value of, by its index plus one, and which of its values.
    local: u32,
    set: u32,
}

#[derive(Clone, Copy, Default)]
struct Local {
    cone: u32,
    /// No two sets in a function have the same number.
    set: u32,
    /// The last straight run that set or read it.
    run: u32,
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

struct Frame {
    is_loop: bool,
    /// Ways meet at its end.
    joins: bool,
    /// Operands below it.
    height: usize,
    /// The largest cone of an operand in it.
    largest: u32,
    /// Sets of locals before it.
    sets: usize,
}

/// Follows one function after the other. Made once for all functions of a module.
#[derive(Default)]
pub(super) struct Again {
    operands: Vec<Operand>,
    locals: Vec<Local>,
    /// Locals that were set in open frames, with what was in them.
    sets: Vec<(u32, u32)>,
    frames: Vec<Frame>,
    loops: Vec<OpenLoop>,
    /// Operators so far.
    operator: u32,
    /// Weight of all work without side effects so far.
    pure: u32,
    run: u32,
    /// Cones that this run has read.
    read: u32,
    /// The same of all runs, each at most the work before it.
    total: u64,
    extras: Vec<(u32, u32)>,
}

impl Again {
    /// A function with so many locals begins.
    pub(super) fn begin(&mut self, locals: u32) {
        let Again { mut operands, locals: mut known, mut sets, mut frames, mut loops, mut extras, .. } =
            std::mem::take(self);
        operands.clear();
        known.clear();
        known.resize(locals as usize, Local::default());
        sets.clear();
        frames.clear();
        loops.clear();
        extras.clear();
        frames.push(Frame { is_loop: false, joins: false, height: 0, largest: 0, sets: 0 });
        *self = Again { operands, locals: known, sets, frames, loops, extras, run: 1, ..Again::default() };
    }

    /// The function number `function` has ended. The weight of what its runs may do again.
    pub(super) fn finish(&mut self, function: u32, all: &mut Vec<Extra>) -> u64 {
        self.extras.sort_unstable();
        let extra = |&(operator, cost): &(u32, u32)| Extra { function, operator, cost };
        all.extend(self.extras.iter().map(extra));
        self.total
    }

    /// Takes the next operator, with the height of the operand stack before and after it. `values` is how many
    /// results a call has and parameters a block, and 1 for a global that may change.
    pub(super) fn operator(
        &mut self,
        operator: &Operator<'_>,
        (before, after): (usize, usize),
        values: usize,
    ) {
        self.done(operator, before, after.saturating_sub(values));
        self.branches(operator);
        match effect(operator, (before, after), values) {
            Effect::Open { is_loop } => {
                self.operands.resize(after, Operand::default());
                let height = after.saturating_sub(values);
                let is_if = matches!(operator, Operator::If { .. });
                let mut largest = 0;
                for operand in &mut self.operands[height..] {
                    largest = largest.max(operand.cone);
                    *operand = Operand { cone: operand.cone, ..Operand::default() };
                }
                if is_loop {
                    // What comes round is made where it is brought.
                    self.loops.push(OpenLoop { operator: self.operator, work: 0, until: NEVER });
                }
                if is_loop || is_if {
                    self.new_run();
                }
                let sets = self.sets.len();
                self.frames.push(Frame { is_loop, joins: is_if, height, largest, sets });
                if is_if {
                    self.passes(0);
                }
            }
            Effect::Else => {
                self.operands.resize(after, Operand::default());
                if let Some(first) = self.frames.last().map(|frame| frame.sets) {
                    self.join(first);
                }
                self.new_run();
            }
            Effect::End => self.end(after),
            Effect::Get(local) => {
                let cone = self.read(local);
                let set = self.locals.get(local as usize).map_or(0, |local| local.set);
                self.push(after, Operand { cone, local: local + 1, set });
            }
            Effect::Set(local) => {
                let cone = self.operands.get(before.wrapping_sub(1)).map_or(0, |operand| operand.cone);
                let (run, set) = (self.run, self.operator + 1);
                if let Some(known) = self.locals.get_mut(local as usize) {
                    self.sets.push((local, known.cone));
                    *known = Local { cone, set, run };
                }
                self.operands.resize(after, Operand::default());
                if after == before {
                    self.push(after, Operand { cone, local: local + 1, set });
                }
            }
            Effect::New(count) => {
                self.operands.resize(after, Operand::default());
                let first = after.saturating_sub(count);
                self.operands[first..].fill(Operand::default());
            }
            Effect::Pure => {
                let weight = weight(operator);
                self.pure = self.pure.saturating_add(weight);
                let first = after.saturating_sub(1).min(self.operands.len());
                let sum = self.operands[first..]
                    .iter()
                    .fold(weight, |sum, operand| sum.saturating_add(operand.cone));
                self.push(after, Operand { cone: sum.min(self.pure), ..Operand::default() });
                self.work(weight);
            }
            Effect::Other => self.operands.resize(after, Operand::default()),
        }
        self.operator += 1;
    }

    fn end(&mut self, after: usize) {
        self.operands.resize(after, Operand::default());
        let index = u32::try_from(self.frames.len()).unwrap_or(u32::MAX).saturating_sub(1);
        let Some(frame) = self.frames.pop() else { return };
        if frame.is_loop
            && let Some(OpenLoop { operator, work, .. }) = self.loops.pop()
        {
            if let Some(outer) = self.loops.last_mut() {
                outer.work = outer.work.saturating_add(work);
            }
            self.extra(operator, work);
        }
        if frame.joins {
            self.join(frame.sets);
            let result = Operand { cone: frame.largest, ..Operand::default() };
            self.operands.iter_mut().skip(frame.height).for_each(|operand| *operand = result);
            self.new_run();
        }
        if let Some(outer) = self.frames.last_mut() {
            outer.largest = outer.largest.max(frame.largest);
        }
        for open in self.loops.iter_mut().rev().skip_while(|open| open.until == NEVER) {
            if open.until != index {
                break;
            }
            open.until = NEVER;
        }
    }

    /// Each local that was set since may be what it was before, too. What is merged need not be known any more: the
    /// local's next set will note it.
    fn join(&mut self, first: usize) {
        for (local, cone) in self.sets.drain(first..) {
            if let Some(local) = self.locals.get_mut(local as usize) {
                local.cone = local.cone.max(cone);
            }
        }
    }

    /// What an operator does that has an effect, or decides where control goes: its operands, from `first` on, are done
    /// where it stands. Values that a branch takes along need not be.
    fn done(&mut self, operator: &Operator<'_>, before: usize, first: usize) {
        let first = match operator {
            Operator::If { .. } | Operator::BrIf { .. } | Operator::BrTable { .. } => {
                before.saturating_sub(1)
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::GlobalSet { .. } => first,
            // The result of a load comes where its address was.
            access if track::accesses_memory(access) => first.min(before.saturating_sub(1)),
            _ => return,
        };
        for operand in self.operands.iter().take(before).skip(first) {
            let Some(index) = operand.local.checked_sub(1) else { continue };
            if let Some(local) = self.locals.get_mut(index as usize)
                && local.set == operand.set
                && local.cone > 0
            {
                self.sets.push((index, local.cone));
                local.cone = 0;
            }
        }
    }

    fn new_run(&mut self) {
        self.run = self.run.wrapping_add(1);
        self.read = 0;
    }

    /// The cone of a local, which the run pays for if it is new to it.
    fn read(&mut self, local: u32) -> u32 {
        let (run, pure) = (self.run, self.pure);
        let Some(local) = self.locals.get_mut(local as usize) else { return 0 };
        let cone = local.cone;
        if std::mem::replace(&mut local.run, run) != run && cone >= COSTS.again_free {
            let before = self.read.min(pure);
            self.read = self.read.saturating_add(cone);
            let now = self.read.min(pure);
            self.total += u64::from(now - before);
            self.extra(self.operator, u64::from((now >> COSTS.again_shift) - (before >> COSTS.again_shift)));
        }
        cone
    }

    fn extra(&mut self, operator: u32, cost: u64) {
        if cost > 0 {
            self.extras.push((operator, u32::try_from(cost).unwrap_or(u32::MAX)));
        }
    }

    /// The top of the stack of this height.
    fn push(&mut self, height: usize, operand: Operand) {
        self.operands.resize(height, Operand::default());
        if let (Some(top), Some(frame)) = (self.operands.last_mut(), self.frames.last_mut()) {
            *top = operand;
            frame.largest = frame.largest.max(operand.cone);
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
        if let Some(frame) = self.frames.get_mut(target) {
            frame.joins |= !frame.is_loop;
        }
        let target = u32::try_from(target).unwrap_or(NEVER - 1);
        for open in self.loops.iter_mut().rev() {
            if open.until <= target {
                break;
            }
            open.until = target;
        }
    }

    fn branches(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.passes(*relative_depth);
                self.new_run();
            }
            Operator::BrTable { targets } => {
                for depth in targets.targets().flatten().chain([targets.default()]) {
                    self.passes(depth);
                }
                self.new_run();
            }
            Operator::TryTable { try_table } => {
                for catch in &try_table.catches {
                    match *catch {
                        Catch::One { label, .. }
                        | Catch::OneRef { label, .. }
                        | Catch::All { label }
                        | Catch::AllRef { label } => self.passes(label),
                    }
                }
            }
            Operator::Return
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Unreachable => {
                self.passes(u32::try_from(self.frames.len()).unwrap_or(1).saturating_sub(1));
                self.new_run();
            }
            _ => {}
        }
    }
}

/// Weight of an operator without side effects. One that may trap is done in its place, unless it turns into something
/// simpler: a division by a constant.
fn weight(operator: &Operator<'_>) -> u32 {
    use Operator::*;
    match operator {
        I32DivS | I32DivU | I32RemS | I32RemU | I64DivS | I64DivU | I64RemS | I64RemU => COSTS.convert,
        other => COSTS.operator(other),
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
