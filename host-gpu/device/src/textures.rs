//! Textures and their views.

use crate::caps;
use crate::objects::{Entry, Object, Texture, TextureView};
use crate::schedule;
use crate::session::Open;
use fizz_gpu_abi::host::Stop;
use fizz_gpu_abi::{
    BindingKind, ErrorClass, LayoutEntry, TextureBinding, TextureDimension, TextureFormat, TextureShape,
    ViewDimension, ViewShape, texture_usage,
};

/// Devices lay textures out in tiles. Rows count in steps of this many bytes, and a level's rows in steps of so many: what a
/// tile of 4 KiB has.
const TILE_BYTES: u64 = 128;
const TILE_ROWS: u64 = 32;
/// Bytes of one texture, so counted. Every driver makes textures of that size.
const MAX_TEXTURE: u64 = 1 << 30;

/// Extent of a texture's mip level in texels: width, rows, slices or layers.
fn level_size(shape: &TextureShape, level: u32) -> [u64; 3] {
    let smaller = |size: u32| u64::from((size >> level).max(1));
    let [width, height, depth] = shape.size;
    match shape.dimension {
        TextureDimension::D1 => [smaller(width), 1, 1],
        TextureDimension::D2 => [smaller(width), smaller(height), u64::from(depth)],
        TextureDimension::D3 => [smaller(width), smaller(height), smaller(depth)],
    }
}

/// Bytes that a texture counts for.
fn counted_bytes(shape: &TextureShape) -> u64 {
    let levels = (0..shape.mip_levels).map(|level| {
        let [width, rows, layers] = level_size(shape, level);
        let row = (width * u64::from(shape.format.texel_bytes())).next_multiple_of(TILE_BYTES);
        let rows =
            if shape.dimension == TextureDimension::D1 { rows } else { rows.next_multiple_of(TILE_ROWS) };
        row * rows * layers
    });
    levels.sum()
}

/// WebGPU's rules for new textures.
fn refuse(shape: &TextureShape) -> Option<String> {
    let TextureShape { usage, dimension, size: [width, height, depth], mip_levels, .. } = *shape;
    if usage == 0 || usage & !texture_usage::ALL != 0 {
        return Some(format!("usage {usage:#x} is empty or has unknown bits"));
    }
    let most = match dimension {
        TextureDimension::D1 => [caps::MAX_TEXTURE_1D, 1, 1],
        TextureDimension::D2 => [caps::MAX_TEXTURE_2D, caps::MAX_TEXTURE_2D, caps::MAX_LAYERS],
        TextureDimension::D3 => [caps::MAX_TEXTURE_3D; 3],
    };
    if shape.size.iter().zip(most).any(|(size, most)| !(1..=most).contains(size)) {
        let [a, b, c] = most;
        return Some(format!("size {width} × {height} × {depth} is empty or above {a} × {b} × {c}"));
    }
    let longest = match dimension {
        TextureDimension::D1 => 1,
        TextureDimension::D2 => width.max(height),
        TextureDimension::D3 => width.max(height).max(depth),
    };
    let most = longest.ilog2() + 1;
    if !(1..=most).contains(&mip_levels) {
        return Some(format!("{mip_levels} mip levels are none or more than {most}"));
    }
    None
}

/// The usages that `wgpu` gets: sampling does nothing here, and `wgpu` wants one.
fn real_usage(guest: u32) -> wgpu::TextureUsages {
    let mut real = wgpu::TextureUsages::empty();
    real.set(wgpu::TextureUsages::COPY_SRC, guest & texture_usage::COPY_SRC != 0);
    real.set(wgpu::TextureUsages::COPY_DST, guest & texture_usage::COPY_DST != 0);
    real.set(wgpu::TextureUsages::STORAGE_BINDING, guest & texture_usage::STORAGE_BINDING != 0);
    if real.is_empty() { wgpu::TextureUsages::COPY_DST } else { real }
}

impl TextureView {
    /// The layers that a shader may write through it, counted over all mip levels: first and number.
    pub(crate) fn layers(&self) -> (u64, u64) {
        let Some(texture) = &self.texture.valid else { return (0, 0) };
        let of_level = u64::from(self.shape.base_mip_level) << 32;
        let [_, _, layers] = texture.shape.size;
        if texture.shape.dimension != TextureDimension::D2 {
            return (of_level, 1);
        }
        let first = self.shape.base_layer;
        let one = match self.shape.dimension {
            Some(dimension) => dimension == ViewDimension::D2,
            None => layers == 1,
        };
        let count = self.shape.layers.unwrap_or(if one { 1 } else { layers.saturating_sub(first) });
        (of_level + u64::from(first), count.into())
    }
}

/// The format in which devices keep texels that exact shaders read and write: words, which no device changes.
fn kept(format: TextureFormat) -> TextureFormat {
    match format.texel_bytes() {
        4 => TextureFormat::R32Uint,
        8 => TextureFormat::Rg32Uint,
        _ => TextureFormat::Rgba32Uint,
    }
}

impl Open {
    /// The format that the device is told of.
    pub(crate) fn device_format(&self, format: TextureFormat) -> TextureFormat {
        if self.device.exact.is_some() { kept(format) } else { format }
    }

    pub(crate) fn create_texture(&mut self, id: u32, shape: &TextureShape, label: &str) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let valid = if let Some(reason) = refuse(shape) {
            self.invalid(format!("create texture '{label}': {reason}"));
            None
        } else {
            self.allocate_texture(shape, label)?
        };
        self.table.insert(id, Entry::Texture(Object::new(label, valid, counted)));
        Ok(())
    }

    fn allocate_texture(&mut self, shape: &TextureShape, label: &str) -> Result<Option<Texture>, Stop> {
        let quota = self.meter.quotas.bytes;
        let bytes = counted_bytes(shape);
        let memory = if bytes > MAX_TEXTURE { None } else { self.memory.add(bytes, quota) };
        let Some(memory) = memory else {
            let text = if bytes > MAX_TEXTURE {
                format!("create texture '{label}': {bytes} bytes are more than {MAX_TEXTURE}")
            } else {
                let live = self.memory.get();
                format!("create texture '{label}': {bytes} bytes more than {live} pass the quota of {quota}")
            };
            self.errors.raise(ErrorClass::OutOfMemory, text);
            return Ok(None);
        };
        self.meter.charge(bytes, schedule::BYTE)?;
        self.flow.make_room(&self.device, self.memory.get() - bytes, bytes, quota)?;
        let [width, height, depth_or_array_layers] = shape.size;
        let texture = self.device.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: wgpu::Extent3d { width, height, depth_or_array_layers },
            mip_level_count: shape.mip_levels,
            sample_count: 1,
            dimension: match shape.dimension {
                TextureDimension::D1 => wgpu::TextureDimension::D1,
                TextureDimension::D2 => wgpu::TextureDimension::D2,
                TextureDimension::D3 => wgpu::TextureDimension::D3,
            },
            format: format(self.device_format(shape.format)),
            usage: real_usage(shape.usage),
            view_formats: &[],
        });
        if self.settle()? {
            return Ok(None);
        }
        Ok(Some(Texture::new(texture, *shape, memory)))
    }

    pub(crate) fn destroy_texture(&mut self, id: u32) -> Result<(), Stop> {
        if let Some(texture) = &self.table.texture(id)?.valid {
            texture.destroy();
        }
        Ok(())
    }

    pub(crate) fn create_texture_view(
        &mut self,
        id: u32,
        texture: u32,
        shape: &ViewShape,
        label: &str,
    ) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let texture = self.table.texture(texture)?;
        let valid = if let Some(known) = &texture.valid {
            let view = known.texture.create_view(&wgpu::TextureViewDescriptor {
                label: Some(label),
                format: None,
                dimension: shape.dimension.map(view_dimension),
                usage: None,
                aspect: wgpu::TextureAspect::All,
                base_mip_level: shape.base_mip_level,
                mip_level_count: shape.mip_levels,
                base_array_layer: shape.base_layer,
                array_layer_count: shape.layers,
            });
            if self.settle()? {
                None
            } else {
                Some(TextureView { view, texture: texture.clone(), shape: *shape })
            }
        } else {
            self.invalid(format!("create texture view '{label}': texture '{}' is invalid", texture.label));
            None
        };
        self.table.insert(id, Entry::TextureView(Object::new(label, valid, counted)));
        Ok(())
    }
}

/// The first format of which an adapter does not have what every WebGPU adapter has, and every guest is promised.
pub(crate) fn unusable_format(adapter: &wgpu::Adapter) -> Option<TextureFormat> {
    let mut formats = (1..).map_while(TextureFormat::from_code);
    formats.find(|known| {
        let wanted = format(*known).guaranteed_format_features(wgpu::Features::empty());
        let usages = wgpu::TextureUsages::COPY_SRC
            | wgpu::TextureUsages::COPY_DST
            | wgpu::TextureUsages::STORAGE_BINDING;
        let flags = wanted.flags
            & (wgpu::TextureFormatFeatureFlags::STORAGE_READ_ONLY
                | wgpu::TextureFormatFeatureFlags::STORAGE_WRITE_ONLY
                | wgpu::TextureFormatFeatureFlags::STORAGE_READ_WRITE);
        let offered = adapter.get_texture_format_features(format(*known));
        !offered.allowed_usages.contains(usages) || !offered.flags.contains(flags)
    })
}

/// The binding and the format of a texture that is to be read and written, and whose format WebGPU does not offer for both.
pub(crate) fn one_way(entry: &LayoutEntry) -> Option<(u32, TextureFormat)> {
    let format = entry.texture?.format;
    let both = matches!(format, TextureFormat::R32Uint | TextureFormat::R32Sint | TextureFormat::R32Float);
    (entry.kind == BindingKind::ReadWriteTexture && !both).then_some((entry.binding, format))
}

/// wgpu's form of a storage texture in a layout.
pub(crate) fn binding_type(kind: BindingKind, texture: TextureBinding) -> wgpu::BindingType {
    wgpu::BindingType::StorageTexture {
        access: match kind {
            BindingKind::ReadOnlyTexture => wgpu::StorageTextureAccess::ReadOnly,
            BindingKind::ReadWriteTexture => wgpu::StorageTextureAccess::ReadWrite,
            _ => wgpu::StorageTextureAccess::WriteOnly,
        },
        format: format(texture.format),
        view_dimension: view_dimension(texture.dimension),
    }
}

fn view_dimension(dimension: ViewDimension) -> wgpu::TextureViewDimension {
    match dimension {
        ViewDimension::D1 => wgpu::TextureViewDimension::D1,
        ViewDimension::D2 => wgpu::TextureViewDimension::D2,
        ViewDimension::D2Array => wgpu::TextureViewDimension::D2Array,
        ViewDimension::D3 => wgpu::TextureViewDimension::D3,
    }
}

/// The format of a shader's storage texture, if it is one of those that every device has.
pub(crate) fn stored_format(format: wgpu::naga::StorageFormat) -> Option<TextureFormat> {
    use wgpu::naga::StorageFormat;
    Some(match format {
        StorageFormat::R32Uint => TextureFormat::R32Uint,
        StorageFormat::R32Sint => TextureFormat::R32Sint,
        StorageFormat::R32Float => TextureFormat::R32Float,
        StorageFormat::Rgba8Unorm => TextureFormat::Rgba8Unorm,
        StorageFormat::Rgba8Snorm => TextureFormat::Rgba8Snorm,
        StorageFormat::Rgba8Uint => TextureFormat::Rgba8Uint,
        StorageFormat::Rgba8Sint => TextureFormat::Rgba8Sint,
        StorageFormat::Rg32Uint => TextureFormat::Rg32Uint,
        StorageFormat::Rg32Sint => TextureFormat::Rg32Sint,
        StorageFormat::Rg32Float => TextureFormat::Rg32Float,
        StorageFormat::Rgba16Uint => TextureFormat::Rgba16Uint,
        StorageFormat::Rgba16Sint => TextureFormat::Rgba16Sint,
        StorageFormat::Rgba16Float => TextureFormat::Rgba16Float,
        StorageFormat::Rgba32Uint => TextureFormat::Rgba32Uint,
        StorageFormat::Rgba32Sint => TextureFormat::Rgba32Sint,
        StorageFormat::Rgba32Float => TextureFormat::Rgba32Float,
        _ => return None,
    })
}

fn format(format: TextureFormat) -> wgpu::TextureFormat {
    match format {
        TextureFormat::R32Uint => wgpu::TextureFormat::R32Uint,
        TextureFormat::R32Sint => wgpu::TextureFormat::R32Sint,
        TextureFormat::R32Float => wgpu::TextureFormat::R32Float,
        TextureFormat::Rgba8Unorm => wgpu::TextureFormat::Rgba8Unorm,
        TextureFormat::Rgba8Snorm => wgpu::TextureFormat::Rgba8Snorm,
        TextureFormat::Rgba8Uint => wgpu::TextureFormat::Rgba8Uint,
        TextureFormat::Rgba8Sint => wgpu::TextureFormat::Rgba8Sint,
        TextureFormat::Rg32Uint => wgpu::TextureFormat::Rg32Uint,
        TextureFormat::Rg32Sint => wgpu::TextureFormat::Rg32Sint,
        TextureFormat::Rg32Float => wgpu::TextureFormat::Rg32Float,
        TextureFormat::Rgba16Uint => wgpu::TextureFormat::Rgba16Uint,
        TextureFormat::Rgba16Sint => wgpu::TextureFormat::Rgba16Sint,
        TextureFormat::Rgba16Float => wgpu::TextureFormat::Rgba16Float,
        TextureFormat::Rgba32Uint => wgpu::TextureFormat::Rgba32Uint,
        TextureFormat::Rgba32Sint => wgpu::TextureFormat::Rgba32Sint,
        TextureFormat::Rgba32Float => wgpu::TextureFormat::Rgba32Float,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: TextureShape = TextureShape {
        usage: texture_usage::STORAGE_BINDING,
        format: TextureFormat::R32Uint,
        dimension: TextureDimension::D2,
        size: [64, 64, 1],
        mip_levels: 1,
    };

    #[test]
    fn textures_count_in_tiles() {
        assert_eq!(counted_bytes(&SHAPE), 64 * 64 * 4);
        assert_eq!(counted_bytes(&TextureShape { size: [1, 1, 1], ..SHAPE }), 4096);
        assert_eq!(counted_bytes(&TextureShape { size: [33, 33, 3], ..SHAPE }), 256 * 64 * 3);
        let line = TextureShape { dimension: TextureDimension::D1, size: [33, 1, 1], ..SHAPE };
        assert_eq!(counted_bytes(&line), 256);
        // 64, 32, 16, 8, 4, 2, 1.
        assert_eq!(counted_bytes(&TextureShape { mip_levels: 7, ..SHAPE }), 16384 + 6 * 4096);
        let deep =
            TextureShape { dimension: TextureDimension::D3, size: [32, 32, 8], mip_levels: 3, ..SHAPE };
        assert_eq!(counted_bytes(&deep), 4096 * (8 + 4 + 2));
        let largest = TextureShape { format: TextureFormat::Rgba32Float, size: [8192, 8192, 256], ..SHAPE };
        assert_eq!(counted_bytes(&largest), 1 << 38);
    }

    #[test]
    fn every_format_is_of_as_many_bytes_for_wgpu() {
        for known in (1..).map_while(TextureFormat::from_code) {
            assert_eq!(kept(known).texel_bytes(), known.texel_bytes(), "{known:?}");
            assert_eq!(format(known).block_copy_size(None), Some(known.texel_bytes()), "{known:?}");
            let offered = format(known).guaranteed_format_features(wgpu::Features::empty());
            assert!(offered.allowed_usages.contains(wgpu::TextureUsages::STORAGE_BINDING), "{known:?}");
        }
    }
}
