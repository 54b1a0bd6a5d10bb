//! Buffers, and the views through which mapped bytes are read and written.

#[cfg(feature = "webgpu")]
use super::absent;
use super::device::Device;
use super::object::{Object, invalid};
use super::session::Session;
use crate::mapping::Mapping;
use fizz_gpu_abi::{ErrorClass, MapMode, ObjectKind, usage};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use wgpu::custom::{
    BufferInterface, BufferMapCallback, BufferMappedRangeInterface, DispatchBufferMappedRange,
};

#[derive(Debug)]
pub(super) struct Buffer(Arc<Shared>);

/// What a buffer and its views have in common.
#[derive(Debug)]
struct Shared {
    object: Arc<Object>,
    size: u64,
    usage: wgpu::BufferUsages,
    mapping: Mutex<Option<Mapped>>,
}

#[derive(Debug)]
struct Mapped {
    mapping: Mapping,
    /// Whether unmapping writes back what was written.
    writes: bool,
}

impl Shared {
    fn mapping(&self) -> MutexGuard<'_, Option<Mapped>> {
        self.mapping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> &Arc<Session> {
        self.object.session()
    }
}

impl Buffer {
    pub(super) fn new(session: &Arc<Session>, desc: &wgpu::BufferDescriptor<'_>) -> Self {
        const FUNCTION: &str = "Device::create_buffer";
        let refuse = |class, reason: &str| {
            Object::refuse(session, ObjectKind::Buffer, class, &invalid(FUNCTION, desc.label, reason))
        };
        let unknown = desc.usage.bits() & !usage::ALL;
        let bytes = desc.mapped_at_creation.then(|| zeros(desc.size));
        let (object, bytes) = match bytes {
            _ if unknown != 0 => {
                let unknown = wgpu::BufferUsages::from_bits_retain(unknown);
                (refuse(ErrorClass::Validation, &format!("usage {unknown:?} is not offered")), None)
            }
            Some(None) => (refuse(ErrorClass::OutOfMemory, "the job has no memory to map the buffer"), None),
            bytes => {
                let object = Object::create(session, ObjectKind::Buffer, |stream, id| {
                    let (usage, label) = (desc.usage.bits(), desc.label.unwrap_or_default());
                    stream.create_buffer(id, usage, desc.size, desc.mapped_at_creation, label);
                });
                (object, bytes.flatten())
            }
        };
        let mapped = bytes.map(|bytes| Mapped { mapping: Mapping::new(0, bytes), writes: true });
        Buffer(Arc::new(Shared { object, size: desc.size, usage: desc.usage, mapping: Mutex::new(mapped) }))
    }

    pub(super) fn object(&self) -> &Arc<Object> {
        &self.0.object
    }

    /// Bytes.
    pub(super) fn size(&self) -> u64 {
        self.0.size
    }

    pub(super) fn usage(&self) -> wgpu::BufferUsages {
        self.0.usage
    }

    /// Maps, and fetches the bytes: for writing too, because what is not written must stay.
    fn map(&self, mode: wgpu::MapMode, range: &Range<u64>) -> Result<(), wgpu::BufferAsyncError> {
        let (session, id) = (self.0.session(), self.0.object.own_id());
        if session.is_lost() {
            return Err(wgpu::BufferAsyncError);
        }
        let len = range.end - range.start;
        let host_mode = match mode {
            wgpu::MapMode::Read => MapMode::Read,
            wgpu::MapMode::Write => MapMode::Write,
        };
        // A scope of our own tells whether the host mapped it.
        let scope = session.push_scope(ErrorClass::Validation);
        session.push(|stream| stream.map_buffer(id, host_mode, range.start, len));
        if let Some(error) = session.pop_scope(scope) {
            session.report(ErrorClass::Validation, &error.to_string());
            return Err(wgpu::BufferAsyncError);
        }
        let Some(mut bytes) = zeros(len) else {
            session.push(|stream| stream.unmap_buffer(id));
            let message = invalid("Buffer::map_async", None, "the job has no memory for the bytes");
            session.report(ErrorClass::OutOfMemory, &message);
            return Err(wgpu::BufferAsyncError);
        };
        if !bytes.is_empty() && !session.read(id, range.start, &mut bytes) {
            session.push(|stream| stream.unmap_buffer(id));
            return Err(wgpu::BufferAsyncError);
        }
        let mapping = Mapping::new(range.start, bytes);
        *self.0.mapping() = Some(Mapped { mapping, writes: mode == wgpu::MapMode::Write });
        Ok(())
    }
}

impl BufferInterface for Buffer {
    fn map_async(&self, mode: wgpu::MapMode, range: Range<u64>, callback: BufferMapCallback) {
        callback(self.map(mode, &range));
    }

    fn get_mapped_range(&self, range: Range<u64>) -> Result<DispatchBufferMappedRange, wgpu::MapRangeError> {
        let view = || MappedRange {
            buffer: Arc::clone(&self.0),
            range: range.clone(),
            seen: OnceLock::new(),
            lent: None,
        };
        let session = self.0.session();
        match &*self.0.mapping() {
            Some(_) if !range.start.is_multiple_of(wgpu::MAP_ALIGNMENT) => {
                eprintln!("Buffer::get_mapped_range: offset {} is not a multiple of 8", range.start);
            }
            Some(_) if !(range.end - range.start).is_multiple_of(4) => {
                eprintln!(
                    "Buffer::get_mapped_range: size {} is not a multiple of 4",
                    range.end - range.start
                );
            }
            // wgpu itself refuses what is outside of the mapping.
            Some(_) => return Ok(DispatchBufferMappedRange::custom(view())),
            // Nothing can be mapped there, which wgpu knows too.
            None if session.is_detached() => return Ok(DispatchBufferMappedRange::custom(view())),
            None => {}
        }
        Err(not_mapped(session))
    }

    fn unmap(&self) {
        let Some(mut mapped) = self.0.mapping().take() else { return };
        let (session, id) = (self.0.session(), self.0.object.own_id());
        if mapped.writes {
            for (offset, bytes) in mapped.mapping.pieces() {
                session.write(id, offset, bytes);
            }
        }
        session.push(|stream| stream.unmap_buffer(id));
    }

    fn destroy(&self) {
        *self.0.mapping() = None;
        let id = self.0.object.own_id();
        self.0.session().push(|stream| stream.destroy_buffer(id));
    }
}

/// Zeros to read into; none if the guest's memory has no room.
pub(super) fn zeros(len: u64) -> Option<Vec<u8>> {
    let len = usize::try_from(len).ok()?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    bytes.resize(len, 0);
    Some(bytes)
}

/// The error for a buffer that is not mapped. Only wgpu can make one: this asks it for a view of a buffer that
/// never was.
fn not_mapped(session: &Session) -> wgpu::MapRangeError {
    let nowhere = Session::detached(session.caps);
    let device = Device::new(&nowhere, wgpu::Features::empty(), wgpu::Limits::default());
    let buffer = wgpu::Device::from_custom(device).create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 8,
        usage: wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    buffer.get_mapped_range(..).expect_err("the buffer was never mapped")
}

/// A view of mapped bytes.
#[derive(Debug)]
pub(super) struct MappedRange {
    buffer: Arc<Shared>,
    range: Range<u64>,
    /// Bytes for a view that reads, and where in them the view is.
    seen: OnceLock<(Arc<Vec<u8>>, Range<usize>)>,
    /// Bytes for a view that writes.
    lent: Option<Vec<u8>>,
}

impl BufferMappedRangeInterface for MappedRange {
    fn len(&self) -> usize {
        (self.range.end - self.range.start) as usize
    }

    #[allow(unsafe_code)] // The trait's signature; nothing unsafe is done.
    unsafe fn read_slice(&self) -> &[u8] {
        let (bytes, place) = self.seen.get_or_init(|| match &*self.buffer.mapping() {
            Some(mapped) => mapped.mapping.share(&self.range),
            None => (Arc::default(), 0..0),
        });
        &bytes[place.clone()]
    }

    #[allow(unsafe_code)] // The trait's signature; nothing unsafe is done.
    unsafe fn write_slice(&mut self) -> wgpu::WriteOnly<'_, [u8]> {
        let lent = self.lent.get_or_insert_with(|| match &mut *self.buffer.mapping() {
            Some(mapped) => mapped.mapping.lend(&self.range),
            None => Vec::new(),
        });
        wgpu::WriteOnly::from_mut(lent.as_mut_slice())
    }

    #[cfg(feature = "webgpu")]
    fn as_uint8array(&self) -> &js_sys::Uint8Array {
        absent::no_browser("BufferView::as_uint8array")
    }
}

impl Drop for MappedRange {
    fn drop(&mut self) {
        if let (Some(bytes), Some(mapped)) = (self.lent.take(), &mut *self.buffer.mapping()) {
            mapped.mapping.give_back(self.range.clone(), bytes);
        }
    }
}
