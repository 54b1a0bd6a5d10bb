//! One task's session: the calls, and what keeps them safe.

use crate::caps;
use crate::counted::{Counted, Total};
use crate::counter::Counter;
use crate::device::Device;
use crate::devices::Devices;
use crate::errors::Errors;
use crate::flow::Flow;
use crate::objects::Table;
use crate::schedule::{self, Meter};
use crate::slices::Pace;
use fizz_gpu_abi::host::{HostFault, Limit, Quotas, Session, Stop};
use fizz_gpu_abi::{Caps, Class, ErrorClass, OpenRequest, PollState, VERSION, status};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// A session on hardware.
pub(crate) struct HardwareSession {
    devices: Devices,
    state: State,
    /// What a stop has ended. Letting it go waits for the device, which the stop's answer must not: else the speed of the
    /// device would decide what a guest's stop becomes.
    left: Option<Box<Open>>,
}

impl Drop for HardwareSession {
    fn drop(&mut self) {
        let left = self.left.take();
        drop(catch_unwind(AssertUnwindSafe(|| drop(left))));
    }
}

enum State {
    Closed(Meter),
    Open(Box<Open>),
    /// Ended by a stop, with the gas used until then.
    Stopped(Stop, u64),
}

/// What an open session has.
pub(crate) struct Open {
    pub(crate) meter: Meter,
    pub(crate) table: Table,
    pub(crate) errors: Errors,
    pub(crate) flow: Flow,
    pub(crate) pace: Pace,
    /// Live objects, bytes of what is live, bytes of unsubmitted command buffers.
    pub(crate) objects: Total,
    pub(crate) memory: Total,
    pub(crate) recorded: Total,
    /// Where reads are copied to; made at the first read.
    pub(crate) staging: Option<wgpu::Buffer>,
    /// Where the loops of shaders count; made for the first that do.
    pub(crate) counter: Option<Counter>,
    /// Automatic layouts of exact pipelines so far.
    automatic: u64,
    pub(crate) device: Device,
}

impl Drop for Open {
    fn drop(&mut self) {
        // Frees the memory now, whatever references are left.
        self.device.device.destroy();
    }
}

impl Open {
    fn new(meter: Meter, device: Device) -> Self {
        Open {
            meter,
            table: Table::default(),
            errors: Errors::default(),
            flow: Flow::default(),
            pace: Pace::new(device.slice_gas),
            objects: Total::default(),
            memory: Total::default(),
            recorded: Total::default(),
            staging: None,
            counter: None,
            automatic: 0,
            device,
        }
    }

    /// A number for an automatic layout.
    pub(crate) fn next_layout(&mut self) -> u64 {
        self.automatic += 1;
        self.automatic
    }

    /// Records a validation error.
    pub(crate) fn invalid(&mut self, text: String) {
        self.errors.raise(ErrorClass::Validation, text);
    }

    /// Records the errors that `wgpu` has reported; says whether there were any.
    pub(crate) fn settle(&mut self) -> Result<bool, Stop> {
        let found = self.device.errors()?;
        let any = !found.is_empty();
        for (class, text) in found {
            self.errors.raise(class, text);
        }
        Ok(any)
    }

    /// Counts and charges a new object.
    pub(crate) fn new_object(&mut self) -> Result<Counted, Stop> {
        self.meter.charge(1, schedule::OBJECT)?;
        let most = u64::from(self.meter.quotas.objects);
        self.objects.add(1, most).ok_or(Stop::LimitExceeded(Limit::Objects))
    }
}

impl HardwareSession {
    pub(crate) fn new(devices: Devices, quotas: Quotas) -> Self {
        HardwareSession { devices, state: State::Closed(Meter::new(quotas)), left: None }
    }

    /// Runs a call on the open session. A stop or a panic below ends the session.
    fn guard<T>(&mut self, closed: T, call: impl FnOnce(&mut Open) -> Result<T, Stop>) -> Result<T, Stop> {
        let open = match &mut self.state {
            State::Closed(_) => return Ok(closed),
            State::Stopped(stop, _) => return Err(stop.clone()),
            State::Open(open) => open,
        };
        let result = catch_unwind(AssertUnwindSafe(|| call(open))).unwrap_or_else(|_| {
            Err(Stop::HostFault(HostFault::DeviceLost, "the driver or its wrapper panicked".to_owned()))
        });
        if let Err(stop) = &result {
            let gas = open.meter.used();
            let ended = std::mem::replace(&mut self.state, State::Stopped(stop.clone(), gas));
            match (ended, stop) {
                // A device that is still busy would block that, perhaps for ever; it is left alone, until its process ends.
                (ended, Stop::HostFault(HostFault::TimedOut, _)) => std::mem::forget(ended),
                (State::Open(open), _) => self.left = Some(open),
                (State::Closed(_) | State::Stopped(..), _) => {}
            }
        }
        result
    }
}

impl Session for HardwareSession {
    fn open(&mut self, request: &[u8], caps: &mut [u8]) -> Result<i32, Stop> {
        let meter = match &mut self.state {
            State::Open(_) => return Ok(status::ALREADY_OPEN),
            State::Stopped(stop, _) => return Err(stop.clone()),
            State::Closed(meter) => meter,
        };
        let Ok(request) = OpenRequest::from_bytes(request) else { return Ok(status::BAD_REQUEST) };
        let class = match (request.class, meter.quotas.class) {
            (Class::Job, class) => Some(class),
            // A result that must compare across devices cannot hang on one.
            (Class::Fast, Class::Exact) => None,
            (class, _) => Some(class),
        };
        let found = class.and_then(|class| Some((class, self.devices.of(class)?)));
        let Some((class, hardware)) = found.filter(|_| request.version == VERSION) else {
            return Ok(status::UNSUPPORTED);
        };
        // What has no driver computes exactly, whatever was asked for.
        let class = if hardware.has_driver() { class } else { Class::Exact };
        if request.features & !caps::FEATURES != 0 {
            return Ok(status::UNSUPPORTED);
        }
        let Some(caps) = caps.get_mut(..Caps::SIZE) else { return Ok(status::TOO_SMALL) };
        let device = hardware.open(class)?;
        caps.copy_from_slice(&caps::webgpu_caps(class, &meter.quotas).to_bytes());
        let meter = std::mem::replace(meter, Meter::new(meter.quotas));
        self.state = State::Open(Box::new(Open::new(meter, device)));
        Ok(i32::try_from(Caps::SIZE).expect("caps are small"))
    }

    fn submit(&mut self, stream: &[u8]) -> Result<i64, Stop> {
        self.guard(i64::from(status::NOT_OPEN), |open| {
            let pace = open.device.pace.clone();
            let lost = |error: std::io::Error| {
                Stop::HostFault(HostFault::DeviceLost, format!("the device cannot rest: {error}"))
            };
            pace.rest(|| open.device.beat()).map_err(lost)?;
            let begun = Instant::now();
            let mut ran = open.run(stream);
            if pace.rests() {
                ran = ran.and_then(|()| open.flow.idle(&open.device));
                // Also after a stop: other sessions rest for it. The stop is what is said.
                let noted = pace.worked(begun.elapsed()).map_err(lost);
                ran = ran.and(noted);
            }
            ran?;
            open.meter.serial += 1;
            Ok(i64::try_from(open.meter.serial).expect("gas ends a session long before"))
        })
    }

    fn write(&mut self, buffer: u32, offset: u64, data: &[u8]) -> Result<i32, Stop> {
        self.guard(status::NOT_OPEN, |open| open.write(buffer, offset, data))
    }

    fn read(&mut self, buffer: u32, offset: u64, into: &mut [u8]) -> Result<i32, Stop> {
        self.guard(status::NOT_OPEN, |open| open.read(buffer, offset, into))
    }

    fn wait(&mut self, serial: i64, _timeout_ns: i64) -> Result<i32, Stop> {
        self.guard(status::NOT_OPEN, |open| {
            open.meter.charge(1, schedule::SUBMIT)?;
            let known =
                serial == -1 || u64::try_from(serial).is_ok_and(|n| (1..=open.meter.serial).contains(&n));
            if !known {
                return Ok(status::BAD_SERIAL);
            }
            // Later work too: simpler, and no guest can tell.
            open.flow.idle(&open.device)?;
            Ok(status::OK)
        })
    }

    fn poll(&mut self, out: &mut [u8; PollState::SIZE]) -> Result<i64, Stop> {
        self.guard(i64::from(status::NOT_OPEN), |open| {
            let (records, scopes) = open.errors.counts();
            let submitted = open.meter.serial;
            *out = PollState { submitted, records, scopes }.to_bytes();
            Ok(i64::try_from(submitted).expect("gas ends a session long before"))
        })
    }

    fn take_error(&mut self, into: &mut [u8]) -> Result<i32, Stop> {
        self.guard(status::NOT_OPEN, |open| {
            let Some(record) = open.errors.front() else { return Ok(0) };
            let bytes = record.to_bytes();
            let Some(into) = into.get_mut(..bytes.len()) else { return Ok(status::TOO_SMALL) };
            into.copy_from_slice(&bytes);
            open.errors.drop_front();
            Ok(i32::try_from(bytes.len()).expect("records are small"))
        })
    }

    fn close(&mut self) -> Result<i32, Stop> {
        self.guard(status::NOT_OPEN, |open| {
            // So that dropping the device does not wait for long without a limit.
            open.flow.idle(&open.device)?;
            Ok(status::OK)
        })?;
        if let State::Open(open) = &mut self.state {
            let quotas = open.meter.quotas;
            let meter = std::mem::replace(&mut open.meter, Meter::new(quotas));
            let ended = std::mem::replace(&mut self.state, State::Closed(meter));
            drop(catch_unwind(AssertUnwindSafe(|| drop(ended))));
            return Ok(status::OK);
        }
        Ok(status::NOT_OPEN)
    }

    fn gas(&self) -> u64 {
        match &self.state {
            State::Closed(meter) => meter.used(),
            State::Open(open) => open.meter.used(),
            State::Stopped(_, gas) => *gas,
        }
    }
}
