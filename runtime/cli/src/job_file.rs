//! Job files: a job of many tasks, in TOML. Paths are relative to the file.
//!
//! ```toml
//! module = "."              # a crate's folder, or a .wasm file
//! args = ["tile", "/photo.png"]
//! gpu = "auto"              # auto, hardware, off
//! gpu_class = "exact"       # exact, fast
//! out = "/out"
//!
//! [inputs]                  # guest path = host file or folder
//! "/photo.png" = "photo.png"
//!
//! [limits]
//! gas = "50G"
//! memory = "512M"
//!
//! [[tasks]]
//! args = ["0"]
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use fizz_attest::{Artifact, Digest, InputFile, Job, Task};
use fizz_client::JobBlobs;
use serde::Deserialize;

use crate::build;
use crate::error::Failure;
use crate::job_args::{self, GpuArg, GpuClassArg, PreparedJob};
use crate::values::{Count, Mapping, Size, absolute_guest_path};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    module: PathBuf,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    inputs: BTreeMap<String, PathBuf>,
    out: Option<String>,
    gpu: Option<String>,
    gpu_class: Option<String>,
    seed: Option<Digest>,
    epoch_ns: Option<u64>,
    #[serde(default)]
    limits: FileLimits,
    #[serde(default)]
    tasks: Vec<FileTask>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    gas: Option<String>,
    memory: Option<String>,
    output: Option<String>,
    gpu_gas: Option<String>,
    gpu_memory: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTask {
    #[serde(default)]
    args: Vec<String>,
    stdin: Option<PathBuf>,
    #[serde(default)]
    inputs: BTreeMap<String, PathBuf>,
}

/// Reads a job file and everything it names.
pub(crate) fn load(path: &Path) -> Result<PreparedJob, Failure> {
    let bytes = job_args::read(path, "job file")?;
    let bad = || Failure::usage(format!("{} is no job file", path.display()));
    let text = String::from_utf8(bytes).map_err(|error| bad().because(&error))?;
    let file: File = toml::from_str(&text).map_err(|error| bad().because(&error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let wrong = |field: &str, error: String| bad().because(&Plain(format!("`{field}`: {error}")));

    let mut blobs = JobBlobs::default();
    let module = build::module_of(&folder.join(&file.module))?;
    let bytes = job_args::read(&module, "module")?;
    let artifact = Artifact::of(&bytes);
    blobs.add_bytes(bytes);

    let mut job = Job::new(job_args::module_name(&module), artifact);
    let size = |field: &str, text: &Option<String>, unless: u64| match text.as_deref().map(str::parse) {
        Some(Ok(Size(bytes))) => Ok(bytes),
        Some(Err(error)) => Err(wrong(field, error)),
        None => Ok(unless),
    };
    let count = |field: &str, text: &Option<String>, unless: u64| match text.as_deref().map(str::parse) {
        Some(Ok(Count(count))) => Ok(count),
        Some(Err(error)) => Err(wrong(field, error)),
        None => Ok(unless),
    };
    let (given, limits) = (&file.limits, &mut job.limits);
    limits.gas = count("limits.gas", &given.gas, limits.gas)?;
    limits.memory_bytes = size("limits.memory", &given.memory, limits.memory_bytes)?;
    limits.output_bytes = size("limits.output", &given.output, limits.output_bytes)?;
    limits.gpu.gas = count("limits.gpu_gas", &given.gpu_gas, limits.gpu.gas)?;
    limits.gpu.bytes = size("limits.gpu_memory", &given.gpu_memory, limits.gpu.bytes)?;

    let gpu = match &file.gpu {
        Some(text) => GpuArg::from_str(text, false).map_err(|error| wrong("gpu", error))?,
        None => GpuArg::Auto,
    };
    let class = match &file.gpu_class {
        Some(text) => GpuClassArg::from_str(text, false).map_err(|error| wrong("gpu_class", error))?,
        None => GpuClassArg::Exact,
    };
    let out = match &file.out {
        Some(text) => absolute_guest_path(text).map_err(|error| wrong("out", error))?,
        None => "/out".into(),
    };
    let mut read_inputs = |given: &BTreeMap<String, PathBuf>| -> Result<Vec<InputFile>, Failure> {
        let mut inputs = BTreeMap::new();
        for (guest, host) in given {
            let guest = absolute_guest_path(guest).map_err(|error| wrong("inputs", error))?;
            let mapping = Mapping { host: folder.join(host), guest: Some(guest) };
            job_args::add_mapping(&mapping, &mut inputs, &mut blobs)?;
        }
        Ok(inputs.into_iter().map(|(path, blob)| InputFile { path, blob }).collect())
    };
    let inputs = read_inputs(&file.inputs)?;
    let mut tasks = Vec::new();
    for task in &file.tasks {
        tasks.push(Task { args: task.args.clone(), stdin: None, inputs: read_inputs(&task.inputs)? });
    }
    for (task, made) in file.tasks.iter().zip(&mut tasks) {
        if let Some(stdin) = &task.stdin {
            made.stdin = Some(job_args::add_file(&folder.join(stdin), &mut blobs)?);
        }
    }
    job.args = file.args;
    job.env = file.env.into_iter().collect();
    job.inputs = inputs;
    job.out = out;
    job.gpu = gpu.into();
    job.gpu_class = class.into();
    job.seed = file.seed.unwrap_or(job.seed);
    job.epoch_ns = file.epoch_ns.unwrap_or(job.epoch_ns);
    // Without any, there is the one that a new job has.
    if !tasks.is_empty() {
        job.tasks = tasks;
    }
    job_args::check(&job)?;
    Ok(PreparedJob { job, blobs })
}

/// An error that is only its text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Plain(String);
