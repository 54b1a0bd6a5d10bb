//! Whether values are uniform.

use super::place::{Places, Root, pointed};
use super::{Analysis, Body, UNIFORM, Why, join};
use crate::measure;
use naga::{
    AddressSpace, Binding, BuiltIn, Expression, Function, GlobalVariable, Handle, ImageQuery, Module, Span,
    StorageAccess, TypeInner,
};

/// The built-in values that are the same in a whole workgroup.
fn is_uniform(binding: Option<&Binding>) -> bool {
    matches!(
        binding,
        Some(Binding::BuiltIn(BuiltIn::WorkGroupId | BuiltIn::NumWorkGroups | BuiltIn::WorkGroupSize))
    )
}

/// What may differ between invocations. Put into words only for a refusal.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Input(Option<BuiltIn>),
    Global(Handle<GlobalVariable>),
    Pointed,
    Atomic,
    Texture,
    Call,
    Apart,
    Unknown,
}

impl What {
    pub(super) fn words(self, module: &Module) -> String {
        let builtin = match self {
            What::Input(Some(BuiltIn::LocalInvocationId)) => "local_invocation_id",
            What::Input(Some(BuiltIn::LocalInvocationIndex)) => "local_invocation_index",
            What::Input(Some(BuiltIn::GlobalInvocationId)) => "global_invocation_id",
            What::Input(_) => return "an input of the entry point".to_owned(),
            What::Pointed => return "a load from a variable of module scope".to_owned(),
            What::Atomic => return "the result of an atomic operation".to_owned(),
            What::Texture => return "a load from a texture that the shader may write".to_owned(),
            What::Call => return "the result of a call".to_owned(),
            What::Apart => return "a loop that invocations share in one call and not in another".to_owned(),
            What::Unknown => return "an operation whose uniformity is not known".to_owned(),
            What::Global(variable) => {
                let known = &module.global_variables[variable];
                let kind = match known.space {
                    AddressSpace::WorkGroup => "workgroup",
                    AddressSpace::Private => "private",
                    _ => "writable storage",
                };
                return format!("a load from the {kind} variable '{}'", short(known.name.as_deref()));
            }
        };
        format!("built-in value {builtin}")
    }
}

/// What a name in an error is cut to.
const LONGEST_NAME: usize = 60;

fn short(name: Option<&str>) -> String {
    name.unwrap_or("of no name").chars().take(LONGEST_NAME).collect()
}

impl Analysis<'_> {
    /// Reasons of an entry point's arguments.
    pub(super) fn inputs(&mut self, function: &Function) -> Vec<Why> {
        let mut found = Vec::with_capacity(function.arguments.len());
        for (index, argument) in function.arguments.iter().enumerate() {
            let expression = function.expressions.iter().find(|(_, expression)| {
                matches!(expression, Expression::FunctionArgument(at) if *at as usize == index)
            });
            let span =
                expression.map_or(Span::UNDEFINED, |(handle, _)| function.expressions.get_span(handle));
            let binding = match &self.module.types[argument.ty].inner {
                TypeInner::Struct { members, .. } => {
                    members.iter().map(|member| member.binding.as_ref()).find(|binding| !is_uniform(*binding))
                }
                _ => Some(argument.binding.as_ref()).filter(|binding| !is_uniform(*binding)),
            };
            let why = match binding {
                Some(binding) => {
                    let builtin = match binding {
                        Some(Binding::BuiltIn(builtin)) => Some(*builtin),
                        _ => None,
                    };
                    self.origin(index, span, What::Input(builtin))
                }
                None => UNIFORM,
            };
            found.push(why);
        }
        found
    }

    /// The reason of one expression, given those of the expressions before it. `contents` are the reasons of the
    /// function's variables and then of what its arguments point at.
    pub(super) fn value(
        &mut self,
        body: Body,
        function: &Function,
        places: &Places,
        handle: Handle<Expression>,
        values: &[Why],
        contents: &[Why],
    ) -> Why {
        let span = function.expressions.get_span(handle);
        let of = |handle: Handle<Expression>| values.get(handle.index()).copied().unwrap_or(UNIFORM);
        match function.expressions[handle] {
            Expression::Load { pointer } => {
                let place = of(pointer);
                let inside = match places.root(pointer) {
                    Root::Local(index) => contents[index],
                    Root::Argument(index) => {
                        let space = function
                            .arguments
                            .get(index)
                            .and_then(|argument| pointed(self.module, argument.ty));
                        match space {
                            Some(AddressSpace::Function) => contents[function.local_variables.len() + index],
                            Some(space) if !may_differ(space) => UNIFORM,
                            _ => self.origin(handle.index(), span, What::Pointed),
                        }
                    }
                    Root::Global(variable) => self.global(variable, handle.index(), span),
                    Root::None => UNIFORM,
                };
                join(place, inside)
            }
            Expression::AccessIndex { base, index } => {
                if matches!(body, Body::Entry(_))
                    && let Expression::FunctionArgument(argument) = function.expressions[base]
                    && member_is_uniform(self.module, function, argument, index)
                {
                    return UNIFORM;
                }
                of(base)
            }
            // Set when their statement is reached.
            Expression::FunctionArgument(_)
            | Expression::CallResult(_)
            | Expression::AtomicResult { .. }
            | Expression::WorkGroupUniformLoadResult { .. } => of(handle),
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::Override(_)
            | Expression::ZeroValue(_)
            | Expression::GlobalVariable(_)
            | Expression::LocalVariable(_) => UNIFORM,
            Expression::Compose { ref components, .. } => {
                components.iter().fold(UNIFORM, |why, component| join(why, of(*component)))
            }
            Expression::Access { base, index } => join(of(base), of(index)),
            Expression::Splat { value, .. } => of(value),
            Expression::Swizzle { vector, .. } => of(vector),
            Expression::Unary { expr, .. } | Expression::As { expr, .. } => of(expr),
            Expression::Binary { left, right, .. } => join(of(left), of(right)),
            Expression::Select { condition, accept, reject } => {
                join(of(condition), join(of(accept), of(reject)))
            }
            Expression::Relational { argument, .. } => of(argument),
            Expression::ArrayLength(array) => of(array),
            Expression::Math { arg, arg1, arg2, arg3, .. } => {
                [arg1, arg2, arg3].into_iter().flatten().fold(of(arg), |why, arg| join(why, of(arg)))
            }
            Expression::ImageLoad { image, coordinate, array_index, sample: None, level: None } => {
                let place = join(of(coordinate), array_index.map_or(UNIFORM, of));
                let inside = if is_written(self.module, function, image) {
                    self.origin(handle.index(), span, What::Texture)
                } else {
                    UNIFORM
                };
                join(place, inside)
            }
            // The size of a storage texture, which has one level.
            Expression::ImageQuery {
                query: ImageQuery::Size { level: None } | ImageQuery::NumLayers,
                ..
            } => UNIFORM,
            // Sampled images, subgroups, rays: not offered.
            _ => self.origin(handle.index(), span, What::Unknown),
        }
    }

    fn global(&mut self, variable: Handle<GlobalVariable>, expression: usize, span: Span) -> Why {
        let known = &self.module.global_variables[variable];
        if !may_differ(known.space) {
            return UNIFORM;
        }
        self.origin(expression, span, What::Global(variable))
    }
}

/// Whether the shader may write the texture that an expression names.
fn is_written(module: &Module, function: &Function, image: Handle<Expression>) -> bool {
    measure::texture(module, function, image).is_none_or(|(_, access)| access.contains(StorageAccess::STORE))
}

/// Whether two invocations may load different values from one place.
fn may_differ(space: AddressSpace) -> bool {
    match space {
        AddressSpace::Uniform | AddressSpace::Immediate => false,
        AddressSpace::Storage { access } => access.contains(StorageAccess::STORE),
        _ => true,
    }
}

/// Whether a member of a struct of built-in values is uniform, whatever the other members are.
fn member_is_uniform(module: &Module, function: &Function, argument: u32, member: u32) -> bool {
    let Some(argument) = function.arguments.get(argument as usize) else { return false };
    match &module.types[argument.ty].inner {
        TypeInner::Struct { members, .. } => {
            members.get(member as usize).is_some_and(|member| is_uniform(member.binding.as_ref()))
        }
        _ => false,
    }
}
