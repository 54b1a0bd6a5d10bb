//! What values look like across the invocations of a vector and of a workgroup, and where invocations part.
//!
//! A value is the same in the whole workgroup, or the same or evenly spaced in each vector of four, or anything. Control flow has levels of the same
//! kind, always *between two places*: a variable that is set and read only inside of a branch may be one scalar there, whoever took the branch.
//! Places are a tree of [`Context`]s: arms of branches, bodies of loops, and what stands behind a jump that not all may have taken.

mod arithmetic;
mod homes;

use super::ir::{AtId, Cell, Input, Ir, Label, NONE, Node, Space, Stmt, Val, lists};
use arithmetic::{binary, unary};
use homes::Homes;
use std::collections::{BTreeMap, HashMap};

/// How much invocations agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// All of the workgroup.
    Group,
    /// All of a vector.
    Vector,
    /// Not at all.
    None,
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) level: Level,
    /// What is added from one invocation of the vector to the next.
    pub(crate) stride: i32,
    /// Low bits of the first invocation's value that are zero.
    zeros: u8,
    /// No invocation's value is above, as an unsigned number.
    pub(crate) most: u32,
}

impl Kind {
    const ANY: Kind = Kind { level: Level::None, stride: 0, zeros: 0, most: u32::MAX };

    fn same(level: Level) -> Kind {
        Kind { level, ..Kind::ANY }
    }

    fn constant(bits: u32) -> Kind {
        Kind { level: Level::Group, stride: 0, zeros: bits.trailing_zeros() as u8, most: bits }
    }

    fn join(self, other: Kind) -> Kind {
        let most = self.most.max(other.most);
        let level = self.level.max(other.level);
        if level == Level::None || self.stride != other.stride {
            return Kind { most, ..Kind::ANY };
        }
        Kind { level, stride: self.stride, zeros: self.zeros.min(other.zeros), most }
    }

    /// With control flow of this level.
    fn at(self, flow: Level) -> Kind {
        match flow {
            Level::None => Kind { most: self.most, ..Kind::ANY },
            flow => Kind { level: self.level.max(flow), ..self },
        }
    }

    /// Whether one scalar stands for it.
    pub(crate) fn is_scalar(self) -> bool {
        self.level != Level::None
    }

    /// Whether all invocations of a vector have the same.
    pub(crate) fn is_same(self) -> bool {
        self.level != Level::None && self.stride == 0
    }
}

type ContextId = u32;

struct Context {
    depth: u32,
    level: Level,
    /// How deep the innermost contexts are, this one included, whose level is at least that of a vector, and none; 0 where there is no such. As the round
    /// has made it: what is raised later is seen in the next.
    parts: [u32; 2],
}

/// The shapes of a shader.
pub(crate) struct Shapes {
    pub(crate) values: Vec<Kind>,
    pub(crate) cells: Vec<Kind>,
    /// Cells that are used at all.
    pub(crate) used_cells: Vec<bool>,
    /// Variables that computed indices reach: they lie in memory.
    pub(crate) in_memory: Vec<bool>,
    /// By address of the statement: of a jump, between it and its target; of a loop, between its turns; of a store to a cell, between
    /// the cell's home and it.
    levels: HashMap<*const Stmt, Level>,
    /// Of each block: the highest level of the jumps to its end.
    pub(crate) parted: Vec<Level>,
}

impl Shapes {
    /// Those of a function that is called: nothing agrees but constants.
    pub(crate) fn of_vectors(ir: &Ir) -> Shapes {
        let kind = |node: &Node| match node {
            Node::Const(_, bits) => Kind::constant(*bits),
            _ => Kind::ANY,
        };
        Shapes {
            values: ir.nodes.iter().map(kind).collect(),
            cells: vec![Kind::ANY; ir.cells.len()],
            used_cells: vec![true; ir.cells.len()],
            in_memory: in_memory(ir),
            levels: HashMap::new(),
            parted: vec![Level::None; ir.labels as usize],
        }
    }

    pub(crate) fn level(&self, stmt: &Stmt) -> Level {
        self.levels.get(&std::ptr::from_ref(stmt)).copied().unwrap_or(Level::None)
    }
}

/// Walks with the details of before, then with fewer, then without any.
const ROUNDS: [u32; 3] = [10, 24, 32];

struct Walk<'a> {
    ir: &'a Ir,
    size: [u32; 3],
    read_only: &'a [bool],
    shapes: Shapes,
    /// Cells set so far.
    set: Vec<bool>,
    contexts: Vec<Context>,
    /// Where the lists around a block's statement are.
    targets: Vec<ContextId>,
    homes: Vec<ContextId>,
    next: ContextId,
    round: u32,
    changed: bool,
}

/// Jumps out of a list: where to, and how far those who jump agree among those where the list begins. A chain of contexts is as long as there are jumps, so
/// nothing walks along one.
type Jumps = BTreeMap<Label, Level>;

fn add(jumps: &mut Jumps, label: Label, level: Level) {
    let known = jumps.entry(label).or_insert(level);
    *known = level.max(*known);
}

pub(crate) fn shapes(ir: &Ir, size: [u32; 3], read_only: &[bool]) -> Shapes {
    let shapes = Shapes {
        values: vec![Kind::constant(0); ir.nodes.len()],
        cells: vec![Kind::constant(0); ir.cells.len()],
        used_cells: Vec::new(),
        in_memory: in_memory(ir),
        levels: HashMap::new(),
        parted: vec![Level::Group; ir.labels as usize],
    };
    let root = Context { depth: 0, level: Level::Group, parts: [0; 2] };
    let mut walk = Walk {
        ir,
        size,
        read_only,
        shapes,
        set: vec![false; ir.cells.len()],
        contexts: vec![root],
        targets: vec![0; ir.labels as usize],
        homes: Vec::new(),
        next: 1,
        round: 0,
        changed: true,
    };
    for (index, node) in ir.nodes.iter().enumerate() {
        if let Node::Const(_, bits) = node {
            walk.shapes.values[index] = Kind::constant(*bits);
        }
    }
    let (homes, used) = Homes::find(ir);
    walk.homes = homes;
    walk.shapes.used_cells = used;
    while walk.changed {
        walk.changed = false;
        walk.next = 1;
        walk.list(&ir.body, 0);
        walk.round += 1;
    }
    walk.shapes
}

/// Variables that computed indices reach.
pub(crate) fn in_memory(ir: &Ir) -> Vec<bool> {
    let mut found = vec![false; ir.vars.len()];
    fn visit(ir: &Ir, list: &[Stmt], found: &mut [bool]) {
        for stmt in list {
            let at = match stmt {
                Stmt::Store(at, _) => Some(*at),
                Stmt::Let(value) => match ir.nodes[*value as usize] {
                    Node::Load(at) => Some(at),
                    _ => None,
                },
                _ => None,
            };
            if let Some(Space::Var(var)) = at.map(|at| ir.ats[at as usize].space) {
                found[var as usize] = true;
            }
            lists(stmt).for_each(|list| visit(ir, list, found));
        }
    }
    visit(ir, &ir.body, &mut found);
    found
}

impl Walk<'_> {
    fn make(&mut self, parent: ContextId, level: Level) -> ContextId {
        let id = self.next;
        self.next += 1;
        let around = &self.contexts[parent as usize];
        let (depth, mut parts) = (around.depth + 1, around.parts);
        if id as usize == self.contexts.len() {
            self.contexts.push(Context { depth, level, parts });
        }
        self.raise(id, level);
        let context = &mut self.contexts[id as usize];
        for (part, from) in parts.iter_mut().zip([Level::Vector, Level::None]) {
            if context.level >= from {
                *part = depth;
            }
        }
        context.parts = parts;
        id
    }

    fn raise(&mut self, id: ContextId, level: Level) {
        let context = &mut self.contexts[id as usize];
        if level > context.level {
            context.level = level;
            self.changed = true;
        }
    }

    /// How far invocations at `from` agree on being there, among those at `to`, which is around it.
    fn between(&self, from: ContextId, to: ContextId) -> Level {
        let depth = self.contexts[to as usize].depth;
        match self.contexts[from as usize].parts {
            [_, none] if none > depth => Level::None,
            [vector, _] if vector > depth => Level::Vector,
            _ => Level::Group,
        }
    }

    fn note(&mut self, stmt: &Stmt, level: Level) {
        self.shapes.levels.insert(std::ptr::from_ref(stmt), level);
    }

    fn list(&mut self, list: &[Stmt], mut context: ContextId) -> Jumps {
        let mut jumps = Jumps::new();
        // Of where the walk is among where the list begins.
        let mut here = Level::Group;
        for stmt in list {
            let out = self.statement(stmt, context);
            let Some(level) = out.values().copied().max() else { continue };
            out.into_iter().for_each(|(label, level)| add(&mut jumps, label, level.max(here)));
            context = self.make(context, level);
            here = here.max(self.contexts[context as usize].level);
        }
        jumps
    }

    /// A list in a context of its own.
    fn arm(&mut self, list: &[Stmt], context: ContextId, level: Level, jumps: &mut Jumps) {
        let arm = self.make(context, level);
        let out = self.list(list, arm);
        let level = self.contexts[arm as usize].level;
        out.into_iter().for_each(|(label, inner)| add(jumps, label, inner.max(level)));
    }

    fn statement(&mut self, stmt: &Stmt, context: ContextId) -> Jumps {
        match stmt {
            Stmt::Let(value) => self.shapes.values[*value as usize] = self.value(*value),
            Stmt::Set(cell, value) => {
                let kind = self.shapes.values[*value as usize];
                let level = self.set_cell(*cell, kind, context);
                self.note(stmt, level);
            }
            Stmt::Zero(var) => {
                let of = &self.ir.vars[*var as usize];
                let mut most = Level::Group;
                for cell in of.first..of.first + of.leaves {
                    most = most.max(self.set_cell(cell, Kind::constant(0), context));
                }
                self.note(stmt, most);
            }
            Stmt::Atomic(atomic) => self.shapes.values[atomic.result as usize] = Kind::ANY,
            Stmt::UniformLoad(_, result) => {
                self.shapes.values[*result as usize] = Kind::same(Level::Group);
            }
            Stmt::If(condition, accept, reject) => {
                let level = self.shapes.values[*condition as usize].level;
                let mut jumps = Jumps::new();
                self.arm(accept, context, level, &mut jumps);
                self.arm(reject, context, level, &mut jumps);
                return jumps;
            }
            Stmt::Loop(inner) => {
                let turn = self.make(context, Level::Group);
                let mut jumps = self.list(inner, turn);
                self.raise(turn, jumps.values().copied().max().unwrap_or(Level::Group));
                let level = self.contexts[turn as usize].level;
                self.note(stmt, level);
                jumps.values_mut().for_each(|jump| *jump = level.max(*jump));
                return jumps;
            }
            Stmt::Block(label, inner) => {
                self.targets[*label as usize] = context;
                let mut jumps = self.list(inner, context);
                jumps.remove(label);
                return jumps;
            }
            Stmt::Break(label) => {
                let level = self.between(context, self.targets[*label as usize]);
                self.note(stmt, level);
                let parted = &mut self.shapes.parted[*label as usize];
                *parted = level.max(*parted);
                return Jumps::from([(*label, Level::Group)]);
            }
            Stmt::Store(..) | Stmt::Touch(..) | Stmt::Barrier(_) | Stmt::Give(_) => {}
        }
        Jumps::new()
    }

    fn set_cell(&mut self, cell: Cell, kind: Kind, context: ContextId) -> Level {
        let cell = cell as usize;
        let level = self.between(context, self.homes[cell]);
        let mut kind = kind.at(level);
        let before = self.shapes.cells[cell];
        if std::mem::replace(&mut self.set[cell], true) {
            kind = before.join(kind);
        } else {
            self.changed = true;
        }
        if kind != before {
            if self.round >= ROUNDS[0] {
                (kind.zeros, kind.most) = (0, u32::MAX);
            }
            if self.round >= ROUNDS[1] {
                kind = Kind::ANY;
            }
            if self.round >= ROUNDS[2] {
                self.shapes.cells.fill(Kind::ANY);
                self.set.fill(true);
            }
            self.shapes.cells[cell] = kind;
            self.changed |= kind != before;
        }
        level
    }

    fn value(&self, value: Val) -> Kind {
        let of = |value: Val| self.shapes.values[value as usize];
        match self.ir.nodes[value as usize] {
            Node::Const(_, bits) => Kind::constant(bits),
            Node::Input(input) => self.input(input),
            Node::Length(_) => Kind::same(Level::Group),
            Node::Result(_) => of(value),
            Node::Get(cell) => {
                let owner = self.ir.owner[cell as usize] as usize;
                let kind = self.shapes.cells[cell as usize];
                match kind.level {
                    _ if self.shapes.in_memory[owner] => Kind::ANY,
                    Level::Group => kind,
                    // It may come from memory that nobody wrote, where invocations are not at work.
                    _ => Kind { most: u32::MAX, ..kind },
                }
            }
            Node::Load(at) => self.load(at),
            Node::Un(op, a) => unary(op, of(a)),
            Node::Bin(op, a, b) => binary(op, of(a), of(b), self.ir.constant(b)),
            Node::Call(_, a, b) => {
                let a = of(a);
                let both = if b == NONE { a } else { a.join(of(b)) };
                // One scalar stands for four that are the same.
                if both.is_same() { Kind::same(both.level) } else { Kind::ANY }
            }
            Node::Sel(condition, a, b) => {
                let (condition, a, b) = (of(condition), of(a), of(b));
                a.join(b).at(condition.level)
            }
        }
    }

    fn input(&self, input: Input) -> Kind {
        let invocations = self.size.iter().product::<u32>().next_multiple_of(4);
        match input {
            Input::GroupId(_) | Input::Groups(_) => Kind::same(Level::Group),
            Input::Argument(..) => Kind::ANY,
            Input::LocalIndex => Kind { level: Level::Vector, stride: 1, zeros: 2, most: invocations - 1 },
            Input::LocalId(axis) => {
                let most = self.size[axis as usize] - 1;
                if !self.size[0].is_multiple_of(4) {
                    return Kind { most, ..Kind::ANY };
                }
                let (stride, zeros) = if axis == 0 { (1, 2) } else { (0, 0) };
                Kind { level: Level::Vector, stride, zeros, most }
            }
        }
    }

    fn load(&self, at: AtId) -> Kind {
        let at = &self.ir.ats[at as usize];
        let same = |level: Level| {
            let mut kind = Kind::same(level);
            for term in &at.terms {
                kind = kind.join(Kind { zeros: 0, ..self.shapes.values[term.index as usize] });
            }
            Kind { most: u32::MAX, ..kind }
        };
        match at.space {
            Space::Var(_) => Kind::ANY,
            Space::Buffer(buffer) if self.read_only[buffer as usize] => same(Level::Group),
            Space::Immediate => same(Level::Group),
            // Another invocation may have stored to it between two vectors' turns.
            Space::Buffer(_) | Space::Group => same(Level::Vector),
        }
    }
}
