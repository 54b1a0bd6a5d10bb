//! `fizz receipt`: looking at receipts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use fizz_attest::{Canonical, CheckedReceipt, EnvelopeError, ReceiptError, ReceiptFile};

use crate::error::Failure;
use crate::exit::Exit;
use crate::job_args;

/// Shows and exports receipts
#[derive(Subcommand, Debug)]
pub(crate) enum ReceiptCommand {
    /// Checks a receipt's signatures and shows what it says
    Show {
        /// A receipt file
        file: PathBuf,
        /// Shows JSON
        #[arg(long)]
        json: bool,
    },
    /// Writes the receipt's signed envelope as standard DSSE JSON
    Export {
        /// A receipt file
        file: PathBuf,
    },
}

impl ReceiptCommand {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            ReceiptCommand::Export { file } => {
                let (file, _) = load(&file)?;
                println!("{}", file.receipt.to_json());
            }
            ReceiptCommand::Show { file, json } => {
                let (_, checked) = load(&file)?;
                let json_text = serde_json::json!({
                    "receipt": checked.receipt,
                    "lease": checked.lease,
                    "job": checked.job,
                    "outputs": checked.manifest,
                    "result_digest": checked.receipt.result.digest(),
                    "receipt_digest": checked.receipt.digest(),
                });
                match json {
                    true => println!("{json_text:#}"),
                    false => show(&checked),
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(checked: &CheckedReceipt) {
    let CheckedReceipt { receipt, lease, job, manifest } = checked;
    let result = &receipt.result;
    println!("node        {}", receipt.node);
    println!("requester   {}", lease.requester);
    println!("network     {}", lease.network);
    println!("job         {}", result.job);
    println!("module      {} ({}, {} bytes)", job.module.blob.content, job.name, job.module.blob.size);
    println!("task        {} of {}", result.task, job.tasks.len());
    println!("arguments   {:?}", &job.argv(result.task)[1..]);
    println!("outcome     {}", result.outcome);
    println!("gas         {}", result.gas);
    println!("GPU gas     {}", result.gpu_gas);
    println!("result      {}", result.digest());
    println!("profile     {}", result.profile);
    println!("engine      {}, {}", receipt.engine.engine, receipt.engine.target);
    if let Some(gpu) = &receipt.profile.gpu {
        println!("GPU class   {}", gpu.class);
        println!("device      {}", receipt.engine.device.as_deref().unwrap_or("not said"));
    }
    println!("took        {} ms", receipt.finished_ms.saturating_sub(receipt.started_ms));
    println!("outputs     {}", result.outputs);
    println!("  {:>12}  {}  standard output", manifest.stdout.size, manifest.stdout.content.short());
    println!("  {:>12}  {}  standard error", manifest.stderr.size, manifest.stderr.content.short());
    for entry in &manifest.files {
        println!("  {:>12}  {}  {}", entry.blob.size, entry.blob.content.short(), entry.path.escape_debug());
    }
}

/// Reads a receipt file and checks its signatures and digests.
pub(crate) fn load(path: &Path) -> Result<(ReceiptFile, CheckedReceipt), Failure> {
    let bytes = job_args::read(path, "receipt")?;
    let file = ReceiptFile::from_canonical(&bytes)
        .map_err(|error| Failure::usage(format!("{} is no receipt file", path.display())).because(&error))?;
    let checked = file.check().map_err(|error| {
        let exit = match &error {
            ReceiptError::Receipt(error) | ReceiptError::Lease(error) => match error {
                EnvelopeError::WrongKey { .. } | EnvelopeError::BadSignature(_) => Exit::Key,
                _ => Exit::Usage,
            },
            _ => Exit::Usage,
        };
        Failure::new(exit, format!("{} does not hold", path.display()))
            .because(&error)
            .hint("somebody changed it, or it is not what its node signed: do not believe it")
    })?;
    Ok((file, checked))
}
