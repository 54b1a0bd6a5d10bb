//! The specification, the test vectors and the code say the same.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod describe;
mod document;
mod vectors;
