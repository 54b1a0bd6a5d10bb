//! Walks through a function's operators with the operand stack and the locals, and fills the graph.

mod control;

use wasm_encoder::reencode;
use wasmparser::{BlockType, FunctionBody, Operator, ValType};

use super::class::{Class, Lanes, Passage};
use super::effect::{Effect, effect};
use super::form::Fixes;
use super::graph::{DEFINED, Graph, NEUTRAL, NOWHERE, Node};
use crate::instrument::current::Current;
use crate::instrument::facts::ModuleFacts;
use crate::instrument::plan::offset;

type Error = reencode::Error<std::convert::Infallible>;

/// Work at labels that every function may take, in locals and operands looked at, and what it may take per operator.
/// Above that, locals and operands are not followed through labels: a local has one class for the whole function, and
/// operands are made canonical before they go to a label.
const WORK_FIXED: u64 = 1 << 16;
const WORK_PER_OPERATOR: u64 = 64;
/// The bound on memory: each takes up to about 70 bytes.
const WORK_MAX: u64 = 1 << 21;

/// An operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Value {
    node: Node,
    /// The operator after which it lay on top of the stack, or [`NOWHERE`].
    at: u32,
}

const PLAIN: Value = Value { node: DEFINED, at: NOWHERE };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Function,
    Block,
    Loop,
    If,
}

/// A control structure that is open.
struct Frame {
    kind: Kind,
    /// Operands below it.
    height: usize,
    /// Its type, or the function's.
    ty: BlockType,
    /// Its label is reached from somewhere.
    reached: bool,
    /// What the label's values are.
    values: Vec<Merged>,
    /// What the followed locals are at its label.
    locals: Vec<Merged>,
    /// Of an `if` without an `else` so far: its parameters and the followed locals.
    otherwise: Option<(Vec<Value>, Vec<Node>)>,
    /// The path has ended.
    ended: bool,
}

/// What arrives at a label in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merged {
    /// Always the same value.
    One(Node),
    /// Several, which meet in this node.
    Many(Node),
}

impl Merged {
    fn node(self) -> Node {
        match self {
            Merged::One(node) | Merged::Many(node) => node,
        }
    }
}

/// A local as the walk sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Local {
    /// It is the same everywhere.
    Fixed(Node),
    /// It is followed from place to place, under this number.
    Followed(u32),
}

/// What is made canonical in the function `body`, whose operators `survey` has seen.
pub(in crate::instrument) fn fixes(
    facts: &ModuleFacts,
    type_index: u32,
    body: &FunctionBody<'_>,
    survey: &Survey<'_>,
) -> Result<Fixes, Error> {
    let mut walk = Walk::new(facts, type_index, survey);
    let mut current = Current::new();
    let mut reader = body.get_operators_reader()?;
    let begin = body.range().start;
    while !reader.eof() {
        let operator = current.read(&mut reader)?;
        // An operator's name is where it ends.
        walk.operator(offset(reader.original_position() - begin), operator)?;
    }
    Ok(walk.graph.solve())
}

fn is_float(ty: ValType) -> bool {
    matches!(ty, ValType::F32 | ValType::F64 | ValType::V128)
}

/// What must be known of a function before the walk.
#[derive(Debug)]
pub(in crate::instrument) struct Survey<'f> {
    facts: &'f ModuleFacts,
    /// The types of all locals, parameters first, of which there are so many.
    types: Vec<ValType>,
    parameters: usize,
    /// The locals that are written somewhere, of those that can hold floats.
    written: Vec<bool>,
    operators: u64,
    /// Ways to labels.
    labels: u64,
    /// Most values of a block.
    widest: usize,
    catches: bool,
}

impl<'f> Survey<'f> {
    /// Of a function of which no operator has been seen.
    pub(in crate::instrument) fn new(
        facts: &'f ModuleFacts,
        type_index: u32,
        body: &FunctionBody<'_>,
    ) -> Result<Survey<'f>, Error> {
        let mut types = facts.types[type_index as usize].params().to_vec();
        let parameters = types.len();
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            types.extend(std::iter::repeat_n(ty, count as usize));
        }
        let written = vec![false; types.len()];
        Ok(Survey { facts, types, parameters, written, operators: 0, labels: 0, widest: 1, catches: false })
    }

    /// Takes the next operator.
    pub(in crate::instrument) fn operator(&mut self, operator: &Operator<'_>) {
        self.operators += 1;
        match operator {
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                let local = *local_index as usize;
                self.written[local] = is_float(self.types[local]);
            }
            Operator::BrTable { targets } => self.labels += 2 + u64::from(targets.len()),
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                self.labels += 1;
                if let BlockType::FuncType(index) = blockty {
                    let ty = &self.facts.types[*index as usize];
                    self.widest = self.widest.max(ty.params().len() + ty.results().len());
                }
            }
            Operator::Else | Operator::End | Operator::Br { .. } | Operator::BrIf { .. } => self.labels += 1,
            Operator::TryTable { .. } => self.catches = true,
            _ => {}
        }
    }

    /// Whether it pays to follow the locals that are written.
    fn follow(&self) -> bool {
        let followed = self.written.iter().filter(|written| **written).count() + self.widest;
        let limit = (WORK_FIXED + self.operators * WORK_PER_OPERATOR).min(WORK_MAX);
        // A catch takes over from any call within, so that the locals there may be what they were at any.
        !self.catches && self.labels.saturating_mul(followed as u64) <= limit
    }
}

struct Walk<'f> {
    facts: &'f ModuleFacts,
    type_index: u32,
    graph: Graph,
    stack: Vec<Value>,
    frames: Vec<Frame>,
    /// Every local, by index.
    locals: Vec<Local>,
    /// What the followed locals are here.
    current: Vec<Node>,
    /// Which of them are vectors.
    vectors: Vec<bool>,
    /// Values are followed through labels. Else they are seen there.
    follow: bool,
    /// Loops that are open.
    loops: u32,
    /// Control structures open within a place that is never reached.
    dead: u32,
}

impl<'f> Walk<'f> {
    fn new(facts: &'f ModuleFacts, type_index: u32, survey: &Survey<'_>) -> Walk<'f> {
        let (types, parameters, follow) = (&survey.types, survey.parameters, survey.follow());
        let mut walk = Walk {
            facts,
            type_index,
            graph: Graph::new(),
            stack: Vec::new(),
            frames: Vec::new(),
            locals: Vec::with_capacity(types.len()),
            current: Vec::new(),
            vectors: Vec::new(),
            follow,
            loops: 0,
            dead: 0,
        };
        for (local, &ty) in types.iter().enumerate() {
            // The caller's bits are defined; what is not set yet is zero.
            let first = if local < parameters || !is_float(ty) { DEFINED } else { NEUTRAL };
            let vector = ty == ValType::V128;
            let state = if !survey.written[local] {
                Local::Fixed(first)
            } else if follow {
                walk.current.push(first);
                walk.vectors.push(vector);
                Local::Followed(u32::try_from(walk.current.len() - 1).unwrap_or(u32::MAX))
            } else {
                let node = walk.graph.meeting(vector);
                walk.graph.flow(first, node, Passage::Same);
                Local::Fixed(node)
            };
            walk.locals.push(state);
        }
        walk.open(Kind::Function, BlockType::FuncType(type_index), 0);
        walk
    }

    fn open(&mut self, kind: Kind, ty: BlockType, height: usize) {
        self.frames.push(Frame {
            kind,
            height,
            ty,
            reached: false,
            values: Vec::new(),
            locals: Vec::new(),
            otherwise: None,
            ended: false,
        });
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the function's own frame is open until its last operator")
    }

    fn parameters(&self, ty: BlockType) -> &'f [ValType] {
        match ty {
            BlockType::FuncType(index) => self.facts.types[index as usize].params(),
            BlockType::Empty | BlockType::Type(_) => &[],
        }
    }

    /// The types of a block's results, of which a single one is put into `one`.
    fn results<'t>(&self, ty: BlockType, one: &'t mut [ValType; 1]) -> &'t [ValType]
    where
        'f: 't,
    {
        match ty {
            BlockType::FuncType(index) => self.facts.types[index as usize].results(),
            BlockType::Empty => &[],
            BlockType::Type(ty) => {
                one[0] = ty;
                one
            }
        }
    }

    fn pop(&mut self) -> Value {
        // Validation has proven that it is there.
        self.stack.pop().unwrap_or(PLAIN)
    }

    fn push(&mut self, node: Node, at: u32) {
        self.stack.push(Value { node, at });
    }

    fn seen(&mut self, value: Value) {
        self.graph.seen(value.node, value.at, self.loops);
    }

    fn read(&mut self, value: Value, lanes: Lanes) {
        self.graph.read(value.node, value.at, self.loops, lanes);
    }

    /// Pops operands whose bits are seen.
    fn show(&mut self, operands: usize) {
        for _ in 0..operands {
            let value = self.pop();
            self.seen(value);
        }
    }

    fn end_path(&mut self) {
        self.frame().ended = true;
    }

    fn operator(&mut self, index: u32, operator: &Operator<'_>) -> Result<(), Error> {
        if self.frame().ended {
            self.dead_operator(index, operator);
            return Ok(());
        }
        match effect(operator) {
            Effect::Other => return self.control(index, operator),
            Effect::Shows { operands, results } => {
                self.show(operands.into());
                self.stack.extend(std::iter::repeat_n(PLAIN, results.into()));
            }
            Effect::Arithmetic { operands, reads, gives, vector } => {
                for _ in 0..operands {
                    let value = self.pop();
                    self.read(value, reads);
                }
                let node = self.graph.made(Class::raw(gives), vector, index, self.loops);
                self.push(node, index);
            }
            Effect::Asks { operands, lanes } => {
                for _ in 0..operands {
                    let value = self.pop();
                    self.read(value, lanes);
                }
                self.stack.push(PLAIN);
            }
            Effect::Number { operands } => {
                self.show(operands.into());
                self.push(NEUTRAL, NOWHERE);
            }
            Effect::Turn { lanes, vector } => self.change(index, vector, lanes, Passage::Turn(lanes)),
            Effect::Clear { lanes, vector } => self.change(index, vector, lanes, Passage::Clear(lanes)),
            Effect::Extract(lanes) => self.change(index, false, lanes, Passage::Read(lanes)),
            Effect::Splat(lanes) => {
                let value = self.pop();
                self.in_lanes(index, lanes, &[(value, Passage::Same)]);
            }
            Effect::Pick(lanes) => {
                let (second, first) = (self.pop(), self.pop());
                self.read(first, lanes);
                self.read(second, lanes);
                let passage = Passage::Read(lanes);
                self.made_of(index, true, &[(first, passage), (second, passage)]);
            }
            Effect::Replace(lanes) => {
                let (scalar, vector) = (self.pop(), self.pop());
                self.read(vector, lanes);
                self.in_lanes(index, lanes, &[(vector, Passage::Read(lanes)), (scalar, Passage::Same)]);
            }
            Effect::Select => {
                let (_condition, second, first) = (self.pop(), self.pop(), self.pop());
                let vector = self.graph.is_vector(first.node) || self.graph.is_vector(second.node);
                self.made_of(index, vector, &[(first, Passage::Same), (second, Passage::Same)]);
            }
            Effect::Get(local) => {
                let node = match self.locals[local as usize] {
                    Local::Fixed(node) => node,
                    Local::Followed(number) => self.current[number as usize],
                };
                self.push(node, index);
            }
            Effect::Set(local) => {
                let value = self.pop();
                self.set(local, value);
            }
            Effect::Tee(local) => {
                let value = self.pop();
                self.set(local, value);
                self.push(value.node, index);
            }
            Effect::Drop => {
                self.pop();
            }
        }
        Ok(())
    }

    fn change(&mut self, index: u32, vector: bool, lanes: Lanes, passage: Passage) {
        let value = self.pop();
        self.read(value, lanes);
        self.made_of(index, vector, &[(value, passage)]);
    }

    /// Pushes a vector into whose lanes the last of `parts`, a scalar, was put. A number of 64 bits may look like a NaN
    /// in lanes of 32, where it must not be changed; as a value fresh in lanes of 64 it never is.
    fn in_lanes(&mut self, index: u32, lanes: Lanes, parts: &[(Value, Passage)]) {
        let defined = parts.last().is_none_or(|(scalar, _)| scalar.node == DEFINED);
        if lanes == Lanes::F32 || defined {
            return self.made_of(index, true, parts);
        }
        let node = self.graph.made(Class::RAW_64, true, index, self.loops);
        for (part, passage) in parts {
            self.graph.flow(part.node, node, *passage);
        }
        self.push(node, index);
    }

    /// Pushes what an operator makes without arithmetic out of others.
    fn made_of(&mut self, index: u32, vector: bool, parts: &[(Value, Passage)]) {
        let node = match parts.iter().all(|(part, _)| part.node <= DEFINED) {
            true if parts.iter().all(|(part, _)| part.node == NEUTRAL) => NEUTRAL,
            true => DEFINED,
            false => {
                let node = self.graph.made(Class::NEUTRAL, vector, index, self.loops);
                for (part, passage) in parts {
                    self.graph.flow(part.node, node, *passage);
                }
                node
            }
        };
        self.push(node, index);
    }

    fn set(&mut self, local: u32, value: Value) {
        match self.locals[local as usize] {
            // Locals that hold no floats, too.
            Local::Fixed(node) if node <= DEFINED => {}
            Local::Fixed(node) => self.graph.flow(value.node, node, Passage::Same),
            Local::Followed(number) => self.current[number as usize] = value.node,
        }
    }
}

impl Frame {
    /// A path arrives at the label with these values and locals.
    fn arrive(
        &mut self,
        graph: &mut Graph,
        values: impl Iterator<Item = Node>,
        types: &[ValType],
        locals: &[Node],
        vectors: &[bool],
    ) {
        if self.reached || self.kind == Kind::Loop {
            for ((merged, value), ty) in self.values.iter_mut().zip(values).zip(types) {
                merged.add(graph, value, *ty == ValType::V128);
            }
            for ((merged, value), vector) in self.locals.iter_mut().zip(locals).zip(vectors) {
                merged.add(graph, *value, *vector);
            }
        } else {
            self.reached = true;
            self.values = values.map(Merged::One).collect();
            self.locals = locals.iter().copied().map(Merged::One).collect();
        }
    }
}

impl Merged {
    fn add(&mut self, graph: &mut Graph, value: Node, vector: bool) {
        match *self {
            Merged::One(one) if one == value => {}
            Merged::One(one) => {
                let many = graph.meeting(vector);
                graph.flow(one, many, Passage::Same);
                graph.flow(value, many, Passage::Same);
                *self = Merged::Many(many);
            }
            Merged::Many(many) => graph.flow(value, many, Passage::Same),
        }
    }
}
