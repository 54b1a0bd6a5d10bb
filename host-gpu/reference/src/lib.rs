//! The reference GPU: exact shaders, compiled to WebAssembly with SIMD.
mod compile;
mod program;

pub use compile::{CompileError, compile};
pub use program::Program;
