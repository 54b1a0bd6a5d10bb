//! `fizz check`: runs a module in every way there is here, and compares bit for bit.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use fizz_attest::{GpuClass, HostFault, Outcome};
use fizz_exec::{CheckGpu, Checked, ExecuteError, Way};
use fizz_gpu::{Hardware, Race, RaceCheck, Races, Touch};
use fizz_gpu_abi::Class;

use crate::command::run::failure;
use crate::compiling::CompileArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::gpu::{self, GpuBounds};
use crate::job_args::{GpuArg, JobArgs, PreparedJob};

/// Runs a module several times, in every way there is here, and compares bit for bit; looks for races on the GPU
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Compares memory and all other state too, the GPU's own apart, and looks for the first gas at which two runs differ
    #[arg(long)]
    trace: bool,
    /// Runs it in the engine's interpreter, too: no machine code at all, and twenty times slower or more
    #[arg(long)]
    interpreter: bool,
    #[command(flatten)]
    compile: CompileArgs,
    /// Shows one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long the processor may take for what a GPU's step is, when races are looked for: it is many times slower then.
const STEP: Duration = Duration::from_secs(24 * 3600);
/// Threads of the processor as a GPU, at least, where it has many.
const MANY: usize = 4;
/// Adapters that are looked at.
const ADAPTERS: usize = 8;

impl CheckArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let PreparedJob { job, blobs } = self.job.prepare("/out".into())?;
        let executor = self.compile.equip(gpu::executor(GpuArg::Off, None)?)?;
        let races = RaceCheck::default();
        let gpus = || gpus(self.job.gpu, job.gpu_class, &races);
        let checked = executor
            .check(&job, 0, &blobs, self.trace, self.interpreter, gpus)
            .map_err(|error| failure(&error, &self.job.module))?;
        let races = races.races();
        let same = checked.differences.is_empty();
        let verdict = match (same, races.found.is_empty()) {
            (_, false) => "racy",
            (true, true) => "same",
            (false, true) => "different",
        };
        if self.json {
            println!("{}", object(&checked, &races, verdict));
        } else {
            show(&checked, &races, verdict);
        }
        // What races has no one result: that runs differ, or do not, says nothing.
        if !races.found.is_empty() {
            return Ok(Exit::Inconclusive.into());
        }
        if !same {
            return Ok(Exit::Mismatch.into());
        }
        // Runs that agree to fail are still no good job.
        let good = |way: &Way| !way.compared || matches!(way.outcome, Outcome::Completed { exit_code: 0 });
        if !checked.ways.iter().all(good) {
            return Ok(Exit::GuestFailed.into());
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(checked: &Checked, races: &Races, verdict: &str) {
    for way in &checked.ways {
        let gas = way.gas.map_or("gas not exact".to_owned(), |gas| format!("{gas} gas"));
        let gpu = if checked.with_gpu { format!(", {} GPU gas", way.gpu_gas) } else { String::new() };
        let apart = if way.compared { "" } else { "; not compared" };
        println!("{}: {}, {gas}{gpu}{apart}", way.name, way.outcome);
    }
    checked.differences.iter().for_each(|difference| println!("  {difference}"));
    if let Some((with, divergence)) = &checked.divergence {
        println!("the first run and the {with} differ from gas {} on:", divergence.gas);
        divergence.parts.iter().for_each(|part| println!("  {part}"));
        if !divergence.place.is_empty() {
            println!("  where the first run was: {}", divergence.place.replace('\n', "\n  "));
        }
    }
    for race in &races.found {
        println!("race in {} memory:", race.memory);
        race.touches.iter().for_each(|touch| println!("  {touch}"));
    }
    if races.incomplete {
        println!("not all of the GPU's work was looked at for races: it touches too much memory");
    }
    for shader in &races.unwatched {
        println!("not looked at for races: {shader}");
    }
    for reason in &checked.impossible {
        println!("no races were looked for: {reason}");
    }
    println!("{verdict}");
}

/// What looks for races.
const LOOKING: &str = "the processor as GPU, looking for races";

/// The GPUs to check on. Exact jobs: the processor with races watched, on many threads and on one, and each adapter that computes
/// exactly; one that a driver has alone with `hardware`, none with `reference`. Others: what they would find; and the processor with races watched,
/// which takes their exact shaders alone, and whose bits are not an adapter's.
fn gpus(gpu: GpuArg, class: GpuClass, races: &RaceCheck) -> Result<Vec<CheckGpu>, ExecuteError> {
    let fault = |detail: String| ExecuteError::Fault { kind: HostFault::NoGpu, detail };
    let engine = || fizz_reference_engine::Wasmtime::new().map_err(|error| fault(error.to_string()));
    let on = |name: String, hardware: Result<Hardware, String>| {
        let hardware = hardware.map_err(fault)?.with_wait_limit(STEP);
        Ok::<_, ExecuteError>(CheckGpu { name, sessions: Arc::new(hardware), compared: true })
    };
    if class == GpuClass::Fast {
        let found = gpu::open(gpu, None, &GpuBounds::default()).map_err(|error| fault(error.message))?;
        let name = |device: fizz_gpu_abi::host::Device| device.to_string();
        let Some(sessions) = found else { return Ok(Vec::new()) };
        let name = sessions.identity().device(Class::Fast).cloned().map_or_else(String::new, name);
        let looking = Hardware::reference_with_race_check(Arc::new(engine()?), races);
        let looking = CheckGpu { compared: false, ..on(LOOKING.to_owned(), looking)? };
        return Ok(vec![CheckGpu { name, sessions, compared: true }, looking]);
    }
    let many = std::thread::available_parallelism().map_or(MANY, std::num::NonZero::get).max(MANY);
    let mut found = vec![
        on(LOOKING.to_owned(), Hardware::reference_with_race_check(Arc::new(engine()?), races))?,
        on(format!("the processor as GPU, {many} threads"), Hardware::reference(Arc::new(engine()?), many))?,
        on("the processor as GPU, one thread".to_owned(), Hardware::reference(Arc::new(engine()?), 1))?,
    ];
    if gpu == GpuArg::Reference {
        return Ok(found);
    }
    let mut exact = 0;
    for index in 0..ADAPTERS {
        // The drivers stay in processes of their own.
        let opened = gpu::open(GpuArg::Hardware, Some(&index.to_string()), &GpuBounds::default());
        let Ok(Some(sessions)) = opened else { break };
        // Others are not given to exact jobs.
        if let Some(device) = sessions.identity().device(Class::Exact).cloned() {
            exact += 1;
            found.push(CheckGpu { name: device.to_string(), sessions, compared: true });
        }
    }
    if gpu == GpuArg::Hardware && exact == 0 {
        return Err(fault("no adapter here computes exactly".to_owned()));
    }
    Ok(found)
}

fn object(checked: &Checked, races: &Races, verdict: &str) -> serde_json::Value {
    let ways: Vec<_> = checked
        .ways
        .iter()
        .map(|way| {
            serde_json::json!({
                "name": way.name, "outcome": way.outcome, "gas": way.gas, "gpu_gas": way.gpu_gas,
                "compared": way.compared,
            })
        })
        .collect();
    let divergence = checked.divergence.as_ref().map(|(with, divergence)| {
        let parts: Vec<String> = divergence.parts.iter().map(ToString::to_string).collect();
        serde_json::json!({
            "with": with, "gas": divergence.gas, "parts": parts, "place": divergence.place,
        })
    });
    let touch = |touch: &Touch| {
        serde_json::json!({
            "shader": touch.shader, "line": touch.line, "column": touch.column, "variable": touch.variable,
            "access": touch.access.to_string(), "workgroup": touch.workgroup, "invocation": touch.invocation,
        })
    };
    let race = |race: &Race| {
        let touches: Vec<_> = race.touches.iter().map(touch).collect();
        serde_json::json!({ "memory": race.memory.to_string(), "touches": touches })
    };
    let unlooked = [&races.unwatched[..], &checked.impossible[..]].concat();
    serde_json::json!({
        "verdict": verdict,
        "runs": ways,
        "differences": checked.differences,
        "divergence": divergence,
        "races": races.found.iter().map(race).collect::<Vec<_>>(),
        "races_incomplete": races.incomplete,
        "not_looked_at_for_races": unlooked,
    })
}
