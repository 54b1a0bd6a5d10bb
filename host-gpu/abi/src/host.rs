//! What a host implements behind the imports.
//!
//! The sandbox checks pointers, turns them into slices of guest memory and calls a [`Session`]. `Ok` is the
//! import's answer; `Err` ends the task, and the session is dropped without another call.

use crate::Class;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use core::any::Any;
use core::fmt;

/// One task's GPU. Methods are the imports of the same names.
///
/// Calls may block until the device has caught up. A session that ended with a [`Stop`] answers every further
/// call with a [`Stop`].
pub trait Session: Send {
    /// Reads an [`OpenRequest`](crate::OpenRequest), writes a [`Caps`](crate::Caps), returns bytes written or a
    /// [`status`](crate::status).
    fn open(&mut self, request: &[u8], caps: &mut [u8]) -> Result<i32, Stop>;

    /// Executes a stream and returns its serial or a [`status`](crate::status).
    fn submit(&mut self, stream: &[u8]) -> Result<i64, Stop>;

    /// Copies `data` into a buffer.
    fn write(&mut self, buffer: u32, offset: u64, data: &[u8]) -> Result<i32, Stop>;

    /// Fills `into` from a buffer; blocks until the work before it is done. Untouched unless the answer is `OK`.
    fn read(&mut self, buffer: u32, offset: u64, into: &mut [u8]) -> Result<i32, Stop>;

    /// Blocks until the work of `serial` is done (-1: all work). The timeout is not looked at.
    fn wait(&mut self, serial: i64, timeout_ns: i64) -> Result<i32, Stop>;

    /// Writes a [`PollState`](crate::PollState) and returns the last serial or a [`status`](crate::status).
    fn poll(&mut self, out: &mut [u8; crate::PollState::SIZE]) -> Result<i64, Stop>;

    /// Moves one [`Record`](crate::Record) into `into` and returns its size; 0 if there is none.
    fn take_error(&mut self, into: &mut [u8]) -> Result<i32, Stop>;

    /// Frees everything. The session can be opened again.
    fn close(&mut self) -> Result<i32, Stop>;

    /// GPU gas used so far; also after a [`Stop`]. Never above the limit.
    fn gas(&self) -> u64;

    /// Whether [`lend`](Session::lend) would spare copies.
    fn wants_memory(&self) -> bool {
        false
    }

    /// Says that the slices of later calls lie in a memory that another process can map. Changes no answer.
    fn lend(&mut self, memory: Lent<'_>) {
        let _ = memory;
    }
}

/// A guest's memory in a file that other processes can map.
#[derive(Clone, Copy)]
pub struct Lent<'a> {
    /// Where it begins in this process. It stays there as long as the session is called.
    pub address: usize,
    /// Bytes of the file, of which the guest has the first ones. They cannot change.
    pub bytes: u64,
    /// The open file: on Unix an `OwnedFd`.
    pub file: &'a dyn Any,
}

/// Bytes that a command in a command buffer may count for beside its own, as memory that the host holds for it.
pub const HELD_BYTES: u64 = 1 << 10;

/// Makes sessions: one for each run of a task.
pub trait Sessions: Send + Sync {
    /// A fresh session with the given quotas; nothing of earlier ones is visible in it.
    ///
    /// # Errors
    /// [`Stop::HostFault`] when the device is gone.
    fn session(&self, quotas: &Quotas) -> Result<Box<dyn Session>, Stop>;

    /// Which devices there are, for receipts and for the operator.
    fn identity(&self) -> Identity;
}

/// What a job gives each of its sessions: its class, and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// The job's class, [`Class::Fast`] or [`Class::Exact`].
    pub class: Class,
    /// GPU gas of the task.
    pub gas: u64,
    /// Bytes of all live buffers, each counted up to a multiple of 256, textures and query sets.
    pub bytes: u64,
    /// Live objects.
    pub objects: u32,
    /// Shader modules over the life of the task.
    pub shaders: u32,
    /// Bytes of one shader's source.
    pub shader_bytes: u32,
    /// Bytes of one stream.
    pub stream_bytes: u32,
    /// Invocations of one dispatch.
    pub invocations: u64,
}

/// What computes for the jobs of each class. Guests never see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Version of the stream's meaning and of its gas.
    pub stream: u32,
    /// The device for jobs of the class [`Class::Fast`], where there is one.
    pub fast: Option<Device>,
    /// The device for jobs of the class [`Class::Exact`], where there is one that computes exactly.
    pub exact: Option<Device>,
}

impl Identity {
    /// The device for jobs of this class.
    pub fn device(&self, class: Class) -> Option<&Device> {
        match class {
            Class::Fast => self.fast.as_ref(),
            Class::Exact => self.exact.as_ref(),
            Class::Job => None,
        }
    }
}

/// Names of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Names and versions of what shaders pass on their way, as `naga 30`: a part of the profile.
    pub shader: String,
    /// The adapter's name as its driver gives it.
    pub adapter: String,
    /// The driver and its version, as it gives them.
    pub driver: String,
    /// The graphics interface: `vulkan`, `metal`, `dx12`; `reference` for the processor as Fizz itself has it play a GPU.
    pub backend: String,
    /// Whether a processor plays the GPU.
    pub software: bool,
    /// What the probe that admitted it to the class `exact` computed, as hexadecimal digits; empty for a device that none did.
    pub probe: String,
}

/// The name of the backend that is no driver's.
pub const REFERENCE: &str = "reference";

impl Device {
    /// Whether it is a GPU that a driver has, and not Fizz's own.
    pub fn is_hardware(&self) -> bool {
        self.backend != REFERENCE
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.adapter, self.backend)?;
        if !self.driver.is_empty() {
            write!(f, ", {}", self.driver)?;
        }
        if self.software && self.is_hardware() {
            f.write_str(", software")?;
        }
        f.write_str(")")
    }
}

/// Why a task cannot go on.
///
/// All but `HostFault` are the guest's and are met at the same point on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The guest broke the stream's rules: it trapped. The text says how.
    Protocol(Cow<'static, str>),
    /// The GPU gas is used up.
    OutOfGas,
    /// A quota was passed.
    LimitExceeded(Limit),
    /// The node's fault; never committed. The text is for its operator's log only.
    HostFault(HostFault, String),
}

/// The quotas whose excess ends a task (gas apart). Memory is not among them: that is an error the guest sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Live objects.
    Objects,
    /// Shader modules.
    Shaders,
    /// Bytes of a shader's source.
    ShaderBytes,
    /// Bytes of a stream.
    StreamBytes,
    /// Invocations of a dispatch.
    Invocations,
    /// Waiting scope records or open scopes.
    Records,
}

/// What went wrong on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostFault {
    /// The device is lost, or its driver failed.
    DeviceLost,
    /// The device has less memory than the job's quota promised.
    OutOfMemory,
    /// Work took longer than the node allows.
    TimedOut,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Objects => "live GPU objects",
            Limit::Shaders => "shaders",
            Limit::ShaderBytes => "bytes of a shader's source",
            Limit::StreamBytes => "bytes of a command stream",
            Limit::Invocations => "invocations of a dispatch",
            Limit::Records => "waiting error records",
        })
    }
}

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HostFault::DeviceLost => "GPU is lost",
            HostFault::OutOfMemory => "GPU is out of memory",
            HostFault::TimedOut => "GPU work took too long",
        })
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Protocol(detail) => write!(f, "guest broke the GPU stream's rules: {detail}"),
            Stop::OutOfGas => f.write_str("GPU gas is used up"),
            Stop::LimitExceeded(quota) => write!(f, "too many {quota}"),
            Stop::HostFault(fault, detail) if detail.is_empty() => fault.fmt(f),
            Stop::HostFault(fault, detail) => write!(f, "{fault}: {detail}"),
        }
    }
}

impl core::error::Error for Stop {}
