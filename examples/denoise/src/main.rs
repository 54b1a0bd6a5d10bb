//! Takes the noise out of a photograph by colour non-local means, on the GPU where there is one.
//!
//! In: a PNG. Out: tiles as PPM files, and a PNG put together from them. The photograph is cut into a grid,
//! so that each tile is a task for another machine; a tile is computed from the whole photograph, so no seam
//! shows. Read on in this order: [`command`] (what can be asked for), [`grid`] (tiles), [`noise`] (how much
//! noise there is), [`weights`] (what likeness is worth), [`means`] (the algorithm, on the CPU) and [`gpu`]
//! (the same on the GPU).
//!
//! Everything that decides a pixel is an integer, so the GPU and the CPU give the same bytes.

#![forbid(unsafe_code)]

mod command;
mod files;
mod gpu;
mod grid;
mod means;
mod noise;
mod picture;
mod sensor;
mod weights;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match command::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(command::Error::Usage(message)) => {
            eprintln!("error: {message}\n\n{}", command::USAGE);
            ExitCode::from(2)
        }
        Err(command::Error::Failed(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
