//! Marks in SPIR-V that a driver must compute floats as they are written.
//!
//! Layout of a module: SPIR-V 1.6, 2.4 "Logical Layout of a Module". Numbers of operations, decorations, modes and capabilities: its unified grammar, and
//! `SPV_KHR_float_controls`.

use super::Modes;
use std::collections::BTreeSet;

const HEADER: usize = 5;

const OP_EXTENSION: u32 = 10;
const OP_EXT_INST_IMPORT: u32 = 11;
const OP_EXT_INST: u32 = 12;
const OP_MEMORY_MODEL: u32 = 14;
const OP_ENTRY_POINT: u32 = 15;
const OP_EXECUTION_MODE: u32 = 16;
const OP_CAPABILITY: u32 = 17;
const OP_DECORATE: u32 = 71;
/// The first and last operation on types, constants and global variables.
const OP_TYPES: std::ops::RangeInclusive<u32> = 19..=59;

const NO_CONTRACTION: u32 = 42;
const WIDTH: u32 = 32;
/// Modes with their capabilities.
const DENORM_PRESERVE: (u32, u32) = (4459, 4464);
const SIGNED_ZERO_INF_NAN_PRESERVE: (u32, u32) = (4461, 4466);
const ROUNDING_MODE_RTE: (u32, u32) = (4462, 4467);

/// Operations whose result is a float that a driver could compute in another way: conversions to and from floats (109 to 112, 115), bit casts (124), negation,
/// sums, products, quotients, remainders, and products of vectors and matrices.
const FLOATS: [u32; 20] =
    [109, 110, 111, 112, 115, 124, 127, 129, 131, 133, 136, 140, 141, 142, 143, 144, 145, 146, 147, 148];

/// An instruction: its operation and its words.
fn instructions(words: &[u32]) -> impl Iterator<Item = Result<(u32, &[u32]), String>> {
    let mut rest = words;
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let length = (first >> 16) as usize;
        if length == 0 || length > rest.len() {
            rest = &[];
            return Some(Err("an instruction of SPIR-V is cut off".to_owned()));
        }
        let (instruction, after) = rest.split_at(length);
        rest = after;
        Some(Ok((first & 0xffff, instruction)))
    })
}

/// Gives the words of a module with the marks put in.
pub(super) fn exact(words: &[u32], modes: &Modes) -> Result<Vec<u32>, String> {
    let body = words.get(HEADER..).ok_or("the header of SPIR-V is cut off")?;
    let wanted: Vec<(u32, u32)> = [
        (modes.denorm_preserve, DENORM_PRESERVE),
        (modes.szinp, SIGNED_ZERO_INF_NAN_PRESERVE),
        (modes.rte, ROUNDING_MODE_RTE),
    ]
    .into_iter()
    .filter_map(|(wanted, mode)| wanted.then_some(mode))
    .collect();
    let mut results = BTreeSet::new();
    let mut entries = Vec::new();
    for instruction in instructions(body) {
        let (op, words) = instruction?;
        match (op, words) {
            (OP_EXT_INST, [_, _, result, ..]) => {
                results.insert(*result);
            }
            (_, [_, _, result, ..]) if FLOATS.contains(&op) => {
                results.insert(*result);
            }
            (OP_ENTRY_POINT, [_, _, function, ..]) => entries.push(*function),
            _ => {}
        }
    }
    let mut out = words[..HEADER].to_vec();
    let (mut capabilities, mut execution, mut decorations) = (false, false, false);
    for instruction in instructions(body) {
        let (op, words) = instruction?;
        if !capabilities && op != OP_CAPABILITY {
            capabilities = true;
            for (_, capability) in &wanted {
                out.extend([2 << 16 | OP_CAPABILITY, *capability]);
            }
            if !wanted.is_empty() {
                extension(&mut out, "SPV_KHR_float_controls");
            }
        }
        let before =
            [OP_CAPABILITY, OP_EXTENSION, OP_EXT_INST_IMPORT, OP_MEMORY_MODEL, OP_ENTRY_POINT].contains(&op);
        if !execution && !before {
            execution = true;
            for entry in &entries {
                for (mode, _) in &wanted {
                    out.extend([4 << 16 | OP_EXECUTION_MODE, *entry, *mode, WIDTH]);
                }
            }
        }
        if !decorations && OP_TYPES.contains(&op) {
            decorations = true;
            for result in &results {
                out.extend([3 << 16 | OP_DECORATE, *result, NO_CONTRACTION]);
            }
        }
        out.extend_from_slice(words);
    }
    Ok(out)
}

/// Appends `OpExtension`.
fn extension(out: &mut Vec<u32>, name: &str) {
    let mut bytes = name.as_bytes().to_vec();
    // A zero ends the name, and fills its last word.
    bytes.resize(name.len() / 4 * 4 + 4, 0);
    let (words, _) = bytes.as_chunks::<4>();
    let length = u32::try_from(words.len() + 1).expect("a short name");
    out.push(length << 16 | OP_EXTENSION);
    out.extend(words.iter().map(|word| u32::from_le_bytes(*word)));
}
