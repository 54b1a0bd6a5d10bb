//! Walks through a function's operators with the operand stack and the locals, and fills the graph.

use wasm_encoder::reencode;
use wasmparser::{BlockType, Catch, FunctionBody, Operator, ValType};

use super::class::{Class, Lanes, Passage};
use super::effect::{Effect, effect};
use super::form::Fixes;
use super::graph::{DEFINED, Graph, NEUTRAL, NOWHERE, Node};
use crate::instrument::current::Current;
use crate::instrument::examine::ModuleFacts;
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

    fn control(&mut self, index: u32, operator: &Operator<'_>) -> Result<(), Error> {
        match *operator {
            Operator::Block { blockty } => self.enter(Kind::Block, blockty),
            Operator::Loop { blockty } => self.enter_loop(index, blockty),
            Operator::If { blockty } => {
                self.pop();
                self.enter(Kind::If, blockty);
                let height = self.frame().height;
                let otherwise = (self.stack[height..].to_vec(), self.current.clone());
                self.frame().otherwise = Some(otherwise);
            }
            Operator::TryTable { ref try_table } => {
                for catch in &try_table.catches {
                    match *catch {
                        Catch::One { label, .. }
                        | Catch::OneRef { label, .. }
                        | Catch::All { label }
                        | Catch::AllRef { label } => self.label(label).reached = true,
                    }
                }
                self.enter(Kind::Block, try_table.ty);
            }
            Operator::Else => self.otherwise(),
            Operator::End => self.end(index),
            Operator::Br { relative_depth } => {
                self.branch(relative_depth);
                self.end_path();
            }
            Operator::BrIf { relative_depth } => {
                self.pop();
                self.branch(relative_depth);
            }
            Operator::BrTable { ref targets } => {
                self.pop();
                let mut depths = targets.targets().collect::<Result<Vec<_>, _>>()?;
                depths.push(targets.default());
                depths.sort_unstable();
                depths.dedup();
                for depth in depths {
                    self.branch(depth);
                }
                self.end_path();
            }
            Operator::Return => {
                self.show(self.facts.types[self.type_index as usize].results().len());
                self.end_path();
            }
            Operator::Unreachable => self.end_path(),
            // The exception's tag says how many operands go with it; those that stay behind are gone in any case.
            Operator::Throw { .. } => {
                let height = self.frame().height;
                self.show(self.stack.len() - height);
                self.end_path();
            }
            Operator::ThrowRef => self.end_path(),
            Operator::Call { function_index } => self.call(self.facts.type_of(function_index)),
            Operator::CallIndirect { type_index, .. } => {
                self.pop();
                self.call(type_index);
            }
            Operator::ReturnCall { function_index } => {
                self.call(self.facts.type_of(function_index));
                self.end_path();
            }
            Operator::ReturnCallIndirect { type_index, .. } => {
                self.pop();
                self.call(type_index);
                self.end_path();
            }
            // A test goes through all operators that validation lets pass.
            _ => unreachable!("validation refuses the operator {operator:?}"),
        }
        Ok(())
    }

    fn call(&mut self, type_index: u32) {
        let ty = &self.facts.types[type_index as usize];
        self.show(ty.params().len());
        self.stack.extend(std::iter::repeat_n(PLAIN, ty.results().len()));
    }

    /// Opens a structure; its parameters stay on the stack.
    fn enter(&mut self, kind: Kind, ty: BlockType) {
        let height = self.stack.len().saturating_sub(self.parameters(ty).len());
        self.open(kind, ty, height);
    }

    /// At the head of a loop everything meets what comes back from within.
    fn enter_loop(&mut self, index: u32, ty: BlockType) {
        self.enter(Kind::Loop, ty);
        self.loops += 1;
        let (parameters, height) = (self.parameters(ty), self.frame().height);
        if !self.follow {
            self.show(parameters.len());
            self.stack.extend(std::iter::repeat_n(PLAIN, parameters.len()));
            return;
        }
        let at = if parameters.len() == 1 { index } else { NOWHERE };
        let mut values = Vec::with_capacity(parameters.len());
        for (offset, &ty) in parameters.iter().enumerate() {
            let slot = height + offset;
            if is_float(ty) {
                let node = self.graph.meeting(ty == ValType::V128);
                self.graph.flow(self.stack[slot].node, node, Passage::Same);
                self.stack[slot] = Value { node, at };
            }
            values.push(Merged::Many(self.stack[slot].node));
        }
        let mut locals = Vec::with_capacity(self.current.len());
        for (current, &vector) in self.current.iter_mut().zip(&self.vectors) {
            let node = self.graph.meeting(vector);
            self.graph.flow(*current, node, Passage::Same);
            *current = node;
            locals.push(Merged::Many(node));
        }
        let frame = self.frame();
        (frame.values, frame.locals) = (values, locals);
    }

    fn label(&mut self, depth: u32) -> &mut Frame {
        let index = self.frames.len().checked_sub(1 + depth as usize);
        &mut self.frames[index.expect("validation has proven that every label exists")]
    }

    /// A path goes to a label. The operands stay on the stack, for it may go on here too.
    fn branch(&mut self, depth: u32) {
        let place = self.frames.len() - 1 - depth as usize;
        let (kind, ty) = (self.frames[place].kind, self.frames[place].ty);
        let mut one = [ValType::I32];
        let types = match kind {
            Kind::Loop => self.parameters(ty),
            Kind::Function | Kind::Block | Kind::If => self.results(ty, &mut one),
        };
        let first = self.stack.len().saturating_sub(types.len());
        if kind == Kind::Function || !self.follow {
            for slot in first..self.stack.len() {
                let value = std::mem::replace(&mut self.stack[slot], PLAIN);
                self.seen(value);
            }
            self.frames[place].reached = true;
            return;
        }
        let values = self.stack[first..].iter().map(|value| value.node);
        self.frames[place].arrive(&mut self.graph, values, types, &self.current, &self.vectors);
    }

    fn otherwise(&mut self) {
        if !self.frame().ended {
            self.branch(0);
        }
        let frame = self.frame();
        frame.ended = false;
        let (height, otherwise) = (frame.height, frame.otherwise.take());
        self.stack.truncate(height);
        // Taken by the one `else` that an `if` has.
        if let Some((parameters, locals)) = otherwise {
            self.stack.extend(parameters);
            self.current = locals;
        }
    }

    fn end(&mut self, index: u32) {
        let frame = self.frame();
        let (kind, ty, ended) = (frame.kind, frame.ty, frame.ended);
        if kind == Kind::Loop {
            self.frames.pop();
            self.loops -= 1;
            let mut one = [ValType::I32];
            let results = self.results(ty, &mut one).len();
            // What stands around it is not reached either, or goes on with what there is.
            if ended {
                self.end_path();
            } else if let (Some(last), true) = (self.stack.last_mut(), results > 0) {
                // From here on it may be made canonical outside the loop.
                last.at = index;
            }
            return;
        }
        if !ended {
            self.branch(0);
        }
        if let Some((parameters, locals)) = self.frame().otherwise.take() {
            // Without an `else` the parameters are the results.
            let height = self.frame().height;
            self.stack.truncate(height);
            self.stack.extend(parameters);
            self.current = locals;
            self.branch(0);
        }
        let Some(frame) = self.frames.pop() else { return };
        if self.frames.is_empty() {
            return;
        }
        self.stack.truncate(frame.height);
        if !frame.reached {
            self.end_path();
            return;
        }
        let mut one = [ValType::I32];
        let results = self.results(ty, &mut one).len();
        if self.follow {
            let at = if results == 1 { index } else { NOWHERE };
            self.stack.extend(frame.values.iter().map(|value| Value { node: value.node(), at }));
            for (current, merged) in self.current.iter_mut().zip(&frame.locals) {
                *current = merged.node();
            }
        } else {
            self.stack.extend(std::iter::repeat_n(PLAIN, results));
        }
    }

    /// In a place that is never reached only the structure counts.
    fn dead_operator(&mut self, index: u32, operator: &Operator<'_>) {
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. } => self.dead += 1,
            Operator::End if self.dead > 0 => self.dead -= 1,
            Operator::End => self.end(index),
            Operator::Else if self.dead == 0 => self.otherwise(),
            _ => {}
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
