//! Cuts a function into segments that run as a whole, with the gas of each.

use std::collections::BTreeSet;

use wasmparser::{BinaryReaderError, FunctionBody, Operator, ValType};

use super::COSTS;
use super::act::{Act, LabelRange, Stop};
use super::carry::Prices;
use super::counted::{Candidate, Counted};
use super::current::Current;
use super::facts::ModuleFacts;
use super::nan::Survey;
use super::roots::Root;

/// A run of operators that has one entry, and is left only at its end, by a trap or by an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Index of its first operator.
    pub(super) start: usize,
    /// Gas of all its operators.
    pub(super) cost: u64,
    /// Whether the remaining gas is checked here: at the function's entry and at loop heads.
    pub(super) checked: bool,
    /// Whether it is part of a loop that is charged when it is entered.
    pub(super) counted: bool,
}

/// What one pass over a body finds.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) segments: Vec<Segment>,
    /// Loops that are charged when they are entered, in their order.
    pub(super) counted: Vec<Counted>,
    /// Values that are tied to their places: where in the body the operator ends that leaves one on top, and its type.
    pub(super) roots: Vec<(u32, ValType)>,
    /// Operators that are not merely copied, the final `end` included.
    pub(super) stops: Vec<Stop>,
    /// Labels of branch tables and of catches.
    labels: Vec<u32>,
    /// A call, a throw or a tail call, before which the gas must be written to the global.
    pub(super) leaves: bool,
    /// Something other than calls uses the gas counter in the middle: bulk operations and growth.
    pub(super) bulk: bool,
    /// There is a `try_table`.
    pub(super) catches: bool,
    /// Operators after which control may arrive from a catch: the `end` of a block or the head of a loop.
    pub(super) landings: BTreeSet<usize>,
    /// A catch may branch out of the function's outermost block, which returns.
    pub(super) catch_returns: bool,
}

/// A control structure that is open at some point of the pass.
struct Frame {
    kind: FrameKind,
    /// Index of the operator that opened it.
    start: usize,
    /// Some branch goes to its label.
    targeted: bool,
    /// Some catch goes to its label.
    landing: bool,
}

#[derive(PartialEq, Eq)]
enum FrameKind {
    Function,
    Block,
    Loop,
    If,
}

/// Makes plans. It is made once for all functions of a module, for what it holds.
pub(super) struct Planner<'f> {
    facts: &'f ModuleFacts,
    plan: Plan,
    prices: Prices<'f>,
    /// Values of the function that are tied to their places, from the next operator on.
    roots: &'f [Root],
    frames: Vec<Frame>,
    /// The innermost open loop, while it may be counted.
    candidate: Option<Candidate>,
}

impl Planner<'_> {
    fn begin(&mut self, start: usize, checked: bool) {
        self.plan.segments.push(Segment { start, cost: 0, checked, counted: false });
    }

    fn open(&mut self, kind: FrameKind, start: usize) {
        self.frames.push(Frame { kind, start, targeted: false, landing: false });
    }

    /// Validation has proven that every label exists.
    fn label(&mut self, depth: u32) -> Option<&mut Frame> {
        let index = self.frames.len().checked_sub(1 + depth as usize)?;
        self.frames.get_mut(index)
    }

    fn branch(&mut self, depth: u32) {
        if let Some(frame) = self.label(depth) {
            frame.targeted = true;
        }
    }

    fn catch(&mut self, depth: u32) {
        let mut loop_head = None;
        if let Some(frame) = self.label(depth) {
            frame.targeted = true;
            frame.landing = true;
            match frame.kind {
                FrameKind::Loop => loop_head = Some(frame.start),
                FrameKind::Function => self.plan.catch_returns = true,
                FrameKind::Block | FrameKind::If => {}
            }
        }
        self.plan.landings.extend(loop_head);
    }

    /// The gas of the segment that starts at an operator, which is one of the last, and which is counted now.
    fn count(&mut self, start: usize) {
        for segment in self.plan.segments.iter_mut().rev().take(4).filter(|segment| segment.start == start) {
            segment.counted = true;
        }
    }

    fn cost_of(&self, start: usize) -> u64 {
        let segment = self.plan.segments.iter().rev().take(4).find(|segment| segment.start == start);
        segment.map_or(0, |segment| segment.cost)
    }

    /// Follows the innermost loop.
    fn watch(&mut self, index: usize, operator: &Operator<'_>) {
        let Some(candidate) = &mut self.candidate else { return };
        if !matches!(operator, Operator::End) {
            if !candidate.take(index, operator) {
                self.candidate = None;
            }
            return;
        }
        let closed = candidate.close(index);
        self.candidate = None;
        let Some((counted, test)) = closed else { return };
        // A loop that is tested at its end has nothing between the test and the way back.
        let rest = if test + 1 == index { 0 } else { test + 1 };
        let after = if rest == 0 { 0 } else { self.cost_of(rest) };
        if let Some(counted) = counted.costing([self.cost_of(counted.start + 1), after]) {
            self.count(counted.start + 1);
            if rest > 0 {
                self.count(rest);
            }
            self.plan.counted.push(counted);
        }
    }

    /// Takes the next operator, whose bytes are `start..end` of the body.
    fn operator(&mut self, index: usize, operator: &Operator<'_>, (start, end): (u32, u32)) {
        let cost = self.prices.operator(operator);
        if let Some(segment) = self.plan.segments.last_mut() {
            segment.cost = segment.cost.saturating_add(cost);
        }
        self.watch(index, operator);
        if let Some((root, rest)) = self.roots.split_first()
            && root.operator as usize == index
        {
            self.plan.roots.push((end, root.ty));
            self.roots = rest;
        }
        if let Some(act) = Act::of(operator, &mut self.plan.labels) {
            // A function has fewer operators than bytes.
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            self.plan.stops.push(Stop { index: number, start, end, act });
            self.act(index, act);
        }
    }

    fn act(&mut self, index: usize, act: Act) {
        match act {
            Act::Block => self.open(FrameKind::Block, index),
            Act::Try(LabelRange { first, past }) => {
                self.plan.catches = true;
                for label in first..past {
                    self.catch(self.plan.labels[label as usize]);
                }
                self.open(FrameKind::Block, index);
            }
            Act::Loop => {
                self.open(FrameKind::Loop, index);
                self.begin(index + 1, true);
                self.candidate = Some(Candidate::new(index));
            }
            Act::If => {
                self.open(FrameKind::If, index);
                self.begin(index + 1, false);
            }
            Act::Else => self.begin(index + 1, false),
            Act::End => self.end(index),
            Act::Br(depth) | Act::BrIf(depth) => {
                self.branch(depth);
                self.begin(index + 1, false);
            }
            Act::BrTable(LabelRange { first, past }) => {
                for label in first..past {
                    self.branch(self.plan.labels[label as usize]);
                }
                self.begin(index + 1, false);
            }
            Act::Return | Act::Unreachable => self.begin(index + 1, false),
            Act::Throw | Act::TailCall(_) => {
                self.plan.leaves = true;
                self.begin(index + 1, false);
            }
            Act::Call(_) => self.plan.leaves = true,
            Act::MemoryGrow | Act::Bulk(_) => self.plan.bulk = true,
        }
    }

    fn end(&mut self, index: usize) {
        let Some(frame) = self.frames.pop() else { return };
        if frame.landing && frame.kind != FrameKind::Loop {
            self.plan.landings.insert(index);
        }
        // Control meets here unless nothing jumps to this place: a loop's label is its head.
        let joins = match frame.kind {
            FrameKind::Function | FrameKind::Loop => false,
            FrameKind::If => true,
            FrameKind::Block => frame.targeted,
        };
        if joins {
            self.begin(index + 1, false);
        }
    }
}

impl<'f> Planner<'f> {
    pub(super) fn new(facts: &'f ModuleFacts) -> Self {
        let (frames, prices) = (Vec::new(), Prices::new(facts));
        Planner { facts, plan: Plan::default(), prices, roots: &[], frames, candidate: None }
    }

    pub(super) fn facts(&self) -> &'f ModuleFacts {
        self.facts
    }

    /// Plans the validated body of the defined function number `function`. On the way, `survey` sees its operators.
    pub(super) fn plan(
        &mut self,
        function: usize,
        body: &FunctionBody<'_>,
        mut survey: Option<&mut Survey<'_>>,
    ) -> Result<&Plan, BinaryReaderError> {
        self.plan.clear();
        self.prices.begin(function);
        let roots = &self.facts.roots;
        let from = roots.partition_point(|root| (root.function as usize) < function);
        let to = roots.partition_point(|root| root.function as usize <= function);
        self.roots = &roots[from..to];
        self.frames.clear();
        self.candidate = None;
        self.open(FrameKind::Function, 0);
        self.begin(0, true);
        self.plan.segments[0].cost = COSTS.entry(self.facts.functions[function].frame);
        let mut reader = body.get_operators_reader()?;
        let begin = body.range().start;
        let mut start = offset(reader.original_position() - begin);
        let (mut current, mut index) = (Current::new(), 0);
        while !reader.eof() {
            let operator = current.read(&mut reader)?;
            let end = offset(reader.original_position() - begin);
            self.operator(index, operator, (start, end));
            if let Some(survey) = &mut survey {
                survey.operator(operator);
            }
            start = end;
            index += 1;
        }
        self.plan.segments.retain(|segment| segment.checked || segment.cost > 0);
        Ok(&self.plan)
    }
}

impl Plan {
    fn clear(&mut self) {
        let Plan { segments, counted, roots, stops, labels, leaves, bulk, catches, landings, catch_returns } =
            self;
        segments.clear();
        counted.clear();
        roots.clear();
        stops.clear();
        labels.clear();
        landings.clear();
        (*leaves, *bulk, *catches, *catch_returns) = (false, false, false, false);
    }

    /// Whether the whole body is one segment that calls nothing: then one charge on the global is enough.
    pub(super) fn is_straight_leaf(&self) -> bool {
        self.segments.len() == 1 && !self.leaves && !self.bulk && !self.catches
    }

    /// The labels of a branch table or of catches.
    pub(super) fn labels(&self, range: LabelRange) -> &[u32] {
        &self.labels[range.first as usize..range.past as usize]
    }
}

/// An offset in a body, which is shorter than 4 GiB.
pub(super) fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
