//! One decoded command.

use crate::bytes::Reader;
use crate::error::Fault;
use crate::list::{Constants, List};
use crate::op;
use crate::values::{
    BindGroupEntry, ErrorClass, LayoutEntry, MapMode, ObjectKind, QueryKind, TexelBuffer, TexelPlace,
    TextureDimension, TextureFormat, TextureShape, ViewDimension, ViewShape,
};
use crate::{HEADER, MAX_INLINE};

/// A command; texts and lists point into the stream. Ids are `u32`, offsets and sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // Fields are as in the specification's table.
pub enum Command<'a> {
    /// Makes a buffer of zeros.
    CreateBuffer { id: u32, usage: u32, size: u64, mapped_at_creation: bool, label: &'a str },
    /// Frees a buffer's memory.
    DestroyBuffer { id: u32 },
    /// Maps a part of a buffer.
    MapBuffer { id: u32, mode: MapMode, offset: u64, size: u64 },
    /// Ends a mapping.
    UnmapBuffer { id: u32 },
    /// Frees an id.
    Release { kind: ObjectKind, id: u32 },
    /// Makes a shader module.
    CreateShader { id: u32, label: &'a str, wgsl: &'a str },
    /// Makes a bind group layout.
    CreateBindGroupLayout { id: u32, label: &'a str, entries: List<'a, LayoutEntry> },
    /// Makes a pipeline layout; group 0 is an empty slot.
    CreatePipelineLayout { id: u32, label: &'a str, groups: List<'a, u32>, immediate_size: u32 },
    /// Makes a compute pipeline; layout 0 is automatic.
    CreateComputePipeline {
        id: u32,
        layout: u32,
        shader: u32,
        zero_workgroup_memory: bool,
        label: &'a str,
        entry_point: Option<&'a str>,
        constants: Constants<'a>,
    },
    /// Names a bind group layout of a pipeline.
    GetBindGroupLayout { id: u32, pipeline: u32, index: u32 },
    /// Makes a bind group.
    CreateBindGroup { id: u32, layout: u32, label: &'a str, entries: List<'a, BindGroupEntry> },
    /// Makes an error object and records the error.
    CreateError { kind: ObjectKind, id: u32, class: ErrorClass, message: &'a str },
    /// Records an error.
    ReportError { class: ErrorClass, message: &'a str },
    /// Writes into a buffer.
    WriteBuffer { buffer: u32, offset: u64, data: &'a [u8] },
    /// Opens an error scope.
    PushErrorScope { class: ErrorClass },
    /// Closes the innermost error scope.
    PopErrorScope,
    /// Executes command buffers and frees their ids.
    Submit { buffers: List<'a, u32> },
    /// Makes a texture of zeros.
    CreateTexture { id: u32, shape: TextureShape, label: &'a str },
    /// Frees a texture's memory.
    DestroyTexture { id: u32 },
    /// Makes a view of a texture.
    CreateTextureView { id: u32, texture: u32, shape: ViewShape, label: &'a str },
    /// Makes a set of queries.
    CreateQuerySet { id: u32, kind: QueryKind, count: u32, label: &'a str },
    /// Frees a set's memory.
    DestroyQuerySet { id: u32 },

    /// Opens a command buffer.
    BeginCommands { id: u32, label: &'a str },
    /// Closes a command buffer.
    EndCommands,
    /// Makes the open command buffer an error object.
    Invalidate { message: &'a str },
    /// Copies between buffers.
    CopyBuffer { source: u32, source_offset: u64, target: u32, target_offset: u64, size: u64 },
    /// Fills with zeros.
    ClearBuffer { buffer: u32, offset: u64, size: u64 },
    /// Opens a compute pass.
    BeginPass { label: &'a str },
    /// Closes a compute pass.
    EndPass,
    /// Opens a debug group.
    PushDebugGroup { label: &'a str },
    /// Closes a debug group.
    PopDebugGroup,
    /// A debug marker.
    InsertDebugMarker { label: &'a str },
    /// Copies texels from a buffer to a texture.
    CopyBufferToTexture { source: TexelBuffer, target: TexelPlace, size: [u32; 3] },
    /// Copies texels from a texture to a buffer.
    CopyTextureToBuffer { source: TexelPlace, target: TexelBuffer, size: [u32; 3] },
    /// Copies texels between textures.
    CopyTexture { source: TexelPlace, target: TexelPlace, size: [u32; 3] },
    /// Opens a compute pass that writes timestamps.
    BeginTimedPass { set: u32, begin: Option<u32>, end: Option<u32>, label: &'a str },
    /// Writes a timestamp.
    WriteTimestamp { set: u32, index: u32 },
    /// Writes results of queries into a buffer.
    ResolveQueries { set: u32, first: u32, count: u32, buffer: u32, offset: u64 },

    /// Sets the pipeline.
    SetPipeline { pipeline: u32 },
    /// Sets a bind group; group 0 unsets.
    SetBindGroup { index: u32, group: u32, offsets: List<'a, u32> },
    /// Sets immediate data.
    SetImmediates { offset: u32, data: &'a [u8] },
    /// Runs the pipeline over workgroups.
    Dispatch { x: u32, y: u32, z: u32 },
    /// Runs the pipeline over workgroups counted in a buffer.
    DispatchIndirect { buffer: u32, offset: u64 },
}

impl<'a> Command<'a> {
    /// The command's number.
    pub fn op(&self) -> u16 {
        match self {
            Command::CreateBuffer { .. } => op::CREATE_BUFFER,
            Command::DestroyBuffer { .. } => op::DESTROY_BUFFER,
            Command::MapBuffer { .. } => op::MAP_BUFFER,
            Command::UnmapBuffer { .. } => op::UNMAP_BUFFER,
            Command::Release { .. } => op::RELEASE,
            Command::CreateShader { .. } => op::CREATE_SHADER,
            Command::CreateBindGroupLayout { .. } => op::CREATE_BIND_GROUP_LAYOUT,
            Command::CreatePipelineLayout { .. } => op::CREATE_PIPELINE_LAYOUT,
            Command::CreateComputePipeline { .. } => op::CREATE_COMPUTE_PIPELINE,
            Command::GetBindGroupLayout { .. } => op::GET_BIND_GROUP_LAYOUT,
            Command::CreateBindGroup { .. } => op::CREATE_BIND_GROUP,
            Command::CreateError { .. } => op::CREATE_ERROR,
            Command::ReportError { .. } => op::REPORT_ERROR,
            Command::WriteBuffer { .. } => op::WRITE_BUFFER,
            Command::PushErrorScope { .. } => op::PUSH_ERROR_SCOPE,
            Command::PopErrorScope => op::POP_ERROR_SCOPE,
            Command::Submit { .. } => op::SUBMIT,
            Command::CreateTexture { .. } => op::CREATE_TEXTURE,
            Command::DestroyTexture { .. } => op::DESTROY_TEXTURE,
            Command::CreateTextureView { .. } => op::CREATE_TEXTURE_VIEW,
            Command::CreateQuerySet { .. } => op::CREATE_QUERY_SET,
            Command::DestroyQuerySet { .. } => op::DESTROY_QUERY_SET,
            Command::BeginCommands { .. } => op::BEGIN_COMMANDS,
            Command::EndCommands => op::END_COMMANDS,
            Command::Invalidate { .. } => op::INVALIDATE,
            Command::CopyBuffer { .. } => op::COPY_BUFFER,
            Command::ClearBuffer { .. } => op::CLEAR_BUFFER,
            Command::BeginPass { .. } => op::BEGIN_PASS,
            Command::EndPass => op::END_PASS,
            Command::PushDebugGroup { .. } => op::PUSH_DEBUG_GROUP,
            Command::PopDebugGroup => op::POP_DEBUG_GROUP,
            Command::InsertDebugMarker { .. } => op::INSERT_DEBUG_MARKER,
            Command::CopyBufferToTexture { .. } => op::COPY_BUFFER_TO_TEXTURE,
            Command::CopyTextureToBuffer { .. } => op::COPY_TEXTURE_TO_BUFFER,
            Command::CopyTexture { .. } => op::COPY_TEXTURE,
            Command::BeginTimedPass { .. } => op::BEGIN_TIMED_PASS,
            Command::WriteTimestamp { .. } => op::WRITE_TIMESTAMP,
            Command::ResolveQueries { .. } => op::RESOLVE_QUERIES,
            Command::SetPipeline { .. } => op::SET_PIPELINE,
            Command::SetBindGroup { .. } => op::SET_BIND_GROUP,
            Command::SetImmediates { .. } => op::SET_IMMEDIATES,
            Command::Dispatch { .. } => op::DISPATCH,
            Command::DispatchIndirect { .. } => op::DISPATCH_INDIRECT,
        }
    }

    /// Decodes one whole command (header included) whose size was checked.
    pub(crate) fn decode(op: u16, command: &'a [u8]) -> Result<Self, Fault> {
        let mut from = Reader(command.get(HEADER..).ok_or(Fault::Size)?);
        let decoded = Self::payload(op, &mut from)?;
        from.end()?;
        Ok(decoded)
    }

    fn payload(op: u16, from: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(match op {
            op::CREATE_BUFFER => Command::CreateBuffer {
                id: from.id()?,
                usage: from.u32()?,
                size: from.u64()?,
                mapped_at_creation: from.bits(1, "buffer flags")? == 1,
                label: from.text()?,
            },
            op::DESTROY_BUFFER => Command::DestroyBuffer { id: from.id()? },
            op::MAP_BUFFER => Command::MapBuffer {
                id: from.id()?,
                mode: MapMode::read(from)?,
                offset: from.u64()?,
                size: from.u64()?,
            },
            op::UNMAP_BUFFER => Command::UnmapBuffer { id: from.id()? },
            op::RELEASE => Command::Release { kind: ObjectKind::read(from)?, id: from.id()? },
            op::CREATE_SHADER => {
                Command::CreateShader { id: from.id()?, label: from.text()?, wgsl: from.long_text()? }
            }
            op::CREATE_BIND_GROUP_LAYOUT => Command::CreateBindGroupLayout {
                id: from.id()?,
                label: from.text()?,
                entries: List::read(from)?,
            },
            op::CREATE_PIPELINE_LAYOUT => Command::CreatePipelineLayout {
                id: from.id()?,
                immediate_size: from.u32()?,
                label: from.text()?,
                groups: List::read(from)?,
            },
            op::CREATE_COMPUTE_PIPELINE => Command::CreateComputePipeline {
                id: from.id()?,
                layout: from.u32()?,
                shader: from.id()?,
                zero_workgroup_memory: from.bits(1, "pipeline flags")? == 1,
                label: from.text()?,
                entry_point: Some(from.long_text()?).filter(|name| !name.is_empty()),
                constants: Constants::read(from)?,
            },
            op::GET_BIND_GROUP_LAYOUT => {
                Command::GetBindGroupLayout { id: from.id()?, pipeline: from.id()?, index: from.u32()? }
            }
            op::CREATE_BIND_GROUP => Command::CreateBindGroup {
                id: from.id()?,
                layout: from.id()?,
                label: from.text()?,
                entries: List::read(from)?,
            },
            op::CREATE_ERROR => Command::CreateError {
                kind: ObjectKind::read(from)?,
                id: from.id()?,
                class: ErrorClass::read(from)?,
                message: from.text()?,
            },
            op::REPORT_ERROR => {
                Command::ReportError { class: ErrorClass::read(from)?, message: from.text()? }
            }
            op::WRITE_BUFFER => Command::WriteBuffer {
                buffer: from.id()?,
                offset: from.u64()?,
                data: from.bytes(MAX_INLINE)?,
            },
            op::PUSH_ERROR_SCOPE => Command::PushErrorScope { class: ErrorClass::read(from)? },
            op::POP_ERROR_SCOPE => Command::PopErrorScope,
            op::SUBMIT => {
                let buffers = List::read(from)?;
                if buffers.iter().any(|id| id == 0) {
                    return Err(Fault::ZeroId);
                }
                Command::Submit { buffers }
            }
            op::CREATE_TEXTURE => Command::CreateTexture {
                id: from.id()?,
                shape: TextureShape {
                    usage: from.u32()?,
                    format: TextureFormat::read(from)?,
                    dimension: TextureDimension::read(from)?,
                    size: from.triple()?,
                    mip_levels: from.u32()?,
                },
                label: from.text()?,
            },
            op::DESTROY_TEXTURE => Command::DestroyTexture { id: from.id()? },
            op::CREATE_TEXTURE_VIEW => Command::CreateTextureView {
                id: from.id()?,
                texture: from.id()?,
                shape: ViewShape {
                    dimension: ViewDimension::read_given(from)?,
                    base_mip_level: from.u32()?,
                    mip_levels: from.given()?,
                    base_layer: from.u32()?,
                    layers: from.given()?,
                },
                label: from.text()?,
            },
            op::CREATE_QUERY_SET => Command::CreateQuerySet {
                id: from.id()?,
                kind: QueryKind::read(from)?,
                count: from.u32()?,
                label: from.text()?,
            },
            op::DESTROY_QUERY_SET => Command::DestroyQuerySet { id: from.id()? },
            op::BEGIN_COMMANDS => Command::BeginCommands { id: from.id()?, label: from.text()? },
            op::END_COMMANDS => Command::EndCommands,
            op::INVALIDATE => Command::Invalidate { message: from.text()? },
            op::COPY_BUFFER => Command::CopyBuffer {
                source: from.id()?,
                source_offset: from.u64()?,
                target: from.id()?,
                target_offset: from.u64()?,
                size: from.u64()?,
            },
            op::CLEAR_BUFFER => {
                Command::ClearBuffer { buffer: from.id()?, offset: from.u64()?, size: from.u64()? }
            }
            op::BEGIN_PASS => Command::BeginPass { label: from.text()? },
            op::END_PASS => Command::EndPass,
            op::PUSH_DEBUG_GROUP => Command::PushDebugGroup { label: from.text()? },
            op::POP_DEBUG_GROUP => Command::PopDebugGroup,
            op::INSERT_DEBUG_MARKER => Command::InsertDebugMarker { label: from.text()? },
            op::COPY_BUFFER_TO_TEXTURE => Command::CopyBufferToTexture {
                source: texel_buffer(from)?,
                target: texel_place(from)?,
                size: from.triple()?,
            },
            op::COPY_TEXTURE_TO_BUFFER => Command::CopyTextureToBuffer {
                source: texel_place(from)?,
                target: texel_buffer(from)?,
                size: from.triple()?,
            },
            op::COPY_TEXTURE => Command::CopyTexture {
                source: texel_place(from)?,
                target: texel_place(from)?,
                size: from.triple()?,
            },
            op::BEGIN_TIMED_PASS => Command::BeginTimedPass {
                set: from.id()?,
                begin: from.given()?,
                end: from.given()?,
                label: from.text()?,
            },
            op::WRITE_TIMESTAMP => Command::WriteTimestamp { set: from.id()?, index: from.u32()? },
            op::RESOLVE_QUERIES => Command::ResolveQueries {
                set: from.id()?,
                first: from.u32()?,
                count: from.u32()?,
                buffer: from.id()?,
                offset: from.u64()?,
            },
            op::SET_PIPELINE => Command::SetPipeline { pipeline: from.id()? },
            op::SET_BIND_GROUP => {
                Command::SetBindGroup { index: from.u32()?, group: from.u32()?, offsets: List::read(from)? }
            }
            op::SET_IMMEDIATES => {
                Command::SetImmediates { offset: from.u32()?, data: from.bytes(MAX_INLINE)? }
            }
            op::DISPATCH => Command::Dispatch { x: from.u32()?, y: from.u32()?, z: from.u32()? },
            op::DISPATCH_INDIRECT => Command::DispatchIndirect { buffer: from.id()?, offset: from.u64()? },
            _ => return Err(Fault::UnknownOp),
        })
    }
}

fn texel_buffer(from: &mut Reader<'_>) -> Result<TexelBuffer, Fault> {
    Ok(TexelBuffer {
        buffer: from.id()?,
        offset: from.u64()?,
        bytes_per_row: from.given()?,
        rows_per_image: from.given()?,
    })
}

fn texel_place(from: &mut Reader<'_>) -> Result<TexelPlace, Fault> {
    Ok(TexelPlace { texture: from.id()?, mip_level: from.u32()?, origin: from.triple()? })
}
