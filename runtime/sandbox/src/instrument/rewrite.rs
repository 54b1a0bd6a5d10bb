//! Rewrites a module: appends our globals and exports, replaces the functions' bodies, drops the start section and
//! every custom section but the names.

use wasm_encoder::reencode::{self, Reencode, RoundtripReencoder};
use wasm_encoder::{
    BranchHint, BranchHints, ConstExpr, CustomSection, Encode, ExportKind, ExportSection, GlobalSection,
    GlobalType, RawSection, Section, SectionId, TypeSection, ValType,
};
use wasmparser::{Parser, Payload};

use super::facts::ModuleFacts;
use super::function::{self, Globals};
use super::plan::Planner;
use super::{ENDING_EXPORT, GAS_EXPORT, PAGES_EXPORT, STACK_EXPORT, START_EXPORT, Variant, global_export};

type Error = reencode::Error<std::convert::Infallible>;

/// Sections that are copied as they are, in their order in a module, and where ours go.
#[derive(Default)]
struct Sections<'a> {
    types: TypeSection,
    before_globals: Vec<RawSection<'a>>,
    globals: GlobalSection,
    exports: ExportSection,
    before_code: Vec<RawSection<'a>>,
    /// Which way our branches go nearly always. The engine lays the other out of the way.
    hints: BranchHints,
    code: Bodies,
    data: Option<RawSection<'a>>,
    names: Option<CustomSection<'a>>,
    /// Bytes of the original that are no functions' bodies.
    others: usize,
}

/// The code section, of which there is to be no second copy before the module itself: it may be large.
#[derive(Default)]
struct Bodies {
    count: u32,
    bytes: Vec<u8>,
}

impl Bodies {
    fn function(&mut self, body: &[u8]) {
        self.count += 1;
        body.encode(&mut self.bytes);
    }

    fn append_to(&self, module: &mut Vec<u8>) {
        let mut count = Vec::with_capacity(5);
        self.count.encode(&mut count);
        SectionId::Code.encode(module);
        (count.len() + self.bytes.len()).encode(module);
        module.extend_from_slice(&count);
        module.extend_from_slice(&self.bytes);
    }
}

/// Room that is made for the instrumented code, in quarters of the original: so it seldom moves while it grows.
const CODE_QUARTERS: usize = 7;

/// Makes the instrumented module. `wasm` must be the module that `facts` were collected from.
pub(crate) fn rewrite(wasm: &[u8], facts: &ModuleFacts, variant: Variant) -> Result<Vec<u8>, String> {
    sections(wasm, facts, variant).map(assemble).map_err(|error| error.to_string())
}

fn sections<'a>(wasm: &'a [u8], facts: &ModuleFacts, variant: Variant) -> Result<Sections<'a>, Error> {
    let mut out = Sections { types: types(facts)?, others: wasm.len(), ..Sections::default() };
    let mut defined = 0;
    // What every function takes and leaves again.
    let (mut planner, mut function) = (Planner::new(facts), Vec::new());
    let raw = |id: SectionId, range: std::ops::Range<usize>| RawSection { id: id as u8, data: &wasm[range] };
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            // Written anew, with ours at the end.
            Payload::TypeSection(_) => {}
            Payload::ImportSection(s) => out.before_globals.push(raw(SectionId::Import, s.range())),
            Payload::FunctionSection(s) => out.before_globals.push(raw(SectionId::Function, s.range())),
            Payload::TableSection(s) => out.before_globals.push(raw(SectionId::Table, s.range())),
            Payload::MemorySection(s) => out.before_globals.push(raw(SectionId::Memory, s.range())),
            Payload::TagSection(s) => out.before_globals.push(raw(SectionId::Tag, s.range())),
            Payload::GlobalSection(s) => RoundtripReencoder.parse_global_section(&mut out.globals, s)?,
            Payload::ExportSection(s) => RoundtripReencoder.parse_export_section(&mut out.exports, s)?,
            Payload::ElementSection(s) => out.before_code.push(raw(SectionId::Element, s.range())),
            Payload::DataCountSection { range, .. } => {
                out.before_code.push(raw(SectionId::DataCount, range));
            }
            Payload::CodeSectionStart { size, .. } => {
                out.code.bytes.reserve(size as usize / 4 * CODE_QUARTERS);
            }
            Payload::CodeSectionEntry(body) => {
                out.others -= body.as_bytes().len();
                let hints = function::instrument(&mut planner, defined, &body, variant, &mut function)?;
                out.code.function(&function);
                if !hints.is_empty() {
                    let index = facts.imported_functions + u32::try_from(defined).unwrap_or(u32::MAX);
                    out.hints.function_hints(index, hints.into_iter().map(BranchHint::from));
                }
                defined += 1;
            }
            Payload::DataSection(s) => out.data = Some(raw(SectionId::Data, s.range())),
            Payload::CustomSection(s) if s.name() == "name" => {
                out.names = Some(CustomSection { name: "name".into(), data: s.data().into() });
            }
            _ => {}
        }
    }
    append_ours(&mut out, facts);
    Ok(out)
}

/// The module's types, then those of the bodies.
fn types(facts: &ModuleFacts) -> Result<TypeSection, Error> {
    let mut types = TypeSection::new();
    let values = |values: &[wasmparser::ValType]| {
        values.iter().map(|&value| RoundtripReencoder.val_type(value)).collect::<Result<Vec<_>, _>>()
    };
    for ty in &facts.types {
        types.ty().function(values(ty.params())?, values(ty.results())?);
    }
    for ty in function::body_types(facts) {
        types.ty().function([], values(ty.results())?);
    }
    Ok(types)
}

fn append_ours(out: &mut Sections<'_>, facts: &ModuleFacts) {
    let ours = Globals::after(facts.globals);
    let mutable = |val_type| GlobalType { val_type, mutable: true, shared: false };
    out.globals.global(mutable(ValType::I64), &ConstExpr::i64_const(0));
    out.globals.global(mutable(ValType::I32), &ConstExpr::i32_const(0));
    out.globals.global(mutable(ValType::I64), &ConstExpr::i64_const(0));
    out.globals.global(mutable(ValType::I32), &ConstExpr::i32_const(0));
    out.globals.global(mutable(ValType::I32), &ConstExpr::i32_const(0));
    out.exports.export(GAS_EXPORT, ExportKind::Global, ours.gas);
    out.exports.export(STACK_EXPORT, ExportKind::Global, ours.stack);
    out.exports.export(PAGES_EXPORT, ExportKind::Global, ours.pages);
    out.exports.export(ENDING_EXPORT, ExportKind::Global, ours.ending);
    for &(index, _) in &facts.mutable_globals {
        out.exports.export(&global_export(index), ExportKind::Global, index);
    }
    if let Some(start) = facts.start {
        out.exports.export(START_EXPORT, ExportKind::Func, start);
    }
}

fn assemble(sections: Sections<'_>) -> Vec<u8> {
    // With room for what is ours.
    let mut module = Vec::with_capacity(sections.code.bytes.len() + sections.others + (4 << 10));
    module.extend_from_slice(b"\0asm\x01\0\0\0");
    sections.types.append_to(&mut module);
    for section in &sections.before_globals {
        section.append_to(&mut module);
    }
    sections.globals.append_to(&mut module);
    sections.exports.append_to(&mut module);
    for section in &sections.before_code {
        section.append_to(&mut module);
    }
    if !sections.hints.is_empty() {
        sections.hints.append_to(&mut module);
    }
    sections.code.append_to(&mut module);
    if let Some(data) = &sections.data {
        data.append_to(&mut module);
    }
    if let Some(names) = &sections.names {
        names.append_to(&mut module);
    }
    module
}
