//! A `wgpu` device: opening it, listening to its errors, waiting for it.

use crate::adapters::AdapterSummary;
use crate::admission;
use crate::caps;
use crate::exact::{Exact, Target};
use crate::pace::Pace;
use fizz_gpu_abi::host::{HostFault, REFERENCE, Stop};
use fizz_gpu_abi::{Class, ErrorClass};
use fizz_reference::RaceCheck;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An adapter that serves sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hardware {
    adapter: wgpu::Adapter,
    summary: Arc<AdapterSummary>,
    wait_limit: Duration,
    slice_gas: u64,
    heartbeat: Heartbeat,
    pub(crate) pace: Pace,
    exact: Option<Exact>,
    races: Option<RaceCheck>,
}

/// Called whenever a device has got further.
#[derive(Clone, Default)]
struct Heartbeat(Option<Arc<dyn Fn() + Send + Sync>>);

impl Heartbeat {
    fn beat(&self) {
        if let Some(beat) = &self.0 {
            beat();
        }
    }
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Heartbeat")
    }
}

/// Gas of one submission as far as is known before it runs, on a GPU and on a processor that plays one: seconds, also of work that a
/// device does slowly, such as atomics of one place.
const SLICE: u64 = 1 << 34;
const SOFTWARE_SLICE: u64 = 1 << 30;
/// How many times more than that a submission may take, if all its loops run as long as they may; a submission of one
/// workgroup may take more. Less would split a dispatch whose loops are short into many parts, each of which is waited
/// for: at 2^6 an elementwise kernel with one turn of a loop took 7 times as long on software. One that takes all of it
/// meets the time limit instead.
pub(crate) const WORST: u64 = 1 << 15;

impl Hardware {
    pub(crate) fn new(summary: AdapterSummary, adapter: wgpu::Adapter) -> Self {
        let slice_gas = if summary.software() { SOFTWARE_SLICE } else { SLICE };
        Hardware {
            adapter,
            summary: Arc::new(summary),
            wait_limit: Duration::from_secs(30),
            slice_gas,
            heartbeat: Heartbeat::default(),
            pace: Pace::default(),
            exact: None,
            races: None,
        }
    }

    /// The processor as a GPU, without any driver: what defines the class exact. It takes exact shaders alone; so many threads share its
    /// dispatches.
    ///
    /// # Errors
    /// Where this processor cannot be one.
    pub fn reference(engine: Arc<dyn fizz_reference::Engine>, threads: usize) -> Result<Hardware, String> {
        Hardware::reference_of(&fizz_reference::instance(engine, threads))
    }

    /// The same on one thread, where `check` looks for data races between invocations in all dispatches. Results and gas are the same; it
    /// is many times slower.
    ///
    /// # Errors
    /// As [`reference`](Self::reference).
    pub fn reference_with_race_check(
        engine: Arc<dyn fizz_reference::Engine>,
        check: &RaceCheck,
    ) -> Result<Hardware, String> {
        let hardware = Hardware::reference_of(&fizz_reference::watched_instance(engine, check.clone()))?;
        Ok(Hardware { races: Some(check.clone()), ..hardware })
    }

    fn reference_of(instance: &wgpu::Instance) -> Result<Hardware, String> {
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))
            .map_err(|error| error.to_string())?;
        let mut summary = AdapterSummary::of(&adapter);
        REFERENCE.clone_into(&mut summary.backend);
        if let Some(reason) = summary.unusable {
            return Err(reason);
        }
        Ok(Hardware::new(summary, adapter).with_exact(Exact {
            target: Target::Reference,
            probe: admission::expected().into(),
            own_sqrt: None,
        }))
    }

    /// The longest wait for the device, 30 seconds unless set. A task that passes it is a host fault.
    #[must_use]
    pub fn with_wait_limit(mut self, limit: Duration) -> Self {
        self.wait_limit = limit;
        self
    }

    /// The gas that one submission may take as far as is known before it runs; a dispatch that may take more is
    /// split. Loops may take more than those of the parts before did, but not much more. No guest can tell: not by its results, and not by its gas.
    #[must_use]
    pub fn with_slice_gas(mut self, gas: u64) -> Self {
        self.slice_gas = gas;
        self
    }

    /// Calls `beat` after every command that reaches the device, and now and then in a pause: a watchdog that hears nothing for longer
    /// than one step may take knows that the driver hangs.
    #[must_use]
    pub fn with_heartbeat(mut self, beat: Arc<dyn Fn() + Send + Sync>) -> Self {
        self.heartbeat = Heartbeat(Some(beat));
        self
    }

    /// Leaves the device idle so that work takes at most `percent` of the time, 1 to 100. All sessions share it. No
    /// result depends on it; a single submission is never interrupted.
    #[must_use]
    pub fn with_share(mut self, percent: u8) -> Self {
        self.pace = Pace::new(percent);
        self
    }

    /// The same, of all processes that are given this file together, which is made where it is not there. What one of them owes is still owed
    /// when it is gone.
    #[must_use]
    pub fn with_joint_share(mut self, percent: u8, file: &std::path::Path) -> Self {
        self.pace = Pace::joint(percent, file);
        self
    }

    /// Opens a device and lets it go again, to find out whether that works.
    ///
    /// # Errors
    /// The driver's reason.
    pub fn try_open(&self) -> Result<(), Stop> {
        let device = self.open(Class::Fast)?;
        device.device.destroy();
        device.must("open")
    }

    /// The adapter, in words.
    pub fn summary(&self) -> &AdapterSummary {
        &self.summary
    }

    /// What makes it serve sessions of the class exact.
    pub(crate) fn exact(&self) -> Option<&Exact> {
        self.exact.as_ref()
    }

    /// Whether it serves sessions of the class exact.
    pub fn is_exact(&self) -> bool {
        self.exact.is_some()
    }

    /// Whether a driver has it, which takes any shader.
    pub(crate) fn has_driver(&self) -> bool {
        !matches!(self.exact, Some(Exact { target: Target::Reference, .. }))
    }

    pub(crate) fn adapter(&self) -> &wgpu::Adapter {
        &self.adapter
    }

    pub(crate) fn with_exact(mut self, exact: Exact) -> Self {
        self.exact = Some(exact);
        self
    }

    /// A fresh device for a session of a class that it serves.
    pub(crate) fn open(&self, class: Class) -> Result<Device, Stop> {
        let exact = self.exact.as_ref().filter(|_| class == Class::Exact).map(|exact| exact.target);
        let mut required_features = caps::device_features();
        required_features.set(wgpu::Features::PASSTHROUGH_SHADERS, exact.is_some());
        let wanted = wgpu::DeviceDescriptor {
            label: None,
            required_features,
            required_limits: caps::device_limits(),
            experimental_features: wgpu::ExperimentalFeatures::disabled(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            trace: wgpu::Trace::Off,
        };
        let (device, queue) = pollster::block_on(self.adapter.request_device(&wanted))
            .map_err(|error| Stop::HostFault(HostFault::DeviceLost, format!("no device: {error}")))?;
        let reports = Arc::new(Reports::default());
        let listener = reports.clone();
        device.on_uncaptured_error(Arc::new(move |error| listener.report(error)));
        let listener = reports.clone();
        device.set_device_lost_callback(move |reason, text| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                listener.fail(HostFault::DeviceLost, text);
            }
        });
        Ok(Device {
            device,
            queue,
            reports,
            wait_limit: self.wait_limit,
            slice_gas: self.slice_gas,
            // Only processors that play a GPU are known to end loops.
            find_cuts: self.summary.software() && self.has_driver(),
            heartbeat: self.heartbeat.clone(),
            pace: self.pace.clone(),
            exact,
            races: self.races.clone().filter(|_| exact.is_some()),
        })
    }
}

/// What a device said, from whatever thread.
#[derive(Debug, Default)]
struct Reports {
    any: AtomicBool,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    /// Errors for the guest since the last look.
    errors: Vec<(ErrorClass, String)>,
    /// The first failure of the host.
    fault: Option<(HostFault, String)>,
}

impl Reports {
    fn report(&self, error: wgpu::Error) {
        match error {
            wgpu::Error::Validation { description, .. } => {
                self.tell(ErrorClass::Validation, one_line(&description));
            }
            // A pipeline that this driver did not compile, perhaps only now: its compiler may have met the ceiling of memory. No
            // guest may find out and go on.
            wgpu::Error::Internal { source, .. } => self.fail(HostFault::DeviceLost, source.to_string()),
            // The quota was not passed, so the promise to the guest is broken, not the guest's rule.
            wgpu::Error::OutOfMemory { source } => self.fail(HostFault::OutOfMemory, source.to_string()),
        }
    }

    fn tell(&self, class: ErrorClass, text: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.errors.push((class, text));
        self.any.store(true, Ordering::Release);
    }

    fn fail(&self, fault: HostFault, text: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.fault.get_or_insert((fault, text));
        self.any.store(true, Ordering::Release);
    }
}

/// wgpu's multi-line description as one line.
fn one_line(description: &str) -> String {
    let lines = description.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && *line != "Validation Error" && *line != "Caused by:");
    lines.collect::<Vec<_>>().join(": ")
}

/// A device with its queue.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    reports: Arc<Reports>,
    wait_limit: Duration,
    /// Gas of one submission, as far as is known.
    pub(crate) slice_gas: u64,
    /// Whether the driver may end loops by itself.
    pub(crate) find_cuts: bool,
    heartbeat: Heartbeat,
    pub(crate) pace: Pace,
    /// What exact shaders are written as; none in fast sessions.
    pub(crate) exact: Option<Target>,
    /// What watches dispatches.
    pub(crate) races: Option<RaceCheck>,
}

impl Device {
    /// Says that it goes on.
    pub(crate) fn beat(&self) {
        self.heartbeat.beat();
    }

    /// Errors for the guest since the last look; `Err` if the device failed.
    pub(crate) fn errors(&self) -> Result<Vec<(ErrorClass, String)>, Stop> {
        self.beat();
        if !self.reports.any.swap(false, Ordering::AcqRel) {
            return Ok(Vec::new());
        }
        let mut said = self.reports.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((fault, text)) = &said.fault {
            // It stays: a failed device answers nothing any more.
            self.reports.any.store(true, Ordering::Release);
            return Err(Stop::HostFault(*fault, text.clone()));
        }
        Ok(std::mem::take(&mut said.errors))
    }

    /// An error of a step that cannot be the guest's.
    pub(crate) fn must(&self, step: &str) -> Result<(), Stop> {
        match self.errors()?.into_iter().next() {
            None => Ok(()),
            Some((_, text)) => Err(Stop::HostFault(HostFault::DeviceLost, format!("{step}: {text}"))),
        }
    }

    /// Blocks until `submission` and everything before it is done; `None` means everything.
    pub(crate) fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), Stop> {
        let wait = wgpu::PollType::Wait { submission_index: submission, timeout: Some(self.wait_limit) };
        self.device.poll(wait).map_err(|error| match error {
            wgpu::PollError::Timeout => {
                let limit = self.wait_limit.as_secs_f64();
                Stop::HostFault(HostFault::TimedOut, format!("the device was busy for more than {limit} s"))
            }
            other => Stop::HostFault(HostFault::DeviceLost, other.to_string()),
        })?;
        self.must("wait for the device")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_drivers_compiler_could_not_do_is_the_hosts_fault() {
        let reports = Reports::default();
        let source = "out of memory".into();
        reports.report(wgpu::Error::Internal { source, description: String::new() });
        let said = reports.said.lock().unwrap();
        assert_eq!(said.fault, Some((HostFault::DeviceLost, "out of memory".to_owned())));
        assert!(said.errors.is_empty());
    }
}
