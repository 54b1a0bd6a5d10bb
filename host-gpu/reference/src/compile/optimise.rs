//! One forward walk: variables become values where it is known what is in them, equal computations become one, short loops of known length are
//! spelled out. Then what nobody uses goes.

mod control;
mod value;

use super::CompileError;
use super::ir::{Cell, Ir, Label, NONE, Node, Space, Stmt, Ty, Val, lists};
use std::collections::HashMap;

/// Most turns of a loop that is spelled out.
const MAX_TURNS: u32 = 64;
/// Most nodes of a loop that is spelled out.
const MAX_UNROLLED: usize = 480;
/// Statements walked and looked at in trying to spell out loops, in all.
const MAX_TRIES: u32 = 1 << 18;
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
}

pub(super) fn has_barrier(list: &[Stmt]) -> bool {
    list.iter().any(|stmt| match stmt {
        Stmt::Barrier(_) | Stmt::UniformLoad(..) => true,
        _ => lists(stmt).any(|list| has_barrier(list)),
    })
}
