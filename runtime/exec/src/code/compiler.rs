//! Has modules compiled in processes of their own, and keeps what they make.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use fizz_attest::HostFault;
use fizz_sandbox::{CodeKey, CodeSource, Engine, Fault, MachineCode, ProgramError, Wanted};

use super::bounds::Bounds;
use super::cache::CodeCache;
use super::failures::{BELIEVED_FOR, DOUBTED_AFTER, Failures};
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
    /// What was compiled anew a short while ago because the engine did not take it.
    renewed: Mutex<Failures>,
    /// One at a time: a compiler uses all cores, and who waits for the same module finds it in the cache then.
    turn: Mutex<()>,
}

/// Machine code, its name, and where it lies.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What it is.
    pub key: CodeKey,
    /// The machine code.
    pub code: MachineCode,
    /// The file of the cache that holds it behind the cache's mark, or why there is none.
    pub file: Result<PathBuf, String>,
}

impl Compiler {
    /// A compiler for every module. Without a cache each is compiled anew.
    pub fn new(
        engine: Engine,
        command: CompilerCommand,
        bounds: Bounds,
        cache: Option<CodeCache>,
    ) -> Compiler {
        let (failures, renewed, turn) = (Mutex::default(), Mutex::default(), Mutex::default());
        Compiler { engine, command, bounds, cache, failures, renewed, turn }
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
        if wanted.anew {
            self.renew(&key)?;
        }
        if let Some(known) = self.known(&key)? {
            return Ok(known);
        }
        let _turn = self.take_turn(alive)?;
        if let Some(known) = self.known(&key)? {
            return Ok(known);
        }
        let code = self.compile_in_child(&key, wanted, alive)?;
        let Some(cache) = &self.cache else {
            return Ok(Kept { key, code, file: Err("machine code is not kept here".to_owned()) });
        };
        let (code, written) = cache.put(&key, code);
        let file = match written {
            Ok(true) => Ok(cache.path(&key)),
            Ok(false) => Err(format!("{} bytes of machine code are more than are kept", code.bytes().len())),
            Err(error) => {
                tracing::warn!(%error, "cannot keep machine code");
                Err(format!("cannot keep machine code: {error}"))
            }
        };
        Ok(Kept { key, code, file })
    }

    /// Remembers that the machine code of a key is of no use to who wanted it, for they cannot get at it: it is not
    /// compiled for them again and again.
    pub fn is_useless(&self, key: &CodeKey, reason: &str) {
        self.failures().remember(*key, reason, Instant::now() + BELIEVED_FOR);
    }

    /// Forgets machine code that an engine did not take. That is done once: what is as it was made, and made anew a
    /// short while ago, is not taken for a reason of the host's.
    fn renew(&self, key: &CodeKey) -> Result<(), Fault> {
        let Some(cache) = self.cache.as_ref().filter(|cache| cache.get(key).is_some()) else { return Ok(()) };
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(reason) = renewed.of(key, now) {
            return Err(fault(reason));
        }
        renewed.remember(*key, "machine code that was just made cannot be loaded", now + BELIEVED_FOR);
        cache.remove(key);
        Ok(())
    }

    /// What is kept under a key, or why it was not compiled.
    fn known(&self, key: &CodeKey) -> Result<Option<Kept>, Fault> {
        if let Some(cache) = &self.cache
            && let Some(code) = cache.get(key)
        {
            return Ok(Some(Kept { key: *key, code, file: Ok(cache.path(key)) }));
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
        let (reason, believed) = match process::compile(&self.command, order, wanted.wasm, time, alive) {
            End::Answered(Answer::Code(found, code)) if found == *key.as_bytes() => {
                return Ok(MachineCode::of(code, self.command.own));
            }
            // None of these is the module's doing.
            End::Answered(Answer::Code(..)) => {
                return Err(fault("the compiler is not of the build of this process: start it again".into()));
            }
            End::NotStarted(error) => return Err(fault(format!("cannot start a compiler: {error}"))),
            End::Unwanted => return Err(unwanted()),
            End::Answered(Answer::Refused(reason)) => (reason, BELIEVED_FOR),
            End::Late { idle } => {
                (format!("compiling took longer than {} s", time.as_secs_f64()), believed(idle))
            }
            End::Died { words, hosts } => {
                let memory = memory_bytes >> 20;
                let reason = format!(
                    "the compiler died, which may have wanted more than {memory} MiB of memory: {words}"
                );
                (reason, believed(hosts))
            }
        };
        self.failures().remember(*key, &reason, Instant::now() + believed);
        Err(fault(reason))
    }
}

impl CodeSource for Compiler {
    fn code(&self, wanted: &Wanted<'_>) -> Result<MachineCode, ProgramError> {
        self.compile(wanted, &AtomicBool::new(true)).map(|kept| kept.code)
    }
}

/// How long a failure is believed that may be the host's.
fn believed(hosts: bool) -> Duration {
    if hosts { DOUBTED_AFTER } else { BELIEVED_FOR }
}

fn unwanted() -> Fault {
    fault("no longer wanted".to_owned())
}

fn fault(detail: String) -> Fault {
    Fault { kind: HostFault::Compile, detail }
}
