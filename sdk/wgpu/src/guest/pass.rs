//! Compute passes.

use super::encoder::{Recording, lock};
use super::layout::BindGroup;
use super::object::FOREIGN;
use super::pipeline::ComputePipeline;
use super::query::STATISTICS;
use std::sync::{Arc, Mutex};
use wgpu::custom::{
    ComputePassInterface, DispatchBindGroup, DispatchBuffer, DispatchComputePipeline, DispatchQuerySet,
    DispatchTextureView,
};

#[derive(Debug)]
pub(super) struct ComputePass {
    /// None for a pass that could not begin.
    recording: Option<Arc<Mutex<Recording>>>,
}

impl ComputePass {
    pub(super) fn new(recording: Arc<Mutex<Recording>>) -> Self {
        ComputePass { recording: Some(recording) }
    }

    pub(super) fn nowhere() -> Self {
        ComputePass { recording: None }
    }

    fn record(&self, function: &str, record: impl FnOnce(&mut Recording) -> Result<(), String>) {
        if let Some(recording) = &self.recording {
            lock(recording).record(function, record);
        }
    }

    fn refuse(&self, function: &str, reason: &str) {
        self.record(function, |_| Err(reason.into()));
    }
}

impl ComputePassInterface for ComputePass {
    fn set_pipeline(&mut self, pipeline: &DispatchComputePipeline) {
        self.record("ComputePass::set_pipeline", |recording| {
            let pipeline = recording.hold(&pipeline.as_custom::<ComputePipeline>().ok_or(FOREIGN)?.0)?;
            recording.stream.set_pipeline(pipeline);
            Ok(())
        });
    }

    fn set_bind_group(&mut self, index: u32, group: Option<&DispatchBindGroup>, offsets: &[u32]) {
        self.record("ComputePass::set_bind_group", |recording| {
            let group = match group {
                None => 0,
                Some(group) => recording.hold(&group.as_custom::<BindGroup>().ok_or(FOREIGN)?.0)?,
            };
            recording.stream.set_bind_group(index, group, offsets);
            Ok(())
        });
    }

    fn set_immediates(&mut self, offset: u32, data: &[u8]) {
        self.record("ComputePass::set_immediates", |recording| {
            recording.stream.set_immediates(offset, data).map_err(|error| error.to_string())
        });
    }

    fn insert_debug_marker(&mut self, label: &str) {
        self.record("ComputePass::insert_debug_marker", |recording| {
            recording.stream.insert_debug_marker(label);
            Ok(())
        });
    }

    fn push_debug_group(&mut self, label: &str) {
        self.record("ComputePass::push_debug_group", |recording| {
            recording.stream.push_debug_group(label);
            Ok(())
        });
    }

    fn pop_debug_group(&mut self) {
        self.record("ComputePass::pop_debug_group", |recording| {
            recording.stream.pop_debug_group();
            Ok(())
        });
    }

    fn write_timestamp(&mut self, set: &DispatchQuerySet, index: u32) {
        self.record("ComputePass::write_timestamp", |recording| {
            recording.write_timestamp(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES, set, index)
        });
    }

    fn begin_pipeline_statistics_query(&mut self, _: &DispatchQuerySet, _: u32) {
        self.refuse("ComputePass::begin_pipeline_statistics_query", STATISTICS);
    }

    fn end_pipeline_statistics_query(&mut self) {
        self.refuse("ComputePass::end_pipeline_statistics_query", STATISTICS);
    }

    fn dispatch_workgroups(&mut self, x: u32, y: u32, z: u32) {
        self.record("ComputePass::dispatch_workgroups", |recording| {
            recording.stream.dispatch(x, y, z);
            Ok(())
        });
    }

    fn dispatch_workgroups_indirect(&mut self, buffer: &DispatchBuffer, offset: u64) {
        self.record("ComputePass::dispatch_workgroups_indirect", |recording| {
            let buffer = recording.buffer(buffer)?;
            recording.stream.dispatch_indirect(buffer, offset);
            Ok(())
        });
    }

    /// The host follows the states of resources itself.
    fn transition_resources<'a>(
        &mut self,
        _: &mut dyn Iterator<Item = wgpu::BufferTransition<&'a DispatchBuffer>>,
        _: &mut dyn Iterator<Item = wgpu::TextureTransition<&'a DispatchTextureView>>,
    ) {
    }
}

impl Drop for ComputePass {
    fn drop(&mut self) {
        if let Some(recording) = &self.recording {
            lock(recording).end_pass();
        }
    }
}
