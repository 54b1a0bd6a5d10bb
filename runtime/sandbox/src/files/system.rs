//! The live file system of one run: open files and their bytes, with the job's quotas. Names are in `names`.

mod names;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use fizz_attest::{Digest, LimitKind};
pub(crate) use state::FilesState;

use super::Files;
use super::path::{FileError, Last, PATH_MAX, Place, resolve};
use super::tree::{Content, Inode, Kind, Node, NodeKind, Tree};
use crate::instrument::COSTS;

type Result<T> = std::result::Result<T, FileError>;

/// Largest file, in bytes; the quota is usually smaller.
pub(crate) const FILE_MAX: u64 = 1 << 40;

/// How to open.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Open {
    pub(crate) follow: bool,
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    pub(crate) directory: bool,
    pub(crate) write: bool,
}

/// What a guest learns about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) inode: Inode,
    pub(crate) kind: Kind,
    pub(crate) links: u64,
    pub(crate) size: u64,
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    pub(crate) changed: u64,
}

/// One name in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) inode: Inode,
    pub(crate) kind: Kind,
}

/// A new time for a node, in nanoseconds since 1970; `None` leaves the old one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SetTime {
    pub(crate) accessed: Option<u64>,
    pub(crate) modified: Option<u64>,
}

/// The file system of one run.
pub(crate) struct System {
    /// Shared with the task until the first change.
    tree: Arc<Tree>,
    /// How many descriptors hold a node, so that it outlives its last name.
    holders: BTreeMap<Inode, u64>,
    /// Bytes written by the guest: files, links, and what streams have added.
    used_bytes: u64,
    bytes_max: u64,
    names_max: u64,
    /// Time of the next change, in nanoseconds since 1970.
    pub(crate) now: u64,
    /// Gas that the next operation may cost. What would copy more bytes than that is refused before it starts.
    pub(crate) budget: u64,
    /// Gas for names looked up and bytes copied since it was last taken.
    work: u64,
    /// Hashes of files that did not change since they were made.
    hashes: BTreeMap<Inode, Digest>,
}

impl System {
    /// A fresh system on `files`, whose nodes are numbered in the order of their paths and dated `now`.
    pub(crate) fn new(files: &Files, now: u64, bytes_max: u64, names_max: u64) -> Result<Self> {
        if files.tree.names() > names_max {
            return Err(FileError::Quota(LimitKind::Files));
        }
        Ok(System {
            tree: Arc::new(files.tree.canonical(now)),
            holders: BTreeMap::new(),
            used_bytes: 0,
            bytes_max,
            names_max,
            now,
            budget: u64::MAX,
            work: 0,
            hashes: BTreeMap::new(),
        })
    }

    /// What the guest leaves.
    pub(crate) fn finish(mut self) -> Files {
        Arc::make_mut(&mut self.tree).freeze();
        Files { tree: self.tree }
    }

    /// Gas for names looked up and bytes copied since the last call.
    pub(crate) fn take_work(&mut self) -> u64 {
        std::mem::take(&mut self.work)
    }

    fn work_on_names(&mut self, bytes: u64) {
        self.work = self.work.saturating_add(bytes.saturating_mul(COSTS.path_byte.into()));
    }

    /// To be called before the bytes are touched.
    fn work_on_bytes(&mut self, bytes: u64) -> Result<()> {
        self.work = self.work.saturating_add(bytes.saturating_mul(COSTS.host_byte.into()));
        self.within_budget()
    }

    fn within_budget(&self) -> Result<()> {
        if self.work > self.budget { Err(FileError::OutOfGas) } else { Ok(()) }
    }

    /// Counts bytes that leave by a stream.
    pub(crate) fn use_bytes(&mut self, more: u64) -> Result<()> {
        let used = self.used_bytes.saturating_add(more);
        if used > self.bytes_max {
            return Err(FileError::Quota(LimitKind::OutputBytes));
        }
        self.used_bytes = used;
        Ok(())
    }

    fn resize(&mut self, from: u64, to: u64) -> Result<()> {
        self.used_bytes -= from.min(self.used_bytes);
        let result = self.use_bytes(to);
        if result.is_err() {
            self.used_bytes += from;
        }
        result
    }

    fn resolve(&mut self, base: Inode, path: &str, last: Last) -> Result<Place> {
        self.work_on_names(path.len() as u64);
        let mut names = 0;
        let place = resolve(&self.tree, base, path, last, &mut names);
        self.work_on_names(names);
        place
    }

    /// A place that exists; a trailing slash wants a folder.
    fn existing(&mut self, base: Inode, path: &str, last: Last) -> Result<(Place, Inode)> {
        let place = self.resolve(base, path, last)?;
        let inode = place.node.ok_or(FileError::NotFound)?;
        if place.wants_dir && self.kind(inode)? != Kind::Dir {
            return Err(FileError::NotDir);
        }
        Ok((place, inode))
    }

    fn node(&self, inode: Inode) -> Result<&Node> {
        self.tree.node(inode).ok_or(FileError::Stale)
    }

    fn kind(&self, inode: Inode) -> Result<Kind> {
        self.node(inode).map(Node::kind)
    }

    fn change(&mut self) -> &mut Tree {
        Arc::make_mut(&mut self.tree)
    }

    fn touch(&mut self, inode: Inode) {
        let now = self.now;
        if let Some(node) = self.change().node_mut(inode) {
            node.times.modified = now;
            node.times.changed = now;
        }
    }

    /// A node's names have changed, not its contents.
    fn touch_names(&mut self, inode: Inode) {
        let now = self.now;
        if let Some(node) = self.change().node_mut(inode) {
            node.times.changed = now;
        }
    }

    fn add(&mut self, place: &Place, kind: NodeKind) -> Inode {
        let now = self.now;
        let inode = self.change().add(place.dir, &place.name, kind, now);
        self.touch(place.dir);
        inode
    }

    /// Opens or makes a file or folder; the caller holds it from now on.
    pub(crate) fn open(&mut self, base: Inode, path: &str, how: Open) -> Result<(Inode, Kind)> {
        if how.create && how.directory {
            return Err(FileError::Invalid);
        }
        // A link is something that exists, wherever it points.
        let last = if how.create && how.exclusive { Last::Keep } else { Last::follow_if(how.follow) };
        let place = self.resolve(base, path, last)?;
        let inode = match place.node {
            Some(_) if how.create && how.exclusive => return Err(FileError::Exists),
            Some(inode) => inode,
            None if !how.create => return Err(FileError::NotFound),
            None if place.wants_dir => return Err(FileError::IsDir),
            None => {
                self.room_for(&place, 0)?;
                self.room_for_one_more()?;
                self.add(&place, NodeKind::File(Content::Owned(Vec::new())))
            }
        };
        let kind = self.kind(inode)?;
        match kind {
            Kind::Link => return Err(FileError::TooManyLinks),
            Kind::File if how.directory || place.wants_dir => return Err(FileError::NotDir),
            Kind::Dir if how.write || how.truncate || how.create => return Err(FileError::IsDir),
            Kind::File if how.truncate => self.set_size(inode, 0)?,
            Kind::File | Kind::Dir => {}
        }
        self.hold(inode);
        Ok((inode, kind))
    }

    pub(crate) fn hold(&mut self, inode: Inode) {
        *self.holders.entry(inode).or_insert(0) += 1;
    }

    /// Gives an open node back.
    pub(crate) fn release(&mut self, inode: Inode) {
        if let Some(holders) = self.holders.get_mut(&inode) {
            *holders -= 1;
            if *holders == 0 {
                self.holders.remove(&inode);
                self.forget(inode);
            }
        }
    }

    /// Drops a node without names and holders, with its bytes.
    fn forget(&mut self, inode: Inode) {
        let is_orphan = self.tree.node(inode).is_some_and(|node| node.links == 0);
        if !is_orphan || self.holders.contains_key(&inode) {
            return;
        }
        self.hashes.remove(&inode);
        if let Some(node) = self.change().forget(inode) {
            let bytes = match node.kind {
                NodeKind::File(content) => content.owned_len(),
                NodeKind::Link(target) => target.len() as u64,
                NodeKind::Dir { .. } => 0,
            };
            self.used_bytes -= bytes.min(self.used_bytes);
        }
    }

    fn bytes(&self, inode: Inode) -> Result<&[u8]> {
        match &self.node(inode)?.kind {
            NodeKind::File(content) => Ok(content.as_slice()),
            _ => Err(FileError::IsDir),
        }
    }

    /// The bytes of a file from an offset on.
    pub(crate) fn bytes_from(&self, inode: Inode, offset: u64) -> Result<&[u8]> {
        let bytes = self.bytes(inode)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Ok(&bytes[start..])
    }

    pub(crate) fn size(&self, inode: Inode) -> Result<u64> {
        self.bytes(inode).map(|bytes| bytes.len() as u64)
    }

    /// The bytes of a file, to be written, of at least `len` bytes. What is new is zero.
    fn writable(&mut self, inode: Inode, len: u64) -> Result<&mut Vec<u8>> {
        if len > FILE_MAX {
            return Err(FileError::TooLarge);
        }
        let NodeKind::File(content) = &self.node(inode)?.kind else { return Err(FileError::IsDir) };
        let (old, owned) = (content.as_slice().len() as u64, content.owned_len());
        let new = old.max(len);
        self.resize(owned, new)?;
        // Fresh zeros and a first copy of an input cost as if the guest had written them.
        self.work_on_bytes(new - owned.min(new))?;
        self.hashes.remove(&inode);
        let len = usize::try_from(new).map_err(|_| FileError::TooLarge)?;
        let Some(Node { kind: NodeKind::File(content), .. }) = self.change().node_mut(inode) else {
            return Err(FileError::Stale);
        };
        if let Content::Shared(shared) = content {
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(len).map_err(|_| FileError::HostMemory)?;
            bytes.extend_from_slice(shared);
            *content = Content::Owned(bytes);
        }
        match content {
            Content::Owned(bytes) => {
                bytes.try_reserve(len - bytes.len()).map_err(|_| FileError::HostMemory)?;
                bytes.resize(len, 0);
                Ok(bytes)
            }
            Content::Shared(_) => Err(FileError::Stale),
        }
    }

    /// Writes at an offset. Nothing is written when the quota does not allow all of it.
    pub(crate) fn write(&mut self, inode: Inode, offset: u64, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let end = offset.checked_add(data.len() as u64).ok_or(FileError::TooLarge)?;
        let bytes = self.writable(inode, end)?;
        // `end` fits: the file has at least that many bytes now.
        let (start, end) = (offset as usize, end as usize);
        bytes[start..end].copy_from_slice(data);
        self.touch(inode);
        Ok(())
    }

    pub(crate) fn set_size(&mut self, inode: Inode, size: u64) -> Result<()> {
        let old = self.size(inode)?;
        if size < old {
            self.cut(inode, size)?;
        } else {
            self.writable(inode, size)?;
        }
        self.touch(inode);
        Ok(())
    }

    /// Shortens a file to `size` bytes, of which it has more.
    fn cut(&mut self, inode: Inode, size: u64) -> Result<()> {
        let NodeKind::File(content) = &self.node(inode)?.kind else { return Err(FileError::IsDir) };
        let owned = content.owned_len();
        self.resize(owned, size)?;
        if owned == 0 {
            self.work_on_bytes(size)?;
        }
        self.hashes.remove(&inode);
        let Some(Node { kind: NodeKind::File(content), .. }) = self.change().node_mut(inode) else {
            return Err(FileError::Stale);
        };
        match content {
            Content::Owned(bytes) => {
                bytes.truncate(size as usize);
                bytes.shrink_to(2 * size as usize);
            }
            Content::Shared(bytes) => *content = Content::Owned(bytes[..size as usize].to_vec()),
        }
        Ok(())
    }

    pub(crate) fn stat(&self, inode: Inode) -> Result<Stat> {
        let node = self.node(inode)?;
        let size = match &node.kind {
            NodeKind::File(content) => content.as_slice().len() as u64,
            NodeKind::Link(target) => target.len() as u64,
            NodeKind::Dir { .. } => 0,
        };
        Ok(Stat {
            inode,
            kind: node.kind(),
            links: node.links,
            size,
            accessed: node.times.accessed,
            modified: node.times.modified,
            changed: node.times.changed,
        })
    }

    pub(crate) fn stat_path(&mut self, base: Inode, path: &str, follow: bool) -> Result<Stat> {
        let (_, inode) = self.existing(base, path, Last::follow_if(follow))?;
        self.stat(inode)
    }

    pub(crate) fn set_times(&mut self, inode: Inode, times: SetTime) -> Result<()> {
        let now = self.now;
        let node = self.change().node_mut(inode).ok_or(FileError::Stale)?;
        node.times.accessed = times.accessed.unwrap_or(node.times.accessed);
        node.times.modified = times.modified.unwrap_or(node.times.modified);
        node.times.changed = now;
        Ok(())
    }

    pub(crate) fn set_times_path(
        &mut self,
        base: Inode,
        path: &str,
        follow: bool,
        times: SetTime,
    ) -> Result<()> {
        let (_, inode) = self.existing(base, path, Last::follow_if(follow))?;
        self.set_times(inode, times)
    }
}

#[cfg(test)]
mod tests;
