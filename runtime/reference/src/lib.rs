//! Runs the reference GPU's programs in wasmtime.
//!
//! An engine of its own, apart from the guests': programs are made by Fizz's compiler, never by a stranger, share one memory and run on many
//! threads. What a guest's module may do is settled elsewhere and stays without threads.
//!
//! A program gets at its machine's memory and nothing else. That wall is wasmtime's; the compiler's own checks keep a shader to its
//! bindings within it.

use fizz_reference::{Engine, EngineError, Instance, Kernel, Machine, Watch, Work};
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::{
    Config, ExternType, InstancePre, Linker, MemoryType, Module, OptLevel, RegallocAlgorithm, SharedMemory,
    Store, Strategy, TypedFunc,
};

/// Bytes of a page.
const PAGE: u64 = 65536;
/// Pages of a memory at most.
const PAGES: u32 = 65536;
/// Bytes of stack that a program may use; the threads of the device have twice as much. The frames of all functions that can be under way are bounded by the program's
/// code: each value takes 4 bytes of code or more and 16 bytes of stack, if none shares its place with another, and [`fizz_reference::MAX_CODE`] is 3 MiB, once for
/// the program and once for the functions that it calls.
const STACK: usize = fizz_reference::THREAD_STACK / 2;
/// Bytes of a program that is compiled with all care, four times those of the largest kernel known. The compiler's best takes time that grows with the square of the
/// code, a minute at the limit; larger programs are compiled in a straight way, which takes a second for each MiB. What they compute is the same.
const CAREFUL: usize = 96 << 10;

type Arguments = (u32, u32, u32, u32, u32, u32);

/// Makes machines.
#[derive(Clone)]
pub struct Wasmtime {
    engine: wasmtime::Engine,
    /// Compiles what is large. Nothing runs in it.
    straight: wasmtime::Engine,
}

impl fmt::Debug for Wasmtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wasmtime")
    }
}

impl Wasmtime {
    /// An engine for this machine's processors.
    ///
    /// # Errors
    /// When wasmtime does not know them.
    pub fn new() -> Result<Wasmtime, EngineError> {
        let engine = wasmtime::Engine::new(&config()).map_err(invalid)?;
        let mut straight = config();
        straight.cranelift_opt_level(OptLevel::None);
        straight.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
        let straight = wasmtime::Engine::new(&straight).map_err(invalid)?;
        Ok(Wasmtime { engine, straight })
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift);
    config.cranelift_opt_level(OptLevel::Speed);
    config.parallel_compilation(true);
    config.consume_fuel(false);
    config.epoch_interruption(false);
    // NaNs are made canonical where bits become visible, by the lowering.
    config.cranelift_nan_canonicalization(false);
    config.memory_reservation(1 << 32);
    config.memory_guard_size(32 << 20);
    config.memory_may_move(false);
    config.max_wasm_stack(STACK);
    config.async_stack_size(STACK);
    config.native_unwind_info(false);
    config.generate_address_map(false);
    config.wasm_simd(true);
    config.wasm_bulk_memory(true);
    config.wasm_multi_value(true);
    config.wasm_threads(true);
    config.shared_memory(true);
    config.wasm_relaxed_simd(false);
    config.wasm_multi_memory(false);
    config.wasm_memory64(false);
    config.wasm_tail_call(false);
    config.wasm_exceptions(false);
    config
}

fn invalid(error: wasmtime::Error) -> EngineError {
    EngineError::Invalid(format!("{error:#}"))
}

fn no_room(error: wasmtime::Error) -> EngineError {
    EngineError::OutOfMemory(format!("{error:#}"))
}

impl Engine for Wasmtime {
    fn machine(&self, watch: Option<Arc<Watch>>) -> Result<Arc<dyn Machine>, EngineError> {
        let memory = SharedMemory::new(&self.engine, MemoryType::shared(1, PAGES)).map_err(no_room)?;
        let mut linker = Linker::new(&self.engine);
        // The linker wants a store only to know the engine.
        let store = Store::new(&self.engine, ());
        linker.define(&store, "fizz", "memory", memory.clone()).map_err(invalid)?;
        let imports = if watch.is_some() { WATCHED } else { PLAIN };
        if let Some(watch) = watch {
            let told = watch.clone();
            let touch = move |site: u32, a: u32, b: u32, c: u32, d: u32, first: u32| {
                told.touch(site, [a, b, c, d], first);
            };
            linker.func_wrap("fizz", "touch", touch).map_err(invalid)?;
            let barrier = move |memories: u32| watch.barrier(memories);
            linker.func_wrap("fizz", "barrier", barrier).map_err(invalid)?;
        }
        let (engine, straight) = (self.engine.clone(), self.straight.clone());
        Ok(Arc::new(Room { imports, engine, straight, memory, linker, growing: Mutex::default() }))
    }
}

/// What programs import.
const PLAIN: &[(&str, &str)] = &[("fizz", "memory")];
const WATCHED: &[(&str, &str)] = &[("fizz", "memory"), ("fizz", "touch"), ("fizz", "barrier")];

/// A machine.
struct Room {
    imports: &'static [(&'static str, &'static str)],
    engine: wasmtime::Engine,
    straight: wasmtime::Engine,
    memory: SharedMemory,
    linker: Linker<()>,
    /// One grows it at a time.
    growing: Mutex<()>,
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Room({} bytes)", self.memory.data_size())
    }
}

impl Room {
    fn module(&self, wasm: &[u8]) -> wasmtime::Result<Module> {
        if wasm.len() <= CAREFUL {
            return Module::new(&self.engine, wasm);
        }
        let machine_code = self.straight.precompile_module(wasm)?;
        // SAFETY: the bytes come from wasmtime, of an engine that differs in how hard it tries alone.
        #[expect(unsafe_code, reason = "an engine takes what another has compiled only so")]
        unsafe {
            Module::deserialize(&self.engine, machine_code)
        }
    }
}

// SAFETY: wasmtime reserves all that a shared memory may grow to and never moves it, begins it at a page, and never lets it shrink.
#[expect(unsafe_code, reason = "bytes are read and written where programs have them")]
unsafe impl Machine for Room {
    fn base(&self) -> NonNull<u8> {
        NonNull::from(self.memory.data()).cast()
    }

    fn size(&self) -> u64 {
        self.memory.data_size() as u64
    }

    fn grow(&self, bytes: u64) -> Result<(), EngineError> {
        let _one = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = bytes.div_ceil(PAGE).saturating_sub(self.size() / PAGE);
        if missing > 0 {
            self.memory.grow(missing).map_err(no_room)?;
        }
        Ok(())
    }

    unsafe fn discard(&self, from: u64, to: u64) {
        debug_assert!(from <= to && to <= self.size());
        #[cfg(target_os = "linux")]
        if from < to {
            // SAFETY: the range lies within the memory, which is private and anonymous, and nobody uses it.
            unsafe {
                let start = self.base().as_ptr().add(from as usize);
                // Where it fails, the bytes stay.
                let _ = rustix::mm::madvise(
                    start.cast(),
                    (to - from) as usize,
                    rustix::mm::Advice::LinuxDontNeed,
                );
            }
        }
    }

    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Kernel>, EngineError> {
        let module = self.module(wasm).map_err(invalid)?;
        let imports: Vec<_> = module.imports().map(|import| (import.module(), import.name())).collect();
        if imports != PLAIN && imports != self.imports {
            return Err(EngineError::Invalid(format!("it imports {imports:?}")));
        }
        if !matches!(module.get_export("run"), Some(ExternType::Func(_))) {
            return Err(EngineError::Invalid("it exports no function run".to_owned()));
        }
        let ready = self.linker.instantiate_pre(&module).map_err(invalid)?;
        Ok(Box::new(Compiled { engine: self.engine.clone(), ready }))
    }
}

/// A compiled program.
struct Compiled {
    engine: wasmtime::Engine,
    ready: InstancePre<()>,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compiled")
    }
}

impl Kernel for Compiled {
    fn instance(&self) -> Result<Box<dyn Instance>, EngineError> {
        let mut store = Store::new(&self.engine, ());
        let instance = self.ready.instantiate(&mut store).map_err(no_room)?;
        let run = instance.get_typed_func::<Arguments, ()>(&mut store, "run").map_err(invalid)?;
        Ok(Box::new(Running { store, run }))
    }
}

/// A program on one thread.
struct Running {
    store: Store<()>,
    run: TypedFunc<Arguments, ()>,
}

impl Instance for Running {
    #[expect(unsafe_code, reason = "the trait says who else may use the memory")]
    unsafe fn run(&mut self, work: Work) -> Result<(), EngineError> {
        let [x, y, z] = work.first;
        let arguments = (work.args, work.scratch, x, y, z, work.count);
        let done = self.run.call(&mut self.store, arguments);
        done.map_err(|error| EngineError::Trapped(format!("{error:#}")))
    }
}
