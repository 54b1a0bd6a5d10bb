//! Zeroes workgroup memory at the start of an entry point, for devices that do not.
//!
//! The elements of an array are spread over the invocations, and a barrier ends it. naga's own way, one store of everything by one invocation, made compilers take
//! many seconds.

use crate::meter::build::Build;
use naga::{
    AddressSpace, ArraySize, Barrier, BinaryOperator as Op, Binding, Block, BuiltIn, Expression, Function,
    FunctionArgument, Handle, Literal, LocalVariable, Module, Scalar, Span, Statement, Type, TypeInner,
};

/// Puts the zeroing before what a module's entry point does.
pub(super) fn workgroup_memory(module: &mut Module) {
    let shared = |(_, variable): &(_, &naga::GlobalVariable)| variable.space == AddressSpace::WorkGroup;
    let variables: Vec<_> = module
        .global_variables
        .iter()
        .filter(shared)
        .map(|(handle, variable)| (handle, variable.ty))
        .collect();
    if variables.is_empty() || module.entry_points.is_empty() {
        return;
    }
    let word = TypeInner::Scalar(Scalar::U32);
    let word = module.types.insert(Type { name: None, inner: word }, Span::UNDEFINED);
    let mut entry = module.entry_points.remove(0);
    let invocations = entry.workgroup_size.iter().product();
    let place = local_index(module, &mut entry.function, word);
    let mut build = Build::new(&mut entry.function);
    let mut at = build.name(Expression::FunctionArgument(place.0));
    if let Some(index) = place.1 {
        at = build.emit(Expression::AccessIndex { base: at, index });
    }
    let mut zero = Zero { module, build, word, at, invocations };
    for (variable, ty) in variables {
        let pointer = zero.build.global(variable);
        match zero.module.types[ty].inner {
            TypeInner::Array { base, size: ArraySize::Constant(size), .. } => {
                let step = zero.invocations;
                zero.elements(pointer, base, size.get(), Some(step));
            }
            _ => {
                let first = zero.build.word(0);
                let condition = zero.build.binary(Op::Equal, at, first);
                let outer = std::mem::take(&mut zero.build.block);
                zero.fill(pointer, ty);
                let accept = std::mem::replace(&mut zero.build.block, outer);
                zero.build.push(Statement::If { condition, accept, reject: Block::new() });
            }
        }
    }
    zero.build.push(Statement::ControlBarrier(Barrier::WORK_GROUP));
    let mut body = zero.build.block;
    let rest = std::mem::take(&mut entry.function.body);
    body.extend_block(rest);
    entry.function.body = body;
    module.entry_points.insert(0, entry);
}

/// The argument that is the invocation's index in its workgroup, or the one with a member that is.
fn local_index(module: &Module, function: &mut Function, word: Handle<Type>) -> (u32, Option<u32>) {
    let binding = Some(Binding::BuiltIn(BuiltIn::LocalInvocationIndex));
    for (index, argument) in (0..).zip(&function.arguments) {
        if argument.binding == binding {
            return (index, None);
        }
        if let TypeInner::Struct { members, .. } = &module.types[argument.ty].inner {
            for (member, found) in (0..).zip(members) {
                if found.binding == binding {
                    return (index, Some(member));
                }
            }
        }
    }
    function.arguments.push(FunctionArgument { name: None, ty: word, binding });
    (u32::try_from(function.arguments.len() - 1).expect("few arguments"), None)
}

struct Zero<'m> {
    module: &'m Module,
    build: Build<'m>,
    word: Handle<Type>,
    at: Handle<Expression>,
    invocations: u32,
}

impl Zero<'_> {
    /// Zeroes what a pointer points to. Types are nested no deeper than the check of shaders lets them.
    fn fill(&mut self, pointer: Handle<Expression>, ty: Handle<Type>) {
        match &self.module.types[ty].inner {
            TypeInner::Array { base, size: ArraySize::Constant(size), .. } => {
                self.elements(pointer, *base, size.get(), None);
            }
            TypeInner::Struct { members, .. } => {
                for (index, member) in (0..).zip(members) {
                    let place = self.build.emit(Expression::AccessIndex { base: pointer, index });
                    self.fill(place, member.ty);
                }
            }
            TypeInner::Atomic(scalar) => {
                let literal = Literal::zero(*scalar).expect("an integer");
                let value = self.build.name(Expression::Literal(literal));
                self.build.push(Statement::Store { pointer, value });
            }
            _ => {
                let value = self.build.name(Expression::ZeroValue(ty));
                self.build.push(Statement::Store { pointer, value });
            }
        }
    }

    /// Zeroes the elements of an array: all, or each `step`th from the invocation's own on.
    fn elements(&mut self, base: Handle<Expression>, ty: Handle<Type>, count: u32, step: Option<u32>) {
        let variable = LocalVariable { name: None, ty: self.word, init: None };
        let variable = self.build.function.local_variables.append(variable, Span::UNDEFINED);
        let counter = self.build.name(Expression::LocalVariable(variable));
        let start = match step {
            Some(_) => self.at,
            None => self.build.word(0),
        };
        self.build.push(Statement::Store { pointer: counter, value: start });
        let outer = std::mem::take(&mut self.build.block);
        let index = self.build.load(counter);
        let end = self.build.word(count);
        let condition = self.build.binary(Op::Less, index, end);
        let mut reject = Block::new();
        reject.push(Statement::Break, Span::UNDEFINED);
        self.build.push(Statement::If { condition, accept: Block::new(), reject });
        let place = self.build.emit(Expression::Access { base, index });
        self.fill(place, ty);
        let body = std::mem::take(&mut self.build.block);
        let index = self.build.load(counter);
        let step = self.build.word(step.unwrap_or(1));
        let value = self.build.binary(Op::Add, index, step);
        self.build.push(Statement::Store { pointer: counter, value });
        let continuing = std::mem::replace(&mut self.build.block, outer);
        self.build.push(Statement::Loop { body, continuing, break_if: None });
    }
}
