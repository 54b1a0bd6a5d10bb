//! From naga's module to [`Ir`]: calls inlined, composites taken apart.

use super::CompileError;
use super::ir::{
    At, AtId, Atomic, AtomicOp, Bin, Input, Ir, Label, Len, NONE, Node, Orders, Space, Stmt, Term, Ty, Un,
    Val,
};
use super::layout::{Layouts, Shape, Step, Unit};
use super::touch::Touches;
use crate::race::{Access, Site, Watched};
use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{
    AddressSpace, ArraySize, AtomicFunction, Binding, Block, BuiltIn, Expression, Function, GlobalVariable,
    Handle, Literal, Module, ResourceBinding, ScalarKind, Span, Statement, StorageAccess, SwitchValue, Type,
    TypeInner,
};
use std::rc::Rc;

/// A binding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    pub(crate) binding: ResourceBinding,
    pub(crate) read_only: bool,
    /// Bytes in front of the runtime array, or all.
    pub(crate) fixed: u32,
    /// Offset and stride of the runtime array.
    pub(crate) runtime: Option<(u32, u32)>,
}

/// What inlining gives.
pub(crate) struct Inlined {
    pub(crate) ir: Ir,
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
    info: &'m ModuleInfo,
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
    used: Vec<bool>,
    size: [u32; 3],
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
    Ok(Inlined { ir: inline.ir, buffers, group_bytes, immediate_bytes, sites })
}

impl<'m> Inline<'m> {
    /// Gives global variables their places.
    fn declare(&mut self, entry: &FunctionInfo) -> Result<(Vec<Buffer>, u32, u32), CompileError> {
        let mut buffers = Vec::new();
        let (mut group, mut immediate) = (0_u32, 0);
        for (handle, variable) in self.module.global_variables.iter() {
            if entry[handle].is_empty() {
                self.globals.push(None);
                continue;
            }
            let shape = Shape::Type(variable.ty);
            let place = match variable.space {
                AddressSpace::Storage { .. } | AddressSpace::Uniform => {
                    buffers.push(self.buffer(variable)?);
                    if let Some(touches) = &mut self.touches {
                        touches.buffer(variable);
                    }
                    Some((Space::Buffer(buffers.len() as u32 - 1), 0))
                }
                AddressSpace::WorkGroup => {
                    let offset = group;
                    if let Some(touches) = &mut self.touches {
                        touches.group_variable(offset, variable);
                    }
                    let bytes = self.layouts.count(shape)?.saturating_mul(4);
                    group = group.saturating_add(bytes.next_multiple_of(16));
                    if group > 1 << 20 {
                        return Err(CompileError::TooLarge("workgroup variables of more than 1 MiB"));
                    }
                    Some((Space::Group, offset))
                }
                AddressSpace::Immediate => {
                    immediate = self.module.types[variable.ty].inner.size(self.module.to_ctx());
                    if immediate > 32 {
                        return Err(CompileError::TooLarge("immediates of more than 32 bytes"));
                    }
                    Some((Space::Immediate, 0))
                }
                AddressSpace::Private => {
                    let var = self.new_variable(shape)?;
                    match variable.init {
                        Some(init) => {
                            let values = self.constant(init)?;
                            self.fill(var, &values)?;
                        }
                        None => self.list.push(Stmt::Zero(var)),
                    }
                    let mut filled = std::mem::take(&mut self.list);
                    self.starts.append(&mut filled);
                    Some((Space::Var(var), 0))
                }
                _ => None,
            };
            let place = place.map(|(space, offset)| Place { space, shape, offset, terms: Vec::new() });
            self.globals.push(place.map(Rc::new));
        }
        Ok((buffers, group, immediate.next_multiple_of(4)))
    }

    fn buffer(&self, variable: &GlobalVariable) -> Result<Buffer, CompileError> {
        let binding =
            variable.binding.ok_or_else(|| CompileError::unsupported("a buffer without a binding"))?;
        let stores = |access: StorageAccess| access.contains(StorageAccess::STORE);
        let read_only = !matches!(variable.space, AddressSpace::Storage { access } if stores(access));
        let inner = &self.module.types[variable.ty].inner;
        let size = |ty: Handle<Type>| self.module.types[ty].inner.size(self.module.to_ctx());
        let runtime = |ty: Handle<Type>| match self.module.types[ty].inner {
            TypeInner::Array { size: ArraySize::Dynamic, stride, .. } => Some(stride),
            _ => None,
        };
        if let Some(stride) = runtime(variable.ty) {
            return Ok(Buffer { binding, read_only, fixed: 0, runtime: Some((0, stride)) });
        }
        if let TypeInner::Struct { members, .. } = inner
            && let Some(last) = members.last()
            && let Some(stride) = runtime(last.ty)
        {
            let runtime = Some((last.offset, stride));
            return Ok(Buffer { binding, read_only, fixed: last.offset, runtime });
        }
        Ok(Buffer { binding, read_only, fixed: size(variable.ty), runtime: None })
    }

    fn input(&mut self, ty: Handle<Type>, binding: Option<&Binding>) -> Result<Value, CompileError> {
        let mut flat = Vec::new();
        match (binding, &self.module.types[ty].inner) {
            (Some(Binding::BuiltIn(builtin)), _) => self.builtin(*builtin, &mut flat)?,
            (None, TypeInner::Struct { members, .. }) => {
                for member in members {
                    let Some(Binding::BuiltIn(builtin)) = member.binding else {
                        return Err(CompileError::unsupported("an input that is no built-in value"));
                    };
                    self.builtin(builtin, &mut flat)?;
                }
            }
            _ => return Err(CompileError::unsupported("an input that is no built-in value")),
        }
        Ok(Value::Flat(flat.into()))
    }

    fn builtin(&mut self, builtin: BuiltIn, flat: &mut Vec<Val>) -> Result<(), CompileError> {
        let size = self.size;
        for axis in 0..3_u8 {
            let value = match builtin {
                BuiltIn::LocalInvocationIndex => {
                    flat.push(self.emit(Node::Input(Input::LocalIndex)));
                    return Ok(());
                }
                BuiltIn::LocalInvocationId => self.local_id(axis),
                BuiltIn::WorkGroupId => self.emit(Node::Input(Input::GroupId(axis))),
                BuiltIn::NumWorkGroups => self.emit(Node::Input(Input::Groups(axis))),
                BuiltIn::WorkGroupSize => self.word(size[axis as usize]),
                BuiltIn::GlobalInvocationId => {
                    let (group, size) =
                        (self.emit(Node::Input(Input::GroupId(axis))), self.word(size[axis as usize]));
                    let first = self.bin(Bin::IMul, group, size);
                    let local = self.local_id(axis);
                    self.bin(Bin::IAdd, first, local)
                }
                other => return Err(CompileError::unsupported(format!("the built-in value {other:?}"))),
            };
            flat.push(value);
        }
        Ok(())
    }

    fn local_id(&mut self, axis: u8) -> Val {
        let size = self.size[axis as usize];
        if size == 1 {
            self.word(0)
        } else if self.size.iter().product::<u32>() == size {
            self.emit(Node::Input(Input::LocalIndex))
        } else {
            self.emit(Node::Input(Input::LocalId(axis)))
        }
    }

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
    fn call(
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
        let early = early_returns(&function.body, true);
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

    fn place(
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
            _ => Value::Flat(self.operation(frame, expression)?),
        })
    }

    fn global(&self, handle: Handle<GlobalVariable>) -> Result<Rc<Place>, CompileError> {
        let place = self.globals.get(handle.index()).cloned().flatten();
        place.ok_or_else(|| {
            let space = self.module.global_variables[handle].space;
            CompileError::unsupported(format!("a variable in the address space {space:?}"))
        })
    }

    /// Offset and number of scalars of a component of a value.
    fn member_of_value(
        &self,
        frame: &Frame<'m>,
        base: Handle<Expression>,
        index: u32,
    ) -> Result<(usize, usize), CompileError> {
        let shape = self.shape(frame, base)?;
        let (offset, shape) = match self.layouts.step(shape, Unit::Leaves, Some(index))? {
            Step::Fixed(offset, shape) => (offset, shape),
            Step::Element { stride, shape, .. } => (stride.saturating_mul(index), shape),
        };
        Ok((offset as usize, self.layouts.count(shape)? as usize))
    }

    /// The type of a value.
    pub(super) fn shape(&self, frame: &Frame<'m>, of: Handle<Expression>) -> Result<Shape, CompileError> {
        Ok(match &frame.info[of].ty {
            naga::proc::TypeResolution::Handle(handle) => Shape::Type(*handle),
            naga::proc::TypeResolution::Value(TypeInner::Scalar(scalar)) => Shape::Scalar(*scalar),
            naga::proc::TypeResolution::Value(TypeInner::Vector { size, scalar }) => {
                Shape::Vector(*size, *scalar)
            }
            naga::proc::TypeResolution::Value(other) => {
                return Err(CompileError::unsupported(format!("a value of type {other:?}")));
            }
        })
    }

    /// A computed index into a value: through a variable, or by selection where it is short.
    fn pick(
        &mut self,
        frame: &Frame<'m>,
        base: Handle<Expression>,
        values: &Rc<[Val]>,
        index: Val,
    ) -> Result<Rc<[Val]>, CompileError> {
        let shape = match &frame.info[base].ty {
            naga::proc::TypeResolution::Value(TypeInner::Matrix { .. }) => {
                return Err(CompileError::unsupported("a computed index into a matrix that is no variable"));
            }
            _ => self.shape(frame, base)?,
        };
        let Step::Element { stride, len: Some(len), .. } = self.layouts.step(shape, Unit::Leaves, None)?
        else {
            return Err(CompileError::unsupported("a computed index into this value"));
        };
        if len <= 4 && stride == 1 {
            let mut picked = values[0];
            for (number, value) in (0..).zip(values.iter()).skip(1) {
                let number = self.word(number);
                // An index past the end picks the last, as variables clamp.
                let is_it = self.bin(Bin::LeU, number, index);
                picked = self.emit(Node::Sel(is_it, *value, picked));
            }
            return Ok([picked].into());
        }
        let types: Vec<Ty> = values.iter().map(|value| self.ir.types[*value as usize]).collect();
        let var = self.ir.variable(types);
        self.fill(var, values)?;
        let whole = Place { space: Space::Var(var), shape, offset: 0, terms: Vec::new() };
        let element = self.element(&whole, index)?;
        self.load(&element)
    }

    fn member(&mut self, place: &Place, index: u32) -> Result<Place, CompileError> {
        match self.layouts.step(place.shape, unit(place.space), Some(index))? {
            Step::Fixed(offset, shape) => {
                Ok(Place { shape, offset: place.offset + offset * scale(place.space), ..place.clone() })
            }
            Step::Element { len: Some(len), stride, shape } if index < len => {
                let offset = place.offset + index * stride * scale(place.space);
                Ok(Place { shape, offset, ..place.clone() })
            }
            Step::Element { .. } => {
                let index = self.word(index);
                self.element(place, index)
            }
        }
    }

    fn element(&mut self, place: &Place, index: Val) -> Result<Place, CompileError> {
        let Step::Element { stride, len, shape } = self.layouts.step(place.shape, unit(place.space), None)?
        else {
            return Err(CompileError::unsupported("a computed index into a struct"));
        };
        let mut to = Place { shape, ..place.clone() };
        let stride = stride * scale(place.space);
        let len = match (len, place.space) {
            (Some(len), _) => Len::Const(len),
            (None, Space::Buffer(buffer)) => Len::Runtime(buffer),
            (None, _) => return Err(CompileError::unsupported("a runtime array outside of storage")),
        };
        to.terms.push(Term { index, stride, len });
        Ok(to)
    }

    pub(super) fn scalars(&self, place: &Place) -> Result<Vec<(u32, Ty)>, CompileError> {
        let mut found = Vec::new();
        let scale = scale(place.space);
        self.layouts.each(place.shape, unit(place.space), 0, &mut |at, ty| {
            found.push((place.offset + at * scale, ty));
        })?;
        if self.ir.nodes.len() + found.len() > MAX_NODES {
            return Err(CompileError::TooLarge("nodes of all calls inlined"));
        }
        if self.ir.terms + found.len() * place.terms.len() > MAX_TERMS {
            return Err(CompileError::TooLarge("indices of all places"));
        }
        Ok(found)
    }

    pub(super) fn load(&mut self, place: &Place) -> Result<Rc<[Val]>, CompileError> {
        let mut values = Vec::new();
        for (offset, ty) in self.scalars(place)? {
            values.push(match self.cell(place, offset) {
                Some(cell) => self.emit(Node::Get(cell)),
                None => {
                    let at = self.at(place, offset, ty);
                    self.emit(Node::Load(at))
                }
            });
        }
        Ok(values.into())
    }

    fn cell(&self, place: &Place, offset: u32) -> Option<u32> {
        match place.space {
            Space::Var(var) if place.terms.is_empty() => Some(self.ir.vars[var as usize].first + offset),
            _ => None,
        }
    }

    pub(super) fn at(&mut self, place: &Place, offset: u32, ty: Ty) -> AtId {
        self.ir.at(At { space: place.space, offset, ty, terms: place.terms.clone() })
    }

    fn store(&mut self, place: &Place, values: &[Val]) -> Result<(), CompileError> {
        self.more_stores(values.len())?;
        for ((offset, ty), value) in self.scalars(place)?.into_iter().zip(values) {
            let stmt = match self.cell(place, offset) {
                Some(cell) => Stmt::Set(cell, *value),
                None => Stmt::Store(self.at(place, offset, ty), *value),
            };
            self.list.push(stmt);
        }
        Ok(())
    }

    fn inner(&mut self, frame: &mut Frame<'m>, block: &'m Block) -> Result<Vec<Stmt>, CompileError> {
        let before = std::mem::take(&mut self.list);
        self.block(frame, block)?;
        Ok(std::mem::replace(&mut self.list, before))
    }

    fn block(&mut self, frame: &mut Frame<'m>, block: &'m Block) -> Result<(), CompileError> {
        self.deeper()?;
        for (statement, span) in block.span_iter() {
            self.statement(frame, statement, *span)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn statement(
        &mut self,
        frame: &mut Frame<'m>,
        statement: &'m Statement,
        span: Span,
    ) -> Result<(), CompileError> {
        match statement {
            Statement::Emit(range) => {
                for expression in range.clone() {
                    let value = self.compute(frame, expression)?;
                    frame.values[expression.index()] = Some(value);
                }
            }
            Statement::Block(inner) => self.block(frame, inner)?,
            Statement::If { condition, accept, reject } => {
                let condition = self.one(frame, *condition)?;
                let accept = self.inner(frame, accept)?;
                let reject = self.inner(frame, reject)?;
                self.list.push(Stmt::If(condition, accept, reject));
            }
            Statement::Switch { selector, cases } => self.switch(frame, *selector, cases)?,
            Statement::Loop { body, continuing, break_if } => {
                self.repeat(frame, body, continuing, *break_if)?;
            }
            Statement::Break => {
                let label = *frame.breaks.last().ok_or_else(|| CompileError::unsupported("a stray break"))?;
                self.jump(label);
            }
            Statement::Continue => {
                let label =
                    *frame.continues.last().ok_or_else(|| CompileError::unsupported("a stray continue"))?;
                self.jump(label);
            }
            Statement::Return { value } => {
                let value = match value {
                    Some(value) => Some(self.value(frame, *value)?),
                    None => None,
                };
                match frame.exit {
                    Some((label, result)) => {
                        if let (Some(var), Some(Value::Flat(values))) = (result, value) {
                            self.fill(var, &values)?;
                        }
                        self.jump(label);
                    }
                    None => frame.returned = value,
                }
            }
            Statement::ControlBarrier(barrier) => self.list.push(Stmt::Barrier(Orders {
                storage: barrier.contains(naga::Barrier::STORAGE),
                group: barrier.contains(naga::Barrier::WORK_GROUP),
            })),
            // Within a workgroup, invocations run in turns that a barrier alone ends; other workgroups see atomics in order.
            Statement::MemoryBarrier(_) => {}
            Statement::Store { pointer, value } => {
                let place = self.place(frame, *pointer)?;
                let values = self.flat(frame, *value)?;
                self.touch(&place, self.access(&place, Access::Write), span)?;
                if self.is_atomic(place.shape) {
                    let at = self.at(&place, place.offset, Ty::I32);
                    self.atomic(AtomicOp::Store, at, values[0], NONE);
                } else {
                    self.store(&place, &values)?;
                }
            }
            Statement::Atomic { pointer, fun, value, result } => {
                let place = self.place(frame, *pointer)?;
                self.touch(&place, Access::Atomic, span)?;
                self.atomic_statement(frame, *pointer, *fun, *value, *result)?;
            }
            Statement::WorkGroupUniformLoad { pointer, result } => {
                let place = self.place(frame, *pointer)?;
                let mut values = Vec::new();
                for (offset, ty) in self.scalars(&place)? {
                    let at = self.at(&place, offset, ty);
                    let value = self.ir.node(Node::Result(ty));
                    self.list.push(Stmt::UniformLoad(at, value));
                    values.push(value);
                }
                frame.values[result.index()] = Some(Value::Flat(values.into()));
            }
            Statement::Call { function, arguments, result } => {
                let mut given = Vec::new();
                for argument in arguments {
                    given.push(self.value(frame, *argument)?);
                }
                let value = self.call(&self.module.functions[*function], &self.info[*function], given)?;
                if let (Some(result), Some(value)) = (result, value) {
                    frame.values[result.index()] = Some(value);
                }
            }
            other => {
                let text = format!("{other:?}");
                let name = text.split([' ', '(', '{']).next().unwrap_or("").to_owned();
                return Err(CompileError::unsupported(format!("the statement {name}")));
            }
        }
        Ok(())
    }

    pub(super) fn is_atomic(&self, shape: Shape) -> bool {
        matches!(shape, Shape::Type(ty) if matches!(self.module.types[ty].inner, TypeInner::Atomic(_)))
    }

    pub(super) fn atomic(&mut self, op: AtomicOp, at: AtId, value: Val, compare: Val) -> Val {
        let result = self.ir.node(Node::Result(Ty::I32));
        self.list.push(Stmt::Atomic(Box::new(Atomic { at, op, value, compare, result })));
        result
    }

    fn atomic_statement(
        &mut self,
        frame: &mut Frame<'m>,
        pointer: Handle<Expression>,
        fun: AtomicFunction,
        value: Handle<Expression>,
        result: Option<Handle<Expression>>,
    ) -> Result<(), CompileError> {
        let place = self.place(frame, pointer)?;
        let signed = self.kind(frame, value)? == ScalarKind::Sint;
        let mut compare = NONE;
        let op = match fun {
            AtomicFunction::Add => AtomicOp::Add,
            AtomicFunction::Subtract => AtomicOp::Sub,
            AtomicFunction::And => AtomicOp::And,
            AtomicFunction::ExclusiveOr => AtomicOp::Xor,
            AtomicFunction::InclusiveOr => AtomicOp::Or,
            AtomicFunction::Min => {
                if signed {
                    AtomicOp::MinS
                } else {
                    AtomicOp::MinU
                }
            }
            AtomicFunction::Max => {
                if signed {
                    AtomicOp::MaxS
                } else {
                    AtomicOp::MaxU
                }
            }
            AtomicFunction::Exchange { compare: None } => AtomicOp::Exchange,
            AtomicFunction::Exchange { compare: Some(with) } => {
                compare = self.one(frame, with)?;
                AtomicOp::CompareExchange
            }
        };
        let value = self.one(frame, value)?;
        let at = self.at(&place, place.offset, Ty::I32);
        let old = self.atomic(op, at, value, compare);
        if let Some(result) = result {
            let mut flat = vec![old];
            if op == AtomicOp::CompareExchange {
                flat.push(self.bin(Bin::IEq, old, compare));
            }
            frame.values[result.index()] = Some(Value::Flat(flat.into()));
        }
        Ok(())
    }

    fn jump(&mut self, label: Label) {
        let index = label as usize;
        if self.used.len() <= index {
            self.used.resize(index + 1, false);
        }
        self.used[index] = true;
        self.list.push(Stmt::Break(label));
    }

    /// A block around `inner`, if anything jumps to its end.
    fn wrap(&mut self, label: Label, inner: Vec<Stmt>) {
        if self.used.get(label as usize).copied().unwrap_or(false) {
            self.list.push(Stmt::Block(label, inner));
        } else {
            self.list.extend(inner);
        }
    }

    fn repeat(
        &mut self,
        frame: &mut Frame<'m>,
        body: &'m Block,
        continuing: &'m Block,
        break_if: Option<Handle<Expression>>,
    ) -> Result<(), CompileError> {
        let (end, next) = (self.ir.label(), self.ir.label());
        frame.breaks.push(end);
        frame.continues.push(next);
        let inner = self.inner(frame, body)?;
        frame.continues.pop();
        let before = std::mem::take(&mut self.list);
        self.wrap(next, inner);
        self.block(frame, continuing)?;
        if let Some(condition) = break_if {
            let condition = self.one(frame, condition)?;
            let around = std::mem::take(&mut self.list);
            self.jump(end);
            let leave = std::mem::replace(&mut self.list, around);
            self.list.push(Stmt::If(condition, leave, Vec::new()));
        }
        frame.breaks.pop();
        let turn = std::mem::replace(&mut self.list, before);
        self.wrap(end, vec![Stmt::Loop(turn)]);
        Ok(())
    }

    /// A switch: each case in an `if` of its own, on conditions that are all computed before.
    fn switch(
        &mut self,
        frame: &mut Frame<'m>,
        selector: Handle<Expression>,
        cases: &'m [naga::SwitchCase],
    ) -> Result<(), CompileError> {
        let selector = self.one(frame, selector)?;
        let end = self.ir.label();
        let mut any = None;
        let mut conditions = Vec::new();
        for case in cases {
            let word = match case.value {
                SwitchValue::I32(value) => value as u32,
                SwitchValue::U32(value) => value,
                SwitchValue::Default => {
                    conditions.push(None);
                    continue;
                }
            };
            let word = self.word(word);
            let is_it = self.bin(Bin::IEq, selector, word);
            any = Some(match any {
                Some(before) => self.bin(Bin::BOr, before, is_it),
                None => is_it,
            });
            conditions.push(Some(is_it));
        }
        let otherwise = match any {
            Some(any) => self.un(Un::Not, any),
            None => self.emit(Node::Const(Ty::Bool, 1)),
        };
        let mut reached = None;
        let mut bodies = Vec::new();
        for (case, condition) in cases.iter().zip(conditions) {
            let condition = condition.unwrap_or(otherwise);
            let here = match reached {
                Some(before) => self.bin(Bin::BOr, before, condition),
                None => condition,
            };
            reached = case.fall_through.then_some(here);
            bodies.push((here, &case.body));
        }
        let before = std::mem::take(&mut self.list);
        frame.breaks.push(end);
        for (condition, body) in bodies {
            if body.is_empty() {
                continue;
            }
            let inner = self.inner(frame, body)?;
            self.list.push(Stmt::If(condition, inner, Vec::new()));
        }
        frame.breaks.pop();
        let inner = std::mem::replace(&mut self.list, before);
        self.wrap(end, inner);
        Ok(())
    }

    /// A constant expression of the module.
    pub(super) fn constant(&mut self, expression: Handle<Expression>) -> Result<Rc<[Val]>, CompileError> {
        self.deeper()?;
        let values = match &self.module.global_expressions[expression] {
            Expression::Literal(literal) => [self.literal(*literal)?].into(),
            Expression::Constant(constant) => self.constant(self.module.constants[*constant].init)?,
            Expression::ZeroValue(ty) => self.zero(*ty)?,
            Expression::Splat { size, value } => {
                let value = self.constant(*value)?;
                vec![value[0]; *size as usize].into()
            }
            Expression::Compose { ty, components } => {
                self.layouts.count(Shape::Type(*ty))?;
                let mut all = Vec::new();
                for component in components {
                    all.extend(self.constant(*component)?.iter());
                }
                all.into()
            }
            Expression::Swizzle { size, vector, pattern } => {
                let vector = self.constant(*vector)?;
                pattern[..*size as usize].iter().map(|at| vector[*at as usize]).collect()
            }
            other => {
                return Err(CompileError::unsupported(format!("the constant expression {other:?}")));
            }
        };
        self.depth -= 1;
        Ok(values)
    }

    pub(super) fn zero(&mut self, ty: Handle<Type>) -> Result<Rc<[Val]>, CompileError> {
        let mut types = Vec::new();
        self.layouts.each(Shape::Type(ty), Unit::Leaves, 0, &mut |_, ty| types.push(ty))?;
        Ok(types.into_iter().map(|ty| self.ir.node(Node::Const(ty, 0))).collect())
    }

    pub(super) fn literal(&mut self, literal: Literal) -> Result<Val, CompileError> {
        let (ty, bits) = match literal {
            Literal::F32(value) => (Ty::F32, value.to_bits()),
            Literal::U32(value) => (Ty::I32, value),
            Literal::I32(value) => (Ty::I32, value as u32),
            Literal::Bool(value) => (Ty::Bool, u32::from(value)),
            other => return Err(CompileError::unsupported(format!("the literal {other:?}"))),
        };
        Ok(self.ir.node(Node::Const(ty, bits)))
    }
}

fn unit(space: Space) -> Unit {
    if matches!(space, Space::Buffer(_) | Space::Immediate) { Unit::Bytes } else { Unit::Leaves }
}

/// What offsets in units are multiplied with.
fn scale(space: Space) -> u32 {
    if space == Space::Group { 4 } else { 1 }
}

/// Whether a `return` stands anywhere but at the very end.
fn early_returns(block: &Block, at_end: bool) -> bool {
    let last = block.len().saturating_sub(1);
    block.iter().enumerate().any(|(index, statement)| {
        let at_end = at_end && index == last;
        match statement {
            Statement::Return { .. } => !at_end,
            Statement::Block(inner) => early_returns(inner, at_end),
            Statement::If { accept, reject, .. } => {
                early_returns(accept, false) || early_returns(reject, false)
            }
            Statement::Loop { body, continuing, .. } => {
                early_returns(body, false) || early_returns(continuing, false)
            }
            Statement::Switch { cases, .. } => cases.iter().any(|case| early_returns(&case.body, false)),
            _ => false,
        }
    })
}
