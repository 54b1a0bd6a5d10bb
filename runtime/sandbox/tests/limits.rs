//! The bounds on a module: each by its name at its edge, and none that the engine does not take.

mod common;

use common::engine;
use fizz_sandbox::{ModuleError, ModuleLimits, Program, ProgramError};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind, ExportSection,
    Function, FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction as I, MemorySection,
    MemoryType, Module, RefType, TableSection, TableType, TagKind, TagSection, TagType, TypeSection, ValType,
};

/// How much of everything a module has.
#[derive(Clone)]
struct Shape {
    types: u32,
    imports: u32,
    functions: u32,
    tables: u32,
    table_elements: u64,
    tags: u32,
    globals: u32,
    exports: u32,
    name: usize,
    element_segments: u32,
    elements: u32,
    data_segments: u32,
    locals: u32,
    nesting: usize,
    loops: usize,
    targets: usize,
}

const SMALL: Shape = Shape {
    types: 3,
    imports: 2,
    functions: 4,
    tables: 2,
    table_elements: 7,
    tags: 2,
    globals: 3,
    exports: 5,
    name: 20,
    element_segments: 2,
    elements: 3,
    data_segments: 2,
    locals: 6,
    nesting: 9,
    loops: 3,
    targets: 5,
};

/// A module that can run. Every export but the two that are needed has a name of the same length.
fn module(shape: &Shape) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::I32], []);
    for index in 2..shape.types {
        // Each another type.
        let bit = |bit: u32| if index >> bit & 1 == 1 { ValType::I64 } else { ValType::I32 };
        types.ty().function((0..18).map(bit), []);
    }
    let mut imports = ImportSection::new();
    for _ in 0..shape.imports {
        imports.import("wasi_snapshot_preview1", "proc_exit", EntityType::Function(1));
    }
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for index in 0..shape.functions {
        functions.function(0);
        let first = index == 0;
        let mut function = Function::new(if first { vec![(shape.locals, ValType::I32)] } else { Vec::new() });
        // The function is one, and so are the loops and the switch's block.
        let depth = if first { shape.nesting.saturating_sub(shape.loops + 2) } else { 0 };
        for _ in 0..depth {
            function.instruction(&I::Block(wasm_encoder::BlockType::Empty));
        }
        if first {
            // Work behind a local, wanted in many branches.
            function.instruction(&I::LocalGet(0));
            for _ in 0..1_000 {
                function.instruction(&I::I32Popcnt);
            }
            function.instruction(&I::LocalSet(0));
            for _ in 0..600 {
                let empty = wasm_encoder::BlockType::Empty;
                for one in [I::I32Const(1), I::If(empty), I::LocalGet(0), I::Drop, I::End] {
                    function.instruction(&one);
                }
            }
            // Loops that go round, as far as the compiler can tell, around a switch that leaves the innermost.
            let inner = shape.loops + 1;
            for _ in 0..shape.loops {
                function.instruction(&I::Loop(wasm_encoder::BlockType::Empty));
            }
            function.instruction(&I::Block(wasm_encoder::BlockType::Empty));
            function.instruction(&I::LocalGet(0));
            function.instruction(&I::BrTable(vec![0; shape.targets].into(), 0));
            for _ in 0..inner {
                function.instruction(&I::End);
                function.instruction(&I::LocalGet(0));
                function.instruction(&I::BrIf(0));
            }
        }
        for _ in 0..=depth {
            function.instruction(&I::End);
        }
        code.function(&function);
    }
    let mut tables = TableSection::new();
    for index in 0..shape.tables {
        let minimum = if index == 0 { shape.table_elements } else { 0 };
        let table = TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum,
            maximum: None,
            shared: false,
        };
        tables.table(table);
    }
    let mut memories = MemorySection::new();
    let memory =
        MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    memories.memory(memory);
    let mut tags = TagSection::new();
    for _ in 0..shape.tags {
        tags.tag(TagType { kind: TagKind::Exception, func_type_idx: 0 });
    }
    let mut globals = GlobalSection::new();
    let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    for _ in 0..shape.globals {
        globals.global(ty, &ConstExpr::i32_const(0));
    }
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    exports.export("_start", ExportKind::Func, shape.imports);
    for index in 2..shape.exports {
        let digits = index.to_string();
        let name = "0".repeat(shape.name.saturating_sub(digits.len())) + &digits;
        exports.export(&name, ExportKind::Func, shape.imports);
    }
    let mut elements = ElementSection::new();
    for index in 0..shape.element_segments {
        let count = if index == 0 { shape.elements + 1 - shape.element_segments } else { 1 };
        elements.passive(Elements::Functions(vec![shape.imports; count as usize].into()));
    }
    let mut data = DataSection::new();
    for _ in 0..shape.data_segments {
        data.passive([7]);
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&tables).section(&memories);
    module
        .section(&tags)
        .section(&globals)
        .section(&exports)
        .section(&elements)
        .section(&code)
        .section(&data);
    module.finish()
}

fn compile(wasm: &[u8], limits: &ModuleLimits) -> Result<Program, ModuleError> {
    Program::compile(engine(), wasm, limits).map_err(|error| match error {
        ProgramError::Module(error) => error,
        ProgramError::Fault(fault) => panic!("{fault}"),
    })
}

/// Every limit, by the place of its row.
const FIELDS: &[fn(&mut ModuleLimits) -> &mut u64] = &[
    |limits| &mut limits.bytes,
    |limits| &mut limits.types,
    |limits| &mut limits.type_bytes,
    |limits| &mut limits.imports,
    |limits| &mut limits.functions,
    |limits| &mut limits.tables,
    |limits| &mut limits.table_elements,
    |limits| &mut limits.tags,
    |limits| &mut limits.globals,
    |limits| &mut limits.exports,
    |limits| &mut limits.name_bytes,
    |limits| &mut limits.element_segments,
    |limits| &mut limits.elements,
    |limits| &mut limits.data_segments,
    |limits| &mut limits.function_bytes,
    |limits| &mut limits.instrumented_function_bytes,
    |limits| &mut limits.instrumented_bytes,
    |limits| &mut limits.locals,
    |limits| &mut limits.all_locals,
    |limits| &mut limits.complexity,
    |limits| &mut limits.nesting,
    |limits| &mut limits.loops,
    |limits| &mut limits.branch_targets,
];

#[test]
fn every_limit_is_met_by_name_one_above_it() {
    let wasm = module(&SMALL);
    let program = compile(&wasm, &ModuleLimits::default()).unwrap();
    let used = program.limits_used().clone();
    assert_eq!(used.rows().len(), FIELDS.len(), "a limit is not tested");
    // All at their edge at once.
    compile(&wasm, &used).unwrap();
    for (field, (what, found)) in FIELDS.iter().zip(used.rows()) {
        assert!(found > 0, "the module has no {what}");
        let mut less = used.clone();
        *field(&mut less) -= 1;
        match compile(&wasm, &less) {
            Err(ModuleError::TooLarge { what: named, found: counted, limit }) => {
                assert_eq!((named, counted, limit), (what, found, found - 1));
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    let shown: Vec<u64> = used.rows().into_iter().map(|(_, found)| found).collect();
    let Shape { types, imports, functions, .. } = SMALL;
    assert_eq!(shown[1], u64::from(types));
    assert_eq!((shown[3], shown[4]), (u64::from(imports), u64::from(functions)));
}

// Of the limits, those that a test can meet in a moment on a busy machine.
#[test]
fn the_engine_takes_what_the_limits_let_through() {
    let most = ModuleLimits::default();
    let count = |limit: u64| u32::try_from(limit).unwrap();
    for (name, shape) in [
        ("imports", Shape { imports: count(most.imports), ..SMALL }),
        ("tables", Shape { tables: count(most.tables), ..SMALL }),
        ("table elements", Shape { table_elements: most.table_elements, ..SMALL }),
        ("tags", Shape { tags: count(most.tags), ..SMALL }),
        ("name", Shape { name: most.name_bytes as usize, ..SMALL }),
        (
            "element segments",
            Shape {
                element_segments: count(most.element_segments),
                elements: count(most.element_segments),
                ..SMALL
            },
        ),
        ("data segments", Shape { data_segments: count(most.data_segments), ..SMALL }),
        ("loops", Shape { loops: most.loops as usize, ..SMALL }),
        ("targets", Shape { targets: most.branch_targets as usize, ..SMALL }),
        ("nesting", Shape { nesting: most.nesting as usize, ..SMALL }),
    ] {
        if let Err(error) = compile(&module(&shape), &most) {
            panic!("{name}: {error}");
        }
    }
}
