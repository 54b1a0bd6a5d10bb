//! Where cells are at home.

use super::ContextId;
use crate::compile::ir::{Cell, Ir, Label, Node, Stmt};
use std::collections::BTreeSet;

/// The innermost contexts that hold all uses of a cell and begin with setting it.
///
/// Numbers contexts in the order in which [`Walk`](super::Walk) makes them.
pub(super) struct Homes<'a> {
    ir: &'a Ir,
    parents: Vec<Ancestors>,
    /// Of each cell: the context around all uses so far, and that of the first use if it sets the cell.
    found: Vec<Option<(ContextId, Option<ContextId>)>>,
}

/// The way from a context to those around it, in steps of one and in long ones: as many as the logarithm of its depth lead to any.
#[derive(Clone, Copy)]
struct Ancestors {
    parent: ContextId,
    depth: u32,
    far: ContextId,
}

impl<'a> Homes<'a> {
    pub(super) fn find(ir: &'a Ir) -> (Vec<ContextId>, Vec<bool>) {
        let mut homes = Homes {
            ir,
            parents: vec![Ancestors { parent: 0, depth: 0, far: 0 }],
            found: vec![None; ir.cells.len()],
        };
        homes.list(&ir.body, 0);
        let home = |found: &Option<(ContextId, Option<ContextId>)>| match found {
            Some((around, Some(first))) if around == first => *around,
            _ => 0,
        };
        (homes.found.iter().map(home).collect(), homes.found.iter().map(Option::is_some).collect())
    }

    fn make(&mut self, parent: ContextId) -> ContextId {
        let of = |id: ContextId| self.parents[id as usize];
        let (near, far) = (of(parent), of(of(parent).far));
        // Two steps as long as each other make one of both, and one more.
        let doubled = near.depth - far.depth == far.depth - of(far.far).depth;
        let far = if doubled { far.far } else { parent };
        self.parents.push(Ancestors { parent, depth: near.depth + 1, far });
        self.parents.len() as ContextId - 1
    }

    /// The innermost context that holds both.
    fn meet(&self, mut a: ContextId, mut b: ContextId) -> ContextId {
        let of = |id: ContextId| self.parents[id as usize];
        if of(a).depth < of(b).depth {
            std::mem::swap(&mut a, &mut b);
        }
        while of(a).depth > of(b).depth {
            a = if of(of(a).far).depth >= of(b).depth { of(a).far } else { of(a).parent };
        }
        // As deep as each other, their steps are equally long.
        while a != b {
            let step = |id: ContextId| {
                if of(a).far == of(b).far { of(id).parent } else { of(id).far }
            };
            (a, b) = (step(a), step(b));
        }
        a
    }

    fn use_cell(&mut self, cell: Cell, context: ContextId, sets: bool) {
        self.found[cell as usize] = Some(match self.found[cell as usize] {
            None => (context, sets.then_some(context)),
            Some((around, first)) => (self.meet(around, context), first),
        });
    }

    /// Walks a list; says where it jumps out of itself.
    fn list(&mut self, list: &[Stmt], mut context: ContextId) -> BTreeSet<Label> {
        let mut jumps = BTreeSet::new();
        for stmt in list {
            let mut out = match stmt {
                Stmt::Let(value) => {
                    if let Node::Get(cell) = self.ir.nodes[*value as usize] {
                        self.use_cell(cell, context, false);
                    }
                    continue;
                }
                Stmt::Set(cell, _) => {
                    self.use_cell(*cell, context, true);
                    continue;
                }
                Stmt::Zero(var) => {
                    let of = &self.ir.vars[*var as usize];
                    (of.first..of.first + of.leaves).for_each(|cell| self.use_cell(cell, context, true));
                    continue;
                }
                Stmt::If(_, accept, reject) => {
                    let arm = self.make(context);
                    let mut out = self.list(accept, arm);
                    let arm = self.make(context);
                    out.append(&mut self.list(reject, arm));
                    out
                }
                Stmt::Loop(inner) => {
                    let turn = self.make(context);
                    self.list(inner, turn)
                }
                Stmt::Block(label, inner) => {
                    let mut out = self.list(inner, context);
                    out.remove(label);
                    out
                }
                Stmt::Break(label) => BTreeSet::from([*label]),
                _ => continue,
            };
            if !out.is_empty() {
                context = self.make(context);
            }
            jumps.append(&mut out);
        }
        jumps
    }
}
