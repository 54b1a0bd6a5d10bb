//! Records command buffers: what stands between `BEGIN_COMMANDS` and `END_COMMANDS`.

use crate::caps;
use crate::objects::{Buffer, CommandBuffer, Entry, Object, PassState, QuerySet, Resource, Step};
use crate::schedule;
use crate::session::Open;
use crate::slices;
use fizz_gpu_abi::host::{Limit, Stop};
use fizz_gpu_abi::{Command, Commands, List, usage};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Unsubmitted command buffers may hold the bytes of this many streams, and a KiB for each dispatch that is encoded later or for each GiB or
/// 2^30 gas that goes to the device.
const STREAMS: u64 = 4;

impl Open {
    /// Records one command buffer, up to its `END_COMMANDS`.
    pub(crate) fn record(&mut self, id: u32, label: &str, commands: &mut Commands<'_>) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let start = commands.offset();
        let most = u64::from(self.meter.quotas.stream_bytes).saturating_mul(STREAMS);
        let mut recorder = Recorder::new(self, label);
        for command in commands.by_ref() {
            let command = command.map_err(|error| Stop::Protocol(error.to_string().into()))?;
            if command == Command::EndCommands {
                break;
            }
            if recorder.refused.is_none() {
                recorder.command(command)?;
            }
            if recorder.held > most {
                return Err(Stop::LimitExceeded(Limit::StreamBytes));
            }
        }
        let recorded = recorder.finish()?;
        let held = recorded.as_ref().map_or(0, |recorded| recorded.held);
        let bytes = ((commands.offset() - start) as u64).saturating_add(held);
        let bytes = self.recorded.add(bytes, most).ok_or(Stop::LimitExceeded(Limit::StreamBytes))?;
        let valid = match recorded {
            Ok(Recorded { steps, resources, gas, .. }) => {
                Some(CommandBuffer { steps, resources, gas, _bytes: bytes })
            }
            Err(reason) => {
                self.invalid(format!("finish command buffer '{label}': {reason}"));
                None
            }
        };
        self.table.insert(id, Entry::CommandBuffer(Object::new(label, valid, counted)));
        Ok(())
    }
}

struct Recorded {
    steps: Vec<Step>,
    resources: Vec<Resource>,
    gas: u64,
    held: u64,
}

/// Bytes that a part of a command buffer counts for, in which one encoder may be held.
pub(crate) const HELD: u64 = fizz_gpu_abi::host::HELD_BYTES;

/// The same for work of so much gas. It is equal on every device, whatever it takes in one submission.
pub(crate) fn held(gas: u64) -> u64 {
    (gas >> 20).min(HELD)
}

pub(crate) struct Recorder<'o> {
    pub(crate) open: &'o mut Open,
    label: &'o str,
    // Before the encoder, which it borrows from inside wgpu.
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    state: PassState,
    pub(crate) steps: Vec<Step>,
    /// The query that is written where the pass ends.
    pub(crate) timed: Option<(Arc<Object<QuerySet>>, u32)>,
    resources: Vec<Resource>,
    /// Addresses of the objects that were noted already.
    seen: BTreeSet<usize>,
    pub(crate) gas: u64,
    /// Gas that the encoder's work may take.
    pub(crate) pending: u64,
    /// Whether the encoder has more than what is only checked.
    pub(crate) works: bool,
    /// What its parts count against the memory for unsubmitted commands.
    pub(crate) held: u64,
    /// Open debug groups outside passes and in the pass.
    debug_groups: usize,
    pass_debug_groups: usize,
    /// The first broken rule.
    refused: Option<String>,
}

/// What a step of recording found: nothing, a broken rule, or a stop.
pub(crate) type Found = Result<Result<(), String>, Stop>;

impl<'o> Recorder<'o> {
    fn new(open: &'o mut Open, label: &'o str) -> Self {
        Recorder {
            open,
            label,
            pass: None,
            encoder: None,
            state: PassState::default(),
            steps: Vec::new(),
            timed: None,
            resources: Vec::new(),
            seen: BTreeSet::new(),
            gas: 0,
            pending: 0,
            works: false,
            held: 0,
            debug_groups: 0,
            pass_debug_groups: 0,
            refused: None,
        }
    }

    pub(crate) fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.encoder.get_or_insert_with(|| {
            let wanted = wgpu::CommandEncoderDescriptor { label: Some(self.label) };
            self.open.device.device.create_command_encoder(&wanted)
        })
    }

    fn command(&mut self, command: Command<'_>) -> Result<(), Stop> {
        if let Err(reason) = self.try_command(command)? {
            self.refused = Some(reason);
        }
        Ok(())
    }

    fn try_command(&mut self, command: Command<'_>) -> Found {
        match command {
            Command::Invalidate { message } => Ok(Err(message.to_owned())),
            Command::CopyBuffer { source, source_offset, target, target_offset, size } => {
                self.copy((source, source_offset), (target, target_offset), size)
            }
            Command::ClearBuffer { buffer, offset, size } => self.clear(buffer, offset, size),
            Command::CopyBufferToTexture { source, target, size } => {
                self.copy_to_texture(&source, &target, size)
            }
            Command::CopyTextureToBuffer { source, target, size } => {
                self.copy_to_buffer(&source, &target, size)
            }
            Command::CopyTexture { source, target, size } => self.copy_texture(&source, &target, size),
            Command::BeginPass { .. } => {
                self.begin_pass();
                Ok(Ok(()))
            }
            Command::BeginTimedPass { set, begin, end, .. } => self.begin_timed_pass(set, begin, end),
            Command::WriteTimestamp { set, index } => self.write_timestamp(set, index),
            Command::ResolveQueries { set, first, count, buffer, offset } => {
                self.resolve_queries(set, first, count, buffer, offset)
            }
            Command::EndPass => {
                self.pass = None;
                if let Some((set, index)) = self.timed.take() {
                    self.stamp(set, index);
                }
                let open = std::mem::take(&mut self.pass_debug_groups);
                Ok(if open == 0 { Ok(()) } else { Err("pass ends with open debug groups".to_owned()) })
            }
            Command::PushDebugGroup { .. } => {
                *self.open_groups() += 1;
                Ok(Ok(()))
            }
            Command::PopDebugGroup => {
                let open = self.open_groups();
                let Some(fewer) = open.checked_sub(1) else {
                    return Ok(Err("debug group is closed that was not opened".to_owned()));
                };
                *open = fewer;
                Ok(Ok(()))
            }
            Command::InsertDebugMarker { .. } => Ok(Ok(())),
            Command::SetPipeline { pipeline } => self.set_pipeline(pipeline),
            Command::SetBindGroup { index, group, offsets } => self.set_bind_group(index, group, offsets),
            Command::SetImmediates { .. } => Ok(Err("immediates are not offered".to_owned())),
            Command::Dispatch { x, y, z } => self.dispatch([x, y, z]),
            Command::DispatchIndirect { buffer, offset } => self.dispatch_indirect(buffer, offset),
            // The decoder does not let anything else stand here.
            other => Err(Stop::Protocol(format!("op {:#06x} in a command buffer", other.op()).into())),
        }
    }

    pub(crate) fn begin_pass(&mut self) {
        let wanted = wgpu::ComputePassDescriptor::default();
        let pass = self.encoder().begin_compute_pass(&wanted).forget_lifetime();
        self.pass = Some(pass);
        self.state = PassState::default();
    }

    fn open_groups(&mut self) -> &mut usize {
        if self.pass.is_some() { &mut self.pass_debug_groups } else { &mut self.debug_groups }
    }

    /// Looks a buffer up, notes that it is used, and checks the guest's usage.
    pub(crate) fn used(
        &mut self,
        id: u32,
        needed: u32,
        name: &str,
    ) -> Result<Result<Arc<Object<Buffer>>, String>, Stop> {
        let object = self.open.table.buffer(id)?;
        let lacks = match &object.valid {
            None => return Ok(Err(format!("buffer '{}' is invalid", object.label))),
            Some(buffer) => buffer.usage & needed == 0,
        };
        if lacks {
            return Ok(Err(format!("usage of buffer '{}' lacks {name}", object.label)));
        }
        self.note(&Resource::Buffer(object.clone()));
        Ok(Ok(object))
    }

    pub(crate) fn note(&mut self, resource: &Resource) {
        if self.seen.insert(resource.address()) {
            self.resources.push(resource.clone());
        }
    }

    fn set_pipeline(&mut self, id: u32) -> Found {
        let object = self.open.table.pipeline(id)?;
        let Some(pipeline) = &object.valid else {
            return Ok(Err(format!("compute pipeline '{}' is invalid", object.label)));
        };
        if let Some(pass) = &mut self.pass {
            pipeline.set(pass);
        }
        self.state.pipeline = Some(object);
        Ok(Ok(()))
    }

    fn set_bind_group(&mut self, index: u32, id: u32, offsets: List<'_, u32>) -> Found {
        let Some(slot) = self.state.groups.get(index as usize) else {
            return Ok(Err(format!("bind group index {index} is above {}", caps::MAX_BIND_GROUPS - 1)));
        };
        debug_assert!(slot.as_ref().is_none_or(|(group, _)| group.valid.is_some()));
        let group = if id == 0 { None } else { Some(self.open.table.bind_group(id)?) };
        let offsets: Vec<u32> = offsets.iter().collect();
        if group.is_none() && !offsets.is_empty() {
            return Ok(Err("dynamic offsets without a bind group".to_owned()));
        }
        let mut wgpu_group = None;
        if let Some(object) = &group {
            let Some(valid) = &object.valid else {
                return Ok(Err(format!("bind group '{}' is invalid", object.label)));
            };
            if self.seen.insert(Arc::as_ptr(object).addr()) {
                for resource in &valid.resources {
                    self.note(resource);
                }
            }
            wgpu_group = Some(&valid.group);
        }
        if let Some(pass) = &mut self.pass {
            pass.set_bind_group(index, wgpu_group, &offsets);
        }
        self.state.groups[index as usize] = group.map(|group| (group, offsets));
        Ok(Ok(()))
    }

    fn dispatch(&mut self, counts: [u32; 3]) -> Found {
        if counts.iter().any(|count| *count > caps::MAX_WORKGROUPS) {
            let [x, y, z] = counts;
            let most = caps::MAX_WORKGROUPS;
            return Ok(Err(format!("dispatch of {x} × {y} × {z} workgroups is above {most} in a dimension")));
        }
        if let Some(reason) = self.state.misfit() {
            return Ok(Err(reason));
        }
        let gas = self.open.dispatch_gas(&self.state, counts)?;
        self.gas = self.gas.saturating_add(gas);
        let slice = self.open.device.slice_gas;
        self.held = self.held.saturating_add(held(gas));
        let pipeline = self.state.pipeline.as_ref().and_then(|pipeline| pipeline.valid.as_ref());
        let (counted, sliced) =
            pipeline.map_or((false, false), |pipeline| (pipeline.counter.is_some(), pipeline.sliced));
        if counts.contains(&0) || (!counted && gas <= slice) {
            if self.pending.saturating_add(gas) > slice {
                self.cut();
                self.resume();
            }
            self.pending = self.pending.saturating_add(gas);
            self.works = true;
            if let Some(pass) = &mut self.pass {
                slices::dispatch(pass, sliced, ([0; 3], counts), 1, counts);
            }
        } else {
            self.later(sliced, Step::Dispatch { counts, state: self.state.clone() });
        }
        Ok(Ok(()))
    }

    /// Lets wgpu check pipeline and bind groups now, as WebGPU does, for a dispatch that is encoded later.
    fn check_dispatch(&mut self, sliced: bool) {
        if let Some(pass) = &mut self.pass {
            slices::dispatch(pass, sliced, ([0; 3], [0; 3]), 1, [0; 3]);
        }
    }

    /// Notes a dispatch that is encoded later. What was encoded so far goes before it; an encoder with nothing but checks is left open.
    fn later(&mut self, sliced: bool, step: Step) {
        self.held = self.held.saturating_add(HELD);
        self.check_dispatch(sliced);
        if self.works {
            self.cut();
            self.steps.push(step);
            self.resume();
        } else {
            self.steps.push(step);
        }
    }

    /// Begins a new encoder with the pass as it was.
    fn resume(&mut self) {
        let wanted = wgpu::ComputePassDescriptor::default();
        let mut pass = self.encoder().begin_compute_pass(&wanted).forget_lifetime();
        self.state.set(&mut pass);
        self.pass = Some(pass);
    }

    /// Ends what was encoded so far; the counts are read when the device has got here.
    fn dispatch_indirect(&mut self, id: u32, offset: u64) -> Found {
        let counts = match self.used(id, usage::INDIRECT, "INDIRECT")? {
            Ok(counts) => counts,
            Err(reason) => return Ok(Err(reason)),
        };
        if !offset.is_multiple_of(4) || counts.valid.as_ref().is_some_and(|buffer| !buffer.holds(offset, 12))
        {
            return Ok(Err(format!("indirect offset {offset} is no multiple of 4 or outside the buffer")));
        }
        if let Some(reason) = self.state.misfit() {
            return Ok(Err(reason));
        }
        self.gas = self.gas.saturating_add(schedule::INDIRECT);
        let pipeline = self.state.pipeline.as_ref().and_then(|pipeline| pipeline.valid.as_ref());
        let sliced = pipeline.is_some_and(|pipeline| pipeline.sliced);
        self.later(sliced, Step::Indirect { counts, offset, state: self.state.clone() });
        Ok(Ok(()))
    }

    /// Finishes the encoder as one step.
    pub(crate) fn cut(&mut self) {
        self.pass = None;
        if let Some(encoder) = self.encoder.take() {
            self.steps.push(Step::Work(encoder.finish(), std::mem::take(&mut self.pending)));
            self.works = false;
        }
    }

    fn finish(mut self) -> Result<Result<Recorded, String>, Stop> {
        if self.refused.is_none() && self.debug_groups != 0 {
            self.refused = Some("command buffer ends with open debug groups".to_owned());
        }
        if self.refused.is_none() {
            self.cut();
        }
        self.pass = None;
        self.encoder = None;
        let invalid = self.open.device.errors()?.into_iter().next().map(|(_, text)| text);
        Ok(match self.refused.or(invalid) {
            Some(reason) => Err(reason),
            None => {
                Ok(Recorded { steps: self.steps, resources: self.resources, gas: self.gas, held: self.held })
            }
        })
    }
}
