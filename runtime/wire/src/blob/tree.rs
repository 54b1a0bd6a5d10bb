//! The hash tree over groups: its shape from `bao-tree`, its hashes from `blake3`.

use bao_tree::iter::{BaoChunk, ResponseIter};
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges, TreeNode};
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use fizz_attest::Blob;

use super::GROUP_BYTES;

/// Bytes of a BLAKE3 chunk.
const CHUNK_BYTES: u64 = 1024;

/// Bytes of an inner node: two hashes.
pub(super) const PAIR_BYTES: usize = 64;

/// The hash of a subtree, or of the whole tree.
pub(super) type Hash = [u8; 32];

/// The tree of a blob of this size.
pub(super) fn tree(size: u64) -> BaoTree {
    BaoTree::new(size, BlockSize::from_chunk_log(4))
}

/// Where a node stands in the outboard, in bytes. Every node that a [`Walk`] gives has a place.
pub(super) fn outboard_position(size: u64, node: TreeNode) -> Option<u64> {
    tree(size).pre_order_offset(node).map(|slot| slot * PAIR_BYTES as u64)
}

/// Whether a transfer of `blob` may start at `from`.
pub(super) fn is_start(blob: Blob, from: u64) -> bool {
    from.is_multiple_of(GROUP_BYTES) && (from == 0 || from < blob.size)
}

/// One piece of a Bao stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    /// An inner node.
    Pair {
        node: TreeNode,
        is_root: bool,
        /// Whether wanted groups stand below its left half.
        left: bool,
        /// Whether wanted groups stand below its right half.
        right: bool,
    },
    /// A group. Only an empty blob's is empty.
    Group { offset: u64, size: usize, is_root: bool },
}

impl Item {
    /// Bytes it takes in the stream.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Item::Pair { .. } => PAIR_BYTES,
            Item::Group { size, .. } => *size,
        }
    }
}

/// Walks the tree in the order of the stream and knows which hash each item must have.
pub(super) struct Walk {
    items: ResponseIter,
    expected: Vec<Hash>,
}

impl Walk {
    /// A walk over the groups from `from` on, which [`is_start`] allows.
    pub(super) fn new(blob: Blob, from: u64) -> Walk {
        let ranges = match from {
            0 => ChunkRanges::all(),
            from => ChunkRanges::from(ChunkNum(from / CHUNK_BYTES)..),
        };
        Walk { items: ResponseIter::new(tree(blob.size), ranges), expected: vec![blob.content.0] }
    }

    /// The next item, or `None` at the end.
    pub(super) fn next(&mut self) -> Option<Item> {
        self.items.next().map(|item| match item {
            BaoChunk::Parent { node, is_root, left, right, .. } => Item::Pair { node, is_root, left, right },
            BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                Item::Group { offset: start_chunk.to_bytes(), size, is_root }
            }
        })
    }

    /// Checks the bytes of the item that [`next`](Walk::next) gave last, also that there are enough of them.
    pub(super) fn check(&mut self, item: Item, bytes: &[u8]) -> bool {
        let Some(expected) = self.expected.pop() else {
            return false;
        };
        if bytes.len() != item.bytes() {
            return false;
        }
        match item {
            Item::Group { offset, is_root, .. } => group_hash(offset, bytes, is_root) == expected,
            Item::Pair { is_root, left, right, .. } => {
                let Some((l, r)) = split_pair(bytes) else {
                    return false;
                };
                if pair_hash(&l, &r, is_root) != expected {
                    return false;
                }
                // The left half comes first.
                self.expected.extend(right.then_some(r));
                self.expected.extend(left.then_some(l));
                true
            }
        }
    }
}

fn split_pair(bytes: &[u8]) -> Option<(Hash, Hash)> {
    let (left, right) = bytes.split_first_chunk::<32>()?;
    Some((*left, right.try_into().ok()?))
}

fn pair_hash(left: &Hash, right: &Hash, is_root: bool) -> Hash {
    if is_root {
        merge_subtrees_root(left, right, Mode::Hash).into()
    } else {
        merge_subtrees_non_root(left, right, Mode::Hash)
    }
}

fn group_hash(offset: u64, bytes: &[u8], is_root: bool) -> Hash {
    if is_root {
        blake3::hash(bytes).into()
    } else {
        blake3::Hasher::new().set_input_offset(offset).update(bytes).finalize_non_root()
    }
}
