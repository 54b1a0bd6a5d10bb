//! The same pipeline over and over: new data by `write_buffer`, one staging buffer mapped again and again.

use super::{Gpu, say};

const SHADER: &str = r"
@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    output[id.x] = output[id.x] * 31u + input[id.x];
}
";

pub(super) fn run(gpu: &Gpu, out: &mut String) {
    let input = gpu.storage("input", &[0; 64]);
    let output = gpu.storage("output", &[1; 64]);
    let staging = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("staging"),
        size: output.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let pipeline = gpu.pipeline("accumulate", SHADER);
    let group = gpu.bind(&pipeline.get_bind_group_layout(0), &[&input, &output]);
    for round in 0..8_u32 {
        let words: Vec<u32> = (0..64).map(|index| index * 7 + round).collect();
        gpu.queue.write_buffer(&input, 0, bytemuck::cast_slice(&words));
        // A second, partial write before the same submit wins.
        gpu.queue.write_buffer(&input, 4 * u64::from(round), &1000_u32.to_le_bytes());
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(2, 1, 1);
        }
        encoder.copy_buffer_to_buffer(&output, 0, &staging, 0, output.size());
        gpu.queue.submit([encoder.finish()]);
        let words = gpu.read_mapped(&staging);
        say!(out, "round {round}: {:?}", &words[..4]);
    }
}
