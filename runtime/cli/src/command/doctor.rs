//! `fizz node doctor`: what this machine can give, and why it cannot give more.
//!
//! Drivers crash and hang, most of all on machines that need a doctor. So this process loads none: it asks others, which it can lose.

use std::io::Read;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Args;
use fizz_gpu::{AdapterKind, AdapterSummary, Adapters, Choice, Hardware, Sessions};
use serde_json::{Value, json};

use crate::error::Failure;
use crate::gpu;

/// Shows what can be a GPU here: what each adapter can do, why one is refused, and whether it computes exactly
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Tells which adapter of this number, or whose name holds this text, a node would take
    #[arg(long, env = "FIZZ_ADAPTER", value_name = "NAME")]
    adapter: Option<String>,
    /// Seconds after which a driver hangs
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Shows one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl DoctorArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let within = Duration::from_secs(self.seconds);
        let program = std::env::current_exe()
            .map_err(|error| Failure::unexpected("cannot find this program").because(&error))?;
        let ask =
            |args: &[&str]| ask(fizz_gpu_process::command(&program).arg("gpu-doctor").args(args), within);
        let wanted = self.adapter.iter().flat_map(|adapter| ["--adapter", adapter.as_str()]);
        let mut found = ask(&wanted.collect::<Vec<_>>()).unwrap_or_else(|reason| {
            let reason = format!("the process that looked for adapters {reason}");
            json!({ "adapters": [], "chosen": null, "reason": reason })
        });
        let mut adapters: Vec<Value> = found["adapters"].as_array().cloned().unwrap_or_default();
        for (index, adapter) in adapters.iter_mut().enumerate() {
            if !adapter["refused"].is_null() {
                continue;
            }
            let opened = ask(&["--open", &index.to_string()]);
            match opened {
                Ok(answer) => {
                    adapter["opened_ms"] = answer["opened_ms"].clone();
                    adapter["refused"] = answer["refused"].clone();
                    adapter["exact"] = answer["exact"].clone();
                }
                Err(reason) => adapter["refused"] = format!("the process that opened it {reason}").into(),
            }
            adapter["usable"] = adapter["refused"].is_null().into();
        }
        let none = adapters.is_empty();
        found["adapters"] = adapters.into();
        found["reference"] = ask(&["--reference"]).unwrap_or_else(|reason| json!({ "refused": reason }));
        if self.json {
            println!("{found}");
            return Ok(ExitCode::SUCCESS);
        }
        for (index, adapter) in found["adapters"].as_array().into_iter().flatten().enumerate() {
            print(index, adapter);
        }
        println!("the processor as a GPU");
        print_exact(&found["reference"]);
        match (found["chosen"].as_u64(), found["reason"].as_str()) {
            (Some(index), _) => println!("a node takes adapter {index} for fast jobs"),
            (None, Some(reason)) => println!("a node takes none, so the processor, for fast jobs: {reason}"),
            (None, None) => println!("a node takes none, so the processor, for fast jobs"),
        }
        let exact = found["chosen"].as_u64().and_then(|index| usize::try_from(index).ok());
        let exact = exact.filter(|index| {
            let adapter = &found["adapters"][*index];
            let named = self.adapter.is_some();
            adapter["exact"]["probe"].is_string() && (named || adapter["kind"] != "software")
        });
        match exact {
            Some(index) => println!("a node takes adapter {index} for exact jobs"),
            None => println!("a node takes the processor for exact jobs"),
        }
        if none {
            eprintln!("next: {}", gpu::INSTALL);
        } else {
            eprintln!("next: {} node --adapter N, or --gpu off", crate::me());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What another process says, or what became of it.
fn ask(command: &mut Command, within: Duration) -> Result<Value, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("does not start: {error}"))?;
    let (sender, said) = mpsc::channel();
    if let Some(mut stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut text = String::new();
            // What is cut short is no JSON.
            let _ = stdout.read_to_string(&mut text);
            let _ = sender.send(text);
        });
    }
    let deadline = Instant::now() + within;
    let text = said.recv_timeout(within);
    let Some(status) = ended(&mut child, deadline) else {
        // It fails only where the process is gone already; one that hangs in the kernel is not waited for.
        let _ = child.kill();
        return Err(format!("hung: its driver did nothing for {} s", within.as_secs()));
    };
    // A driver may have said something of its own before.
    match text.ok().and_then(|text| serde_json::from_str(text.lines().last()?).ok()) {
        Some(answer) if status.success() => Ok(answer),
        _ => Err(format!("died ({status}): its driver crashed")),
    }
}

fn ended(child: &mut Child, deadline: Instant) -> Option<std::process::ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asks this machine's drivers, for the doctor
#[derive(Args, Debug)]
pub(crate) struct LookArgs {
    /// Tells which adapter of this number, or whose name holds this text, a node would take
    #[arg(long)]
    adapter: Option<String>,
    /// Opens the adapter of this number
    #[arg(long)]
    open: Option<usize>,
    /// Lets the processor play a GPU
    #[arg(long)]
    reference: bool,
}

impl LookArgs {
    pub(crate) fn run(self) -> ExitCode {
        if self.reference {
            println!("{}", reference());
            return ExitCode::SUCCESS;
        }
        let adapters = Adapters::list();
        let answer = match self.open {
            Some(index) => open(&adapters, index),
            None => {
                let chosen = adapters.place(&gpu::choice(self.adapter.as_deref()));
                json!({
                    "adapters": adapters.summaries().map(describe).collect::<Vec<_>>(),
                    "chosen": chosen.as_ref().ok(),
                    "reason": chosen.as_ref().err().map(ToString::to_string),
                })
            }
        };
        println!("{answer}");
        ExitCode::SUCCESS
    }
}

fn open(adapters: &Adapters, index: usize) -> Value {
    let refused = match adapters.choose(&Choice::Index(index)) {
        Ok(hardware) => {
            let begun = Instant::now();
            match hardware.try_open() {
                Ok(()) => {
                    let opened_ms = begun.elapsed().as_secs_f64() * 1e3;
                    return json!({ "opened_ms": opened_ms, "exact": exact(hardware) });
                }
                Err(stop) => stop.to_string(),
            }
        }
        Err(error) => error.to_string(),
    };
    json!({ "refused": refused })
}

/// Whether an adapter computes exactly, and how long it takes to find that out.
fn exact(hardware: Hardware) -> Value {
    let begun = Instant::now();
    let admitted = hardware.admitted();
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    match admitted {
        Ok(hardware) => json!({
            "probe": hardware.identity().exact.map(|exact| exact.probe),
            "own_sqrt": hardware.own_sqrt().map(|own| own.to_string()),
            "ms": ms,
        }),
        Err(reason) => json!({ "refused": reason, "ms": ms }),
    }
}

/// The same of the processor.
fn reference() -> Value {
    match gpu::reference() {
        Ok(hardware) => exact(hardware),
        Err(reason) => json!({ "refused": reason }),
    }
}

fn print_exact(exact: &Value) {
    match (exact["probe"].as_str(), exact["refused"].as_str()) {
        (Some(probe), _) => {
            println!(
                "   exact: yes, the probe gives {probe} in {:.0} ms",
                exact["ms"].as_f64().unwrap_or_default()
            );
            if let Some(own) = exact["own_sqrt"].as_str() {
                println!("   its own square root: {own}");
            }
        }
        (None, Some(reason)) => println!("   exact: no: {reason}"),
        (None, None) => println!("   exact: not known"),
    }
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

fn describe(summary: &AdapterSummary) -> Value {
    let limits = summary.limits.iter().map(|limit| {
        (limit.name.to_owned(), json!({ "offered": limit.offered, "promised": limit.promised }))
    });
    json!({
        "name": summary.name,
        "kind": kind(summary),
        "backend": summary.backend,
        "driver": summary.driver,
        "memory_bytes": summary.memory_bytes,
        "limits": limits.collect::<serde_json::Map<_, _>>(),
        "usable": summary.unusable.is_none(),
        "refused": summary.unusable,
        "opened_ms": null,
        "exact": null,
    })
}

fn print(index: usize, adapter: &Value) {
    let text = |name: &str| adapter[name].as_str().unwrap_or_default();
    println!("{index}  {}", text("name"));
    println!("   {}, {}, {}", text("kind"), text("backend"), text("driver"));
    match adapter["memory_bytes"].as_u64() {
        Some(bytes) => println!("   memory: {} MiB", bytes >> 20),
        None => println!("   memory: the driver does not say"),
    }
    for (name, limit) in adapter["limits"].as_object().into_iter().flatten() {
        println!("   {name}: {} (guests are promised {})", limit["offered"], limit["promised"]);
    }
    match (adapter["refused"].as_str(), adapter["opened_ms"].as_f64()) {
        (Some(reason), _) => println!("   refused: {reason}"),
        (None, Some(ms)) => println!("   usable: a device opens in {ms:.0} ms"),
        (None, None) => println!("   usable"),
    }
    if adapter["refused"].is_null() {
        print_exact(&adapter["exact"]);
    }
}
