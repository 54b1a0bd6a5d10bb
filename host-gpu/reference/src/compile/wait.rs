//! Which stores to cells must leave what invocations that are not at work have there.
//!
//! Those wait somewhere: for the other arm of a branch, or at the end of a block that they left early. If none of them reads the cell from there on before it sets
//! it, the whole vector may be overwritten, which saves an instruction in the innermost loops. This is liveness, backwards: a loop's
//! start needs what one turn needs.

use super::ir::{Cell, Ir, Label, Node, Stmt, Val, lists};
use super::shape::{Level, Shapes};
use std::collections::{HashMap, HashSet};

/// Words of all sets together that are too many.
const MAX_WORK: usize = 1 << 24;

#[derive(Clone, Default)]
struct Set(Vec<u64>);

impl Set {
    fn has(&self, cell: Cell) -> bool {
        self.0.get(cell as usize / 64).is_some_and(|word| word >> (cell % 64) & 1 == 1)
    }

    fn put(&mut self, cell: Cell) {
        let index = cell as usize / 64;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] |= 1 << (cell % 64);
    }

    fn take(&mut self, cell: Cell) {
        if let Some(word) = self.0.get_mut(cell as usize / 64) {
            *word &= !(1 << (cell % 64));
        }
    }

    fn join(&mut self, other: &Set) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }
}

struct Walk<'a> {
    ir: &'a Ir,
    shapes: &'a Shapes,
    /// What is read behind each open block.
    behind: HashMap<Label, Set>,
    /// What those read who wait, list by list.
    waiting: Vec<Set>,
    keeps: HashSet<*const Stmt>,
}

/// Stores that must keep the values of invocations that are not at work; none if that is all of them.
pub(crate) fn keeping(ir: &Ir, shapes: &Shapes) -> Option<HashSet<*const Stmt>> {
    // A loop is walked once more for each loop around it.
    fn constructs(list: &[Stmt], times: usize) -> usize {
        let of = |stmt: &Stmt| {
            let times = times + usize::from(matches!(stmt, Stmt::Loop(_)));
            lists(stmt).map(|list| times + constructs(list, times)).sum::<usize>()
        };
        list.iter().map(of).sum()
    }
    if constructs(&ir.body, 1).saturating_mul(ir.cells.len() / 64 + 1) > MAX_WORK {
        return None;
    }
    let mut walk =
        Walk { ir, shapes, behind: HashMap::new(), waiting: vec![Set::default()], keeps: HashSet::new() };
    walk.list(&ir.body, Set::default(), true);
    Some(walk.keeps)
}

impl Walk<'_> {
    /// What is read from the start of a list on, if `live` is from its end on.
    fn list(&mut self, list: &[Stmt], mut live: Set, note: bool) -> Set {
        for stmt in list.iter().rev() {
            live = self.statement(stmt, live, note);
        }
        live
    }

    fn statement(&mut self, stmt: &Stmt, mut live: Set, note: bool) -> Set {
        match stmt {
            Stmt::Let(value) => {
                if let Node::Get(cell) = self.ir.nodes[*value as usize] {
                    live.put(cell);
                }
            }
            Stmt::Set(cell, _) => {
                live.take(*cell);
                if note && self.waiting.last().is_some_and(|waiting| waiting.has(*cell)) {
                    self.keeps.insert(std::ptr::from_ref(stmt));
                }
            }
            Stmt::Zero(var) => {
                let of = &self.ir.vars[*var as usize];
                (of.first..of.first + of.leaves).for_each(|cell| live.take(cell));
            }
            Stmt::Break(label) => return self.behind.get(label).cloned().unwrap_or_default(),
            Stmt::Block(label, inner) => {
                self.behind.insert(*label, live.clone());
                let parted = self.shapes.parted[*label as usize] != Level::Group;
                if parted {
                    self.wait_for(&live);
                }
                let start = self.list(inner, live, note);
                if parted {
                    self.waiting.pop();
                }
                self.behind.remove(label);
                return start;
            }
            Stmt::If(condition, accept, reject) => {
                return self.branch(*condition, accept, reject, live, note);
            }
            Stmt::Loop(inner) => {
                // Nothing is behind a loop: it is left by jumps.
                let start = self.list(inner, Set::default(), false);
                if note {
                    self.list(inner, start.clone(), true);
                }
                return start;
            }
            Stmt::Store(..) | Stmt::Atomic(_) | Stmt::Touch(..) | Stmt::Give(_) => {}
            Stmt::Barrier(_) | Stmt::UniformLoad(..) => {}
        }
        live
    }

    fn wait_for(&mut self, set: &Set) {
        let mut all = self.waiting.last().cloned().unwrap_or_default();
        all.join(set);
        self.waiting.push(all);
    }

    fn branch(&mut self, condition: Val, accept: &[Stmt], reject: &[Stmt], live: Set, note: bool) -> Set {
        let parted = self.shapes.values[condition as usize].level != Level::Group;
        if parted {
            self.wait_for(&live);
        }
        let no = self.list(reject, live.clone(), note);
        if parted {
            self.wait_for(&no);
        }
        let mut yes = self.list(accept, live, note);
        if parted {
            self.waiting.pop();
            self.waiting.pop();
        }
        yes.join(&no);
        yes
    }
}
