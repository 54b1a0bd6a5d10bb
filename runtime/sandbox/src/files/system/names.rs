//! Calls that make, move, remove or list names.

use fizz_attest::LimitKind;

use super::{Entry, FileError, Inode, Kind, Last, NodeKind, PATH_MAX, Place, Result, System};

impl System {
    /// A place for a new name: free, in a living folder, inside the quota of names and the length of paths.
    /// Only a folder's name may be written with a slash at its end.
    fn vacant(&mut self, base: Inode, path: &str, for_dir: bool) -> Result<Place> {
        let place = self.resolve(base, path, Last::Keep)?;
        let slash = place.wants_dir && !for_dir;
        match place.node {
            Some(inode) if slash && self.kind(inode)? != Kind::Dir => return Err(FileError::NotDir),
            Some(_) => return Err(FileError::Exists),
            None if slash => return Err(FileError::NotFound),
            None => {}
        }
        self.room_for(&place, 0)?;
        self.room_for_one_more()?;
        Ok(place)
    }

    /// Whether the quota of names allows another one.
    pub(super) fn room_for_one_more(&self) -> Result<()> {
        if self.tree.names() < self.names_max { Ok(()) } else { Err(FileError::Quota(LimitKind::Files)) }
    }

    /// Whether a name, with `below` bytes of path under it, may stand at a place.
    pub(super) fn room_for(&self, place: &Place, below: usize) -> Result<()> {
        if self.node(place.dir)?.links == 0 {
            return Err(FileError::NotFound);
        }
        if self.tree.path_len(place.dir, &place.name) + below > PATH_MAX {
            return Err(FileError::NameTooLong);
        }
        Ok(())
    }

    pub(crate) fn create_dir(&mut self, base: Inode, path: &str) -> Result<()> {
        let place = self.vacant(base, path, true)?;
        self.add(&place, NodeKind::folder());
        Ok(())
    }

    pub(crate) fn symlink(&mut self, target: &str, base: Inode, path: &str) -> Result<()> {
        if target.is_empty() {
            return Err(FileError::NotFound);
        }
        if target.starts_with('/') {
            return Err(FileError::Escape);
        }
        if target.len() > PATH_MAX {
            return Err(FileError::NameTooLong);
        }
        if target.contains('\0') {
            return Err(FileError::Invalid);
        }
        let place = self.vacant(base, path, false)?;
        self.use_bytes(target.len() as u64)?;
        self.add(&place, NodeKind::Link(target.to_owned()));
        Ok(())
    }

    pub(crate) fn read_link(&mut self, base: Inode, path: &str) -> Result<&str> {
        let (_, inode) = self.existing(base, path, Last::FollowBeforeSlash)?;
        match &self.node(inode)?.kind {
            NodeKind::Link(target) => Ok(target),
            _ => Err(FileError::Invalid),
        }
    }

    pub(crate) fn remove_dir(&mut self, base: Inode, path: &str) -> Result<()> {
        let (place, inode) = self.existing(base, path, Last::Keep)?;
        if place.name.is_empty() {
            return Err(FileError::Invalid);
        }
        match self.tree.entries(inode) {
            None => Err(FileError::NotDir),
            Some(entries) if !entries.is_empty() => Err(FileError::NotEmpty),
            Some(_) => {
                self.unlink(&place);
                Ok(())
            }
        }
    }

    pub(crate) fn remove_file(&mut self, base: Inode, path: &str) -> Result<()> {
        let (place, inode) = self.existing(base, path, Last::Keep)?;
        if self.kind(inode)? == Kind::Dir {
            return Err(FileError::IsDir);
        }
        self.unlink(&place);
        Ok(())
    }

    fn unlink(&mut self, place: &Place) {
        if let Some(inode) = self.change().unlink(place.dir, &place.name) {
            self.touch_names(inode);
            self.forget(inode);
        }
        self.touch(place.dir);
    }

    /// Gives a file a second name.
    pub(crate) fn link(&mut self, base: Inode, path: &str, to: Inode, to_path: &str) -> Result<()> {
        let (_, inode) = self.existing(base, path, Last::FollowBeforeSlash)?;
        if self.kind(inode)? == Kind::Dir {
            return Err(FileError::LinkedDir);
        }
        let place = self.vacant(to, to_path, false)?;
        self.change().link(place.dir, &place.name, inode);
        self.touch_names(inode);
        self.touch(place.dir);
        Ok(())
    }

    pub(crate) fn rename(&mut self, base: Inode, path: &str, to: Inode, to_path: &str) -> Result<()> {
        let (from, inode) = self.existing(base, path, Last::Keep)?;
        let target = self.resolve(to, to_path, Last::Keep)?;
        if from.name.is_empty() || target.name.is_empty() {
            return Err(FileError::Invalid);
        }
        let is_dir = self.kind(inode)? == Kind::Dir;
        if target.wants_dir && !is_dir {
            return Err(FileError::NotDir);
        }
        if target.node == Some(inode) {
            return Ok(());
        }
        // What has no name any more is inside of nothing.
        if self.node(target.dir)?.links == 0 {
            return Err(FileError::NotFound);
        }
        if is_dir && self.is_inside(target.dir, inode) {
            return Err(FileError::Invalid);
        }
        let (below, names) = self.tree.extent(inode);
        self.work_on_names(names.saturating_mul(8));
        self.room_for(&target, below)?;
        if let Some(old) = target.node {
            match (is_dir, self.tree.entries(old)) {
                (true, None) => return Err(FileError::NotDir),
                (false, Some(_)) => return Err(FileError::IsDir),
                (true, Some(entries)) if !entries.is_empty() => return Err(FileError::NotEmpty),
                _ => self.unlink(&target),
            }
        }
        let tree = self.change();
        tree.unlink(from.dir, &from.name);
        tree.link(target.dir, &target.name, inode);
        self.touch_names(inode);
        self.touch(from.dir);
        self.touch(target.dir);
        Ok(())
    }

    /// Whether `dir` is `ancestor` or below it.
    fn is_inside(&mut self, mut dir: Inode, ancestor: Inode) -> bool {
        loop {
            self.work_on_names(8);
            if dir == ancestor {
                return true;
            }
            match self.tree.parent(dir) {
                Some(parent) if parent != dir => dir = parent,
                _ => return false,
            }
        }
    }

    /// The entries of a folder, sorted by name, with `.` and `..` first.
    pub(crate) fn list(&mut self, dir: Inode) -> Result<Vec<Entry>> {
        let entries = self.tree.entries(dir).ok_or(FileError::NotDir)?;
        let work = entries.keys().map(|name| name.len() as u64 + 8).sum();
        self.work_on_names(work);
        self.within_budget()?;
        let entries = self.tree.entries(dir).ok_or(FileError::NotDir)?;
        let parent = self.tree.parent(dir).unwrap_or(dir);
        let mut list = Vec::with_capacity(entries.len() + 2);
        list.push(Entry { name: ".".to_owned(), inode: dir, kind: Kind::Dir });
        list.push(Entry { name: "..".to_owned(), inode: parent, kind: Kind::Dir });
        for (name, &inode) in entries {
            let kind = self.kind(inode)?;
            list.push(Entry { name: name.clone(), inode, kind });
        }
        Ok(list)
    }
}
