//! One function, written anew.

use super::Lower;
use super::bound::Bound;
use naga::front::Typifier;
use naga::proc::{ResolveContext, TypeResolution};
use naga::{
    AddressSpace, Block, Expression, Function, GlobalVariable, Handle, LocalVariable, Module, Scalar, Span,
    Statement, Type, TypeInner, VectorSize,
};
use std::collections::BTreeMap;

/// What a driver may find out about a value before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It may be a constant, and zero.
    Zero,
    /// It may be a constant, but no zero.
    Constant,
    /// It is no constant.
    Opaque,
}

/// How many components a value has; kinds are known where they matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    Vector(VectorSize),
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) shape: Shape,
    pub(super) class: Class,
}

/// An expression of the result.
pub(super) type Value = Handle<Expression>;

pub(super) struct Rewriter<'l, 's, 'm> {
    pub(super) lower: &'l mut Lower<'m>,
    /// The module that the function is of: the shader, or the library.
    pub(super) source: &'s Module,
    pub(super) old: &'s Function,
    pub(super) new: Function,
    /// Whether the function is of the library, which is exact already.
    pub(super) library: bool,
    pub(super) types: Vec<TypeResolution>,
    /// Upper bounds of the source's integers.
    pub(super) bounds: Vec<Bound>,
    /// Expressions of the source in the result.
    pub(super) map: Vec<Option<Value>>,
    /// For pointers of the source: the condition under which they are within bounds.
    pub(super) guards: Vec<Option<Value>>,
    /// Of each expression of the result.
    pub(super) known: Vec<Known>,
    /// What is computed before everything else.
    pub(super) prelude: Block,
    pub(super) block: Block,
    /// Where values go that are loaded within bounds only, by type.
    pub(super) temporary: BTreeMap<Handle<Type>, Handle<LocalVariable>>,
    pub(super) lengths: BTreeMap<Handle<GlobalVariable>, Value>,
    /// A word that is 0, and as many of them, which no compiler knows.
    pub(super) zeros: [Option<Value>; 5],
    pub(super) zero: Option<Value>,
    /// Whether the results of the source's atomics are used.
    pub(super) used: Vec<bool>,
    /// Where in the WGSL what is being written stands.
    pub(super) span: Span,
}

impl<'l, 's, 'm> Rewriter<'l, 's, 'm> {
    pub(super) fn new(
        lower: &'l mut Lower<'m>,
        source: &'s Module,
        old: &'s Function,
        bounds: &[Bound],
    ) -> Result<Self, String> {
        let context = ResolveContext::with_locals(source, &old.local_variables, &old.arguments);
        let mut typifier = Typifier::new();
        let mut types = Vec::with_capacity(old.expressions.len());
        for (handle, _) in old.expressions.iter() {
            typifier
                .grow(handle, &old.expressions, &context)
                .map_err(|error| format!("an expression has no type: {error}"))?;
            types.push(typifier[handle].clone());
        }
        let new = Function {
            name: old.name.clone(),
            arguments: old.arguments.clone(),
            result: old.result.clone(),
            local_variables: old.local_variables.clone(),
            diagnostic_filter_leaf: old.diagnostic_filter_leaf,
            ..Function::default()
        };
        Ok(Rewriter {
            lower,
            source,
            old,
            new,
            library: false,
            bounds: bounds.to_vec(),
            map: vec![None; types.len()],
            guards: vec![None; types.len()],
            used: vec![false; types.len()],
            types,
            known: Vec::new(),
            prelude: Block::new(),
            block: Block::new(),
            temporary: BTreeMap::new(),
            lengths: BTreeMap::new(),
            zeros: [None; 5],
            zero: None,
            span: Span::UNDEFINED,
        })
    }

    /// Lowers a function of the shader.
    pub(super) fn shader(mut self) -> Result<Function, String> {
        self.mark_used();
        self.constants()?;
        self.variables()?;
        let old = self.old;
        self.statements(&old.body)?;
        Ok(self.finish())
    }

    pub(super) fn finish(mut self) -> Function {
        let mut body = self.prelude;
        let rest = std::mem::take(&mut self.block);
        body.extend_block(rest);
        self.new.body = body;
        self.new
    }

    /// Notes which expressions something is computed from: the result of an atomic may be there and unused.
    fn mark_used(&mut self) {
        let old = self.old;
        let used = &mut self.used;
        crate::bypass::uses(old, &old.body, &mut |handle| used[handle.index()] = true);
    }

    /// Constants that no statement computes: initial values of variables, and what naga made of overrides.
    fn constants(&mut self) -> Result<(), String> {
        let old = self.old;
        let mut emitted = vec![false; old.expressions.len()];
        mark_emitted(&old.body, &mut emitted);
        // An initial value may be what a statement computes later.
        for (_, variable) in old.local_variables.iter() {
            if let Some(init) = variable.init {
                emitted[init.index()] = false;
            }
        }
        let all: Vec<_> = old.expressions.iter().collect();
        for (handle, expression) in all.into_iter().rev() {
            if !emitted[handle.index()] && is_pure(expression) {
                crate::bypass::operands(expression, &mut |operand| emitted[operand.index()] = false);
            }
        }
        for (handle, expression) in old.expressions.iter() {
            let skipped = emitted[handle.index()] || !is_pure(expression) || is_name(expression);
            let mut ready = !skipped;
            crate::bypass::operands(expression, &mut |operand| {
                ready &= self.map[operand.index()].is_some() || is_name(&old.expressions[operand]);
            });
            if ready {
                self.expression(handle)?;
            }
        }
        Ok(())
    }

    /// Initial values become stores, so that no compiler takes what is in a variable for a constant.
    fn variables(&mut self) -> Result<(), String> {
        let old = self.old;
        for (variable, local) in old.local_variables.iter() {
            let Some(init) = local.init else {
                self.unset(variable, local);
                continue;
            };
            self.new.local_variables[variable].init = None;
            let value = self.get(init)?;
            let value = self.stored(value, local.ty);
            let pointer = self.name(Expression::LocalVariable(variable), Shape::Other, Class::Opaque);
            self.push(Statement::Store { pointer, value });
        }
        Ok(())
    }

    /// A variable that begins with zeros.
    fn unset(&mut self, variable: Handle<LocalVariable>, local: &LocalVariable) {
        if !self.hides_zeros() || !self.is_tracked(local.ty) || self.lower.float_count(local.ty) == 0 {
            return;
        }
        let zero = self.name(Expression::ZeroValue(local.ty), Shape::Other, Class::Zero);
        let value = self.stored(zero, local.ty);
        let pointer = self.name(Expression::LocalVariable(variable), Shape::Other, Class::Opaque);
        self.push(Statement::Store { pointer, value });
    }

    /// Whether a function of this module hides what may be a constant zero.
    pub(super) fn hides_zeros(&self) -> bool {
        !self.library && !self.lower.native.zeros
    }

    /// The type of an expression of the source.
    pub(super) fn inner(&self, handle: Handle<Expression>) -> &TypeInner {
        self.types[handle.index()].inner_with(&self.source.types)
    }

    /// The type of an expression of the source, in the result's arena.
    pub(super) fn ty(&mut self, handle: Handle<Expression>) -> Handle<Type> {
        match self.types[handle.index()].clone() {
            TypeResolution::Handle(ty) if !self.library => ty,
            TypeResolution::Handle(ty) => {
                let inner = self.source.types[ty].inner.clone();
                self.lower.plain(inner)
            }
            TypeResolution::Value(inner) => self.lower.plain(inner),
        }
    }

    pub(super) fn shape(&self, handle: Handle<Expression>) -> Shape {
        match *self.inner(handle) {
            TypeInner::Scalar(_) => Shape::Scalar,
            TypeInner::Vector { size, .. } => Shape::Vector(size),
            _ => Shape::Other,
        }
    }

    /// The scalar that an expression of the source is made of.
    pub(super) fn scalar(&self, handle: Handle<Expression>) -> Option<Scalar> {
        self.inner(handle).scalar()
    }

    pub(super) fn is_float(&self, handle: Handle<Expression>) -> bool {
        self.scalar(handle).is_some_and(|scalar| scalar.kind == naga::ScalarKind::Float)
    }

    /// Where a pointer of the source points to.
    pub(super) fn space(&self, pointer: Handle<Expression>) -> Option<AddressSpace> {
        self.inner(pointer).pointer_space()
    }

    pub(super) fn push(&mut self, statement: Statement) {
        self.block.push(statement, self.span);
    }
}

/// Whether an expression needs no `Emit`, and has no operands.
pub(super) fn is_name(expression: &Expression) -> bool {
    matches!(
        expression,
        Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::ZeroValue(_)
            | Expression::FunctionArgument(_)
            | Expression::GlobalVariable(_)
            | Expression::LocalVariable(_)
    )
}

/// Whether an expression depends on its operands alone.
fn is_pure(expression: &Expression) -> bool {
    matches!(
        expression,
        Expression::Compose { .. }
            | Expression::Splat { .. }
            | Expression::Swizzle { .. }
            | Expression::AccessIndex { .. }
            | Expression::Unary { .. }
            | Expression::Binary { .. }
            | Expression::Select { .. }
            | Expression::As { .. }
    )
}

fn mark_emitted(block: &[Statement], emitted: &mut [bool]) {
    for statement in block {
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    emitted[handle.index()] = true;
                }
            }
            Statement::Block(inner) => mark_emitted(inner, emitted),
            Statement::If { accept, reject, .. } => {
                mark_emitted(accept, emitted);
                mark_emitted(reject, emitted);
            }
            Statement::Switch { cases, .. } => {
                cases.iter().for_each(|case| mark_emitted(&case.body, emitted));
            }
            Statement::Loop { body, continuing, .. } => {
                mark_emitted(body, emitted);
                mark_emitted(continuing, emitted);
            }
            _ => {}
        }
    }
}
