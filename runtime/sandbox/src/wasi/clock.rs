//! Clocks: the job's time and the guest's own work, never the host's.

use wasi_common::snapshots::preview_1::types::Clockid;

use crate::host::Host;

impl Host {
    /// Nanoseconds since 1970: the job's time at the start, and what has passed for the guest since.
    pub(super) fn realtime(&self) -> u64 {
        self.wasi.epoch_ns.saturating_add(self.meter.elapsed())
    }

    pub(super) fn time_of(&self, clock: Clockid) -> u64 {
        match clock {
            Clockid::Realtime => self.realtime(),
            Clockid::Monotonic => self.meter.elapsed(),
            // Sleeping is no work.
            Clockid::ProcessCputimeId | Clockid::ThreadCputimeId => self.meter.worked(),
        }
    }
}
