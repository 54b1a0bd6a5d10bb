//! From decoded commands to bytes again.

use crate::command::Command;
use crate::encode::{Encoder, TooLarge};
use alloc::vec::Vec;

impl Encoder {
    /// Appends a decoded command; the bytes are those it was decoded from.
    ///
    /// # Errors
    /// Appends nothing when inline data is longer than [`MAX_INLINE`]; decoded commands never have that.
    pub fn push(&mut self, command: &Command<'_>) -> Result<(), TooLarge> {
        match *command {
            Command::CreateBuffer { id, usage, size, mapped_at_creation, label } => {
                self.create_buffer(id, usage, size, mapped_at_creation, label);
            }
            Command::DestroyBuffer { id } => self.destroy_buffer(id),
            Command::MapBuffer { id, mode, offset, size } => self.map_buffer(id, mode, offset, size),
            Command::UnmapBuffer { id } => self.unmap_buffer(id),
            Command::Release { kind, id } => self.release(kind, id),
            Command::CreateShader { id, label, wgsl } => self.create_shader(id, label, wgsl),
            Command::CreateBindGroupLayout { id, label, entries } => {
                self.create_bind_group_layout(id, label, &entries.iter().collect::<Vec<_>>());
            }
            Command::CreatePipelineLayout { id, label, groups, immediate_size } => {
                self.create_pipeline_layout(id, label, &groups.iter().collect::<Vec<_>>(), immediate_size);
            }
            Command::CreateComputePipeline {
                id,
                layout,
                shader,
                zero_workgroup_memory,
                label,
                entry_point,
                constants,
            } => {
                let constants: Vec<_> = constants.iter().collect();
                self.create_compute_pipeline(
                    id,
                    label,
                    layout,
                    shader,
                    entry_point,
                    zero_workgroup_memory,
                    constants.into_iter(),
                );
            }
            Command::GetBindGroupLayout { id, pipeline, index } => {
                self.get_bind_group_layout(id, pipeline, index);
            }
            Command::CreateBindGroup { id, layout, label, entries } => {
                self.create_bind_group(id, label, layout, &entries.iter().collect::<Vec<_>>());
            }
            Command::CreateError { kind, id, class, message } => self.create_error(kind, id, class, message),
            Command::ReportError { class, message } => self.report_error(class, message),
            Command::WriteBuffer { buffer, offset, data } => self.write_buffer(buffer, offset, data)?,
            Command::PushErrorScope { class } => self.push_error_scope(class),
            Command::PopErrorScope => self.pop_error_scope(),
            Command::Submit { buffers } => self.submit(&buffers.iter().collect::<Vec<_>>()),
            Command::CreateTexture { id, shape, label } => self.create_texture(id, &shape, label),
            Command::DestroyTexture { id } => self.destroy_texture(id),
            Command::CreateTextureView { id, texture, shape, label } => {
                self.create_texture_view(id, texture, &shape, label);
            }
            Command::CreateQuerySet { id, kind, count, label } => {
                self.create_query_set(id, kind, count, label);
            }
            Command::DestroyQuerySet { id } => self.destroy_query_set(id),
            Command::BeginCommands { id, label } => self.begin_commands(id, label),
            Command::EndCommands => self.end_commands(),
            Command::Invalidate { message } => self.invalidate(message),
            Command::CopyBuffer { source, source_offset, target, target_offset, size } => {
                self.copy_buffer(source, source_offset, target, target_offset, size);
            }
            Command::ClearBuffer { buffer, offset, size } => self.clear_buffer(buffer, offset, size),
            Command::BeginPass { label } => self.begin_pass(label),
            Command::BeginTimedPass { set, begin, end, label } => {
                self.begin_timed_pass(set, begin, end, label);
            }
            Command::WriteTimestamp { set, index } => self.write_timestamp(set, index),
            Command::ResolveQueries { set, first, count, buffer, offset } => {
                self.resolve_queries(set, first, count, buffer, offset);
            }
            Command::EndPass => self.end_pass(),
            Command::PushDebugGroup { label } => self.push_debug_group(label),
            Command::PopDebugGroup => self.pop_debug_group(),
            Command::InsertDebugMarker { label } => self.insert_debug_marker(label),
            Command::CopyBufferToTexture { source, target, size } => {
                self.copy_buffer_to_texture(&source, &target, size);
            }
            Command::CopyTextureToBuffer { source, target, size } => {
                self.copy_texture_to_buffer(&source, &target, size);
            }
            Command::CopyTexture { source, target, size } => self.copy_texture(&source, &target, size),
            Command::SetPipeline { pipeline } => self.set_pipeline(pipeline),
            Command::SetBindGroup { index, group, offsets } => {
                self.set_bind_group(index, group, &offsets.iter().collect::<Vec<_>>());
            }
            Command::SetImmediates { offset, data } => self.set_immediates(offset, data)?,
            Command::Dispatch { x, y, z } => self.dispatch(x, y, z),
            Command::DispatchIndirect { buffer, offset } => self.dispatch_indirect(buffer, offset),
        }
        Ok(())
    }
}
