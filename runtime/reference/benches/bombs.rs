//! Shaders of hostile guests: what each step takes from WGSL to machine code, in milliseconds, with the bytes that come out and the most memory that was in use.
//!
//! `cargo bench -p fizz-reference-engine --bench bombs [-- NAME]`.
#![allow(clippy::unwrap_used)] // A benchmark fails by panicking.

#[path = "../../../host-gpu/reference/tests/common/bombs.rs"]
mod bombs;

use fizz_reference::{Engine, THREAD_STACK, Work, compile_by_passes};
use fizz_reference_engine::Wasmtime;
use fizz_shader::exact::{self, Native};
use fizz_shader::meter::MeterOptions;
use std::time::{Duration, Instant};

/// Most bytes of memory that were in use; 0 where that is not known.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Names the one shader of a child.
const ONE: &str = "FIZZ_BOMB";

struct Steps(Instant, Vec<(&'static str, Duration)>);

impl Steps {
    fn done(&mut self, name: &'static str) {
        let now = Instant::now();
        self.1.push((name, now - self.0));
        self.0 = now;
    }
}

fn measure(wgsl: &str) -> (Vec<(&'static str, Duration)>, String) {
    let mut steps = Steps(Instant::now(), Vec::new());
    let said = measured(wgsl, &mut steps).unwrap_or_else(|error| error);
    (steps.1, said)
}

fn measured(wgsl: &str, steps: &mut Steps) -> Result<String, String> {
    let checked = fizz_shader::check(wgsl, "bomb", &fizz_shader::ShaderLimits::default());
    steps.done("check");
    let checked = checked.map_err(|error| error.to_string())?;
    let reasons = checked.classify("main");
    steps.done("classify");
    if !reasons.is_empty() {
        return Err(format!("{reasons:?}"));
    }
    let metered = checked.meter("main", "bomb", &[], MeterOptions::default());
    steps.done("meter");
    let module = metered.map_err(|error| error.to_string())?.1.module;
    let portable = exact::check(&module);
    steps.done("Vulkan");
    portable?;
    let lowered = exact::lower(module, &Native::REFERENCE);
    steps.done("lower");
    let lowered = lowered?;
    let program = compile_by_passes(&lowered, "main", &mut |pass| steps.done(pass));
    steps.done("rest");
    let program = program.map_err(|error| error.to_string())?;
    let machine = Wasmtime::new().unwrap().machine(None).unwrap();
    steps.done("rest");
    let kernel = machine.compile(&program.wasm);
    steps.done("wasmtime");
    let kernel = kernel.map_err(|error| error.to_string())?;
    // No workgroups: where the frame does not fit the stack, it traps all the same.
    let mut instance = kernel.instance().map_err(|error| error.to_string())?;
    let work = Work { args: 1024, scratch: 1 << 20, first: [0; 3], count: 0 };
    machine
        .grow(u64::from(work.scratch) + u64::from(program.scratch_bytes))
        .map_err(|error| error.to_string())?;
    let thread = std::thread::Builder::new().stack_size(THREAD_STACK);
    // SAFETY: nothing else uses the machine's memory.
    #[expect(unsafe_code, reason = "the trait says who else may use the memory")]
    let run = thread.spawn(move || unsafe { instance.run(work) }).unwrap().join().unwrap();
    run.map_err(|error| error.to_string())?;
    Ok(format!("{} KiB of WebAssembly", program.wasm.len() >> 10))
}

fn one(bomb: &bombs::Bomb) {
    let (steps, said) = measure(&bomb.wgsl);
    print!("{:32}", bomb.name);
    for (name, taken) in steps.iter().filter(|(_, taken)| taken.as_millis() >= 5) {
        print!(" {name} {}", taken.as_millis());
    }
    println!(" | {} MiB | {}", peak() >> 20, said.lines().next().unwrap_or_default());
}

fn main() {
    if let Ok(name) = std::env::var(ONE) {
        let all = bombs::bombs();
        one(all.iter().find(|bomb| bomb.name == name).expect("the name of a bomb"));
        return;
    }
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for bomb in bombs::bombs() {
        if only.as_ref().is_some_and(|only| !bomb.name.contains(only.as_str())) {
            continue;
        }
        // Each in a process of its own, for the memory of one must not be counted for the next.
        let this = std::env::current_exe().unwrap();
        let status = std::process::Command::new(this).env(ONE, bomb.name).status().unwrap();
        if !status.success() {
            println!("{:32} {status}", bomb.name);
        }
    }
}
