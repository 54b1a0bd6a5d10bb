//! Has modules compiled in processes of their own, and keeps what they make.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use fizz_attest::HostFault;
use fizz_sandbox::{CodeKey, CodeSource, Engine, Fault, MachineCode, ProgramError, Wanted};

use super::bounds::Bounds;
use super::cache::CodeCache;
use super::failures::Failures;
use super::pipe::{Answer, Order};
use super::process::{self, CompilerCommand, End, LOOK_EVERY};

/// Compiles modules in processes of their own.
#[derive(Debug)]
pub struct Compiler {
    engine: Engine,
    command: CompilerCommand,
    bounds: Bounds,
    cache: Option<CodeCache>,
    failures: Mutex<Failures>,
    /// One at a time: a compiler uses all cores, and who waits for the same module finds it in the cache then.
    turn: Mutex<()>,
}

/// Machine code and its name, by which [`Compiler::kept_at`] finds its file, where there is one.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What it is.
    pub key: CodeKey,
    /// The machine code.
    pub code: MachineCode,
}

impl Compiler {
    /// A compiler for every module. Without a cache each is compiled anew.
    pub fn new(
        engine: Engine,
        command: CompilerCommand,
        bounds: Bounds,
        cache: Option<CodeCache>,
    ) -> Compiler {
        let (failures, turn) = (Mutex::default(), Mutex::default());
        Compiler { engine, command, bounds, cache, failures, turn }
    }

    /// The engine that those have who load what it makes, unless they say otherwise.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The machine code that is wanted, from the cache or from a compiler. Blocks. `alive` ends it early once false.
    ///
    /// # Errors
    /// [`ProgramError`]; [`HostFault::Compile`] where a bound was met, now or a short while ago.
    pub fn compile(&self, wanted: &Wanted<'_>, alive: &AtomicBool) -> Result<Kept, ProgramError> {
        let key = wanted.key();
        if let (true, Some(cache)) = (wanted.anew, &self.cache) {
            cache.remove(&key);
        }
        if let Some(known) = self.known(&key)? {
            return Ok(known);
        }
        let _turn = self.take_turn(alive)?;
        if let Some(known) = self.known(&key)? {
            return Ok(known);
        }
        let code = self.compile_in_child(&key, wanted, alive)?;
        let code = match &self.cache {
            Some(cache) => {
                let (code, written) = cache.put(&key, code);
                if let Err(error) = written {
                    tracing::warn!(%error, "cannot keep machine code");
                }
                code
            }
            None => code,
        };
        Ok(Kept { key, code })
    }

    /// The file of the cache that holds the machine code of a key, behind the cache's mark.
    pub fn kept_at(&self, key: &CodeKey) -> Option<PathBuf> {
        self.cache.as_ref().map(|cache| cache.path(key)).filter(|path| path.is_file())
    }

    /// What is kept under a key, or why it was not compiled.
    fn known(&self, key: &CodeKey) -> Result<Option<Kept>, Fault> {
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.get(key)) {
            return Ok(Some(Kept { key: *key, code }));
        }
        match self.failures().of(key, Instant::now()) {
            Some(reason) => Err(fault(reason)),
            None => Ok(None),
        }
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits no longer than the code is wanted, so that those who gave up hold no thread.
    fn take_turn(&self, alive: &AtomicBool) -> Result<MutexGuard<'_, ()>, Fault> {
        loop {
            if !alive.load(Ordering::Relaxed) {
                return Err(unwanted());
            }
            match self.turn.try_lock() {
                Ok(turn) => return Ok(turn),
                Err(TryLockError::Poisoned(turn)) => return Ok(turn.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn compile_in_child(
        &self,
        key: &CodeKey,
        wanted: &Wanted<'_>,
        alive: &AtomicBool,
    ) -> Result<MachineCode, Fault> {
        let wasm_bytes = wanted.wasm.len() as u64;
        let (time, memory_bytes) = (self.bounds.time(wasm_bytes), self.bounds.memory_bytes(wasm_bytes));
        let order = Order { form: wanted.form, settings: wanted.engine.settings(), memory_bytes, wasm_bytes };
        let reason = match process::compile(&self.command, order, wanted.wasm, time, alive) {
            End::Answered(Answer::Code(found, code)) if found == *key.as_bytes() => {
                return Ok(MachineCode::of(code, self.command.own));
            }
            // None of these is the module's doing.
            End::Answered(Answer::Code(..)) => {
                return Err(fault("the compiler is not of the build of this process: start it again".into()));
            }
            End::NotStarted(error) => return Err(fault(format!("cannot start a compiler: {error}"))),
            End::Unwanted => return Err(unwanted()),
            End::Answered(Answer::Refused(reason)) => reason,
            End::Late => format!("compiling took longer than {} s", time.as_secs_f64()),
            End::Died(words) => {
                let memory = memory_bytes >> 20;
                format!("the compiler died, which may have wanted more than {memory} MiB of memory: {words}")
            }
        };
        self.failures().remember(*key, &reason, Instant::now());
        Err(fault(reason))
    }
}

impl CodeSource for Compiler {
    fn code(&self, wanted: &Wanted<'_>) -> Result<MachineCode, ProgramError> {
        self.compile(wanted, &AtomicBool::new(true)).map(|kept| kept.code)
    }
}

fn unwanted() -> Fault {
    fault("no longer wanted".to_owned())
}

fn fault(detail: String) -> Fault {
    Fault { kind: HostFault::Compile, detail }
}
