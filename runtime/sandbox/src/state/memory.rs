//! A copy of linear memory as it was last hashed, by which changed pages are found without help of the kernel.
//!
//! It costs as much memory again as the guest's pages that are not zero, and a comparison of all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use fizz_attest::Digest;

use super::tree::{PAGE, PageTree, ZERO_PAGE, leaf, zero_leaf};

/// The bytes of a page, shared by the copies and snapshots that hold it.
pub(crate) type Page = Arc<[u8]>;

/// Linear memory as it was last looked at.
#[derive(Clone, Default)]
pub(crate) struct MemoryCopy {
    tree: PageTree,
    /// By number; `None` is a page of zeros.
    pages: Vec<Option<Page>>,
}

impl MemoryCopy {
    /// Takes over what has changed, and returns how many pages that were.
    pub(crate) fn update(&mut self, memory: &[u8]) -> usize {
        let mut changed = Vec::new();
        self.pages.resize(memory.len() / PAGE, None);
        for ((index, page), old) in (0..).zip(memory.chunks_exact(PAGE)).zip(&mut self.pages) {
            let same = match old {
                Some(old) => old[..] == *page,
                None => *page == ZERO_PAGE,
            };
            if same {
                continue;
            }
            if *page == ZERO_PAGE {
                *old = None;
                changed.push((index, zero_leaf()));
                continue;
            }
            changed.push((index, leaf(page)));
            match old.as_mut().and_then(Arc::get_mut) {
                Some(old) => old.copy_from_slice(page),
                None => *old = Some(page.into()),
            }
        }
        let count = changed.len();
        self.tree.update(changed);
        count
    }

    /// Root of the tree over the pages.
    pub(crate) fn root(&self) -> Digest {
        self.tree.root()
    }

    pub(crate) fn tree(&self) -> &PageTree {
        &self.tree
    }

    /// Pages of the memory, those of zeros included.
    pub(crate) fn len(&self) -> u32 {
        self.pages.len() as u32
    }

    /// The bytes of a page; `None` for zeros.
    pub(crate) fn page(&self, index: u32) -> Option<&Page> {
        self.pages.get(index as usize).and_then(Option::as_ref)
    }

    /// The pages that are not zero.
    pub(crate) fn pages(&self) -> BTreeMap<u32, Page> {
        let page = |(index, page): (u32, &Option<Page>)| page.clone().map(|page| (index, page));
        (0..).zip(&self.pages).filter_map(page).collect()
    }

    /// Bytes that the copy takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.pages.iter().flatten().count() as u64 * PAGE as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_pages_are_taken_and_the_root_is_that_of_a_fresh_copy() {
        let mut memory = vec![0; 5 * PAGE];
        let mut copy = MemoryCopy::default();
        assert_eq!(copy.update(&memory), 0);
        memory[PAGE + 3] = 9;
        memory[4 * PAGE] = 1;
        assert_eq!(copy.update(&memory), 2);
        assert_eq!(copy.update(&memory), 0);
        let kept = copy.pages();
        memory[PAGE + 3] = 0;
        memory[4 * PAGE] = 2;
        memory.resize(7 * PAGE, 0);
        memory[6 * PAGE] = 5;
        assert_eq!(copy.update(&memory), 3);
        assert_eq!(copy.bytes(), 2 * PAGE as u64);
        assert_eq!(kept[&4][0], 1, "what is held elsewhere is not written over");
        let mut fresh = MemoryCopy::default();
        fresh.update(&memory);
        assert_eq!(fresh.root(), copy.root());
        assert_eq!(fresh.len(), 7);
    }
}
