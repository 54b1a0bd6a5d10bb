//! From commands to bytes.

use crate::bytes::{Put, count};
use crate::values::{
    BindGroupEntry, ErrorClass, LayoutEntry, MapMode, ObjectKind, QueryKind, TexelBuffer, TexelPlace,
    TextureShape, ViewShape,
};
use crate::{HEADER, MAX_INLINE, NOT_GIVEN, op};
use alloc::vec::Vec;
use core::fmt;

/// Inline data longer than [`MAX_INLINE`]; use the `write` import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inline data is longer than {MAX_INLINE} bytes")
    }
}

impl core::error::Error for TooLarge {}

/// A stream under construction. Labels and messages longer than [`MAX_TEXT`](crate::MAX_TEXT) are cut.
///
/// An encoder does not check places: a guest library may record the inside of a command buffer in an
/// encoder of its own and append it ([`Encoder::append`]) when the command buffer is finished.
///
/// # Panics
/// Every method panics when one command would reach 4 GiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// An empty stream.
    pub const fn new() -> Self {
        Encoder { bytes: Vec::new() }
    }

    /// The stream so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets the stream and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Takes the stream and leaves an empty one.
    pub fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.bytes)
    }

    /// Appends commands encoded elsewhere.
    pub fn append(&mut self, other: &Encoder) {
        self.bytes.extend_from_slice(&other.bytes);
    }

    fn command(&mut self, op: u16, payload: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&op.to_le_bytes());
        self.bytes.extend_from_slice(&[0; HEADER - 2]);
        payload(&mut self.bytes);
        let size = count(self.bytes.len() - start);
        self.bytes[start + 4..start + HEADER].copy_from_slice(&size.to_le_bytes());
    }

    fn ids(&mut self, op: u16, fields: &[u32]) {
        self.command(op, |to| fields.iter().for_each(|field| to.put_u32(*field)));
    }

    fn text(&mut self, op: u16, fields: &[u32], text: &str) {
        self.command(op, |to| {
            fields.iter().for_each(|field| to.put_u32(*field));
            to.put_text(text);
        });
    }

    /// `CREATE_BUFFER`; `usage` has bits of [`usage`](crate::usage).
    pub fn create_buffer(&mut self, id: u32, usage: u32, size: u64, mapped_at_creation: bool, label: &str) {
        self.command(op::CREATE_BUFFER, |to| {
            to.put_u32(id);
            to.put_u32(usage);
            to.put_u64(size);
            to.put_u32(u32::from(mapped_at_creation));
            to.put_text(label);
        });
    }

    /// `DESTROY_BUFFER`.
    pub fn destroy_buffer(&mut self, id: u32) {
        self.ids(op::DESTROY_BUFFER, &[id]);
    }

    /// `MAP_BUFFER`.
    pub fn map_buffer(&mut self, id: u32, mode: MapMode, offset: u64, size: u64) {
        self.command(op::MAP_BUFFER, |to| {
            to.put_u32(id);
            to.put_u32(mode.code());
            to.put_u64(offset);
            to.put_u64(size);
        });
    }

    /// `UNMAP_BUFFER`.
    pub fn unmap_buffer(&mut self, id: u32) {
        self.ids(op::UNMAP_BUFFER, &[id]);
    }

    /// `RELEASE`.
    pub fn release(&mut self, kind: ObjectKind, id: u32) {
        self.ids(op::RELEASE, &[kind.code(), id]);
    }

    /// `CREATE_SHADER`.
    pub fn create_shader(&mut self, id: u32, label: &str, wgsl: &str) {
        self.command(op::CREATE_SHADER, |to| {
            to.put_u32(id);
            to.put_text(label);
            to.put_bytes(wgsl.as_bytes());
        });
    }

    /// `CREATE_BIND_GROUP_LAYOUT`.
    pub fn create_bind_group_layout(&mut self, id: u32, label: &str, entries: &[LayoutEntry]) {
        self.command(op::CREATE_BIND_GROUP_LAYOUT, |to| {
            to.put_u32(id);
            to.put_text(label);
            to.put_u32(count(entries.len()));
            for entry in entries {
                let dynamic = if entry.dynamic_offset { LayoutEntry::DYNAMIC } else { 0 };
                let visible = if entry.visible { LayoutEntry::VISIBLE } else { 0 };
                to.put_u32(entry.binding);
                to.put_u32(entry.kind.code());
                to.put_u32(dynamic | visible);
                to.put_u32(entry.texture.map_or(0, |texture| texture.format.code()));
                to.put_u32(entry.texture.map_or(0, |texture| texture.dimension.code()));
                to.put_u64(entry.min_size);
            }
        });
    }

    /// `CREATE_PIPELINE_LAYOUT`; a group of 0 is an empty slot.
    pub fn create_pipeline_layout(&mut self, id: u32, label: &str, groups: &[u32], immediate_size: u32) {
        self.command(op::CREATE_PIPELINE_LAYOUT, |to| {
            to.put_u32(id);
            to.put_u32(immediate_size);
            to.put_text(label);
            to.put_u32(count(groups.len()));
            groups.iter().for_each(|group| to.put_u32(*group));
        });
    }

    /// `CREATE_COMPUTE_PIPELINE`; layout 0 is automatic, no entry point means "the only one".
    #[allow(clippy::too_many_arguments)] // They are the descriptor's fields.
    pub fn create_compute_pipeline<'n>(
        &mut self,
        id: u32,
        label: &str,
        layout: u32,
        shader: u32,
        entry_point: Option<&str>,
        zero_workgroup_memory: bool,
        constants: impl ExactSizeIterator<Item = (&'n str, f64)>,
    ) {
        self.command(op::CREATE_COMPUTE_PIPELINE, |to| {
            to.put_u32(id);
            to.put_u32(layout);
            to.put_u32(shader);
            to.put_u32(u32::from(zero_workgroup_memory));
            to.put_text(label);
            to.put_bytes(entry_point.unwrap_or_default().as_bytes());
            to.put_u32(count(constants.len()));
            for (name, value) in constants {
                to.put_bytes(name.as_bytes());
                to.put_u64(value.to_bits());
            }
        });
    }

    /// `GET_BIND_GROUP_LAYOUT`.
    pub fn get_bind_group_layout(&mut self, id: u32, pipeline: u32, index: u32) {
        self.ids(op::GET_BIND_GROUP_LAYOUT, &[id, pipeline, index]);
    }

    /// `CREATE_BIND_GROUP`.
    pub fn create_bind_group(&mut self, id: u32, label: &str, layout: u32, entries: &[BindGroupEntry]) {
        self.command(op::CREATE_BIND_GROUP, |to| {
            to.put_u32(id);
            to.put_u32(layout);
            to.put_text(label);
            to.put_u32(count(entries.len()));
            for entry in entries {
                to.put_u32(entry.binding);
                to.put_u32(entry.resource);
                to.put_u64(entry.offset);
                to.put_u64(entry.size);
            }
        });
    }

    /// `CREATE_ERROR`.
    pub fn create_error(&mut self, kind: ObjectKind, id: u32, class: ErrorClass, message: &str) {
        self.text(op::CREATE_ERROR, &[kind.code(), id, class.code()], message);
    }

    /// `REPORT_ERROR`.
    pub fn report_error(&mut self, class: ErrorClass, message: &str) {
        self.text(op::REPORT_ERROR, &[class.code()], message);
    }

    /// `WRITE_BUFFER`.
    ///
    /// # Errors
    /// Appends nothing when `data` is longer than [`MAX_INLINE`].
    pub fn write_buffer(&mut self, buffer: u32, offset: u64, data: &[u8]) -> Result<(), TooLarge> {
        if data.len() > MAX_INLINE {
            return Err(TooLarge);
        }
        self.command(op::WRITE_BUFFER, |to| {
            to.put_u32(buffer);
            to.put_u64(offset);
            to.put_bytes(data);
        });
        Ok(())
    }

    /// `PUSH_ERROR_SCOPE`.
    pub fn push_error_scope(&mut self, class: ErrorClass) {
        self.ids(op::PUSH_ERROR_SCOPE, &[class.code()]);
    }

    /// `POP_ERROR_SCOPE`.
    pub fn pop_error_scope(&mut self) {
        self.ids(op::POP_ERROR_SCOPE, &[]);
    }

    /// `SUBMIT`.
    pub fn submit(&mut self, buffers: &[u32]) {
        self.command(op::SUBMIT, |to| {
            to.put_u32(count(buffers.len()));
            buffers.iter().for_each(|buffer| to.put_u32(*buffer));
        });
    }

    /// `CREATE_TEXTURE`.
    pub fn create_texture(&mut self, id: u32, shape: &TextureShape, label: &str) {
        let [width, height, depth] = shape.size;
        let (format, dimension) = (shape.format.code(), shape.dimension.code());
        let fields = [id, shape.usage, format, dimension, width, height, depth, shape.mip_levels];
        self.text(op::CREATE_TEXTURE, &fields, label);
    }

    /// `DESTROY_TEXTURE`.
    pub fn destroy_texture(&mut self, id: u32) {
        self.ids(op::DESTROY_TEXTURE, &[id]);
    }

    /// `CREATE_TEXTURE_VIEW`.
    pub fn create_texture_view(&mut self, id: u32, texture: u32, shape: &ViewShape, label: &str) {
        let fields = [
            id,
            texture,
            shape.dimension.map_or(0, |dimension| dimension.code()),
            shape.base_mip_level,
            shape.mip_levels.unwrap_or(NOT_GIVEN),
            shape.base_layer,
            shape.layers.unwrap_or(NOT_GIVEN),
        ];
        self.text(op::CREATE_TEXTURE_VIEW, &fields, label);
    }

    /// `CREATE_QUERY_SET`.
    pub fn create_query_set(&mut self, id: u32, kind: QueryKind, count: u32, label: &str) {
        self.text(op::CREATE_QUERY_SET, &[id, kind.code(), count], label);
    }

    /// `DESTROY_QUERY_SET`.
    pub fn destroy_query_set(&mut self, id: u32) {
        self.ids(op::DESTROY_QUERY_SET, &[id]);
    }

    /// `BEGIN_COMMANDS`.
    pub fn begin_commands(&mut self, id: u32, label: &str) {
        self.text(op::BEGIN_COMMANDS, &[id], label);
    }

    /// `END_COMMANDS`.
    pub fn end_commands(&mut self) {
        self.ids(op::END_COMMANDS, &[]);
    }

    /// `INVALIDATE`.
    pub fn invalidate(&mut self, message: &str) {
        self.text(op::INVALIDATE, &[], message);
    }

    /// `COPY_BUFFER`.
    pub fn copy_buffer(
        &mut self,
        source: u32,
        source_offset: u64,
        target: u32,
        target_offset: u64,
        size: u64,
    ) {
        self.command(op::COPY_BUFFER, |to| {
            to.put_u32(source);
            to.put_u64(source_offset);
            to.put_u32(target);
            to.put_u64(target_offset);
            to.put_u64(size);
        });
    }

    /// `CLEAR_BUFFER`; a size of [`WHOLE`](crate::WHOLE) clears to the end.
    pub fn clear_buffer(&mut self, buffer: u32, offset: u64, size: u64) {
        self.command(op::CLEAR_BUFFER, |to| {
            to.put_u32(buffer);
            to.put_u64(offset);
            to.put_u64(size);
        });
    }

    /// `COPY_BUFFER_TO_TEXTURE`; width, height, and depth or layers in texels.
    pub fn copy_buffer_to_texture(&mut self, source: &TexelBuffer, target: &TexelPlace, size: [u32; 3]) {
        self.command(op::COPY_BUFFER_TO_TEXTURE, |to| {
            put_texel_buffer(to, source);
            put_texel_place(to, target);
            size.iter().for_each(|size| to.put_u32(*size));
        });
    }

    /// `COPY_TEXTURE_TO_BUFFER`; width, height, and depth or layers in texels.
    pub fn copy_texture_to_buffer(&mut self, source: &TexelPlace, target: &TexelBuffer, size: [u32; 3]) {
        self.command(op::COPY_TEXTURE_TO_BUFFER, |to| {
            put_texel_place(to, source);
            put_texel_buffer(to, target);
            size.iter().for_each(|size| to.put_u32(*size));
        });
    }

    /// `COPY_TEXTURE`; width, height, and depth or layers in texels.
    pub fn copy_texture(&mut self, source: &TexelPlace, target: &TexelPlace, size: [u32; 3]) {
        self.command(op::COPY_TEXTURE, |to| {
            put_texel_place(to, source);
            put_texel_place(to, target);
            size.iter().for_each(|size| to.put_u32(*size));
        });
    }

    /// `BEGIN_PASS`.
    pub fn begin_pass(&mut self, label: &str) {
        self.text(op::BEGIN_PASS, &[], label);
    }

    /// `BEGIN_TIMED_PASS`; indices of the queries for its begin and its end.
    pub fn begin_timed_pass(&mut self, set: u32, begin: Option<u32>, end: Option<u32>, label: &str) {
        let fields = [set, begin.unwrap_or(NOT_GIVEN), end.unwrap_or(NOT_GIVEN)];
        self.text(op::BEGIN_TIMED_PASS, &fields, label);
    }

    /// `WRITE_TIMESTAMP`.
    pub fn write_timestamp(&mut self, set: u32, index: u32) {
        self.ids(op::WRITE_TIMESTAMP, &[set, index]);
    }

    /// `RESOLVE_QUERIES`.
    pub fn resolve_queries(&mut self, set: u32, first: u32, count: u32, buffer: u32, offset: u64) {
        self.command(op::RESOLVE_QUERIES, |to| {
            [set, first, count, buffer].iter().for_each(|field| to.put_u32(*field));
            to.put_u64(offset);
        });
    }

    /// `END_PASS`.
    pub fn end_pass(&mut self) {
        self.ids(op::END_PASS, &[]);
    }

    /// `PUSH_DEBUG_GROUP`.
    pub fn push_debug_group(&mut self, label: &str) {
        self.text(op::PUSH_DEBUG_GROUP, &[], label);
    }

    /// `POP_DEBUG_GROUP`.
    pub fn pop_debug_group(&mut self) {
        self.ids(op::POP_DEBUG_GROUP, &[]);
    }

    /// `INSERT_DEBUG_MARKER`.
    pub fn insert_debug_marker(&mut self, label: &str) {
        self.text(op::INSERT_DEBUG_MARKER, &[], label);
    }

    /// `SET_PIPELINE`.
    pub fn set_pipeline(&mut self, pipeline: u32) {
        self.ids(op::SET_PIPELINE, &[pipeline]);
    }

    /// `SET_BIND_GROUP`; a group of 0 unsets.
    pub fn set_bind_group(&mut self, index: u32, group: u32, offsets: &[u32]) {
        self.command(op::SET_BIND_GROUP, |to| {
            to.put_u32(index);
            to.put_u32(group);
            to.put_u32(count(offsets.len()));
            offsets.iter().for_each(|offset| to.put_u32(*offset));
        });
    }

    /// `SET_IMMEDIATES`.
    ///
    /// # Errors
    /// Appends nothing when `data` is longer than [`MAX_INLINE`].
    pub fn set_immediates(&mut self, offset: u32, data: &[u8]) -> Result<(), TooLarge> {
        if data.len() > MAX_INLINE {
            return Err(TooLarge);
        }
        self.command(op::SET_IMMEDIATES, |to| {
            to.put_u32(offset);
            to.put_bytes(data);
        });
        Ok(())
    }

    /// `DISPATCH`, counts in workgroups.
    pub fn dispatch(&mut self, x: u32, y: u32, z: u32) {
        self.ids(op::DISPATCH, &[x, y, z]);
    }

    /// `DISPATCH_INDIRECT`.
    pub fn dispatch_indirect(&mut self, buffer: u32, offset: u64) {
        self.command(op::DISPATCH_INDIRECT, |to| {
            to.put_u32(buffer);
            to.put_u64(offset);
        });
    }
}

fn put_texel_buffer(to: &mut Vec<u8>, texels: &TexelBuffer) {
    to.put_u32(texels.buffer);
    to.put_u64(texels.offset);
    to.put_u32(texels.bytes_per_row.unwrap_or(NOT_GIVEN));
    to.put_u32(texels.rows_per_image.unwrap_or(NOT_GIVEN));
}

fn put_texel_place(to: &mut Vec<u8>, place: &TexelPlace) {
    to.put_u32(place.texture);
    to.put_u32(place.mip_level);
    place.origin.iter().for_each(|at| to.put_u32(*at));
}
