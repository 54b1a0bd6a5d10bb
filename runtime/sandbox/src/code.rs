//! Machine code that outlives the process that compiled it.
//!
//! Machine code does whatever its bytes say: loading bytes that somebody else wrote is running their program outside
//! every sandbox. So [`MachineCode`] comes from two places only: [`Program::precompile`](crate::Program::precompile) in
//! this process, and [`Seal::open`], which checks a keyed hash made by whoever knows this node's secret. Bytes of a
//! peer never get there, and a damaged or swapped file is noticed before one byte of it is looked at.

use std::hash::{Hash, Hasher};

use fizz_attest::Digest;
use wasmtime::Module;

use crate::Engine;
use crate::instrument::Variant;
use crate::program::ProgramError;

/// The two forms of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// The one that is run first. Its gas is inexact after some traps.
    Fast,
    /// A slower one, whose gas is exact after any trap. It is compiled when a trap asks for it.
    Exact,
}

impl From<Form> for Variant {
    fn from(form: Form) -> Variant {
        match form {
            Form::Fast => Variant::Fast,
            Form::Exact => Variant::WriteThrough,
        }
    }
}

/// Machine code that was made here.
#[derive(Clone)]
pub struct MachineCode {
    bytes: Vec<u8>,
}

impl std::fmt::Debug for MachineCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MachineCode({} bytes)", self.bytes.len())
    }
}

impl MachineCode {
    pub(crate) fn compiled(bytes: Vec<u8>) -> MachineCode {
        MachineCode { bytes }
    }

    /// What is stored. It is worth nothing without the mark of a [`Seal`].
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Makes the engine's module of it.
    #[expect(
        unsafe_code,
        reason = "the engine cannot check machine code; that it was made here is checked before"
    )]
    pub(crate) fn load(&self, engine: &Engine) -> wasmtime::Result<Module> {
        // SAFETY: the bytes are what the engine's own compiler gave, in this process or in one that this node started
        // and whose answer it marked with a secret of its own: there is no other way to make a `MachineCode`. The key
        // under which they were marked names the engine's version and settings.
        unsafe { Module::deserialize(engine.wasmtime(), &self.bytes) }
    }
}

/// Where machine code comes from: a cache, a compiler in another process.
pub trait CodeSource: Send + Sync {
    /// The machine code of a module that is known to be good.
    ///
    /// # Errors
    /// [`ProgramError`], mostly a fault: the module has been checked before.
    fn code(&self, wasm: &[u8], form: Form) -> Result<MachineCode, ProgramError>;
}

/// Marks machine code as made here, and knows it again.
///
/// Whoever knows the secret can have any bytes run as machine code: it must be random, and leave the node never.
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

    /// The mark of machine code that a process of this node has compiled, under the name of what it is.
    pub fn mark(&self, key: &CodeKey, code: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&key.0);
        hasher.update(code);
        *hasher.finalize().as_bytes()
    }

    /// Machine code whose mark is right.
    ///
    /// # Errors
    /// [`BrokenSeal`] when the bytes are not those that were marked under this key.
    pub fn open(&self, key: &CodeKey, code: Vec<u8>, mark: &[u8; 32]) -> Result<MachineCode, BrokenSeal> {
        // Compared in constant time, as `blake3::Hash` does.
        let expected = blake3::Hash::from_bytes(self.mark(key, &code));
        if expected == blake3::Hash::from_bytes(*mark) {
            Ok(MachineCode { bytes: code })
        } else {
            Err(BrokenSeal)
        }
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
        hasher.write(&[form as u8]);
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

    #[test]
    fn only_the_marked_bytes_open_and_only_under_their_key() {
        let engine = Engine::new().unwrap();
        let keys = [([1; 32], Form::Fast), ([1; 32], Form::Exact), ([2; 32], Form::Fast)];
        let [key, exact, other] = keys.map(|(module, form)| CodeKey::of(&engine, &Digest(module), form));
        assert!(key != exact && key != other && exact != other);
        assert_eq!(key, CodeKey::of(&Engine::new().unwrap(), &Digest([1; 32]), Form::Fast));
        let seal = Seal::new([7; 32]);
        let code = b"code".to_vec();
        let mark = seal.mark(&key, &code);
        assert_eq!(seal.open(&key, code.clone(), &mark).unwrap().bytes(), b"code");
        assert_eq!(seal.open(&exact, code.clone(), &mark).unwrap_err(), BrokenSeal);
        assert_eq!(seal.open(&other, code.clone(), &mark).unwrap_err(), BrokenSeal);
        assert_eq!(Seal::new([8; 32]).open(&key, code.clone(), &mark).unwrap_err(), BrokenSeal);
        assert_eq!(seal.open(&key, b"cod".to_vec(), &mark).unwrap_err(), BrokenSeal);
        assert_eq!(seal.open(&key, b"codf".to_vec(), &mark).unwrap_err(), BrokenSeal);
    }
}
