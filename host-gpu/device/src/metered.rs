//! Gives metered modules to `wgpu`.

use std::borrow::Cow;

/// A shader module with every run-time check but that of endless loops, whatever the guest would like.
///
/// naga would count the turns of each loop in 64 bits, only so that no compiler can take a loop to be endless. In a metered module none is:
/// its turns are known, by constants or where it begins, and paid for, or it is left when its counter is empty.
#[allow(unsafe_code)]
pub(crate) fn shader_module(
    device: &wgpu::Device,
    label: &str,
    metered: fizz_shader::meter::Metered,
) -> wgpu::ShaderModule {
    let checks =
        wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() };
    let source = wgpu::ShaderSource::Naga(Cow::Owned(metered.module));
    let wanted = wgpu::ShaderModuleDescriptor { label: Some(label), source };
    // SAFETY: the one check that is off guards against endless loops, and the meter ends them all.
    unsafe { device.create_shader_module_trusted(wanted, checks) }
}
