//! The ways to run an entry, and what is compared.

use std::cell::RefCell;

use blake3::Hasher;
use fizz_sandbox::{
    Backend, Engine, EngineSettings, ModuleLimits, Optimization, Program, ProgramError, TaskReport, TaskSpec,
    run,
};

use crate::corpus::{Entry, put, short};

/// One way to run programs.
pub(crate) struct Opinion {
    /// As it is named on the command line.
    pub(crate) name: &'static str,
    engine: Engine,
    /// The module that was run last, by its hash: entries of one module follow one another.
    last: RefCell<Option<(blake3::Hash, Program)>>,
    /// How many copies of the task run at the same time.
    at_once: usize,
}

/// What every opinion must agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// CPU gas.
    pub(crate) gas: u64,
    /// Of the standard streams, of every file, and of every state between chunks: 16 bytes in hex.
    pub(crate) digest: String,
    /// In words.
    pub(crate) outcome: String,
}

/// Every opinion's name and settings; the first is what nodes run. The last number is how many copies of the task run
/// at once.
const OPINIONS: [(&str, Backend, Optimization, bool, usize); 5] = [
    ("default", Backend::Native, Optimization::Speed, true, 1),
    ("one-thread", Backend::Native, Optimization::Speed, false, 1),
    ("many-threads", Backend::Native, Optimization::Speed, true, 8),
    ("unoptimized", Backend::Native, Optimization::None, true, 1),
    ("interpreter", Backend::Interpreter, Optimization::Speed, true, 1),
];

/// The names, in order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPINIONS.iter().map(|opinion| opinion.0)
}

/// Sets the opinions of these names up, in the order of the table.
pub(crate) fn opinions(names: &[String]) -> Result<Vec<Opinion>, fizz_sandbox::EngineError> {
    OPINIONS
        .iter()
        .filter(|opinion| names.iter().any(|name| name == opinion.0))
        .map(|&(name, backend, optimization, parallel_compilation, at_once)| {
            let settings = EngineSettings { backend, optimization, parallel_compilation };
            Ok(Opinion { name, engine: Engine::with_settings(settings)?, last: RefCell::new(None), at_once })
        })
        .collect()
}

impl Opinion {
    /// Runs an entry.
    ///
    /// # Errors
    /// In words, when the host fails, or two copies of the task say different things.
    pub(crate) fn of(&self, entry: &Entry) -> Result<Seen, String> {
        let program = match self.program(&entry.wasm) {
            Ok(program) => program,
            // To be refused is a result too.
            Err(ProgramError::Module(error)) => {
                return Ok(Seen { gas: 0, digest: "-".to_owned(), outcome: format!("refused: {error}") });
            }
            Err(error) => return Err(error.to_string()),
        };
        let results: Vec<Result<Seen, String>> = if self.at_once == 1 {
            vec![once(&program, entry.task.clone())]
        } else {
            std::thread::scope(|scope| {
                let threads: Vec<_> =
                    (0..self.at_once).map(|_| scope.spawn(|| once(&program, entry.task.clone()))).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
                    .collect()
            })
        };
        let mut results = results.into_iter();
        let first = results.next().ok_or("no run")??;
        for other in results {
            let other = other?;
            if other != first {
                return Err(format!("copies at the same time differ: {first:?} and {other:?}"));
            }
        }
        Ok(first)
    }
}

impl Opinion {
    fn program(&self, wasm: &[u8]) -> Result<Program, ProgramError> {
        let hash = blake3::hash(wasm);
        let mut last = self.last.borrow_mut();
        if let Some((known, program)) = last.as_ref()
            && *known == hash
        {
            return Ok(program.clone());
        }
        let program = Program::compile(&self.engine, wasm, &ModuleLimits::default())?;
        *last = Some((hash, program.clone()));
        Ok(program)
    }
}

fn once(program: &Program, task: TaskSpec) -> Result<Seen, String> {
    run(program, task, None, None).map(|report| seen(&report)).map_err(|fault| fault.to_string())
}

fn seen(report: &TaskReport) -> Seen {
    let mut hasher = Hasher::new_derive_key("fizz opinions: what a task leaves");
    put(&mut hasher, &report.stdout);
    put(&mut hasher, &report.stderr);
    for (path, bytes) in report.files.regular_files("/") {
        put(&mut hasher, path.as_bytes());
        put(&mut hasher, &bytes);
    }
    for boundary in &report.boundaries {
        put(&mut hasher, boundary.state.to_string().as_bytes());
        hasher.update(&boundary.gas.to_le_bytes());
    }
    hasher.update(&report.files.len().to_le_bytes());
    hasher.update(&report.peak_memory_bytes.to_le_bytes());
    Seen { gas: report.gas, digest: short(&hasher), outcome: report.outcome.to_string() }
}
