//! The list of kernels; each file has a family with its inputs and oracles.

mod counting;
mod light;
mod matrices;
mod motion;
mod numbers;
mod rows;
mod signals;

use crate::{Access, Kernel, Slot};

/// All kernels, in the order in which they are told of.
pub fn kernels() -> &'static [Kernel] {
    const ALL: &[Kernel] = &[
        matrices::TILED,
        matrices::REGISTERS,
        matrices::INT8,
        matrices::INT8_SCALED,
        rows::SUM,
        rows::SOFTMAX,
        rows::LAYER_NORM,
        signals::FFT_TABLE,
        signals::FFT_SINES,
        signals::CONVOLUTION,
        counting::SORT,
        counting::SHA256,
        counting::HISTOGRAM,
        motion::N_BODY,
        light::PATH_TRACER,
        numbers::MANDELBROT,
        numbers::ELEMENTWISE,
    ];
    ALL
}

fn read(words: Vec<u32>) -> Slot {
    Slot { access: Access::Read, words }
}

fn uniform(words: [u32; 4]) -> Slot {
    Slot { access: Access::Uniform, words: words.to_vec() }
}

/// A result of so many words. What is not overwritten shows.
fn result(words: u32) -> Slot {
    Slot { access: Access::ReadWrite, words: vec![0x0a5a_5a5a; words as usize] }
}

fn reals(words: &[u32]) -> Vec<f32> {
    words.iter().map(|word| f32::from_bits(*word)).collect()
}

/// The bits as they are stored: a NaN has one form.
fn bits(number: f32) -> u32 {
    if number.is_nan() { 0x7fc0_0000 } else { number.to_bits() }
}
