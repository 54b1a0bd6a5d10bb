//! The guest's file system: in memory, one root, nothing of the host in it.
//!
//! [`Files`] is what a caller puts in and takes out; `System` is the live file system of one run with its quotas.

mod path;
mod system;
mod tree;

use std::sync::Arc;

use bytes::Bytes;

pub(crate) use path::{FileError, PATH_MAX};
pub(crate) use system::{Entry, FILE_MAX, FilesState, Open, SetTime, Stat, System};
pub(crate) use tree::{
    Content, Contents, ENTRY_BYTES, Inode, Kind, KindState, NODE_BYTES, NodeState, ROOT, Refused,
};
use tree::{NodeKind, Tree};

/// A file system that a task starts with or leaves. Cloning is cheap; bytes are shared until somebody writes.
#[derive(Clone, Debug, Default)]
pub struct Files {
    pub(crate) tree: Arc<Tree>,
}

/// Why a file cannot be put into [`Files`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FilesError {
    /// The path is empty, not absolute, or has an empty, `.` or `..` part, a NUL, or a part over 255 bytes.
    #[error("`{0}` is not a path of the guest: it must start with / and have no `.`, `..` or empty part")]
    Path(String),
    /// Something else stands in the way: a file where a folder is needed, or the path is taken.
    #[error("`{0}` exists already, or a part of it is a file")]
    Taken(String),
}

impl Files {
    /// An empty root folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a regular file, with the folders above it. The path is absolute, as `/in/photo.png`.
    ///
    /// # Errors
    /// [`FilesError`] when the path is not one, or is taken.
    pub fn insert(&mut self, path: &str, bytes: impl Into<Bytes>) -> Result<(), FilesError> {
        self.place(path, NodeKind::File(Content::Shared(bytes.into())))
    }

    /// Adds an empty folder, with the folders above it. It may exist already.
    ///
    /// # Errors
    /// [`FilesError`] when the path is not one, or a file is in the way.
    pub fn create_dir(&mut self, path: &str) -> Result<(), FilesError> {
        let parts = guest_path(path)?;
        let mut at = ROOT;
        for part in parts {
            at = Arc::make_mut(&mut self.tree)
                .folder(at, part)
                .ok_or_else(|| FilesError::Taken(path.to_owned()))?;
        }
        Ok(())
    }

    fn place(&mut self, path: &str, kind: NodeKind) -> Result<(), FilesError> {
        let mut parts = guest_path(path)?;
        let name = parts.pop().ok_or_else(|| FilesError::Path(path.to_owned()))?;
        let taken = || FilesError::Taken(path.to_owned());
        let tree = Arc::make_mut(&mut self.tree);
        let mut at = ROOT;
        for part in parts {
            at = tree.folder(at, part).ok_or_else(taken)?;
        }
        if tree.lookup(at, name).is_some() {
            return Err(taken());
        }
        tree.add(at, name, kind, 0);
        Ok(())
    }

    /// The bytes of a regular file. Links are not followed.
    pub fn get(&self, path: &str) -> Option<Bytes> {
        let mut at = ROOT;
        for part in guest_path(path).ok()? {
            at = self.tree.lookup(at, part)?;
        }
        match &self.tree.node(at)?.kind {
            NodeKind::File(content) => Some(content.to_bytes()),
            _ => None,
        }
    }

    /// Every regular file under a folder (`/` for all) with its path from the root, sorted by path bytes. Symbolic
    /// links are left out; a file with several names appears under each.
    pub fn regular_files(&self, under: &str) -> Vec<(String, Bytes)> {
        let mut found = Vec::new();
        let mut at = ROOT;
        let Ok(parts) = guest_path(under) else { return found };
        for part in &parts {
            match self.tree.lookup(at, part) {
                Some(next) => at = next,
                None => return found,
            }
        }
        let start: String = parts.iter().flat_map(|part| ["/", part]).collect();
        let mut open = vec![(start, at)];
        while let Some((path, inode)) = open.pop() {
            match self.tree.node(inode).map(|node| &node.kind) {
                Some(NodeKind::File(content)) => found.push((path, content.to_bytes())),
                Some(NodeKind::Dir { entries, .. }) => {
                    open.extend(entries.iter().map(|(name, child)| (format!("{path}/{name}"), *child)));
                }
                Some(NodeKind::Link(_)) | None => {}
            }
        }
        found.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        found
    }

    /// Names in the tree: files, folders and links, without the root.
    pub fn len(&self) -> u64 {
        self.tree.names()
    }

    /// Whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The parts of an absolute path.
fn guest_path(path: &str) -> Result<Vec<&str>, FilesError> {
    let bad = || FilesError::Path(path.chars().take(200).collect());
    let rest = path.strip_prefix('/').filter(|_| path.len() <= path::PATH_MAX).ok_or_else(bad)?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    rest.strip_suffix('/')
        .unwrap_or(rest)
        .split('/')
        .map(|part| if path::is_name(part) { Ok(part) } else { Err(bad()) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_sorted_with_their_paths() {
        let mut files = Files::new();
        files.insert("/out/b", "2").unwrap();
        files.insert("/out/a/z", "1").unwrap();
        files.insert("/in/x", "0").unwrap();
        files.create_dir("/out/empty").unwrap();
        let found: Vec<_> = files.regular_files("/out").into_iter().map(|(path, _)| path).collect();
        assert_eq!(found, ["/out/a/z", "/out/b"]);
        assert_eq!(files.regular_files("/").len(), 3);
        assert_eq!(files.regular_files("/no").len(), 0);
        assert_eq!(files.get("/in/x").as_deref(), Some(b"0".as_slice()));
        assert_eq!(files.get("/out"), None);
        assert_eq!(files.len(), 7);
    }

    #[test]
    fn paths_that_are_none_are_refused() {
        let mut files = Files::new();
        for path in ["", "x", "/", "/a//b", "/../a", "/a/.", "/a/..", "/\0"] {
            assert!(matches!(files.insert(path, ""), Err(FilesError::Path(_))), "{path:?}");
        }
        let long = format!("/{}", "n".repeat(256));
        assert!(matches!(files.insert(&long, ""), Err(FilesError::Path(_))));
        files.insert("/a", "").unwrap();
        assert_eq!(files.insert("/a", ""), Err(FilesError::Taken("/a".to_owned())));
        assert_eq!(files.insert("/a/b", ""), Err(FilesError::Taken("/a/b".to_owned())));
    }

    #[test]
    fn a_clone_is_not_changed_by_its_origin() {
        let mut files = Files::new();
        files.insert("/a", "1").unwrap();
        let before = files.clone();
        files.insert("/b", "2").unwrap();
        assert_eq!(before.len(), 1);
        assert_eq!(files.len(), 2);
    }
}
