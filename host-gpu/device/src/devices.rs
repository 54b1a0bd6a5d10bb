//! Which device computes for which class.

use crate::device::Hardware;
use crate::session::HardwareSession;
use crate::{SHADER_FRONT_END, exact};
use fizz_gpu_abi::host::{Device, HostFault, Identity, Quotas, Session, Sessions, Stop};
use fizz_gpu_abi::{Class, VERSION};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The devices of this machine that serve sessions, one for each class. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    fast: Option<Hardware>,
    exact: Option<Hardware>,
}

impl Devices {
    /// These devices. What is not [exact](Hardware::is_exact) does not serve that class, whatever stands here.
    pub fn new(fast: Option<Hardware>, exact: Option<Hardware>) -> Self {
        Devices { fast, exact: exact.filter(Hardware::is_exact) }
    }

    /// The device for sessions of a class.
    pub(crate) fn of(&self, class: Class) -> Option<&Hardware> {
        match class {
            Class::Fast => self.fast.as_ref(),
            Class::Exact => self.exact.as_ref(),
            Class::Job => None,
        }
    }

    /// Changes both devices.
    fn map(self, change: impl Fn(Hardware) -> Hardware) -> Self {
        Devices { fast: self.fast.map(&change), exact: self.exact.map(&change) }
    }

    /// [`Hardware::with_wait_limit`] for both.
    #[must_use]
    pub fn with_wait_limit(self, limit: Duration) -> Self {
        self.map(|hardware| hardware.with_wait_limit(limit))
    }

    /// [`Hardware::with_heartbeat`] for both.
    #[must_use]
    pub fn with_heartbeat(self, beat: &Arc<dyn Fn() + Send + Sync>) -> Self {
        self.map(|hardware| hardware.with_heartbeat(beat.clone()))
    }

    /// [`Hardware::with_share`] for both.
    #[must_use]
    pub fn with_share(self, percent: u8) -> Self {
        self.map(|hardware| hardware.with_share(percent))
    }

    /// [`Hardware::with_joint_share`] for both.
    #[must_use]
    pub fn with_joint_share(self, percent: u8, file: &Path) -> Self {
        self.map(|hardware| hardware.with_joint_share(percent, file))
    }
}

impl Sessions for Devices {
    fn session(&self, quotas: &Quotas) -> Result<Box<dyn Session>, Stop> {
        if self.of(quotas.class).is_none() {
            let text = format!("no device for jobs of the class {:?}", quotas.class);
            return Err(Stop::HostFault(HostFault::DeviceLost, text));
        }
        Ok(Box::new(HardwareSession::new(self.clone(), *quotas)))
    }

    fn identity(&self) -> Identity {
        let fast = self.fast.as_ref().map(|hardware| hardware.names(SHADER_FRONT_END.to_owned()));
        let exact = self.exact.as_ref().map(|hardware| hardware.names(exact::front_end()));
        Identity { stream: VERSION, fast, exact }
    }
}

impl Hardware {
    /// This device for all classes that it can serve.
    pub fn devices(&self) -> Devices {
        Devices::new(Some(self.clone()), Some(self.clone()))
    }

    fn names(&self, shader: String) -> Device {
        let summary = self.summary();
        Device {
            shader,
            adapter: summary.name.clone(),
            driver: summary.driver.clone(),
            backend: summary.backend.clone(),
            software: summary.software(),
            probe: self.exact().map_or_else(String::new, |exact| exact.probe.to_string()),
        }
    }
}

impl Sessions for Hardware {
    fn session(&self, quotas: &Quotas) -> Result<Box<dyn Session>, Stop> {
        self.devices().session(quotas)
    }

    fn identity(&self) -> Identity {
        self.devices().identity()
    }
}
