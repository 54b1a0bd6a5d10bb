//! `fizz inspect`: what a module is, before it runs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use fizz_attest::Artifact;
use fizz_sandbox::{Engine, ModuleLimits, Program};

use crate::error::Failure;
use crate::{build, job_args};

/// Checks that a module can run, and shows what it is
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// A WASI module, or the folder of a crate that is built first
    module: PathBuf,
    /// Shows JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl InspectArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let path = build::module_of(&self.module)?;
        let bytes = job_args::read(&path, "module")?;
        let engine = Engine::new()
            .map_err(|error| Failure::unexpected("cannot set up the sandbox").because(&error))?;
        let program = Program::compile(&engine, &bytes, &ModuleLimits::default()).map_err(|error| {
            let hint = error.hint();
            Failure::usage(format!("{} cannot run", path.display())).because(&error).hint(hint)
        })?;
        let artifact = Artifact::of(&bytes);
        let sha256: String = artifact.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        if self.json {
            let object = serde_json::json!({
                "blake3": artifact.blob.content,
                "sha256": sha256,
                "bytes": bytes.len(),
                "machine_code_bytes": program.code_bytes(),
                "initial_memory_bytes": program.initial_memory_bytes(),
                "imports_gpu": program.imports_gpu(),
                "profile": fizz_sandbox::profile(),
            });
            println!("{object:#}");
            return Ok(ExitCode::SUCCESS);
        }
        println!("blake3        {}", artifact.blob.content);
        println!("sha256        {sha256}");
        println!("size          {} bytes", bytes.len());
        println!("machine code  {} bytes, gas and stack metering included", program.code_bytes());
        println!("memory        {} bytes at the start", program.initial_memory_bytes());
        println!(
            "GPU           {}",
            if program.imports_gpu() { "used where there is one" } else { "not used" }
        );
        Ok(ExitCode::SUCCESS)
    }
}
