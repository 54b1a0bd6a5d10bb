//! Dynamic offsets: one bind group, several windows into one buffer.

use super::{Gpu, say};

const SHADER: &str = r"
struct Parameters { factor: u32, term: u32 }
@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> values: array<u32, 4>;

@compute @workgroup_size(4)
fn main(@builtin(local_invocation_index) index: u32) {
    values[index] = values[index] * parameters.factor + parameters.term;
}
";

/// WebGPU's default alignment of dynamic offsets, in bytes.
const STRIDE: usize = 256;

pub(super) fn run(gpu: &Gpu, out: &mut String) {
    let entry = |binding, ty, size| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: true,
            min_binding_size: wgpu::BufferSize::new(size),
        },
        count: None,
    };
    let layout = gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("windows"),
        entries: &[
            entry(0, wgpu::BufferBindingType::Uniform, 8),
            entry(1, wgpu::BufferBindingType::Storage { read_only: false }, 16),
        ],
    });
    let pipeline_layout = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some("windows"),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("windows"),
        layout: Some(&pipeline_layout),
        module: &gpu.shader("windows", SHADER),
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });

    let mut parameters = vec![0_u32; 3 * STRIDE / 4];
    for (window, pair) in [[2, 1], [3, 10], [5, 100]].into_iter().enumerate() {
        parameters[window * STRIDE / 4..][..2].copy_from_slice(&pair);
    }
    let uniform = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("parameters"),
        size: (3 * STRIDE) as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue.write_buffer(&uniform, 0, bytemuck::cast_slice(&parameters));
    let values = gpu.storage("values", &vec![1; 2 * STRIDE / 4]);

    let window = |buffer, size| {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset: 0,
            size: wgpu::BufferSize::new(size),
        })
    };
    let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("windows"),
        layout: &layout,
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: window(&uniform, 8) },
            wgpu::BindGroupEntry { binding: 1, resource: window(&values, 16) },
        ],
    });
    gpu.pass(|pass| {
        pass.set_pipeline(&pipeline);
        for offsets in [[0, 0], [256, 256], [512, 0]] {
            pass.set_bind_group(0, &group, &offsets);
            pass.dispatch_workgroups(1, 1, 1);
        }
    });
    let values = gpu.read(&values);
    say!(out, "window 0: {:?}", &values[..4]);
    say!(out, "window 1: {:?}", &values[STRIDE / 4..][..4]);
    say!(out, "between: {:?}", &values[4..8]);
}
