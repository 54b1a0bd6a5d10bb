//! Moves the first values of variables to where the variables are used.
//!
//! naga gives them at the start of a function. Where a variable is used in a branch only, or behind a `return` of some invocations, it can be one scalar there
//! if it begins there ([`shape`](super::shape)).

use super::ir::{Cell, Ir, Node, Stmt, lists};
use std::collections::HashMap;

type Counts = HashMap<Cell, u32>;

fn count(ir: &Ir, stmt: &Stmt, counts: &mut Counts) {
    let mut note = |cell: Cell| *counts.entry(cell).or_default() += 1;
    match stmt {
        Stmt::Set(cell, _) => note(*cell),
        Stmt::Zero(var) => {
            let of = &ir.vars[*var as usize];
            (of.first..of.first + of.leaves).for_each(note);
        }
        Stmt::Let(value) => {
            if let Node::Get(cell) = ir.nodes[*value as usize] {
                note(cell);
            }
        }
        _ => lists(stmt).for_each(|list| list.iter().for_each(|stmt| count(ir, stmt, counts))),
    }
}

pub(crate) fn sink(ir: &mut Ir, in_memory: &[bool]) {
    let mut body = std::mem::take(&mut ir.body);
    let mut total = Counts::new();
    body.iter().for_each(|stmt| count(ir, stmt, &mut total));
    list(ir, &mut body, &total, in_memory);
    ir.body = body;
}

fn list(ir: &Ir, stmts: &mut Vec<Stmt>, total: &Counts, in_memory: &[bool]) {
    // Where each constant goes: in front of the first statement that uses its variable, or into it.
    let mut places: HashMap<Cell, Use> = HashMap::new();
    for (number, stmt) in stmts.iter().enumerate() {
        if let Stmt::Set(cell, value) = stmt
            && !places.contains_key(cell)
            && ir.constant(*value).is_some()
            && !in_memory[ir.owner[*cell as usize] as usize]
        {
            places.insert(*cell, Use { set: number, first: None, only: true, uses: 1 });
            continue;
        }
        let mut counts = Counts::new();
        count(ir, stmt, &mut counts);
        for (cell, times) in counts {
            let place =
                places.entry(cell).or_insert(Use { set: usize::MAX, first: None, only: true, uses: 0 });
            place.uses += times;
            match place.first {
                None => place.first = Some(number),
                Some(_) => place.only = false,
            }
        }
    }
    let mut moves: Vec<(usize, usize, bool)> = Vec::new();
    for (cell, place) in &places {
        if let (true, Some(first)) =
            (place.set != usize::MAX && total.get(cell) == Some(&place.uses), place.first)
        {
            moves.push((place.set, first, place.only));
        }
    }
    moves.sort_unstable();
    let mut in_front: HashMap<usize, Vec<Stmt>> = HashMap::new();
    // What goes to the start of the first and of the second list of a statement, and the cells that these use.
    let mut inside: HashMap<usize, [Vec<Stmt>; 2]> = HashMap::new();
    let mut used: HashMap<usize, [Counts; 2]> = HashMap::new();
    let mut gone = vec![false; stmts.len()];
    for (set, first, only) in moves {
        let stmt = stmts[set].clone();
        gone[set] = true;
        match &stmts[first] {
            Stmt::Block(..) if only => inside.entry(first).or_default()[0].push(stmt),
            Stmt::If(_, accept, reject) if only => {
                let Stmt::Set(cell, _) = stmt else { continue };
                let used = used.entry(first).or_insert_with(|| {
                    [accept, reject].map(|arm| {
                        let mut counts = Counts::new();
                        arm.iter().for_each(|stmt| count(ir, stmt, &mut counts));
                        counts
                    })
                });
                match used.each_ref().map(|counts| counts.contains_key(&cell)) {
                    [true, false] => inside.entry(first).or_default()[0].push(stmt),
                    [false, true] => inside.entry(first).or_default()[1].push(stmt),
                    _ => in_front.entry(first).or_default().push(stmt),
                }
            }
            _ => in_front.entry(first).or_default().push(stmt),
        }
    }
    for (number, starts) in inside {
        let (first, second) = match &mut stmts[number] {
            Stmt::Block(_, inner) => (Some(inner), None),
            Stmt::If(_, accept, reject) => (Some(accept), Some(reject)),
            _ => (None, None),
        };
        for (list, start) in [first, second].into_iter().flatten().zip(starts) {
            list.splice(0..0, start.into_iter().rev());
        }
    }
    let before = std::mem::take(stmts);
    for (number, stmt) in before.into_iter().enumerate() {
        stmts.append(&mut in_front.remove(&number).unwrap_or_default());
        if !gone[number] {
            stmts.push(stmt);
        }
    }
    for stmt in stmts {
        match stmt {
            Stmt::If(_, accept, reject) => {
                list(ir, accept, total, in_memory);
                list(ir, reject, total, in_memory);
            }
            Stmt::Block(_, inner) | Stmt::Loop(inner) => list(ir, inner, total, in_memory),
            _ => {}
        }
    }
}

/// How a list uses a cell.
struct Use {
    /// The statement that first sets it, to a constant.
    set: usize,
    /// The next that uses it, and whether no other does.
    first: Option<usize>,
    only: bool,
    uses: u32,
}
