//! `fizz inspect`: what a module is, before it runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use fizz_attest::Artifact;
use fizz_exec::ExecuteError;
use fizz_sandbox::{COST_TABLE_VERSION, COSTS, ModuleLimits, Program};
use serde_json::{Map, Value, json};

use crate::command::run::failure;
use crate::command::shader;
use crate::compiling::CompileArgs;
use crate::error::Failure;
use crate::job_args::GpuArg;
use crate::{build, gpu, job_args};

/// Checks that a module or a shader can run, and shows what it is
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// A WASI module, the folder of a crate that is built first, or a shader in WGSL (`.wgsl`)
    #[arg(required_unless_present = "costs")]
    module: Option<PathBuf>,
    /// Shows JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Shows the cost table: what every operator, frame and host call costs in gas
    #[arg(long)]
    costs: bool,
    /// Value of one of a shader's `override`s; may be given several times
    #[arg(long = "constant", value_name = "NAME=NUMBER", value_parser = shader::constant)]
    constants: Vec<(String, f64)>,
    #[command(flatten)]
    compile: CompileArgs,
}

impl InspectArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(path) = self.module.as_ref().filter(|path| shader::is_wgsl(path)) {
            if self.costs {
                return Err(Failure::usage("--costs shows what a module's operators cost, not a shader's"));
            }
            return shader::inspect(path, &self.constants, self.json);
        }
        if !self.constants.is_empty() {
            return Err(Failure::usage("--constant is for a shader (a file that ends in .wgsl)"));
        }
        let inspected = self.module.as_ref().map(|path| Inspected::of(path, &self.compile)).transpose()?;
        if self.json {
            let mut object = inspected.as_ref().map(Inspected::json).unwrap_or_default();
            if self.costs || inspected.is_some() {
                object.insert("costs".into(), costs());
            }
            println!("{:#}", Value::Object(object));
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(inspected) = &inspected {
            inspected.print();
        }
        if self.costs {
            if inspected.is_some() {
                println!();
            }
            print_costs();
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A module that can run.
struct Inspected {
    artifact: Artifact,
    program: Program,
}

impl Inspected {
    fn of(path: &Path, compile: &CompileArgs) -> Result<Inspected, Failure> {
        let path = build::module_of(path)?;
        let bytes = job_args::read(&path, "module")?;
        let executor = compile.equip(gpu::executor(GpuArg::Off, None)?)?;
        let program = executor.load(&bytes).map_err(|error| match error {
            ExecuteError::Module(error) => {
                Failure::usage(format!("{} cannot run", path.display())).because(&error).hint(error.hint())
            }
            error => failure(&error, &path),
        })?;
        Ok(Inspected { artifact: Artifact::of(&bytes), program })
    }

    fn sha256(&self) -> String {
        self.artifact.sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What is bounded, how much of it is used, how much may be.
    fn limits(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let used = self.program.limits_used().rows();
        let most = ModuleLimits::default().rows();
        used.into_iter().zip(most).map(|((what, used), (_, most))| (what, used, most))
    }

    fn json(&self) -> Map<String, Value> {
        let limits: Map<String, Value> = self
            .limits()
            .map(|(what, used, most)| (what.replace(' ', "_"), json!({ "used": used, "most": most })))
            .collect();
        let object = json!({
            "blake3": self.artifact.blob.content,
            "sha256": self.sha256(),
            "bytes": self.program.wasm_bytes(),
            "instrumented_bytes": self.program.instrumented_bytes(),
            "machine_code_bytes": self.program.code_bytes(),
            "initial_memory_bytes": self.program.initial_memory_bytes(),
            "start_gas": self.program.start_gas(),
            "imports_gpu": self.program.imports_gpu(),
            "limits": limits,
            "profile": fizz_sandbox::profile(),
        });
        match object {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }

    fn print(&self) {
        let program = &self.program;
        let (bytes, instrumented) = (program.wasm_bytes(), program.instrumented_bytes());
        let more = instrumented as f64 / bytes.max(1) as f64 * 100.0 - 100.0;
        println!("blake3        {}", self.artifact.blob.content);
        println!("sha256        {}", self.sha256());
        println!("size          {bytes} bytes");
        println!(
            "instrumented  {instrumented} bytes ({more:+.0} %: gas and stack counted, debug sections dropped)"
        );
        println!("machine code  {} bytes, gas and stack metering included", program.code_bytes());
        println!("memory        {} bytes at the start", program.initial_memory_bytes());
        println!("start         {} gas before the first instruction", program.start_gas());
        println!(
            "GPU           {}",
            if program.imports_gpu() { "used where there is one" } else { "not used" }
        );
        println!("\n{:<42} {:>12} {:>14}", "limit", "used", "at most");
        for (what, used, most) in self.limits().filter(|(_, used, _)| *used > 0) {
            println!("{what:<42} {used:>12} {most:>14}");
        }
    }
}

fn costs() -> Value {
    let rows: Map<String, Value> =
        COSTS.rows().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    json!({ "version": COST_TABLE_VERSION, "digest": COSTS.digest(), "rows": rows })
}

fn print_costs() {
    println!("cost table version {COST_TABLE_VERSION}, digest {}", COSTS.digest());
    for (name, value) in COSTS.rows() {
        println!("{name:<24} {value:>10}");
    }
}
