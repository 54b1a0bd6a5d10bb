//! Finding adapters and choosing one.

use crate::caps;
use crate::device::Hardware;
use crate::memory;
use crate::textures;
use std::fmt;

/// What plays the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// A card of its own.
    Discrete,
    /// Part of the processor.
    Integrated,
    /// A GPU lent to a virtual machine.
    Virtual,
    /// The driver does not say.
    Other,
    /// A processor: for tests, not for earning.
    Software,
}

/// One adapter, in words. For the operator and for receipts; guests never see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// Name as its driver gives it.
    pub name: String,
    /// Driver and version as it gives them.
    pub driver: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// What plays the GPU.
    pub kind: AdapterKind,
    /// Why guests cannot be given this adapter, if so.
    pub unusable: Option<String>,
    /// Bytes of memory that is the device's own, where the driver says so. A software or integrated one shows memory of the machine.
    pub memory_bytes: Option<u64>,
    /// The limits that matter to compute.
    pub limits: Vec<AdapterLimit>,
}

/// A limit of an adapter, and what every guest is promised of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterLimit {
    /// WebGPU's name of it.
    pub name: &'static str,
    /// What guests are promised.
    pub promised: u64,
    /// What the adapter offers.
    pub offered: u64,
}

impl AdapterSummary {
    /// Whether a processor plays the GPU.
    pub fn software(&self) -> bool {
        self.kind == AdapterKind::Software
    }

    pub(crate) fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let driver = format!("{} {}", info.driver, info.driver_info);
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Other => AdapterKind::Other,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
        };
        AdapterSummary {
            name: info.name,
            driver: driver.trim().to_owned(),
            backend: info.backend.to_string(),
            kind,
            unusable: unusable(adapter),
            memory_bytes: memory::device_local(adapter),
            limits: limits(&adapter.limits()),
        }
    }
}

impl fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}", self.name, self.backend, self.driver)?;
        if self.software() {
            f.write_str(", software")?;
        }
        f.write_str(")")
    }
}

fn limits(offered: &wgpu::Limits) -> Vec<AdapterLimit> {
    let promised = caps::device_limits();
    let pick = |limits: &wgpu::Limits| {
        [
            ("maxBufferSize", limits.max_buffer_size),
            ("maxStorageBufferBindingSize", limits.max_storage_buffer_binding_size),
            ("maxStorageBuffersPerShaderStage", limits.max_storage_buffers_per_shader_stage.into()),
            ("maxComputeWorkgroupStorageSize", limits.max_compute_workgroup_storage_size.into()),
            ("maxComputeInvocationsPerWorkgroup", limits.max_compute_invocations_per_workgroup.into()),
            ("maxComputeWorkgroupsPerDimension", limits.max_compute_workgroups_per_dimension.into()),
        ]
    };
    let both = pick(&promised).into_iter().zip(pick(offered));
    both.map(|((name, promised), (_, offered))| AdapterLimit { name, promised, offered }).collect()
}

fn unusable(adapter: &wgpu::Adapter) -> Option<String> {
    if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Some("it cannot run compute shaders".to_owned());
    }
    if !adapter.features().contains(caps::device_features()) {
        return Some("it has no immediates".to_owned());
    }
    if let Some(format) = textures::unusable_format(adapter) {
        return Some(format!("it has no storage textures of the format {format:?}"));
    }
    let mut missing = None;
    let wanted = caps::device_limits();
    wanted.check_limits_with_fail_fn(&adapter.limits(), true, |name, asked, offered| {
        missing = Some(format!("its limit {name} is {offered}, {asked} is needed"));
    });
    missing
}

/// Which adapter to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The best: discrete before integrated before virtual; software last.
    Auto,
    /// The one at this place of the list.
    Index(usize),
    /// The first one whose name contains this, without regard to case.
    Name(String),
}

/// No adapter for a [`Choice`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// The machine has no adapter at all.
    #[error("no GPU adapter found; install a Vulkan driver (for tests: mesa-vulkan-drivers)")]
    None,
    /// There are fewer adapters.
    #[error("no GPU adapter has the number {index}; found: {found}")]
    NoSuchIndex {
        /// The number asked for, from 0.
        index: usize,
        /// The names there are.
        found: String,
    },
    /// There are adapters, but none with that name.
    #[error("no GPU adapter named like '{name}'; found: {found}")]
    NoSuchName {
        /// The name asked for.
        name: String,
        /// The names there are.
        found: String,
    },
    /// None can serve guests; the reason of the best is given.
    #[error("GPU adapter '{name}' cannot be used: {reason}")]
    Unusable {
        /// The best adapter.
        name: String,
        /// Why not.
        reason: String,
    },
}

/// The adapters of this machine.
#[derive(Debug)]
pub struct Adapters {
    found: Vec<(AdapterSummary, wgpu::Adapter)>,
}

impl Adapters {
    /// Looks for adapters. An empty list where there is no driver.
    pub fn list() -> Self {
        if wgpu::Instance::enabled_backend_features().is_empty() {
            return Adapters { found: Vec::new() };
        }
        let mut wanted = wgpu::InstanceDescriptor::new_without_display_handle();
        wanted.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
        // No debug layers, and no text of a guest towards the driver.
        wanted.flags = wgpu::InstanceFlags::DISCARD_HAL_LABELS;
        let backends = wanted.backends;
        let instance = wgpu::Instance::new(wanted);
        let mut found: Vec<_> = pollster::block_on(instance.enumerate_adapters(backends))
            .into_iter()
            .map(|adapter| (AdapterSummary::of(&adapter), adapter))
            .collect();
        // Where it sits decides between two of a kind, so that a number means the same card in every process. A stable sort: the
        // loader's order is the last word.
        found.sort_by_cached_key(|(summary, adapter)| {
            (summary.unusable.is_some(), summary.kind, adapter.get_info().device_pci_bus_id)
        });
        Adapters { found }
    }

    /// The adapters, best first.
    pub fn summaries(&self) -> impl ExactSizeIterator<Item = &AdapterSummary> {
        self.found.iter().map(|(summary, _)| summary)
    }

    fn names(&self) -> String {
        let names = self.summaries().enumerate().map(|(index, summary)| format!("{index} {}", summary.name));
        names.collect::<Vec<_>>().join(", ")
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Takes an adapter.
    ///
    /// # Errors
    /// [`ChooseError`] when there is no usable one.
    pub fn choose(&self, choice: &Choice) -> Result<Hardware, ChooseError> {
        let (summary, adapter) = &self.found[self.place(choice)?];
        Ok(Hardware::new(summary.clone(), adapter.clone()))
    }

    /// The place in the list of the adapter that [`choose`](Adapters::choose) takes. Two cards may be equal in all that is said of
    /// them.
    ///
    /// # Errors
    /// When there is no usable one.
    pub fn place(&self, choice: &Choice) -> Result<usize, ChooseError> {
        let chosen = match choice {
            Choice::Auto => (!self.found.is_empty()).then_some(0),
            Choice::Index(index) => (*index < self.found.len()).then_some(*index),
            Choice::Name(name) => {
                let name = name.to_lowercase();
                self.found.iter().position(|(summary, _)| summary.name.to_lowercase().contains(&name))
            }
        };
        let place = match (chosen, choice) {
            (Some(place), _) => place,
            (None, _) if self.found.is_empty() => return Err(ChooseError::None),
            (None, Choice::Auto) => return Err(ChooseError::None),
            (None, Choice::Index(index)) => {
                return Err(ChooseError::NoSuchIndex { index: *index, found: self.names() });
            }
            (None, Choice::Name(name)) => {
                return Err(ChooseError::NoSuchName { name: name.clone(), found: self.names() });
            }
        };
        let (summary, _) = &self.found[place];
        match &summary.unusable {
            Some(reason) => Err(ChooseError::Unusable { name: summary.name.clone(), reason: reason.clone() }),
            None => Ok(place),
        }
    }
}
