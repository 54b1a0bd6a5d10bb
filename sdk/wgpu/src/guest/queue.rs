//! The queue: writes, submits, and knowing when work is done.

use super::absent;
use super::buffer::{Buffer, zeros};
use super::encoder::CommandBuffer;
use super::object::{FOREIGN, invalid};
use super::query;
use super::session::Session;
use super::upload;
use fizz_gpu_abi::ErrorClass;
use std::sync::Arc;
use wgpu::custom::{
    BoxSubmittedWorkDoneCallback, DispatchBlas, DispatchBuffer, DispatchCommandBuffer,
    DispatchQueueWriteBuffer, DispatchSurfaceOutputDetail, QueueInterface, QueueWriteBufferInterface,
};

#[derive(Debug)]
pub(super) struct Queue {
    session: Arc<Session>,
}

impl Queue {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Queue { session }
    }

    fn refuse(&self, class: ErrorClass, function: &str, reason: &str) {
        self.session.report(class, &invalid(function, None, reason));
    }

    /// Brings bytes into a buffer; the host checks where they go.
    fn write(&self, function: &str, buffer: &DispatchBuffer, offset: u64, data: &[u8]) {
        let id = buffer
            .as_custom::<Buffer>()
            .ok_or(FOREIGN.to_owned())
            .and_then(|buffer| buffer.object().id(&self.session));
        match id {
            Ok(id) => self.session.write(id, offset, data),
            Err(reason) => self.refuse(ErrorClass::Validation, function, &reason),
        }
    }
}

/// Why a write cannot be, as WebGPU puts it.
fn check_write(buffer: &Buffer, offset: u64, size: u64) -> Result<(), String> {
    if !buffer.usage().contains(wgpu::BufferUsages::COPY_DST) {
        return Err("the buffer's usage lacks COPY_DST".into());
    }
    for (what, value) in [("offset", offset), ("size", size)] {
        if !value.is_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT) {
            return Err(format!("{what} {value} is not a multiple of 4"));
        }
    }
    if offset.checked_add(size).is_none_or(|end| end > buffer.size()) {
        let held = buffer.size();
        return Err(format!("{size} bytes at offset {offset} pass the end of a buffer of {held} bytes"));
    }
    Ok(())
}

impl QueueInterface for Queue {
    fn write_buffer(&self, buffer: &DispatchBuffer, offset: u64, data: &[u8]) {
        self.write("Queue::write_buffer", buffer, offset, data);
    }

    fn create_staging_buffer(&self, size: wgpu::BufferSize) -> Option<DispatchQueueWriteBuffer> {
        let bytes = zeros(size.get());
        if bytes.is_none() {
            let reason = "the job has no memory for the bytes";
            self.refuse(ErrorClass::OutOfMemory, "Queue::write_buffer_with", reason);
        }
        Some(DispatchQueueWriteBuffer::custom(Staging { bytes: bytes? }))
    }

    fn validate_write_buffer(
        &self,
        buffer: &DispatchBuffer,
        offset: u64,
        size: wgpu::BufferSize,
    ) -> Option<()> {
        let checked = match buffer.as_custom::<Buffer>() {
            Some(buffer) => check_write(buffer, offset, size.get()),
            None => Err(FOREIGN.into()),
        };
        if let Err(reason) = &checked {
            self.refuse(ErrorClass::Validation, "Queue::write_buffer_with", reason);
        }
        checked.ok()
    }

    fn write_staging_buffer(&self, buffer: &DispatchBuffer, offset: u64, staging: &DispatchQueueWriteBuffer) {
        const FUNCTION: &str = "Queue::write_buffer_with";
        match staging.as_custom::<Staging>() {
            Some(staging) => self.write(FUNCTION, buffer, offset, &staging.bytes),
            None => self.refuse(ErrorClass::Validation, FUNCTION, FOREIGN),
        }
    }

    fn write_texture(
        &self,
        texture: wgpu::TexelCopyTextureInfo<'_>,
        data: &[u8],
        layout: wgpu::TexelCopyBufferLayout,
        size: wgpu::Extent3d,
    ) {
        upload::write_texture(&self.session, &texture, data, layout, size);
    }

    #[cfg(feature = "webgpu")]
    fn copy_external_image_to_texture(
        &self,
        _: &wgpu::CopyExternalImageSourceInfo,
        _: wgpu::CopyExternalImageDestInfo<&wgpu::Texture>,
        _: wgpu::Extent3d,
    ) {
        absent::no_browser("Queue::copy_external_image_to_texture")
    }

    fn submit(&self, buffers: &mut dyn Iterator<Item = DispatchCommandBuffer>) -> u64 {
        let buffers: Vec<DispatchCommandBuffer> = buffers.collect();
        let ids = buffers
            .iter()
            .map(|buffer| buffer.as_custom::<CommandBuffer>().ok_or(FOREIGN.to_owned())?.id(&self.session));
        match ids.collect::<Result<Vec<u32>, String>>() {
            Ok(ids) => {
                self.session.push(|stream| stream.submit(&ids));
                for buffer in buffers.iter().filter_map(DispatchCommandBuffer::as_custom::<CommandBuffer>) {
                    buffer.submitted();
                }
            }
            Err(reason) => self.refuse(ErrorClass::Validation, "Queue::submit", &reason),
        }
        self.session.flush()
    }

    fn get_timestamp_period(&self) -> f32 {
        query::PERIOD
    }

    fn on_submitted_work_done(&self, callback: BoxSubmittedWorkDoneCallback) {
        self.session.finish();
        callback();
    }

    fn compact_blas(&self, _: &DispatchBlas) -> (Option<u64>, DispatchBlas) {
        absent::missing("Queue::compact_blas")
    }

    fn present(&self, _: &DispatchSurfaceOutputDetail) {
        absent::missing("Queue::present")
    }
}

/// Bytes on their way into a buffer.
#[derive(Debug)]
struct Staging {
    bytes: Vec<u8>,
}

impl QueueWriteBufferInterface for Staging {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    #[allow(unsafe_code)] // The trait's signature; nothing unsafe is done.
    unsafe fn write_slice(&mut self) -> wgpu::WriteOnly<'_, [u8]> {
        wgpu::WriteOnly::from_mut(self.bytes.as_mut_slice())
    }
}
