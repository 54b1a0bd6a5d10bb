//! `fizz run`: one task, here, in the same sandbox as on any node.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use fizz_attest::{
    Canonical, Digest, Domain, Envelope, GpuUse, Job, Lease, Outcome, Policy, Receipt, ReceiptFile, SecretKey,
};
use fizz_client::{JobBlobs, host_path, write_output};
use fizz_exec::{Checkpoint, ExecuteError, Executed, Executor, Observer, Reached};

use crate::checkpoint;
use crate::compiling::CompileArgs;
use crate::error::Failure;
use crate::exit::{Exit, TRAPPED};
use crate::job_args::{JobArgs, PreparedJob};
use crate::values::Mapping;
use crate::{gpu, keys, me};

/// Runs a module here, in the same sandbox as on any node
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Writes what the guest leaves in its output folder to a host folder [GUEST: /out]
    #[arg(long, value_name = "HOST[::GUEST]")]
    out: Option<Mapping>,
    /// Uses the GPU adapter of this number, or whose name holds this text; `fizz node doctor` shows them
    #[arg(long, env = "FIZZ_ADAPTER", value_name = "NAME")]
    adapter: Option<String>,
    /// Writes a receipt, signed by your own key
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// The key that signs the receipt [default: key.pem in your configuration folder]
    #[arg(long, env = "FIZZ_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// Keeps the state of a module with steps here, at the end of every chunk, and goes on from it if it exists
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Stops after so many chunks, with the state in the checkpoint
    #[arg(long, value_name = "N", requires = "checkpoint", value_parser = clap::value_parser!(u32).range(1..))]
    chunks: Option<u32>,
    /// Writes outcome, gas, digests and times as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    compile: CompileArgs,
}

impl RunArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let begun = Instant::now();
        let out = self.out.as_ref().and_then(|mapping| mapping.guest.clone()).unwrap_or("/out".into());
        if out.is_empty() {
            return Err(
                Failure::usage("the guest's root cannot be the output folder").hint("write HOST::/out")
            );
        }
        let PreparedJob { mut job, blobs } = self.job.prepare(out)?;
        if job.gpu != GpuUse::Off {
            // `--gpu` says on which device it runs here. The job is the same on each.
            job.gpu = GpuUse::Auto;
        }
        let executor = gpu::executor(self.job.gpu, self.adapter.as_deref())?;
        let executor = self.compile.equip(executor)?;
        let started_ms = now_ms();
        let executed = match &self.checkpoint {
            None => executor
                .execute(&job, 0, &blobs, job.gpu != GpuUse::Off, Some(Box::new(Echo)))
                .map_err(|error| failure(&error, &self.job.module))?,
            Some(path) => match self.run_in_chunks(&executor, &job, &blobs, path)? {
                Some(executed) => executed,
                None => return Ok(ExitCode::SUCCESS),
            },
        };
        if let Some(mapping) = &self.out {
            for (path, bytes) in &executed.files {
                write_output(&mapping.host, path, &mut &bytes[..]).map_err(|error| {
                    let name = mapping.host.join(host_path(path));
                    Failure::usage(format!("cannot write the output {}", name.display())).because(&error)
                })?;
            }
        }
        let result = executed.result(job.digest(), 0);
        if let Some(path) = &self.report {
            let report = serde_json::json!({
                "outcome": executed.outcome,
                "exit_code": exit_code(&executed.outcome),
                "gas": executed.gas,
                "gpu_gas": executed.gpu_gas,
                "chunks": executed.boundaries.len() + 1,
                "chunk_root": result.chunks,
                "peak_memory_bytes": executed.peak_memory_bytes,
                "output_root": result.outputs,
                "result_digest": result.digest(),
                "profile": result.profile,
                "gpu_class": executed.profile.gpu.as_ref().map(|gpu| gpu.class.as_str()),
                "device": executed.engine.device,
                "compile_ms": executed.compile_time.as_secs_f64() * 1e3,
                "run_ms": executed.run_time.as_secs_f64() * 1e3,
                "wall_ms": begun.elapsed().as_secs_f64() * 1e3,
            });
            write(path, format!("{report:#}\n").as_bytes(), "report")?;
        }
        if let Some(path) = &self.receipt {
            let key = match &self.key {
                Some(path) => keys::load_or_create(path)?,
                None => keys::load_or_create(&keys::default_path()?)?,
            };
            let file = self_signed(&job, &executed, started_ms, &key);
            write(path, &file.to_canonical(), "receipt")?;
            let inputs: String = self.job.dir.iter().map(|mapping| format!(" --dir {mapping}")).collect();
            eprintln!(
                "next: {} verify {} --module {}{inputs}",
                me(),
                path.display(),
                self.job.module.display()
            );
        }
        // Only now that everything is written.
        if let Some(path) = &self.checkpoint {
            checkpoint::remove(path)?;
        }
        Ok(end(&executed))
    }

    /// Runs from the checkpoint, if there is one, to the end (`Some`) or for as many chunks as wished.
    fn run_in_chunks(
        &self,
        executor: &Executor,
        job: &Job,
        blobs: &JobBlobs,
        path: &Path,
    ) -> Result<Option<Executed>, Failure> {
        let from = checkpoint::load(path)?;
        if let Some(from) = &from {
            eprintln!("goes on after chunk {}, at {} gas", from.boundaries().len(), from.gas());
        }
        let mut left = self.chunks;
        let mut stored = Ok(());
        let mut at_chunk = |reached: &Checkpoint| {
            stored = checkpoint::store(path, reached);
            left = left.map(|left| left - 1);
            if stored.is_err() || left == Some(0) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let reached = executor
            .execute_in_chunks((job, 0), blobs, from, Some(Box::new(Echo)), &mut at_chunk)
            .map_err(|error| failure(&error, &self.job.module))?;
        stored?;
        match reached {
            Reached::End(executed) => Ok(Some(*executed)),
            Reached::Stopped(at) => {
                let (chunk, gas, state) = (at.boundaries().len(), at.gas(), at.state());
                eprintln!("stopped after chunk {chunk}, at {gas} gas, in state {state}");
                eprintln!(
                    "next: the same command again, here or on another machine that has {}",
                    path.display()
                );
                Ok(None)
            }
        }
    }
}

/// A receipt of one's own for one's own job: the lease is between the key and itself.
fn self_signed(job: &fizz_attest::Job, executed: &Executed, started_ms: u64, key: &SecretKey) -> ReceiptFile {
    let lease = Lease {
        v: 1,
        network: "self".into(),
        requester: key.public(),
        node: key.public(),
        job: job.digest(),
        tasks: vec![0],
        chunk_gas: 0,
        policy: Policy::Trust,
        price: 0,
        challenge: Digest::of(Domain::Challenge, &[]),
        expires: now_ms() / 1000,
        keep_seconds: 0,
        opening_bytes: 0,
    };
    let manifest = executed.manifest();
    let receipt = Receipt {
        v: 1,
        result: executed.result(job.digest(), 0),
        lease: lease.digest(),
        node: key.public(),
        profile: executed.profile.clone(),
        engine: executed.engine.clone(),
        manifest_sha256: manifest.sha256(),
        started_ms,
        finished_ms: now_ms(),
    };
    ReceiptFile {
        receipt: Envelope::sign(&receipt, key),
        lease: Envelope::sign(&lease, key),
        job: job.to_canonical(),
        manifest: manifest.to_canonical(),
    }
}

/// The guest's exit code as the shell sees it, and a line on standard error where the guest did not exit by itself.
fn end(executed: &Executed) -> ExitCode {
    let code = exit_code(&executed.outcome);
    let hint = match &executed.outcome {
        Outcome::Completed { .. } => return ExitCode::from(code),
        Outcome::OutOfGas => "give it more with --gas",
        Outcome::LimitExceeded { kind: fizz_attest::LimitKind::Memory } => "give it more with --memory",
        Outcome::LimitExceeded { kind: fizz_attest::LimitKind::GpuGas } => "give it more with --gpu-gas",
        _ => "",
    };
    let mut failure = Failure::new(Exit::GuestFailed, executed.outcome.to_string());
    failure.causes.extend(executed.diagnostic.clone());
    if !hint.is_empty() {
        failure.hint = Some(hint.into());
    }
    failure.print(false);
    ExitCode::from(code)
}

fn exit_code(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Completed { exit_code } => u8::try_from(*exit_code).unwrap_or(u8::MAX),
        Outcome::Trapped { .. } => TRAPPED,
        Outcome::OutOfGas | Outcome::LimitExceeded { .. } => Exit::GuestFailed as u8,
    }
}

/// What the user is told when a task cannot be run.
pub(crate) fn failure(error: &ExecuteError, module: &std::path::Path) -> Failure {
    let failure = match error {
        ExecuteError::Module(_) => Failure::usage(format!("cannot run {}", module.display())),
        ExecuteError::Fault { kind: fizz_attest::HostFault::NoGpu, .. } => {
            Failure::new(Exit::NoCapacity, "this machine has no GPU for the job").hint(
                "`fizz node doctor` says which GPU computes exactly; --gpu reference takes the processor, --gpu-class fast any GPU",
            )
        }
        ExecuteError::Fault { kind: fizz_attest::HostFault::Compile, .. } => {
            Failure::unexpected("this machine could not compile the module")
                .hint("split very large functions, build with optimisation for size, or raise what was met")
        }
        ExecuteError::Fault { .. } => Failure::unexpected("this machine could not run the task"),
        _ => Failure::usage("the job cannot be run"),
    };
    let failure = failure.because(error);
    match error {
        ExecuteError::Module(error) => failure.hint(error.hint()),
        _ => failure,
    }
}

/// Passes on what the guest writes, as it writes it.
struct Echo;

impl Observer for Echo {
    fn stdout(&mut self, bytes: &[u8]) {
        let mut stdout = std::io::stdout().lock();
        // A reader that has gone is no reason to stop the guest, whose result must not depend on it.
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }

    fn stderr(&mut self, bytes: &[u8]) {
        let _ = std::io::stderr().lock().write_all(bytes);
    }
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn write(path: &std::path::Path, bytes: &[u8], what: &str) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|error| {
        Failure::usage(format!("cannot write the {what} {}", path.display())).because(&error)
    })
}
