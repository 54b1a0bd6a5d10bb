//! Nodes, names and where paths lead.

use std::collections::BTreeMap;

use super::call::PATHS;
use super::model::Result;
use super::model::errno::*;

pub(crate) type Id = u64;

#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(Vec<u8>),
    Dir { entries: BTreeMap<String, Id>, parent: Id },
    Link(String),
}

/// All nodes; they stay for ever, and what no folder names is nowhere.
pub(crate) struct Tree {
    pub(crate) nodes: BTreeMap<Id, Node>,
    next: Id,
}

/// Where a path leads: folders from the base on, the last part unless it is `.` or `..`, what is there.
pub(crate) struct Spot {
    pub(crate) folders: Vec<Id>,
    pub(crate) name: Option<String>,
    pub(crate) node: Option<Id>,
    pub(crate) slash: bool,
}

impl Spot {
    pub(crate) fn dir(&self) -> Id {
        self.folders[self.folders.len() - 1]
    }
}

/// Whether a link at the end of a path is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Yes,
    IfSlash,
    Never,
}

impl Tree {
    /// `/d` (2), `/in` (3), `/d/x` (4), as the oracle's start has them.
    pub(crate) fn new() -> Self {
        let dir = |entries: &[(&str, Id)]| Node::Dir {
            entries: entries.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect(),
            parent: 1,
        };
        let nodes = BTreeMap::from([
            (1, dir(&[("d", 2), ("in", 3)])),
            (2, dir(&[("x", 4)])),
            (3, Node::File(b"0123456789".to_vec())),
            (4, Node::File(b"x".to_vec())),
        ]);
        Tree { nodes, next: 5 }
    }

    /// Regular files by path, and how many names there are.
    pub(crate) fn left(&self) -> (BTreeMap<String, Vec<u8>>, u64) {
        let (mut files, mut names) = (BTreeMap::new(), 0);
        self.collect(1, "", &mut files, &mut names);
        (files, names)
    }

    pub(crate) fn collect(
        &self,
        dir: Id,
        path: &str,
        files: &mut BTreeMap<String, Vec<u8>>,
        names: &mut u64,
    ) {
        for (name, id) in self.entries(dir) {
            *names += 1;
            let path = format!("{path}/{name}");
            match &self.nodes[id] {
                Node::File(bytes) => drop(files.insert(path, bytes.clone())),
                Node::Dir { .. } => self.collect(*id, &path, files, names),
                Node::Link(_) => {}
            }
        }
    }

    pub(crate) fn entries(&self, dir: Id) -> &BTreeMap<String, Id> {
        match &self.nodes[&dir] {
            Node::Dir { entries, .. } => entries,
            other => panic!("{dir} is {other:?}"),
        }
    }

    pub(crate) fn entries_mut(&mut self, dir: Id) -> &mut BTreeMap<String, Id> {
        match self.nodes.get_mut(&dir) {
            Some(Node::Dir { entries, .. }) => entries,
            other => panic!("{dir} is {other:?}"),
        }
    }

    pub(crate) fn is_dir(&self, id: Id) -> bool {
        matches!(self.nodes[&id], Node::Dir { .. })
    }

    pub(crate) fn names_of(&self, id: Id) -> u64 {
        if id == 1 {
            return 1;
        }
        let count = |dir: &Id| {
            if self.is_dir(*dir) { self.entries(*dir).values().filter(|&&to| to == id).count() } else { 0 }
        };
        self.nodes.keys().map(count).sum::<usize>() as u64
    }

    pub(crate) fn kind(&self, id: Id) -> u8 {
        match self.nodes[&id] {
            Node::File(_) => 4,
            Node::Dir { .. } => 3,
            Node::Link(_) => 7,
        }
    }

    pub(crate) fn find(&self, folders: &[Id], path: &str, last: Last, links: &mut u32) -> Result<Spot> {
        if path.is_empty() {
            return Err(NOENT);
        }
        if path.contains('\0') {
            return Err(INVAL);
        }
        if path.starts_with('/') {
            return Err(PERM);
        }
        let slash = path.ends_with('/');
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let mut folders = folders.to_vec();
        for (index, part) in parts.iter().enumerate() {
            let is_last = index + 1 == parts.len();
            if *part == ".." {
                folders.pop();
                if folders.is_empty() {
                    return Err(PERM);
                }
            }
            if *part == "." || *part == ".." {
                continue;
            }
            let dir = folders[folders.len() - 1];
            let Some(&id) = self.entries(dir).get(*part) else {
                let name = Some((*part).to_owned());
                return if is_last { Ok(Spot { folders, name, node: None, slash }) } else { Err(NOENT) };
            };
            match &self.nodes[&id] {
                Node::Link(target) if !is_last || last == Last::Yes || (slash && last == Last::IfSlash) => {
                    *links += 1;
                    if *links > 32 {
                        return Err(LOOP);
                    }
                    let mut there = self.find(&folders, target, Last::Yes, links)?;
                    if is_last {
                        there.slash |= slash;
                        return Ok(there);
                    }
                    let id = there.node.ok_or(NOENT)?;
                    if !self.is_dir(id) {
                        return Err(NOTDIR);
                    }
                    if there.name.is_some() {
                        there.folders.push(id);
                    }
                    folders = there.folders;
                }
                _ if is_last => {
                    return Ok(Spot { folders, name: Some((*part).to_owned()), node: Some(id), slash });
                }
                Node::Dir { .. } => folders.push(id),
                _ => return Err(NOTDIR),
            }
        }
        let node = folders.last().copied();
        Ok(Spot { folders, name: None, node, slash: true })
    }

    pub(crate) fn at(&self, dir: Id, path: usize, last: Last) -> Result<Spot> {
        self.find(&[dir], PATHS[path], last, &mut 0)
    }

    pub(crate) fn existing(&self, dir: Id, path: usize, last: Last) -> Result<(Spot, Id)> {
        let spot = self.at(dir, path, last)?;
        let id = spot.node.ok_or(NOENT)?;
        if spot.slash && !self.is_dir(id) { Err(NOTDIR) } else { Ok((spot, id)) }
    }

    pub(crate) fn vacant(&self, dir: Id, path: usize, for_dir: bool) -> Result<Spot> {
        let spot = self.at(dir, path, Last::Never)?;
        let slash = spot.slash && !for_dir;
        match spot.node {
            Some(id) if slash && !self.is_dir(id) => Err(NOTDIR),
            Some(_) => Err(EXIST),
            None if slash || self.names_of(spot.dir()) == 0 => Err(NOENT),
            None => Ok(spot),
        }
    }

    pub(crate) fn add(&mut self, spot: &Spot, node: Node) -> Id {
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, node);
        let name = spot.name.clone().expect("a new name");
        self.entries_mut(spot.dir()).insert(name, id);
        id
    }

    pub(crate) fn bytes(&mut self, id: Id) -> &mut Vec<u8> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(bytes)) => bytes,
            other => panic!("{id} is {other:?}"),
        }
    }

    /// Whether `dir` is `top` or anywhere in it.
    pub(crate) fn is_below(&self, dir: Id, top: Id) -> bool {
        dir == top || self.entries(top).values().any(|&id| self.is_dir(id) && self.is_below(dir, id))
    }
}
