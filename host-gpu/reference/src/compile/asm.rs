//! A WebAssembly function under construction.

use super::CompileError;
use super::ir::Ty;
use wasm_encoder::{BlockType, Function, Ieee32, InstructionSink, MemArg, ValType};

/// Bytes of one function.
pub(super) const MAX_BYTES: usize = 3 << 20;
/// Locals of one function: engines take 50,000.
const MAX_LOCALS: usize = 40_000;

/// A local variable of the function.
pub(crate) type Local = u32;

#[derive(Default)]
pub(crate) struct Asm {
    bytes: Vec<u8>,
    parameters: u32,
    locals: Vec<ValType>,
    free: [Vec<Local>; 3],
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
        self.op().block(BlockType::Empty);
        self.depth += 1;
        self.depth
    }

    pub(crate) fn repeat(&mut self) -> u32 {
        self.op().loop_(BlockType::Empty);
        self.depth += 1;
        self.depth
    }

    pub(crate) fn begin_if(&mut self) {
        self.op().if_(BlockType::Empty);
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
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Function {
        self.op().end();
        let mut function = Function::new_with_locals_types(self.locals);
        function.raw(self.bytes);
        function
    }
}
