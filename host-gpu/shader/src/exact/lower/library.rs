//! Functions of the library.

use super::Lower;
use super::function::{Class, Rewriter, Shape, Value};
use super::opaque::shape_of;
use naga::valid::{ValidationFlags, Validator};
use naga::{BinaryOperator, Expression, Function, Handle, MathFunction, Module, Span, Statement};
use std::sync::OnceLock;

/// The library's WGSL.
pub(crate) const LIBRARY: &[&str] =
    &[include_str!("../library/pack.wgsl"), include_str!("../library/zz_temp.wgsl")];

/// The library, parsed once.
pub(crate) fn library() -> Result<&'static Module, String> {
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
                return Ok(self.native_float(MathFunction::Sqrt, *arg, None));
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

    fn native_float(&mut self, fun: MathFunction, arg: Value, other: Option<Value>) -> Value {
        let value = self.native(fun, arg, other);
        self.known[value.index()].class = Class::Opaque;
        value
    }
}
