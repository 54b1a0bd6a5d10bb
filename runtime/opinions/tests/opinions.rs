//! The whole crate is this test; `cargo test --release --test opinions -- --help` says what it can do.

use std::process::ExitCode;

fn main() -> ExitCode {
    fizz_opinions::command(std::env::args().skip(1))
}
