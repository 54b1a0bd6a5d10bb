//! A tree as it stands in a saved state, and back. What comes back may be hostile: a tree that no guest could have
//! made is refused, for the code around it relies on its shape.

use std::collections::{BTreeMap, BTreeSet};

use fizz_attest::Blob;
use serde::{Deserialize, Serialize};

use super::super::path::{PATH_MAX, is_name};
use super::{Content, Inode, Node, NodeKind, ROOT, Times, Tree};

/// A node. How many names it has is seen from the folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeState {
    pub(crate) inode: Inode,
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    pub(crate) changed: u64,
    pub(crate) kind: KindState,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum KindState {
    File {
        blob: Blob,
        /// Written by the guest, so that it counts as output.
        owned: bool,
    },
    Dir {
        /// Where `..` leads, also after the folder has lost its name.
        parent: Inode,
        /// Bytes of its path, also of the one it had last.
        path_len: u32,
        /// By rising name.
        entries: Vec<(String, Inode)>,
    },
    Link(String),
}

/// No task can have made so many files: each costs gas. Above it, numbers would be given twice.
const NEXT_MAX: Inode = 1 << 62;

/// Bytes of a file that a saved state names.
pub(crate) type Contents<'c> = &'c dyn Fn(&Blob, bool) -> Option<Content>;

/// Why a saved tree is refused.
pub(crate) type Refused = &'static str;

impl Tree {
    /// The nodes by rising number, and the number of the next. `digest` names the bytes of a file.
    pub(crate) fn save(&self, mut digest: impl FnMut(Inode, &[u8]) -> Blob) -> (Inode, Vec<NodeState>) {
        let nodes = self.nodes.iter().map(|(&inode, node)| {
            let Node { kind, links: _, times: Times { accessed, modified, changed } } = node;
            let kind = match kind {
                NodeKind::File(content) => KindState::File {
                    blob: digest(inode, content.as_slice()),
                    owned: matches!(content, Content::Owned(_)),
                },
                NodeKind::Dir { entries, parent, path_len } => KindState::Dir {
                    parent: *parent,
                    path_len: u32::try_from(*path_len).unwrap_or(u32::MAX),
                    entries: entries.iter().map(|(name, &inode)| (name.clone(), inode)).collect(),
                },
                NodeKind::Link(target) => KindState::Link(target.clone()),
            };
            NodeState { inode, accessed: *accessed, modified: *modified, changed: *changed, kind }
        });
        (self.next, nodes.collect())
    }

    /// The tree of saved nodes. `held` says which nodes have open descriptors: only those may have no name.
    pub(crate) fn restore(
        next: Inode,
        saved: &[NodeState],
        held: impl Fn(Inode) -> bool,
        contents: Contents<'_>,
    ) -> Result<Tree, Refused> {
        if !saved.windows(2).all(|two| two[0].inode < two[1].inode)
            || saved.last().is_none_or(|last| last.inode >= next)
            || next > NEXT_MAX
        {
            return Err("files are not numbered in order");
        }
        let mut nodes = BTreeMap::new();
        for NodeState { inode, accessed, modified, changed, kind } in saved {
            let times = Times { accessed: *accessed, modified: *modified, changed: *changed };
            nodes.insert(*inode, Node { kind: restore_kind(kind, contents)?, links: 0, times });
        }
        let mut tree = Tree { nodes, next, names: 0 };
        tree.count_names()?;
        for (&inode, node) in &tree.nodes {
            let nameless_folder_is_empty = tree.entries(inode).is_none_or(BTreeMap::is_empty);
            if node.links == 0 && !(held(inode) && nameless_folder_is_empty) {
                return Err("a file without a name is not open, or is a folder with entries");
            }
        }
        tree.check_parents()?;
        Ok(tree)
    }

    /// Walks down from the root, which must reach every folder that has a name, and each only once.
    fn count_names(&mut self) -> Result<(), Refused> {
        if self.entries(ROOT).is_none() || self.parent(ROOT) != Some(ROOT) {
            return Err("there is no root folder");
        }
        let mut links = BTreeMap::from([(ROOT, 1u64)]);
        let mut names = 0;
        let mut open = vec![(ROOT, 0)];
        while let Some((dir, len)) = open.pop() {
            if !matches!(self.node(dir).map(|node| &node.kind), Some(NodeKind::Dir { path_len, .. }) if *path_len == len)
            {
                return Err("a folder's path has another length");
            }
            for (name, &child) in self.entries(dir).into_iter().flatten() {
                let len = len + 1 + name.len();
                if !is_name(name) || len > PATH_MAX {
                    return Err("a file has a name that cannot be");
                }
                names += 1;
                let count = links.entry(child).or_insert(0);
                *count += 1;
                match self.parent(child) {
                    Some(parent) if *count > 1 || parent != dir => return Err("a folder has two places"),
                    Some(_) => open.push((child, len)),
                    None if self.node(child).is_none() => return Err("a name leads nowhere"),
                    None => {}
                }
            }
        }
        self.names = names;
        for (inode, node) in &mut self.nodes {
            node.links = links.get(inode).copied().unwrap_or(0);
        }
        Ok(())
    }

    /// The way up from a folder without a name must end somewhere.
    fn check_parents(&self) -> Result<(), Refused> {
        let mut ends = BTreeSet::from([ROOT]);
        for (&inode, node) in &self.nodes {
            if node.links > 0 {
                continue;
            }
            let (mut way, mut at) = (BTreeSet::new(), inode);
            // Folders with a name lie below the root.
            while !ends.contains(&at) && self.node(at).is_some_and(|node| node.links == 0) {
                if !way.insert(at) {
                    return Err("folders lie in each other");
                }
                match self.parent(at) {
                    Some(parent) if parent < self.next => at = parent,
                    Some(_) => return Err("a folder lies in one that was never made"),
                    None => break,
                }
            }
            ends.extend(way);
        }
        Ok(())
    }
}

fn restore_kind(kind: &KindState, contents: Contents<'_>) -> Result<NodeKind, Refused> {
    Ok(match kind {
        KindState::File { blob, owned } => {
            NodeKind::File(contents(blob, *owned).ok_or("the bytes of a file are missing")?)
        }
        KindState::Dir { parent, path_len, entries } => {
            if !entries.windows(2).all(|two| two[0].0 < two[1].0) {
                return Err("the names of a folder are not in order");
            }
            NodeKind::Dir {
                entries: entries.iter().cloned().collect(),
                parent: *parent,
                path_len: *path_len as usize,
            }
        }
        KindState::Link(target) => {
            if target.is_empty() || target.len() > PATH_MAX || target.contains('\0') {
                return Err("a link points to what cannot be a path");
            }
            NodeKind::Link(target.clone())
        }
    })
}
