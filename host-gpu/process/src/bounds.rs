//! What the GPU's process may take of the machine.

use std::io;

/// Holds this process to so many bytes of private memory, and has it leave no core. An allocation over the ceiling fails inside the
/// process, which the driver reports or dies of. Reserved address space does not count, because drivers reserve
/// terabytes.
#[cfg(target_os = "linux")]
pub(crate) fn bound(memory_bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // Crashes are expected here and must not fill the disk.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // Who started it may be held to less.
    let bytes = getrlimit(Resource::Data).maximum.map_or(memory_bytes, |maximum| maximum.min(memory_bytes));
    setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
    // Where the machine runs out of memory, this process goes before the node does.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    Ok(())
}

/// Other systems do not hold a process to a bound on its memory.
#[cfg(not(target_os = "linux"))]
pub(crate) fn bound(_: u64) -> io::Result<()> {
    Ok(())
}
