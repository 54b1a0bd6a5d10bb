//! Sums of many numbers, and what is made of them.

use super::{bits, read, reals, result, uniform};
use crate::random::Random;
use crate::{Case, Kernel, Oracle, Scale};

/// Combines halves until one is left.
fn halve(mut numbers: Vec<f32>) -> f32 {
    while numbers.len() > 1 {
        let right = numbers.split_off(numbers.len() / 2);
        numbers.iter_mut().zip(right).for_each(|(left, right)| *left += right);
    }
    numbers[0]
}

pub(super) const SUM: Kernel = Kernel {
    name: "reduction",
    wgsl: fizz_kernels::wgsl::SUM,
    case: |scale| {
        let count = scale.pick(10_000_u32, 1 << 20, 1 << 26);
        let groups = count.div_ceil(4096);
        let slots = vec![read(Random::new(4).reals(count)), result(groups), uniform([count, 0, 0, 0])];
        Case { slots, workgroups: [groups, 1, 1] }
    },
    oracle: Oracle::Bits(|case| {
        let numbers = reals(&case.slots[0].words);
        let chunk = |chunk: &[f32]| {
            let number = |at: usize| chunk.get(at).copied().unwrap_or(0.0);
            let own = |i: usize| (1..16).fold(number(i), |own, step| own + number(i + 256 * step));
            bits(halve((0..256).map(own).collect()))
        };
        numbers.chunks(4096).map(chunk).collect()
    }),
};

fn rows_case(scale: Scale, seed: u32, more: impl FnOnce(&mut Random, u32) -> (u32, Vec<Vec<u32>>)) -> Case {
    let [rows, columns] = scale.pick([5, 700], [256, 4096], [16384, 4096]);
    let mut random = Random::new(seed);
    // From −8 to 8.
    let wide = (0..rows * columns).map(|_| (random.real() * 8.0).to_bits()).collect();
    let (word, buffers) = more(&mut random, columns);
    let mut slots = vec![read(wide), result(rows * columns), uniform([rows, columns, word, 0])];
    slots.extend(buffers.into_iter().map(read));
    Case { slots, workgroups: [rows, 1, 1] }
}

pub(super) const SOFTMAX: Kernel = Kernel {
    name: "softmax",
    wgsl: fizz_kernels::wgsl::SOFTMAX,
    case: |scale| rows_case(scale, 5, |_, _| (0, Vec::new())),
    oracle: Oracle::Near(
        |case| {
            let columns = case.slots[2].words[1] as usize;
            let softmax = |row: &[f32]| {
                let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let powers: Vec<f64> = row.iter().map(|x| f64::exp(f64::from(x - greatest))).collect();
                let sum: f64 = powers.iter().sum();
                powers.into_iter().map(move |power| power / sum)
            };
            reals(&case.slots[0].words).chunks(columns).flat_map(softmax).collect()
        },
        2e-6,
    ),
};

pub(super) const LAYER_NORM: Kernel = Kernel {
    name: "layer-norm",
    wgsl: fizz_kernels::wgsl::LAYER_NORM,
    case: |scale| {
        rows_case(scale, 6, |random, columns| {
            (1e-5_f32.to_bits(), vec![random.reals(columns), random.reals(columns)])
        })
    },
    oracle: Oracle::Bits(|case| {
        let shape = &case.slots[2].words;
        let (columns, epsilon) = (shape[1] as usize, f32::from_bits(shape[2]));
        let (scale, shift) = (reals(&case.slots[3].words), reals(&case.slots[4].words));
        let sum = |row: &[f32]| {
            let every = |first: usize| row.iter().skip(first).step_by(256).fold(0.0, |sum: f32, x| sum + x);
            halve((0..256).map(every).collect())
        };
        let norm = |row: &[f32]| -> Vec<u32> {
            let n = row.len() as f32;
            let mean = sum(row) / n;
            let squares: Vec<f32> = row.iter().map(|x| (x - mean) * (x - mean)).collect();
            let factor = 1.0 / (sum(&squares) / n + epsilon).sqrt();
            let columns = row.iter().zip(&scale).zip(&shift);
            columns.map(|((x, scale), shift)| bits((x - mean) * factor * scale + shift)).collect()
        };
        reals(&case.slots[0].words).chunks(columns).flat_map(norm).collect()
    }),
};
