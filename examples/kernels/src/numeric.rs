//! Loops over numbers: floats in registers, floats in memory, bytes in memory, calls.

use std::hint::black_box;

/// A body's position, velocity and mass.
#[derive(Clone, Copy)]
struct Body {
    position: [f64; 3],
    velocity: [f64; 3],
    mass: f64,
}

/// Eight bodies under their own gravity, by the symplectic Euler method. Returns the bits of the energy.
///
/// Only `+ - * /` and `sqrt`, which IEEE 754 rounds in one way: the bits are equal everywhere.
pub(crate) fn nbody() -> u64 {
    let mut bodies = eight_bodies();
    for _ in 0..black_box(400_000) {
        step(&mut bodies, 0.000_25);
    }
    energy(&bodies).to_bits()
}

fn eight_bodies() -> [Body; 8] {
    std::array::from_fn(|i| {
        let i = i as f64;
        Body {
            position: [i * 1.5 - 5.0, (i - 3.0) * (i - 4.0) * 0.25, 0.5 * i - 2.0],
            velocity: [0.01 * (i - 4.0), 0.02 * (3.0 - i), 0.005 * i],
            mass: 1.0 / (i + 1.0),
        }
    })
}

fn step(bodies: &mut [Body; 8], time: f64) {
    for i in 0..bodies.len() {
        for j in i + 1..bodies.len() {
            attract(bodies, i, j, time);
        }
    }
    for body in bodies {
        for (position, velocity) in body.position.iter_mut().zip(body.velocity) {
            *position += time * velocity;
        }
    }
}

/// What keeps the force finite when two bodies meet.
const SOFTENING: f64 = 0.01;

fn attract(bodies: &mut [Body; 8], i: usize, j: usize, time: f64) {
    let (a, b) = (bodies[i], bodies[j]);
    let d: [f64; 3] = std::array::from_fn(|axis| a.position[axis] - b.position[axis]);
    let square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + SOFTENING;
    let pull = time / (square * square.sqrt());
    for (axis, d) in d.into_iter().enumerate() {
        bodies[i].velocity[axis] -= d * b.mass * pull;
        bodies[j].velocity[axis] += d * a.mass * pull;
    }
}

fn energy(bodies: &[Body; 8]) -> f64 {
    let mut energy = 0.0;
    for (i, a) in bodies.iter().enumerate() {
        let v = a.velocity;
        energy += 0.5 * a.mass * (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        for b in &bodies[i + 1..] {
            let d: [f64; 3] = std::array::from_fn(|axis| a.position[axis] - b.position[axis]);
            energy -= a.mass * b.mass / (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + SOFTENING).sqrt();
        }
    }
    energy
}

/// Rows, and columns, of the matrices that are multiplied.
const N: usize = 512;

/// The product of two square matrices of `f32`, row by row. Returns a hash of its bits.
pub(crate) fn matmul() -> u64 {
    hash_of_product(multiply)
}

/// The same product to the same bits, four columns at a time where the processor has vectors.
#[allow(clippy::redundant_closure, reason = "in WebAssembly, a function with features of its own is no `Fn`")]
pub(crate) fn matmul_simd() -> u64 {
    hash_of_product(|a, b, c| multiply_by_vectors(a, b, c))
}

fn hash_of_product(multiply: impl FnOnce(&[f32], &[f32], &mut [f32])) -> u64 {
    let a: Vec<f32> = (0..N * N).map(|i| (i % 31) as f32 * 0.25 - 3.0).collect();
    let b: Vec<f32> = (0..N * N).map(|i| (i % 29) as f32 * 0.125 - 1.5).collect();
    let mut c = vec![0f32; N * N];
    multiply(&a, &b, &mut c);
    c.iter().fold(0, |hash: u64, x| hash.rotate_left(5) ^ u64::from(x.to_bits()))
}

#[inline(always)]
fn multiply(a: &[f32], b: &[f32], c: &mut [f32]) {
    for (row_a, row_c) in a.chunks_exact(N).zip(c.chunks_exact_mut(N)) {
        for (&x, row_b) in row_a.iter().zip(b.chunks_exact(N)) {
            for (sum, &y) in row_c.iter_mut().zip(row_b) {
                *sum += x * y;
            }
        }
    }
}

/// Columns are independent of each other, so the compiler makes vectors of them wherever it may use the feature.
#[cfg_attr(target_arch = "wasm32", target_feature(enable = "simd128"))]
fn multiply_by_vectors(a: &[f32], b: &[f32], c: &mut [f32]) {
    multiply(a, b, c);
}

/// The number of primes below 50 million, by the sieve of Eratosthenes over odd numbers.
pub(crate) fn sieve() -> u64 {
    const LIMIT: usize = 50_000_000;

    // Entry `i` stands for the number 2 i + 1.
    let mut composite = vec![false; black_box(LIMIT) / 2];
    let mut i = 1;
    while (2 * i + 1) * (2 * i + 1) < LIMIT {
        if !composite[i] {
            let prime = 2 * i + 1;
            let mut multiple = prime * prime / 2;
            while multiple < composite.len() {
                composite[multiple] = true;
                multiple += prime;
            }
        }
        i += 1;
    }
    // One is counted in the place of two.
    composite.iter().filter(|&&c| !c).count() as u64
}

/// The 35th Fibonacci number by plain recursion: nothing but calls.
pub(crate) fn fib() -> u64 {
    recursive_fib(black_box(35))
}

#[inline(never)]
fn recursive_fib(n: u32) -> u64 {
    if n < 2 { u64::from(n) } else { recursive_fib(n - 1) + recursive_fib(n - 2) }
}

#[cfg(test)]
mod tests {
    use super::N;

    #[test]
    fn known_values() {
        assert_eq!(super::fib(), 9_227_465);
        assert_eq!(super::sieve(), 3_001_134);
    }

    #[test]
    fn matmul_equals_the_definition() {
        let at = |i: usize| (i % 31) as f32 * 0.25 - 3.0;
        let bt = |i: usize| (i % 29) as f32 * 0.125 - 1.5;
        let mut hash = 0u64;
        for row in 0..N {
            for column in 0..N {
                let sum = (0..N).fold(0f32, |sum, k| sum + at(row * N + k) * bt(k * N + column));
                hash = hash.rotate_left(5) ^ u64::from(sum.to_bits());
            }
        }
        assert_eq!(super::matmul(), hash);
        assert_eq!(super::matmul_simd(), hash);
    }

    #[test]
    fn the_bodies_keep_their_energy() {
        let before = super::energy(&super::eight_bodies());
        let after = f64::from_bits(super::nbody());
        assert!(((after - before) / before).abs() < 0.01, "{before} became {after}");
    }
}
