//! Joins the imports of `fizz_gpu` to a GPU session: pointers are checked here, everything else there.

use std::ops::Range;
use std::sync::Arc;

use fizz_attest::{GpuClass, GpuLimits, HostFault, LimitKind, TrapKind};
use fizz_gpu_abi::host::{self as abi, Quotas, Session, Sessions};
use fizz_gpu_abi::imports::{CLOSE, MODULE, OPEN, POLL, READ, SUBMIT, TAKE_ERROR, WAIT, WRITE, status};
use fizz_gpu_abi::{Class, PollState};
use wasmtime::{Caller, Linker};

use crate::host::{Ending, Host, Stop, host_call};

/// The GPU of one run. A module may import the interface without there being one: `open` then says so.
pub(crate) struct Gpu {
    session: Option<Box<dyn Session>>,
}

impl Gpu {
    /// A fresh session, if the node gives the task a GPU.
    pub(crate) fn new(
        gpu: Option<&Arc<dyn Sessions>>,
        class: GpuClass,
        limits: &GpuLimits,
    ) -> Result<Self, abi::Stop> {
        let quotas = Quotas {
            class: match class {
                GpuClass::Exact => Class::Exact,
                GpuClass::Fast => Class::Fast,
            },
            gas: limits.gas,
            bytes: limits.bytes,
            objects: limits.objects,
            shaders: limits.shaders,
            shader_bytes: limits.shader_bytes,
            stream_bytes: limits.stream_bytes,
            invocations: limits.invocations,
        };
        let session = gpu.map(|gpu| gpu.session(&quotas)).transpose()?;
        Ok(Gpu { session })
    }

    /// The session, to be lent the guest's memory, which lies in the same store.
    pub(crate) fn take_session(&mut self) -> Option<Box<dyn Session>> {
        self.session.take()
    }

    /// Gives it back.
    pub(crate) fn put_session(&mut self, session: Box<dyn Session>) {
        self.session = Some(session);
    }

    /// GPU gas used so far.
    pub(crate) fn gas(&self) -> u64 {
        self.session.as_ref().map_or(0, |session| session.gas())
    }
}

/// What a session's refusal is to the run.
pub(crate) fn ending(stop: abi::Stop) -> Ending {
    match stop {
        abi::Stop::Protocol(detail) => Ending::Trap(TrapKind::GpuProtocol, detail.into_owned()),
        abi::Stop::OutOfGas => Ending::Limit(LimitKind::GpuGas),
        abi::Stop::LimitExceeded(limit) => Ending::Limit(match limit {
            abi::Limit::Objects => LimitKind::GpuObjects,
            abi::Limit::Shaders => LimitKind::GpuShaders,
            abi::Limit::ShaderBytes => LimitKind::GpuShaderBytes,
            abi::Limit::StreamBytes => LimitKind::GpuStreamBytes,
            abi::Limit::Invocations => LimitKind::GpuInvocations,
            abi::Limit::Records => LimitKind::GpuRecords,
        }),
        abi::Stop::HostFault(fault, detail) => {
            let kind = match fault {
                abi::HostFault::DeviceLost => HostFault::GpuLost,
                abi::HostFault::OutOfMemory => HostFault::OutOfMemory,
                abi::HostFault::TimedOut => HostFault::TimedOut,
            };
            Ending::Fault(kind, format!("GPU: {detail}"))
        }
    }
}

/// A range of guest memory, or the end of the run.
fn range(host: &mut Host, memory: &[u8], pointer: i32, len: i32) -> Result<Range<usize>, Stop> {
    let start = pointer.cast_unsigned() as usize;
    let end = start.checked_add(len.cast_unsigned() as usize).filter(|&end| end <= memory.len());
    match end {
        Some(end) => Ok(start..end),
        None => {
            let detail = format!("GPU: {len:#x} bytes at {pointer:#x} are not in memory");
            Err(host.meter.end(Ending::Trap(TrapKind::BadHostCall, detail)))
        }
    }
}

/// Calls the session; without one the answer is `without`.
fn with_session<R>(
    host: &mut Host,
    without: R,
    call: impl FnOnce(&mut dyn Session) -> Result<R, abi::Stop>,
) -> Result<R, Stop> {
    match &mut host.gpu.session {
        None => Ok(without),
        Some(session) => call(&mut **session).map_err(|stop| host.meter.end(ending(stop))),
    }
}

const NOT_OPEN: i32 = status::NOT_OPEN;

/// Longest request of `open` that is looked at.
const REQUEST_MAX: usize = 4096;

pub(crate) fn is_served(name: &str) -> bool {
    fizz_gpu_abi::imports::ALL.contains(&name)
}

pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        OPEN,
        |mut caller: Caller<'_, Host>, request: i32, request_len: i32, caps: i32, caps_len: i32| {
            host_call(&mut caller, |host, memory| {
                let request = range(host, memory, request, request_len)?;
                let caps = range(host, memory, caps, caps_len)?;
                if request.len() > REQUEST_MAX {
                    return with_session(host, status::NO_GPU, |_| Ok(status::BAD_REQUEST));
                }
                let request = memory[request].to_vec();
                let caps = &mut memory[caps];
                with_session(host, status::NO_GPU, |session| session.open(&request, caps))
            })
        },
    )?;
    linker.func_wrap(MODULE, SUBMIT, |mut caller: Caller<'_, Host>, pointer: i32, len: i32| {
        host_call(&mut caller, |host, memory| {
            let stream = range(host, memory, pointer, len)?;
            host.meter.charge_bytes(stream.len() as u64)?;
            with_session(host, NOT_OPEN.into(), |session| session.submit(&memory[stream]))
        })
    })?;
    linker.func_wrap(
        MODULE,
        WRITE,
        |mut caller: Caller<'_, Host>, buffer: i32, offset: i64, pointer: i32, len: i32| {
            host_call(&mut caller, |host, memory| {
                let data = range(host, memory, pointer, len)?;
                host.meter.charge_bytes(data.len() as u64)?;
                with_session(host, NOT_OPEN, |session| {
                    session.write(buffer.cast_unsigned(), offset.cast_unsigned(), &memory[data])
                })
            })
        },
    )?;
    linker.func_wrap(
        MODULE,
        READ,
        |mut caller: Caller<'_, Host>, buffer: i32, offset: i64, pointer: i32, len: i32| {
            host_call(&mut caller, |host, memory| {
                let into = range(host, memory, pointer, len)?;
                host.meter.charge_bytes(into.len() as u64)?;
                with_session(host, NOT_OPEN, |session| {
                    session.read(buffer.cast_unsigned(), offset.cast_unsigned(), &mut memory[into])
                })
            })
        },
    )?;
    linker.func_wrap(MODULE, WAIT, |mut caller: Caller<'_, Host>, serial: i64, timeout: i64| {
        host_call(&mut caller, |host, _| {
            with_session(host, NOT_OPEN, |session| session.wait(serial, timeout))
        })
    })?;
    linker.func_wrap(MODULE, POLL, |mut caller: Caller<'_, Host>, out: i32| {
        host_call(&mut caller, |host, memory| {
            let out = range(host, memory, out, PollState::SIZE as i32)?;
            let mut state = [0; PollState::SIZE];
            state.copy_from_slice(&memory[out.clone()]);
            let serial = with_session(host, NOT_OPEN.into(), |session| session.poll(&mut state))?;
            memory[out].copy_from_slice(&state);
            Ok::<i64, Stop>(serial)
        })
    })?;
    linker.func_wrap(MODULE, TAKE_ERROR, |mut caller: Caller<'_, Host>, pointer: i32, len: i32| {
        host_call(&mut caller, |host, memory| {
            let into = range(host, memory, pointer, len)?;
            host.meter.charge_bytes(into.len() as u64)?;
            with_session(host, NOT_OPEN, |session| session.take_error(&mut memory[into]))
        })
    })?;
    linker.func_wrap(MODULE, CLOSE, |mut caller: Caller<'_, Host>| {
        host_call(&mut caller, |host, _| with_session(host, NOT_OPEN, |session| session.close()))
    })?;
    Ok(())
}
