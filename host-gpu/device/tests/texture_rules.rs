//! What a session sees to by itself because `wgpu` knows the textures of exact sessions by other formats.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{Guest, QUOTAS, hardware};
use fizz_gpu::{Hardware, Quotas};
use fizz_gpu_abi::{
    BindingKind, Class, LayoutEntry, TexelBuffer, TexelPlace, TextureBinding, TextureDimension,
    TextureFormat, TextureShape, ViewDimension, ViewShape, WHOLE, texture_usage, usage,
};

const USAGE: u32 = texture_usage::STORAGE_BINDING | texture_usage::COPY_SRC | texture_usage::COPY_DST;

/// Every device here, with the class of its sessions.
fn devices() -> Vec<(&'static str, Hardware, Class)> {
    let driver = hardware().into_iter();
    let driver = driver.flat_map(|found| {
        let exact = found.clone().unproven().unwrap();
        [("the driver", found, Class::Fast), ("the driver, exact", exact, Class::Exact)]
    });
    driver.chain([("the reference", common::reference(), Class::Exact)]).collect()
}

fn everywhere(test: impl Fn(Guest)) {
    for (name, device, class) in devices() {
        println!("on {name}");
        test(Guest::with_class(&device, Quotas { class, ..QUOTAS }, class));
    }
}

fn texture(guest: &mut Guest, format: TextureFormat, dimension: TextureDimension, size: [u32; 3]) -> u32 {
    let id = guest.id();
    let shape = TextureShape { usage: USAGE, format, dimension, size, mip_levels: 1 };
    guest.stream.create_texture(id, &shape, "texture");
    id
}

fn view(guest: &mut Guest, texture: u32) -> u32 {
    let id = guest.id();
    guest.stream.create_texture_view(id, texture, &ViewShape::default(), "view");
    id
}

fn entry(kind: BindingKind, format: TextureFormat) -> LayoutEntry {
    LayoutEntry {
        binding: 0,
        kind,
        dynamic_offset: false,
        visible: true,
        min_size: 0,
        texture: Some(TextureBinding { format, dimension: ViewDimension::D2 }),
    }
}

fn layout(guest: &mut Guest, entries: &[LayoutEntry]) -> u32 {
    let id = guest.id();
    guest.stream.create_bind_group_layout(id, "layout", entries);
    id
}

fn place(texture: u32) -> TexelPlace {
    TexelPlace { texture, mip_level: 0, origin: [0; 3] }
}

fn rows(buffer: u32, height: u32) -> TexelBuffer {
    TexelBuffer { buffer, offset: 0, bytes_per_row: Some(256), rows_per_image: Some(height) }
}

const SIDE: [u32; 3] = [4, 4, 1];

#[test]
fn a_buffer_where_a_texture_belongs_and_the_other_way_round() {
    everywhere(|mut guest| {
        let float = layout(&mut guest, &[entry(BindingKind::WriteOnlyTexture, TextureFormat::R32Float)]);
        let data = guest.data(&[0; 64]);
        guest.bind(float, &[(data, WHOLE)]);
        assert_eq!(
            guest.invalid(),
            "create bind group 'group': binding 0 is a buffer, and the layout wants a texture of texels R32Float"
        );
        let buffers = guest.layout(&[BindingKind::Storage], false);
        let made = texture(&mut guest, TextureFormat::R32Float, TextureDimension::D2, SIDE);
        let seen = view(&mut guest, made);
        guest.bind(buffers, &[(seen, 0)]);
        assert_eq!(
            guest.invalid(),
            "create bind group 'group': binding 0 is a texture view, and the layout wants a buffer"
        );
    });
}

/// Texels of formats with as many bits are words to `wgpu`, whatever they are to the guest.
#[test]
fn groups_of_layouts_with_other_formats_do_not_fit() {
    everywhere(|mut guest| {
        let kind = BindingKind::WriteOnlyTexture;
        let words = layout(&mut guest, &[entry(kind, TextureFormat::R32Uint)]);
        let all = guest.id();
        guest.stream.create_pipeline_layout(all, "", &[words], 0);
        let shader = guest.shader(
            "@group(0) @binding(0) var t: texture_storage_2d<r32uint, write>;
            @compute @workgroup_size(1) fn main() { textureStore(t, vec2u(), vec4u(1)); }",
        );
        let pipeline = guest.pipeline(all, shader);
        let record = |guest: &mut Guest, format, kind| {
            let other = layout(guest, &[entry(kind, format)]);
            let made = texture(guest, format, TextureDimension::D2, SIDE);
            let seen = view(guest, made);
            let bound = guest.bind(other, &[(seen, 0)]);
            guest.clean();
            guest.record(|to| {
                to.begin_pass("");
                to.set_pipeline(pipeline);
                to.set_bind_group(0, bound, &[]);
                to.dispatch(1, 1, 1);
                to.end_pass();
            });
        };
        // Another layout that says the same fits.
        record(&mut guest, TextureFormat::R32Uint, kind);
        guest.clean();
        for format in [TextureFormat::R32Float, TextureFormat::Rgba8Unorm, TextureFormat::Rg32Float] {
            record(&mut guest, format, kind);
            let text = guest.invalid();
            assert!(text.contains("binding 0"), "{text}");
            // Where a format is named, it is one of the guest's.
            assert!(!text.contains("Rg32Uint"), "{text}");
        }
        record(&mut guest, TextureFormat::R32Uint, BindingKind::ReadOnlyTexture);
        guest.invalid();
    });
}

#[test]
fn layers_become_slices_and_slices_layers() {
    everywhere(|mut guest| {
        let size = [64, 4, 3];
        let flat = texture(&mut guest, TextureFormat::R32Float, TextureDimension::D2, size);
        let deep = texture(&mut guest, TextureFormat::R32Float, TextureDimension::D3, [64, 4, 4]);
        let back = texture(&mut guest, TextureFormat::R32Float, TextureDimension::D2, size);
        let words: Vec<u32> = (1..=64 * 4 * 3).collect();
        let data = guest.data(&words);
        let second = |texture| TexelPlace { origin: [0, 0, 1], ..place(texture) };
        guest.submit(|to| {
            to.copy_buffer_to_texture(&rows(data, 4), &place(flat), size);
            to.copy_texture(&place(flat), &second(deep), size);
            to.copy_texture(&second(deep), &place(back), size);
        });
        let buffer = guest.buffer(usage::COPY_SRC | usage::COPY_DST, 64 * 4 * 4 * 4);
        guest.submit(|to| to.copy_texture_to_buffer(&place(deep), &rows(buffer, 4), [64, 4, 4]));
        assert_eq!(guest.read(buffer, 0, 256), [0; 256]);
        assert_eq!(guest.read(buffer, 1024, words.len()), words);
        guest.submit(|to| to.copy_texture_to_buffer(&place(back), &rows(buffer, 4), size));
        assert_eq!(guest.read(buffer, 0, words.len()), words);
        guest.clean();
        for (from, to, depth) in [(flat, deep, 4), (deep, flat, 4), (deep, flat, u32::MAX), (flat, deep, 257)]
        {
            guest.record(|stream| stream.copy_texture(&place(from), &place(to), [64, 4, depth]));
            guest.invalid();
        }
        guest.submit(|stream| stream.copy_texture(&place(flat), &place(deep), [64, 4, 0]));
        guest.clean();
    });
}

/// A sixteenth of what an address of 32 bits can name.
const LARGE: [u32; 3] = [8192, 8192, 1];

#[test]
fn what_is_destroyed_leaves_its_memory_whoever_knows_of_it() {
    everywhere(|mut guest| {
        let kind = BindingKind::WriteOnlyTexture;
        let layout = layout(&mut guest, &[entry(kind, TextureFormat::R32Float)]);
        let target = guest.buffer(usage::COPY_SRC | usage::COPY_DST, 64 * 4);
        for _ in 0..5 {
            // In a bind group.
            let made = texture(&mut guest, TextureFormat::R32Float, TextureDimension::D2, LARGE);
            let seen = view(&mut guest, made);
            guest.bind(layout, &[(seen, 0)]);
            guest.stream.destroy_texture(made);
            // In commands that nobody submits.
            let made = texture(&mut guest, TextureFormat::R32Float, TextureDimension::D2, LARGE);
            guest.record(|to| to.copy_texture_to_buffer(&place(made), &rows(target, 1), [1, 1, 1]));
            guest.stream.destroy_texture(made);
            for _ in 0..4 {
                let made = guest.buffer(usage::COPY_SRC, 256 << 20);
                guest.record(|to| to.copy_buffer(made, 0, target, 0, 4));
                guest.stream.destroy_buffer(made);
            }
            guest.clean();
        }
    });
}

/// A mip level of each texel's neighbours: two levels of one texture in one dispatch.
#[test]
fn one_level_is_made_of_another() {
    everywhere(|mut guest| {
        let made = guest.id();
        let shape = TextureShape {
            usage: USAGE,
            format: TextureFormat::R32Uint,
            dimension: TextureDimension::D2,
            size: [128, 8, 2],
            mip_levels: 2,
        };
        guest.stream.create_texture(made, &shape, "texture");
        let views = [0, 1].map(|base_mip_level| {
            let id = guest.id();
            let shape = ViewShape { base_mip_level, mip_levels: Some(1), ..ViewShape::default() };
            guest.stream.create_texture_view(id, made, &shape, "level");
            (id, 0)
        });
        let words: Vec<u32> = (0..128 * 8 * 2).map(|n| n * n).collect();
        let data = guest.data(&words);
        let lies = TexelBuffer { bytes_per_row: Some(512), ..rows(data, 8) };
        guest.submit(|to| to.copy_buffer_to_texture(&lies, &place(made), [128, 8, 2]));
        let shader = guest.shader(
            "@group(0) @binding(0) var fine: texture_storage_2d_array<r32uint, read>;
            @group(0) @binding(1) var coarse: texture_storage_2d_array<r32uint, write>;
            @compute @workgroup_size(8, 4) fn main(@builtin(global_invocation_id) id: vec3u) {
                var sum = 0u;
                for (var n = 0u; n < 4u; n++) {
                    sum += textureLoad(fine, 2 * id.xy + vec2(n & 1u, n / 2), id.z).x;
                }
                let size = textureDimensions(coarse);
                textureStore(coarse, id.xy, id.z, vec4(sum + size.x + 1000 * size.y));
            }",
        );
        let pipeline = guest.pipeline(0, shader);
        let layout = guest.auto_layout(pipeline);
        let bound = guest.bind(layout, &views);
        guest.dispatch(pipeline, bound, [8, 1, 2]);
        let buffer = guest.buffer(usage::COPY_SRC | usage::COPY_DST, 64 * 4 * 2 * 4);
        let level = TexelPlace { mip_level: 1, ..place(made) };
        guest.submit(|to| to.copy_texture_to_buffer(&level, &rows(buffer, 4), [64, 4, 2]));
        let found = guest.read(buffer, 0, 64 * 4 * 2);
        guest.clean();
        for (at, found) in found.into_iter().enumerate() {
            let (x, y, layer) = (at % 64, at / 64 % 4, at / 256);
            let four = [0, 1, 128, 129].map(|more| words[1024 * layer + 256 * y + 2 * x + more]);
            assert_eq!(found, four.into_iter().fold(64 + 4000, u32::wrapping_add), "{x} {y} {layer}");
        }
    });
}

/// A texel more than there is on each side, of every dimension: loads give zeros, stores do nothing, and least of all to a neighbour.
#[test]
fn what_is_out_of_bounds_is_so_in_every_direction() {
    for (name, device, class) in devices() {
        if class != Class::Exact {
            continue;
        }
        println!("on {name}");
        let cases = [
            (TextureDimension::D1, [5, 1, 1], "1d", "at.x", ("textureDimensions(t)", 5)),
            (TextureDimension::D2, [5, 3, 1], "2d", "at.xy", ("textureDimensions(t).x", 5)),
            (TextureDimension::D2, [5, 3, 2], "2d_array", "at.xy, at.z", ("textureNumLayers(t)", 2)),
            (TextureDimension::D3, [5, 3, 2], "3d", "at", ("textureDimensions(t).z", 2)),
        ];
        for (dimension, size, kind, at, (question, answer)) in cases {
            let mut guest = Guest::with_class(&device, Quotas { class, ..QUOTAS }, class);
            let made = texture(&mut guest, TextureFormat::R32Sint, dimension, size);
            let seen = view(&mut guest, made);
            // One more and one less in each direction that there is.
            let [width, height, depth] = size.map(|size| if size == 1 { 1 } else { size + 2 });
            let first = size.map(|size| if size == 1 { 0 } else { -1 });
            let shader = guest.shader(&format!(
                "@group(0) @binding(0) var t: texture_storage_{kind}<r32sint, read_write>;
                @group(0) @binding(1) var<storage, read_write> found: array<i32>;
                @compute @workgroup_size({width}, {height}, {depth})
                fn main(@builtin(local_invocation_id) id: vec3u, @builtin(local_invocation_index) index: u32) {{
                    let at = vec3i(id) + vec3i({}, {}, {});
                    textureStore(t, {at}, vec4i(i32(index) + 1));
                    found[index] = textureLoad(t, {at}).x + 1000 * i32({question});
                }}",
                first[0], first[1], first[2]
            ));
            let pipeline = guest.pipeline(0, shader);
            let layout = guest.auto_layout(pipeline);
            let count = width * height * depth;
            let found = guest.data(&vec![7; count as usize]);
            let bound = guest.bind(layout, &[(seen, 0), (found, WHOLE)]);
            guest.dispatch(pipeline, bound, [1, 1, 1]);
            let (mut expected, mut texels) = (Vec::new(), Vec::new());
            for index in 0..count {
                let at = [index % width, index / width % height, index / width / height];
                let within = (0..3).all(|axis| {
                    let at = i64::from(at[axis]) + first[axis];
                    (0..i64::from(size[axis])).contains(&at)
                });
                expected.push(1000 * answer + if within { index + 1 } else { 0 });
                texels.extend(within.then_some(index + 1));
            }
            assert_eq!(guest.read(found, 0, count as usize), expected, "{kind}");
            let copy = guest.buffer(usage::COPY_SRC | usage::COPY_DST, 256 * 6);
            guest.submit(|to| to.copy_texture_to_buffer(&place(made), &rows(copy, size[1]), size));
            let rows = guest.read(copy, 0, 64 * (size[1] * size[2]) as usize);
            let there: Vec<u32> = rows.chunks(64).flat_map(|row| &row[..5]).copied().collect();
            assert_eq!(there, texels, "{kind}");
            guest.clean();
        }
    }
}

/// Memory is used again, and must not show what was in it.
#[test]
fn new_textures_are_zero_where_old_ones_were() {
    everywhere(|mut guest| {
        let cases = [
            (TextureDimension::D1, [64, 1, 1], 1),
            (TextureDimension::D2, [64, 64, 3], 7),
            (TextureDimension::D3, [64, 16, 8], 4),
        ];
        for (dimension, size, mip_levels) in cases {
            let shape =
                TextureShape { usage: USAGE, format: TextureFormat::R32Uint, dimension, size, mip_levels };
            let words = vec![u32::MAX; size.iter().product::<u32>() as usize];
            let data = guest.data(&words);
            let extent = |level: u32| {
                let smaller = |size: u32| (size >> level).max(1);
                let depth = if dimension == TextureDimension::D3 { smaller(size[2]) } else { size[2] };
                [smaller(size[0]), smaller(size[1]), depth]
            };
            for old in [true, false] {
                let made = guest.id();
                guest.stream.create_texture(made, &shape, "texture");
                if old {
                    guest.submit(|to| {
                        for mip_level in 0..mip_levels {
                            let [_, height, _] = extent(mip_level);
                            let all = TexelPlace { mip_level, ..place(made) };
                            to.copy_buffer_to_texture(&rows(data, height), &all, extent(mip_level));
                        }
                    });
                    guest.stream.destroy_texture(made);
                    guest.clean();
                    guest.session.wait(-1, 0).unwrap();
                    continue;
                }
                // One texel is written before the rest is looked at.
                guest.submit(|to| to.copy_buffer_to_texture(&rows(data, 1), &place(made), [1, 1, 1]));
                for mip_level in 0..mip_levels {
                    let [width, height, depth] = extent(mip_level);
                    let lies = rows(data, height);
                    let all = TexelPlace { mip_level, ..place(made) };
                    guest.submit(|to| to.copy_texture_to_buffer(&all, &lies, [width, height, depth]));
                    let found = guest.read(data, 0, 64 * (height * depth) as usize);
                    for (at, row) in found.chunks(64).enumerate() {
                        let mut expected = vec![0; width as usize];
                        if (mip_level, at) == (0, 0) {
                            expected[0] = u32::MAX;
                        }
                        assert_eq!(
                            row[..width as usize],
                            expected,
                            "{dimension:?} level {mip_level} row {at}"
                        );
                    }
                }
                guest.clean();
            }
        }
    });
}
