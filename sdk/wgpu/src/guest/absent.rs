//! What compute does without. Objects that ordinary setup code may make are refused as WebGPU refuses
//! things, by a validation error; the rest says that it does not exist.

use super::object::invalid;
use super::session::Session;
use fizz_gpu_abi::ErrorClass;
use std::sync::Arc;
use wgpu::custom::{
    DispatchTextureView, PipelineCacheInterface, QuerySetInterface, SamplerInterface, TextureInterface,
    TextureViewInterface,
};

/// Why textures and samplers are refused.
pub(super) const TEXTURES: &str = "this device has no textures";
/// Why query sets are refused.
pub(super) const QUERIES: &str = "this device has no queries";

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
pub(super) struct Texture(pub(super) Arc<Session>);

#[derive(Debug)]
pub(super) struct TextureView;

#[derive(Debug)]
pub(super) struct Sampler;

#[derive(Debug)]
pub(super) struct QuerySet;

#[derive(Debug)]
pub(super) struct PipelineCache;

impl TextureInterface for Texture {
    fn create_view(&self, desc: &wgpu::TextureViewDescriptor<'_>) -> DispatchTextureView {
        refuse(&self.0, "Texture::create_view", desc.label, TEXTURES);
        DispatchTextureView::custom(TextureView)
    }

    fn destroy(&self) {}
}

impl TextureViewInterface for TextureView {}
impl SamplerInterface for Sampler {}

impl QuerySetInterface for QuerySet {
    fn destroy(&self) {}
}

impl PipelineCacheInterface for PipelineCache {
    fn get_data(&self) -> Option<Vec<u8>> {
        None
    }
}
