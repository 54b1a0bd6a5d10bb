//! Textures and their views.

use super::object::{FOREIGN, Object, invalid};
use super::session::Session;
use fizz_gpu_abi::{
    ErrorClass, NOT_GIVEN, ObjectKind, TexelBuffer, TexelPlace, TextureDimension, TextureFormat,
    TextureShape, ViewDimension, ViewShape, features, texture_usage,
};
use std::sync::Arc;
use wgpu::custom::{DispatchTextureView, TextureInterface, TextureViewInterface};

/// Why a host without textures refuses them.
const NONE: &str = "this device has no textures";

#[derive(Debug)]
pub(super) struct Texture {
    object: Arc<Object>,
    format: wgpu::TextureFormat,
    usage: wgpu::TextureUsages,
    /// What the host was asked for; none for an error object.
    shape: Option<TextureShape>,
}

#[derive(Debug)]
pub(super) struct TextureView(pub(super) Arc<Object>);

impl TextureViewInterface for TextureView {}

impl Texture {
    pub(super) fn new(session: &Arc<Session>, desc: &wgpu::TextureDescriptor<'_>) -> Self {
        const KIND: ObjectKind = ObjectKind::Texture;
        let shape = shape(session, desc);
        let object = match &shape {
            Ok(shape) => Object::create(session, KIND, |stream, id| {
                stream.create_texture(id, shape, desc.label.unwrap_or_default());
            }),
            Err(reason) => {
                let message = invalid("Device::create_texture", desc.label, reason);
                Object::refuse(session, KIND, ErrorClass::Validation, &message)
            }
        };
        Texture { object, format: desc.format, usage: desc.usage, shape: shape.ok() }
    }

    pub(super) fn object(&self) -> &Arc<Object> {
        &self.object
    }

    /// What the host was asked for.
    ///
    /// # Errors
    /// Text for people: the texture is an error object.
    pub(super) fn shape(&self) -> Result<&TextureShape, String> {
        self.shape.as_ref().ok_or_else(|| "the texture is invalid".into())
    }
}

/// What the stream has for textures may be used only where the host offers it.
pub(super) fn check_offered(session: &Session) -> Result<(), String> {
    if session.knows(ObjectKind::Texture) { Ok(()) } else { Err(NONE.into()) }
}

/// The stream's form of a texture.
fn shape(session: &Session, desc: &wgpu::TextureDescriptor<'_>) -> Result<TextureShape, String> {
    check_offered(session)?;
    let unknown = desc.usage.bits() & !texture_usage::ALL;
    if unknown != 0 {
        let unknown = wgpu::TextureUsages::from_bits_retain(unknown);
        return Err(format!("usage {unknown:?} is not offered"));
    }
    if desc.sample_count != 1 {
        return Err(format!("{} samples: this device has no multisampling", desc.sample_count));
    }
    if let Some(other) = desc.view_formats.iter().find(|format| **format != desc.format) {
        return Err(format!("views of the format {other:?}: this device shows a texture in its own format"));
    }
    let wgpu::Extent3d { width, height, depth_or_array_layers } = desc.size;
    Ok(TextureShape {
        usage: desc.usage.bits(),
        format: format(desc.format)?,
        dimension: match desc.dimension {
            wgpu::TextureDimension::D1 => TextureDimension::D1,
            wgpu::TextureDimension::D2 => TextureDimension::D2,
            wgpu::TextureDimension::D3 => TextureDimension::D3,
        },
        size: [width, height, depth_or_array_layers],
        mip_levels: desc.mip_level_count,
    })
}

impl TextureInterface for Texture {
    fn create_view(&self, desc: &wgpu::TextureViewDescriptor<'_>) -> DispatchTextureView {
        const KIND: ObjectKind = ObjectKind::TextureView;
        let (session, texture) = (self.object.session(), self.object.own_id());
        let object = match self.view(desc) {
            Ok(shape) => Object::create(session, KIND, |stream, id| {
                stream.create_texture_view(id, texture, &shape, desc.label.unwrap_or_default());
            }),
            Err(reason) => {
                let message = invalid("Texture::create_view", desc.label, &reason);
                Object::refuse(session, KIND, ErrorClass::Validation, &message)
            }
        };
        DispatchTextureView::custom(TextureView(object))
    }

    fn destroy(&self) {
        let (session, id) = (self.object.session(), self.object.own_id());
        if check_offered(session).is_ok() {
            session.push(|stream| stream.destroy_texture(id));
        }
    }
}

impl Texture {
    /// The stream's form of a view.
    fn view(&self, desc: &wgpu::TextureViewDescriptor<'_>) -> Result<ViewShape, String> {
        check_offered(self.object.session())?;
        if let Some(other) = desc.format.filter(|format| *format != self.format) {
            return Err(format!("format {other:?} is not the texture's, which is {:?}", self.format));
        }
        if let Some(usage) = desc.usage.filter(|usage| !self.usage.contains(*usage)) {
            return Err(format!("usage {usage:?} is not all of the texture's, which is {:?}", self.usage));
        }
        check_aspect(desc.aspect)?;
        Ok(ViewShape {
            dimension: desc.dimension.map(view_dimension).transpose()?,
            base_mip_level: desc.base_mip_level,
            mip_levels: given("number of mip levels", desc.mip_level_count)?,
            base_layer: desc.base_array_layer,
            layers: given("number of layers", desc.array_layer_count)?,
        })
    }
}

/// A number that the stream can tell from one that is not given.
fn given(what: &str, value: Option<u32>) -> Result<Option<u32>, String> {
    match value {
        Some(NOT_GIVEN) => Err(format!("{what} is {NOT_GIVEN}, more than anything has")),
        value => Ok(value),
    }
}

fn check_aspect(aspect: wgpu::TextureAspect) -> Result<(), String> {
    match aspect {
        wgpu::TextureAspect::All => Ok(()),
        other => Err(format!("the texture has no aspect {other:?}")),
    }
}

/// The stream's form of a format.
pub(super) fn format(format: wgpu::TextureFormat) -> Result<TextureFormat, String> {
    Ok(match format {
        wgpu::TextureFormat::R32Uint => TextureFormat::R32Uint,
        wgpu::TextureFormat::R32Sint => TextureFormat::R32Sint,
        wgpu::TextureFormat::R32Float => TextureFormat::R32Float,
        wgpu::TextureFormat::Rgba8Unorm => TextureFormat::Rgba8Unorm,
        wgpu::TextureFormat::Rgba8Snorm => TextureFormat::Rgba8Snorm,
        wgpu::TextureFormat::Rgba8Uint => TextureFormat::Rgba8Uint,
        wgpu::TextureFormat::Rgba8Sint => TextureFormat::Rgba8Sint,
        wgpu::TextureFormat::Rg32Uint => TextureFormat::Rg32Uint,
        wgpu::TextureFormat::Rg32Sint => TextureFormat::Rg32Sint,
        wgpu::TextureFormat::Rg32Float => TextureFormat::Rg32Float,
        wgpu::TextureFormat::Rgba16Uint => TextureFormat::Rgba16Uint,
        wgpu::TextureFormat::Rgba16Sint => TextureFormat::Rgba16Sint,
        wgpu::TextureFormat::Rgba16Float => TextureFormat::Rgba16Float,
        wgpu::TextureFormat::Rgba32Uint => TextureFormat::Rgba32Uint,
        wgpu::TextureFormat::Rgba32Sint => TextureFormat::Rgba32Sint,
        wgpu::TextureFormat::Rgba32Float => TextureFormat::Rgba32Float,
        other => return Err(format!("format {other:?} is not offered: it is none of WebGPU's for storage")),
    })
}

/// The stream's form of a view's dimension.
pub(super) fn view_dimension(dimension: wgpu::TextureViewDimension) -> Result<ViewDimension, String> {
    Ok(match dimension {
        wgpu::TextureViewDimension::D1 => ViewDimension::D1,
        wgpu::TextureViewDimension::D2 => ViewDimension::D2,
        wgpu::TextureViewDimension::D2Array => ViewDimension::D2Array,
        wgpu::TextureViewDimension::D3 => ViewDimension::D3,
        other => return Err(format!("view dimension {other:?} is none of a storage texture")),
    })
}

/// What a format may be used for.
pub(super) fn format_features(offered: u64, of: wgpu::TextureFormat) -> wgpu::TextureFormatFeatures {
    let known = offered & features::STORAGE_TEXTURES != 0 && format(of).is_ok();
    let guaranteed = of.guaranteed_format_features(wgpu::Features::empty());
    let usages =
        wgpu::TextureUsages::COPY_SRC | wgpu::TextureUsages::COPY_DST | wgpu::TextureUsages::STORAGE_BINDING;
    let flags = wgpu::TextureFormatFeatureFlags::STORAGE_READ_ONLY
        | wgpu::TextureFormatFeatureFlags::STORAGE_WRITE_ONLY
        | wgpu::TextureFormatFeatureFlags::STORAGE_READ_WRITE;
    wgpu::TextureFormatFeatures {
        allowed_usages: if known { guaranteed.allowed_usages & usages } else { wgpu::TextureUsages::empty() },
        flags: if known { guaranteed.flags & flags } else { wgpu::TextureFormatFeatureFlags::empty() },
    }
}

/// The texture of a copy.
pub(super) fn texture_of<'t>(info: &wgpu::TexelCopyTextureInfo<'t>) -> Result<&'t Texture, String> {
    check_aspect(info.aspect)?;
    let texture = info.texture.as_custom::<Texture>().ok_or(FOREIGN)?;
    check_offered(texture.object.session())?;
    Ok(texture)
}

/// The stream's form of a place in a texture with this id.
pub(super) fn place(texture: u32, info: &wgpu::TexelCopyTextureInfo<'_>) -> TexelPlace {
    let wgpu::Origin3d { x, y, z } = info.origin;
    TexelPlace { texture, mip_level: info.mip_level, origin: [x, y, z] }
}

/// The stream's form of texels in a buffer with this id.
pub(super) fn texels(buffer: u32, layout: &wgpu::TexelCopyBufferLayout) -> Result<TexelBuffer, String> {
    Ok(TexelBuffer {
        buffer,
        offset: layout.offset,
        bytes_per_row: given("number of bytes per row", layout.bytes_per_row)?,
        rows_per_image: given("number of rows per image", layout.rows_per_image)?,
    })
}

pub(super) fn extent(size: wgpu::Extent3d) -> [u32; 3] {
    [size.width, size.height, size.depth_or_array_layers]
}
