//! The bytes of a saved state: a head, the canonical core, a table of pages, the pages, other hashes, and the contents
//! of files and streams. Numbers are little-endian.
//!
//! ```text
//! magic       8 bytes, names the kind and the version
//! core        u32 length, canonical DAG-CBOR
//! table       u32 count, then (page u32, slot u32) by rising page; slot 0 is a page of zeros, slot n the n-th below
//! pages       u32 count, then 64 KiB each: different from each other and from zeros, in the order of first use
//! siblings    u32 count, then 32 bytes each
//! contents    the bytes that the core names by hash, each once, in the order of first use, nothing between them
//! ```
//!
//! There is one encoding of each state, and a decoder refuses all others. Every byte is checked against a hash in the
//! core, so that a decoded state is the one whose digest the core has.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fizz_attest::{Blob, Canonical, CanonicalError, Digest};

use super::core::{Core, STATE_VERSION};
use super::memory::Page;
use super::tree::{PAGE, PAGES_MAX, ZERO_PAGE, leaf, root_of, zero_leaf};
use crate::files::KindState;

/// Bytes are not a saved state.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SnapshotError {
    /// They do not begin like one.
    #[error("this is not {0}, or of a version of Fizz that this one does not know")]
    Magic(&'static str),
    /// They end too early, or go on after the end.
    #[error("the saved state is cut short, or has bytes after its end")]
    Length,
    /// The core.
    #[error(transparent)]
    Core(#[from] CanonicalError),
    /// The parts do not fit together.
    #[error("the saved state cannot be: {0}")]
    Impossible(&'static str),
}

/// What both kinds of saved state are made of.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) core: Core,
    /// `None` is a page of zeros.
    pub(crate) pages: BTreeMap<u32, Option<Page>>,
    pub(crate) siblings: Vec<Digest>,
    pub(crate) contents: BTreeMap<Digest, Bytes>,
}

/// Which kind of saved state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All pages but those of zeros, and no siblings.
    Whole,
    /// Some pages, with the siblings that lead to the root.
    Part,
}

impl Kind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Kind::Whole => b"fizzsn\x00\x01",
            Kind::Part => b"fizzop\x00\x01",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Whole => "a snapshot",
            Kind::Part => "an opening",
        }
    }
}

/// The blobs whose bytes are part of a saved state, each once: what the guest has written. What it was given is part of
/// the task.
pub(crate) fn contents_of(core: &Core) -> Vec<Blob> {
    let files = core.wasi.files.nodes.iter().filter_map(|node| match &node.kind {
        KindState::File { blob, owned: true } => Some(*blob),
        _ => None,
    });
    let mut seen = BTreeSet::new();
    [core.wasi.stdout, core.wasi.stderr].into_iter().chain(files).filter(|blob| seen.insert(*blob)).collect()
}

impl Parts {
    pub(crate) fn encode(&self, kind: Kind) -> Vec<u8> {
        let core = self.core.to_canonical();
        let mut out = kind.magic().to_vec();
        let number = |out: &mut Vec<u8>, value: usize| {
            out.extend(u32::try_from(value).expect("fewer than 2^32 parts").to_le_bytes());
        };
        number(&mut out, core.len());
        out.extend(core);
        number(&mut out, self.pages.len());
        let mut slots = BTreeMap::new();
        let mut unique = Vec::new();
        for (index, page) in &self.pages {
            let slot = match page {
                None => 0,
                Some(page) => *slots.entry(leaf(page)).or_insert_with(|| {
                    unique.push(page);
                    unique.len()
                }),
            };
            out.extend(index.to_le_bytes());
            number(&mut out, slot);
        }
        number(&mut out, unique.len());
        unique.iter().for_each(|page| out.extend(&page[..]));
        number(&mut out, self.siblings.len());
        self.siblings.iter().for_each(|digest| out.extend(digest.0));
        for blob in contents_of(&self.core) {
            out.extend(&self.contents[&blob.content]);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8], kind: Kind) -> Result<Parts, SnapshotError> {
        let mut reader = Reader(bytes);
        if reader.take(8).map_err(|_| SnapshotError::Magic(kind.name()))? != kind.magic() {
            return Err(SnapshotError::Magic(kind.name()));
        }
        let length = reader.number()?;
        let core = Core::from_canonical(reader.take(length)?)?;
        if core.v != STATE_VERSION {
            return Err(SnapshotError::Impossible("its state has another version"));
        }
        if core.pages > PAGES_MAX {
            return Err(SnapshotError::Impossible("its memory is larger than a memory can be"));
        }
        let count = reader.number()?;
        let table = reader.take(count.checked_mul(8).ok_or(SnapshotError::Length)?)?;
        let (pages, leaves) = pages(table, &mut reader, &core)?;
        let count = reader.number()?;
        let siblings = reader.take(count.checked_mul(32).ok_or(SnapshotError::Length)?)?;
        let siblings: Vec<Digest> =
            siblings.as_chunks::<32>().0.iter().map(|digest| Digest(*digest)).collect();
        check_root(kind, &core, &leaves, &siblings)?;
        let mut contents = BTreeMap::new();
        for blob in contents_of(&core) {
            let bytes = reader.take(usize::try_from(blob.size).map_err(|_| SnapshotError::Length)?)?;
            if Blob::of(bytes) != blob {
                return Err(SnapshotError::Impossible("the bytes of a file have another hash"));
            }
            contents.insert(blob.content, Bytes::copy_from_slice(bytes));
        }
        if !reader.0.is_empty() {
            return Err(SnapshotError::Length);
        }
        Ok(Parts { core, pages, siblings, contents })
    }
}

type Pages = (BTreeMap<u32, Option<Page>>, BTreeMap<u32, Digest>);

/// The pages of a table, and their leaves.
fn pages(table: &[u8], reader: &mut Reader<'_>, core: &Core) -> Result<Pages, SnapshotError> {
    let wrong = |what| Err(SnapshotError::Impossible(what));
    let count = reader.number()?;
    let mut unique: Vec<(Page, Digest)> = Vec::new();
    let mut seen = BTreeSet::new();
    for _ in 0..count {
        let page = reader.take(PAGE)?;
        let digest = leaf(page);
        if *page == ZERO_PAGE || !seen.insert(digest) {
            return wrong("a page is of zeros, or there twice");
        }
        unique.push((page.into(), digest));
    }
    let (mut pages, mut leaves) = (BTreeMap::new(), BTreeMap::new());
    let (mut next, mut used) = (0, 0);
    for entry in table.as_chunks::<8>().0 {
        let [a, b, c, d, slot @ ..] = *entry;
        let (index, slot) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(slot) as usize);
        if index < next || index >= PAGES_MAX || slot > used + 1 {
            return wrong("its pages are not in order");
        }
        next = index + 1;
        used = used.max(slot);
        let page = match slot {
            0 => None,
            _ => Some(unique.get(slot - 1).ok_or(SnapshotError::Impossible("a page is missing"))?),
        };
        if page.is_some() && index >= core.pages {
            return wrong("a page lies beyond the end of memory");
        }
        leaves.insert(index, page.map_or_else(zero_leaf, |(_, leaf)| *leaf));
        pages.insert(index, page.map(|(page, _)| page.clone()));
    }
    if used != unique.len() {
        return wrong("a page is not used");
    }
    Ok((pages, leaves))
}

fn check_root(
    kind: Kind,
    core: &Core,
    leaves: &BTreeMap<u32, Digest>,
    siblings: &[Digest],
) -> Result<(), SnapshotError> {
    let root = match kind {
        Kind::Whole if !siblings.is_empty() || leaves.values().any(|leaf| *leaf == zero_leaf()) => {
            return Err(SnapshotError::Impossible("it holds more than it needs"));
        }
        Kind::Whole => {
            let mut tree = super::tree::PageTree::default();
            tree.update(leaves.clone());
            Some(tree.root())
        }
        // An opening always holds a page, so that it can be checked against the root.
        Kind::Part => root_of(leaves, siblings),
    };
    if root == Some(core.memory) {
        Ok(())
    } else {
        Err(SnapshotError::Impossible("its pages are not those of its state"))
    }
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], SnapshotError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SnapshotError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<usize, SnapshotError> {
        let bytes = self.take(4)?.first_chunk::<4>().copied().ok_or(SnapshotError::Length)?;
        Ok(u32::from_le_bytes(bytes) as usize)
    }
}
