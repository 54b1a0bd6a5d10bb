//! Where a value is tied to its place, so that the engine cannot make it in many.
//!
//! An engine that optimises keeps work without side effects in a graph, and does it where its result is wanted, which
//! may be in each of many branches: what stands once in the module, and is paid once, is done a hundred times, and
//! compiled as often. So a value with much work behind it that leaves the straight run of operators in which it was
//! made is made a *root* there: behind its operator stands a branch that is never taken, in which it would be something
//! else. What flows on is a merge of two values, which no engine can make in another place.
//!
//! A value's *cone* is the weight of the work behind it, back to what is done in its place: loads, calls, parameters,
//! merges, roots. No cone of [`CONE`] or more crosses from one run into another; so a run does again less than that for
//! each local that it reads, for one gas, or takes along.
//!
//! What is taken for a cone is never too small. Where ways meet, a local may be any of the values that it had since
//! they parted. A call has its arguments done where it stands, and what reads or writes memory its address: so a local
//! that they take directly is done from there on, to where ways meet. What is stored or decides a branch nearly always is,
//! too, but an engine may leave stores out, and see through conditions: so there less than [`MOSTLY`] is let pass. A way back to the head of a loop takes all locals along.

use wasm_encoder::reencode::{self, Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, InstructionSink};
use wasmparser::{Operator, ValType};

use super::nan::Hint;
use super::operands::{Effect, Opening, leaves, weight};
use super::track;

type Error = reencode::Error<std::convert::Infallible>;

/// The least weight of work that is not left to cross from one run into another. What a root costs at run time, a load, a
/// test and a jump, is small against it.
const CONE: u32 = 16;

/// The same for a value that is stored or decides a branch where it is made: nearly always it is done there.
const MOSTLY: u32 = 32;

/// The most bytes by which a function grows for one root: the code, its hint, and a local of its type.
pub(super) const GROWTH: u64 = 72;

/// The most values of which one local is thought to be any.
const OTHERS: u32 = 8;

/// A value that is tied to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root {
    /// Number of the defined function.
    pub(crate) function: u32,
    /// Number of the operator in it that leaves the value on top of the operand stack.
    pub(crate) operator: u32,
    /// Of the value.
    pub(crate) ty: ValType,
}

#[derive(Clone, Copy, Default)]
struct Value {
    /// What may have to be done for it here, and what for it where nothing is done yet.
    cone: u32,
    whole: u32,
    /// The operator that made it, by its number plus one; 0 where it is new. Two values of one maker are equal.
    maker: u32,
    /// `None` where it cannot be tied to its place, and need not.
    ty: Option<ValType>,
}

#[derive(Clone, Copy, Default)]
struct Operand {
    value: Value,
    /// The local that it is a value of, by its index plus one.
    local: u32,
}

#[derive(Clone, Copy, Default)]
struct Local {
    value: Value,
    /// The run that set it.
    run: u32,
    /// Other values with large cones that it may be, by the number of the first plus one.
    others: u32,
    /// The largest cone of all others.
    small: u32,
}

/// One of the values that a local may be.
struct Other {
    value: Value,
    /// The next by its number plus one, and how many there are with this one.
    next: u32,
    count: u32,
}

struct Frame {
    is_loop: bool,
    /// Ways meet at its end.
    joins: bool,
    parameters: usize,
    results: usize,
    /// Of a loop, how many locals with much work behind them there were before it.
    large: usize,
    /// The largest cone that branches bring to its end.
    carried: u32,
    /// Sets of locals before it.
    sets: usize,
}

/// Follows one function after the other. Made once for all functions of a module.
#[derive(Default)]
pub(super) struct Roots {
    operands: Vec<Operand>,
    locals: Vec<Local>,
    others: Vec<Other>,
    /// Locals that were set in open frames, with what was in them.
    sets: Vec<(u32, Local)>,
    /// Locals with much work behind them, or that may be several values, that no way back has tied yet.
    large: Vec<u32>,
    /// Something thrown may go to the head of a loop.
    thrown_back: bool,
    frames: Vec<Frame>,
    /// Operators so far.
    operator: u32,
    /// Weight of all work without side effects so far.
    pure: u32,
    run: u32,
    roots: Vec<(u32, ValType)>,
}

impl Roots {
    /// A function with so many locals begins.
    pub(super) fn begin(&mut self, locals: u32) {
        let Roots {
            operands,
            locals: known,
            others,
            sets,
            large,
            thrown_back,
            frames,
            operator,
            pure,
            run,
            roots,
        } = self;
        operands.clear();
        known.clear();
        known.resize(locals as usize, Local::default());
        others.clear();
        sets.clear();
        large.clear();
        frames.clear();
        roots.clear();
        (*operator, *pure, *run, *thrown_back) = (0, 0, 1, false);
        // What is returned is done there.
        self.open(false, (0, 0));
    }

    /// The function number `function` has ended. How many of its values are tied to their places.
    pub(super) fn finish(&mut self, function: u32, all: &mut Vec<Root>) -> u64 {
        self.roots.sort_unstable_by_key(|root| root.0);
        self.roots.dedup_by_key(|root| root.0);
        all.extend(self.roots.iter().map(|&(operator, ty)| Root { function, operator, ty }));
        self.roots.len() as u64
    }

    /// Takes the next operator, with the height of the operand stack before and after it, what is on top after it, and
    /// how many parameters and results a block has, and a call results.
    pub(super) fn operator(
        &mut self,
        operator: &Operator<'_>,
        effect: Effect,
        (before, after): (usize, usize),
        arity: (usize, usize),
        top: Option<ValType>,
    ) {
        self.done(operator, (before, after), arity.1);
        self.branches(operator, before);
        match effect {
            Effect::Get(local) => {
                let operand = self.read(local);
                self.push(after, operand);
            }
            Effect::Set(local) => self.set(local, (before, after)),
            Effect::Pure => {
                let weight = weight(operator);
                self.pure = self.pure.saturating_add(weight);
                let first = after.saturating_sub(1).min(self.operands.len());
                let sum = |of: fn(&Value) -> u32| {
                    let operands = self.operands[first..].iter();
                    operands
                        .fold(weight, |sum, operand| sum.saturating_add(of(&operand.value)))
                        .min(self.pure)
                };
                let (cone, whole) = (sum(|value| value.cone), sum(|value| value.whole));
                let value = Value { cone, whole, maker: self.operator + 1, ty: top };
                self.push(after, Operand { value, local: 0 });
            }
            Effect::New => {
                let count = match operator {
                    Operator::Call { .. } | Operator::CallIndirect { .. } => arity.1,
                    _ => 1,
                };
                self.resize(after);
                let first = after.saturating_sub(count);
                self.operands[first..].fill(Operand::default());
            }
            Effect::Open(opening) => {
                self.resize(after);
                let carried = self.tie(after.saturating_sub(arity.0)..after);
                self.open(opening == Opening::Loop, arity);
                if opening == Opening::If
                    && let Some(frame) = self.frames.last_mut()
                {
                    // Without `else`, the parameters are the results.
                    (frame.joins, frame.carried) = (true, carried);
                }
                if opening != Opening::Block {
                    self.run += 1;
                }
            }
            Effect::Else => {
                // The operands are the results of what was before, and now the parameters again.
                let Some(&Frame { results, parameters, sets, .. }) = self.frames.last() else { return };
                let carried = self.tie(before.saturating_sub(results)..before);
                if let Some(frame) = self.frames.last_mut() {
                    frame.carried = frame.carried.max(carried);
                }
                self.resize(after);
                self.merged(after.saturating_sub(parameters)..after, CONE - 1);
                self.join(sets);
                self.run += 1;
            }
            Effect::End => self.end(after),
            Effect::Other => self.resize(after),
        }
        self.operator += 1;
    }

    fn open(&mut self, is_loop: bool, (parameters, results): (usize, usize)) {
        let (sets, large) = (self.sets.len(), self.large.len());
        self.frames.push(Frame { is_loop, joins: false, parameters, results, large, carried: 0, sets });
    }

    fn end(&mut self, after: usize) {
        let Some(frame) = self.frames.pop() else { return };
        self.resize(after);
        if frame.joins && !self.frames.is_empty() {
            let results = after.saturating_sub(frame.results)..after;
            let carried = self.tie(results.clone()).max(frame.carried);
            self.merged(results, carried);
            self.join(frame.sets);
            self.run += 1;
        }
    }

    fn set(&mut self, local: u32, (before, after): (usize, usize)) {
        let value = self.operands.get(before.wrapping_sub(1)).map_or(Value::default(), |top| top.value);
        if let Some(known) = self.locals.get_mut(local as usize) {
            self.sets.push((local, *known));
            *known = Local { value, run: self.run, others: 0, small: 0 };
            if value.whole >= CONE {
                self.large.push(local);
            }
        }
        self.resize(after);
        if after == before {
            self.push(after, Operand { value, local: local + 1 });
        }
    }

    /// A local onto the operand stack. Where another run has set it, what it may be is tied to its place.
    fn read(&mut self, index: u32) -> Operand {
        if let Some(local) = self.locals.get_mut(index as usize) {
            if local.run != self.run && (local.others > 0 || local.value.cone >= CONE) {
                local.tie(&self.others, &mut self.roots);
            }
            let Value { cone, whole, .. } = local.value;
            let value = Value { cone: cone.max(local.small), whole: whole.max(local.small), ..local.value };
            return Operand { value, local: index + 1 };
        }
        Operand::default()
    }

    /// Ties operands to their places whose cones are large. The largest cone of the rest.
    fn tie(&mut self, operands: std::ops::Range<usize>) -> u32 {
        let mut largest = 0;
        for operand in self.operands.get_mut(operands).unwrap_or_default() {
            if operand.value.whole >= CONE {
                operand.value.tie(&mut self.roots);
            }
            largest = largest.max(operand.value.whole);
        }
        largest
    }

    /// Operands that are one of several values, whose cones are at most `cone`.
    fn merged(&mut self, operands: std::ops::Range<usize>, cone: u32) {
        let value = Value { cone, whole: cone, maker: self.operator + 1, ty: None };
        self.operands.get_mut(operands).unwrap_or_default().fill(Operand { value, local: 0 });
    }

    /// Each local that was set since may be what it was before, too. What is merged need not be known any more: the
    /// local's next set will note it.
    fn join(&mut self, first: usize) {
        for (index, before) in self.sets.drain(first..) {
            if let Some(local) = self.locals.get_mut(index as usize) {
                let known = local.others > 0 || local.value.whole >= CONE;
                local.join(before, &mut self.others, &mut self.roots);
                if !known && (local.others > 0 || local.value.whole >= CONE) {
                    self.large.push(index);
                }
            }
        }
    }

    /// A call has its arguments done where it stands, and what reads or writes memory its address.
    fn done(&mut self, operator: &Operator<'_>, (before, after): (usize, usize), results: usize) {
        let last = before.saturating_sub(1);
        // Operands that are done, and those that nearly always are.
        let (surely, mostly) = match operator {
            Operator::Call { .. } | Operator::CallIndirect { .. } => {
                (after.saturating_sub(results)..before, 0..0)
            }
            Operator::If { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::GlobalSet { .. } => (0..0, last..before),
            access if track::accesses_memory(access) => {
                // Below what is stored, or the vector whose lane is loaded.
                let address = last.saturating_sub(usize::from(before > after));
                let stores = before > after + 1;
                (address..address + 1, if stores { last..before } else { 0..0 })
            }
            _ => return,
        };
        for (operands, most) in [(surely, u32::MAX), (mostly, MOSTLY)] {
            for operand in self.operands.get(operands).unwrap_or_default() {
                let Some(index) = operand.local.checked_sub(1) else { continue };
                if let Some(local) = self.locals.get_mut(index as usize)
                    && local.value.maker == operand.value.maker
                    && local.others == 0
                    && local.value.cone.max(local.small) > 0
                    && local.value.whole < most
                {
                    self.sets.push((index, *local));
                    (local.value.cone, local.small) = (0, 0);
                }
            }
        }
        if self.thrown_back && matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. }) {
            // All of them, for the run goes on behind the call.
            self.tie_locals(0, true);
        }
    }

    /// Ties what locals may be to its place that were set since there were so many with much work behind them; what
    /// this run has set only if it is wanted.
    fn tie_locals(&mut self, first: usize, own: bool) {
        let mut kept = first;
        for at in first..self.large.len() {
            let index = self.large[at];
            let Some(local) = self.locals.get_mut(index as usize) else { continue };
            if !own && local.run == self.run && local.others == 0 {
                self.large[kept] = index;
                kept += 1;
            } else if local.others > 0 || local.value.whole >= CONE {
                local.tie(&self.others, &mut self.roots);
            }
        }
        self.large.truncate(kept);
    }

    /// Control may go from here to labels, with the values on top of the operand stack.
    fn branches(&mut self, operator: &Operator<'_>, before: usize) {
        let top = match operator {
            Operator::Br { .. } => Some(before),
            Operator::BrIf { .. } | Operator::BrTable { .. } => Some(before.saturating_sub(1)),
            _ => None,
        };
        let outermost = self.frames.len().saturating_sub(1);
        // All labels of a table take equally many values.
        let mut carried = None;
        // Ways back tie once for all of them: a table may have many.
        let mut back = None;
        let left = leaves(operator, u32::try_from(outermost).unwrap_or(u32::MAX), |depth| {
            let Some(target) = outermost.checked_sub(depth as usize) else { return };
            let Some(&Frame { is_loop, parameters, results, large, .. }) = self.frames.get(target) else {
                return;
            };
            if is_loop {
                back = Some(back.map_or(large, |first: usize| first.min(large)));
            }
            let values = if is_loop { parameters } else { results };
            let cone = *carried
                .get_or_insert_with(|| top.map_or(0, |top| self.tie(top.saturating_sub(values)..top)));
            if !is_loop && let Some(frame) = self.frames.get_mut(target) {
                frame.joins = true;
                frame.carried = frame.carried.max(cone);
            }
        });
        if let Some(first) = back {
            self.tie_locals(first, false);
            self.thrown_back |= matches!(operator, Operator::TryTable { .. });
        }
        if left {
            self.run += 1;
        }
    }

    fn resize(&mut self, height: usize) {
        self.operands.resize(height, Operand::default());
    }

    /// The top of the stack of this height.
    fn push(&mut self, height: usize, operand: Operand) {
        self.resize(height);
        if let Some(top) = self.operands.last_mut() {
            *top = operand;
        }
    }
}

impl Value {
    fn tie(&mut self, roots: &mut Vec<(u32, ValType)>) {
        if let (Some(ty), Some(operator)) = (self.ty, self.maker.checked_sub(1)) {
            roots.push((operator, ty));
        }
        (self.cone, self.whole) = (0, 0);
    }
}

impl Local {
    /// Ties all that it may be to its place.
    fn tie(&mut self, others: &[Other], roots: &mut Vec<(u32, ValType)>) {
        while let Some(other) = self.others.checked_sub(1).and_then(|first| others.get(first as usize)) {
            other.value.clone().tie(roots);
            self.others = other.next;
        }
        if self.value.whole >= CONE {
            self.value.tie(roots);
        }
    }

    /// It may be what it was before, too.
    fn join(&mut self, mut before: Local, others: &mut Vec<Other>, roots: &mut Vec<(u32, ValType)>) {
        self.small = self.small.max(before.small);
        loop {
            // What one way has done, another has not.
            self.value.cone = self.value.whole;
            if before.value.maker == self.value.maker {
                self.value.whole = self.value.whole.max(before.value.whole);
                self.value.cone = self.value.whole;
            } else if before.value.whole < CONE {
                self.small = self.small.max(before.value.whole);
            } else {
                let count = self.others.checked_sub(1).map_or(0, |first| others[first as usize].count) + 1;
                others.push(Other { value: before.value, next: self.others, count });
                self.others = u32::try_from(others.len()).unwrap_or(u32::MAX);
                if count == OTHERS {
                    self.tie(others, roots);
                }
            }
            let Some(first) = before.others.checked_sub(1) else { return };
            let other = &others[first as usize];
            (before.value, before.others) = (other.value, other.next);
        }
    }
}

/// The locals through which values go that are tied to their places, one for each type.
#[derive(Default)]
pub(super) struct Temporaries(Vec<(ValType, u32)>);

impl Temporaries {
    /// Adds those that `roots` need to a function that has `locals` so far.
    pub(super) fn add(
        roots: impl Iterator<Item = ValType>,
        groups: &mut Vec<(u32, wasm_encoder::ValType)>,
        mut locals: u32,
    ) -> Result<Self, Error> {
        let mut all: Vec<(ValType, u32)> = Vec::new();
        for ty in roots {
            if all.iter().all(|(known, _)| *known != ty) {
                groups.push((1, RoundtripReencoder.val_type(ty)?));
                all.push((ty, locals));
                locals += 1;
            }
        }
        Ok(Temporaries(all))
    }

    /// Writes what ties the value on top of the operand stack to its place: if the global `never` were not 0, the value
    /// would be made of it. `hints` gets which way the branch goes.
    pub(super) fn write(&self, ty: ValType, never: u32, out: &mut Vec<u8>, hints: &mut Vec<Hint>) {
        let Some(&(_, local)) = self.0.iter().find(|(known, _)| *known == ty) else { return };
        InstructionSink::new(out).local_set(local).global_get(never);
        hints.push(Hint::at_end(out, false));
        let mut sink = InstructionSink::new(out);
        sink.if_(BlockType::Empty);
        // No constant, which the engine would keep in a register for the whole function.
        match ty {
            ValType::I32 => sink.global_get(never),
            ValType::I64 => sink.global_get(never).i64_extend_i32_u(),
            ValType::F32 => sink.global_get(never).f32_convert_i32_u(),
            ValType::F64 => sink.global_get(never).f64_convert_i32_u(),
            ValType::V128 => sink.global_get(never).i32x4_splat(),
            ValType::Ref(reference) => match RoundtripReencoder.heap_type(reference.heap_type()) {
                Ok(heap) => sink.ref_null(heap),
                Err(_) => sink.local_get(local),
            },
        };
        sink.local_set(local).end().local_get(local);
    }
}
