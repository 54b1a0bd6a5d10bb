//! `poll_oneoff`: files are always ready, and sleeping moves the guest's clock instead of waiting.

use wasi_common::Error;
use wasi_common::snapshots::preview_1::types::{
    Clockid, Errno, Event, EventFdReadwrite, Eventrwflags, Eventtype, Fd, Rights, Subclockflags,
    Subscription, SubscriptionU,
};
use wiggle::{GuestMemory, GuestPtr};

use super::descriptors::Object;
use super::memory::stopped;
use crate::host::Host;
use crate::instrument::COSTS;

/// Subscriptions in one call.
const SUBSCRIPTIONS_MAX: u32 = 4096;

/// A timer, by the guest's monotonic clock.
struct Timer {
    deadline: u64,
    event: Event,
}

impl Host {
    pub(super) fn poll(
        &mut self,
        memory: &mut GuestMemory<'_>,
        subscriptions: GuestPtr<Subscription>,
        events: GuestPtr<Event>,
        count: u32,
    ) -> Result<u32, Error> {
        if count == 0 || count > SUBSCRIPTIONS_MAX {
            return Err(Errno::Inval.into());
        }
        self.meter.charge(u64::from(count) * u64::from(COSTS.subscription)).map_err(stopped)?;
        let mut ready = Vec::new();
        let mut timers = Vec::new();
        for pointer in subscriptions.as_array(count).iter() {
            let subscription = memory.read(pointer?)?;
            let mut event = Event {
                userdata: subscription.userdata,
                error: Errno::Success,
                type_: Eventtype::Clock,
                fd_readwrite: EventFdReadwrite { nbytes: 0, flags: Eventrwflags::empty() },
            };
            match subscription.u {
                SubscriptionU::Clock(clock) => {
                    let absolute = clock.flags.contains(Subclockflags::SUBSCRIPTION_CLOCK_ABSTIME);
                    let deadline = self.deadline(clock.id, clock.timeout, absolute);
                    timers.push(Timer { deadline, event });
                }
                SubscriptionU::FdRead(file) => {
                    event.type_ = Eventtype::FdRead;
                    self.read_event(file.file_descriptor, &mut event);
                    ready.push(event);
                }
                SubscriptionU::FdWrite(file) => {
                    event.type_ = Eventtype::FdWrite;
                    if let Err(errno) = self.pollable(file.file_descriptor) {
                        event.error = errno;
                    }
                    ready.push(event);
                }
            }
        }
        // Nobody waits for a timer while a file is ready.
        if ready.is_empty()
            && let Some(first) = timers.iter().map(|timer| timer.deadline).min()
        {
            self.meter.sleep(first.saturating_sub(self.meter.elapsed()));
        }
        let now = self.meter.elapsed();
        ready.extend(timers.into_iter().filter(|timer| timer.deadline <= now).map(|timer| timer.event));
        let count = ready.len() as u32;
        for (pointer, event) in events.as_array(count).iter().zip(ready) {
            memory.write(pointer?, event)?;
        }
        Ok(count)
    }

    fn deadline(&self, clock: Clockid, timeout: u64, absolute: bool) -> u64 {
        if !absolute {
            return self.meter.elapsed().saturating_add(timeout);
        }
        match clock {
            Clockid::Realtime => timeout.saturating_sub(self.wasi.epoch_ns),
            // Processor time does not pass while sleeping, so such a timer is taken as one of the other clock.
            Clockid::Monotonic | Clockid::ProcessCputimeId | Clockid::ThreadCputimeId => timeout,
        }
    }

    /// What can be waited for: everything but folders.
    fn pollable(&self, fd: Fd) -> Result<&Object, Errno> {
        let descriptor = self.wasi.descriptors.get(fd.into()).map_err(|_| Errno::Badf)?;
        match &descriptor.object {
            Object::Folder { .. } => Err(Errno::Badf),
            _ if !descriptor.granted.base.contains(Rights::POLL_FD_READWRITE) => Err(Errno::Notcapable),
            object => Ok(object),
        }
    }

    fn read_event(&mut self, fd: Fd, event: &mut Event) {
        let left = match self.pollable(fd) {
            Ok(Object::Stdin) => {
                let left = self.wasi.stdin.len() - self.wasi.stdin_at;
                if left == 0 {
                    event.fd_readwrite.flags = Eventrwflags::FD_READWRITE_HANGUP;
                }
                Ok(left as u64)
            }
            Ok(Object::File { inode, offset, .. }) => {
                Ok(self.wasi.files.bytes_from(*inode, *offset).map_or(0, |bytes| bytes.len() as u64))
            }
            Ok(_) => Ok(0),
            Err(errno) => Err(errno),
        };
        match left {
            Ok(left) => event.fd_readwrite.nbytes = left,
            Err(errno) => event.error = errno,
        }
    }
}
