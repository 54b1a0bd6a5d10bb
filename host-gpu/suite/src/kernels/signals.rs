//! Fourier transforms and a filter.

use super::{bits, read, reals, result, uniform};
use crate::random::Random;
use crate::{Case, Kernel, Oracle, Scale};

/// Points of a transform.
const POINTS: usize = 1024;

/// exp(−πi · j / 512), rounded: as good a table as any, as the oracle uses the same.
fn table() -> Vec<u32> {
    let turn = |j: u32| {
        let angle = -std::f64::consts::PI * f64::from(j) / 512.0;
        [angle.cos() as f32, angle.sin() as f32].map(f32::to_bits)
    };
    (0..512).flat_map(turn).collect()
}

fn fft_case(scale: Scale, more: Option<Vec<u32>>) -> Case {
    let transforms = scale.pick(3, 256, 32768);
    let words = transforms * 2 * POINTS as u32;
    let mut slots = vec![read(Random::new(7).reals(words)), result(words)];
    slots.extend(more.map(read));
    Case { slots, workgroups: [transforms, 1, 1] }
}

pub(super) const FFT_TABLE: Kernel = Kernel {
    name: "fft-table",
    wgsl: include_str!("../wgsl/fft_table.wgsl"),
    case: |scale| fft_case(scale, Some(table())),
    oracle: Oracle::Bits(|case| {
        let turns = reals(&case.slots[2].words);
        let transform = |points: &[f32]| -> Vec<u32> {
            // By recursion over even and odd points; the sums are the same ones as in place.
            fn halves(points: &[[f32; 2]], turns: &[f32]) -> Vec<[f32; 2]> {
                if points.len() == 1 {
                    return points.to_vec();
                }
                let part = |odd| points.iter().skip(odd).step_by(2).copied().collect::<Vec<_>>();
                let (even, odd) = (halves(&part(0), turns), halves(&part(1), turns));
                let step = 512 / even.len();
                let turned: Vec<[f32; 2]> = odd
                    .iter()
                    .enumerate()
                    .map(|(j, [re, im])| {
                        let (cos, sin) = (turns[2 * j * step], turns[2 * j * step + 1]);
                        [cos * re - sin * im, cos * im + sin * re]
                    })
                    .collect();
                let pairs = || even.iter().zip(&turned);
                let sums = pairs().map(|(a, b)| [a[0] + b[0], a[1] + b[1]]);
                sums.chain(pairs().map(|(a, b)| [a[0] - b[0], a[1] - b[1]])).collect()
            }
            let points: Vec<[f32; 2]> = points.as_chunks::<2>().0.to_vec();
            halves(&points, &turns).into_iter().flatten().map(bits).collect()
        };
        reals(&case.slots[0].words).chunks(2 * POINTS).flat_map(transform).collect()
    }),
};

pub(super) const FFT_SINES: Kernel = Kernel {
    name: "fft-sines",
    wgsl: include_str!("../wgsl/fft_sines.wgsl"),
    case: |scale| fft_case(scale, None),
    oracle: Oracle::Near(
        |case| {
            // By the definition, with 64-bit numbers: X[k] = Σ x[n] · exp(−2πi · k · n / 1024).
            let turns: Vec<[f64; 2]> = (0..POINTS)
                .map(|n| {
                    let angle = -2.0 * std::f64::consts::PI * n as f64 / POINTS as f64;
                    [angle.cos(), angle.sin()]
                })
                .collect();
            let transform = |points: &[f32]| -> Vec<f64> {
                let element = |k: usize| {
                    let mut sum = [0.0; 2];
                    for (n, point) in points.as_chunks::<2>().0.iter().enumerate() {
                        let ([re, im], [cos, sin]) = (point.map(f64::from), turns[k * n % POINTS]);
                        sum = [sum[0] + cos * re - sin * im, sum[1] + cos * im + sin * re];
                    }
                    sum
                };
                (0..POINTS).flat_map(element).collect()
            };
            reals(&case.slots[0].words).chunks(2 * POINTS).flat_map(transform).collect()
        },
        2e-6,
    ),
};

pub(super) const CONVOLUTION: Kernel = Kernel {
    name: "convolution",
    wgsl: include_str!("../wgsl/convolution.wgsl"),
    case: |scale| {
        let [width, height] = scale.pick([61, 35], [1024, 512], [8192, 4096]);
        let mut random = Random::new(8);
        let slots = vec![
            read(random.reals(width * height)),
            read(random.reals(25)),
            result(width * height),
            uniform([width, height, 0, 0]),
        ];
        Case { slots, workgroups: [width.div_ceil(16), height.div_ceil(16), 1] }
    },
    oracle: Oracle::Bits(|case| {
        let (image, weights) = (reals(&case.slots[0].words), reals(&case.slots[1].words));
        let (width, height) = (case.slots[3].words[0] as usize, case.slots[3].words[1] as usize);
        let point = |at: usize| {
            let (x, y) = (at % width, at / width);
            let place = |at: usize, step: usize, most: usize| (at + step).saturating_sub(2).min(most - 1);
            let terms = weights
                .iter()
                .enumerate()
                .map(|(n, weight)| image[place(y, n / 5, height) * width + place(x, n % 5, width)] * weight);
            bits(terms.fold(0.0, |sum: f32, term| sum + term))
        };
        (0..width * height).map(point).collect()
    }),
};
