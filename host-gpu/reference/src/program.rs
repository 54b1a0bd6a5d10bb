//! A compiled shader, and its form in words, which is how it passes through `wgpu`.

use naga::ResourceBinding;

/// One entry point as WebAssembly.
///
/// The module imports one memory, `"fizz" "memory"` (shared, at least 1 page, at most 65,536), and exports one function,
/// `"run"(args: i32, scratch: i32, x: i32, y: i32, z: i32, count: i32)`, which runs `count` workgroups, beginning with (x, y, z), x fastest, then y,
/// then z. It has no result and does not trap by the shader's doing. A [watched](crate::compile_watched) one also imports the functions that
/// [`Engine::machine`](crate::Engine::machine) names.
///
/// At `args`, a multiple of 16, stand little-endian words: the number of workgroups in x, y and z; a zero; eight words of immediates; then two
/// words for each of [`bindings`](Program::bindings):
/// - a buffer's address (its own is a multiple of 256, the offset of the binding is added; where that is no multiple of 4, a program may trap) and the bytes
///   bound;
/// - a storage texture's address of a [`ViewShape`](crate::ViewShape) and that one's size, 20 bytes.
///
/// At `scratch`, a multiple of 64, lie [`scratch_bytes`](Program::scratch_bytes) that belong to the thread. Their contents are whatever the last
/// program left. Addresses 0 to 63 of the memory are zero, and no program writes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The module's bytes.
    pub wasm: Vec<u8>,
    /// Which bindings the words after the immediates are, in order.
    pub bindings: Vec<ResourceBinding>,
    /// Bytes of immediates that are read: a multiple of 4, at most 32.
    pub immediate_bytes: u32,
    /// Invocations of a workgroup in x, y and z.
    pub workgroup_size: [u32; 3],
    /// Bytes of memory of its own that every thread needs: a multiple of 64.
    pub scratch_bytes: u32,
}

/// Words of immediates in a program's arguments.
pub const IMMEDIATE_WORDS: usize = 8;
/// Words in front of the bindings in a program's arguments.
pub const ARGUMENT_WORDS: usize = 4 + IMMEDIATE_WORDS;

/// Most bindings of a program.
pub const MAX_BINDINGS: usize = 256;
/// Most bytes of a program's module.
pub const MAX_WASM: usize = 32 << 20;
/// Most bytes of the function of a program, about: a few instructions more may follow.
pub const MAX_CODE: usize = 3 << 20;
/// Most bytes of scratch memory of a thread.
pub const MAX_SCRATCH: u32 = 16 << 20;
/// Most invocations of a workgroup in one dimension, and in all.
pub const MAX_WORKGROUP: u32 = 1024;

/// `fizz`, as a little-endian word.
const MAGIC: u32 = u32::from_le_bytes(*b"fizz");
/// Version of the form in words.
const VERSION: u32 = 2;
/// Magic, version, bytes of the module, bindings, immediates, workgroup in x, y and z, scratch.
const HEAD: usize = 9;

/// Words that are not a [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// The first words are others.
    #[error("not a program of the reference device, or of another version")]
    Magic,
    /// There are fewer words than the head says, or more.
    #[error("a program has {found} words where its head says {said}")]
    Length {
        /// Words that the head promises.
        said: usize,
        /// Words there are.
        found: usize,
    },
    /// A field has a value that no program has.
    #[error("a program's {field} cannot be {value}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it is.
        value: u32,
    },
}

impl Program {
    /// The program in words, for `wgpu`'s passthrough of shaders.
    ///
    /// # Panics
    /// When the module has 4 GiB or more, or there are as many bindings.
    pub fn encode(&self) -> Vec<u32> {
        let length = |of: usize| u32::try_from(of).expect("programs are small");
        let mut words = vec![MAGIC, VERSION, length(self.wasm.len()), length(self.bindings.len())];
        words.push(self.immediate_bytes);
        words.extend(self.workgroup_size);
        words.push(self.scratch_bytes);
        words.extend(self.bindings.iter().flat_map(|binding| [binding.group, binding.binding]));
        words.extend(self.wasm.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        }));
        words
    }

    /// Reads a program back. It accepts what [`encode`](Program::encode) gives for programs within the limits of this module, and nothing
    /// else. That the WebAssembly is valid is for the engine to find out.
    ///
    /// # Errors
    /// [`ProgramError`] for all other words.
    pub fn decode(words: &[u32]) -> Result<Program, ProgramError> {
        let Some((head, rest)) = words.split_at_checked(HEAD) else {
            return Err(ProgramError::Length { said: HEAD, found: words.len() });
        };
        let &[magic, version, wasm_bytes, bindings, immediate_bytes, x, y, z, scratch_bytes] = head else {
            unreachable!("the head has so many words");
        };
        if (magic, version) != (MAGIC, VERSION) {
            return Err(ProgramError::Magic);
        }
        let check = |field, value: u32, good: bool| {
            if good { Ok(()) } else { Err(ProgramError::Field { field, value }) }
        };
        check("module", wasm_bytes, wasm_bytes as usize <= MAX_WASM)?;
        check("number of bindings", bindings, bindings as usize <= MAX_BINDINGS)?;
        let immediates_fit =
            immediate_bytes.is_multiple_of(4) && immediate_bytes as usize <= IMMEDIATE_WORDS * 4;
        check("immediates", immediate_bytes, immediates_fit)?;
        for size in [x, y, z] {
            check("workgroup size", size, (1..=MAX_WORKGROUP).contains(&size))?;
        }
        let invocations = x.saturating_mul(y).saturating_mul(z);
        check("number of invocations", invocations, invocations <= MAX_WORKGROUP)?;
        let scratch_fits = scratch_bytes.is_multiple_of(64) && scratch_bytes <= MAX_SCRATCH;
        check("scratch memory", scratch_bytes, scratch_fits)?;
        let (bindings, wasm_bytes) = (bindings as usize, wasm_bytes as usize);
        let said = HEAD + 2 * bindings + wasm_bytes.div_ceil(4);
        if words.len() != said {
            return Err(ProgramError::Length { said, found: words.len() });
        }
        let (pairs, module) = rest.split_at(2 * bindings);
        let bindings = pairs.chunks_exact(2).map(|pair| ResourceBinding { group: pair[0], binding: pair[1] });
        let mut wasm: Vec<u8> = module.iter().flat_map(|word| word.to_le_bytes()).collect();
        if let Some(padding) = wasm[wasm_bytes..].iter().find(|byte| **byte != 0) {
            return Err(ProgramError::Field { field: "padding", value: u32::from(*padding) });
        }
        wasm.truncate(wasm_bytes);
        let mut known = Program {
            wasm,
            bindings: Vec::with_capacity(bindings.len()),
            immediate_bytes,
            workgroup_size: [x, y, z],
            scratch_bytes,
        };
        for binding in bindings {
            check("second binding of a number", binding.binding, !known.bindings.contains(&binding))?;
            known.bindings.push(binding);
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn programs() -> impl Strategy<Value = Program> {
        let bindings = proptest::collection::btree_set((0..8u32, any::<u32>()), 0..12);
        let sizes = (1..=16u32, 1..=16u32, 1..=4u32);
        let wasm = proptest::collection::vec(any::<u8>(), 0..200);
        (wasm, bindings, 0..=8u32, sizes, 0..=MAX_SCRATCH / 64).prop_map(
            |(wasm, bindings, immediates, size, scratch)| Program {
                wasm,
                bindings: bindings
                    .into_iter()
                    .map(|(group, binding)| ResourceBinding { group, binding })
                    .collect(),
                immediate_bytes: immediates * 4,
                workgroup_size: [size.0, size.1, size.2],
                scratch_bytes: scratch * 64,
            },
        )
    }

    proptest! {
        #[test]
        fn programs_come_back(program in programs()) {
            prop_assert_eq!(Program::decode(&program.encode()), Ok(program));
        }

        #[test]
        fn what_decodes_encodes_to_the_same_words(
            program in programs(),
            place in any::<proptest::sample::Index>(),
            value in prop_oneof![any::<u32>(), 0..300u32],
            cut in proptest::option::of(any::<proptest::sample::Index>()),
            more in 0..2usize,
        ) {
            let mut words = program.encode();
            let place = place.index(words.len());
            words[place] = value;
            words.extend(std::iter::repeat_n(0, more));
            if let Some(cut) = cut {
                words.truncate(cut.index(words.len() + 1));
            }
            if let Ok(other) = Program::decode(&words) {
                prop_assert_eq!(other.encode(), words);
            }
        }

        #[test]
        fn any_words_are_refused_or_read(mut words in proptest::collection::vec(prop_oneof![any::<u32>(), 0..100u32], 0..40)) {
            for (word, known) in words.iter_mut().zip([MAGIC, VERSION]) {
                *word = known;
            }
            if let Ok(program) = Program::decode(&words) {
                prop_assert_eq!(program.encode(), words);
            }
        }
    }

    #[test]
    fn each_field_has_its_bounds() {
        let good = Program {
            wasm: vec![1, 2, 3],
            bindings: vec![
                ResourceBinding { group: 0, binding: 1 },
                ResourceBinding { group: 1, binding: 1 },
            ],
            immediate_bytes: 32,
            workgroup_size: [1024, 1, 1],
            scratch_bytes: 64,
        };
        let words = good.encode();
        assert_eq!(Program::decode(&words), Ok(good));
        let with = |place: usize, value: u32| {
            let mut words = words.clone();
            words[place] = value;
            Program::decode(&words)
        };
        let field = |field, value| Err(ProgramError::Field { field, value });
        assert_eq!(with(0, 0x0723_0203), Err(ProgramError::Magic));
        assert_eq!(with(1, VERSION + 1), Err(ProgramError::Magic));
        assert_eq!(with(2, 2), field("padding", 3));
        assert_eq!(with(2, 5), Err(ProgramError::Length { said: 15, found: 14 }));
        assert_eq!(with(2, u32::MAX), field("module", u32::MAX));
        assert_eq!(with(3, 257), field("number of bindings", 257));
        assert_eq!(with(4, 36), field("immediates", 36));
        assert_eq!(with(4, 2), field("immediates", 2));
        assert_eq!(with(5, 0), field("workgroup size", 0));
        assert_eq!(with(6, 2), field("number of invocations", 2048));
        assert_eq!(with(8, 32), field("scratch memory", 32));
        assert_eq!(with(8, MAX_SCRATCH + 64), field("scratch memory", MAX_SCRATCH + 64));
        assert_eq!(with(11, 0), field("second binding of a number", 1));
        assert_eq!(Program::decode(&words[..3]), Err(ProgramError::Length { said: 9, found: 3 }));
    }
}
