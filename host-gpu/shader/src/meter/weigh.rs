//! Plans the meter: what is charged by the host, and which loops count.

use super::trips;
use crate::uniformity::{Body, Uniformity};
use naga::{Block, Function, Handle, Module, Statement};
use std::cell::Cell;

/// How a loop is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By the host: its number of turns is known.
    Fixed,
    /// By one invocation for its workgroup.
    Uniform,
    /// By each invocation.
    Own,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LoopPlan {
    pub(crate) kind: Kind,
    /// Gas of one turn, inner counting loops apart.
    pub(crate) weight: u64,
}

/// The plan of one function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Gas of a call, counting loops apart.
    pub(crate) fixed: u64,
    /// Turns of its loops that are charged by the host, inner ones included.
    pub(crate) turns: u64,
    /// Loops in the order in which they stand, an outer one before its inner ones.
    pub(crate) loops: Vec<LoopPlan>,
}

#[derive(Debug)]
pub(crate) struct Plans {
    pub(crate) functions: Vec<Plan>,
    pub(crate) entry: Plan,
}

impl Plans {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Plan> {
        self.functions.iter().chain([&self.entry])
    }

    pub(crate) fn any(&self, kind: Kind) -> bool {
        self.all().any(|plan| plan.loops.iter().any(|found| found.kind == kind))
    }
}

/// A loop with more gas than this counts its turns, though they are known: else its end would be far.
const MOST_FIXED: u64 = 1 << 20;

pub(crate) fn plan(module: &Module, known: &Uniformity) -> Plans {
    let mut plans = Plans { functions: Vec::with_capacity(module.functions.len()), entry: Plan::default() };
    let work = Cell::new(trips::WORK);
    // Callees stand before their callers.
    for (handle, function) in module.functions.iter() {
        let body = Body::Function(handle.index());
        let plan = function_plan(module, function, body, known, &plans.functions, &work);
        plans.functions.push(plan);
    }
    if let Some(entry) = module.entry_points.first() {
        plans.entry = function_plan(module, &entry.function, Body::Entry(0), known, &plans.functions, &work);
    }
    plans
}

fn function_plan(
    module: &Module,
    function: &Function,
    body: Body,
    known: &Uniformity,
    callees: &[Plan],
    work: &Cell<u64>,
) -> Plan {
    let mut weigh =
        Weigh { trips: trips::Trips::new(module, function, work), body, known, callees, loops: Vec::new() };
    let cost = weigh.block(&function.body, false);
    Plan { fixed: cost.gas, turns: cost.turns, loops: weigh.loops }
}

/// Gas and turns of known loops.
#[derive(Clone, Copy, Default)]
struct Cost {
    gas: u64,
    turns: u64,
}

impl Cost {
    fn add(&mut self, other: Cost) {
        self.gas = self.gas.saturating_add(other.gas);
        self.turns = self.turns.saturating_add(other.turns);
    }
}

struct Weigh<'m> {
    trips: trips::Trips<'m>,
    body: Body,
    known: &'m Uniformity,
    callees: &'m [Plan],
    loops: Vec<LoopPlan>,
}

impl Weigh<'_> {
    fn block(&mut self, block: &Block, in_loop: bool) -> Cost {
        let mut sum = Cost::default();
        for (index, statement) in block.iter().enumerate() {
            let one = Cost { gas: 1, turns: 0 };
            match statement {
                Statement::Emit(range) => sum.add(Cost { gas: range.clone().count() as u64, turns: 0 }),
                Statement::Block(inner) => sum.add(self.block(inner, in_loop)),
                Statement::If { accept, reject, .. } => {
                    sum.add(one);
                    sum.add(self.block(accept, in_loop));
                    sum.add(self.block(reject, in_loop));
                }
                Statement::Switch { cases, .. } => {
                    sum.add(one);
                    for case in cases {
                        sum.add(one);
                        sum.add(self.block(&case.body, in_loop));
                    }
                }
                Statement::Loop { body, continuing, break_if } => {
                    sum.add(one);
                    let trips =
                        self.trips.count(&block[..index], body, continuing, break_if.is_some(), in_loop);
                    sum.add(self.repeat(body, continuing, trips));
                }
                Statement::Call { function, .. } => {
                    sum.add(one);
                    sum.add(self.callee(*function));
                }
                _ => sum.add(one),
            }
        }
        sum
    }

    fn callee(&self, function: Handle<Function>) -> Cost {
        let plan = self.callees.get(function.index());
        plan.map_or(Cost::default(), |plan| Cost { gas: plan.fixed, turns: plan.turns })
    }

    fn repeat(&mut self, body: &Block, continuing: &Block, trips: Option<u64>) -> Cost {
        let index = self.loops.len();
        self.loops.push(LoopPlan { kind: Kind::Own, weight: 0 });
        let mut turn = Cost { gas: 1, turns: 1 };
        turn.add(self.block(body, true));
        turn.add(self.block(continuing, true));
        let whole = trips.map(|trips| Cost {
            gas: turn.gas.saturating_mul(trips),
            turns: turn.turns.saturating_mul(trips),
        });
        let (kind, cost) = match whole {
            Some(whole) if whole.gas <= MOST_FIXED => (Kind::Fixed, whole),
            _ if self.known.is_uniform(self.body, index) => (Kind::Uniform, Cost::default()),
            _ => (Kind::Own, Cost::default()),
        };
        self.loops[index] = LoopPlan { kind, weight: turn.gas };
        cost
    }
}
