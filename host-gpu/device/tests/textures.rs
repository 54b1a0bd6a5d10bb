//! Storage textures: made, copied, bound, counted, refused.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{Guest, QUOTAS, hardware};
use fizz_gpu::{Hardware, Limit, Quotas, Stop, schedule};
use fizz_gpu_abi::{
    BindingKind, Class, ErrorClass, LayoutEntry, ObjectKind, TexelBuffer, TexelPlace, TextureBinding,
    TextureDimension, TextureFormat, TextureShape, ViewDimension, ViewShape, WHOLE, texture_usage, usage,
};

const USAGE: u32 = texture_usage::STORAGE_BINDING | texture_usage::COPY_SRC | texture_usage::COPY_DST;
const SHAPE: TextureShape = TextureShape {
    usage: USAGE,
    format: TextureFormat::R32Uint,
    dimension: TextureDimension::D2,
    size: [64, 8, 1],
    mip_levels: 1,
};

/// Every device here, with the class of its sessions.
fn devices() -> Vec<(Hardware, Class)> {
    let driver = hardware().into_iter();
    let driver =
        driver.flat_map(|found| [(found.clone(), Class::Fast), (found.unproven().unwrap(), Class::Exact)]);
    driver.chain([(common::reference(), Class::Exact)]).collect()
}

/// Does `test` on every device.
fn everywhere(quotas: Quotas, test: impl Fn(Guest)) {
    for (device, class) in devices() {
        test(Guest::with_class(&device, Quotas { class, ..quotas }, class));
    }
}

fn texture(guest: &mut Guest, shape: TextureShape) -> u32 {
    let id = guest.id();
    guest.stream.create_texture(id, &shape, "texture");
    id
}

fn view(guest: &mut Guest, texture: u32) -> u32 {
    let id = guest.id();
    guest.stream.create_texture_view(id, texture, &ViewShape::default(), "view");
    id
}

fn place(texture: u32) -> TexelPlace {
    TexelPlace { texture, mip_level: 0, origin: [0; 3] }
}

/// Rows of 256 bytes, which are 64 texels of 4 bytes.
fn rows(buffer: u32) -> TexelBuffer {
    TexelBuffer { buffer, offset: 0, bytes_per_row: Some(256), rows_per_image: None }
}

/// The texels of a texture of 64 × 8 words.
fn texels(guest: &mut Guest, texture: u32) -> Vec<u32> {
    let buffer = guest.buffer(usage::COPY_SRC | usage::COPY_DST, 64 * 8 * 4);
    guest.submit(|to| to.copy_texture_to_buffer(&place(texture), &rows(buffer), [64, 8, 1]));
    let texels = guest.read(buffer, 0, 64 * 8);
    guest.clean();
    texels
}

#[test]
fn textures_start_at_zero_and_keep_what_is_copied() {
    everywhere(QUOTAS, |mut guest| {
        let first = texture(&mut guest, SHAPE);
        assert_eq!(texels(&mut guest, first), [0; 512]);
        let words: Vec<u32> = (0..512).collect();
        let data = guest.data(&words);
        let second = texture(&mut guest, SHAPE);
        guest.submit(|to| {
            to.copy_buffer_to_texture(&rows(data), &place(first), [64, 8, 1]);
            let from = TexelPlace { origin: [8, 1, 0], ..place(first) };
            to.copy_texture(&from, &TexelPlace { origin: [0, 6, 0], ..place(second) }, [16, 2, 1]);
        });
        assert_eq!(texels(&mut guest, first), words);
        let mut expected = [0; 512];
        for row in 0..2 {
            for column in 0..16 {
                expected[(6 + row) * 64 + column] = ((1 + row) * 64 + 8 + column) as u32;
            }
        }
        assert_eq!(texels(&mut guest, second), expected);
    });
}

/// Every texel becomes the sum of itself and its left neighbour.
const NEIGHBOURS: &str = "
    @group(0) @binding(0) var input: texture_storage_2d<r32uint, read>;
    @group(0) @binding(1) var output: texture_storage_2d<r32uint, write>;
    @compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3u) {
        if (any(id.xy >= textureDimensions(output))) { return; }
        let left = textureLoad(input, vec2u(max(id.x, 1) - 1, id.y)).x;
        textureStore(output, id.xy, textureLoad(input, id.xy) + vec4u(left));
    }";

fn neighbours(words: &[u32]) -> Vec<u32> {
    (0..words.len()).map(|at| words[at] + words[if at % 64 == 0 { at } else { at - 1 }]).collect()
}

#[test]
fn shaders_read_one_texture_and_write_another() {
    everywhere(QUOTAS, |mut guest| {
        let words: Vec<u32> = (0..512).map(|n| n * n).collect();
        let data = guest.data(&words);
        let textures = [texture(&mut guest, SHAPE), texture(&mut guest, SHAPE)];
        let views = textures.map(|texture| view(&mut guest, texture));
        let shader = guest.shader(NEIGHBOURS);
        let pipeline = guest.pipeline(0, shader);
        let layout = guest.auto_layout(pipeline);
        let groups = [[0, 1], [1, 0]].map(|order| {
            let resources = order.map(|index: usize| (views[index], 0));
            guest.bind(layout, &resources)
        });
        // The views keep the textures, and the groups keep the views.
        views.iter().for_each(|view| guest.stream.release(ObjectKind::TextureView, *view));
        guest.submit(|to| {
            to.copy_buffer_to_texture(&rows(data), &place(textures[0]), [64, 8, 1]);
            to.begin_pass("");
            to.set_pipeline(pipeline);
            for group in groups {
                to.set_bind_group(0, group, &[]);
                to.dispatch(8, 1, 1);
            }
            to.end_pass();
        });
        guest.clean();
        assert_eq!(texels(&mut guest, textures[1]), neighbours(&words));
        assert_eq!(texels(&mut guest, textures[0]), neighbours(&neighbours(&words)));
    });
}

/// Runs `body` on a texture of every dimension that is read and written by one shader.
#[test]
fn textures_of_every_dimension_are_read_and_written() {
    everywhere(QUOTAS, |mut guest| {
        let cases = [
            (TextureDimension::D1, [64, 1, 1], "texture_storage_1d", "id.x", 1),
            (TextureDimension::D2, [64, 8, 1], "texture_storage_2d", "id.xy", 1),
            (TextureDimension::D2, [64, 4, 2], "texture_storage_2d_array", "id.xy, id.z", 2),
            (TextureDimension::D3, [64, 4, 2], "texture_storage_3d", "id", 2),
        ];
        for (dimension, size, kind, at, layers) in cases {
            let shader = guest.shader(&format!(
                "@group(0) @binding(0) var t: {kind}<r32sint, read_write>;
            @compute @workgroup_size(64, 1, 1) fn main(@builtin(global_invocation_id) id: vec3u) {{
                let before = textureLoad(t, {at}).x;
                textureStore(t, {at}, vec4i(before + i32(dot(id, vec3u(1, 100, 10000)))));
            }}"
            ));
            let pipeline = guest.pipeline(0, shader);
            let layout = guest.auto_layout(pipeline);
            let shape = TextureShape { dimension, size, format: TextureFormat::R32Sint, ..SHAPE };
            let made = texture(&mut guest, shape);
            let seen = view(&mut guest, made);
            let bound = guest.bind(layout, &[(seen, 0)]);
            for _ in 0..2 {
                guest.dispatch(pipeline, bound, [1, size[1], layers]);
            }
            let texels = size.iter().product::<u32>();
            let buffer = guest.buffer(usage::COPY_SRC | usage::COPY_DST, u64::from(texels) * 4);
            let lies = TexelBuffer { rows_per_image: Some(size[1]), ..rows(buffer) };
            guest.submit(|to| to.copy_texture_to_buffer(&place(made), &lies, size));
            let expected: Vec<u32> = (0..texels)
                .map(|n| 2 * (n % 64 + 100 * (n / 64 % size[1]) + 10_000 * (n / 64 / size[1])))
                .collect();
            assert_eq!(guest.read(buffer, 0, texels as usize), expected, "{kind}");
            guest.clean();
        }
    });
}

#[test]
fn views_show_mip_levels_and_layers() {
    everywhere(QUOTAS, |mut guest| {
        let made = texture(&mut guest, TextureShape { size: [128, 16, 3], mip_levels: 2, ..SHAPE });
        let seen = guest.id();
        let shape = ViewShape {
            dimension: Some(ViewDimension::D2),
            base_mip_level: 1,
            mip_levels: Some(1),
            base_layer: 2,
            layers: None,
        };
        guest.stream.create_texture_view(seen, made, &shape, "level");
        let shader = guest.shader(
            "@group(0) @binding(0) var t: texture_storage_2d<r32uint, write>;
        @compute @workgroup_size(8, 8) fn main(@builtin(global_invocation_id) id: vec3u) {
            textureStore(t, id.xy, vec4u(id.x + 64 * id.y));
        }",
        );
        let pipeline = guest.pipeline(0, shader);
        let layout = guest.auto_layout(pipeline);
        let bound = guest.bind(layout, &[(seen, 0)]);
        guest.dispatch(pipeline, bound, [8, 1, 1]);
        let buffer = guest.buffer(usage::COPY_SRC | usage::COPY_DST, 64 * 8 * 4);
        let from = TexelPlace { texture: made, mip_level: 1, origin: [0, 0, 2] };
        guest.submit(|to| to.copy_texture_to_buffer(&from, &rows(buffer), [64, 8, 1]));
        assert_eq!(guest.read(buffer, 0, 512), (0..512).collect::<Vec<u32>>());
        // The layers beside it are still zero.
        guest.submit(|to| {
            to.copy_texture_to_buffer(&TexelPlace { origin: [0, 0, 1], ..from }, &rows(buffer), [64, 8, 1]);
        });
        assert_eq!(guest.read(buffer, 0, 512), [0; 512]);
        // Two levels at once are none that a shader could write.
        let both = view(&mut guest, made);
        guest.clean();
        guest.bind(layout, &[(both, 0)]);
        guest.invalid();
    });
}

#[test]
fn explicit_layouts_bind_textures() {
    everywhere(QUOTAS, |mut guest| {
        let entry = |binding, kind, format| LayoutEntry {
            binding,
            kind,
            dynamic_offset: false,
            visible: true,
            min_size: 0,
            texture: Some(TextureBinding { format, dimension: ViewDimension::D2 }),
        };
        let layout = |guest: &mut Guest, entries: &[LayoutEntry]| {
            let id = guest.id();
            guest.stream.create_bind_group_layout(id, "layout", entries);
            id
        };
        let (reads, writes) = (BindingKind::ReadOnlyTexture, BindingKind::WriteOnlyTexture);
        let good =
            layout(&mut guest, &[entry(0, reads, SHAPE.format), entry(1, writes, TextureFormat::R32Uint)]);
        let all = guest.id();
        guest.stream.create_pipeline_layout(all, "", &[good], 0);
        let shader = guest.shader(NEIGHBOURS);
        guest.pipeline(all, shader);
        let textures = [texture(&mut guest, SHAPE), texture(&mut guest, SHAPE)];
        let views = textures.map(|texture| view(&mut guest, texture));
        guest.bind(good, &[(views[0], 0), (views[1], 0)]);
        guest.clean();
        // One texture cannot be read and written through two bindings at once.
        let pipeline = guest.pipeline(all, shader);
        let one = guest.bind(good, &[(views[0], 0), (views[0], 0)]);
        guest.clean();
        guest.record(|to| {
            to.begin_pass("");
            to.set_pipeline(pipeline);
            to.set_bind_group(0, one, &[]);
            to.dispatch(1, 1, 1);
            to.end_pass();
        });
        guest.invalid();
        // Other formats, buffers for textures, textures for buffers, and ranges of textures.
        let narrow = texture(&mut guest, TextureShape { format: TextureFormat::Rgba8Unorm, ..SHAPE });
        let narrow = view(&mut guest, narrow);
        let data = guest.data(&[0; 64]);
        guest.clean();
        for wrong in [(narrow, 0), (data, WHOLE), (views[1], WHOLE), (views[1], 4)] {
            guest.bind(good, &[(views[0], 0), wrong]);
            guest.invalid();
        }
        let buffers = guest.layout(&[BindingKind::Storage], false);
        guest.bind(buffers, &[(views[0], 0)]);
        guest.invalid();
        // Both ways is for three formats, and four textures are the most.
        layout(&mut guest, &[entry(0, BindingKind::ReadWriteTexture, TextureFormat::Rgba8Uint)]);
        guest.invalid();
        layout(&mut guest, &[0, 1, 2, 3].map(|n| entry(n, writes, TextureFormat::Rgba32Float)));
        guest.clean();
        layout(&mut guest, &[0, 1, 2, 3, 4].map(|n| entry(n, writes, TextureFormat::Rgba32Float)));
        guest.invalid();
    });
}

#[test]
fn what_webgpu_refuses_is_refused() {
    everywhere(QUOTAS, |mut guest| {
        let three = TextureDimension::D3;
        for shape in [
            TextureShape { usage: 0, ..SHAPE },
            TextureShape { usage: USAGE | 0x10, ..SHAPE },
            TextureShape { size: [0, 8, 1], ..SHAPE },
            TextureShape { size: [8193, 1, 1], ..SHAPE },
            TextureShape { size: [1, 1, 257], ..SHAPE },
            TextureShape { size: [2049, 1, 1], dimension: three, ..SHAPE },
            TextureShape { size: [u32::MAX; 3], dimension: three, ..SHAPE },
            TextureShape { size: [8, 2, 1], dimension: TextureDimension::D1, ..SHAPE },
            TextureShape { mip_levels: 0, ..SHAPE },
            TextureShape { mip_levels: 8, ..SHAPE },
            TextureShape { mip_levels: u32::MAX, ..SHAPE },
        ] {
            let wrong = texture(&mut guest, shape);
            assert!(guest.invalid().contains("create texture 'texture'"), "{shape:?}");
            // What is made of it is wrong too.
            let seen = view(&mut guest, wrong);
            assert!(guest.invalid().contains("texture 'texture' is invalid"));
            guest.stream.release(ObjectKind::TextureView, seen);
            guest.stream.release(ObjectKind::Texture, wrong);
        }
        let good = texture(&mut guest, TextureShape { mip_levels: 7, ..SHAPE });
        let data = guest.data(&[0; 512]);
        let sampled = texture(&mut guest, TextureShape { usage: texture_usage::TEXTURE_BINDING, ..SHAPE });
        guest.clean();
        let given = |dimension, base_mip_level, mip_levels, base_layer, layers| ViewShape {
            dimension,
            base_mip_level,
            mip_levels,
            base_layer,
            layers,
        };
        for shape in [
            given(Some(ViewDimension::D3), 0, None, 0, None),
            given(None, 7, None, 0, None),
            given(None, 6, Some(2), 0, None),
            given(None, u32::MAX, Some(u32::MAX - 1), 0, None),
            given(None, 0, None, 1, None),
            given(None, 0, None, u32::MAX, Some(7)),
            given(None, 0, Some(0), 0, None),
            given(None, 0, None, 0, Some(0)),
        ] {
            let id = guest.id();
            guest.stream.create_texture_view(id, good, &shape, "view");
            guest.invalid();
        }
        let far = u32::MAX - 1;
        for (lies, at, size) in [
            (TexelBuffer { bytes_per_row: None, ..rows(data) }, place(good), [64, 8, 1]),
            (TexelBuffer { bytes_per_row: Some(128), ..rows(data) }, place(good), [32, 8, 1]),
            (TexelBuffer { bytes_per_row: Some(0), ..rows(data) }, place(good), [64, 8, 1]),
            (TexelBuffer { offset: 2, ..rows(data) }, place(good), [64, 1, 1]),
            (TexelBuffer { offset: 4, ..rows(data) }, place(good), [64, 8, 1]),
            (TexelBuffer { offset: u64::MAX - 3, ..rows(data) }, place(good), [64, 8, 1]),
            (TexelBuffer { bytes_per_row: Some(far / 256 * 256), ..rows(data) }, place(good), [64, 8, 1]),
            (TexelBuffer { rows_per_image: Some(far), ..rows(data) }, place(good), [64, 8, far]),
            (rows(data), TexelPlace { origin: [1, 0, 0], ..place(good) }, [64, 8, 1]),
            (rows(data), TexelPlace { origin: [far; 3], ..place(good) }, [far; 3]),
            (rows(data), TexelPlace { mip_level: 7, ..place(good) }, [1, 1, 1]),
            (rows(data), TexelPlace { mip_level: far, ..place(good) }, [1, 1, 1]),
            (rows(data), place(sampled), [64, 8, 1]),
        ] {
            guest.record(|to| to.copy_buffer_to_texture(&lies, &at, size));
            let text = guest.invalid();
            assert!(text.contains("finish command buffer"), "{text}");
            guest.record(|to| to.copy_texture_to_buffer(&at, &lies, size));
            guest.invalid();
            guest.record(|to| to.copy_texture(&at, &TexelPlace { origin: [0; 3], ..at }, size));
            guest.invalid();
        }
        // No two parts of one texture that overlap, and no two formats.
        let other = texture(&mut guest, TextureShape { format: TextureFormat::R32Float, ..SHAPE });
        guest.clean();
        for target in [good, other] {
            guest.record(|to| to.copy_texture(&place(good), &place(target), [8, 8, 1]));
            guest.invalid();
        }
    });
}

#[test]
fn destroyed_textures_stop_a_whole_submit() {
    everywhere(QUOTAS, |mut guest| {
        let (data, made) = (guest.data(&[7; 512]), texture(&mut guest, SHAPE));
        let marked = guest.data(&[1]);
        let copy = guest.record(|to| {
            to.clear_buffer(marked, 0, 4);
            to.copy_buffer_to_texture(&rows(data), &place(made), [64, 8, 1]);
        });
        guest.stream.destroy_texture(made);
        guest.stream.destroy_texture(made);
        guest.clean();
        guest.stream.submit(&[copy]);
        assert_eq!(guest.invalid(), "submit: texture 'texture' is destroyed");
        assert_eq!(guest.read(marked, 0, 1), [1]);
        // So does one that only a bind group names.
        let made = texture(&mut guest, TextureShape { format: TextureFormat::R32Uint, ..SHAPE });
        let seen = view(&mut guest, made);
        let shader = guest.shader(
            "@group(0) @binding(0) var t: texture_storage_2d<r32uint, write>;
        @compute @workgroup_size(1) fn main() { textureStore(t, vec2u(), vec4u(1)); }",
        );
        let pipeline = guest.pipeline(0, shader);
        let layout = guest.auto_layout(pipeline);
        let bound = guest.bind(layout, &[(seen, 0)]);
        guest.dispatch(pipeline, bound, [1, 1, 1]);
        guest.clean();
        guest.stream.destroy_texture(made);
        guest.dispatch(pipeline, bound, [1, 1, 1]);
        assert!(guest.invalid().contains("destroyed"));
    });
}

#[test]
fn textures_count_towards_the_quota() {
    everywhere(Quotas { bytes: 64 << 10, ..QUOTAS }, |mut guest| {
        // 64 × 8 words lie in 32 rows of 256 bytes.
        let made: Vec<u32> = (0..8).map(|_| texture(&mut guest, SHAPE)).collect();
        guest.clean();
        let refused = texture(&mut guest, SHAPE);
        assert!(guest.error(ErrorClass::OutOfMemory).contains("pass the quota of 65536"));
        guest.stream.destroy_texture(made[0]);
        guest.stream.release(ObjectKind::Texture, made[1]);
        texture(&mut guest, SHAPE);
        guest.stream.release(ObjectKind::Texture, refused);
        let seen = view(&mut guest, made[2]);
        guest.clean();
        // A view keeps its texture.
        guest.stream.release(ObjectKind::Texture, made[2]);
        texture(&mut guest, SHAPE);
        guest.clean();
        texture(&mut guest, SHAPE);
        guest.error(ErrorClass::OutOfMemory);
        guest.stream.release(ObjectKind::TextureView, seen);
        texture(&mut guest, SHAPE);
        guest.clean();
        // No texture is larger than any driver makes it, whatever the quota.
    });
    everywhere(Quotas { bytes: 1 << 50, ..QUOTAS }, |mut guest| {
        texture(&mut guest, TextureShape { size: [8192, 8192, 256], ..SHAPE });
        assert!(guest.error(ErrorClass::OutOfMemory).contains("are more than 1073741824"));
    });
}

#[test]
fn views_that_live_on_in_bind_groups_count_as_objects() {
    // A layout and a texture; a view and a group for each round.
    everywhere(Quotas { objects: 2 + 2 * 5, ..QUOTAS }, |mut guest| {
        let layout = guest.id();
        let entry = LayoutEntry {
            binding: 0,
            kind: BindingKind::WriteOnlyTexture,
            dynamic_offset: false,
            visible: true,
            min_size: 0,
            texture: Some(TextureBinding { format: SHAPE.format, dimension: ViewDimension::D2 }),
        };
        guest.stream.create_bind_group_layout(layout, "layout", &[entry]);
        let made = texture(&mut guest, SHAPE);
        for round in 0..6 {
            let seen = view(&mut guest, made);
            let bound = guest.bind(layout, &[(seen, 0)]);
            guest.stream.release(ObjectKind::TextureView, seen);
            match guest.flush() {
                Ok(_) => assert!(round < 5, "a sixth view and group"),
                Err(stop) => assert_eq!((round, stop), (5, Stop::LimitExceeded(Limit::Objects))),
            }
            // Once it is gone, there is room for another.
            if round == 2 {
                guest.stream.release(ObjectKind::BindGroup, bound);
                let seen = view(&mut guest, made);
                guest.bind(layout, &[(seen, 0)]);
                guest.stream.release(ObjectKind::TextureView, seen);
            }
        }
    });
}

#[test]
fn copies_are_charged_by_the_byte_and_by_the_row() {
    for (device, class) in devices() {
        let gas = |size: [u32; 3], copies: usize| {
            let mut guest = Guest::with_class(&device, Quotas { class, ..QUOTAS }, class);
            let (data, made) = (guest.data(&[0; 512]), texture(&mut guest, SHAPE));
            guest.submit(|to| {
                for _ in 0..copies {
                    to.copy_buffer_to_texture(&rows(data), &place(made), size);
                }
            });
            guest.clean();
            guest.session.gas()
        };
        for (size, bytes) in [([64, 8, 1], 2048), ([1, 1, 1], 64), ([1, 8, 1], 512), ([32, 2, 1], 256)] {
            assert_eq!(gas(size, 3) - gas(size, 2), bytes + schedule::COMMAND, "{size:?}");
        }
    }
}

#[test]
fn gas_and_texels_do_not_depend_on_how_a_dispatch_is_split() {
    for (device, class) in devices() {
        let play = |slice: u64| {
            let device = device.clone().with_slice_gas(slice);
            let mut guest = Guest::with_class(&device, Quotas { class, ..QUOTAS }, class);
            let made = texture(&mut guest, SHAPE);
            let seen = view(&mut guest, made);
            let shader = guest.shader(
                "@group(0) @binding(0) var t: texture_storage_2d<r32uint, read_write>;
            @compute @workgroup_size(4, 4) fn main(@builtin(global_invocation_id) id: vec3u) {
                for (var i = 0u; i < id.x + min(textureLoad(t, id.xy).x, 5); i++) {
                    textureStore(t, id.xy, vec4u(i));
                }
            }",
            );
            let pipeline = guest.pipeline(0, shader);
            let layout = guest.auto_layout(pipeline);
            let bound = guest.bind(layout, &[(seen, 0)]);
            guest.dispatch(pipeline, bound, [16, 2, 1]);
            (texels(&mut guest, made), guest.session.gas())
        };
        let whole = play(1 << 30);
        for slice in [1, 1 << 10, 1 << 14] {
            assert_eq!(play(slice), whole, "{slice}");
        }
    }
}
