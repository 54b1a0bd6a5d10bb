//! `fizz node doctor`: what this machine can give, and why it cannot give more.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use fizz_gpu::{AdapterKind, AdapterSummary, Adapters};
use serde_json::json;

use crate::error::Failure;
use crate::gpu;

/// Shows the GPU adapters of this machine: what each can do, and why one is refused
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Tells which adapter of this number, or whose name holds this text, a node would take
    #[arg(long, env = "FIZZ_ADAPTER", value_name = "NAME")]
    adapter: Option<String>,
    /// Shows one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What was found out about one adapter.
struct Finding<'a> {
    summary: &'a AdapterSummary,
    /// Why guests do not get it.
    refused: Option<String>,
    /// Milliseconds that opening it took.
    opened_ms: Option<f64>,
}

impl DoctorArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let adapters = Adapters::list();
        let findings: Vec<Finding<'_>> =
            (0..).zip(adapters.summaries()).map(|(index, summary)| look(&adapters, index, summary)).collect();
        let chosen = adapters.place(&gpu::choice(self.adapter.as_deref()));
        let index = chosen.as_ref().ok().copied();
        if self.json {
            let list: Vec<_> = findings.iter().map(Finding::json).collect();
            println!(
                "{}",
                json!({ "adapters": list, "chosen": index, "reason": chosen.err().map(|error| error.to_string()) })
            );
            return Ok(ExitCode::SUCCESS);
        }
        for (index, finding) in findings.iter().enumerate() {
            finding.print(index);
        }
        match (index, chosen.err()) {
            (Some(index), _) => println!("a node takes adapter {index}"),
            (None, Some(error)) => println!("a node takes none: {error}"),
            (None, None) => println!("a node takes none"),
        }
        if findings.is_empty() {
            eprintln!("next: {}", gpu::INSTALL);
        } else {
            eprintln!("next: {} node --adapter N, or --gpu off", crate::me());
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn look<'a>(adapters: &Adapters, index: usize, summary: &'a AdapterSummary) -> Finding<'a> {
    let mut finding = Finding { summary, refused: summary.unusable.clone(), opened_ms: None };
    if let Ok(hardware) = adapters.choose(&fizz_gpu::Choice::Index(index)) {
        let begun = Instant::now();
        match hardware.try_open() {
            Ok(()) => finding.opened_ms = Some(begun.elapsed().as_secs_f64() * 1e3),
            Err(stop) => finding.refused = Some(stop.to_string()),
        }
    }
    finding
}

fn kind(summary: &AdapterSummary) -> &'static str {
    match summary.kind {
        AdapterKind::Discrete => "discrete",
        AdapterKind::Integrated => "integrated",
        AdapterKind::Virtual => "virtual",
        AdapterKind::Other => "unknown",
        AdapterKind::Software => "software",
    }
}

impl Finding<'_> {
    fn json(&self) -> serde_json::Value {
        let limits: serde_json::Map<_, _> = self
            .summary
            .limits
            .iter()
            .map(|limit| {
                (limit.name.to_owned(), json!({ "offered": limit.offered, "promised": limit.promised }))
            })
            .collect();
        json!({
            "name": self.summary.name,
            "kind": kind(self.summary),
            "backend": self.summary.backend,
            "driver": self.summary.driver,
            "memory_bytes": self.summary.memory_bytes,
            "limits": limits,
            "usable": self.refused.is_none(),
            "refused": self.refused,
            "opened_ms": self.opened_ms,
        })
    }

    fn print(&self, index: usize) {
        let summary = self.summary;
        println!("{index}  {}", summary.name);
        println!("   {}, {}, {}", kind(summary), summary.backend, summary.driver);
        match summary.memory_bytes {
            Some(bytes) => println!("   memory: {} MiB", bytes >> 20),
            None => println!("   memory: the driver does not say"),
        }
        for limit in &summary.limits {
            println!("   {}: {} (guests are promised {})", limit.name, limit.offered, limit.promised);
        }
        match (&self.refused, self.opened_ms) {
            (Some(reason), _) => println!("   refused: {reason}"),
            (None, Some(ms)) => println!("   usable: a device opens in {ms:.0} ms"),
            (None, None) => println!("   usable"),
        }
    }
}
