//! Gravity.

use super::{bits, read, reals, result, uniform};
use crate::random::Random;
use crate::{Case, Kernel, Oracle};

pub(super) const N_BODY: Kernel = Kernel {
    name: "n-body",
    wgsl: include_str!("../wgsl/n_body.wgsl"),
    case: |scale| {
        let bodies = scale.pick(512, 2048, 65536);
        let slots =
            vec![read(Random::new(12).reals(4 * bodies)), result(4 * bodies), uniform([bodies, 0, 0, 0])];
        Case { slots, workgroups: [bodies / 256, 1, 1] }
    },
    oracle: Oracle::Bits(|case| {
        let numbers = reals(&case.slots[0].words);
        let bodies = numbers.as_chunks::<4>().0;
        let pull = |own: &[f32; 4]| {
            let mut sum = [0.0_f32; 3];
            for other in bodies {
                let d: [f32; 3] = std::array::from_fn(|n| other[n] - own[n]);
                let square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 0.01;
                let force = other[3] / (square * square.sqrt());
                sum.iter_mut().zip(d).for_each(|(sum, d)| *sum += d * force);
            }
            [sum[0], sum[1], sum[2], own[3]].map(bits)
        };
        bodies.iter().flat_map(pull).collect()
    }),
};
