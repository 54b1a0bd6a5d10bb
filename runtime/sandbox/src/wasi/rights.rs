//! Rights of descriptors: what kind of object and access mode allow, less what the guest has given up.
//!
//! Preview 1 lets a program only narrow rights (`fd_fdstat_set_rights`). What it asks for when it opens a file decides
//! about reading and writing and nothing else, as in every engine of today: programs leave out rights that they use.

use wasi_common::Error;
use wasi_common::snapshots::preview_1::types::{Errno, Fd, Fdflags, Fdstat, Filetype, Rights};

use super::descriptors::{Descriptor, Object};
use crate::host::Host;

/// What the guest has left to a descriptor. Rights that its object never had may stand here and mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) base: Rights,
    /// For descriptors that are opened through this one.
    pub(super) inheriting: Rights,
}

impl Granted {
    pub(super) fn all() -> Self {
        Granted { base: Rights::all(), inheriting: Rights::all() }
    }

    /// Of a descriptor opened through one with these.
    pub(super) fn inherited(self) -> Self {
        Granted { base: self.inheriting, inheriting: self.inheriting }
    }
}

impl Descriptor {
    /// Whether the guest has kept the rights that a call needs.
    pub(super) fn need(&self, rights: Rights) -> Result<&Self, Error> {
        if self.granted.base.contains(rights) { Ok(self) } else { Err(Errno::Notcapable.into()) }
    }

    /// The rights that it has, and those that can be had through it.
    fn rights(&self) -> (Rights, Rights) {
        let (base, inheriting) = match self.object {
            Object::Stdin => (stream_rights() | Rights::FD_READ, Rights::empty()),
            Object::Stdout | Object::Stderr => (stream_rights() | Rights::FD_WRITE, Rights::empty()),
            Object::Folder { .. } => (folder_rights(), folder_rights() | file_rights()),
            Object::File { read, write, .. } => {
                let mut rights = file_rights();
                rights.set(Rights::FD_READ, read);
                rights.set(Rights::FD_WRITE | Rights::FD_ALLOCATE | Rights::FD_FILESTAT_SET_SIZE, write);
                (rights, Rights::empty())
            }
        };
        (base & self.granted.base, inheriting & self.granted.inheriting)
    }
}

impl Host {
    pub(super) fn descriptor_stat(&self, fd: Fd) -> Result<Fdstat, Error> {
        let descriptor = self.wasi.descriptors.get(fd.into())?;
        let fs_filetype = match descriptor.object {
            // Neither a terminal nor a file: C libraries then buffer as for a pipe.
            Object::Stdin | Object::Stdout | Object::Stderr => Filetype::Unknown,
            Object::Folder { .. } => Filetype::Directory,
            Object::File { .. } => Filetype::RegularFile,
        };
        let (fs_rights_base, fs_rights_inheriting) = descriptor.rights();
        Ok(Fdstat { fs_filetype, fs_flags: descriptor.flags, fs_rights_base, fs_rights_inheriting })
    }

    /// Flags that ask for writes to be durable are kept and mean nothing: there is no slower medium behind files.
    pub(super) fn set_flags(&mut self, fd: Fd, flags: Fdflags) -> Result<(), Error> {
        let descriptor = self.wasi.descriptors.get_mut(fd.into())?;
        descriptor.need(Rights::FD_FDSTAT_SET_FLAGS)?;
        descriptor.flags = flags;
        Ok(())
    }

    pub(super) fn set_rights(&mut self, fd: Fd, base: Rights, inheriting: Rights) -> Result<(), Error> {
        let descriptor = self.wasi.descriptors.get_mut(fd.into())?;
        let (has, has_inheriting) = descriptor.rights();
        if !has.contains(base) || !has_inheriting.contains(inheriting) {
            return Err(Errno::Notcapable.into());
        }
        descriptor.granted = Granted { base, inheriting };
        Ok(())
    }
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
        | Rights::FD_ALLOCATE
        | Rights::FD_FILESTAT_GET
        | Rights::FD_FILESTAT_SET_SIZE
        | Rights::FD_FILESTAT_SET_TIMES
        | Rights::POLL_FD_READWRITE
}

fn folder_rights() -> Rights {
    Rights::FD_DATASYNC
        | Rights::FD_FDSTAT_SET_FLAGS
        | Rights::FD_SYNC
        | Rights::PATH_CREATE_DIRECTORY
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
        | Rights::PATH_FILESTAT_SET_SIZE
        | Rights::PATH_FILESTAT_SET_TIMES
        | Rights::FD_FILESTAT_GET
        | Rights::FD_FILESTAT_SET_TIMES
}
