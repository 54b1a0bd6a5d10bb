//! How this command has modules compiled: by a process of its own with a deadline, and once.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use etcetera::{BaseStrategy, choose_base_strategy};
use fizz_exec::Executor;
use fizz_exec::code::{Bounds, CodeCache, Compiler, CompilerCommand, compile_here};

use crate::error::Failure;

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

/// This program, as a compiler.
pub(crate) fn command() -> Result<CompilerCommand, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::unexpected("cannot find this program").because(&error))?;
    Ok(CompilerCommand { program, args: vec!["compiler".into()] })
}

/// An executor that has modules compiled by a process of its own, and keeps machine code in the user's cache folder
/// unless told otherwise.
pub(crate) fn with_compiler(executor: Executor, keep: bool) -> Result<Executor, Failure> {
    // A command works without its cache, only slower.
    let open = |folder: PathBuf| {
        let opened = CodeCache::open(&folder, CACHE_BYTES);
        opened.inspect_err(|error| tracing::warn!(%error, "machine code is not kept")).ok()
    };
    let cache = if keep { folder().and_then(open) } else { None };
    let engine = executor.engine().clone();
    let compiler = Compiler::new(engine, command()?, Bounds::default(), cache);
    Ok(executor.with_code(Arc::new(compiler)))
}

fn folder() -> Option<PathBuf> {
    Some(choose_base_strategy().ok()?.cache_dir().join("fizz").join("code"))
}
