//! Nodes and names: the plain data of a file system.

mod state;

use std::collections::BTreeMap;

use bytes::Bytes;

pub(crate) use state::{Contents, KindState, NodeState, Refused};

/// Number of a node, given in order of creation and never twice.
pub(crate) type Inode = u64;

/// The root folder.
pub(crate) const ROOT: Inode = 1;

/// The bytes of a file.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// As the job brought them; they do not count as output.
    Shared(Bytes),
    /// Written by the guest.
    Owned(Vec<u8>),
}

impl Content {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Content::Shared(bytes) => bytes,
            Content::Owned(bytes) => bytes,
        }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Content::Shared(bytes) => bytes.clone(),
            Content::Owned(bytes) => Bytes::copy_from_slice(bytes),
        }
    }

    /// Bytes that count as output.
    pub(crate) fn owned_len(&self) -> u64 {
        match self {
            Content::Shared(_) => 0,
            Content::Owned(bytes) => bytes.len() as u64,
        }
    }
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    File(Content),
    Dir {
        entries: BTreeMap<String, Inode>,
        parent: Inode,
        /// Bytes of its path from the root, without a trailing slash.
        path_len: usize,
    },
    /// A symbolic link and where it points.
    Link(String),
}

/// The kind of a node without its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Dir,
    Link,
}

/// Times in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    pub(crate) changed: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// Names that point to it.
    pub(crate) links: u64,
    pub(crate) times: Times,
}

impl NodeKind {
    /// An empty folder; its place is filled in when it gets its name.
    pub(crate) fn folder() -> Self {
        NodeKind::Dir { entries: BTreeMap::new(), parent: ROOT, path_len: 0 }
    }
}

impl Node {
    pub(crate) fn kind(&self) -> Kind {
        match self.kind {
            NodeKind::File(_) => Kind::File,
            NodeKind::Dir { .. } => Kind::Dir,
            NodeKind::Link(_) => Kind::Link,
        }
    }
}

/// Bytes that a node takes in a state at the most, without names and a link's target: the names of its fields, and numbers
/// of nine bytes.
pub(crate) const NODE_BYTES: usize = 256;
/// Bytes that a name takes in a state at the most beside itself.
pub(crate) const ENTRY_BYTES: usize = 32;

/// All nodes of a file system. Names inside it are valid; every entry points to a node.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: BTreeMap<Inode, Node>,
    next: Inode,
    names: u64,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Node { kind: NodeKind::folder(), links: 1, times: Times::default() };
        Tree { nodes: BTreeMap::from([(ROOT, root)]), next: ROOT + 1, names: 0 }
    }
}

impl Tree {
    pub(crate) fn node(&self, inode: Inode) -> Option<&Node> {
        self.nodes.get(&inode)
    }

    /// All nodes by rising number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Inode, &Node)> {
        self.nodes.iter().map(|(&inode, node)| (inode, node))
    }

    pub(crate) fn node_mut(&mut self, inode: Inode) -> Option<&mut Node> {
        self.nodes.get_mut(&inode)
    }

    /// Names in all folders.
    pub(crate) fn names(&self) -> u64 {
        self.names
    }

    /// Bytes that all of it takes in a state at the most, without the files' own.
    pub(crate) fn state_bytes(&self) -> u64 {
        let bytes = |node: &Node| {
            NODE_BYTES
                + match &node.kind {
                    NodeKind::File(_) => 0,
                    NodeKind::Link(target) => target.len(),
                    NodeKind::Dir { entries, .. } => {
                        entries.keys().map(|name| ENTRY_BYTES + name.len()).sum::<usize>()
                    }
                }
        };
        self.nodes.values().map(|node| bytes(node) as u64).sum()
    }

    pub(crate) fn entries(&self, dir: Inode) -> Option<&BTreeMap<String, Inode>> {
        match &self.node(dir)?.kind {
            NodeKind::Dir { entries, .. } => Some(entries),
            _ => None,
        }
    }

    fn entries_mut(&mut self, dir: Inode) -> Option<&mut BTreeMap<String, Inode>> {
        match &mut self.nodes.get_mut(&dir)?.kind {
            NodeKind::Dir { entries, .. } => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn parent(&self, dir: Inode) -> Option<Inode> {
        match &self.node(dir)?.kind {
            NodeKind::Dir { parent, .. } => Some(*parent),
            _ => None,
        }
    }

    pub(crate) fn lookup(&self, dir: Inode, name: &str) -> Option<Inode> {
        self.entries(dir)?.get(name).copied()
    }

    /// Makes a node under a free name of a folder. `dir` must be a folder.
    pub(crate) fn add(&mut self, dir: Inode, name: &str, kind: NodeKind, now: u64) -> Inode {
        let inode = self.next;
        self.next += 1;
        let times = Times { accessed: now, modified: now, changed: now };
        self.nodes.insert(inode, Node { kind, links: 0, times });
        self.link(dir, name, inode);
        inode
    }

    /// The folder of that name, made if it is missing. `None` when a file has the name.
    pub(crate) fn folder(&mut self, dir: Inode, name: &str) -> Option<Inode> {
        match self.lookup(dir, name) {
            Some(found) => (self.node(found)?.kind() == Kind::Dir).then_some(found),
            None => Some(self.add(dir, name, NodeKind::folder(), 0)),
        }
    }

    /// Gives a node one more name. The name must be free.
    pub(crate) fn link(&mut self, dir: Inode, name: &str, inode: Inode) {
        if let Some(entries) = self.entries_mut(dir) {
            entries.insert(name.to_owned(), inode);
            self.names += 1;
        }
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.links += 1;
            if let NodeKind::Dir { parent, .. } = &mut node.kind {
                *parent = dir;
            }
        }
        self.place_folders(inode, self.path_len(dir, name));
    }

    /// Bytes of the path of a name in a folder.
    pub(crate) fn path_len(&self, dir: Inode, name: &str) -> usize {
        match self.node(dir).map(|node| &node.kind) {
            Some(NodeKind::Dir { path_len, .. }) => path_len + 1 + name.len(),
            _ => 1 + name.len(),
        }
    }

    /// Sets the path lengths of a folder and of all folders in it.
    fn place_folders(&mut self, inode: Inode, len: usize) {
        let mut open = vec![(inode, len)];
        while let Some((inode, len)) = open.pop() {
            if let Some(Node { kind: NodeKind::Dir { entries, path_len, .. }, .. }) =
                self.nodes.get_mut(&inode)
            {
                *path_len = len;
                open.extend(entries.iter().map(|(name, &child)| (child, len + 1 + name.len())));
            }
        }
    }

    /// The longest path below a node, counted from it, and how many names there are.
    pub(crate) fn extent(&self, inode: Inode) -> (usize, u64) {
        let (mut longest, mut names) = (0, 0);
        let mut open = vec![(inode, 0)];
        while let Some((inode, len)) = open.pop() {
            longest = longest.max(len);
            for (name, &child) in self.entries(inode).into_iter().flatten() {
                names += 1;
                open.push((child, len + 1 + name.len()));
            }
        }
        (longest, names)
    }

    /// Takes a name away and returns its node, which stays until [`Tree::forget`].
    pub(crate) fn unlink(&mut self, dir: Inode, name: &str) -> Option<Inode> {
        let inode = self.entries_mut(dir)?.remove(name)?;
        self.names -= 1;
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.links = node.links.saturating_sub(1);
        }
        Some(inode)
    }

    /// Drops a node that has no name any more, and returns it.
    pub(crate) fn forget(&mut self, inode: Inode) -> Option<Node> {
        if self.node(inode)?.links > 0 { None } else { self.nodes.remove(&inode) }
    }

    /// The same tree with nodes numbered in the order of their paths, guest-written bytes made input, and all times
    /// set to `now`: what a run starts from must not depend on the order in which the caller added files.
    pub(crate) fn canonical(&self, now: u64) -> Tree {
        let mut tree = Tree::default();
        if let Some(root) = tree.node_mut(ROOT) {
            root.times = Times { accessed: now, modified: now, changed: now };
        }
        let mut known = BTreeMap::from([(ROOT, ROOT)]);
        self.copy_folder(ROOT, ROOT, now, &mut tree, &mut known);
        tree
    }

    fn copy_folder(
        &self,
        from: Inode,
        to: Inode,
        now: u64,
        tree: &mut Tree,
        known: &mut BTreeMap<Inode, Inode>,
    ) {
        // Depth first with an explicit stack: folders may be nested as deep as there are files.
        let mut open = vec![(from, to)];
        while let Some((from, to)) = open.pop() {
            let mut folders = Vec::new();
            for (name, &old) in self.entries(from).into_iter().flatten() {
                if let Some(&new) = known.get(&old) {
                    tree.link(to, name, new);
                    continue;
                }
                let Some(node) = self.node(old) else { continue };
                let kind = match &node.kind {
                    NodeKind::File(content) => NodeKind::File(Content::Shared(content.to_bytes())),
                    NodeKind::Dir { .. } => NodeKind::folder(),
                    NodeKind::Link(target) => NodeKind::Link(target.clone()),
                };
                let is_dir = matches!(kind, NodeKind::Dir { .. });
                let new = tree.add(to, name, kind, now);
                known.insert(old, new);
                if is_dir {
                    folders.push((old, new));
                }
            }
            open.extend(folders.into_iter().rev());
        }
    }

    /// Turns guest-written bytes into shared ones without copying them, so that they can be handed out cheaply.
    pub(crate) fn freeze(&mut self) {
        for node in self.nodes.values_mut() {
            if let NodeKind::File(content) = &mut node.kind
                && let Content::Owned(bytes) = content
            {
                *content = Content::Shared(Bytes::from(std::mem::take(bytes)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_numbers_do_not_depend_on_the_order_of_insertion() {
        let numbers = |paths: &[&str]| {
            let mut files = crate::Files::new();
            for path in paths {
                files.insert(path, "x").unwrap();
            }
            let tree = files.tree.canonical(7);
            let mut all: Vec<_> = Vec::new();
            let mut open = vec![(String::new(), ROOT)];
            while let Some((path, inode)) = open.pop() {
                all.push((path.clone(), inode, tree.node(inode).unwrap().times.modified));
                for (name, child) in tree.entries(inode).into_iter().flatten() {
                    open.push((format!("{path}/{name}"), *child));
                }
            }
            all.sort();
            all
        };
        let one = numbers(&["/b/c", "/a", "/b/a"]);
        assert_eq!(one, numbers(&["/a", "/b/a", "/b/c"]));
        assert!(one.iter().all(|(_, _, time)| *time == 7));
    }

    #[test]
    fn an_unlinked_node_stays_until_it_is_forgotten() {
        let mut tree = Tree::default();
        let inode = tree.add(ROOT, "a", NodeKind::File(Content::Owned(vec![1])), 0);
        assert!(tree.forget(inode).is_none(), "it has a name");
        assert_eq!(tree.unlink(ROOT, "a"), Some(inode));
        assert_eq!(tree.names(), 0);
        assert!(tree.node(inode).is_some());
        assert!(tree.forget(inode).is_some());
        assert!(tree.node(inode).is_none());
    }
}
