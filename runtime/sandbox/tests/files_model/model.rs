//! What calls on files must do, written down a second time and as plainly as possible: maps, copies and recursion.

use std::collections::BTreeMap;

use super::call::{Call, Open, TARGETS, letters};
use super::tree::{Id, Last, Node, Tree};
use errno::*;

pub(crate) type Errno = u16;
pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// Error numbers, by the specification.
pub(crate) mod errno {
    use super::Errno;

    pub(crate) const BADF: Errno = 8;
    pub(crate) const EXIST: Errno = 20;
    pub(crate) const FBIG: Errno = 22;
    pub(crate) const INVAL: Errno = 28;
    pub(crate) const ISDIR: Errno = 31;
    pub(crate) const LOOP: Errno = 32;
    pub(crate) const MFILE: Errno = 33;
    pub(crate) const NOENT: Errno = 44;
    pub(crate) const NOTDIR: Errno = 54;
    pub(crate) const NOTEMPTY: Errno = 55;
    pub(crate) const PERM: Errno = 63;
    pub(crate) const SPIPE: Errno = 70;
    pub(crate) const NOTCAPABLE: Errno = 76;
}

/// Descriptors that can be open in a run on the model.
pub(crate) const DESCRIPTORS_MAX: usize = 9;
/// Longest file and furthest offset.
const FILE_MAX: u64 = 1 << 40;
const OFFSET_MAX: u64 = i64::MAX as u64;

/// Rights, by the specification's numbers.
mod right {
    pub(super) const READ: u64 = 1 << 1;
    pub(super) const SEEK: u64 = 1 << 2;
    pub(super) const SET_FLAGS: u64 = 1 << 3;
    pub(super) const SYNC: u64 = 1 << 4;
    pub(super) const TELL: u64 = 1 << 5;
    pub(super) const WRITE: u64 = 1 << 6;
    pub(super) const ALLOCATE: u64 = 1 << 8;
    pub(super) const CREATE_DIR: u64 = 1 << 9;
    pub(super) const CREATE_FILE: u64 = 1 << 10;
    pub(super) const LINK_SOURCE: u64 = 1 << 11;
    pub(super) const LINK_TARGET: u64 = 1 << 12;
    pub(super) const OPEN: u64 = 1 << 13;
    pub(super) const LIST: u64 = 1 << 14;
    pub(super) const READ_LINK: u64 = 1 << 15;
    pub(super) const RENAME_SOURCE: u64 = 1 << 16;
    pub(super) const RENAME_TARGET: u64 = 1 << 17;
    pub(super) const PATH_STAT: u64 = 1 << 18;
    pub(super) const PATH_SET_SIZE: u64 = 1 << 19;
    pub(super) const STAT: u64 = 1 << 21;
    pub(super) const SET_SIZE: u64 = 1 << 22;
    pub(super) const SYMLINK: u64 = 1 << 24;
    pub(super) const REMOVE_DIR: u64 = 1 << 25;
    pub(super) const UNLINK: u64 = 1 << 26;
    /// Of any file: 0 to 8, 21 to 23, 27.
    pub(super) const OF_FILES: u64 = 0x1ff | 7 << 21 | 1 << 27;
    /// Of folders: 0, 3, 4, 9 to 21, 23 to 26.
    pub(super) const OF_FOLDERS: u64 = 1 | 1 << 3 | 1 << 4 | 0x1fff << 9 | 0xf << 23;
    pub(super) const OF_STREAMS: u64 = 1 << 27 | STAT | SET_FLAGS;
}

#[derive(Clone, Debug)]
enum Object {
    Stdin,
    Output,
    Dir { id: Id, listing: Option<Vec<(String, Id, u8)>> },
    File { id: Id, offset: u64, read: bool, write: bool },
}

#[derive(Clone, Debug)]
struct Descriptor {
    object: Object,
    flags: u16,
    base: u64,
    inheriting: u64,
}

/// What a call must leave: numbers at offsets, and bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) out: Vec<(usize, Vec<u8>)>,
    pub(crate) into: Vec<u8>,
}

impl Reply {
    fn number(value: u64) -> Self {
        Reply { out: vec![(0, value.to_le_bytes().to_vec())], into: Vec::new() }
    }

    fn bytes(into: Vec<u8>) -> Self {
        Reply { into: into.clone(), ..Reply::number(into.len() as u64) }
    }
}

/// Files and descriptors of a run.
pub(crate) struct Model {
    tree: Tree,
    descriptors: BTreeMap<u32, Descriptor>,
}

impl Model {
    /// A run that starts.
    pub(crate) fn new() -> Self {
        let open = |object| Descriptor { object, flags: 0, base: u64::MAX, inheriting: u64::MAX };
        let descriptors = BTreeMap::from([
            (0, open(Object::Stdin)),
            (1, open(Object::Output)),
            (2, open(Object::Output)),
            (3, open(Object::Dir { id: 1, listing: None })),
        ]);
        Model { tree: Tree::new(), descriptors }
    }

    fn get(&self, fd: u32, rights: u64) -> Result<&Descriptor> {
        let descriptor = self.descriptors.get(&fd).ok_or(BADF)?;
        if descriptor.base & rights == rights { Ok(descriptor) } else { Err(NOTCAPABLE) }
    }

    fn dir(&self, fd: u32, rights: u64) -> Result<Id> {
        match self.descriptors.get(&fd).ok_or(BADF)?.object {
            Object::Dir { id, .. } => self.get(fd, rights).map(|_| id),
            _ => Err(NOTDIR),
        }
    }

    /// File, offset, reading, writing, appending.
    fn file(&self, fd: u32, rights: u64) -> Result<(Id, u64, bool, bool, bool)> {
        let descriptor = self.get(fd, rights)?;
        match descriptor.object {
            Object::File { id, offset, read, write } => {
                Ok((id, offset, read, write, descriptor.flags & 1 != 0))
            }
            Object::Dir { .. } => Err(BADF),
            Object::Stdin | Object::Output => Err(SPIPE),
        }
    }

    fn move_to(&mut self, fd: u32, to: u64) {
        if let Some(Descriptor { object: Object::File { offset, .. }, .. }) = self.descriptors.get_mut(&fd) {
            *offset = to;
        }
    }

    /// What is open, but for the stream that answers go to.
    pub(crate) fn open_descriptors(&self) -> Open {
        let mut open = Open::default();
        for (&fd, Descriptor { object, .. }) in &self.descriptors {
            match object {
                _ if fd == 2 => {}
                Object::Dir { .. } => open.folders.push(fd),
                Object::File { .. } => open.files.push(fd),
                Object::Stdin | Object::Output => open.streams.push(fd),
            }
        }
        open
    }

    /// The rights that a descriptor has, and those that can be had through it.
    pub(crate) fn rights(&self, fd: u32) -> (u64, u64) {
        let Some(descriptor) = self.descriptors.get(&fd) else { return (0, 0) };
        let (base, inheriting) = match descriptor.object {
            Object::Stdin => (right::OF_STREAMS | right::READ, 0),
            Object::Output => (right::OF_STREAMS | right::WRITE, 0),
            Object::Dir { .. } => (right::OF_FOLDERS, right::OF_FOLDERS | right::OF_FILES),
            Object::File { read, write, .. } => {
                let unread = if read { 0 } else { right::READ };
                let unwritten = if write { 0 } else { right::WRITE | right::ALLOCATE | right::SET_SIZE };
                (right::OF_FILES & !unread & !unwritten, 0)
            }
        };
        (base & descriptor.base, inheriting & descriptor.inheriting)
    }

    fn stat(&self, id: Id) -> Reply {
        let size = match &self.tree.nodes[&id] {
            Node::File(bytes) => bytes.len(),
            Node::Link(target) => target.len(),
            Node::Dir { .. } => 0,
        };
        // Device, inode, kind, names, size; then times, which follow the gas and are not modelled.
        let numbers = [1, id, self.tree.kind(id).into(), self.tree.names_of(id), size as u64];
        Reply {
            out: vec![(0, numbers.iter().flat_map(|number| number.to_le_bytes()).collect())],
            into: Vec::new(),
        }
    }

    /// Regular files by path, and how many names there are.
    pub(crate) fn left(&self) -> (BTreeMap<String, Vec<u8>>, u64) {
        self.tree.left()
    }

    /// Makes a call.
    ///
    /// # Errors
    /// The error number; nothing has changed then.
    pub(crate) fn call(&mut self, call: Call) -> Result<Reply> {
        let done = Reply::default();
        match call {
            Call::Open { fd, follow, path, flags, rights, append } => {
                self.open(fd, follow, path, flags, rights, append).map(|fd| Reply::number(fd.into()))
            }
            Call::Close { fd } => self.descriptors.remove(&fd).map(|_| done).ok_or(BADF),
            Call::Renumber { from, to } => {
                self.get(to, 0)?;
                let descriptor = self.get(from, 0)?.clone();
                if from != to {
                    self.descriptors.remove(&from);
                    self.descriptors.insert(to, descriptor);
                }
                Ok(done)
            }
            Call::Read { fd, len } => {
                match self.get(fd, right::READ)?.object {
                    Object::Stdin => return Ok(Reply::bytes(Vec::new())),
                    Object::Output => return Err(BADF),
                    Object::Dir { .. } => return Err(ISDIR),
                    Object::File { .. } => {}
                }
                let (_, offset, ..) = self.file(fd, right::READ)?;
                let bytes = self.read(fd, len, offset)?;
                self.move_to(fd, offset + bytes.len() as u64);
                Ok(Reply::bytes(bytes))
            }
            Call::Pread { fd, len, offset } => {
                if let Object::Dir { .. } = self.get(fd, 0)?.object {
                    return Err(ISDIR);
                }
                self.file(fd, right::SEEK)?;
                if offset > OFFSET_MAX { Err(INVAL) } else { self.read(fd, len, offset).map(Reply::bytes) }
            }
            Call::Write { fd, from, len } => {
                match self.get(fd, right::WRITE)?.object {
                    Object::Output => return Ok(Reply::number(len.into())),
                    Object::Stdin | Object::Dir { .. } => return Err(BADF),
                    Object::File { .. } => {}
                }
                let (_, offset, ..) = self.file(fd, right::WRITE)?;
                let end = self.write(fd, from, len, offset)?;
                self.move_to(fd, end);
                Ok(Reply::number(len.into()))
            }
            Call::Pwrite { fd, from, len, offset } => {
                self.file(fd, right::SEEK)?;
                if offset > OFFSET_MAX {
                    return Err(INVAL);
                }
                self.write(fd, from, len, offset)?;
                Ok(Reply::number(len.into()))
            }
            Call::Seek { fd, delta, whence } => {
                if whence > 2 {
                    return Err(INVAL);
                }
                let is_tell = whence == 1 && delta == 0;
                let (id, offset, ..) = self.file(fd, if is_tell { right::TELL } else { right::SEEK })?;
                let base = [0, offset, self.tree.bytes(id).len() as u64][whence as usize];
                let to = i128::from(base) + i128::from(delta);
                if to < 0 || to > i128::from(OFFSET_MAX) {
                    return Err(INVAL);
                }
                self.move_to(fd, to as u64);
                Ok(Reply::number(to as u64))
            }
            Call::Tell { fd } => self.file(fd, right::TELL).map(|(_, offset, ..)| Reply::number(offset)),
            Call::SetSize { fd, size } => {
                let (id, _, _, write, _) = self.file(fd, right::SET_SIZE)?;
                if !write || size > OFFSET_MAX {
                    return Err(INVAL);
                }
                if size > FILE_MAX {
                    return Err(FBIG);
                }
                self.tree.bytes(id).resize(size as usize, 0);
                Ok(done)
            }
            Call::Allocate { fd, offset, len } => {
                let (id, _, _, write, _) = self.file(fd, right::ALLOCATE)?;
                if !write {
                    return Err(BADF);
                }
                if len == 0 || len > OFFSET_MAX || offset > OFFSET_MAX {
                    return Err(INVAL);
                }
                if offset + len > FILE_MAX {
                    return Err(FBIG);
                }
                let bytes = self.tree.bytes(id);
                bytes.resize(bytes.len().max((offset + len) as usize), 0);
                Ok(done)
            }
            Call::Stat { fd } => match self.get(fd, right::STAT)?.object {
                Object::File { id, .. } | Object::Dir { id, .. } => Ok(self.stat(id)),
                Object::Stdin | Object::Output => Ok(Reply { out: vec![(0, vec![0; 64])], into: Vec::new() }),
            },
            Call::DescriptorStat { fd } => {
                let Descriptor { object, flags, .. } = self.get(fd, 0)?;
                let kind = match object {
                    Object::File { .. } => 4,
                    Object::Dir { .. } => 3,
                    Object::Stdin | Object::Output => 0,
                };
                let (base, inheriting) = self.rights(fd);
                let numbers = [kind | u64::from(*flags) << 16, base, inheriting];
                let out = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                Ok(Reply { out: vec![(0, out)], into: Vec::new() })
            }
            Call::SetFlags { fd, flags } => {
                self.get(fd, right::SET_FLAGS)?;
                self.descriptors.get_mut(&fd).ok_or(BADF)?.flags = flags as u16;
                Ok(done)
            }
            Call::SetRights { fd, base, inheriting } => {
                self.get(fd, 0)?;
                let (has, has_inheriting) = self.rights(fd);
                if base & !has != 0 || inheriting & !has_inheriting != 0 {
                    return Err(NOTCAPABLE);
                }
                let descriptor = self.descriptors.get_mut(&fd).ok_or(BADF)?;
                (descriptor.base, descriptor.inheriting) = (base, inheriting);
                Ok(done)
            }
            Call::List { fd, len, cookie } => self.list(fd, len, cookie),
            Call::Sync { fd } => match self.get(fd, right::SYNC)?.object {
                Object::Stdin | Object::Output => Err(INVAL),
                Object::Dir { .. } | Object::File { .. } => Ok(done),
            },
            Call::CreateDir { fd, path } => {
                let dir = self.dir(fd, right::CREATE_DIR)?;
                let spot = self.tree.vacant(dir, path, true)?;
                self.tree.add(&spot, Node::Dir { entries: BTreeMap::new(), parent: spot.dir() });
                Ok(done)
            }
            Call::PathStat { fd, follow, path } => {
                let dir = self.dir(fd, right::PATH_STAT)?;
                let last = if follow { Last::Yes } else { Last::IfSlash };
                self.tree.existing(dir, path, last).map(|(_, id)| self.stat(id))
            }
            Call::Link { from, to } => {
                let old = self.dir(from.0, right::LINK_SOURCE)?;
                let new = self.dir(to.0, right::LINK_TARGET)?;
                let (_, id) = self.tree.existing(old, from.1, Last::IfSlash)?;
                if self.tree.is_dir(id) {
                    return Err(PERM);
                }
                let spot = self.tree.vacant(new, to.1, false)?;
                let name = spot.name.clone().ok_or(EXIST)?;
                self.tree.entries_mut(spot.dir()).insert(name, id);
                Ok(done)
            }
            Call::ReadLink { fd, path, len } => {
                let dir = self.dir(fd, right::READ_LINK)?;
                let (_, id) = self.tree.existing(dir, path, Last::IfSlash)?;
                let Node::Link(target) = &self.tree.nodes[&id] else { return Err(INVAL) };
                Ok(Reply::bytes(target.bytes().take(len as usize).collect()))
            }
            Call::RemoveDir { fd, path } => {
                let dir = self.dir(fd, right::REMOVE_DIR)?;
                let (spot, id) = self.tree.existing(dir, path, Last::Never)?;
                let name = spot.name.clone().ok_or(INVAL)?;
                if !self.tree.is_dir(id) {
                    return Err(NOTDIR);
                }
                if !self.tree.entries(id).is_empty() {
                    return Err(NOTEMPTY);
                }
                self.tree.entries_mut(spot.dir()).remove(&name);
                Ok(done)
            }
            Call::Rename { from, to } => self.rename(from, to).map(|()| done),
            Call::Symlink { target, fd, path } => {
                let dir = self.dir(fd, right::SYMLINK)?;
                if TARGETS[target].starts_with('/') {
                    return Err(PERM);
                }
                let spot = self.tree.vacant(dir, path, false)?;
                self.tree.add(&spot, Node::Link(TARGETS[target].to_owned()));
                Ok(done)
            }
            Call::Unlink { fd, path } => {
                let dir = self.dir(fd, right::UNLINK)?;
                let (spot, id) = self.tree.existing(dir, path, Last::Never)?;
                if self.tree.is_dir(id) {
                    return Err(ISDIR);
                }
                let name = spot.name.clone().ok_or(ISDIR)?;
                self.tree.entries_mut(spot.dir()).remove(&name);
                Ok(done)
            }
        }
    }

    fn open(
        &mut self,
        fd: u32,
        follow: bool,
        path: usize,
        flags: u64,
        rights: u64,
        append: bool,
    ) -> Result<u32> {
        let [create, directory, exclusive, truncate] = [1, 2, 4, 8].map(|flag| flags & flag != 0);
        let mut needed = right::OPEN;
        needed |= if create { right::CREATE_FILE } else { 0 };
        needed |= if truncate { right::PATH_SET_SIZE } else { 0 };
        let dir = self.dir(fd, needed)?;
        let inheriting = self.get(fd, 0)?.inheriting;
        if rights & !inheriting != 0 {
            return Err(NOTCAPABLE);
        }
        if self.descriptors.len() >= DESCRIPTORS_MAX {
            return Err(MFILE);
        }
        if create && directory {
            return Err(INVAL);
        }
        let last = match (create && exclusive, follow) {
            (true, _) => Last::Never,
            (false, true) => Last::Yes,
            (false, false) => Last::IfSlash,
        };
        let spot = self.tree.at(dir, path, last)?;
        let id = match spot.node {
            Some(_) if create && exclusive => return Err(EXIST),
            Some(id) => id,
            None if !create => return Err(NOENT),
            None if spot.slash => return Err(ISDIR),
            None if self.tree.names_of(spot.dir()) == 0 => return Err(NOENT),
            None => self.tree.add(&spot, Node::File(Vec::new())),
        };
        let (read, write) = (rights & right::READ != 0, rights & right::WRITE != 0);
        let object = match &self.tree.nodes[&id] {
            Node::Link(_) => return Err(LOOP),
            Node::Dir { .. } if write || truncate || create => return Err(ISDIR),
            Node::Dir { .. } => Object::Dir { id, listing: None },
            Node::File(_) if directory || spot.slash => return Err(NOTDIR),
            Node::File(_) => Object::File { id, offset: 0, read, write },
        };
        if truncate {
            self.tree.bytes(id).clear();
        }
        let number = (0..).find(|number| !self.descriptors.contains_key(number)).ok_or(MFILE)?;
        let flags = u16::from(append);
        self.descriptors.insert(number, Descriptor { object, flags, base: inheriting, inheriting });
        Ok(number)
    }

    fn read(&mut self, fd: u32, len: u32, offset: u64) -> Result<Vec<u8>> {
        let (id, _, read, ..) = self.file(fd, right::READ)?;
        if !read {
            return Err(BADF);
        }
        let bytes = self.tree.bytes(id);
        let start = (offset as usize).min(bytes.len());
        Ok(bytes[start..].iter().take(len as usize).copied().collect())
    }

    /// Returns where the next write goes.
    fn write(&mut self, fd: u32, from: u32, len: u32, offset: u64) -> Result<u64> {
        let (id, _, _, write, append) = self.file(fd, right::WRITE)?;
        if !write {
            return Err(BADF);
        }
        let offset = if append { self.tree.bytes(id).len() as u64 } else { offset };
        let end = offset + u64::from(len);
        if len == 0 {
            return Ok(offset);
        }
        if end > FILE_MAX {
            return Err(FBIG);
        }
        let bytes = self.tree.bytes(id);
        bytes.resize(bytes.len().max(end as usize), 0);
        bytes[offset as usize..end as usize].copy_from_slice(&letters(from, len));
        Ok(end)
    }

    fn list(&mut self, fd: u32, len: u32, cookie: u64) -> Result<Reply> {
        let dir = self.dir(fd, right::LIST)?;
        let mut now = Vec::new();
        let Node::Dir { parent, .. } = self.tree.nodes[&dir] else { return Err(NOTDIR) };
        now.push((".".to_owned(), dir, 3));
        now.push(("..".to_owned(), parent, 3));
        now.extend(self.tree.entries(dir).iter().map(|(name, id)| (name.clone(), *id, self.tree.kind(*id))));
        let Some(Descriptor { object: Object::Dir { listing, .. }, .. }) = self.descriptors.get_mut(&fd)
        else {
            return Err(NOTDIR);
        };
        if cookie == 0 {
            *listing = None;
        }
        let mut bytes = Vec::new();
        for (next, (name, id, kind)) in (1_u64..).zip(listing.get_or_insert(now)) {
            if next > cookie {
                bytes.extend(next.to_le_bytes());
                bytes.extend(id.to_le_bytes());
                bytes.extend((name.len() as u64 | u64::from(*kind) << 32).to_le_bytes());
                bytes.extend(name.as_bytes());
            }
        }
        bytes.truncate(len as usize);
        Ok(Reply::bytes(bytes))
    }

    fn rename(&mut self, from: (u32, usize), to: (u32, usize)) -> Result<()> {
        let old = self.dir(from.0, right::RENAME_SOURCE)?;
        let new = self.dir(to.0, right::RENAME_TARGET)?;
        let (source, id) = self.tree.existing(old, from.1, Last::Never)?;
        let target = self.tree.at(new, to.1, Last::Never)?;
        let (Some(name), Some(new_name)) = (source.name.clone(), target.name.clone()) else {
            return Err(INVAL);
        };
        let is_dir = self.tree.is_dir(id);
        if target.slash && !is_dir {
            return Err(NOTDIR);
        }
        if target.node == Some(id) {
            return Ok(());
        }
        if is_dir && self.tree.is_below(target.dir(), id) {
            return Err(INVAL);
        }
        if self.tree.names_of(target.dir()) == 0 {
            return Err(NOENT);
        }
        match target.node {
            Some(there) if is_dir && !self.tree.is_dir(there) => return Err(NOTDIR),
            Some(there) if !is_dir && self.tree.is_dir(there) => return Err(ISDIR),
            Some(there) if is_dir && !self.tree.entries(there).is_empty() => return Err(NOTEMPTY),
            _ => {}
        }
        self.tree.entries_mut(source.dir()).remove(&name);
        self.tree.entries_mut(target.dir()).insert(new_name, id);
        if let Some(Node::Dir { parent, .. }) = self.tree.nodes.get_mut(&id) {
            *parent = target.dir();
        }
        Ok(())
    }
}
