//! Plans the meter: what is charged by the host, and which loops count.

use super::ahead::{Ahead, Head};
use super::order::Order;
use super::price;
use super::trips::{self, Turns};
use crate::measure;
use crate::uniformity::{Body, Uniformity};
use naga::front::Typifier;
use naga::proc::ResolveContext;
use naga::{AddressSpace, Block, Expression, Function, Handle, Module, ScalarKind, Statement, TypeInner};
use std::cell::Cell;

/// How a loop is charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By the host: its number of turns is known.
    #[default]
    Fixed,
    /// By one invocation for its workgroup.
    Uniform,
    /// By each invocation.
    Own,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LoopPlan {
    pub(crate) kind: Kind,
    /// Gas of one turn, inner counting loops apart.
    pub(crate) weight: u64,
    /// How its turns are known before it begins, for a loop that is charged then and not in each turn.
    pub(crate) ahead: Option<Ahead>,
    /// What no longer holds behind it, of a loop whose turns are known. Each is left only there.
    pub(crate) head: Option<Head>,
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
    /// Where things stood.
    pub(crate) order: Order,
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
        plans.entry.fixed = plans.entry.fixed.saturating_add(zeroed(module, entry.workgroup_size));
    }
    plans
}

/// Gas of an invocation for what is zeroed before it runs, its part of the workgroup's memory included.
fn zeroed(module: &Module, size: [u32; 3]) -> u64 {
    let all = |space| {
        let variables = module.global_variables.iter().filter(|(_, variable)| variable.space == space);
        variables.fold(0_u64, |sum, (_, variable)| {
            sum.saturating_add(more(module, &module.types[variable.ty].inner))
        })
    };
    let invocations = size.iter().fold(1_u64, |product, size| product.saturating_mul(u64::from(*size)));
    all(AddressSpace::Private).saturating_add(all(AddressSpace::WorkGroup) / invocations.max(1))
}

/// Gas of what waits for other invocations: atomics, barriers.
const SHARED: u64 = 16;

/// Bytes of a value that one unit of gas moves.
const MOVED: u64 = 16;

/// Gas of computing or moving a value: 1 up to the size of a `vec4`.
fn units(module: &Module, ty: &TypeInner) -> u64 {
    if ty.pointer_space().is_some() { 1 } else { measure::bytes(module, ty).div_ceil(MOVED).max(1) }
}

/// Gas of a value that is there beside what is charged already: nothing below the size of a `vec4`.
fn more(module: &Module, ty: &TypeInner) -> u64 {
    if ty.pointer_space().is_some() { 0 } else { measure::bytes(module, ty) / MOVED }
}

fn function_plan(
    module: &Module,
    function: &Function,
    body: Body,
    known: &Uniformity,
    callees: &[Plan],
    work: &Cell<u64>,
) -> Plan {
    let order = Order::of(function);
    let (values, floats) = values(module, function);
    let trips = trips::Trips::new(module, function, &order, &floats, work);
    let mut weigh = Weigh { module, function, trips, values, body, known, callees, loops: Vec::new() };
    let cost = weigh.block(&function.body, false);
    // Its variables are zeroed, and its result is copied.
    let variables = function.local_variables.iter().map(|(_, variable)| variable.ty);
    let moved = variables.chain(function.result.iter().map(|result| result.ty));
    let moved = moved.fold(0_u64, |sum, ty| sum.saturating_add(more(module, &module.types[ty].inner)));
    let loops = weigh.loops;
    Plan { fixed: cost.gas.saturating_add(moved), turns: cost.turns, loops, order }
}

/// Gas of each expression's value, and whether it is of floats.
fn values(module: &Module, function: &Function) -> (Vec<u64>, Vec<bool>) {
    let context = ResolveContext::with_locals(module, &function.local_variables, &function.arguments);
    let mut types = Typifier::new();
    let mut values = Vec::with_capacity(function.expressions.len());
    let mut floats = Vec::with_capacity(function.expressions.len());
    for (handle, expression) in function.expressions.iter() {
        let known = types.grow(handle, &function.expressions, &context).is_ok();
        let inner = known.then(|| types[handle].inner_with(&module.types));
        let mut gas = inner.map_or(1, |inner| units(module, inner));
        floats.push(inner.is_none_or(|inner| inner.scalar_kind() == Some(ScalarKind::Float)));
        if let Expression::Access { base, .. } = expression {
            // An index into a value, not into a place: the value is put into memory first.
            gas = gas.max(values.get(base.index()).copied().unwrap_or(1));
        }
        if let Some(inner) = inner {
            let operand = |operand: Handle<Expression>| Some(types.get(operand, &module.types));
            gas = gas.max(price::price(expression, inner, operand));
        }
        if let Expression::ImageLoad { image, .. } = *expression {
            [gas, _] = price::texel(module, function, image);
        }
        values.push(gas);
    }
    (values, floats)
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
    module: &'m Module,
    function: &'m Function,
    trips: trips::Trips<'m>,
    /// Gas of each expression's value.
    values: Vec<u64>,
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
                Statement::Emit(range) => {
                    for handle in range.clone() {
                        sum.add(self.value(handle));
                    }
                }
                Statement::Atomic { .. }
                | Statement::ControlBarrier(_)
                | Statement::WorkGroupUniformLoad { .. } => sum.add(Cost { gas: SHARED, turns: 0 }),
                Statement::ImageStore { image, .. } => {
                    let [_, gas] = price::texel(self.module, self.function, *image);
                    sum.add(Cost { gas, turns: 0 });
                }
                Statement::Store { value, .. } => sum.add(self.value(*value)),
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
                    let (number, parts) = (self.loops.len(), (body, continuing));
                    let turns = self.trips.look(number, &block[..index], parts, break_if.is_some(), in_loop);
                    sum.add(self.repeat(body, continuing, turns));
                }
                Statement::Call { function, arguments, .. } => {
                    sum.add(one);
                    for argument in arguments {
                        sum.add(self.argument(*argument));
                    }
                    sum.add(self.callee(*function));
                }
                _ => sum.add(one),
            }
        }
        sum
    }

    fn value(&self, handle: Handle<Expression>) -> Cost {
        Cost { gas: self.values[handle.index()], turns: 0 }
    }

    /// Copying an argument.
    fn argument(&self, handle: Handle<Expression>) -> Cost {
        let gas = self.values[handle.index()];
        Cost { gas: if gas > 1 { gas } else { 0 }, turns: 0 }
    }

    fn callee(&self, function: Handle<Function>) -> Cost {
        let plan = self.callees.get(function.index());
        plan.map_or(Cost::default(), |plan| Cost { gas: plan.fixed, turns: plan.turns })
    }

    fn repeat(&mut self, body: &Block, continuing: &Block, turns: Turns) -> Cost {
        let index = self.loops.len();
        self.loops.push(LoopPlan::default());
        let mut turn = Cost { gas: 1, turns: 1 };
        turn.add(self.block(body, true));
        turn.add(self.block(continuing, true));
        let whole = turns.fixed.map(|turns| Cost {
            gas: turn.gas.saturating_mul(turns),
            turns: turn.turns.saturating_mul(turns),
        });
        let (kind, cost) = match whole {
            Some(whole) if whole.gas <= MOST_FIXED => (Kind::Fixed, whole),
            _ if self.known.is_uniform(self.body, index) => (Kind::Uniform, Cost::default()),
            _ => (Kind::Own, Cost::default()),
        };
        let ahead = turns.ahead.filter(|_| kind != Kind::Fixed);
        let head = turns.head.filter(|_| kind == Kind::Fixed || ahead.is_some());
        self.loops[index] = LoopPlan { kind, weight: turn.gas, ahead, head };
        cost
    }
}
