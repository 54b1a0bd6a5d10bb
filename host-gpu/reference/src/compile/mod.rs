//! From naga's IR to WebAssembly with SIMD.
//!
//! `inline` takes composites apart and calls in → `optimise` and `unused` → `shape` finds what is the same across invocations → `plan` parts what runs once
//! for a workgroup from what runs for each vector → `emit` writes, with `region`, `value`, `access` and `helper`.

mod access;
mod asm;
mod callee;
mod emit;
mod error;
mod fold;
mod helper;
mod image;
mod inline;
mod ir;
mod layout;
mod operation;
mod optimise;
mod plan;
mod region;
mod shape;
mod sink;
mod touch;
mod unused;
mod value;
mod wait;

pub use error::CompileError;

use crate::Program;
use crate::race::Watched;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{Module, ShaderStage};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemoryType,
    TypeSection, ValType,
};

/// Bytes of stack for naga and for walks over nested statements; untouched pages cost nothing.
const STACK: usize = 128 << 20;
/// Most invocations of a workgroup.
const MAX_INVOCATIONS: u32 = 1024;
/// Most steps of a walk that goes to each statement once for each list around it.
const MAX_NESTED_STEPS: usize = 1 << 23;

/// Compiles a compute entry point for the reference device.
///
/// The module may be metered; operations that have to be lowered must be.
///
/// # Errors
/// [`CompileError`] for what the device does not have, and for shaders that would become too large.
pub fn compile(module: &Module, entry: &str) -> Result<Program, CompileError> {
    compile_with(module, entry, None, &mut |_| {})
}

/// As [`compile`], and calls `done` with the name of each pass when it has ended: for finding out what takes long.
///
/// # Errors
/// As [`compile`].
pub fn compile_by_passes(
    module: &Module,
    entry: &str,
    done: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Program, CompileError> {
    compile_with(module, entry, None, done)
}

/// The same, but the program tells of each word of storage and workgroup memory and of each texel that it touches, and runs only on a
/// [machine](crate::Engine::machine) that watches.
///
/// # Errors
/// As [`compile`].
pub fn compile_watched(module: &Module, entry: &str, watched: Watched<'_>) -> Result<Program, CompileError> {
    compile_with(module, entry, Some(watched), &mut |_| {})
}

fn compile_with(
    module: &Module,
    entry: &str,
    watched: Option<Watched<'_>>,
    done: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Program, CompileError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("compile".to_owned()).stack_size(STACK);
        let thread = thread
            .spawn_scoped(scope, || compile_here(module, entry, watched, done))
            .map_err(|error| CompileError::Host(format!("no thread to compile on: {error}")))?;
        // The same on every machine.
        thread.join().map_err(|_| CompileError::unsupported("what makes its compiler panic"))?
    })
}

fn compile_here(
    module: &Module,
    entry: &str,
    watched: Option<Watched<'_>>,
    done: &mut dyn FnMut(&'static str),
) -> Result<Program, CompileError> {
    let is_it = |point: &naga::EntryPoint| point.stage == ShaderStage::Compute && point.name == entry;
    let index = module.entry_points.iter().position(is_it);
    let index = index.ok_or_else(|| CompileError::NoEntryPoint(entry.to_owned()))?;
    let size = module.entry_points[index].workgroup_size;
    let invocations = size.iter().try_fold(1_u32, |product, size| product.checked_mul(*size));
    if !invocations.is_some_and(|count| (1..=MAX_INVOCATIONS).contains(&count)) {
        return Err(CompileError::TooLarge("a workgroup of no invocations, or of more than 1024"));
    }
    let capabilities = Capabilities::IMMEDIATES | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(module)
        .map_err(|error| CompileError::Invalid(error.as_inner().to_string()))?;
    done("validate");
    let inlined = inline::inline(module, &info, index, watched)?;
    if inlined.buffers.len() > crate::program::MAX_BINDINGS {
        return Err(CompileError::TooLarge("bindings"));
    }
    check_nesting(&inlined.ir)?;
    done("inline");
    let first_site = match watched {
        None => None,
        Some(watched) => {
            let first = watched.check.register(watched.label, size, inlined.sites);
            Some(first.ok_or(CompileError::TooLarge("places that touch shared memory"))?)
        }
    };
    let read_only: Vec<bool> = inlined.buffers.iter().map(|buffer| buffer.read_only).collect();
    let writable: Vec<bool> = read_only.iter().map(|read_only| !read_only).collect();
    let mut ir = optimise::optimise(&inlined.ir, &writable)?;
    done("optimise");
    check_nesting(&ir)?;
    unused::remove_unused(&mut ir);
    done("unused");
    let in_memory = shape::in_memory(&ir);
    sink::sink(&mut ir, &in_memory);
    done("sink");
    let shapes = shape::shapes(&ir, size, &read_only);
    done("shape");
    let plan = plan::plan(&ir, &shapes, &read_only);
    done("plan");
    let memory = (&inlined.buffers[..], inlined.group_bytes);
    let mut written = emit::emit(&ir, &shapes, &plan, size, memory, first_site)?;
    let callees = callee::emit(&inlined.callees, &mut written.helpers)?;
    done("emit");
    Ok(Program {
        scratch_bytes: written.scratch,
        wasm: module_of(written, &callees),
        bindings: inlined.buffers.iter().filter_map(|buffer| buffer.binding).collect(),
        immediate_bytes: inlined.immediate_bytes,
        workgroup_size: size,
    })
}

/// Passes look at nested lists from outside and again from inside: bounds how often they look at statements.
fn check_nesting(ir: &ir::Ir) -> Result<(), CompileError> {
    if ir::nested_steps(ir, &ir.body, 1) > MAX_NESTED_STEPS {
        return Err(CompileError::TooLarge("statements, each counted as often as it is nested"));
    }
    Ok(())
}

/// The module around the program's functions.
fn module_of(written: emit::Written, callees: &[Option<Function>]) -> Vec<u8> {
    let mut types = TypeSection::new();
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    types.ty().function([ValType::I32; 6], []);
    functions.function(0);
    let imported = written.helpers.imported();
    if imported > 0 {
        types.ty().function([ValType::I32; 6], []);
        types.ty().function([ValType::I32], []);
    }
    code.function(&written.asm.finish());
    for (number, helper) in (1 + imported..).zip(written.helpers.all()) {
        types.ty().function(helper.parameters(), helper.results());
        functions.function(number);
        code.function(&helper.function(callees));
    }
    let mut imports = ImportSection::new();
    let memory =
        MemoryType { minimum: 1, maximum: Some(65536), memory64: false, shared: true, page_size_log2: None };
    imports.import("fizz", "memory", EntityType::Memory(memory));
    if imported > 0 {
        imports.import("fizz", "touch", EntityType::Function(1));
        imports.import("fizz", "barrier", EntityType::Function(2));
    }
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, imported);
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}
