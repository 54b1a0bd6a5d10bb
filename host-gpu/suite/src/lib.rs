//! Whole kernels by which the exact class of GPU work is proven and measured.
//!
//! In: nothing, every input is made from a seed. Out: [`kernels`], each a shader with its buffers at several sizes, and with an oracle: the same
//! numbers computed in plain Rust, which shares no line with any device. The parts, in order: `random` makes inputs,
//! `kernels` holds the list; a [`Device`] is any adapter of `wgpu`, the reference device among them, a [`Pipeline`] a kernel compiled for it in one of the
//! [`Way`]s that there are. [`tables`] has the functions of the exact library by themselves.
#![deny(unsafe_code)]

mod agree;
mod device;
mod kernels;
mod made;
mod pipeline;
mod random;
pub mod report;
pub mod tables;

pub use agree::{agree, agree_on, agree_watched};
pub use device::{Device, Target, vulkan};
pub use kernels::kernels;
pub use made::made;
pub use pipeline::{Loaded, Pipeline, Way, check};

/// Why a kernel did not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The shader was refused, or could not be compiled.
    #[error("{0}")]
    Shader(String),
    /// The device, or its driver.
    #[error("{0}")]
    Device(String),
    /// The case does not fit.
    #[error("too large: {0}")]
    TooLarge(String),
    /// An invocation took more than its loops may.
    #[error("out of gas")]
    OutOfGas,
}

/// How large a kernel's work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// To compare bits: some thousands of invocations, with edges and special values.
    Equality,
    /// To measure where processors play the GPU: some milliseconds.
    Speed,
    /// To measure a real GPU.
    Large,
}

impl Scale {
    fn pick<T>(self, equality: T, speed: T, large: T) -> T {
        match self {
            Scale::Equality => equality,
            Scale::Speed => speed,
            Scale::Large => large,
        }
    }
}

/// How a shader sees a buffer or texture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// A uniform buffer.
    Uniform,
    /// Storage that is read.
    Read,
    /// Storage that is read and written; each kernel has one, its result.
    ReadWrite,
    /// A storage texture of two dimensions, [`TEXELS`] texels wide, of a format with so many words in a texel. Only exact shaders can have it.
    Texels {
        /// 1, 2 or 4.
        words: u32,
        /// Whether the shader also writes it.
        written: bool,
    },
}

/// Texels in a row of a texture.
pub const TEXELS: u32 = 16;

/// A buffer or texture of a kernel. Its binding is its place in the list, in group 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// How the shader sees it.
    pub access: Access,
    /// What it holds before the kernel runs.
    pub words: Vec<u32>,
}

/// A kernel's work of some size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The buffers and textures, at bindings 0, 1, ….
    pub slots: Vec<Slot>,
    /// Workgroups of the one dispatch.
    pub workgroups: [u32; 3],
}

impl Case {
    /// The words that are the kernel's result.
    ///
    /// # Panics
    /// If there are none; every case of [`kernels`] has some.
    pub fn result(&self) -> (u32, &[u32]) {
        let mut slots = (0..).zip(&self.slots);
        let (binding, slot) = slots.find(|(_, slot)| slot.access == Access::ReadWrite).expect("a result");
        (binding, &slot.words)
    }
}

/// What a kernel must give, computed without a device.
#[derive(Clone, Copy, Debug)]
pub enum Oracle {
    /// These words.
    Bits(fn(&Case) -> Vec<u32>),
    /// These numbers, but for an error of at most this part of the greatest of them: the kernel uses functions whose bits are defined by the
    /// library of the exact class alone.
    Near(fn(&Case) -> Vec<f64>, f64),
}

/// A shader with its work.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// What it is called on the command line.
    pub name: &'static str,
    /// The shader; its entry point is `main`.
    pub wgsl: &'static str,
    /// Makes the work.
    pub case: fn(Scale) -> Case,
    /// What must come out.
    pub oracle: Oracle,
}

/// A result that is not what it must be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("word {place} of {of} is {got}, and not {wanted}")]
pub struct Wrong {
    /// The first word that differs.
    pub place: usize,
    /// How many words there are.
    pub of: usize,
    /// The word, in words.
    pub got: String,
    /// What it must be.
    pub wanted: String,
}

impl Kernel {
    /// Compares what a device gave with the oracle.
    ///
    /// # Errors
    /// The first word that is wrong.
    pub fn judge(&self, case: &Case, got: &[u32]) -> Result<(), Wrong> {
        match self.oracle {
            Oracle::Bits(oracle) => compare(got, &oracle(case)),
            Oracle::Near(oracle, part) => {
                let wanted = oracle(case);
                assert_eq!(got.len(), wanted.len(), "an oracle of another size");
                let most = part * wanted.iter().fold(0.0, |most: f64, number| most.max(number.abs()));
                let numbers = got.iter().map(|word| f64::from(f32::from_bits(*word)));
                // Not a NaN either.
                let is_near = |(got, wanted): (f64, &f64)| (got - wanted).abs() <= most;
                let wrong = numbers.clone().zip(&wanted).position(|pair| !is_near(pair));
                wrong.map_or(Ok(()), |place| {
                    let (got, of) = (f32::from_bits(got[place]).to_string(), got.len());
                    Err(Wrong { place, of, got, wanted: format!("{} ± {most:.1e}", wanted[place]) })
                })
            }
        }
    }
}

/// Compares words bit for bit.
///
/// # Errors
/// The first word that differs.
pub fn compare(got: &[u32], wanted: &[u32]) -> Result<(), Wrong> {
    let word = |words: &[u32], place: usize| {
        words
            .get(place)
            .map_or("missing".to_owned(), |word| format!("{word:#010x} ({:e} as f32)", f32::from_bits(*word)))
    };
    let of = got.len().max(wanted.len());
    let differs = (0..of).find(|place| got.get(*place) != wanted.get(*place));
    differs
        .map_or(Ok(()), |place| Err(Wrong { place, of, got: word(got, place), wanted: word(wanted, place) }))
}
