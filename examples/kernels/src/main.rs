//! Small, real workloads for benchmarks, as one WASI command.
//!
//! In: one argument, the name of the kernel. Out: one line, `NAME CHECKSUM`, which is the same on every
//! machine; the benchmarks compare it so that no fast wrong answer counts. `empty` does and prints nothing:
//! it measures what a task costs that has no work in it.
//!
//! Each kernel takes about 50 to 100 ms as compiled WebAssembly without metering.

#![forbid(unsafe_code)]

mod numeric;
mod random;
mod text;

use std::env;
use std::process::ExitCode;

/// A kernel and its checksum.
type Kernel = fn() -> u64;

const KERNELS: [(&str, Kernel); 8] = [
    ("nbody", numeric::nbody),
    ("matmul", numeric::matmul),
    ("matmul-simd", numeric::matmul_simd),
    ("sieve", numeric::sieve),
    ("fib", numeric::fib),
    ("blake3", text::blake3),
    ("regex", text::regex),
    ("deflate", text::deflate),
];

fn main() -> ExitCode {
    let name = env::args().nth(1).unwrap_or_default();
    if name == "empty" {
        return ExitCode::SUCCESS;
    }
    match KERNELS.iter().find(|(known, _)| *known == name) {
        Some((_, kernel)) => {
            println!("{name} {:016x}", kernel());
            ExitCode::SUCCESS
        }
        None => {
            let known: Vec<&str> = KERNELS.iter().map(|(known, _)| *known).collect();
            eprintln!("error: no kernel named {name:?}");
            eprintln!("hint: give one of empty, {}", known.join(", "));
            ExitCode::from(2)
        }
    }
}
