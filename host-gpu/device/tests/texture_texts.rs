//! What a guest is told of textures that it uses wrongly: the same on every device, in the formats that the guest knows.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use common::{Guest, QUOTAS, hardware};
use fizz_gpu::Quotas;
use fizz_gpu_abi::{
    BindGroupEntry, BindingKind, Class, LayoutEntry, TexelBuffer, TexelPlace, TextureBinding,
    TextureDimension, TextureFormat, TextureShape, ViewDimension, ViewShape, WHOLE, texture_usage, usage,
};

const USAGE: u32 = texture_usage::STORAGE_BINDING | texture_usage::COPY_SRC | texture_usage::COPY_DST;

/// What devices keep its texels in: a guest that uses another of as many bytes must not hear of it.
fn kept(format: TextureFormat) -> &'static str {
    match format.texel_bytes() {
        4 => "R32Uint",
        8 => "Rg32Uint",
        _ => "Rgba32Uint",
    }
}

/// Another one of as many bytes.
fn other(format: TextureFormat) -> TextureFormat {
    let formats = (1..).map_while(TextureFormat::from_code);
    let mut others = formats.filter(|other| *other != format && other.texel_bytes() == format.texel_bytes());
    others.find(|other| format!("{other:?}") != kept(format)).unwrap()
}

struct Wrong {
    guest: Guest,
    format: TextureFormat,
    /// What was said so far.
    told: Vec<String>,
}

impl Wrong {
    /// Notes what is said of what was done since.
    fn tell(&mut self, what: &str) {
        let records = self.guest.records();
        assert!(!records.is_empty(), "{what} is not wrong");
        self.told.extend(records.into_iter().map(|record| format!("{what}: {}", record.text)));
    }

    fn texture(&mut self, change: impl FnOnce(&mut TextureShape)) -> u32 {
        let mut shape = TextureShape {
            usage: USAGE,
            format: self.format,
            dimension: TextureDimension::D2,
            size: [64, 8, 2],
            mip_levels: 2,
        };
        change(&mut shape);
        let id = self.guest.id();
        self.guest.stream.create_texture(id, &shape, "texture");
        id
    }

    fn view(&mut self, texture: u32, change: impl FnOnce(&mut ViewShape)) -> u32 {
        let mut shape = ViewShape {
            dimension: Some(ViewDimension::D2),
            base_mip_level: 0,
            mip_levels: Some(1),
            base_layer: 0,
            layers: Some(1),
        };
        change(&mut shape);
        let id = self.guest.id();
        self.guest.stream.create_texture_view(id, texture, &shape, "view");
        id
    }

    fn entry(&self, binding: u32, kind: BindingKind) -> LayoutEntry {
        let texture = TextureBinding { format: self.format, dimension: ViewDimension::D2 };
        let (dynamic_offset, visible, min_size) = (false, true, 0);
        LayoutEntry { binding, kind, dynamic_offset, visible, min_size, texture: Some(texture) }
    }

    fn layout(&mut self, entries: &[LayoutEntry]) -> u32 {
        let id = self.guest.id();
        self.guest.stream.create_bind_group_layout(id, "layout", entries);
        id
    }

    fn group(&mut self, layout: u32, entries: &[(u32, u32)]) -> u32 {
        let entries: Vec<_> = entries
            .iter()
            .map(|&(binding, resource)| BindGroupEntry { binding, resource, offset: 0, size: 0 })
            .collect();
        let id = self.guest.id();
        self.guest.stream.create_bind_group(id, "group", layout, &entries);
        id
    }

    fn textures(&mut self) {
        self.texture(|shape| shape.mip_levels = 9);
        self.tell("too many levels");
        self.texture(|shape| shape.size = [8193, 1, 1]);
        self.tell("too wide");
        self.texture(|shape| (shape.dimension, shape.size) = (TextureDimension::D1, [64, 1, 1]));
        self.tell("a line with levels");
        self.texture(|shape| (shape.size, shape.mip_levels) = ([8192, 8192, 256], 1));
        self.tell("too large");
        let flat = self.texture(|_| {});
        self.guest.clean();
        type Change = fn(&mut ViewShape);
        let views: [(&str, Change); 6] = [
            ("a view of a flat texture as a deep one", |shape| shape.dimension = Some(ViewDimension::D3)),
            ("a view of a level that is not there", |shape| shape.base_mip_level = 2),
            ("a view of a layer that is not there", |shape| shape.base_layer = 2),
            ("a view of two layers as one", |shape| shape.layers = Some(2)),
            ("a view of no level", |shape| shape.mip_levels = Some(0)),
            ("a view of a line", |shape| shape.dimension = Some(ViewDimension::D1)),
        ];
        for (what, change) in views {
            self.view(flat, change);
            self.tell(what);
        }
    }

    fn layouts_and_groups(&mut self) {
        let (reads, writes) = (BindingKind::ReadOnlyTexture, BindingKind::WriteOnlyTexture);
        self.layout(&[self.entry(0, BindingKind::ReadWriteTexture)]);
        self.tell("a layout that reads and writes");
        self.layout(&[0, 1, 2, 3, 4].map(|binding| self.entry(binding, writes)));
        self.tell("a layout of five");
        self.layout(&[self.entry(0, writes), self.entry(0, reads)]);
        self.tell("a layout with a binding twice");
        let three = self.layout(&[0, 1, 2].map(|binding| self.entry(binding, writes)));
        let all = self.guest.id();
        self.guest.clean();
        self.guest.stream.create_pipeline_layout(all, "six", &[three, three], 0);
        self.tell("a pipeline layout of six");
        let (one, texture) = (self.layout(&[self.entry(0, writes)]), self.texture(|_| {}));
        let good = self.view(texture, |_| {});
        let both = self.view(texture, |shape| shape.mip_levels = None);
        let layers = self
            .view(texture, |shape| (shape.dimension, shape.layers) = (Some(ViewDimension::D2Array), None));
        let sampled = self.texture(|shape| shape.usage = texture_usage::TEXTURE_BINDING);
        let sampled = self.view(sampled, |_| {});
        let other = other(self.format);
        let other = self.texture(|shape| shape.format = other);
        let other = self.view(other, |_| {});
        let data = self.guest.data(&[0; 64]);
        self.guest.clean();
        for (what, entries) in [
            ("a group of nothing", &[][..]),
            ("a group of two", &[(0, good), (1, good)]),
            ("a group with another number", &[(1, good)]),
            ("a group of two levels", &[(0, both)]),
            ("a group of two layers", &[(0, layers)]),
            ("a group of what is no storage", &[(0, sampled)]),
            ("a group of another format", &[(0, other)]),
        ] {
            self.group(one, entries);
            self.tell(what);
        }
        let group = self.guest.id();
        let bound = BindGroupEntry { binding: 0, resource: data, offset: 0, size: WHOLE };
        self.guest.stream.create_bind_group(group, "group", one, &[bound]);
        self.tell("a group of a buffer");
        let buffers = self.guest.layout(&[BindingKind::Storage], false);
        self.group(buffers, &[(0, good)]);
        self.tell("a group of a texture for a buffer");
        self.guest.stream.destroy_texture(texture);
        self.group(one, &[(0, good)]);
        self.tell("a group of what is destroyed");
        self.view(texture, |_| {});
        self.tell("a view of what is destroyed");
    }

    fn copies(&mut self) {
        let flat = self.texture(|_| {});
        let deep = self.texture(|shape| {
            (shape.dimension, shape.size, shape.mip_levels) = (TextureDimension::D3, [64, 8, 4], 1);
        });
        let other = other(self.format);
        let other = self.texture(|shape| shape.format = other);
        let bytes = self.format.texel_bytes();
        let row = 64 * bytes;
        let data = self.guest.buffer(usage::COPY_SRC | usage::COPY_DST, u64::from(row) * 8);
        let gone = self.texture(|_| {});
        self.guest.stream.destroy_texture(gone);
        self.guest.clean();
        let place = |texture| TexelPlace { texture, mip_level: 0, origin: [0; 3] };
        let lies = TexelBuffer { buffer: data, offset: 0, bytes_per_row: Some(row), rows_per_image: None };
        for (what, lies, at, size) in [
            ("two layers without rows", lies, place(flat), [64, 8, 2]),
            ("a buffer that is too short", lies, TexelPlace { origin: [0, 0, 1], ..place(deep) }, [64, 9, 1]),
            ("an odd offset", TexelBuffer { offset: 2, ..lies }, place(flat), [64, 1, 1]),
            ("an odd row", TexelBuffer { bytes_per_row: Some(row + 4), ..lies }, place(flat), [64, 2, 1]),
            ("a short row", TexelBuffer { bytes_per_row: Some(0), ..lies }, place(flat), [64, 2, 1]),
            ("a level that is not there", lies, TexelPlace { mip_level: 2, ..place(flat) }, [1, 1, 1]),
            ("beyond a level", lies, TexelPlace { mip_level: 1, ..place(flat) }, [64, 1, 1]),
        ] {
            self.guest.record(|to| to.copy_buffer_to_texture(&lies, &at, size));
            self.tell(&format!("{what}, in"));
            self.guest.record(|to| to.copy_texture_to_buffer(&at, &lies, size));
            self.tell(&format!("{what}, out"));
        }
        for (what, from, to, size) in [
            ("onto itself", flat, flat, [1, 1, 1]),
            ("to another format", flat, other, [1, 1, 1]),
            ("too many layers", flat, deep, [64, 8, 3]),
            ("too many slices", deep, flat, [64, 8, 3]),
            ("too many rows", deep, flat, [64, 9, 2]),
        ] {
            self.guest.record(|stream| stream.copy_texture(&place(from), &place(to), size));
            self.tell(what);
        }
        self.guest.submit(|to| to.copy_texture(&place(gone), &place(flat), [1, 1, 1]));
        self.tell("from what is destroyed");
    }
}

#[test]
fn what_is_wrong_with_textures_is_told_alike_in_the_guests_own_formats() {
    let driver = hardware().map(|found| found.unproven().unwrap());
    for format in (1..).map_while(TextureFormat::from_code) {
        if format!("{format:?}") == kept(format)
            || format == TextureFormat::R32Sint
            || format == TextureFormat::R32Float
        {
            continue;
        }
        let told = |device: &fizz_gpu::Hardware| {
            let quotas = Quotas { class: Class::Exact, ..QUOTAS };
            let guest = Guest::with_class(device, quotas, Class::Exact);
            let mut wrong = Wrong { guest, format, told: Vec::new() };
            wrong.textures();
            wrong.layouts_and_groups();
            wrong.copies();
            (wrong.told, wrong.guest.session.gas())
        };
        let found = told(&common::reference());
        if let Some(driver) = &driver {
            assert_eq!(told(driver), found, "{format:?}");
        }
        for text in &found.0 {
            assert!(!text.contains(kept(format)), "{format:?}: {text}");
        }
        if format == TextureFormat::Rgba8Unorm {
            insta::assert_snapshot!(found.0.join("\n"));
        }
    }
}
