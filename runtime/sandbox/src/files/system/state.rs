//! The file system in a saved state. Bytes stand there by their hash; the hashes of files that did not change since
//! the last time are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use fizz_attest::{Blob, Digest};
use serde::{Deserialize, Serialize};

use super::super::tree::{Content, Inode, NodeKind, Tree};
use super::System;
use crate::files::{Contents, KindState, NodeState, Refused};

/// A file system, bytes by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilesState {
    /// Number of the next node.
    pub(crate) next: Inode,
    /// Bytes that count as output.
    pub(crate) used_bytes: u64,
    /// By rising number.
    pub(crate) nodes: Vec<NodeState>,
}

impl System {
    /// The state between two calls of the guest.
    pub(crate) fn save(&mut self) -> FilesState {
        let hashes = &mut self.hashes;
        let (next, nodes) = self.tree.save(|inode, bytes| {
            let content = *hashes.entry(inode).or_insert_with(|| Digest::of_content(bytes));
            Blob { content, size: bytes.len() as u64 }
        });
        FilesState { next, used_bytes: self.used_bytes, nodes }
    }

    /// Bytes that count as output, and names.
    pub(crate) fn extent(&self) -> (u64, u64) {
        (self.used_bytes, self.tree.names())
    }

    /// Bytes that it takes in a state at the most, without the files' own.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.tree.state_bytes()
    }

    /// Takes a saved state over, in the place of a fresh one. `holders` is how many descriptors hold a node.
    pub(crate) fn restore(
        &mut self,
        saved: &FilesState,
        holders: BTreeMap<Inode, u64>,
        contents: Contents<'_>,
    ) -> Result<(), Refused> {
        // Before anything is made: many files may name one blob, and each gets a copy.
        let owned = saved.nodes.iter().filter_map(|node| match &node.kind {
            KindState::File { blob, owned: true } => Some(blob.size),
            _ => None,
        });
        let owned = owned.fold(0u64, u64::saturating_add);
        if owned > saved.used_bytes
            || saved.used_bytes > self.bytes_max
            || saved.nodes.len() as u64 > self.names_max.saturating_add(holders.len() as u64 + 1)
        {
            return Err("there are more files or bytes than the task may have");
        }
        let tree = Tree::restore(saved.next, &saved.nodes, |inode| holders.contains_key(&inode), contents)?;
        if holders.keys().any(|&inode| tree.node(inode).is_none()) {
            return Err("an open file is not there");
        }
        if tree.names() > self.names_max {
            return Err("there are more files or bytes than the task may have");
        }
        self.hashes.clear();
        self.holders = holders;
        self.used_bytes = saved.used_bytes;
        self.tree = Arc::new(tree);
        Ok(())
    }

    /// What a node is, to check a descriptor against it.
    pub(crate) fn is_folder(&self, inode: Inode) -> Option<bool> {
        self.tree.node(inode).map(|node| matches!(node.kind, NodeKind::Dir { .. }))
    }

    /// The bytes of every file by their hash: of those that the guest has written, or that it was given.
    pub(crate) fn contents(&self, owned: bool) -> impl Iterator<Item = (Inode, &[u8])> {
        self.tree.iter().filter_map(move |(inode, node)| match &node.kind {
            NodeKind::File(content) if matches!(content, Content::Owned(_)) == owned => {
                Some((inode, content.as_slice()))
            }
            _ => None,
        })
    }
}
