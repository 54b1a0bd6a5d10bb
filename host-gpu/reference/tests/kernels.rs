//! Whole kernels.

mod common;

use common::{floats, run, words};

#[test]
fn each_invocation_writes_its_word() {
    for size in ["1", "3", "64", "5, 3", "7, 9", "16, 16", "4, 4, 4", "2, 3, 5", "256"] {
        let [x, y, z] = {
            let mut of = size.split(", ").map(|part| part.parse::<u32>().unwrap());
            [of.next().unwrap(), of.next().unwrap_or(1), of.next().unwrap_or(1)]
        };
        let wgsl = format!(
            "@group(0) @binding(0) var<storage, read_write> out: array<u32>;
            @compute @workgroup_size({size})
            fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) local: vec3u,
                    @builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {{
                let width = groups.x * {x}u; let height = groups.y * {y}u;
                let at = (id.z * height + id.y) * width + id.x;
                out[at * 2u] = id.x + id.y * 1000u + id.z * 1000000u;
                out[at * 2u + 1u] = local.x + local.y * 1000u + local.z * 1000000u + index * 7u + group.x;
            }}"
        );
        let groups = [2, 3, 2];
        let (width, height, depth) = (x * 2, y * 3, z * 2);
        let count = width * height * depth;
        let out = run(&wgsl, groups, &[words(0, &vec![0; count as usize * 2])]);
        let out = out[0].words();
        for at in 0..count {
            let (ix, iy, iz) = (at % width, at / width % height, at / width / height);
            assert_eq!(out[at as usize * 2], ix + iy * 1000 + iz * 1_000_000, "{size} at {at}");
            let (lx, ly, lz) = (ix % x, iy % y, iz % z);
            let index = lx + ly * x + lz * x * y;
            let expected = lx + ly * 1000 + lz * 1_000_000 + index * 7 + ix / x;
            assert_eq!(out[at as usize * 2 + 1], expected, "{size} at {at}");
        }
    }
}

#[test]
fn a_tiled_product_of_matrices() {
    let n = 64_usize;
    let wgsl = include_str!("kernels/matmul.wgsl").replace("512u", "64u").replace("32u", "4u");
    let value = |seed: usize| ((seed * 7919 + 13) % 101) as f32 / 7.0 - 5.0;
    let a: Vec<f32> = (0..n * n).map(value).collect();
    let b: Vec<f32> = (0..n * n).map(|i| value(i + 77)).collect();
    let out = run(&wgsl, [4, 4, 1], &[floats(0, &a), floats(1, &b), floats(2, &vec![0.0; n * n])]);
    let out = out[2].words();
    for row in 0..n {
        for column in 0..n {
            let sum = (0..n).fold(0_f32, |sum, k| sum + a[row * n + k] * b[k * n + column]);
            assert_eq!(out[row * n + column], sum.to_bits(), "{row}, {column}");
        }
    }
}

#[test]
fn a_product_of_matrices_in_registers() {
    let n = 128_usize;
    let wgsl = include_str!("kernels/registers.wgsl").replace("512u", "128u").replace("32u", "8u");
    let value = |seed: usize| ((seed * 7919 + 13) % 101) as f32 / 7.0 - 5.0;
    let a: Vec<f32> = (0..n * n).map(value).collect();
    let b: Vec<f32> = (0..n * n).map(|i| value(i + 77)).collect();
    let out = run(&wgsl, [2, 2, 1], &[floats(0, &a), floats(1, &b), floats(2, &vec![0.0; n * n])]);
    let out = out[2].words();
    for row in 0..n {
        for column in 0..n {
            let sum = (0..n).fold(0_f32, |sum, k| sum + a[row * n + k] * b[k * n + column]);
            assert_eq!(out[row * n + column], sum.to_bits(), "{row}, {column}");
        }
    }
}

#[test]
fn a_sum_as_a_tree() {
    let input: Vec<f32> = (0..1024).map(|i| (i * 37 % 251) as f32 * 0.37).collect();
    let out =
        run(include_str!("kernels/reduction.wgsl"), [4, 1, 1], &[floats(0, &input), floats(2, &[0.0; 4])]);
    for (group, sum) in out[1].words().into_iter().enumerate() {
        let mut tree = input[group * 256..][..256].to_vec();
        let mut half = 128;
        while half > 0 {
            (0..half).for_each(|i| tree[i] += tree[i + half]);
            half /= 2;
        }
        assert_eq!(sum, tree[0].to_bits());
    }
}

#[test]
fn a_picture_of_a_set() {
    let out = run(include_str!("kernels/mandelbrot.wgsl"), [4, 4, 1], &[words(2, &vec![0; 1024 * 1024])]);
    let out = out[0].words();
    for py in 0..32_usize {
        for px in 0..32_usize {
            let (cr, ci) = (px as f32 * (3.0 / 1024.0) - 2.0, py as f32 * (3.0 / 1024.0) - 1.5);
            let (mut x, mut y, mut turns) = (0_f32, 0_f32, 0);
            while turns < 1000 {
                let (xx, yy) = (x * x, y * y);
                if xx + yy > 4.0 {
                    break;
                }
                (y, x) = (2.0 * x * y + ci, xx - yy + cr);
                turns += 1;
            }
            assert_eq!(out[py * 1024 + px], turns, "{px}, {py}");
        }
    }
}
