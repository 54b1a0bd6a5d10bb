//! Which class a shader is of.
//!
//! An entry point is exact if nothing that it and what it calls do depends on the device, on the order of invocations, or on the host that parsed it. Races
//! between invocations are another matter: this looks at each operation by itself.

mod atomics;

use crate::error::{Location, locate};
use crate::exact::MOST_FLOATS;
use crate::{CheckedShader, bypass, exact, folded};
use naga::front::Typifier;
use naga::proc::ResolveContext;
use naga::{AddressSpace, AtomicFunction, Block, Expression, Function, Handle, Module, Span, Statement};
use std::collections::BTreeSet;

/// One reason why an entry point is not exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inexact {
    /// What is not exact, in lower case.
    pub message: String,
    /// Where it stands, where that is known.
    pub location: Option<Location>,
}

/// Most reasons that are given.
const MOST: usize = 16;

impl CheckedShader {
    /// Why an entry point may give other bits on other devices, by place, at most 16 reasons; none if it is exact.
    ///
    /// An entry point that is not there has no reasons.
    pub fn classify(&self, entry: &str) -> Vec<Inexact> {
        let Some(point) = self.module.entry_points.iter().find(|point| point.name == entry) else {
            return Vec::new();
        };
        let reached = reached(&self.module, &point.function);
        let mut lint =
            Lint { module: &self.module, sizes: exact::sizes(&self.module.types), found: BTreeSet::new() };
        lint.function(&point.function);
        for (handle, function) in self.module.functions.iter() {
            if reached.contains(&handle) {
                lint.function(function);
            }
        }
        for (span, message) in atomics::orders(&self.module, point) {
            lint.add(span, message);
        }
        let names: BTreeSet<&str> =
            reached.iter().filter_map(|handle| self.module.functions[*handle].name.as_deref()).collect();
        for call in folded::calls(&self.source, &self.module) {
            // What stands outside of functions may be used by any.
            if call.function.is_none_or(|function| function == entry || names.contains(function)) {
                let message = format!(
                    "{} of constants is computed by the host's libraries, which differ: write its value as a number",
                    call.name
                );
                lint.found.insert((Some((call.offset, call.name.len())), message));
            }
        }
        let reasons = lint.found.into_iter().take(MOST).map(|(place, message)| Inexact {
            message,
            location: place.map(|(offset, length)| locate(&self.source, offset, length)),
        });
        reasons.collect()
    }
}

/// The functions that a function calls, and those that they call.
fn reached(module: &Module, function: &Function) -> BTreeSet<Handle<Function>> {
    let mut reached = BTreeSet::new();
    let mut open = Vec::new();
    calls(&function.body, &mut open);
    while let Some(handle) = open.pop() {
        if reached.insert(handle) {
            calls(&module.functions[handle].body, &mut open);
        }
    }
    reached
}

fn calls(block: &Block, to: &mut Vec<Handle<Function>>) {
    for statement in block {
        if let Statement::Call { function, .. } = statement {
            to.push(*function);
        }
        blocks(statement, &mut |inner| calls(inner, to));
    }
}

/// Gives the blocks of a statement.
fn blocks(statement: &Statement, to: &mut impl FnMut(&Block)) {
    match statement {
        Statement::Block(inner) => to(inner),
        Statement::If { accept, reject, .. } => {
            to(accept);
            to(reject);
        }
        Statement::Switch { cases, .. } => cases.iter().for_each(|case| to(&case.body)),
        Statement::Loop { body, continuing, .. } => {
            to(body);
            to(continuing);
        }
        _ => {}
    }
}

struct Lint<'m> {
    module: &'m Module,
    sizes: Vec<exact::Size>,
    found: BTreeSet<(Option<(usize, usize)>, String)>,
}

impl Lint<'_> {
    fn add(&mut self, span: Span, message: impl Into<String>) {
        let place = span.to_range().map(|range| (range.start, range.len()));
        self.found.insert((place, message.into()));
    }

    fn function(&mut self, function: &Function) {
        let mut used = vec![false; function.expressions.len()];
        bypass::uses(function, &function.body, &mut |handle| used[handle.index()] = true);
        let context =
            ResolveContext::with_locals(self.module, &function.local_variables, &function.arguments);
        let mut types = Typifier::new();
        for (handle, expression) in function.expressions.iter() {
            if types.grow(handle, &function.expressions, &context).is_err() {
                return;
            }
            let span = function.expressions.get_span(handle);
            match *expression {
                Expression::ImageSample { .. } => self.add(span, "samplers depend on the device"),
                Expression::Derivative { .. } => self.add(span, "derivatives depend on the device"),
                Expression::SubgroupBallotResult | Expression::SubgroupOperationResult { .. } => {
                    self.add(span, SUBGROUPS);
                }
                _ => {}
            }
        }
        self.block(function, &function.body, &used, &types);
    }

    fn block(&mut self, function: &Function, block: &Block, used: &[bool], types: &Typifier) {
        for (statement, span) in block.span_iter() {
            let inner = |handle| types[handle].inner_with(&self.module.types);
            match *statement {
                Statement::Atomic { ref fun, value, result, .. } => {
                    let name = name(fun);
                    if matches!(inner(value).scalar_kind(), Some(naga::ScalarKind::Float)) {
                        self.add(*span, format!("{name} of floats depends on the order of invocations"));
                    }
                    if matches!(fun, AtomicFunction::Exchange { .. }) {
                        self.add(*span, format!("what {name} leaves depends on the order of invocations"));
                    } else if result.is_some_and(|result| used[result.index()]) {
                        self.add(
                            *span,
                            format!("the value that {name} gives depends on the order of invocations"),
                        );
                    }
                }
                Statement::Store { pointer, value } => {
                    let storage =
                        matches!(inner(pointer).pointer_space(), Some(AddressSpace::Storage { .. }));
                    let floats = exact::floats(self.module, &types[value], &self.sizes);
                    let stated = matches!(
                        function.expressions[value],
                        Expression::ZeroValue(_) | Expression::Constant(_)
                    );
                    if storage && !stated && floats > MOST_FLOATS {
                        let message = format!(
                            "{floats} floats are stored at once; {MOST_FLOATS} may be: store the elements"
                        );
                        self.add(*span, message);
                    }
                }
                Statement::ImageAtomic { .. } => {
                    self.add(*span, "atomics of textures are not offered to exact shaders");
                }
                Statement::SubgroupBallot { .. }
                | Statement::SubgroupGather { .. }
                | Statement::SubgroupCollectiveOperation { .. } => self.add(*span, SUBGROUPS),
                _ => {}
            }
            blocks(statement, &mut |inner| self.block(function, inner, used, types));
        }
    }
}

const SUBGROUPS: &str = "operations on subgroups depend on the device";
const EXCHANGE: &str = "atomicExchange";
const COMPARE: &str = "atomicCompareExchangeWeak";

fn name(fun: &AtomicFunction) -> &'static str {
    match fun {
        AtomicFunction::Add => "atomicAdd",
        AtomicFunction::Subtract => "atomicSub",
        AtomicFunction::And => "atomicAnd",
        AtomicFunction::ExclusiveOr => "atomicXor",
        AtomicFunction::InclusiveOr => "atomicOr",
        AtomicFunction::Min => "atomicMin",
        AtomicFunction::Max => "atomicMax",
        AtomicFunction::Exchange { compare: None } => EXCHANGE,
        AtomicFunction::Exchange { compare: Some(_) } => COMPARE,
    }
}
