//! Rewrites one function: charges gas per segment, meters the stack, and keeps both exact wherever control leaves.
//!
//! The gas counter is a local, for a local lives in a register: that is what makes the count cheap. The exported
//! global is the truth whenever the function is left: before calls, throws and a guest's own `unreachable`, and on
//! return. The path taken when the gas is used up is nothing but `unreachable`, of which the engine makes a
//! conditional trap, for which nothing need be kept alive; the host knows it by the global that names the endings
//! of every other kind.

mod charge;

use wasm_encoder::reencode::{self, Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Encode, Instruction as I, InstructionSink, ValType};
use wasmparser::{FuncType, FunctionBody, Operator};

use super::act::{Act, SizeUnit, Stop};
use super::counter::{Counter, Kind, Labels};
use super::facts::{FunctionFacts, ModuleFacts};
use super::nan::{self, Fixes, Hint, Survey, Temporaries};
use super::plan::{Plan, Planner};
use super::roots;
use super::{COSTS, ENDING_UNREACHABLE, Variant};

type Error = reencode::Error<std::convert::Infallible>;

/// A straight function whose cost is below this is not checked: its caller soon is.
const UNCHECKED_LEAF: u64 = 64;

/// Indices of the globals that the pass appends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Globals {
    pub(super) gas: u32,
    pub(super) stack: u32,
    pub(super) pages: u32,
    /// What was left of the thrower's stack, plus one, while an exception is on its way; else 0.
    pub(super) thrown: u32,
    /// Why the guest is about to meet an `unreachable`; 0 where it is for want of gas.
    pub(super) ending: u32,
}

impl Globals {
    pub(super) fn after(globals: u32) -> Self {
        Globals {
            gas: globals,
            stack: globals + 1,
            pages: globals + 2,
            thrown: globals + 3,
            ending: globals + 4,
        }
    }
}

/// The most bytes that a function grows by, whatever its operators: our locals, the prologue and the epilogue.
pub(super) const FIXED_GROWTH: u64 = 256;

/// The most bytes by which one operator grows, with every index and number at its longest. A test holds it against
/// what the pass really writes.
pub(super) fn growth(operator: &Operator<'_>) -> u64 {
    match operator {
        Operator::MemoryGrow { .. } | Operator::TableGrow { .. } => 96,
        Operator::MemoryCopy { .. }
        | Operator::MemoryFill { .. }
        | Operator::MemoryInit { .. }
        | Operator::TableCopy { .. }
        | Operator::TableFill { .. }
        | Operator::TableInit { .. } => 64,
        Operator::Call { .. } | Operator::CallIndirect { .. } => 24,
        Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => 48,
        Operator::Throw { .. } | Operator::ThrowRef => 48,
        // Each clause may make a landing of its own.
        Operator::TryTable { try_table } => 24 + 96 * try_table.catches.len() as u64,
        // It may be counted.
        Operator::Loop { .. } => 128,
        Operator::If { .. }
        | Operator::Else
        | Operator::End
        | Operator::Br { .. }
        | Operator::BrIf { .. }
        | Operator::BrTable { .. }
        | Operator::Return
        | Operator::Unreachable => 32,
        _ => 0,
    }
}

/// Rewrites the defined function number `index` into `out`, in the place of what is there: the body without its length.
/// Returns which way some of its branches go nearly always.
pub(super) fn instrument<'f>(
    planner: &mut Planner<'f>,
    index: usize,
    body: &FunctionBody<'f>,
    variant: Variant,
    out: &mut Vec<u8>,
) -> Result<Vec<Hint>, Error> {
    let facts = planner.facts();
    let type_index = facts.function_types[index];
    let own = facts.functions[index];
    let mut survey = own.makes_nans.then(|| Survey::new(facts, type_index, body)).transpose()?;
    let plan = planner.plan(index, body, survey.as_mut())?;
    let ty = &facts.types[type_index as usize];
    let mut groups = Vec::new();
    let mut locals = u32::try_from(ty.params().len()).unwrap_or(u32::MAX);
    for group in body.get_locals_reader()? {
        let (count, ty) = group?;
        locals += count;
        groups.push((count, RoundtripReencoder.val_type(ty)?));
    }
    let straight = plan.is_straight_leaf() && plan.segments[0].cost < UNCHECKED_LEAF;
    // A function that catches re-reads the global at its landings, so the global must always be current there.
    let write_through = variant != Variant::Fast || plan.catches;
    groups.extend([(1, ValType::I64), (2, ValType::I32)]);
    let fixes = match &survey {
        Some(survey) => nan::fixes(facts, type_index, body, survey)?,
        None => Fixes::default(),
    };
    let temporaries = fixes.add_temporaries(&mut groups, locals + 3);
    let used =
        groups.iter().map(|(count, _)| *count).sum::<u32>() + u32::try_from(ty.params().len()).unwrap_or(0);
    let tied = roots::Temporaries::add(plan.roots.iter().map(|root| root.1), &mut groups, used)?;
    out.clear();
    groups.len().encode(out);
    for (count, ty) in groups {
        count.encode(out);
        ty.encode(out);
    }
    let mut emitter = Emitter {
        out,
        source: body.as_bytes(),
        copied: 0,
        globals: Globals::after(facts.globals),
        facts,
        own,
        gas: locals,
        stack: locals + 1,
        temporary: locals + 2,
        write_through,
        straight,
        wrapped: !straight && (!write_through || plan.catch_returns),
        counter: Counter::Global,
        labels: Labels::of_function(),
        fixes: &fixes,
        fixed: 0,
        temporaries,
        roots: &plan.roots,
        tied,
        hints: Vec::new(),
    };
    let result = match ty.results() {
        [] => BlockType::Empty,
        [one] => BlockType::Result(RoundtripReencoder.val_type(*one)?),
        _ => BlockType::FunctionType(body_type(facts, type_index)),
    };
    emitter.prologue(result);
    let begin = body.get_operators_reader()?.original_position() - body.range().start;
    emitter.body(begin, plan);
    Ok(emitter.hints)
}

/// The types of bodies, without parameters, that the pass appends to the module's types: one for every type with
/// several results, in their order.
pub(super) fn body_types(facts: &ModuleFacts) -> impl Iterator<Item = &FuncType> {
    facts.types.iter().filter(|ty| ty.results().len() > 1)
}

/// The index of the body type of a function type with several results.
fn body_type(facts: &ModuleFacts, type_index: u32) -> u32 {
    let (before, all) = (&facts.several_results[type_index as usize], facts.types.len());
    u32::try_from(all).unwrap_or(u32::MAX).saturating_add(*before)
}

struct Emitter<'f, 'o> {
    out: &'o mut Vec<u8>,
    /// The bytes of the body, and where what is not copied yet begins.
    source: &'f [u8],
    copied: usize,
    globals: Globals,
    facts: &'f ModuleFacts,
    own: FunctionFacts,
    /// Local that holds the remaining gas.
    gas: u32,
    /// Local that holds the remaining stack as our callees see it.
    stack: u32,
    /// Local for the size of a bulk operation.
    temporary: u32,
    write_through: bool,
    /// One unchecked charge on the global is all.
    straight: bool,
    /// The body stands in a block, at whose end the gas is written back.
    wrapped: bool,
    /// Where the gas stands here.
    counter: Counter,
    /// Where it stands on the ways to the labels of the original body.
    labels: Labels,
    /// What is made canonical, how many of them are done, and the locals for it.
    fixes: &'o Fixes,
    fixed: usize,
    temporaries: Temporaries,
    /// Values to be tied to their places, from the next operator on, and the locals for it.
    roots: &'o [(u32, wasmparser::ValType)],
    tied: roots::Temporaries,
    hints: Vec<Hint>,
}

impl Emitter<'_, '_> {
    fn emit(&mut self, instructions: &[I<'_>]) {
        for instruction in instructions {
            instruction.encode(self.out);
        }
    }

    /// For what is written at every segment: it makes no list first.
    fn sink(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(self.out)
    }

    /// Writes the operators, of which the first stands at `begin` in the body.
    fn body(&mut self, begin: usize, plan: &Plan) {
        self.copied = begin;
        let mut segments = plan.segments.iter().peekable();
        let mut counted = plan.counted.iter().peekable();
        let mut next = 0;
        for (number, stop) in (1..).zip(&plan.stops) {
            // A segment begins after a stop, or at the start.
            while let Some(segment) = segments.next_if(|segment| segment.start == next) {
                self.segment(segment);
            }
            self.copy_to(stop.start);
            let index = stop.index as usize;
            if let Some(counted) = counted.next_if(|counted| counted.start == index) {
                self.enter_counted(counted);
            }
            if number == plan.stops.len() {
                return self.epilogue(plan);
            }
            self.stop(stop, plan);
            self.fix_at(stop.end);
            if plan.landings.contains(&index) {
                self.land();
            }
            next = index + 1;
        }
    }

    /// Copies the operators before `end`, with what makes their results canonical or ties them to their places.
    fn copy_to(&mut self, end: u32) {
        loop {
            let root = self.roots.first().map(|root| root.0).filter(|at| *at <= end);
            let fix = self.fixes.next(self.fixed, end);
            let Some(at) = root.into_iter().chain(fix).min() else { break };
            self.copy(at);
            self.fix_at(at);
        }
        self.copy(end);
    }

    /// Writes what makes the result of the operator canonical that ends here, and what ties it to its place.
    fn fix_at(&mut self, end: u32) {
        self.fixes.write(end, &mut self.fixed, &self.temporaries, self.out, &mut self.hints);
        if let Some((&(at, ty), rest)) = self.roots.split_first()
            && at == end
        {
            self.tied.write(ty, self.globals.ending, self.out, &mut self.hints);
            self.roots = rest;
        }
    }

    /// The final `end`.
    fn epilogue(&mut self, plan: &Plan) {
        if self.wrapped {
            let label = self.labels.close();
            if label.is_target() {
                self.reload();
            }
            self.emit(&[I::End]);
            self.counter = label.join(self.counter);
            if plan.catch_returns {
                self.land();
            }
            self.flush();
        }
        self.emit(&[I::End]);
    }

    /// A branch, conditional or not, for which the local must be current.
    fn branch(&mut self, depths: &[u32]) {
        self.reload();
        for &depth in depths {
            self.labels.arrive(depth, self.counter);
        }
    }

    fn open(&mut self, kind: Kind, end: u32) {
        // A way past the body of an `if`, and back to the head of a loop, joins others.
        if kind != Kind::Block {
            self.reload();
        }
        self.labels.open(kind, self.counter);
        if kind == Kind::Loop && !self.write_through && !self.straight {
            self.counter = self.counter.becomes(Counter::Local);
        }
        self.copy(end);
    }

    fn stop(&mut self, stop: &Stop, plan: &Plan) {
        let end = stop.end;
        match stop.act {
            Act::Block => self.open(Kind::Block, end),
            Act::Loop => self.open(Kind::Loop, end),
            Act::If => self.open(Kind::If, end),
            Act::Try(labels) => {
                for &label in plan.labels(labels) {
                    self.labels.arrive(label, Counter::Both);
                }
                self.open(Kind::Block, end)
            }
            Act::Else => {
                self.reload();
                self.counter = self.labels.otherwise(self.counter);
                self.copy(end);
            }
            Act::End => {
                let label = self.labels.close();
                if label.is_target() {
                    self.reload();
                }
                self.counter = label.join(self.counter);
                self.copy(end);
            }
            Act::Br(depth) => {
                self.branch(&[depth]);
                self.copy_last(end);
            }
            Act::BrIf(depth) => {
                self.branch(&[depth]);
                self.copy(end);
            }
            Act::BrTable(labels) => {
                self.branch(plan.labels(labels));
                self.copy_last(end);
            }
            // The wrapping block has taken the place of the function's own label.
            Act::Return if self.wrapped && self.counter == Counter::Local => {
                let depth = self.labels.depth();
                self.branch(&[depth]);
                self.emit(&[I::Br(depth)]);
                self.copied = end as usize;
                self.counter = Counter::Dead;
            }
            Act::Return => self.copy_last(end),
            Act::Unreachable => {
                self.flush();
                self.emit(&[I::I32Const(ENDING_UNREACHABLE), I::GlobalSet(self.globals.ending)]);
                self.copy_last(end);
            }
            Act::Throw => {
                self.throw();
                self.copy_last(end);
            }
            Act::Call(callee) => {
                self.flush();
                self.hand_over_stack(callee);
                self.copy(end);
                self.counter = self.counter.becomes(Counter::Global);
            }
            Act::TailCall(callee) => {
                self.flush();
                self.give_back_stack(callee);
                self.copy_last(end);
            }
            Act::MemoryGrow => {
                self.memory_grow();
                self.copied = end as usize;
            }
            // The size is on top of the operand stack.
            Act::Bulk(unit) => {
                self.emit(&[I::LocalTee(self.temporary)]);
                self.charge_size(unit);
                self.copy(end);
            }
        }
    }

    /// The operators as they stand in the original, for no index in them changes.
    fn copy(&mut self, end: u32) {
        let end = end as usize;
        self.out.extend_from_slice(&self.source[self.copied..end]);
        self.copied = end;
    }

    /// An operator behind which control does not go on.
    fn copy_last(&mut self, end: u32) {
        self.copy(end);
        self.counter = Counter::Dead;
    }
}
