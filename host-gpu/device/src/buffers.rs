//! Buffers: making, mapping, writing, reading.

use crate::caps;
use crate::objects::{Buffer, Entry, Mapping, Object};
use crate::schedule;
use crate::session::Open;
use fizz_gpu_abi::host::{HostFault, Stop};
use fizz_gpu_abi::{ErrorClass, MapMode, status, usage};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers count in steps of this many bytes.
const GRAIN: u64 = 256;
/// Bytes of the staging buffer for reads; larger reads go in pieces.
const STAGING: u64 = 32 << 20;

/// The usages that `wgpu` gets: only those that do something here. Copies are always possible underneath, because
/// reads, writes and mappings are copies; whether the guest may do them is checked by its own usage.
fn real_usage(guest: u32) -> wgpu::BufferUsages {
    if guest & usage::MAP_READ != 0 {
        return wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    }
    let mut real = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    real.set(wgpu::BufferUsages::UNIFORM, guest & usage::UNIFORM != 0);
    real.set(wgpu::BufferUsages::STORAGE, guest & usage::STORAGE != 0);
    real
}

/// WebGPU's rules for new buffers.
fn refuse(bits: u32, size: u64, mapped_at_creation: bool) -> Option<String> {
    if bits == 0 || bits & !usage::ALL != 0 {
        return Some(format!("usage {bits:#x} is empty or has unknown bits"));
    }
    if bits & usage::MAP_READ != 0 && bits & !(usage::MAP_READ | usage::COPY_DST) != 0 {
        return Some("usage MAP_READ goes with COPY_DST only".to_owned());
    }
    if bits & usage::MAP_WRITE != 0 && bits & !(usage::MAP_WRITE | usage::COPY_SRC) != 0 {
        return Some("usage MAP_WRITE goes with COPY_SRC only".to_owned());
    }
    if size > caps::MAX_BUFFER {
        return Some(format!("size {size} is above the limit of {}", caps::MAX_BUFFER));
    }
    if mapped_at_creation && !size.is_multiple_of(4) {
        return Some(format!("size {size} is no multiple of 4, so it cannot be mapped at creation"));
    }
    None
}

impl Open {
    pub(crate) fn create_buffer(
        &mut self,
        id: u32,
        bits: u32,
        size: u64,
        mapped_at_creation: bool,
        label: &str,
    ) -> Result<(), Stop> {
        self.table.free(id)?;
        let counted = self.new_object()?;
        let valid = if let Some(reason) = refuse(bits, size, mapped_at_creation) {
            self.invalid(format!("create buffer '{label}': {reason}"));
            None
        } else {
            self.allocate(bits, size, mapped_at_creation, label)?
        };
        self.table.insert(id, Entry::Buffer(Object::new(label, valid, counted)));
        Ok(())
    }

    fn allocate(
        &mut self,
        bits: u32,
        size: u64,
        mapped_at_creation: bool,
        label: &str,
    ) -> Result<Option<Buffer>, Stop> {
        let quota = self.meter.quotas.bytes;
        let bytes = size.max(1).next_multiple_of(GRAIN);
        let Some(memory) = self.memory.add(bytes, quota) else {
            let live = self.memory.get();
            let text =
                format!("create buffer '{label}': {size} bytes more than {live} pass the quota of {quota}");
            self.errors.raise(ErrorClass::OutOfMemory, text);
            return Ok(None);
        };
        self.meter.charge(size, schedule::BYTE)?;
        self.flow.make_room(&self.device, self.memory.get() - bytes, bytes, quota)?;
        let buffer = self.device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: real_usage(bits),
            mapped_at_creation: false,
        });
        if self.settle()? {
            return Ok(None);
        }
        Ok(Some(Buffer::new(buffer, bits, size, mapped_at_creation, memory)))
    }

    pub(crate) fn destroy_buffer(&mut self, id: u32) -> Result<(), Stop> {
        let object = self.table.buffer(id)?;
        if let Some(buffer) = &object.valid {
            let mut state = buffer.state();
            state.mapping = Mapping::Destroyed;
            state.memory = None;
            buffer.buffer.destroy();
        }
        Ok(())
    }

    pub(crate) fn map_buffer(&mut self, id: u32, mode: MapMode, offset: u64, size: u64) -> Result<(), Stop> {
        let object = self.table.buffer(id)?;
        if let Err(reason) = map(&object, mode, offset, size) {
            self.invalid(format!("map buffer '{}': {reason}", object.label));
        }
        Ok(())
    }

    pub(crate) fn unmap_buffer(&mut self, id: u32) -> Result<(), Stop> {
        let object = self.table.buffer(id)?;
        if let Some(buffer) = &object.valid {
            let mut state = buffer.state();
            if state.mapping != Mapping::Destroyed {
                state.mapping = Mapping::Unmapped;
            }
        }
        Ok(())
    }

    /// The `write` import and the `WRITE_BUFFER` command.
    pub(crate) fn write(&mut self, id: u32, offset: u64, data: &[u8]) -> Result<i32, Stop> {
        self.meter.charge(1, schedule::SUBMIT)?;
        self.meter.charge(data.len() as u64, schedule::BYTE)?;
        let object = self.table.buffer(id)?;
        let buffer = match transfer(&object, offset, data.len(), Transfer::Write) {
            Ok(buffer) => buffer,
            Err(_) if data.is_empty() => return Ok(status::INVALID),
            Err(reason) => {
                self.invalid(format!("write buffer '{}': {reason}", object.label));
                return Ok(status::INVALID);
            }
        };
        let Some(size) = NonZeroU64::new(data.len() as u64) else { return Ok(status::OK) };
        if let Some(mut view) = self.device.queue.write_buffer_with(&buffer.buffer, offset, size) {
            view.copy_from_slice(data);
        }
        if self.settle()? {
            return Ok(status::INVALID);
        }
        self.flow.wrote(&self.device, size.get())?;
        Ok(status::OK)
    }

    /// The `read` import.
    pub(crate) fn read(&mut self, id: u32, offset: u64, into: &mut [u8]) -> Result<i32, Stop> {
        self.meter.charge(1, schedule::SUBMIT)?;
        self.meter.charge(into.len() as u64, schedule::BYTE)?;
        let object = self.table.buffer(id)?;
        let buffer = match transfer(&object, offset, into.len(), Transfer::Read) {
            Ok(buffer) => buffer,
            Err(_) if into.is_empty() => return Ok(status::INVALID),
            Err(reason) => {
                self.invalid(format!("read buffer '{}': {reason}", object.label));
                return Ok(status::INVALID);
            }
        };
        if into.is_empty() {
            return Ok(status::OK);
        }
        if buffer.usage & usage::MAP_READ != 0 {
            self.flow.submit(&self.device, [])?;
            self.copy_mapped(&buffer.buffer, offset, into)?;
        } else {
            self.copy_staged(&buffer.buffer, offset, into)?;
        }
        Ok(status::OK)
    }

    /// Reads through the staging buffer. `offset` and the length are multiples of 4, inside the buffer.
    pub(crate) fn copy_staged(
        &mut self,
        buffer: &wgpu::Buffer,
        offset: u64,
        into: &mut [u8],
    ) -> Result<(), Stop> {
        let mut at = offset;
        for piece in into.chunks_mut(usize::try_from(STAGING).expect("32 MiB fits")) {
            let size = piece.len() as u64;
            let staging = self.staging(size);
            let mut encoder =
                self.device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(buffer, at, &staging, 0, size);
            self.flow.submit(&self.device, [encoder.finish()])?;
            self.copy_mapped(&staging, 0, piece)?;
            at += size;
        }
        Ok(())
    }

    /// A staging buffer of at least `size` bytes.
    pub(crate) fn staging(&mut self, size: u64) -> wgpu::Buffer {
        match &self.staging {
            Some(staging) if staging.size() >= size => staging.clone(),
            _ => {
                let staging = self.device.device.create_buffer(&wgpu::BufferDescriptor {
                    label: None,
                    size: size.next_power_of_two().clamp(64 << 10, STAGING),
                    usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                self.staging = Some(staging.clone());
                staging
            }
        }
    }

    /// Maps, waits, copies. wgpu wants offsets of mappings in steps of 8.
    pub(crate) fn copy_mapped(
        &mut self,
        buffer: &wgpu::Buffer,
        offset: u64,
        into: &mut [u8],
    ) -> Result<(), Stop> {
        // One submission after the other, so that each has the whole of the limit on waiting.
        self.flow.idle(&self.device)?;
        let start = offset / 8 * 8;
        let skip = usize::try_from(offset - start).expect("under 8");
        let slice = buffer.slice(start..offset + into.len() as u64);
        let answer = Arc::new(Mutex::new(None));
        let told = answer.clone();
        slice.map_async(wgpu::MapMode::Read, move |result| {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(result.is_ok());
        });
        self.device.wait(None)?;
        self.device.must("map for reading")?;
        if *answer.lock().unwrap_or_else(PoisonError::into_inner) != Some(true) {
            return Err(Stop::HostFault(HostFault::DeviceLost, "mapping for reading failed".to_owned()));
        }
        let view = slice
            .get_mapped_range()
            .map_err(|error| Stop::HostFault(HostFault::DeviceLost, format!("mapped range: {error}")))?;
        into.copy_from_slice(&view[skip..]);
        drop(view);
        buffer.unmap();
        Ok(())
    }
}

/// The rules of `MAP_BUFFER`; maps if they hold.
fn map(object: &Object<Buffer>, mode: MapMode, offset: u64, size: u64) -> Result<(), String> {
    let buffer = object.valid.as_ref().ok_or("the buffer is invalid")?;
    let needed = match mode {
        MapMode::Read => usage::MAP_READ,
        MapMode::Write => usage::MAP_WRITE,
    };
    if buffer.usage & needed == 0 {
        return Err(format!(
            "its usage lacks {}",
            if mode == MapMode::Read { "MAP_READ" } else { "MAP_WRITE" }
        ));
    }
    if !offset.is_multiple_of(8) || !size.is_multiple_of(4) {
        return Err(format!("offset {offset} is no multiple of 8, or size {size} none of 4"));
    }
    if !buffer.holds(offset, size) {
        return Err(outside(buffer, offset, size));
    }
    let mut state = buffer.state();
    match state.mapping {
        Mapping::Destroyed => Err("the buffer is destroyed".to_owned()),
        Mapping::AtCreation | Mapping::Mapped { .. } => Err("the buffer is mapped already".to_owned()),
        Mapping::Unmapped => {
            state.mapping = Mapping::Mapped { mode, offset, size };
            Ok(())
        }
    }
}

fn outside(buffer: &Buffer, offset: u64, size: u64) -> String {
    format!("{size} bytes from {offset} do not fit its {} bytes", buffer.size)
}

#[derive(Clone, Copy, PartialEq)]
enum Transfer {
    Write,
    Read,
}

/// The rules of `write` and `read`.
fn transfer(
    object: &Object<Buffer>,
    offset: u64,
    len: usize,
    direction: Transfer,
) -> Result<&Buffer, String> {
    let buffer = object.valid.as_ref().ok_or("the buffer is invalid")?;
    let size = len as u64;
    if !offset.is_multiple_of(4) || !size.is_multiple_of(4) {
        return Err(format!("offset {offset} or size {size} is no multiple of 4"));
    }
    if !buffer.holds(offset, size) {
        return Err(outside(buffer, offset, size));
    }
    match buffer.state().mapping {
        Mapping::Destroyed => return Err("the buffer is destroyed".to_owned()),
        Mapping::AtCreation => {}
        Mapping::Mapped { mode: MapMode::Read, .. } if direction == Transfer::Write => {
            return Err("the buffer is mapped for reading".to_owned());
        }
        Mapping::Mapped { offset: start, size: mapped, .. } => {
            if offset < start || offset + size > start + mapped {
                return Err(format!("{size} bytes from {offset} are not within the mapped range"));
            }
        }
        Mapping::Unmapped => {
            let (needed, name) = match direction {
                Transfer::Write => (usage::COPY_DST, "COPY_DST"),
                Transfer::Read => (usage::COPY_SRC, "COPY_SRC"),
            };
            if buffer.usage & needed == 0 {
                return Err(format!("its usage lacks {name}"));
            }
        }
    }
    Ok(buffer)
}
