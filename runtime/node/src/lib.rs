//! The Fizz node: admission, workers, store, receipts.
//!
//! The order of things: a requester's offer is decided by [`Admission`], kept in the [`Store`] with the blobs it
//! names, its tasks are run by worker processes ([`worker`]), and what comes out is hashed, signed and made durable
//! before the requester hears of it. The main process never parses or runs a module.
#![forbid(unsafe_code)]

mod admission;
mod drive;
mod node;
mod serve;
mod store;
mod tasks;
pub mod worker;

pub use admission::{Admission, Admitted};
pub use node::{CompileConfig, Drill, Node, NodeConfig, StartError};
pub use store::{Keeping, Store, StoreError, StoredLease, StoredResult};
