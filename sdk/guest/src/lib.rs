//! What a Rust job links. A job needs none of it: any WASI command is a job. These are the few things that
//! most jobs would otherwise write again.
//!
//! - [`output`] opens a file that the job leaves behind;
//! - [`block_on`] runs a future to its end, which is all the executor that `wgpu` needs in the sandbox;
//! - [`steps!`] writes a job that can be stopped, moved and checked between its steps;
//! - [`gpu`] (feature `gpu`) is `wgpu`, in the sandbox and natively.

#![forbid(unsafe_code)]

mod executor;
mod output;
mod steps;

pub use executor::block_on;
pub use output::output;
pub use steps::{Step, Stepped};

#[cfg(feature = "gpu")]
pub use fizz_wgpu as gpu;
