//! Records commands.

use super::queue::{Argument, Command, Counts, Recorded};
use super::resource::{Bound, Buffer, Group, GroupLayout, Nothing, Pipeline, Ready, Texture, View};
use super::{Api, OnlyCompute};
use crate::program::IMMEDIATE_WORDS;
use std::ops::Range;
use std::sync::Arc;
use wgpu::hal;

/// Groups that may be bound: more than any pipeline has.
const GROUPS: usize = 8;

/// Commands that can be submitted.
#[derive(Debug)]
pub(crate) struct CommandBuffer(pub(crate) Arc<Vec<Command>>);

/// What is recorded so far.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    commands: Vec<Command>,
    pipeline: Option<Arc<Pipeline>>,
    groups: [Option<(Group, Vec<u32>)>; GROUPS],
    immediates: [u32; IMMEDIATE_WORDS],
}

impl Encoder {
    fn dispatch(&mut self, counts: Counts) {
        let Some(pipeline) = self.pipeline.clone() else { return };
        let mut parts = Vec::new();
        let bound = pipeline.program.bindings.iter().map(|wanted| {
            let group = self.groups.get(wanted.group as usize).and_then(Option::as_ref);
            let found = group.and_then(|(group, offsets)| {
                let (_, bound) = group.0.iter().find(|(binding, _)| *binding == wanted.binding)?;
                parts.push(bound.part().clone());
                Some(argument(bound, offsets))
            });
            // wgpu refuses a dispatch without what its layout has. What is not in the layout has no bytes.
            found.unwrap_or(Argument::Buffer { address: 0, bytes: 0 })
        });
        let bound = bound.collect();
        let immediates = self.immediates;
        let recorded = Recorded { pipeline, immediates, bound, parts, counts };
        self.commands.push(Command::Dispatch(Box::new(recorded)));
    }
}

fn argument(bound: &Bound, offsets: &[u32]) -> Argument {
    match bound {
        Bound::Buffer { buffer, offset, size, dynamic } => {
            let moved = dynamic.and_then(|index| offsets.get(index)).copied().unwrap_or(0);
            // wgpu has checked both; a program gets no byte beyond the buffer in any case.
            let offset = (offset + u64::from(moved)).min(buffer.0.size());
            let bytes = (*size).min(buffer.0.size() - offset);
            let small = |value: u64| u32::try_from(value).expect("buffers lie below 4 GiB");
            Argument::Buffer { address: buffer.0.address() + small(offset), bytes: small(bytes) }
        }
        Bound::View(view) => Argument::View(view.shape),
    }
}

impl hal::CommandEncoder for Encoder {
    type A = Api;

    unsafe fn begin_encoding(&mut self, _: hal::Label<'_>) -> Result<(), hal::DeviceError> {
        self.commands.clear();
        Ok(())
    }
    unsafe fn discard_encoding(&mut self) {
        *self = Encoder::default();
    }
    unsafe fn end_encoding(&mut self) -> Result<CommandBuffer, hal::DeviceError> {
        Ok(CommandBuffer(Arc::new(std::mem::take(self).commands)))
    }
    unsafe fn reset_all<I>(&mut self, _: I)
    where
        I: Iterator<Item = CommandBuffer>,
    {
        *self = Encoder::default();
    }

    unsafe fn transition_buffers<'a, T>(&mut self, _: T)
    where
        T: Iterator<Item = hal::BufferBarrier<'a, Buffer>>,
    {
    }
    unsafe fn transition_textures<'a, T>(&mut self, _: T)
    where
        T: Iterator<Item = hal::TextureBarrier<'a, Texture>>,
    {
    }

    unsafe fn clear_buffer(&mut self, buffer: &Buffer, range: hal::MemoryRange) {
        self.commands.push(Command::Clear { buffer: buffer.clone(), range });
    }
    unsafe fn copy_buffer_to_buffer<T>(&mut self, from: &Buffer, to: &Buffer, regions: T)
    where
        T: Iterator<Item = hal::BufferCopy>,
    {
        let regions = regions.collect();
        self.commands.push(Command::Copy { from: from.clone(), to: to.clone(), regions });
    }
    unsafe fn copy_texture_to_texture<T>(
        &mut self,
        from: &Texture,
        _: wgpu::TextureUses,
        to: &Texture,
        regions: T,
    ) where
        T: Iterator<Item = hal::TextureCopy>,
    {
        let regions = regions.collect();
        self.commands.push(Command::CopyTexture { from: from.clone(), to: to.clone(), regions });
    }
    unsafe fn copy_buffer_to_texture<T>(&mut self, from: &Buffer, to: &Texture, regions: T)
    where
        T: Iterator<Item = hal::BufferTextureCopy>,
    {
        let regions = regions.collect();
        self.commands.push(Command::ToTexture { from: from.clone(), to: to.clone(), regions });
    }
    unsafe fn copy_texture_to_buffer<T>(
        &mut self,
        from: &Texture,
        _: wgpu::TextureUses,
        to: &Buffer,
        regions: T,
    ) where
        T: Iterator<Item = hal::BufferTextureCopy>,
    {
        let regions = regions.collect();
        self.commands.push(Command::ToBuffer { from: from.clone(), to: to.clone(), regions });
    }

    unsafe fn set_bind_group(&mut self, _: &Nothing, index: u32, group: &Group, offsets: &[u32]) {
        if let Some(slot) = self.groups.get_mut(index as usize) {
            *slot = Some((group.clone(), offsets.to_vec()));
        }
    }
    unsafe fn set_immediates(&mut self, _: &Nothing, offset_bytes: u32, data: &[u32]) {
        let words = self.immediates.iter_mut().skip(offset_bytes as usize / 4);
        words.zip(data).for_each(|(to, word)| *to = *word);
    }
    unsafe fn insert_debug_marker(&mut self, _: &str) {}
    unsafe fn begin_debug_marker(&mut self, _: &str) {}
    unsafe fn end_debug_marker(&mut self) {}

    unsafe fn begin_compute_pass(&mut self, _: &hal::ComputePassDescriptor<'_, Nothing>) {
        self.pipeline = None;
        self.groups = Default::default();
        self.immediates = [0; IMMEDIATE_WORDS];
    }
    unsafe fn end_compute_pass(&mut self) {}
    unsafe fn set_compute_pipeline(&mut self, pipeline: &Ready) {
        self.pipeline = Some(pipeline.0.clone());
    }
    unsafe fn dispatch_workgroups(&mut self, count: [u32; 3]) {
        self.dispatch(Counts::Given(count));
    }
    unsafe fn dispatch_workgroups_indirect(&mut self, buffer: &Buffer, offset: u64) {
        self.dispatch(Counts::At(buffer.clone(), offset));
    }

    /// There are no pipelines to draw with: `wgpu` itself zeroes textures so, of formats that could be drawn to.
    unsafe fn begin_render_pass(
        &mut self,
        pass: &hal::RenderPassDescriptor<'_, Nothing, View>,
    ) -> Result<(), hal::DeviceError> {
        let targets = pass.color_attachments.iter().flatten();
        self.commands.extend(targets.map(|attachment| Command::ClearView(attachment.target.view.clone())));
        Ok(())
    }

    // wgpu offers none of what follows on an adapter without the features for it, or makes no objects for it.

    unsafe fn begin_query(&mut self, _: &Nothing, _: u32) {}
    unsafe fn end_query(&mut self, _: &Nothing, _: u32) {}
    unsafe fn write_timestamp(&mut self, _: &Nothing, _: u32) {}
    unsafe fn reset_queries(&mut self, _: &Nothing, _: Range<u32>) {}
    unsafe fn copy_query_results(
        &mut self,
        _: &Nothing,
        _: Range<u32>,
        _: &Buffer,
        _: u64,
        _: wgpu::BufferSize,
    ) {
    }
    unsafe fn end_render_pass(&mut self) {}
    unsafe fn set_render_pipeline(&mut self, _: &OnlyCompute) {}
    unsafe fn set_index_buffer<'a>(&mut self, _: hal::BufferBinding<'a, Buffer>, _: wgpu::IndexFormat) {}
    unsafe fn set_vertex_buffer<'a>(&mut self, _: u32, _: hal::BufferBinding<'a, Buffer>) {}
    unsafe fn set_viewport(&mut self, _: &hal::Rect<f32>, _: Range<f32>) {}
    unsafe fn set_scissor_rect(&mut self, _: &hal::Rect<u32>) {}
    unsafe fn set_stencil_reference(&mut self, _: u32) {}
    unsafe fn set_blend_constants(&mut self, _: &[f32; 4]) {}
    unsafe fn draw(&mut self, _: u32, _: u32, _: u32, _: u32) {}
    unsafe fn draw_indexed(&mut self, _: u32, _: u32, _: i32, _: u32, _: u32) {}
    unsafe fn draw_mesh_tasks(&mut self, _: u32, _: u32, _: u32) {}
    unsafe fn draw_indirect(&mut self, _: &Buffer, _: u64, _: u32) {}
    unsafe fn draw_indexed_indirect(&mut self, _: &Buffer, _: u64, _: u32) {}
    unsafe fn draw_mesh_tasks_indirect(&mut self, _: &Buffer, _: u64, _: u32) {}
    unsafe fn draw_indirect_count(&mut self, _: &Buffer, _: u64, _: &Buffer, _: u64, _: u32) {}
    unsafe fn draw_indexed_indirect_count(&mut self, _: &Buffer, _: u64, _: &Buffer, _: u64, _: u32) {}
    unsafe fn draw_mesh_tasks_indirect_count(&mut self, _: &Buffer, _: u64, _: &Buffer, _: u64, _: u32) {}
    unsafe fn read_acceleration_structure_compact_size(&mut self, _: &Nothing, _: &Buffer) {}
    unsafe fn build_acceleration_structures<'a, T>(&mut self, _: u32, _: T)
    where
        Api: 'a,
        T: IntoIterator<Item = hal::BuildAccelerationStructureDescriptor<'a, Buffer, Nothing>>,
    {
    }
    unsafe fn place_acceleration_structure_barrier(&mut self, _: hal::AccelerationStructureBarrier) {}
    unsafe fn copy_acceleration_structure_to_acceleration_structure(
        &mut self,
        _: &Nothing,
        _: &Nothing,
        _: wgpu::wgt::AccelerationStructureCopy,
    ) {
    }
    unsafe fn set_acceleration_structure_dependencies(_: &[&CommandBuffer], _: &[&Nothing]) {}
    unsafe fn begin_ray_tracing_pass(&mut self, _: &hal::RayTracingPassDescriptor<'_>) {}
    unsafe fn end_ray_tracing_pass(&mut self) {}
    unsafe fn set_ray_tracing_pipeline(&mut self, _: &OnlyCompute) {}
    unsafe fn trace_rays(
        &mut self,
        _: [u32; 3],
        _: hal::PipelineGroupData<'_, Buffer>,
        _: hal::PipelineGroupData<'_, Buffer>,
        _: hal::PipelineGroupData<'_, Buffer>,
    ) {
    }
}

/// The layout of a group: which of its buffers move, and what is no buffer.
pub(crate) fn group_layout(entries: &[wgpu::BindGroupLayoutEntry]) -> GroupLayout {
    let moves = |entry: &&wgpu::BindGroupLayoutEntry| {
        matches!(entry.ty, wgpu::BindingType::Buffer { has_dynamic_offset: true, .. })
    };
    let mut dynamic: Vec<u32> = entries.iter().filter(moves).map(|entry| entry.binding).collect();
    dynamic.sort_unstable();
    let is_texture =
        |entry: &&wgpu::BindGroupLayoutEntry| !matches!(entry.ty, wgpu::BindingType::Buffer { .. });
    let textures = entries.iter().filter(is_texture).map(|entry| entry.binding).collect();
    GroupLayout { dynamic, textures }
}
