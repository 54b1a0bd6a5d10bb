//! Computes with every exact block, on the GPU and once more on the processor, and compares the bits.
//!
//! In the sandbox they are equal on any node. Natively a driver may fuse or reorder; then near is good enough.

mod checks;
mod gpu;
mod oracle;

use std::process::ExitCode;

/// A short name for bits, to compare between machines: FNV-1a.
fn digest(words: &[u32]) -> u64 {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn main() -> ExitCode {
    let gpu = match gpu::Gpu::connect() {
        Ok(gpu) => gpu,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(3);
        }
    };
    let mut worst = ExitCode::SUCCESS;
    let exact = cfg!(target_family = "wasm") || gpu.software;
    for check in checks::all(&gpu) {
        let holds = check.holds(exact);
        let verdict = if holds { "as it must be" } else { "DIFFERENT" };
        println!("{:40} {:016x} {verdict}", check.name, digest(&check.got));
        if !holds {
            worst = ExitCode::FAILURE;
        }
    }
    worst
}
