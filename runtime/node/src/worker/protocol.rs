//! What a node and its workers say to each other.

use std::collections::BTreeSet;

use fizz_attest::{Boundary, EngineInfo, GpuClass, HostFault, Outcome, Profile};
use fizz_exec::Form;
use fizz_wire::frame::{FieldError, Message};
use serde::{Deserialize, Serialize};

/// Bytes of an order at most: a job and paths.
const MAX_ORDER_BYTES: usize = 17 << 20;
/// Bytes of an event at most: the names of all output files.
const MAX_EVENT_BYTES: usize = 64 << 20;

/// Bytes of a reason at most.
const MAX_REASON_BYTES: usize = 16 << 10;

/// Bytes of a path at most.
const MAX_CODE_PATH_BYTES: usize = 16 << 10;

/// What a node tells a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Instruction {
    /// A task to run.
    Order(Box<Order>),
    /// The answer to [`Event::WantsCode`]: where the machine code lies, or why there is none.
    Code(Result<CodeFile, (HostFault, String)>),
}

/// Machine code in a file of the node's cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeFile {
    /// The file, whose first 32 bytes are the cache's own mark.
    pub path: String,
    /// The secret of the mark below. It is made for this file and this worker, which so learns nothing that marks others.
    pub secret: [u8; 32],
    /// The mark of the rest of the file.
    pub mark: [u8; 32],
}

/// One task to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The job's canonical bytes.
    #[serde(with = "serde_bytes")]
    pub job: Vec<u8>,
    /// Index of the task.
    pub task: u32,
    /// The folder of blobs, read only.
    pub blobs: String,
    /// An empty folder for outputs.
    pub outputs: String,
    /// Bytes that linear memory may take at most, with its copy where the module has steps.
    pub max_memory_bytes: u64,
}

/// What a worker tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The worker is up; its first event. Everything under which it computes.
    Ready(Box<Description>),
    /// The guest runs.
    Started,
    /// The module is good, and its machine code is wanted.
    WantsCode {
        /// Which form.
        form: Form,
        /// Whether what was given before is gone or damaged, or is not what the engine takes.
        anew: bool,
    },
    /// Gas used so far.
    Progress(u64),
    /// The guest ended, and its outputs lie in the order's folder.
    Finished(Box<Finished>),
    /// The task cannot be run by anybody: the module or a blob is not what it must be.
    Rejected(String),
    /// The worker failed.
    Fault(HostFault, String),
}

/// Under which profiles a worker computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The profile of tasks that find no GPU.
    pub profile: Profile,
    /// Of tasks of the class `exact` that find a GPU, where there is one.
    pub exact: Option<GpuDescription>,
    /// Of tasks of the class `fast` that find a GPU, where there is one.
    pub fast: Option<GpuDescription>,
    /// What runs guests that find none.
    pub engine: EngineInfo,
}

/// What guests of a class find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuDescription {
    /// The profile of their tasks.
    pub profile: Profile,
    /// What runs them, and on which device.
    pub engine: EngineInfo,
    /// Whether the device is a GPU that a driver has, and not Fizz's own.
    pub hardware: bool,
}

impl Description {
    /// What guests of jobs of this class find.
    pub fn gpu(&self, class: GpuClass) -> Option<&GpuDescription> {
        match class {
            GpuClass::Exact => self.exact.as_ref(),
            GpuClass::Fast => self.fast.as_ref(),
        }
    }

    /// The same without GPUs.
    pub(super) fn without_gpu(&self) -> Description {
        Description { exact: None, fast: None, ..self.clone() }
    }
}

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// How.
    pub outcome: Outcome,
    /// CPU gas.
    pub gas: u64,
    /// GPU gas.
    pub gpu_gas: u64,
    /// Whether the guest could find the node's GPU, which decides the profile.
    pub gpu: bool,
    /// Where the chunks of a task with steps ended, all but the last.
    pub boundaries: Vec<Boundary>,
    /// Standard output, as a file name in the order's folder.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Output files by rising path.
    pub files: Vec<OutputFile>,
}

/// An output of a guest, in a file whose name is the worker's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFile {
    /// Path below the job's output folder.
    pub path: String,
    /// Name in the order's folder.
    pub name: String,
}

impl Event {
    /// A rejection, its reason cut to what may travel.
    pub fn rejected(reason: &str) -> Event {
        Event::Rejected(cut(reason))
    }

    /// A fault, its details cut to what may travel.
    pub fn fault(kind: HostFault, detail: &str) -> Event {
        Event::Fault(kind, cut(detail))
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_REASON_BYTES)].to_owned()
}

impl Message for Instruction {
    const KIND: &'static str = "instruction";
    const MAX_BYTES: usize = MAX_ORDER_BYTES;

    fn check(&self) -> Result<(), FieldError> {
        let long = |field, bytes, limit| {
            let problem = format!("{bytes} bytes are over the limit of {limit}");
            FieldError { message: "instruction", field, problem }
        };
        match self {
            Instruction::Code(Ok(file)) if file.path.len() > MAX_CODE_PATH_BYTES => {
                Err(long("path", file.path.len(), MAX_CODE_PATH_BYTES))
            }
            Instruction::Code(Err((_, reason))) if reason.len() > MAX_REASON_BYTES => {
                Err(long("reason", reason.len(), MAX_REASON_BYTES))
            }
            _ => Ok(()),
        }
    }
}

impl Instruction {
    /// No machine code, and why, cut to what may travel.
    pub(crate) fn no_code(kind: HostFault, detail: &str) -> Instruction {
        Instruction::Code(Err((kind, cut(detail))))
    }
}

impl Message for Event {
    const KIND: &'static str = "event";
    const MAX_BYTES: usize = MAX_EVENT_BYTES;

    fn check(&self) -> Result<(), FieldError> {
        let finished = match self {
            Event::Finished(finished) => finished,
            Event::Rejected(reason) | Event::Fault(_, reason) if reason.len() > MAX_REASON_BYTES => {
                let problem = format!("{} bytes are over the limit of {MAX_REASON_BYTES}", reason.len());
                return Err(FieldError { message: "event", field: "reason", problem });
            }
            _ => return Ok(()),
        };
        let names = finished.files.iter().map(|file| &file.name).chain([&finished.stdout, &finished.stderr]);
        let mut seen = BTreeSet::new();
        // The node opens these below a folder of its own: they must not lead out of it.
        for name in names {
            if !seen.insert(name) {
                let problem = format!("`{}` is there twice", name.escape_default());
                return Err(FieldError { message: "event", field: "name", problem });
            }
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                let problem = format!("`{}` is no plain file name", name.escape_default());
                return Err(FieldError { message: "event", field: "name", problem });
            }
        }
        Ok(())
    }
}
