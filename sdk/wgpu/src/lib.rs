//! wgpu for Fizz guests.
//!
//! In the sandbox there is no graphics driver to link. This crate is a backend of the `wgpu` crate that speaks
//! to the host's GPU instead. Ordinary compute code runs unchanged but for how its instance is made:
//!
//! ```
//! let instance = fizz_wgpu::instance();
//! ```
//!
//! Built for the machine itself, the same function gives an ordinary wgpu instance, so a job can be run and
//! debugged natively.
//!
//! What comes in: calls of the `wgpu` API. What goes out: the command stream of `fizz-gpu-abi`. In the sandbox
//! there is one thread, so every future is ready at once, and callbacks run before the call that takes them
//! returns. Errors reach their scope or handler at the next submit, wait, read or popped scope.
//!
//! # What there is
//! Buffers and their mapping, shaders in WGSL, bind groups, compute pipelines, command encoders, compute passes,
//! error scopes, storage textures with their views and copies, timestamps, with WebGPU's default limits. Samplers, sampled
//! textures and other queries are refused with a validation error; rendering, ray tracing and surfaces do not exist, and
//! the functions that make them say so.
//!
//! A timestamp is no time in the sandbox, where there is no clock: it is the GPU gas that the job has used so far. The period
//! is 1, and a unit of gas is about a nanosecond of a slow device. Timestamps are the same in every run, so a difference is a
//! measure of work, not of a device's speed.
//!
//! # Classes
//! A device computes *exactly* unless the job says otherwise: the same bits on every device, so that results compare. Not every
//! shader can be exact; a pipeline that cannot is a validation error with the place in the WGSL, and the job wants `fizz run --gpu-class fast`, whose
//! results compare on one adapter and driver only. Timestamps and storage textures are offered in both classes. [`instance_with`] demands a [`Class`].
//!
//! There is one device at a time: drop it and all that it made (or call `destroy`) before opening the next.
//!
//! Libraries on top of wgpu often turn on its feature `webgpu`, which is meant for browsers. Then this crate needs its own
//! feature of that name, or it does not compile; see its README.

#![deny(unsafe_code)]

#[cfg(target_family = "wasm")]
mod guest;
#[cfg(any(target_family = "wasm", test))]
mod mapping;
#[cfg(not(target_family = "wasm"))]
mod native;

#[cfg(target_family = "wasm")]
use guest as backend;
#[cfg(not(target_family = "wasm"))]
use native as backend;

/// The `wgpu` that this crate is a backend of.
pub use wgpu;

/// How a device computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// As the job says: exactly, unless it is run with `--gpu-class fast`.
    #[default]
    Job,
    /// With the same bits on every device. A pipeline whose shader cannot be exact is a validation error that says where.
    Exact,
    /// At native speed, with the bits of the device. No adapter is found where the job is exact.
    Fast,
}

/// What a job asks of its GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How its devices compute. Outside the sandbox every device is fast, whatever stands here.
    pub class: Class,
}

/// The instance from which everything in `wgpu` begins. Its devices compute as the job says.
pub fn instance() -> wgpu::Instance {
    instance_with(Options::default())
}

/// The same, for a job that cannot do with what it is given.
pub fn instance_with(options: Options) -> wgpu::Instance {
    backend::instance(options)
}

/// Whether there is a GPU to compute on, as [`instance`] finds it. If not, `request_adapter` fails, and a job takes its CPU path.
pub fn available() -> bool {
    backend::available()
}
