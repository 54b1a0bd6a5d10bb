//! Executes command buffers: all of a `SUBMIT` or none.

use crate::caps;
use crate::objects::{Buffer, CommandBuffer, Mapping, Object, PassState, Step};
use crate::schedule;
use crate::session::Open;
use fizz_gpu_abi::List;
use fizz_gpu_abi::host::{Limit, Stop};
use std::sync::Arc;

impl Open {
    pub(crate) fn submit_buffers(&mut self, ids: List<'_, u32>) -> Result<(), Stop> {
        self.meter.charge(1, schedule::SUBMIT)?;
        let mut taken = Vec::with_capacity(ids.len().min(1024));
        for id in ids.iter() {
            taken.push(self.table.take_commands(id)?);
        }
        if let Some(reason) = taken.iter().find_map(|object| refuse(object)) {
            self.invalid(format!("submit: {reason}"));
            return Ok(());
        }
        // The table held the only references.
        let buffers: Vec<CommandBuffer> =
            taken.into_iter().filter_map(|object| Arc::into_inner(object)?.valid).collect();
        let gas = buffers.iter().fold(0_u64, |sum, buffer| sum.saturating_add(buffer.gas));
        self.meter.charge(gas, 1)?;
        let mut ready = Vec::new();
        for step in buffers.into_iter().flat_map(|buffer| buffer.steps) {
            match step {
                Step::Work(work) => ready.push(work),
                Step::Indirect { counts, offset, state } => {
                    self.flow.submit(&self.device, ready.drain(..))?;
                    self.indirect(&counts, offset, &state)?;
                }
            }
        }
        self.flow.submit(&self.device, ready)?;
        self.settle().map(|_| ())
    }

    /// Reads the counts and dispatches by them.
    fn indirect(&mut self, counts: &Object<Buffer>, offset: u64, state: &PassState) -> Result<(), Stop> {
        let Some(buffer) = &counts.valid else { return Ok(()) };
        let mut bytes = [0; 12];
        self.copy_staged(&buffer.buffer, offset, &mut bytes)?;
        let (words, _) = bytes.as_chunks::<4>();
        let counts = [words[0], words[1], words[2]].map(u32::from_le_bytes);
        if counts.iter().any(|count| *count == 0 || *count > caps::MAX_WORKGROUPS) {
            return Ok(());
        }
        let gas = self.dispatch_gas(state, counts)?;
        self.meter.charge(gas, 1)?;
        let mut encoder =
            self.device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            state.set(&mut pass);
            pass.dispatch_workgroups(counts[0], counts[1], counts[2]);
        }
        self.flow.submit(&self.device, [encoder.finish()])
    }

    /// Gas of a dispatch.
    pub(crate) fn dispatch_gas(&self, state: &PassState, counts: [u32; 3]) -> Result<u64, Stop> {
        let Some(pipeline) = state.pipeline.as_ref().and_then(|pipeline| pipeline.valid.as_ref()) else {
            // wgpu refuses it.
            return Ok(schedule::DISPATCH);
        };
        let groups = counts.iter().fold(1_u64, |product, count| product.saturating_mul(u64::from(*count)));
        let invocations = groups.saturating_mul(pipeline.invocations);
        if invocations > self.meter.quotas.invocations {
            return Err(Stop::LimitExceeded(Limit::Invocations));
        }
        Ok(invocations.saturating_mul(pipeline.cost).saturating_add(schedule::DISPATCH))
    }
}

/// Why a command buffer cannot be executed.
fn refuse(object: &Object<CommandBuffer>) -> Option<String> {
    let Some(valid) = &object.valid else {
        return Some(format!("command buffer '{}' is invalid", object.label));
    };
    valid.buffers.iter().find_map(|used| {
        let label = &used.label;
        match used.valid.as_ref()?.state().mapping {
            Mapping::Unmapped => None,
            Mapping::Destroyed => Some(format!("buffer '{label}' is destroyed")),
            Mapping::AtCreation | Mapping::Mapped { .. } => Some(format!("buffer '{label}' is mapped")),
        }
    })
}
