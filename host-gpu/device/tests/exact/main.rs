//! Exact shaders on the adapter of this machine.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod bounds;
mod composites;
mod gpu;
mod operations;
