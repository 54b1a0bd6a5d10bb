//! Runs unmetered naga IR of integer shaders, one invocation after the other, and counts their gas turn by turn.

use naga::{
    BinaryOperator as Op, Block, Expression, Function, Handle, Literal, Module, Statement, UnaryOperator,
};
use wgpu::naga;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Word(u32),
    Truth(bool),
    /// A place: a local variable, or a word of the buffer.
    Local(usize),
    Buffer,
    At(u32),
    Vector([u32; 3]),
}

/// How a block ended.
#[derive(PartialEq)]
enum End {
    Next,
    Break,
    Continue,
    Return(Option<u32>),
}

pub(crate) struct Run<'m> {
    module: &'m Module,
    pub(crate) buffer: Vec<u32>,
    /// Gas of the loops' turns.
    pub(crate) turns: u64,
}

/// Expressions and statements outside loops, callees included.
fn cost(module: &Module, block: &Block) -> u64 {
    let of = |block: &Block| cost(module, block);
    let statements = block.iter().map(|statement| match statement {
        Statement::Emit(range) => range.clone().count() as u64,
        Statement::Block(inner) => of(inner),
        Statement::If { accept, reject, .. } => 1 + of(accept) + of(reject),
        Statement::Switch { cases, .. } => 1 + cases.iter().map(|case| 1 + of(&case.body)).sum::<u64>(),
        Statement::Call { function, .. } => 1 + of(&module.functions[*function].body),
        _ => 1,
    });
    statements.sum()
}

impl<'m> Run<'m> {
    /// Runs every invocation of workgroups in a row.
    pub(crate) fn all(module: &'m Module, buffer: Vec<u32>, size: u32, groups: u32) -> (u64, Vec<u32>) {
        let entry = &module.entry_points[0].function;
        let mut run = Run { module, buffer, turns: 0 };
        for invocation in 0..size * groups {
            let inputs =
                [[invocation, 0, 0], [invocation / size, 0, 0], [groups, 1, 1]].map(Value::Vector).to_vec();
            run.call(entry, inputs);
        }
        let fixed = u64::from(size * groups) * cost(module, &entry.body);
        (fixed + run.turns, run.buffer)
    }

    fn call(&mut self, function: &'m Function, arguments: Vec<Value>) -> Option<u32> {
        let initial =
            |variable: &naga::LocalVariable| match variable.init.map(|init| &function.expressions[init]) {
                Some(Expression::Literal(Literal::U32(word))) => Value::Word(*word),
                Some(Expression::Literal(Literal::Bool(truth))) => Value::Truth(*truth),
                _ => Value::Word(0),
            };
        let locals = function.local_variables.iter().map(|(_, variable)| initial(variable)).collect();
        let values = vec![None; function.expressions.len()];
        let mut frame = Frame { function, arguments, locals, values };
        match frame.block(self, &function.body) {
            End::Return(value) => value,
            _ => None,
        }
    }
}

struct Frame<'m> {
    function: &'m Function,
    arguments: Vec<Value>,
    locals: Vec<Value>,
    values: Vec<Option<Value>>,
}

impl<'m> Frame<'m> {
    fn value(&self, handle: Handle<Expression>) -> Value {
        match self.function.expressions[handle] {
            Expression::Literal(Literal::U32(word)) => Value::Word(word),
            Expression::Literal(Literal::Bool(truth)) => Value::Truth(truth),
            Expression::FunctionArgument(index) => self.arguments[index as usize],
            Expression::LocalVariable(variable) => Value::Local(variable.index()),
            Expression::GlobalVariable(_) => Value::Buffer,
            _ => self.values[handle.index()].expect("emitted before"),
        }
    }

    fn word(&self, handle: Handle<Expression>) -> u32 {
        let Value::Word(word) = self.value(handle) else {
            panic!("not a word: {:?}", self.function.expressions[handle])
        };
        word
    }

    fn truth(&self, handle: Handle<Expression>) -> bool {
        self.value(handle) == Value::Truth(true)
    }

    fn compute(&self, run: &Run<'m>, handle: Handle<Expression>) -> Value {
        match self.function.expressions[handle] {
            Expression::Load { pointer } => match self.value(pointer) {
                Value::Local(index) => self.locals[index],
                Value::At(word) => Value::Word(run.buffer[word as usize]),
                other => panic!("a load from {other:?}"),
            },
            Expression::Access { base, index } if self.value(base) == Value::Buffer => {
                Value::At(self.word(index))
            }
            Expression::AccessIndex { base, index } => match self.value(base) {
                Value::Vector(words) => Value::Word(words[index as usize]),
                other => panic!("a member of {other:?}"),
            },
            Expression::Unary { op: UnaryOperator::LogicalNot, expr } => Value::Truth(!self.truth(expr)),
            Expression::Binary { op, left, right } => {
                let (a, b) = (self.word(left), self.word(right));
                match op {
                    Op::Add => Value::Word(a.wrapping_add(b)),
                    Op::Subtract => Value::Word(a.wrapping_sub(b)),
                    Op::Multiply => Value::Word(a.wrapping_mul(b)),
                    Op::And => Value::Word(a & b),
                    Op::ExclusiveOr => Value::Word(a ^ b),
                    Op::Less => Value::Truth(a < b),
                    Op::GreaterEqual => Value::Truth(a >= b),
                    Op::Equal => Value::Truth(a == b),
                    other => panic!("operator {other:?}"),
                }
            }
            ref other => panic!("expression {other:?}"),
        }
    }

    fn block(&mut self, run: &mut Run<'m>, block: &'m Block) -> End {
        for statement in block.iter() {
            let end = self.statement(run, statement);
            if end != End::Next {
                return end;
            }
        }
        End::Next
    }

    fn statement(&mut self, run: &mut Run<'m>, statement: &'m Statement) -> End {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    self.values[handle.index()] = Some(self.compute(run, handle));
                }
            }
            Statement::Block(inner) => return self.block(run, inner),
            Statement::If { condition, accept, reject } => {
                let taken = if self.truth(*condition) { accept } else { reject };
                return self.block(run, taken);
            }
            Statement::Switch { selector, cases } => {
                let selector = naga::SwitchValue::U32(self.word(*selector));
                let found = cases.iter().position(|case| case.value == selector);
                let start =
                    found.or_else(|| cases.iter().position(|case| case.value == naga::SwitchValue::Default));
                for case in &cases[start.expect("a default case")..] {
                    match self.block(run, &case.body) {
                        End::Next if case.fall_through => {}
                        End::Next | End::Break => break,
                        other => return other,
                    }
                }
            }
            Statement::Loop { body, continuing, break_if } => {
                let weight = 1 + cost(run.module, body) + cost(run.module, continuing);
                loop {
                    run.turns += weight;
                    match self.block(run, body) {
                        End::Next | End::Continue => {}
                        End::Break => break,
                        end @ End::Return(_) => return end,
                    }
                    self.block(run, continuing);
                    if break_if.is_some_and(|condition| self.truth(condition)) {
                        break;
                    }
                }
            }
            Statement::Break => return End::Break,
            Statement::Continue => return End::Continue,
            Statement::Return { value } => return End::Return(value.map(|value| self.word(value))),
            Statement::ControlBarrier(_) => {}
            Statement::Store { pointer, value } => {
                let value = self.value(*value);
                match self.value(*pointer) {
                    Value::Local(index) => self.locals[index] = value,
                    Value::At(word) => {
                        let Value::Word(value) = value else { panic!("the buffer holds words") };
                        run.buffer[word as usize] = value;
                    }
                    other => panic!("a store to {other:?}"),
                }
            }
            Statement::Call { function, arguments, result } => {
                let arguments = arguments.iter().map(|argument| self.value(*argument)).collect();
                let returned = run.call(&run.module.functions[*function], arguments);
                if let Some(result) = result {
                    self.values[result.index()] = returned.map(Value::Word);
                }
            }
            other => panic!("statement {other:?}"),
        }
        End::Next
    }
}
