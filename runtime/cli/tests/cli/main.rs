//! The command as its users meet it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod bad_input;
mod burn;
mod c_gpu;
mod check_gpu;
mod compile;
mod demo;
mod gpu;
mod kernels;
mod network;
mod run;
mod steps;
mod support;
mod tour;
