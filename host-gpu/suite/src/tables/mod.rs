//! The library of exact functions, in tables: what an interpreter of its naga IR gives for 2^20 inputs of all classes, held against integers and floats of 64 bits, and against
//! what a device computes.
//!
//! All 2^32 inputs of every function of one number, and 2^30 of every one of two, take minutes each:
//! `cargo test --release -p fizz-suite --lib all_ -- --ignored --nocapture`.

#[cfg(test)]
mod all;
mod every;
mod gpu;
mod inputs;
mod interpreter;
mod lanes;
mod measure;
mod oracle;
mod table;
#[cfg(test)]
mod tests;

use crate::Failure;
pub use every::{Difference, Every, every, functions};
use fizz_shader::exact::{self, Native};
pub use gpu::Gpu;
use interpreter::Program;
use measure::Measure;
use table::{FUNCTIONS, Function};

/// What was found of a function.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name in the library.
    pub name: &'static str,
    /// Inputs that were tried.
    pub inputs: usize,
    /// How many results differ from the interpreter's, and the first of them in words.
    pub different: usize,
    /// The first that does.
    pub first: Option<String>,
    /// How far the interpreter's results are from what they should be, in words.
    pub accuracy: String,
    /// Whether that is within the function's bound.
    pub accurate: bool,
}

/// Computes all tables on a device that does itself what `native` says.
///
/// # Errors
/// The library cannot be read.
pub fn compare(gpu: &Gpu, native: &Native) -> Result<Vec<Found>, Failure> {
    FUNCTIONS.iter().map(|function| compare_one(gpu, native, function)).collect()
}

fn compare_one(gpu: &Gpu, native: &Native, function: &Function) -> Result<Found, Failure> {
    let library = exact::library().map_err(Failure::Shader)?;
    let mut program = Program::new(library, function.name);
    let inputs = inputs::inputs(function.takes);
    let there = gpu.compute(function.wgsl, native, &inputs);
    let (mut measure, mut different, mut first) = (Measure::default(), 0, None);
    for (inputs, there) in inputs.chunks(lanes::LANES).zip(there.chunks(lanes::LANES)) {
        measure.add(function, &mut program, inputs);
        let here = measure::results(function, &mut program, inputs);
        for ((input, there), here) in inputs.iter().zip(there).zip(here) {
            if *there != here {
                different += 1;
                first.get_or_insert_with(|| format!("of {input:x?}: {there:x} there, {here:x} here"));
            }
        }
    }
    Ok(Found {
        name: function.name,
        inputs: inputs.len(),
        different,
        first,
        accuracy: measure.line(function, &program),
        accurate: measure.is_right(function),
    })
}
