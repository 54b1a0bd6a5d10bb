//! Jobs: what a requester wants done.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::canonical::{Canonical, CanonicalError};
use crate::chunk::{DEFAULT_CHUNK_GAS, MAX_CHUNKS, MIN_CHUNK_GAS};
use crate::digest::{Digest, Domain};
use crate::limits::Limits;
use crate::list::at_most;

/// Tasks of one job at most.
pub const MAX_TASKS: usize = 65_536;
/// Arguments and environment variables of one task at most.
pub const MAX_ARGS: usize = 4_096;
/// Bytes of arguments and environment of one task at most.
pub const MAX_ARG_BYTES: usize = 256 << 10;
/// Bytes of a path in the guest at most.
pub const MAX_PATH_BYTES: usize = 4_096;

/// What a guest's wall clock shows at its start unless the job says otherwise: 2026-01-01, in nanoseconds.
pub const DEFAULT_EPOCH_NS: u64 = 1_767_225_600_000_000_000;

/// A module, its arguments, inputs and limits, cut into 1..n tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Format version, 1.
    pub v: u32,
    /// The program's name: what the guest sees as its argument 0.
    pub name: String,
    /// The module that every task runs.
    pub module: Artifact,
    /// Arguments of every task, before the task's own.
    #[serde(deserialize_with = "at_most::<_, _, MAX_ARGS>")]
    pub args: Vec<String>,
    /// Environment of every task.
    #[serde(deserialize_with = "at_most::<_, _, MAX_ARGS>")]
    pub env: Vec<(String, String)>,
    /// Files that every task finds in its file system.
    pub inputs: Vec<InputFile>,
    /// The guest folder whose files are the outputs, absolute.
    pub out: String,
    /// Whether tasks may use a GPU, and how.
    pub gpu: GpuUse,
    /// How the GPU computes.
    pub gpu_class: GpuClass,
    /// What the guest's random bytes are derived from.
    pub seed: Digest,
    /// What the guest's wall clock shows at its start, in nanoseconds since 1970.
    pub epoch_ns: u64,
    /// Limits of each task.
    pub limits: Limits,
    /// CPU gas after which a chunk of a task with steps ends, at the next step; see [`Job::chunk_gas`].
    pub chunk_gas: u64,
    /// The tasks, at least one.
    #[serde(deserialize_with = "at_most::<_, _, MAX_TASKS>")]
    pub tasks: Vec<Task>,
    /// Random bytes that keep digests of equal jobs apart; also hides what is guessed easily.
    pub salt: Digest,
}

/// One run of the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Arguments after the job's.
    #[serde(deserialize_with = "at_most::<_, _, MAX_ARGS>")]
    pub args: Vec<String>,
    /// Content and size of standard input; none is empty.
    pub stdin: Option<Blob>,
    /// Files of this task alone.
    pub inputs: Vec<InputFile>,
}

/// Bytes, named by their plain BLAKE3 hash, which is the root of their Bao tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// BLAKE3 of the bytes.
    pub content: Digest,
    /// How many bytes.
    pub size: u64,
}

impl Blob {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Blob {
        Blob { content: Digest::of_content(bytes), size: bytes.len() as u64 }
    }
}

/// A module, with the digest that other tools know beside ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// BLAKE3 and size.
    pub blob: Blob,
    /// SHA-256 of the same bytes.
    #[serde(with = "serde_bytes")]
    pub sha256: [u8; 32],
}

impl Artifact {
    /// The artifact of these bytes.
    pub fn of(bytes: &[u8]) -> Artifact {
        Artifact { blob: Blob::of(bytes), sha256: Sha256::digest(bytes).into() }
    }
}

/// A file the guest finds at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// Absolute path in the guest.
    pub path: String,
    /// Its bytes.
    pub blob: Blob,
}

/// Whether tasks may use a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuUse {
    /// Guests find no GPU.
    Off,
    /// Guests find what the node has: a GPU, or the processor as Fizz has it play one.
    Auto,
    /// Only nodes with a GPU that a driver has may take the job.
    Hardware,
}

/// How a job's GPU computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuClass {
    /// Equal bits on every device, so that results compare across devices.
    #[default]
    Exact,
    /// Native speed: results compare only on one adapter and driver.
    Fast,
}

impl GpuClass {
    /// Its name, as in a profile.
    pub fn name(self) -> &'static str {
        match self {
            GpuClass::Exact => "exact",
            GpuClass::Fast => "fast",
        }
    }
}

/// A job that is well encoded but cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JobError {
    /// Not a canonical job.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// Another format version.
    #[error("job format version {0} is not known, only 1 is")]
    Version(u32),
    /// No tasks, or too many.
    #[error("a job has 1 to {MAX_TASKS} tasks, this one has {0}")]
    TaskCount(usize),
    /// Chunks without work.
    #[error("`chunk_gas` must be at least 1")]
    ChunkGas,
    /// Too many or too long arguments or variables.
    #[error("task {task}: arguments and environment have {what}, over the limit of {limit}")]
    Arguments {
        /// Which task.
        task: usize,
        /// What there is too much of.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// A zero byte in an argument, or a malformed variable.
    #[error("{0:?} cannot be an argument, variable or name")]
    Text(String),
    /// A path that is not plain and absolute.
    #[error("`{path}` cannot be a guest path: {reason}")]
    Path {
        /// The path.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// Two inputs at one path, or one below another's file.
    #[error("two inputs claim the path `{0}`")]
    DuplicatePath(String),
}

impl Job {
    /// A job of one task: no arguments, no inputs, no GPU, default limits, outputs in `/out`, a zero seed and salt,
    /// and a wall clock that starts at 2026-01-01.
    pub fn new(name: impl Into<String>, module: Artifact) -> Job {
        Job {
            v: 1,
            name: name.into(),
            module,
            args: Vec::new(),
            env: Vec::new(),
            inputs: Vec::new(),
            out: "/out".into(),
            gpu: GpuUse::Off,
            gpu_class: GpuClass::default(),
            seed: Digest::default(),
            epoch_ns: DEFAULT_EPOCH_NS,
            limits: Limits::default(),
            chunk_gas: DEFAULT_CHUNK_GAS,
            tasks: vec![Task::default()],
            salt: Digest::default(),
        }
    }

    /// The digest that leases, results and receipts name.
    pub fn digest(&self) -> Digest {
        Digest::of(Domain::Job, &self.to_canonical())
    }

    /// Decodes a job and checks that it can be.
    pub fn decode(bytes: &[u8]) -> Result<Job, JobError> {
        let job = Job::from_canonical(bytes)?;
        job.check()?;
        Ok(job)
    }

    /// Checks what the encoding cannot express: versions, counts, paths.
    pub fn check(&self) -> Result<(), JobError> {
        if self.v != 1 {
            return Err(JobError::Version(self.v));
        }
        if self.tasks.is_empty() || self.tasks.len() > MAX_TASKS {
            return Err(JobError::TaskCount(self.tasks.len()));
        }
        if self.chunk_gas == 0 {
            return Err(JobError::ChunkGas);
        }
        check_path(&self.out)?;
        check_text(&self.name)?;
        for (name, value) in &self.env {
            if name.is_empty() || name.contains('=') {
                return Err(JobError::Text(clip(name)));
            }
            check_text(name)?;
            check_text(value)?;
        }
        let shared = check_inputs(&self.inputs, &BTreeSet::new())?;
        for (index, task) in self.tasks.iter().enumerate() {
            self.check_arguments(index, task)?;
            check_inputs(&task.inputs, &shared)?;
        }
        Ok(())
    }

    fn check_arguments(&self, index: usize, task: &Task) -> Result<(), JobError> {
        let count = 1 + self.args.len() + task.args.len() + self.env.len();
        let over = |what: String, limit| Err(JobError::Arguments { task: index, what, limit });
        if count > MAX_ARGS {
            return over(format!("{count} entries"), MAX_ARGS);
        }
        let args = self.args.iter().chain(&task.args);
        let bytes = self.name.len()
            + args.clone().map(String::len).sum::<usize>()
            + self.env.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
        if bytes > MAX_ARG_BYTES {
            return over(format!("{bytes} bytes"), MAX_ARG_BYTES);
        }
        args.map(String::as_str).try_for_each(check_text)
    }

    /// The gas after which a chunk ends: what the job says, but at least [`MIN_CHUNK_GAS`], and so much that no task
    /// has more than [`MAX_CHUNKS`].
    pub fn chunk_gas(&self) -> u64 {
        self.chunk_gas.max(MIN_CHUNK_GAS).max(self.limits.gas / MAX_CHUNKS as u64 + 1)
    }

    /// What the guest of a task sees as its arguments, the program's name first.
    pub fn argv(&self, task: u32) -> Vec<String> {
        let own = self.tasks.get(task as usize).map(|task| task.args.as_slice()).unwrap_or_default();
        std::iter::once(&self.name).chain(&self.args).chain(own).cloned().collect()
    }

    /// The files of a task, the job's first.
    pub fn task_inputs(&self, task: u32) -> impl Iterator<Item = &InputFile> {
        let own = self.tasks.get(task as usize).map(|task| task.inputs.as_slice()).unwrap_or_default();
        self.inputs.iter().chain(own)
    }

    /// Every blob that the given tasks need, each once, the module first.
    pub fn blobs<'a>(&'a self, tasks: impl IntoIterator<Item = u32> + 'a) -> Vec<Blob> {
        let mut seen = BTreeSet::new();
        let mut blobs = Vec::new();
        let mut add = |blob: Blob| {
            if seen.insert(blob) {
                blobs.push(blob);
            }
        };
        add(self.module.blob);
        for task in tasks {
            self.task_inputs(task).for_each(|input| add(input.blob));
            if let Some(stdin) = self.tasks.get(task as usize).and_then(|task| task.stdin) {
                add(stdin);
            }
        }
        blobs
    }
}

impl Canonical for Job {
    const TYPE: &'static str = "job";
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

fn check_text(text: &str) -> Result<(), JobError> {
    if text.contains('\0') { Err(JobError::Text(clip(text))) } else { Ok(()) }
}

/// Checks that a guest path is absolute and plain: no empty, `.` or `..` parts, no zero byte.
pub fn check_path(path: &str) -> Result<(), JobError> {
    let refuse = |reason| Err(JobError::Path { path: clip(path), reason });
    if path.len() > MAX_PATH_BYTES {
        return refuse("it is too long");
    }
    let Some(rest) = path.strip_prefix('/') else {
        return refuse("it is not absolute");
    };
    if path.contains('\0') {
        return refuse("it holds a zero byte");
    }
    if rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse("it has an empty, `.` or `..` part");
    }
    Ok(())
}

/// Adds the inputs' paths to those taken (`own`, beside the read-only `shared`), refusing any that is taken or that
/// would be both a file and a folder.
fn check_inputs(inputs: &[InputFile], shared: &BTreeSet<String>) -> Result<BTreeSet<String>, JobError> {
    let mut own = BTreeSet::new();
    for InputFile { path, .. } in inputs {
        check_path(path)?;
        if [shared, &own].into_iter().any(|taken| claims(taken, path)) {
            return Err(JobError::DuplicatePath(path.clone()));
        }
        own.insert(path.clone());
    }
    Ok(own)
}

/// Whether `path`, a folder above it or a file below it is among the taken paths.
fn claims(taken: &BTreeSet<String>, path: &str) -> bool {
    let folder = format!("{path}/");
    taken.range(folder.clone()..).next().is_some_and(|next| next.starts_with(&folder))
        || path.match_indices('/').skip(1).any(|(at, _)| taken.contains(&path[..at]))
        || taken.contains(path)
}
