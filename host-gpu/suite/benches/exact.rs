//! The same measurement as `gpu-report`'s, as a benchmark.

#[path = "../examples/gpu-report.rs"]
mod gpu_report;

fn main() -> std::process::ExitCode {
    gpu_report::main()
}
