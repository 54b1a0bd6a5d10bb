//! From a job and a task to a result.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fizz_attest::{
    Blob, Boundary, Canonical, ChunkChain, Digest, EngineInfo, GpuClass, GpuProfile, GpuUse, HostFault, Job,
    LimitKind, MAX_PATH_BYTES, Outcome, OutputEntry, OutputManifest, Profile, TaskResult,
};
use fizz_gpu_abi::host::{Device, Sessions};
use fizz_gpu_abi::{Class, VERSION};
use fizz_sandbox::{
    CodeSource, Engine, EngineError, Fault, Files, FilesError, ModuleLimits, Observer, Program, ProgramError,
    ResumeError, TaskReport, TaskSpec,
};

use crate::blobs::{self, BlobError, Blobs};

/// Programs kept compiled.
const PROGRAMS: usize = 4;

/// Bytes of a manifest's entry beside its path, at most: field names, hash, sizes; also of all that is no entry.
const ENTRY_BYTES: usize = 256;

/// Runs tasks of jobs on this machine.
pub struct Executor {
    engine: Engine,
    gpu: Option<Arc<dyn Sessions>>,
    /// Where machine code comes from; none compiles it in this process.
    code: Option<Arc<dyn CodeSource>>,
    programs: Mutex<Vec<(Digest, Arc<Program>)>>,
}

/// A task that ran to its end.
#[derive(Clone, Debug)]
pub struct Executed {
    /// How it ended.
    pub outcome: Outcome,
    /// CPU gas.
    pub gas: u64,
    /// GPU gas.
    pub gpu_gas: u64,
    /// Where the chunks of a task with steps ended, all but the last.
    pub boundaries: Vec<Boundary>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Files below the output folder, by rising path.
    pub files: Vec<(String, Bytes)>,
    /// Under which profile it ran.
    pub profile: Profile,
    /// What ran it, and on which device.
    pub engine: EngineInfo,
    /// Largest linear memory, in bytes.
    pub peak_memory_bytes: u64,
    /// For people: why and where the guest trapped.
    pub diagnostic: Option<String>,
    /// Time to instrument and compile; zero where the program was at hand.
    pub compile_time: Duration,
    /// Time inside the guest.
    pub run_time: Duration,
}

/// One output of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, by its path below the output folder.
    File(String),
}

impl fmt::Display for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutputName::Stdout => f.write_str("standard output"),
            OutputName::Stderr => f.write_str("standard error"),
            OutputName::File(path) => write!(f, "output file `{path}`"),
        }
    }
}

/// A task could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The job has no such task.
    #[error("the job has {tasks} tasks, no task {task}")]
    NoSuchTask {
        /// The task asked for.
        task: u32,
        /// Tasks there are.
        tasks: usize,
    },
    /// A blob is missing or wrong.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The module cannot be run by anybody.
    #[error("the module cannot be run")]
    Module(#[source] ProgramError),
    /// An input cannot lie where the job says.
    #[error("the input `{path}` cannot be laid out")]
    Inputs {
        /// Its path.
        path: String,
        /// Why not.
        source: FilesError,
    },
    /// The module has no steps, or a checkpoint is not one of the task.
    #[error("the task cannot be run in chunks")]
    Steps(#[source] ResumeError),
    /// This machine failed, which says nothing of the task.
    #[error("{kind}: {detail}")]
    Fault {
        /// What failed.
        kind: HostFault,
        /// Details for the operator.
        detail: String,
    },
}

impl From<Fault> for ExecuteError {
    fn from(Fault { kind, detail }: Fault) -> ExecuteError {
        ExecuteError::Fault { kind, detail }
    }
}

impl From<ResumeError> for ExecuteError {
    fn from(error: ResumeError) -> ExecuteError {
        match error {
            ResumeError::Fault(fault) => fault.into(),
            other => ExecuteError::Steps(other),
        }
    }
}

impl Executor {
    /// An executor whose guests find the given GPU, or none.
    ///
    /// # Errors
    /// When the engine cannot be made on this machine.
    pub fn new(gpu: Option<Arc<dyn Sessions>>) -> Result<Executor, EngineError> {
        Ok(Executor { engine: Engine::new()?, gpu, code: None, programs: Mutex::new(Vec::new()) })
    }

    /// The same, but machine code comes from elsewhere.
    pub fn with_code(self, code: Arc<dyn CodeSource>) -> Executor {
        Executor { code: Some(code), ..self }
    }

    /// The engine, to make a source of machine code for it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The device that guests of jobs of this class find, if any.
    pub fn device(&self, class: GpuClass) -> Option<Device> {
        let class = match class {
            GpuClass::Exact => Class::Exact,
            GpuClass::Fast => Class::Fast,
        };
        self.gpu.as_ref()?.identity().device(class).cloned()
    }

    /// The profile under which tasks run here, without a GPU or with that of a class, if there is one.
    pub fn profile(&self, gpu: Option<GpuClass>) -> Profile {
        let gpu = gpu.and_then(|class| Some((class, self.device(class)?)));
        let gpu = gpu.map(|(class, device)| {
            let Device { shader, adapter, driver, .. } = device;
            let (adapter, driver) = match class {
                // Every device gives the same bits.
                GpuClass::Exact => (String::new(), String::new()),
                GpuClass::Fast => (adapter, driver),
            };
            GpuProfile { class: class.name().to_owned(), stream: VERSION, shader, adapter, driver }
        });
        Profile { gpu, ..fizz_sandbox::profile() }
    }

    /// What runs guests here; with the device of a class, if there is one.
    pub fn engine_info(&self, gpu: Option<GpuClass>) -> EngineInfo {
        let device = gpu.and_then(|class| self.device(class));
        EngineInfo { device: device.map(|device| device.to_string()), ..fizz_sandbox::engine_info() }
    }

    /// Runs a task. With `gpu`, a guest that looks for a GPU finds this machine's. The profile names the GPU only
    /// where the module could look for one.
    ///
    /// # Errors
    /// [`ExecuteError`]. A guest that fails is no error but an outcome.
    pub fn execute(
        &self,
        job: &Job,
        task: u32,
        blobs: &dyn Blobs,
        gpu: bool,
        observer: Option<Box<dyn Observer>>,
    ) -> Result<Executed, ExecuteError> {
        if task as usize >= job.tasks.len() {
            return Err(ExecuteError::NoSuchTask { task, tasks: job.tasks.len() });
        }
        let device = self.device(job.gpu_class).filter(|_| gpu && job.gpu != GpuUse::Off);
        if gpu && job.gpu == GpuUse::Hardware && device.is_none() {
            return Err(ExecuteError::Fault { kind: HostFault::NoGpu, detail: String::new() });
        }
        let compiling = Instant::now();
        let (program, compiled) = self.program(&job.module.blob, blobs)?;
        let compile_time = if compiled { compiling.elapsed() } else { Duration::ZERO };
        let gpu = self.gpu.clone().filter(|_| device.is_some() && program.imports_gpu());
        let class = gpu.as_ref().map(|_| job.gpu_class);
        let (profile, engine) = (self.profile(class), self.engine_info(class));
        let spec = specify(job, task, blobs)?;
        let report = fizz_sandbox::run(&program, spec, gpu, observer)?;
        Ok(Executed::new(report, job, (profile, engine), compile_time))
    }

    /// A module, checked and compiled, or with machine code from elsewhere.
    ///
    /// # Errors
    /// [`ExecuteError::Module`] and [`ExecuteError::Fault`].
    pub fn load(&self, wasm: &[u8]) -> Result<Program, ExecuteError> {
        self.load_with(&self.engine, wasm)
    }

    pub(crate) fn load_with(&self, engine: &Engine, wasm: &[u8]) -> Result<Program, ExecuteError> {
        let limits = ModuleLimits::default();
        let program = match &self.code {
            None => Program::compile(engine, wasm, &limits),
            Some(code) => Program::load(engine, wasm, &limits, code.clone()),
        };
        program.map_err(|error| match error {
            ProgramError::Fault(fault) => fault.into(),
            module => ExecuteError::Module(module),
        })
    }

    /// Bytes that the linear memory of a job's task may take where that is more than `most`, and else `None`: twice the
    /// job's limit where the module has steps, because a copy finds what has changed from one chunk to the next. The
    /// module is looked at only where that decides, and not compiled.
    ///
    /// # Errors
    /// As [`execute`](Self::execute), of the module.
    pub fn memory_over(&self, job: &Job, blobs: &dyn Blobs, most: u64) -> Result<Option<u64>, ExecuteError> {
        let bytes = job.limits.memory_bytes;
        let twice = bytes.saturating_mul(2);
        if bytes > most {
            return Ok(Some(bytes));
        }
        if twice <= most {
            return Ok(None);
        }
        let wasm = blobs::read(blobs, &job.module.blob)?;
        let steps = Program::would_have_steps(&wasm, &ModuleLimits::default())
            .map_err(|error| ExecuteError::Module(error.into()))?;
        Ok(steps.then_some(twice))
    }

    pub(crate) fn program(
        &self,
        module: &Blob,
        blobs: &dyn Blobs,
    ) -> Result<(Arc<Program>, bool), ExecuteError> {
        let mut programs = self.programs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, program)) = programs.iter().find(|(digest, _)| *digest == module.content) {
            return Ok((program.clone(), false));
        }
        let program = Arc::new(self.load(&blobs::read(blobs, module)?)?);
        if programs.len() >= PROGRAMS {
            programs.remove(0);
        }
        programs.push((module.content, program.clone()));
        Ok((program, true))
    }
}

/// What the sandbox is to run, with all bytes read and checked.
pub(crate) fn specify(job: &Job, task: u32, blobs: &dyn Blobs) -> Result<TaskSpec, ExecuteError> {
    let mut files = Files::new();
    let refused =
        |path: &str, error: FilesError| ExecuteError::Inputs { path: path.to_owned(), source: error };
    for input in job.task_inputs(task) {
        let bytes = blobs::read(blobs, &input.blob)?;
        files.insert(&input.path, bytes).map_err(|error| refused(&input.path, error))?;
    }
    files.create_dir(&job.out).map_err(|error| refused(&job.out, error))?;
    let stdin = match job.tasks[task as usize].stdin {
        Some(blob) => blobs::read(blobs, &blob)?,
        None => Vec::new(),
    };
    Ok(TaskSpec {
        args: job.argv(task),
        env: job.env.clone(),
        stdin: stdin.into(),
        files,
        seed: job.seed.0,
        task_index: task,
        epoch_ns: job.epoch_ns,
        limits: job.limits.clone(),
        chunk_gas: job.chunk_gas(),
        gpu_class: job.gpu_class,
    })
}

/// The regular files below the output folder, named from there.
pub(crate) fn outputs(files: &Files, out: &str) -> Vec<(String, Bytes)> {
    let below = |(path, bytes): (String, Bytes)| {
        let path = path.strip_prefix(out)?.strip_prefix('/')?.to_owned();
        Some((path, bytes))
    };
    files.regular_files(out).into_iter().filter_map(below).collect()
}

impl Executed {
    /// What a report is to the job.
    pub(crate) fn new(
        report: TaskReport,
        job: &Job,
        (profile, engine): (Profile, EngineInfo),
        compile_time: Duration,
    ) -> Executed {
        let mut executed = Executed {
            outcome: report.outcome,
            gas: report.gas,
            gpu_gas: report.gpu_gas,
            boundaries: report.boundaries,
            stdout: report.stdout,
            stderr: report.stderr,
            files: outputs(&report.files, &job.out),
            profile,
            engine,
            peak_memory_bytes: report.peak_memory_bytes,
            diagnostic: report.diagnostic,
            compile_time,
            run_time: report.run,
        };
        executed.limit_outputs(job);
        executed
    }

    /// A guest can name one file many times: what it leaves by all names counts, as it is all carried away. And the
    /// names must fit into a manifest.
    fn limit_outputs(&mut self, job: &Job) {
        let sizes = self.files.iter().map(|(_, bytes)| bytes.len() as u64);
        let streams = (self.stdout.len() + self.stderr.len()) as u64;
        let names = self.files.iter().map(|(path, _)| path.len() + ENTRY_BYTES).sum::<usize>();
        let longest = self.files.iter().map(|(path, _)| path.len()).max().unwrap_or_default();
        let kind = if sizes.fold(streams, u64::saturating_add) > job.limits.output_bytes {
            LimitKind::OutputBytes
        } else if names > OutputManifest::MAX_BYTES - ENTRY_BYTES || longest >= MAX_PATH_BYTES {
            LimitKind::Files
        } else {
            return;
        };
        self.outcome = Outcome::LimitExceeded { kind };
        self.files.clear();
    }

    /// The manifest of the outputs.
    pub fn manifest(&self) -> OutputManifest {
        let entry =
            |(path, bytes): &(String, Bytes)| OutputEntry { path: path.clone(), blob: Blob::of(bytes) };
        OutputManifest {
            stdout: Blob::of(&self.stdout),
            stderr: Blob::of(&self.stderr),
            files: self.files.iter().map(entry).collect(),
        }
    }

    /// The bytes of an output.
    pub fn output(&self, name: &OutputName) -> Option<&[u8]> {
        match name {
            OutputName::Stdout => Some(&self.stdout),
            OutputName::Stderr => Some(&self.stderr),
            OutputName::File(path) => {
                self.files.iter().find(|(other, _)| other == path).map(|(_, bytes)| &bytes[..])
            }
        }
    }

    /// The result of this run as a task of a job.
    pub fn result(&self, job: Digest, task: u32) -> TaskResult {
        if self.boundaries.is_empty() {
            // The chain of one chunk is in it already; to make it again would take as long as all the rest.
            return self.whole_result(job, task);
        }
        self.result_and_chunks(job, task).0
    }

    /// The result, and the chain of the task's chunks, whose root stands in the result.
    pub fn result_and_chunks(&self, job: Digest, task: u32) -> (TaskResult, ChunkChain) {
        self.whole_result(job, task)
            .with_chunks(&self.boundaries)
            .expect("the sandbox counts forward, and the job's chunks are long enough")
    }

    /// The result as of a task of one chunk.
    fn whole_result(&self, job: Digest, task: u32) -> TaskResult {
        let (outcome, manifest) = (self.outcome.clone(), self.manifest());
        TaskResult::of_whole_task(job, task, outcome, &manifest, self.gas, self.gpu_gas, &self.profile)
    }
}

#[cfg(test)]
mod tests {
    use fizz_attest::Artifact;

    use super::*;

    fn job() -> Job {
        let mut job = Job::new("test", Artifact::of(b""));
        job.limits.output_bytes = 100;
        job
    }

    /// A task that left these files, after the limits.
    fn limited(files: impl IntoIterator<Item = (String, usize)>) -> Executed {
        let mut executed = Executed {
            outcome: Outcome::Completed { exit_code: 0 },
            gas: 1,
            gpu_gas: 0,
            boundaries: Vec::new(),
            stdout: vec![0; 10],
            stderr: Vec::new(),
            files: files.into_iter().map(|(path, size)| (path, vec![0; size].into())).collect(),
            profile: fizz_sandbox::profile(),
            engine: fizz_sandbox::engine_info(),
            peak_memory_bytes: 0,
            diagnostic: None,
            compile_time: Duration::ZERO,
            run_time: Duration::ZERO,
        };
        executed.limit_outputs(&job());
        let (result, _) = executed.result_and_chunks(Digest::default(), 0);
        assert_eq!(executed.result(Digest::default(), 0), result);
        // Whatever stays is fit for a receipt.
        OutputManifest::decode(&executed.manifest().to_canonical()).unwrap();
        executed
    }

    #[test]
    fn outputs_over_a_limit_are_the_guests_doing() {
        let exceeded = |kind| Outcome::LimitExceeded { kind };
        let fits = limited([("a".into(), 45), ("b".into(), 45)]);
        assert_eq!((fits.outcome, fits.files.len()), (Outcome::Completed { exit_code: 0 }, 2));
        let large = limited([("a".into(), 45), ("b".into(), 46)]);
        assert_eq!((large.outcome, large.files.len()), (exceeded(LimitKind::OutputBytes), 0));
        // The longest name with its slash, and one byte more.
        let name = |bytes: usize| "d/".repeat(bytes / 2) + &"x".repeat(bytes % 2);
        let longest = name(MAX_PATH_BYTES - 1);
        assert_eq!(limited([(longest.clone(), 0)]).outcome, Outcome::Completed { exit_code: 0 });
        assert_eq!(limited([(longest + "y", 0)]).outcome, exceeded(LimitKind::Files));
        let many = (0..20_000).map(|index| (format!("{index:01000}"), 0));
        assert_eq!(limited(many).outcome, exceeded(LimitKind::Files));
    }
}
