//! The reference GPU: exact shaders, compiled to WebAssembly with SIMD, run on processors.
//!
//! The compiler's output is a [`Program`]; an [`Engine`], which is handed in, runs it; [`instance`] is `wgpu` on top of both.

mod compile;
mod device;
mod engine;
mod program;
mod view;

pub use compile::{CompileError, compile};
pub use device::{NAME, instance};
pub use engine::{Engine, EngineError, Instance, Kernel, Machine, Work};
pub use program::{
    ARGUMENT_WORDS, IMMEDIATE_WORDS, MAX_BINDINGS, MAX_SCRATCH, MAX_WASM, MAX_WORKGROUP, Program,
    ProgramError,
};
pub use view::ViewShape;
