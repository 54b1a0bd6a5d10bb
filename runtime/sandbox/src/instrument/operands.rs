//! What an operator does to operands and locals, as far as the engine's order of work depends on it.

use wasmparser::{Catch, Operator};

use super::{COSTS, track};

/// What an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Get(u32),
    Set(u32),
    Open(Opening),
    Else,
    End,
    /// Its results are new here: loads, calls, what memory or tables say.
    New,
    /// One result that depends on the operands alone, and no effect: the engine may do it elsewhere.
    Pure,
    /// No result, or the operands as they were.
    Other,
}

/// What an operator opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Block,
    Loop,
    If,
}

impl Effect {
    /// What an operator does that changes the height of the operand stack so. `changes` tells whether the global that
    /// it reads may change.
    pub(super) fn of(operator: &Operator<'_>, (before, after): (usize, usize), changes: bool) -> Effect {
        use Operator::*;
        match operator {
            LocalGet { local_index } => Effect::Get(*local_index),
            LocalSet { local_index } | LocalTee { local_index } => Effect::Set(*local_index),
            Loop { .. } => Effect::Open(Opening::Loop),
            If { .. } => Effect::Open(Opening::If),
            Block { .. } | TryTable { .. } => Effect::Open(Opening::Block),
            Else => Effect::Else,
            End => Effect::End,
            GlobalGet { .. } if changes => Effect::New,
            Call { .. }
            | CallIndirect { .. }
            | RefFunc { .. }
            | MemorySize { .. }
            | MemoryGrow { .. }
            | TableGet { .. }
            | TableGrow { .. }
            | TableSize { .. } => Effect::New,
            Br { .. }
            | BrIf { .. }
            | BrTable { .. }
            | Return
            | ReturnCall { .. }
            | ReturnCallIndirect { .. }
            | Throw { .. }
            | ThrowRef
            | Unreachable
            | Nop
            | Drop
            | GlobalSet { .. }
            | TableSet { .. }
            | TableCopy { .. }
            | TableFill { .. }
            | TableInit { .. }
            | ElemDrop { .. }
            | DataDrop { .. }
            | MemoryCopy { .. }
            | MemoryFill { .. }
            | MemoryInit { .. } => Effect::Other,
            // These take a vector, too, and make another of it.
            V128Load8Lane { .. } | V128Load16Lane { .. } | V128Load32Lane { .. } | V128Load64Lane { .. } => {
                Effect::Pure
            }
            // A load takes an address, a store has no result. Where nobody comes, the heights may say something else.
            access if track::accesses_memory(access) => {
                if before > after {
                    Effect::Other
                } else {
                    Effect::New
                }
            }
            _ => Effect::Pure,
        }
    }
}

/// Weight of an operator without side effects. One that may trap is done in its place, unless it turns into something
/// simpler: a division by a constant.
pub(super) fn weight(operator: &Operator<'_>) -> u32 {
    use Operator::*;
    match operator {
        I32DivS | I32DivU | I32RemS | I32RemU | I64DivS | I64DivU | I64RemS | I64RemU => COSTS.convert,
        other => COSTS.operator(other),
    }
}

/// Calls `to` with the depth of each label to which control may go from an operator, `outermost` for what leaves the
/// function. Says whether what stands behind the operator is no longer reached whenever the operator is.
pub(super) fn leaves(operator: &Operator<'_>, outermost: u32, mut to: impl FnMut(u32)) -> bool {
    match operator {
        Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => to(*relative_depth),
        Operator::BrTable { targets } => {
            targets.targets().flatten().chain([targets.default()]).for_each(to);
        }
        // What catches hides nothing of what stands behind it.
        Operator::TryTable { try_table } => {
            for catch in &try_table.catches {
                match *catch {
                    Catch::One { label, .. }
                    | Catch::OneRef { label, .. }
                    | Catch::All { label }
                    | Catch::AllRef { label } => to(label),
                }
            }
            return false;
        }
        Operator::Return
        | Operator::ReturnCall { .. }
        | Operator::ReturnCallIndirect { .. }
        | Operator::Throw { .. }
        | Operator::ThrowRef
        | Operator::Unreachable => to(outermost),
        _ => return false,
    }
    true
}
