//! How this command has modules compiled: by a process of its own with a deadline, and once.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use etcetera::{BaseStrategy, choose_base_strategy};
use fizz_exec::code::{Bounds, CodeCache, Compiler, CompilerCommand, compile_here};
use fizz_exec::{Executor, OwnCompiler};

use crate::error::Failure;
use crate::values::Size;

/// Bytes of machine code kept between commands.
const CACHE_BYTES: u64 = 2 << 30;

/// Compiles one module for the process that started it, over standard input and output
#[derive(Args, Debug)]
pub(crate) struct CompilerArgs {}

impl CompilerArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        compile_here(std::io::stdin(), std::io::stdout())
            .map_err(|error| Failure::unexpected("cannot answer").because(&error))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Bounds of compiling, and whether what comes out is kept.
#[derive(Args, Debug)]
pub(crate) struct CompileArgs {
    /// Compiles the module anew, and keeps no machine code
    #[arg(long)]
    no_cache: bool,
    /// Seconds that compiling the module may take [default: 30 and 8 for each MiB of it, at most 1200]
    #[arg(long, value_name = "SECONDS")]
    compile_seconds: Option<u64>,
    /// Address space that compiling the module may take [default: 3G and 64 for each byte of it, at most 16G]
    #[arg(long, value_name = "SIZE")]
    compile_memory: Option<Size>,
}

impl CompileArgs {
    /// The executor, with modules compiled by a process of its own within these bounds, and machine code kept in the
    /// user's cache folder.
    pub(crate) fn equip(&self, executor: Executor) -> Result<Executor, Failure> {
        with_bounds(executor, !self.no_cache, bounds(self.compile_seconds, self.compile_memory))
    }
}

/// What an operator gives.
pub(crate) fn bounds(seconds: Option<u64>, memory: Option<Size>) -> Bounds {
    Bounds { time: seconds.map(Duration::from_secs), memory_bytes: memory.map(|size| size.0) }
}

/// That this program's compilers, its folders of machine code and its nodes are its own.
#[expect(
    unsafe_code,
    reason = "loading machine code rests on this promise, and only the program can make it"
)]
pub(crate) fn own() -> OwnCompiler {
    // SAFETY: `command` names this very program as the compiler, and what a compiler answers bears a key that names
    // profile, version and engine; caches lie in folders of this user, which are refused where others may write to
    // them, beside a secret that is made at random and readable by this user alone; and a worker listens to standard
    // input, whose other end whoever started it holds, as it holds this process itself.
    unsafe { OwnCompiler::promise() }
}

/// This program, as a compiler.
pub(crate) fn command() -> Result<CompilerCommand, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::unexpected("cannot find this program").because(&error))?;
    Ok(CompilerCommand { program, args: vec!["compiler".into()], own: own() })
}

fn with_bounds(executor: Executor, keep: bool, bounds: Bounds) -> Result<Executor, Failure> {
    // A command works without its cache, only slower.
    let open = |folder: PathBuf| {
        let opened = CodeCache::open(&folder, CACHE_BYTES, own());
        opened.inspect_err(|error| tracing::warn!(%error, "machine code is not kept")).ok()
    };
    let cache = if keep { folder().and_then(open) } else { None };
    let compiler = Compiler::new(executor.engine().clone(), command()?, bounds, cache);
    Ok(executor.with_code(Arc::new(compiler)))
}

fn folder() -> Option<PathBuf> {
    Some(choose_base_strategy().ok()?.cache_dir().join("fizz").join("code"))
}
