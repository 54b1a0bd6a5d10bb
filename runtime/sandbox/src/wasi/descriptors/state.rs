//! The descriptor map in a saved state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wasi_common::snapshots::preview_1::types::{Fdflags, Rights};

use super::{Descriptor, Descriptors, Granted, LISTED_MAX, OPEN_MAX, Object};
use crate::files::{Entry, Inode, Kind, Refused, System};

/// An open descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DescriptorState {
    number: u32,
    flags: u16,
    /// The rights that the guest has left to it, and to those opened through it.
    rights: (u64, u64),
    object: ObjectState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ObjectState {
    Stdin,
    Stdout,
    Stderr,
    Folder { inode: Inode, preopen: bool, listing: Option<Vec<EntryState>> },
    File { inode: Inode, offset: u64, read: bool, write: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryState {
    name: String,
    inode: Inode,
    kind: EntryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EntryKind {
    File,
    Dir,
    Link,
}

/// How many descriptors hold each node.
pub(crate) fn holders(saved: &[DescriptorState]) -> BTreeMap<Inode, u64> {
    let mut holders = BTreeMap::new();
    for state in saved {
        if let ObjectState::Folder { inode, preopen: false, .. } | ObjectState::File { inode, .. } =
            state.object
        {
            *holders.entry(inode).or_insert(0) += 1;
        }
    }
    holders
}

impl Descriptors {
    /// The open descriptors, by rising number.
    pub(crate) fn save(&self) -> Vec<DescriptorState> {
        let state = |(&number, Descriptor { object, flags, granted }): (&u32, &Descriptor)| DescriptorState {
            number,
            flags: u16::from(*flags),
            rights: (granted.base.bits(), granted.inheriting.bits()),
            object: match object {
                Object::Stdin => ObjectState::Stdin,
                Object::Stdout => ObjectState::Stdout,
                Object::Stderr => ObjectState::Stderr,
                Object::Folder { inode, preopen, listing } => ObjectState::Folder {
                    inode: *inode,
                    preopen: *preopen,
                    listing: listing.as_ref().map(|entries| entries.iter().map(save_entry).collect()),
                },
                Object::File { inode, offset, read, write } => {
                    ObjectState::File { inode: *inode, offset: *offset, read: *read, write: *write }
                }
            },
        };
        self.open.iter().map(state).collect()
    }

    /// Takes saved descriptors over, in the place of fresh ones. `files` are those of the same state.
    pub(crate) fn restore(&mut self, saved: &[DescriptorState], files: &System) -> Result<(), Refused> {
        if !saved.windows(2).all(|two| two[0].number < two[1].number) {
            return Err("descriptors are not in order");
        }
        if saved.len() as u64 > self.most.clamp(4, OPEN_MAX)
            || saved.last().is_some_and(|last| u64::from(last.number) >= OPEN_MAX)
        {
            return Err("there are more descriptors than the task may have");
        }
        let mut open = BTreeMap::new();
        let mut listings = Vec::new();
        for DescriptorState { number, flags, rights: bits, object } in saved {
            let object = restore_object(object, files)?;
            let flags = Fdflags::try_from(*flags).map_err(|_| "a descriptor has unknown flags")?;
            let rights = |bits| Rights::from_bits(bits).ok_or("a descriptor has unknown rights");
            let granted = Granted { base: rights(bits.0)?, inheriting: rights(bits.1)? };
            if let Object::Folder { listing: Some(listing), .. } = &object {
                listings.push(listing.len());
            }
            open.insert(*number, Descriptor { object, flags, granted });
        }
        let listed: usize = listings.iter().sum();
        // The one that was kept last may have any length.
        let longest = listings.iter().max().copied().unwrap_or(0);
        if listed - longest > LISTED_MAX {
            return Err("there are more folder listings than can be open");
        }
        let next = open.last_key_value().map_or(0, |(number, _)| number + 1);
        self.free = (0..next).filter(|number| !open.contains_key(number)).collect();
        self.open = open;
        self.next = next;
        self.listed = listed;
        Ok(())
    }
}

fn restore_object(object: &ObjectState, files: &System) -> Result<Object, Refused> {
    Ok(match object {
        ObjectState::Stdin => Object::Stdin,
        ObjectState::Stdout => Object::Stdout,
        ObjectState::Stderr => Object::Stderr,
        ObjectState::Folder { inode, preopen, listing } => {
            if files.is_folder(*inode) != Some(true) {
                return Err("a descriptor's folder is none");
            }
            let listing = listing.as_ref().map(|entries| entries.iter().map(restore_entry).collect());
            Object::Folder { inode: *inode, preopen: *preopen, listing }
        }
        ObjectState::File { inode, offset, read, write } => {
            if files.is_folder(*inode) != Some(false) {
                return Err("a descriptor's file is none");
            }
            Object::File { inode: *inode, offset: *offset, read: *read, write: *write }
        }
    })
}

fn save_entry(Entry { name, inode, kind }: &Entry) -> EntryState {
    let kind = match kind {
        Kind::File => EntryKind::File,
        Kind::Dir => EntryKind::Dir,
        Kind::Link => EntryKind::Link,
    };
    EntryState { name: name.clone(), inode: *inode, kind }
}

fn restore_entry(EntryState { name, inode, kind }: &EntryState) -> Entry {
    let kind = match kind {
        EntryKind::File => Kind::File,
        EntryKind::Dir => Kind::Dir,
        EntryKind::Link => Kind::Link,
    };
    Entry { name: name.clone(), inode: *inode, kind }
}
