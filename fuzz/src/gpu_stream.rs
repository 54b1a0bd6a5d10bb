//! The GPU command stream: any bytes, and any commands.

use std::num::NonZeroU32;

use arbitrary::{Arbitrary, Unstructured};
use fizz_gpu_abi::{
    BindGroupEntry, BindingKind, Caps, Command, Commands, Encoder, ErrorClass, LayoutEntry, MAX_INLINE,
    MAX_TEXT, MapMode, NOT_GIVEN, ObjectKind, OpenRequest, PollState, QueryKind, RecordRef, TexelBuffer,
    TexelPlace, TextureBinding, TextureDimension, TextureFormat, TextureShape, ViewDimension, ViewShape,
};

use crate::memory;

/// - No bytes make the decoder panic, or take memory at all.
/// - Every decoded command encodes to the bytes it was decoded from; so does every record, request and state.
/// - Any list of commands in their places encodes to a stream that decodes to the same list.
pub fn gpu_stream(data: &[u8]) {
    bytes(data);
    structures(data);
    if let Ok(commands) = Unstructured::new(data).arbitrary::<Vec<Owned<'_>>>() {
        commands_come_back(commands);
    }
}

fn bytes(data: &[u8]) {
    let checked = memory::within(64, || Commands::check(data));
    let mut commands = Commands::new(data);
    let (mut start, mut count) = (0, 0);
    while let Some(command) = commands.next() {
        let Ok(command) = command else {
            assert_eq!(checked, command.map(|_| 0));
            assert!(commands.next().is_none(), "the decoder goes on after an error");
            return;
        };
        let mut encoder = Encoder::new();
        assert!(encoder.push(&command).is_ok());
        assert_eq!(encoder.as_bytes(), &data[start..commands.offset()], "{command:?}");
        start = commands.offset();
        count += 1;
    }
    assert_eq!((checked, start), (Ok(count), data.len()));
}

fn structures(data: &[u8]) {
    if let Ok(record) = RecordRef::from_bytes(data) {
        assert_eq!(record.to_bytes(), data);
        assert_eq!(record.to_owned().to_bytes(), data);
        assert!(record.class().is_none() || record.severity().is_none());
    }
    if let Ok(request) = OpenRequest::from_bytes(data) {
        assert_eq!(request.to_bytes(), data);
    }
    if let Ok(state) = PollState::from_bytes(data) {
        assert_eq!(state.to_bytes(), data);
    }
    match Caps::from_bytes(data) {
        Ok(caps) => assert_eq!(caps.to_bytes(), data[..Caps::SIZE]),
        Err(_) => assert!(data.len() < Caps::SIZE),
    }
}

/// A number from 1 to `N`, as enumerated values have.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Code<const N: u32>(u32);

impl<'a, const N: u32> Arbitrary<'a> for Code<N> {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        input.int_in_range(1..=N).map(Code)
    }
}

/// Kinds of objects, and of bindings.
const OBJECTS: u32 = 10;
const BINDINGS: u32 = 6;

impl Code<OBJECTS> {
    fn object(self) -> ObjectKind {
        ObjectKind::from_code(self.0).expect("one of the kinds")
    }
}

impl Code<BINDINGS> {
    fn binding(self) -> BindingKind {
        BindingKind::from_code(self.0).expect("one of the kinds")
    }
}

impl Code<16> {
    fn format(self) -> TextureFormat {
        TextureFormat::from_code(self.0).expect("one of sixteen formats")
    }
}

impl Code<4> {
    fn view(self) -> ViewDimension {
        ViewDimension::from_code(self.0).expect("one of four dimensions")
    }
}

impl Code<3> {
    fn class(self) -> ErrorClass {
        ErrorClass::from_code(self.0).expect("one of three classes")
    }

    fn dimension(self) -> TextureDimension {
        TextureDimension::from_code(self.0).expect("one of three dimensions")
    }
}

impl Code<2> {
    fn mode(self) -> MapMode {
        MapMode::from_code(self.0).expect("one of two modes")
    }
}

/// Binding, kind, dynamic offset, visible, least size; format and dimension of a texture.
type Layout = (u32, Code<BINDINGS>, bool, bool, u64, Code<16>, Code<4>);
/// Binding, resource, offset, size.
type Binding = (u32, NonZeroU32, u64, u64);
/// Buffer, offset, bytes per row, rows per image.
type Texels = (NonZeroU32, u64, Option<u32>, Option<u32>);
/// Texture, mip level, origin.
type Place = (NonZeroU32, u32, [u32; 3]);

/// A command that owns its lists. Texts are cut as the encoder cuts them.
#[derive(Arbitrary, Clone, Debug, PartialEq)]
enum Owned<'a> {
    CreateBuffer(NonZeroU32, u32, u64, bool, &'a str),
    DestroyBuffer(NonZeroU32),
    MapBuffer(NonZeroU32, Code<2>, u64, u64),
    UnmapBuffer(NonZeroU32),
    Release(Code<OBJECTS>, NonZeroU32),
    CreateShader(NonZeroU32, &'a str, &'a str),
    CreateBindGroupLayout(NonZeroU32, &'a str, Vec<Layout>),
    CreatePipelineLayout(NonZeroU32, u32, &'a str, Vec<u32>),
    /// The constants' values are bits, so that NaNs are equal to themselves.
    CreateComputePipeline(NonZeroU32, u32, NonZeroU32, bool, &'a str, Option<&'a str>, Vec<(&'a str, u64)>),
    GetBindGroupLayout(NonZeroU32, NonZeroU32, u32),
    CreateBindGroup(NonZeroU32, NonZeroU32, &'a str, Vec<Binding>),
    CreateError(Code<OBJECTS>, NonZeroU32, Code<3>, &'a str),
    ReportError(Code<3>, &'a str),
    WriteBuffer(NonZeroU32, u64, &'a [u8]),
    PushErrorScope(Code<3>),
    PopErrorScope,
    Submit(Vec<NonZeroU32>),
    /// Id, usage, format, dimension, size, mip levels, label.
    CreateTexture(NonZeroU32, u32, Code<16>, Code<3>, [u32; 3], u32, &'a str),
    DestroyTexture(NonZeroU32),
    /// Id, texture, dimension, mip levels from and how many, layers from and how many, label.
    CreateTextureView(
        NonZeroU32,
        NonZeroU32,
        Option<Code<4>>,
        (u32, Option<u32>),
        (u32, Option<u32>),
        &'a str,
    ),
    CreateQuerySet(NonZeroU32, u32, &'a str),
    DestroyQuerySet(NonZeroU32),
    BeginCommands(NonZeroU32, &'a str),
    EndCommands,
    Invalidate(&'a str),
    CopyBuffer(NonZeroU32, u64, NonZeroU32, u64, u64),
    ClearBuffer(NonZeroU32, u64, u64),
    CopyBufferToTexture(Texels, Place, [u32; 3]),
    CopyTextureToBuffer(Place, Texels, [u32; 3]),
    CopyTexture(Place, Place, [u32; 3]),
    /// Set, queries for the begin and the end, label.
    BeginTimedPass(NonZeroU32, Option<u32>, Option<u32>, &'a str),
    WriteTimestamp(NonZeroU32, u32),
    /// Set, first query, count, buffer, offset.
    ResolveQueries(NonZeroU32, u32, u32, NonZeroU32, u64),
    BeginPass(&'a str),
    EndPass,
    PushDebugGroup(&'a str),
    PopDebugGroup,
    InsertDebugMarker(&'a str),
    SetPipeline(NonZeroU32),
    SetBindGroup(u32, u32, Vec<u32>),
    SetImmediates(u32, &'a [u8]),
    Dispatch(u32, u32, u32),
    DispatchIndirect(NonZeroU32, u64),
}

use Owned as O;

fn commands_come_back(commands: Vec<Owned<'_>>) {
    let commands = placed(commands);
    let mut encoder = Encoder::new();
    for command in &commands {
        command.encode(&mut encoder);
    }
    assert_eq!(Commands::check(encoder.as_bytes()), Ok(commands.len()));
    let decoded: Vec<_> =
        Commands::new(encoder.as_bytes()).map(|command| Owned::of(&command.expect("checked"))).collect();
    assert_eq!(decoded, commands);
}

/// Opens and closes brackets wherever a command needs it, and leaves out brackets that are not needed.
fn placed(commands: Vec<Owned<'_>>) -> Vec<Owned<'_>> {
    let mut out: Vec<Owned<'_>> = Vec::new();
    // Depth: 0 outside, 1 in a command buffer, 2 in a pass.
    let mut depth = 0;
    let go = |out: &mut Vec<_>, depth: &mut u32, wanted: u32| {
        while *depth != wanted {
            let up = *depth < wanted;
            out.push(match (*depth, up) {
                (0, _) => O::BeginCommands(NonZeroU32::MIN, "b"),
                (1, true) => O::BeginPass(""),
                (1, false) => O::EndCommands,
                _ => O::EndPass,
            });
            *depth = if up { *depth + 1 } else { *depth - 1 };
        }
    };
    for command in commands {
        let (from, to) = match command {
            O::SetPipeline(..)
            | O::SetBindGroup(..)
            | O::SetImmediates(..)
            | O::Dispatch(..)
            | O::DispatchIndirect(..) => (2, 2),
            O::EndPass => (2, 1),
            O::CopyBuffer(..)
            | O::ClearBuffer(..)
            | O::CopyBufferToTexture(..)
            | O::CopyTextureToBuffer(..)
            | O::CopyTexture(..)
            | O::ResolveQueries(..) => (1, 1),
            O::BeginPass(_) | O::BeginTimedPass(..) => (1, 2),
            O::EndCommands => (1, 0),
            O::PushDebugGroup(_)
            | O::PopDebugGroup
            | O::InsertDebugMarker(_)
            | O::WriteTimestamp(..)
            | O::Invalidate(_) => (depth.max(1), depth.max(1)),
            O::BeginCommands(..) => (0, 1),
            _ => (0, 0),
        };
        go(&mut out, &mut depth, from);
        out.push(command.cut());
        depth = to;
    }
    go(&mut out, &mut depth, 0);
    out
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// A number that the stream can tell from one that is not given.
fn given(value: Option<u32>) -> Option<u32> {
    value.filter(|value| *value != NOT_GIVEN)
}

fn texels((buffer, offset, bytes_per_row, rows_per_image): Texels) -> TexelBuffer {
    TexelBuffer { buffer: buffer.get(), offset, bytes_per_row, rows_per_image }
}

fn of_texels(texels: TexelBuffer) -> Texels {
    let buffer = NonZeroU32::new(texels.buffer).expect("the decoder refuses the id 0");
    (buffer, texels.offset, texels.bytes_per_row, texels.rows_per_image)
}

fn texel_place((texture, mip_level, origin): Place) -> TexelPlace {
    TexelPlace { texture: texture.get(), mip_level, origin }
}

fn of_place(place: TexelPlace) -> Place {
    let texture = NonZeroU32::new(place.texture).expect("the decoder refuses the id 0");
    (texture, place.mip_level, place.origin)
}

impl<'a> Owned<'a> {
    /// What the encoder makes of it.
    fn cut(mut self) -> Self {
        match &mut self {
            O::CreateBuffer(.., label)
            | O::CreateShader(_, label, _)
            | O::CreatePipelineLayout(_, _, label, _)
            | O::CreateBindGroup(_, _, label, _)
            | O::CreateError(.., label)
            | O::ReportError(_, label)
            | O::BeginCommands(_, label)
            | O::Invalidate(label)
            | O::BeginPass(label)
            | O::PushDebugGroup(label)
            | O::CreateTexture(.., label)
            | O::CreateQuerySet(.., label)
            | O::InsertDebugMarker(label) => *label = cut(label),
            O::BeginTimedPass(_, begin, end, label) => {
                (*begin, *end, *label) = (given(*begin), given(*end), cut(label));
            }
            O::CreateTextureView(_, _, _, levels, layers, label) => {
                for (_, count) in [levels, layers] {
                    *count = given(*count);
                }
                *label = cut(label);
            }
            O::CopyBufferToTexture(texels, ..) | O::CopyTextureToBuffer(_, texels, _) => {
                let (_, _, row, image) = texels;
                (*row, *image) = (given(*row), given(*image));
            }
            O::CreateBindGroupLayout(_, label, entries) => {
                for (_, kind, dynamic, _, least, format, dimension) in entries {
                    if kind.binding().is_texture() {
                        (*dynamic, *least) = (false, 0);
                    } else {
                        (*format, *dimension) = (Code(1), Code(1));
                    }
                }
                *label = cut(label);
            }
            O::CreateComputePipeline(.., label, entry, _) => {
                *label = cut(label);
                *entry = entry.filter(|name| !name.is_empty());
            }
            O::WriteBuffer(.., data) | O::SetImmediates(_, data) => {
                *data = &data[..data.len().min(MAX_INLINE)]
            }
            _ => {}
        }
        self
    }

    fn encode(&self, to: &mut Encoder) {
        match self {
            O::CreateBuffer(id, usage, size, mapped, label) => {
                to.create_buffer(id.get(), *usage, *size, *mapped, label)
            }
            O::DestroyBuffer(id) => to.destroy_buffer(id.get()),
            O::MapBuffer(id, mode, offset, size) => to.map_buffer(id.get(), mode.mode(), *offset, *size),
            O::UnmapBuffer(id) => to.unmap_buffer(id.get()),
            O::Release(kind, id) => to.release(kind.object(), id.get()),
            O::CreateShader(id, label, wgsl) => to.create_shader(id.get(), label, wgsl),
            O::CreateBindGroupLayout(id, label, entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|&(binding, kind, dynamic_offset, visible, min_size, format, dimension)| {
                        LayoutEntry {
                            binding,
                            kind: kind.binding(),
                            dynamic_offset,
                            visible,
                            min_size,
                            texture: kind.binding().is_texture().then(|| TextureBinding {
                                format: format.format(),
                                dimension: dimension.view(),
                            }),
                        }
                    })
                    .collect();
                to.create_bind_group_layout(id.get(), label, &entries);
            }
            O::CreatePipelineLayout(id, immediates, label, groups) => {
                to.create_pipeline_layout(id.get(), label, groups, *immediates);
            }
            O::CreateComputePipeline(id, layout, shader, zero, label, entry, constants) => {
                let constants = constants.iter().map(|(name, bits)| (*name, f64::from_bits(*bits)));
                to.create_compute_pipeline(id.get(), label, *layout, shader.get(), *entry, *zero, constants);
            }
            O::GetBindGroupLayout(id, pipeline, index) => {
                to.get_bind_group_layout(id.get(), pipeline.get(), *index)
            }
            O::CreateBindGroup(id, layout, label, entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|&(binding, resource, offset, size)| BindGroupEntry {
                        binding,
                        resource: resource.get(),
                        offset,
                        size,
                    })
                    .collect();
                to.create_bind_group(id.get(), label, layout.get(), &entries);
            }
            O::CreateError(kind, id, class, message) => {
                to.create_error(kind.object(), id.get(), class.class(), message);
            }
            O::ReportError(class, message) => to.report_error(class.class(), message),
            O::WriteBuffer(id, offset, data) => {
                assert!(to.write_buffer(id.get(), *offset, data).is_ok());
            }
            O::PushErrorScope(class) => to.push_error_scope(class.class()),
            O::PopErrorScope => to.pop_error_scope(),
            O::Submit(buffers) => to.submit(&buffers.iter().map(|id| id.get()).collect::<Vec<_>>()),
            O::CreateTexture(id, usage, format, dimension, size, mip_levels, label) => {
                let shape = TextureShape {
                    usage: *usage,
                    format: format.format(),
                    dimension: dimension.dimension(),
                    size: *size,
                    mip_levels: *mip_levels,
                };
                to.create_texture(id.get(), &shape, label);
            }
            O::DestroyTexture(id) => to.destroy_texture(id.get()),
            O::CreateTextureView(id, texture, dimension, levels, layers, label) => {
                let shape = ViewShape {
                    dimension: dimension.map(Code::view),
                    base_mip_level: levels.0,
                    mip_levels: levels.1,
                    base_layer: layers.0,
                    layers: layers.1,
                };
                to.create_texture_view(id.get(), texture.get(), &shape, label);
            }
            O::CreateQuerySet(id, count, label) => {
                to.create_query_set(id.get(), QueryKind::Timestamp, *count, label);
            }
            O::DestroyQuerySet(id) => to.destroy_query_set(id.get()),
            O::BeginCommands(id, label) => to.begin_commands(id.get(), label),
            O::EndCommands => to.end_commands(),
            O::Invalidate(message) => to.invalidate(message),
            O::CopyBuffer(source, source_offset, target, target_offset, size) => {
                to.copy_buffer(source.get(), *source_offset, target.get(), *target_offset, *size);
            }
            O::ClearBuffer(id, offset, size) => to.clear_buffer(id.get(), *offset, *size),
            O::CopyBufferToTexture(from, place, size) => {
                to.copy_buffer_to_texture(&texels(*from), &texel_place(*place), *size);
            }
            O::CopyTextureToBuffer(place, into, size) => {
                to.copy_texture_to_buffer(&texel_place(*place), &texels(*into), *size);
            }
            O::CopyTexture(from, into, size) => {
                to.copy_texture(&texel_place(*from), &texel_place(*into), *size);
            }
            O::BeginTimedPass(set, begin, end, label) => to.begin_timed_pass(set.get(), *begin, *end, label),
            O::WriteTimestamp(set, index) => to.write_timestamp(set.get(), *index),
            O::ResolveQueries(set, first, count, buffer, offset) => {
                to.resolve_queries(set.get(), *first, *count, buffer.get(), *offset);
            }
            O::BeginPass(label) => to.begin_pass(label),
            O::EndPass => to.end_pass(),
            O::PushDebugGroup(label) => to.push_debug_group(label),
            O::PopDebugGroup => to.pop_debug_group(),
            O::InsertDebugMarker(label) => to.insert_debug_marker(label),
            O::SetPipeline(id) => to.set_pipeline(id.get()),
            O::SetBindGroup(index, group, offsets) => to.set_bind_group(*index, *group, offsets),
            O::SetImmediates(offset, data) => {
                assert!(to.set_immediates(*offset, data).is_ok());
            }
            O::Dispatch(x, y, z) => to.dispatch(*x, *y, *z),
            O::DispatchIndirect(id, offset) => to.dispatch_indirect(id.get(), *offset),
        }
    }

    fn of(command: &Command<'a>) -> Self {
        let id = |id: u32| NonZeroU32::new(id).expect("the decoder refuses the id 0");
        match *command {
            Command::CreateBuffer { id: buffer, usage, size, mapped_at_creation, label } => {
                O::CreateBuffer(id(buffer), usage, size, mapped_at_creation, label)
            }
            Command::DestroyBuffer { id: buffer } => O::DestroyBuffer(id(buffer)),
            Command::MapBuffer { id: buffer, mode, offset, size } => {
                O::MapBuffer(id(buffer), Code(mode.code()), offset, size)
            }
            Command::UnmapBuffer { id: buffer } => O::UnmapBuffer(id(buffer)),
            Command::Release { kind, id: object } => O::Release(Code(kind.code()), id(object)),
            Command::CreateShader { id: shader, label, wgsl } => O::CreateShader(id(shader), label, wgsl),
            Command::CreateBindGroupLayout { id: layout, label, entries } => {
                let layout_of = |e: LayoutEntry| {
                    assert_eq!(e.texture.is_some(), e.kind.is_texture());
                    let format = e.texture.map_or(1, |texture| texture.format.code());
                    let dimension = e.texture.map_or(1, |texture| texture.dimension.code());
                    let kind = Code(e.kind.code());
                    (e.binding, kind, e.dynamic_offset, e.visible, e.min_size, Code(format), Code(dimension))
                };
                O::CreateBindGroupLayout(id(layout), label, entries.iter().map(layout_of).collect())
            }
            Command::CreatePipelineLayout { id: layout, label, groups, immediate_size } => {
                O::CreatePipelineLayout(id(layout), immediate_size, label, groups.iter().collect())
            }
            Command::CreateComputePipeline {
                id: pipeline,
                layout,
                shader,
                zero_workgroup_memory,
                label,
                entry_point,
                constants,
            } => {
                assert_eq!(constants.iter().count(), constants.len());
                let constants = constants.iter().map(|(name, value)| (name, value.to_bits())).collect();
                O::CreateComputePipeline(
                    id(pipeline),
                    layout,
                    id(shader),
                    zero_workgroup_memory,
                    label,
                    entry_point,
                    constants,
                )
            }
            Command::GetBindGroupLayout { id: layout, pipeline, index } => {
                O::GetBindGroupLayout(id(layout), id(pipeline), index)
            }
            Command::CreateBindGroup { id: group, layout, label, entries } => {
                let binding_of = |e: BindGroupEntry| (e.binding, id(e.resource), e.offset, e.size);
                O::CreateBindGroup(id(group), id(layout), label, entries.iter().map(binding_of).collect())
            }
            Command::CreateError { kind, id: object, class, message } => {
                O::CreateError(Code(kind.code()), id(object), Code(class.code()), message)
            }
            Command::ReportError { class, message } => O::ReportError(Code(class.code()), message),
            Command::WriteBuffer { buffer, offset, data } => O::WriteBuffer(id(buffer), offset, data),
            Command::PushErrorScope { class } => O::PushErrorScope(Code(class.code())),
            Command::PopErrorScope => O::PopErrorScope,
            Command::Submit { buffers } => O::Submit(buffers.iter().map(id).collect()),
            Command::CreateTexture { id: texture, shape, label } => O::CreateTexture(
                id(texture),
                shape.usage,
                Code(shape.format.code()),
                Code(shape.dimension.code()),
                shape.size,
                shape.mip_levels,
                label,
            ),
            Command::DestroyTexture { id: texture } => O::DestroyTexture(id(texture)),
            Command::CreateTextureView { id: view, texture, shape, label } => O::CreateTextureView(
                id(view),
                id(texture),
                shape.dimension.map(|dimension| Code(dimension.code())),
                (shape.base_mip_level, shape.mip_levels),
                (shape.base_layer, shape.layers),
                label,
            ),
            Command::CreateQuerySet { id: set, kind: QueryKind::Timestamp, count, label } => {
                O::CreateQuerySet(id(set), count, label)
            }
            Command::DestroyQuerySet { id: set } => O::DestroyQuerySet(id(set)),
            Command::BeginCommands { id: buffer, label } => O::BeginCommands(id(buffer), label),
            Command::EndCommands => O::EndCommands,
            Command::Invalidate { message } => O::Invalidate(message),
            Command::CopyBuffer { source, source_offset, target, target_offset, size } => {
                O::CopyBuffer(id(source), source_offset, id(target), target_offset, size)
            }
            Command::ClearBuffer { buffer, offset, size } => O::ClearBuffer(id(buffer), offset, size),
            Command::CopyBufferToTexture { source, target, size } => {
                O::CopyBufferToTexture(of_texels(source), of_place(target), size)
            }
            Command::CopyTextureToBuffer { source, target, size } => {
                O::CopyTextureToBuffer(of_place(source), of_texels(target), size)
            }
            Command::CopyTexture { source, target, size } => {
                O::CopyTexture(of_place(source), of_place(target), size)
            }
            Command::BeginTimedPass { set, begin, end, label } => {
                O::BeginTimedPass(id(set), begin, end, label)
            }
            Command::WriteTimestamp { set, index } => O::WriteTimestamp(id(set), index),
            Command::ResolveQueries { set, first, count, buffer, offset } => {
                O::ResolveQueries(id(set), first, count, id(buffer), offset)
            }
            Command::BeginPass { label } => O::BeginPass(label),
            Command::EndPass => O::EndPass,
            Command::PushDebugGroup { label } => O::PushDebugGroup(label),
            Command::PopDebugGroup => O::PopDebugGroup,
            Command::InsertDebugMarker { label } => O::InsertDebugMarker(label),
            Command::SetPipeline { pipeline } => O::SetPipeline(id(pipeline)),
            Command::SetBindGroup { index, group, offsets } => {
                O::SetBindGroup(index, group, offsets.iter().collect())
            }
            Command::SetImmediates { offset, data } => O::SetImmediates(offset, data),
            Command::Dispatch { x, y, z } => O::Dispatch(x, y, z),
            Command::DispatchIndirect { buffer, offset } => O::DispatchIndirect(id(buffer), offset),
        }
    }
}
