//! Arguments, environment, exit and random bytes; and that there is no network.

use wasi_common::Error;
use wasi_common::snapshots::preview_1::types::{Errno, Fd};
use wiggle::{GuestMemory, GuestPtr};

use super::memory::{slice_mut, stopped};
use crate::host::{Ending, Host};
use crate::instrument::COSTS;

impl Host {
    pub(super) fn write_args(
        &mut self,
        memory: &mut GuestMemory<'_>,
        heads: GuestPtr<GuestPtr<u8>>,
        buffer: GuestPtr<u8>,
    ) -> Result<(), Error> {
        self.meter.charge_bytes(self.wasi.args.cumulative_size().into()).map_err(stopped)?;
        self.wasi.args.write_to_guest(memory, buffer, heads)
    }

    pub(super) fn write_env(
        &mut self,
        memory: &mut GuestMemory<'_>,
        heads: GuestPtr<GuestPtr<u8>>,
        buffer: GuestPtr<u8>,
    ) -> Result<(), Error> {
        self.meter.charge_bytes(self.wasi.env.cumulative_size().into()).map_err(stopped)?;
        self.wasi.env.write_to_guest(memory, buffer, heads)
    }

    /// Any code is passed on as it is.
    pub(super) fn exit(&mut self, code: u32) -> wasmtime_environ_46::error::Error {
        self.meter.end(Ending::Exit(code));
        wasmtime_environ_46::error::Error::msg("exit")
    }

    pub(super) fn random(
        &mut self,
        memory: &mut GuestMemory<'_>,
        buffer: GuestPtr<[u8]>,
    ) -> Result<(), Error> {
        let into = slice_mut(memory, buffer)?;
        let blocks = (into.len() as u64).div_ceil(64);
        self.meter.charge(blocks * u64::from(COSTS.random_block)).map_err(stopped)?;
        self.wasi.random.fill(into);
        Ok(())
    }

    pub(super) fn no_socket(&self, fd: Fd) -> Error {
        match self.wasi.descriptors.get(fd.into()) {
            Ok(_) => Errno::Notsock.into(),
            Err(error) => error,
        }
    }
}
