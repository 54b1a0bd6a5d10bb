//! Branches, blocks and loops: what is known behind them, and loops that are spelled out.

use super::{MAX_TRIES, MAX_TURNS, MAX_UNROLLED, Optimise, has_barrier};
use crate::compile::ir::{Label, Stmt, Val, lists};

impl Optimise<'_> {
    pub(super) fn branch(
        &mut self,
        condition: Val,
        accept: &[Stmt],
        reject: &[Stmt],
        to: &mut Vec<Stmt>,
    ) -> bool {
        let condition = self.operand(condition, to);
        if let Some(holds) = self.to.constant(condition) {
            if self.try_exits(accept, reject) {
                self.decided += 1;
            }
            return self.list(if holds != 0 { accept } else { reject }, to);
        }
        if self.try_exits(accept, reject) {
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

    /// Whether a loop is tried, and an arm jumps out of it.
    fn try_exits(&mut self, accept: &[Stmt], reject: &[Stmt]) -> bool {
        if self.trying == 0 {
            return false;
        }
        let mut seen = 0;
        let exits = self.exits(accept, &mut seen) || self.exits(reject, &mut seen);
        // To look at an arm in each turn is work, whether it is taken or not.
        self.tries = self.tries.saturating_add(seen);
        exits
    }

    /// Whether a list jumps out of the loop that is tried. Counts what it looks at.
    fn exits(&self, list: &[Stmt], seen: &mut u32) -> bool {
        list.iter().any(|stmt| {
            *seen += 1;
            match stmt {
                Stmt::Break(label) => self.labels.get(label).is_some_and(|label| *label < self.mark),
                _ => lists(stmt).any(|list| self.exits(list, seen)),
            }
        })
    }

    pub(super) fn block(&mut self, label: Label, inner: &[Stmt], to: &mut Vec<Stmt>) -> bool {
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

    pub(super) fn repeat(&mut self, inner: &[Stmt], to: &mut Vec<Stmt>) {
        self.forget_written(inner);
        let scope = self.scope();
        let mut body = Vec::new();
        self.list(inner, &mut body);
        self.leave(scope);
        to.push(Stmt::Loop(body));
    }

    /// Tries to spell a loop out: walks turn after turn, as long as each way out is decided.
    pub(super) fn unroll(&mut self, inner: &[Stmt], to: &mut Vec<Stmt>) -> bool {
        if self.tries > MAX_TRIES || self.trying > 3 {
            return false;
        }
        if self.trying > 0 {
            self.tries = self.tries.saturating_add(size(inner));
        }
        if has_barrier(inner) {
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

/// Statements of a list and of the lists within.
fn size(list: &[Stmt]) -> u32 {
    list.iter().fold(0, |sum: u32, stmt| {
        lists(stmt).fold(sum.saturating_add(1), |sum, list| sum.saturating_add(size(list)))
    })
}
