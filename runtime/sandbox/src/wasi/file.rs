//! Open descriptors: reading, writing, seeking, closing.

use wasi_common::Error;
use wasi_common::snapshots::preview_1::types::{
    CiovecArray, Errno, Fd, Fdflags, Filestat, Filetype, IovecArray, Rights, Whence,
};
use wiggle::GuestMemory;

use super::descriptors::{Descriptor, Object};
use super::memory::{Buffers, fill, slice, stopped};
use crate::files::{FILE_MAX, Inode, Kind, Stat};
use crate::host::Host;

/// An open file as a call needs it.
pub(super) struct OpenFile {
    inode: Inode,
    offset: u64,
    read: bool,
    write: bool,
    append: bool,
}

impl Host {
    /// The file behind a descriptor, for a call that needs rights.
    pub(super) fn file(&self, fd: Fd, rights: Rights) -> Result<OpenFile, Error> {
        let descriptor = self.wasi.descriptors.get(fd.into())?.need(rights)?;
        match descriptor.object {
            Object::File { inode, offset, read, write } => Ok(OpenFile {
                inode,
                offset,
                read,
                write,
                append: descriptor.flags.contains(Fdflags::APPEND),
            }),
            Object::Stdin | Object::Stdout | Object::Stderr => Err(Errno::Spipe.into()),
            Object::Folder { .. } => Err(Errno::Badf.into()),
        }
    }

    fn set_offset(&mut self, fd: Fd, new: u64) -> Result<(), Error> {
        if let Object::File { offset, .. } = &mut self.wasi.descriptors.get_mut(fd.into())?.object {
            *offset = new;
        }
        Ok(())
    }

    pub(super) fn read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: IovecArray,
    ) -> Result<u32, Error> {
        match self.wasi.descriptors.get(fd.into())?.need(Rights::FD_READ)?.object {
            Object::Stdin => {
                let buffers = self.buffers_to_fill(memory, buffers)?;
                let at = self.wasi.stdin_at;
                let rest = self.wasi.stdin.slice(at..);
                let count = self.read_bytes(memory, &buffers, &rest)?;
                self.wasi.stdin_at = at + count as usize;
                Ok(count)
            }
            Object::Stdout | Object::Stderr => Err(Errno::Badf.into()),
            Object::Folder { .. } => Err(Errno::Isdir.into()),
            Object::File { offset, .. } => {
                let count = self.read_file(memory, fd, buffers, offset)?;
                self.set_offset(fd, offset + u64::from(count))?;
                Ok(count)
            }
        }
    }

    pub(super) fn read_at(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: IovecArray,
        offset: u64,
    ) -> Result<u32, Error> {
        if let Object::Folder { .. } = self.wasi.descriptors.get(fd.into())?.object {
            return Err(Errno::Isdir.into());
        }
        self.positioned(fd, offset)?;
        self.read_file(memory, fd, buffers, offset)
    }

    /// Reading and writing at an offset is for objects that have one, and no further than `off_t` reaches.
    fn positioned(&self, fd: Fd, offset: u64) -> Result<OpenFile, Error> {
        let file = self.file(fd, Rights::FD_SEEK)?;
        if i64::try_from(offset).is_ok() { Ok(file) } else { Err(Errno::Inval.into()) }
    }

    fn read_file(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: IovecArray,
        offset: u64,
    ) -> Result<u32, Error> {
        let file = self.file(fd, Rights::FD_READ)?;
        if !file.read {
            return Err(Errno::Badf.into());
        }
        let buffers = self.buffers_to_fill(memory, buffers)?;
        let available = match self.wasi.files.bytes_from(file.inode, offset) {
            Ok(bytes) => bytes.len() as u64,
            Err(error) => return Err(self.file_error(error)),
        };
        self.meter.charge_bytes(buffers.total.min(available)).map_err(stopped)?;
        match self.wasi.files.bytes_from(file.inode, offset) {
            Ok(bytes) => take(memory, &buffers, bytes),
            Err(error) => Err(self.file_error(error)),
        }
    }

    fn read_bytes(
        &mut self,
        memory: &mut GuestMemory<'_>,
        buffers: &Buffers,
        bytes: &[u8],
    ) -> Result<u32, Error> {
        self.meter.charge_bytes(buffers.total.min(bytes.len() as u64)).map_err(stopped)?;
        take(memory, buffers, bytes)
    }

    pub(super) fn write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: CiovecArray,
    ) -> Result<u32, Error> {
        match self.wasi.descriptors.get(fd.into())?.need(Rights::FD_WRITE)?.object {
            Object::Stdin | Object::Folder { .. } => Err(Errno::Badf.into()),
            Object::Stdout => self.write_stream(memory, buffers, true),
            Object::Stderr => self.write_stream(memory, buffers, false),
            Object::File { offset, .. } => {
                let (count, end) = self.write_file(memory, fd, buffers, offset)?;
                self.set_offset(fd, end)?;
                Ok(count)
            }
        }
    }

    pub(super) fn write_at(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: CiovecArray,
        offset: u64,
    ) -> Result<u32, Error> {
        self.positioned(fd, offset)?;
        self.write_file(memory, fd, buffers, offset).map(|(count, _)| count)
    }

    /// Writes at an offset, or at the end of a file open for appending (which holds for `fd_pwrite` too, as on
    /// Linux). Returns how much was written and where the next write goes.
    fn write_file(
        &mut self,
        memory: &GuestMemory<'_>,
        fd: Fd,
        buffers: CiovecArray,
        offset: u64,
    ) -> Result<(u32, u64), Error> {
        let file = self.file(fd, Rights::FD_WRITE)?;
        if !file.write {
            return Err(Errno::Badf.into());
        }
        let buffers = self.buffers_to_take(memory, buffers)?;
        self.meter.charge_bytes(buffers.total).map_err(stopped)?;
        check(memory, &buffers)?;
        let mut offset = if file.append { self.with_files(|files| files.size(file.inode))? } else { offset };
        if buffers.total > 0 && offset.saturating_add(buffers.total) > FILE_MAX {
            return Err(Errno::Fbig.into());
        }
        for buffer in &buffers.list {
            let data = slice(memory, *buffer)?;
            self.with_files(|files| files.write(file.inode, offset, data))?;
            offset = offset.saturating_add(data.len() as u64);
        }
        // `buffers_to_take` has bounded it.
        Ok((buffers.total as u32, offset))
    }

    /// Standard output or error. Both count into the job's output bytes.
    fn write_stream(
        &mut self,
        memory: &GuestMemory<'_>,
        buffers: CiovecArray,
        is_output: bool,
    ) -> Result<u32, Error> {
        let buffers = self.buffers_to_take(memory, buffers)?;
        self.meter.charge_bytes(buffers.total).map_err(stopped)?;
        check(memory, &buffers)?;
        self.with_files(|files| files.use_bytes(buffers.total))?;
        let stream = if is_output { &mut self.wasi.stdout } else { &mut self.wasi.stderr };
        let start = stream.len();
        for buffer in &buffers.list {
            stream.extend_from_slice(slice(memory, *buffer)?);
        }
        if let Some(observer) = &mut self.observer {
            let new = &stream[start..];
            if is_output { observer.stdout(new) } else { observer.stderr(new) }
        }
        Ok(buffers.total as u32)
    }

    pub(super) fn seek(&mut self, fd: Fd, delta: i64, whence: Whence) -> Result<u64, Error> {
        // Asking where one stands is `fd_tell`, which has a right of its own.
        let right = if delta == 0 && whence == Whence::Cur { Rights::FD_TELL } else { Rights::FD_SEEK };
        let file = self.file(fd, right)?;
        let base = match whence {
            Whence::Set => 0,
            Whence::Cur => file.offset,
            Whence::End => self.with_files(|files| files.size(file.inode))?,
        };
        let new = base.checked_add_signed(delta).filter(|&new| i64::try_from(new).is_ok());
        let new = new.ok_or(Errno::Inval)?;
        self.set_offset(fd, new)?;
        Ok(new)
    }

    pub(super) fn set_size(&mut self, fd: Fd, size: u64) -> Result<(), Error> {
        let file = self.file(fd, Rights::FD_FILESTAT_SET_SIZE)?;
        // As `ftruncate` has it.
        if !file.write || i64::try_from(size).is_err() {
            return Err(Errno::Inval.into());
        }
        self.with_files(|files| files.set_size(file.inode, size))
    }

    /// Makes a file at least as long as the range's end. The quota counts it at once, so that no later write into
    /// the range can fail.
    pub(super) fn allocate(&mut self, fd: Fd, offset: u64, len: u64) -> Result<(), Error> {
        let file = self.file(fd, Rights::FD_ALLOCATE)?;
        if !file.write {
            return Err(Errno::Badf.into());
        }
        if len == 0 || i64::try_from(offset).is_err() || i64::try_from(len).is_err() {
            return Err(Errno::Inval.into());
        }
        let end = offset + len;
        self.with_files(
            |files| {
                if files.size(file.inode)? < end { files.set_size(file.inode, end) } else { Ok(()) }
            },
        )
    }

    /// There is nothing to bring to a medium: what has been written is there.
    pub(super) fn sync(&self, fd: Fd, right: Rights) -> Result<(), Error> {
        let descriptor = self.wasi.descriptors.get(fd.into())?.need(right)?;
        match descriptor.object {
            Object::File { .. } | Object::Folder { .. } => Ok(()),
            Object::Stdin | Object::Stdout | Object::Stderr => Err(Errno::Inval.into()),
        }
    }

    pub(super) fn close(&mut self, fd: Fd) -> Result<(), Error> {
        let descriptor = self.wasi.descriptors.remove(fd.into())?;
        self.let_go(&descriptor);
        Ok(())
    }

    pub(super) fn renumber(&mut self, from: Fd, to: Fd) -> Result<(), Error> {
        if let Some(old) = self.wasi.descriptors.renumber(from.into(), to.into())? {
            self.let_go(&old);
        }
        Ok(())
    }

    fn let_go(&mut self, descriptor: &Descriptor) {
        match descriptor.object {
            Object::File { inode, .. } | Object::Folder { inode, preopen: false, .. } => {
                self.wasi.files.release(inode);
            }
            _ => {}
        }
    }

    pub(super) fn stat_open(&mut self, fd: Fd) -> Result<Filestat, Error> {
        let descriptor = self.wasi.descriptors.get(fd.into())?.need(Rights::FD_FILESTAT_GET)?;
        let inode = match descriptor.object {
            Object::File { inode, .. } | Object::Folder { inode, .. } => inode,
            Object::Stdin | Object::Stdout | Object::Stderr => return Ok(stream_stat()),
        };
        self.with_files(|files| files.stat(inode)).map(|stat| filestat(&stat))
    }
}

/// Fills the buffers with as much of `bytes` as they take. Never more than 32 bits count.
fn take(memory: &mut GuestMemory<'_>, buffers: &Buffers, bytes: &[u8]) -> Result<u32, Error> {
    let count = buffers.total.min(bytes.len() as u64);
    fill(memory, buffers, &bytes[..count as usize])?;
    Ok(count as u32)
}

/// Checks every buffer before anything is written, so that a bad one does not leave half of a write.
fn check(memory: &GuestMemory<'_>, buffers: &Buffers) -> Result<(), Error> {
    buffers.list.iter().try_for_each(|buffer| slice(memory, *buffer).map(drop))
}

fn stream_stat() -> Filestat {
    Filestat { dev: 0, ino: 0, filetype: Filetype::Unknown, nlink: 0, size: 0, atim: 0, mtim: 0, ctim: 0 }
}

pub(super) fn filetype(kind: Kind) -> Filetype {
    match kind {
        Kind::File => Filetype::RegularFile,
        Kind::Dir => Filetype::Directory,
        Kind::Link => Filetype::SymbolicLink,
    }
}

pub(super) fn filestat(stat: &Stat) -> Filestat {
    Filestat {
        dev: 1,
        ino: stat.inode,
        filetype: filetype(stat.kind),
        nlink: stat.links,
        size: stat.size,
        atim: stat.accessed,
        mtim: stat.modified,
        ctim: stat.changed,
    }
}
