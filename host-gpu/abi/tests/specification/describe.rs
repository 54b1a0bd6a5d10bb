//! Commands and structures in the words of `vectors.txt`.

use fizz_gpu_abi::{
    Caps, Command, LayoutEntry, NOT_GIVEN, OpenRequest, PollState, RecordRef, TexelBuffer, TexelPlace, op,
};
use std::fmt::{Debug, Display};

/// Fields as `NAME=VALUE`, in order.
struct Line(String);

impl Line {
    fn field(mut self, name: &str, value: impl Display) -> Self {
        self.0 += &format!(" {name}={value}");
        self
    }

    fn text(self, name: &str, value: &str) -> Self {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        self.field(name, format!("\"{escaped}\""))
    }

    fn list(self, name: &str, items: impl Iterator<Item = Line>) -> Self {
        let items: Vec<String> = items.map(|item| format!("{{{}}}", item.0.trim_start())).collect();
        self.field(name, format!("[{}]", items.join(" ")))
    }

    fn sizes(self, names: [&str; 3], values: [u32; 3]) -> Self {
        names.into_iter().zip(values).fold(self, |to, (name, value)| to.field(name, value))
    }

    fn given(self, name: &str, value: Option<u32>) -> Self {
        self.field(name, value.unwrap_or(NOT_GIVEN))
    }

    fn texel_buffer(self, texels: TexelBuffer) -> Self {
        let to = self.field("buffer", texels.buffer).field("offset", texels.offset);
        to.given("bytes_per_row", texels.bytes_per_row).given("rows_per_image", texels.rows_per_image)
    }

    /// `side` is before the names: empty, or `source_` or `target_` where there are two.
    fn texel_place(self, side: &str, place: TexelPlace) -> Self {
        let texture = if side.is_empty() { "texture" } else { side.trim_end_matches('_') };
        let to = self.field(texture, place.texture).field(&format!("{side}mip_level"), place.mip_level);
        let [x, y, z] = ["x", "y", "z"].map(|axis| format!("{side}{axis}"));
        to.sizes([&x, &y, &z], place.origin)
    }

    fn bytes(self, name: &str, value: &[u8]) -> Self {
        self.field(name, format!("x{}", hex::encode(value)))
    }
}

fn line() -> Line {
    Line(String::new())
}

pub(crate) fn command(command: &Command<'_>) -> String {
    let to = Line(op::name(command.op()).to_owned());
    let done = match *command {
        Command::CreateBuffer { id, usage, size, mapped_at_creation, label } => to
            .field("id", id)
            .field("usage", usage)
            .field("size", size)
            .field("flags", u32::from(mapped_at_creation))
            .text("label", label),
        Command::DestroyBuffer { id }
        | Command::UnmapBuffer { id }
        | Command::DestroyTexture { id }
        | Command::DestroyQuerySet { id } => to.field("id", id),
        Command::MapBuffer { id, mode, offset, size } => {
            to.field("id", id).field("mode", mode.code()).field("offset", offset).field("size", size)
        }
        Command::Release { kind, id } => to.field("kind", kind.code()).field("id", id),
        Command::CreateShader { id, label, wgsl } => {
            to.field("id", id).text("label", label).text("wgsl", wgsl)
        }
        Command::CreateBindGroupLayout { id, label, entries } => {
            to.field("id", id).text("label", label).list("entries", entries.iter().map(layout_entry))
        }
        Command::CreatePipelineLayout { id, label, groups, immediate_size } => to
            .field("id", id)
            .field("immediate_size", immediate_size)
            .text("label", label)
            .list("groups", groups.iter().map(|layout| line().field("layout", layout))),
        Command::CreateComputePipeline {
            id,
            layout,
            shader,
            zero_workgroup_memory,
            label,
            entry_point,
            constants,
        } => {
            let constant = |(name, value)| line().text("name", name).field("value", format!("{value:?}"));
            to.field("id", id)
                .field("layout", layout)
                .field("shader", shader)
                .field("flags", u32::from(zero_workgroup_memory))
                .text("label", label)
                .text("entry_point", entry_point.unwrap_or_default())
                .list("constants", constants.iter().map(constant))
        }
        Command::GetBindGroupLayout { id, pipeline, index } => {
            to.field("id", id).field("pipeline", pipeline).field("index", index)
        }
        Command::CreateBindGroup { id, layout, label, entries } => {
            let entry = |entry: fizz_gpu_abi::BindGroupEntry| {
                let to = line().field("binding", entry.binding).field("resource", entry.resource);
                to.field("offset", entry.offset).field("size", entry.size)
            };
            let to = to.field("id", id).field("layout", layout).text("label", label);
            to.list("entries", entries.iter().map(entry))
        }
        Command::CreateError { kind, id, class, message } => to
            .field("kind", kind.code())
            .field("id", id)
            .field("class", class.code())
            .text("message", message),
        Command::ReportError { class, message } => to.field("class", class.code()).text("message", message),
        Command::WriteBuffer { buffer, offset, data } => {
            to.field("buffer", buffer).field("offset", offset).bytes("data", data)
        }
        Command::PushErrorScope { class } => to.field("class", class.code()),
        Command::PopErrorScope | Command::EndCommands | Command::EndPass | Command::PopDebugGroup => to,
        Command::Submit { buffers } => {
            to.list("buffers", buffers.iter().map(|commands| line().field("commands", commands)))
        }
        Command::BeginCommands { id, label } => to.field("id", id).text("label", label),
        Command::Invalidate { message } => to.text("message", message),
        Command::CopyBuffer { source, source_offset, target, target_offset, size } => to
            .field("source", source)
            .field("source_offset", source_offset)
            .field("target", target)
            .field("target_offset", target_offset)
            .field("size", size),
        Command::ClearBuffer { buffer, offset, size } => {
            to.field("buffer", buffer).field("offset", offset).field("size", size)
        }
        Command::BeginPass { label }
        | Command::PushDebugGroup { label }
        | Command::InsertDebugMarker { label } => to.text("label", label),
        Command::CreateTexture { id, shape, label } => to
            .field("id", id)
            .field("usage", shape.usage)
            .field("format", shape.format.code())
            .field("dimension", shape.dimension.code())
            .sizes(EXTENT, shape.size)
            .field("mip_levels", shape.mip_levels)
            .text("label", label),
        Command::CreateTextureView { id, texture, shape, label } => to
            .field("id", id)
            .field("texture", texture)
            .field("dimension", shape.dimension.map_or(0, |dimension| dimension.code()))
            .field("base_mip_level", shape.base_mip_level)
            .given("mip_levels", shape.mip_levels)
            .field("base_layer", shape.base_layer)
            .given("layers", shape.layers)
            .text("label", label),
        Command::CopyBufferToTexture { source, target, size } => {
            to.texel_buffer(source).texel_place("", target).sizes(EXTENT, size)
        }
        Command::CopyTextureToBuffer { source, target, size } => {
            to.texel_place("", source).texel_buffer(target).sizes(EXTENT, size)
        }
        Command::CopyTexture { source, target, size } => {
            to.texel_place("source_", source).texel_place("target_", target).sizes(EXTENT, size)
        }
        Command::CreateQuerySet { id, kind, count, label } => {
            to.field("id", id).field("kind", kind.code()).field("count", count).text("label", label)
        }
        Command::BeginTimedPass { set, begin, end, label } => {
            to.field("set", set).given("begin", begin).given("end", end).text("label", label)
        }
        Command::WriteTimestamp { set, index } => to.field("set", set).field("index", index),
        Command::ResolveQueries { set, first, count, buffer, offset } => to
            .field("set", set)
            .field("first", first)
            .field("count", count)
            .field("buffer", buffer)
            .field("offset", offset),
        Command::SetPipeline { pipeline } => to.field("pipeline", pipeline),
        Command::SetBindGroup { index, group, offsets } => to
            .field("index", index)
            .field("group", group)
            .list("offsets", offsets.iter().map(|offset| line().field("offset", offset))),
        Command::SetImmediates { offset, data } => to.field("offset", offset).bytes("data", data),
        Command::Dispatch { x, y, z } => to.field("x", x).field("y", y).field("z", z),
        Command::DispatchIndirect { buffer, offset } => to.field("buffer", buffer).field("offset", offset),
    };
    done.0
}

/// Names of a size.
const EXTENT: [&str; 3] = ["width", "height", "depth"];

fn layout_entry(entry: LayoutEntry) -> Line {
    let flags = u32::from(entry.dynamic_offset) | u32::from(entry.visible) << 1;
    let to = line().field("binding", entry.binding).field("kind", entry.kind.code()).field("flags", flags);
    let to = to.field("format", entry.texture.map_or(0, |texture| texture.format.code()));
    let to = to.field("dimension", entry.texture.map_or(0, |texture| texture.dimension.code()));
    to.field("min_size", entry.min_size)
}

pub(crate) fn request(request: &OpenRequest) -> String {
    let to = line().field("version", request.version).field("class", request.class.code());
    to.field("features", request.features).0.trim_start().to_owned()
}

/// The names and values of a structure of numbers, from its `Debug`.
fn fields(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let (_, inside) = text.split_once("{ ").unwrap();
    inside.trim_end_matches(" }").replace(": ", "=").replace(',', "")
}

pub(crate) fn caps(caps: &Caps) -> String {
    fields(caps)
}

pub(crate) fn poll(state: &PollState) -> String {
    fields(state)
}

pub(crate) fn record(record: &RecordRef<'_>) -> String {
    let to = line()
        .field("kind", record.kind.code())
        .field("subject", record.subject)
        .field("code", record.code)
        .field("line", record.line)
        .field("column", record.column)
        .field("offset", record.offset)
        .field("length", record.length)
        .text("text", record.text);
    to.0.trim_start().to_owned()
}
