//! Computes functions of the library, as naga parsed them, on blocks of lanes.
//!
//! A function becomes a list of operations on registers, its calls inlined; an `if` computes a side where any lane takes it.

use super::lanes::{self, LANES, Lanes, One, Two, binary, conversion, unary};
use naga::{
    Block, Expression, Function, Handle, Literal, LocalVariable, MathFunction as F, Module, Scalar,
    ScalarKind as Kind, Statement, TypeInner,
};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Reg {
    index: usize,
    kind: Kind,
}

enum Operation {
    One { compute: One, from: usize, to: usize },
    Two { compute: Two, from: [usize; 2], to: usize },
    Select { condition: usize, accept: usize, reject: usize, to: usize },
    If { condition: usize, accept: Vec<Operation>, reject: Vec<Operation> },
}

/// A function ready to be computed.
pub(crate) struct Program {
    operations: Vec<Operation>,
    registers: Vec<Lanes>,
    arguments: Vec<usize>,
    result: usize,
}

impl Program {
    pub(crate) fn new(module: &Module, name: &str) -> Self {
        let mut functions = module.functions.iter();
        let found = functions.find(|(_, function)| function.name.as_deref() == Some(name));
        let (_, function) = found.unwrap_or_else(|| panic!("the library has no {name}"));
        let mut compiler = Compiler { module, registers: Vec::new() };
        let arguments: Vec<Reg> = function
            .arguments
            .iter()
            .map(|argument| compiler.register(scalar(&module.types[argument.ty].inner).kind))
            .collect();
        let mut operations = Vec::new();
        let result = compiler.call(function, &arguments, &mut operations);
        let arguments = arguments.iter().map(|argument| argument.index).collect();
        Program { operations, registers: compiler.registers, arguments, result: result.index }
    }

    /// How many operations a lane costs, the side of each `if` that most numbers take.
    pub(crate) fn cost(&self) -> usize {
        count(&self.operations)
    }

    /// An argument's lanes.
    pub(crate) fn argument(&mut self, index: usize) -> &mut Lanes {
        &mut self.registers[self.arguments[index]]
    }

    /// Computes all lanes.
    pub(crate) fn run(&mut self) -> &Lanes {
        run(&self.operations, &mut self.registers);
        &self.registers[self.result]
    }
}

/// Bit casts cost nothing; the longer side of an `if` is for rare numbers.
fn count(operations: &[Operation]) -> usize {
    let cost = |operation: &Operation| match operation {
        Operation::If { accept, reject, .. } => 1 + count(accept).min(count(reject)),
        _ => 1,
    };
    operations.iter().map(cost).sum()
}

fn run(operations: &[Operation], registers: &mut [Lanes]) {
    // A register is written once, after those that it is made of were made.
    for operation in operations {
        match *operation {
            Operation::One { compute, from, to } => {
                let (before, after) = registers.split_at_mut(to);
                compute(&before[from], &mut after[0]);
            }
            Operation::Two { compute, from: [left, right], to } => {
                let (before, after) = registers.split_at_mut(to);
                compute(&before[left], &before[right], &mut after[0]);
            }
            Operation::Select { condition, accept, reject, to } => {
                let (before, after) = registers.split_at_mut(to);
                let (accept, reject) = (&before[accept], &before[reject]);
                for (lane, condition) in before[condition].iter().enumerate() {
                    after[0][lane] = (accept[lane] & condition) | (reject[lane] & !condition);
                }
            }
            Operation::If { condition, ref accept, ref reject } => {
                let (mut all, mut any) = (u32::MAX, 0);
                for lane in &registers[condition] {
                    all &= lane;
                    any |= lane;
                }
                if any != 0 {
                    run(accept, registers);
                }
                if all == 0 {
                    run(reject, registers);
                }
            }
        }
    }
}

fn scalar(inner: &TypeInner) -> Scalar {
    match inner {
        TypeInner::Scalar(scalar) => *scalar,
        other => panic!("{other:?} is no scalar"),
    }
}

struct Compiler<'m> {
    module: &'m Module,
    registers: Vec<Lanes>,
}

/// What is known in a call: values of expressions and of variables.
#[derive(Clone)]
struct Frame<'m> {
    function: &'m Function,
    arguments: Vec<Reg>,
    values: BTreeMap<Handle<Expression>, Reg>,
    variables: BTreeMap<Handle<LocalVariable>, Reg>,
}

impl<'m> Compiler<'m> {
    fn register(&mut self, kind: Kind) -> Reg {
        self.registers.push([0; LANES]);
        Reg { index: self.registers.len() - 1, kind }
    }

    fn constant(&mut self, bits: u32, kind: Kind) -> Reg {
        self.registers.push([bits; LANES]);
        Reg { index: self.registers.len() - 1, kind }
    }

    fn call(&mut self, function: &'m Function, arguments: &[Reg], out: &mut Vec<Operation>) -> Reg {
        let mut frame = Frame {
            function,
            arguments: arguments.to_vec(),
            values: BTreeMap::new(),
            variables: BTreeMap::new(),
        };
        for (handle, variable) in function.local_variables.iter() {
            let kind = scalar(&self.module.types[variable.ty].inner).kind;
            let value = match variable.init {
                Some(init) => self.value(&mut frame, init, out),
                None => self.constant(0, kind),
            };
            frame.variables.insert(handle, value);
        }
        self.block(&mut frame, function.body.iter().collect(), out).expect("a function gives a value")
    }

    /// Compiles statements; gives what they return.
    fn block(
        &mut self,
        frame: &mut Frame<'m>,
        statements: Vec<&'m Statement>,
        out: &mut Vec<Operation>,
    ) -> Option<Reg> {
        for (at, statement) in statements.iter().enumerate() {
            match statement {
                Statement::Emit(range) => {
                    for handle in range.clone() {
                        // Pointers are no values.
                        self.value(frame, handle, out);
                    }
                }
                Statement::Store { pointer, value } => {
                    let Expression::LocalVariable(variable) = frame.function.expressions[*pointer] else {
                        panic!("a store to what is no variable")
                    };
                    let value = self.value(frame, *value, out);
                    frame.variables.insert(variable, value);
                }
                Statement::Call { function, arguments, result } => {
                    let arguments: Vec<Reg> =
                        arguments.iter().map(|argument| self.value(frame, *argument, out)).collect();
                    let value = self.call(&self.module.functions[*function], &arguments, out);
                    frame.values.insert(result.expect("a function gives a value"), value);
                }
                Statement::Block(inner) => {
                    let rest = inner.iter().chain(statements[at + 1..].iter().copied()).collect();
                    return self.block(frame, rest, out);
                }
                Statement::If { condition, accept, reject } => {
                    let condition = self.value(frame, *condition, out);
                    return self.branch(frame, condition, [accept, reject], &statements[at + 1..], out);
                }
                Statement::Return { value } => {
                    let value = value.expect("a function gives a value");
                    return Some(self.value(frame, value, out));
                }
                other => panic!("the library has {other:?}"),
            }
        }
        None
    }

    fn branch(
        &mut self,
        frame: &mut Frame<'m>,
        condition: Reg,
        sides: [&'m Block; 2],
        rest: &[&'m Statement],
        out: &mut Vec<Operation>,
    ) -> Option<Reg> {
        let returns = sides.map(|side| matches!(side.last(), Some(Statement::Return { .. })));
        let [(accept, one, left), (reject, other, right)] = [0, 1].map(|side| {
            let (mut frame, mut operations) = (frame.clone(), Vec::new());
            let mut statements: Vec<&Statement> = sides[side].iter().collect();
            if returns != [false; 2] && !returns[side] {
                statements.extend(rest);
            }
            let result = self.block(&mut frame, statements, &mut operations);
            (operations, frame, result)
        });
        out.push(Operation::If { condition: condition.index, accept, reject });
        if let (Some(left), Some(right)) = (left, right) {
            return Some(self.select(condition, left, right, out));
        }
        assert!(left.is_none() && right.is_none(), "one side of an if returns within it");
        for (variable, left) in one.variables {
            let right = other.variables[&variable];
            let value =
                if left.index == right.index { left } else { self.select(condition, left, right, out) };
            frame.variables.insert(variable, value);
        }
        self.block(frame, rest.to_vec(), out)
    }

    fn select(&mut self, condition: Reg, left: Reg, right: Reg, out: &mut Vec<Operation>) -> Reg {
        let to = self.register(left.kind);
        let [condition, accept, reject] = [condition, left, right].map(|reg| reg.index);
        out.push(Operation::Select { condition, accept, reject, to: to.index });
        to
    }

    fn value(&mut self, frame: &mut Frame<'m>, handle: Handle<Expression>, out: &mut Vec<Operation>) -> Reg {
        if let Some(value) = frame.values.get(&handle) {
            return *value;
        }
        let value = self.expression(frame, handle, out);
        // What was loaded once is another value the next time; it is emitted each time.
        frame.values.insert(handle, value);
        value
    }

    fn expression(
        &mut self,
        frame: &mut Frame<'m>,
        handle: Handle<Expression>,
        out: &mut Vec<Operation>,
    ) -> Reg {
        match frame.function.expressions[handle] {
            Expression::Literal(Literal::F32(value)) => self.constant(value.to_bits(), Kind::Float),
            Expression::Literal(Literal::U32(value)) => self.constant(value, Kind::Uint),
            Expression::Literal(Literal::I32(value)) => self.constant(value as u32, Kind::Sint),
            Expression::Literal(Literal::Bool(value)) => {
                self.constant(if value { u32::MAX } else { 0 }, Kind::Bool)
            }
            Expression::Constant(constant) => {
                match self.module.global_expressions[self.module.constants[constant].init] {
                    Expression::Literal(Literal::F32(value)) => self.constant(value.to_bits(), Kind::Float),
                    Expression::Literal(Literal::U32(value)) => self.constant(value, Kind::Uint),
                    Expression::Literal(Literal::I32(value)) => self.constant(value as u32, Kind::Sint),
                    ref other => panic!("the library has {other:?}"),
                }
            }
            Expression::FunctionArgument(index) => frame.arguments[index as usize],
            Expression::Load { pointer } => match frame.function.expressions[pointer] {
                Expression::LocalVariable(variable) => frame.variables[&variable],
                ref other => panic!("a load from {other:?}"),
            },
            Expression::Select { condition, accept, reject } => {
                let [condition, accept, reject] =
                    [condition, accept, reject].map(|part| self.value(frame, part, out));
                self.select(condition, accept, reject, out)
            }
            Expression::Unary { op, expr } => {
                let from = self.value(frame, expr, out);
                self.one(unary(op, from.kind), from, from.kind, out)
            }
            Expression::Binary { op, left, right } => {
                let [left, right] = [left, right].map(|part| self.value(frame, part, out));
                let (compute, kind) = binary(op, left.kind);
                self.two(compute, [left, right], kind, out)
            }
            Expression::As { expr, kind, convert } => {
                let from = self.value(frame, expr, out);
                match conversion(from.kind, kind, convert.is_some()) {
                    Some(compute) => self.one(compute, from, kind, out),
                    None => Reg { kind, ..from },
                }
            }
            Expression::Math { fun: F::Clamp, arg, arg1: Some(low), arg2: Some(high), .. } => {
                let [arg, low, high] = [arg, low, high].map(|part| self.value(frame, part, out));
                let above = self.two(lanes::two(F::Max, arg.kind), [arg, low], arg.kind, out);
                self.two(lanes::two(F::Min, arg.kind), [above, high], arg.kind, out)
            }
            Expression::Math { fun, arg, arg1: Some(other), arg2: None, .. } => {
                let [arg, other] = [arg, other].map(|part| self.value(frame, part, out));
                self.two(lanes::two(fun, arg.kind), [arg, other], arg.kind, out)
            }
            Expression::Math { fun, arg, arg1: None, .. } => {
                let from = self.value(frame, arg, out);
                self.one(lanes::one(fun, from.kind), from, from.kind, out)
            }
            ref other => panic!("the library has {other:?}"),
        }
    }

    fn one(&mut self, compute: One, from: Reg, kind: Kind, out: &mut Vec<Operation>) -> Reg {
        let to = self.register(kind);
        out.push(Operation::One { compute, from: from.index, to: to.index });
        to
    }

    fn two(&mut self, compute: Two, from: [Reg; 2], kind: Kind, out: &mut Vec<Operation>) -> Reg {
        let to = self.register(kind);
        out.push(Operation::Two { compute, from: from.map(|reg| reg.index), to: to.index });
        to
    }
}
