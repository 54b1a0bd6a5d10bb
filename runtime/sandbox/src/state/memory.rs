//! Finds the pages of linear memory that have changed since it was last hashed, without help of the kernel.
//!
//! A page that was the same twice is copied, and compared with its copy from then on, which takes a fraction of the
//! time of hashing it. One that changes every time is only hashed. So it costs at most as much memory again as the
//! guest's pages that are not zero, and nothing in a task whose state is looked at once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use fizz_attest::Digest;

use super::tree::{PAGE, PageTree, ZERO_PAGE, leaf, zero_leaf};
use super::untouched::PageMap;

/// The bytes of a page, shared by the copies and snapshots that hold it.
pub(crate) type Page = Arc<[u8]>;

/// Linear memory as it was last looked at.
pub(crate) struct MemoryCopy {
    tree: PageTree,
    pages: Vec<Known>,
    image: Range<usize>,
}

/// What is known of a page.
#[derive(Clone, Default)]
enum Known {
    /// Its bytes are zero.
    #[default]
    Zero,
    /// Its hash alone.
    Hash(Digest),
    /// Its bytes.
    Bytes(Page),
}

impl MemoryCopy {
    /// Nothing is known yet. `image` are the pages that may hold bytes without having been written: see
    /// [`image_pages`](super::image_pages).
    pub(crate) fn new(image: Range<usize>) -> Self {
        MemoryCopy { tree: PageTree::default(), pages: Vec::new(), image }
    }

    /// Takes over what has changed, and returns how many pages that were.
    pub(crate) fn update(&mut self, memory: &[u8]) -> usize {
        let mut changed = Vec::new();
        self.pages.resize(memory.len() / PAGE, Known::Zero);
        let untouched = self.untouched(memory);
        for ((index, page), known) in (0..).zip(memory.chunks_exact(PAGE)).zip(&mut self.pages) {
            let same = match known {
                Known::Zero => untouched.get(index as usize) == Some(&true) || *page == ZERO_PAGE,
                Known::Bytes(bytes) => bytes[..] == *page,
                Known::Hash(_) => false,
            };
            if same {
                continue;
            }
            if *page == ZERO_PAGE {
                *known = Known::Zero;
                changed.push((index, zero_leaf()));
                continue;
            }
            let digest = leaf(page);
            if matches!(known, Known::Hash(hash) if *hash == digest) {
                *known = Known::Bytes(page.into());
            } else {
                *known = Known::Hash(digest);
                changed.push((index, digest));
            }
        }
        let count = changed.len();
        self.tree.update(changed);
        count
    }

    /// Which pages were and are zero for certain, without a look at them. The rest may be anything.
    fn untouched(&self, memory: &[u8]) -> Vec<bool> {
        let is_zero = |known: &Known| matches!(known, Known::Zero);
        let mut untouched = vec![false; self.pages.len()];
        let Some(map) = self.pages.iter().any(is_zero).then(PageMap::open).flatten() else {
            return untouched;
        };
        let mut next = 0;
        for run in self.pages.chunk_by(|a, b| is_zero(a) == is_zero(b)) {
            let pages = next..next + run.len();
            next = pages.end;
            if !is_zero(&run[0]) {
                continue;
            }
            let before = pages.start..pages.end.min(self.image.start);
            let behind = pages.start.max(self.image.end)..pages.end;
            for range in if self.image.is_empty() { [pages, 0..0] } else { [before, behind] } {
                map.for_each_untouched(memory, range, |page| untouched[page] = true);
            }
        }
        untouched
    }

    /// Root of the tree over the pages.
    pub(crate) fn root(&self) -> Digest {
        self.tree.root()
    }

    /// Pages of the memory, those of zeros included.
    pub(crate) fn len(&self) -> u32 {
        self.pages.len() as u32
    }

    /// The pages that are not zero. `memory` must be what was last looked at.
    pub(crate) fn pages(&self, memory: &[u8]) -> BTreeMap<u32, Page> {
        let known = (0..).zip(&self.pages).zip(memory.chunks_exact(PAGE));
        known
            .filter_map(|((index, known), page)| match known {
                Known::Zero => None,
                Known::Hash(_) => Some((index, page.into())),
                Known::Bytes(bytes) => Some((index, bytes.clone())),
            })
            .collect()
    }

    /// Bytes that the copies take.
    pub(crate) fn bytes(&self) -> u64 {
        let copies = self.pages.iter().filter(|known| matches!(known, Known::Bytes(_)));
        copies.count() as u64 * PAGE as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_pages_are_taken_and_the_root_is_that_of_a_fresh_copy() {
        let mut memory = vec![0; 5 * PAGE];
        let mut copy = MemoryCopy::new(0..0);
        assert_eq!(copy.update(&memory), 0);
        memory[PAGE + 3] = 9;
        memory[4 * PAGE] = 1;
        assert_eq!((copy.update(&memory), copy.bytes()), (2, 0));
        assert_eq!((copy.update(&memory), copy.bytes()), (0, 2 * PAGE as u64));
        assert_eq!((copy.update(&memory), copy.bytes()), (0, 2 * PAGE as u64));
        let kept = copy.pages(&memory);
        memory[PAGE + 3] = 0;
        memory[4 * PAGE] = 2;
        memory.resize(7 * PAGE, 0);
        memory[6 * PAGE] = 5;
        assert_eq!((copy.update(&memory), copy.bytes()), (3, 0));
        assert_eq!(kept[&4][0], 1, "what is held elsewhere is not written over");
        assert_eq!(copy.pages(&memory).keys().copied().collect::<Vec<_>>(), [4, 6]);
        let mut fresh = MemoryCopy::new(0..0);
        fresh.update(&memory);
        assert_eq!(fresh.root(), copy.root());
        assert_eq!(fresh.len(), 7);
    }

    #[test]
    fn what_the_kernel_tells_changes_no_root() {
        // Most of it is never touched, some pages are written with zeros, some with others.
        let mut memory = vec![0; 200 * PAGE];
        for page in [3, 40, 41, 150] {
            memory[page * PAGE + 17] = 1;
            memory[(page + 2) * PAGE] = 0;
        }
        let root = |image: Range<usize>, memory: &[u8]| {
            let mut copy = MemoryCopy::new(image);
            copy.update(memory);
            (copy.root(), copy.update(memory), copy.pages(memory).len())
        };
        let told = root(0..0, &memory);
        assert_eq!((told.1, told.2), (0, 4));
        for image in [0..usize::MAX, 3..41, 0..1, 199..200, 150..900, 41..41] {
            assert_eq!(root(image, &memory), told);
        }
    }
}
