//! What the rewrite does at the operators that it does not merely copy.

use wasmparser::{Catch, Operator};

/// An operator at which the rewrite does something. All others, between two stops, are copied as they stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    /// Index of the operator.
    pub(super) index: u32,
    /// Where its bytes are in the function's body.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) act: Act,
}

/// Which of the plan's labels.
#[derive(Debug, Clone, Copy)]
pub(super) struct LabelRange {
    pub(super) first: u32,
    pub(super) past: u32,
}

/// What is done at an operator.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Block,
    Loop,
    If,
    /// The labels are those of the catches, counted from outside.
    Try(LabelRange),
    Else,
    End,
    Br(u32),
    BrIf(u32),
    BrTable(LabelRange),
    Return,
    Unreachable,
    Throw,
    /// The function that is called, if it is known.
    Call(Option<u32>),
    TailCall(Option<u32>),
    MemoryGrow,
    Bulk(SizeUnit),
}

/// What the size of a bulk operation counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum SizeUnit {
    Bytes,
    Elements,
    GrownElements,
    Pages,
}

impl Act {
    /// What is done at an operator; `None` if it is copied. Its several labels are put behind `labels`.
    pub(super) fn of(operator: &Operator<'_>, labels: &mut Vec<u32>) -> Option<Act> {
        // Most are, and this test takes no jump.
        if !is_stop(operator) {
            return None;
        }
        Some(match operator {
            Operator::Block { .. } => Act::Block,
            Operator::Loop { .. } => Act::Loop,
            Operator::If { .. } => Act::If,
            Operator::TryTable { try_table } => {
                Act::Try(append(labels, try_table.catches.iter().map(catch_label)))
            }
            Operator::Else => Act::Else,
            Operator::End => Act::End,
            Operator::Br { relative_depth } => Act::Br(*relative_depth),
            Operator::BrIf { relative_depth } => Act::BrIf(*relative_depth),
            Operator::BrTable { targets } => {
                Act::BrTable(append(labels, targets.targets().flatten().chain([targets.default()])))
            }
            Operator::Return => Act::Return,
            Operator::Unreachable => Act::Unreachable,
            Operator::Throw { .. } | Operator::ThrowRef => Act::Throw,
            Operator::Call { function_index } => Act::Call(Some(*function_index)),
            Operator::CallIndirect { .. } => Act::Call(None),
            Operator::ReturnCall { function_index } => Act::TailCall(Some(*function_index)),
            Operator::ReturnCallIndirect { .. } => Act::TailCall(None),
            Operator::MemoryGrow { .. } => Act::MemoryGrow,
            Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => {
                Act::Bulk(SizeUnit::Bytes)
            }
            Operator::TableCopy { .. } | Operator::TableFill { .. } | Operator::TableInit { .. } => {
                Act::Bulk(SizeUnit::Elements)
            }
            Operator::TableGrow { .. } => Act::Bulk(SizeUnit::GrownElements),
            _ => return None,
        })
    }
}

/// Whether something is done at an operator: whether it moves control, or calls, or works in bulk.
pub(super) fn is_stop(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Unreachable
            | Operator::Throw { .. }
            | Operator::ThrowRef
            | Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::MemoryGrow { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryInit { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableInit { .. }
            | Operator::TableGrow { .. }
    )
}

fn append(labels: &mut Vec<u32>, more: impl Iterator<Item = u32>) -> LabelRange {
    // A function has fewer bytes, and each is at most one label.
    let place = |labels: &Vec<u32>| u32::try_from(labels.len()).unwrap_or(u32::MAX);
    let first = place(labels);
    labels.extend(more);
    LabelRange { first, past: place(labels) }
}

fn catch_label(catch: &Catch) -> u32 {
    match *catch {
        Catch::One { label, .. }
        | Catch::OneRef { label, .. }
        | Catch::All { label }
        | Catch::AllRef { label } => label,
    }
}
