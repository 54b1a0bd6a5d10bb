//! Products of matrices.

use super::{bits, read, reals, result, uniform};
use crate::random::Random;
use crate::{Case, Kernel, Oracle, Scale};

pub(super) const TILED: Kernel = Kernel {
    name: "matmul-tiled",
    wgsl: include_str!("../wgsl/matmul_tiled.wgsl"),
    case: |scale| {
        let n = scale.pick(48, 256, 2048);
        let mut random = Random::new(1);
        let slots =
            vec![read(random.reals(n * n)), read(random.reals(n * n)), result(n * n), uniform([n, 0, 0, 0])];
        Case { slots, workgroups: [n / 16, n / 16, 1] }
    },
    oracle: Oracle::Bits(|case| {
        let n = case.slots[3].words[0] as usize;
        product(case, [n, n, n])
    }),
};

pub(super) const REGISTERS: Kernel = Kernel {
    name: "matmul-registers",
    wgsl: fizz_kernels::wgsl::MATMUL,
    case: |scale| {
        let [rows, columns, inner] = scale.pick([70, 133, 45], [512, 512, 512], [4096, 4096, 4096]);
        let mut random = Random::new(2);
        let slots = vec![
            read(random.reals(rows * inner)),
            read(random.reals(inner * columns)),
            result(rows * columns),
            uniform([rows, columns, inner, 0]),
        ];
        Case { slots, workgroups: [columns.div_ceil(64), rows.div_ceil(64), 1] }
    },
    oracle: Oracle::Bits(|case| {
        let shape = &case.slots[3].words;
        product(case, [shape[0] as usize, shape[1] as usize, shape[2] as usize])
    }),
};

/// Each element by itself, the products added from the first to the last.
fn product(case: &Case, [rows, columns, inner]: [usize; 3]) -> Vec<u32> {
    let (a, b) = (reals(&case.slots[0].words), reals(&case.slots[1].words));
    let mut sums = vec![0.0_f32; rows * columns];
    for row in 0..rows {
        for k in 0..inner {
            let left = a[row * inner + k];
            let right = &b[k * columns..][..columns];
            for (sum, right) in sums[row * columns..][..columns].iter_mut().zip(right) {
                *sum += left * right;
            }
        }
    }
    sums.into_iter().map(bits).collect()
}

fn bytes_case(scale: Scale, scaled: bool) -> Case {
    let [rows, columns, words] = scale.pick([70, 133, 27], [512, 512, 128], [4096, 4096, 1024]);
    let mut random = Random::new(3);
    let mut slots = vec![
        read(random.words(rows * words)),
        read(random.words(columns * words)),
        result(rows * columns),
        uniform([rows, columns, words, 0]),
    ];
    if scaled {
        slots.extend([read(random.reals(rows)), read(random.reals(columns))]);
    }
    Case { slots, workgroups: [columns.div_ceil(64), rows.div_ceil(64), 1] }
}

fn sums_of_bytes(case: &Case) -> Vec<i32> {
    let shape: Vec<usize> = case.slots[3].words.iter().map(|word| *word as usize).collect();
    let [rows, columns, words] = [shape[0], shape[1], shape[2]];
    let bytes = |slot: usize| -> Vec<i32> {
        let words = case.slots[slot].words.iter();
        words.flat_map(|word| word.to_le_bytes()).map(|byte| i32::from(byte.cast_signed())).collect()
    };
    let (a, b) = (bytes(0), bytes(1));
    let row = |of: &[i32], at: usize| of[at * 4 * words..][..4 * words].to_vec();
    let mut sums = Vec::with_capacity(rows * columns);
    for at in 0..rows {
        let left = row(&a, at);
        for column in 0..columns {
            let right = &b[column * 4 * words..][..4 * words];
            sums.push(left.iter().zip(right).fold(0_i32, |sum, (a, b)| sum.wrapping_add(a * b)));
        }
    }
    sums
}

pub(super) const INT8: Kernel = Kernel {
    name: "matmul-int8",
    wgsl: fizz_kernels::wgsl::MATMUL_INT8,
    case: |scale| bytes_case(scale, false),
    oracle: Oracle::Bits(|case| sums_of_bytes(case).into_iter().map(i32::cast_unsigned).collect()),
};

pub(super) const INT8_SCALED: Kernel = Kernel {
    name: "matmul-int8-scaled",
    wgsl: fizz_kernels::wgsl::MATMUL_INT8_SCALED,
    case: |scale| bytes_case(scale, true),
    oracle: Oracle::Bits(|case| {
        let columns = case.slots[3].words[1] as usize;
        let (row, column) = (reals(&case.slots[4].words), reals(&case.slots[5].words));
        let sums = sums_of_bytes(case).into_iter().enumerate();
        sums.map(|(at, sum)| bits(sum as f32 * row[at / columns] * column[at % columns])).collect()
    }),
};
