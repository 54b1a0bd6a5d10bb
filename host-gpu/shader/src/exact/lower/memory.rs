//! Pointers, loads and stores.
//!
//! An index into memory that others share is compared with the length; a load out of bounds reads the first element, and gives zero instead. An index into
//! a variable of one invocation, or into a value, is at most the last.

use super::function::{Class, Rewriter, Shape, Value};
use super::opaque::shape_of;
use super::{Lower, MOST_FLOATS};
use naga::{
    AddressSpace, ArraySize, BinaryOperator as Op, Block, Expression, Function, FunctionArgument,
    FunctionResult, Handle, LocalVariable, MathFunction, ScalarKind, Span, Statement, Type, TypeInner,
};

/// How many elements there are.
#[derive(Clone, Copy)]
enum Length {
    Fixed(u32),
    Runtime,
}

impl Rewriter<'_, '_, '_> {
    fn length_of(&self, base: Handle<Expression>) -> Option<Length> {
        let inner = match *self.inner(base) {
            TypeInner::Pointer { base, .. } => &self.source.types[base].inner,
            TypeInner::ValuePointer { size, .. } => return size.map(|size| Length::Fixed(size as u32)),
            ref value => value,
        };
        match *inner {
            TypeInner::Array { size: ArraySize::Constant(size), .. } => Some(Length::Fixed(size.get())),
            TypeInner::Array { .. } => Some(Length::Runtime),
            TypeInner::Vector { size, .. } => Some(Length::Fixed(size as u32)),
            TypeInner::Matrix { columns, .. } => Some(Length::Fixed(columns as u32)),
            _ => None,
        }
    }

    pub(super) fn access(
        &mut self,
        handle: Handle<Expression>,
        base: Handle<Expression>,
        index: Handle<Expression>,
    ) -> Result<Value, String> {
        let (value, number) = (self.get(base)?, self.get(index)?);
        let (shape, class) = (self.shape(handle), self.class(value));
        self.guards[handle.index()] = self.guards[base.index()];
        let length = self.length_of(base).ok_or("an index into what has no elements")?;
        let within = matches!(length, Length::Fixed(length) if self.bounds[index.index()].is_below(length));
        if self.lower.native.bounds || self.library || within {
            return Ok(self.emit(Expression::Access { base: value, index: number }, shape, class));
        }
        let number = match self.scalar(index).map(|scalar| scalar.kind) {
            Some(ScalarKind::Sint) => self.bitcast(number, ScalarKind::Uint),
            _ => number,
        };
        let index = match self.space(base) {
            None | Some(AddressSpace::Function | AddressSpace::Private) => {
                let Length::Fixed(length) = length else { return Err("a value without a length".to_owned()) };
                let last = self.word(length - 1);
                self.native(MathFunction::Min, number, Some(last))
            }
            Some(_) => self.guarded(handle, base, number, length)?,
        };
        Ok(self.emit(Expression::Access { base: value, index }, shape, class))
    }

    pub(super) fn access_index(
        &mut self,
        handle: Handle<Expression>,
        base: Handle<Expression>,
        index: u32,
    ) -> Result<Value, String> {
        let value = self.get(base)?;
        let (shape, class) = (self.shape(handle), self.class(value));
        self.guards[handle.index()] = self.guards[base.index()];
        let runtime = matches!(self.length_of(base), Some(Length::Runtime));
        // A binding has room for one element at least.
        if !runtime || index == 0 || self.lower.native.bounds {
            if shape == Shape::Scalar && matches!(self.shape_of(value), Shape::Vector(_)) {
                return Ok(self.component(value, index));
            }
            return Ok(self.emit(Expression::AccessIndex { base: value, index }, shape, class));
        }
        let number = self.word(index);
        let index = self.guarded(handle, base, number, Length::Runtime)?;
        Ok(self.emit(Expression::Access { base: value, index }, shape, class))
    }

    /// An index that is within bounds, and beside it whether it was.
    fn guarded(
        &mut self,
        handle: Handle<Expression>,
        base: Handle<Expression>,
        number: Value,
        length: Length,
    ) -> Result<Value, String> {
        let length = match length {
            Length::Fixed(length) => self.word(length),
            Length::Runtime => self.runtime_length(base)?,
        };
        let within = self.binary(Op::Less, number, length);
        let zero = self.word(0);
        let index = self.select(within, number, zero);
        self.guards[handle.index()] = Some(match self.guards[base.index()] {
            Some(outer) => self.binary(Op::LogicalAnd, outer, within),
            None => within,
        });
        Ok(index)
    }

    /// The length of an array at the end of a binding, computed once for the function.
    fn runtime_length(&mut self, array: Handle<Expression>) -> Result<Value, String> {
        let (variable, member) = match self.old.expressions[array] {
            Expression::GlobalVariable(variable) => (variable, None),
            Expression::AccessIndex { base, index } => match self.old.expressions[base] {
                Expression::GlobalVariable(variable) => (variable, Some(index)),
                _ => return Err("an array without a known length".to_owned()),
            },
            _ => return Err("an array without a known length".to_owned()),
        };
        if let Some(length) = self.lengths.get(&variable) {
            return Ok(*length);
        }
        let length = self.before(|this| {
            let mut pointer = this.name(Expression::GlobalVariable(variable), Shape::Other, Class::Opaque);
            if let Some(index) = member {
                let expression = Expression::AccessIndex { base: pointer, index };
                pointer = this.emit(expression, Shape::Other, Class::Opaque);
            }
            this.emit(Expression::ArrayLength(pointer), Shape::Scalar, Class::Zero)
        });
        self.lengths.insert(variable, length);
        Ok(length)
    }

    pub(super) fn load(
        &mut self,
        handle: Handle<Expression>,
        pointer: Handle<Expression>,
    ) -> Result<Value, String> {
        let place = self.get(pointer)?;
        let (shape, class) = (self.shape(handle), self.loaded_class(pointer));
        match self.guards[pointer.index()] {
            None => Ok(self.emit(Expression::Load { pointer: place }, shape, class)),
            Some(guard) => {
                let ty = self.ty(handle);
                self.when_within(guard, ty, shape, |this| {
                    this.emit(Expression::Load { pointer: place }, shape, Class::Opaque)
                })
            }
        }
    }

    /// What `work` gives, which does no harm out of bounds, or zero there.
    fn when_within(
        &mut self,
        guard: Value,
        ty: Handle<Type>,
        shape: Shape,
        work: impl FnOnce(&mut Self) -> Value,
    ) -> Result<Value, String> {
        if shape != Shape::Other {
            let value = work(self);
            // A driver may know that it is out of bounds, and would then know the zero.
            let zero = self.name(Expression::ZeroValue(ty), shape, Class::Zero);
            let zero = self.stored(zero, ty);
            let value = self.select(guard, value, zero);
            self.known[value.index()].class = Class::Opaque;
            return Ok(value);
        }
        let variable = match self.temporary.get(&ty) {
            Some(variable) => *variable,
            None => {
                let variable = LocalVariable { name: None, ty, init: None };
                let variable = self.new.local_variables.append(variable, Span::UNDEFINED);
                self.temporary.insert(ty, variable);
                variable
            }
        };
        let pointer = self.name(Expression::LocalVariable(variable), shape, Class::Opaque);
        let zero = self.name(Expression::ZeroValue(ty), shape, Class::Zero);
        let zero = self.stored(zero, ty);
        self.push(Statement::Store { pointer, value: zero });
        let (accept, ()) = self.nested(|this| {
            let value = work(this);
            this.push(Statement::Store { pointer, value });
            Ok(())
        })?;
        self.push(Statement::If { condition: guard, accept, reject: Block::new() });
        let class = self.class_of(ty);
        Ok(self.emit(Expression::Load { pointer }, shape, class))
    }

    /// A load of all invocations of a workgroup together.
    pub(super) fn uniform_load(
        &mut self,
        pointer: Handle<Expression>,
        result: Handle<Expression>,
    ) -> Result<(), String> {
        let place = self.get(pointer)?;
        let (ty, shape) = (self.ty(result), self.shape(result));
        let loaded = self.name(Expression::WorkGroupUniformLoadResult { ty }, shape, Class::Opaque);
        self.push(Statement::WorkGroupUniformLoad { pointer: place, result: loaded });
        let value = match self.guards[pointer.index()] {
            None => loaded,
            Some(guard) => self.when_within(guard, ty, shape, |_| loaded)?,
        };
        self.map[result.index()] = Some(value);
        Ok(())
    }

    pub(super) fn store(
        &mut self,
        pointer: Handle<Expression>,
        value: Handle<Expression>,
    ) -> Result<(), String> {
        let (place, mut new) = (self.get(pointer)?, self.get(value)?);
        let ty = self.ty(value);
        if !self.library {
            match self.space(pointer) {
                Some(AddressSpace::Storage { .. }) => new = self.canonical(new, ty)?,
                Some(AddressSpace::Function | AddressSpace::Private) => new = self.stored(new, ty),
                _ => {}
            }
        }
        self.guarded_statement(pointer, Statement::Store { pointer: place, value: new });
        Ok(())
    }

    /// A statement that is left out where its pointer is out of bounds.
    pub(super) fn guarded_statement(&mut self, pointer: Handle<Expression>, statement: Statement) {
        match self.guards[pointer.index()] {
            None => self.push(statement),
            Some(condition) => {
                let mut accept = Block::new();
                accept.push(statement, self.span);
                self.push(Statement::If { condition, accept, reject: Block::new() });
            }
        }
    }

    /// A value with canonical NaNs.
    fn canonical(&mut self, value: Value, ty: Handle<Type>) -> Result<Value, String> {
        let floats = self.lower.float_count(ty);
        // The numbers that a shader states are none.
        let stated = matches!(
            self.new.expressions[value],
            Expression::ZeroValue(_) | Expression::Constant(_) | Expression::Literal(_)
        );
        if floats == 0 || stated {
            return Ok(value);
        }
        if floats > MOST_FLOATS {
            return Err(format!("a value of {floats} floats is stored at once; at most {MOST_FLOATS} are"));
        }
        if self.shape_of(value) != Shape::Other {
            let bits = self.canonical_bits(value);
            return Ok(self.bitcast(bits, ScalarKind::Float));
        }
        let function = self.lower.canonical_function(ty)?;
        let result = self.name(Expression::CallResult(function), Shape::Other, Class::Zero);
        self.push(Statement::Call { function, arguments: vec![value], result: Some(result) });
        Ok(result)
    }
}

impl<'m> Lower<'m> {
    /// A function that gives its argument with canonical NaNs.
    fn canonical_function(&mut self, ty: Handle<Type>) -> Result<Handle<Function>, String> {
        if let Some(function) = self.canonical.get(&ty) {
            return Ok(*function);
        }
        let old = Function {
            name: Some("fizz_canonical".to_owned()),
            arguments: vec![FunctionArgument { name: None, ty, binding: None }],
            result: Some(FunctionResult { ty, binding: None }),
            ..Function::default()
        };
        let parts: Vec<Handle<Type>> = match self.result.types[ty].inner.clone() {
            TypeInner::Array { base, size: ArraySize::Constant(size), .. } => {
                vec![base; size.get() as usize]
            }
            TypeInner::Struct { members, .. } => members.iter().map(|member| member.ty).collect(),
            TypeInner::Matrix { columns, rows, scalar } => {
                let column = self.vector(rows, scalar);
                vec![column; columns as usize]
            }
            _ => return Err("a value of this type cannot be stored".to_owned()),
        };
        let source = self.source;
        let mut write = Rewriter::new(self, source, &old, &[])?;
        write.library = true;
        let whole = write.name(Expression::FunctionArgument(0), Shape::Other, Class::Zero);
        let mut components = Vec::with_capacity(parts.len());
        for (index, part) in (0..).zip(parts) {
            let shape = shape_of(&write.lower.result.types[part].inner);
            let value = write.emit(Expression::AccessIndex { base: whole, index }, shape, Class::Zero);
            components.push(write.canonical(value, part)?);
        }
        let value = write.compose(ty, components);
        write.push(Statement::Return { value: Some(value) });
        let function = write.finish();
        let function = self.result.functions.append(function, Span::UNDEFINED);
        self.canonical.insert(ty, function);
        Ok(function)
    }
}
