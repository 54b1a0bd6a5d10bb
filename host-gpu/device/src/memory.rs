//! How much memory a device has, which `wgpu` does not say.

/// Bytes of the largest heap that is the device's own.
#[cfg(not(any(target_os = "macos", target_os = "ios")))]
#[expect(
    unsafe_code,
    reason = "wgpu gives the driver's own handle only so; it is asked one question and kept nowhere"
)]
pub(crate) fn device_local(adapter: &wgpu::Adapter) -> Option<u64> {
    /// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT` of the Vulkan specification.
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the handle is not destroyed, and not used after `adapter`.
    let adapter = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let instance = adapter.shared_instance().raw_instance();
    // SAFETY: the physical device is one of this instance, and both live.
    let memory = unsafe { instance.get_physical_device_memory_properties(adapter.raw_physical_device()) };
    let heaps = memory.memory_heaps.iter().take(memory.memory_heap_count as usize);
    heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max()
}

/// Metal is not asked.
#[cfg(any(target_os = "macos", target_os = "ios"))]
pub(crate) fn device_local(_: &wgpu::Adapter) -> Option<u64> {
    None
}
