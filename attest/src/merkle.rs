//! Merkle trees of the shape of RFC 9162 §2.1: the left part holds the largest power of two of the leaves.

use crate::digest::{Digest, Domain};

/// The root over leaf digests. No leaves have the digest of nothing.
pub(crate) fn root(domain: Domain, leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(domain, &[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(domain, &root(domain, left), &root(domain, right))
        }
    }
}

/// The siblings of a leaf, from the leaf up. `None` when there is no such leaf.
pub(crate) fn path(domain: Domain, leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut part, mut index, mut siblings) = (leaves, index, Vec::new());
    while part.len() > 1 {
        let (left, right) = part.split_at(split(part.len()));
        if index < left.len() {
            siblings.push(root(domain, right));
            part = left;
        } else {
            siblings.push(root(domain, left));
            index -= left.len();
            part = right;
        }
    }
    siblings.reverse();
    Some(siblings)
}

/// The root that a leaf and its siblings lead to. `None` when the siblings are too few or too many for the place.
pub(crate) fn climb(
    domain: Domain,
    leaf: Digest,
    index: usize,
    count: usize,
    path: &[Digest],
) -> Option<Digest> {
    if index >= count {
        return None;
    }
    // The turns on the way down, which are then climbed in reverse.
    let (mut part, mut at, mut turns) = (count, index, Vec::new());
    while part > 1 {
        let left = split(part);
        turns.push(at < left);
        (at, part) = if at < left { (at, left) } else { (at - left, part - left) };
    }
    if turns.len() != path.len() {
        return None;
    }
    let climbed = turns.iter().rev().zip(path).fold(leaf, |below, (is_left, sibling)| {
        if *is_left { node(domain, &below, sibling) } else { node(domain, sibling, &below) }
    });
    Some(climbed)
}

/// How many of `count` leaves, at least two, are in the left part.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn node(domain: Domain, left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(domain, &[&left.0, &right.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_of_every_small_tree_climbs_to_the_root_and_nowhere_else() {
        for count in 1..20 {
            let leaves: Vec<Digest> = (0..count).map(|n| Digest([n as u8; 32])).collect();
            let top = root(Domain::ChunkNode, &leaves);
            for index in 0..count {
                let path = path(Domain::ChunkNode, &leaves, index).unwrap();
                let climb =
                    |index, path: &[Digest]| climb(Domain::ChunkNode, leaves[index], index, count, path);
                assert_eq!(climb(index, &path), Some(top), "{index} of {count}");
                assert_ne!(climb((index + 1) % count, &path).filter(|_| count > 1), Some(top));
                assert_eq!(climb(index, &[path.as_slice(), &[top]].concat()), None);
            }
            assert_eq!(path(Domain::ChunkNode, &leaves, count), None);
        }
    }
}
