//! From naga's module to [`Ir`]: calls inlined, composites taken apart.

mod constant;
mod declare;
mod place;
mod statement;

use super::CompileError;
use super::callee::{self, Callee};
use super::ir::{AtomicOp, Bin, Ir, Label, NONE, Node, Space, Stmt, Term, Ty, Un, Val};
use super::layout::{Layouts, Shape, Unit};
use super::touch::Touches;
use crate::race::{Access, Site, Watched};
use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{Expression, Function, Handle, Module, ResourceBinding};
use std::rc::Rc;

/// A buffer, the shape of a texture, or the texels of the one in front of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    /// None of texels.
    pub(crate) binding: Option<ResourceBinding>,
    pub(crate) read_only: bool,
    /// Bytes in front of the runtime array, or all.
    pub(crate) fixed: u32,
    /// Offset and stride of the runtime array.
    pub(crate) runtime: Option<(u32, u32)>,
}

/// What inlining gives.
pub(crate) struct Inlined {
    pub(crate) ir: Ir,
    /// Functions that are called.
    pub(crate) callees: Vec<Callee>,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) group_bytes: u32,
    pub(crate) immediate_bytes: u32,
    /// The places that touch shared memory, if they are watched.
    pub(crate) sites: Vec<Site>,
}

/// Most nodes, and most statements that store or set.
const MAX_NODES: usize = 1 << 20;
/// Most computed indices in all places.
const MAX_TERMS: usize = 1 << 20;
/// Most expressions of the functions of all calls, computed or not.
const MAX_EXPRESSIONS: usize = 1 << 23;
/// Deepest nesting of statements and calls.
const MAX_DEPTH: u32 = 512;

/// A place that a pointer names.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) space: Space,
    pub(super) shape: Shape,
    pub(super) offset: u32,
    pub(super) terms: Vec<Term>,
}

/// The value of an expression.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Flat(Rc<[Val]>),
    Place(Rc<Place>),
}

/// One call under way.
pub(super) struct Frame<'m> {
    pub(super) function: &'m Function,
    pub(super) info: &'m FunctionInfo,
    values: Vec<Option<Value>>,
    arguments: Vec<Value>,
    locals: Vec<u32>,
    /// Where `return` goes, and the variable for what it gives; none where it can only stand at the end.
    exit: Option<(Label, Option<u32>)>,
    /// What the `return` at the end gave.
    returned: Option<Value>,
    /// Ends of the loops and switches around: of `break`, and of `continue`.
    breaks: Vec<Label>,
    continues: Vec<Label>,
}

pub(super) struct Inline<'m> {
    pub(super) module: &'m Module,
    pub(super) info: &'m ModuleInfo,
    pub(super) layouts: Layouts<'m>,
    pub(super) ir: Ir,
    pub(super) list: Vec<Stmt>,
    /// Statements that store or set so far, and expressions of the functions called so far.
    stores: usize,
    expressions: usize,
    /// Of each global variable: its place.
    globals: Vec<Option<Rc<Place>>>,
    starts: Vec<Stmt>,
    depth: u32,
    pub(super) used: Vec<bool>,
    size: [u32; 3],
    /// Which functions are called, under which number, and those.
    pub(super) chosen: Vec<bool>,
    pub(super) called: Vec<Option<u32>>,
    pub(super) callees: Vec<Callee>,
    pub(super) touches: Option<Touches<'m>>,
}

/// Inlines the module's one entry point.
pub(crate) fn inline<'m>(
    module: &'m Module,
    info: &'m ModuleInfo,
    entry: usize,
    watched: Option<Watched<'m>>,
) -> Result<Inlined, CompileError> {
    let point = &module.entry_points[entry];
    let mut inline = Inline {
        module,
        info,
        layouts: Layouts::new(module),
        ir: Ir::default(),
        list: Vec::new(),
        stores: 0,
        expressions: 0,
        globals: Vec::new(),
        starts: Vec::new(),
        depth: 0,
        used: Vec::new(),
        size: point.workgroup_size,
        chosen: callee::choose(module, point),
        called: vec![None; module.functions.len()],
        callees: Vec::new(),
        touches: watched.map(Touches::new),
    };
    let (buffers, group_bytes, immediate_bytes) = inline.declare(info.get_entry_point(entry))?;
    let mut arguments = Vec::new();
    for argument in &point.function.arguments {
        arguments.push(inline.input(argument.ty, argument.binding.as_ref())?);
    }
    inline.call(&point.function, info.get_entry_point(entry), arguments)?;
    let mut body = std::mem::take(&mut inline.starts);
    body.append(&mut inline.list);
    inline.ir.body = body;
    let sites = inline.touches.map_or_else(Vec::new, Touches::sites);
    let (ir, callees) = (inline.ir, inline.callees);
    Ok(Inlined { ir, callees, buffers, group_bytes, immediate_bytes, sites })
}

impl<'m> Inline<'m> {
    fn new_variable(&mut self, shape: Shape) -> Result<u32, CompileError> {
        let mut types = Vec::new();
        self.layouts.each(shape, Unit::Leaves, 0, &mut |_, ty| types.push(ty))?;
        if self.ir.cells.len() + types.len() > MAX_NODES {
            return Err(CompileError::TooLarge("variables of all calls inlined"));
        }
        Ok(self.ir.variable(types))
    }

    fn fill(&mut self, var: u32, values: &[Val]) -> Result<(), CompileError> {
        self.more_stores(values.len())?;
        let first = self.ir.vars[var as usize].first;
        self.list.extend((first..).zip(values).map(|(cell, value)| Stmt::Set(cell, *value)));
        Ok(())
    }

    /// Notes that scalars are stored: a value of thousands, computed once, may be stored thousands of times.
    fn more_stores(&mut self, count: usize) -> Result<(), CompileError> {
        self.stores += count;
        if self.stores > MAX_NODES {
            return Err(CompileError::TooLarge("stores of all calls inlined"));
        }
        Ok(())
    }

    /// A call in the current list.
    pub(super) fn call(
        &mut self,
        function: &'m Function,
        info: &'m FunctionInfo,
        arguments: Vec<Value>,
    ) -> Result<Option<Value>, CompileError> {
        self.deeper()?;
        self.expressions += function.expressions.len();
        if self.expressions > MAX_EXPRESSIONS {
            return Err(CompileError::TooLarge("expressions of the functions of all calls"));
        }
        let values = vec![None; function.expressions.len()];
        let mut frame = Frame {
            function,
            info,
            values,
            arguments,
            locals: Vec::new(),
            exit: None,
            returned: None,
            breaks: Vec::new(),
            continues: Vec::new(),
        };
        for (_, local) in function.local_variables.iter() {
            let var = self.new_variable(Shape::Type(local.ty))?;
            frame.locals.push(var);
            match local.init {
                Some(init) => {
                    let values = self.flat(&mut frame, init)?;
                    self.fill(var, &values)?;
                }
                None => self.list.push(Stmt::Zero(var)),
            }
        }
        let early = statement::early_returns(&function.body, true);
        let before = std::mem::take(&mut self.list);
        if early {
            let result = match &function.result {
                Some(result) => Some(self.new_variable(Shape::Type(result.ty))?),
                None => None,
            };
            frame.exit = Some((self.ir.label(), result));
        }
        self.block(&mut frame, &function.body)?;
        let inner = std::mem::replace(&mut self.list, before);
        let value = match frame.exit {
            Some((label, result)) => {
                self.list.push(Stmt::Block(label, inner));
                match (result, &function.result) {
                    (Some(var), Some(result)) => {
                        let shape = Shape::Type(result.ty);
                        let place = Place { space: Space::Var(var), shape, offset: 0, terms: Vec::new() };
                        Some(Value::Flat(self.load(&place)?))
                    }
                    _ => None,
                }
            }
            None => {
                self.list.extend(inner);
                frame.returned
            }
        };
        self.depth -= 1;
        Ok(value)
    }

    fn deeper(&mut self) -> Result<(), CompileError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(CompileError::TooLarge("statements and calls nested more than 512 deep"));
        }
        Ok(())
    }

    pub(super) fn emit(&mut self, node: Node) -> Val {
        let value = self.ir.node(node);
        if !matches!(node, Node::Const(..)) {
            self.list.push(Stmt::Let(value));
        }
        value
    }

    pub(super) fn word(&mut self, word: u32) -> Val {
        self.emit(Node::Const(Ty::I32, word))
    }

    pub(super) fn bin(&mut self, op: Bin, a: Val, b: Val) -> Val {
        self.emit(Node::Bin(op, a, b))
    }

    pub(super) fn un(&mut self, op: Un, a: Val) -> Val {
        self.emit(Node::Un(op, a))
    }

    pub(super) fn flat(
        &mut self,
        frame: &mut Frame<'m>,
        expression: Handle<Expression>,
    ) -> Result<Rc<[Val]>, CompileError> {
        match self.value(frame, expression)? {
            Value::Flat(values) => Ok(values),
            Value::Place(_) => Err(CompileError::unsupported("a pointer as a value")),
        }
    }

    fn one(&mut self, frame: &mut Frame<'m>, expression: Handle<Expression>) -> Result<Val, CompileError> {
        let flat = self.flat(frame, expression)?;
        flat.first().copied().ok_or_else(|| CompileError::unsupported("an empty value"))
    }

    pub(super) fn place(
        &mut self,
        frame: &mut Frame<'m>,
        expression: Handle<Expression>,
    ) -> Result<Rc<Place>, CompileError> {
        match self.value(frame, expression)? {
            Value::Place(place) => Ok(place),
            Value::Flat(_) => Err(CompileError::unsupported("a value as a pointer")),
        }
    }

    pub(super) fn value(
        &mut self,
        frame: &mut Frame<'m>,
        expression: Handle<Expression>,
    ) -> Result<Value, CompileError> {
        if let Some(value) = &frame.values[expression.index()] {
            return Ok(value.clone());
        }
        let value = self.compute(frame, expression)?;
        frame.values[expression.index()] = Some(value.clone());
        Ok(value)
    }

    /// Computes an expression here.
    fn compute(
        &mut self,
        frame: &mut Frame<'m>,
        expression: Handle<Expression>,
    ) -> Result<Value, CompileError> {
        if self.ir.nodes.len() > MAX_NODES {
            return Err(CompileError::TooLarge("nodes of all calls inlined"));
        }
        let kept = &frame.function.expressions[expression];
        Ok(match *kept {
            Expression::FunctionArgument(index) => frame.arguments[index as usize].clone(),
            Expression::GlobalVariable(handle) => Value::Place(self.global(handle)?),
            Expression::LocalVariable(handle) => {
                let shape = Shape::Type(frame.function.local_variables[handle].ty);
                let space = Space::Var(frame.locals[handle.index()]);
                Value::Place(Rc::new(Place { space, shape, offset: 0, terms: Vec::new() }))
            }
            Expression::Load { pointer } => {
                let place = self.place(frame, pointer)?;
                let span = frame.function.expressions.get_span(expression);
                self.touch(&place, self.access(&place, Access::Read), span)?;
                if self.is_atomic(place.shape) {
                    let at = self.at(&place, place.offset, Ty::I32);
                    Value::Flat([self.atomic(AtomicOp::Load, at, NONE, NONE)].into())
                } else {
                    Value::Flat(self.load(&place)?)
                }
            }
            Expression::Access { base, index } => {
                let index = self.one(frame, index)?;
                match self.value(frame, base)? {
                    Value::Place(place) => Value::Place(Rc::new(self.element(&place, index)?)),
                    Value::Flat(values) => Value::Flat(self.pick(frame, base, &values, index)?),
                }
            }
            Expression::AccessIndex { base, index } => match self.value(frame, base)? {
                Value::Place(place) => Value::Place(Rc::new(self.member(&place, index)?)),
                Value::Flat(values) => {
                    let (offset, count) = self.member_of_value(frame, base, index)?;
                    let part = values.get(offset..offset + count);
                    Value::Flat(
                        part.ok_or_else(|| CompileError::unsupported("an index out of bounds"))?.into(),
                    )
                }
            },
            Expression::ArrayLength(pointer) => {
                let place = self.place(frame, pointer)?;
                let Space::Buffer(buffer) = place.space else {
                    return Err(CompileError::unsupported("the length of this array"));
                };
                Value::Flat([self.emit(Node::Length(buffer))].into())
            }
            Expression::ImageLoad { image, coordinate, array_index, sample: None, level: None } => {
                let span = frame.function.expressions.get_span(expression);
                Value::Flat(self.image_load(frame, (image, coordinate), array_index, span)?)
            }
            Expression::ImageQuery { image, query } => Value::Flat(self.image_query(frame, image, query)?),
            _ => Value::Flat(self.operation(frame, expression)?),
        })
    }
}
