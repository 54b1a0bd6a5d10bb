//! GPU sessions in a process of their own, which can be killed.
//!
//! A driver is a large program that was not written against strangers: it hangs, it crashes, it takes memory. So the process that
//! runs a guest never loads one. It starts the same program again in another role ([`GpuCommand`]), and speaks to it:
//!
//! ```text
//! guest ── sandbox ── GpuProcess ══ socket, shared memory ══ Server ── any Sessions, such as fizz-gpu's Hardware
//!                     (this crate, in the worker)            (this crate, in the GPU's process)
//! ```
//!
//! [`GpuProcess`] is a [`Sessions`](fizz_gpu_abi::host::Sessions) like any other. Each session has a process for itself; one that
//! has let go of its device within a second leaves its process to the next, else the process is killed with whatever work is
//! left. In: the calls of a session. Out: its answers, or a [`Stop::HostFault`](fizz_gpu_abi::host::Stop) where the process crashed,
//! or took longer for one step than [`Watch`] allows: it is then killed and reaped, the task is a host fault, and the next session
//! starts another. The GPU's process ends by itself as soon as the worker is gone.
//!
//! **Bytes.** On Linux, the sandbox puts a GPU guest's memory into a memfd and [lends](fizz_gpu_abi::host::Session::lend) it. It is
//! sealed, so that the GPU's process can map it for reading only and nobody can change its size: uploads are read where
//! they lie, and nothing but the worker ever writes into a guest's memory. What is read back goes through a second memfd of a
//! fixed size and is copied once more, by the worker. On other Unix systems all bytes go over the socket, elsewhere over
//! pipes: two more copies each way, the same answers.
//!
//! **Trust.** Each side takes the other for hostile: [`frame`] says what is let through. The guest is stopped while its memory is
//! read; a worker that has been taken over may change it all the same, so a stream is copied before it is looked at, and
//! written data is copied and never looked at. Answers are checked for their lengths, serials must rise by one, gas must neither fall nor pass
//! its limit, and a limit that the streams so far cannot have passed was not passed: that is a fault, and not the guest's. What the process says in words goes into the operator's log and never into a result.
//!
//! **Limits.** A driver that has been taken over decides what a task's GPU computed: gas up to the limit, so
//! also that it ran out, and whether a stream broke the rules, are taken from its process, as the bytes of buffers are. On Linux the kernel kills the process when its worker is gone; elsewhere
//! that is its own doing, and over pipes one whose driver hangs at exit may outlive its worker. A call that goes on and says so has no end of
//! its own: the node's time for a task ends it. Over pipes, a process that reads nothing can hold up whoever writes to it.
//!
//! **What it inherits.** Of the environment, what programs and drivers look for ([`GpuCommand`]); of open files, on Linux 5.11 and
//! later, the standard ones alone. Windows gives it the whole environment.

mod bounds;
mod child;
mod claims;
mod client;
#[cfg(target_os = "linux")]
mod descriptors;
pub mod frame;
mod link;
#[cfg(target_os = "linux")]
mod mapping;
mod server;
mod starter;

pub use client::{GpuCommand, GpuProcess, StartError, Transport, Watch};
pub use server::Server;
pub use starter::command;
