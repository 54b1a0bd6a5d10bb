//! `fizz check`: runs a module in every way there is here, and compares bit for bit.

use std::process::ExitCode;

use clap::Args;
use fizz_attest::Outcome;

use crate::command::run::failure;
use crate::compiling::CompileArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::gpu;
use crate::job_args::{GpuArg, JobArgs, PreparedJob};

/// Runs a module several times, in every way there is here, and compares bit for bit; without a GPU
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Compares memory and all other state too, and looks for the first gas at which two runs differ
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

impl CheckArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let PreparedJob { job, blobs } = self.job.prepare("/out".into())?;
        let executor = self.compile.equip(gpu::executor(GpuArg::Off, None)?)?;
        let checked = executor
            .check(&job, 0, &blobs, self.trace, self.interpreter)
            .map_err(|error| failure(&error, &self.job.module))?;
        let same = checked.differences.is_empty();
        if self.json {
            let ways: Vec<_> = checked
                .ways
                .iter()
                .map(|way| serde_json::json!({ "name": way.name, "outcome": way.outcome, "gas": way.gas }))
                .collect();
            let divergence = checked.divergence.as_ref().map(|(with, divergence)| {
                let parts: Vec<String> = divergence.parts.iter().map(ToString::to_string).collect();
                serde_json::json!({
                    "with": with, "gas": divergence.gas, "parts": parts, "place": divergence.place,
                })
            });
            let object = serde_json::json!({
                "verdict": if same { "same" } else { "different" },
                "runs": ways,
                "differences": checked.differences,
                "divergence": divergence,
            });
            println!("{object}");
        } else {
            for way in &checked.ways {
                let gas = way.gas.map_or("gas not exact".to_owned(), |gas| format!("{gas} gas"));
                println!("{}: {}, {gas}", way.name, way.outcome);
            }
            checked.differences.iter().for_each(|difference| println!("  {difference}"));
            if let Some((with, divergence)) = &checked.divergence {
                println!("the first run and the {with} differ from gas {} on:", divergence.gas);
                divergence.parts.iter().for_each(|part| println!("  {part}"));
                if !divergence.place.is_empty() {
                    println!("  where the first run was: {}", divergence.place.replace('\n', "\n  "));
                }
            }
            println!("{}", if same { "same" } else { "different" });
        }
        if !same {
            return Ok(Exit::Mismatch.into());
        }
        // Runs that agree to fail are still no good job.
        if checked.ways.iter().any(|way| !matches!(way.outcome, Outcome::Completed { exit_code: 0 })) {
            return Ok(Exit::GuestFailed.into());
        }
        Ok(ExitCode::SUCCESS)
    }
}
