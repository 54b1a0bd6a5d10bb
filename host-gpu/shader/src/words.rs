//! Bounds what becomes one instruction of SPIR-V, whose length is a number of 16 bits.
//!
//! naga's writer does not look whether it fits: the length wraps, and the driver is handed words that mean something else. The universal limits (SPIR-V 1.6, 2.17)
//! are lower still, and a driver need not take more.

use crate::measure::TooMuch;
use naga::{Block, Expression, Function, Module, Span, Statement, TypeInner};

/// Members of a struct, and cases of a switch: the universal limits.
const MOST_MEMBERS: usize = 16_383;
const MOST_CASES: usize = 16_383;
/// Components of a constant or composed value, which is one instruction with three words more.
const MOST_COMPONENTS: usize = 65_000;
/// Bytes of an entry point's name.
const MOST_NAME: usize = 4096;

/// Checks a module. Runs before validation, so it trusts nothing; blocks are known not to nest too deep.
pub(crate) fn fit(module: &Module) -> Result<(), TooMuch> {
    for (handle, ty) in module.types.iter() {
        if let TypeInner::Struct { members, .. } = &ty.inner
            && members.len() > MOST_MEMBERS
        {
            let message = format!("a struct of more than {MOST_MEMBERS} members");
            return Err(TooMuch::new(module.types.get_span(handle), message));
        }
    }
    for (handle, expression) in module.global_expressions.iter() {
        composed(expression, module.global_expressions.get_span(handle))?;
    }
    let entries = module.entry_points.iter();
    if entries.clone().any(|entry| entry.name.len() > MOST_NAME) {
        let message = format!("the name of an entry point of more than {MOST_NAME} bytes");
        return Err(TooMuch::new(Span::UNDEFINED, message));
    }
    let functions = module.functions.iter().map(|(_, function)| function);
    functions.chain(entries.map(|entry| &entry.function)).try_for_each(function)
}

fn composed(expression: &Expression, span: Span) -> Result<(), TooMuch> {
    match expression {
        Expression::Compose { components, .. } if components.len() > MOST_COMPONENTS => {
            Err(TooMuch::new(span, format!("a value composed of more than {MOST_COMPONENTS}")))
        }
        _ => Ok(()),
    }
}

fn function(function: &Function) -> Result<(), TooMuch> {
    for (handle, expression) in function.expressions.iter() {
        composed(expression, function.expressions.get_span(handle))?;
    }
    block(&function.body)
}

fn block(of: &Block) -> Result<(), TooMuch> {
    for (statement, span) in of.span_iter() {
        match statement {
            Statement::Block(inner) => block(inner)?,
            Statement::If { accept, reject, .. } => {
                block(accept)?;
                block(reject)?;
            }
            Statement::Switch { cases, .. } => {
                if cases.len() > MOST_CASES {
                    return Err(TooMuch::new(*span, format!("a switch of more than {MOST_CASES} cases")));
                }
                cases.iter().try_for_each(|case| block(&case.body))?;
            }
            Statement::Loop { body, continuing, .. } => {
                block(body)?;
                block(continuing)?;
            }
            _ => {}
        }
    }
    Ok(())
}
