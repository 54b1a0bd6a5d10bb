//! Much data at once, many small writes, many dispatches in one command buffer.

use super::{Gpu, say};
use wgpu::util::DeviceExt;

const SHADER: &str = r"
@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = id.y * groups.x * 256u + id.x;
    if index < arrayLength(&output) {
        output[index] += input[index];
    }
}
";

/// Words of the large buffers: 8 MiB.
const WORDS: usize = 2 << 20;

/// Order matters, unlike in a sum.
fn digest(words: &[u32]) -> u32 {
    words.iter().fold(1, |digest, word| digest.wrapping_mul(16_777_619) ^ word)
}

pub(super) fn run(gpu: &Gpu, out: &mut String) {
    let a: Vec<u32> = (0..WORDS as u32).map(|index| index.wrapping_mul(2_654_435_761)).collect();
    let b: Vec<u32> = (0..WORDS as u32).rev().collect();
    let input = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("input"),
        size: 4 * WORDS as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue.write_buffer(&input, 0, bytemuck::cast_slice(&a));
    // Through a mapping, with no usage that a copy could go by.
    let output = gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("output"),
        contents: bytemuck::cast_slice(&b),
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
    });
    let pipeline = gpu.pipeline("add", SHADER);
    let group = gpu.bind(&pipeline.get_bind_group_layout(0), &[&input, &output]);
    gpu.pass(|pass| {
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(64, (WORDS / 256 / 64) as u32, 1);
    });
    let sum = gpu.read(&output);
    let expected: Vec<u32> = a.iter().zip(&b).map(|(a, b)| a.wrapping_add(*b)).collect();
    say!(out, "large: {:#010x}, as on the CPU: {}", digest(&sum), sum == expected);

    // Many writes before the first submit.
    let table = gpu.storage("table", &vec![0; 64 * 1500]);
    for row in 0..1500_u32 {
        let words: Vec<u32> = (0..64).map(|column| row * 64 + column).collect();
        gpu.queue.write_buffer(&table, u64::from(row) * 256, bytemuck::cast_slice(&words));
    }
    let table = gpu.read(&table);
    say!(out, "many writes: {}", table.iter().copied().eq(0..64 * 1500));

    // Many dispatches in one command buffer.
    let one = gpu.storage("one", &[1; 8]);
    let count = gpu.storage("count", &[0; 8]);
    let group = gpu.bind(&pipeline.get_bind_group_layout(0), &[&one, &count]);
    gpu.pass(|pass| {
        pass.set_pipeline(&pipeline);
        for _ in 0..1000 {
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        }
    });
    say!(out, "many dispatches: {:?}", gpu.read(&count));
}
