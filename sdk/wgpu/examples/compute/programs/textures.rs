//! Storage textures: an image is blurred from one texture into another and back, halved into its mip levels, and copied out.

use super::{Gpu, say};

/// Odd, so that rows lie otherwise in textures, buffers and this program.
const SIZE: [u32; 2] = [100, 37];

/// A sum of three texels in a row or a column, in place of a mean, so that every device finds the same.
const BLUR: &str = "
    @group(0) @binding(0) var input: texture_storage_2d<r32uint, read>;
    @group(0) @binding(1) var output: texture_storage_2d<r32uint, write>;
    override step_x: i32;
    override step_y: i32;

    @compute @workgroup_size(8, 8)
    fn main(@builtin(global_invocation_id) id: vec3u) {
        let size = textureDimensions(input);
        if (any(id.xy >= size)) { return; }
        var sum = vec4u();
        for (var i = -1; i <= 1; i++) {
            let at = vec2i(id.xy) + i * vec2i(step_x, step_y);
            sum += textureLoad(input, clamp(at, vec2i(0), vec2i(size) - 1));
        }
        textureStore(output, id.xy, sum);
    }";

/// Each texel of a level is the largest of four of the one above.
const HALVE: &str = "
    @group(0) @binding(0) var input: texture_storage_2d<r32uint, read>;
    @group(0) @binding(1) var output: texture_storage_2d<r32uint, write>;

    @compute @workgroup_size(8, 8)
    fn main(@builtin(global_invocation_id) id: vec3u) {
        if (any(id.xy >= textureDimensions(output))) { return; }
        let at = 2 * id.xy;
        var most = textureLoad(input, at).x;
        for (var i = 1u; i < 4u; i++) {
            most = max(most, textureLoad(input, at + vec2u(i & 1u, i >> 1u)).x);
        }
        textureStore(output, id.xy, vec4u(most));
    }";

/// Colours are exact where they are 0 or 1, in every layer.
const CHECKERS: &str = "
    @group(0) @binding(0) var board: texture_storage_2d_array<rgba8unorm, write>;

    @compute @workgroup_size(4, 4)
    fn main(@builtin(global_invocation_id) id: vec3u) {
        let dark = f32((id.x + id.y + id.z) & 1u);
        textureStore(board, id.xy, id.z, vec4f(dark, 0.0, 1.0 - dark, 1.0));
    }";

pub(super) fn run(gpu: &mut Gpu, out: &mut String) {
    blur(gpu, out);
    halve(gpu, out);
    checkers(gpu, out);
    refused(gpu, out);
}

fn texture(gpu: &Gpu, size: [u32; 3], format: wgpu::TextureFormat, mip_level_count: u32) -> wgpu::Texture {
    let [width, height, depth_or_array_layers] = size;
    gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("image"),
        size: wgpu::Extent3d { width, height, depth_or_array_layers },
        mip_level_count,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::STORAGE_BINDING
            | wgpu::TextureUsages::COPY_SRC
            | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

/// Brings words into the first level, without a gap between their rows.
fn upload(gpu: &Gpu, texture: &wgpu::Texture, words: &[u32]) {
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(texture.width() * 4),
        rows_per_image: None,
    };
    gpu.queue.write_texture(texture.as_image_copy(), bytemuck::cast_slice(words), layout, texture.size());
}

/// The words of a mip level, row after row, layer after layer.
fn download(gpu: &Gpu, texture: &wgpu::Texture, mip_level: u32) -> Vec<u32> {
    let size = texture.size().mip_level_size(mip_level, texture.dimension());
    let pitch = (size.width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let rows = size.height * size.depth_or_array_layers;
    let staging = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("texels"),
        size: u64::from(pitch) * u64::from(rows),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(pitch),
        rows_per_image: Some(size.height),
    };
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_texture_to_buffer(
        wgpu::TexelCopyTextureInfo { mip_level, ..texture.as_image_copy() },
        wgpu::TexelCopyBufferInfo { buffer: &staging, layout },
        size,
    );
    gpu.queue.submit([encoder.finish()]);
    let words = gpu.read_mapped(&staging);
    words.chunks(pitch as usize / 4).flat_map(|row| &row[..size.width as usize]).copied().collect()
}

fn bind(gpu: &Gpu, pipeline: &wgpu::ComputePipeline, views: &[&wgpu::TextureView]) -> wgpu::BindGroup {
    let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
        .zip(views)
        .map(|(binding, view)| wgpu::BindGroupEntry {
            binding,
            resource: wgpu::BindingResource::TextureView(view),
        })
        .collect();
    let layout = pipeline.get_bind_group_layout(0);
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &layout,
        entries: &entries,
    })
}

fn image() -> Vec<u32> {
    (0..SIZE[0] * SIZE[1]).map(|n| n.wrapping_mul(2_654_435_761) >> 24).collect()
}

/// The same on the processor, in one direction.
fn blurred(words: &[u32], step: [i32; 2]) -> Vec<u32> {
    let [width, height] = SIZE.map(u32::cast_signed);
    let texel = |x: i32, y: i32| words[(y.clamp(0, height - 1) * width + x.clamp(0, width - 1)) as usize];
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    places.map(|(x, y)| (-1..=1).map(|i| texel(x + i * step[0], y + i * step[1])).sum()).collect()
}

fn blur(gpu: &Gpu, out: &mut String) {
    let size = [SIZE[0], SIZE[1], 1];
    let textures = [0, 1].map(|_| texture(gpu, size, wgpu::TextureFormat::R32Uint, 1));
    let views =
        textures.each_ref().map(|texture| texture.create_view(&wgpu::TextureViewDescriptor::default()));
    upload(gpu, &textures[0], &image());
    let shader = gpu.shader("blur", BLUR);
    let passes: Vec<_> = [([1, 0], 0, 1), ([0, 1], 1, 0)]
        .into_iter()
        .map(|([x, y], from, to): ([i32; 2], usize, usize)| {
            let constants = &[("step_x", f64::from(x)), ("step_y", f64::from(y))];
            let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some("blur"),
                layout: None,
                module: &shader,
                entry_point: None,
                compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
                cache: None,
            });
            let group = bind(gpu, &pipeline, &[&views[from], &views[to]]);
            (pipeline, group)
        })
        .collect();
    gpu.pass(|pass| {
        for (pipeline, group) in &passes {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(SIZE[0].div_ceil(8), SIZE[1].div_ceil(8), 1);
        }
    });
    let found = download(gpu, &textures[0], 0);
    let expected = blurred(&blurred(&image(), [1, 0]), [0, 1]);
    let sum: u32 = found.iter().sum();
    say!(out, "blurred: sum {sum}, corner {}, as expected: {}", found[0], found == expected);
}

fn halve(gpu: &Gpu, out: &mut String) {
    let levels = 4;
    let made = texture(gpu, [64, 32, 1], wgpu::TextureFormat::R32Uint, levels);
    upload(gpu, &made, &(0..64 * 32).collect::<Vec<u32>>());
    let pipeline = gpu.pipeline("halve", HALVE);
    let views: Vec<wgpu::TextureView> = (0..levels)
        .map(|base_mip_level| {
            made.create_view(&wgpu::TextureViewDescriptor {
                label: Some("level"),
                base_mip_level,
                mip_level_count: Some(1),
                ..Default::default()
            })
        })
        .collect();
    let groups: Vec<_> = views.windows(2).map(|pair| bind(gpu, &pipeline, &[&pair[0], &pair[1]])).collect();
    gpu.pass(|pass| {
        pass.set_pipeline(&pipeline);
        for (level, group) in (1..).zip(&groups) {
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups((64_u32 >> level).div_ceil(8), (32_u32 >> level).div_ceil(8), 1);
        }
    });
    for level in 1..levels {
        let found = download(gpu, &made, level);
        say!(out, "level {level}: {} texels from {} to {}", found.len(), found[0], found[found.len() - 1]);
    }
    // And a part of one level into a texture of its own.
    let part = texture(gpu, [8, 4, 1], wgpu::TextureFormat::R32Uint, 1);
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encoder.copy_texture_to_texture(
        wgpu::TexelCopyTextureInfo {
            mip_level: 1,
            origin: wgpu::Origin3d { x: 8, y: 4, z: 0 },
            ..made.as_image_copy()
        },
        part.as_image_copy(),
        part.size(),
    );
    gpu.queue.submit([encoder.finish()]);
    say!(out, "part: {:?}", &download(gpu, &part, 0)[..8]);
}

fn checkers(gpu: &Gpu, out: &mut String) {
    let board = texture(gpu, [4, 4, 3], wgpu::TextureFormat::Rgba8Unorm, 1);
    let pipeline = gpu.pipeline("checkers", CHECKERS);
    let group = bind(gpu, &pipeline, &[&board.create_view(&wgpu::TextureViewDescriptor::default())]);
    gpu.pass(|pass| {
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(1, 1, 2);
    });
    let found = download(gpu, &board, 0);
    // The last layer was never written, and holds zeros.
    say!(out, "checkers: {:08x} {:08x}, {:08x}, {:08x}", found[0], found[1], found[16], found[32]);
}

/// What compute in WebGPU does not allow is an error, and not the end.
fn refused(gpu: &Gpu, out: &mut String) {
    let good = texture(gpu, [16, 16, 1], wgpu::TextureFormat::Rgba8Unorm, 1);
    let error = |attempt: &dyn Fn()| {
        let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        attempt();
        matches!(pollster::block_on(scope.pop()), Some(wgpu::Error::Validation { .. }))
    };
    let copy = |bytes_per_row: u32, width: u32, data: usize| {
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(bytes_per_row),
            rows_per_image: None,
        };
        let size = wgpu::Extent3d { width, height: 2, depth_or_array_layers: 1 };
        gpu.queue.write_texture(good.as_image_copy(), &vec![0; data], layout, size);
    };
    say!(
        out,
        "an empty texture: {}",
        error(&|| drop(texture(gpu, [0, 1, 1], wgpu::TextureFormat::R32Uint, 1)))
    );
    say!(
        out,
        "too many levels: {}",
        error(&|| drop(texture(gpu, [4, 4, 1], wgpu::TextureFormat::R32Uint, 4)))
    );
    say!(out, "no storage: {}", error(&|| drop(texture(gpu, [4, 4, 1], wgpu::TextureFormat::R8Unorm, 1))));
    say!(out, "rows that overlap: {}", error(&|| copy(16, 16, 1000)));
    say!(out, "outside: {}", error(&|| copy(128, 17, 1000)));
    say!(out, "short data: {}", error(&|| copy(64, 16, 127)));
    say!(out, "enough: {}", error(&|| copy(64, 16, 128)));
    let other = |dimension| {
        let wanted = wgpu::TextureViewDescriptor { dimension: Some(dimension), ..Default::default() };
        drop(good.create_view(&wanted));
    };
    say!(out, "a view in depth: {}", error(&|| other(wgpu::TextureViewDimension::D3)));
    say!(out, "a view in layers: {}", error(&|| other(wgpu::TextureViewDimension::D2Array)));
    good.destroy();
    say!(out, "destroyed: {}", error(&|| copy(64, 16, 128)));
}
