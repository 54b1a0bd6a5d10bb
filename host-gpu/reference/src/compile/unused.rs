//! Takes out what nobody uses.

use super::ir::{Ir, Node, Space, Stmt, Val, lists, operands, uses};

struct Live<'a> {
    ir: &'a Ir,
    values: Vec<bool>,
    cells: Vec<bool>,
    /// Of each cell and variable: what is stored there.
    sets: Vec<Vec<Val>>,
    stores: Vec<Vec<Val>>,
    vars: Vec<bool>,
    todo: Vec<Val>,
}

pub(crate) fn remove_unused(ir: &mut Ir) {
    let mut live = Live {
        ir,
        values: vec![false; ir.nodes.len()],
        cells: vec![false; ir.cells.len()],
        sets: vec![Vec::new(); ir.cells.len()],
        stores: vec![Vec::new(); ir.vars.len()],
        vars: vec![false; ir.vars.len()],
        todo: Vec::new(),
    };
    live.collect(&ir.body);
    while let Some(value) = live.todo.pop() {
        live.visit(value);
    }
    let (values, cells, vars) = (live.values, live.cells, live.vars);
    let mut body = std::mem::take(&mut ir.body);
    sweep(ir, &mut body, &values, &cells, &vars);
    ir.body = body;
}

impl Live<'_> {
    fn collect(&mut self, list: &[Stmt]) {
        for stmt in list {
            match stmt {
                Stmt::Set(cell, value) => self.sets[*cell as usize].push(*value),
                Stmt::Store(at, value) if let Space::Var(var) = self.ir.ats[*at as usize].space => {
                    let stores = &mut self.stores[var as usize];
                    stores.push(*value);
                    stores.extend(self.ir.ats[*at as usize].terms.iter().map(|term| term.index));
                }
                Stmt::Let(_) => {}
                _ => {
                    let todo = &mut self.todo;
                    uses(self.ir, stmt, |value| todo.push(value));
                    lists(stmt).for_each(|list| self.collect(list));
                }
            }
        }
    }

    fn visit(&mut self, value: Val) {
        if std::mem::replace(&mut self.values[value as usize], true) {
            return;
        }
        let todo = &mut self.todo;
        operands(self.ir, value, |operand| todo.push(operand));
        match self.ir.nodes[value as usize] {
            Node::Get(cell) => self.read_cell(cell),
            Node::Load(at) if let Space::Var(var) = self.ir.ats[at as usize].space => {
                if std::mem::replace(&mut self.vars[var as usize], true) {
                    return;
                }
                self.todo.append(&mut self.stores[var as usize]);
                let of = &self.ir.vars[var as usize];
                (of.first..of.first + of.leaves).for_each(|cell| self.read_cell(cell));
            }
            _ => {}
        }
    }

    fn read_cell(&mut self, cell: u32) {
        if std::mem::replace(&mut self.cells[cell as usize], true) {
            return;
        }
        self.todo.append(&mut self.sets[cell as usize]);
        // A computed index may store to it, too.
        let var = self.ir.owner[cell as usize] as usize;
        self.todo.append(&mut self.stores[var]);
    }
}

fn sweep(ir: &Ir, list: &mut Vec<Stmt>, values: &[bool], cells: &[bool], vars: &[bool]) {
    let any_cell = |var: u32| {
        let of = &ir.vars[var as usize];
        vars[var as usize] || (of.first..of.first + of.leaves).any(|cell| cells[cell as usize])
    };
    list.retain_mut(|stmt| match stmt {
        Stmt::Let(value) => values[*value as usize],
        Stmt::Set(cell, _) => cells[*cell as usize],
        Stmt::Zero(var) => any_cell(*var),
        Stmt::Store(at, _) => match ir.ats[*at as usize].space {
            Space::Var(var) => any_cell(var),
            _ => true,
        },
        Stmt::If(_, accept, reject) => {
            sweep(ir, accept, values, cells, vars);
            sweep(ir, reject, values, cells, vars);
            !accept.is_empty() || !reject.is_empty()
        }
        Stmt::Block(_, inner) => {
            sweep(ir, inner, values, cells, vars);
            !inner.is_empty()
        }
        Stmt::Loop(inner) => {
            sweep(ir, inner, values, cells, vars);
            true
        }
        _ => true,
    });
}
