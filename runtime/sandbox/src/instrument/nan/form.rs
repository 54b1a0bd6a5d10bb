//! The code that makes a value canonical.

use wasm_encoder::{BlockType, BranchHint, Encode, Instruction as I, ValType};

use super::class::Lanes;

/// How a value is made canonical: the scalar or vector on top of the operand stack, in lanes of a width, where a NaN
/// becomes the canonical one, or the canonical one with its sign turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    pub(super) vector: bool,
    pub(super) lanes: Lanes,
    pub(super) turned: bool,
}

/// The most bytes that a scalar's form takes, with local indices of four bytes, and its hint.
pub(super) const SCALAR_BYTES: u64 = 56;
/// The most bytes that a vector's form takes, and its hint.
pub(super) const VECTOR_BYTES: u64 = 80;

/// What is made canonical in one function, after which operators.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::instrument) struct Fixes {
    /// By where the operator ends in the body, each once.
    sorted: Vec<(u32, Form)>,
}

/// The temporary locals, each the index of the first of its type.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::instrument) struct Temporaries {
    f32: u32,
    f64: u32,
    vector: u32,
}

/// Which way a branch goes nearly always, by where it stands in its function.
#[derive(Debug, Clone, Copy)]
pub(in crate::instrument) struct Hint {
    offset: u32,
    taken: bool,
}

impl Hint {
    /// Of the branch that is written next.
    pub(in crate::instrument) fn at_end(out: &[u8], taken: bool) -> Hint {
        // The engine refuses functions that are longer than that.
        Hint { offset: u32::try_from(out.len()).unwrap_or(u32::MAX), taken }
    }
}

impl From<Hint> for BranchHint {
    fn from(hint: Hint) -> BranchHint {
        BranchHint { branch_func_offset: hint.offset, branch_hint_value: hint.taken.into() }
    }
}

impl Fixes {
    pub(super) fn of(mut fixes: Vec<(u32, Form)>) -> Fixes {
        fixes.sort_unstable();
        fixes.dedup();
        debug_assert!(fixes.windows(2).all(|pair| pair[0].0 != pair[1].0), "one value, two forms");
        Fixes { sorted: fixes }
    }

    /// Adds the temporaries that the forms need to a function that has `locals` so far.
    pub(in crate::instrument) fn add_temporaries(
        &self,
        groups: &mut Vec<(u32, ValType)>,
        locals: u32,
    ) -> Temporaries {
        let mut next = locals;
        let mut add = |wanted: bool, count: u32, ty: ValType| {
            let first = next;
            if wanted {
                groups.push((count, ty));
                next += count;
            }
            first
        };
        let scalar = |lanes| self.sorted.iter().any(|(_, form)| !form.vector && form.lanes == lanes);
        Temporaries {
            f32: add(scalar(Lanes::F32), 1, ValType::F32),
            f64: add(scalar(Lanes::F64), 1, ValType::F64),
            vector: add(self.sorted.iter().any(|(_, form)| form.vector), 2, ValType::V128),
        }
    }

    /// Where the operator ends after which the fix number `next` stands, if that is not behind `end`.
    pub(in crate::instrument) fn next(&self, next: usize, end: u32) -> Option<u32> {
        self.sorted.get(next).map(|(at, _)| *at).filter(|at| *at <= end)
    }

    /// Writes what stands after the operator that ends at `end`. Calls must come in the order of the operators; `next`
    /// is the place reached and starts at 0. `hints` gets which way the branches go.
    pub(in crate::instrument) fn write(
        &self,
        end: u32,
        next: &mut usize,
        temporaries: &Temporaries,
        out: &mut Vec<u8>,
        hints: &mut Vec<Hint>,
    ) {
        let Some((_, form)) = self.sorted.get(*next).filter(|(at, _)| *at == end) else { return };
        *next += 1;
        hints.push(form.write(temporaries, out));
    }
}

impl Form {
    fn write(self, temporaries: &Temporaries, out: &mut Vec<u8>) -> Hint {
        let negation = match (self.vector, self.lanes) {
            (false, Lanes::F32) => I::F32Neg,
            (false, Lanes::F64) => I::F64Neg,
            (true, Lanes::F32) => I::F32x4Neg,
            (true, Lanes::F64) => I::F64x2Neg,
        };
        if self.turned {
            negation.encode(out);
        }
        let hint = if self.vector {
            self.write_vector(temporaries.vector, out)
        } else {
            self.write_scalar(temporaries, out)
        };
        if self.turned {
            negation.encode(out);
        }
        hint
    }

    /// A branch that is hardly ever taken is cheaper than a selection, which lies on the path of the value. The engine
    /// makes one jump of `x >= x`, and two of `x != x`.
    fn write_scalar(self, temporaries: &Temporaries, out: &mut Vec<u8>) -> Hint {
        let (value, is_number, canonical) = match self.lanes {
            Lanes::F32 => (temporaries.f32, I::F32Ge, I::F32Const(f32::from_bits(0x7fc0_0000).into())),
            Lanes::F64 => {
                (temporaries.f64, I::F64Ge, I::F64Const(f64::from_bits(0x7ff8_0000_0000_0000).into()))
            }
        };
        write(out, &[I::LocalTee(value), I::LocalGet(value), is_number]);
        let hint = Hint::at_end(out, true);
        write(
            out,
            &[I::If(BlockType::Empty), I::Else, canonical, I::LocalSet(value), I::End, I::LocalGet(value)],
        );
        hint
    }

    /// Without a constant, which the engine would keep in a register for the whole function: from the mask of the
    /// lanes that are NaNs, all ones, the canonical NaN is shifted together. That there is one at all is asked by the
    /// mask's signs, which is cheaper than `v128.any_true`.
    fn write_vector(self, first: u32, out: &mut Vec<u8>) -> Hint {
        let (value, mask) = (first, first + 1);
        let (differs, signs, right, down, left, up) = match self.lanes {
            Lanes::F32 => (I::F32x4Ne, I::I32x4Bitmask, 23, I::I32x4ShrU, 22, I::I32x4Shl),
            Lanes::F64 => (I::F64x2Ne, I::I64x2Bitmask, 52, I::I64x2ShrU, 51, I::I64x2Shl),
        };
        write(out, &[I::LocalTee(value), I::LocalGet(value), differs, I::LocalTee(mask), signs]);
        let hint = Hint::at_end(out, false);
        write(
            out,
            &[
                I::If(BlockType::Empty),
                I::LocalGet(value),
                I::LocalGet(mask),
                I::V128AndNot,
                I::LocalGet(mask),
                I::I32Const(right),
                down,
                I::I32Const(left),
                up,
                I::V128Or,
                I::LocalSet(value),
                I::End,
                I::LocalGet(value),
            ],
        );
        hint
    }
}

fn write(out: &mut Vec<u8>, instructions: &[I<'_>]) {
    for instruction in instructions {
        instruction.encode(out);
    }
}
