//! Machine code from a cache or from a compiler in another process.
//!
//! A module is a stranger's bytes, and compiling is where they cost most: so it is done by a process with a deadline
//! and, on Linux, a ceiling on its memory ([`compile_here`] is that process, [`Compiler`] starts it), and what comes out is kept
//! in a [`CodeCache`] that notices damage. What a module costs in vain is remembered for a while.

mod bounds;
mod cache;
mod child;
mod compiler;
mod failures;
mod pipe;
mod private;
mod process;

pub use bounds::Bounds;
pub use cache::{CacheError, CodeCache};
pub use child::compile_here;
pub use compiler::{Compiler, Kept};
pub use process::CompilerCommand;
