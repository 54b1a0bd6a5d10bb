//! Workers: processes that hold one job and run its tasks, so that a node survives whatever a guest, a compiler or
//! a driver does.
//!
//! A worker reads [`Instruction`]s from its standard input and writes [`Event`]s to its standard output, both as
//! frames. It asks the node for the machine code of its module, which the node has compiled by another process
//! (`code`), so that a worker compiles nothing. It ends when its standard input does. What it says is not believed: the node hashes the outputs itself.

mod child;
mod code;
mod pool;
mod protocol;

pub use child::{work, work_asking};
pub use pool::{Pool, WorkerCommand, WorkerError};
pub use protocol::{CodeFile, Description, Event, Finished, GpuDescription, Instruction, Order, OutputFile};
