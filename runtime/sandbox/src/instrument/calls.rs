//! Which functions need not meter their stack: those from which only few and small frames can come.
//!
//! A function that calls nothing, or only such functions and directly, has a known height of frames. While that is
//! at most [`super::CostTable::frame_leaf`], the reserve below the metered stack holds it, for such frames only ever
//! lie above metered ones.

use super::COSTS;
use super::facts::FunctionFacts;

/// The direct calls of every defined function, collected in the functions' order.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Where the callees of each function end.
    ends: Vec<usize>,
    /// Numbers of defined functions.
    callees: Vec<u32>,
}

impl Calls {
    /// The function being collected calls a defined function.
    pub(super) fn add(&mut self, callee: u32) {
        self.callees.push(callee);
    }

    /// All of a function's calls have been added.
    pub(super) fn end_of_function(&mut self) {
        let start = self.ends.last().copied().unwrap_or(0);
        self.callees[start..].sort_unstable();
        let mut kept = start;
        for at in start..self.callees.len() {
            if at == start || self.callees[at] != self.callees[kept - 1] {
                self.callees[kept] = self.callees[at];
                kept += 1;
            }
        }
        self.callees.truncate(kept);
        self.ends.push(kept);
    }

    fn of(&self, function: usize) -> &[u32] {
        let start = function.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.callees[start..self.ends[function]]
    }

    /// Sets `metered_stack` where a function's height is unknown or too large. Before, it says that a function is
    /// metered for a reason of its own.
    pub(super) fn settle(self, functions: &mut [FunctionFacts]) {
        let callers = self.callers(functions.len());
        // Height above the function's own frame, and callees whose height is not known yet.
        let mut above = vec![0u32; functions.len()];
        let mut unknown: Vec<u32> = (0..functions.len())
            .map(|index| u32::try_from(self.of(index).len()).unwrap_or(u32::MAX))
            .collect();
        let mut known: Vec<usize> = (0..functions.len()).filter(|&index| unknown[index] == 0).collect();
        let own: Vec<bool> = functions.iter().map(|function| function.metered_stack).collect();
        functions.iter_mut().for_each(|function| function.metered_stack = true);
        while let Some(index) = known.pop() {
            let height = functions[index].frame.saturating_add(above[index]);
            if own[index] || height > COSTS.frame_leaf {
                continue;
            }
            functions[index].metered_stack = false;
            for &caller in callers.of(index) {
                let caller = caller as usize;
                above[caller] = above[caller].max(height);
                unknown[caller] -= 1;
                if unknown[caller] == 0 {
                    known.push(caller);
                }
            }
        }
    }

    /// The same edges the other way round.
    fn callers(&self, functions: usize) -> Calls {
        let mut ends = vec![0usize; functions];
        for &callee in &self.callees {
            ends[callee as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            // For now where the callers begin; each caller moves it on by one.
            sum += std::mem::replace(end, sum);
        }
        let mut callers = vec![0; self.callees.len()];
        for caller in 0..functions {
            for &callee in self.of(caller) {
                callers[ends[callee as usize]] = u32::try_from(caller).unwrap_or(u32::MAX);
                ends[callee as usize] += 1;
            }
        }
        Calls { ends, callees: callers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metered functions, from each function's frame, own reason and callees.
    fn metered(functions: &[(u32, bool, &[u32])]) -> Vec<bool> {
        let mut calls = Calls::default();
        let mut facts = Vec::new();
        for &(frame, metered_stack, callees) in functions {
            callees.iter().for_each(|&callee| calls.add(callee));
            calls.end_of_function();
            facts.push(FunctionFacts { frame, metered_stack, makes_nans: false });
        }
        calls.settle(&mut facts);
        facts.iter().map(|function| function.metered_stack).collect()
    }

    #[test]
    fn a_tree_of_small_frames_is_not_metered() {
        assert_eq!(metered(&[(100, false, &[1, 2, 1]), (100, false, &[2]), (100, false, &[])]), [false; 3]);
    }

    #[test]
    fn whoever_can_come_back_to_itself_is_metered_and_so_are_its_callers() {
        let found = metered(&[(1, false, &[1]), (1, false, &[2, 3]), (1, false, &[1]), (1, false, &[])]);
        assert_eq!(found, [true, true, true, false]);
        assert_eq!(metered(&[(1, false, &[0])]), [true]);
    }

    #[test]
    fn heights_add_up_to_the_reserve() {
        let half = COSTS.frame_leaf / 2;
        assert_eq!(metered(&[(half, false, &[1, 2]), (half, false, &[]), (9, false, &[])]), [false; 3]);
        assert_eq!(
            metered(&[(half + 1, false, &[1, 2]), (half, false, &[]), (9, false, &[])]),
            [true, false, false]
        );
        assert_eq!(metered(&[(COSTS.frame_leaf + 1, false, &[])]), [true]);
    }

    #[test]
    fn an_own_reason_counts_for_the_callers_too() {
        assert_eq!(metered(&[(1, false, &[1]), (1, true, &[2]), (1, false, &[])]), [true, true, false]);
    }
}
