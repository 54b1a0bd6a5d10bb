//! Open descriptors: reading, writing, seeking, closing.

use wasi_common::Error;
use wasi_common::snapshots::preview_1::types::{
    CiovecArray, Errno, Fd, Fdflags, Fdstat, Filestat, Filetype, IovecArray, Rights, Whence,
};
use wiggle::GuestMemory;

use super::descriptors::{Descriptor, Object};
use super::memory::{Buffers, fill, slice, stopped};
use crate::files::{Inode, Kind, Stat};
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
    /// The file behind a descriptor.
    pub(super) fn file(&self, fd: Fd) -> Result<OpenFile, Error> {
        let descriptor = self.wasi.descriptors.get(fd.into())?;
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
        match self.wasi.descriptors.get(fd.into())?.object {
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
                let count = self.read_at(memory, fd, buffers, offset)?;
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
        let file = self.file(fd)?;
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
        match self.wasi.descriptors.get(fd.into())?.object {
            Object::Stdin => Err(Errno::Badf.into()),
            Object::Folder { .. } => Err(Errno::Isdir.into()),
            Object::Stdout => self.write_stream(memory, buffers, true),
            Object::Stderr => self.write_stream(memory, buffers, false),
            Object::File { inode, offset, .. } => {
                let append = self.file(fd)?.append;
                let offset = if append { self.with_files(|files| files.size(inode))? } else { offset };
                let count = self.write_file(memory, fd, buffers, offset)?;
                self.set_offset(fd, offset.saturating_add(count.into()))?;
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
        self.write_file(memory, fd, buffers, offset)
    }

    fn write_file(
        &mut self,
        memory: &GuestMemory<'_>,
        fd: Fd,
        buffers: CiovecArray,
        mut offset: u64,
    ) -> Result<u32, Error> {
        let file = self.file(fd)?;
        if !file.write {
            return Err(Errno::Badf.into());
        }
        let buffers = self.buffers_to_take(memory, buffers)?;
        self.meter.charge_bytes(buffers.total).map_err(stopped)?;
        check(memory, &buffers)?;
        for buffer in &buffers.list {
            let data = slice(memory, *buffer)?;
            self.with_files(|files| files.write(file.inode, offset, data))?;
            offset = offset.saturating_add(data.len() as u64);
        }
        // `buffers_to_take` has bounded it.
        Ok(buffers.total as u32)
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
        let file = self.file(fd)?;
        let base = match whence {
            Whence::Set => 0,
            Whence::Cur => file.offset,
            Whence::End => self.with_files(|files| files.size(file.inode))?,
        };
        let new = base.checked_add_signed(delta).ok_or(Errno::Inval)?;
        self.set_offset(fd, new)?;
        Ok(new)
    }

    pub(super) fn set_size(&mut self, fd: Fd, size: u64) -> Result<(), Error> {
        let file = self.file(fd)?;
        if !file.write {
            return Err(Errno::Badf.into());
        }
        self.with_files(|files| files.set_size(file.inode, size))
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
        let inode = match self.wasi.descriptors.get(fd.into())?.object {
            Object::File { inode, .. } | Object::Folder { inode, .. } => inode,
            Object::Stdin | Object::Stdout | Object::Stderr => return Ok(stream_stat()),
        };
        self.with_files(|files| files.stat(inode)).map(|stat| filestat(&stat))
    }

    pub(super) fn descriptor_stat(&self, fd: Fd) -> Result<Fdstat, Error> {
        let descriptor = self.wasi.descriptors.get(fd.into())?;
        let (fs_filetype, fs_rights_base, fs_rights_inheriting) = match descriptor.object {
            // Neither a terminal nor a file: C libraries then buffer as for a pipe.
            Object::Stdin => (Filetype::Unknown, stream_rights() | Rights::FD_READ, Rights::empty()),
            Object::Stdout | Object::Stderr => {
                (Filetype::Unknown, stream_rights() | Rights::FD_WRITE, Rights::empty())
            }
            Object::Folder { .. } => (Filetype::Directory, folder_rights(), folder_rights() | file_rights()),
            Object::File { read, write, .. } => {
                let mut rights = file_rights();
                rights.set(Rights::FD_READ, read);
                rights.set(Rights::FD_WRITE | Rights::FD_FILESTAT_SET_SIZE, write);
                (Filetype::RegularFile, rights, Rights::empty())
            }
        };
        Ok(Fdstat { fs_filetype, fs_flags: descriptor.flags, fs_rights_base, fs_rights_inheriting })
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

fn stream_rights() -> Rights {
    Rights::POLL_FD_READWRITE | Rights::FD_FILESTAT_GET | Rights::FD_FDSTAT_SET_FLAGS
}

fn file_rights() -> Rights {
    Rights::FD_DATASYNC
        | Rights::FD_READ
        | Rights::FD_SEEK
        | Rights::FD_FDSTAT_SET_FLAGS
        | Rights::FD_SYNC
        | Rights::FD_TELL
        | Rights::FD_WRITE
        | Rights::FD_ADVISE
        | Rights::FD_FILESTAT_GET
        | Rights::FD_FILESTAT_SET_SIZE
        | Rights::FD_FILESTAT_SET_TIMES
        | Rights::POLL_FD_READWRITE
}

fn folder_rights() -> Rights {
    Rights::PATH_CREATE_DIRECTORY
        | Rights::PATH_CREATE_FILE
        | Rights::PATH_LINK_SOURCE
        | Rights::PATH_LINK_TARGET
        | Rights::PATH_OPEN
        | Rights::FD_READDIR
        | Rights::PATH_READLINK
        | Rights::PATH_RENAME_SOURCE
        | Rights::PATH_RENAME_TARGET
        | Rights::PATH_SYMLINK
        | Rights::PATH_REMOVE_DIRECTORY
        | Rights::PATH_UNLINK_FILE
        | Rights::PATH_FILESTAT_GET
        | Rights::PATH_FILESTAT_SET_TIMES
        | Rights::FD_FILESTAT_GET
        | Rights::FD_FILESTAT_SET_TIMES
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
