//! Upper bounds of integers, so that an index that cannot be out of bounds is not looked at.
//!
//! Bits count as `u32`. What is not understood has no bound. Arguments have the largest bound of all calls.

use naga::{
    BinaryOperator as Op, Binding, BuiltIn, Expression, Function, Handle, Literal, MathFunction, Module,
    ScalarKind, Statement, SwizzleComponent, TypeInner,
};

/// The largest that each component may be; a scalar is all four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exact) struct Bound([u32; 4]);

/// What a signed number has in common with an unsigned one.
const POSITIVE: u32 = i32::MAX as u32;

impl Bound {
    const NONE: Bound = Bound([u32::MAX; 4]);

    fn of(value: u32) -> Self {
        Bound([value; 4])
    }

    /// Whether a scalar is below a length.
    pub(in crate::exact) fn is_below(self, length: u32) -> bool {
        self.0[0] < length
    }

    fn with(self, other: Bound, each: impl Fn(u32, u32) -> u32) -> Bound {
        let mut found = self.0;
        for (a, b) in found.iter_mut().zip(other.0) {
            *a = each(*a, b);
        }
        Bound(found)
    }
}

/// Bounds of all expressions.
pub(in crate::exact) struct Bounds {
    pub(in crate::exact) functions: Vec<Vec<Bound>>,
    pub(in crate::exact) entry: Vec<Bound>,
}

pub(in crate::exact) fn bounds(module: &Module) -> Bounds {
    // What the calls hand to each function.
    let mut handed: Vec<Vec<Option<Bound>>> =
        module.functions.iter().map(|(_, function)| vec![None; function.arguments.len()]).collect();
    let mut entry = Vec::new();
    for point in &module.entry_points {
        let arguments = point.function.arguments.iter().map(|argument| match argument.binding {
            Some(Binding::BuiltIn(builtin)) => builtin_bound(builtin, point.workgroup_size),
            _ => Bound::NONE,
        });
        let arguments: Vec<Bound> = arguments.collect();
        entry = of(module, &point.function, &arguments);
        hand(&point.function.body, &entry, &mut handed);
    }
    let mut functions = vec![Vec::new(); module.functions.len()];
    // Callers stand behind their callees.
    let all: Vec<_> = module.functions.iter().collect();
    for (handle, function) in all.into_iter().rev() {
        let arguments: Vec<Bound> =
            handed[handle.index()].iter().map(|bound| bound.unwrap_or(Bound::NONE)).collect();
        let known = of(module, function, &arguments);
        hand(&function.body, &known, &mut handed);
        functions[handle.index()] = known;
    }
    Bounds { functions, entry }
}

fn builtin_bound(builtin: BuiltIn, size: [u32; 3]) -> Bound {
    let [x, y, z] = size.map(|size| size.saturating_sub(1));
    match builtin {
        BuiltIn::LocalInvocationId => Bound([x, y, z, u32::MAX]),
        BuiltIn::LocalInvocationIndex => {
            let all = size.iter().fold(1_u32, |product, size| product.saturating_mul(*size));
            Bound::of(all.saturating_sub(1))
        }
        _ => Bound::NONE,
    }
}

/// Notes what a function's calls hand over.
fn hand(block: &[Statement], known: &[Bound], handed: &mut [Vec<Option<Bound>>]) {
    for statement in block {
        match statement {
            Statement::Call { function, arguments, .. } => {
                let Some(slots) = handed.get_mut(function.index()) else { continue };
                for (slot, argument) in slots.iter_mut().zip(arguments) {
                    let bound = known.get(argument.index()).copied().unwrap_or(Bound::NONE);
                    *slot = Some(slot.map_or(bound, |before| before.with(bound, u32::max)));
                }
            }
            Statement::Block(inner) => hand(inner, known, handed),
            Statement::If { accept, reject, .. } => {
                hand(accept, known, handed);
                hand(reject, known, handed);
            }
            Statement::Switch { cases, .. } => cases.iter().for_each(|case| hand(&case.body, known, handed)),
            Statement::Loop { body, continuing, .. } => {
                hand(body, known, handed);
                hand(continuing, known, handed);
            }
            _ => {}
        }
    }
}

fn of(module: &Module, function: &Function, arguments: &[Bound]) -> Vec<Bound> {
    let mut known: Vec<Bound> = Vec::with_capacity(function.expressions.len());
    for (_, expression) in function.expressions.iter() {
        let at = |handle: Handle<Expression>| known.get(handle.index()).copied().unwrap_or(Bound::NONE);
        let bound =
            match *expression {
                Expression::Literal(literal) => literal_bound(literal),
                Expression::Constant(constant) => {
                    match module.global_expressions[module.constants[constant].init] {
                        Expression::Literal(literal) => literal_bound(literal),
                        _ => Bound::NONE,
                    }
                }
                Expression::ZeroValue(ty) => match module.types[ty].inner {
                    TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. }
                        if scalar.kind != ScalarKind::Float =>
                    {
                        Bound::of(0)
                    }
                    _ => Bound::NONE,
                },
                Expression::FunctionArgument(index) => {
                    arguments.get(index as usize).copied().unwrap_or(Bound::NONE)
                }
                Expression::AccessIndex { base, index } => {
                    at(base).0.get(index as usize).map_or(Bound::NONE, |bound| Bound::of(*bound))
                }
                Expression::Splat { value, .. } => at(value),
                Expression::Swizzle { vector, pattern, .. } => {
                    let from = at(vector).0;
                    Bound(pattern.map(|component| match component {
                        SwizzleComponent::X => from[0],
                        SwizzleComponent::Y => from[1],
                        SwizzleComponent::Z => from[2],
                        SwizzleComponent::W => from[3],
                    }))
                }
                Expression::Compose { ty, ref components } => match module.types[ty].inner {
                    TypeInner::Vector { size, .. } if components.len() == size as usize => {
                        let mut bound = [u32::MAX; 4];
                        for (to, component) in bound.iter_mut().zip(components) {
                            *to = at(*component).0[0];
                        }
                        Bound(bound)
                    }
                    _ => Bound::NONE,
                },
                Expression::Binary { op, left, right } => {
                    binary(op, at(left), at(right), is_unsigned(module, function, right))
                }
                Expression::Select { accept, reject, .. } => at(accept).with(at(reject), u32::max),
                Expression::Math { fun: MathFunction::Min, arg, arg1: Some(other), .. } => {
                    let unsigned = is_unsigned(module, function, other) || is_unsigned(module, function, arg);
                    at(arg).with(at(other), |a, b| {
                        if unsigned || a.max(b) <= POSITIVE { a.min(b) } else { u32::MAX }
                    })
                }
                Expression::Math { fun: MathFunction::Clamp, arg1: Some(low), arg2: Some(high), .. } => {
                    at(low).with(at(high), |a, b| if a.max(b) <= POSITIVE { b } else { u32::MAX })
                }
                Expression::As { expr, kind: ScalarKind::Sint | ScalarKind::Uint, .. } => at(expr),
                _ => Bound::NONE,
            };
        known.push(bound);
    }
    known
}

fn literal_bound(literal: Literal) -> Bound {
    match literal {
        Literal::U32(value) => Bound::of(value),
        Literal::I32(value) => u32::try_from(value).map_or(Bound::NONE, Bound::of),
        _ => Bound::NONE,
    }
}

/// Whether an operand is a number that is stated, and unsigned.
fn is_unsigned(module: &Module, function: &Function, handle: Handle<Expression>) -> bool {
    let literal = match function.expressions[handle] {
        Expression::Constant(constant) => &module.global_expressions[module.constants[constant].init],
        Expression::Splat { value, .. } => &function.expressions[value],
        ref other => other,
    };
    matches!(literal, Expression::Literal(Literal::U32(_)))
}

fn binary(op: Op, left: Bound, right: Bound, unsigned: bool) -> Bound {
    left.with(right, |a, b| match op {
        Op::And => a.min(b),
        Op::InclusiveOr | Op::ExclusiveOr => (a | b)
            .checked_add(1)
            .and_then(u32::checked_next_power_of_two)
            .map_or(u32::MAX, |above| above - 1),
        Op::Add => a.saturating_add(b),
        Op::Multiply => a.saturating_mul(b),
        // Division by 0 gives the number itself.
        Op::Divide if a.max(b) <= POSITIVE => a,
        // The remainder by 0 is 0.
        Op::Modulo if unsigned || a.max(b) <= POSITIVE => b.saturating_sub(1),
        _ => u32::MAX,
    })
}
