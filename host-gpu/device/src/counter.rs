//! The buffer in which the loops of shaders count, and what the host reads from it.

use crate::objects::{Object, Pipeline};
use crate::session::Open;
use fizz_gpu_abi::host::{HostFault, Stop};
use fizz_shader::meter::{FLAG_CUT, FLAG_EXHAUSTED, METER_BYTES, read_meter};
use std::num::NonZeroU64;
use std::sync::Arc;

/// A session's counters. They are empty after [`Open::settle_counts`].
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) layout: wgpu::BindGroupLayout,
    /// What may have counted since they were empty: pipelines with invocations.
    under_way: Vec<(Arc<Object<Pipeline>>, u64)>,
}

impl Counter {
    fn new(device: &wgpu::Device) -> Self {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: METER_BYTES,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: None,
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: false },
                    has_dynamic_offset: false,
                    min_binding_size: NonZeroU64::new(METER_BYTES),
                },
                count: None,
            }],
        });
        Counter { buffer, layout, under_way: Vec::new() }
    }

    /// Notes a dispatch that counts.
    pub(crate) fn note(&mut self, pipeline: &Arc<Object<Pipeline>>, invocations: u64) {
        match self.under_way.iter_mut().find(|(known, _)| Arc::ptr_eq(known, pipeline)) {
            Some((_, sum)) => *sum = sum.saturating_add(invocations),
            None => self.under_way.push((pipeline.clone(), invocations)),
        }
    }
}

impl Open {
    /// The session's counters.
    pub(crate) fn counter(&mut self) -> &mut Counter {
        self.counter.get_or_insert_with(|| Counter::new(&self.device.device))
    }

    /// Waits for the dispatches that count, and charges what they counted. `ready` is submitted before.
    ///
    /// # Errors
    /// [`Stop::OutOfGas`], also when an invocation used up what its loops may take. A host fault when the driver ended a loop.
    pub(crate) fn settle_counts(&mut self, ready: &mut Vec<wgpu::CommandBuffer>) -> Result<(), Stop> {
        let Some(counter) = &mut self.counter else { return Ok(()) };
        if counter.under_way.is_empty() {
            return Ok(());
        }
        let under_way = std::mem::take(&mut counter.under_way);
        let buffer = counter.buffer.clone();
        let staging = self.staging(METER_BYTES);
        let mut encoder =
            self.device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&buffer, 0, &staging, 0, METER_BYTES);
        encoder.clear_buffer(&buffer, 0, None);
        ready.push(encoder.finish());
        self.flow.submit(&self.device, ready.drain(..))?;
        let mut bytes = [0; METER_BYTES as usize];
        self.copy_mapped(&staging, 0, &mut bytes)?;
        let (flags, gas) = read_meter(&bytes);
        if flags & FLAG_CUT != 0 {
            let text = "the driver ended a loop that the shader did not end".to_owned();
            return Err(Stop::HostFault(HostFault::DeviceLost, text));
        }
        for (pipeline, invocations) in &under_way {
            if let Some(pipeline) = &pipeline.valid {
                pipeline.note(gas, *invocations);
            }
        }
        if flags & FLAG_EXHAUSTED != 0 {
            return self.meter.exhaust();
        }
        self.meter.charge(gas, 1)
    }
}
