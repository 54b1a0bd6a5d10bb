//! What the pass costs: guests under our gas, under gas and stack, under all that a program gets (NaNs too), under the
//! engine's fuel and NaN flags, and under nothing, in one process and by turns; how fast the pass itself is; and what
//! an empty task costs.
//!
//! ```text
//! cargo bench -p fizz-sandbox --bench gas                          all guests
//! cargo bench -p fizz-sandbox --bench gas -- fib sql               some of them
//! cargo bench -p fizz-sandbox --bench gas -- --dir=IN jq.wasm . a  a module of one's own, its arguments and files
//! ```
//! The guests that hold C, `sql` and `script`, are left out where they are not built: see `examples/c-guests`.
//! `--rounds=N` runs of each form, of which the best counts. `--dump=FOLDER` leaves every form's module and machine
//! code there for a disassembler.
//!
//! Every form has the host functions that tasks have.
//! Times are those of one thread, so that other work on the machine disturbs little.

mod peak;
mod peer;
mod workloads;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fizz_sandbox::measure::{self, Form, Left};
use fizz_sandbox::{Engine, ModuleLimits, Program, TaskSpec, run};

use peer::{Flags, Peer, seconds};
use workloads::Workload;

#[global_allocator]
static ALLOCATOR: peak::Counting = peak::Counting;

/// Runs of each workload in each form, unless told otherwise.
const ROUNDS: usize = 7;
/// Runs of an empty task.
const EMPTY_RUNS: usize = 2_000;
/// Columns after the first, which is the module in the plain engine.
const FORMS: [&str; 5] = ["fuel", "fuel+NaN", "gas", "gas+stack", "all of it"];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One module in every form.
struct Guest {
    name: String,
    wasm: Vec<u8>,
    plain: Peer,
    forms: Vec<Peer>,
    /// As the product runs it.
    program: Program,
}

fn main() -> Result<()> {
    let mut rounds = ROUNDS;
    let (mut dump, mut folder) = (None, None);
    let mut wanted = Vec::new();
    // Cargo adds a flag of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    for argument in arguments.by_ref() {
        if let Some(count) = argument.strip_prefix("--rounds=") {
            rounds = count.parse()?;
        } else if let Some(folder) = argument.strip_prefix("--dump=") {
            dump = Some(PathBuf::from(folder));
        } else if let Some(from) = argument.strip_prefix("--dir=") {
            folder = Some(PathBuf::from(from));
        } else {
            let is_module = argument.ends_with(".wasm");
            wanted.push(argument);
            if is_module {
                break;
            }
        }
    }
    let engine = Engine::new()?;
    let (guests, workloads) = match &wanted[..] {
        [module] if module.ends_with(".wasm") => {
            workloads::own(&engine, Path::new(module), &arguments.collect::<Vec<_>>(), folder.as_deref())?
        }
        names => workloads::named(&engine, names)?,
    };
    if let Some(folder) = dump {
        guests.iter().try_for_each(|guest| guest.dump(&folder))?;
    }
    compare(&guests, &workloads, rounds)?;
    for guest in &guests {
        guest.print_pass(rounds)?;
    }
    empty(&engine)?;
    kernels_empty(&engine)
}

/// Prints each form's time against the plain engine's.
fn compare(guests: &[Guest], workloads: &[Workload], rounds: usize) -> Result<()> {
    print!("{:12} {:>9}", "", "plain ms");
    FORMS.iter().for_each(|form| print!(" {form:>10}"));
    println!(" {:>14}", "gas");
    let mut ratios = vec![Vec::new(); FORMS.len()];
    for workload in workloads {
        let guest = &guests[workload.guest];
        let gas = guest.check(workload)?;
        let mut plain = f64::MAX;
        let mut best = [f64::MAX; FORMS.len()];
        for _ in 0..rounds {
            let (time, expected) = guest.plain.run(&workload.task)?;
            plain = plain.min(time);
            for ((form, best), name) in guest.forms.iter().zip(&mut best).zip(FORMS) {
                let (time, left) = form.run(&workload.task)?;
                assert_same(&left, &expected, &format!("{} under {name}", workload.name));
                *best = best.min(time);
            }
        }
        print!("{:12} {:9.1}", workload.name, plain * 1e3);
        for (best, ratios) in best.iter().zip(&mut ratios) {
            print!(" {:10.3}", best / plain);
            ratios.push(best / plain);
        }
        println!(" {gas:14}");
    }
    let mut means = Vec::new();
    print!("{:12} {:>9}", "geomean", "");
    for ratios in &ratios {
        let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        print!(" {mean:10.3}");
        means.push(mean);
    }
    print!("\n{:12} {:>9}", "worst", "");
    ratios.iter().for_each(|ratios| print!(" {:10.3}", ratios.iter().copied().fold(0.0, f64::max)));
    println!(
        "\nthe engine's fuel and NaN flags take {:.2} times as long as all of ours",
        means[1] / means[4]
    );
    Ok(())
}

impl Guest {
    fn new(engine: &Engine, name: &str, wasm: &[u8]) -> Result<Guest> {
        let fuel = Flags { fuel: true, nan: false };
        let both = Flags { fuel: true, nan: true };
        let mut forms = vec![Peer::new(wasm, fuel)?, Peer::new(wasm, both)?];
        for form in [Form::Gas, Form::GasAndStack, Form::All] {
            let instrumented = measure::validate(wasm)?.limit_to(form).instrument(wasm)?;
            forms.push(Peer::new(&instrumented, Flags::default())?);
        }
        Ok(Guest {
            name: name.to_owned(),
            wasm: wasm.to_vec(),
            plain: Peer::new(wasm, Flags::default())?,
            forms,
            program: Program::compile(engine, wasm, &ModuleLimits::default())?,
        })
    }

    /// The gas of a run as the product makes it, which must leave what the plain engine leaves.
    fn check(&self, workload: &Workload) -> Result<u64> {
        let report = run(&self.program, workload.task.clone(), None, None)?;
        assert!(report.outcome.is_success(), "{}: {}", workload.name, report.outcome);
        let left = Left { stdout: report.stdout, files: report.files };
        assert_same(&left, &self.plain.run(&workload.task)?.1, &workload.name);
        Ok(report.gas)
    }

    /// How fast the pass is, and what it adds.
    fn print_pass(&self, rounds: usize) -> Result<()> {
        let wasm = &self.wasm;
        let megabytes = code_bytes(wasm)? as f64 / 1e6;
        let (mut examine, mut rewrite) = (f64::MAX, f64::MAX);
        for _ in 0..rounds.max(3) {
            let start = seconds();
            let examined = measure::validate(wasm)?;
            examine = examine.min(seconds() - start);
            let start = seconds();
            let instrumented = examined.instrument(wasm)?;
            rewrite = rewrite.min(seconds() - start);
            drop(instrumented);
        }
        let (examined, examine_peak) = peak::during(|| measure::validate(wasm));
        let (instrumented, rewrite_peak) = peak::during(|| examined?.instrument(wasm).map_err(Box::from));
        let instrumented: Result<Vec<u8>> = instrumented;
        let (bytes, grown) = (wasm.len() as f64, instrumented?.len() as f64);
        println!(
            "{}: {megabytes:.2} MB of code; the pass runs at {:.0} MB/s, with validation at {:.0} MB/s",
            self.name,
            megabytes / rewrite,
            megabytes / (examine + rewrite),
        );
        println!(
            "  the module becomes {:.2} times as large; heap at the most {:.2} times the module, to validate {:.2}",
            grown / bytes,
            rewrite_peak as f64 / bytes,
            examine_peak as f64 / bytes,
        );
        print!("  compile {:.0} ms:", self.plain.compile * 1e3);
        for (form, name) in self.forms.iter().zip(FORMS) {
            print!(" {name} {:.2}", form.compile / self.plain.compile);
        }
        print!("; machine code:");
        for (form, name) in self.forms.iter().zip(FORMS) {
            print!(" {name} {:.2}", form.code().len() as f64 / self.plain.code().len() as f64);
        }
        println!();
        Ok(())
    }

    fn dump(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        for (form, name) in [&self.plain].into_iter().chain(&self.forms).zip(["plain"].iter().chain(&FORMS)) {
            std::fs::write(folder.join(format!("{}-{name}.bin", self.name)), form.code())?;
        }
        Ok(())
    }
}

/// Panics unless two runs have printed the same and left the same files.
fn assert_same(ours: &Left, plain: &Left, what: &str) {
    assert!(ours.stdout == plain.stdout, "{what} prints something else");
    assert!(ours.files.regular_files("/") == plain.files.regular_files("/"), "{what} leaves other files");
}

/// Bytes of all function bodies.
fn code_bytes(wasm: &[u8]) -> Result<usize> {
    let mut bytes = 0;
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        if let wasmparser::Payload::CodeSectionEntry(body) = payload? {
            bytes += body.as_bytes().len();
        }
    }
    Ok(bytes)
}

fn empty(engine: &Engine) -> Result<()> {
    const EMPTY: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let program = Program::compile(engine, &wat::parse_str(EMPTY)?, &ModuleLimits::default())?;
    warm("an empty module", &program, &TaskSpec::new("empty"))
}

fn kernels_empty(engine: &Engine) -> Result<()> {
    let program = Program::compile(engine, fizz_examples::KERNELS, &ModuleLimits::default())?;
    let mut task = TaskSpec::new("kernels");
    task.args.push("empty".to_owned());
    warm("a Rust guest that does nothing", &program, &task)
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
