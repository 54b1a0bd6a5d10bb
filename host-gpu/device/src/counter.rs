//! The buffer in which the loops of shaders count, and what the host reads from it.

use crate::objects::{Object, Pipeline, QuerySet};
use crate::session::Open;
use fizz_gpu_abi::host::{HostFault, Stop};
use fizz_shader::meter::{METER_WORDS, sum_words};
use std::num::NonZeroU64;
use std::sync::Arc;

/// Bytes of the buffer.
const BYTES: u64 = 4 * METER_WORDS as u64;

/// A session's counters.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) layout: wgpu::BindGroupLayout,
    /// Dispatches that count, in the order of their words from word 1.
    under_way: Vec<Counting>,
    /// Timestamps that are to be told what those before them counted, in order.
    stamps: Vec<Stamp>,
    /// Words in use; the first is for cut loops.
    words: u32,
}

/// A dispatch, or a part of one, that counts.
#[derive(Debug)]
struct Counting {
    pipeline: Arc<Object<Pipeline>>,
    words: u32,
    invocations: u64,
}

/// A timestamp: what is known of it, and how many of the dispatches under way come before it.
#[derive(Debug)]
struct Stamp {
    set: Arc<Object<QuerySet>>,
    index: u32,
    known: u64,
    after: usize,
}

impl Stamp {
    /// Writes it, given what those before it counted.
    fn write(&self, counted: u64) {
        if let Some(set) = &self.set.valid {
            set.write(self.index, self.known.saturating_add(counted));
        }
    }
}

impl Counter {
    fn new(device: &wgpu::Device) -> Self {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: BYTES,
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
                    min_binding_size: NonZeroU64::new(BYTES),
                },
                count: None,
            }],
        });
        Counter { buffer, layout, under_way: Vec::new(), stamps: Vec::new(), words: 1 }
    }

    /// Words that are free.
    pub(crate) fn free(&self) -> u32 {
        METER_WORDS - self.words
    }

    /// Gives a dispatch its words, which must be free; says the first.
    pub(crate) fn note(&mut self, pipeline: &Arc<Object<Pipeline>>, words: u32, invocations: u64) -> u32 {
        let first = self.words;
        self.words += words;
        self.under_way.push(Counting { pipeline: pipeline.clone(), words, invocations });
        first
    }

    /// Writes a timestamp as soon as all that comes before it has counted.
    pub(crate) fn stamp(&mut self, set: &Arc<Object<QuerySet>>, index: u32, known: u64) {
        let stamp = Stamp { set: set.clone(), index, known, after: self.under_way.len() };
        if stamp.after == 0 {
            stamp.write(0);
        } else {
            self.stamps.push(stamp);
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
        let mut stamps = std::mem::take(&mut counter.stamps).into_iter().peekable();
        let size = 4 * u64::from(std::mem::replace(&mut counter.words, 1));
        let buffer = counter.buffer.clone();
        let staging = self.staging(size);
        let mut encoder =
            self.device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&buffer, 0, &staging, 0, size);
        encoder.clear_buffer(&buffer, 0, Some(4));
        ready.push(encoder.finish());
        self.flow.submit(&self.device, ready.drain(..))?;
        let mut bytes = vec![0; usize::try_from(size).expect("at most 4 MiB")];
        self.copy_mapped(&staging, 0, &mut bytes)?;
        let (cut, mut rest) = bytes.split_at(4);
        if cut != [0; 4] {
            let text = "the driver ended a loop that the shader did not end".to_owned();
            return Err(Stop::HostFault(HostFault::DeviceLost, text));
        }
        let mut gas = 0_u64;
        for (before, Counting { pipeline, words, invocations }) in under_way.into_iter().enumerate() {
            while let Some(stamp) = stamps.next_if(|stamp| stamp.after <= before) {
                stamp.write(gas);
            }
            let (own, after) = rest.split_at(4 * words as usize);
            rest = after;
            let Some(sum) = sum_words(own) else { return self.meter.exhaust() };
            // A word is of one invocation, or of each invocation of a workgroup.
            let sum = sum.saturating_mul(invocations / u64::from(words.max(1)));
            gas = gas.saturating_add(sum);
            if let Some(pipeline) = &pipeline.valid {
                pipeline.note(sum, invocations);
            }
        }
        stamps.for_each(|stamp| stamp.write(gas));
        self.meter.charge(gas, 1)
    }
}
