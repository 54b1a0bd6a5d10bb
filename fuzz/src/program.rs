//! Whole programs, from the module to the result.

use std::sync::LazyLock;

use bytes::Bytes;
use fizz_generated::{Config, Unstructured, settings};
use fizz_sandbox::{
    Backend, Engine, EngineSettings, Files, ModuleLimits, Optimization, Program, ProgramError, TaskSpec, run,
};

use crate::module::is_of_the_generator;
use crate::{guest, repeat};

/// Modules are too small to be worth a second thread.
const NATIVE: EngineSettings = EngineSettings {
    backend: Backend::Native,
    optimization: Optimization::Speed,
    parallel_compilation: false,
};

/// The engine of nodes, and its other opinions.
static ENGINES: LazyLock<[Engine; 3]> = LazyLock::new(|| {
    [
        EngineSettings { backend: Backend::Interpreter, ..NATIVE },
        EngineSettings { optimization: Optimization::None, ..NATIVE },
        NATIVE,
    ]
    .map(|settings| Engine::with_settings(settings).expect("an engine"))
});

static IMPORTS: LazyLock<Vec<u8>> =
    LazyLock::new(|| wat::parse_str(format!("(module {})", guest::imports())).expect("a module"));

const SHAPE: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// Generates a module that may call host functions, and runs it as a task: it compiles, and
/// [`repeat`](mod@repeat) says what else must hold.
pub fn program(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Some(wasm) = generate(&mut input) else { return };
    let program = match Program::compile(&ENGINES[2], &wasm, &ModuleLimits::default()) {
        Ok(program) => program,
        Err(ProgramError::Module(error)) if is_of_the_generator(&error) => return,
        Err(error) => panic!("a good module is refused: {error}"),
    };
    repeat::repeat(&program, &spec());
}

/// Generates a module as [`program`](fn@program) does, and runs it as machine code, as machine code
/// that was not optimised, and in the engine's interpreter: all say the same, to the bit.
pub fn opinions(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Some(wasm) = generate(&mut input) else { return };
    let reports = ENGINES.each_ref().map(|engine| {
        let program = match Program::compile(engine, &wasm, &ModuleLimits::default()) {
            Ok(program) => program,
            // Refused before any engine has seen it.
            Err(ProgramError::Module(error)) if is_of_the_generator(&error) => return None,
            Err(error) => panic!("a good module is refused: {error}"),
        };
        match run(&program, spec(), None, None) {
            Ok(report) => Some(report),
            Err(fault) => panic!("a guest makes the host fail: {fault}"),
        }
    });
    let [Some(interpreter), Some(unoptimized), Some(native)] = reports else { return };
    repeat::assert_same(&native, &unoptimized);
    repeat::assert_same(&native, &interpreter);
}

fn spec() -> TaskSpec {
    let mut files = Files::new();
    files.insert("/in", "input").expect("a good path");
    let mut spec = TaskSpec::new("program");
    spec.stdin = Bytes::from_static(b"standard input");
    spec.files = files;
    // Generated loops seldom end.
    spec.limits.gas = 300_000;
    spec.limits.memory_bytes = 8 << 16;
    spec.limits.table_elements = 2000;
    spec.limits.stack_bytes = 64 << 10;
    spec.limits.output_bytes = 1 << 20;
    spec.limits.files = 20;
    spec
}

fn generate(input: &mut Unstructured<'_>) -> Option<Vec<u8>> {
    let settings = Config {
        available_imports: Some(IMPORTS.clone()),
        max_imports: 6,
        // Small, for compiling takes nearly all the time.
        max_funcs: 3,
        max_instructions: 80,
        max_table_elements: 1000,
        max_memory32_bytes: 16 << 16,
        ..settings(SHAPE)
    };
    Some(fizz_generated::module(settings, input)?.to_bytes())
}
