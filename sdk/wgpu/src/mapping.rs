//! The guest's copy of a mapped range: lent to views, and written back when the buffer is unmapped.

use std::ops::Range;
use std::sync::Arc;

/// Bytes of a buffer while it is mapped. Offsets are the buffer's.
///
/// wgpu sees to it that a view for writing overlaps no other view, and that all are gone before unmapping.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: u64,
    bytes: Arc<Vec<u8>>,
    /// Where views for writing were.
    written: Vec<Range<u64>>,
}

impl Mapping {
    pub(crate) fn new(start: u64, bytes: Vec<u8>) -> Self {
        Mapping { start, bytes: Arc::new(bytes), written: Vec::new() }
    }

    fn place(&self, range: &Range<u64>) -> Range<usize> {
        (range.start - self.start) as usize..(range.end - self.start) as usize
    }

    /// The bytes to read from, and where in them the range is.
    pub(crate) fn share(&self, range: &Range<u64>) -> (Arc<Vec<u8>>, Range<usize>) {
        (Arc::clone(&self.bytes), self.place(range))
    }

    /// The bytes of a range, to be changed and given back. The whole mapping is lent without a copy.
    pub(crate) fn lend(&mut self, range: &Range<u64>) -> Vec<u8> {
        let place = self.place(range);
        if place.len() == self.bytes.len() {
            Arc::unwrap_or_clone(std::mem::take(&mut self.bytes))
        } else {
            self.bytes[place].to_vec()
        }
    }

    /// Takes back what was lent.
    pub(crate) fn give_back(&mut self, range: Range<u64>, bytes: Vec<u8>) {
        if self.bytes.is_empty() {
            self.bytes = Arc::new(bytes);
        } else {
            let place = self.place(&range);
            // Copies only while an older view for reading is still open.
            Arc::make_mut(&mut self.bytes)[place].copy_from_slice(&bytes);
        }
        self.written.push(range);
    }

    /// What was lent for writing, in order, in as few pieces as possible: offsets and bytes.
    pub(crate) fn pieces(&mut self) -> impl Iterator<Item = (u64, &[u8])> {
        self.written.sort_unstable_by_key(|range| range.start);
        let mut merged: Vec<Range<u64>> = Vec::new();
        for range in &self.written {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range.clone()),
            }
        }
        merged.into_iter().map(|range| (range.start, &self.bytes[self.place(&range)]))
    }
}

#[cfg(test)]
mod tests {
    use super::Mapping;

    #[test]
    fn writes_come_back_merged_and_in_order() {
        let mut mapping = Mapping::new(8, (0..32).collect());
        let late = mapping.lend(&(24..32));
        let mut early = mapping.lend(&(8..16));
        early.fill(1);
        assert_eq!(late, [16, 17, 18, 19, 20, 21, 22, 23]);
        mapping.give_back(24..32, vec![3; 8]);
        mapping.give_back(8..16, early);
        let between = mapping.lend(&(16..24));
        mapping.give_back(16..24, between);
        let pieces: Vec<_> = mapping.pieces().map(|(offset, bytes)| (offset, bytes.to_vec())).collect();
        let expected = [[1; 8], [8, 9, 10, 11, 12, 13, 14, 15], [3; 8]].concat();
        assert_eq!(pieces, [(8, expected)]);
    }

    #[test]
    fn pieces_apart_stay_apart() {
        let mut mapping = Mapping::new(0, vec![0; 24]);
        for range in [16..24, 0..8] {
            let lent = mapping.lend(&range);
            mapping.give_back(range, lent);
        }
        let pieces: Vec<_> = mapping.pieces().map(|(offset, bytes)| (offset, bytes.len())).collect();
        assert_eq!(pieces, [(0, 8), (16, 8)]);
    }

    #[test]
    fn the_whole_is_lent_without_a_copy() {
        let mut mapping = Mapping::new(0, vec![7; 64]);
        let address = mapping.share(&(0..64)).0.as_ptr();
        let lent = mapping.lend(&(0..64));
        assert_eq!(lent.as_ptr(), address);
        mapping.give_back(0..64, lent);
        assert_eq!(mapping.share(&(0..64)).0.as_ptr(), address);
    }

    #[test]
    fn an_open_view_for_reading_keeps_what_it_saw() {
        let mut mapping = Mapping::new(0, vec![7; 16]);
        let (seen, place) = mapping.share(&(0..8));
        mapping.give_back(8..16, vec![9; 8]);
        assert_eq!(seen[place], [7; 8]);
        assert_eq!(mapping.share(&(8..16)).0[8..], [9; 8]);
    }
}
