//! The arguments that make a job: shared by `run` and `submit`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use fizz_attest::{Artifact, Blob, Digest, GpuClass, GpuUse, InputFile, Job};
use fizz_client::JobBlobs;

use crate::build;
use crate::error::Failure;
use crate::values::{Count, Mapping, Size, Variable};

/// What to run, with what.
#[derive(Args, Debug)]
pub(crate) struct JobArgs {
    /// A WASI module, or the folder of a crate that is built first
    pub(crate) module: PathBuf,
    /// Copies a host folder or file into the guest's files [GUEST: /NAME]
    #[arg(long, value_name = "HOST[::GUEST]")]
    pub(crate) dir: Vec<Mapping>,
    /// Sets a variable of the guest's environment
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<Variable>,
    /// The guest's standard input; `-` reads this command's
    #[arg(long, value_name = "FILE")]
    pub(crate) stdin: Option<PathBuf>,
    /// CPU gas at most
    #[arg(long, value_name = "N")]
    pub(crate) gas: Option<Count>,
    /// CPU gas after which a chunk of a module with steps ends
    #[arg(long, value_name = "N")]
    pub(crate) chunk_gas: Option<Count>,
    /// Linear memory at most
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Size>,
    /// What the guest finds as its GPU: `auto` takes one that computes exactly where there is one, else the processor, which
    /// `reference` always takes; `hardware` needs a GPU
    #[arg(long, default_value = "auto", value_name = "auto|hardware|reference|off")]
    pub(crate) gpu: GpuArg,
    /// How the GPU computes: `exact` gives the same bits on every device, `fast` takes more shaders
    #[arg(long, default_value = "exact", value_name = "exact|fast")]
    pub(crate) gpu_class: GpuClassArg,
    /// GPU gas at most
    #[arg(long, value_name = "N")]
    pub(crate) gpu_gas: Option<Count>,
    /// What the guest's random bytes are derived from, 64 hex digits
    #[arg(long, value_name = "HEX")]
    pub(crate) seed: Option<Digest>,
    /// Arguments of the guest
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub(crate) args: Vec<String>,
}

/// What a guest finds as its GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GpuArg {
    /// The best there is for the job's class, the processor where there is nothing else.
    Auto,
    /// A GPU that a driver has.
    Hardware,
    /// The processor, which plays one without any driver.
    Reference,
    /// Nothing.
    Off,
}

impl GpuArg {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            GpuArg::Auto => "auto",
            GpuArg::Hardware => "hardware",
            GpuArg::Reference => "reference",
            GpuArg::Off => "off",
        }
    }
}

/// How a job's GPU computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GpuClassArg {
    /// Equal bits on every device.
    Exact,
    /// Native speed.
    Fast,
}

impl From<GpuClassArg> for GpuClass {
    fn from(class: GpuClassArg) -> GpuClass {
        match class {
            GpuClassArg::Exact => GpuClass::Exact,
            GpuClassArg::Fast => GpuClass::Fast,
        }
    }
}

impl From<GpuArg> for GpuUse {
    fn from(gpu: GpuArg) -> GpuUse {
        match gpu {
            // Where it runs is not the job's affair; that it finds something is sure.
            GpuArg::Auto | GpuArg::Reference => GpuUse::Auto,
            GpuArg::Hardware => GpuUse::Hardware,
            GpuArg::Off => GpuUse::Off,
        }
    }
}

/// A job with its bytes.
pub(crate) struct PreparedJob {
    pub(crate) job: Job,
    pub(crate) blobs: JobBlobs,
}

impl JobArgs {
    /// Reads everything that the job names and makes a job of one task. `out` is the guest's output folder.
    pub(crate) fn prepare(&self, out: String) -> Result<PreparedJob, Failure> {
        let module = build::module_of(&self.module)?;
        let mut blobs = JobBlobs::default();
        let bytes = read(&module, "module")?;
        let artifact = Artifact::of(&bytes);
        blobs.add_bytes(bytes);
        let mut inputs = BTreeMap::new();
        for mapping in &self.dir {
            add_mapping(mapping, &mut inputs, &mut blobs)?;
        }
        let stdin = match &self.stdin {
            None => None,
            Some(path) if path == Path::new("-") => {
                let mut bytes = Vec::new();
                std::io::stdin()
                    .read_to_end(&mut bytes)
                    .map_err(|error| Failure::usage("cannot read standard input").because(&error))?;
                Some(blobs.add_bytes(bytes))
            }
            Some(path) => Some(add_file(path, &mut blobs)?),
        };
        let mut job = Job::new(module_name(&module), artifact);
        let limits = &mut job.limits;
        limits.gas = self.gas.map_or(limits.gas, |Count(gas)| gas);
        limits.memory_bytes = self.memory.map_or(limits.memory_bytes, |Size(bytes)| bytes);
        limits.gpu.gas = self.gpu_gas.map_or(limits.gpu.gas, |Count(gas)| gas);
        job.chunk_gas = self.chunk_gas.map_or(job.chunk_gas, |Count(gas)| gas);
        job.args = self.args.clone();
        job.env = self.env.iter().map(|Variable(name, value)| (name.clone(), value.clone())).collect();
        job.inputs = inputs.into_iter().map(|(path, blob)| InputFile { path, blob }).collect();
        job.out = out;
        job.gpu = self.gpu.into();
        job.gpu_class = self.gpu_class.into();
        job.seed = self.seed.unwrap_or_default();
        job.tasks[0].stdin = stdin;
        check(&job)?;
        Ok(PreparedJob { job, blobs })
    }
}

/// What a guest sees as its own name: the module's file name.
pub(crate) fn module_name(module: &Path) -> String {
    module.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Checks a job that was put together from what the user gave.
pub(crate) fn check(job: &Job) -> Result<(), Failure> {
    job.check().map_err(|error| Failure::usage("this cannot be a job").because(&error))
}

/// Adds the files that a mapping names.
pub(crate) fn add_mapping(
    mapping: &Mapping,
    inputs: &mut BTreeMap<String, Blob>,
    blobs: &mut JobBlobs,
) -> Result<(), Failure> {
    let host = &mapping.host;
    let metadata = fs::metadata(host).map_err(|error| missing(host, "input").because(&error))?;
    let guest = match (&mapping.guest, host.file_name()) {
        (Some(guest), _) => guest.clone(),
        (None, Some(name)) => format!("/{}", utf8(name.as_ref())?),
        (None, None) => String::new(),
    };
    if metadata.is_dir() {
        return add_folder(host, &guest, inputs, blobs);
    }
    if guest.is_empty() {
        return Err(Failure::usage(format!("a file cannot be the guest's root: {}", host.display()))
            .hint(format!("write --dir {}::/NAME", host.display())));
    }
    inputs.insert(guest, add_file(host, blobs)?);
    Ok(())
}

fn add_folder(
    host: &Path,
    guest: &str,
    inputs: &mut BTreeMap<String, Blob>,
    blobs: &mut JobBlobs,
) -> Result<(), Failure> {
    let list = |error: std::io::Error| missing(host, "folder").because(&error);
    for entry in fs::read_dir(host).map_err(list)? {
        let entry = entry.map_err(list)?;
        let path = entry.path();
        let guest = format!("{guest}/{}", utf8(entry.file_name().as_ref())?);
        let kind = entry.file_type().map_err(list)?;
        if kind.is_symlink() {
            eprintln!("warning: {} is a link and is left out", path.display());
        } else if kind.is_dir() {
            add_folder(&path, &guest, inputs, blobs)?;
        } else if kind.is_file() {
            inputs.insert(guest, add_file(&path, blobs)?);
        } else {
            eprintln!("warning: {} is no plain file and is left out", path.display());
        }
    }
    Ok(())
}

/// Adds one file.
pub(crate) fn add_file(path: &Path, blobs: &mut JobBlobs) -> Result<Blob, Failure> {
    blobs.add_file(path).map_err(|error| missing(path, "file").because(&error))
}

/// Reads one file.
pub(crate) fn read(path: &Path, what: &str) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| missing(path, what).because(&error))
}

fn missing(path: &Path, what: &str) -> Failure {
    Failure::usage(format!("cannot read the {what} {}", path.display()))
        .hint("check the path; relative paths start at the current folder")
}

fn utf8(name: &Path) -> Result<&str, Failure> {
    name.to_str().ok_or_else(|| Failure::usage(format!("the name of {} is not UTF-8", name.display())))
}
