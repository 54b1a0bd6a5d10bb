//! The judge of NaNs: a rewritten module on the plain engine must give the same bits as the original on an engine that
//! makes every NaN canonical itself. The fuzz target `nan` has this file too.

use wasmtime::{Engine, Instance, Module, ResourceLimiter, Store, Val, ValType};

use crate::instrument::{GAS_EXPORT, ModuleLimits, PAGES_EXPORT, STACK_EXPORT, Variant, examine, rewrite};

/// An engine of ours, and one with the same settings that makes NaNs canonical itself.
pub(crate) struct Engines {
    pub(crate) ours: Engine,
    pub(crate) canonical: Engine,
}

/// Metered stack, more than any call here needs.
const STACK: i32 = 4 << 20;
/// Native stack for it.
const NATIVE_STACK: usize = 256 << 20;

/// What one call did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    function: String,
    /// Results as bits, or why it ended.
    result: Result<Vec<u128>, String>,
    globals: Vec<u128>,
    memory: Vec<u8>,
}

fn bits(value: &Val) -> u128 {
    match value {
        Val::I32(value) => u128::from(value.cast_unsigned()),
        Val::I64(value) => u128::from(value.cast_unsigned()),
        Val::F32(value) => u128::from(*value),
        Val::F64(value) => u128::from(*value),
        Val::V128(value) => value.as_u128(),
        _ => 0,
    }
}

/// An argument of a type: NaNs with payloads, infinities and numbers by turns.
fn argument(ty: &ValType, turn: usize) -> Val {
    const NARROW: [u32; 6] = [0xffa1_2345, 0x7f80_0000, 0x3fc0_0000, 0x7fc0_0001, 0x8000_0000, 0xff80_0000];
    const WIDE: [u64; 6] =
        [0x7ff4_0000_dead_beef, 0xc004_0000_0000_0000, 0xfff8_0000_0000_0007, 0, 1 << 63, 0x7ff << 52];
    match ty {
        ValType::I32 => Val::I32([7, -1, 64, 0][turn % 4]),
        ValType::I64 => Val::I64([1 << 40, -1, 3, 0][turn % 4]),
        ValType::F32 => Val::F32(NARROW[turn % 6]),
        ValType::F64 => Val::F64(WIDE[turn % 6]),
        ValType::V128 => {
            Val::V128((u128::from(WIDE[turn % 6]) << 64 | u128::from(NARROW[turn % 6]) << 16).into())
        }
        other => panic!("no argument of type {other}"),
    }
}

/// Calls every exported function, each in an instance of its own, on a big stack.
pub(crate) fn observe(engine: &Engine, wasm: &[u8]) -> Vec<Seen> {
    let module = Module::new(engine, wasm).unwrap_or_else(|error| panic!("{error:?}"));
    let work = || {
        let mut seen = Vec::new();
        for export in module.exports() {
            let Some(ty) = export.ty().func().cloned() else { continue };
            for turn in 0..3 {
                let arguments: Vec<_> =
                    ty.params().enumerate().map(|(at, ty)| argument(&ty, turn + at)).collect();
                seen.extend(call(&module, export.name(), &arguments, ty.results().len()));
                if arguments.is_empty() {
                    break;
                }
            }
        }
        seen
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(NATIVE_STACK).spawn_scoped(scope, work);
        thread.expect("a thread").join().expect("no panic")
    })
}

/// The same bounds for both engines.
struct Limit;

impl ResourceLimiter for Limit {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 100 << 16 && maximum.is_none_or(|maximum| desired <= maximum))
    }
    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 1_000 && maximum.is_none_or(|maximum| desired <= maximum))
    }
}

/// `None` when the module cannot be instantiated.
fn call(module: &Module, name: &str, arguments: &[Val], results: usize) -> Option<Seen> {
    let mut store = Store::new(module.engine(), Limit);
    store.limiter(|limit| limit);
    let instance = Instance::new(&mut store, module, &[]).ok()?;
    for (name, value) in
        [(GAS_EXPORT, Val::I64(1 << 60)), (STACK_EXPORT, Val::I32(STACK)), (PAGES_EXPORT, Val::I64(100))]
    {
        if let Some(global) = instance.get_global(&mut store, name) {
            global.set(&mut store, value).unwrap();
        }
    }
    let function = instance.get_func(&mut store, name).unwrap();
    let mut returned = vec![Val::I32(0); results];
    let result = match function.call(&mut store, arguments, &mut returned) {
        Ok(()) => Ok(returned.iter().map(bits).collect()),
        Err(error) => {
            Err(error.downcast_ref::<wasmtime::Trap>().map_or("exception".to_owned(), ToString::to_string))
        }
    };
    let exports: Vec<_> = module.exports().map(|export| export.name().to_owned()).collect();
    let mut globals = Vec::new();
    for name in exports.iter().filter(|name| !name.starts_with("fizz:")) {
        if let Some(global) = instance.get_global(&mut store, name) {
            globals.push(bits(&global.get(&mut store)));
        }
    }
    let memory = instance.get_memory(&mut store, "memory").unwrap().data(&store).to_vec();
    Some(Seen { function: name.to_owned(), result, globals, memory })
}

/// Compares both forms of the rewrite with what must be seen, and returns that.
pub(crate) fn check(engines: &Engines, wasm: &[u8], what: &str) -> Vec<Seen> {
    let expected = observe(&engines.canonical, wasm);
    let facts = examine(wasm, &ModuleLimits::default(), |_, _| false).expect("a good module");
    for variant in [Variant::Fast, Variant::WriteThrough] {
        let rewritten = rewrite(wasm, &facts, variant).expect("a good module");
        assert!(rewritten.len() as u64 <= facts.instrumented_bytes + 200, "{what}: larger than foretold");
        let ours = observe(&engines.ours, &rewritten);
        assert_eq!(expected.len(), ours.len(), "{what}");
        for (expected, ours) in expected.iter().zip(&ours) {
            let name = &expected.function;
            assert_eq!(hex(&expected.result), hex(&ours.result), "{what}: results of {name}, {variant:?}");
            assert_eq!(expected.globals, ours.globals, "{what}: globals after {name}, {variant:?}");
            let differs =
                expected.memory.iter().zip(&ours.memory).position(|(expected, ours)| expected != ours);
            assert_eq!(differs, None, "{what}: memory after {name}, {variant:?}");
        }
    }
    expected
}

fn hex(result: &Result<Vec<u128>, String>) -> Result<Vec<String>, String> {
    result.clone().map(|values| values.iter().map(|value| format!("{value:x}")).collect())
}
