//! The hash tree over the pages of linear memory.
//!
//! Always 16 levels deep, over all 65,536 pages that a memory can have: pages beyond its end count as zero, so growth
//! changes nothing, and a part of zeros has a hash that is known beforehand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use blake3::Hasher;
use fizz_attest::{Digest, Domain};

/// Bytes of a page.
pub(crate) const PAGE: usize = 65_536;
/// Levels above the leaves.
const DEPTH: usize = 16;
/// Pages that a memory can have.
pub(crate) const PAGES_MAX: u32 = 1 << DEPTH;

/// A page of zeros.
pub(crate) static ZERO_PAGE: [u8; PAGE] = [0; PAGE];

/// The leaf of a page.
pub(crate) fn leaf(page: &[u8]) -> Digest {
    static KEYED: OnceLock<Hasher> = OnceLock::new();
    digest(&KEYED, Domain::StatePage, &[page])
}

fn node(left: &Digest, right: &Digest) -> Digest {
    static KEYED: OnceLock<Hasher> = OnceLock::new();
    digest(&KEYED, Domain::StateNode, &[&left.0, &right.0])
}

/// [`Digest::of_parts`] with the domain's key made once: a node takes two thirds of the time.
fn digest(keyed: &OnceLock<Hasher>, domain: Domain, parts: &[&[u8]]) -> Digest {
    let mut hasher = keyed.get_or_init(|| Hasher::new_derive_key(domain.context())).clone();
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    Digest(*hasher.finalize().as_bytes())
}

/// The hashes of all-zero parts, by level from the leaves up.
fn zeros() -> &'static [Digest; DEPTH + 1] {
    static ZEROS: OnceLock<[Digest; DEPTH + 1]> = OnceLock::new();
    ZEROS.get_or_init(|| {
        let mut below = leaf(&ZERO_PAGE);
        std::array::from_fn(|level| {
            if level > 0 {
                below = node(&below, &below);
            }
            below
        })
    })
}

/// The leaf of a page of zeros.
pub(crate) fn zero_leaf() -> Digest {
    zeros()[0]
}

/// The tree over one memory, of which only what is not zero is kept.
#[derive(Clone, Default)]
pub(crate) struct PageTree {
    /// Hashes that differ from those of zeros, by level from the leaves up and place in the level.
    levels: [BTreeMap<u32, Digest>; DEPTH + 1],
}

impl PageTree {
    fn at(&self, level: usize, index: u32) -> Digest {
        self.levels[level].get(&index).copied().unwrap_or(zeros()[level])
    }

    fn set(&mut self, level: usize, index: u32, digest: Digest) {
        if digest == zeros()[level] {
            self.levels[level].remove(&index);
        } else {
            self.levels[level].insert(index, digest);
        }
    }

    /// Sets leaves, and hashes the nodes above them anew.
    pub(crate) fn update(&mut self, leaves: impl IntoIterator<Item = (u32, Digest)>) {
        let mut changed = BTreeSet::new();
        for (index, digest) in leaves {
            self.set(0, index, digest);
            changed.insert(index / 2);
        }
        for level in 1..=DEPTH {
            for &index in &changed {
                let (left, right) = (self.at(level - 1, 2 * index), self.at(level - 1, 2 * index + 1));
                let zero = zeros()[level - 1];
                let both = if (left, right) == (zero, zero) { zeros()[level] } else { node(&left, &right) };
                self.set(level, index, both);
            }
            changed = changed.into_iter().map(|index| index / 2).collect();
        }
    }

    /// Takes a whole memory over, of which nothing was known before.
    pub(crate) fn hash(&mut self, memory: &[u8]) {
        let pages = (0..).zip(memory.chunks_exact(PAGE)).filter(|(_, page)| **page != ZERO_PAGE);
        self.update(pages.map(|(index, page)| (index, leaf(page))));
    }

    /// The first page in which two memories differ.
    pub(crate) fn first_difference(&self, other: &PageTree) -> Option<u32> {
        let pages = self.levels[0].keys().chain(other.levels[0].keys());
        pages.filter(|&&page| self.at(0, page) != other.at(0, page)).min().copied()
    }

    /// The root.
    pub(crate) fn root(&self) -> Digest {
        self.at(DEPTH, 0)
    }

    /// What must be known beside these leaves to compute the root: by level from the leaves up, by rising place.
    pub(crate) fn siblings(&self, pages: &BTreeSet<u32>) -> Vec<Digest> {
        let mut found = Vec::new();
        let mut known = pages.clone();
        for level in 0..DEPTH {
            for &index in &known {
                if !known.contains(&(index ^ 1)) {
                    found.push(self.at(level, index ^ 1));
                }
            }
            known = known.into_iter().map(|index| index / 2).collect();
        }
        found
    }
}

/// The root over some leaves and the siblings that [`PageTree::siblings`] found for them. `None` when those are too
/// few or too many, or there are no leaves.
pub(crate) fn root_of(leaves: &BTreeMap<u32, Digest>, siblings: &[Digest]) -> Option<Digest> {
    let mut known = leaves.clone();
    let mut siblings = siblings.iter();
    for _ in 0..DEPTH {
        let mut above = BTreeMap::new();
        for (&index, digest) in &known {
            let other = match known.get(&(index ^ 1)) {
                Some(other) => *other,
                None => *siblings.next()?,
            };
            let both = if index % 2 == 0 { (*digest, other) } else { (other, *digest) };
            // A pair of known leaves comes here twice.
            above.entry(index / 2).or_insert_with(|| node(&both.0, &both.1));
        }
        known = above;
    }
    if siblings.next().is_some() { None } else { known.get(&0).copied() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(byte: u8) -> Vec<u8> {
        vec![byte; PAGE]
    }

    #[test]
    fn zero_pages_change_nothing_and_others_do() {
        let mut tree = PageTree::default();
        let empty = tree.root();
        tree.update([(0, zero_leaf()), (65_535, zero_leaf())]);
        assert_eq!(tree.root(), empty);
        tree.update([(7, leaf(&page(1)))]);
        let one = tree.root();
        assert_ne!(one, empty);
        tree.update([(7, zero_leaf()), (8, leaf(&page(1)))]);
        assert_ne!(tree.root(), one, "the place counts");
        tree.update([(8, leaf(&ZERO_PAGE))]);
        assert_eq!(tree.root(), empty);
    }

    #[test]
    fn leaves_and_nodes_are_digests_of_their_domains() {
        assert_eq!(leaf(&page(3)), Digest::of(Domain::StatePage, &page(3)));
        let (a, b) = (Digest([1; 32]), Digest([2; 32]));
        assert_eq!(node(&a, &b), Digest::of_parts(Domain::StateNode, &[&a.0, &b.0]));
    }

    #[test]
    fn changes_one_by_one_and_all_at_once_give_the_same_root() {
        let leaves: Vec<(u32, Digest)> =
            (0..40u32).map(|n| (n * n * 37 % PAGES_MAX, leaf(&page(n as u8 + 1)))).collect();
        let (mut one, mut all) = (PageTree::default(), PageTree::default());
        leaves.iter().for_each(|&leaf| one.update([leaf]));
        all.update(leaves);
        assert_eq!(one.root(), all.root());
    }

    #[test]
    fn any_part_climbs_to_the_root_with_its_siblings_and_not_without() {
        let leaves: BTreeMap<u32, Digest> =
            [0, 1, 5, 6, 300, 65_534, 65_535].map(|n| (n, leaf(&page(n as u8)))).into();
        let mut tree = PageTree::default();
        tree.update(leaves.clone());
        for pages in
            [vec![0], vec![0, 1], vec![5, 65_535], vec![2, 300, 4_000], leaves.keys().copied().collect()]
        {
            let set: BTreeSet<u32> = pages.into_iter().collect();
            let siblings = tree.siblings(&set);
            let part: BTreeMap<u32, Digest> =
                set.iter().map(|n| (*n, leaves.get(n).copied().unwrap_or(zero_leaf()))).collect();
            assert_eq!(root_of(&part, &siblings), Some(tree.root()));
            assert_eq!(root_of(&part, &siblings[1..]), None);
            assert_eq!(root_of(&part, &[siblings.as_slice(), &[tree.root()]].concat()), None);
            let mut wrong = part.clone();
            wrong.values_mut().for_each(|digest| digest.0[0] ^= 1);
            assert_ne!(root_of(&wrong, &siblings), Some(tree.root()));
        }
        assert_eq!(root_of(&BTreeMap::new(), &[]), None);
    }
}
