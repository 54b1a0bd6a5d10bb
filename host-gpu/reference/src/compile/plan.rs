//! What runs once for the workgroup, and what once for each vector.
//!
//! Statements with barriers in them run at the level of the workgroup: their control flow is scalar. What stands between is a [`Region`]: a
//! loop over the workgroup's vectors. What is the same in the whole workgroup is taken out of regions where it can be.

use super::ir::{AtId, Cell, Ir, Label, Node, Orders, Space, Stmt, Val, lists, operands, uses};
use super::optimise::has_barrier;
use super::shape::{Level, Shapes};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) type RegionId = u32;
/// The level of the workgroup.
pub(crate) const OUTSIDE: RegionId = 0;

pub(crate) enum Step<'a> {
    /// At the level of the workgroup.
    Scalar(&'a Stmt),
    Region(Region<'a>),
    If(Val, Vec<Step<'a>>, Vec<Step<'a>>),
    Block(Label, Vec<Step<'a>>),
    Loop(Vec<Step<'a>>),
    Break(Label),
    UniformLoad(AtId, Val),
    /// All of the workgroup have come so far.
    Barrier(Orders),
}

pub(crate) struct Region<'a> {
    pub(crate) id: RegionId,
    pub(crate) body: Vec<&'a Stmt>,
    /// Cells used, in order.
    pub(crate) cells: BTreeMap<Cell, Used>,
    in_loop: bool,
}

/// How a region uses a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// It may be read before it is set.
    pub(crate) read_first: bool,
    pub(crate) set: bool,
}

pub(crate) struct Plan<'a> {
    pub(crate) steps: Vec<Step<'a>>,
    /// Where each value is computed.
    pub(crate) region_of: Vec<RegionId>,
    /// Values that are kept from one region to another.
    pub(crate) kept: BTreeSet<Val>,
    /// Cells that are.
    pub(crate) kept_cells: BTreeSet<Cell>,
    /// Variables in memory that are.
    pub(crate) kept_vars: BTreeSet<u32>,
    /// Whether invocations may leave a block at the level of the workgroup by themselves, so that who is left must be kept.
    pub(crate) keeps_masks: bool,
    /// Blocks at the level of the workgroup.
    pub(crate) outer: BTreeSet<Label>,
}

impl Plan<'_> {
    /// The one region of [`of_one_region`](Plan::of_one_region).
    pub(crate) const ONE: RegionId = OUTSIDE + 1;

    /// That of a function that is called.
    pub(crate) fn of_one_region(ir: &Ir) -> Self {
        Plan {
            steps: Vec::new(),
            region_of: vec![Plan::ONE; ir.nodes.len()],
            kept: BTreeSet::new(),
            kept_cells: BTreeSet::new(),
            kept_vars: BTreeSet::new(),
            keeps_masks: false,
            outer: BTreeSet::new(),
        }
    }
}

struct Planner<'a> {
    ir: &'a Ir,
    shapes: &'a Shapes,
    read_only: &'a [bool],
    next: RegionId,
    outer: BTreeSet<Label>,
    loops: u32,
    keeps_masks: bool,
    region_of: Vec<RegionId>,
}

/// Nodes of a value that is computed again rather than kept.
const CHEAP: u32 = 12;

pub(crate) fn plan<'a>(ir: &'a Ir, shapes: &'a Shapes, read_only: &'a [bool]) -> Plan<'a> {
    let made = |keeps_masks: bool| {
        let mut planner = Planner {
            ir,
            shapes,
            read_only,
            next: OUTSIDE + 1,
            outer: BTreeSet::new(),
            loops: 0,
            keeps_masks,
            region_of: vec![OUTSIDE; ir.nodes.len()],
        };
        let steps = planner.list(ir.body.iter());
        (planner, steps)
    };
    let (mut planner, mut steps) = made(parted_around_barriers(shapes, &ir.body));
    let parted = |label: &Label| shapes.parted[*label as usize] != Level::Group;
    if !planner.keeps_masks && planner.outer.iter().any(parted) {
        // A block without barriers, which all leave together in one place, and some in another.
        (planner, steps) = made(true);
    }
    let mut plan = Plan {
        steps,
        region_of: planner.region_of,
        kept: BTreeSet::new(),
        kept_cells: BTreeSet::new(),
        kept_vars: BTreeSet::new(),
        keeps_masks: planner.keeps_masks,
        outer: planner.outer,
    };
    let mut keeper =
        Keeper { ir, shapes, cost: costs(ir, shapes), cells: BTreeMap::new(), vars: BTreeMap::new() };
    let mut kept = BTreeSet::new();
    keeper.steps(&plan.steps, &plan.region_of, &mut kept);
    plan.kept = kept;
    plan.kept_cells =
        keeper.cells.iter().filter(|(_, first)| first.is_none()).map(|(cell, _)| *cell).collect();
    plan.kept_vars = keeper.vars.iter().filter(|(_, first)| first.is_none()).map(|(var, _)| *var).collect();
    plan
}

/// Whether a block with a barrier in it is left by some invocations only.
fn parted_around_barriers(shapes: &Shapes, list: &[Stmt]) -> bool {
    list.iter().any(|stmt| {
        let inside = || lists(stmt).any(|list| parted_around_barriers(shapes, list));
        match stmt {
            Stmt::Block(label, inner) if has_barrier(inner) => {
                shapes.parted[*label as usize] != Level::Group || inside()
            }
            _ => inside(),
        }
    })
}

impl<'a> Planner<'a> {
    fn list(&mut self, list: impl Iterator<Item = &'a Stmt>) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        let mut run = Vec::new();
        for stmt in list {
            if !self.is_outer(stmt) {
                run.push(stmt);
                continue;
            }
            self.region(std::mem::take(&mut run), &mut steps);
            match stmt {
                Stmt::If(condition, accept, reject) => {
                    let accept = self.list(accept.iter());
                    steps.push(Step::If(*condition, accept, self.list(reject.iter())));
                }
                Stmt::Block(label, inner) => {
                    self.outer.insert(*label);
                    steps.push(Step::Block(*label, self.list(inner.iter())));
                }
                Stmt::Loop(inner) => {
                    self.loops += 1;
                    steps.push(Step::Loop(self.list(inner.iter())));
                    self.loops -= 1;
                }
                Stmt::Break(label) => steps.push(Step::Break(*label)),
                Stmt::UniformLoad(at, result) => steps.push(Step::UniformLoad(*at, *result)),
                // Barriers part regions, and that is all but for who watches.
                Stmt::Barrier(orders) => steps.push(Step::Barrier(*orders)),
                _ => {}
            }
        }
        self.region(run, &mut steps);
        steps
    }

    /// Whether a statement must run at the level of the workgroup.
    fn is_outer(&self, stmt: &Stmt) -> bool {
        match stmt {
            Stmt::Barrier(_) | Stmt::UniformLoad(..) => true,
            Stmt::Break(label) => {
                !self.keeps_masks && self.outer.contains(label) && self.shapes.level(stmt) == Level::Group
            }
            _ => lists(stmt).any(|list| list.iter().any(|stmt| self.is_outer(stmt))),
        }
    }

    fn region(&mut self, run: Vec<&'a Stmt>, steps: &mut Vec<Step<'a>>) {
        if run.is_empty() {
            return;
        }
        let id = self.next;
        self.next += 1;
        let mut body = Vec::new();
        // Cells that what stays uses.
        let mut used = BTreeMap::new();
        for stmt in run {
            if !self.keeps_masks && self.is_shared(stmt, id, &used) {
                // What a value is computed from stands before it.
                steps.push(Step::Scalar(stmt));
            } else {
                self.define(stmt, id);
                self.cells(stmt, true, &mut used);
                body.push(stmt);
            }
        }
        if !body.is_empty() {
            steps.push(Step::Region(Region { id, body, cells: used, in_loop: self.loops > 0 }));
        }
    }

    /// Whether a statement can run once for the workgroup, before the region's loop.
    fn is_shared(&self, stmt: &Stmt, id: RegionId, used: &BTreeMap<Cell, Used>) -> bool {
        let same = |value: Val| {
            self.shapes.values[value as usize].level == Level::Group && self.region_of[value as usize] != id
        };
        match stmt {
            Stmt::Let(value) => {
                let mut all = self.shapes.values[*value as usize].level == Level::Group;
                operands(self.ir, *value, |operand| all &= same(operand));
                all && match self.ir.nodes[*value as usize] {
                    Node::Get(cell) => !used.contains_key(&cell) && !self.in_memory(cell),
                    Node::Load(at) => match self.ir.ats[at as usize].space {
                        Space::Buffer(buffer) => self.read_only[buffer as usize],
                        space => space == Space::Immediate,
                    },
                    _ => true,
                }
            }
            Stmt::Set(cell, value) => {
                self.shapes.cells[*cell as usize].level == Level::Group
                    && !self.in_memory(*cell)
                    && same(*value)
                    && !used.contains_key(cell)
            }
            _ => false,
        }
    }

    fn in_memory(&self, cell: Cell) -> bool {
        self.shapes.in_memory[self.ir.owner[cell as usize] as usize]
    }

    fn define(&mut self, stmt: &Stmt, id: RegionId) {
        match stmt {
            Stmt::Let(value) => self.region_of[*value as usize] = id,
            Stmt::Atomic(atomic) => self.region_of[atomic.result as usize] = id,
            _ => lists(stmt).for_each(|list| list.iter().for_each(|stmt| self.define(stmt, id))),
        }
    }

    fn cells(&self, stmt: &Stmt, surely: bool, used: &mut BTreeMap<Cell, Used>) {
        let mut note = |cell: Cell, sets: bool| {
            let use_of = used.entry(cell).or_insert(Used { read_first: !(sets && surely), set: sets });
            use_of.set |= sets;
        };
        match stmt {
            Stmt::Let(value) => {
                if let Node::Get(cell) = self.ir.nodes[*value as usize] {
                    note(cell, false);
                }
            }
            Stmt::Set(cell, _) => note(*cell, true),
            Stmt::Zero(var) => {
                let of = &self.ir.vars[*var as usize];
                (of.first..of.first + of.leaves).for_each(|cell| note(cell, true));
            }
            _ => lists(stmt).for_each(|list| list.iter().for_each(|stmt| self.cells(stmt, false, used))),
        }
    }
}

/// Of each value: the nodes that computing it again takes; [`u32::MAX`] if that cannot be.
fn costs(ir: &Ir, shapes: &Shapes) -> Vec<u32> {
    let mut costs: Vec<u32> = Vec::with_capacity(ir.nodes.len());
    for (value, node) in ir.nodes.iter().enumerate() {
        let mut cost = match node {
            _ if shapes.values[value].level == Level::Group => 0,
            Node::Get(_) | Node::Load(_) | Node::Result(_) | Node::Call(..) => u32::MAX,
            _ => 1,
        };
        if cost == 1 {
            operands(ir, value as Val, |operand| {
                cost = cost.saturating_add(costs.get(operand as usize).copied().unwrap_or(u32::MAX));
            });
        }
        costs.push(cost);
    }
    costs
}

/// Finds what is used in another region than it is made in.
struct Keeper<'a> {
    ir: &'a Ir,
    shapes: &'a Shapes,
    cost: Vec<u32>,
    /// The only region that uses it; none if there are several.
    cells: BTreeMap<Cell, Option<RegionId>>,
    vars: BTreeMap<u32, Option<RegionId>>,
}

impl Keeper<'_> {
    fn steps(&mut self, steps: &[Step<'_>], region_of: &[RegionId], kept: &mut BTreeSet<Val>) {
        for step in steps {
            match step {
                Step::Scalar(stmt) => {
                    uses(self.ir, stmt, |value| self.value(value, OUTSIDE, region_of, kept))
                }
                Step::If(condition, accept, reject) => {
                    self.value(*condition, OUTSIDE, region_of, kept);
                    self.steps(accept, region_of, kept);
                    self.steps(reject, region_of, kept);
                }
                Step::UniformLoad(at, _) => {
                    for term in &self.ir.ats[*at as usize].terms {
                        self.value(term.index, OUTSIDE, region_of, kept);
                    }
                }
                Step::Block(_, inner) | Step::Loop(inner) => self.steps(inner, region_of, kept),
                Step::Break(_) | Step::Barrier(_) => {}
                Step::Region(region) => {
                    for (cell, used) in &region.cells {
                        let carries = region.in_loop && used.read_first;
                        let only = (!carries).then_some(region.id);
                        let known = self.cells.entry(*cell).or_insert(only);
                        if *known != only {
                            *known = None;
                        }
                        self.var(self.ir.owner[*cell as usize], region);
                    }
                    for stmt in &region.body {
                        self.stmt(stmt, region, region_of, kept);
                    }
                }
            }
        }
    }

    fn var(&mut self, var: u32, region: &Region<'_>) {
        let only = (!region.in_loop).then_some(region.id);
        let known = self.vars.entry(var).or_insert(only);
        if *known != only {
            *known = None;
        }
    }

    fn stmt(&mut self, stmt: &Stmt, region: &Region<'_>, region_of: &[RegionId], kept: &mut BTreeSet<Val>) {
        uses(self.ir, stmt, |value| self.value(value, region.id, region_of, kept));
        let at = match stmt {
            Stmt::Store(at, _) => Some(*at),
            Stmt::Let(value) => match self.ir.nodes[*value as usize] {
                Node::Load(at) => Some(at),
                _ => None,
            },
            _ => None,
        };
        if let Some(Space::Var(var)) = at.map(|at| self.ir.ats[at as usize].space) {
            self.var(var, region);
        }
        for list in lists(stmt) {
            for stmt in list {
                self.stmt(stmt, region, region_of, kept);
            }
        }
    }

    fn value(&self, value: Val, here: RegionId, region_of: &[RegionId], kept: &mut BTreeSet<Val>) {
        let made = region_of[value as usize];
        if made == here || self.shapes.values[value as usize].level == Level::Group {
            return;
        }
        // The workgroup's level has no lanes to compute it for.
        if here != OUTSIDE && self.cost[value as usize] <= CHEAP {
            return;
        }
        kept.insert(value);
    }
}
