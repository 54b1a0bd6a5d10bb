//! A second pass over an instrumented module: notes which pages of linear memory the guest touches, and stops it before
//! it touches one that is not there. The gas stays the same; the module becomes several times slower.
//!
//! It is for checking a part of a task from a part of its memory. A second memory holds a byte for each page: 0 for a
//! page that is not there, 1 for one that is, 2 for one that was touched; behind them the number of the page that was
//! missing, plus one. What the host touches for the guest, the host notes itself.

use wasm_encoder::reencode::{self, Reencode, RoundtripReencoder};
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction as I, MemArg,
    MemorySection, MemoryType, Module, RawSection, TypeSection, ValType,
};
use wasmparser::{FunctionBody, Operator, Parser, Payload};

use super::facts::ModuleFacts;

type Error = reencode::Error<std::convert::Infallible>;

/// The second memory.
pub(crate) const TOUCHED_EXPORT: &str = "fizz:touched";
/// Where in it the number of the missing page is.
pub(crate) const MISSING: usize = 65_536;
/// A page that is there.
pub(crate) const PRESENT: u8 = 1;
/// A page that was touched.
pub(crate) const TOUCHED: u8 = 2;

/// The most bytes by which one operator grows here, with every index and number at its longest.
pub(super) fn growth(operator: &Operator<'_>) -> u64 {
    match operator {
        Operator::MemoryCopy { .. } => 80,
        Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => 64,
        operator if memory_argument(operator).is_some() => 48,
        _ => 0,
    }
}

/// Whether an operator loads from memory or stores in it.
pub(super) fn accesses_memory(operator: &Operator<'_>) -> bool {
    memory_argument(operator).is_some()
}

/// Makes the tracking module from an instrumented one, which `facts` were collected for.
pub(crate) fn track(wasm: &[u8], facts: &ModuleFacts) -> Result<Vec<u8>, String> {
    tracked(wasm, facts).map_err(|error| error.to_string())
}

fn tracked(wasm: &[u8], facts: &ModuleFacts) -> Result<Vec<u8>, Error> {
    let mut module = Module::new();
    let mut code = CodeSection::new();
    let mut types = 0;
    let touch = facts.imported_functions + facts.function_types.len() as u32;
    let mut round = RoundtripReencoder;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::TypeSection(section) => {
                types = section.count();
                let mut all = TypeSection::new();
                round.parse_type_section(&mut all, section)?;
                all.ty().function([ValType::I64, ValType::I64], []);
                module.section(&all);
            }
            Payload::FunctionSection(section) => {
                let mut all = FunctionSection::new();
                round.parse_function_section(&mut all, section)?;
                all.function(types);
                module.section(&all);
            }
            Payload::MemorySection(section) => {
                let mut all = MemorySection::new();
                round.parse_memory_section(&mut all, section)?;
                all.memory(MemoryType {
                    minimum: 2,
                    maximum: Some(2),
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                });
                module.section(&all);
            }
            Payload::ExportSection(section) => {
                let mut all = ExportSection::new();
                round.parse_export_section(&mut all, section)?;
                all.export(TOUCHED_EXPORT, ExportKind::Memory, 1);
                module.section(&all);
            }
            Payload::CodeSectionEntry(body) => {
                let ty = facts.function_types[code.len() as usize];
                let parameters = facts.types[ty as usize].params().len() as u32;
                code.function(&function(&body, parameters, touch)?);
                if code.len() as usize == facts.function_types.len() {
                    code.function(&touch_function());
                    module.section(&code);
                }
            }
            Payload::CodeSectionStart { .. } | Payload::Version { .. } | Payload::End(_) => {}
            Payload::CustomSection(_) => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    module.section(&RawSection { id, data: &wasm[range] });
                }
            }
        }
    }
    // A module without functions of its own has no code section, and nothing to track.
    debug_assert!(code.is_empty() || code.len() as usize == facts.function_types.len() + 1);
    Ok(module.finish())
}

/// Locals that a function gets more.
struct Scratch {
    numbers: [u32; 3],
    i64: u32,
    f32: u32,
    f64: u32,
    v128: u32,
}

fn function(body: &FunctionBody<'_>, parameters: u32, touch: u32) -> Result<Function, Error> {
    let mut groups = Vec::new();
    let mut locals = parameters;
    for group in body.get_locals_reader()? {
        let (count, ty) = group?;
        locals += count;
        groups.push((count, RoundtripReencoder.val_type(ty)?));
    }
    groups.extend([
        (3, ValType::I32),
        (1, ValType::I64),
        (1, ValType::F32),
        (1, ValType::F64),
        (1, ValType::V128),
    ]);
    let at = |n| locals + n;
    let scratch = Scratch { numbers: [at(0), at(1), at(2)], i64: at(3), f32: at(4), f64: at(5), v128: at(6) };
    let mut out = Function::new(groups);
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let operator = reader.read()?;
        for instruction in before(&operator, &scratch, touch) {
            out.instruction(&instruction);
        }
        out.instruction(&RoundtripReencoder.instruction(operator)?);
    }
    Ok(out)
}

/// What comes before an operator: it leaves the operand stack as it was.
fn before(operator: &Operator<'_>, scratch: &Scratch, touch: u32) -> Vec<I<'static>> {
    let [a, b, c] = scratch.numbers;
    let bulk = |touches: &[u32]| {
        let mut code = vec![I::LocalSet(c), I::LocalSet(b), I::LocalSet(a)];
        for &start in touches {
            code.extend([I::LocalGet(start), I::I64ExtendI32U, I::LocalGet(c), I::I64ExtendI32U]);
            code.push(I::Call(touch));
        }
        code.extend([I::LocalGet(a), I::LocalGet(b), I::LocalGet(c)]);
        code
    };
    match operator {
        Operator::MemoryCopy { .. } => return bulk(&[a, b]),
        Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => return bulk(&[a]),
        _ => {}
    }
    let Some(memory) = memory_argument(operator) else { return Vec::new() };
    // The natural alignment of an access is its size.
    let size = 1i64 << memory.max_align;
    let value = stored(operator, scratch);
    let mut code = Vec::new();
    code.extend(value.map(I::LocalSet));
    code.extend([I::LocalTee(a), I::LocalGet(a), I::I64ExtendI32U]);
    code.extend([I::I64Const(memory.offset.cast_signed()), I::I64Add, I::I64Const(size), I::Call(touch)]);
    code.extend(value.map(I::LocalGet));
    code
}

/// The local that keeps what lies above the address: what a store stores, or the vector whose lane is loaded.
fn stored(operator: &Operator<'_>, scratch: &Scratch) -> Option<u32> {
    use Operator::*;
    Some(match operator {
        I32Store { .. } | I32Store8 { .. } | I32Store16 { .. } => scratch.numbers[1],
        I64Store { .. } | I64Store8 { .. } | I64Store16 { .. } | I64Store32 { .. } => scratch.i64,
        F32Store { .. } => scratch.f32,
        F64Store { .. } => scratch.f64,
        V128Store { .. }
        | V128Load8Lane { .. }
        | V128Load16Lane { .. }
        | V128Load32Lane { .. }
        | V128Load64Lane { .. }
        | V128Store8Lane { .. }
        | V128Store16Lane { .. }
        | V128Store32Lane { .. }
        | V128Store64Lane { .. } => scratch.v128,
        _ => return None,
    })
}

/// Where in memory an operator loads or stores, if it does.
#[allow(unused_variables, reason = "the other arguments of operators have names too")]
fn memory_argument(operator: &Operator<'_>) -> Option<wasmparser::MemArg> {
    macro_rules! find {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $( Operator::$op $({ $($arg),* })? => { $( $( find!(@field $arg $arg); )* )? None } )*
                _ => None,
            }
        };
        (@field memarg $field:ident) => { return Some(*$field) };
        (@field $other:ident $field:ident) => {};
    }
    #[allow(unreachable_code, reason = "an operator with a memory argument returns before its end")]
    {
        wasmparser::for_each_operator!(find)
    }
}

/// `touch(start, size)`: marks the pages, or stops at the first that is missing. What is out of bounds is left to the
/// operator itself, which traps.
fn touch_function() -> Function {
    let (start, size, page, last) = (0, 1, 2, 3);
    let byte = |memory_index| MemArg { offset: 0, align: 0, memory_index };
    let missing = MemArg { offset: MISSING as u64, align: 2, memory_index: 1 };
    let mut out = Function::new([(2, ValType::I32)]);
    for instruction in [
        I::LocalGet(size),
        I::I64Eqz,
        I::If(BlockType::Empty),
        I::Return,
        I::End,
        I::LocalGet(start),
        I::LocalGet(size),
        I::I64Add,
        I::MemorySize(0),
        I::I64ExtendI32U,
        I::I64Const(16),
        I::I64Shl,
        I::I64GtU,
        I::If(BlockType::Empty),
        I::Return,
        I::End,
        I::LocalGet(start),
        I::I64Const(16),
        I::I64ShrU,
        I::I32WrapI64,
        I::LocalSet(page),
        I::LocalGet(start),
        I::LocalGet(size),
        I::I64Add,
        I::I64Const(1),
        I::I64Sub,
        I::I64Const(16),
        I::I64ShrU,
        I::I32WrapI64,
        I::LocalSet(last),
        I::Loop(BlockType::Empty),
        I::LocalGet(page),
        I::I32Load8U(byte(1)),
        I::I32Eqz,
        I::If(BlockType::Empty),
        I::I32Const(0),
        I::LocalGet(page),
        I::I32Const(1),
        I::I32Add,
        I::I32Store(missing),
        I::Unreachable,
        I::End,
        I::LocalGet(page),
        I::I32Const(TOUCHED.into()),
        I::I32Store8(byte(1)),
        I::LocalGet(page),
        I::I32Const(1),
        I::I32Add,
        I::LocalTee(page),
        I::LocalGet(last),
        I::I32LeU,
        I::BrIf(0),
        I::End,
        I::End,
    ] {
        out.instruction(&instruction);
    }
    out
}
