//! Puts the counting into loops.

use super::build::{Build, Globals};
use super::weigh::{Kind, LoopPlan, Plan, Plans};
use naga::{
    BinaryOperator, Block, Expression, Function, Handle, Literal, LocalVariable, Module, Span, Statement,
    UnaryOperator,
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
    let changes = globals.cut.is_some() || plan.loops.iter().any(|found| found.kind != Kind::Fixed);
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

/// The variable that a break must set: that of the loop which it leaves.
type Noted = Option<Handle<LocalVariable>>;

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
                    if let Some(variable) = noted {
                        to.append(&mut self.note(variable, true));
                    }
                    to.push(Statement::Break, span);
                }
                other => to.push(other, span),
            }
        }
        to
    }

    /// `variable = value`.
    fn note(&mut self, variable: Handle<LocalVariable>, value: bool) -> Block {
        let mut build = Build::new(self.function);
        let pointer = build.name(Expression::LocalVariable(variable));
        let value = build.name(Expression::Literal(Literal::Bool(value)));
        build.push(Statement::Store { pointer, value });
        build.block
    }

    fn repeat(
        &mut self,
        to: &mut Block,
        body: Block,
        continuing: Block,
        break_if: Option<Handle<Expression>>,
        span: Span,
    ) {
        let plan = self.plan.loops.get(self.next).copied();
        let plan = plan.unwrap_or(LoopPlan { kind: Kind::Fixed, weight: 0 });
        self.next += 1;
        let noted = self.globals.cut.map(|_| {
            let variable =
                LocalVariable { name: Some("fizz_ended".to_owned()), ty: self.globals.bool_type, init: None };
            self.function.local_variables.append(variable, Span::UNDEFINED)
        });
        if let Some(variable) = noted {
            to.append(&mut self.note(variable, false));
        }
        let mut inside = self.count(plan, noted);
        inside.append(&mut self.block(body, noted));
        let mut continuing = self.block(continuing, noted);
        if let (Some(variable), Some(condition)) = (noted, break_if) {
            let mut build = Build::new(self.function);
            let pointer = build.name(Expression::LocalVariable(variable));
            build.push(Statement::Store { pointer, value: condition });
            continuing.append(&mut build.block);
        }
        to.push(Statement::Loop { body: inside, continuing, break_if }, span);
        if let (Some(variable), Some(cut)) = (noted, self.globals.cut) {
            let mut build = Build::new(self.function);
            let pointer = build.name(Expression::LocalVariable(variable));
            let ended = build.load(pointer);
            let cut_short = build.emit(Expression::Unary { op: UnaryOperator::LogicalNot, expr: ended });
            build.when(cut_short, |build| {
                let pointer = build.global(cut);
                let value = build.word(1);
                build.push(Statement::Store { pointer, value });
            });
            to.append(&mut build.block);
        }
    }

    /// `if left <= weight { left = 0; break; } left -= weight;`
    fn count(&mut self, plan: LoopPlan, noted: Noted) -> Block {
        let counter = match plan.kind {
            Kind::Fixed => None,
            Kind::Uniform => self.globals.uniform,
            Kind::Own => self.globals.own,
        };
        let Some(counter) = counter else { return Block::new() };
        let mut build = Build::new(self.function);
        let pointer = build.global(counter);
        // Checked against the cap before.
        let weight = build.word(u32::try_from(plan.weight).unwrap_or(u32::MAX));
        let left = build.load(pointer);
        let empty = build.binary(BinaryOperator::LessEqual, left, weight);
        build.when(empty, |build| {
            let value = build.word(0);
            build.push(Statement::Store { pointer, value });
            if let Some(variable) = noted {
                let pointer = build.name(Expression::LocalVariable(variable));
                let value = build.name(Expression::Literal(Literal::Bool(true)));
                build.push(Statement::Store { pointer, value });
            }
            build.push(Statement::Break);
        });
        let value = build.binary(BinaryOperator::Subtract, left, weight);
        build.push(Statement::Store { pointer, value });
        build.block
    }
}
