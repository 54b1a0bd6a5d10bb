//! Everything that is to be recorded of an adapter: what it computes, and how fast.

use crate::agree::run;
use crate::{Device, Failure, Kernel, Loaded, Pipeline, Scale, Target, Way, check, kernels, vulkan};
use fizz_shader::exact::Native;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which of the machine's adapters.
    pub adapter: usize,
    /// Alternating runs; the least time counts.
    pub runs: u32,
    /// How large the work is.
    pub scale: Scale,
    /// Threads of the reference device.
    pub threads: usize,
    /// Kernels whose names contain one of these; all, if there are none. Or functions with these names.
    pub names: Vec<String>,
    /// Time for proving the device's own square root.
    pub own_budget: Duration,
}

/// An adapter for measuring.
fn adapter(options: &Options) -> Result<(wgpu::Adapter, Target), Failure> {
    let found = Device::adapters().into_iter().nth(options.adapter);
    let adapter = found.ok_or_else(|| Failure::Device(format!("no adapter {}", options.adapter)))?;
    let target = vulkan(&adapter).ok_or_else(|| Failure::Device("it takes no exact shaders".to_owned()))?;
    Ok((adapter, target))
}

/// What sessions are told of an adapter: whether it computes exactly, and whether its own square root is used.
fn admission(name: &str, own_budget: Duration) -> Value {
    let choice = fizz_gpu::Choice::Name(name.to_owned());
    let found = fizz_gpu::Adapters::list().choose(&choice).map_err(|error| error.to_string());
    let start = Instant::now();
    let admitted = found.and_then(|hardware| hardware.admitted_within(own_budget));
    let ms = milliseconds(start);
    let own = admitted.as_ref().ok().and_then(fizz_gpu::Hardware::own_sqrt).map(|own| own.to_string());
    match (&admitted, &own) {
        (Ok(_), Some(own)) => println!("admitted  in {ms:.0} ms; its own square root: {own}"),
        (Ok(_), None) => println!("admitted  in {ms:.0} ms"),
        (Err(reason), _) => println!("REFUSED   in {ms:.0} ms: {reason}"),
    }
    json!({ "ms": ms, "refused": admitted.err(), "own_sqrt": own })
}

/// Computes all 2^32 inputs of each function of one number, or of those with the given names, on an adapter as sessions do it and on the reference device; prints
/// what it finds as it goes, and gives all of it as JSON.
///
/// # Errors
/// There is no such adapter, or it does not take exact shaders; no function has such a name.
pub fn report_every(options: &Options) -> Result<Value, Failure> {
    use crate::tables::{Gpu, every, functions};
    let mut wanted = functions();
    for name in &options.names {
        if !wanted.iter().any(|(known, _)| known == name) {
            let known: Vec<_> = wanted.iter().map(|(name, _)| *name).collect();
            return Err(Failure::Device(format!("no function {name}; there are {}", known.join(", "))));
        }
    }
    wanted.retain(|(name, _)| options.names.is_empty() || options.names.iter().any(|one| one == name));
    let (adapter, _) = adapter(options)?;
    let info = adapter.get_info();
    println!("adapter   {} ({:?}, {})", info.name, info.backend, info.driver_info);
    println!("front end {}, exact {}", fizz_shader::FRONT_END, fizz_shader::exact::VERSION);
    println!("reference {} threads; millions of inputs each second\n", options.threads);
    let none = || Failure::Device("it cannot be opened".to_owned());
    let gpu = Gpu::on(&adapter).ok_or_else(none)?;
    let reference = Gpu::reference(options.threads).ok_or_else(none)?;
    let mut found = Vec::new();
    for (name, expression) in wanted {
        let result = every(&gpu, &Native::NONE, &reference, expression);
        let speed = |seconds: f64| result.inputs as f64 / seconds / 1e6;
        let (device, own) = (speed(result.device_seconds), speed(result.reference_seconds));
        let said = result.difference.map_or_else(
            || "equal".to_owned(),
            |first| {
                format!(
                    "DIFFERS: of {:#010x}, {:#010x} there and {:#010x} on the reference,",
                    first.input, first.device, first.reference
                )
            },
        );
        println!(
            "{name:16} {said} for {} inputs  adapter {device:.0}, reference {own:.0}, reference/adapter {:.2}",
            result.inputs,
            own / device
        );
        found.push(json!({
            "function": name,
            "inputs": result.inputs,
            "different": u32::from(result.difference.is_some()),
            "adapter_per_second": device * 1e6,
            "reference_per_second": own * 1e6,
        }));
    }
    Ok(json!({
        "adapter": info.name,
        "driver": format!("{} {}", info.driver, info.driver_info),
        "shader": fizz_shader::FRONT_END,
        "exact": fizz_shader::exact::VERSION,
        "tables": found,
    }))
}

/// Where to measure, and what the adapter is taken to do by itself, whether that is proven or not.
#[derive(Clone, Copy)]
enum On {
    /// The adapter, with nothing of its own.
    Adapter,
    OwnSqrt,
    /// Division too, which is never proven.
    OwnBoth,
    Reference,
}

/// What to measure.
const WAYS: [(&str, Way, On); 7] = [
    ("plain", Way::Plain, On::Adapter),
    ("metered", Way::Metered, On::Adapter),
    ("exact", Way::Exact, On::Adapter),
    ("exact, own sqrt", Way::Exact, On::OwnSqrt),
    ("exact, own / and sqrt", Way::Exact, On::OwnBoth),
    ("exact, metered", Way::MeteredExact, On::Adapter),
    ("reference", Way::Exact, On::Reference),
];

/// Runs the suite, prints what it finds as it goes, and gives all of it as JSON.
///
/// # Errors
/// There is no such adapter, or it does not take exact shaders. What single kernels do wrong is part of the report.
pub fn report(options: &Options) -> Result<Value, Failure> {
    let (adapter, target) = adapter(options)?;
    let device = Device::open(&adapter, Some(target))?;
    let own = |divide| Device::open(&adapter, Some(with_own(target, divide)));
    let (own_sqrt, own_both) = (own(false)?, own(true)?);
    let reference = Device::reference(options.threads)?;
    let info = &device.info;
    println!("adapter   {} ({:?}, {})", info.name, info.backend, info.driver_info);
    println!("target    {target:?}");
    println!("front end {}, exact {}", fizz_shader::FRONT_END, fizz_shader::exact::VERSION);
    let admission = admission(&info.name, options.own_budget);
    println!(
        "reference {} threads; least of {} alternating runs, milliseconds\n",
        options.threads, options.runs
    );
    let mut tables = Vec::new();
    if options.names.is_empty()
        && let Some(gpu) = crate::tables::Gpu::on(&adapter)
    {
        for found in crate::tables::compare(&gpu, &Native::NONE)? {
            let said = found.first.as_ref().map_or_else(
                || format!("equal for {} inputs", found.inputs),
                |first| format!("{} of {} DIFFER; {first}", found.different, found.inputs),
            );
            println!("{:20} {said}", found.name);
            tables.push(
                json!({ "function": found.name, "inputs": found.inputs, "different": found.different }),
            );
        }
        println!();
    }
    let mut lines = Vec::new();
    let mut ratios = Vec::new();
    for kernel in kernels() {
        let wanted = options.names.is_empty() || options.names.iter().any(|name| kernel.name.contains(name));
        if !wanted {
            continue;
        }
        // First, as drivers keep what they have compiled.
        let speed = speed([&device, &own_sqrt, &own_both, &reference], kernel, options);
        let equal = equality(&device, &reference, kernel);
        match (&equal, &speed) {
            (Ok(digest), Ok(times)) => {
                let of = |name: &str| times.iter().find(|(found, _)| *found == name).map(|(_, time)| *time);
                let ratio = |a: &str, b: &str| Some(of(a)? / of(b)?);
                let shown = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
                println!(
                    "{:20} equal {}…  exact/plain {} (own sqrt {}, own / and sqrt {})  metered/plain {}  exact/reference {}  compile reference/exact {}",
                    kernel.name,
                    &digest[..12],
                    shown(ratio("exact", "plain")),
                    shown(ratio("exact, own sqrt", "plain")),
                    shown(ratio("exact, own / and sqrt", "plain")),
                    shown(ratio("exact, metered", "plain")),
                    shown(ratio("exact", "reference")),
                    shown(ratio("compile reference", "compile exact")),
                );
                let each: Vec<String> = times.iter().map(|(name, ms)| format!("{name} {ms:.3}")).collect();
                println!("{:20}   {}", "", each.join(", "));
                ratios.extend(ratio("exact", "reference"));
            }
            (Err(error), _) | (_, Err(error)) => println!("{:20} FAILED: {error}", kernel.name),
        }
        let problem = |failed: &Failure| failed.to_string();
        lines.push(json!({
            "kernel": kernel.name,
            "digest": equal.as_ref().ok(),
            "problem": equal.as_ref().err().map(problem).or(speed.as_ref().err().map(problem)),
            "milliseconds": speed.ok().map(|times| {
                let times = times.into_iter().map(|(name, time)| (name.to_owned(), json!(time)));
                times.collect::<serde_json::Map<_, _>>()
            }),
        }));
    }
    let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len().max(1) as f64).exp();
    println!("\nreference against this adapter, geometric mean: {mean:.2} times as fast");
    Ok(json!({
        "adapter": info.name,
        "driver": format!("{} {}", info.driver, info.driver_info),
        "backend": format!("{:?}", info.backend),
        "target": format!("{target:?}"),
        "admission": admission,
        "shader": fizz_shader::FRONT_END,
        "exact": fizz_shader::exact::VERSION,
        "fizz": env!("CARGO_PKG_VERSION"),
        "threads": options.threads,
        "runs": options.runs,
        "reference_mean": mean,
        "tables": tables,
        "kernels": lines,
    }))
}

/// The same device, taken to do square roots by itself, and quotients perhaps.
fn with_own(target: Target, divide: bool) -> Target {
    match target {
        Target::Vulkan { native, modes } => {
            Target::Vulkan { native: Native { divide, sqrt: true, ..native }, modes }
        }
        Target::Reference => target,
    }
}

/// The digest of what a kernel gives: adapter, reference and oracle agree, and so does the gas.
fn equality(device: &Device, reference: &Device, kernel: &Kernel) -> Result<String, Failure> {
    let (shader, case) = (check(kernel)?, (kernel.case)(Scale::Equality));
    let (got, gas) = run(device, &shader, &case)?;
    let differs = |error: crate::Wrong| Failure::Device(error.to_string());
    kernel.judge(&case, &got).map_err(differs)?;
    let (own, counted) = run(reference, &shader, &case)?;
    crate::compare(&got, &own).map_err(differs)?;
    if gas != counted {
        return Err(Failure::Device(format!("gas {gas}, and {counted} on the reference")));
    }
    let mut digest = Sha256::new();
    got.iter().for_each(|word| digest.update(word.to_le_bytes()));
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Least times in milliseconds; devices are in the order of [`On`].
fn speed(
    devices: [&Device; 4],
    kernel: &Kernel,
    options: &Options,
) -> Result<Vec<(&'static str, f64)>, Failure> {
    let (shader, small, case) =
        (check(kernel)?, (kernel.case)(Scale::Equality), (kernel.case)(options.scale));
    let mut times = Vec::new();
    let mut compiled = Vec::new();
    for (name, way, on) in WAYS {
        let device = devices[on as usize];
        let start = Instant::now();
        let pipeline = Pipeline::new(device, &shader, &small, way)?;
        // Drivers compile when a pipeline first runs.
        let loaded = pipeline.load(device, &small)?;
        loaded.run()?;
        let took = milliseconds(start);
        let mut again = f64::INFINITY;
        for _ in 0..3 {
            let start = Instant::now();
            loaded.run()?;
            again = again.min(milliseconds(start));
        }
        let took = took - again;
        drop(loaded);
        match name {
            "plain" => times.push(("compile plain", took)),
            "exact" => times.push(("compile exact", took)),
            "reference" => times.push(("compile reference", took)),
            _ => {}
        }
        compiled.push((name, device, pipeline));
    }
    let mut loaded: Vec<(&'static str, Loaded<'_>)> = Vec::new();
    for (name, device, pipeline) in &compiled {
        // What has more words than the meter is split by sessions, and not measured here.
        match pipeline.load(device, &case) {
            Ok(one) => loaded.push((*name, one)),
            Err(Failure::TooLarge(_)) if name.contains("metered") => {}
            Err(error) => return Err(error),
        }
    }
    let mut least = vec![f64::INFINITY; loaded.len()];
    // The first run warms caches.
    for run in 0..=options.runs {
        for (index, (_, one)) in loaded.iter().enumerate() {
            let start = Instant::now();
            one.run()?;
            least[index] = least[index].min(if run == 0 { f64::INFINITY } else { milliseconds(start) });
        }
    }
    let names = loaded.iter().map(|(name, _)| *name);
    times.extend(names.zip(least));
    Ok(times)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
