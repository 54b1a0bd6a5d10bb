//! What guests are promised: the same on every machine.

use fizz_gpu_abi::host::Quotas;
use fizz_gpu_abi::{Caps, Class, VERSION, features};

/// Limits that guests have: WebGPU's defaults.
pub(crate) fn guest_limits() -> wgpu::Limits {
    wgpu::Limits::defaults()
}

/// Limits asked of every device: the guests', and what the meter adds to their pipelines.
pub(crate) fn device_limits() -> wgpu::Limits {
    let guest = guest_limits();
    wgpu::Limits {
        max_bind_groups: guest.max_bind_groups + 1,
        max_storage_buffers_per_shader_stage: guest.max_storage_buffers_per_shader_stage + 1,
        max_immediate_size: fizz_shader::meter::SLICE_BYTES,
        ..guest
    }
}

/// Features asked of every device: where a slice of a dispatch begins stands in immediates.
pub(crate) fn device_features() -> wgpu::Features {
    wgpu::Features::IMMEDIATES
}

/// Bind groups of a pipeline.
pub(crate) const MAX_BIND_GROUPS: u32 = 4;
/// Storage buffers of a pipeline.
pub(crate) const MAX_STORAGE_BUFFERS: usize = 8;
/// Workgroups of a dispatch, per dimension.
pub(crate) const MAX_WORKGROUPS: u32 = 65_535;
/// Bytes of a buffer.
pub(crate) const MAX_BUFFER: u64 = 256 << 20;
/// Texels of a texture: of one dimension, in width and height, and of three dimensions.
pub(crate) const MAX_TEXTURE_1D: u32 = 8192;
pub(crate) const MAX_TEXTURE_2D: u32 = 8192;
pub(crate) const MAX_TEXTURE_3D: u32 = 2048;
/// Layers of a texture.
pub(crate) const MAX_LAYERS: u32 = 256;
/// Features offered to guests.
pub(crate) const FEATURES: u64 =
    features::INDIRECT_DISPATCH | features::TIMESTAMPS | features::STORAGE_TEXTURES;

/// The answer of `open` for a session of a class: WebGPU's default limits, and the job's quotas.
pub fn webgpu_caps(class: Class, quotas: &Quotas) -> Caps {
    let limits = guest_limits();
    Caps {
        version: VERSION,
        class: class.code(),
        features: FEATURES,
        quota_bytes: quotas.bytes,
        quota_objects: quotas.objects,
        quota_shaders: quotas.shaders,
        quota_invocations: quotas.invocations,
        max_stream_bytes: quotas.stream_bytes,
        max_shader_bytes: quotas.shader_bytes,
        max_buffer_size: MAX_BUFFER,
        max_uniform_buffer_binding_size: limits.max_uniform_buffer_binding_size,
        max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
        max_bind_groups: MAX_BIND_GROUPS,
        max_bindings_per_bind_group: limits.max_bindings_per_bind_group,
        max_dynamic_uniform_buffers_per_pipeline_layout: limits
            .max_dynamic_uniform_buffers_per_pipeline_layout,
        max_dynamic_storage_buffers_per_pipeline_layout: limits
            .max_dynamic_storage_buffers_per_pipeline_layout,
        max_uniform_buffers_per_shader_stage: limits.max_uniform_buffers_per_shader_stage,
        max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
        min_uniform_buffer_offset_alignment: limits.min_uniform_buffer_offset_alignment,
        min_storage_buffer_offset_alignment: limits.min_storage_buffer_offset_alignment,
        max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x: limits.max_compute_workgroup_size_x,
        max_compute_workgroup_size_y: limits.max_compute_workgroup_size_y,
        max_compute_workgroup_size_z: limits.max_compute_workgroup_size_z,
        max_compute_workgroups_per_dimension: MAX_WORKGROUPS,
        max_immediate_size: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_webgpus_defaults() {
        let limits = guest_limits();
        assert_eq!(fizz_shader::meter::METER_GROUP, MAX_BIND_GROUPS);
        assert_eq!(limits.max_bind_groups, MAX_BIND_GROUPS);
        assert_eq!(limits.max_compute_workgroups_per_dimension, MAX_WORKGROUPS);
        assert_eq!(limits.max_storage_buffers_per_shader_stage as usize, MAX_STORAGE_BUFFERS);
        assert_eq!(limits.max_buffer_size, MAX_BUFFER);
        assert_eq!(limits.max_texture_dimension_1d, MAX_TEXTURE_1D);
        assert_eq!(limits.max_texture_dimension_2d, MAX_TEXTURE_2D);
        assert_eq!(limits.max_texture_dimension_3d, MAX_TEXTURE_3D);
        assert_eq!(limits.max_texture_array_layers, MAX_LAYERS);
        // What the page of the stream says beside these.
        assert_eq!(limits.max_storage_textures_per_shader_stage, 4);
    }
}
