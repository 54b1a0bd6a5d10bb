//! Every block once or more, and what it must give.

use crate::gpu::Gpu;
use crate::oracle;
use fizz_kernels::{Argmax, Call, LayerNorm, Matmul, MatmulInt8, Operation, Product, Reduce, Rows, Softmax};

/// What a block gave, and what it must give.
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) got: Vec<u32>,
    pub(crate) wanted: Wanted,
}

pub(crate) enum Wanted {
    /// These bits.
    Bits(Vec<u32>),
    /// These numbers, but for this part of each.
    Near(Vec<f64>, f64),
}

impl Check {
    /// Whether it gave what it must. `exact` is false where the device promises no bits.
    pub(crate) fn holds(&self, exact: bool) -> bool {
        let near = |wanted: &[f64], part: f64| {
            let pairs = self.got.iter().zip(wanted);
            self.got.len() == wanted.len()
                && pairs.into_iter().all(|(got, wanted)| {
                    (f64::from(f32::from_bits(*got)) - wanted).abs() <= part * wanted.abs().max(1e-30)
                })
        };
        match &self.wanted {
            Wanted::Bits(bits) if *bits == self.got => true,
            Wanted::Bits(bits) => {
                let numbers: Vec<f64> = bits.iter().map(|bits| f64::from(f32::from_bits(*bits))).collect();
                !exact && near(&numbers, 1e-3)
            }
            Wanted::Near(numbers, part) => near(numbers, *part),
        }
    }
}

/// Numbers that look random, and are the same everywhere.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let word = ((self.0 >> ((self.0 >> 28) + 4)) ^ self.0).wrapping_mul(277_803_737);
        (word >> 22) ^ word
    }

    /// From −4 to 4, all bits in use.
    fn reals(&mut self, count: u32) -> Vec<f32> {
        (0..count).map(|_| (self.next() >> 8) as f32 / (1 << 21) as f32 - 4.0).collect()
    }

    fn bytes(&mut self, count: u32) -> Vec<i8> {
        (0..count).map(|_| self.next() as i8).collect()
    }
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn pack(bytes: &[i8]) -> Vec<u32> {
    bytes.chunks(4).map(|four| u32::from_le_bytes(std::array::from_fn(|n| four[n] as u8))).collect()
}

/// Runs them all.
pub(crate) fn all(gpu: &Gpu) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut random = Random(1);
    products(gpu, &mut random, &mut checks);
    rows(gpu, &mut random, &mut checks);
    reductions(gpu, &mut random, &mut checks);
    checks
}

fn run(gpu: &Gpu, call: &Call) {
    gpu.pass(|pass| call.record(pass));
}

fn products(gpu: &Gpu, random: &mut Random, checks: &mut Vec<Check>) {
    let matmul = Matmul::new(&gpu.device);
    for (rows, columns, inner) in [(1, 1, 1), (64, 128, 32), (70, 33, 45), (3, 200, 1), (5, 5, 0)] {
        let shape = Product { rows, columns, inner };
        let (a, b) = (random.reals(rows * inner), random.reals(inner * columns));
        let buffers = [gpu.storage(&bits(&a)), gpu.storage(&bits(&b)), gpu.empty(rows * columns)];
        let [left, right, product] = buffers.each_ref().map(|buffer| buffer.as_entire_buffer_binding());
        let call = matmul.call(&gpu.device, shape, left, right, product).expect("they fit");
        run(gpu, &call);
        checks.push(Check {
            name: format!("matmul {rows} × {inner} × {columns}"),
            got: gpu.read(&buffers[2], rows * columns),
            wanted: Wanted::Bits(bits(&oracle::matmul(shape, &a, &b))),
        });
    }
    let matmul = MatmulInt8::new(&gpu.device);
    for (rows, columns, inner) in [(1, 1, 4), (64, 128, 128), (70, 33, 100)] {
        let shape = Product { rows, columns, inner };
        let (a, b) = (random.bytes(rows * inner), random.bytes(columns * inner));
        let scales = [random.reals(rows), random.reals(columns)];
        let words = [pack(&a), pack(&b), bits(&scales[0]), bits(&scales[1])].map(|words| gpu.storage(&words));
        let [left, right, row_scale, column_scale] =
            words.each_ref().map(|buffer| buffer.as_entire_buffer_binding());
        let (sums, scaled) = (gpu.empty(rows * columns), gpu.empty(rows * columns));
        let whole = wgpu::Buffer::as_entire_buffer_binding;
        let call = matmul.call(&gpu.device, shape, left.clone(), right.clone(), whole(&sums));
        run(gpu, &call.expect("they fit"));
        let call =
            matmul.call_scaled(&gpu.device, shape, left, right, whole(&scaled), row_scale, column_scale);
        run(gpu, &call.expect("they fit"));
        let wanted = oracle::matmul_int8(shape, &a, &b);
        checks.push(Check {
            name: format!("matmul int8 {rows} × {inner} × {columns}"),
            got: gpu.read(&sums, rows * columns),
            wanted: Wanted::Bits(wanted.iter().map(|sum| *sum as u32).collect()),
        });
        checks.push(Check {
            name: format!("matmul int8 {rows} × {inner} × {columns}, scaled"),
            got: gpu.read(&scaled, rows * columns),
            wanted: Wanted::Bits(bits(&oracle::scaled(shape, &wanted, &scales[0], &scales[1]))),
        });
    }
}

fn rows(gpu: &Gpu, random: &mut Random, checks: &mut Vec<Check>) {
    let whole = wgpu::Buffer::as_entire_buffer_binding;
    let (softmax, norm) = (Softmax::new(&gpu.device), LayerNorm::new(&gpu.device));
    for (rows, columns) in [(1, 1), (5, 1000), (300, 7)] {
        let shape = Rows { rows, columns };
        let x = random.reals(rows * columns);
        let (from, to) = (gpu.storage(&bits(&x)), gpu.empty(rows * columns));
        let call = softmax.call(&gpu.device, shape, whole(&from), whole(&to)).expect("they fit");
        run(gpu, &call);
        checks.push(Check {
            name: format!("softmax of {rows} rows of {columns}"),
            got: gpu.read(&to, rows * columns),
            wanted: Wanted::Near(x.chunks(columns as usize).flat_map(oracle::softmax).collect(), 4e-6),
        });
        let (scale, shift) = (random.reals(columns), random.reals(columns));
        let parts = [gpu.storage(&bits(&scale)), gpu.storage(&bits(&shift))];
        let to = gpu.empty(rows * columns);
        let call =
            norm.call(&gpu.device, shape, 1e-5, whole(&from), whole(&to), whole(&parts[0]), whole(&parts[1]));
        run(gpu, &call.expect("they fit"));
        let normed = x.chunks(columns as usize).flat_map(|row| oracle::layer_norm(row, 1e-5, &scale, &shift));
        checks.push(Check {
            name: format!("layer norm of {rows} rows of {columns}"),
            got: gpu.read(&to, rows * columns),
            wanted: Wanted::Bits(bits(&normed.collect::<Vec<_>>())),
        });
    }
}

fn reductions(gpu: &Gpu, random: &mut Random, checks: &mut Vec<Check>) {
    let whole = wgpu::Buffer::as_entire_buffer_binding;
    let argmax = Argmax::new(&gpu.device);
    let operations = [("sum", Operation::Sum), ("max", Operation::Max), ("min", Operation::Min)]
        .map(|(name, operation)| (name, operation, Reduce::new(&gpu.device, operation)));
    for count in [1, 255, 4096, 4097, 100_000] {
        let mut x = random.reals(count);
        // The greatest several times.
        for at in [count / 3, count / 2, count - 1] {
            x[at as usize] = 5.0;
        }
        let from = gpu.storage(&bits(&x));
        for (name, operation, block) in &operations {
            let to = gpu.empty(1);
            run(gpu, &block.call(&gpu.device, count, whole(&from), whole(&to)).expect("they fit"));
            let wanted = match operation {
                Operation::Sum => oracle::reduce(&x, |a, b| a + b, |_| 0.0),
                Operation::Max => oracle::reduce(&x, f32::max, |first| first),
                Operation::Min => oracle::reduce(&x, f32::min, |first| first),
            };
            checks.push(Check {
                name: format!("{name} of {count}"),
                got: gpu.read(&to, 1),
                wanted: Wanted::Bits(vec![wanted.to_bits()]),
            });
        }
        let to = gpu.empty(1);
        run(gpu, &argmax.call(&gpu.device, count, whole(&from), whole(&to)).expect("they fit"));
        checks.push(Check {
            name: format!("argmax of {count}"),
            got: gpu.read(&to, 1),
            wanted: Wanted::Bits(vec![oracle::argmax(&x)]),
        });
    }
}
