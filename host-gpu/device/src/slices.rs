//! Parts of dispatches: a dispatch that may take long is split, so that no submission does.

use crate::device::WORST;
use crate::objects::{PassState, Pipeline};
use fizz_shader::meter;
use std::sync::Arc;
use std::time::Duration;

/// The parts of a dispatch, one after the other: boxes of workgroups.
#[derive(Debug)]
pub(crate) struct Slices {
    counts: [u32; 3],
    /// The first workgroup that is not in a part yet.
    next: [u32; 3],
}

impl Slices {
    pub(crate) fn new(counts: [u32; 3]) -> Self {
        let done = counts.contains(&0);
        Slices { counts, next: if done { counts } else { [0; 3] } }
    }

    /// Whether all parts were given.
    pub(crate) fn is_done(&self) -> bool {
        self.next[2] >= self.counts[2]
    }

    /// The next part of at most `most` workgroups, at least one: its first workgroup and its size.
    pub(crate) fn take(&mut self, most: u64) -> Option<([u32; 3], [u32; 3])> {
        if self.is_done() {
            return None;
        }
        let ([x, y, z], [at_x, at_y, at_z]) = (self.counts, self.next);
        let (row, layer) = (u64::from(x), u64::from(x) * u64::from(y));
        let fit = |pieces: u64, left: u32| u32::try_from(pieces).unwrap_or(u32::MAX).clamp(1, left);
        let size = if at_x == 0 && at_y == 0 && most >= layer {
            [x, y, fit(most / layer, z - at_z)]
        } else if at_x == 0 && most >= row {
            [x, fit(most / row, y - at_y), 1]
        } else {
            [fit(most, x - at_x), 1, 1]
        };
        let first = self.next;
        // Only the last dimension that a part does not fill moves on.
        if size[0] < x {
            self.next[0] += size[0];
        } else if size[1] < y {
            self.next[1] += size[1];
        } else {
            self.next[2] += size[2];
        }
        if self.next[0] >= x {
            self.next = [0, self.next[1] + 1, self.next[2]];
        }
        if self.next[1] >= y {
            self.next = [0, 0, self.next[2] + 1];
        }
        Some((first, size))
    }
}

/// Dispatches the part of a dispatch of `counts` workgroups that begins at `base`. It counts from `first_word` on.
pub(crate) fn dispatch(
    pass: &mut wgpu::ComputePass<'_>,
    sliced: bool,
    (base, size): ([u32; 3], [u32; 3]),
    first_word: u32,
    counts: [u32; 3],
) {
    if sliced {
        pass.set_immediates(0, &meter::slice_bytes(base, first_word, counts));
    }
    pass.dispatch_workgroups(size[0], size[1], size[2]);
}

/// Gas of the next part of a dispatch: less after parts that took long. No guest can tell.
#[derive(Debug)]
pub(crate) struct Pace {
    most: u64,
    gas: u64,
}

impl Pace {
    pub(crate) fn new(most: u64) -> Self {
        Pace { most, gas: most }
    }

    /// Workgroups of the next part, of which each takes `guess` as far as is known, and `worst` whatever it does.
    pub(crate) fn workgroups(&self, guess: u64, worst: u64) -> u64 {
        (self.gas / guess.max(1)).min(self.gas.saturating_mul(WORST) / worst.max(1))
    }

    /// Notes how long a part took, and what waited before it.
    pub(crate) fn note(&mut self, took: Duration) {
        if took > LONG {
            self.gas = (self.gas / 4).max(1);
        } else if took < SHORT {
            self.gas = self.gas.saturating_mul(2).min(self.most);
        }
    }
}

/// Times of a part after which the next one is smaller, and below which it may be larger.
const LONG: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(250);

impl Pipeline {
    pub(crate) fn set(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        if let Some((counter, _)) = &self.counter {
            pass.set_bind_group(meter::METER_GROUP, Some(counter), &[]);
        }
    }
}

impl PassState {
    /// Whether a pass in this state is in that one too.
    pub(crate) fn is_same(&self, other: &PassState) -> bool {
        let pipelines = match (&self.pipeline, &other.pipeline) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let mut groups = self.groups.iter().zip(&other.groups);
        pipelines
            && groups.all(|groups| match groups {
                (Some((one, offsets)), Some((other, others))) => Arc::ptr_eq(one, other) && offsets == others,
                (one, other) => one.is_none() && other.is_none(),
            })
    }

    /// Brings a new pass into this state.
    pub(crate) fn set(&self, pass: &mut wgpu::ComputePass<'_>) {
        if let Some(pipeline) = self.pipeline.as_ref().and_then(|pipeline| pipeline.valid.as_ref()) {
            pipeline.set(pass);
        }
        for (index, group) in (0..).zip(&self.groups) {
            if let Some((object, offsets)) = group
                && let Some(group) = &object.valid
            {
                pass.set_bind_group(index, Some(&group.group), offsets);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn parts_that_take_long_make_the_next_smaller() {
        let mut pace = Pace::new(1000);
        assert_eq!(pace.gas, 1000);
        pace.note(LONG * 2);
        pace.note(LONG * 2);
        assert_eq!(pace.gas, 62);
        pace.note(SHORT * 2);
        assert_eq!(pace.gas, 62);
        for _ in 0..9 {
            pace.note(Duration::ZERO);
        }
        assert_eq!(pace.gas, 1000);
        for _ in 0..9 {
            pace.note(LONG * 2);
        }
        assert_eq!(pace.gas, 1);
    }

    #[test]
    fn what_ran_before_does_not_let_a_part_take_any_time() {
        let pace = Pace::new(1 << 34);
        assert_eq!(pace.workgroups(1 << 20, 1 << 20), 1 << 14);
        // Cheap so far, but its loops may take 2^33 in each workgroup.
        assert_eq!(pace.workgroups(1, 1 << 33), 2 * WORST);
        assert_eq!(pace.workgroups(0, 0), 1 << 34);
        assert_eq!(Pace::new(u64::MAX).workgroups(1, 1), u64::MAX);
    }

    #[test]
    fn parts_make_the_whole() {
        for counts in [[1, 1, 1], [7, 1, 1], [3, 4, 5], [1, 6, 2], [5, 1, 3], [0, 3, 3], [2, 3, 0]] {
            let all = counts.iter().map(|count| u64::from(*count)).product::<u64>();
            for most in [1, 2, 3, 4, 5, 7, 12, 13, 24, 100, u64::MAX] {
                let (mut slices, mut seen) = (Slices::new(counts), BTreeSet::new());
                while let Some((first, size)) = slices.take(most) {
                    assert!(size.iter().map(|n| u64::from(*n)).product::<u64>() <= most);
                    for x in first[0]..first[0] + size[0] {
                        for y in first[1]..first[1] + size[1] {
                            for z in first[2]..first[2] + size[2] {
                                assert!(x < counts[0] && y < counts[1] && z < counts[2]);
                                assert!(seen.insert([x, y, z]), "twice: {x} {y} {z}");
                            }
                        }
                    }
                }
                assert_eq!(seen.len() as u64, all, "{counts:?} by {most}");
            }
        }
    }
}
