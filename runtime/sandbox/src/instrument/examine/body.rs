//! One function of the original module: validated, measured, and looked through for what the rewrite must know.

use wasmparser::{BlockType, FunctionBody, Operator, ValType};

use super::Examiner;
use crate::instrument::act::is_stop;
use crate::instrument::cost::is_simd;
use crate::instrument::current::Current;
use crate::instrument::error::ModuleError;
use crate::instrument::facts::FunctionFacts;
use crate::instrument::operands::Effect;
use crate::instrument::{COSTS, function, nan, roots, track};

impl<F: Fn(&str, &str) -> bool> Examiner<'_, F> {
    /// Validates a body operator by operator, for the largest operand height is known only on the way.
    pub(super) fn function(
        &mut self,
        validator: &mut wasmparser::FuncValidator<impl wasmparser::WasmModuleResources>,
        body: &FunctionBody<'_>,
    ) -> Result<FunctionFacts, ModuleError> {
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        self.tally.locals(validator.len_locals().into())?;
        self.locals += u64::from(validator.len_locals());
        self.tally.all_locals(self.locals)?;
        let mut slots = u64::from(validator.len_locals());
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            slots += if ty == ValType::V128 { u64::from(count) } else { 0 };
        }
        let mut vectors = 0u64;
        let (mut makes_nans, mut canonical) = (false, nan::FIXED_GROWTH);
        let (mut height, mut operators, mut unbounded) = (0u32, 0u64, false);
        // Places to which control may go, those at canonical NaNs among them, and values that are carried to labels.
        let (mut nesting, mut places, mut checks, mut carried) = (0, 1u64, 0u64, 0u64);
        // What each open block is, and how many of them are loops, and catch.
        let (mut open, mut loops, mut tries) = (Vec::new(), 0u64, 0u64);
        let mut instrumented = body.as_bytes().len() as u64 + function::FIXED_GROWTH;
        // Whoever checks a part of a task in steps compiles a form that grows more, and must be able to.
        let steps = self.exports.step.is_some();
        self.early.begin();
        self.roots.begin(validator.len_locals());
        let mut operator_reader = body.get_operators_reader()?;
        let mut current = Current::new();
        while !operator_reader.eof() {
            let offset = operator_reader.original_position();
            let operator = current.read(&mut operator_reader)?;
            let before = validator.operand_stack_height() as usize;
            validator.op(offset, operator)?;
            let after = validator.operand_stack_height() as usize;
            let top = validator.get_operand_type(0).flatten();
            let effect = Effect::of(operator, (before, after), self.changes(operator));
            self.early.operator(operator, effect);
            self.roots.operator(operator, effect, (before, after), self.arity(operator), top);
            height = height.max(validator.operand_stack_height());
            nesting = nesting.max(validator.control_stack_height());
            operators += 1;
            if is_stop(operator) {
                instrumented += function::growth(operator);
                places += branches(operator);
                if block_type(operator).is_some() {
                    let (parameters, results) = self.arity(operator);
                    carried += (parameters + results) as u64;
                }
                match operator {
                    Operator::Loop { .. } => {
                        open.push(Opened::Loop);
                        loops += 1;
                        self.tally.loops(loops)?;
                    }
                    Operator::TryTable { .. } => {
                        open.push(Opened::Try);
                        tries += 1;
                    }
                    Operator::Block { .. } | Operator::If { .. } => open.push(Opened::Other),
                    Operator::End => match open.pop() {
                        Some(Opened::Loop) => loops -= 1,
                        Some(Opened::Try) => tries -= 1,
                        Some(Opened::Other) | None => {}
                    },
                    // Control may go from here to the handler, too.
                    Operator::Call { .. } | Operator::CallIndirect { .. } => places += tries.min(1),
                    Operator::BrTable { targets } => self.tally.branch_targets(targets.len().into())?,
                    _ => {}
                }
                match *operator {
                    Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                        if let Some(callee) = function_index.checked_sub(self.facts.imported_functions) {
                            self.calls.add(callee);
                        }
                    }
                    // What is thrown is charged by the stack that it unwinds, so the thrower must know its own.
                    Operator::CallIndirect { .. }
                    | Operator::ReturnCallIndirect { .. }
                    | Operator::Throw { .. }
                    | Operator::ThrowRef => unbounded = true,
                    _ => {}
                }
            }
            if let Some(name) = unsaved(operator) {
                let index = self.facts.imported_functions + self.facts.functions.len() as u32;
                self.unsaved.get_or_insert((name, index));
            }
            if steps {
                instrumented += track::growth(operator);
            }
            // What makes a NaN leaves it on top.
            if let Some(ty @ (ValType::F32 | ValType::F64 | ValType::V128)) = top {
                makes_nans |= nan::makes_nans(operator);
                let grows = nan::growth(operator, ty);
                canonical += grows;
                checks += u64::from(grows > 0);
            }
            vectors += u64::from(is_simd(operator));
        }
        operator_reader.finish()?;
        let index = u32::try_from(self.facts.functions.len()).unwrap_or(u32::MAX);
        self.early.finish(index, &mut self.facts.extras);
        let tied = self.roots.finish(index, &mut self.facts.roots);
        instrumented += tied * roots::GROWTH;
        places += 2 * tied;
        instrumented += if makes_nans { canonical } else { 0 };
        self.tally.nesting(nesting.into())?;
        places += if makes_nans { 2 * checks } else { 0 };
        self.tally.complexity((u64::from(validator.len_locals()) + carried).saturating_mul(places))?;
        self.tally.instrumented_function_bytes(instrumented)?;
        self.facts.instrumented_bytes += instrumented - body.as_bytes().len() as u64;
        self.tally.instrumented_bytes(self.facts.instrumented_bytes)?;
        let wide = if vectors > 0 { u64::from(height) } else { 0 };
        let frame = COSTS.frame(slots + u64::from(height) + wide, operators, vectors);
        // Larger than any stack that a job may ask for, and far from the end of an i32.
        let frame = u32::try_from(frame).unwrap_or(u32::MAX).min(1 << 30);
        self.calls.end_of_function();
        Ok(FunctionFacts { frame, metered_stack: unbounded, makes_nans })
    }

    /// Whether an operator reads a global that may change.
    fn changes(&self, operator: &Operator<'_>) -> bool {
        let Operator::GlobalGet { global_index } = operator else { return false };
        self.facts.mutable_globals.binary_search_by_key(global_index, |global| global.0).is_ok()
    }

    /// How many parameters and results a block has, or what a call calls.
    fn arity(&self, operator: &Operator<'_>) -> (usize, usize) {
        let index = match operator {
            Operator::Call { function_index } => self.facts.type_of(*function_index),
            Operator::CallIndirect { type_index, .. } => *type_index,
            _ => match block_type(operator) {
                None | Some(BlockType::Empty) => return (0, 0),
                Some(BlockType::Type(_)) => return (0, 1),
                Some(BlockType::FuncType(index)) => index,
            },
        };
        self.facts.types.get(index as usize).map_or((0, 0), |ty| (ty.params().len(), ty.results().len()))
    }
}

/// The name of an operator that changes a table or drops a segment. What `memory.init` reads stays as it is without
/// `data.drop`, so it may be used.
fn unsaved(operator: &Operator<'_>) -> Option<&'static str> {
    Some(match operator {
        Operator::TableSet { .. } => "table.set",
        Operator::TableGrow { .. } => "table.grow",
        Operator::TableCopy { .. } => "table.copy",
        Operator::TableInit { .. } => "table.init",
        Operator::TableFill { .. } => "table.fill",
        Operator::ElemDrop { .. } => "elem.drop",
        Operator::DataDrop { .. } => "data.drop",
        _ => return None,
    })
}

/// The type of what an operator opens.
fn block_type(operator: &Operator<'_>) -> Option<BlockType> {
    match operator {
        Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => Some(*blockty),
        Operator::TryTable { try_table } => Some(try_table.ty),
        _ => None,
    }
}

/// An open block, as far as the compiler's work depends on it.
enum Opened {
    Loop,
    Try,
    Other,
}

/// How many places an operator gives to which control may go, in the instrumented form.
fn branches(operator: &Operator<'_>) -> u64 {
    match operator {
        Operator::Block { .. }
        | Operator::Loop { .. }
        | Operator::If { .. }
        | Operator::Else
        | Operator::TryTable { .. }
        | Operator::Br { .. }
        | Operator::BrIf { .. }
        | Operator::BrTable { .. } => 1,
        Operator::MemoryGrow { .. } => 4,
        Operator::MemoryCopy { .. }
        | Operator::MemoryFill { .. }
        | Operator::MemoryInit { .. }
        | Operator::TableGrow { .. }
        | Operator::TableCopy { .. }
        | Operator::TableFill { .. }
        | Operator::TableInit { .. } => 2,
        _ => 0,
    }
}
