//! `Queue::write_texture`: texels go through a buffer, in pieces.

use super::object::{Object, invalid};
use super::session::Session;
use super::texture::{Texture, extent, place, texture_of};
use fizz_gpu_abi::{
    Encoder, ErrorClass, ObjectKind, TexelBuffer, TexelPlace, TextureDimension, TextureShape, usage,
};
use std::sync::Arc;

const FUNCTION: &str = "Queue::write_texture";
/// Bytes from a row to the next in the buffer, or a multiple of them.
const PITCH: u64 = wgpu::COPY_BYTES_PER_ROW_ALIGNMENT as u64;
/// Bytes of the buffer, unless one row takes more.
const PIECE: u64 = 1 << 20;

/// Where the rows of a write lie in its data. All sizes are in bytes.
struct Rows {
    offset: u64,
    /// Bytes of a row, and from a row to the next.
    row: u64,
    stride: u64,
    /// Rows from an image to the next.
    rows_per_image: u64,
}

/// Brings texels into a texture, after everything before it.
pub(super) fn write_texture(
    session: &Arc<Session>,
    info: &wgpu::TexelCopyTextureInfo<'_>,
    data: &[u8],
    layout: wgpu::TexelCopyBufferLayout,
    size: wgpu::Extent3d,
) {
    let size = extent(size);
    let checked = texture_of(info).and_then(|texture| {
        check_place(texture, info, size)?;
        let rows = rows(texture.shape()?, data.len(), layout, size)?;
        Ok((texture.object().id(session)?, rows))
    });
    match checked {
        Ok((texture, rows)) if !size.contains(&0) => {
            send(session, &place(texture, info), data, &rows, size);
        }
        Ok(_) => {}
        Err(reason) => session.report(ErrorClass::Validation, &invalid(FUNCTION, None, &reason)),
    }
}

/// WebGPU's rules for the target, which the host would name a copy's.
fn check_place(
    texture: &Texture,
    info: &wgpu::TexelCopyTextureInfo<'_>,
    size: [u32; 3],
) -> Result<(), String> {
    let shape = texture.shape()?;
    if shape.usage & wgpu::TextureUsages::COPY_DST.bits() == 0 {
        return Err("the texture's usage lacks COPY_DST".into());
    }
    if info.mip_level >= shape.mip_levels {
        return Err(format!("mip level {} is not one of {}", info.mip_level, shape.mip_levels));
    }
    let level = |size: u32| size.checked_shr(info.mip_level).unwrap_or(0).max(1);
    let [width, height, depth] = shape.size;
    let depth = if shape.dimension == TextureDimension::D3 { level(depth) } else { depth };
    let held = [level(width), level(height), depth];
    let wgpu::Origin3d { x, y, z } = info.origin;
    let ends = [x, y, z].into_iter().zip(size).map(|(from, size)| u64::from(from) + u64::from(size));
    if ends.zip(held).any(|(end, held)| end > u64::from(held)) {
        return Err(format!("texels {size:?} from {x}, {y}, {z} pass the end of {held:?}"));
    }
    Ok(())
}

/// WebGPU's rules for the layout of the data.
fn rows(
    shape: &TextureShape,
    held: usize,
    layout: wgpu::TexelCopyBufferLayout,
    [width, height, depth]: [u32; 3],
) -> Result<Rows, String> {
    let row = u64::from(width) * u64::from(shape.format.texel_bytes());
    let stride = match layout.bytes_per_row {
        Some(stride) if height > 0 && depth > 0 && u64::from(stride) < row => {
            return Err(format!("{stride} bytes per row are less than the {row} of a row"));
        }
        Some(stride) => u64::from(stride),
        None if height > 1 || depth > 1 => return Err("bytes per row are not given".into()),
        None => row,
    };
    let rows_per_image = match layout.rows_per_image {
        Some(rows) if depth > 0 && rows < height => {
            return Err(format!("{rows} rows per image are less than {height}"));
        }
        Some(rows) => u64::from(rows),
        None if depth > 1 => return Err("rows per image are not given".into()),
        None => u64::from(height),
    };
    // As wide as it can be: 2^32 rows of 2^32 bytes, times 2^32.
    let rows_before = u128::from(rows_per_image) * u128::from(depth.saturating_sub(1))
        + u128::from(height.saturating_sub(1));
    let texels = rows_before * u128::from(stride) + u128::from(row);
    let needed = if height == 0 || depth == 0 { 0 } else { texels };
    if u128::from(layout.offset) + needed > held as u128 {
        let offset = layout.offset;
        return Err(format!("{needed} bytes at offset {offset} pass the end of {held} bytes"));
    }
    Ok(Rows { offset: layout.offset, row, stride, rows_per_image })
}

/// Copies the rows piece by piece through one buffer.
fn send(session: &Arc<Session>, to: &TexelPlace, data: &[u8], from: &Rows, [width, height, depth]: [u32; 3]) {
    let pitch = from.row.next_multiple_of(PITCH);
    let most = u32::try_from((PIECE / pitch).max(1)).unwrap_or(u32::MAX).min(height);
    let bytes = pitch * u64::from(most);
    let staging = Object::create(session, ObjectKind::Buffer, |stream, id| {
        stream.create_buffer(id, usage::COPY_SRC | usage::COPY_DST, bytes, false, "texels");
    });
    let texels = TexelBuffer {
        buffer: staging.own_id(),
        offset: 0,
        bytes_per_row: Some(pitch as u32),
        rows_per_image: None,
    };
    // The data is in this memory, so its places are.
    let (row, pitch, bytes) = (from.row as usize, pitch as usize, bytes as usize);
    let mut piece = Vec::new();
    if piece.try_reserve_exact(bytes).is_err() {
        let message = invalid(FUNCTION, None, "the job has no memory for the texels");
        session.report(ErrorClass::OutOfMemory, &message);
        return;
    }
    for layer in 0..depth {
        for first in (0..height).step_by(most as usize) {
            let rows = most.min(height - first);
            piece.clear();
            for y in first..first + rows {
                let line = u64::from(layer) * from.rows_per_image + u64::from(y);
                let at = (from.offset + line * from.stride) as usize;
                piece.extend_from_slice(&data[at..at + row]);
                piece.resize(pitch * (y - first + 1) as usize, 0);
            }
            session.write(staging.own_id(), 0, &piece);
            let [x, y, z] = to.origin;
            let target = TexelPlace { origin: [x, y + first, z + layer], ..*to };
            copy(session, |stream| stream.copy_buffer_to_texture(&texels, &target, [width, rows, 1]));
        }
    }
}

/// Executes one command.
fn copy(session: &Arc<Session>, command: impl FnOnce(&mut Encoder)) {
    let commands = Object::create(session, ObjectKind::CommandBuffer, |stream, id| {
        stream.begin_commands(id, FUNCTION);
        command(stream);
        stream.end_commands();
    });
    session.push(|stream| stream.submit(&[commands.own_id()]));
    commands.forget();
}
