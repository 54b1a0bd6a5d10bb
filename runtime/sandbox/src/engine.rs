//! The wasmtime engine, with every proposal and every setting that could matter set by hand.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use fizz_attest::{Digest, EngineInfo, HostFault, Profile};
use wasmtime::{Collector, Config, Inlining, Linker, OptLevel, Strategy};

use crate::code::Form;
use crate::features::{ALLOWED, REFUSED, allowed_names};
use crate::host::Host;
use crate::instrument::{COSTS, INSTRUMENTATION_VERSION};
use crate::once::Once;
use crate::stack::{Stacks, WASM_STACK};
use crate::task::Fault;
use crate::{gpu, lend, wasi};

/// Version of wasmtime that is linked in. A test compares it with the lock file.
pub(crate) const WASMTIME_VERSION: &str = "48.0.8";

/// The interpreter's target on machines like this one.
const PULLEY: &str = if cfg!(target_endian = "big") { "pulley64be" } else { "pulley64" };

/// Compiles and runs modules. Cheap to clone; one per process is enough.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    settings: EngineSettings,
    engine: wasmtime::Engine,
    linker: Linker<Host>,
    stacks: Stacks,
    /// Made when a chunk is first run from a part of its memory: it knows modules with a second memory.
    tracking: Once<(wasmtime::Engine, Linker<Host>)>,
}

/// How the engine turns modules into code. Nothing here changes a bit of any result: equal modules and tasks give equal
/// outcomes, outputs and gas under every setting, which is what makes one setting a second opinion on another.
///
/// ```
/// use fizz_sandbox::{Backend, Engine, EngineSettings};
///
/// let interpreter = EngineSettings { backend: Backend::Interpreter, ..EngineSettings::default() };
/// let engine = Engine::with_settings(interpreter)?;
/// # Ok::<(), fizz_sandbox::EngineError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// What the code is for.
    pub backend: Backend,
    /// How much work goes into making it fast.
    pub optimization: Optimization,
    /// Whether the functions of one module are compiled on as many threads as there are processors.
    pub parallel_compilation: bool,
}

/// What compiled code runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// This machine's processor.
    #[default]
    Native,
    /// The engine's portable interpreter of byte code (Pulley), many times slower. It shares the compiler's front and
    /// middle with [`Native`](Self::Native), and none of what comes after: instruction selection, the processor.
    Interpreter,
}

/// How hard the compiler tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Optimization {
    /// As little as there is: the shortest way to code, which is larger and slower.
    None,
    /// Fast code.
    #[default]
    Speed,
}

impl Default for EngineSettings {
    /// What nodes run: native code, optimised, compiled on all processors.
    fn default() -> Self {
        EngineSettings {
            backend: Backend::default(),
            optimization: Optimization::default(),
            parallel_compilation: true,
        }
    }
}

impl EngineSettings {
    fn apply(self, config: &mut Config) -> wasmtime::Result<()> {
        if self.backend == Backend::Interpreter {
            config.target(PULLEY)?;
        }
        config.cranelift_opt_level(match self.optimization {
            Optimization::None => OptLevel::None,
            Optimization::Speed => OptLevel::Speed,
        });
        config.parallel_compilation(self.parallel_compilation);
        Ok(())
    }
}

/// The engine could not be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the WebAssembly engine: {0}")]
pub struct EngineError(String);

impl Engine {
    /// Sets the engine up with the default settings.
    ///
    /// # Errors
    /// When this machine cannot run it: an unsupported processor, or no memory for its tables.
    pub fn new() -> Result<Engine, EngineError> {
        Engine::with_settings(EngineSettings::default())
    }

    /// Sets the engine up.
    ///
    /// # Errors
    /// When this machine cannot run it: an unsupported processor, or no memory for its tables.
    pub fn with_settings(settings: EngineSettings) -> Result<Engine, EngineError> {
        let mut config = config();
        settings.apply(&mut config).map_err(|error| EngineError(format!("{error:#}")))?;
        Engine::of(&config, settings)
    }

    /// An engine like ours that makes every NaN canonical itself: the oracle for ours, which must show the same bits.
    pub(crate) fn canonical() -> Result<Engine, EngineError> {
        let mut config = config();
        config.cranelift_nan_canonicalization(true);
        Engine::of(&config, EngineSettings::default())
    }

    fn of(config: &Config, settings: EngineSettings) -> Result<Engine, EngineError> {
        let failed = |error: wasmtime::Error| EngineError(format!("{error:#}"));
        let engine = wasmtime::Engine::new(config).map_err(failed)?;
        let linker = linker(&engine).map_err(failed)?;
        let (stacks, tracking) = (Stacks::default(), Once::default());
        Ok(Engine { shared: Arc::new(Shared { settings, engine, linker, stacks, tracking }) })
    }

    /// How it was set up.
    pub fn settings(&self) -> EngineSettings {
        self.shared.settings
    }

    /// What compiles and links a form: for the tracked one, whose modules have a second memory, an engine of its own.
    pub(crate) fn of_form(&self, form: Form) -> Result<(&wasmtime::Engine, &Linker<Host>), Fault> {
        let Shared { settings, engine, linker: linked, tracking, .. } = &*self.shared;
        if form != Form::Tracked {
            return Ok((engine, linked));
        }
        let made = tracking.get_or_try(|| {
            let mut config = config();
            config.wasm_multi_memory(true);
            let engine = settings.apply(&mut config).and_then(|()| wasmtime::Engine::new(&config))?;
            let linker = linker(&engine)?;
            Ok((engine, linker))
        });
        let (engine, linker) = made.map_err(|error: wasmtime::Error| Fault {
            kind: HostFault::Internal,
            detail: error.to_string(),
        })?;
        Ok((engine, linker))
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.shared.engine
    }

    pub(crate) fn stacks(&self) -> &Stacks {
        &self.shared.stacks
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine(wasmtime {WASMTIME_VERSION})")
    }
}

/// What defines a CPU result's bits here. The GPU's part is added by who runs the GPU.
pub fn profile() -> Profile {
    // Every task asks for it.
    static COST_TABLE: LazyLock<Digest> = LazyLock::new(|| COSTS.digest());
    Profile {
        instrumentation: INSTRUMENTATION_VERSION,
        cost_table: *COST_TABLE,
        wasi: wasi::WASI_VERSION,
        state: crate::state::STATE_VERSION,
        proposals: allowed_names(),
        gpu: None,
    }
}

/// What runs the guest here, to be recorded beside a result.
pub fn engine_info() -> EngineInfo {
    EngineInfo {
        device: None,
        engine: format!("wasmtime {WASMTIME_VERSION}"),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        fizz: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Everything that guests import.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    gpu::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// Proposals are turned on by default from one version of the engine to the next, so each is set, on or off.
fn config() -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift);
    config.cranelift_opt_level(OptLevel::Speed);
    config.compiler_inlining(Inlining::No);
    config.parallel_compilation(true);
    config.collector(Collector::DeferredReferenceCounting);

    // Ours are injected into the module; the engine's depend on its version and are slower.
    config.consume_fuel(false);
    config.epoch_interruption(false);
    config.cranelift_nan_canonicalization(false);

    // Memory never moves and is reserved whole, so that growth is a change of protection and no copy.
    config.memory_may_move(false);
    config.memory_reservation(lend::RESERVATION);
    config.memory_guard_size(32 << 20);
    config.memory_init_cow(true);
    config.max_wasm_stack(WASM_STACK);
    // Not used, but the engine wants it to be no smaller.
    config.async_stack_size(WASM_STACK);

    // For the operator's log only; a host call that ends a guest would pay for more frames.
    config.wasm_backtrace_max_frames(NonZeroUsize::new(16));
    // The instrumentation says which way its branches go nearly always.
    config.wasm_branch_hinting(true);
    config.native_unwind_info(false);
    config.generate_address_map(false);

    for proposal in REFUSED {
        config.wasm_features(proposal.flag, false);
    }
    for proposal in ALLOWED {
        config.wasm_features(proposal.flag, true);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_version_is_the_one_in_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"")));
    }

    #[test]
    fn the_engine_itself_refuses_what_the_validator_refuses() {
        let engine = Engine::new().unwrap();
        for (name, text) in [
            ("threads", "(memory 1 1 shared)"),
            ("memory64", "(memory i64 1)"),
            ("multi-memory", "(memory 1) (memory 1)"),
            ("custom-page-sizes", "(memory 1 (pagesize 1))"),
            ("relaxed-simd", "(func (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))"),
            ("garbage-collection", "(type (struct (field i32)))"),
            ("function-references", "(type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))"),
            (
                "wide-arithmetic",
                "(func (param i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 0)))",
            ),
            ("stack-switching", "(type $f (func)) (type $c (cont $f))"),
            ("legacy-exceptions", "(func try catch_all end)"),
        ] {
            let wasm = wat::parse_str(format!("(module {text})")).unwrap();
            assert!(wasmtime::Module::new(engine.wasmtime(), &wasm).is_err(), "{name} is accepted");
        }
        let wasm = wat::parse_str("(component)").unwrap();
        assert!(wasmtime::Module::new(engine.wasmtime(), &wasm).is_err());
    }

    #[test]
    fn the_engine_runs_what_the_profile_names() {
        let engine = Engine::new().unwrap();
        for text in [
            "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))",
            "(tag $e) (func (throw $e))",
            "(memory 1) (global i32 (i32.const 7)) (data (offset (i32.add (i32.const 1) (i32.const 2))) \"x\")",
            "(func (result i32 i32) (i32.const 1) (i32.const 2))",
            "(global (export \"g\") (mut i32) (i32.const 0))",
            "(table 1 externref)",
            "(func (param f32) (result i32) (i32.trunc_sat_f32_s (local.get 0)))",
            "(func (param i32) (result i32) (i32.extend8_s (local.get 0)))",
            "(func (param v128) (result v128) (i32x4.neg (local.get 0)))",
            "(func $f (return_call $f))",
        ] {
            let wasm = wat::parse_str(format!("(module {text})")).unwrap();
            wasmtime::Module::new(engine.wasmtime(), &wasm)
                .unwrap_or_else(|error| panic!("{text}: {error:#}"));
        }
        assert_eq!(profile().proposals.split(',').count(), 10);
    }
}
