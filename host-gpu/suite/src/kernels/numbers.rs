//! Each number by itself.

use super::{bits, read, reals, result, uniform};
use crate::random::Random;
use crate::{Case, Kernel, Oracle};

pub(super) const MANDELBROT: Kernel = Kernel {
    name: "mandelbrot",
    wgsl: include_str!("../wgsl/mandelbrot.wgsl"),
    case: |scale| {
        let [side, most] = scale.pick([61, 200], [256, 1000], [4096, 4000]);
        let slots = vec![result(side * side), uniform([side, most, 0, 0])];
        Case { slots, workgroups: [side.div_ceil(8), side.div_ceil(8), 1] }
    },
    oracle: Oracle::Bits(|case| {
        let (side, most) = (case.slots[1].words[0], case.slots[1].words[1]);
        let scale = 3.0 / side as f32;
        let steps = |at: u32| {
            let (a, b) = ((at % side) as f32 * scale - 2.25, (at / side) as f32 * scale - 1.5);
            let (mut x, mut y) = (0.0_f32, 0.0_f32);
            for n in 0..most {
                let (xx, yy) = (x * x, y * y);
                if xx + yy > 4.0 {
                    return n;
                }
                (x, y) = (xx - yy + a, (x + x) * y + b);
            }
            most
        };
        (0..side * side).map(steps).collect()
    }),
};

pub(super) const ELEMENTWISE: Kernel = Kernel {
    name: "elementwise",
    wgsl: include_str!("../wgsl/elementwise.wgsl"),
    case: |scale| {
        let count = scale.pick(10_000_u32, 1 << 20, 1 << 23);
        let mut random = Random::new(13);
        let numbers = |random: &mut Random| match scale {
            crate::Scale::Equality => random.strange(count),
            // Subnormal numbers are slow on processors.
            _ => random.reals(count),
        };
        let slots = vec![read(numbers(&mut random)), read(numbers(&mut random)), result(count)];
        Case { slots, workgroups: [count.div_ceil(256), 1, 1] }
    },
    oracle: Oracle::Bits(|case| {
        let (a, b) = (reals(&case.slots[0].words), reals(&case.slots[1].words));
        a.iter().zip(b).map(|(x, y)| bits((x * 1.5 + y) - (y - x) * x)).collect()
    }),
};
