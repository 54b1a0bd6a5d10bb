//! What the sandbox costs a GPU job: the same wgpu code natively and as a guest, on the same adapter, in one run.
//!
//! `cargo bench -p fizz-exec --bench gpu_guests`
//!
//! Times are of one operation, without the start of the device: the difference between a long and a short run,
//! each the least of several rounds, divided by the operations between them. Native and guest take turns.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run says so by panicking")]

#[allow(dead_code, reason = "the list of programs is for tests")]
#[path = "../../../sdk/wgpu/examples/compute/programs/mod.rs"]
mod programs;

use fizz_gpu::{Adapters, Choice, Sessions};
use fizz_sandbox::{Engine, ModuleLimits, Program, TaskSpec, run};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 10;

/// Something to time: its name for people, its program, and how often it is done in a short and a long run.
struct Measured {
    what: &'static str,
    program: &'static str,
    few: u32,
    many: u32,
}

const MEASURED: [Measured; 3] = [
    Measured { what: "a dispatch of some milliseconds", program: "dispatches", few: 2, many: 12 },
    Measured { what: "a dispatch of one invocation", program: "round-trips", few: 100, many: 3_100 },
    // Cheaper in the sandbox: the host does not bother the driver with it.
    Measured { what: "an empty submit", program: "submits", few: 500, many: 20_500 },
];

fn main() {
    let adapters = Adapters::list();
    let hardware = match adapters.choose(&Choice::Auto) {
        Ok(hardware) => hardware,
        Err(error) => {
            println!("skipped: {error}");
            return;
        }
    };
    println!("adapter: {}", hardware.summary());
    let sessions: Arc<dyn Sessions> = Arc::new(hardware);
    let engine = Engine::new().unwrap();
    let guest = Program::compile(&engine, fizz_examples::WGPU_COMPUTE, &ModuleLimits::default()).unwrap();
    let mut gpu = programs::Gpu::connect().unwrap();

    let mut native = |name: &str| {
        let start = Instant::now();
        programs::run(name, &mut gpu);
        start.elapsed()
    };
    let sandboxed = |name: &str| {
        let mut task = TaskSpec::new("compute");
        task.args.push(name.to_owned());
        task.gpu_class = fizz_attest::GpuClass::Fast;
        let report = run(&guest, task, Some(Arc::clone(&sessions)), None).unwrap();
        assert!(report.outcome.is_success(), "{}", String::from_utf8_lossy(&report.stderr));
        report.run
    };
    println!("{:<32} {:>12} {:>12} {:>8}", "", "native", "sandbox", "ratio");
    for measured in &MEASURED {
        let mut least = [[Duration::MAX; 2]; 2];
        for _ in 0..ROUNDS {
            for (which, count) in [measured.few, measured.many].into_iter().enumerate() {
                let name = format!("{}:{count}", measured.program);
                least[0][which] = least[0][which].min(native(&name));
                least[1][which] = least[1][which].min(sandboxed(&name));
            }
        }
        let one = least.map(|[few, many]| many.saturating_sub(few) / (measured.many - measured.few));
        println!(
            "{:<32} {:>12.1?} {:>12.1?} {:>8.2}",
            measured.what,
            one[0],
            one[1],
            one[1].as_secs_f64() / one[0].as_secs_f64(),
        );
    }
}
