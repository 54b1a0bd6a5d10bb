//! What the GPU's process gets from this one: few variables, no open files, and its end.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};

/// Variables that programs and the loaders of libraries and drivers read.
const PASSED: [&str; 9] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "LD_LIBRARY_PATH",
    "NODEVICE_SELECT",
    "RUST_BACKTRACE",
    "RUST_LOG",
];
/// Beginnings of the names of drivers' own variables.
const DRIVERS: [&str; 27] = [
    "ACO_", "AMD_", "ANV_", "CUDA_", "DRI_", "DYLD_", "EGL_", "GALLIUM_", "HSA_", "INTEL_", "LIBGL_", "LP_",
    "MESA_", "METAL_", "MTL_", "NIR_", "NVIDIA_", "NVK_", "RADV_", "VK_", "WGPU_", "XDG_", "ZINK_", "__EGL",
    "__GL", "__NV", "__VK",
];

/// A program's start with no more of the environment than it needs: what programs, libraries and drivers look for. On Windows
/// all of it.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if !cfg!(windows) {
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| is_passed(name)));
    }
    command
}

fn is_passed(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    PASSED.contains(&&*name) || DRIVERS.iter().any(|start| name.starts_with(start))
}

type Order = (Command, SyncSender<io::Result<Child>>);

/// The way to the thread that starts processes.
static STARTER: Mutex<Option<Sender<Order>>> = Mutex::new(None);

/// Starts a process that the kernel, where it can, kills when this one ends.
///
/// Linux ties a process to the thread that started it, and the threads that run guests come and go. So one thread starts them all, and ends only
/// with this process.
pub(crate) fn start(mut command: Command) -> io::Result<Child> {
    prepare(&mut command);
    let (sender, answer) = mpsc::sync_channel(1);
    {
        let mut starter = STARTER.lock().unwrap_or_else(PoisonError::into_inner);
        let to = match &*starter {
            Some(to) => to,
            None => starter.insert(thread()?),
        };
        to.send((command, sender)).map_err(io::Error::other)?;
    }
    answer.recv().map_err(io::Error::other)?
}

fn thread() -> io::Result<Sender<Order>> {
    let (sender, orders) = mpsc::channel::<Order>();
    std::thread::Builder::new().name("start".to_owned()).spawn(move || {
        for (mut command, answer) in orders {
            // Who asked waits for it.
            let _ = answer.send(command.spawn());
        }
    })?;
    Ok(sender)
}

/// Has the kernel close what the new program must not have, and end it with this process.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "only a child before its program starts can ask for it")]
fn prepare(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let parent = std::process::id().cast_signed();
    let before = move || {
        // SAFETY: system calls with numbers alone; they touch no memory.
        unsafe {
            // An old kernel has no such call, and the files that this program opens close themselves.
            libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // This process may be gone already.
            if libc::getppid() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        Ok(())
    };
    // SAFETY: what runs between fork and exec makes system calls and nothing else.
    unsafe {
        command.pre_exec(before);
    }
}

#[cfg(not(target_os = "linux"))]
fn prepare(_: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_find_their_variables_and_no_secrets() {
        for name in
            ["PATH", "HOME", "VK_ICD_FILENAMES", "LP_NUM_THREADS", "XDG_RUNTIME_DIR", "__GL_SYNC_TO_VBLANK"]
        {
            assert!(is_passed(OsStr::new(name)), "{name}");
        }
        for name in ["AWS_SECRET_ACCESS_KEY", "FIZZ_KEY", "SSH_AUTH_SOCK", "path", "MY_VK_KEY"] {
            assert!(!is_passed(OsStr::new(name)), "{name}");
        }
    }
}
