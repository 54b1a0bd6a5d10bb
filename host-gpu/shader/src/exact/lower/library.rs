//! Functions of the library.

use super::Lower;
use super::function::{Class, Rewriter, Shape, Value};
use super::opaque::shape_of;
use naga::valid::{ValidationFlags, Validator};
use naga::{BinaryOperator, Expression, Function, Handle, MathFunction, Module, Span, Statement};
use std::sync::OnceLock;

/// The library's WGSL.
const LIBRARY: &[&str] = &[
    include_str!("../library/arc.wgsl"),
    include_str!("../library/divide.wgsl"),
    include_str!("../library/exponential.wgsl"),
    include_str!("../library/half.wgsl"),
    include_str!("../library/hyperbolic.wgsl"),
    include_str!("../library/number.wgsl"),
    include_str!("../library/pack.wgsl"),
    super::super::ROOTS,
    include_str!("../library/sine.wgsl"),
];

/// The library: functions of scalars, each a fixed sequence of sums, products, comparisons and selections of `f32`, and of integers.
///
/// # Errors
/// None, unless its text is wrong, which tests would see.
pub fn library() -> Result<&'static Module, String> {
    static LIBRARY_MODULE: OnceLock<Result<Module, String>> = OnceLock::new();
    LIBRARY_MODULE
        .get_or_init(|| {
            let text = LIBRARY.join("\n");
            let module = naga::front::wgsl::parse_str(&text).map_err(|error| error.emit_to_string(&text))?;
            Validator::new(ValidationFlags::all(), crate::metered_capabilities())
                .validate(&module)
                .map_err(|error| error.emit_to_string(&text))?;
            Ok(module)
        })
        .as_ref()
        .map_err(Clone::clone)
}

impl Lower<'_> {
    /// A function of the library, with what it calls, in the result. How deep they call each other is fixed with the library.
    fn import(&mut self, name: &str) -> Result<Handle<Function>, String> {
        if let Some(function) = self.imported.get(name) {
            return Ok(*function);
        }
        let source = library()?;
        let mut all = source.functions.iter();
        let (_, old) = all
            .find(|(_, function)| function.name.as_deref() == Some(name))
            .ok_or_else(|| format!("the library has no function '{name}'"))?;
        // Types of the library are scalars and vectors.
        let argument_types: Vec<_> =
            old.arguments.iter().map(|argument| source.types[argument.ty].inner.clone()).collect();
        let result_type = old.result.as_ref().map(|result| source.types[result.ty].inner.clone());
        let variable_types: Vec<_> = old
            .local_variables
            .iter()
            .map(|(handle, variable)| (handle, source.types[variable.ty].inner.clone()))
            .collect();
        let mut write = Rewriter::new(self, source, old, &[])?;
        write.library = true;
        for (argument, inner) in argument_types.into_iter().enumerate() {
            write.new.arguments[argument].ty = write.lower.plain(inner);
        }
        if let Some(inner) = result_type {
            let ty = write.lower.plain(inner);
            if let Some(result) = &mut write.new.result {
                result.ty = ty;
            }
        }
        for (handle, inner) in variable_types {
            write.new.local_variables[handle].ty = write.lower.plain(inner);
        }
        let function = write.shader()?;
        let function = self.result.functions.append(function, Span::UNDEFINED);
        self.imported.insert(name.to_owned(), function);
        Ok(function)
    }
}

impl Rewriter<'_, '_, '_> {
    /// Calls a function of the library; a division or root that the device does as well, it does.
    pub(super) fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        match (name, arguments) {
            ("fizz_div", [left, right]) if self.lower.native.divide => {
                let op = BinaryOperator::Divide;
                let expression = Expression::Binary { op, left: *left, right: *right };
                return Ok(self.emit(expression, Shape::Scalar, Class::Opaque));
            }
            ("fizz_sqrt", [arg]) if self.lower.native.sqrt => {
                return Ok(self.native_sqrt(*arg));
            }
            ("fizz_min", [arg, other]) if self.lower.native.min_max => {
                return Ok(self.native_float(MathFunction::Min, *arg, Some(*other)));
            }
            ("fizz_max", [arg, other]) if self.lower.native.min_max => {
                return Ok(self.native_float(MathFunction::Max, *arg, Some(*other)));
            }
            _ => {}
        }
        let function = self.lower.import(name)?;
        let callee = &self.lower.result.functions[function];
        let result = callee.result.as_ref().ok_or("a function of the library gives nothing")?;
        let shape = shape_of(&self.lower.result.types[result.ty].inner);
        let value = self.name(Expression::CallResult(function), shape, Class::Opaque);
        self.push(Statement::Call { function, arguments: arguments.to_vec(), result: Some(value) });
        Ok(value)
    }

    /// The device's own root. Its compiler knows that roots are not negative, and forgets −0: it must not know that this is one.
    pub(super) fn native_sqrt(&mut self, arg: Value) -> Value {
        let root = self.native(MathFunction::Sqrt, arg, None);
        self.known[root.index()].class = Class::Constant;
        self.opaque(root)
    }

    fn native_float(&mut self, fun: MathFunction, arg: Value, other: Option<Value>) -> Value {
        let value = self.native(fun, arg, other);
        self.known[value.index()].class = Class::Opaque;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::library;
    use naga::front::Typifier;
    use naga::proc::ResolveContext;
    use naga::{BinaryOperator as Op, Expression, Literal, Module, ScalarKind, Statement};

    /// Every function that lowering asks for.
    const NAMES: [&str; 42] = [
        "fizz_div",
        "fizz_rem",
        "fizz_sqrt",
        "fizz_inverse_sqrt",
        "fizz_exp",
        "fizz_exp2",
        "fizz_log",
        "fizz_log2",
        "fizz_pow",
        "fizz_sin",
        "fizz_cos",
        "fizz_tan",
        "fizz_asin",
        "fizz_acos",
        "fizz_atan",
        "fizz_atan2",
        "fizz_sinh",
        "fizz_cosh",
        "fizz_tanh",
        "fizz_asinh",
        "fizz_acosh",
        "fizz_atanh",
        "fizz_min",
        "fizz_max",
        "fizz_fract",
        "fizz_sign",
        "fizz_ldexp",
        "fizz_frexp_fract",
        "fizz_frexp_exp",
        "fizz_f32_to_i32",
        "fizz_f32_to_u32",
        "fizz_f32_to_f16",
        "fizz_f16_to_f32",
        "fizz_to_snorm8",
        "fizz_to_unorm8",
        "fizz_to_snorm16",
        "fizz_to_unorm16",
        "fizz_from_snorm8",
        "fizz_from_unorm8",
        "fizz_from_snorm16",
        "fizz_from_unorm16",
        "fizz_quantize_to_f16",
    ];

    #[test]
    fn all_functions_are_there() {
        let module = library().expect("it parses");
        for name in NAMES {
            let mut all = module.functions.iter();
            assert!(all.any(|(_, function)| function.name.as_deref() == Some(name)), "{name}");
        }
    }

    fn is_zero(module: &Module, expression: &Expression) -> bool {
        match expression {
            Expression::Literal(Literal::F32(value)) => *value == 0.0,
            Expression::Constant(constant) => {
                is_zero(module, &module.global_expressions[module.constants[*constant].init])
            }
            _ => false,
        }
    }

    #[test]
    fn nothing_is_added_to_or_multiplied_by_a_constant_zero() {
        let module = library().expect("it parses");
        for (_, function) in module.functions.iter() {
            let name = function.name.as_deref().unwrap_or_default();
            let context = ResolveContext::with_locals(module, &function.local_variables, &function.arguments);
            let mut types = Typifier::new();
            for (handle, expression) in function.expressions.iter() {
                types.grow(handle, &function.expressions, &context).expect("a type");
                let Expression::Binary { op, left, right } = *expression else { continue };
                let float = types.get(left, &module.types).scalar_kind() == Some(ScalarKind::Float);
                if float && matches!(op, Op::Add | Op::Subtract | Op::Multiply) {
                    let zero = [left, right].iter().any(|side| is_zero(module, &function.expressions[*side]));
                    assert!(!zero, "{name}: expression {}", handle.index());
                }
                assert!(!float || !matches!(op, Op::Divide | Op::Modulo), "{name} divides");
            }
        }
    }

    #[test]
    fn there_are_no_loops() {
        let module = library().expect("it parses");
        for (_, function) in module.functions.iter() {
            let mut open = vec![&function.body];
            while let Some(block) = open.pop() {
                for statement in block {
                    match statement {
                        Statement::Block(inner) => open.push(inner),
                        Statement::If { accept, reject, .. } => open.extend([accept, reject]),
                        Statement::Emit(_)
                        | Statement::Call { .. }
                        | Statement::Return { .. }
                        | Statement::Store { .. } => {}
                        other => panic!("{:?} has {other:?}", function.name),
                    }
                }
            }
        }
    }
}
