//! Properties over generated modules: the rewrite changes nothing but the counters, both variants count the same, and
//! the sum over segments is the sum over operators.

use fizz_generated::{Config, Unstructured, noise, settings};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, Function, GlobalType, Instruction as I, Module as Encoder, ValType,
};
use wasmparser::{Operator, Validator};
use wasmtime::{Instance, Module, ResourceLimiter, Store, ThrownException, Trap, Val};

use super::carry::Prices;
use super::*;
use crate::Engine;
use crate::features::allowed_features;
use crate::stack::METERED_MAX;

/// Pages that generated modules may have.
const PAGES: u64 = 100;
/// Exports of every generated module: what Fizz wants, and functions of several types to call.
const SHAPE: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "_start"))
    (func (export "a") (param i32 i32) (result i32) unreachable)
    (func (export "b") (param i64 f64) (result f64) unreachable)
    (func (export "c") (param f32) (result i32 i64 f32) unreachable)
    (func (export "d") (result i64) unreachable))"#;

fn generate(seed: u64, simple: bool) -> Option<Vec<u8>> {
    let config = Config {
        max_instructions: 150,
        max_table_elements: 100,
        bulk_memory_enabled: !simple,
        reference_types_enabled: !simple,
        exceptions_enabled: !simple,
        // Otherwise most calls end in a wild load.
        disallow_traps: !seed.is_multiple_of(3),
        max_memory32_bytes: PAGES << 16,
        ..settings(SHAPE)
    };
    let mut module = fizz_generated::module(config, &mut Unstructured::new(&noise(seed)))?;
    module.ensure_termination(500).ok()?;
    let wasm = module.to_bytes();
    // Generated modules may keep exceptions where Fizz allows none.
    let held = examine(&wasm, &ModuleLimits::default(), |_, _| false);
    (!matches!(held, Err(ModuleError::HeldException(_) | ModuleError::TooLarge { .. }))).then_some(wasm)
}

pub(super) fn facts(wasm: &[u8]) -> ModuleFacts {
    examine(wasm, &ModuleLimits::default(), |_, _| false).unwrap_or_else(|error| panic!("{error}"))
}

/// What one call did.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// Results as bits, or why it ended.
    pub(super) result: Result<Vec<u128>, String>,
    pub(super) memory: blake3::Hash,
    /// Gas used.
    pub(super) gas: i64,
}

/// More gas than any call here uses.
pub(super) const GAS: i64 = 1 << 60;

struct Limit;

impl ResourceLimiter for Limit {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired as u64 <= PAGES << 16 && maximum.is_none_or(|maximum| desired <= maximum))
    }
    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 1_000 && maximum.is_none_or(|maximum| desired <= maximum))
    }
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

/// Makes every call, each in an instance of its own, and notes what happens.
fn observe(engine: &Engine, wasm: &[u8]) -> Vec<Seen> {
    let (engine, stacks, wasm) = (engine.wasmtime().clone(), engine.stacks().clone(), wasm.to_vec());
    stacks
        .run(move || {
            let module = Module::new(&engine, &wasm).unwrap_or_else(|error| panic!("{error:?}"));
            let float = |value: f64| Val::F64(value.to_bits());
            [
                ("_start", vec![]),
                ("a", vec![Val::I32(7), Val::I32(-1)]),
                ("b", vec![Val::I64(1 << 40), float(-0.5)]),
                ("c", vec![Val::F32(1.5f32.to_bits())]),
                ("d", vec![]),
                ("a", vec![Val::I32(65_536), Val::I32(3)]),
            ]
            .into_iter()
            .filter_map(|(name, arguments)| call(&module, name, &arguments, GAS))
            .collect()
        })
        .unwrap()
}

/// `None` when the module cannot be instantiated.
pub(super) fn call(module: &Module, name: &str, arguments: &[Val], limit: i64) -> Option<Seen> {
    let mut store = Store::new(module.engine(), Limit);
    store.limiter(|limit| limit);
    let instance = Instance::new(&mut store, module, &[]).ok()?;
    for (name, value) in [
        (GAS_EXPORT, Val::I64(limit)),
        (STACK_EXPORT, Val::I32(METERED_MAX as i32)),
        (PAGES_EXPORT, Val::I64(PAGES as i64)),
    ] {
        if let Some(global) = instance.get_global(&mut store, name) {
            global.set(&mut store, value).unwrap();
        }
    }
    let function = instance.get_func(&mut store, name).unwrap();
    let mut results = vec![Val::I32(0); function.ty(&store).results().len()];
    let result = match function.call(&mut store, arguments, &mut results) {
        Ok(()) => Ok(results.iter().map(bits).collect()),
        Err(error) if error.is::<ThrownException>() => Err("exception".to_owned()),
        Err(error) => {
            Err(error.downcast_ref::<Trap>().map_or_else(|| error.to_string(), ToString::to_string))
        }
    };
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    let memory = blake3::hash(memory.data(&store));
    let gas = instance.get_global(&mut store, GAS_EXPORT);
    let gas = gas.map_or(0, |gas| limit - gas.get(&mut store).unwrap_i64());
    Some(Seen { result, memory, gas })
}

#[test]
fn the_rewrite_changes_nothing_but_the_counters() {
    let (engine, canonical) = (Engine::new().unwrap(), Engine::canonical().unwrap());
    let (mut modules, mut trapped, mut completed) = (0, 0, 0);
    for seed in 0..400 {
        let Some(wasm) = generate(seed, false) else { continue };
        let facts = facts(&wasm);
        if facts.start.is_some() {
            continue;
        }
        modules += 1;
        let plain = observe(&canonical, &wasm);
        let variants = [Variant::Fast, Variant::WriteThrough].map(|variant| {
            let rewritten = rewrite(&wasm, &facts, variant).unwrap();
            // The sections' heads, our globals and exports are the same for every module.
            assert!(rewritten.len() as u64 <= facts.instrumented_bytes + 200, "seed {seed}");
            let features = allowed_features();
            Validator::new_with_features(features).validate_all(&rewritten).unwrap();
            observe(&engine, &rewritten)
        });
        for (call, plain) in plain.iter().enumerate() {
            for variant in &variants {
                assert_eq!(variant[call].result, plain.result, "seed {seed}, call {call}");
                assert_eq!(variant[call].memory, plain.memory, "seed {seed}, call {call}");
            }
            let [fast, through] = variants.each_ref().map(|variant| &variant[call]);
            match &plain.result {
                Ok(_) => completed += 1,
                Err(_) => trapped += 1,
            }
            // A trap of the engine's own instructions may find the fast form's gas still in a local.
            if matches!(&plain.result, Err(trap) if trap != "exception" && !trap.contains("unreachable")) {
                assert!(fast.gas <= through.gas, "seed {seed}, call {call}");
            } else {
                assert_eq!(fast.gas, through.gas, "seed {seed}, call {call}: {:?}", plain.result);
            }
        }
    }
    assert!(modules > 100, "{modules} modules");
    assert!(trapped > 20 && completed > 200, "{trapped} trapped, {completed} completed");
}

/// The same count in the plainest way: one charge before every operator.
pub(super) fn naive(wasm: &[u8], facts: &ModuleFacts) -> Vec<u8> {
    struct Naive<'f> {
        facts: &'f ModuleFacts,
        /// Functions done.
        defined: usize,
    }
    impl Reencode for Naive<'_> {
        type Error = std::convert::Infallible;

        fn parse_global_section(
            &mut self,
            globals: &mut wasm_encoder::GlobalSection,
            section: wasmparser::GlobalSectionReader<'_>,
        ) -> Result<(), wasm_encoder::reencode::Error> {
            wasm_encoder::reencode::utils::parse_global_section(self, globals, section)?;
            let ty = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
            globals.global(ty, &ConstExpr::i64_const(0));
            globals.global(ty, &ConstExpr::i64_const(0));
            Ok(())
        }

        fn parse_export_section(
            &mut self,
            exports: &mut wasm_encoder::ExportSection,
            section: wasmparser::ExportSectionReader<'_>,
        ) -> Result<(), wasm_encoder::reencode::Error> {
            wasm_encoder::reencode::utils::parse_export_section(self, exports, section)?;
            exports.export(GAS_EXPORT, ExportKind::Global, self.facts.globals);
            Ok(())
        }

        fn parse_function_body(
            &mut self,
            code: &mut CodeSection,
            body: wasmparser::FunctionBody<'_>,
        ) -> Result<(), wasm_encoder::reencode::Error> {
            let mut function: Function = self.new_function_with_parsed_locals(&body)?;
            let (gas, grown) = (self.facts.globals, self.facts.globals + 1);
            let mut prices = Prices::new(self.facts);
            prices.begin(self.defined);
            let mut before = COSTS.entry(self.facts.functions[self.defined].frame);
            self.defined += 1;
            let mut reader = body.get_operators_reader()?;
            while !reader.eof() {
                let operator = reader.read()?;
                let cost = prices.operator(&operator) + std::mem::take(&mut before);
                if cost > 0 {
                    for instruction in
                        [I::GlobalGet(gas), I::I64Const(cost.cast_signed()), I::I64Sub, I::GlobalSet(gas)]
                    {
                        function.instruction(&instruction);
                    }
                }
                let is_growth = matches!(operator, Operator::MemoryGrow { .. });
                if is_growth {
                    // Remember the size before, so that the difference is what has grown.
                    for instruction in [I::MemorySize(0), I::I64ExtendI32U, I::GlobalSet(grown)] {
                        function.instruction(&instruction);
                    }
                }
                function.instruction(&RoundtripReencoder.instruction(operator)?);
                if is_growth {
                    for instruction in [
                        I::GlobalGet(gas),
                        I::MemorySize(0),
                        I::I64ExtendI32U,
                        I::GlobalGet(grown),
                        I::I64Sub,
                        I::I64Const(COSTS.page.into()),
                        I::I64Mul,
                        I::I64Sub,
                        I::GlobalSet(gas),
                    ] {
                        function.instruction(&instruction);
                    }
                }
            }
            code.function(&function);
            Ok(())
        }
    }
    let mut module = Encoder::new();
    Naive { facts, defined: 0 }.parse_core_module(&mut module, wasmparser::Parser::new(0), wasm).unwrap();
    module.finish()
}

#[test]
fn segments_sum_to_what_the_operators_cost() {
    let (engine, canonical) = (Engine::new().unwrap(), Engine::canonical().unwrap());
    let mut compared = 0;
    for seed in 1_000..1_300 {
        let Some(wasm) = generate(seed, true) else { continue };
        let facts = facts(&wasm);
        if facts.start.is_some() || facts.globals == 0 {
            continue;
        }
        let exact = observe(&canonical, &naive(&wasm, &facts));
        let ours = observe(&engine, &rewrite(&wasm, &facts, Variant::WriteThrough).unwrap());
        for (call, (exact, ours)) in exact.iter().zip(&ours).enumerate() {
            assert_eq!(exact.result, ours.result, "seed {seed}, call {call}");
            if exact.result.is_err() {
                // A segment is charged when it is entered, and a trap leaves it early.
                assert!(exact.gas <= ours.gas, "seed {seed}, call {call}");
                continue;
            }
            assert_eq!(exact.gas, ours.gas, "seed {seed}, call {call}");
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared} calls compared");
}

#[test]
fn every_loop_head_and_entry_of_a_generated_module_is_checked() {
    let mut loops = 0;
    for seed in 2_000..2_100 {
        let Some(wasm) = generate(seed, false) else { continue };
        let facts = facts(&wasm);
        let rewritten = rewrite(&wasm, &facts, Variant::Fast).unwrap();
        for payload in wasmparser::Parser::new(0).parse_all(&rewritten) {
            let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
            let operators: Vec<_> =
                body.get_operators_reader().unwrap().into_iter().collect::<Result<_, _>>().unwrap();
            for at in (0..operators.len()).filter(|&at| matches!(operators[at], Operator::Loop { .. })) {
                loops += 1;
                let head: Vec<_> = operators[at + 1..].iter().take(32).collect();
                assert!(
                    head.iter().any(|operator| matches!(operator, Operator::I64LtS)),
                    "seed {seed}: {head:?}"
                );
            }
        }
    }
    assert!(loops > 50, "{loops} loops");
}
