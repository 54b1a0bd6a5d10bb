//! Memory that two processes map.
#![expect(unsafe_code, reason = "mappings are raw memory")]

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;

/// A fresh memory of a size that nobody can change. It takes room only where it is written to.
pub(crate) fn create(name: &str, bytes: u64) -> io::Result<OwnedFd> {
    let memory = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&memory, bytes)?;
    fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(memory)
}

/// A mapping of a whole memory whose size is sealed, so that no access to it can fail but for want of memory.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    writable: bool,
}

// SAFETY: the memory belongs to the process, not to a thread, and methods that write want the mapping exclusively.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the first `bytes` of a memory. The memory may come from a process that is not trusted.
    ///
    /// # Errors
    /// When it is smaller, when it could be made smaller, or when there is no room for it.
    pub(crate) fn new(memory: impl AsFd, bytes: u64, writable: bool) -> io::Result<Mapping> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let size = fstat(&memory)?.st_size;
        if bytes == 0 || u64::try_from(size).is_ok_and(|size| size < bytes) {
            return Err(invalid("a shared memory is smaller than said"));
        }
        if !fcntl_get_seals(&memory)?.contains(SealFlags::SHRINK) {
            return Err(invalid("a shared memory could be made smaller"));
        }
        let len = usize::try_from(bytes).map_err(|_| invalid("a shared memory is too large"))?;
        let protection = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
        // SAFETY: a new mapping, where the kernel wants it.
        let start = unsafe { mmap(std::ptr::null_mut(), len, protection, MapFlags::SHARED, &memory, 0)? };
        let start = NonNull::new(start.cast()).ok_or_else(|| invalid("no address"))?;
        Ok(Mapping { start, len, writable })
    }

    /// Whether so many bytes from `at` on lie inside.
    fn holds(&self, at: u64, len: u64) -> Option<(usize, usize)> {
        let end = at.checked_add(len)?;
        (end <= self.len as u64).then_some((at as usize, len as usize))
    }

    /// A part of it, for copying from: another process may change it at any time, so whoever looks at a byte twice may see two.
    pub(crate) fn bytes(&self, at: u64, len: u64) -> Option<&[u8]> {
        let (at, len) = self.holds(at, len)?;
        // SAFETY: inside the mapping, which is readable and lives as long as the answer. That a process which has been
        // taken over may write to it meanwhile is what the doc comment is about: callers only copy.
        Some(unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(at), len) })
    }

    /// A part of it, for writing to.
    pub(crate) fn bytes_mut(&mut self, at: u64, len: u64) -> Option<&mut [u8]> {
        let (at, len) = self.holds(at, len).filter(|_| self.writable)?;
        // SAFETY: as above, and writable.
        Some(unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(at), len) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing borrowed from it is left.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mappings_are_one_memory_and_parts_outside_are_refused() {
        let memory = create("test", 1 << 32).unwrap();
        let mut writer = Mapping::new(&memory, 1 << 32, true).unwrap();
        let reader = Mapping::new(&memory, 8192, false).unwrap();
        writer.bytes_mut(100, 5).unwrap().copy_from_slice(b"bytes");
        assert_eq!(reader.bytes(100, 5).unwrap(), b"bytes");
        assert_eq!(reader.bytes(8192, 0).unwrap(), b"");
        for (at, len) in [(8192, 1), (0, 8193), (u64::MAX, 1), (1, u64::MAX)] {
            assert!(reader.bytes(at, len).is_none(), "{at} {len}");
        }
        let mut reader = reader;
        assert!(reader.bytes_mut(0, 1).is_none());
        // Nobody makes it smaller under the others.
        assert!(ftruncate(&memory, 0).is_err());
    }

    #[test]
    fn memories_that_could_shrink_or_are_too_small_are_refused() {
        let memory = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&memory, 4096).unwrap();
        let error = Mapping::new(&memory, 4096, false).unwrap_err();
        assert!(error.to_string().contains("made smaller"), "{error}");
        let memory = create("test", 4096).unwrap();
        assert!(Mapping::new(&memory, 4097, false).is_err());
        assert!(Mapping::new(&memory, 0, false).is_err());
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Mapping::new(&socket, 1, false).is_err());
    }
}
