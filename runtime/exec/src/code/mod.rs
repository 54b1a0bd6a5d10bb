//! Machine code from a cache or from a compiler in another process.
//!
//! A module is a stranger's bytes, and compiling is where they cost most: so it is done by a process with a deadline
//! and, on Linux, a ceiling on its memory ([`compile_here`] is that process, [`Compiler`] starts it), and what comes out is kept
//! in a [`CodeCache`] that notices damage.

mod cache;
mod child;
mod compiler;

pub use cache::{CacheError, CodeCache};
pub use child::compile_here;
pub use compiler::{Bounds, Compiler, CompilerCommand, Kept};
