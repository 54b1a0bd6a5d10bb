//! What is to be recorded of a GPU: whether it computes exactly, and how fast. One command, one adapter; text, and one JSON object at the end.
//!
//! `gpu-report [--adapter N] [--runs N] [--threads N] [--large] [--own-seconds N] [KERNEL…]` measures kernels. `gpu-report --all [--adapter N] [--threads N]
//! [FUNCTION…]` computes all 2^32 inputs of functions of one number instead, on the adapter and on the reference device: minutes for each where a processor plays the
//! GPU, so a part of them can be named. Where a processor plays the GPU it gets as many threads as the reference
//! device, 16 at most, and its cache of shaders is off.

use fizz_suite::Scale;
use fizz_suite::report::{Options, report, report_every};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Set in the process that measures.
const CHILD: &str = "FIZZ_GPU_REPORT";

const USAGE: &str = "gpu-report [--adapter N] [--runs N] [--threads N] [--large] [--own-seconds N] [KERNEL…], or --all [FUNCTION…]";

/// What to do, and whether it is all inputs of functions.
fn options() -> Result<(Options, bool), String> {
    let mut options = Options {
        adapter: 0,
        runs: 20,
        scale: Scale::Speed,
        threads: 1,
        names: Vec::new(),
        own_budget: fizz_gpu::OWN_BUDGET,
    };
    let mut all = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse::<u32>().ok());
            value.ok_or_else(|| format!("{word} needs a number"))
        };
        match word.as_str() {
            "--adapter" => options.adapter = number()? as usize,
            "--runs" => options.runs = number()?.max(1),
            "--threads" => options.threads = (number()? as usize).clamp(1, fizz_reference::MAX_THREADS),
            "--large" => options.scale = Scale::Large,
            "--own-seconds" => options.own_budget = Duration::from_secs(number()?.into()),
            "--all" => all = true,
            // What `cargo bench` adds.
            "--bench" => {}
            other if other.starts_with('-') => return Err(format!("no option {other}")),
            _ => options.names.extend(word.split(',').map(str::to_owned)),
        }
    }
    Ok((options, all))
}

pub(crate) fn main() -> ExitCode {
    let (options, all) = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\nhint: {USAGE}");
            return ExitCode::from(2);
        }
    };
    if std::env::var_os(CHILD).is_none() {
        // The driver reads its settings once, when it is loaded.
        let child = std::env::current_exe().and_then(|program| {
            Command::new(program)
                .args(std::env::args_os().skip(1))
                .env(CHILD, "1")
                .env("LP_NUM_THREADS", options.threads.to_string())
                .env("MESA_SHADER_CACHE_DISABLE", "1")
                .status()
        });
        return match child {
            Ok(status) => ExitCode::from(u8::from(!status.success())),
            Err(error) => {
                eprintln!("error: starting once more: {error}");
                ExitCode::FAILURE
            }
        };
    }
    match if all { report_every(&options) } else { report(&options) } {
        Ok(found) => {
            println!("\n{found}");
            let any = |part: &str, wrong: fn(&serde_json::Value) -> bool| {
                found[part].as_array().is_some_and(|all| all.iter().any(wrong))
            };
            let failed = any("kernels", |one| !one["problem"].is_null())
                || any("tables", |one| one["different"] != 0)
                || found["admission"]["refused"].is_string();
            ExitCode::from(u8::from(failed))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
