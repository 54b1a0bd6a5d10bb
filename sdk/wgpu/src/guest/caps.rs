//! What the host offers, in wgpu's words.

use fizz_gpu_abi::{Caps, features};

pub(super) fn features(caps: &Caps) -> wgpu::Features {
    let mut offered = wgpu::Features::empty();
    let timestamps = wgpu::Features::TIMESTAMP_QUERY
        | wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS
        | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES;
    offered.set(timestamps, caps.features & features::TIMESTAMPS != 0);
    offered.set(wgpu::Features::IMMEDIATES, caps.features & features::IMMEDIATES != 0);
    offered
}

/// WebGPU's defaults, with those that compute meets taken from the host.
pub(super) fn limits(caps: &Caps) -> wgpu::Limits {
    wgpu::Limits {
        max_buffer_size: caps.max_buffer_size,
        max_uniform_buffer_binding_size: caps.max_uniform_buffer_binding_size,
        max_storage_buffer_binding_size: caps.max_storage_buffer_binding_size,
        max_bind_groups: caps.max_bind_groups,
        max_bindings_per_bind_group: caps.max_bindings_per_bind_group,
        max_dynamic_uniform_buffers_per_pipeline_layout: caps.max_dynamic_uniform_buffers_per_pipeline_layout,
        max_dynamic_storage_buffers_per_pipeline_layout: caps.max_dynamic_storage_buffers_per_pipeline_layout,
        max_uniform_buffers_per_shader_stage: caps.max_uniform_buffers_per_shader_stage,
        max_storage_buffers_per_shader_stage: caps.max_storage_buffers_per_shader_stage,
        min_uniform_buffer_offset_alignment: caps.min_uniform_buffer_offset_alignment,
        min_storage_buffer_offset_alignment: caps.min_storage_buffer_offset_alignment,
        max_compute_workgroup_storage_size: caps.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: caps.max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x: caps.max_compute_workgroup_size_x,
        max_compute_workgroup_size_y: caps.max_compute_workgroup_size_y,
        max_compute_workgroup_size_z: caps.max_compute_workgroup_size_z,
        max_compute_workgroups_per_dimension: caps.max_compute_workgroups_per_dimension,
        max_immediate_size: caps.max_immediate_size,
        ..wgpu::Limits::defaults()
    }
}

/// The device shows nothing of the host: results must not depend on which one it was.
pub(super) fn info() -> wgpu::AdapterInfo {
    wgpu::AdapterInfo {
        name: "Fizz".into(),
        // The backend that takes WGSL and hides the driver; libraries choose their shaders by it.
        ..wgpu::AdapterInfo::new(wgpu::DeviceType::Other, wgpu::Backend::BrowserWebGpu)
    }
}

pub(super) fn downlevel(caps: &Caps) -> wgpu::DownlevelCapabilities {
    let mut flags =
        wgpu::DownlevelFlags::COMPUTE_SHADERS | wgpu::DownlevelFlags::BUFFER_BINDINGS_NOT_16_BYTE_ALIGNED;
    flags.set(wgpu::DownlevelFlags::INDIRECT_EXECUTION, caps.features & features::INDIRECT_DISPATCH != 0);
    wgpu::DownlevelCapabilities { flags, ..Default::default() }
}
