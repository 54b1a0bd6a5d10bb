//! What an operator costs where it stands: its own cost from the table, the values that control takes along with it, and
//! what the engine may do before a loop.
//!
//! A branch, a call or a return moves every value of its label or type to where the other side looks for it. Compilers
//! make labels of one value and calls of a few, which are in the cost of the operator; what is more is charged by value.

use wasmparser::{BlockType, Operator, ValType};

use super::COSTS;
use super::act::is_stop;
use super::early::Extra;
use super::facts::ModuleFacts;

/// The values of a label, vectors counted twice.
#[derive(Debug, Clone, Copy)]
struct Label {
    /// That a branch to it takes along.
    branch: u64,
    /// That are there at its end.
    end: u64,
}

/// Follows a function's control structures, to know what an operator carries.
pub(super) struct Prices<'f> {
    facts: &'f ModuleFacts,
    labels: Vec<Label>,
    /// Operators so far.
    operators: u32,
    /// What those to come cost beside their own.
    extras: &'f [Extra],
}

impl<'f> Prices<'f> {
    pub(super) fn new(facts: &'f ModuleFacts) -> Self {
        Prices { facts, labels: Vec::new(), operators: 0, extras: &[] }
    }

    /// At the start of the defined function of this number.
    pub(super) fn begin(&mut self, function: usize) {
        let ty = self.facts.function_types[function];
        let results = words(self.facts.types[ty as usize].results());
        self.labels.clear();
        self.labels.push(Label { branch: results, end: results });
        self.operators = 0;
        let extras = &self.facts.extras;
        let from = extras.partition_point(|extra| (extra.function as usize) < function);
        let to = extras.partition_point(|extra| extra.function as usize <= function);
        self.extras = &extras[from..to];
    }

    /// The cost of the next operator.
    #[inline]
    pub(super) fn operator(&mut self, operator: &Operator<'_>) -> u64 {
        let own = u64::from(COSTS.operator(operator)) + self.extra();
        if is_stop(operator) { own + carried(self.values(operator)) } else { own }
    }

    /// What the next operator costs beside its own.
    fn extra(&mut self) -> u64 {
        let number = self.operators;
        self.operators += 1;
        let count = self.extras.iter().take_while(|extra| extra.operator == number).count();
        let (here, rest) = self.extras.split_at(count);
        self.extras = rest;
        here.iter().map(|extra| u64::from(extra.cost)).sum()
    }

    /// Values that an operator moves.
    fn values(&mut self, operator: &Operator<'_>) -> u64 {
        match operator {
            Operator::Block { blockty } | Operator::If { blockty } => self.open(*blockty, false),
            Operator::TryTable { try_table } => self.open(try_table.ty, false),
            Operator::Loop { blockty } => self.open(*blockty, true),
            Operator::Else => self.labels.last().map_or(0, |label| label.end),
            Operator::End => self.labels.pop().map_or(0, |label| label.end),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.branch(*relative_depth)
            }
            Operator::BrTable { targets } => {
                let all = targets.targets().flatten().chain([targets.default()]);
                all.map(|depth| self.branch(depth)).max().unwrap_or(0)
            }
            Operator::Return => self.labels.first().map_or(0, |label| label.end),
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                self.called(self.facts.type_of(*function_index))
            }
            Operator::CallIndirect { type_index, .. } | Operator::ReturnCallIndirect { type_index, .. } => {
                self.called(*type_index)
            }
            _ => 0,
        }
    }

    /// Opens a structure. What comes into a loop meets what is brought back to its head; elsewhere it stays in place.
    fn open(&mut self, ty: BlockType, is_loop: bool) -> u64 {
        let (parameters, end) = match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(one) => (0, words(&[one])),
            BlockType::FuncType(index) => {
                let ty = &self.facts.types[index as usize];
                (words(ty.params()), words(ty.results()))
            }
        };
        self.labels.push(Label { branch: if is_loop { parameters } else { end }, end });
        if is_loop { parameters } else { 0 }
    }

    /// Validation has proven that every label exists.
    fn branch(&self, depth: u32) -> u64 {
        let index = self.labels.len().checked_sub(1 + depth as usize);
        index.and_then(|index| self.labels.get(index)).map_or(0, |label| label.branch)
    }

    fn called(&self, type_index: u32) -> u64 {
        let ty = &self.facts.types[type_index as usize];
        words(ty.params()) + words(ty.results())
    }
}

/// Values of these types, vectors counted twice.
fn words(types: &[ValType]) -> u64 {
    types.len() as u64 + types.iter().filter(|ty| **ty == ValType::V128).count() as u64
}

fn carried(values: u64) -> u64 {
    values.saturating_sub(COSTS.carried_free.into()) * u64::from(COSTS.carried)
}
