//! What the instrumentation does to a module's meaning: nothing. The judge is another engine altogether, wasmi, which
//! interprets the original and both instrumented forms.

use std::sync::LazyLock;

use fizz_generated::{Config as Settings, Unstructured, settings};
use wasmi::{
    Config, Engine, Extern, Global, Linker, Module, Store, StoreLimits, StoreLimitsBuilder, TrapCode, Val,
};
use wasmparser::Operator;

use crate::instrument::{
    GAS_EXPORT, ModuleError, ModuleLimits, PAGES_EXPORT, STACK_EXPORT, START_EXPORT, Variant, examine,
    rewrite,
};

/// Memory that a module may have, in pages.
const PAGES: u32 = 8;
/// Elements that a table may have.
const ELEMENTS: usize = 1000;
/// What the original may use of the interpreter's own fuel: little, for most generated loops would never end. The
/// instrumented forms get many times as much.
const FUEL: u64 = 20_000;

const SHAPE: &str = r#"(module
    (memory (export "memory") 1)
    (global (export "g") (mut i64) (i64.const 0))
    (func (export "_start"))
    (func (export "a") (param i32 i64) (result i64) unreachable)
    (func (export "b") (param f32 f64 v128) (result f64 v128) unreachable))"#;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::default();
    config.consume_fuel(true).wasm_tail_call(true).wasm_extended_const(true).wasm_simd(true);
    Engine::new(&config)
});

/// Generates a module and calls its functions, each in an instance of its own: original and instrumented modules give
/// the same results, traps, memory and globals.
pub fn interpreter(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Some(wasm) = generate(&mut input) else { return };
    if changes_float_width(&wasm) {
        return;
    }
    let facts = match examine(&wasm, &ModuleLimits::default(), |_, _| false) {
        Ok(facts) => facts,
        Err(ModuleError::TooLarge { .. }) => return,
        Err(error) => panic!("a good module is refused: {error}"),
    };
    let forms = [Variant::Fast, Variant::WriteThrough].map(|variant| {
        rewrite(&wasm, &facts, variant).unwrap_or_else(|error| panic!("{variant:?}: {error}"))
    });
    let calls: [(&str, Vec<Val>); 4] = [
        ("_start", vec![]),
        ("a", vec![Val::I32(7), Val::I64(-1)]),
        ("a", vec![Val::I32(65_530), Val::I64(1 << 40)]),
        (
            "b",
            vec![
                Val::F32(1.5.into()),
                Val::F64(f64::NAN.into()),
                Val::V128(0x7fc0_0000_8000_0000_u128.into()),
            ],
        ),
    ];
    let load = |wasm: &[u8]| {
        Module::new(&ENGINE, wasm).unwrap_or_else(|error| panic!("the interpreter refuses: {error}"))
    };
    let (original, forms) = (load(&wasm), forms.map(|form| load(&form)));
    for (name, arguments) in calls {
        // What needs too much of the interpreter's stack or fuel says nothing.
        let Some(original) = call(&original, name, &arguments, FUEL) else { continue };
        for form in &forms {
            let Some(instrumented) = call(form, name, &arguments, 100 * FUEL) else { continue };
            assert_eq!(instrumented, original, "calling {name}");
        }
    }
}

fn generate(input: &mut Unstructured<'_>) -> Option<Vec<u8>> {
    let settings = Settings {
        max_instructions: 120,
        max_table_elements: ELEMENTS as u64,
        max_memory32_bytes: u64::from(PAGES) << 16,
        // Both sides then show the same NaNs, whatever either engine makes of them.
        canonicalize_nans: true,
        // The interpreter has no exceptions.
        exceptions_enabled: false,
        ..settings(SHAPE)
    };
    Some(fizz_generated::module(settings, input)?.to_bytes())
}

/// Whether the module turns floats of one width into the other. Those are the only operators that make NaNs which the
/// generator leaves as they come; what bits they have may differ, so such modules say nothing.
fn changes_float_width(wasm: &[u8]) -> bool {
    wasmparser::Parser::new(0).parse_all(wasm).any(|payload| {
        let Ok(wasmparser::Payload::CodeSectionEntry(body)) = payload else { return false };
        let operators = body.get_operators_reader().expect("a valid function");
        operators.into_iter().any(|operator| {
            matches!(
                operator.expect("a valid operator"),
                Operator::F32DemoteF64
                    | Operator::F64PromoteF32
                    | Operator::F32x4DemoteF64x2Zero
                    | Operator::F64x2PromoteLowF32x4
            )
        })
    })
}

/// What can be seen of a call.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Results as bits, or why it ended.
    result: Result<Vec<u128>, String>,
    memory: blake3::Hash,
    global: u128,
}

/// Makes an instance, runs its start function and calls one of its functions. `None` where the interpreter gave up.
fn call(module: &Module, name: &str, arguments: &[Val], fuel: u64) -> Option<Seen> {
    let limits =
        StoreLimitsBuilder::new().memory_size((PAGES as usize) << 16).table_elements(ELEMENTS).build();
    let mut store: Store<StoreLimits> = Store::new(&ENGINE, limits);
    store.limiter(|limits| limits);
    store.set_fuel(fuel).expect("fuel is counted");
    let instance = match Linker::new(&ENGINE).instantiate_and_start(&mut store, module) {
        Ok(instance) => instance,
        // A segment that does not fit, or a start function that traps: there is no instance to look at. The
        // instrumented form's start function is called below, so the two cannot be compared.
        Err(_) => return None,
    };
    let memory = instance.get_memory(&store, "memory").expect("every module has one");
    let global = instance.get_global(&store, "g").expect("every module has one");
    for (export, value) in [
        (GAS_EXPORT, Val::I64(i64::MAX)),
        (STACK_EXPORT, Val::I32(i32::MAX)),
        (PAGES_EXPORT, Val::I64(PAGES.into())),
    ] {
        if let Some(counter) = instance.get_global(&store, export) {
            counter.set(&mut store, value).expect("the counter's type");
        }
    }
    if let Some(Extern::Func(start)) = instance.get_export(&store, START_EXPORT)
        && start.call(&mut store, &[], &mut []).is_err()
    {
        return None;
    }
    let function = instance.get_func(&store, name).expect("every module has it");
    let mut results = vec![Val::I32(0); function.ty(&store).results().len()];
    let result = match function.call(&mut store, arguments, &mut results) {
        Ok(()) => Ok(results.iter().map(bits).collect()),
        Err(error) => match error.as_trap_code() {
            Some(TrapCode::OutOfFuel | TrapCode::StackOverflow) => return None,
            Some(TrapCode::GrowthOperationLimited | TrapCode::OutOfSystemMemory) => return None,
            Some(code) => Err(format!("{code:?}")),
            None => panic!("{error}"),
        },
    };
    Some(Seen { result, memory: blake3::hash(memory.data(&store)), global: value_of(global, &store) })
}

fn value_of(global: Global, store: &Store<StoreLimits>) -> u128 {
    bits(&global.get(store))
}

fn bits(value: &Val) -> u128 {
    match value {
        Val::I32(value) => u128::from(value.cast_unsigned()),
        Val::I64(value) => u128::from(value.cast_unsigned()),
        Val::F32(value) => u128::from(value.to_bits()),
        Val::F64(value) => u128::from(value.to_bits()),
        Val::V128(value) => value.as_u128(),
        _ => 0,
    }
}
