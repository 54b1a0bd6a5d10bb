//! A module, checked, instrumented and compiled.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use fizz_attest::{Digest, HostFault};
use wasmtime::{InstancePre, Module};

use crate::Engine;
use crate::code::{CodeSource, Form, MachineCode, Wanted};
use crate::host::Host;
use crate::instrument::{
    COSTS, GPU_MODULE, ModuleError, ModuleFacts, ModuleLimits, Variant, WASI_MODULE, examine, rewrite, track,
};
use crate::once::Once;
use crate::state::image_pages;
use crate::task::Fault;
use crate::{gpu, wasi};

/// A module ready to be run any number of times, on any thread. Cheap to clone.
#[derive(Clone)]
pub struct Program {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    /// The original, from which the other forms are made when they are asked for.
    wasm: Arc<[u8]>,
    digest: OnceLock<Digest>,
    facts: ModuleFacts,
    /// Where machine code comes from; none compiles it here.
    source: Option<Arc<dyn CodeSource>>,
    instrumented_bytes: u64,
    image: OnceLock<Range<usize>>,
    fast: InstancePre<Host>,
    exact: Once<InstancePre<Host>>,
    tracked: Once<InstancePre<Host>>,
}

/// A module could not be made into a program.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The module is at fault: the same on every node.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The node is at fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl ProgramError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            ProgramError::Module(error) => error.hint(),
            ProgramError::Fault(_) => "this is a fault of the node: try another one",
        }
    }
}

impl Program {
    /// Checks, instruments and compiles a module.
    ///
    /// # Errors
    /// [`ProgramError::Module`] when the module is not one that Fizz runs, [`ProgramError::Fault`] when it is but the
    /// node could not compile it.
    pub fn compile(engine: &Engine, wasm: &[u8], limits: &ModuleLimits) -> Result<Program, ProgramError> {
        Program::new(engine, wasm, limits, None)
    }

    /// Checks a module, and takes its machine code from elsewhere.
    ///
    /// # Errors
    /// As [`compile`](Program::compile), and whatever the source says.
    pub fn load(
        engine: &Engine,
        wasm: &[u8],
        limits: &ModuleLimits,
        source: Arc<dyn CodeSource>,
    ) -> Result<Program, ProgramError> {
        Program::new(engine, wasm, limits, Some(source))
    }

    /// Compiles one form of a module into machine code that can be kept.
    ///
    /// # Errors
    /// As [`compile`](Program::compile).
    pub fn precompile(
        engine: &Engine,
        wasm: &[u8],
        limits: &ModuleLimits,
        form: Form,
    ) -> Result<MachineCode, ProgramError> {
        let facts = checked(wasm, limits)?;
        let instrumented = instrument(wasm, &facts, form)?;
        drop(facts);
        let (compiler, _) = engine.of_form(form)?;
        let code = compiler.precompile_module(&instrumented).map_err(|error| fault(&error))?;
        Ok(MachineCode::compiled(code, instrumented.len()))
    }

    fn new(
        engine: &Engine,
        wasm: &[u8],
        limits: &ModuleLimits,
        source: Option<Arc<dyn CodeSource>>,
    ) -> Result<Program, ProgramError> {
        let facts = checked(wasm, limits)?;
        let (module, instrumented_bytes) = module(engine, wasm, &facts, source.as_deref(), Form::Fast)?;
        let fast = link(engine, &module)?;
        Ok(Program {
            shared: Arc::new(Shared {
                engine: engine.clone(),
                wasm: wasm.into(),
                digest: OnceLock::new(),
                facts,
                source,
                instrumented_bytes,
                image: OnceLock::new(),
                fast,
                exact: Once::default(),
                tracked: Once::default(),
            }),
        })
    }

    /// Whether the module imports `fizz_gpu`.
    pub fn imports_gpu(&self) -> bool {
        self.shared.facts.imports_gpu
    }

    /// Whether the module runs in steps: whether it exports `fizz_step`.
    pub fn has_steps(&self) -> bool {
        self.shared.facts.steps.is_some()
    }

    /// BLAKE3 of the original module.
    pub fn digest(&self) -> Digest {
        *self.shared.digest.get_or_init(|| Digest::of_content(&self.shared.wasm))
    }

    /// Checks a module without compiling it, and says whether it runs in steps.
    ///
    /// # Errors
    /// [`ModuleError`] when the module is not one that Fizz runs.
    pub fn would_have_steps(wasm: &[u8], limits: &ModuleLimits) -> Result<bool, ModuleError> {
        Ok(checked(wasm, limits)?.steps.is_some())
    }

    /// Bytes of the original module.
    pub fn wasm_bytes(&self) -> usize {
        self.shared.wasm.len()
    }

    /// Bytes of the module once it counts gas and stack, in the form that is run first.
    pub fn instrumented_bytes(&self) -> u64 {
        self.shared.instrumented_bytes
    }

    /// How much of each of the [`ModuleLimits`] the module uses.
    pub fn limits_used(&self) -> &ModuleLimits {
        &self.shared.facts.used
    }

    /// Bytes of machine code.
    pub fn code_bytes(&self) -> usize {
        self.shared.fast.module().text().len()
    }

    /// Bytes of linear memory that the module starts with.
    pub fn initial_memory_bytes(&self) -> u64 {
        self.facts().memory.0 << 16
    }

    /// Gas that every run of the module costs before its first instruction.
    pub fn start_gas(&self) -> u64 {
        let facts = self.facts();
        facts.memory.0 * u64::from(COSTS.page)
            + facts.table_elements * u64::from(COSTS.table_element)
            + facts.initial_bytes * u64::from(COSTS.bulk_byte)
    }

    /// The pages of linear memory that instantiation may fill.
    pub(crate) fn image_pages(&self) -> Range<usize> {
        self.shared.image.get_or_init(|| image_pages(&self.shared.wasm)).clone()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn facts(&self) -> &ModuleFacts {
        &self.shared.facts
    }

    /// The instantiable form. All but the first are compiled when they are first asked for.
    pub(crate) fn instance_pre(&self, variant: Variant) -> Result<&InstancePre<Host>, Fault> {
        match variant {
            Variant::Fast => Ok(&self.shared.fast),
            Variant::WriteThrough => self.shared.exact.get_or_try(|| self.linked(Form::Exact)),
            Variant::Tracked => self.shared.tracked.get_or_try(|| self.linked(Form::Tracked)),
        }
    }

    fn linked(&self, form: Form) -> Result<InstancePre<Host>, Fault> {
        let Shared { engine, wasm, facts, source, .. } = &*self.shared;
        let (module, _) =
            module(engine, wasm, facts, source.as_deref(), form).map_err(|error| match error {
                ProgramError::Fault(fault) => fault,
                // Its first form has been compiled.
                ProgramError::Module(error) => internal(error.to_string()),
            })?;
        let (_, linker) = engine.of_form(form)?;
        linker.instantiate_pre(&module).map_err(|error| fault(&error))
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("wasm_bytes", &self.wasm_bytes())
            .field("code_bytes", &self.code_bytes())
            .field("imports_gpu", &self.imports_gpu())
            .finish()
    }
}

fn internal(detail: String) -> Fault {
    Fault { kind: HostFault::Internal, detail }
}

fn fault(error: &wasmtime::Error) -> Fault {
    Fault { kind: HostFault::Compile, detail: format!("{error:#}") }
}

/// Validates a module and collects its facts.
fn checked(wasm: &[u8], limits: &ModuleLimits) -> Result<ModuleFacts, ModuleError> {
    examine(wasm, limits, |module, name| match module {
        WASI_MODULE => wasi::is_served(name),
        GPU_MODULE => gpu::is_served(name),
        _ => false,
    })
}

/// The module of a form, compiled here or taken from a source, and how large it was before it was compiled.
fn module(
    engine: &Engine,
    wasm: &[u8],
    facts: &ModuleFacts,
    source: Option<&dyn CodeSource>,
    form: Form,
) -> Result<(Module, u64), ProgramError> {
    let (loader, _) = engine.of_form(form)?;
    let Some(source) = source else {
        let instrumented = instrument(wasm, facts, form)?;
        let module = Module::new(loader, &instrumented).map_err(|error| fault(&error))?;
        return Ok((module, instrumented.len() as u64));
    };
    let wanted = |anew| Wanted { engine, wasm, form, anew };
    match source.code(&wanted(false))?.load(loader) {
        Ok(loaded) => Ok(loaded),
        // It was kept by somebody else than this engine takes it for, whatever its key says.
        Err(_) => Ok(source.code(&wanted(true))?.load(loader).map_err(|error| fault(&error))?),
    }
}

fn instrument(wasm: &[u8], facts: &ModuleFacts, form: Form) -> Result<Vec<u8>, Fault> {
    let failed = |detail| internal(format!("instrumentation: {detail}"));
    match form {
        Form::Fast => rewrite(wasm, facts, Variant::Fast).map_err(failed),
        Form::Exact => rewrite(wasm, facts, Variant::WriteThrough).map_err(failed),
        Form::Tracked => {
            let instrumented = rewrite(wasm, facts, Variant::Tracked).map_err(failed)?;
            track(&instrumented, facts).map_err(failed)
        }
    }
}

/// Every import is known by name here, so only a type can be wrong.
fn link(engine: &Engine, module: &Module) -> Result<InstancePre<Host>, ProgramError> {
    let (_, linker) = engine.of_form(Form::Fast)?;
    linker.instantiate_pre(module).map_err(|error| {
        let text = error.to_string();
        let wrong = module.imports().find(|import| {
            text.starts_with("incompatible import type")
                && text.contains(&format!("`{}::{}`", import.module(), import.name()))
        });
        match wrong {
            Some(import) => {
                ModuleError::ImportType { module: import.module().to_owned(), name: import.name().to_owned() }
                    .into()
            }
            None => ProgramError::Fault(fault(&error)),
        }
    })
}
