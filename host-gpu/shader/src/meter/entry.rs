//! Wraps the entry point: the slice's place comes in, the gas goes out.

use super::build::{self, Build, Globals};
use super::{CAP, CUT, EXHAUSTED};
use naga::{
    BinaryOperator, Binding, BuiltIn, Expression, Function, FunctionArgument, GlobalVariable, Handle, Module,
    Span, Statement, Type, TypeInner,
};

/// Wraps the one entry point, if there is anything to do. Says whether it reads the slice.
pub(crate) fn wrap(module: &mut Module, globals: &Globals) -> bool {
    let Some(entry) = module.entry_points.first_mut() else { return false };
    let places = entry.function.arguments.iter().any(|argument| {
        let mut bindings = bindings(&module.types, argument).into_iter();
        bindings.any(|builtin| builtin.is_some_and(is_placed))
    });
    if globals.meter.is_none() && !places {
        return false;
    }
    let size = entry.workgroup_size;
    let mut inner = std::mem::take(&mut entry.function);
    let arguments = inner.arguments.clone();
    for argument in &mut inner.arguments {
        argument.binding = None;
    }
    inner.name = Some("fizz_metered".to_owned());
    let called = module.functions.append(inner, Span::UNDEFINED);
    let slice = build::slice(module, globals.vec3_type, globals.u32_type);
    let mut outer = Function { arguments, ..Function::default() };
    let mut wrap = Wrap { module, globals, slice, size, build: Build::new(&mut outer) };
    wrap.never();
    wrap.call(called);
    if let Some(meter) = globals.meter {
        wrap.report(meter);
    }
    wrap.build.push(Statement::Return { value: None });
    let body = wrap.build.block;
    outer.body = body;
    if let Some(entry) = module.entry_points.first_mut() {
        entry.function = outer;
    }
    true
}

/// The built-in values of an argument or of its members.
fn bindings(types: &naga::UniqueArena<Type>, argument: &FunctionArgument) -> Vec<Option<BuiltIn>> {
    let builtin = |binding: &Option<Binding>| match binding {
        Some(Binding::BuiltIn(builtin)) => Some(*builtin),
        _ => None,
    };
    match &types[argument.ty].inner {
        TypeInner::Struct { members, .. } if argument.binding.is_none() => {
            members.iter().map(|member| builtin(&member.binding)).collect()
        }
        _ => vec![builtin(&argument.binding)],
    }
}

/// Whether a value depends on which slice it is.
fn is_placed(builtin: BuiltIn) -> bool {
    matches!(builtin, BuiltIn::WorkGroupId | BuiltIn::NumWorkGroups | BuiltIn::GlobalInvocationId)
}

struct Wrap<'f> {
    module: &'f Module,
    globals: &'f Globals,
    slice: Handle<GlobalVariable>,
    size: [u32; 3],
    build: Build<'f>,
}

impl Wrap<'_> {
    /// `never = first == 0`, which no slice has.
    fn never(&mut self) {
        let Some(cuts) = self.globals.cuts else { return };
        let (first, one, zero) = (self.slice(1), self.build.word(1), self.build.word(0));
        let condition = self.build.binary(BinaryOperator::Equal, first, zero);
        let value = self.build.emit(Expression::Select { condition, accept: one, reject: zero });
        let pointer = self.build.global(cuts.never);
        self.build.push(Statement::Store { pointer, value });
    }

    /// Calls the shader's own code with its arguments.
    fn call(&mut self, function: Handle<Function>) {
        let count = self.build.function.arguments.len();
        let mut arguments = Vec::with_capacity(count);
        for index in 0..count {
            let argument = self.build.function.arguments[index].clone();
            let builtins = bindings(&self.module.types, &argument);
            let whole = self.argument(index);
            arguments.push(match (&self.module.types[argument.ty].inner, argument.binding.is_none()) {
                (TypeInner::Struct { .. }, true) => {
                    let mut components = Vec::with_capacity(builtins.len());
                    for (member, builtin) in (0..).zip(&builtins) {
                        let value = self.build.emit(Expression::AccessIndex { base: whole, index: member });
                        components.push(self.place(value, *builtin));
                    }
                    self.build.emit(Expression::Compose { ty: argument.ty, components })
                }
                _ => self.place(whole, builtins.first().copied().flatten()),
            });
        }
        self.build.push(Statement::Call { function, arguments, result: None });
    }

    fn argument(&mut self, index: usize) -> Handle<Expression> {
        self.build.name(Expression::FunctionArgument(u32::try_from(index).expect("few arguments")))
    }

    /// The value that an input has in the whole dispatch.
    fn place(&mut self, value: Handle<Expression>, builtin: Option<BuiltIn>) -> Handle<Expression> {
        let Some(builtin) = builtin else { return value };
        match builtin {
            BuiltIn::NumWorkGroups => self.slice(2),
            BuiltIn::WorkGroupId => {
                let base = self.slice(0);
                self.build.binary(BinaryOperator::Add, value, base)
            }
            BuiltIn::GlobalInvocationId => {
                let base = self.slice(0);
                let components = self.size.map(|size| self.build.word(size)).to_vec();
                let size = self.build.emit(Expression::Compose { ty: self.globals.vec3_type, components });
                let offset = self.build.binary(BinaryOperator::Multiply, base, size);
                self.build.binary(BinaryOperator::Add, value, offset)
            }
            _ => value,
        }
    }

    fn slice(&mut self, index: u32) -> Handle<Expression> {
        let base = self.build.global(self.slice);
        let pointer = self.build.emit(Expression::AccessIndex { base, index });
        self.build.load(pointer)
    }

    /// A built-in value, from the shader's own arguments or from a new one.
    fn builtin(&mut self, wanted: BuiltIn, ty: Handle<Type>) -> Handle<Expression> {
        for index in 0..self.build.function.arguments.len() {
            let argument = self.build.function.arguments[index].clone();
            let builtins = bindings(&self.module.types, &argument);
            let Some(member) = builtins.iter().position(|builtin| *builtin == Some(wanted)) else { continue };
            let whole = self.argument(index);
            if argument.binding.is_some() {
                return whole;
            }
            let index = u32::try_from(member).expect("few members");
            return self.build.emit(Expression::AccessIndex { base: whole, index });
        }
        let index = self.build.function.arguments.len();
        let binding = Some(Binding::BuiltIn(wanted));
        self.build.function.arguments.push(FunctionArgument { name: None, ty, binding });
        self.argument(index)
    }

    /// Writes what the loops took: `meter[first + place] = taken`.
    fn report(&mut self, meter: Handle<GlobalVariable>) {
        let (u32_type, vec3_type) = (self.globals.u32_type, self.globals.vec3_type);
        let index = self.builtin(BuiltIn::LocalInvocationIndex, u32_type);
        // Of the slice, as the device counts.
        let group = self.builtin(BuiltIn::WorkGroupId, vec3_type);
        let groups = self.builtin(BuiltIn::NumWorkGroups, vec3_type);
        let mut place = self.linear(group, groups);
        if self.globals.own.is_some() {
            let size = self.build.word(self.size.iter().product());
            place = self.build.binary(BinaryOperator::Multiply, place, size);
            place = self.build.binary(BinaryOperator::Add, place, index);
        }
        let first = self.slice(1);
        let mut word = self.build.binary(BinaryOperator::Add, first, place);
        let mut taken = self.build.word(0);
        for counter in [self.globals.uniform, self.globals.own].into_iter().flatten() {
            let used = self.used(counter);
            taken = self.build.binary(BinaryOperator::Add, taken, used);
        }
        let zero = self.build.word(0);
        let mut writes = None;
        if self.globals.own.is_none() {
            writes = Some(self.build.binary(BinaryOperator::Equal, index, zero));
        }
        if let Some(cuts) = self.globals.cuts {
            let pointer = self.build.global(cuts.cut);
            let value = self.build.load(pointer);
            let is_cut = self.build.binary(BinaryOperator::NotEqual, value, zero);
            let flag = self.build.word(CUT);
            // All who write to word 0 write the same.
            word = self.build.emit(Expression::Select { condition: is_cut, accept: zero, reject: word });
            taken = self.build.emit(Expression::Select { condition: is_cut, accept: flag, reject: taken });
            writes = writes.map(|first| self.build.binary(BinaryOperator::LogicalOr, first, is_cut));
        }
        let store = |build: &mut Build<'_>| {
            let base = build.global(meter);
            let pointer = build.emit(Expression::Access { base, index: word });
            build.push(Statement::Store { pointer, value: taken });
        };
        match writes {
            Some(condition) => self.build.when(condition, store),
            None => store(&mut self.build),
        }
    }

    /// Number of a workgroup among `groups`.
    fn linear(&mut self, group: Handle<Expression>, groups: Handle<Expression>) -> Handle<Expression> {
        let mut at = |base, index| self.build.emit(Expression::AccessIndex { base, index });
        let [x, y, z] = [0, 1, 2].map(|index| at(group, index));
        let [row, rows] = [0, 1].map(|index| at(groups, index));
        let layers = self.build.binary(BinaryOperator::Multiply, z, rows);
        let sum = self.build.binary(BinaryOperator::Add, y, layers);
        let before = self.build.binary(BinaryOperator::Multiply, sum, row);
        self.build.binary(BinaryOperator::Add, x, before)
    }

    /// What was taken from a counter, with a mark if it is empty.
    fn used(&mut self, counter: Handle<GlobalVariable>) -> Handle<Expression> {
        let pointer = self.build.global(counter);
        let left = self.build.load(pointer);
        let (cap, zero, mark) = (self.build.word(CAP), self.build.word(0), self.build.word(EXHAUSTED));
        let used = self.build.binary(BinaryOperator::Subtract, cap, left);
        let empty = self.build.binary(BinaryOperator::Equal, left, zero);
        self.build.emit(Expression::Select { condition: empty, accept: mark, reject: used })
    }
}
