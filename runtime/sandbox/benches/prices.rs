//! What a unit of gas buys: the time per gas of ordinary programs, of every form of operator in a chain in which each
//! waits for the one before it, and of modules that want more work than they pay for.
//!
//! ```text
//! cargo bench -p fizz-sandbox --bench prices                 all of it, dearest first
//! cargo bench -p fizz-sandbox --bench prices -- branch       the rows whose name contains a word
//! ```
//! The weights of the cost table were chosen by this. A row is out of line when its gas buys many times as much time as
//! that of ordinary programs; a load that misses every cache is the row that no table can price.

#[path = "prices/forms.rs"]
mod forms;
#[path = "prices/hostile.rs"]
mod hostile;

use fizz_attest::Outcome;
use fizz_sandbox::{Engine, ModuleLimits, Program, TaskSpec, run};

/// Runs of each row, of which the best counts.
const ROUNDS: usize = 3;
/// Gas of a row's run at the most: what is priced too low ends by its rounds, what is priced well by this.
const GAS: u64 = 4_000_000_000;
const KERNELS: [&str; 8] = ["nbody", "matmul", "matmul-simd", "sieve", "blake3", "fib", "regex", "deflate"];

/// A module to be timed.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) wat: String,
}

struct Timed {
    name: String,
    gas: u64,
    seconds: f64,
}

impl Timed {
    fn nanoseconds_per_gas(&self) -> f64 {
        self.seconds * 1e9 / self.gas as f64
    }

    fn print(&self, ordinary: f64) {
        let Timed { name, gas, seconds } = self;
        let each = self.nanoseconds_per_gas();
        println!("{name:44} {:9.2} ms {gas:13} {each:10.4} {:9.2}", seconds * 1e3, each / ordinary);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let engine = Engine::new()?;
    println!("{:44} {:>12} {:>13} {:>10} {:>9}", "", "time", "gas", "ns/gas", "ordinary");

    let kernels = Program::compile(&engine, fizz_examples::KERNELS, &ModuleLimits::default())?;
    let mut ordinary = Vec::new();
    for name in KERNELS {
        let mut task = TaskSpec::new("kernels");
        task.args.push(name.to_owned());
        ordinary.push(timed(name, &kernels, &task)?);
    }
    let mean = ordinary.iter().map(|row| row.nanoseconds_per_gas().ln()).sum::<f64>() / ordinary.len() as f64;
    ordinary.iter().for_each(|row| row.print(mean.exp()));
    println!("{:44} {:>12} {:>13} {:10.4}\n", "their geometric mean", "", "", mean.exp());

    for rows in [hostile::rows(), forms::rows()] {
        let mut found = Vec::new();
        for row in rows {
            if !wanted.is_empty() && !wanted.iter().any(|word| row.name.contains(word)) {
                continue;
            }
            let wasm = wat::parse_str(&row.wat).map_err(|error| format!("{}: {error}", row.name))?;
            let program = Program::compile(&engine, &wasm, &ModuleLimits::default())
                .map_err(|error| format!("{}: {error}", row.name))?;
            let mut task = TaskSpec::new(row.name.as_str());
            task.limits.gas = GAS;
            task.limits.stack_bytes = 4 << 20;
            found.push(timed(&row.name, &program, &task)?);
        }
        found.sort_by(|a, b| b.nanoseconds_per_gas().total_cmp(&a.nanoseconds_per_gas()));
        found.iter().for_each(|row| row.print(mean.exp()));
        println!();
    }
    Ok(())
}

fn timed(name: &str, program: &Program, task: &TaskSpec) -> Result<Timed, Box<dyn std::error::Error>> {
    let mut best = Timed { name: name.to_owned(), gas: 0, seconds: f64::MAX };
    for _ in 0..ROUNDS {
        let report = run(program, task.clone(), None, None)?;
        // A trap would be run a second time.
        if !matches!(report.outcome, Outcome::Completed { .. } | Outcome::OutOfGas) {
            return Err(format!("{name}: {}, {:?}", report.outcome, report.diagnostic).into());
        }
        best.gas = report.gas;
        best.seconds = best.seconds.min(report.run.as_secs_f64());
    }
    Ok(best)
}
