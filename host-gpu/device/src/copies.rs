//! Records copies and clears: of buffers, and of textures from and to them.

use crate::caps;
use crate::commands::{Found, Recorder, held};
use crate::objects::{Object, Resource, Texture};
use crate::schedule;
use fizz_gpu_abi::host::Stop;
use fizz_gpu_abi::{TexelBuffer, TexelPlace, WHOLE, texture_usage, usage};
use std::sync::Arc;

impl Recorder<'_> {
    pub(crate) fn copy(&mut self, from: (u32, u64), to: (u32, u64), size: u64) -> Found {
        let source = match self.used(from.0, usage::COPY_SRC, "COPY_SRC")? {
            Ok(source) => source,
            Err(reason) => return Ok(Err(reason)),
        };
        let target = match self.used(to.0, usage::COPY_DST, "COPY_DST")? {
            Ok(target) => target,
            Err(reason) => return Ok(Err(reason)),
        };
        let (Some(source), Some(target)) = (&source.valid, &target.valid) else { return Ok(Ok(())) };
        let size = if size == WHOLE { source.size.saturating_sub(from.1) } else { size };
        if !source.holds(from.1, size) || !target.holds(to.1, size) {
            return Ok(Err(format!(
                "copy of {size} bytes from {} to {} does not fit the buffers",
                from.1, to.1
            )));
        }
        self.moves(size);
        self.encoder().copy_buffer_to_buffer(&source.buffer, from.1, &target.buffer, to.1, size);
        Ok(Ok(()))
    }

    /// Makes room for a copy of `size` bytes.
    fn moves(&mut self, size: u64) {
        let gas = size.saturating_mul(schedule::BYTE);
        self.gas = self.gas.saturating_add(gas);
        self.held = self.held.saturating_add(held(gas));
        if self.pending.saturating_add(gas) > self.open.device.slice_gas {
            self.cut();
        }
        self.pending = self.pending.saturating_add(gas);
        self.works = true;
    }

    pub(crate) fn clear(&mut self, id: u32, offset: u64, size: u64) -> Found {
        let object = match self.used(id, usage::COPY_DST, "COPY_DST")? {
            Ok(object) => object,
            Err(reason) => return Ok(Err(reason)),
        };
        let Some(buffer) = &object.valid else { return Ok(Ok(())) };
        let size = if size == WHOLE { buffer.size.saturating_sub(offset) } else { size };
        if !buffer.holds(offset, size) {
            return Ok(Err(format!("clear of {size} bytes from {offset} does not fit the buffer")));
        }
        self.moves(size);
        self.encoder().clear_buffer(&buffer.buffer, offset, Some(size));
        Ok(Ok(()))
    }

    /// Looks a texture up, notes that it is used, and checks the guest's usage.
    fn used_texture(
        &mut self,
        id: u32,
        needed: u32,
        name: &str,
    ) -> Result<Result<Arc<Object<Texture>>, String>, Stop> {
        let object = self.open.table.texture(id)?;
        let lacks = match &object.valid {
            None => return Ok(Err(format!("texture '{}' is invalid", object.label))),
            Some(texture) => texture.shape.usage & needed == 0,
        };
        if lacks {
            return Ok(Err(format!("usage of texture '{}' lacks {name}", object.label)));
        }
        self.note(&Resource::Texture(object.clone()));
        Ok(Ok(object))
    }

    pub(crate) fn copy_to_texture(&mut self, from: &TexelBuffer, to: &TexelPlace, size: [u32; 3]) -> Found {
        let source = match self.used(from.buffer, usage::COPY_SRC, "COPY_SRC")? {
            Ok(source) => source,
            Err(reason) => return Ok(Err(reason)),
        };
        let target = match self.used_texture(to.texture, texture_usage::COPY_DST, "COPY_DST")? {
            Ok(target) => target,
            Err(reason) => return Ok(Err(reason)),
        };
        let (Some(source), Some(target)) = (&source.valid, &target.valid) else { return Ok(Ok(())) };
        self.moves(texels(target, size));
        let from = wgpu::TexelCopyBufferInfo { buffer: &source.buffer, layout: layout(from) };
        self.encoder().copy_buffer_to_texture(from, place(target, to), extent(size));
        Ok(Ok(()))
    }

    pub(crate) fn copy_to_buffer(&mut self, from: &TexelPlace, to: &TexelBuffer, size: [u32; 3]) -> Found {
        let source = match self.used_texture(from.texture, texture_usage::COPY_SRC, "COPY_SRC")? {
            Ok(source) => source,
            Err(reason) => return Ok(Err(reason)),
        };
        let target = match self.used(to.buffer, usage::COPY_DST, "COPY_DST")? {
            Ok(target) => target,
            Err(reason) => return Ok(Err(reason)),
        };
        let (Some(source), Some(target)) = (&source.valid, &target.valid) else { return Ok(Ok(())) };
        self.moves(texels(source, size));
        let to = wgpu::TexelCopyBufferInfo { buffer: &target.buffer, layout: layout(to) };
        self.encoder().copy_texture_to_buffer(place(source, from), to, extent(size));
        Ok(Ok(()))
    }

    pub(crate) fn copy_texture(&mut self, from: &TexelPlace, to: &TexelPlace, size: [u32; 3]) -> Found {
        let source = match self.used_texture(from.texture, texture_usage::COPY_SRC, "COPY_SRC")? {
            Ok(source) => source,
            Err(reason) => return Ok(Err(reason)),
        };
        let target = match self.used_texture(to.texture, texture_usage::COPY_DST, "COPY_DST")? {
            Ok(target) => target,
            Err(reason) => return Ok(Err(reason)),
        };
        let (Some(source), Some(target)) = (&source.valid, &target.valid) else { return Ok(Ok(())) };
        // `wgpu` may know both as another one.
        let (one, other) = (source.shape.format, target.shape.format);
        if one != other {
            return Ok(Err(format!("copy of texels {one:?} to a texture of texels {other:?}")));
        }
        let (from, to) = (place(source, from), place(target, to));
        let [width, height, depth] = size;
        if source.shape.dimension == target.shape.dimension || !(2..=caps::MAX_LAYERS).contains(&depth) {
            self.moves(texels(source, size));
            self.encoder().copy_texture_to_texture(from, to, extent(size));
            return Ok(Ok(()));
        }
        // Layers become slices, or slices layers: `wgpu` takes one for all of them, so it gets one at a time. One of the textures has layers, which
        // are no more than that.
        for slice in 0..depth {
            let size = [width, height, 1];
            self.gas = self.gas.saturating_add(schedule::COMMAND);
            self.moves(texels(source, size));
            let (from, to) = (further(from, slice), further(to, slice));
            self.encoder().copy_texture_to_texture(from, to, extent(size));
        }
        Ok(Ok(()))
    }
}

/// The same place, slices or layers on.
fn further<'t>(place: wgpu::TexelCopyTextureInfo<'t>, slices: u32) -> wgpu::TexelCopyTextureInfo<'t> {
    let origin = wgpu::Origin3d { z: place.origin.z.saturating_add(slices), ..place.origin };
    wgpu::TexelCopyTextureInfo { origin, ..place }
}

/// Bytes that a copy of texels counts for: each row is at least [`schedule::ROW`].
fn texels(texture: &Texture, [width, height, depth]: [u32; 3]) -> u64 {
    if width == 0 {
        return 0;
    }
    let row = u64::from(width) * u64::from(texture.shape.format.texel_bytes());
    row.max(schedule::ROW).saturating_mul(u64::from(height) * u64::from(depth))
}

fn layout(texels: &TexelBuffer) -> wgpu::TexelCopyBufferLayout {
    wgpu::TexelCopyBufferLayout {
        offset: texels.offset,
        bytes_per_row: texels.bytes_per_row,
        rows_per_image: texels.rows_per_image,
    }
}

fn place<'t>(texture: &'t Texture, place: &TexelPlace) -> wgpu::TexelCopyTextureInfo<'t> {
    let [x, y, z] = place.origin;
    wgpu::TexelCopyTextureInfo {
        texture: &texture.texture,
        mip_level: place.mip_level,
        origin: wgpu::Origin3d { x, y, z },
        aspect: wgpu::TextureAspect::All,
    }
}

fn extent([width, height, depth_or_array_layers]: [u32; 3]) -> wgpu::Extent3d {
    wgpu::Extent3d { width, height, depth_or_array_layers }
}
