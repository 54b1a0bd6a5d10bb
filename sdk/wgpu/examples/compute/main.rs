//! Compute programs in the style of wgpu's own examples. The same source runs natively and in the sandbox.
//!
//! Run all of them, or those named on the command line:
//! `cargo run --release -p fizz-wgpu --example compute -- collatz matmul`.

mod programs;

use std::process::ExitCode;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|name| !programs::knows(name)) {
        eprintln!("error: no program is called {unknown}\nhint: there are {}", programs::NAMES.join(", "));
        return ExitCode::from(2);
    }
    let mut gpu = match programs::Gpu::connect() {
        Ok(gpu) => gpu,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(3);
        }
    };
    let all = programs::NAMES.iter().map(|name| (*name).to_owned());
    for name in if wanted.is_empty() { all.collect() } else { wanted } {
        println!("== {name}");
        print!("{}", programs::run(&name, &mut gpu));
    }
    ExitCode::SUCCESS
}
