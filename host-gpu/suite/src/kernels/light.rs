//! A path tracer: loops and branches that neighbours do not share.

use super::{bits, read, reals, result, uniform};
use crate::random::Random;
use crate::{Case, Kernel, Oracle};

/// Spheres: centre, radius, colour, light.
fn spheres(count: u32) -> Vec<u32> {
    let mut random = Random::new(14);
    let ground = [0.0, -100.0, 0.0, 100.0, 0.8, 0.8, 0.7, 0.0];
    let lamp = [1.5, 3.0, 1.0, 0.7, 1.0, 1.0, 1.0, 4.0];
    let mut numbers = [ground, lamp].concat();
    for _ in 2..count {
        let radius = 0.2 + 0.15 * random.real();
        let (x, z) = (random.real() * 2.5, random.real() * 2.0);
        let colour = [0.0; 3].map(|_: f32| 0.5 + 0.45 * random.real());
        numbers.extend([x, radius, z, radius, colour[0], colour[1], colour[2], 0.0]);
    }
    numbers.into_iter().map(f32::to_bits).collect()
}

pub(super) const PATH_TRACER: Kernel = Kernel {
    name: "path-tracer",
    wgsl: include_str!("../wgsl/path_tracer.wgsl"),
    case: |scale| {
        let [width, height, paths] = scale.pick([37, 21, 2], [192, 128, 4], [1920, 1080, 32]);
        let count = 12;
        let slots =
            vec![read(spheres(count)), result(4 * width * height), uniform([width, height, paths, count])];
        Case { slots, workgroups: [width.div_ceil(8), height.div_ceil(8), 1] }
    },
    oracle: Oracle::Bits(|case| {
        let numbers = reals(&case.slots[0].words);
        let size = &case.slots[2].words;
        let scene = Scene { spheres: numbers.as_chunks::<8>().0, size: [size[0], size[1], size[2]] };
        (0..size[0] * size[1]).flat_map(|at| scene.point(at % size[0], at / size[0])).collect()
    }),
};

/// A vector whose every operation is one of the shader's.
type Vector = [f32; 3];

fn each(a: Vector, b: Vector, with: impl Fn(f32, f32) -> f32) -> Vector {
    [with(a[0], b[0]), with(a[1], b[1]), with(a[2], b[2])]
}

fn add(a: Vector, b: Vector) -> Vector {
    each(a, b, |a, b| a + b)
}

fn sub(a: Vector, b: Vector) -> Vector {
    each(a, b, |a, b| a - b)
}

fn dot(a: Vector, b: Vector) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn unit(v: Vector) -> Vector {
    let length = dot(v, v).sqrt();
    v.map(|x| x / length)
}

struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let word = ((self.0 >> ((self.0 >> 28) + 4)) ^ self.0).wrapping_mul(277_803_737);
        (((word >> 22) ^ word) >> 8) as f32 * 5.960_464_5e-8
    }

    fn scattered(&mut self) -> Vector {
        for _ in 0..16 {
            let v = [0.0; 3].map(|_: f32| self.next() * 2.0 - 1.0);
            let square = dot(v, v);
            if square <= 1.0 && square > 1e-4 {
                return unit(v);
            }
        }
        [0.0, 1.0, 0.0]
    }
}

struct Scene<'n> {
    spheres: &'n [[f32; 8]],
    size: [u32; 3],
}

impl Scene<'_> {
    fn nearest(&self, origin: Vector, way: Vector) -> Option<(f32, &[f32; 8])> {
        let mut found = None;
        let mut nearest = 1e9;
        for sphere in self.spheres {
            let [x, y, z, radius, ..] = *sphere;
            let to = sub(origin, [x, y, z]);
            let b = dot(to, way);
            let c = dot(to, to) - radius * radius;
            let square = b * b - c;
            if square > 0.0 {
                let root = square.sqrt();
                let first = -b - root;
                let far = if first < 1e-3 { root - b } else { first };
                if far > 1e-3 && far < nearest {
                    nearest = far;
                    found = Some((far, sphere));
                }
            }
        }
        found
    }

    fn path(&self, mut origin: Vector, mut way: Vector, noise: &mut Noise) -> Vector {
        let mut kept = [1.0; 3];
        for _ in 0..8 {
            let Some((far, sphere)) = self.nearest(origin, way) else {
                let sky = 0.5 + 0.5 * way[1];
                return kept.map(|kept| kept * sky);
            };
            let [x, y, z, radius, red, green, blue, light] = *sphere;
            if light > 0.0 {
                return kept.map(|kept| kept * light);
            }
            origin = add(origin, way.map(|x| x * far));
            let normal = sub(origin, [x, y, z]).map(|x| x / radius);
            way = unit(add(normal, noise.scattered().map(|x| x * 0.999)));
            kept = each(kept, [red, green, blue], |a, b| a * b);
        }
        [0.0; 3]
    }

    fn point(&self, x: u32, y: u32) -> [u32; 4] {
        let [width, height, paths] = self.size;
        let mut noise = Noise((y * width + x).wrapping_mul(9781).wrapping_add(1));
        let mut sum = [0.0; 3];
        for _ in 0..paths {
            let right = (x as f32 + noise.next()) / width as f32 - 0.5;
            let up = 0.5 - (y as f32 + noise.next()) / height as f32;
            let light = self.path([0.0, 0.5, 4.0], unit([right, up, -1.0]), &mut noise);
            sum = add(sum, light);
        }
        let [red, green, blue] = sum.map(|x| bits(x / paths as f32));
        [red, green, blue, 1.0_f32.to_bits()]
    }
}
