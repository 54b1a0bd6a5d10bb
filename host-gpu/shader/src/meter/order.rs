//! Where the statements of a function stand, so that it is cheap to ask what happens inside one of its loops.

use naga::{Block, Expression, Function, Handle, LocalVariable, Statement};

/// Statements are numbered in the order in which they stand, an outer one before its inner ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    /// The statement that gives each expression its value; `None` for those that have one everywhere.
    made: Vec<Option<u32>>,
    /// The statements that store to each variable, in their order.
    stores: Vec<Vec<u32>>,
    /// Whether the address of each variable is given to a call.
    lent: Vec<bool>,
    /// Each loop's own number and the first number behind it.
    loops: Vec<(u32, u32)>,
}

impl Order {
    pub(crate) fn of(function: &Function) -> Self {
        let variables = function.local_variables.len();
        let mut order = Order {
            made: vec![None; function.expressions.len()],
            stores: vec![Vec::new(); variables],
            lent: vec![false; variables],
            loops: Vec::new(),
        };
        order.block(function, &function.body, &mut 0);
        order
    }

    fn block(&mut self, function: &Function, block: &Block, next: &mut u32) {
        for statement in block.iter() {
            let number = *next;
            // A module has far fewer statements than this can hold.
            *next = next.saturating_add(1);
            match statement {
                Statement::Emit(range) => {
                    for handle in range.clone() {
                        self.made[handle.index()] = Some(number);
                    }
                }
                Statement::Store { pointer, .. } => {
                    if let Some(variable) = root(function, *pointer) {
                        self.stores[variable.index()].push(number);
                    }
                }
                Statement::Call { arguments, result, .. } => {
                    for variable in arguments.iter().filter_map(|argument| root(function, *argument)) {
                        self.lent[variable.index()] = true;
                    }
                    self.result(*result, number);
                }
                Statement::Atomic { result, .. } => self.result(*result, number),
                Statement::WorkGroupUniformLoad { result, .. } => self.result(Some(*result), number),
                Statement::Block(inner) => self.block(function, inner, next),
                Statement::If { accept, reject, .. } => {
                    self.block(function, accept, next);
                    self.block(function, reject, next);
                }
                Statement::Switch { cases, .. } => {
                    for case in cases {
                        self.block(function, &case.body, next);
                    }
                }
                Statement::Loop { body, continuing, .. } => {
                    let index = self.loops.len();
                    self.loops.push((number, number));
                    self.block(function, body, next);
                    self.block(function, continuing, next);
                    self.loops[index].1 = *next;
                }
                _ => {}
            }
        }
    }

    fn result(&mut self, result: Option<Handle<Expression>>, number: u32) {
        if let Some(result) = result {
            self.made[result.index()] = Some(number);
        }
    }

    /// Stores to a variable in the whole function.
    pub(crate) fn stores(&self, variable: Handle<LocalVariable>) -> usize {
        self.stores[variable.index()].len()
    }

    /// Stores to a variable in a loop.
    pub(crate) fn stores_in(&self, variable: Handle<LocalVariable>, of: usize) -> usize {
        let (first, end) = self.loops[of];
        let stores = &self.stores[variable.index()];
        stores.partition_point(|at| *at < end) - stores.partition_point(|at| *at < first)
    }

    /// Whether a call may store to a variable.
    pub(crate) fn is_lent(&self, variable: Handle<LocalVariable>) -> bool {
        self.lent[variable.index()]
    }

    /// Whether an expression gets its value in a loop, in each turn.
    pub(crate) fn is_made_in(&self, expression: Handle<Expression>, of: usize) -> bool {
        let (first, end) = self.loops[of];
        let made = self.made.get(expression.index()).copied().flatten();
        made.is_some_and(|at| (first..end).contains(&at))
    }
}

/// The variable that a pointer points into.
pub(crate) fn root(function: &Function, mut pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
    loop {
        match function.expressions[pointer] {
            Expression::LocalVariable(variable) => return Some(variable),
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => pointer = base,
            _ => return None,
        }
    }
}
