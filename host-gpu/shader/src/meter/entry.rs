//! Wraps the entry point: the slice's place comes in, the gas goes out.

use super::build::{self, Build, Globals};
use super::{CAP, FLAG_CUT, FLAG_EXHAUSTED, SLOTS};
use naga::{
    AtomicFunction, BinaryOperator, Binding, BuiltIn, Expression, Function, FunctionArgument, GlobalVariable,
    Handle, Literal, Module, Span, Statement, Type, TypeInner,
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
    let slice = places.then(|| build::slice(module, globals.vec3_type));
    let mut outer = Function { arguments, ..Function::default() };
    let mut wrap = Wrap { module, globals, slice, size, build: Build::new(&mut outer) };
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
    places
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
    slice: Option<Handle<GlobalVariable>>,
    size: [u32; 3],
    build: Build<'f>,
}

impl Wrap<'_> {
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
        let (Some(slice), Some(builtin)) = (self.slice, builtin) else { return value };
        match builtin {
            BuiltIn::NumWorkGroups => self.slice_word(slice, 1),
            BuiltIn::WorkGroupId => {
                let base = self.slice_word(slice, 0);
                self.build.binary(BinaryOperator::Add, value, base)
            }
            BuiltIn::GlobalInvocationId => {
                let base = self.slice_word(slice, 0);
                let components = self.size.map(|size| self.build.word(size)).to_vec();
                let size = self.build.emit(Expression::Compose { ty: self.globals.vec3_type, components });
                let offset = self.build.binary(BinaryOperator::Multiply, base, size);
                self.build.binary(BinaryOperator::Add, value, offset)
            }
            _ => value,
        }
    }

    fn slice_word(&mut self, slice: Handle<GlobalVariable>, index: u32) -> Handle<Expression> {
        let base = self.build.global(slice);
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

    /// Adds to the sums what the loops took.
    fn report(&mut self, meter: Handle<GlobalVariable>) {
        let group = self.builtin(BuiltIn::WorkGroupId, self.globals.vec3_type);
        let first = self.first(group);
        let mut emptied = Vec::new();
        if let Some(counter) = self.globals.own {
            let (used, empty) = self.used(counter);
            emptied.push(empty);
            let zero = self.build.word(0);
            let any = self.build.binary(BinaryOperator::NotEqual, used, zero);
            self.build.when(any, |build| add(build, meter, self.globals.u32_type, first, used));
        }
        if let Some(counter) = self.globals.uniform {
            let (used, empty) = self.used(counter);
            emptied.push(empty);
            let index = self.builtin(BuiltIn::LocalInvocationIndex, self.globals.u32_type);
            let zero = self.build.word(0);
            let one_of_all = self.build.binary(BinaryOperator::Equal, index, zero);
            // At most 256 × CAP: one word.
            let invocations = self.build.word(self.size.iter().product());
            self.build.when(one_of_all, |build| {
                let all = build.binary(BinaryOperator::Multiply, used, invocations);
                add(build, meter, self.globals.u32_type, first, all);
            });
        }
        for empty in emptied {
            self.build.when(empty, |build| flag(build, meter, FLAG_EXHAUSTED));
        }
        if let Some(cut) = self.globals.cut {
            let pointer = self.build.global(cut);
            let value = self.build.load(pointer);
            let zero = self.build.word(0);
            let any = self.build.binary(BinaryOperator::NotEqual, value, zero);
            self.build.when(any, |build| flag(build, meter, FLAG_CUT));
        }
    }

    /// Index of the low word of this workgroup's sum. Any workgroup may share it; only contention depends on it.
    fn first(&mut self, group: Handle<Expression>) -> Handle<Expression> {
        let mut sum = None;
        for index in 0..3 {
            let part = self.build.emit(Expression::AccessIndex { base: group, index });
            sum = Some(sum.map_or(part, |sum| self.build.binary(BinaryOperator::Add, sum, part)));
        }
        let sum = sum.expect("three components");
        let mask = self.build.word(SLOTS - 1);
        let slot = self.build.binary(BinaryOperator::And, sum, mask);
        let two = self.build.word(2);
        self.build.binary(BinaryOperator::Multiply, slot, two)
    }

    /// What was taken from a counter, and whether it is empty.
    fn used(&mut self, counter: Handle<GlobalVariable>) -> (Handle<Expression>, Handle<Expression>) {
        let pointer = self.build.global(counter);
        let left = self.build.load(pointer);
        let cap = self.build.word(CAP);
        let zero = self.build.word(0);
        let used = self.build.binary(BinaryOperator::Subtract, cap, left);
        let empty = self.build.binary(BinaryOperator::Equal, left, zero);
        (used, empty)
    }
}

/// Adds to a sum of two words, the low one first. The carry commutes too: whoever passes 2³² adds it.
fn add(
    build: &mut Build<'_>,
    meter: Handle<GlobalVariable>,
    ty: Handle<Type>,
    first: Handle<Expression>,
    value: Handle<Expression>,
) {
    let base = build.global(meter);
    let sums = build.emit(Expression::AccessIndex { base, index: 1 });
    let low = build.emit(Expression::Access { base: sums, index: first });
    let before = build.name(Expression::AtomicResult { ty, comparison: false });
    let fun = AtomicFunction::Add;
    build.push(Statement::Atomic { pointer: low, fun, value, result: Some(before) });
    let after = build.binary(BinaryOperator::Add, before, value);
    let carry = build.binary(BinaryOperator::Less, after, before);
    build.when(carry, |build| {
        let one = build.word(1);
        let second = build.binary(BinaryOperator::Add, first, one);
        let high = build.emit(Expression::Access { base: sums, index: second });
        build.push(Statement::Atomic { pointer: high, fun, value: one, result: None });
    });
}

fn flag(build: &mut Build<'_>, meter: Handle<GlobalVariable>, bit: u32) {
    let base = build.global(meter);
    let pointer = build.emit(Expression::AccessIndex { base, index: 0 });
    let value = build.name(Expression::Literal(Literal::U32(bit)));
    build.push(Statement::Atomic { pointer, fun: AtomicFunction::InclusiveOr, value, result: None });
}
