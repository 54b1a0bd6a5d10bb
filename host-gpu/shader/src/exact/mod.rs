//! Exact shaders: the same bits on every device.
//!
//! In: a module with one compute entry point and no overrides, metered or not, for whose entry point [`CheckedShader::classify`](crate::CheckedShader::classify)
//! gives no reason. [`lower()`] rewrites what devices do each in their own way as fixed sequences of what they all do alike: sums, products, comparisons
//! and selections of `f32`, and integers. Out: a module that [`emit()`] writes as SPIR-V for Vulkan, and that the reference device compiles to WebAssembly.
//!
//! What a device does by itself with exactly the bits that the sequences give is stated by [`Native`], and left to it.

mod emit;
mod lower;
mod verify;

pub use emit::{Layout, Modes, emit};
pub use lower::library::library;
pub use lower::{MOST_FACTOR, immediate_bytes, lower};
pub(crate) use lower::{MOST_FLOATS, Size, floats, sizes};
pub use verify::verify;

/// The library's WGSL of square roots, `fizz_sqrt` among it: what a device's own is held against for all numbers before [`Native::sqrt`] is said of it.
pub const ROOTS: &str = include_str!("library/root.wgsl");

/// Version of what `lower` makes of a module: part of what defines a result.
pub const VERSION: u32 = 1;

/// Whether a module can be lowered and written for every device. The answer is the same on all of them, so it is asked before a device is, for every pipeline: a
/// device that needs less of the work would not find out what another one refuses. For a device, a module may be twice as large: what its driver needs of the meter
/// does not refuse what is found portable.
///
/// # Errors
/// What [`lower()`] and [`emit()`] say.
pub fn check(module: &naga::Module) -> Result<(), String> {
    let lowered = lower::lower_within(module.clone(), &Native::NONE, 1)?;
    emit(&lowered, &Layout::of(&lowered), &Modes::default()).map(drop)
}

/// What a device does by itself, with exactly the bits that the lowered sequence gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Native {
    /// `/` of `f32` is correctly rounded for all inputs.
    pub divide: bool,
    /// `sqrt` of `f32` is correctly rounded for all inputs.
    pub sqrt: bool,
    /// `min` and `max` of `f32`: the other one of a NaN, −0 below +0.
    pub min_max: bool,
    /// `f32` to `i32` and `u32`: truncated, saturated, 0 for NaN.
    pub conversions: bool,
    /// Loads out of bounds from storage, uniform and workgroup memory give zero, stores and atomics there do nothing, and
    /// indices into `private` and function variables and into values are clamped.
    pub bounds: bool,
    /// Shift amounts count modulo 32.
    pub shifts: bool,
    /// Sums and products with a constant zero are computed, not replaced by a rule that forgets −0, infinity and NaN.
    pub zeros: bool,
}

impl Native {
    /// Nothing: what is known of any Vulkan device.
    pub const NONE: Native = Native {
        divide: false,
        sqrt: false,
        min_max: false,
        conversions: false,
        bounds: false,
        shifts: false,
        zeros: false,
    };

    /// What the reference device compiles by itself.
    pub const REFERENCE: Native = Native {
        divide: true,
        sqrt: true,
        min_max: true,
        conversions: true,
        bounds: true,
        shifts: true,
        zeros: true,
    };
}
