//! What a lowered module must not have.

use super::Native;
use super::lower::{bound, library};
use naga::front::Typifier;
use naga::proc::ResolveContext;
use naga::{
    AddressSpace, AtomicFunction, BinaryOperator as Op, Block, Expression, Function, Handle, ImageClass,
    Literal, MathFunction as F, Module, ScalarKind, Statement, StorageFormat, TypeInner,
};
use std::collections::BTreeSet;

/// Lists what in a lowered module is not exact by itself, nor what `native` names; nothing, if [`lower`](super::lower()) has done its work.
pub fn verify(module: &Module, native: &Native) -> Vec<String> {
    let mut found = Vec::new();
    for (_, ty) in module.types.iter() {
        if let Some(problem) = wrong_type(&ty.inner) {
            found.push(format!("type {}: {problem}", ty.name.as_deref().unwrap_or("without a name")));
        }
    }
    for (_, variable) in module.global_variables.iter() {
        if let TypeInner::Image { class: ImageClass::Storage { format, .. }, .. } =
            module.types[variable.ty].inner
            && !KEPT.contains(&format)
        {
            found.push(format!("a texture of the format {format:?}"));
        }
    }
    let bounds = bound::bounds(module);
    let sizes = super::sizes(&module.types);
    let names: BTreeSet<&str> = library::library()
        .into_iter()
        .flat_map(|library| library.functions.iter())
        .filter_map(|(_, function)| function.name.as_deref())
        .collect();
    let entries = module.entry_points.iter().map(|entry| (&entry.function, &bounds.entry));
    let functions =
        module.functions.iter().map(|(handle, function)| (function, &bounds.functions[handle.index()]));
    for (function, bounds) in functions.chain(entries) {
        let name = function.name.as_deref().unwrap_or("without a name");
        let library = names.contains(name);
        match Walk::new(module, function, *native, (bounds, &sizes), library) {
            Ok(mut walk) => {
                walk.expressions();
                walk.block(&function.body);
                found.extend(walk.found.into_iter().map(|problem| format!("function {name}: {problem}")));
            }
            Err(error) => found.push(format!("function {name}: {error}")),
        }
    }
    found
}

/// The formats whose bits no device changes.
const KEPT: [StorageFormat; 3] = [StorageFormat::R32Uint, StorageFormat::Rg32Uint, StorageFormat::Rgba32Uint];

fn wrong_type(inner: &TypeInner) -> Option<&'static str> {
    match inner {
        TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } | TypeInner::Matrix { scalar, .. } => {
            (scalar.kind != ScalarKind::Bool && scalar.width != 4).then_some("not of 32 bits")
        }
        TypeInner::Atomic(scalar) => {
            (scalar.kind == ScalarKind::Float || scalar.width != 4).then_some("an atomic float")
        }
        TypeInner::Array { .. }
        | TypeInner::Struct { .. }
        | TypeInner::Pointer { .. }
        | TypeInner::ValuePointer { .. } => None,
        TypeInner::Image { class: ImageClass::Storage { .. }, .. } => None,
        _ => Some("nothing that exact shaders have"),
    }
}

struct Walk<'m> {
    module: &'m Module,
    function: &'m Function,
    native: Native,
    library: bool,
    bounds: &'m [bound::Bound],
    sizes: &'m [super::Size],
    types: Typifier,
    found: Vec<String>,
}

impl<'m> Walk<'m> {
    fn new(
        module: &'m Module,
        function: &'m Function,
        native: Native,
        (bounds, sizes): (&'m [bound::Bound], &'m [super::Size]),
        library: bool,
    ) -> Result<Self, String> {
        let context = ResolveContext::with_locals(module, &function.local_variables, &function.arguments);
        let mut types = Typifier::new();
        for (handle, _) in function.expressions.iter() {
            types.grow(handle, &function.expressions, &context).map_err(|error| error.to_string())?;
        }
        Ok(Walk { module, function, native, library, bounds, sizes, types, found: Vec::new() })
    }

    fn inner(&self, handle: Handle<Expression>) -> &TypeInner {
        self.types[handle].inner_with(&self.module.types)
    }

    fn is_float(&self, handle: Handle<Expression>) -> bool {
        self.inner(handle).scalar_kind() == Some(ScalarKind::Float)
    }

    fn expressions(&mut self) {
        for (handle, expression) in self.function.expressions.iter() {
            if let Some(problem) = self.wrong(expression) {
                self.found.push(format!("expression {}: {problem}", handle.index()));
            }
        }
    }

    fn wrong(&self, expression: &Expression) -> Option<String> {
        match *expression {
            Expression::Binary { op, left, right } => self.wrong_operator(op, left, right),
            Expression::Math { fun, arg, .. } => {
                let allowed = match fun {
                    F::Abs | F::Ceil | F::Floor | F::Trunc | F::Round => true,
                    F::Sqrt => self.native.sqrt,
                    F::Min | F::Max if self.is_float(arg) => self.native.min_max,
                    F::Clamp => false,
                    _ => !self.is_float(arg) && !is_float_function(fun),
                };
                (!allowed).then(|| format!("{fun:?}"))
            }
            Expression::As { expr, kind: ScalarKind::Sint | ScalarKind::Uint, convert: Some(_) } => {
                (self.is_float(expr) && !self.native.conversions && !self.library)
                    .then(|| "a conversion to an integer".to_owned())
            }
            Expression::Access { base, index } => self.wrong_index(base, index),
            Expression::AccessIndex { base, index } => {
                let runtime = self.is_runtime(base);
                (runtime && index > 0 && !self.native.bounds).then(|| "an index without a check".to_owned())
            }
            Expression::Relational { fun, .. } => {
                use naga::RelationalFunction as R;
                (!matches!(fun, R::All | R::Any)).then(|| format!("{fun:?}"))
            }
            Expression::ImageLoad { coordinate, array_index, .. } => {
                self.wrong_texel([Some(coordinate), array_index])
            }
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::ZeroValue(_)
            | Expression::ImageQuery { .. }
            | Expression::Compose { .. }
            | Expression::Splat { .. }
            | Expression::Swizzle { .. }
            | Expression::FunctionArgument(_)
            | Expression::GlobalVariable(_)
            | Expression::LocalVariable(_)
            | Expression::Load { .. }
            | Expression::Unary { .. }
            | Expression::Select { .. }
            | Expression::As { .. }
            | Expression::CallResult(_)
            | Expression::AtomicResult { .. }
            | Expression::WorkGroupUniformLoadResult { .. }
            | Expression::ArrayLength(_) => None,
            _ => Some("an expression that exact shaders do not have".to_owned()),
        }
    }

    fn wrong_operator(&self, op: Op, left: Handle<Expression>, right: Handle<Expression>) -> Option<String> {
        let matrix = |handle| matches!(self.inner(handle), TypeInner::Matrix { .. });
        if matrix(left) || matrix(right) {
            return Some("an operator on matrices".to_owned());
        }
        match op {
            Op::ShiftLeft | Op::ShiftRight if !self.native.shifts && !self.library => {
                (!self.is_masked(right)).then(|| "a shift by any amount".to_owned())
            }
            _ if !self.is_float(left) => None,
            Op::Divide if !self.native.divide => Some("a quotient".to_owned()),
            Op::Modulo => Some("a remainder".to_owned()),
            Op::NotEqual => Some("a comparison that naga writes in its own way".to_owned()),
            Op::Add | Op::Subtract | Op::Multiply if !self.native.zeros => {
                let zero = self.is_zero(left) || self.is_zero(right);
                let stated = self.is_stated(left) && self.is_stated(right);
                (zero || stated).then(|| "constants that a driver may compute".to_owned())
            }
            _ => None,
        }
    }

    fn splatted(&self, handle: Handle<Expression>) -> &Expression {
        match self.function.expressions[handle] {
            Expression::Splat { value, .. } => &self.function.expressions[value],
            ref other => other,
        }
    }

    fn is_masked(&self, amount: Handle<Expression>) -> bool {
        match *self.splatted(amount) {
            Expression::Literal(Literal::U32(0..32)) => true,
            Expression::Binary { op: Op::And, right, .. } => {
                matches!(self.splatted(right), Expression::Literal(Literal::U32(31)))
            }
            _ => false,
        }
    }

    fn is_zero(&self, handle: Handle<Expression>) -> bool {
        match *self.splatted(handle) {
            Expression::Literal(Literal::F32(value)) => value == 0.0,
            Expression::ZeroValue(_) => true,
            Expression::Compose { ref components, .. } => {
                components.iter().any(|component| self.is_zero(*component))
            }
            _ => false,
        }
    }

    fn is_stated(&self, handle: Handle<Expression>) -> bool {
        matches!(self.splatted(handle), Expression::Literal(_) | Expression::Constant(_))
    }

    fn is_runtime(&self, base: Handle<Expression>) -> bool {
        let TypeInner::Pointer { base, .. } = *self.inner(base) else { return false };
        matches!(self.module.types[base].inner, TypeInner::Array { size: naga::ArraySize::Dynamic, .. })
    }

    fn wrong_index(&self, base: Handle<Expression>, index: Handle<Expression>) -> Option<String> {
        if self.native.bounds || self.library {
            return None;
        }
        let shared = !matches!(
            self.inner(base).pointer_space(),
            None | Some(AddressSpace::Function | AddressSpace::Private)
        );
        let checked = match self.function.expressions[index] {
            Expression::Select { .. } => shared,
            Expression::Math { fun: F::Min, .. } => !shared,
            _ => false,
        };
        let inner = match *self.inner(base) {
            TypeInner::Pointer { base, .. } => &self.module.types[base].inner,
            ref other => other,
        };
        let length = match *inner {
            TypeInner::Array { size: naga::ArraySize::Constant(size), .. } => size.get(),
            TypeInner::Vector { size, .. } | TypeInner::ValuePointer { size: Some(size), .. } => size as u32,
            TypeInner::Matrix { columns, .. } => columns as u32,
            _ => 0,
        };
        let below = self.bounds.get(index.index()).is_some_and(|bound| bound.is_below(length));
        (!checked && !below).then(|| "an index without a check".to_owned())
    }

    /// Whether places of a texel are chosen with their bounds in view.
    fn wrong_texel(&self, places: [Option<Handle<Expression>>; 2]) -> Option<String> {
        let mut places = places.into_iter().flatten();
        let chosen = |place| matches!(self.function.expressions[place], Expression::Select { .. });
        (!self.native.bounds && !places.all(chosen)).then(|| "a texel without a check".to_owned())
    }

    fn block(&mut self, block: &Block) {
        for statement in block {
            match *statement {
                Statement::Block(ref inner) => self.block(inner),
                Statement::If { ref accept, ref reject, .. } => {
                    self.block(accept);
                    self.block(reject);
                }
                Statement::Switch { ref cases, .. } => cases.iter().for_each(|case| self.block(&case.body)),
                Statement::Loop { ref body, ref continuing, .. } => {
                    self.block(body);
                    self.block(continuing);
                }
                Statement::Store { pointer, value } => self.store(pointer, value),
                Statement::ImageStore { coordinate, array_index, .. } => {
                    self.found.extend(self.wrong_texel([Some(coordinate), array_index]));
                }
                Statement::Atomic { fun: AtomicFunction::Exchange { .. }, .. } => {
                    self.found.push("an exchange of an atomic".to_owned());
                }
                Statement::Emit(_)
                | Statement::Break
                | Statement::Continue
                | Statement::Return { .. }
                | Statement::ControlBarrier(_)
                | Statement::Atomic { .. }
                | Statement::WorkGroupUniformLoad { .. }
                | Statement::Call { .. } => {}
                _ => self.found.push("a statement that exact shaders do not have".to_owned()),
            }
        }
    }

    fn store(&mut self, pointer: Handle<Expression>, value: Handle<Expression>) {
        let storage = matches!(self.inner(pointer).pointer_space(), Some(AddressSpace::Storage { .. }));
        if !storage || !self.has_floats(value) {
            return;
        }
        let canonical = match self.function.expressions[value] {
            Expression::Literal(_) | Expression::Constant(_) | Expression::ZeroValue(_) => true,
            Expression::As { expr, convert: None, .. } => {
                matches!(self.function.expressions[expr], Expression::Select { .. })
            }
            Expression::CallResult(function) => {
                self.module.functions[function].name.as_deref() == Some("fizz_canonical")
            }
            _ => false,
        };
        if !canonical {
            self.found.push(format!("expression {}: it is stored with any NaN", value.index()));
        }
    }

    fn has_floats(&self, value: Handle<Expression>) -> bool {
        super::lower::floats(self.module, &self.types[value], self.sizes) > 0
    }
}

/// Whether a function makes floats of integers.
fn is_float_function(fun: F) -> bool {
    matches!(
        fun,
        F::Unpack4x8snorm | F::Unpack4x8unorm | F::Unpack2x16snorm | F::Unpack2x16unorm | F::Unpack2x16float
    )
}
