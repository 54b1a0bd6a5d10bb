//! Errors and vectors of buffers, as WASI functions see them.

use fizz_attest::HostFault;
use wasi_common::Error;
use wasi_common::snapshots::preview_1::types::{self, Errno};
use wiggle::{GuestMemory, GuestPtr};

use crate::files::{FileError, PATH_MAX};
use crate::host::{Ending, Host, Stop};
use crate::instrument::COSTS;

/// Buffers in one call; POSIX calls it `IOV_MAX`.
const VECTORS_MAX: u32 = 1024;

/// The run has ended; the reason stands in the meter.
pub(super) fn stopped(_: Stop) -> Error {
    // The text is never seen: the bridge looks at the meter first.
    Error::trap(wasmtime_environ_46::error::Error::msg("ended"))
}

impl Host {
    /// What a failed file operation is to the guest: an error number, or the end of the task.
    pub(super) fn file_error(&mut self, error: FileError) -> Error {
        let errno = match error {
            FileError::NotFound => Errno::Noent,
            FileError::Exists => Errno::Exist,
            FileError::NotDir => Errno::Notdir,
            FileError::IsDir => Errno::Isdir,
            FileError::NotEmpty => Errno::Notempty,
            FileError::Escape | FileError::LinkedDir => Errno::Perm,
            FileError::TooManyLinks => Errno::Loop,
            FileError::NameTooLong => Errno::Nametoolong,
            FileError::Invalid => Errno::Inval,
            FileError::TooLarge => Errno::Fbig,
            FileError::Stale => Errno::Stale,
            FileError::Quota(limit) => return stopped(self.meter.end(Ending::Limit(limit))),
            FileError::OutOfGas => return stopped(self.meter.end(Ending::OutOfGas)),
            FileError::HostMemory => {
                let fault =
                    Ending::Fault(HostFault::OutOfMemory, "no memory for the guest's files".to_owned());
                return stopped(self.meter.end(fault));
            }
        };
        errno.into()
    }

    /// Runs an operation on the file system at the guest's present time, and charges for it.
    pub(super) fn with_files<R>(
        &mut self,
        operation: impl FnOnce(&mut crate::files::System) -> Result<R, FileError>,
    ) -> Result<R, Error> {
        self.wasi.files.now = self.realtime();
        self.wasi.files.budget = self.meter.remaining().max(0).cast_unsigned();
        let result = operation(&mut self.wasi.files);
        let work = self.wasi.files.take_work();
        self.meter.charge(work).map_err(stopped)?;
        result.map_err(|error| self.file_error(error))
    }
}

/// A list of buffers: pointers checked for number and total size, not yet for being in memory.
pub(super) struct Buffers {
    pub(super) list: Vec<GuestPtr<[u8]>>,
    /// Bytes of all together; fits 32 bits.
    pub(super) total: u64,
}

impl Host {
    /// Every buffer is paid for, however empty, before the list is read.
    fn collect(
        &mut self,
        count: u32,
        buffers: impl Iterator<Item = Result<GuestPtr<[u8]>, Error>>,
    ) -> Result<Buffers, Error> {
        if count > VECTORS_MAX {
            return Err(Errno::Inval.into());
        }
        self.meter.charge(u64::from(count) * u64::from(COSTS.buffer)).map_err(stopped)?;
        let list = buffers.collect::<Result<Vec<_>, _>>()?;
        let total = list.iter().map(|buffer| u64::from(buffer.len())).sum();
        if total > u64::from(u32::MAX) {
            return Err(Errno::Inval.into());
        }
        Ok(Buffers { list, total })
    }

    /// The buffers of a reading call.
    pub(super) fn buffers_to_fill(
        &mut self,
        memory: &GuestMemory<'_>,
        vectors: types::IovecArray,
    ) -> Result<Buffers, Error> {
        let buffers = vectors.iter().map(|pointer| {
            let vector: types::Iovec = memory.read(pointer?)?;
            Ok(vector.buf.as_array(vector.buf_len))
        });
        self.collect(vectors.len(), buffers)
    }

    /// The buffers of a writing call.
    pub(super) fn buffers_to_take(
        &mut self,
        memory: &GuestMemory<'_>,
        vectors: types::CiovecArray,
    ) -> Result<Buffers, Error> {
        let buffers = vectors.iter().map(|pointer| {
            let vector: types::Ciovec = memory.read(pointer?)?;
            Ok(vector.buf.as_array(vector.buf_len))
        });
        self.collect(vectors.len(), buffers)
    }
}

/// Copies `data` into the buffers, in order. They have at least that much room.
pub(super) fn fill(memory: &mut GuestMemory<'_>, buffers: &Buffers, mut data: &[u8]) -> Result<(), Error> {
    for buffer in &buffers.list {
        // The whole buffer must be in memory, even where less of it is filled.
        let into = slice_mut(memory, *buffer)?;
        let (now, later) = data.split_at(data.len().min(into.len()));
        into[..now.len()].copy_from_slice(now);
        data = later;
    }
    Ok(())
}

/// Guest memory to be written.
pub(super) fn slice_mut<'m>(
    memory: &'m mut GuestMemory<'_>,
    buffer: GuestPtr<[u8]>,
) -> Result<&'m mut [u8], Error> {
    // Memories are never shared here.
    memory.as_slice_mut(buffer)?.ok_or_else(|| Errno::Fault.into())
}

/// Guest memory to be read.
pub(super) fn slice<'m>(memory: &'m GuestMemory<'_>, buffer: GuestPtr<[u8]>) -> Result<&'m [u8], Error> {
    memory.as_slice(buffer)?.ok_or_else(|| Errno::Fault.into())
}

/// A path or other text of the guest.
pub(super) fn text(memory: &GuestMemory<'_>, text: GuestPtr<str>) -> Result<String, Error> {
    // Before a byte of it is looked at.
    if text.as_bytes().len() as usize > PATH_MAX {
        return Err(Errno::Nametoolong.into());
    }
    memory.as_str(text)?.map(str::to_owned).ok_or_else(|| Errno::Fault.into())
}
