//! `fizz --version`: what this program is, and with `--verbose` under which profile it computes.

use fizz_sandbox::{COST_TABLE_VERSION, engine_info, profile};

/// The version and the commit it was built from.
pub(crate) fn short() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match env!("FIZZ_COMMIT") {
        "" => format!("fizz {version}"),
        commit => format!("fizz {version} ({commit})"),
    }
}

/// The same, everything that defines a result here, and beside it what runs guests but must not change a bit.
pub(crate) fn verbose() -> String {
    let profile = profile();
    let engine = engine_info();
    let rows = [
        ("profile", profile.digest().to_string()),
        ("  instrumentation", profile.instrumentation.to_string()),
        ("  cost table", format!("{} (version {COST_TABLE_VERSION})", profile.cost_table)),
        ("  WASI layer", profile.wasi.to_string()),
        ("  state of a task", profile.state.to_string()),
        ("  proposals", profile.proposals.clone()),
        ("GPU tasks add", String::new()),
        ("  command stream", fizz_gpu_abi::VERSION.to_string()),
        ("  class exact", fizz_gpu::exact_front_end()),
        (
            "  class fast",
            format!("{}, and adapter and driver, as receipts name them", fizz_gpu::SHADER_FRONT_END),
        ),
        ("beside the profile", String::new()),
        ("  engine", engine.engine),
        ("  target", env!("FIZZ_TARGET").to_owned()),
        ("  processor", processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned())),
    ];
    let lines = rows.iter().map(|(name, value)| format!("{name:<20} {value}").trim_end().to_owned());
    let lines: Vec<String> = [short()].into_iter().chain(lines).collect();
    lines.join("\n")
}

/// What the system calls the processor, where it says so.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned()).filter(|name| !name.is_empty())
}
