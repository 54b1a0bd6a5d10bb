//! Opening this machine's GPU for guests.

use std::sync::Arc;

use fizz_exec::Executor;
use fizz_gpu::{Adapters, Choice};
use fizz_gpu_abi::host::Sessions;

use crate::error::Failure;
use crate::exit::Exit;
use crate::job_args::GpuArg;

/// What to install where no adapter is found.
pub(crate) const INSTALL: &str = if cfg!(target_os = "linux") {
    "install your GPU's Vulkan driver, or the software one: `apt-get install mesa-vulkan-drivers libvulkan1`"
} else {
    "install your GPU's driver"
};

/// The GPU that guests will find, with `name` a part of its adapter's name, in small letters or large.
pub(crate) fn open(gpu: GpuArg, name: Option<&str>) -> Result<Option<Arc<dyn Sessions>>, Failure> {
    if gpu == GpuArg::Off {
        return Ok(None);
    }
    let choice = name.map_or(Choice::Auto, |name| Choice::Name(name.to_owned()));
    match Adapters::list().choose(&choice) {
        Ok(hardware) => Ok(Some(Arc::new(hardware))),
        Err(error) if gpu == GpuArg::Hardware || name.is_some() => {
            Err(Failure::new(Exit::NoCapacity, "this machine has no such GPU").because(&error).hint(INSTALL))
        }
        Err(error) => {
            tracing::debug!(%error, "guests find no GPU");
            Ok(None)
        }
    }
}

/// An executor whose guests find what [`open`] opens.
pub(crate) fn executor(gpu: GpuArg, name: Option<&str>) -> Result<Executor, Failure> {
    let gpu = open(gpu, name)?;
    Executor::new(gpu).map_err(|error| Failure::unexpected("cannot set up the sandbox").because(&error))
}
