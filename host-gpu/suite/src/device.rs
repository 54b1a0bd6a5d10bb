//! A `wgpu` device on which kernels run in all the ways that there are.

use crate::Failure;
use fizz_reference::RaceCheck;
use fizz_shader::exact::{Modes, Native};
use fizz_shader::meter::{METER_GROUP, SLICE_BYTES};
use std::sync::Arc;

/// What exact shaders become for a device.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// SPIR-V, for a Vulkan device that does by itself what `native` says.
    Vulkan {
        /// What it computes by itself with our bits.
        native: Native,
        /// What it can be told about floats.
        modes: Modes,
    },
    /// Programs of the reference device.
    Reference,
}

/// A device with its queue.
#[derive(Clone, Debug)]
pub struct Device {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) target: Option<Target>,
    /// What watches it for races.
    pub(crate) races: Option<RaceCheck>,
    /// What the driver says of itself.
    pub info: wgpu::AdapterInfo,
}

/// Storage buffers that kernels need, and the meter's.
const STORAGE_BUFFERS: u32 = 9;

impl Device {
    /// Opens an adapter. Exact shaders need a target.
    ///
    /// # Errors
    /// What the driver says.
    pub fn open(adapter: &wgpu::Adapter, target: Option<Target>) -> Result<Self, Failure> {
        let mut features = wgpu::Features::IMMEDIATES;
        if target.is_some() {
            features |= wgpu::Features::PASSTHROUGH_SHADERS;
        }
        let offered = adapter.limits();
        let defaults = wgpu::Limits::default();
        let required_limits = wgpu::Limits {
            max_bind_groups: METER_GROUP + 1,
            max_immediate_size: SLICE_BYTES,
            max_storage_buffers_per_shader_stage: STORAGE_BUFFERS,
            max_buffer_size: offered.max_buffer_size,
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            ..defaults
        };
        let wanted = wgpu::DeviceDescriptor {
            label: None,
            required_features: features,
            required_limits,
            ..Default::default()
        };
        let opened = pollster::block_on(adapter.request_device(&wanted));
        let (device, queue) = opened.map_err(|error| Failure::Device(error.to_string()))?;
        Ok(Device { device, queue, target, races: None, info: adapter.get_info() })
    }

    /// The reference device, whose dispatches so many threads share; [`MAX_THREADS`](fizz_reference::MAX_THREADS) at most.
    ///
    /// # Errors
    /// The engine cannot be had on this processor.
    pub fn reference(threads: usize) -> Result<Self, Failure> {
        Device::of(&fizz_reference::instance(engine()?, threads))
    }

    /// The same on one thread, watched for races between invocations.
    ///
    /// # Errors
    /// As [`reference`](Self::reference).
    pub fn watched(check: &RaceCheck) -> Result<Self, Failure> {
        let device = Device::of(&fizz_reference::watched_instance(engine()?, check.clone()))?;
        Ok(Device { races: Some(check.clone()), ..device })
    }

    fn of(reference: &wgpu::Instance) -> Result<Self, Failure> {
        let found = pollster::block_on(reference.request_adapter(&wgpu::RequestAdapterOptions::default()));
        let adapter = found.map_err(|error| Failure::Device(error.to_string()))?;
        Device::open(&adapter, Some(Target::Reference))
    }

    /// The adapters of this machine's drivers.
    pub fn adapters() -> Vec<wgpu::Adapter> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
    }

    /// A kernel's shader gives an error, not a panic, where the driver refuses it.
    pub(crate) fn checked<T>(&self, step: &str, work: impl FnOnce() -> T) -> Result<T, Failure> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = work();
        match pollster::block_on(scope.pop()) {
            None => Ok(made),
            Some(error) => Err(Failure::Device(format!("{step}: {error}"))),
        }
    }

    pub(crate) fn wait(&self) -> Result<(), Failure> {
        let waited = self.device.poll(wgpu::PollType::wait_indefinitely());
        waited.map(|_| ()).map_err(|error| Failure::Device(error.to_string()))
    }

    /// The words of a buffer.
    pub(crate) fn read(&self, buffer: &wgpu::Buffer, words: u32) -> Result<Vec<u32>, Failure> {
        let size = 4 * u64::from(words);
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, size);
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody listens any more when waiting has failed.
            let _ = sender.send(result);
        });
        self.wait()?;
        let mapped = receiver.recv().map_err(|error| Failure::Device(error.to_string()))?;
        mapped.map_err(|error| Failure::Device(error.to_string()))?;
        let view = staging.get_mapped_range(..).map_err(|error| Failure::Device(error.to_string()))?;
        Ok(view.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect())
    }
}

/// What the reference device's programs run in.
fn engine() -> Result<Arc<fizz_reference_engine::Wasmtime>, Failure> {
    let engine = fizz_reference_engine::Wasmtime::new();
    engine.map(Arc::new).map_err(|error| Failure::Device(error.to_string()))
}

/// What a Vulkan adapter takes: [`Native::NONE`], and what it says of itself. None for adapters of other interfaces, and for those that cannot be
/// told about floats, or handed shaders.
#[cfg(not(any(target_os = "macos", target_os = "ios")))]
#[expect(unsafe_code, reason = "wgpu gives the driver's own handle only so")]
pub fn vulkan(adapter: &wgpu::Adapter) -> Option<Target> {
    use ash::vk;
    if !adapter.features().contains(wgpu::Features::PASSTHROUGH_SHADERS) {
        return None;
    }
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
    let modes = Modes {
        rte: floats.shader_rounding_mode_rte_float32 == vk::TRUE,
        szinp: floats.shader_signed_zero_inf_nan_preserve_float32 == vk::TRUE,
        denorm_preserve: floats.shader_denorm_preserve_float32 == vk::TRUE,
        // As sessions do: whether wgpu has turned these on is not known.
        integer_dot: false,
        zero_init_native: false,
    };
    Some(Target::Vulkan { native: Native::NONE, modes })
}

/// Elsewhere there is no Vulkan.
#[cfg(any(target_os = "macos", target_os = "ios"))]
pub fn vulkan(_: &wgpu::Adapter) -> Option<Target> {
    None
}
