//! Puts the counting into loops.

use super::build::{Build, Cuts, Globals};
use super::prepay;
use super::weigh::{Kind, LoopPlan, Plan, Plans};
use naga::{
    BinaryOperator, Block, Expression, Function, GlobalVariable, Handle, LocalVariable, Module, Span,
    Statement,
};

pub(crate) fn rewrite(module: &mut Module, plans: &Plans, globals: &Globals) {
    for ((_, function), plan) in module.functions.iter_mut().zip(&plans.functions) {
        one(function, plan, globals);
    }
    if let Some(entry) = module.entry_points.first_mut() {
        one(&mut entry.function, &plans.entry, globals);
    }
}

fn one(function: &mut Function, plan: &Plan, globals: &Globals) {
    let changes = globals.cuts.is_some() || plan.loops.iter().any(|found| found.kind != Kind::Fixed);
    if !changes || plan.loops.is_empty() {
        return;
    }
    let body = std::mem::take(&mut function.body);
    let mut rewrite = Rewrite { function, plan, globals, next: 0 };
    let body = rewrite.block(body, None);
    rewrite.function.body = body;
}

struct Rewrite<'f> {
    function: &'f mut Function,
    plan: &'f Plan,
    globals: &'f Globals,
    /// Number of the next loop.
    next: usize,
}

/// What a break must note: in the variable of the loop which it leaves, the number with which it was entered.
type Noted = Option<(Handle<LocalVariable>, Handle<Expression>)>;

impl Rewrite<'_> {
    fn block(&mut self, block: Block, noted: Noted) -> Block {
        let mut to = Block::with_capacity(block.len());
        for (statement, span) in block.span_into_iter() {
            match statement {
                Statement::Block(inner) => {
                    let inner = self.block(inner, noted);
                    to.push(Statement::Block(inner), span);
                }
                Statement::If { condition, accept, reject } => {
                    let accept = self.block(accept, noted);
                    let reject = self.block(reject, noted);
                    to.push(Statement::If { condition, accept, reject }, span);
                }
                Statement::Switch { selector, mut cases } => {
                    for case in &mut cases {
                        // A break leaves the switch, not the loop around it.
                        case.body = self.block(std::mem::take(&mut case.body), None);
                    }
                    to.push(Statement::Switch { selector, cases }, span);
                }
                Statement::Loop { body, continuing, break_if } => {
                    self.repeat(&mut to, body, continuing, break_if, span);
                }
                Statement::Break => {
                    if let Some((variable, number)) = noted {
                        let mut build = Build::new(self.function);
                        let pointer = build.name(Expression::LocalVariable(variable));
                        build.push(Statement::Store { pointer, value: number });
                        to.append(&mut build.block);
                    }
                    to.push(Statement::Break, span);
                }
                other => to.push(other, span),
            }
        }
        to
    }

    /// Before a loop: counts that it is entered.
    fn enter(&mut self, cuts: Cuts, to: &mut Block) -> (Handle<LocalVariable>, Handle<Expression>) {
        let ty = self.globals.u32_type;
        let variable = LocalVariable { name: Some("fizz_ended".to_owned()), ty, init: None };
        let variable = self.function.local_variables.append(variable, Span::UNDEFINED);
        let mut build = Build::new(self.function);
        let entered = build.global(cuts.entered);
        let before = build.load(entered);
        let (one, zero) = (build.word(1), build.word(0));
        let number = build.binary(BinaryOperator::Add, before, one);
        build.push(Statement::Store { pointer: entered, value: number });
        let pointer = build.name(Expression::LocalVariable(variable));
        build.push(Statement::Store { pointer, value: zero });
        to.append(&mut build.block);
        (variable, number)
    }

    /// At the start of a turn: a way out that is never taken.
    fn never(&mut self, cuts: Cuts) -> Block {
        let mut build = Build::new(self.function);
        let pointer = build.global(cuts.never);
        let never = build.load(pointer);
        let zero = build.word(0);
        let condition = build.binary(BinaryOperator::NotEqual, never, zero);
        build.when(condition, |build| build.push(Statement::Break));
        build.block
    }

    /// Behind a loop: `if ended != number { cut = 1; }`
    fn leave(
        &mut self,
        cuts: Cuts,
        variable: Handle<LocalVariable>,
        number: Handle<Expression>,
        to: &mut Block,
    ) {
        let mut build = Build::new(self.function);
        let pointer = build.name(Expression::LocalVariable(variable));
        let ended = build.load(pointer);
        let cut_short = build.binary(BinaryOperator::NotEqual, ended, number);
        build.when(cut_short, |build| {
            let pointer = build.global(cuts.cut);
            let value = build.word(1);
            build.push(Statement::Store { pointer, value });
        });
        to.append(&mut build.block);
    }

    fn repeat(
        &mut self,
        to: &mut Block,
        body: Block,
        continuing: Block,
        break_if: Option<Handle<Expression>>,
        span: Span,
    ) {
        let number = self.next;
        self.next += 1;
        let plan = self.plan.loops.get(number).copied().unwrap_or_default();
        let cuts = self.globals.cuts;
        // Where the loop's own condition tells whether it came to its end, nothing need be noted in it.
        let over = cuts.and(plan.head);
        let noted = cuts.filter(|_| over.is_none()).map(|cuts| (cuts, self.enter(cuts, to)));
        let note = noted.map(|(_, note)| note);
        let mut inside = noted.map_or_else(Block::new, |(cuts, _)| self.never(cuts));
        if plan.ahead.is_none() {
            inside.append(&mut self.count(plan, note));
        }
        inside.append(&mut self.block(body, note));
        let mut continuing = self.block(continuing, note);
        if let (Some((variable, number)), Some(condition)) = (note, break_if) {
            let mut build = Build::new(self.function);
            let zero = build.word(0);
            let value = build.emit(Expression::Select { condition, accept: number, reject: zero });
            let pointer = build.name(Expression::LocalVariable(variable));
            build.push(Statement::Store { pointer, value });
            continuing.append(&mut build.block);
        }
        let mut whole = Block::new();
        whole.push(Statement::Loop { body: inside, continuing, break_if }, span);
        if let Some((cuts, (variable, number))) = noted {
            self.leave(cuts, variable, number, &mut whole);
        }
        if let (Some(cuts), Some(head)) = (cuts, over) {
            let mut build = Build::new(self.function);
            prepay::came_to_its_end(&mut build, &self.plan.order, number, head, cuts.cut);
            whole.append(&mut build.block);
        }
        match (plan.ahead, self.counter(plan)) {
            (Some(ahead), Some(counter)) => {
                let mut build = Build::new(self.function);
                let weight = u32::try_from(plan.weight).unwrap_or(u32::MAX);
                let gone = prepay::charge(&mut build, &self.plan.order, number, &ahead, weight, counter);
                if prepay::skip(&mut build, &self.plan.order, number, &ahead, gone) {
                    build.block.append(&mut whole);
                } else {
                    build.push(Statement::If { condition: gone, accept: Block::new(), reject: whole });
                }
                to.append(&mut build.block);
            }
            _ => to.append(&mut whole),
        }
    }

    fn counter(&self, plan: LoopPlan) -> Option<Handle<GlobalVariable>> {
        match plan.kind {
            Kind::Fixed => None,
            Kind::Uniform => self.globals.uniform,
            Kind::Own => self.globals.own,
        }
    }

    /// `if left <= weight { left = 0; break; } left -= weight;`
    fn count(&mut self, plan: LoopPlan, noted: Noted) -> Block {
        let Some(counter) = self.counter(plan) else { return Block::new() };
        let mut build = Build::new(self.function);
        let pointer = build.global(counter);
        // Checked against the cap before.
        let weight = build.word(u32::try_from(plan.weight).unwrap_or(u32::MAX));
        let left = build.load(pointer);
        let empty = build.binary(BinaryOperator::LessEqual, left, weight);
        build.when(empty, |build| {
            let value = build.word(0);
            build.push(Statement::Store { pointer, value });
            if let Some((variable, number)) = noted {
                let pointer = build.name(Expression::LocalVariable(variable));
                build.push(Statement::Store { pointer, value: number });
            }
            build.push(Statement::Break);
        });
        let value = build.binary(BinaryOperator::Subtract, left, weight);
        build.push(Statement::Store { pointer, value });
        build.block
    }
}
