//! What metering costs: a guest's kernels under our gas, under the engine's fuel, and under no metering, in one
//! process and by turns; and what an empty task costs.
//!
//! `cargo bench -p fizz-sandbox --bench gas`, or with a module of the same command line:
//! `cargo bench -p fizz-sandbox --bench gas -- MODULE.wasm nbody matmul`.

use std::error::Error;
use std::time::Instant;

use fizz_sandbox::{Engine, ModuleLimits, Program, TaskSpec, run};
use wasmtime::{Caller, Config, Linker, Module, Store};

/// Runs of each kernel in each form; the best counts.
const ROUNDS: usize = 7;
/// Runs of an empty task.
const EMPTY_RUNS: usize = 2_000;
const KERNELS: [&str; 7] = ["nbody", "matmul", "sieve", "blake3", "fib", "regex", "deflate"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    // Cargo passes flags of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let wasm = match arguments.next() {
        Some(path) => std::fs::read(path)?,
        None => fizz_examples::KERNELS.to_vec(),
    };
    let mut kernels: Vec<String> = arguments.collect();
    if kernels.is_empty() {
        kernels = KERNELS.map(str::to_owned).to_vec();
    }

    let plain = Peer::new(&wasm, false)?;
    let fuel = Peer::new(&wasm, true)?;
    let engine = Engine::new()?;
    let start = Instant::now();
    let ours = Program::compile(&engine, &wasm, &ModuleLimits::default())?;
    let compile = start.elapsed().as_secs_f64();

    println!("{:10} {:>12} {:>12} {:>12} {:>14}", "", "plain ms", "fuel ×", "fizz gas ×", "gas");
    let (mut fuel_logs, mut our_logs) = (0.0, 0.0);
    for kernel in &kernels {
        let (mut best_plain, mut best_fuel, mut best_ours) = (f64::MAX, f64::MAX, f64::MAX);
        let mut gas = 0;
        for _ in 0..ROUNDS {
            let (time, expected) = plain.run(kernel)?;
            best_plain = best_plain.min(time);
            let (time, output) = fuel.run(kernel)?;
            assert_eq!(output, expected, "{kernel} differs under fuel");
            best_fuel = best_fuel.min(time);
            let mut task = TaskSpec::new("kernels");
            task.args.push(kernel.clone());
            let report = run(&ours, task, None, None)?;
            assert!(report.outcome.is_success(), "{kernel}: {}", report.outcome);
            assert_eq!(report.stdout, expected, "{kernel} differs under gas");
            best_ours = best_ours.min(report.run.as_secs_f64());
            gas = report.gas;
        }
        let (fuel_ratio, our_ratio) = (best_fuel / best_plain, best_ours / best_plain);
        fuel_logs += fuel_ratio.ln();
        our_logs += our_ratio.ln();
        println!("{kernel:10} {:12.1} {fuel_ratio:12.2} {our_ratio:12.2} {gas:14}", best_plain * 1e3);
    }
    let count = kernels.len() as f64;
    println!(
        "{:10} {:>12} {:12.2} {:12.2}",
        "geomean",
        "",
        (fuel_logs / count).exp(),
        (our_logs / count).exp()
    );
    println!(
        "compile    {:12.0} {:12.2} {:12.2}   code {} bytes plain, {} ours",
        plain.compile * 1e3,
        fuel.compile / plain.compile,
        compile / plain.compile,
        plain.module.text().len(),
        ours.code_bytes(),
    );
    empty(&engine, "an empty module", EMPTY)?;
    if kernels.len() == KERNELS.len() {
        empty_kernel(&ours)?;
    }
    Ok(())
}

const EMPTY: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

fn empty(engine: &Engine, what: &str, wat: &str) -> Result<()> {
    let program = Program::compile(engine, &wat::parse_str(wat)?, &ModuleLimits::default())?;
    warm(what, &program, &TaskSpec::new("empty"))
}

fn empty_kernel(program: &Program) -> Result<()> {
    let mut task = TaskSpec::new("kernels");
    task.args.push("empty".to_owned());
    warm("a Rust guest that does nothing", program, &task)
}

fn warm(what: &str, program: &Program, task: &TaskSpec) -> Result<()> {
    let mut times = Vec::with_capacity(EMPTY_RUNS);
    for _ in 0..EMPTY_RUNS {
        let task = task.clone();
        let start = Instant::now();
        run(program, task, None, None)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "instantiate and run {what}, warm: p50 {:.0} µs, p99 {:.0} µs",
        times[EMPTY_RUNS / 2],
        times[EMPTY_RUNS * 99 / 100]
    );
    Ok(())
}

/// The engine alone, with or without its own fuel, and the few WASI calls that the kernels make.
struct Peer {
    module: Module,
    linker: Linker<Seen>,
    fuel: bool,
    compile: f64,
}

struct Seen {
    arguments: Vec<u8>,
    output: Vec<u8>,
}

impl Peer {
    fn new(wasm: &[u8], fuel: bool) -> Result<Self> {
        let mut config = Config::new();
        config.consume_fuel(fuel);
        let engine = wasmtime::Engine::new(&config)?;
        let start = Instant::now();
        let module = Module::new(&engine, wasm)?;
        let compile = start.elapsed().as_secs_f64();
        let mut linker = Linker::new(&engine);
        add_wasi(&mut linker)?;
        linker.define_unknown_imports_as_traps(&module)?;
        Ok(Peer { module, linker, fuel, compile })
    }

    fn run(&self, kernel: &str) -> Result<(f64, Vec<u8>)> {
        let arguments = format!("kernels\0{kernel}\0").into_bytes();
        let start = Instant::now();
        let mut store = Store::new(self.module.engine(), Seen { arguments, output: Vec::new() });
        if self.fuel {
            store.set_fuel(u64::MAX / 2)?;
        }
        let instance = self.linker.instantiate(&mut store, &self.module)?;
        instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ())?;
        Ok((start.elapsed().as_secs_f64(), store.into_data().output))
    }
}

/// Guest memory and the data of the store.
fn memory<'c>(caller: &'c mut Caller<'_, Seen>) -> wasmtime::Result<(&'c mut [u8], &'c mut Seen)> {
    let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
    let memory = memory.ok_or_else(|| wasmtime::Error::msg("no memory"))?;
    Ok(memory.data_and_store_mut(caller))
}

fn put(bytes: &mut [u8], at: u32, value: u32) {
    bytes[at as usize..][..4].copy_from_slice(&value.to_le_bytes());
}

fn take(bytes: &[u8], at: u32) -> u32 {
    u32::from_le_bytes(bytes[at as usize..][..4].try_into().expect("four bytes"))
}

fn add_wasi(linker: &mut Linker<Seen>) -> wasmtime::Result<()> {
    const WASI: &str = "wasi_snapshot_preview1";
    linker.func_wrap(WASI, "args_sizes_get", |mut caller: Caller<'_, Seen>, count: u32, size: u32| {
        let (bytes, seen) = memory(&mut caller)?;
        put(bytes, count, 2);
        put(bytes, size, seen.arguments.len() as u32);
        wasmtime::Result::Ok(0)
    })?;
    linker.func_wrap(WASI, "args_get", |mut caller: Caller<'_, Seen>, heads: u32, buffer: u32| {
        let (bytes, seen) = memory(&mut caller)?;
        let second = seen.arguments.iter().position(|byte| *byte == 0).map_or(0, |at| at + 1) as u32;
        put(bytes, heads, buffer);
        put(bytes, heads + 4, buffer + second);
        bytes[buffer as usize..][..seen.arguments.len()].copy_from_slice(&seen.arguments);
        wasmtime::Result::Ok(0)
    })?;
    linker.func_wrap(WASI, "environ_sizes_get", |mut caller: Caller<'_, Seen>, count: u32, size: u32| {
        let (bytes, _) = memory(&mut caller)?;
        put(bytes, count, 0);
        put(bytes, size, 0);
        wasmtime::Result::Ok(0)
    })?;
    linker.func_wrap(WASI, "environ_get", |_: u32, _: u32| 0)?;
    linker.func_wrap(WASI, "random_get", |_: u32, _: u32| 0)?;
    linker.func_wrap(WASI, "fd_prestat_get", |_: u32, _: u32| 8)?;
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut caller: Caller<'_, Seen>, _: u32, list: u32, count: u32, written: u32| {
            let (bytes, seen) = memory(&mut caller)?;
            let mut total = 0;
            for index in 0..count {
                let at = take(bytes, list + index * 8) as usize;
                let len = take(bytes, list + index * 8 + 4);
                seen.output.extend_from_slice(&bytes[at..][..len as usize]);
                total += len;
            }
            put(bytes, written, total);
            wasmtime::Result::Ok(0)
        },
    )?;
    Ok(())
}
