//! What the [`oracle`] says of modules by hand and of generated ones.

mod observations;
mod operators;
mod oracle;
mod property;

use crate::Engine;
use oracle::{Engines, check, observe};

impl Engines {
    fn new() -> Engines {
        let ours = Engine::new().unwrap().wasmtime().clone();
        Engines { ours, canonical: Engine::canonical().unwrap().wasmtime().clone() }
    }
}

/// Asks the oracle, and returns whether the plain engine, without the rewrite, shows something else, for else the module
/// proves nothing.
fn compare(engines: &Engines, wasm: &[u8], what: &str) -> bool {
    check(engines, wasm, what) != observe(&engines.ours, wasm)
}
