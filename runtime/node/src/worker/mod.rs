//! Workers: processes that hold one job and run its tasks, so that a node survives whatever a guest, a compiler or
//! a driver does.
//!
//! A worker reads [`Order`]s from its standard input and writes [`Event`]s to its standard output, both as frames.
//! It ends when its standard input does. What it says is not believed: the node hashes the outputs itself.

mod child;
mod pool;
mod protocol;

pub use child::work;
pub use pool::{Pool, WorkerCommand, WorkerError};
pub use protocol::{Description, Event, Finished, Order, OutputFile};
