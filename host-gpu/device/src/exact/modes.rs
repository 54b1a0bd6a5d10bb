//! What a Vulkan device can be told about floats.

use fizz_shader::exact::Modes;

/// What the device says of itself; none where it is no Vulkan device, or one of a version that cannot be told anything.
#[cfg(not(any(target_os = "macos", target_os = "ios")))]
#[expect(
    unsafe_code,
    reason = "wgpu gives the driver's own handle only so; it is asked one question and kept nowhere"
)]
pub(super) fn of(adapter: &wgpu::Adapter) -> Option<Modes> {
    use ash::vk;
    // SAFETY: the handle is not destroyed, and not used after `adapter`.
    let adapter = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let (instance, device) = (adapter.shared_instance(), adapter.raw_physical_device());
    if instance.instance_api_version() < vk::API_VERSION_1_2 {
        return None;
    }
    let instance = instance.raw_instance();
    // SAFETY: the physical device is one of this instance, and both live.
    let plain = unsafe { instance.get_physical_device_properties(device) };
    if plain.api_version < vk::API_VERSION_1_2 {
        return None;
    }
    let mut floats = vk::PhysicalDeviceFloatControlsProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut floats);
    // SAFETY: as above; both structures are of version 1.2, which instance and device have.
    unsafe { instance.get_physical_device_properties2(device, &mut properties) };
    Some(Modes {
        rte: floats.shader_rounding_mode_rte_float32 == vk::TRUE,
        szinp: floats.shader_signed_zero_inf_nan_preserve_float32 == vk::TRUE,
        denorm_preserve: floats.shader_denorm_preserve_float32 == vk::TRUE,
        // A device that has a feature must be made with it, and wgpu does not say whether it was: the shader does these itself.
        integer_dot: false,
        zero_init_native: false,
    })
}

/// Metal cannot be told anything.
#[cfg(any(target_os = "macos", target_os = "ios"))]
pub(super) fn of(_: &wgpu::Adapter) -> Option<Modes> {
    None
}
