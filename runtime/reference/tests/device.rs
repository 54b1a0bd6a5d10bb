//! `wgpu` on the reference device.
#![allow(clippy::unwrap_used, reason = "tests")]

use fizz_reference_engine::Wasmtime;
use std::sync::Arc;
use wgpu::util::DeviceExt;

struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

fn gpu(threads: usize) -> Gpu {
    let engine = Arc::new(Wasmtime::new().unwrap());
    let instance = fizz_reference::instance(engine, threads);
    let adapter =
        pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())).unwrap();
    assert_eq!(adapter.get_info().name, fizz_reference::NAME);
    let wanted = wgpu::DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&wanted)).unwrap();
    Gpu { device, queue }
}

impl Gpu {
    fn buffer(&self, words: &[u32]) -> wgpu::Buffer {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: &bytes,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        })
    }

    fn pipeline(&self, wgsl: &str) -> wgpu::ComputePipeline {
        let source = wgpu::ShaderSource::Wgsl(wgsl.into());
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    }

    fn run(&self, pipeline: &wgpu::ComputePipeline, buffers: &[&wgpu::Buffer], counts: [u32; 3], times: u32) {
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        for _ in 0..times {
            pass.dispatch_workgroups(counts[0], counts[1], counts[2]);
        }
        drop(pass);
        self.queue.submit([encoder.finish()]);
    }

    fn read(&self, buffer: &wgpu::Buffer) -> Vec<u32> {
        let size = buffer.size();
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, size);
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |result| result.unwrap());
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let bytes = staging.get_mapped_range(..).unwrap();
        bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    }
}

#[test]
fn a_shader_runs_and_its_buffer_comes_back() {
    let gpu = gpu(2);
    let pipeline = gpu.pipeline(
        "@group(0) @binding(0) var<storage, read> a: array<u32>;
         @group(0) @binding(1) var<storage, read_write> b: array<u32>;
         @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) { b[id.x] = a[id.x] * 3u + id.x; }",
    );
    let input: Vec<u32> = (0..1000).map(|i: u32| i.wrapping_mul(2_654_435_761)).collect();
    let (a, b) = (gpu.buffer(&input), gpu.buffer(&vec![7; 1000]));
    gpu.run(&pipeline, &[&a, &b], [16, 1, 1], 1);
    let wanted: Vec<u32> = (0..).zip(&input).map(|(i, a)| a.wrapping_mul(3).wrapping_add(i)).collect();
    assert_eq!(gpu.read(&b), wanted);
}

#[test]
fn dispatches_run_one_after_the_other_on_any_number_of_threads() {
    let step = "@group(0) @binding(0) var<storage, read_write> a: array<u32>;
         @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) n: vec3u) {
             let i = id.x + 64u * n.x * (id.y + n.y * id.z);
             for (var k = 0u; k < i % 100u; k++) { a[i] = a[i] * 1664525u + 1013904223u + id.y; }
         }";
    let mut all = Vec::new();
    for threads in [1, 2, 5] {
        let gpu = gpu(threads);
        let pipeline = gpu.pipeline(step);
        let a = gpu.buffer(&(0..64 * 3 * 40 * 7).collect::<Vec<u32>>());
        gpu.run(&pipeline, &[&a], [3, 40, 7], 20);
        all.push(gpu.read(&a));
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    let plain: Vec<u32> = (0..64 * 3 * 40 * 7)
        .map(|i: u32| {
            let y = i / 192 % 40;
            let turns = 20 * (i % 100);
            (0..turns).fold(i, |a, _| a.wrapping_mul(1_664_525).wrapping_add(1_013_904_223).wrapping_add(y))
        })
        .collect();
    assert!(all[0] == plain);
}

#[test]
fn what_was_not_written_is_zero_and_what_is_cleared_too() {
    let gpu = gpu(1);
    // Leave something behind first.
    drop(gpu.buffer(&vec![0xdead_beef; 100_000]));
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let fresh = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 400_000,
        usage,
        mapped_at_creation: false,
    });
    assert!(gpu.read(&fresh).iter().all(|word| *word == 0));
    let full = gpu.buffer(&[5; 100]);
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.clear_buffer(&full, 40, Some(80));
    gpu.queue.submit([encoder.finish()]);
    let words = gpu.read(&full);
    assert!(words.iter().enumerate().all(|(i, word)| *word == if (10..30).contains(&i) { 0 } else { 5 }));
}

#[test]
fn groups_move_with_their_offsets() {
    let gpu = gpu(1);
    let layout = gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &[3, 9].map(|binding| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: false },
                has_dynamic_offset: true,
                min_binding_size: None,
            },
            count: None,
        }),
    });
    let source = "@group(1) @binding(9) var<storage, read_write> a: array<u32>;
         @group(1) @binding(3) var<storage, read_write> b: array<u32>;
         @compute @workgroup_size(1) fn main() { a[0] = 100u + arrayLength(&a); b[1] = 200u + arrayLength(&b); b[100] = 1u; }";
    let source = wgpu::ShaderSource::Wgsl(source.into());
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    let whole = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[None, Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&whole),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let buffer = gpu.buffer(&[0; 1024]);
    let part =
        |offset, size| wgpu::BufferBinding { buffer: &buffer, offset, size: wgpu::BufferSize::new(size) };
    let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &layout,
        entries: &[
            wgpu::BindGroupEntry { binding: 9, resource: wgpu::BindingResource::Buffer(part(0, 64)) },
            wgpu::BindGroupEntry { binding: 3, resource: wgpu::BindingResource::Buffer(part(256, 32)) },
        ],
    });
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    pass.set_pipeline(&pipeline);
    // In the order of the binding numbers: 3, then 9.
    pass.set_bind_group(1, &group, &[512, 2048]);
    pass.dispatch_workgroups(1, 1, 1);
    drop(pass);
    gpu.queue.submit([encoder.finish()]);
    let words = gpu.read(&buffer);
    let found: Vec<_> =
        words.iter().enumerate().filter(|(_, word)| **word != 0).map(|(i, word)| (i, *word)).collect();
    assert_eq!(found, [((256 + 512) / 4 + 1, 208), (512, 116)]);
}

#[test]
fn more_memory_than_there_is_is_refused_and_the_rest_works() {
    let gpu = gpu(1);
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
    let make = |size| {
        let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        });
        (buffer, pollster::block_on(scope.pop()))
    };
    let many: Vec<_> = (0..5).map(|_| make(1 << 30)).collect();
    assert!(many[0].1.is_none() && many[4].1.is_some(), "{:?}", many[4].1);
    drop(many);
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    assert!(make(1 << 30).1.is_none());
}

#[test]
fn textures_are_copied_by_rows_and_layers() {
    let gpu = gpu(1);
    let size = wgpu::Extent3d { width: 5, height: 3, depth_or_array_layers: 2 };
    let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::R32Uint,
        usage: wgpu::TextureUsages::COPY_DST | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let row = 256;
    let words: Vec<u32> = (0..2 * 3 * 64).collect();
    let (from, to) = (gpu.buffer(&words), gpu.buffer(&vec![0; words.len()]));
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: Some(3) };
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_buffer_to_texture(
        wgpu::TexelCopyBufferInfo { buffer: &from, layout },
        texture.as_image_copy(),
        size,
    );
    encoder.copy_texture_to_buffer(
        texture.as_image_copy(),
        wgpu::TexelCopyBufferInfo { buffer: &to, layout },
        size,
    );
    gpu.queue.submit([encoder.finish()]);
    let wanted: Vec<u32> = words.iter().map(|word| if word % 64 < 5 { *word } else { 0 }).collect();
    assert_eq!(gpu.read(&to), wanted);
}

#[test]
fn a_texture_that_nobody_wrote_is_zero_whatever_its_format_and_usage() {
    let gpu = gpu(1);
    drop(gpu.buffer(&vec![0xdead_beef; 100_000]));
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    for format in [wgpu::TextureFormat::R32Uint, wgpu::TextureFormat::Rgba8Unorm] {
        let size = wgpu::Extent3d { width: 64, height: 40, depth_or_array_layers: 3 };
        let usage = wgpu::TextureUsages::COPY_SRC | wgpu::TextureUsages::STORAGE_BINDING;
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage,
            view_formats: &[],
        });
        let to = gpu.buffer(&vec![1; 64 * 40 * 3]);
        let layout =
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(256), rows_per_image: Some(40) };
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_texture_to_buffer(
            texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo { buffer: &to, layout },
            size,
        );
        gpu.queue.submit([encoder.finish()]);
        assert!(gpu.read(&to).iter().all(|word| *word == 0), "{format:?}");
    }
}

/// The texels of a level, row by row, as words; rows of `width` texels of `texel` bytes.
fn level(gpu: &Gpu, texture: &wgpu::Texture, level: u32, texel: u32) -> Vec<u32> {
    let size = texture.size().mip_level_size(level, texture.dimension());
    let stride = (size.width * texel).next_multiple_of(256);
    let rows = size.height * size.depth_or_array_layers;
    let to = gpu.buffer(&vec![1; (stride / 4 * rows) as usize]);
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(stride),
        rows_per_image: Some(size.height),
    };
    let from = wgpu::TexelCopyTextureInfo { mip_level: level, ..texture.as_image_copy() };
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_texture_to_buffer(from, wgpu::TexelCopyBufferInfo { buffer: &to, layout }, size);
    gpu.queue.submit([encoder.finish()]);
    let words = gpu.read(&to);
    let row = (size.width * texel / 4) as usize;
    words.chunks((stride / 4) as usize).flat_map(|padded| padded[..row].to_vec()).collect()
}

#[test]
fn every_level_of_every_dimension_is_zero_until_it_is_written_and_only_there_then() {
    use wgpu::{TextureDimension as Dimension, TextureFormat as Format, TextureUsages as Usage};
    let gpu = gpu(2);
    drop(gpu.buffer(&vec![0xdead_beef; 1_000_000]));
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let shapes =
        [(Dimension::D1, [64, 1, 1], 1), (Dimension::D2, [48, 20, 3], 3), (Dimension::D3, [24, 12, 6], 3)];
    let formats =
        [(Format::R32Uint, 4), (Format::Rgba8Unorm, 4), (Format::Rg32Sint, 8), (Format::Rgba32Float, 16)];
    let usages =
        [Usage::empty(), Usage::STORAGE_BINDING, Usage::COPY_DST, Usage::COPY_DST | Usage::STORAGE_BINDING];
    for (dimension, [width, height, depth_or_array_layers], levels) in shapes {
        for ((format, texel), usage) in
            formats.into_iter().flat_map(|format| usages.map(|usage| (format, usage)))
        {
            let what = format!("{dimension:?} {format:?} {usage:?}");
            let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: None,
                size: wgpu::Extent3d { width, height, depth_or_array_layers },
                mip_level_count: levels,
                sample_count: 1,
                dimension,
                format,
                usage: usage | Usage::COPY_SRC,
                view_formats: &[],
            });
            let last = levels - 1;
            let size = texture.size().mip_level_size(last, dimension);
            let mut wanted: Vec<Vec<u32>> = Vec::new();
            for number in 0..levels {
                let zeros = level(&gpu, &texture, number, texel);
                assert!(zeros.iter().all(|word| *word == 0), "{what}: level {number}");
                wanted.push(zeros);
            }
            if usage.contains(Usage::COPY_DST) {
                // The last texel of the last row of the last slice or layer.
                let [x, y, z] = [size.width - 1, size.height - 1, size.depth_or_array_layers - 1];
                let origin = wgpu::Origin3d { x, y, z };
                let target =
                    wgpu::TexelCopyTextureInfo { mip_level: last, origin, ..texture.as_image_copy() };
                let layout = wgpu::TexelCopyBufferLayout::default();
                let words: Vec<u32> = (1..=texel / 4).collect();
                let from = gpu.buffer(&words);
                let one = wgpu::Extent3d::default();
                let mut encoder =
                    gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                encoder.copy_buffer_to_texture(
                    wgpu::TexelCopyBufferInfo { buffer: &from, layout },
                    target,
                    one,
                );
                gpu.queue.submit([encoder.finish()]);
                let texels = &mut wanted[last as usize];
                let at = texels.len() - words.len();
                texels[at..].copy_from_slice(&words);
            }
            for (number, wanted) in (0..levels).zip(&wanted) {
                assert_eq!(&level(&gpu, &texture, number, texel), wanted, "{what}: level {number}");
            }
        }
    }
}
