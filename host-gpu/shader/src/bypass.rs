//! Whether a `continue` jumps over a value that the loop's `continuing` uses. WGSL forbids it; naga does not look, and
//! gives drivers code in which the value is whatever lay there.

use naga::{Block, Expression, Function, Handle, Module, Span, Statement};

/// Looks through all functions. The first `continue` that is wrong, and the name of what it jumps over.
pub(crate) fn find(module: &Module) -> Option<(Span, String)> {
    let functions = module.functions.iter().map(|(_, function)| function);
    functions.chain(module.entry_points.iter().map(|entry| &entry.function)).find_map(|function| {
        let made = vec![0; function.expressions.len()];
        let mut walk = Walk { function, made, next: 0, wrong: None };
        walk.block(&function.body, &mut Vec::new());
        let (span, value) = walk.wrong?;
        Some((span, function.named_expressions.get(&value).cloned().unwrap_or_default()))
    })
}

struct Walk<'f> {
    function: &'f Function,
    /// The statement that gives each expression its value, by its number from 1; 0 for those that have one everywhere.
    made: Vec<u32>,
    /// Statements so far.
    next: u32,
    wrong: Option<(Span, Handle<Expression>)>,
}

impl Walk<'_> {
    /// Notes the `continue`s of the innermost loop.
    fn block(&mut self, block: &Block, continues: &mut Vec<(u32, Span)>) {
        for (statement, span) in block.span_iter() {
            self.next = self.next.saturating_add(1);
            match statement {
                Statement::Emit(range) => {
                    for handle in range.clone() {
                        self.made[handle.index()] = self.next;
                    }
                }
                Statement::Continue => continues.push((self.next, *span)),
                Statement::Block(inner) => self.block(inner, continues),
                Statement::If { accept, reject, .. } => {
                    self.block(accept, continues);
                    self.block(reject, continues);
                }
                Statement::Switch { cases, .. } => {
                    cases.iter().for_each(|case| self.block(&case.body, continues));
                }
                Statement::Loop { body, continuing, break_if } => {
                    let (first, mut own) = (self.next, Vec::new());
                    self.block(body, &mut own);
                    self.hold(continuing, *break_if, first, &own);
                    self.block(continuing, &mut Vec::new());
                }
                Statement::Call { result: Some(result), .. }
                | Statement::Atomic { result: Some(result), .. }
                | Statement::WorkGroupUniformLoad { result, .. } => self.made[result.index()] = self.next,
                _ => {}
            }
        }
    }

    /// Holds the end of a loop, whose body's statements come after number `first`, against its `continue`s.
    fn hold(
        &mut self,
        continuing: &Block,
        break_if: Option<Handle<Expression>>,
        first: u32,
        continues: &[(u32, Span)],
    ) {
        let Some(&(at, span)) = continues.first() else { return };
        let mut latest = None;
        let mut note = |handle: Handle<Expression>| {
            let made = self.made[handle.index()];
            if made > first && latest.is_none_or(|(known, _)| made > known) {
                latest = Some((made, handle));
            }
        };
        uses(self.function, continuing, &mut note);
        break_if.into_iter().for_each(note);
        if let Some((made, value)) = latest
            && at < made
        {
            self.wrong.get_or_insert((span, value));
        }
    }
}

/// Gives the expressions that statements use, and those that these are made of there.
pub(crate) fn uses(function: &Function, block: &Block, to: &mut impl FnMut(Handle<Expression>)) {
    for statement in block {
        match statement {
            Statement::Emit(range) => {
                range.clone().for_each(|handle| operands(&function.expressions[handle], to));
            }
            Statement::Block(inner) => uses(function, inner, to),
            Statement::If { condition, accept, reject } => {
                to(*condition);
                uses(function, accept, to);
                uses(function, reject, to);
            }
            Statement::Switch { selector, cases } => {
                to(*selector);
                cases.iter().for_each(|case| uses(function, &case.body, to));
            }
            Statement::Loop { body, continuing, break_if } => {
                uses(function, body, to);
                uses(function, continuing, to);
                break_if.iter().copied().for_each(&mut *to);
            }
            Statement::Store { pointer, value } => [*pointer, *value].into_iter().for_each(&mut *to),
            Statement::ImageStore { image, coordinate, array_index, value } => {
                [*image, *coordinate, *value].into_iter().chain(*array_index).for_each(&mut *to);
            }
            Statement::Atomic { pointer, value, fun, .. } => {
                [*pointer, *value].into_iter().for_each(&mut *to);
                if let naga::AtomicFunction::Exchange { compare: Some(compare) } = fun {
                    to(*compare);
                }
            }
            Statement::WorkGroupUniformLoad { pointer, .. } => to(*pointer),
            Statement::Call { arguments, .. } => arguments.iter().copied().for_each(&mut *to),
            Statement::Return { value } => value.iter().copied().for_each(&mut *to),
            // Without operands, or not offered.
            _ => {}
        }
    }
}

/// Gives the operands of an expression.
pub(crate) fn operands(expression: &Expression, to: &mut impl FnMut(Handle<Expression>)) {
    match *expression {
        Expression::AccessIndex { base: one, .. }
        | Expression::Load { pointer: one }
        | Expression::Splat { value: one, .. }
        | Expression::Swizzle { vector: one, .. }
        | Expression::Unary { expr: one, .. }
        | Expression::As { expr: one, .. }
        | Expression::Relational { argument: one, .. }
        | Expression::ImageQuery { image: one, .. }
        | Expression::ArrayLength(one) => to(one),
        Expression::Access { base: one, index: other }
        | Expression::Binary { left: one, right: other, .. } => [one, other].into_iter().for_each(to),
        Expression::Compose { ref components, .. } => components.iter().copied().for_each(to),
        Expression::Select { condition, accept, reject } => {
            [condition, accept, reject].into_iter().for_each(to);
        }
        Expression::Math { arg, arg1, arg2, arg3, .. } => {
            [Some(arg), arg1, arg2, arg3].into_iter().flatten().for_each(to);
        }
        Expression::ImageLoad { image, coordinate, array_index, sample, level } => {
            [Some(image), Some(coordinate), array_index, sample, level].into_iter().flatten().for_each(to);
        }
        // Without operands, or not offered.
        _ => {}
    }
}
