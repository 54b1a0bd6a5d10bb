//! The requester's side of Fizz: spreads tasks over nodes, collects and spot-checks receipts.
//!
//! [`submit`] is the whole: it dials nodes, leases them batches of a job's tasks as [`dispatch`] decides, checks each
//! receipt, fetches the outputs as verified streams, and, once everything is committed, runs a sample of each node's
//! tasks again.
#![forbid(unsafe_code)]

mod address;
mod blobs;
pub mod dispatch;
mod node;
mod submit;
mod write;

pub use address::{NodeAddress, ParseAddressError};
pub use blobs::JobBlobs;
pub use node::{Delivery, NodeError};
pub use submit::{News, Report, Submission, SubmitError, submit};
pub use write::{WriteError, host_path, write_delivery, write_output};
