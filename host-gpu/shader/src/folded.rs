//! Calls that naga has computed, or will, while it was on its way to a device.
//!
//! naga computes built-in functions of constants as it parses, and those of overrides as these get their values; `exp` and the like with the host's mathematical library, of which there are
//! many. Of the first, only the source tells: a call in it whose expression is not in the module was computed (or thrown away, which is harmless and not told apart).

use crate::bypass;
use crate::scan;
use naga::{Arena, Expression, Function, Handle, MathFunction as F, Module};
use std::collections::BTreeSet;

/// A call in the source.
pub(crate) struct Call<'s> {
    pub(crate) name: &'s str,
    /// Of its first byte.
    pub(crate) offset: usize,
    /// The function it stands in.
    pub(crate) function: Option<&'s str>,
}

/// The functions that naga computes with the host's library.
const OF_HOST: [(F, &str); 19] = [
    (F::Acos, "acos"),
    (F::Acosh, "acosh"),
    (F::Asin, "asin"),
    (F::Asinh, "asinh"),
    (F::Atan, "atan"),
    (F::Atan2, "atan2"),
    (F::Atanh, "atanh"),
    (F::Cos, "cos"),
    (F::Cosh, "cosh"),
    (F::Exp, "exp"),
    (F::Exp2, "exp2"),
    // In one step, where a device takes two.
    (F::Fma, "fma"),
    (F::Log, "log"),
    (F::Log2, "log2"),
    (F::Pow, "pow"),
    (F::Sin, "sin"),
    (F::Sinh, "sinh"),
    (F::Tan, "tan"),
    (F::Tanh, "tanh"),
];

/// Its name in WGSL, if a function is one of these.
pub(crate) fn name(fun: F) -> Option<&'static str> {
    OF_HOST.iter().find(|(of_host, _)| *of_host == fun).map(|(_, name)| *name)
}

/// The calls that are computed with the host's library, in the order of the source.
pub(crate) fn calls<'s>(source: &'s str, module: &Module) -> Vec<Call<'s>> {
    // Where a call is left to the device.
    let mut left = BTreeSet::new();
    let functions = module.functions.iter().map(|(_, function)| function);
    for function in functions.chain(module.entry_points.iter().map(|entry| &entry.function)) {
        note(function, &mut left);
    }
    let own =
        |name: &str| module.functions.iter().any(|(_, function)| function.name.as_deref() == Some(name));
    let mut found = Vec::new();
    let mut within = None;
    let mut depth = 0_usize;
    let tokens: Vec<_> = scan::tokens(source).collect();
    for (index, token) in tokens.iter().enumerate() {
        let text = token.text(source);
        let next = tokens.get(index + 1).map(|next| next.text(source));
        match text {
            "fn" if depth == 0 => within = next,
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    within = None;
                }
            }
            _ if next == Some("(")
                && OF_HOST.iter().any(|(_, name)| *name == text)
                && !left.contains(&token.start)
                && !own(text) =>
            {
                found.push(Call { name: text, offset: token.start, function: within });
            }
            _ => {}
        }
    }
    found
}

/// Notes where the calls of a function stand that neither are computed nor will be.
fn note(function: &Function, left: &mut BTreeSet<usize>) {
    let stated = stated(&function.expressions);
    for (handle, expression) in function.expressions.iter() {
        if let Expression::Math { fun, .. } = expression
            && name(*fun).is_some()
            && !stated[handle.index()]
            && let Some(range) = function.expressions.get_span(handle).to_range()
        {
            left.insert(range.start);
        }
    }
}

/// Which expressions follow from constants and overrides alone.
fn stated(expressions: &Arena<Expression>) -> Vec<bool> {
    let mut stated = Vec::with_capacity(expressions.len());
    for (_, expression) in expressions.iter() {
        let mut all = matches!(
            expression,
            Expression::Literal(_)
                | Expression::Constant(_)
                | Expression::Override(_)
                | Expression::ZeroValue(_)
                | Expression::Compose { .. }
                | Expression::Splat { .. }
                | Expression::Swizzle { .. }
                | Expression::Access { .. }
                | Expression::AccessIndex { .. }
                | Expression::Unary { .. }
                | Expression::Binary { .. }
                | Expression::Select { .. }
                | Expression::Relational { .. }
                | Expression::Math { .. }
                | Expression::As { .. }
        );
        bypass::operands(expression, &mut |operand: Handle<Expression>| {
            all &= stated.get(operand.index()).copied().unwrap_or(false);
        });
        stated.push(all);
    }
    stated
}
