//! Command encoders and command buffers. An encoder records here; the host sees a command buffer when it is
//! finished.

use super::absent;
use super::buffer::Buffer;
use super::object::{FOREIGN, Object, invalid};
use super::pass::ComputePass;
use super::query::{QuerySet, check_enabled, given};
use super::session::Session;
use super::texture::{extent, place, texels, texture_of};
use fizz_gpu_abi::{Encoder, ErrorClass, ObjectKind, TexelBuffer, TexelPlace, WHOLE};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wgpu::custom::{
    CommandBufferInterface, CommandEncoderInterface, DispatchBuffer, DispatchCommandBuffer,
    DispatchComputePass, DispatchQuerySet, DispatchRenderPass, DispatchTexture,
};

/// What an encoder and its open pass write to.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) session: Arc<Session>,
    pub(super) stream: Encoder,
    /// Features that the device was asked for.
    features: wgpu::Features,
    /// Objects that the commands name: their ids must stay taken until the host has the commands.
    held: BTreeMap<u32, Arc<Object>>,
    /// A compute pass is open: the encoder itself may record nothing.
    pub(super) in_pass: bool,
    finished: bool,
}

impl Recording {
    /// The id of an object that a command names.
    pub(super) fn hold(&mut self, object: &Arc<Object>) -> Result<u32, String> {
        let id = object.id(&self.session)?;
        self.held.entry(id).or_insert_with(|| Arc::clone(object));
        Ok(id)
    }

    pub(super) fn buffer(&mut self, buffer: &DispatchBuffer) -> Result<u32, String> {
        self.hold(buffer.as_custom::<Buffer>().ok_or(FOREIGN)?.object())
    }

    pub(super) fn write_timestamp(
        &mut self,
        needed: wgpu::Features,
        set: &DispatchQuerySet,
        index: u32,
    ) -> Result<(), String> {
        check_enabled(self.features, needed)?;
        let set = self.hold(&set.as_custom::<QuerySet>().ok_or(FOREIGN)?.0)?;
        self.stream.write_timestamp(set, index);
        Ok(())
    }

    /// The command that opens a pass.
    fn begin_pass(&mut self, desc: &wgpu::ComputePassDescriptor<'_>) -> Result<(), String> {
        let label = desc.label.unwrap_or_default();
        let Some(writes) = &desc.timestamp_writes else {
            self.stream.begin_pass(label);
            return Ok(());
        };
        check_enabled(self.features, wgpu::Features::TIMESTAMP_QUERY)?;
        let begin = given(writes.beginning_of_pass_write_index)?;
        let end = given(writes.end_of_pass_write_index)?;
        let set = self.hold(&writes.query_set.as_custom::<QuerySet>().ok_or(FOREIGN)?.0)?;
        self.stream.begin_timed_pass(set, begin, end, label);
        Ok(())
    }

    /// Texels in a buffer.
    fn texels(&mut self, info: &wgpu::TexelCopyBufferInfo<'_>) -> Result<TexelBuffer, String> {
        let buffer = self.hold(info.buffer.as_custom::<Buffer>().ok_or(FOREIGN)?.object())?;
        texels(buffer, &info.layout)
    }

    /// A place in a texture.
    fn place(&mut self, info: &wgpu::TexelCopyTextureInfo<'_>) -> Result<TexelPlace, String> {
        let texture = self.hold(texture_of(info)?.object())?;
        Ok(place(texture, info))
    }

    /// The command buffer becomes an error object.
    pub(super) fn invalidate(&mut self, function: &str, reason: &str) {
        if !self.finished {
            self.stream.invalidate(&invalid(function, None, reason));
        }
    }

    /// Records what a function of the pass asks for. A pass may outlive its encoder (`forget_lifetime`).
    pub(super) fn record(&mut self, function: &str, record: impl FnOnce(&mut Self) -> Result<(), String>) {
        if self.finished {
            return;
        }
        if let Err(reason) = record(self) {
            self.invalidate(function, &reason);
        }
    }

    pub(super) fn end_pass(&mut self) {
        if !self.finished {
            self.stream.end_pass();
            self.in_pass = false;
        }
    }
}

/// There is one thread, and nothing that records can fail half-way.
pub(super) fn lock(recording: &Mutex<Recording>) -> MutexGuard<'_, Recording> {
    recording.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
pub(super) struct CommandEncoder {
    label: String,
    recording: Arc<Mutex<Recording>>,
}

impl CommandEncoder {
    pub(super) fn new(session: &Arc<Session>, features: wgpu::Features, label: Option<&str>) -> Self {
        CommandEncoder {
            label: label.unwrap_or_default().to_owned(),
            recording: Arc::new(Mutex::new(Recording {
                session: Arc::clone(session),
                stream: Encoder::new(),
                features,
                held: BTreeMap::new(),
                in_pass: false,
                finished: false,
            })),
        }
    }

    fn record(&self, function: &str, record: impl FnOnce(&mut Recording) -> Result<(), String>) {
        lock(&self.recording).record(function, |recording| {
            if recording.in_pass { Err(OPEN_PASS.into()) } else { record(recording) }
        });
    }

    fn refuse(&self, function: &str, reason: &str) {
        lock(&self.recording).invalidate(function, reason);
    }
}

const OPEN_PASS: &str = "a compute pass of this encoder is still open";

impl CommandEncoderInterface for CommandEncoder {
    fn copy_buffer_to_buffer(
        &self,
        source: &DispatchBuffer,
        source_offset: u64,
        target: &DispatchBuffer,
        target_offset: u64,
        size: Option<u64>,
    ) {
        self.record("CommandEncoder::copy_buffer_to_buffer", |recording| {
            let source_size = source.as_custom::<Buffer>().ok_or(FOREIGN)?.size();
            let size = size.unwrap_or(source_size.saturating_sub(source_offset));
            let (source, target) = (recording.buffer(source)?, recording.buffer(target)?);
            recording.stream.copy_buffer(source, source_offset, target, target_offset, size);
            Ok(())
        });
    }

    fn copy_buffer_to_texture(
        &self,
        source: wgpu::TexelCopyBufferInfo<'_>,
        target: wgpu::TexelCopyTextureInfo<'_>,
        size: wgpu::Extent3d,
    ) {
        self.record("CommandEncoder::copy_buffer_to_texture", |recording| {
            let from = recording.texels(&source)?;
            let to = recording.place(&target)?;
            recording.stream.copy_buffer_to_texture(&from, &to, extent(size));
            Ok(())
        });
    }

    fn copy_texture_to_buffer(
        &self,
        source: wgpu::TexelCopyTextureInfo<'_>,
        target: wgpu::TexelCopyBufferInfo<'_>,
        size: wgpu::Extent3d,
    ) {
        self.record("CommandEncoder::copy_texture_to_buffer", |recording| {
            let from = recording.place(&source)?;
            let to = recording.texels(&target)?;
            recording.stream.copy_texture_to_buffer(&from, &to, extent(size));
            Ok(())
        });
    }

    fn copy_texture_to_texture(
        &self,
        source: wgpu::TexelCopyTextureInfo<'_>,
        target: wgpu::TexelCopyTextureInfo<'_>,
        size: wgpu::Extent3d,
    ) {
        self.record("CommandEncoder::copy_texture_to_texture", |recording| {
            let from = recording.place(&source)?;
            let to = recording.place(&target)?;
            recording.stream.copy_texture(&from, &to, extent(size));
            Ok(())
        });
    }

    fn begin_compute_pass(&self, desc: &wgpu::ComputePassDescriptor<'_>) -> DispatchComputePass {
        const FUNCTION: &str = "CommandEncoder::begin_compute_pass";
        let mut recording = lock(&self.recording);
        if recording.in_pass {
            recording.invalidate(FUNCTION, OPEN_PASS);
            return DispatchComputePass::custom(ComputePass::nowhere());
        }
        recording.in_pass = true;
        if let Err(reason) = recording.begin_pass(desc) {
            recording.invalidate(FUNCTION, &reason);
            recording.stream.begin_pass("");
        }
        drop(recording);
        DispatchComputePass::custom(ComputePass::new(Arc::clone(&self.recording)))
    }

    fn begin_render_pass(&self, _: &wgpu::RenderPassDescriptor<'_>) -> DispatchRenderPass {
        absent::missing("CommandEncoder::begin_render_pass")
    }

    fn finish(&mut self) -> DispatchCommandBuffer {
        const KIND: ObjectKind = ObjectKind::CommandBuffer;
        const FUNCTION: &str = "CommandEncoder::finish";
        let mut recording = lock(&self.recording);
        if recording.in_pass {
            recording.invalidate(FUNCTION, OPEN_PASS);
            recording.end_pass();
        }
        recording.finished = true;
        let session = Arc::clone(&recording.session);
        let body = std::mem::take(&mut recording.stream);
        let held = std::mem::take(&mut recording.held);
        // Handing over may call the job's error handler, which must find nothing locked.
        drop(recording);
        // The bracket's own commands take at most as much as a label and two headers.
        let most = (session.caps.max_stream_bytes as usize).saturating_sub(2 * fizz_gpu_abi::MAX_TEXT);
        let object = if body.len() > most {
            let reason = format!("its commands take {} bytes of at most {most}: use several", body.len());
            let label = Some(self.label.as_str()).filter(|label| !label.is_empty());
            Object::refuse(&session, KIND, ErrorClass::Internal, &invalid(FUNCTION, label, &reason))
        } else {
            Object::create(&session, KIND, |stream, id| {
                stream.begin_commands(id, &self.label);
                stream.append(&body);
                stream.end_commands();
            })
        };
        drop(held);
        DispatchCommandBuffer::custom(CommandBuffer { object })
    }

    fn clear_texture(&self, _: &DispatchTexture, _: &wgpu::ImageSubresourceRange) {
        self.refuse("CommandEncoder::clear_texture", "the feature CLEAR_TEXTURE is not offered");
    }

    fn clear_buffer(&self, buffer: &DispatchBuffer, offset: u64, size: Option<u64>) {
        self.record("CommandEncoder::clear_buffer", |recording| {
            let buffer = recording.buffer(buffer)?;
            recording.stream.clear_buffer(buffer, offset, size.unwrap_or(WHOLE));
            Ok(())
        });
    }

    fn insert_debug_marker(&self, label: &str) {
        self.record("CommandEncoder::insert_debug_marker", |recording| {
            recording.stream.insert_debug_marker(label);
            Ok(())
        });
    }

    fn push_debug_group(&self, label: &str) {
        self.record("CommandEncoder::push_debug_group", |recording| {
            recording.stream.push_debug_group(label);
            Ok(())
        });
    }

    fn pop_debug_group(&self) {
        self.record("CommandEncoder::pop_debug_group", |recording| {
            recording.stream.pop_debug_group();
            Ok(())
        });
    }

    fn write_timestamp(&self, set: &DispatchQuerySet, index: u32) {
        self.record("CommandEncoder::write_timestamp", |recording| {
            recording.write_timestamp(wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS, set, index)
        });
    }

    fn resolve_query_set(
        &self,
        set: &DispatchQuerySet,
        first: u32,
        count: u32,
        target: &DispatchBuffer,
        offset: u64,
    ) {
        self.record("CommandEncoder::resolve_query_set", |recording| {
            check_enabled(recording.features, wgpu::Features::TIMESTAMP_QUERY)?;
            let set = recording.hold(&set.as_custom::<QuerySet>().ok_or(FOREIGN)?.0)?;
            let target = recording.buffer(target)?;
            recording.stream.resolve_queries(set, first, count, target, offset);
            Ok(())
        });
    }

    fn mark_acceleration_structures_built<'a>(
        &self,
        _: &mut dyn Iterator<Item = &'a wgpu::Blas>,
        _: &mut dyn Iterator<Item = &'a wgpu::Tlas>,
    ) {
        absent::missing("CommandEncoder::mark_acceleration_structures_built")
    }

    fn build_acceleration_structures<'a>(
        &self,
        _: &mut dyn Iterator<Item = &'a wgpu::BlasBuildEntry<'a>>,
        _: &mut dyn Iterator<Item = &'a wgpu::Tlas>,
    ) {
        absent::missing("CommandEncoder::build_acceleration_structures")
    }

    /// The host follows the states of resources itself.
    fn transition_resources<'a>(
        &mut self,
        _: &mut dyn Iterator<Item = wgpu::BufferTransition<&'a DispatchBuffer>>,
        _: &mut dyn Iterator<Item = wgpu::TextureTransition<&'a DispatchTexture>>,
    ) {
    }
}

/// A finished encoder's commands, at the host.
#[derive(Debug)]
pub(super) struct CommandBuffer {
    object: Arc<Object>,
}

impl CommandBuffer {
    pub(super) fn id(&self, session: &Arc<Session>) -> Result<u32, String> {
        self.object.id(session)
    }

    /// The submit freed the id.
    pub(super) fn submitted(&self) {
        self.object.forget();
    }
}

impl CommandBufferInterface for CommandBuffer {}
