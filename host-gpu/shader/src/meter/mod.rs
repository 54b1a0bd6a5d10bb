//! Gas of shaders: counting what an invocation does, ending what would not end.
//!
//! In: a module with one entry point and no overrides. Out: the same module, metered, and what the host must know to charge it.
//! One expression or statement is one unit of gas; what computes, stores or passes a value of more than 16 bytes, or indexes into one, is a unit for
//! each 16 bytes. So is zeroing variables. An atomic or a barrier is 16 units. Divisions, roots, built-in functions and
//! texels cost what they are where they are made of sums and products ([`price`]).
//!
//! - **Straight-line code** costs the host's arithmetic alone: [`Metered::fixed`] units for each invocation. Both sides of a branch
//!   count, as a device runs both where invocations part; so does what stands behind an early `return`.
//! - **Loops whose number of turns follows from constants** are straight-line code, turns × body.
//! - **Other loops** count down a private counter: those whose number of turns is known where they begin (`for (var i = a; i < n; i += s)` with
//!   an `n` and an `s` that stay what they are) once, before they begin, and the rest at the start of each turn. If all invocations of a workgroup run all such loops
//!   equally often (the uniformity analysis knows), one invocation reports for all of them; else each reports for itself. A report is
//!   one store to a word that nobody else writes, which the host adds up: on the devices at hand atomics cost more. A
//!   loop that does not end is left, or not begun, when its counter does not suffice, after [`CAP`] units; one whose variable would pass the
//!   end of its type before its bound counts as such. What turns cost is the same in all three; loops with uniform control flow look at a counter that is uniform
//!   itself, so barriers in them stay where all invocations are.
//! - The sums are integer additions, which commute: any order of workgroups, any number of threads, any split of the dispatch gives
//!   the same gas.
//!
//! Not weighed: that atomic loads and stores take longer than others, and places far apart longer than places in a row.
//!
//! A dispatch may be split: a slice's first workgroup stands in the immediates ([`slice_bytes`]) and is added to `workgroup_id` and
//! `global_invocation_id`; `num_workgroups` is that of the whole dispatch. A driver that ends loops by itself (lavapipe does, after 65,535 turns) is
//! found out: every loop notes that it ended by its own break, or its condition is computed once more behind it ([`CUT`]).

mod ahead;
pub(crate) mod build;
mod entry;
mod order;
mod prepay;
mod price;
mod rewrite;
mod trips;
mod weigh;

use crate::uniformity::{self, Refused};
use naga::Module;

/// Gas that the loops of one invocation may take: uniform loops together, and other loops together.
///
/// Nothing smaller than a workgroup can be given to a device, so this bounds the time of what cannot be split. The slowest that a unit is
/// taken to be, in a chain of loads that each wait for the one before, is 0.2 µs: 14 s at this cap, half of what a step of the GPU may take
/// by default. Work that only computes takes a hundredth of that.
pub const CAP: u32 = (1 << 26) - 1;
/// Bind group of the meter's buffer; guests have the groups below it. Its binding is 0.
pub const METER_GROUP: u32 = 4;
/// Words of the meter's buffer. Word 0 is for [`CUT`] alone; a slice has the words from its `first` on.
pub const METER_WORDS: u32 = 1 << 20;
/// Bytes of immediates of a metered module that uses them.
pub const SLICE_BYTES: u32 = 32;
/// What stands in a word for a counter that is empty. Both counters of an invocation may be: the bit above is theirs too.
const EXHAUSTED: u32 = 1 << 30;
/// The bits of a word that are gas.
const GAS: u32 = EXHAUSTED - 1;
/// What stands in word 0 when a loop ended without its own break.
pub const CUT: u32 = 1;
/// Turns that a driver's own limit on loops surely lets pass.
const SAFE_TURNS: u64 = 1 << 15;

/// A metered module.
#[derive(Clone, Debug)]
pub struct Metered {
    /// To be given to a device. Its one entry point has the name it had.
    pub module: Module,
    /// Gas of each invocation, whatever it does.
    pub fixed: u64,
    /// How the shader writes to the meter's buffer, at [`METER_GROUP`].
    pub counts: Counts,
    /// Most gas of one invocation.
    pub most: u64,
    /// Whether the shader reads the slice from immediates.
    pub sliced: bool,
}

/// Who writes what its loops took to the meter's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Nobody: no loop counts.
    Nothing,
    /// One invocation of each workgroup: a word for each workgroup, of what each of its invocations took.
    Workgroups,
    /// Every invocation: a word for each.
    Invocations,
}

/// What to put in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeterOptions {
    /// Look for loops that the driver ends by itself. Changes no gas.
    pub find_cuts: bool,
}

/// What the immediates of a slice are: its first workgroup, its first word in the meter's buffer (not 0), and the workgroups of the
/// whole dispatch.
pub fn slice_bytes(base: [u32; 3], first: u32, counts: [u32; 3]) -> [u8; SLICE_BYTES as usize] {
    let mut bytes = [0; SLICE_BYTES as usize];
    let words = [base[0], base[1], base[2], first, counts[0], counts[1], counts[2], 0];
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Adds up the words of a slice; `None` if an invocation used up what its loops may take.
pub fn sum_words(words: &[u8]) -> Option<u64> {
    let (words, _) = words.as_chunks::<4>();
    let mut sum = 0_u64;
    let mut flags = 0;
    for word in words {
        let word = u32::from_le_bytes(*word);
        flags |= word;
        sum += u64::from(word & GAS);
    }
    (flags & !GAS == 0).then_some(sum)
}

/// Why a module cannot be metered.
pub(crate) enum Unmetered {
    /// It is not uniform where it must be; the check of the whole shader would have said so.
    Refused(Refused),
    /// One invocation, or one turn of a loop, takes more than [`CAP`].
    TooMuch(u64),
    /// A variable is bound where the meter's is.
    Binding(u32),
}

/// Meters a module with one compute entry point, whose overrides have their values.
pub(crate) fn meter(mut module: Module, options: MeterOptions) -> Result<Metered, Unmetered> {
    for (_, variable) in module.global_variables.iter() {
        if let Some(binding) = variable.binding.filter(|binding| binding.group >= METER_GROUP) {
            return Err(Unmetered::Binding(binding.group));
        }
    }
    let known = uniformity::analyse(&module).map_err(Unmetered::Refused)?;
    let plans = weigh::plan(&module, &known);
    let most_of_one = plans.all().flat_map(|plan| plan.loops.iter().map(|found| found.weight)).max();
    let fixed = plans.entry.fixed;
    let highest = fixed.max(most_of_one.unwrap_or(0));
    if highest > u64::from(CAP) {
        return Err(Unmetered::TooMuch(highest));
    }
    let (uniform, own) = (plans.any(weigh::Kind::Uniform), plans.any(weigh::Kind::Own));
    let counts = match (own, uniform) {
        (true, _) => Counts::Invocations,
        (false, true) => Counts::Workgroups,
        (false, false) => Counts::Nothing,
    };
    let find_cuts = options.find_cuts && (counts != Counts::Nothing || plans.entry.turns > SAFE_TURNS);
    let globals = build::Globals::add(&mut module, uniform, own, find_cuts);
    rewrite::rewrite(&mut module, &plans, &globals);
    let sliced = entry::wrap(&mut module, &globals);
    let most = fixed + u64::from(CAP) * (u64::from(uniform) + u64::from(own));
    // To look for cuts, somebody must write.
    let counts = if find_cuts && counts == Counts::Nothing { Counts::Workgroups } else { counts };
    Ok(Metered { module, fixed, counts, most, sliced })
}
