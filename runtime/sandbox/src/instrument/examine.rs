//! Validates the original module, refuses what Fizz does not run, and collects facts for the rewrite.

mod body;

use wasmparser::{
    ElementItems, ExternalKind, FuncType, FuncValidatorAllocations, Parser, Payload, TypeRef, ValType,
    ValidPayload, Validator,
};

use super::calls::Calls;
use super::early::Early;
use super::error::ModuleError;
use super::facts::{ModuleFacts, StepFacts};
use super::limits::Tally;
use super::roots::Roots;
use super::{ModuleLimits, RESERVED_PREFIX, exceptions};
use crate::features;

/// The module name of the GPU interface.
pub(crate) const GPU_MODULE: &str = "fizz_gpu";
/// The module name of WASI preview 1.
pub(crate) const WASI_MODULE: &str = "wasi_snapshot_preview1";

/// Validates `wasm` and collects its facts. `is_served` says whether an import is one of ours.
pub(crate) fn examine(
    wasm: &[u8],
    limits: &ModuleLimits,
    is_served: impl Fn(&str, &str) -> bool,
) -> Result<ModuleFacts, ModuleError> {
    let mut tally = Tally::new(limits);
    tally.bytes(wasm.len() as u64)?;
    if !wasm.starts_with(b"\0asm") {
        return Err(ModuleError::NotWasm);
    }
    if Parser::is_component(wasm) {
        return Err(ModuleError::Component);
    }
    let mut examiner = Examiner::new(tally, wasm.len() as u64, is_served);
    match examiner.run(wasm) {
        Err(ModuleError::Malformed { message, offset }) => {
            let refused = features::refused_proposals_of(wasm);
            Err(if refused.is_empty() {
                ModuleError::Malformed { message, offset }
            } else {
                ModuleError::Proposals(refused)
            })
        }
        Err(other) => Err(other),
        Ok(()) => examiner.finish(),
    }
}

/// The exports that decide how a module is run.
#[derive(Default)]
struct Exports {
    memory: bool,
    start: Option<u32>,
    initialize: Option<u32>,
    /// A function, or something else.
    step: Option<Option<u32>>,
}

struct Examiner<'l, F> {
    tally: Tally<'l>,
    is_served: F,
    facts: ModuleFacts,
    exports: Exports,
    calls: Calls,
    early: Early,
    roots: Roots,
    locals: u64,
    /// The first mutable global that holds a reference.
    reference_global: Option<u32>,
    /// The first operator that changes what steps cannot keep, and its function.
    unsaved: Option<(&'static str, u32)>,
}

impl<'l, F: Fn(&str, &str) -> bool> Examiner<'l, F> {
    fn new(tally: Tally<'l>, wasm_bytes: u64, is_served: F) -> Self {
        let used = tally.used.clone();
        Examiner {
            tally,
            is_served,
            facts: ModuleFacts {
                types: Vec::new(),
                several_results: Vec::new(),
                imported_types: Vec::new(),
                function_types: Vec::new(),
                functions: Vec::new(),
                extras: Vec::new(),
                roots: Vec::new(),
                imported_functions: 0,
                globals: 0,
                start: None,
                memory: (0, None),
                table_elements: 0,
                initial_bytes: 0,
                imports_gpu: false,
                steps: None,
                mutable_globals: Vec::new(),
                instrumented_bytes: wasm_bytes,
                used,
            },
            exports: Exports::default(),
            calls: Calls::default(),
            early: Early::default(),
            roots: Roots::default(),
            locals: 0,
            reference_global: None,
            unsaved: None,
        }
    }

    fn run(&mut self, wasm: &[u8]) -> Result<(), ModuleError> {
        let mut validator = Validator::new_with_features(features::allowed_features());
        let mut allocations = FuncValidatorAllocations::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            // Counts are bounded before the validator allocates for them.
            self.bound(&payload)?;
            match validator.payload(&payload)? {
                ValidPayload::Func(function, body) => {
                    let mut function = function.into_validator(std::mem::take(&mut allocations));
                    let facts = self.function(&mut function, &body)?;
                    self.facts.functions.push(facts);
                    allocations = function.into_allocations();
                }
                ValidPayload::Ok | ValidPayload::Parser(_) | ValidPayload::End(_) => {
                    self.section(&payload)?
                }
            }
        }
        Ok(())
    }

    fn bound(&mut self, payload: &Payload<'_>) -> Result<(), ModuleError> {
        let tally = &mut self.tally;
        match payload {
            Payload::TypeSection(s) => {
                tally.type_bytes(s.range().len() as u64)?;
                tally.types(s.count().into())
            }
            Payload::ImportSection(s) => tally.imports(s.count().into()),
            Payload::FunctionSection(s) => tally.functions(s.count().into()),
            Payload::TableSection(s) => {
                tally.tables(s.count().into())?;
                let mut elements = 0u64;
                for table in s.clone() {
                    elements = elements.saturating_add(table?.ty.initial);
                }
                tally.table_elements(elements)
            }
            Payload::TagSection(s) => tally.tags(s.count().into()),
            Payload::GlobalSection(s) => tally.globals(s.count().into()),
            Payload::ExportSection(s) => {
                tally.exports(s.count().into())?;
                s.clone().into_iter().try_for_each(|export| tally.name_bytes(export?.name.len() as u64))
            }
            Payload::ElementSection(s) => {
                tally.element_segments(s.count().into())?;
                let mut elements = 0u64;
                for segment in s.clone() {
                    elements += match segment?.items {
                        ElementItems::Functions(items) => u64::from(items.count()),
                        ElementItems::Expressions(_, items) => u64::from(items.count()),
                    };
                }
                tally.elements(elements)
            }
            Payload::DataSection(s) => tally.data_segments(s.count().into()),
            Payload::CodeSectionEntry(body) => tally.function_bytes(body.as_bytes().len() as u64),
            _ => Ok(()),
        }
    }

    fn section(&mut self, payload: &Payload<'_>) -> Result<(), ModuleError> {
        exceptions::check(payload, &self.facts.types)?;
        match payload {
            Payload::TypeSection(section) => {
                let mut several = 0;
                for ty in section.clone().into_iter_err_on_gc_types() {
                    let ty = ty?;
                    self.facts.several_results.push(several);
                    several += u32::from(ty.results().len() > 1);
                    // A body type of that many results is added.
                    let added = if ty.results().len() > 1 { 8 + 4 * ty.results().len() as u64 } else { 0 };
                    self.facts.instrumented_bytes += added;
                    self.facts.types.push(ty);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    let import = import?;
                    self.tally.name_bytes(import.name.len() as u64)?;
                    self.import(import.module, import.name, import.ty)?;
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section.clone() {
                    self.facts.function_types.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    let initial = table?.ty.initial;
                    self.facts.table_elements = self.facts.table_elements.saturating_add(initial);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    let memory = memory?;
                    self.facts.memory = (memory.initial, memory.maximum);
                }
            }
            Payload::GlobalSection(section) => {
                self.facts.globals = section.count();
                for (index, global) in (0..).zip(section.clone()) {
                    let ty = global?.ty;
                    match ty.content_type {
                        ValType::Ref(_) if ty.mutable => {
                            self.reference_global.get_or_insert(index);
                        }
                        number if ty.mutable => {
                            self.facts.mutable_globals.push((index, number));
                            // Its export.
                            self.facts.instrumented_bytes += 24;
                        }
                        _ => {}
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    self.export(export.name, export.kind, export.index)?;
                }
            }
            Payload::StartSection { func, .. } => self.facts.start = Some(*func),
            Payload::ElementSection(section) => {
                self.facts.initial_bytes += section.range().len() as u64;
            }
            Payload::DataSection(section) => self.facts.initial_bytes += section.range().len() as u64,
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, module: &str, name: &str, ty: TypeRef) -> Result<(), ModuleError> {
        let (module_name, import_name) = (|| module.to_owned(), || name.to_owned());
        let kind = match ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                if !(self.is_served)(module, name) {
                    return Err(ModuleError::UnknownImport { module: module_name(), name: import_name() });
                }
                self.facts.imported_types.push(index);
                self.facts.imported_functions += 1;
                self.facts.imports_gpu |= module == GPU_MODULE;
                return Ok(());
            }
            TypeRef::Table(_) => "table",
            TypeRef::Memory(_) => "memory",
            TypeRef::Global(_) => "global",
            TypeRef::Tag(_) => "tag",
        };
        Err(ModuleError::ImportKind { kind, module: module_name(), name: import_name() })
    }

    fn export(&mut self, name: &str, kind: ExternalKind, index: u32) -> Result<(), ModuleError> {
        if name.starts_with(RESERVED_PREFIX) {
            return Err(ModuleError::ReservedExport(name.to_owned()));
        }
        match (name, kind) {
            ("memory", ExternalKind::Memory) => self.exports.memory = true,
            ("_start", ExternalKind::Func) => self.exports.start = Some(index),
            ("_initialize", ExternalKind::Func) => self.exports.initialize = Some(index),
            ("fizz_step", ExternalKind::Func) => self.exports.step = Some(Some(index)),
            ("fizz_step", _) => self.exports.step = Some(None),
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Result<ModuleFacts, ModuleError> {
        self.facts.used = self.tally.used.clone();
        if !self.exports.memory {
            return Err(ModuleError::NoMemory);
        }
        std::mem::take(&mut self.calls).settle(&mut self.facts.functions);
        if self.exports.step.is_some() {
            self.facts.steps = Some(self.steps()?);
            return Ok(self.facts);
        }
        match self.exports {
            Exports { start: Some(index), .. } if self.is_action(index) => Ok(self.facts),
            Exports { start: None, initialize: Some(_), .. } => Err(ModuleError::Reactor),
            _ => Err(ModuleError::NoStart),
        }
    }

    /// Whether the module can run in steps, and how it begins.
    fn steps(&self) -> Result<StepFacts, ModuleError> {
        let wrong = |name, ty| ModuleError::StepType { name, ty };
        let is_step = |index| {
            self.type_of(index).is_some_and(|ty| ty.params().is_empty() && ty.results() == [ValType::I32])
        };
        if !self.exports.step.flatten().is_some_and(is_step) {
            return Err(wrong("fizz_step", "without parameters that returns an i32"));
        }
        let first = match self.exports {
            Exports { initialize: Some(index), .. } => Some(("_initialize", index)),
            Exports { start: Some(index), .. } => Some(("_start", index)),
            _ => None,
        };
        if let Some((name, index)) = first
            && !self.is_action(index)
        {
            return Err(wrong(name, "without parameters and results"));
        }
        if let Some((operator, function)) = self.unsaved {
            return Err(ModuleError::StepOperator { operator, function });
        }
        if let Some(index) = self.reference_global {
            return Err(ModuleError::StepGlobal(index));
        }
        if self.facts.imports_gpu {
            return Err(ModuleError::StepGpu);
        }
        Ok(StepFacts { first: first.map(|(name, _)| name) })
    }

    fn type_of(&self, function: u32) -> Option<&FuncType> {
        self.facts.types.get(self.facts.type_of(function) as usize)
    }

    /// Whether a function takes and gives nothing.
    fn is_action(&self, function: u32) -> bool {
        self.type_of(function).is_some_and(|ty| ty.params().is_empty() && ty.results().is_empty())
    }
}
