//! The cost table: what every operator, frame and host call costs. Data, versioned and hashed into the profile.
//!
//! One unit of gas is one simple operator. A present-day core does 10 to 50 of them in a nanosecond, because most are
//! moves that the compiler removes; what is not an operator is weighed against that, at 20 in a nanosecond. The
//! guest's clock advances by one nanosecond per [`CostTable::per_nanosecond`] units. `cargo bench --bench prices` shows
//! what a unit of each form buys.
//!
//! Two things no table prices: a load that misses every cache takes several times as long as its gas says, and
//! arithmetic on subnormal numbers a hundred times, where the processor is slow at it. The node's time limit is for them.
//!
//! A loop whose rounds are known when it is entered is charged there for all of them. Where the gas does not pay for
//! all, the run ends at the entry, with nothing of the loop done, and `OutOfGas` as everywhere. A trap inside does not
//! give the other rounds back.

use fizz_attest::{Digest, Domain};
use wasmparser::Operator;

/// Raise it with every change of [`COSTS`] or of the classes below.
pub const COST_TABLE_VERSION: u32 = 3;

/// What things cost, in units of gas unless a field says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostTable {
    /// Structure, constants that cost nothing to run: `block`, `loop`, `end`, `else`, `nop`, `drop`.
    pub free: u32,
    /// One machine instruction or less.
    pub simple: u32,
    /// A load or a store of memory, a global or a table.
    pub memory: u32,
    /// Integer division, float division and square root, on one lane.
    pub divide: u32,
    /// Conversions with a range check, minima, and rounding to whole numbers.
    pub convert: u32,
    /// A SIMD operator.
    pub simd: u32,
    /// A SIMD operator that becomes several instructions or waits long: conversions to whole numbers, minima of
    /// floats, products of wide lanes, sums of pairs, masks and tests of all lanes.
    pub simd_convert: u32,
    /// A SIMD operator that divides, takes roots or is done lane by lane.
    pub simd_slow: u32,
    /// `br_table`.
    pub branch_table: u32,
    /// A direct call, the callee's entry and its return.
    pub call: u32,
    /// A call through a table.
    pub call_indirect: u32,
    /// Throwing an exception.
    pub throw: u32,
    /// One byte of metered stack that a caught exception unwinds: the engine walks every frame of it.
    pub unwound_byte: u32,
    /// One clause of a `try_table`, each time it is entered: a throw from inside may look at all of them.
    pub catch_clause: u32,
    /// Values that a branch, a call or a return takes along at no further cost, vectors counted twice.
    pub carried_free: u32,
    /// Each value more.
    pub carried: u32,
    /// Bytes of a frame that are in the cost of a call.
    pub entered_free: u32,
    /// A function's entry costs one gas for `2^entered_shift` bytes more of its frame.
    pub entered_shift: u32,
    /// `ref.func`, for which the engine leaves the guest's code.
    pub function_reference: u32,
    /// The fixed part of a bulk operation and of growth.
    pub bulk: u32,
    /// One byte of a bulk operation on memory.
    pub bulk_byte: u32,
    /// One element of a bulk operation on a table, of table growth, and of the tables at the start.
    pub table_element: u32,
    /// Elements of a table growth that are charged at most, so that a refused growth stays cheap.
    pub table_grow_cap: u32,
    /// One 64 KiB page of linear memory, at the start and at growth.
    pub page: u32,
    /// The fixed part of a host call.
    pub host_call: u32,
    /// One byte that a host call moves.
    pub host_byte: u32,
    /// One buffer in the list of a reading or writing call.
    pub buffer: u32,
    /// One byte of a path, and one directory entry listed.
    pub path_byte: u32,
    /// One 64-byte block of random bytes.
    pub random_block: u32,
    /// One subscription of `poll_oneoff`.
    pub subscription: u32,
    /// The fixed part of a chunk's end.
    pub chunk: u32,
    /// One byte of linear memory, and of what the guest has written to files and streams, at a chunk's end: the host
    /// may have to hash it. That may be far more than the chunk's own work: with 4 GiB of memory it is 17 G gas, and a
    /// limit that is below it ends the task at its first chunk's end.
    pub chunk_byte: u32,
    /// One file, folder, link, open descriptor or mutable global at a chunk's end.
    pub chunk_entry: u32,
    /// Gas in one nanosecond of the guest's clock.
    pub per_nanosecond: u32,
    /// Bytes of stack: the fixed part of a frame.
    pub frame: u32,
    /// Bytes of stack per local or operand of 8 bytes or fewer; vectors count twice.
    pub frame_slot: u32,
    /// A frame costs one byte per `2^frame_operators_shift` operators of its function, for what the engine keeps of
    /// them beyond locals and operands.
    pub frame_operators_shift: u32,
    /// An operator on vectors counts as that many.
    pub frame_vector: u32,
    /// Frames of functions that call nothing, or only one another without recursion, are not metered where together
    /// they have at most this size: there is only one such group at a time.
    pub frame_leaf: u32,
}

/// The one table.
pub const COSTS: CostTable = CostTable {
    free: 0,
    simple: 1,
    memory: 2,
    divide: 30,
    convert: 6,
    simd: 2,
    simd_convert: 12,
    simd_slow: 30,
    branch_table: 6,
    call: 10,
    call_indirect: 20,
    throw: 50_000,
    unwound_byte: 16,
    catch_clause: 400,
    carried_free: 4,
    carried: 4,
    entered_free: 512,
    entered_shift: 4,
    function_reference: 1_000,
    bulk: 200,
    bulk_byte: 1,
    table_element: 8,
    table_grow_cap: 1 << 24,
    page: 65_536,
    host_call: 3_000,
    host_byte: 2,
    buffer: 1_000,
    path_byte: 40,
    random_block: 1_500,
    subscription: 1_000,
    chunk: 200_000,
    chunk_byte: 4,
    chunk_entry: 10_000,
    per_nanosecond: 16,
    frame: 64,
    frame_slot: 8,
    frame_operators_shift: 3,
    frame_vector: 4,
    frame_leaf: 16 << 10,
};

impl CostTable {
    /// Rows by name, in the order in which they are hashed.
    pub fn rows(&self) -> [(&'static str, u32); 39] {
        [
            ("free", self.free),
            ("simple", self.simple),
            ("memory", self.memory),
            ("divide", self.divide),
            ("convert", self.convert),
            ("simd", self.simd),
            ("simd_convert", self.simd_convert),
            ("simd_slow", self.simd_slow),
            ("branch_table", self.branch_table),
            ("call", self.call),
            ("call_indirect", self.call_indirect),
            ("throw", self.throw),
            ("unwound_byte", self.unwound_byte),
            ("catch_clause", self.catch_clause),
            ("carried_free", self.carried_free),
            ("carried", self.carried),
            ("entered_free", self.entered_free),
            ("entered_shift", self.entered_shift),
            ("function_reference", self.function_reference),
            ("bulk", self.bulk),
            ("bulk_byte", self.bulk_byte),
            ("table_element", self.table_element),
            ("table_grow_cap", self.table_grow_cap),
            ("page", self.page),
            ("host_call", self.host_call),
            ("host_byte", self.host_byte),
            ("buffer", self.buffer),
            ("path_byte", self.path_byte),
            ("random_block", self.random_block),
            ("subscription", self.subscription),
            ("chunk", self.chunk),
            ("chunk_byte", self.chunk_byte),
            ("chunk_entry", self.chunk_entry),
            ("per_nanosecond", self.per_nanosecond),
            ("frame", self.frame),
            ("frame_slot", self.frame_slot),
            ("frame_operators_shift", self.frame_operators_shift),
            ("frame_vector", self.frame_vector),
            ("frame_leaf", self.frame_leaf),
        ]
    }

    /// The digest that stands in the profile: of the version and every row.
    pub fn digest(&self) -> Digest {
        let mut text = format!("version {COST_TABLE_VERSION}\n");
        for (name, value) in self.rows() {
            text.push_str(&format!("{name} {value}\n"));
        }
        Digest::of(Domain::CostTable, text.as_bytes())
    }

    /// The static cost of an operator.
    #[inline]
    pub(crate) fn operator(&self, operator: &Operator<'_>) -> u32 {
        use Operator::*;
        if let TryTable { try_table } = operator {
            let clauses = u32::try_from(try_table.catches.len()).unwrap_or(u32::MAX);
            return clauses.saturating_mul(self.catch_clause);
        }
        // Nothing but constants, of which the compiler makes a table.
        match operator {
            Nop | Block { .. } | Loop { .. } | End | Else | Drop | Unreachable => self.free,
            RefFunc { .. } => self.function_reference,
            Call { .. } | ReturnCall { .. } => self.call,
            CallIndirect { .. } | ReturnCallIndirect { .. } => self.call_indirect,
            BrTable { .. } => self.branch_table,
            Throw { .. } | ThrowRef => self.throw,
            MemoryCopy { .. }
            | MemoryFill { .. }
            | MemoryInit { .. }
            | MemoryGrow { .. }
            | TableCopy { .. }
            | TableFill { .. }
            | TableInit { .. }
            | TableGrow { .. }
            | ElemDrop { .. }
            | DataDrop { .. } => self.bulk,
            I32DivS | I32DivU | I32RemS | I32RemU | I64DivS | I64DivU | I64RemS | I64RemU | F32Div
            | F64Div | F32Sqrt | F64Sqrt => self.divide,
            I32TruncF32S | I32TruncF32U | I32TruncF64S | I32TruncF64U | I64TruncF32S | I64TruncF32U
            | I64TruncF64S | I64TruncF64U | I32TruncSatF32S | I32TruncSatF32U | I32TruncSatF64S
            | I32TruncSatF64U | I64TruncSatF32S | I64TruncSatF32U | I64TruncSatF64S | I64TruncSatF64U
            | F32Min | F32Max | F64Min | F64Max | F32ConvertI64U | F64ConvertI64U | F32Ceil | F32Floor
            | F32Trunc | F32Nearest | F64Ceil | F64Floor | F64Trunc | F64Nearest => self.convert,
            GlobalGet { .. }
            | GlobalSet { .. }
            | TableGet { .. }
            | TableSet { .. }
            | I32Load { .. }
            | I64Load { .. }
            | F32Load { .. }
            | F64Load { .. }
            | I32Load8S { .. }
            | I32Load8U { .. }
            | I32Load16S { .. }
            | I32Load16U { .. }
            | I64Load8S { .. }
            | I64Load8U { .. }
            | I64Load16S { .. }
            | I64Load16U { .. }
            | I64Load32S { .. }
            | I64Load32U { .. }
            | I32Store { .. }
            | I64Store { .. }
            | F32Store { .. }
            | F64Store { .. }
            | I32Store8 { .. }
            | I32Store16 { .. }
            | I64Store8 { .. }
            | I64Store16 { .. }
            | I64Store32 { .. } => self.memory,
            F32x4Div | F64x2Div | F32x4Sqrt | F64x2Sqrt | F32x4Ceil | F32x4Floor | F32x4Trunc
            | F32x4Nearest | F64x2Ceil | F64x2Floor | F64x2Trunc | F64x2Nearest | I8x16Popcnt | I64x2Mul => {
                self.simd_slow
            }
            I32x4TruncSatF32x4S
            | I32x4TruncSatF32x4U
            | I32x4TruncSatF64x2SZero
            | I32x4TruncSatF64x2UZero
            | F64x2ConvertLowI32x4U
            | F32x4DemoteF64x2Zero
            | F64x2PromoteLowF32x4
            | F32x4Min
            | F32x4Max
            | F64x2Min
            | F64x2Max
            | I32x4Mul
            | I16x8Q15MulrSatS
            | I16x8ExtMulLowI8x16S
            | I16x8ExtMulLowI8x16U
            | I16x8ExtMulHighI8x16S
            | I16x8ExtMulHighI8x16U
            | I32x4ExtMulLowI16x8S
            | I32x4ExtMulLowI16x8U
            | I32x4ExtMulHighI16x8S
            | I32x4ExtMulHighI16x8U
            | I64x2ExtMulLowI32x4S
            | I64x2ExtMulLowI32x4U
            | I64x2ExtMulHighI32x4S
            | I64x2ExtMulHighI32x4U
            | I16x8ExtAddPairwiseI8x16S
            | I16x8ExtAddPairwiseI8x16U
            | I32x4ExtAddPairwiseI16x8S
            | I32x4ExtAddPairwiseI16x8U
            | I8x16Shl
            | I8x16ShrS
            | I8x16ShrU
            | I64x2ShrS
            | I8x16Bitmask
            | I16x8Bitmask
            | I32x4Bitmask
            | I64x2Bitmask
            | I8x16AllTrue
            | I16x8AllTrue
            | I32x4AllTrue
            | I64x2AllTrue
            | V128AnyTrue => self.simd_convert,
            simd if is_simd(simd) => self.simd,
            _ => self.simple,
        }
    }

    /// What the end of a chunk costs in a state of so many bytes and entries: as if all of it had changed.
    pub(crate) fn chunk_end(&self, bytes: u64, entries: u64) -> u64 {
        u64::from(self.chunk)
            .saturating_add(bytes.saturating_mul(self.chunk_byte.into()))
            .saturating_add(entries.saturating_mul(self.chunk_entry.into()))
    }

    /// What the entry of a function costs beside the call, for its frame: the engine makes room for all of it, and
    /// looks at each page.
    pub(crate) fn entry(&self, frame: u32) -> u64 {
        u64::from(frame.saturating_sub(self.entered_free) >> self.entered_shift)
    }

    /// Bytes of metered stack that one frame costs, from its slots of 8 bytes, its operators and those of them that
    /// work on vectors.
    ///
    /// What a native frame can hold: every local and every operand, which are the slots; and what the engine computes
    /// earlier than the operator stands, or keeps for an equal one further on. That is done with values that
    /// depend on nothing but others of their kind. Each takes an operator of its own: a vector at the least one, for
    /// its constant may be a value by itself; a number two, for a constant of a number is made anew where it is used.
    /// So a vector's 16 bytes cost half a byte at the least, a number's 8 a quarter, and the native frame is at most
    /// 32 times as large. [`crate::stack::NATIVE_FACTOR`] is twice that, for the engine does not always use a place
    /// again that has become free.
    pub(crate) fn frame(&self, slots: u64, operators: u64, vectors: u64) -> u64 {
        let kept = operators.saturating_add(vectors.saturating_mul(u64::from(self.frame_vector) - 1));
        u64::from(self.frame)
            + slots.saturating_mul(u64::from(self.frame_slot))
            + (kept >> self.frame_operators_shift)
    }
}

/// Whether an operator works on vectors.
pub(super) fn is_simd(operator: &Operator<'_>) -> bool {
    macro_rules! decide {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $( Operator::$op { .. } => decide!(@ $proposal), )*
                _ => false,
            }
        };
        (@ simd) => { true };
        (@ $other:ident) => { false };
    }
    wasmparser::for_each_operator!(decide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_names_every_row() {
        let base = COSTS.digest();
        assert_ne!(CostTable { divide: 31, ..COSTS }.digest(), base);
        assert_ne!(CostTable { frame_leaf: 1, ..COSTS }.digest(), base);
        assert_eq!(COSTS.digest(), base);
    }

    #[test]
    fn whatever_can_close_a_loop_costs_something() {
        for operator in [
            Operator::Br { relative_depth: 0 },
            Operator::BrIf { relative_depth: 0 },
            Operator::Call { function_index: 0 },
            Operator::ReturnCall { function_index: 0 },
            Operator::CallIndirect { type_index: 0, table_index: 0 },
            Operator::ReturnCallIndirect { type_index: 0, table_index: 0 },
            Operator::Throw { tag_index: 0 },
            Operator::ThrowRef,
        ] {
            assert!(COSTS.operator(&operator) > 0, "{operator:?}");
        }
    }

    #[test]
    fn vectors_are_told_from_scalars() {
        assert_eq!(COSTS.operator(&Operator::I32x4Add), COSTS.simd);
        assert_eq!(COSTS.operator(&Operator::I32Add), COSTS.simple);
        assert_eq!(COSTS.operator(&Operator::F32x4Div), COSTS.simd_slow);
    }
}
