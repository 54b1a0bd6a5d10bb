//! WebAssembly modules that nobody wrote, for tests, second opinions and fuzzing.
//!
//! In: bytes, the fuzzer's or a seed's [`noise`]. Out: a module that Fizz accepts, with the exports one asks for. There
//! are two kinds: modules of every operator in senseless combinations ([`settings`]), and [`floats`], which do little
//! else than arithmetic. Equal bytes give equal modules; golden files hang on it.
#![forbid(unsafe_code)]

pub mod floats;

pub use arbitrary::Unstructured;
pub use wasm_smith::{Config, Module};

/// Settings of modules that have the exports of `shape`, a module as text, with their types, and one memory among them.
/// They use what Fizz allows and nothing that it refuses, but for exceptions held where none may be held; they import
/// nothing.
///
/// # Panics
/// When `shape` is no module.
pub fn settings(shape: &str) -> Config {
    Config {
        exports: Some(wat::parse_str(shape).unwrap_or_else(|error| panic!("{error}"))),
        max_imports: 0,
        // Beside the one of the shape.
        max_memories: 0,
        max_tables: 2,
        custom_page_sizes_enabled: false,
        exceptions_enabled: true,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        shared_everything_threads_enabled: false,
        tail_call_enabled: true,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// A module that the bytes choose. `None` when they do not last.
pub fn module(settings: Config, input: &mut Unstructured<'_>) -> Option<Module> {
    Module::new(settings, input).ok()
}

/// Bytes of a seed, enough for a module.
pub fn noise(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; 6000];
    blake3::Hasher::new_derive_key("fizz opinions: a generated module")
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}
