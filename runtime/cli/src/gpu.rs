//! This machine's GPU for guests: a process of its own that has it, and how others reach it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use fizz_exec::Executor;
use fizz_gpu::{Adapters, Choice, Devices, Hardware};
use fizz_gpu_abi::host::Sessions;
use fizz_gpu_process::{GpuCommand, GpuProcess, Server, Transport, Watch};

use crate::error::Failure;
use crate::exit::Exit;
use crate::job_args::GpuArg;
use crate::values::Size;

/// What to install where no adapter is found.
pub(crate) const INSTALL: &str = if cfg!(target_os = "linux") {
    "install your GPU's Vulkan driver, or the software one: `apt-get install mesa-vulkan-drivers libvulkan1`"
} else {
    "install your GPU's driver"
};

/// What the process that has the GPU is held to.
#[derive(Args, Clone, Debug)]
pub(crate) struct GpuBounds {
    /// Seconds that the GPU may take for one step of a task, such as a pipeline or a dispatch; then its process is ended
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) gpu_step_seconds: u64,
    /// Share of the time in which the GPU works, in percent, of all slots together: it rests between submissions
    #[arg(long, default_value = "100", value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) gpu_share: u8,
    /// Memory of this machine that a GPU's process may take at most
    #[arg(long, default_value = "16G", value_name = "SIZE")]
    pub(crate) gpu_process_memory: Size,
    /// File in which all processes with this GPU keep until when it rests
    #[arg(long, hide = true, value_name = "FILE")]
    pub(crate) gpu_rests: Option<PathBuf>,
}

impl Default for GpuBounds {
    fn default() -> Self {
        GpuBounds {
            gpu_step_seconds: 30,
            gpu_share: 100,
            gpu_process_memory: Size(16 << 30),
            gpu_rests: None,
        }
    }
}

impl GpuBounds {
    /// The same as arguments.
    pub(crate) fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![
            "--gpu-step-seconds".into(),
            self.gpu_step_seconds.to_string().into(),
            "--gpu-share".into(),
            self.gpu_share.to_string().into(),
            "--gpu-process-memory".into(),
            self.gpu_process_memory.0.to_string().into(),
        ];
        if let Some(file) = &self.gpu_rests {
            args.extend(["--gpu-rests".into(), file.into()]);
        }
        args
    }
}

/// Has the GPU for the process that started it, over standard input
#[derive(Args, Debug)]
pub(crate) struct GpuProcessArgs {
    /// What guests find as their GPU
    #[arg(long, default_value = "auto")]
    gpu: GpuArg,
    /// Uses the GPU adapter of this number, or whose name holds this text
    #[arg(long)]
    adapter: Option<String>,
    #[command(flatten)]
    bounds: GpuBounds,
}

impl GpuProcessArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let gone = |error: std::io::Error| Failure::unexpected("the worker is gone").because(&error);
        let GpuBounds { gpu_step_seconds, gpu_share, gpu_process_memory, gpu_rests } = self.bounds;
        // Before any driver is loaded.
        let server = Server::start(gpu_process_memory.0).map_err(gone)?;
        match devices(self.gpu, self.adapter.as_deref()) {
            Ok(devices) => {
                let devices = devices
                    .with_heartbeat(&server.heartbeat())
                    .with_wait_limit(Duration::from_secs(gpu_step_seconds));
                let devices = match &gpu_rests {
                    Some(file) => devices.with_joint_share(gpu_share, file),
                    None => devices.with_share(gpu_share),
                };
                server.serve(&devices).map_err(gone)?;
            }
            Err(reason) => server.refuse(&reason).map_err(gone)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The devices that guests find. `auto` takes a GPU where it computes exactly, else the processor for exact jobs; a driver that plays a GPU on
/// the processor is slower than Fizz itself, and taken for exact jobs only where it is named.
fn devices(gpu: GpuArg, adapter: Option<&str>) -> Result<Devices, String> {
    if gpu == GpuArg::Reference {
        let reference = reference()?;
        return Ok(Devices::new(Some(reference.clone()), Some(reference)));
    }
    let found = match Adapters::list().choose(&choice(adapter)) {
        Ok(found) => Some(found),
        Err(error) if gpu == GpuArg::Hardware || adapter.is_some() => return Err(error.to_string()),
        Err(_) => None,
    };
    let wanted =
        |hardware: &Hardware| gpu == GpuArg::Hardware || adapter.is_some() || !hardware.summary().software();
    let exact = found.clone().filter(wanted).and_then(|hardware| match hardware.admitted() {
        Ok(hardware) => Some(hardware),
        Err(reason) => {
            tracing::info!(target: "fizz", reason, "the GPU does not compute exactly, and is not used for exact jobs");
            None
        }
    });
    if gpu == GpuArg::Hardware {
        return Ok(Devices::new(found, exact));
    }
    let (fast, exact) = match (found, exact) {
        (Some(fast), Some(exact)) => (fast, exact),
        (found, exact) => {
            let reference = reference()?;
            (found.unwrap_or_else(|| reference.clone()), exact.unwrap_or(reference))
        }
    };
    Ok(Devices::new(Some(fast), Some(exact)))
}

/// The processor as a GPU.
pub(crate) fn reference() -> Result<Hardware, String> {
    let engine = fizz_reference_engine::Wasmtime::new().map_err(|error| error.to_string())?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Hardware::reference(Arc::new(engine), threads)
}

/// Which adapter is meant: digits are its number, also where there are not so many; all else is a part of its name.
pub(crate) fn choice(adapter: Option<&str>) -> Choice {
    match adapter {
        None => Choice::Auto,
        Some(text) if !text.is_empty() && text.bytes().all(|letter| letter.is_ascii_digit()) => {
            Choice::Index(text.parse().unwrap_or(usize::MAX))
        }
        Some(text) => Choice::Name(text.to_owned()),
    }
}

/// The GPU that guests will find, in a process of its own; `adapter` is its number or a part of its name, in small letters or
/// large.
pub(crate) fn open(
    gpu: GpuArg,
    adapter: Option<&str>,
    bounds: &GpuBounds,
) -> Result<Option<Arc<dyn Sessions>>, Failure> {
    if gpu == GpuArg::Off {
        return Ok(None);
    }
    let program = std::env::current_exe()
        .map_err(|error| Failure::unexpected("cannot find this program").because(&error))?;
    let start = |gpu: GpuArg| {
        let mut args: Vec<OsString> = vec!["gpu-process".into(), "--gpu".into(), gpu.name().into()];
        if let Some(adapter) = adapter {
            args.extend(["--adapter".into(), adapter.into()]);
        }
        args.extend(bounds.args());
        let command = GpuCommand { program: program.clone(), args, transport: Transport::Best };
        let watch = Watch { step: Duration::from_secs(bounds.gpu_step_seconds) };
        GpuProcess::start(command, watch)
    };
    match start(gpu) {
        Ok(process) => Ok(Some(Arc::new(process))),
        Err(error) if gpu == GpuArg::Hardware || adapter.is_some() => {
            Err(Failure::new(Exit::NoCapacity, "this machine has no such GPU").because(&error).hint(INSTALL))
        }
        Err(error) if gpu == GpuArg::Reference => {
            Err(Failure::unexpected("the processor cannot play a GPU").because(&error))
        }
        // A driver that crashes or hangs is not in the way of what needs none.
        Err(error) => {
            tracing::warn!(target: "fizz", %error, "no driver can be used; the processor plays the GPU");
            match start(GpuArg::Reference) {
                Ok(process) => Ok(Some(Arc::new(process))),
                Err(error) => Err(Failure::unexpected("the processor cannot play a GPU").because(&error)),
            }
        }
    }
}

/// An executor whose guests find what [`open`] opens.
pub(crate) fn executor(gpu: GpuArg, adapter: Option<&str>) -> Result<Executor, Failure> {
    bounded_executor(gpu, adapter, &GpuBounds::default())
}

/// The same, with bounds of the operator's.
pub(crate) fn bounded_executor(
    gpu: GpuArg,
    adapter: Option<&str>,
    bounds: &GpuBounds,
) -> Result<Executor, Failure> {
    let gpu = open(gpu, adapter, bounds)?;
    Executor::new(gpu).map_err(|error| Failure::unexpected("cannot set up the sandbox").because(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_number_and_never_a_part_of_a_name() {
        assert_eq!(choice(None), Choice::Auto);
        assert_eq!(choice(Some("1")), Choice::Index(1));
        assert_eq!(choice(Some("4090")), Choice::Index(4090));
        assert_eq!(choice(Some("99999999999999999999999")), Choice::Index(usize::MAX));
        assert_eq!(choice(Some("RTX 4090")), Choice::Name("RTX 4090".to_owned()));
        assert_eq!(choice(Some("+1")), Choice::Name("+1".to_owned()));
    }
}
