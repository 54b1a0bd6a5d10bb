//! The library of exact functions, proven: what its operations give as an interpreter of its naga IR computes them, against integers and floats of 64 bits; and
//! as the adapter computes them, bit for bit.
//!
//! All 2^32 inputs of every function of one number take minutes each:
//! `cargo test --release -p fizz-shader --test math all_ -- --ignored --nocapture`.

mod all;
mod gpu;
mod inputs;
mod interpreter;
mod measure;
mod oracle;
mod table;

use fizz_shader::exact;
use interpreter::Program;
use measure::Measure;
use table::FUNCTIONS;

#[test]
fn functions_give_what_they_should() {
    let library = exact::library().unwrap();
    let mut wrong = Vec::new();
    for function in FUNCTIONS {
        let mut program = Program::new(library, function.name);
        let mut measure = Measure::default();
        for inputs in inputs::inputs(function.takes).chunks(interpreter::LANES) {
            measure.add(function, &mut program, inputs);
        }
        println!("{}", measure.line(function, &program));
        if !measure.is_right(function) {
            wrong.push(measure.line(function, &program));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_adapter_computes_the_same_bits() {
    let Some(gpu) = gpu::gpu() else { return };
    let library = exact::library().unwrap();
    let mut wrong = Vec::new();
    for function in FUNCTIONS {
        let mut program = Program::new(library, function.name);
        let inputs = inputs::inputs(function.takes);
        let found = gpu.compute(function.wgsl, &inputs);
        let mut different = 0;
        for (inputs, found) in inputs.chunks(interpreter::LANES).zip(found.chunks(interpreter::LANES)) {
            let wanted = measure::results(function, &mut program, inputs);
            for ((input, found), wanted) in inputs.iter().zip(found).zip(wanted) {
                if *found != wanted {
                    if different == 0 {
                        wrong.push(format!(
                            "{} of {input:x?}: {found:x} on the adapter, {wanted:x} here",
                            function.name
                        ));
                    }
                    different += 1;
                }
            }
        }
        if different > 0 {
            wrong.push(format!("{}: {different} of {} differ", function.name, inputs.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
