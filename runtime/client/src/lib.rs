//! The requester's side of Fizz: spreads tasks over nodes, collects and spot-checks receipts.
//!
//! [`submit`] is the whole: it dials nodes, leases them batches of a job's tasks as [`dispatch`] decides, checks each
//! receipt, fetches the outputs as verified streams, and, once everything is committed, runs a sample of each node's
//! tasks again.
#![forbid(unsafe_code)]

mod address;
mod blobs;
mod delivery;
pub mod dispatch;
mod node;
mod shell;
mod submit;
mod write;

pub use address::{NodeAddress, ParseAddressError};
pub use blobs::JobBlobs;
pub use delivery::{Checked, Delivery, Papers};
pub use node::NodeError;
pub use shell::submit;
pub use submit::{News, Report, Submission, SubmitError};
pub use write::{WriteError, host_path, write_delivery, write_output};
