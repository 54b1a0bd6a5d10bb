//! The instance and its one adapter.

use super::device::Device;
use super::queue::Queue;
use super::session::Session;
use super::{caps, session, texture};
use crate::Class;
use fizz_gpu_abi::Caps;
use std::future::ready;
use std::pin::Pin;
use wgpu::custom::{
    AdapterInterface, DispatchAdapter, DispatchDevice, DispatchQueue, DispatchSurface,
    EnumerateAdapterFuture, InstanceInterface, RequestAdapterFuture, RequestDeviceFuture,
};
use wgpu::rwh;

#[derive(Debug)]
pub(super) struct Instance(pub(super) Class);

impl InstanceInterface for Instance {
    fn new(_: wgpu::InstanceDescriptor) -> Self {
        Instance(Class::Job)
    }

    #[allow(unsafe_code)] // The trait's signature; nothing unsafe is done.
    unsafe fn create_surface(
        &self,
        _: wgpu::SurfaceTargetUnsafe,
    ) -> Result<DispatchSurface, wgpu::CreateSurfaceError> {
        // wgpu alone can make this error, and does so for a window without a handle, before it comes here.
        match super::instance(crate::Options::default()).create_surface(NoWindow) {
            Err(error) => Err(error),
            Ok(_) => panic!("Instance::create_surface: there are no windows in the sandbox"),
        }
    }

    fn request_adapter(&self, _: &wgpu::RequestAdapterOptions<'_, '_>) -> Pin<Box<dyn RequestAdapterFuture>> {
        let none = wgpu::Backends::empty();
        let asked = wgpu::Backends::BROWSER_WEBGPU;
        let adapter =
            session::probe(self.0).map(|caps| DispatchAdapter::custom(Adapter { caps, class: self.0 }));
        Box::pin(ready(adapter.map_err(|_| wgpu::RequestAdapterError::NotFound {
            active_backends: asked,
            requested_backends: asked,
            supported_backends: asked,
            no_fallback_backends: none,
            no_adapter_backends: asked,
            incompatible_surface_backends: none,
        })))
    }

    fn poll_all_devices(&self, force_wait: bool) -> bool {
        if let Some(session) = session::current() {
            if force_wait {
                session.finish();
            } else {
                session.flush();
            }
        }
        true
    }

    fn wgsl_language_features(&self) -> wgpu::WgslLanguageFeatures {
        wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct
            | wgpu::WgslLanguageFeatures::PointerCompositeAccess
            | wgpu::WgslLanguageFeatures::ReadOnlyAndReadWriteStorageTextures
    }

    fn enumerate_adapters(&self, backends: wgpu::Backends) -> Pin<Box<dyn EnumerateAdapterFuture>> {
        let wanted = backends.contains(wgpu::Backends::BROWSER_WEBGPU);
        let class = self.0;
        let found = wanted.then(|| session::probe(class).ok()).flatten();
        let adapters = found.into_iter().map(|caps| DispatchAdapter::custom(Adapter { caps, class }));
        Box::pin(ready(adapters.collect()))
    }
}

/// A window that has no handle.
struct NoWindow;

impl rwh::HasWindowHandle for NoWindow {
    fn window_handle(&self) -> Result<rwh::WindowHandle<'_>, rwh::HandleError> {
        Err(rwh::HandleError::NotSupported)
    }
}

impl rwh::HasDisplayHandle for NoWindow {
    fn display_handle(&self) -> Result<rwh::DisplayHandle<'_>, rwh::HandleError> {
        Err(rwh::HandleError::NotSupported)
    }
}

#[derive(Debug)]
struct Adapter {
    caps: Caps,
    class: Class,
}

impl Adapter {
    fn open(&self, desc: &wgpu::DeviceDescriptor<'_>) -> Result<(DispatchDevice, DispatchQueue), String> {
        let missing = desc.required_features - caps::features(&self.caps);
        if !missing.is_empty() {
            return Err(format!("features are not offered: {missing}"));
        }
        let mut beyond = Vec::new();
        desc.required_limits.check_limits_with_fail_fn(
            &caps::limits(&self.caps),
            false,
            |name, wanted, most| {
                beyond.push(format!("{name} of {wanted} (this device has {most})"));
            },
        );
        if !beyond.is_empty() {
            return Err(format!("limits are not offered: {}", beyond.join(", ")));
        }
        let session = Session::begin(self.class)?;
        let device = Device::new(&session, desc.required_features, desc.required_limits.clone());
        Ok((DispatchDevice::custom(device), DispatchQueue::custom(Queue::new(session))))
    }
}

impl AdapterInterface for Adapter {
    fn request_device(&self, desc: &wgpu::DeviceDescriptor<'_>) -> Pin<Box<dyn RequestDeviceFuture>> {
        Box::pin(ready(self.open(desc).map_err(wgpu::RequestDeviceError::from_message)))
    }

    fn is_surface_supported(&self, _: &DispatchSurface) -> bool {
        false
    }

    fn features(&self) -> wgpu::Features {
        caps::features(&self.caps)
    }

    fn limits(&self) -> wgpu::Limits {
        caps::limits(&self.caps)
    }

    fn downlevel_capabilities(&self) -> wgpu::DownlevelCapabilities {
        caps::downlevel(&self.caps)
    }

    fn get_info(&self) -> wgpu::AdapterInfo {
        caps::info()
    }

    fn get_texture_format_features(&self, format: wgpu::TextureFormat) -> wgpu::TextureFormatFeatures {
        texture::format_features(self.caps.features, format)
    }

    fn get_presentation_timestamp(&self) -> wgpu::PresentationTimestamp {
        wgpu::PresentationTimestamp::INVALID_TIMESTAMP
    }

    fn cooperative_matrix_properties(&self) -> Vec<wgpu::CooperativeMatrixProperties> {
        Vec::new()
    }
}
