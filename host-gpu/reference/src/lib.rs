//! The reference GPU: exact shaders, compiled to WebAssembly with SIMD, run on processors.
//!
//! In: a shader as naga's IR, [compiled](compile()) to a [`Program`], and `wgpu`'s commands. Out: bytes of buffers, the same on every machine. The
//! main path: [`instance`] gives a `wgpu` instance whose one adapter is this device; [`Program::encode`] gives the words that its
//! `create_shader_module_passthrough` takes; dispatches run on an [`Engine`], which is handed in, with a pool of threads.

mod compile;
mod device;
mod engine;
mod program;
mod race;
mod view;

pub use compile::{CompileError, compile, compile_by_passes, compile_watched};
pub use device::{MAX_THREADS, NAME, THREAD_STACK, instance, watched_instance};
pub use engine::{Engine, EngineError, Instance, Kernel, Machine, Work};
pub use program::{
    ARGUMENT_WORDS, IMMEDIATE_WORDS, MAX_BINDINGS, MAX_CODE, MAX_SCRATCH, MAX_WASM, MAX_WORKGROUP, Program,
    ProgramError,
};
pub use race::{Access, MOST_RACES, Memory, Race, RaceCheck, Races, Touch, Watch, Watched};
pub use view::ViewShape;
