//! Executes command buffers: all of a `SUBMIT` or none.

use crate::caps;
use crate::device::Device;
use crate::objects::{Buffer, CommandBuffer, Object, PassState, Resource, Step};
use crate::schedule;
use crate::session::Open;
use crate::slices::{self, Slices};
use fizz_gpu_abi::List;
use fizz_gpu_abi::host::{Limit, Stop};
use std::sync::Arc;
use std::time::Instant;

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
        let mut batch = Batch::default();
        // Gas that is charged for what is not reached yet.
        let mut ahead = gas;
        for buffer in buffers {
            for step in buffer.steps {
                self.step(&mut batch, step, ahead)?;
            }
            ahead -= buffer.gas;
        }
        self.settle_counts(batch.finished())?;
        self.flow.submit(&self.device, batch.take())?;
        self.settle().map(|_| ())
    }

    /// Executes one step of a command buffer. `ahead` was charged for this command buffer and those behind it.
    fn step(&mut self, batch: &mut Batch, step: Step, ahead: u64) -> Result<(), Stop> {
        match step {
            Step::Work(work, gas) => self.add(batch, work, gas),
            Step::Dispatch { counts, state } => self.dispatch(batch, counts, &state),
            Step::Indirect { counts, offset, state } => {
                self.catch_up(batch)?;
                self.indirect(batch, &counts, offset, &state)
            }
            Step::Timestamp { set, index, before } => {
                let reached = self.meter.used() - (ahead - before);
                match (&mut self.counter, &set.valid) {
                    (Some(counter), _) => counter.stamp(&set, index, reached),
                    (None, Some(set)) => set.write(index, reached),
                    (None, None) => {}
                }
                Ok(())
            }
            Step::Resolve { set, first, count, target, offset } => {
                self.catch_up(batch)?;
                self.resolve(&set, first, count, &target, offset)
            }
        }
    }

    /// Submits all that comes before, and charges what it counted: on every device at the same place.
    fn catch_up(&mut self, batch: &mut Batch) -> Result<(), Stop> {
        self.settle_counts(batch.finished())?;
        self.flow.submit(&self.device, batch.take())
    }

    /// Reads the counts and dispatches by them.
    fn indirect(
        &mut self,
        batch: &mut Batch,
        counts: &Object<Buffer>,
        offset: u64,
        state: &PassState,
    ) -> Result<(), Stop> {
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
        self.dispatch(batch, counts, state)
    }

    /// Adds work to what is submitted next.
    fn add(&mut self, batch: &mut Batch, work: wgpu::CommandBuffer, gas: u64) -> Result<(), Stop> {
        batch.close();
        self.room(batch, gas)?;
        batch.ready.push(work);
        Ok(())
    }

    /// Makes room for so much gas in what is submitted next: what is there already goes first, if both are too much for one submission.
    fn room(&mut self, batch: &mut Batch, gas: u64) -> Result<(), Stop> {
        let full = batch.ready.len() >= MOST_READY || batch.gas.saturating_add(gas) > self.device.slice_gas;
        if full && !batch.is_empty() {
            self.flow.submit(&self.device, batch.take())?;
        }
        batch.gas = batch.gas.saturating_add(gas);
        Ok(())
    }

    /// Encodes a dispatch in parts that a submission can hold.
    fn dispatch(&mut self, batch: &mut Batch, counts: [u32; 3], state: &PassState) -> Result<(), Stop> {
        let Some(object) = &state.pipeline else { return Ok(()) };
        let Some(pipeline) = &object.valid else { return Ok(()) };
        let mut slices = Slices::new(counts);
        while !slices.is_done() {
            // What ran before decides how large a part is, but the guest decides what ran before: so the worst is bounded too.
            let each = pipeline.invocations;
            let mut most = self.pace.workgroups(pipeline.guess(each), pipeline.worst(each));
            if let Some((_, words)) = &pipeline.counter {
                if self.counter().free() < *words {
                    self.settle_counts(batch.finished())?;
                    batch.gas = 0;
                }
                most = most.min(u64::from(self.counter().free() / words));
            }
            let Some((base, size)) = slices.take(most) else { break };
            let groups = size.iter().fold(1_u64, |product, count| product * u64::from(*count));
            let invocations = groups.saturating_mul(pipeline.invocations);
            let first_word = match &pipeline.counter {
                Some((_, words)) => {
                    let words = u32::try_from(groups * u64::from(*words)).expect("they are free");
                    self.counter().note(object, words, invocations)
                }
                None => 0,
            };
            self.room(batch, pipeline.guess(invocations))?;
            let pass = batch.pass(&self.device, state);
            slices::dispatch(pass, pipeline.sliced, (base, size), first_word, counts);
            if !slices.is_done() {
                // The size of the next part follows from what this one took.
                let start = Instant::now();
                self.settle_counts(batch.finished())?;
                self.flow.submit(&self.device, batch.take())?;
                self.flow.idle(&self.device)?;
                self.pace.note(start.elapsed());
            }
        }
        Ok(())
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
        Ok(invocations.saturating_mul(pipeline.fixed).saturating_add(schedule::DISPATCH))
    }
}

/// Command buffers of one submission.
const MOST_READY: usize = 256;

/// Work that goes to the device together, and the gas that it may take.
#[derive(Default)]
struct Batch {
    ready: Vec<wgpu::CommandBuffer>,
    gas: u64,
    /// Dispatches that are not in `ready` yet.
    open: Option<Dispatches>,
}

/// Dispatches that share an encoder, and those in a row with one state a pass: an encoder for each takes longer than a small dispatch.
struct Dispatches {
    // Before the encoder, which it borrows from inside wgpu.
    pass: wgpu::ComputePass<'static>,
    encoder: wgpu::CommandEncoder,
    state: PassState,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.open.is_none()
    }

    /// A pass in this state.
    fn pass(&mut self, device: &Device, state: &PassState) -> &mut wgpu::ComputePass<'static> {
        let encoder = match self.open.take() {
            Some(open) if open.state.is_same(state) => return &mut self.open.insert(open).pass,
            Some(Dispatches { pass, encoder, .. }) => {
                drop(pass);
                Some(encoder)
            }
            None => None,
        };
        let mut encoder = encoder.unwrap_or_else(|| {
            device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
        });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime();
        state.set(&mut pass);
        &mut self.open.insert(Dispatches { pass, encoder, state: state.clone() }).pass
    }

    /// Puts the open dispatches to what is ready.
    fn close(&mut self) {
        if let Some(Dispatches { pass, encoder, .. }) = self.open.take() {
            drop(pass);
            self.ready.push(encoder.finish());
        }
    }

    /// What is ready, open dispatches included.
    fn finished(&mut self) -> &mut Vec<wgpu::CommandBuffer> {
        self.close();
        &mut self.ready
    }

    fn take(&mut self) -> Vec<wgpu::CommandBuffer> {
        self.close();
        self.gas = 0;
        std::mem::take(&mut self.ready)
    }
}

/// Why a command buffer cannot be executed.
fn refuse(object: &Object<CommandBuffer>) -> Option<String> {
    let Some(valid) = &object.valid else {
        return Some(format!("command buffer '{}' is invalid", object.label));
    };
    valid.resources.iter().find_map(Resource::refusal)
}
