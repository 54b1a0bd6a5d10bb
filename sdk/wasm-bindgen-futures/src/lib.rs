//! Stands in for the crate `wasm-bindgen-futures` in the sandbox.
//!
//! Libraries that take every WebAssembly for a browser (burn and cubecl are such) hand their futures to
//! `wasm_bindgen_futures::spawn_local`, which asks JavaScript to run them. There is none in the sandbox, where a job
//! is the only thing that runs, and the original panics. Here a future is polled at once, on the one thread, and
//! again whenever it is woken. Futures of `fizz-wgpu` are ready at their first poll.
//!
//! In the workspace whose job needs it:
//!
//! ```toml
//! [patch.crates-io]
//! wasm-bindgen-futures = { path = "…/sdk/wasm-bindgen-futures" }
//! ```
//!
//! What belongs to JavaScript's promises is passed on as it is: code for browsers compiles, and panics if it runs.

#![forbid(unsafe_code)]

mod executor;

pub use executor::spawn_local;
pub use js_sys::futures::{JsFuture, future_to_promise};
