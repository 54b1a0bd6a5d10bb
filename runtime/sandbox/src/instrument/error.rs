//! Why a module is refused, and what to do about it.

/// Why a module cannot be run. It is the requester's fault and the same on every node.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The bytes are a component.
    #[error("this is a component, not a core module")]
    Component,
    /// The bytes are not a WebAssembly binary at all.
    #[error("this is not a WebAssembly module: it does not start with the magic bytes `\\0asm`")]
    NotWasm,
    /// The module ends too early or is malformed.
    #[error("the module is not valid: {message} (at byte {offset:#x})")]
    Malformed {
        /// What the validator says.
        message: String,
        /// Where.
        offset: usize,
    },
    /// The module needs proposals that Fizz refuses.
    #[error("the module uses WebAssembly proposals that Fizz does not run: {}", .0.join(", "))]
    Proposals(Vec<&'static str>),
    /// The module imports something else than functions.
    #[error("the module imports the {kind} `{module}.{name}`; only functions can be imported")]
    ImportKind {
        /// Memory, table, global or tag.
        kind: &'static str,
        /// Module name of the import.
        module: String,
        /// Name of the import.
        name: String,
    },
    /// The module imports a function that Fizz does not serve.
    #[error("the module imports `{module}.{name}`, which Fizz does not serve")]
    UnknownImport {
        /// Module name of the import.
        module: String,
        /// Name of the import.
        name: String,
    },
    /// The module imports a known function with another type.
    #[error("the module imports `{module}.{name}` with another type than Fizz serves")]
    ImportType {
        /// Module name of the import.
        module: String,
        /// Name of the import.
        name: String,
    },
    /// The module exports a name that belongs to the instrumentation.
    #[error("the module exports `{0}`; names that start with `fizz:` are reserved")]
    ReservedExport(String),
    /// There is no `memory` export.
    #[error("the module does not export its memory under the name `memory`")]
    NoMemory,
    /// There is `_initialize`, but neither `_start` nor `fizz_step`.
    #[error(
        "the module exports `_initialize`, but neither `_start` nor `fizz_step`: nothing in it can be run"
    )]
    Reactor,
    /// A step module exports one of its functions with another type.
    #[error("the module exports `{name}`, but not as a function {ty}")]
    StepType {
        /// Name of the export.
        name: &'static str,
        /// The type it must have.
        ty: &'static str,
    },
    /// A step module uses an operator that changes what cannot be saved between steps.
    #[error(
        "the module exports `fizz_step` and uses `{operator}` in function {function}: changed tables and dropped \
         segments cannot be saved between steps"
    )]
    StepOperator {
        /// The operator.
        operator: &'static str,
        /// Index of the function, imports included.
        function: u32,
    },
    /// A step module has a mutable global that cannot be saved.
    #[error(
        "the module exports `fizz_step` and its global {0} is a mutable reference, which cannot be saved between steps"
    )]
    StepGlobal(u32),
    /// A step module imports the GPU.
    #[error(
        "the module exports `fizz_step` and imports `fizz_gpu`: what lies on a GPU cannot be saved between steps"
    )]
    StepGpu,
    /// There is no `_start`.
    #[error("the module exports no function `_start` without parameters and results")]
    NoStart,
    /// Exceptions could be kept where their number has no bound.
    #[error(
        "the module has {0}; an exception may be held only by locals, and carry only numbers and vectors"
    )]
    HeldException(&'static str),
    /// A bound of [`ModuleLimits`] is passed.
    #[error("the module has {found} {what}; at most {limit} are allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much may be.
        limit: u64,
    },
}

impl ModuleError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            ModuleError::Component => {
                "build for the target wasm32-wasip1, or take the core module out of the component"
            }
            ModuleError::NotWasm => "give a .wasm file; text modules must be assembled first",
            ModuleError::Malformed { .. } => "the file may be cut short or damaged: build or copy it again",
            ModuleError::Proposals(_) => "turn these features off in the compiler and build again",
            ModuleError::ImportKind { .. } => "let the module define and export its own memory and tables",
            ModuleError::UnknownImport { .. } | ModuleError::ImportType { .. } => {
                "a module may import wasi_snapshot_preview1 and fizz_gpu: build for the target wasm32-wasip1"
            }
            ModuleError::ReservedExport(_) => "rename the export; a module must not be instrumented twice",
            ModuleError::NoMemory => "link with --export-memory (the default of wasm32-wasip1)",
            ModuleError::Reactor | ModuleError::NoStart => {
                "build a command: a Rust binary with `fn main`, not a library"
            }
            ModuleError::HeldException(_) => {
                "keep what an exception carries in linear memory, as C++ and Rust do, and throw its address"
            }
            ModuleError::StepType { .. } => {
                "export `int fizz_step(void)`; in Rust, `fizz_sdk::steps!` writes the export"
            }
            ModuleError::StepOperator { .. } | ModuleError::StepGlobal(_) => {
                "keep such state in linear memory, or leave `fizz_step` out: the task is then one chunk"
            }
            ModuleError::StepGpu => "leave `fizz_step` out: the task is then one chunk",
            ModuleError::TooLarge { .. } => {
                "make the module smaller: optimise for size, strip what is not used"
            }
        }
    }

    fn malformed(error: &wasmparser::BinaryReaderError) -> Self {
        ModuleError::Malformed { message: error.message().to_owned(), offset: error.offset() }
    }
}

impl From<wasmparser::BinaryReaderError> for ModuleError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        ModuleError::malformed(&error)
    }
}
