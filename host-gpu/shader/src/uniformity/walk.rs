//! The walk over statements.

use super::place::{LoopIndex, Places, Root, pointed};
use super::{Analysis, Body, Context, Refused, Summary, UNIFORM, What, Why, join};
use crate::error::Reason;
use naga::{AddressSpace, Barrier, Block, Expression, Function, Handle, Span, Statement, SwitchCase};
use std::collections::BTreeMap;

/// What holds at one point of a function.
#[derive(Clone, Debug)]
struct State {
    /// Why some invocations of the workgroup may be elsewhere.
    flow: Why,
    /// The function's variables, then what its pointer arguments point at.
    contents: Vec<Why>,
}

impl State {
    /// Adds another way to the same point; says whether that changed anything.
    fn merge(&mut self, other: &State) -> bool {
        let mut changed = false;
        let mut add = |to: &mut Why, from: Why| {
            if *to == UNIFORM && from != UNIFORM {
                *to = from;
                changed = true;
            }
        };
        add(&mut self.flow, other.flow);
        for (to, from) in self.contents.iter_mut().zip(&other.contents) {
            add(to, *from);
        }
        changed
    }
}

fn merge(into: &mut Option<State>, state: State) {
    match into {
        Some(known) => {
            known.merge(&state);
        }
        None => *into = Some(state),
    }
}

/// The ways out of a statement. `next` is the way to what follows it.
#[derive(Default)]
struct Ways {
    next: Option<State>,
    breaks: Option<State>,
    continues: Option<State>,
    /// Some way returns.
    returns: bool,
}

impl Ways {
    fn on(state: State) -> Self {
        Ways { next: Some(state), ..Ways::default() }
    }

    fn join(&mut self, other: Ways) {
        for (into, from) in [
            (&mut self.next, other.next),
            (&mut self.breaks, other.breaks),
            (&mut self.continues, other.continues),
        ] {
            if let Some(from) = from {
                merge(into, from);
            }
        }
        self.returns |= other.returns;
    }

    /// Whether all ways go on to the next statement.
    fn only_next(&self) -> bool {
        self.next.is_some() && self.breaks.is_none() && self.continues.is_none() && !self.returns
    }
}

/// The walk over one function in one context.
struct Walk<'m> {
    body: Body,
    function: &'m Function,
    places: Places,
    /// Reasons of the expressions emitted so far.
    values: Vec<Why>,
    /// What held at the start of each loop so far; only grows, so that loops end.
    heads: BTreeMap<usize, State>,
    /// Reason of the result, and of what pointers point at when the function returns.
    result: Why,
    end: Option<State>,
}

impl<'m> Analysis<'m> {
    /// Walks an entry point.
    pub(super) fn entry(&mut self, index: usize) -> Result<(), Refused> {
        let body = Body::Entry(index);
        let inputs = self.inputs(self.function(body));
        self.next_context();
        self.walk(body, UNIFORM, &inputs, &vec![UNIFORM; inputs.len()]).map(|_| ())
    }

    /// Walks a function that nothing calls, as if it were called with uniform arguments in uniform flow.
    pub(super) fn alone(&mut self, handle: Handle<Function>) -> Result<(), Refused> {
        let none = vec![UNIFORM; self.module.functions[handle].arguments.len()];
        self.next_context();
        self.walk(Body::Function(handle.index()), UNIFORM, &none, &none).map(|_| ())
    }

    /// Walks a body; returns the reason of its result and those of what its pointer arguments point at.
    fn walk(
        &mut self,
        body: Body,
        flow: Why,
        arguments: &[Why],
        pointed_at: &[Why],
    ) -> Result<(Why, Vec<Why>), Refused> {
        let function = self.function(body);
        let locals = function.local_variables.len();
        self.spend(function.expressions.len() + locals + arguments.len(), Span::UNDEFINED)?;
        self.indices.entry(body).or_insert_with(|| LoopIndex::of(function));
        let mut contents = vec![UNIFORM; locals];
        contents.extend(pointed_at);
        let mut values = vec![UNIFORM; function.expressions.len()];
        for (handle, expression) in function.expressions.iter() {
            if let Expression::FunctionArgument(index) = expression {
                values[handle.index()] = arguments.get(*index as usize).copied().unwrap_or(UNIFORM);
            }
        }
        let mut walk = Walk {
            body,
            function,
            places: Places::of(function),
            values,
            heads: BTreeMap::new(),
            result: UNIFORM,
            end: None,
        };
        let ways = walk.block(self, &function.body, State { flow, contents })?;
        for (index, head) in &walk.heads {
            let seen = self.found.loops.entry((body, *index)).or_default();
            if head.flow == UNIFORM { seen.together = true } else { seen.apart = true }
        }
        if let Some(state) = ways.next {
            merge(&mut walk.end, state);
        }
        let after = walk.end.map_or_else(|| pointed_at.to_vec(), |end| end.contents[locals..].to_vec());
        Ok((walk.result, after))
    }

    /// Walks a callee, unless that was done in the same context.
    fn call(
        &mut self,
        callee: Handle<Function>,
        flow: Why,
        arguments: &[Why],
        pointed_at: &[Why],
        span: Span,
    ) -> Result<(Why, Vec<Why>), Refused> {
        let differ = |whys: &[Why]| whys.iter().map(|why| *why != UNIFORM).collect::<Vec<bool>>();
        let body = Body::Function(callee.index());
        let context =
            Context { body, flow: flow != UNIFORM, values: differ(arguments), contents: differ(pointed_at) };
        self.spend(arguments.len() + 1, span)?;
        let summary = match self.known.get(&context) {
            Some(known) => known.clone(),
            None => {
                let caller = self.context;
                self.next_context();
                let (result, contents) = self.walk(body, flow, arguments, pointed_at)?;
                self.context = caller;
                let summary = Summary { result: result != UNIFORM, contents: differ(&contents) };
                self.known.insert(context, summary.clone());
                summary
            }
        };
        // The callee's own reasons are of its first walk; the call is the place that the caller's author sees.
        let mut reason = |differs: bool, known: Why| {
            if !differs {
                return UNIFORM;
            }
            if known == UNIFORM { self.origin(usize::MAX, span, What::Call) } else { known }
        };
        let passed = arguments.iter().chain(pointed_at).fold(flow, |why, next| join(why, *next));
        let result = reason(summary.result, passed);
        let contents = summary.contents.iter().map(|differs| reason(*differs, passed)).collect();
        Ok((result, contents))
    }
}

impl Walk<'_> {
    fn of(&self, handle: Handle<Expression>) -> Why {
        self.values.get(handle.index()).copied().unwrap_or(UNIFORM)
    }

    fn set(&mut self, handle: Handle<Expression>, why: Why) {
        if let Some(value) = self.values.get_mut(handle.index()) {
            *value = why;
        }
    }

    /// The condition's place, or the statement's.
    fn span(&self, condition: Handle<Expression>, statement: Span) -> Span {
        let span = self.function.expressions.get_span(condition);
        if span.is_defined() { span } else { statement }
    }

    fn block(&mut self, to: &mut Analysis<'_>, block: &Block, state: State) -> Result<Ways, Refused> {
        let mut ways = Ways::on(state);
        for (statement, span) in block.span_iter() {
            let Some(state) = ways.next.take() else { break };
            let found = self.statement(to, statement, *span, state)?;
            ways.join(found);
        }
        Ok(ways)
    }

    fn statement(
        &mut self,
        to: &mut Analysis<'_>,
        statement: &Statement,
        span: Span,
        mut state: State,
    ) -> Result<Ways, Refused> {
        to.spend(1, span)?;
        match statement {
            Statement::Emit(range) => {
                for handle in range.clone() {
                    to.spend(1, span)?;
                    let why = to.value(
                        self.body,
                        self.function,
                        &self.places,
                        handle,
                        &self.values,
                        &state.contents,
                    );
                    self.set(handle, why);
                }
            }
            Statement::Block(inner) => return self.block(to, inner, state),
            Statement::If { condition, accept, reject } => {
                let at = self.span(*condition, span);
                let branches = [accept, reject];
                return self.branch(to, *condition, at, state, |walk, to, inside| {
                    let mut ways = Ways::default();
                    for block in branches {
                        ways.join(walk.block(to, block, inside.clone())?);
                    }
                    Ok(ways)
                });
            }
            Statement::Switch { selector, cases } => {
                let at = self.span(*selector, span);
                return self
                    .branch(to, *selector, at, state, |walk, to, inside| walk.cases(to, cases, inside));
            }
            Statement::Loop { body, continuing, break_if } => {
                return self.repeat(to, body, continuing, *break_if, span, state);
            }
            Statement::Break => return Ok(Ways { breaks: Some(state), ..Ways::default() }),
            Statement::Continue => return Ok(Ways { continues: Some(state), ..Ways::default() }),
            Statement::Return { value } => {
                let value = value.map_or(UNIFORM, |value| self.of(value));
                self.result = join(self.result, join(value, state.flow));
                // What a pointer points at is stored under the flow already; which store was the last is decided by the flow.
                merge(&mut self.end, state);
                return Ok(Ways { returns: true, ..Ways::default() });
            }
            Statement::Kill => return Ok(Ways { returns: true, ..Ways::default() }),
            Statement::ControlBarrier(kind) => barrier(to, &state, barrier_name(*kind), span)?,
            Statement::WorkGroupUniformLoad { pointer, result } => {
                barrier(to, &state, "workgroupUniformLoad", span)?;
                let cause = to.cause(self.of(*pointer));
                if cause.is_some() {
                    let message = "workgroupUniformLoad needs the same place in all invocations".to_owned();
                    return Err(Refused { span, message, cause, reason: Reason::Invalid });
                }
                self.set(*result, UNIFORM);
            }
            Statement::Store { pointer, value } => {
                let why = join(state.flow, join(self.of(*value), self.of(*pointer)));
                self.store(*pointer, why, &mut state);
            }
            Statement::Atomic { result: Some(result), .. } => {
                let why = to.origin(result.index(), span, What::Atomic);
                self.set(*result, why);
            }
            Statement::Call { function, arguments, result } => {
                self.called(to, *function, arguments, *result, span, &mut state)?;
            }
            // A texel that is written is nobody's value. Subgroups, rays: not offered, and their results are not known to be uniform.
            _ => {}
        }
        Ok(Ways::on(state))
    }

    /// Walks what a value decides. Afterwards flow is as before, if every way goes on there.
    fn branch(
        &mut self,
        to: &mut Analysis<'_>,
        condition: Handle<Expression>,
        span: Span,
        state: State,
        inside: impl FnOnce(&mut Self, &mut Analysis<'_>, State) -> Result<Ways, Refused>,
    ) -> Result<Ways, Refused> {
        to.spend(2 * state.contents.len(), span)?;
        let before = state.flow;
        let mut inner = state;
        if inner.flow == UNIFORM {
            inner.flow = to.parted(condition.index(), self.of(condition), span);
        }
        let decided = inner.flow;
        let mut ways = inside(self, to, inner)?;
        let only_next = ways.only_next();
        if let Some(next) = &mut ways.next {
            next.flow = if only_next { before } else { join(decided, next.flow) };
        }
        Ok(ways)
    }

    fn cases(&mut self, to: &mut Analysis<'_>, cases: &[SwitchCase], inside: State) -> Result<Ways, Refused> {
        let mut all = Ways::default();
        let mut through: Option<State> = None;
        for case in cases {
            to.spend(inside.contents.len(), Span::UNDEFINED)?;
            let mut start = inside.clone();
            if let Some(state) = through.take() {
                start.merge(&state);
            }
            let mut ways = self.block(to, &case.body, start)?;
            if case.fall_through {
                through = ways.next.take();
            }
            // A break leaves the switch.
            if let Some(state) = ways.breaks.take() {
                merge(&mut ways.next, state);
            }
            all.join(ways);
        }
        Ok(all)
    }

    fn repeat(
        &mut self,
        to: &mut Analysis<'_>,
        body: &Block,
        continuing: &Block,
        break_if: Option<Handle<Expression>>,
        span: Span,
        state: State,
    ) -> Result<Ways, Refused> {
        let index = to.indices.get(&self.body).map_or(usize::MAX, |index| index.get(body));
        let before = state.flow;
        let mut head = match self.heads.remove(&index) {
            Some(mut known) => {
                known.merge(&state);
                known
            }
            None => state,
        };
        if to.apart.contains(&(self.body, index)) && head.flow == UNIFORM {
            head.flow = to.origin(usize::MAX - 1 - index, span, What::Apart);
        }
        let ways = loop {
            to.spend(3 * head.contents.len() + 1, span)?;
            let (ways, back) = self.turn(to, body, continuing, break_if, span, head.clone())?;
            if !back.is_some_and(|back| head.merge(&back)) {
                break ways;
            }
        };
        // The meter may end any loop at the start of a turn.
        let mut next = head.clone();
        if let Some(breaks) = &ways.breaks {
            next.merge(breaks);
        }
        // Only what returned is not back.
        next.flow = if ways.returns { join(head.flow, next.flow) } else { before };
        self.heads.insert(index, head);
        Ok(Ways { next: Some(next), returns: ways.returns, ..Ways::default() })
    }

    /// One turn of a loop: the ways out, and the way back to its start.
    fn turn(
        &mut self,
        to: &mut Analysis<'_>,
        body: &Block,
        continuing: &Block,
        break_if: Option<Handle<Expression>>,
        span: Span,
        head: State,
    ) -> Result<(Ways, Option<State>), Refused> {
        let mut ways = self.block(to, body, head)?;
        let mut end = ways.next.take();
        if let Some(state) = ways.continues.take() {
            merge(&mut end, state);
        }
        let Some(end) = end else { return Ok((ways, None)) };
        let after = self.block(to, continuing, end)?;
        ways.returns |= after.returns;
        let Some(mut back) = after.next else { return Ok((ways, None)) };
        if let Some(condition) = break_if {
            if back.flow == UNIFORM {
                let at = self.span(condition, span);
                back.flow = to.parted(condition.index(), self.of(condition), at);
            }
            merge(&mut ways.breaks, back.clone());
        }
        Ok((ways, Some(back)))
    }

    /// Notes a store of a value with reason `why`.
    fn store(&mut self, pointer: Handle<Expression>, why: Why, state: &mut State) {
        let slot = match self.places.root(pointer) {
            Root::Local(index) => index,
            Root::Argument(index) => self.function.local_variables.len() + index,
            Root::Global(_) | Root::None => return,
        };
        let whole = matches!(
            self.function.expressions[pointer],
            Expression::LocalVariable(_) | Expression::FunctionArgument(_)
        );
        if let Some(content) = state.contents.get_mut(slot) {
            *content = if whole { why } else { join(*content, why) };
        }
    }

    fn called(
        &mut self,
        to: &mut Analysis<'_>,
        callee: Handle<Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
        span: Span,
        state: &mut State,
    ) -> Result<(), Refused> {
        let values: Vec<Why> = arguments.iter().map(|argument| self.of(*argument)).collect();
        let locals = self.function.local_variables.len();
        let mut slots: Vec<Option<usize>> = Vec::with_capacity(arguments.len());
        for (argument, parameter) in arguments.iter().zip(&to.module.functions[callee].arguments) {
            let slot = match (pointed(to.module, parameter.ty), self.places.root(*argument)) {
                (Some(AddressSpace::Function), Root::Local(index)) => Some(index),
                (Some(AddressSpace::Function), Root::Argument(index)) => Some(locals + index),
                _ => None,
            };
            slots.push(slot);
        }
        to.spend(slots.len() + 1, span)?;
        if to.writes.aliased(callee, &slots) {
            let message =
                "two pointers to one variable are given to a function that stores through one of them";
            let message = message.to_owned();
            return Err(Refused { span, message, cause: None, reason: Reason::Invalid });
        }
        let contents: Vec<Why> =
            slots.iter().map(|slot| slot.map_or(UNIFORM, |slot| state.contents[slot])).collect();
        let (returned, after) = to.call(callee, state.flow, &values, &contents, span)?;
        for (index, slot) in slots.iter().enumerate() {
            // Another pointer to a variable that only loads would bring back what it was given.
            let Some(slot) = slot.filter(|_| to.writes.stores(callee, index)) else { continue };
            let whole = matches!(
                self.function.expressions[arguments[index]],
                Expression::LocalVariable(_) | Expression::FunctionArgument(_)
            );
            let why = after[index];
            state.contents[slot] = if whole { why } else { join(state.contents[slot], why) };
        }
        if let Some(result) = result {
            self.set(result, returned);
        }
        Ok(())
    }
}

fn barrier_name(kind: Barrier) -> &'static str {
    match kind {
        Barrier::STORAGE => "storageBarrier",
        Barrier::TEXTURE => "textureBarrier",
        Barrier::SUB_GROUP => "subgroupBarrier",
        _ => "workgroupBarrier",
    }
}

/// Refuses a barrier that not all invocations reach.
fn barrier(to: &Analysis<'_>, state: &State, name: &str, span: Span) -> Result<(), Refused> {
    let cause = to.cause(state.flow);
    if cause.is_none() {
        return Ok(());
    }
    let message = format!("{name} is not in uniform control flow");
    Err(Refused { span, message, cause, reason: Reason::Invalid })
}
