//! `fizz submit`: a job on other machines.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use fizz_attest::Digest;
use fizz_client::{NodeAddress, Report, Submission, SubmitError};
use fizz_exec::{Executor, OutputName};

use crate::compiling::CompileArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::job_args::{GpuArg, GpuClassArg, JobArgs, PreparedJob};
use crate::progress::Progress;
use crate::{gpu, interrupt, job_file, job_folder, keys, me};

/// Has a job done by nodes, and checks a sample of what they deliver
#[derive(Args, Debug)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    job: JobArgs,
    /// A node, as `fizz node` prints it; several share the tasks
    #[arg(long, value_name = "KEY@ADDR", required = true)]
    node: Vec<NodeAddress>,
    /// Where receipts and outputs go; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How many tasks of each node are run again here and compared
    #[arg(long, default_value = "1", value_name = "K")]
    sample: u32,
    /// Your key [default: key.pem in your configuration folder]
    #[arg(long, env = "FIZZ_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// Uses the GPU adapter of this number, or whose name holds this text, to run samples again
    #[arg(long, env = "FIZZ_ADAPTER", value_name = "NAME")]
    adapter: Option<String>,
    /// What samples find as their GPU when they are run again here [default: auto]
    #[arg(long, value_name = "auto|hardware|reference|off")]
    check_gpu: Option<GpuArg>,
    /// Seconds that one task may take on a node
    #[arg(long, default_value = "3600", value_name = "SECONDS")]
    task_seconds: u64,
    #[command(flatten)]
    compile: CompileArgs,
    /// Only checks the job and prints its digest
    #[arg(long)]
    dry_run: bool,
    /// Shows the result as one JSON object instead of the guest's standard output
    #[arg(long)]
    pub(crate) json: bool,
}

impl SubmitArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let prepared = self.prepare()?;
        if self.dry_run {
            println!("{}", prepared.job.digest());
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(out) = &self.out {
            check_empty(out)?;
        }
        let key = match &self.key {
            Some(path) => keys::load_or_create(path)?,
            None => keys::load_or_create(&keys::default_path()?)?,
        };
        let checks_gpu = self.sample > 0 && prepared.job.gpu != fizz_attest::GpuUse::Off;
        let gpu = match self.check_gpu {
            _ if !checks_gpu => GpuArg::Off,
            Some(gpu) => gpu,
            // What is not exact compares on one device only, which the processor is not.
            None => GpuArg::Auto,
        };
        let executor = gpu::executor(gpu, self.adapter.as_deref())?;
        let executor = Arc::new(self.compile.equip(executor)?);
        let staging = tempfile::tempdir()
            .map_err(|error| Failure::usage("cannot make a temporary folder").because(&error))?;
        let names = self.node.iter().enumerate().map(|(index, _)| format!("node {}", index + 1)).collect();
        let mut progress = Progress::new(prepared.job.tasks.len(), names);
        let (job, blobs) = (prepared.job.clone(), prepared.blobs.clone());
        let submission = Submission {
            job: prepared.job,
            blobs: prepared.blobs,
            nodes: self.node.clone(),
            key,
            sample: self.sample,
            task_time: Duration::from_secs(self.task_seconds),
            gather: Duration::from_secs(1),
            staging: staging.path().to_owned(),
        };
        let report = run(submission, executor, interrupt::received(), &mut progress)?;
        let mut receipts = Vec::new();
        if let Some(out) = &self.out {
            job_folder::write_blobs(out, &blobs)?;
            for (_, delivery) in report.deliveries.values() {
                receipts.push(job_folder::write_task(out, delivery)?);
            }
            for (_, delivery) in &report.caught {
                job_folder::write_task(&out.join("caught"), delivery)?;
            }
        }
        self.show(&report, job.digest())?;
        if let Some(receipt) = receipts.first() {
            eprintln!("next: {} verify {}", me(), receipt.display());
        }
        verdict(&report, &progress)
    }

    fn prepare(&self) -> Result<PreparedJob, Failure> {
        let job = &self.job;
        let is_file =
            job.module.extension().is_some_and(|extension| extension == "toml") && job.module.is_file();
        if !is_file {
            let mut prepared = job.prepare("/out".into())?;
            prepared.job.salt = random()?;
            return Ok(prepared);
        }
        let given = [
            ("--dir", !job.dir.is_empty()),
            ("--env", !job.env.is_empty()),
            ("--stdin", job.stdin.is_some()),
            ("--gas", job.gas.is_some()),
            ("--memory", job.memory.is_some()),
            ("--gpu", job.gpu != GpuArg::Auto),
            ("--gpu-class", job.gpu_class != GpuClassArg::Exact),
            ("--gpu-gas", job.gpu_gas.is_some()),
            ("--seed", job.seed.is_some()),
            ("arguments", !job.args.is_empty()),
        ];
        if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
            return Err(Failure::usage(format!("{name} cannot be given beside a job file"))
                .hint("write it into the file"));
        }
        let mut prepared = job_file::load(&job.module)?;
        prepared.job.salt = random()?;
        Ok(prepared)
    }

    /// Standard output is the result: what the guests wrote, in the order of the tasks.
    fn show(&self, report: &Report, job: Digest) -> Result<(), Failure> {
        if self.json {
            let tasks: Vec<_> = report
                .deliveries
                .iter()
                .map(|(task, (_, delivery))| {
                    let receipt = &delivery.checked.receipt;
                    serde_json::json!({
                        "task": task,
                        "node": receipt.node,
                        "outcome": receipt.result.outcome,
                        "gas": receipt.result.gas,
                        "gpu_gas": receipt.result.gpu_gas,
                        "output_root": receipt.result.outputs,
                        "result_digest": receipt.result.digest(),
                        "profile": receipt.result.profile,
                        "gpu_class": receipt.profile.gpu.as_ref().map(|gpu| &gpu.class),
                        "device": receipt.engine.device,
                    })
                })
                .collect();
            let caught: Vec<_> =
                report.caught.iter().map(|(_, delivery)| delivery.checked.receipt.node).collect();
            let object = serde_json::json!({
                "job": job,
                "tasks": tasks,
                "missing": report.missing,
                "checks_passed": report.passed.len(),
                "checks_inconclusive": report.inconclusive.len(),
                "caught": caught,
            });
            println!("{object}");
            return Ok(());
        }
        let mut stdout = std::io::stdout().lock();
        for (_, delivery) in report.deliveries.values() {
            let bytes = job_folder::delivered(delivery, &OutputName::Stdout)?;
            let errors = job_folder::delivered(delivery, &OutputName::Stderr)?;
            let _ = std::io::stderr().write_all(&errors);
            let _ = stdout.write_all(&bytes);
        }
        Ok(())
    }
}

/// Runs a submission with its progress shown, until it is done or `stop` is ready; then the nodes are told.
pub(crate) fn run(
    submission: Submission,
    executor: Arc<Executor>,
    stop: impl Future<Output = ()>,
    progress: &mut Progress,
) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::unexpected("cannot start the runtime").because(&error))?;
    let submitting = fizz_client::submit(submission, executor, stop, |news| progress.tell(&news));
    let report = runtime.block_on(submitting);
    runtime.shutdown_background();
    progress.finish();
    report.map_err(|error| match error {
        SubmitError::Interrupted => {
            Failure::new(Exit::Interrupted, "interrupted; the nodes were told to stop")
        }
        SubmitError::Bind(_) => Failure::new(Exit::Network, "cannot open a socket").because(&error),
        SubmitError::Random(_) => Failure::unexpected("cannot make a lease").because(&error),
    })
}

/// The exit code of a submission, and what there is to say about it.
fn verdict(report: &Report, progress: &Progress) -> Result<ExitCode, Failure> {
    if !report.missing.is_empty() {
        let exit = match (report.caught.is_empty(), report.reached) {
            (false, _) => Exit::Mismatch,
            (true, 0) => Exit::Network,
            (true, _) => Exit::NoCapacity,
        };
        let mut failure = Failure::new(exit, format!("tasks {:?} were done by no node", report.missing));
        failure.causes = report
            .reasons
            .iter()
            .map(|(node, reason)| format!("{}: {reason}", progress.name(*node)))
            .collect();
        for (node, _) in &report.caught {
            failure.causes.push(format!("{}: caught with a wrong result", progress.name(*node)));
        }
        failure.causes.dedup();
        return Err(failure.hint("name more nodes with --node"));
    }
    let failed = report
        .deliveries
        .values()
        .find(|(_, delivery)| !delivery.checked.receipt.result.outcome.is_success());
    if let Some((_, delivery)) = failed {
        let result = &delivery.checked.receipt.result;
        return Err(Failure::new(Exit::GuestFailed, format!("task {}: {}", result.task, result.outcome)));
    }
    if let Some((_, task, reason)) = report.inconclusive.first() {
        return Err(Failure::new(Exit::Inconclusive, format!("task {task} could not be checked: {reason}"))
            .hint("the results are written; check them on a machine like the node's, or trust them with --sample 0"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a folder with something in it.
pub(crate) fn check_empty(folder: &Path) -> Result<(), Failure> {
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(Failure::usage(format!("{} is not empty", folder.display()))
            .hint("choose another folder with --out; nothing is overwritten")),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::usage(format!("cannot use {}", folder.display())).because(&error)),
    }
}

/// A random salt.
pub(crate) fn random() -> Result<Digest, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::unexpected(format!("no random bytes: {error}")))?;
    Ok(Digest(bytes))
}
