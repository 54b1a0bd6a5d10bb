//! The descriptor map: numbers to open objects, lowest free number first.

mod state;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use state::{DescriptorState, holders};

use wasi_common::Error;
use wasi_common::snapshots::preview_1::types::{Errno, Fdflags};

use super::rights::Granted;
use crate::files::{ENTRY_BYTES, Entry, Inode, NODE_BYTES, ROOT};

/// The path under which the guest knows the root folder.
pub(super) const PREOPEN_NAME: &[u8] = b"/";

/// What a descriptor stands for.
#[derive(Debug)]
pub(super) enum Object {
    Stdin,
    Stdout,
    Stderr,
    Folder {
        inode: Inode,
        /// Whether it is the root folder that every guest starts with.
        preopen: bool,
        /// What the last listing from the start has seen, so that cookies stay valid while entries come and go.
        listing: Option<Vec<Entry>>,
    },
    File {
        inode: Inode,
        offset: u64,
        read: bool,
        write: bool,
    },
}

#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) object: Object,
    pub(super) flags: Fdflags,
    pub(super) granted: Granted,
}

/// All open descriptors of a run.
#[derive(Debug)]
pub(super) struct Descriptors {
    open: BTreeMap<u32, Descriptor>,
    /// Numbers below `next` that are free. All from `next` on are.
    free: BTreeSet<u32>,
    next: u32,
    most: u64,
    /// Entries in all listings.
    listed: usize,
}

/// Descriptors that can be open, whatever the job says.
const OPEN_MAX: u64 = 1 << 20;
/// Entries that all listings but one may hold together.
const LISTED_MAX: usize = 1 << 18;

impl Descriptors {
    /// Standard streams and the root folder, which may not be limited away.
    pub(super) fn new(most: u64) -> Self {
        let mut map = Descriptors { open: BTreeMap::new(), free: BTreeSet::new(), next: 0, most, listed: 0 };
        let root = Object::Folder { inode: ROOT, preopen: true, listing: None };
        for object in [Object::Stdin, Object::Stdout, Object::Stderr, root] {
            map.insert(object, Fdflags::empty(), Granted::all());
        }
        map
    }

    fn insert(&mut self, object: Object, flags: Fdflags, granted: Granted) -> u32 {
        let number = self.free.pop_first().unwrap_or(self.next);
        self.next = self.next.max(number + 1);
        self.open.insert(number, Descriptor { object, flags, granted });
        number
    }

    /// Descriptors, and names in their listings.
    pub(super) fn entries(&self) -> u64 {
        (self.open.len() + self.listed) as u64
    }

    /// Bytes that they take in a state at the most.
    pub(super) fn state_bytes(&self) -> u64 {
        let listed = |entry: &Entry| 2 * ENTRY_BYTES + entry.name.len();
        let bytes = |descriptor: &Descriptor| match &descriptor.object {
            Object::Folder { listing: Some(listing), .. } => listing.iter().map(listed).sum(),
            _ => 0,
        };
        self.open.values().map(|descriptor| (NODE_BYTES + bytes(descriptor)) as u64).sum()
    }

    pub(super) fn get(&self, number: u32) -> Result<&Descriptor, Error> {
        self.open.get(&number).ok_or_else(|| Errno::Badf.into())
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Result<&mut Descriptor, Error> {
        self.open.get_mut(&number).ok_or_else(|| Errno::Badf.into())
    }

    /// Whether one more can be opened.
    pub(super) fn has_room(&self) -> bool {
        (self.open.len() as u64) < self.most.min(OPEN_MAX)
    }

    /// Opens a descriptor under the lowest free number.
    pub(super) fn push(&mut self, object: Object, flags: Fdflags, granted: Granted) -> Result<u32, Error> {
        if self.has_room() { Ok(self.insert(object, flags, granted)) } else { Err(Errno::Mfile.into()) }
    }

    /// Takes a descriptor out.
    pub(super) fn remove(&mut self, number: u32) -> Result<Descriptor, Error> {
        let descriptor = self.open.remove(&number).ok_or(Errno::Badf)?;
        self.free.insert(number);
        if let Object::Folder { listing: Some(listing), .. } = &descriptor.object {
            self.listed -= listing.len();
        }
        Ok(descriptor)
    }

    /// Puts a descriptor under another number, and returns what stood there. Both must be open.
    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result<Option<Descriptor>, Error> {
        self.get(from)?;
        self.get(to)?;
        if from == to {
            return Ok(None);
        }
        let old = self.remove(to)?;
        if let Some(descriptor) = self.open.remove(&from) {
            self.open.insert(to, descriptor);
            self.free.remove(&to);
            self.free.insert(from);
        }
        Ok(Some(old))
    }

    /// Keeps a listing with its folder, if there is room for it.
    pub(super) fn keep_listing(&mut self, number: u32, new: Vec<Entry>) -> Result<(), Error> {
        let listed = self.listed;
        let Object::Folder { listing, .. } = &mut self.get_mut(number)?.object else {
            return Err(Errno::Notdir.into());
        };
        let old = listing.as_ref().map_or(0, Vec::len);
        let others = listed - old;
        if others > LISTED_MAX {
            return Err(Errno::Nomem.into());
        }
        let total = others + new.len();
        *listing = Some(new);
        self.listed = total;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Object {
        Object::File { inode: 9, offset: 0, read: true, write: false }
    }

    fn push(map: &mut Descriptors, object: Object) -> Result<u32, Error> {
        map.push(object, Fdflags::empty(), Granted::all())
    }

    #[test]
    fn the_lowest_free_number_is_taken() {
        let mut map = Descriptors::new(6);
        assert_eq!(push(&mut map, file()).unwrap(), 4);
        assert_eq!(push(&mut map, file()).unwrap(), 5);
        assert!(push(&mut map, file()).is_err(), "six are open");
        map.remove(1).unwrap();
        assert_eq!(push(&mut map, file()).unwrap(), 1);
    }

    #[test]
    fn no_job_can_open_more_than_the_host_bears() {
        let mut map = Descriptors::new(u64::MAX);
        for _ in 4..OPEN_MAX {
            push(&mut map, file()).unwrap();
        }
        assert!(push(&mut map, file()).is_err());
    }

    #[test]
    fn renumbering_needs_both_and_returns_the_old_one() {
        let mut map = Descriptors::new(10);
        let number = push(&mut map, file()).unwrap();
        assert!(map.renumber(number, 77).is_err());
        assert!(map.renumber(77, number).is_err());
        assert!(map.renumber(number, number).unwrap().is_none());
        let old = map.renumber(number, 0).unwrap().unwrap();
        assert!(matches!(old.object, Object::Stdin));
        assert!(map.get(number).is_err());
        assert_eq!(push(&mut map, file()).unwrap(), number);
    }

    #[test]
    fn listings_are_bounded_together() {
        let entry = Entry { name: String::new(), inode: 1, kind: crate::files::Kind::Dir };
        let mut map = Descriptors::new(10);
        map.keep_listing(3, vec![entry.clone(); LISTED_MAX + 1]).unwrap();
        map.keep_listing(3, vec![entry.clone(); LISTED_MAX + 1]).unwrap();
        let second = push(&mut map, Object::Folder { inode: 1, preopen: false, listing: None });
        assert!(map.keep_listing(second.unwrap(), vec![entry]).is_err());
    }
}
