//! Bounds what is under way on the device: submissions, staging memory, memory of dropped buffers.
//!
//! None of it is visible to the guest; it only decides when the host waits.

use crate::device::Device;
use fizz_gpu_abi::host::Stop;
use std::collections::VecDeque;

/// Submissions that may be under way.
const MOST_SUBMISSIONS: usize = 16;
/// Staging bytes that may be under way, and those after which they are sent on their way.
const MOST_STAGING: u64 = 128 << 20;
const FLUSH_AT: u64 = 32 << 20;

#[derive(Debug, Default)]
pub(crate) struct Flow {
    under_way: VecDeque<(wgpu::SubmissionIndex, u64)>,
    /// Staging bytes written since the last submission, and in those under way.
    pending: u64,
    staged: u64,
    /// Bytes of buffers that were alive when the device was last idle, and of those made since. The device may still hold
    /// all of them, also those that the guest has dropped.
    alive_then: u64,
    made_since: u64,
}

impl Flow {
    /// Submits command buffers and what was written before them.
    pub(crate) fn submit(
        &mut self,
        device: &Device,
        buffers: impl IntoIterator<Item = wgpu::CommandBuffer>,
    ) -> Result<(), Stop> {
        let mut buffers = buffers.into_iter().peekable();
        if buffers.peek().is_none() && self.pending == 0 {
            return Ok(());
        }
        let index = device.queue.submit(buffers);
        let bytes = std::mem::take(&mut self.pending);
        self.staged += bytes;
        self.under_way.push_back((index, bytes));
        while self.under_way.len() > MOST_SUBMISSIONS || self.staged > MOST_STAGING {
            let Some((oldest, bytes)) = self.under_way.pop_front() else { break };
            device.wait(Some(oldest))?;
            self.staged -= bytes;
        }
        Ok(())
    }

    /// Notes bytes given to the queue's staging memory.
    pub(crate) fn wrote(&mut self, device: &Device, bytes: u64) -> Result<(), Stop> {
        self.pending += bytes;
        if self.pending >= FLUSH_AT {
            self.submit(device, [])?;
        }
        Ok(())
    }

    /// Before a new buffer: waits when what the device may still hold would pass the quota with it.
    pub(crate) fn make_room(&mut self, device: &Device, live: u64, new: u64, quota: u64) -> Result<(), Stop> {
        if self.alive_then.saturating_add(self.made_since).saturating_add(new) > quota {
            self.idle(device)?;
            (self.alive_then, self.made_since) = (live, 0);
        }
        self.made_since = self.made_since.saturating_add(new);
        Ok(())
    }

    /// Waits for everything.
    pub(crate) fn idle(&mut self, device: &Device) -> Result<(), Stop> {
        self.submit(device, [])?;
        // One by one, so that each has the whole of the limit on waiting.
        while let Some((oldest, _)) = self.under_way.pop_front() {
            device.wait(Some(oldest))?;
        }
        device.wait(None)?;
        self.staged = 0;
        Ok(())
    }
}
