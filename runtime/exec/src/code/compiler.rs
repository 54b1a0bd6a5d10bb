//! Starts processes that compile, holds them to their bounds, and keeps what they make.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fizz_attest::{Blob, Digest, HostFault};
use fizz_sandbox::{CodeKey, CodeSource, Engine, Fault, Form, MachineCode, ProgramError, Seal};

use super::cache::CodeCache;
use super::child::{COMPILED, FAILED, Order};

/// How often somebody who waits looks whether the code is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Bytes of a compiler's last words that are kept.
const LAST_WORDS: u64 = 4 << 10;
/// Bytes of machine code at most, for one byte of a module; measured at 3 to 12.
const CODE_FACTOR: u64 = 32;
/// Threads of a compiler at most: each reserves address space, of which there is a bound.
const THREADS_MAX: usize = 16;
/// Bytes of a key before the machine code.
const KEY_BYTES: usize = 32;

/// How a compiler is started: a program that calls [`compile_here`](super::compile_here).
#[derive(Clone, Debug)]
pub struct CompilerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// What compiling one module may take. Time and memory grow with the module, up to the most that the operator gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Seconds at most, whatever the size.
    pub max_time: Duration,
    /// Bytes of address space at most, whatever the size.
    pub max_memory_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { max_time: Duration::from_secs(1200), max_memory_bytes: 16 << 30 }
    }
}

impl Bounds {
    /// Wall-clock time for a module of this size: 30 s, and 8 s for each MiB, five times what one core was measured to
    /// take (1.6 s of processor time for a MiB of `examples/hello`), because a node's cores are busy.
    pub fn time(&self, wasm_bytes: u64) -> Duration {
        let scaled = Duration::from_secs(30) + Duration::from_millis(wasm_bytes.saturating_mul(8_000) >> 20);
        scaled.min(self.max_time)
    }

    /// Address space for a module of this size: 3 GiB, most of which threads reserve and never touch, and 64 bytes
    /// for each byte.
    pub fn memory_bytes(&self, wasm_bytes: u64) -> u64 {
        (3_u64 << 30).saturating_add(wasm_bytes.saturating_mul(64)).min(self.max_memory_bytes)
    }
}

/// Compiles modules in processes of their own.
#[derive(Debug)]
pub struct Compiler {
    engine: Engine,
    command: CompilerCommand,
    bounds: Bounds,
    cache: Option<CodeCache>,
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
        Compiler { engine, command, bounds, cache, turn: Mutex::new(()) }
    }

    /// The machine code of a module, from the cache or from a compiler. Blocks. `wanted` ends it early once false.
    ///
    /// # Errors
    /// [`ProgramError`]; [`HostFault::Compile`] where a bound was met.
    pub fn compile(&self, wasm: &[u8], form: Form, wanted: &AtomicBool) -> Result<Kept, ProgramError> {
        let key = CodeKey::of(&self.engine, &digest(wasm), form);
        let kept = |code| Kept { key, code };
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.get(&key)) {
            return Ok(kept(code));
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.get(&key)) {
            return Ok(kept(code));
        }
        if !wanted.load(Ordering::Relaxed) {
            return Err(fault("no longer wanted".to_owned()).into());
        }
        let bytes = self.compile_in_child(wasm, form, wanted)?;
        let bytes = match bytes.split_first_chunk::<KEY_BYTES>() {
            Some((found, code)) if found == key.as_bytes() => code.to_vec(),
            _ => {
                return Err(
                    fault("the compiler is not of the build of this process: start it again".into()).into()
                );
            }
        };
        let code = match &self.cache {
            Some(cache) => {
                let (code, written) = cache.put(&key, bytes);
                if let Err(error) = written {
                    tracing::warn!(%error, "cannot keep machine code");
                }
                code
            }
            None => of_own_child(&key, bytes)?,
        };
        Ok(kept(code))
    }

    /// The file of the cache that holds the machine code of a key, behind the cache's mark.
    pub fn kept_at(&self, key: &CodeKey) -> Option<PathBuf> {
        self.cache.as_ref().map(|cache| cache.path(key)).filter(|path| path.is_file())
    }

    fn compile_in_child(&self, wasm: &[u8], form: Form, wanted: &AtomicBool) -> Result<Vec<u8>, Fault> {
        let size = wasm.len() as u64;
        let (time, memory_bytes) = (self.bounds.time(size), self.bounds.memory_bytes(size));
        let deadline = Instant::now() + time;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let mut command = Command::new(&self.command.program);
        // A group of its own: whatever it may have started ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .args(&self.command.args)
            .env("RAYON_NUM_THREADS", threads.to_string())
            .env("MALLOC_ARENA_MAX", "4")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| fault(format!("cannot start a compiler: {error}")))?;
        let order = Order { form, memory_bytes, wasm_bytes: size };
        let end = std::thread::scope(|scope| {
            let (told, tells) = mpsc::channel();
            let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
                return End::Died(String::new());
            };
            let words = scope.spawn(move || last_words(stderr));
            // It holds the input open until the answer is there: where it ends, so does the compiler.
            let (answered, held) = mpsc::channel::<()>();
            scope.spawn(move || {
                let sent = stdin.write_all(&order.encode()).and_then(|()| stdin.write_all(wasm));
                if sent.and_then(|()| stdin.flush()).is_ok() {
                    let _ = held.recv();
                }
            });
            scope.spawn(move || {
                let _ = told.send(read_answer(stdout, size));
            });
            let end = loop {
                match tells.recv_timeout(LOOK_EVERY) {
                    Ok(Ok(answer)) => break End::Answered(answer),
                    Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => break End::Died(String::new()),
                    Err(RecvTimeoutError::Timeout) if !wanted.load(Ordering::Relaxed) => break End::Unwanted,
                    Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => break End::Late,
                    Err(RecvTimeoutError::Timeout) => {}
                }
            };
            drop(answered);
            stop(&mut child);
            match end {
                End::Died(_) => End::Died(words.join().unwrap_or_default()),
                end => end,
            }
        });
        match end {
            End::Answered(Ok(code)) => Ok(code),
            End::Answered(Err(reason)) => Err(fault(reason)),
            End::Late => Err(fault(format!("compiling took longer than {} s", time.as_secs()))),
            End::Unwanted => Err(fault("no longer wanted".to_owned())),
            End::Died(words) => Err(fault(format!(
                "the compiler died, which may have wanted more than {} MiB of memory: {}",
                memory_bytes >> 20,
                words.trim()
            ))),
        }
    }
}

impl CodeSource for Compiler {
    fn code(&self, wasm: &[u8], form: Form) -> Result<MachineCode, ProgramError> {
        self.compile(wasm, form, &AtomicBool::new(true)).map(|kept| kept.code)
    }
}

/// How a compiler ended.
enum End {
    /// With machine code, or with a reason.
    Answered(Result<Vec<u8>, String>),
    Late,
    Unwanted,
    /// With these last words.
    Died(String),
}

/// Kills what may be dead already, and reaps it.
fn stop(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn read_answer(mut stdout: impl Read, wasm_bytes: u64) -> io::Result<Result<Vec<u8>, String>> {
    let mut header = [0; 9];
    stdout.read_exact(&mut header)?;
    let mut length = [0; 8];
    length.copy_from_slice(&header[1..]);
    let length = u64::from_le_bytes(length);
    if length > (1 << 20) + wasm_bytes.saturating_mul(CODE_FACTOR) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    // Grows with what arrives, not with what is promised.
    stdout.take(length).read_to_end(&mut bytes)?;
    match header[0] {
        _ if bytes.len() as u64 != length => Err(io::ErrorKind::UnexpectedEof.into()),
        COMPILED => Ok(Ok(bytes)),
        FAILED => Ok(Err(String::from_utf8_lossy(&bytes).into_owned())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The beginning of what it says; the rest is read and forgotten, so that it is not held up.
fn last_words(mut stderr: impl Read) -> String {
    let mut words = Vec::new();
    let _ = (&mut stderr).take(LAST_WORDS).read_to_end(&mut words);
    let _ = io::copy(&mut stderr, &mut io::sink());
    String::from_utf8_lossy(&words).into_owned()
}

/// Machine code straight from a compiler of this process, marked with a secret that nobody learns.
fn of_own_child(key: &CodeKey, bytes: Vec<u8>) -> Result<MachineCode, Fault> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| fault(format!("no random bytes: {error}")))?;
    let seal = Seal::new(secret);
    let mark = seal.mark(key, &bytes);
    seal.open(key, bytes, &mark).map_err(|error| fault(error.to_string()))
}

fn digest(wasm: &[u8]) -> Digest {
    Blob::of(wasm).content
}

fn fault(detail: String) -> Fault {
    Fault { kind: HostFault::Compile, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_with_the_module_up_to_what_the_operator_gives() {
        let bounds = Bounds::default();
        assert_eq!(bounds.time(0), Duration::from_secs(30));
        // A chip-design tool of 70 MiB takes 40 to 110 s on one core.
        assert_eq!(bounds.time(70 << 20), Duration::from_secs(590));
        assert_eq!(bounds.time(u64::MAX), bounds.max_time);
        assert_eq!(bounds.memory_bytes(1 << 20), (3 << 30) + (64 << 20));
        assert_eq!(bounds.memory_bytes(u64::MAX), bounds.max_memory_bytes);
    }

    #[test]
    fn an_answer_of_a_compiler_that_lies_is_an_error() {
        let answer = |status: u8, length: u64, bytes: &[u8]| {
            read_answer(&[&[status][..], &length.to_le_bytes(), bytes].concat()[..], 10)
        };
        assert_eq!(answer(COMPILED, 4, b"code").unwrap(), Ok(b"code".to_vec()));
        assert_eq!(answer(FAILED, 3, b"why").unwrap(), Err("why".to_owned()));
        assert!(answer(COMPILED, 5, b"code").is_err());
        assert!(answer(COMPILED, u64::MAX, b"code").is_err());
        assert!(answer(9, 4, b"code").is_err());
        assert!(read_answer(&b""[..], 10).is_err());
    }
}
