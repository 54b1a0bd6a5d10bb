//! What compute does without. Objects that ordinary setup code may make are refused as WebGPU refuses
//! things, by a validation error; the rest says that it does not exist.

use super::object::invalid;
use super::session::Session;
use fizz_gpu_abi::ErrorClass;
use wgpu::custom::{PipelineCacheInterface, SamplerInterface};

/// Why samplers are refused.
pub(super) const SAMPLERS: &str = "this device has no samplers: its textures are storage textures";
/// Records that a function cannot do what it was asked.
pub(super) fn refuse(session: &Session, function: &str, label: Option<&str>, reason: &str) {
    session.report(ErrorClass::Validation, &invalid(function, label, reason));
}

/// Ends the job at a function that has nothing to return.
pub(super) fn missing(function: &str) -> ! {
    panic!("{function}: the sandbox computes; there is no rendering, ray tracing or window in it")
}

/// Ends the job at a function whose arguments or result only a browser has.
#[cfg(feature = "webgpu")]
pub(super) fn no_browser(function: &str) -> ! {
    panic!("{function}: there is no JavaScript in the sandbox")
}

#[derive(Debug)]
pub(super) struct Sampler;

#[derive(Debug)]
pub(super) struct PipelineCache;

impl SamplerInterface for Sampler {}

impl PipelineCacheInterface for PipelineCache {
    fn get_data(&self) -> Option<Vec<u8>> {
        None
    }
}
