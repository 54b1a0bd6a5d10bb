//! Machine code that outlives the process that compiled it.
//!
//! Machine code does whatever its bytes say: loading bytes that somebody else wrote is running their program outside
//! every sandbox. The engine cannot check it, so what is checked is where it comes from. A [`MachineCode`] is made in
//! three places only: [`Program::precompile`](crate::Program::precompile) in this process; [`MachineCode::of`], for
//! bytes that a compiler of one's own has just answered with; and [`Seal::open`], for bytes that were such before and
//! carry a mark under a secret that nobody else knows. The last two want an [`OwnCompiler`], which only an `unsafe` call
//! makes: so no safe code can lead to native code of somebody's choice, and whoever writes `unsafe` there reads what it
//! promises. Marking takes a `MachineCode` and promises nothing. Bytes of a peer never get there, and a damaged or
//! swapped file is noticed before one byte of it is looked at.

use std::hash::{Hash, Hasher};

use fizz_attest::Digest;
use serde::{Deserialize, Serialize};
use wasmtime::Module;

use crate::Engine;
use crate::program::ProgramError;

/// Changes whenever the bytes of a [`MachineCode`] are laid out in another way.
const LAYOUT: u8 = 2;
/// Bytes behind the engine's own: the size of the instrumented module.
const TRAILER: usize = 8;

/// The forms of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Form {
    /// The one that is run first. Its gas is inexact after some traps.
    Fast,
    /// A slower one, whose gas is exact after any trap. It is compiled when a trap asks for it.
    Exact,
    /// The one that notes which pages of memory it touches. It is compiled when a chunk is opened, or run from an
    /// opening.
    Tracked,
}

/// A promise that machine code comes from a compiler of one's own.
///
/// It is made once, by a program's `main`, and handed to what starts compilers and keeps their answers.
#[derive(Clone, Copy, Debug)]
pub struct OwnCompiler {
    made_by_promise_alone: (),
}

impl OwnCompiler {
    /// # Safety
    ///
    /// Whoever holds it can have any bytes run as machine code. The caller promises that whatever it hands this to gives
    /// [`MachineCode::of`] only what [`Program::precompile`](crate::Program::precompile) of this very build gave in a
    /// process that it started itself, and opens a [`Seal`] only with a secret that was random and that only such code
    /// was ever marked with: so that programs named as compilers are this program, folders of machine code are this
    /// user's alone, and a node that workers listen to is the one that started them.
    #[expect(unsafe_code, reason = "the promise is what makes loading machine code sound")]
    pub const unsafe fn promise() -> OwnCompiler {
        OwnCompiler { made_by_promise_alone: () }
    }
}

/// Machine code that was made here.
#[derive(Clone)]
pub struct MachineCode {
    /// The engine's bytes, then the size of the instrumented module (u64, little-endian).
    bytes: Vec<u8>,
}

impl std::fmt::Debug for MachineCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MachineCode({} bytes)", self.bytes.len())
    }
}

impl MachineCode {
    pub(crate) fn compiled(mut bytes: Vec<u8>, instrumented_bytes: usize) -> MachineCode {
        bytes.extend((instrumented_bytes as u64).to_le_bytes());
        MachineCode { bytes }
    }

    /// What a compiler of one's own has answered with: the [`bytes`](Self::bytes) of its machine code.
    pub fn of(bytes: Vec<u8>, own: OwnCompiler) -> MachineCode {
        let OwnCompiler { made_by_promise_alone: () } = own;
        MachineCode { bytes }
    }

    /// What is stored. It is worth nothing without the mark of a [`Seal`].
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The engine's part, and the size of the instrumented module.
    fn parts(&self) -> Option<(&[u8], u64)> {
        let (code, trailer) = self.bytes.split_last_chunk::<TRAILER>()?;
        Some((code, u64::from_le_bytes(*trailer)))
    }

    /// Makes the engine's module of it, and says how large the instrumented module was.
    #[expect(
        unsafe_code,
        reason = "the engine cannot check machine code; that it was made here is checked before"
    )]
    pub(crate) fn load(&self, engine: &wasmtime::Engine) -> wasmtime::Result<(Module, u64)> {
        let (code, instrumented) =
            self.parts().ok_or_else(|| wasmtime::Error::msg("the machine code is cut short"))?;
        // SAFETY: the bytes are what the engine's own compiler gave, in this process or in one of which somebody has
        // promised that it was of this build and started here: there is no other way to make a `MachineCode`. The key
        // under which they were marked names the engine's version and settings, which the engine looks at once more.
        let module = unsafe { Module::deserialize(engine, code) }?;
        Ok((module, instrumented))
    }
}

/// Machine code that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The engine that will load it.
    pub engine: &'a Engine,
    /// The module, which has been checked.
    pub wasm: &'a [u8],
    /// In which form.
    pub form: Form,
    /// Whether it must be compiled again, because the engine does not take what it was given.
    pub anew: bool,
}

impl Wanted<'_> {
    /// What the machine code is the code of.
    pub fn key(&self) -> CodeKey {
        CodeKey::of(self.engine, &Digest::of_content(self.wasm), self.form)
    }
}

/// Where machine code comes from: a cache, a compiler in another process.
pub trait CodeSource: Send + Sync {
    /// The machine code of a module that is known to be good.
    ///
    /// # Errors
    /// [`ProgramError`], mostly a fault: the module has been checked before.
    fn code(&self, wanted: &Wanted<'_>) -> Result<MachineCode, ProgramError>;
}

/// Marks machine code as made here, and knows it again.
///
/// Whoever knows the secret can make marks of any bytes: it must be random, and leave the node never.
#[derive(Clone)]
pub struct Seal {
    secret: [u8; 32],
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

/// Bytes are not the machine code that was marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine code is damaged, or was not made here")]
pub struct BrokenSeal;

impl Seal {
    /// A seal with a secret of 32 random bytes.
    pub fn new(secret: [u8; 32]) -> Seal {
        Seal { secret }
    }

    /// The mark of machine code, under the name of what it is the code of.
    pub fn mark(&self, key: &CodeKey, code: &MachineCode) -> [u8; 32] {
        *self.hash(key, &code.bytes).as_bytes()
    }

    /// Machine code whose mark is right.
    ///
    /// # Errors
    /// [`BrokenSeal`] when the bytes are not those that were marked under this key.
    pub fn open(
        &self,
        key: &CodeKey,
        code: Vec<u8>,
        mark: &[u8; 32],
        own: OwnCompiler,
    ) -> Result<MachineCode, BrokenSeal> {
        // Compared in constant time, as `blake3::Hash` does.
        if self.hash(key, &code) == blake3::Hash::from_bytes(*mark) {
            Ok(MachineCode::of(code, own))
        } else {
            Err(BrokenSeal)
        }
    }

    fn hash(&self, key: &CodeKey, code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&key.0);
        hasher.update(code);
        hasher.finalize()
    }
}

/// What machine code is the code of: module, form, profile, and everything of the engine that shapes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodeKey([u8; 32]);

impl CodeKey {
    /// The key of a module with this BLAKE3 hash.
    pub fn of(engine: &Engine, module: &Digest, form: Form) -> CodeKey {
        let mut hasher = CodeHasher(blake3::Hasher::new_derive_key("fizz 2026 machine code"));
        hasher.write(&module.0);
        hasher.write(&crate::profile().digest().0);
        hasher.write(env!("CARGO_PKG_VERSION").as_bytes());
        // The engine of the tracked form has the same settings, and knows a second memory besides.
        hasher.write(&[LAYOUT, form as u8]);
        // Version, target, processor features and settings of the compiler.
        engine.wasmtime().precompile_compatibility_hash().hash(&mut hasher);
        CodeKey(*hasher.0.finalize().as_bytes())
    }

    /// The key's bytes, by which a compiler in another process says what its machine code is the code of.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for CodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

struct CodeHasher(blake3::Hasher);

impl Hasher for CodeHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        hash.as_bytes().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EngineSettings, Optimization};

    #[test]
    fn only_the_marked_bytes_open_and_only_under_their_key() {
        #[expect(unsafe_code, reason = "nothing here is loaded")]
        // SAFETY: no bytes below are ever loaded.
        let own = unsafe { OwnCompiler::promise() };
        let engine = Engine::new().unwrap();
        let keys =
            [([1; 32], Form::Fast), ([1; 32], Form::Exact), ([1; 32], Form::Tracked), ([2; 32], Form::Fast)];
        let [key, exact, tracked, other] =
            keys.map(|(module, form)| CodeKey::of(&engine, &Digest(module), form));
        assert!(key != exact && key != tracked && exact != tracked && key != other);
        assert_eq!(key, CodeKey::of(&Engine::new().unwrap(), &Digest([1; 32]), Form::Fast));
        let plain = EngineSettings { optimization: Optimization::None, ..EngineSettings::default() };
        let plain = Engine::with_settings(plain).unwrap();
        assert_ne!(key, CodeKey::of(&plain, &Digest([1; 32]), Form::Fast));
        let seal = Seal::new([7; 32]);
        let code = b"code".to_vec();
        let mark = seal.mark(&key, &MachineCode::of(code.clone(), own));
        let open = |seal: &Seal, key: &CodeKey, code: &[u8]| {
            seal.open(key, code.to_vec(), &mark, own).map(|code| code.bytes().to_vec())
        };
        assert_eq!(open(&seal, &key, &code), Ok(code.clone()));
        assert_eq!(open(&seal, &exact, &code), Err(BrokenSeal));
        assert_eq!(open(&seal, &other, &code), Err(BrokenSeal));
        assert_eq!(open(&Seal::new([8; 32]), &key, &code), Err(BrokenSeal));
        assert_eq!(open(&seal, &key, b"cod"), Err(BrokenSeal));
        assert_eq!(open(&seal, &key, b"codf"), Err(BrokenSeal));
    }
}
