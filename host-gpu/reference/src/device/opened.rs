//! Device and queue: makes what commands work on, and hands them to the executing thread.

use super::encoder::{self, CommandBuffer, Encoder};
use super::queue::Submission;
use super::resource::{
    self, Bound, Buffer, Fence, Group, GroupLayout, Nothing, Pipeline, Ready, Shader, Texture, View,
};
use super::{Api, OnlyCompute, Opened};
use crate::engine::EngineError;
use crate::program::Program;
use crate::view::ViewShape;
use std::sync::Arc;
use std::time::Duration;
use wgpu::hal;

impl hal::Queue for Opened {
    type A = Api;

    unsafe fn submit(
        &self,
        commands: &[&CommandBuffer],
        _: &[&Texture],
        (fence, value): (&Fence, hal::FenceValue),
    ) -> Result<(), hal::DeviceError> {
        let commands = commands.iter().map(|buffer| buffer.0.clone()).collect();
        self.executor.submit(Submission { commands, fence: fence.clone(), value })
    }
    unsafe fn present(&self, _: &Nothing, _: Texture) -> Result<(), hal::SurfaceError> {
        Err(hal::SurfaceError::Lost)
    }
    unsafe fn get_timestamp_period(&self) -> f32 {
        1.0
    }
    unsafe fn wait_for_idle(&self) -> Result<(), hal::DeviceError> {
        let fence = Fence::default();
        self.executor.submit(Submission { commands: Vec::new(), fence: fence.clone(), value: 1 })?;
        fence.wait(1, None).map(drop)
    }
}

impl hal::Device for Opened {
    type A = Api;

    unsafe fn create_buffer(&self, wanted: &hal::BufferDescriptor<'_>) -> Result<Buffer, hal::DeviceError> {
        self.memory.take(wanted.size).map(|part| Buffer(Arc::new(part))).map_err(|error| lost(&error))
    }
    unsafe fn destroy_buffer(&self, buffer: Buffer) {
        // Commands that nobody has submitted, nor may now, must not keep it.
        buffer.0.give_back();
    }
    unsafe fn add_raw_buffer(&self, _: &Buffer) {}
    unsafe fn map_buffer(
        &self,
        buffer: &Buffer,
        range: hal::MemoryRange,
    ) -> Result<hal::BufferMapping, hal::DeviceError> {
        let bytes = std::ptr::NonNull::new(buffer.0.bytes(range).cast::<u8>());
        let ptr = bytes.ok_or(hal::DeviceError::Unexpected)?;
        Ok(hal::BufferMapping { ptr, is_coherent: true })
    }
    unsafe fn unmap_buffer(&self, _: &Buffer) {}
    unsafe fn flush_mapped_ranges<I>(&self, _: &Buffer, _: I)
    where
        I: Iterator<Item = hal::MemoryRange>,
    {
    }
    unsafe fn invalidate_mapped_ranges<I>(&self, _: &Buffer, _: I)
    where
        I: Iterator<Item = hal::MemoryRange>,
    {
    }

    unsafe fn create_texture(
        &self,
        wanted: &hal::TextureDescriptor<'_>,
    ) -> Result<Texture, hal::DeviceError> {
        let texel_bytes = texel_bytes(wanted.format).ok_or(hal::DeviceError::Unexpected)?;
        let (_, bytes) = resource::levels(wanted.size, wanted.dimension, texel_bytes, wanted.mip_level_count);
        let part = self.memory.take(bytes).map_err(|error| lost(&error))?;
        Ok(Texture {
            part: Arc::new(part),
            size: wanted.size,
            dimension: wanted.dimension,
            texel_bytes,
            levels: wanted.mip_level_count,
        })
    }
    unsafe fn destroy_texture(&self, texture: Texture) {
        texture.part.give_back();
    }
    unsafe fn add_raw_texture(&self, _: &Texture) {}
    unsafe fn create_texture_view(
        &self,
        texture: &Texture,
        wanted: &hal::TextureViewDescriptor<'_>,
    ) -> Result<View, hal::DeviceError> {
        let level = texture.level(wanted.range.base_mip_level);
        let three = texture.dimension == wgpu::TextureDimension::D3;
        let first = if three { 0 } else { u64::from(wanted.range.base_array_layer) };
        let depth = match wanted.range.array_layer_count {
            Some(count) if !three => u64::from(count),
            _ => level.depth - first,
        };
        let small = |value: u64| u32::try_from(value).expect("textures lie below 4 GiB");
        let shape = ViewShape {
            address: texture.part.address() + small(level.at(0, 0, first)),
            bytes: small(level.width * level.height * depth * level.texel_bytes),
            width: small(level.width),
            height: small(level.height),
            depth: small(depth),
        };
        Ok(View { texture: texture.clone(), shape })
    }
    unsafe fn destroy_texture_view(&self, _: View) {}
    unsafe fn create_sampler(&self, _: &hal::SamplerDescriptor<'_>) -> Result<Nothing, hal::DeviceError> {
        Ok(Nothing)
    }
    unsafe fn destroy_sampler(&self, _: Nothing) {}
    unsafe fn create_command_encoder(
        &self,
        _: &hal::CommandEncoderDescriptor<'_, Opened>,
    ) -> Result<Encoder, hal::DeviceError> {
        Ok(Encoder::default())
    }

    unsafe fn create_bind_group_layout(
        &self,
        wanted: &hal::BindGroupLayoutDescriptor<'_>,
    ) -> Result<GroupLayout, hal::DeviceError> {
        Ok(encoder::group_layout(wanted.entries))
    }
    unsafe fn destroy_bind_group_layout(&self, _: GroupLayout) {}
    unsafe fn create_pipeline_layout(
        &self,
        _: &hal::PipelineLayoutDescriptor<'_, GroupLayout>,
    ) -> Result<Nothing, hal::DeviceError> {
        Ok(Nothing)
    }
    unsafe fn destroy_pipeline_layout(&self, _: Nothing) {}
    unsafe fn create_bind_group(
        &self,
        wanted: &hal::BindGroupDescriptor<'_, GroupLayout, Buffer, Nothing, View, Nothing>,
    ) -> Result<Group, hal::DeviceError> {
        let mut bound = Vec::with_capacity(wanted.entries.len());
        for entry in wanted.entries {
            let index = entry.resource_index as usize;
            let dynamic = wanted.layout.dynamic.iter().position(|binding| *binding == entry.binding);
            // Which list the index is of, the layout knows; a compute layout of ours has no samplers, and lists are only as long as they need be.
            let found = match wanted.layout.textures.contains(&entry.binding) {
                true => wanted.textures.get(index).map(|texture| Bound::View(texture.view.clone())),
                false => wanted.buffers.get(index).and_then(|binding| {
                    let buffer = Buffer::of(binding)?;
                    let rest = buffer.0.size().saturating_sub(binding.offset);
                    let size = binding.size.map_or(rest, |size| size.get());
                    Some(Bound::Buffer { buffer, offset: binding.offset, size, dynamic })
                }),
            };
            if let Some(found) = found {
                bound.push((entry.binding, found));
            }
        }
        Ok(Group(Arc::new(bound)))
    }
    unsafe fn destroy_bind_group(&self, _: Group) {}

    unsafe fn create_shader_module(
        &self,
        _: &hal::ShaderModuleDescriptor<'_>,
        shader: hal::ShaderInput<'_>,
    ) -> Result<Shader, hal::ShaderError> {
        match shader {
            hal::ShaderInput::SpirV(words) => match Program::decode(words) {
                Ok(program) => Ok(Shader::Program(Box::new(program))),
                Err(error) => Err(hal::ShaderError::Compilation(error.to_string())),
            },
            hal::ShaderInput::Naga(shader) => Ok(Shader::Module(Box::new(shader.module.into_owned()))),
            _ => Err(hal::ShaderError::Compilation("neither WGSL nor a program".to_owned())),
        }
    }
    unsafe fn destroy_shader_module(&self, _: Shader) {}
    unsafe fn create_compute_pipeline(
        &self,
        wanted: &hal::ComputePipelineDescriptor<'_, Nothing, Shader, Nothing>,
    ) -> Result<Ready, hal::PipelineError> {
        let refused = |why: String| hal::PipelineError::Linkage(wgpu::ShaderStages::COMPUTE, why);
        let program = match wanted.stage.module {
            Shader::Program(program) => Program::clone(program),
            Shader::Module(module) => {
                let module =
                    resolved(module, wanted.stage.entry_point, wanted.stage.constants).map_err(refused)?;
                let compiled = crate::compile(&module, wanted.stage.entry_point);
                compiled.map_err(|error| refused(error.to_string()))?
            }
        };
        self.executor.reserve(program.scratch_bytes).map_err(|error| lost(&error))?;
        let kernel = self.memory.machine.compile(&program.wasm).map_err(|error| match error {
            EngineError::OutOfMemory(_) => hal::PipelineError::Device(hal::DeviceError::OutOfMemory),
            error => refused(error.to_string()),
        })?;
        Ok(Ready(Arc::new(Pipeline::new(program, kernel, self.executor.threads()))))
    }
    unsafe fn destroy_compute_pipeline(&self, _: Ready) {}

    unsafe fn create_fence(&self) -> Result<Fence, hal::DeviceError> {
        Ok(Fence::default())
    }
    unsafe fn destroy_fence(&self, _: Fence) {}
    unsafe fn get_fence_value(&self, fence: &Fence) -> Result<hal::FenceValue, hal::DeviceError> {
        fence.value()
    }
    unsafe fn wait(
        &self,
        fence: &Fence,
        value: hal::FenceValue,
        timeout: Option<Duration>,
    ) -> Result<bool, hal::DeviceError> {
        fence.wait(value, timeout)
    }
    unsafe fn start_graphics_debugger_capture(&self) -> bool {
        false
    }
    unsafe fn stop_graphics_debugger_capture(&self) {}
    fn get_internal_counters(&self) -> wgpu::HalCounters {
        wgpu::HalCounters::default()
    }
    fn check_if_oom(&self) -> Result<(), hal::DeviceError> {
        Ok(())
    }

    // What is not offered.

    unsafe fn create_render_pipeline(
        &self,
        _: &hal::RenderPipelineDescriptor<'_, Nothing, Shader, Nothing>,
    ) -> Result<OnlyCompute, hal::PipelineError> {
        Err(hal::PipelineError::Device(hal::DeviceError::Unexpected))
    }
    unsafe fn destroy_render_pipeline(&self, _: OnlyCompute) {}
    unsafe fn create_ray_tracing_pipeline(
        &self,
        _: &hal::RayTracingPipelineDescriptor<'_, Nothing, Shader, Nothing>,
    ) -> Result<OnlyCompute, hal::PipelineError> {
        Err(hal::PipelineError::Device(hal::DeviceError::Unexpected))
    }
    unsafe fn destroy_ray_tracing_pipeline(&self, _: OnlyCompute) {}
    unsafe fn get_raytracing_pipeline_group_data(
        &self,
        pipeline: &OnlyCompute,
        _: std::ops::Range<u32>,
    ) -> Result<Vec<u8>, hal::DeviceError> {
        match *pipeline {}
    }
    unsafe fn create_pipeline_cache(
        &self,
        _: &hal::PipelineCacheDescriptor<'_>,
    ) -> Result<Nothing, hal::PipelineCacheError> {
        Ok(Nothing)
    }
    unsafe fn destroy_pipeline_cache(&self, _: Nothing) {}
    unsafe fn create_query_set(
        &self,
        _: &wgpu::wgt::QuerySetDescriptor<hal::Label<'_>>,
    ) -> Result<Nothing, hal::DeviceError> {
        Err(hal::DeviceError::Unexpected)
    }
    unsafe fn destroy_query_set(&self, _: Nothing) {}
    unsafe fn create_acceleration_structure(
        &self,
        _: &hal::AccelerationStructureDescriptor<'_>,
    ) -> Result<Nothing, hal::DeviceError> {
        Err(hal::DeviceError::Unexpected)
    }
    unsafe fn get_acceleration_structure_build_sizes<'a>(
        &self,
        _: &hal::GetAccelerationStructureBuildSizesDescriptor<'a, Buffer>,
    ) -> hal::AccelerationStructureBuildSizes {
        hal::AccelerationStructureBuildSizes::default()
    }
    unsafe fn get_acceleration_structure_device_address(&self, _: &Nothing) -> u64 {
        0
    }
    unsafe fn destroy_acceleration_structure(&self, _: Nothing) {}
    fn tlas_instance_to_bytes(&self, _: hal::TlasInstance) -> Vec<u8> {
        Vec::new()
    }
}

/// An engine's error as a device has it.
pub(super) fn lost(error: &EngineError) -> hal::DeviceError {
    match error {
        EngineError::OutOfMemory(_) => hal::DeviceError::OutOfMemory,
        EngineError::Invalid(_) | EngineError::Trapped(_) => hal::DeviceError::Lost,
    }
}

/// The module with values for its overrides.
fn resolved(
    module: &naga::Module,
    entry: &str,
    constants: &naga::back::PipelineConstants,
) -> Result<naga::Module, String> {
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .validate(module)
        .map_err(|error| error.as_inner().to_string())?;
    let point = Some((naga::ShaderStage::Compute, entry));
    let (module, _) = naga::back::pipeline_constants::process_overrides(module, &info, point, constants)
        .map_err(|error| error.to_string())?;
    Ok(module.into_owned())
}

/// Bytes of a texel; none for formats of depth, of blocks and of several planes.
pub(super) fn texel_bytes(format: wgpu::TextureFormat) -> Option<u32> {
    let plain = format.block_dimensions() == (1, 1) && !format.is_depth_stencil_format();
    if plain { format.block_copy_size(None) } else { None }
}
