//! A WebAssembly function under construction.

use super::CompileError;
use super::ir::Ty;
use wasm_encoder::{BlockType, Function, Ieee32, InstructionSink, MemArg, ValType};

/// Bytes of one function.
pub(super) const MAX_BYTES: usize = crate::program::MAX_CODE;
/// Locals of one function: engines take 50,000.
const MAX_LOCALS: usize = 40_000;
/// Places where control flow meets, each with the locals in use there: what engines' compilers take time and memory for, about 10 million in a second and 100 MiB.
const MAX_MEETINGS: usize = 1 << 24;
/// A loop is as many other places where control flow meets: engines look at each local that is needed behind it.
const LOOP: usize = 32;

/// A local variable of the function.
pub(crate) type Local = u32;

#[derive(Default)]
pub(crate) struct Asm {
    bytes: Vec<u8>,
    parameters: u32,
    locals: Vec<ValType>,
    free: [Vec<Local>; 3],
    /// Locals that hold something.
    in_use: usize,
    /// Places where control flow meets, each with the locals in use there.
    meetings: usize,
    /// Blocks that are open.
    pub(crate) depth: u32,
}

fn class(ty: ValType) -> usize {
    match ty {
        ValType::I32 => 0,
        ValType::F32 => 1,
        _ => 2,
    }
}

/// The type of a scalar in a local.
pub(crate) fn scalar_type(ty: Ty) -> ValType {
    if ty == Ty::F32 { ValType::F32 } else { ValType::I32 }
}

/// Alignments are hints; nothing here is aligned to more than a word for sure.
pub(crate) fn memory(offset: u32) -> MemArg {
    MemArg { offset: u64::from(offset), align: 2, memory_index: 0 }
}

/// A memory argument for what lies in the thread's own scratch.
pub(crate) fn aligned(offset: u32) -> MemArg {
    MemArg { offset: u64::from(offset), align: 4, memory_index: 0 }
}

/// Four equal words.
pub(crate) fn splat(bits: u32) -> i128 {
    lanes([bits; 4])
}

pub(crate) fn lanes(words: [u32; 4]) -> i128 {
    words.iter().rev().fold(0_u128, |all, word| (all << 32) | u128::from(*word)) as i128
}

impl Asm {
    pub(crate) fn new(parameters: u32) -> Self {
        Asm { parameters, ..Asm::default() }
    }

    pub(crate) fn op(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.bytes)
    }

    pub(crate) fn local(&mut self, ty: ValType) -> Local {
        self.in_use += 1;
        if let Some(local) = self.free[class(ty)].pop() {
            return local;
        }
        self.locals.push(ty);
        self.parameters + self.locals.len() as u32 - 1
    }

    /// Lets a local be used for something else.
    pub(crate) fn release(&mut self, local: Local) {
        let ty = self.locals[(local - self.parameters) as usize];
        self.free[class(ty)].push(local);
        self.in_use -= 1;
    }

    pub(crate) fn get(&mut self, local: Local) {
        self.op().local_get(local);
    }

    pub(crate) fn set(&mut self, local: Local) {
        self.op().local_set(local);
    }

    pub(crate) fn int(&mut self, value: u32) {
        self.op().i32_const(value as i32);
    }

    pub(crate) fn float(&mut self, bits: u32) {
        self.op().f32_const(Ieee32::new(bits));
    }

    /// Replaces the number on the stack by `most` where it is above, as an unsigned one.
    pub(crate) fn at_most(&mut self, most: u32) {
        let local = self.local(ValType::I32);
        self.op().local_tee(local);
        self.int(most);
        self.get(local);
        self.int(most);
        self.op().i32_lt_u().select();
        self.release(local);
    }

    pub(crate) fn block(&mut self) -> u32 {
        self.meetings += self.in_use;
        self.op().block(BlockType::Empty);
        self.depth += 1;
        self.depth
    }

    pub(crate) fn repeat(&mut self) -> u32 {
        self.meetings += LOOP * self.in_use;
        self.op().loop_(BlockType::Empty);
        self.depth += 1;
        self.depth
    }

    pub(crate) fn begin_if(&mut self) {
        self.begin_if_with(BlockType::Empty);
    }

    pub(crate) fn begin_if_with(&mut self, ty: BlockType) {
        self.meetings += self.in_use;
        self.op().if_(ty);
        self.depth += 1;
    }

    pub(crate) fn end(&mut self) {
        self.op().end();
        self.depth -= 1;
    }

    /// Jumps to what [`block`](Self::block) or [`repeat`](Self::repeat) opened.
    pub(crate) fn jump(&mut self, to: u32) {
        let by = self.depth - to;
        self.op().br(by);
    }

    pub(crate) fn jump_if(&mut self, to: u32) {
        let by = self.depth - to;
        self.op().br_if(by);
    }

    /// # Errors
    /// When it has grown too large.
    pub(crate) fn check(&self) -> Result<(), CompileError> {
        if self.bytes.len() > MAX_BYTES || self.locals.len() > MAX_LOCALS {
            return Err(CompileError::TooLarge("the code of the whole shader"));
        }
        if self.meetings > MAX_MEETINGS {
            return Err(CompileError::TooLarge("values that are kept over branches and loops"));
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Function {
        self.op().end();
        let mut function = Function::new_with_locals_types(self.locals);
        function.raw(self.bytes);
        function
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "the code of the whole shader";
    const KEPT: &str = "values that are kept over branches and loops";

    fn said(asm: &Asm) -> Option<&'static str> {
        match asm.check() {
            Ok(()) => None,
            Err(CompileError::TooLarge(what)) => Some(what),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn code_is_bounded() {
        let mut asm = Asm::new(0);
        for _ in 0..MAX_BYTES {
            asm.op().nop();
        }
        assert_eq!(said(&asm), None);
        asm.op().nop();
        assert_eq!(said(&asm), Some(CODE));
    }

    #[test]
    fn locals_are_bounded() {
        let mut asm = Asm::new(0);
        let locals: Vec<Local> = (0..MAX_LOCALS).map(|_| asm.local(ValType::V128)).collect();
        assert_eq!(said(&asm), None);
        // One that is free is taken before a new one.
        asm.release(locals[7]);
        asm.local(ValType::V128);
        assert_eq!(said(&asm), None);
        asm.local(ValType::V128);
        assert_eq!(said(&asm), Some(CODE));
    }

    #[test]
    fn what_is_kept_where_control_flow_meets_is_bounded() {
        let mut asm = Asm::new(0);
        let locals: Vec<Local> = (0..1024).map(|_| asm.local(ValType::I32)).collect();
        let most = MAX_MEETINGS / locals.len();
        for _ in 0..most / LOOP / 2 {
            asm.repeat();
            asm.end();
        }
        for _ in 0..most / 4 {
            asm.block();
            asm.begin_if();
            asm.end();
            asm.end();
        }
        assert_eq!(said(&asm), None);
        locals.iter().skip(1).for_each(|local| asm.release(*local));
        asm.block();
        assert_eq!(said(&asm), Some(KEPT));
    }
}
