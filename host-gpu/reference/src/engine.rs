//! What the reference device wants of a WebAssembly engine.

use crate::race::Watch;
use std::fmt::Debug;
use std::ptr::NonNull;
use std::sync::Arc;

/// A WebAssembly engine with SIMD, threads and shared memory.
///
/// The device brings the threads, the order of work and the memory's allocator; an engine brings code: it makes machines, compiles what runs on
/// them, and calls it. It is trusted to keep programs inside their machine's memory.
pub trait Engine: Debug + Send + Sync {
    /// A new machine, with one page of zeroes and no programs. With `watch`, its programs may also import `"fizz" "touch"`
    /// `(site, address, address, address, address, first: i32)`, which calls [`Watch::touch`], and `"fizz" "barrier"` `(memories: i32)`,
    /// which calls [`Watch::barrier`].
    ///
    /// # Errors
    /// When the system has no room for it.
    fn machine(&self, watch: Option<Arc<Watch>>) -> Result<Arc<dyn Machine>, EngineError>;
}

/// One linear memory, shared by all threads, and the programs that work on it.
///
/// # Safety
/// As long as the machine lives, [`base`](Machine::base) must be the same, a multiple of 4096, and the bytes from there to
/// [`size`](Machine::size) must be readable and writable. The size must never shrink.
pub unsafe trait Machine: Debug + Send + Sync {
    /// Where the memory begins.
    fn base(&self) -> NonNull<u8>;

    /// Bytes of the memory.
    fn size(&self) -> u64;

    /// Makes the memory at least so large; what is added is zero.
    ///
    /// # Errors
    /// Beyond 4 GiB, or when the system has no room.
    fn grow(&self, bytes: u64) -> Result<(), EngineError>;

    /// Lets the system take what lies between two addresses for something else, as far as that is possible. The contents are afterwards as
    /// before, or zero.
    ///
    /// # Safety
    /// Nobody reads or writes there meanwhile, and the range lies in the memory.
    unsafe fn discard(&self, from: u64, to: u64);

    /// Compiles the module of a [`Program`](crate::Program), once for all threads.
    ///
    /// # Errors
    /// When it is not valid, or has other imports or exports.
    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Kernel>, EngineError>;
}

/// A compiled program.
pub trait Kernel: Debug + Send + Sync {
    /// What one thread needs to run it.
    ///
    /// # Errors
    /// When the system has no room for it.
    fn instance(&self) -> Result<Box<dyn Instance>, EngineError>;
}

/// A compiled program in a thread's hand.
pub trait Instance: Send {
    /// Runs workgroups.
    ///
    /// # Errors
    /// When it trapped, which a program does not do by its shader's doing.
    ///
    /// # Safety
    /// Until it returns, nobody but other workgroups of the same dispatch touches the memory that the arguments name.
    unsafe fn run(&mut self, work: Work) -> Result<(), EngineError>;
}

/// Arguments of a program's `run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Address of the arguments.
    pub args: u32,
    /// Address of this thread's memory.
    pub scratch: u32,
    /// The first workgroup in x, y and z.
    pub first: [u32; 3],
    /// How many to run, x fastest.
    pub count: u32,
}

/// Why an engine did not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No room, in the machine's 4 GiB or in the system.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// The module is not one of the reference device's.
    #[error("cannot compile: {0}")]
    Invalid(String),
    /// It trapped.
    #[error("a program trapped: {0}")]
    Trapped(String),
}
