//! Resolves a path from a folder, never above that folder.

use std::collections::VecDeque;

use super::tree::{Inode, Kind, NodeKind, Tree};

/// Longest name of one entry, in bytes.
pub(crate) const NAME_MAX: usize = 255;
/// Longest path, in bytes: of one that a call names, of the target of a link, and of any place from the root.
pub(crate) const PATH_MAX: usize = 4096;
/// Symbolic links followed in one resolution.
pub(crate) const LINKS_MAX: u32 = 32;

/// Why a file operation failed, as the guest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileError {
    NotFound,
    Exists,
    NotDir,
    IsDir,
    NotEmpty,
    /// The path leads out of the folder it starts from.
    Escape,
    /// A folder cannot have a second name.
    LinkedDir,
    TooManyLinks,
    NameTooLong,
    Invalid,
    /// The file would be larger than a file can be.
    TooLarge,
    /// A descriptor's file is gone; cannot happen to a guest.
    Stale,
    /// A quota of the job is used up: the task ends.
    Quota(fizz_attest::LimitKind),
    /// The work costs more gas than is left; nothing of it was done.
    OutOfGas,
    /// This machine has no memory for what the quotas allow.
    HostMemory,
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The folder that holds the last part.
    pub(super) dir: Inode,
    /// The last part; empty when the path ends in a folder itself (`.`, `..`).
    pub(super) name: String,
    /// What is there.
    pub(super) node: Option<Inode>,
    /// The path ends in a slash.
    pub(super) wants_dir: bool,
}

/// What becomes of a symbolic link that is the last part of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// It is followed.
    Follow,
    /// It is followed if the path ends in a slash, for then a folder is meant.
    FollowBeforeSlash,
    /// It is the place itself, as for calls that make, move or remove a name.
    Keep,
}

impl Last {
    /// As a call with or without `symlink_follow` wants it.
    pub(super) fn follow_if(follow: bool) -> Self {
        if follow { Last::Follow } else { Last::FollowBeforeSlash }
    }
}

/// Whether `part` can name an entry.
pub(super) fn is_name(part: &str) -> bool {
    !part.is_empty() && part != "." && part != ".." && part.len() <= NAME_MAX && !part.contains(['/', '\0'])
}

/// Resolves `path` from the folder `base`.
///
/// Bytes of names looked up are added to `work`, also when it fails: links can make a short path a long walk.
pub(super) fn resolve(
    tree: &Tree,
    base: Inode,
    path: &str,
    last: Last,
    work: &mut u64,
) -> Result<Place, FileError> {
    if path.is_empty() {
        return Err(FileError::NotFound);
    }
    if path.len() > PATH_MAX {
        return Err(FileError::NameTooLong);
    }
    if path.contains('\0') {
        return Err(FileError::Invalid);
    }
    if path.starts_with('/') {
        return Err(FileError::Escape);
    }
    Walk { tree, folders: vec![base], links: 0, work }.run(path, last)
}

struct Walk<'t> {
    tree: &'t Tree,
    /// From the base down to where we are. Never empty.
    folders: Vec<Inode>,
    links: u32,
    work: &'t mut u64,
}

impl Walk<'_> {
    fn run(mut self, path: &str, last: Last) -> Result<Place, FileError> {
        let mut wants_dir = path.ends_with('/');
        let mut parts: VecDeque<String> = split(path);
        while let Some(part) = parts.pop_front() {
            let here = self.here()?;
            let is_last = parts.is_empty();
            *self.work += part.len() as u64 + 8;
            match part.as_str() {
                "." => continue,
                ".." => {
                    if self.folders.len() == 1 {
                        return Err(FileError::Escape);
                    }
                    self.folders.pop();
                    continue;
                }
                name if name.len() > NAME_MAX => return Err(FileError::NameTooLong),
                _ => {}
            }
            let found = self.tree.lookup(here, &part);
            let node = found.and_then(|inode| self.tree.node(inode));
            match node.map(|node| &node.kind) {
                Some(NodeKind::Link(target)) if !is_last || is_followed(last, wants_dir) => {
                    self.links += 1;
                    if self.links > LINKS_MAX {
                        return Err(FileError::TooManyLinks);
                    }
                    if target.starts_with('/') {
                        return Err(FileError::Escape);
                    }
                    wants_dir |= is_last && target.ends_with('/');
                    for part in split(target).into_iter().rev() {
                        parts.push_front(part);
                    }
                }
                _ if is_last => {
                    return Ok(Place { dir: here, name: part, node: found, wants_dir });
                }
                Some(NodeKind::Dir { .. }) => self.folders.extend(found),
                Some(_) => return Err(FileError::NotDir),
                None => return Err(FileError::NotFound),
            }
        }
        // The path ended in `.` or `..`.
        let dir = self.here()?;
        Ok(Place { dir, name: String::new(), node: Some(dir), wants_dir: true })
    }

    /// The folder we are in, which must still exist as a folder.
    fn here(&self) -> Result<Inode, FileError> {
        let inode = *self.folders.last().ok_or(FileError::Stale)?;
        match self.tree.node(inode).map(|node| node.kind()) {
            Some(Kind::Dir) => Ok(inode),
            Some(_) => Err(FileError::NotDir),
            None => Err(FileError::NotFound),
        }
    }
}

fn is_followed(last: Last, ends_in_slash: bool) -> bool {
    match last {
        Last::Follow => true,
        Last::FollowBeforeSlash => ends_in_slash,
        Last::Keep => false,
    }
}

fn split(path: &str) -> VecDeque<String> {
    path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Content, ROOT};
    use super::*;

    fn tree() -> (Tree, Inode) {
        let mut tree = Tree::default();
        let folder = tree.folder(ROOT, "dir").unwrap();
        tree.add(folder, "file", NodeKind::File(Content::Owned(vec![])), 0);
        tree.add(folder, "up", NodeKind::Link("../top".to_owned()), 0);
        tree.add(folder, "loop", NodeKind::Link("loop".to_owned()), 0);
        tree.add(ROOT, "top", NodeKind::File(Content::Owned(vec![])), 0);
        tree.add(ROOT, "abs", NodeKind::Link("/top".to_owned()), 0);
        tree.add(ROOT, "to-dir", NodeKind::Link("dir/".to_owned()), 0);
        (tree, folder)
    }

    #[test]
    fn links_and_dots_are_resolved_inside() {
        let (tree, folder) = tree();
        let node = |path, follow| {
            resolve(&tree, ROOT, path, Last::follow_if(follow), &mut 0).map(|place| place.node)
        };
        let top = tree.lookup(ROOT, "top");
        assert_eq!(node("dir/up", true), Ok(top));
        assert_eq!(node("dir/./../dir/up", true), Ok(top));
        assert_eq!(node("dir/up", false), Ok(tree.lookup(folder, "up")));
        assert_eq!(node("to-dir/file", false), Ok(tree.lookup(folder, "file")));
        assert_eq!(node("to-dir", false), Ok(tree.lookup(ROOT, "to-dir")));
        assert_eq!(node("to-dir/", false), Ok(Some(folder)), "a slash asks for the folder");
        let kept = resolve(&tree, ROOT, "to-dir/", Last::Keep, &mut 0).unwrap();
        assert_eq!((kept.node, kept.wants_dir), (tree.lookup(ROOT, "to-dir"), true));
        assert_eq!(node("dir/..", true), Ok(Some(ROOT)));
        assert_eq!(node("dir/none", true), Ok(None));
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let (tree, folder) = tree();
        let from = |base, path| resolve(&tree, base, path, Last::Follow, &mut 0).unwrap_err();
        assert_eq!(from(ROOT, "../x"), FileError::Escape);
        assert_eq!(from(ROOT, "dir/../../x"), FileError::Escape);
        assert_eq!(from(ROOT, "/top"), FileError::Escape);
        assert_eq!(from(ROOT, "abs"), FileError::Escape);
        assert_eq!(from(folder, "up"), FileError::Escape, "a link does not widen a folder's view");
        assert_eq!(from(folder, ".."), FileError::Escape);
    }

    #[test]
    fn so_many_links_are_followed_and_no_more() {
        let mut tree = Tree::default();
        let end = tree.add(ROOT, "0", NodeKind::File(Content::Owned(vec![])), 0);
        for number in 1..=LINKS_MAX + 1 {
            tree.add(ROOT, &number.to_string(), NodeKind::Link((number - 1).to_string()), 0);
        }
        let follow = |number: u32| resolve(&tree, ROOT, &number.to_string(), Last::Follow, &mut 0);
        assert_eq!(follow(LINKS_MAX).map(|place| place.node), Ok(Some(end)));
        assert_eq!(follow(LINKS_MAX + 1), Err(FileError::TooManyLinks));
    }

    #[test]
    fn bad_paths_have_their_own_errors() {
        let (tree, _) = tree();
        let error = |path: &str| resolve(&tree, ROOT, path, Last::Follow, &mut 0).unwrap_err();
        assert_eq!(error(""), FileError::NotFound);
        assert_eq!(error("dir/loop"), FileError::TooManyLinks);
        assert_eq!(error("top/x"), FileError::NotDir);
        assert_eq!(error("none/x"), FileError::NotFound);
        assert_eq!(error("a\0b"), FileError::Invalid);
        assert_eq!(error(&"n".repeat(NAME_MAX + 1)), FileError::NameTooLong);
        let node = |path: &str| resolve(&tree, ROOT, path, Last::Follow, &mut 0).map(|place| place.node);
        assert_eq!(node(&"n".repeat(NAME_MAX)), Ok(None), "as long as a name can be");
        assert_eq!(node(&"./".repeat(PATH_MAX / 2)), Ok(Some(ROOT)), "as long as a path can be");
        assert_eq!(error(&format!("{}n", "./".repeat(PATH_MAX / 2))), FileError::NameTooLong);
    }
}
