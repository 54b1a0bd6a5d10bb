//! One process that compiles one module: started, fed, listened to, and ended within its bounds whatever it does.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fizz_sandbox::OwnCompiler;

use super::pipe::{Answer, Order, read_answer};

/// How often somebody who waits looks whether the code is still wanted.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a process that has ended, or has been killed, is waited for: what it said is on its way, its end too.
const GRACE: Duration = Duration::from_secs(2);
/// Bytes of a compiler's last words that are kept.
const LAST_WORDS: usize = 4 << 10;
/// Threads of a compiler at most: each reserves address space, of which there is a bound.
const THREADS_MAX: usize = 16;
/// All that a compiler is told of the environment: where its libraries lie.
#[cfg(unix)]
const KEPT_VARIABLES: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// How a compiler is started: a program that calls [`compile_here`](super::compile_here).
#[derive(Clone, Debug)]
pub struct CompilerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// That the program is of this build.
    pub own: OwnCompiler,
}

/// How a compiler ended.
pub(super) enum End {
    /// With an answer.
    Answered(Answer),
    /// It was ended at its deadline. `idle` where it had less than half of a core for that time.
    Late { idle: bool },
    /// It was ended because nobody waited for it any more.
    Unwanted,
    /// By itself, with these last words. `hosts` where it was ended from outside, or could not begin to compile.
    Died { words: String, hosts: bool },
    /// It did not begin.
    NotStarted(io::Error),
}

/// Has a module compiled. Returns at the deadline, or a moment later, whatever the process does and whatever it may
/// have started: threads that hang on its pipes are left to themselves.
pub(super) fn compile(
    command: &CompilerCommand,
    order: Order,
    wasm: &[u8],
    time: Duration,
    wanted: &AtomicBool,
) -> End {
    let deadline = Instant::now() + time;
    let mut child = match spawn(command) {
        Ok(child) => child,
        Err(error) => return End::NotStarted(error),
    };
    let (end, words) = match Pipes::open(&mut child, order, wasm) {
        Ok(pipes) => (pipes.wait(&mut child, deadline, wanted), Some(pipes.words)),
        Err(error) => (End::NotStarted(error), None),
    };
    let end = match end {
        End::Late { .. } => End::Late { idle: processor_time(&child).is_some_and(|used| used < time / 2) },
        End::Died { .. } => End::Died { words: String::new(), hosts: hosts_doing(&mut child) },
        end => end,
    };
    stop(child);
    match (end, words) {
        (End::Died { hosts, .. }, Some(words)) => End::Died { words: words.last(), hosts },
        (end, _) => end,
    }
}

fn spawn(command: &CompilerCommand) -> io::Result<Child> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let mut process = Command::new(&command.program);
    // A group of its own: whatever it may have started ends with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut process, 0);
    // Secrets of whoever started this process stand in its environment often enough.
    #[cfg(unix)]
    process.env_clear().envs(KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    process
        .args(&command.args)
        .env("RAYON_NUM_THREADS", threads.to_string())
        .env("MALLOC_ARENA_MAX", "4")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// What comes out of a process, read by threads that own all they need.
struct Pipes {
    answers: mpsc::Receiver<io::Result<Answer>>,
    words: Words,
    /// Holds the input open until the answer is there: where it ends, so does the compiler.
    _hold: mpsc::Sender<()>,
}

impl Pipes {
    fn open(child: &mut Child, order: Order, wasm: &[u8]) -> io::Result<Pipes> {
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::other("no pipes"));
        };
        let (tell, answers) = mpsc::channel();
        let (hold, held) = mpsc::channel::<()>();
        let (wasm, size): (Arc<[u8]>, u64) = (wasm.into(), wasm.len() as u64);
        start(move || {
            let sent = stdin.write_all(&order.encode()).and_then(|()| stdin.write_all(&wasm));
            drop(wasm);
            if sent.and_then(|()| stdin.flush()).is_ok() {
                let _ = held.recv();
            }
        })?;
        start(move || drop(tell.send(read_answer(stdout, size))))?;
        Ok(Pipes { answers, words: Words::of(stderr)?, _hold: hold })
    }

    fn wait(&self, child: &mut Child, deadline: Instant, wanted: &AtomicBool) -> End {
        let mut ended = None;
        loop {
            match self.answers.recv_timeout(LOOK_EVERY) {
                Ok(Ok(answer)) => return End::Answered(answer),
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                    return End::Died { words: String::new(), hosts: false };
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if !wanted.load(Ordering::Relaxed) {
                return End::Unwanted;
            }
            if now >= deadline {
                return End::Late { idle: false };
            }
            // Somebody else may hold its pipe open: then its end is all there is to see.
            if ended.is_none() && ending(child).is_some() {
                ended = Some(now);
            }
            if ended.is_some_and(|ended| now.duration_since(ended) > GRACE) {
                return End::Died { words: String::new(), hosts: false };
            }
        }
    }
}

/// The beginning of what a process says on its standard error; the rest is read and forgotten, so that it is not held up.
struct Words {
    said: Arc<Mutex<Vec<u8>>>,
    over: mpsc::Receiver<()>,
}

impl Words {
    fn of(mut stderr: impl Read + Send + 'static) -> io::Result<Words> {
        let (over_is, over) = mpsc::channel::<()>();
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = said.clone();
        start(move || {
            let mut piece = [0; 1024];
            while let Ok(count @ 1..) = stderr.read(&mut piece) {
                let mut said = hears.lock().unwrap_or_else(PoisonError::into_inner);
                let room = LAST_WORDS - said.len().min(LAST_WORDS);
                said.extend(&piece[..count.min(room)]);
            }
            drop(over_is);
        })?;
        Ok(Words { said, over })
    }

    /// What was said until the pipe closed, or until now where it does not.
    fn last(&self) -> String {
        let _ = self.over.recv_timeout(GRACE);
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said).trim().to_owned()
    }
}

fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("compiler's pipe".into()).spawn(work).map(drop)
}

/// How a process has ended: with a code, or by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Code(i32),
    #[cfg(unix)]
    Signal(i32),
}

impl Ending {
    /// Whether it is the host's doing. A compiler ends with 1 where it could not begin; one that meets its bound of
    /// memory, or is at fault, aborts by itself, and others send what asks or forces a process to end.
    fn hosts(self) -> bool {
        match self {
            Ending::Code(code) => code == 1,
            #[cfg(unix)]
            Ending::Signal(signal) => {
                use rustix::process::Signal;
                let sent = [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
                sent.iter().any(|sent| sent.as_raw() == signal)
            }
        }
    }
}

/// How a process has ended, if it has. It is not reaped, so that its number stays its own.
#[cfg(unix)]
fn ending(child: &mut Child) -> Option<Ending> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw)?;
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let status = waitid(WaitId::Pid(pid), look).ok()??;
    status.exit_status().map(Ending::Code).or_else(|| status.terminating_signal().map(Ending::Signal))
}

#[cfg(not(unix))]
fn ending(child: &mut Child) -> Option<Ending> {
    child.try_wait().ok()?.map(|status| Ending::Code(status.code().unwrap_or(1)))
}

/// Whether a process that says nothing more was ended by the host; one that does not end was not.
fn hosts_doing(child: &mut Child) -> bool {
    let begun = Instant::now();
    loop {
        match ending(child) {
            Some(ending) => return ending.hosts(),
            None if begun.elapsed() > GRACE => return false,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Processor time of a process that has not been reaped, where the system says it: fields 14 and 15 of proc_pid_stat(5),
/// in hundredths of a second.
#[cfg(target_os = "linux")]
fn processor_time(child: &Child) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    // The second field is a name, which may hold anything, in parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(ticks()?.saturating_add(ticks()?).saturating_mul(10)))
}

#[cfg(not(target_os = "linux"))]
fn processor_time(_: &Child) -> Option<Duration> {
    None
}

/// Kills what may be dead already, and reaps it; in the background where the system does not let go of it.
fn stop(mut child: Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let begun = Instant::now();
    while begun.elapsed() < GRACE {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    tracing::warn!(process = child.id(), "a killed compiler does not end");
    let _ = start(move || drop(child.wait()));
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_does_to_a_compiler_is_told_from_what_a_module_does() {
        let (promise, wanted) = (own(), AtomicBool::new(true));
        let end = |script: &str| {
            let args = ["-c", script].map(OsString::from).to_vec();
            let command = CompilerCommand { program: "/bin/sh".into(), args, own: promise };
            let settings = fizz_sandbox::EngineSettings::default();
            let order = Order { form: fizz_sandbox::Form::Fast, settings, memory_bytes: 1, wasm_bytes: 0 };
            compile(&command, order, b"", Duration::from_millis(400), &wanted)
        };
        for (script, expected) in [
            ("kill -9 $$", true),
            ("kill -15 $$", true),
            ("exit 1", true),
            ("kill -6 $$", false),
            ("kill -11 $$", false),
            ("exit 101", false),
        ] {
            let End::Died { hosts, .. } = end(script) else { panic!("{script} did not die") };
            assert_eq!(hosts, expected, "{script}");
        }
        assert!(matches!(end("sleep 9"), End::Late { idle: true }));
        let End::Died { words, .. } = end("echo ${HOME-empty} >&2; exit 2") else { panic!("it did not die") };
        assert_eq!(words, "empty");
        let End::Died { words, .. } = end("echo no room >&2; kill -9 $$") else { panic!("it did not die") };
        assert_eq!(words, "no room");
    }

    fn own() -> OwnCompiler {
        #[expect(unsafe_code, reason = "nothing here is loaded")]
        // SAFETY: no answer of these commands is ever loaded.
        unsafe {
            OwnCompiler::promise()
        }
    }
}
