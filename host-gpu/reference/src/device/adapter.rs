//! Instance and adapter: what the device can do.

use super::memory::Memory;
use super::opened::{lost, texel_bytes};
use super::queue::Executor;
use super::resource::{Fence, Nothing, Texture};
use super::{Api, Host, NAME, Opened};
use crate::race::Watch;
use std::sync::Arc;
use std::time::Duration;
use wgpu::hal;

impl hal::Instance for Host {
    type A = Api;

    unsafe fn init(_: &hal::InstanceDescriptor<'_>) -> Result<Self, hal::InstanceError> {
        unreachable!("an instance is made with its engine")
    }
    unsafe fn create_surface(
        &self,
        _: wgpu::rwh::RawDisplayHandle,
        _: wgpu::rwh::RawWindowHandle,
    ) -> Result<Nothing, hal::InstanceError> {
        Ok(Nothing)
    }
    unsafe fn enumerate_adapters(&self, _: Option<&Nothing>) -> Vec<hal::ExposedAdapter<Api>> {
        let info = wgpu::AdapterInfo {
            name: NAME.to_owned(),
            driver: "fizz".to_owned(),
            driver_info: env!("CARGO_PKG_VERSION").to_owned(),
            ..wgpu::AdapterInfo::new(wgpu::DeviceType::Cpu, wgpu::Backend::Vulkan)
        };
        vec![hal::ExposedAdapter {
            adapter: self.clone(),
            info,
            features: features(),
            capabilities: capabilities(),
        }]
    }
}

/// What a device can do beyond WebGPU.
fn features() -> wgpu::Features {
    wgpu::Features::IMMEDIATES | wgpu::Features::PASSTHROUGH_SHADERS
}

/// WebGPU's defaults, and a little more for those who put meters and places into shaders.
fn capabilities() -> hal::Capabilities {
    const WORKGROUP: u32 = crate::program::MAX_WORKGROUP;
    let defaults = wgpu::Limits::defaults();
    let four = wgpu::BufferSize::new(4).expect("not zero");
    hal::Capabilities {
        limits: wgpu::Limits {
            max_bind_groups: 8,
            max_storage_buffers_per_shader_stage: 32,
            max_storage_buffer_binding_size: 1 << 30,
            max_buffer_size: 1 << 30,
            max_compute_workgroup_storage_size: 32 << 10,
            max_compute_invocations_per_workgroup: WORKGROUP,
            max_compute_workgroup_size_x: WORKGROUP,
            max_compute_workgroup_size_y: WORKGROUP,
            min_uniform_buffer_offset_alignment: 256,
            min_storage_buffer_offset_alignment: 256,
            max_immediate_size: 4 * crate::program::IMMEDIATE_WORDS as u32,
            ..defaults
        },
        alignments: hal::Alignments {
            buffer_copy_offset: four,
            buffer_copy_pitch: four,
            uniform_bounds_check_alignment: wgpu::BufferSize::MIN,
            raw_tlas_instance_size: 0,
            ray_tracing_scratch_buffer_alignment: 1,
            ray_tracing_pipeline_group_data_size: 1,
            ray_tracing_pipeline_group_data_alignment: 1,
            ray_tracing_pipeline_data_offset_alignment: 1,
        },
        downlevel: wgpu::DownlevelCapabilities::default(),
        cooperative_matrix_properties: Vec::new(),
    }
}

impl hal::Surface for Nothing {
    type A = Api;

    unsafe fn configure(&self, _: &Opened, _: &hal::SurfaceConfiguration) -> Result<(), hal::SurfaceError> {
        Err(hal::SurfaceError::Lost)
    }
    unsafe fn unconfigure(&self, _: &Opened) {}
    unsafe fn acquire_texture(
        &self,
        _: Option<Duration>,
        _: &Fence,
    ) -> Result<hal::AcquiredSurfaceTexture<Api>, hal::SurfaceError> {
        Err(hal::SurfaceError::Lost)
    }
    unsafe fn discard_texture(&self, _: Texture) {}
}

impl hal::Adapter for Host {
    type A = Api;

    unsafe fn open(
        &self,
        _: wgpu::Features,
        _: &wgpu::Limits,
        _: &wgpu::MemoryHints,
    ) -> Result<hal::OpenDevice<Api>, hal::DeviceError> {
        let watch = self.check.as_ref().map(|check| Arc::new(Watch::new(check)));
        let machine = self.engine.machine(watch.clone()).map_err(|error| lost(&error))?;
        let memory = Memory::new(machine);
        let executor = Arc::new(Executor::new(&memory, self.threads, watch).map_err(|error| lost(&error))?);
        let opened = Opened { memory, executor };
        Ok(hal::OpenDevice { device: opened.clone(), queue: opened })
    }
    unsafe fn texture_format_capabilities(
        &self,
        format: wgpu::TextureFormat,
    ) -> hal::TextureFormatCapabilities {
        use hal::TextureFormatCapabilities as Can;
        if texel_bytes(format).is_none() {
            return Can::empty();
        }
        let mut can =
            Can::COPY_SRC | Can::COPY_DST | Can::SAMPLED | Can::STORAGE_READ_ONLY | Can::STORAGE_WRITE_ONLY;
        can |= Can::STORAGE_READ_WRITE;
        can
    }
    unsafe fn surface_capabilities(&self, _: &Nothing) -> Option<hal::SurfaceCapabilities> {
        None
    }
    unsafe fn get_presentation_timestamp(&self) -> wgpu::PresentationTimestamp {
        wgpu::PresentationTimestamp::INVALID_TIMESTAMP
    }
    fn get_ordered_buffer_usages(&self) -> wgpu::BufferUses {
        wgpu::BufferUses::INCLUSIVE | wgpu::BufferUses::MAP_WRITE
    }
    fn get_ordered_texture_usages(&self) -> wgpu::TextureUses {
        wgpu::TextureUses::INCLUSIVE
    }
}
