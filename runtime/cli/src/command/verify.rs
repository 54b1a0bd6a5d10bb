//! `fizz verify`: runs a receipt's task again and compares.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use fizz_attest::Blob;
use fizz_client::JobBlobs;
use fizz_exec::{Blobs, Executor, Verdict};

use crate::command::receipt;
use crate::compiling::CompileArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::gpu;
use crate::job_args::{self, GpuArg};
use crate::job_folder::Found;
use crate::values::Mapping;

/// Runs a receipt's task again, here, and compares bit for bit
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Receipt files
    #[arg(required = true, value_name = "RECEIPT")]
    receipts: Vec<PathBuf>,
    /// The module, where it is not in a `blobs` folder beside the receipt
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Inputs, where they are not in a `blobs` folder beside the receipt
    #[arg(long, value_name = "HOST[::GUEST]")]
    dir: Vec<Mapping>,
    /// What a task that found a GPU finds here; `auto` takes the adapter that the receipt names where its results compare on that one
    /// alone
    #[arg(long, default_value = "auto", value_name = "auto|hardware|reference|off")]
    gpu: GpuArg,
    #[command(flatten)]
    compile: CompileArgs,
    /// Shows one JSON object a receipt
    #[arg(long)]
    pub(crate) json: bool,
}

impl VerifyArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let given = self.given()?;
        let mut executors = Executors::default();
        let mut worst = None;
        for path in &self.receipts {
            let (_, checked) = receipt::load(path)?;
            let result = &checked.receipt.result;
            let found = Found::new(path, result.task, given.clone());
            let used = checked.receipt.profile.gpu.as_ref();
            // What is exact names no adapter.
            let adapter = used.map(|gpu| gpu.adapter.as_str()).filter(|adapter| !adapter.is_empty());
            let gpu = if used.is_some() { self.gpu } else { GpuArg::Off };
            let executor = executors.get((gpu, adapter), &self.compile)?;
            let here = used.and_then(|_| executor.device(checked.job.gpu_class));
            let here = here.map(|device| device.to_string());
            let verdict = fizz_exec::verify(&checked, executor, &found, &found);
            let (exit, word, details) = match &verdict {
                Verdict::Same => (None, "same", Vec::new()),
                Verdict::Different(differences) => {
                    (Some(Exit::Mismatch), "different", differences.iter().map(ToString::to_string).collect())
                }
                Verdict::Inconclusive(why) => {
                    (Some(Exit::Inconclusive), "inconclusive", vec![why.to_string()])
                }
            };
            if self.json {
                let line = serde_json::json!({
                    "receipt": path,
                    "verdict": word,
                    "details": details,
                    "node": checked.receipt.node,
                    "job": result.job,
                    "task": result.task,
                    "result_digest": result.digest(),
                    "gpu_class": used.map(|gpu| gpu.class.as_str()),
                    "device": checked.receipt.engine.device,
                    "device_here": here,
                });
                println!("{line}");
            } else {
                let (node, gas) = (checked.receipt.node.short(), result.gas);
                println!("{}: {word} (task {}, node {node}, {gas} gas)", path.display(), result.task);
                details.iter().for_each(|detail| println!("  {detail}"));
                if let (Some(gpu), Some(there)) = (used, &checked.receipt.engine.device) {
                    let here = here.as_deref().unwrap_or("none");
                    println!("  GPU class {}: {there} there, {here} here", gpu.class);
                }
            }
            // A mismatch says more than a comparison that could not be made.
            worst = match (worst, exit) {
                (Some(Exit::Mismatch), _) | (_, None) => worst,
                (_, exit) => exit,
            };
        }
        Ok(worst.map_or(ExitCode::SUCCESS, ExitCode::from))
    }

    fn given(&self) -> Result<BTreeMap<Blob, Vec<u8>>, Failure> {
        let mut blobs = JobBlobs::default();
        if let Some(module) = &self.module {
            job_args::add_file(module, &mut blobs)?;
        }
        for mapping in &self.dir {
            job_args::add_mapping(mapping, &mut BTreeMap::new(), &mut blobs)?;
        }
        let read = |blob: &Blob| match blobs.read(blob) {
            Ok(bytes) => Ok((*blob, bytes)),
            Err(error) => Err(Failure::usage("a given file has changed").because(&error)),
        };
        blobs.names().map(read).collect()
    }
}

/// One executor for receipts without a GPU, one for exact ones, and one for each adapter that others name.
#[derive(Default)]
struct Executors(BTreeMap<(&'static str, Option<String>), Executor>);

impl Executors {
    fn get(
        &mut self,
        (gpu, adapter): (GpuArg, Option<&str>),
        compile: &CompileArgs,
    ) -> Result<&Executor, Failure> {
        let key = (gpu.name(), adapter.map(str::to_owned));
        if !self.0.contains_key(&key) {
            let executor = match adapter {
                // Where the adapter is not here, whatever is here tells how the profiles differ.
                Some(name) if gpu == GpuArg::Auto => match gpu::executor(gpu, Some(name)) {
                    Ok(executor) => executor,
                    Err(_) => gpu::executor(gpu, None)?,
                },
                _ => gpu::executor(gpu, None)?,
            };
            self.0.insert(key.clone(), compile.equip(executor)?);
        }
        self.0.get(&key).ok_or_else(|| Failure::unexpected("no executor"))
    }
}
