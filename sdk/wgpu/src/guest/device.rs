//! The device: it makes things.

use super::absent::{self, PipelineCache, SAMPLERS, Sampler};
use super::buffer::Buffer;
use super::caps;
use super::encoder::CommandEncoder;
use super::layout::{BindGroup, BindGroupLayout, PipelineLayout};
use super::pipeline::{ComputePipeline, ShaderModule};
use super::query::QuerySet;
use super::session::Session;
use super::texture::Texture;
use fizz_gpu_abi::ErrorClass;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use wgpu::custom::{
    BoxDeviceLostCallback, DeviceInterface, DispatchBindGroup, DispatchBindGroupLayout, DispatchBlas,
    DispatchBuffer, DispatchCommandEncoder, DispatchComputePipeline, DispatchExternalTexture,
    DispatchPipelineCache, DispatchPipelineLayout, DispatchQuerySet, DispatchRenderBundleEncoder,
    DispatchRenderPipeline, DispatchSampler, DispatchShaderModule, DispatchTexture, DispatchTlas,
    PopErrorScopeFuture,
};

pub(super) struct Device {
    session: Arc<Session>,
    features: wgpu::Features,
    limits: wgpu::Limits,
    lost_callback: Mutex<Option<BoxDeviceLostCallback>>,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device")
    }
}

impl Device {
    pub(super) fn new(session: &Arc<Session>, features: wgpu::Features, limits: wgpu::Limits) -> Self {
        Device { session: Arc::clone(session), features, limits, lost_callback: Mutex::default() }
    }

    /// The host never loses a device while a job runs: only `destroy` does.
    fn tell_lost(&self) {
        let callback = self.lost_callback.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(callback) = callback {
            callback(wgpu::DeviceLostReason::Destroyed, "the device was destroyed".into());
        }
    }
}

impl DeviceInterface for Device {
    fn features(&self) -> wgpu::Features {
        self.features
    }

    fn limits(&self) -> wgpu::Limits {
        self.limits.clone()
    }

    fn adapter_info(&self) -> wgpu::AdapterInfo {
        caps::info()
    }

    /// The host always checks bounds, whatever is asked for.
    fn create_shader_module(
        &self,
        desc: wgpu::ShaderModuleDescriptor<'_>,
        _: wgpu::ShaderRuntimeChecks,
    ) -> DispatchShaderModule {
        DispatchShaderModule::custom(ShaderModule::new(&self.session, &desc))
    }

    #[allow(unsafe_code)] // The trait's signature; nothing unsafe is done.
    unsafe fn create_shader_module_passthrough(
        &self,
        desc: &wgpu::ShaderModuleDescriptorPassthrough<'_>,
    ) -> DispatchShaderModule {
        let function = "Device::create_shader_module_passthrough";
        let reason = "this device takes only WGSL";
        DispatchShaderModule::custom(ShaderModule::refused(&self.session, function, desc.label, reason))
    }

    fn create_bind_group_layout(
        &self,
        desc: &wgpu::BindGroupLayoutDescriptor<'_>,
    ) -> DispatchBindGroupLayout {
        DispatchBindGroupLayout::custom(BindGroupLayout::new(&self.session, desc))
    }

    fn create_bind_group(&self, desc: &wgpu::BindGroupDescriptor<'_>) -> DispatchBindGroup {
        DispatchBindGroup::custom(BindGroup::new(&self.session, desc))
    }

    fn create_pipeline_layout(&self, desc: &wgpu::PipelineLayoutDescriptor<'_>) -> DispatchPipelineLayout {
        DispatchPipelineLayout::custom(PipelineLayout::new(&self.session, desc))
    }

    fn create_render_pipeline(&self, _: &wgpu::RenderPipelineDescriptor<'_>) -> DispatchRenderPipeline {
        absent::missing("Device::create_render_pipeline")
    }

    fn create_mesh_pipeline(&self, _: &wgpu::MeshPipelineDescriptor<'_>) -> DispatchRenderPipeline {
        absent::missing("Device::create_mesh_pipeline")
    }

    fn create_compute_pipeline(&self, desc: &wgpu::ComputePipelineDescriptor<'_>) -> DispatchComputePipeline {
        DispatchComputePipeline::custom(ComputePipeline::new(&self.session, desc))
    }

    #[allow(unsafe_code)] // The trait's signature; nothing unsafe is done.
    unsafe fn create_pipeline_cache(
        &self,
        desc: &wgpu::PipelineCacheDescriptor<'_>,
    ) -> DispatchPipelineCache {
        let reason = "this device has no pipeline caches";
        absent::refuse(&self.session, "Device::create_pipeline_cache", desc.label, reason);
        DispatchPipelineCache::custom(PipelineCache)
    }

    fn create_buffer(&self, desc: &wgpu::BufferDescriptor<'_>) -> DispatchBuffer {
        DispatchBuffer::custom(Buffer::new(&self.session, desc))
    }

    fn create_texture(&self, desc: &wgpu::TextureDescriptor<'_>) -> DispatchTexture {
        DispatchTexture::custom(Texture::new(&self.session, desc))
    }

    fn create_external_texture(
        &self,
        _: &wgpu::ExternalTextureDescriptor<'_>,
        _: &[&wgpu::TextureView],
    ) -> DispatchExternalTexture {
        absent::missing("Device::create_external_texture")
    }

    fn create_blas(
        &self,
        _: &wgpu::CreateBlasDescriptor<'_>,
        _: wgpu::BlasGeometrySizeDescriptors,
    ) -> (Option<u64>, DispatchBlas) {
        absent::missing("Device::create_blas")
    }

    fn create_tlas(&self, _: &wgpu::CreateTlasDescriptor<'_>) -> DispatchTlas {
        absent::missing("Device::create_tlas")
    }

    fn create_sampler(&self, desc: &wgpu::SamplerDescriptor<'_>) -> DispatchSampler {
        absent::refuse(&self.session, "Device::create_sampler", desc.label, SAMPLERS);
        DispatchSampler::custom(Sampler)
    }

    fn create_query_set(&self, desc: &wgpu::QuerySetDescriptor<'_>) -> DispatchQuerySet {
        DispatchQuerySet::custom(QuerySet::new(&self.session, self.features, desc))
    }

    fn create_command_encoder(&self, desc: &wgpu::CommandEncoderDescriptor<'_>) -> DispatchCommandEncoder {
        DispatchCommandEncoder::custom(CommandEncoder::new(&self.session, self.features, desc.label))
    }

    fn create_render_bundle_encoder(
        &self,
        _: &wgpu::RenderBundleEncoderDescriptor<'_>,
    ) -> DispatchRenderBundleEncoder {
        absent::missing("Device::create_render_bundle_encoder")
    }

    fn set_device_lost_callback(&self, callback: BoxDeviceLostCallback) {
        *self.lost_callback.lock().unwrap_or_else(PoisonError::into_inner) = Some(callback);
        if self.session.is_lost() {
            self.tell_lost();
        }
    }

    fn on_uncaptured_error(&self, handler: Arc<dyn wgpu::UncapturedErrorHandler>) {
        self.session.set_handler(handler);
    }

    fn push_error_scope(&self, filter: wgpu::ErrorFilter) -> u32 {
        self.session.push_scope(match filter {
            wgpu::ErrorFilter::Validation => ErrorClass::Validation,
            wgpu::ErrorFilter::OutOfMemory => ErrorClass::OutOfMemory,
            wgpu::ErrorFilter::Internal => ErrorClass::Internal,
        })
    }

    fn pop_error_scope(&self, index: u32) -> Pin<Box<dyn PopErrorScopeFuture>> {
        Box::pin(ready(self.session.pop_scope(index)))
    }

    #[allow(unsafe_code)] // The trait's signature; there is no debugger to talk to.
    unsafe fn start_graphics_debugger_capture(&self) {}

    #[allow(unsafe_code)] // The trait's signature; there is no debugger to talk to.
    unsafe fn stop_graphics_debugger_capture(&self) {}

    fn poll(&self, poll_type: wgpu::wgt::PollType<u64>) -> Result<wgpu::PollStatus, wgpu::PollError> {
        match poll_type {
            wgpu::wgt::PollType::Poll => {
                self.session.flush();
            }
            // The timeout counts for nothing: a job has no clock by which it could run out.
            wgpu::wgt::PollType::Wait { submission_index: None, timeout: _ } => self.session.finish(),
            wgpu::wgt::PollType::Wait { submission_index: Some(index), timeout: _ } => {
                let waited = self.session.wait(index);
                waited.map_err(|last| wgpu::PollError::WrongSubmissionIndex(index, last))?;
            }
        }
        Ok(wgpu::PollStatus::QueueEmpty)
    }

    fn get_internal_counters(&self) -> wgpu::InternalCounters {
        wgpu::InternalCounters::default()
    }

    fn generate_allocator_report(&self) -> Option<wgpu::AllocatorReport> {
        None
    }

    fn destroy(&self) {
        self.session.destroy();
        self.tell_lost();
    }
}
