//! Building naga IR: a block with its function, and the meter's own variables.

use super::{CAP, METER_GROUP, METER_WORDS, SLICE_BYTES};
use naga::{
    AddressSpace, ArraySize, BinaryOperator, Block, Expression, Function, GlobalVariable, Handle, Literal,
    MemoryDecorations, Module, ResourceBinding, Scalar, Span, Statement, StorageAccess, StructMember, Type,
    TypeInner, VectorSize,
};
use std::num::NonZeroU32;

/// The meter's variables, as far as the module needs them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Globals {
    /// What is left for uniform loops, and for others.
    pub(crate) uniform: Option<Handle<GlobalVariable>>,
    pub(crate) own: Option<Handle<GlobalVariable>>,
    /// For finding cut loops.
    pub(crate) cuts: Option<Cuts>,
    pub(crate) meter: Option<Handle<GlobalVariable>>,
    pub(crate) u32_type: Handle<Type>,
    pub(crate) vec3_type: Handle<Type>,
}

/// The variables that find out loops which the driver ends by itself.
///
/// Each time a loop is entered it gets a number, which its own breaks note; another number behind the loop means that no break of its own
/// ended it this time. So that a compiler cannot conclude what is noted there, each turn may also end at a condition that is never true, which
/// only the host knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cuts {
    /// 1 if a loop was cut.
    pub(crate) cut: Handle<GlobalVariable>,
    /// Loops entered so far.
    pub(crate) entered: Handle<GlobalVariable>,
    /// 0, from what the host says.
    pub(crate) never: Handle<GlobalVariable>,
}

impl Globals {
    pub(crate) fn add(module: &mut Module, uniform: bool, own: bool, cuts: bool) -> Self {
        let mut plain = |inner| module.types.insert(Type { name: None, inner }, Span::UNDEFINED);
        let u32_type = plain(TypeInner::Scalar(Scalar::U32));
        let vec3_type = plain(TypeInner::Vector { size: VectorSize::Tri, scalar: Scalar::U32 });
        let mut private = |wanted: bool, name: &str, start: u32| {
            wanted.then(|| {
                let init = module
                    .global_expressions
                    .append(Expression::Literal(Literal::U32(start)), Span::UNDEFINED);
                let variable = variable(name, AddressSpace::Private, u32_type);
                let variable = GlobalVariable { init: Some(init), ..variable };
                module.global_variables.append(variable, Span::UNDEFINED)
            })
        };
        let left_uniform = private(uniform, "fizz_left_uniform", CAP);
        let left_own = private(own, "fizz_left_own", CAP);
        let cut = private(cuts, "fizz_cut", 0);
        let entered = private(cuts, "fizz_entered", 0);
        let never = private(cuts, "fizz_never", 0);
        let meter = (uniform || own || cuts).then(|| meter(module, u32_type));
        let cuts = match (cut, entered, never) {
            (Some(cut), Some(entered), Some(never)) => Some(Cuts { cut, entered, never }),
            _ => None,
        };
        Globals { uniform: left_uniform, own: left_own, cuts, meter, u32_type, vec3_type }
    }
}

fn variable(name: &str, space: AddressSpace, ty: Handle<Type>) -> GlobalVariable {
    GlobalVariable {
        name: Some(name.to_owned()),
        space,
        binding: None,
        ty,
        init: None,
        memory_decorations: MemoryDecorations::empty(),
    }
}

fn member(name: &str, ty: Handle<Type>, offset: u32) -> StructMember {
    StructMember { name: Some(name.to_owned()), ty, binding: None, offset }
}

/// The buffer of what invocations or workgroups took.
fn meter(module: &mut Module, word: Handle<Type>) -> Handle<GlobalVariable> {
    let words = NonZeroU32::new(METER_WORDS).expect("there are words");
    let inner = TypeInner::Array { base: word, size: ArraySize::Constant(words), stride: 4 };
    let ty = module.types.insert(Type { name: None, inner }, Span::UNDEFINED);
    let space = AddressSpace::Storage { access: StorageAccess::LOAD | StorageAccess::STORE };
    let binding = Some(ResourceBinding { group: METER_GROUP, binding: 0 });
    let variable = GlobalVariable { binding, ..variable("fizz_meter", space, ty) };
    module.global_variables.append(variable, Span::UNDEFINED)
}

/// The immediates that say which slice it is.
pub(crate) fn slice(module: &mut Module, vec3: Handle<Type>, word: Handle<Type>) -> Handle<GlobalVariable> {
    // Nobody but the host knows that the last word is 0: see `exact`.
    let members = vec![
        member("base", vec3, 0),
        member("first", word, 12),
        member("counts", vec3, 16),
        member("zero", word, 28),
    ];
    let inner = TypeInner::Struct { members, span: SLICE_BYTES };
    let ty = module.types.insert(Type { name: Some("FizzSlice".to_owned()), inner }, Span::UNDEFINED);
    module.global_variables.append(variable("fizz_slice", AddressSpace::Immediate, ty), Span::UNDEFINED)
}

/// A block under construction in a function.
pub(crate) struct Build<'f> {
    pub(crate) function: &'f mut Function,
    pub(crate) block: Block,
}

impl<'f> Build<'f> {
    pub(crate) fn new(function: &'f mut Function) -> Self {
        Build { function, block: Block::new() }
    }

    /// An expression that needs no `Emit`.
    pub(crate) fn name(&mut self, expression: Expression) -> Handle<Expression> {
        self.function.expressions.append(expression, Span::UNDEFINED)
    }

    pub(crate) fn emit(&mut self, expression: Expression) -> Handle<Expression> {
        let before = self.function.expressions.len();
        let handle = self.name(expression);
        self.push(Statement::Emit(self.function.expressions.range_from(before)));
        handle
    }

    pub(crate) fn push(&mut self, statement: Statement) {
        self.block.push(statement, Span::UNDEFINED);
    }

    pub(crate) fn word(&mut self, value: u32) -> Handle<Expression> {
        self.name(Expression::Literal(Literal::U32(value)))
    }

    pub(crate) fn global(&mut self, variable: Handle<GlobalVariable>) -> Handle<Expression> {
        self.name(Expression::GlobalVariable(variable))
    }

    pub(crate) fn load(&mut self, pointer: Handle<Expression>) -> Handle<Expression> {
        self.emit(Expression::Load { pointer })
    }

    pub(crate) fn binary(
        &mut self,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Handle<Expression> {
        self.emit(Expression::Binary { op, left, right })
    }

    /// `if condition { inside }`.
    pub(crate) fn when(&mut self, condition: Handle<Expression>, inside: impl FnOnce(&mut Build<'_>)) {
        let mut build = Build::new(self.function);
        inside(&mut build);
        let accept = build.block;
        self.push(Statement::If { condition, accept, reject: Block::new() });
    }
}
