//! GPU devices for Fizz guests.
//!
//! In: the calls of [`Session`], with bytes of a stranger. Out: bytes of buffers, error records, gas; or a
//! [`Stop`]. The main path: [`Adapters::list`] → [`Adapters::choose`] → [`Hardware`] (a factory of sessions) →
//! a session with a `wgpu` device of its own, so that tasks cannot see or break each other's objects.
//!
//! A stream is decoded and checked as a whole, then executed command by command: quotas and [gas](schedule) first, then the rules
//! that the stream has beyond WebGPU, then `wgpu`, whose own validation errors are collected after each
//! command and go into the session's error scopes. Shaders pass `fizz-shader` before `wgpu` sees them. Labels never
//! reach the driver, driver texts never reach the guest, and adapter limits never show: every guest gets WebGPU's defaults.
//!
//! Shaders are metered: their loops count and end ([`schedule`]). A dispatch that may take long is split, and no guest can tell.
//!
//! What a device cannot promise here: bits equal to another device's (that is the class `exact`). Waits have a limit
//! ([`Hardware::with_wait_limit`]), after which the task is a host fault. Submissions are bounded in gas, but not below one
//! workgroup; one whose loops suddenly take thousands of times what earlier ones took, or whose operations wait for each
//! other, can still meet it. A driver that hangs elsewhere is found out by a process that can be killed
//! ([`Hardware::with_heartbeat`], `fizz-gpu-process`).
// What needs it says why.
#![deny(unsafe_code)]

mod adapters;
mod admission;
mod bindings;
mod buffers;
mod caps;
mod commands;
mod copies;
mod counted;
mod counter;
mod device;
mod devices;
mod errors;
mod exact;
mod execute;
mod flow;
mod memory;
mod metered;
mod objects;
mod pace;
mod pipelines;
pub mod schedule;
mod session;
mod slices;
mod submit;
mod textures;
mod timestamps;

pub use adapters::{AdapterKind, AdapterLimit, AdapterSummary, Adapters, Choice, ChooseError};
pub use admission::{OWN_BUDGET, OwnSqrt};
pub use caps::webgpu_caps;
pub use device::Hardware;
pub use devices::Devices;
pub use exact::front_end as exact_front_end;
pub use fizz_gpu_abi::host::{HostFault, Identity, Limit, Quotas, Session, Sessions, Stop};
pub use fizz_reference::{Access, Memory as SharedMemory, Race, RaceCheck, Races, Touch};
/// Versions of the shader front end, of its meter and of the [prices](schedule), as GPU profiles of the class fast name them.
pub const SHADER_FRONT_END: &str = "naga 30.0, meter 5, prices 5";
