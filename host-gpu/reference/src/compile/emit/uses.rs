//! How often values are used.

use crate::compile::ir::{Ir, Node, Stmt, Val, lists, operands, uses};
use crate::compile::value;

/// How often each value is used; `u32::MAX` for those used in another list than they are made in, or more than once by one user.
pub(super) fn count_uses(ir: &Ir) -> Vec<u32> {
    struct Count<'a> {
        ir: &'a Ir,
        uses: Vec<u32>,
        list_of: Vec<u32>,
        next: u32,
    }
    impl Count<'_> {
        fn add(&mut self, value: Val, list: u32, times: u32) {
            let uses = &mut self.uses[value as usize];
            *uses = uses.saturating_add(times);
            if self.list_of[value as usize] != list {
                *uses = u32::MAX;
            }
        }
        fn list(&mut self, list: &[Stmt]) {
            self.next += 1;
            let here = self.next;
            for stmt in list {
                let mut used = Vec::new();
                uses(self.ir, stmt, |value| used.push(value));
                if let Stmt::Let(value) = stmt {
                    self.list_of[*value as usize] = here;
                    let times = match self.ir.nodes[*value as usize] {
                        Node::Bin(op, ..) => value::reads_twice(op),
                        Node::Un(op, _) => value::reads_unary_twice(op),
                        Node::Sel(..) | Node::Call(..) => false,
                        _ => true,
                    };
                    used.clear();
                    operands(self.ir, *value, |operand| used.push(operand));
                    for value in used {
                        self.add(value, here, if times { 2 } else { 1 });
                    }
                } else {
                    let times =
                        if matches!(stmt, Stmt::Set(..) | Stmt::If(..) | Stmt::Give(_)) { 1 } else { 2 };
                    for value in used {
                        self.add(value, here, times);
                    }
                }
                lists(stmt).for_each(|list| self.list(list));
            }
        }
    }
    let mut count = Count { ir, uses: vec![0; ir.nodes.len()], list_of: vec![0; ir.nodes.len()], next: 0 };
    count.list(&ir.body);
    count.uses
}
