//! Validates the original module, refuses what Fizz does not run, and collects facts for the rewrite.

use wasmparser::{
    BlockType, ElementItems, ExternalKind, FuncType, FuncValidatorAllocations, FunctionBody, Operator,
    Parser, Payload, TypeRef, ValType, ValidPayload, Validator,
};

use super::act::is_stop;
use super::calls::Calls;
use super::cost::is_simd;
use super::current::Current;
use super::early::{Early, Extra};
use super::error::ModuleError;
use super::limits::Tally;
use super::operands::Effect;
use super::roots::{self, Root, Roots};
use super::{COSTS, ModuleLimits, RESERVED_PREFIX, exceptions, function, nan, track};
use crate::features;

/// The module name of the GPU interface.
pub(crate) const GPU_MODULE: &str = "fizz_gpu";
/// The module name of WASI preview 1.
pub(crate) const WASI_MODULE: &str = "wasi_snapshot_preview1";

/// What the rewrite must know of one defined function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FunctionFacts {
    /// Bytes of metered stack of one frame.
    pub(crate) frame: u32,
    /// Whether its prologue reads the stack global.
    pub(crate) metered_stack: bool,
    /// Whether it has arithmetic whose NaNs may have to be made canonical.
    pub(crate) makes_nans: bool,
}

/// How a module that runs in steps begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepFacts {
    /// The export that is called before the first step.
    pub(crate) first: Option<&'static str>,
}

/// What is known of a module after validation.
#[derive(Debug)]
pub(crate) struct ModuleFacts {
    /// Every function type, by type index.
    pub(crate) types: Vec<FuncType>,
    /// For every function type, how many types before it have several results.
    pub(crate) several_results: Vec<u32>,
    /// The type index of every imported function.
    pub(crate) imported_types: Vec<u32>,
    /// The type index of every defined function.
    pub(crate) function_types: Vec<u32>,
    /// Facts of every defined function.
    pub(crate) functions: Vec<FunctionFacts>,
    /// What operators cost beside their own, by rising function and operator.
    pub(crate) extras: Vec<Extra>,
    /// Values that are tied to their places, by rising function and operator.
    pub(crate) roots: Vec<Root>,
    /// Imported functions, which come first in the index space.
    pub(crate) imported_functions: u32,
    /// Globals of the module.
    pub(crate) globals: u32,
    /// The start function.
    pub(crate) start: Option<u32>,
    /// Pages of linear memory at the start, and the declared maximum.
    pub(crate) memory: (u64, Option<u64>),
    /// Elements of all tables at the start.
    pub(crate) table_elements: u64,
    /// Bytes of active data and elements that instantiation copies.
    pub(crate) initial_bytes: u64,
    /// Whether `fizz_gpu` is imported.
    pub(crate) imports_gpu: bool,
    /// Set for a module that runs in steps.
    pub(crate) steps: Option<StepFacts>,
    /// Mutable globals that hold numbers or vectors, by rising index.
    pub(crate) mutable_globals: Vec<(u32, ValType)>,
    /// The instrumented module has at most this many bytes.
    pub(crate) instrumented_bytes: u64,
    /// How much of each limit is used.
    pub(crate) used: ModuleLimits,
}

impl ModuleFacts {
    /// The type index of a function, imported or defined, that is in the index space.
    pub(crate) fn type_of(&self, function: u32) -> u32 {
        match function.checked_sub(self.imported_functions) {
            None => self.imported_types[function as usize],
            Some(defined) => self.function_types[defined as usize],
        }
    }
}

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

    /// Validates a body operator by operator, for the largest operand height is known only on the way.
    fn function(
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
