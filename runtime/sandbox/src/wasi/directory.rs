//! Paths and folders: opening, listing, links, times, the preopened root.

use wasi_common::Error;
use wasi_common::snapshots::preview_1::types::{
    Errno, Fd, Fdflags, Filestat, Fstflags, Lookupflags, Oflags, Prestat, PrestatDir, Rights,
};
use wiggle::{GuestMemory, GuestPtr};

use super::descriptors::{Object, PREOPEN_NAME};
use super::file::{filestat, filetype};
use super::memory::{slice_mut, stopped, text};
use crate::files::{Entry, Inode, Kind, Open, SetTime};
use crate::host::Host;

/// Bytes of an encoded directory entry, without its name.
const ENTRY_HEAD: usize = 24;

impl Host {
    /// The folder behind a descriptor, for a call that needs rights.
    fn folder(&self, fd: Fd, rights: Rights) -> Result<Inode, Error> {
        let descriptor = self.wasi.descriptors.get(fd.into())?;
        match descriptor.object {
            Object::Folder { inode, .. } => descriptor.need(rights).map(|_| inode),
            _ => Err(Errno::Notdir.into()),
        }
    }

    /// The folder behind a descriptor, and a path.
    pub(super) fn at(
        &mut self,
        memory: &GuestMemory<'_>,
        (fd, path): (Fd, GuestPtr<str>),
        rights: Rights,
    ) -> Result<(Inode, String), Error> {
        let inode = self.folder(fd, rights)?;
        Ok((inode, text(memory, path)?))
    }

    pub(super) fn open(
        &mut self,
        memory: &GuestMemory<'_>,
        (fd, path): (Fd, GuestPtr<str>),
        lookup: Lookupflags,
        flags: Oflags,
        rights: Rights,
        descriptor_flags: Fdflags,
    ) -> Result<Fd, Error> {
        let (create, truncate) = (flags.contains(Oflags::CREAT), flags.contains(Oflags::TRUNC));
        let mut needed = Rights::PATH_OPEN;
        needed.set(Rights::PATH_CREATE_FILE, create);
        needed.set(Rights::PATH_FILESTAT_SET_SIZE, truncate);
        let (dir, path) = self.at(memory, (fd, path), needed)?;
        let granted = self.wasi.descriptors.get(fd.into())?.granted.inherited();
        let access = rights & (Rights::FD_READ | Rights::FD_WRITE);
        if !granted.base.contains(access) {
            return Err(Errno::Notcapable.into());
        }
        // Before anything is made, for a failed open leaves no file behind.
        if !self.wasi.descriptors.has_room() {
            return Err(Errno::Mfile.into());
        }
        let (read, write) = (access.contains(Rights::FD_READ), access.contains(Rights::FD_WRITE));
        let how = Open {
            follow: lookup.contains(Lookupflags::SYMLINK_FOLLOW),
            create,
            exclusive: flags.contains(Oflags::EXCL),
            truncate,
            directory: flags.contains(Oflags::DIRECTORY),
            write,
        };
        let (inode, kind) = self.with_files(|files| files.open(dir, &path, how))?;
        let object = match kind {
            Kind::Dir => Object::Folder { inode, preopen: false, listing: None },
            Kind::File | Kind::Link => Object::File { inode, offset: 0, read, write },
        };
        self.wasi.descriptors.push(object, descriptor_flags, granted).map(Fd::from)
    }

    pub(super) fn stat_path(
        &mut self,
        memory: &GuestMemory<'_>,
        fd: Fd,
        flags: Lookupflags,
        path: GuestPtr<str>,
    ) -> Result<Filestat, Error> {
        let (dir, path) = self.at(memory, (fd, path), Rights::PATH_FILESTAT_GET)?;
        let follow = flags.contains(Lookupflags::SYMLINK_FOLLOW);
        self.with_files(|files| files.stat_path(dir, &path, follow)).map(|stat| filestat(&stat))
    }

    fn new_times(&self, accessed: u64, modified: u64, flags: Fstflags) -> Result<SetTime, Error> {
        let now = self.realtime();
        let one = |set, set_now, value| match (flags.contains(set), flags.contains(set_now)) {
            (true, true) => Err(Error::from(Errno::Inval)),
            (true, false) => Ok(Some(value)),
            (false, true) => Ok(Some(now)),
            (false, false) => Ok(None),
        };
        Ok(SetTime {
            accessed: one(Fstflags::ATIM, Fstflags::ATIM_NOW, accessed)?,
            modified: one(Fstflags::MTIM, Fstflags::MTIM_NOW, modified)?,
        })
    }

    pub(super) fn set_times_open(
        &mut self,
        fd: Fd,
        accessed: u64,
        modified: u64,
        flags: Fstflags,
    ) -> Result<(), Error> {
        let times = self.new_times(accessed, modified, flags)?;
        match self.wasi.descriptors.get(fd.into())?.need(Rights::FD_FILESTAT_SET_TIMES)?.object {
            Object::File { inode, .. } | Object::Folder { inode, .. } => {
                self.with_files(|files| files.set_times(inode, times))
            }
            Object::Stdin | Object::Stdout | Object::Stderr => Err(Errno::Badf.into()),
        }
    }

    pub(super) fn set_times_path(
        &mut self,
        memory: &GuestMemory<'_>,
        place: (Fd, GuestPtr<str>),
        lookup: Lookupflags,
        accessed: u64,
        modified: u64,
        flags: Fstflags,
    ) -> Result<(), Error> {
        let times = self.new_times(accessed, modified, flags)?;
        let (dir, path) = self.at(memory, place, Rights::PATH_FILESTAT_SET_TIMES)?;
        let follow = lookup.contains(Lookupflags::SYMLINK_FOLLOW);
        self.with_files(|files| files.set_times_path(dir, &path, follow, times))
    }

    /// Like `readlink(2)`, a link longer than the buffer is cut.
    pub(super) fn read_link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
        buffer: GuestPtr<[u8]>,
    ) -> Result<u32, Error> {
        let (dir, path) = self.at(memory, (fd, path), Rights::PATH_READLINK)?;
        let target = self.with_files(|files| files.read_link(dir, &path).map(str::to_owned))?;
        let into = slice_mut(memory, buffer)?;
        let count = target.len().min(into.len());
        into[..count].copy_from_slice(&target.as_bytes()[..count]);
        Ok(count as u32)
    }

    /// Writes entries from `cookie` on, each cut where the buffer ends. A full buffer tells the guest to go on.
    pub(super) fn list(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffer: GuestPtr<[u8]>,
        cookie: u64,
    ) -> Result<u32, Error> {
        self.folder(fd, Rights::FD_READDIR)?;
        let Object::Folder { inode, listing, .. } = &self.wasi.descriptors.get(fd.into())?.object else {
            return Err(Errno::Notdir.into());
        };
        // A listing from the start sees the folder as it is now; later parts see what the start saw.
        if cookie == 0 || listing.is_none() {
            let inode = *inode;
            let listing = self.with_files(|files| files.list(inode))?;
            self.wasi.descriptors.keep_listing(fd.into(), listing)?;
        }
        let into = slice_mut(memory, buffer)?;
        self.meter.charge_bytes(into.len() as u64).map_err(stopped)?;
        let Object::Folder { listing: Some(listing), .. } = &self.wasi.descriptors.get(fd.into())?.object
        else {
            return Err(Errno::Notdir.into());
        };
        let start = usize::try_from(cookie).unwrap_or(usize::MAX).min(listing.len());
        let mut used = 0;
        for (next, entry) in (start as u64 + 1..).zip(&listing[start..]) {
            let head = encode(entry, next);
            for part in [head.as_slice(), entry.name.as_bytes()] {
                let count = part.len().min(into.len() - used);
                into[used..used + count].copy_from_slice(&part[..count]);
                used += count;
            }
            if used == into.len() {
                break;
            }
        }
        Ok(used as u32)
    }

    pub(super) fn preopen(&self, fd: Fd) -> Result<Prestat, Error> {
        match self.wasi.descriptors.get(fd.into())?.object {
            Object::Folder { preopen: true, .. } => {
                Ok(Prestat::Dir(PrestatDir { pr_name_len: PREOPEN_NAME.len() as u32 }))
            }
            _ => Err(Errno::Badf.into()),
        }
    }

    pub(super) fn preopen_name(
        &self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<u8>,
        path_len: u32,
    ) -> Result<(), Error> {
        self.preopen(fd)?;
        let len = PREOPEN_NAME.len() as u32;
        if path_len < len {
            return Err(Errno::Nametoolong.into());
        }
        slice_mut(memory, path.as_array(len))?.copy_from_slice(PREOPEN_NAME);
        Ok(())
    }
}

/// An entry's fields: next cookie, inode, length of the name, type, and three bytes of padding that are zero.
fn encode(entry: &Entry, next: u64) -> [u8; ENTRY_HEAD] {
    let mut head = [0; ENTRY_HEAD];
    head[0..8].copy_from_slice(&next.to_le_bytes());
    head[8..16].copy_from_slice(&entry.inode.to_le_bytes());
    head[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
    head[20] = filetype(entry.kind).into();
    head
}
