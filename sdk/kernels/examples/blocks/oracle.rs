//! The same numbers, computed on the processor from what the documents say: nothing here knows of tiles or workgroups.

use fizz_kernels::Product;

pub(crate) fn matmul(shape: Product, a: &[f32], b: &[f32]) -> Vec<f32> {
    let (rows, columns, inner) = (shape.rows as usize, shape.columns as usize, shape.inner as usize);
    let element = |row: usize, column: usize| {
        (0..inner).fold(0.0, |sum: f32, k| sum + a[row * inner + k] * b[k * columns + column])
    };
    (0..rows * columns).map(|at| element(at / columns, at % columns)).collect()
}

/// `a` row by row, `b` column by column.
pub(crate) fn matmul_int8(shape: Product, a: &[i8], b: &[i8]) -> Vec<i32> {
    let (rows, columns, inner) = (shape.rows as usize, shape.columns as usize, shape.inner as usize);
    let element = |row: usize, column: usize| {
        let (row, column) = (&a[row * inner..][..inner], &b[column * inner..][..inner]);
        row.iter().zip(column).fold(0_i32, |sum, (a, b)| sum.wrapping_add(i32::from(*a) * i32::from(*b)))
    };
    (0..rows * columns).map(|at| element(at / columns, at % columns)).collect()
}

pub(crate) fn scaled(shape: Product, sums: &[i32], row_scale: &[f32], column_scale: &[f32]) -> Vec<f32> {
    let columns = shape.columns as usize;
    let places = sums.iter().enumerate();
    places.map(|(at, sum)| *sum as f32 * row_scale[at / columns] * column_scale[at % columns]).collect()
}

/// Combines halves until one is left.
fn halve(mut numbers: Vec<f32>, combine: impl Fn(f32, f32) -> f32) -> f32 {
    while numbers.len() > 1 {
        let right = numbers.split_off(numbers.len() / 2);
        numbers.iter_mut().zip(right).for_each(|(left, right)| *left = combine(*left, right));
    }
    numbers[0]
}

/// The sum of a row: 256 sums of every 256th element, then halves.
fn row_sum(row: &[f32]) -> f32 {
    let every = |first: usize| row.iter().skip(first).step_by(256).fold(0.0, |sum: f32, x| sum + x);
    halve((0..256).map(every).collect(), |a, b| a + b)
}

pub(crate) fn layer_norm(row: &[f32], epsilon: f32, scale: &[f32], shift: &[f32]) -> Vec<f32> {
    let n = row.len() as f32;
    let mean = row_sum(row) / n;
    let squares: Vec<f32> = row.iter().map(|x| (x - mean) * (x - mean)).collect();
    let variance = row_sum(&squares) / n;
    let factor = 1.0 / (variance + epsilon).sqrt();
    let columns = row.iter().zip(scale).zip(shift);
    columns.map(|((x, scale), shift)| (x - mean) * factor * scale + shift).collect()
}

/// With 64-bit numbers: what a softmax is near to.
pub(crate) fn softmax(row: &[f32]) -> Vec<f64> {
    let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = row.iter().map(|x| f64::exp(f64::from(x - greatest))).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// `absent` makes of the first number of a chunk what is missing at its end.
pub(crate) fn reduce(
    numbers: &[f32],
    combine: impl Fn(f32, f32) -> f32 + Copy,
    absent: impl Fn(f32) -> f32 + Copy,
) -> f32 {
    let round: Vec<f32> = numbers
        .chunks(4096)
        .map(|chunk| {
            let number = |at: usize| chunk.get(at).copied().unwrap_or(absent(chunk[0]));
            let own = |i: usize| (1..16).fold(number(i), |own, step| combine(own, number(i + 256 * step)));
            halve((0..256).map(own).collect(), combine)
        })
        .collect();
    if round.len() == 1 { round[0] } else { reduce(&round, combine, absent) }
}

pub(crate) fn argmax(numbers: &[f32]) -> u32 {
    let mut best: Option<(usize, f32)> = None;
    for (at, number) in numbers.iter().enumerate() {
        if !number.is_nan() && best.is_none_or(|(_, greatest)| *number > greatest) {
            best = Some((at, *number));
        }
    }
    best.map_or(u32::MAX, |(at, _)| at as u32)
}
