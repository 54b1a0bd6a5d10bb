//! One forward walk: variables become values where it is known what is in them, equal computations become one, short loops of known length are
//! spelled out. Then what nobody uses goes.

use super::CompileError;
use super::fold::{Folded, fold};
use super::ir::{At, AtId, Cell, Ir, Label, Len, NONE, Node, Space, Stmt, Term, Ty, Val, lists};
use std::collections::HashMap;

/// Most turns of a loop that is spelled out.
const MAX_TURNS: u32 = 64;
/// Most nodes of a loop that is spelled out.
const MAX_UNROLLED: usize = 480;
/// Statements walked in trying to spell out loops, in all.
const MAX_TRIES: u32 = 1 << 17;
/// Most nodes of the result.
const MAX_NODES: usize = 1 << 20;
/// Variables of more leaves are not followed leaf by leaf when they become zero.
const SMALL: u32 = 64;

struct Optimise<'a> {
    from: &'a Ir,
    to: Ir,
    /// Whether stores to a binding are possible.
    writable: &'a [bool],
    map: Vec<Val>,
    labels: HashMap<Label, Label>,
    used: Vec<bool>,
    /// What is in a cell, and the age of its variable then.
    known: HashMap<Cell, (Val, u32)>,
    known_log: Vec<(Cell, Option<(Val, u32)>)>,
    /// Cells written so far.
    touched: Vec<Cell>,
    /// Raised whenever any leaf of a variable may change.
    ages: Vec<u32>,
    /// Nodes there are, with the age of the memory that they read.
    seen: HashMap<(Node, u32), Val>,
    seen_log: Vec<(Node, u32)>,
    /// Ages of workgroup memory and of storage.
    group_age: u32,
    storage_age: u32,
    next_age: u32,
    tries: u32,
    trying: u32,
    /// Nodes at which a try is given up.
    limit: usize,
    given_up: bool,
    /// Ways out of the loop that is tried: those decided, and those left open. Labels below the mark are outside.
    mark: Label,
    decided: u32,
    open: u32,
}

/// What is done to lists must be undone when their scope ends.
#[derive(Clone, Copy)]
struct Scope {
    known: usize,
    seen: usize,
}

pub(crate) fn optimise(from: &Ir, writable: &[bool]) -> Result<Ir, CompileError> {
    let to =
        Ir { vars: from.vars.clone(), cells: from.cells.clone(), owner: from.owner.clone(), ..Ir::default() };
    let mut walk = Optimise {
        from,
        to,
        writable,
        map: vec![NONE; from.nodes.len()],
        labels: HashMap::new(),
        used: Vec::new(),
        known: HashMap::new(),
        known_log: Vec::new(),
        touched: Vec::new(),
        ages: vec![0; from.vars.len()],
        seen: HashMap::new(),
        seen_log: Vec::new(),
        group_age: 1,
        storage_age: 2,
        next_age: 3,
        tries: 0,
        trying: 0,
        limit: MAX_NODES,
        given_up: false,
        mark: 0,
        decided: 0,
        open: 0,
    };
    let mut body = Vec::new();
    walk.list(&from.body, &mut body);
    if walk.to.nodes.len() > MAX_NODES {
        return Err(CompileError::TooLarge("nodes of all loops spelled out"));
    }
    walk.to.body = body;
    Ok(walk.to)
}

impl Optimise<'_> {
    /// Walks a list; says whether its end is never reached.
    fn list(&mut self, from: &[Stmt], to: &mut Vec<Stmt>) -> bool {
        for stmt in from {
            if self.given_up || self.statement(stmt, to) {
                return true;
            }
        }
        false
    }

    fn statement(&mut self, stmt: &Stmt, to: &mut Vec<Stmt>) -> bool {
        if self.trying > 0 {
            self.tries += 1;
            if self.to.nodes.len() > self.limit || self.tries > MAX_TRIES {
                self.given_up = true;
                return true;
            }
        }
        match stmt {
            Stmt::Let(value) => self.define(*value, to),
            Stmt::Set(cell, value) => {
                let value = self.operand(*value, to);
                self.set(*cell, value);
                to.push(Stmt::Set(*cell, value));
            }
            Stmt::Zero(var) => {
                let of = self.from.vars[*var as usize].clone();
                self.ages[*var as usize] += 1;
                if of.leaves <= SMALL {
                    for cell in of.first..of.first + of.leaves {
                        let zero = self.value(Node::Const(self.to.cells[cell as usize], 0), to);
                        self.set(cell, zero);
                        if of.leaves <= 4 {
                            to.push(Stmt::Set(cell, zero));
                        }
                    }
                }
                if of.leaves > 4 {
                    to.push(Stmt::Zero(*var));
                }
            }
            Stmt::Store(at, value) => {
                let value = self.operand(*value, to);
                match self.place(*at, to) {
                    Ok(cell) => {
                        self.set(cell, value);
                        to.push(Stmt::Set(cell, value));
                    }
                    Err(at) => {
                        self.written(self.to.ats[at as usize].space);
                        to.push(Stmt::Store(at, value));
                    }
                }
            }
            Stmt::Atomic(atomic) => {
                let mut atomic = atomic.clone();
                let Err(at) = self.place(atomic.at, to) else { return false };
                self.written(self.to.ats[at as usize].space);
                atomic.at = at;
                for value in [&mut atomic.value, &mut atomic.compare] {
                    if *value != NONE {
                        *value = self.operand(*value, to);
                    }
                }
                let result = self.to.node(Node::Result(Ty::I32));
                self.map[atomic.result as usize] = result;
                atomic.result = result;
                to.push(Stmt::Atomic(atomic));
            }
            Stmt::UniformLoad(at, result) => {
                self.barrier();
                let Err(at) = self.place(*at, to) else { return false };
                let value = self.to.node(Node::Result(self.to.ats[at as usize].ty));
                self.map[*result as usize] = value;
                to.push(Stmt::UniformLoad(at, value));
            }
            Stmt::Give(value) => {
                let value = self.operand(*value, to);
                to.push(Stmt::Give(value));
            }
            Stmt::Barrier(orders) => {
                self.barrier();
                to.push(Stmt::Barrier(*orders));
            }
            Stmt::Touch(site, at) => {
                let Err(at) = self.place(*at, to) else { return false };
                to.push(Stmt::Touch(*site, at));
            }
            Stmt::Break(label) => {
                let label = self.labels[label];
                self.used[label as usize] = true;
                to.push(Stmt::Break(label));
                return true;
            }
            Stmt::If(condition, accept, reject) => return self.branch(*condition, accept, reject, to),
            Stmt::Block(label, inner) => return self.block(*label, inner, to),
            Stmt::Loop(inner) => {
                if !self.unroll(inner, to) {
                    self.repeat(inner, to);
                }
                return true;
            }
        }
        false
    }

    fn barrier(&mut self) {
        self.group_age = self.next_age;
        self.storage_age = self.next_age + 1;
        self.next_age += 2;
    }

    fn written(&mut self, space: Space) {
        match space {
            Space::Var(var) => self.ages[var as usize] += 1,
            Space::Group => self.group_age = self.next_age,
            Space::Buffer(_) | Space::Immediate => self.storage_age = self.next_age,
        }
        self.next_age += 1;
    }

    fn set(&mut self, cell: Cell, value: Val) {
        let age = self.ages[self.to.owner[cell as usize] as usize];
        let before = self.known.insert(cell, (value, age));
        self.known_log.push((cell, before));
        self.touched.push(cell);
    }

    fn forget(&mut self, cell: Cell) {
        if let Some(before) = self.known.remove(&cell) {
            self.known_log.push((cell, Some(before)));
        }
    }

    /// A place in the result, or the cell that it is.
    fn place(&mut self, at: AtId, list: &mut Vec<Stmt>) -> Result<Cell, AtId> {
        let from = self.from;
        let at = &from.ats[at as usize];
        let mut to = At { space: at.space, offset: at.offset, ty: at.ty, terms: Vec::new() };
        let is_var = matches!(at.space, Space::Var(_));
        for term in &at.terms {
            let index = self.operand(term.index, list);
            match (self.to.constant(index), term.len) {
                (Some(index), Len::Const(len)) if index < len => to.offset += index * term.stride,
                (Some(_), Len::Const(len)) if is_var => to.offset += (len - 1) * term.stride,
                _ => to.terms.push(Term { index, ..*term }),
            }
        }
        match to.space {
            Space::Var(var) if to.terms.is_empty() => Ok(self.to.vars[var as usize].first + to.offset),
            _ => Err(self.to.at(to)),
        }
    }

    fn define(&mut self, value: Val, to: &mut Vec<Stmt>) {
        let node = match self.from.nodes[value as usize] {
            Node::Un(op, a) => Node::Un(op, self.operand(a, to)),
            Node::Bin(op, a, b) => Node::Bin(op, self.operand(a, to), self.operand(b, to)),
            Node::Sel(a, b, c) => Node::Sel(self.operand(a, to), self.operand(b, to), self.operand(c, to)),
            Node::Call(call, a, b) => {
                let a = self.operand(a, to);
                Node::Call(call, a, if b == NONE { NONE } else { self.operand(b, to) })
            }
            Node::Load(at) => match self.place(at, to) {
                Ok(cell) => Node::Get(cell),
                Err(at) => Node::Load(at),
            },
            other => other,
        };
        self.map[value as usize] = self.value(node, to);
    }

    fn operand(&mut self, value: Val, to: &mut Vec<Stmt>) -> Val {
        let known = self.map[value as usize];
        if known != NONE && matches!(self.from.nodes[value as usize], Node::Const(..)) {
            // Constants are named by no statement; theirs may be of a scope that ended.
            return self.constant(value, to);
        }
        if known == NONE { self.constant(value, to) } else { known }
    }

    fn constant(&mut self, value: Val, to: &mut Vec<Stmt>) -> Val {
        let mapped = self.value(self.from.nodes[value as usize], to);
        self.map[value as usize] = mapped;
        mapped
    }

    /// The value of a node whose operands are of the result.
    fn value(&mut self, node: Node, to: &mut Vec<Stmt>) -> Val {
        if let Node::Get(cell) = node {
            let owner = self.to.owner[cell as usize] as usize;
            if let Some((value, age)) = self.known.get(&cell)
                && *age == self.ages[owner]
            {
                return *value;
            }
            let value = self.to.node(node);
            to.push(Stmt::Let(value));
            let before = self.known.insert(cell, (value, self.ages[owner]));
            self.known_log.push((cell, before));
            return value;
        }
        match fold(&self.to, node) {
            Some(Folded::Value(value)) => return value,
            Some(Folded::Node(node)) => return self.value(node, to),
            None => {}
        }
        if let Some(sum) = self.sum(node, to) {
            return sum;
        }
        let age = match node {
            Node::Load(at) => match self.to.ats[at as usize].space {
                Space::Group => self.group_age,
                Space::Buffer(buffer) if self.writable[buffer as usize] => self.storage_age,
                Space::Buffer(_) | Space::Immediate => 0,
                // Not shared, so each is its own.
                Space::Var(_) => {
                    self.next_age += 1;
                    self.next_age - 1
                }
            },
            _ => 0,
        };
        if let Some(value) = self.seen.get(&(node, age)) {
            return *value;
        }
        let value = self.to.node(node);
        if !matches!(node, Node::Const(..)) {
            to.push(Stmt::Let(value));
        }
        self.seen.insert((node, age), value);
        self.seen_log.push((node, age));
        value
    }

    /// `(x + a) + b` and `x - b` as sums with one constant.
    fn sum(&mut self, node: Node, to: &mut Vec<Stmt>) -> Option<Val> {
        use super::ir::Bin::{IAdd, ISub};
        let (a, b, negate) = match node {
            Node::Bin(IAdd, a, b) => (a, b, false),
            Node::Bin(ISub, a, b) => (a, b, true),
            _ => return None,
        };
        let bits = self.to.constant(b)?;
        let bits = if negate { bits.wrapping_neg() } else { bits };
        if let Node::Bin(IAdd, x, inner) = self.to.nodes[a as usize]
            && let Some(more) = self.to.constant(inner)
        {
            let total = self.value(Node::Const(Ty::I32, bits.wrapping_add(more)), to);
            return Some(self.value(Node::Bin(IAdd, x, total), to));
        }
        if !negate {
            return None;
        }
        let bits = self.value(Node::Const(Ty::I32, bits), to);
        Some(self.value(Node::Bin(IAdd, a, bits), to))
    }

    fn scope(&self) -> Scope {
        Scope { known: self.known_log.len(), seen: self.seen_log.len() }
    }

    fn leave(&mut self, scope: Scope) {
        for (cell, before) in self.known_log.drain(scope.known..).rev() {
            match before {
                Some(before) => self.known.insert(cell, before),
                None => self.known.remove(&cell),
            };
        }
        for node in self.seen_log.drain(scope.seen..) {
            self.seen.remove(&node);
        }
    }

    fn forget_touched(&mut self, range: std::ops::Range<usize>) {
        for index in range {
            self.forget(self.touched[index]);
        }
    }

    fn branch(&mut self, condition: Val, accept: &[Stmt], reject: &[Stmt], to: &mut Vec<Stmt>) -> bool {
        let condition = self.operand(condition, to);
        if let Some(holds) = self.to.constant(condition) {
            if self.trying > 0 && (self.exits(accept) || self.exits(reject)) {
                self.decided += 1;
            }
            return self.list(if holds != 0 { accept } else { reject }, to);
        }
        if self.trying > 0 && (self.exits(accept) || self.exits(reject)) {
            self.open += 1;
        }
        let (group, storage) = (self.group_age, self.storage_age);
        let (mut yes, mut no) = (Vec::new(), Vec::new());
        let start = self.touched.len();
        let scope = self.scope();
        let yes_ends = self.list(accept, &mut yes);
        self.leave(scope);
        let after_yes = (self.group_age, self.storage_age);
        (self.group_age, self.storage_age) = (group, storage);
        let middle = self.touched.len();
        let no_ends = self.list(reject, &mut no);
        self.leave(scope);
        if after_yes != (group, storage) || (self.group_age, self.storage_age) != (group, storage) {
            self.barrier();
        }
        let end = self.touched.len();
        if !yes_ends {
            self.forget_touched(start..middle);
        }
        if !no_ends {
            self.forget_touched(middle..end);
        }
        to.push(Stmt::If(condition, yes, no));
        yes_ends && no_ends
    }

    /// Whether a list jumps out of the loop that is tried.
    fn exits(&self, list: &[Stmt]) -> bool {
        list.iter().any(|stmt| match stmt {
            Stmt::Break(label) => self.labels.get(label).is_some_and(|label| *label < self.mark),
            _ => lists(stmt).any(|list| self.exits(list)),
        })
    }

    fn block(&mut self, label: Label, inner: &[Stmt], to: &mut Vec<Stmt>) -> bool {
        let new = self.to.label();
        self.used.resize(new as usize + 1, false);
        self.labels.insert(label, new);
        let (group, storage) = (self.group_age, self.storage_age);
        let (scope, start) = (self.scope(), self.touched.len());
        let mut body = Vec::new();
        let ends = self.list(inner, &mut body);
        if !self.used[new as usize] {
            to.append(&mut body);
            return ends;
        }
        // The one jump is the last thing there is: nothing is jumped over.
        if matches!(body.last(), Some(Stmt::Break(last)) if *last == new) && jumps(&body, new) == 1 {
            body.pop();
            to.append(&mut body);
            return false;
        }
        self.leave(scope);
        self.forget_touched(start..self.touched.len());
        if (group, storage) != (self.group_age, self.storage_age) {
            self.barrier();
        }
        fall_through(&mut body, new);
        if jumps(&body, new) > 0 {
            to.push(Stmt::Block(new, body));
        } else {
            to.append(&mut body);
        }
        false
    }

    /// Forgets what a list may change.
    fn forget_written(&mut self, list: &[Stmt]) {
        for stmt in list {
            match stmt {
                Stmt::Set(cell, _) => self.forget(*cell),
                Stmt::Zero(var) => self.ages[*var as usize] += 1,
                Stmt::Store(at, _) => self.written(self.from.ats[*at as usize].space),
                Stmt::Atomic(atomic) => self.written(self.from.ats[atomic.at as usize].space),
                Stmt::Barrier(_) | Stmt::UniformLoad(..) => self.barrier(),
                _ => lists(stmt).for_each(|list| self.forget_written(list)),
            }
        }
    }

    fn repeat(&mut self, inner: &[Stmt], to: &mut Vec<Stmt>) {
        self.forget_written(inner);
        let scope = self.scope();
        let mut body = Vec::new();
        self.list(inner, &mut body);
        self.leave(scope);
        to.push(Stmt::Loop(body));
    }

    /// Tries to spell a loop out: walks turn after turn, as long as each way out is decided.
    fn unroll(&mut self, inner: &[Stmt], to: &mut Vec<Stmt>) -> bool {
        if self.tries > MAX_TRIES || has_barrier(inner) || self.trying > 3 {
            return false;
        }
        let before = (self.mark, self.decided, self.open, self.limit);
        let (scope, nodes, length) = (self.scope(), self.to.nodes.len(), to.len());
        let touched = self.touched.len();
        self.trying += 1;
        self.mark = self.to.labels;
        self.limit = self.limit.min(nodes + MAX_UNROLLED);
        let mut done = false;
        for _ in 0..MAX_TURNS {
            (self.decided, self.open) = (0, 0);
            let ended = self.list(inner, to);
            if self.given_up {
                break;
            }
            if ended {
                done = true;
                break;
            }
            if self.decided == 0 || self.open > 0 {
                break;
            }
        }
        self.trying -= 1;
        let outer_given_up = self.given_up && self.to.nodes.len() > before.3;
        (self.mark, self.decided, self.open, self.limit) = before;
        if !done {
            self.leave(scope);
            self.to.nodes.truncate(nodes);
            self.to.types.truncate(nodes);
            self.touched.truncate(touched);
            to.truncate(length);
            self.given_up = self.trying > 0 && outer_given_up;
        }
        done
    }
}

/// Takes out jumps to the end of a block from where its end is reached anyway.
fn fall_through(list: &mut Vec<Stmt>, label: Label) {
    match list.last_mut() {
        Some(Stmt::Break(last)) if *last == label => {
            list.pop();
        }
        Some(Stmt::If(_, accept, reject)) => {
            fall_through(accept, label);
            fall_through(reject, label);
        }
        _ => {}
    }
}

fn jumps(list: &[Stmt], to: Label) -> usize {
    let one = |stmt: &Stmt| match stmt {
        Stmt::Break(label) => usize::from(*label == to),
        _ => lists(stmt).map(|list| jumps(list, to)).sum(),
    };
    list.iter().map(one).sum()
}

pub(super) fn has_barrier(list: &[Stmt]) -> bool {
    list.iter().any(|stmt| match stmt {
        Stmt::Barrier(_) | Stmt::UniformLoad(..) => true,
        _ => lists(stmt).any(|list| has_barrier(list)),
    })
}
