//! `fizz inspect` of a shader: whether guests may use it, and what it costs. No GPU is asked.

use std::path::Path;
use std::process::ExitCode;

use fizz_gpu::schedule;
use fizz_shader::meter::{CAP, Counts, MeterOptions, Metered};
use fizz_shader::{CheckedShader, EntryFacts, Inexact, ShaderError, ShaderLimits, Specialized};
use serde_json::{Value, json};

use crate::error::Failure;
use crate::job_args;

pub(crate) fn is_wgsl(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wgsl"))
}

/// `NAME=NUMBER`.
pub(crate) fn constant(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=`")?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is no number"))?;
    Ok((name.trim().to_owned(), value))
}

/// An entry point with the values of its constants.
struct Entry<'a> {
    facts: &'a EntryFacts,
    specialized: Specialized,
    metered: Metered,
    /// Why it is not exact.
    reasons: Vec<Inexact>,
}

pub(crate) fn inspect(path: &Path, constants: &[(String, f64)], json: bool) -> Result<ExitCode, Failure> {
    let bytes = job_args::read(path, "shader")?;
    let label = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let refused = |error: &ShaderError| {
        Failure::usage(format!("{} is not a shader for guests", path.display())).because(error)
    };
    let wgsl = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("{} is not text: byte {at} is no UTF-8", path.display()))
    })?;
    let shader =
        fizz_shader::check(&wgsl, &label, &ShaderLimits::default()).map_err(|error| refused(&error))?;
    if shader.entry_points.is_empty() {
        return Err(Failure::usage(format!("{} has no compute entry point", path.display()))
            .hint("mark a function with `@compute @workgroup_size(64)`"));
    }
    let constants: Vec<(&str, f64)> = constants.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let entries = shader.entry_points.iter().map(|facts| {
        let made = shader.meter(&facts.name, &label, &constants, MeterOptions::default());
        let (specialized, metered) = made.map_err(|error| {
            refused(&error).hint("an `override` without a value gets one with --constant NAME=NUMBER")
        })?;
        Ok(Entry { facts, specialized, metered, reasons: shader.classify(&facts.name) })
    });
    let entries = entries.collect::<Result<Vec<_>, Failure>>()?;
    let check_gas = wgsl.len() as u64 * schedule::SHADER_BYTE;
    if json {
        let entries: Vec<Value> = entries.iter().map(|entry| entry.json(&shader)).collect();
        println!("{:#}", json!({ "bytes": wgsl.len(), "shader_gas": check_gas, "entry_points": entries }));
        return Ok(ExitCode::SUCCESS);
    }
    println!("size          {} bytes", wgsl.len());
    println!("shader        {check_gas} gas");
    entries.iter().for_each(|entry| entry.print(&shader));
    Ok(ExitCode::SUCCESS)
}

impl Entry<'_> {
    /// Gas of making a pipeline.
    fn pipeline_gas(&self, shader: &CheckedShader) -> u64 {
        schedule::PIPELINE
            .saturating_add(shader.work.saturating_mul(schedule::PIPELINE_STEP))
            .saturating_add(self.facts.cost.saturating_mul(schedule::PIPELINE_NODE))
    }

    fn class(&self) -> &'static str {
        if self.reasons.is_empty() { "exact" } else { "fast" }
    }

    fn json(&self, shader: &CheckedShader) -> Value {
        let counts = match self.metered.counts {
            Counts::Nothing => "nothing",
            Counts::Workgroups => "workgroups",
            Counts::Invocations => "invocations",
        };
        json!({
            "name": self.facts.name,
            "class": self.class(),
            "reasons": self.reasons.iter().map(reason_json).collect::<Vec<_>>(),
            "workgroup_size": self.specialized.workgroup_size,
            "workgroup_bytes": self.specialized.workgroup_bytes,
            "pipeline_gas": self.pipeline_gas(shader),
            "invocation_gas": self.metered.fixed,
            "loops_counted_by": counts,
            "loop_gas_at_most": self.metered.most - self.metered.fixed,
        })
    }

    fn print(&self, shader: &CheckedShader) {
        let [x, y, z] = self.specialized.workgroup_size;
        println!("\nentry point   {}", self.facts.name);
        println!("class         {}", self.class());
        for reason in &self.reasons {
            match reason.location {
                Some(at) => {
                    println!("              line {}, column {}: {}", at.line, at.column, reason.message)
                }
                None => println!("              {}", reason.message),
            }
        }
        println!("workgroup     {x} × {y} × {z}, {} bytes of memory", self.specialized.workgroup_bytes);
        println!("pipeline      {} gas", self.pipeline_gas(shader));
        println!("invocation    {} gas, without loops whose turns only the data tells", self.metered.fixed);
        match self.metered.counts {
            Counts::Nothing => println!("loops         none counts its turns"),
            Counts::Workgroups => {
                println!(
                    "loops         counted once for each workgroup, at most {CAP} gas for each invocation"
                );
            }
            Counts::Invocations => {
                println!(
                    "loops         counted by each invocation, at most {} gas for each",
                    self.metered.most - self.metered.fixed
                );
            }
        }
    }
}

fn reason_json(reason: &Inexact) -> Value {
    let (line, column) = reason.location.map_or((None, None), |at| (Some(at.line), Some(at.column)));
    json!({ "message": reason.message, "line": line, "column": column })
}
