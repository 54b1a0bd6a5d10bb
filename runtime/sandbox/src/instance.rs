//! One instance of a program: how a task begins, is called, and what its end means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fizz_attest::{HostFault, LimitKind, Limits, Outcome, TrapKind};
use fizz_gpu_abi::host::Sessions;
use wasmtime::{Global, Instance, Memory, Store, ThrownException, Trap, Val};

use crate::files::{FileError, Files};
use crate::gpu::{self, Gpu};
use crate::host::{Ending, Handles, Host, clamped};
use crate::instrument::{
    ENDING_EXPORT, ENDING_STACK, ENDING_UNREACHABLE, GAS_EXPORT, PAGES_EXPORT, STACK_EXPORT, START_EXPORT,
    TOUCHED_EXPORT, Variant, global_export,
};
use crate::lend;
use crate::outcome::{TrapClass, classify};
use crate::program::Program;
use crate::stack::METERED_MAX;
use crate::task::{Fault, Observer, TaskReport, TaskSpec};
use crate::wasi::{StartError, Wasi};

/// A run's report, and whether its gas can be trusted.
pub(crate) struct Finished {
    pub(crate) report: TaskReport,
    pub(crate) gas_is_exact: bool,
}

/// Either an instance that can be called, or the report of a task that ended before its first instruction.
pub(crate) enum Begun {
    Live(Box<Live>),
    Over(Box<TaskReport>),
}

/// An instance that has not come to its end.
pub(crate) struct Live {
    pub(crate) store: Store<Host>,
    pub(crate) guest: Guest,
    variant: Variant,
    limit: i64,
    full_stack: i32,
    started: Instant,
}

/// Makes the instance of a task. Nothing of the guest has run yet.
pub(crate) fn begin(
    program: &Program,
    task: &TaskSpec,
    gpu: Option<&Arc<dyn Sessions>>,
    observer: Option<Box<dyn Observer>>,
    variant: Variant,
) -> Result<Begun, Fault> {
    let limits = &task.limits;
    let facts = program.facts();
    let over = |kind| Ok(Begun::Over(Box::new(never_started(task, Outcome::LimitExceeded { kind }))));
    if facts.memory.0 > limits.memory_bytes >> 16 {
        return over(LimitKind::Memory);
    }
    if facts.table_elements > limits.table_elements {
        return over(LimitKind::Table);
    }
    let wasi = match Wasi::new(task) {
        Ok(wasi) => wasi,
        Err(StartError::Files(FileError::Quota(kind))) => return over(kind),
        Err(StartError::Files(error)) => return Err(internal(format!("file system: {error:?}"))),
        Err(StartError::Strings(detail)) => return Err(internal(detail.to_owned())),
    };
    let gpu = gpu.filter(|_| facts.imports_gpu);
    let gpu = Gpu::new(gpu, task.gpu_class, &limits.gpu).map_err(|stop| match gpu::ending(stop) {
        Ending::Fault(kind, detail) => Fault { kind, detail },
        other => internal(format!("GPU session refused: {other:?}")),
    })?;
    let host = Host::new(limits, wasi, gpu, observer);
    let instance_pre = program.instance_pre(variant)?;
    let mut store = Store::new(instance_pre.module().engine(), host);
    store.limiter(|host| &mut host.limiter);
    let started = Instant::now();
    let limit = clamped(limits.gas);
    let budget = limit.saturating_sub(clamped(program.start_gas()));
    if budget < 0 {
        let gas = limit.cast_unsigned();
        return Ok(Begun::Over(Box::new(report(store, Outcome::OutOfGas, gas, None, 0, started.elapsed()))));
    }
    let instance = match instance_pre.instantiate(&mut store) {
        Ok(instance) => instance,
        Err(error) => {
            // A segment that does not fit is the guest's; all else is memory that the host does not have.
            if !error.is::<Trap>() {
                return Err(Fault { kind: HostFault::OutOfMemory, detail: format!("{error:#}") });
            }
            let outcome = judge(&mut store, &error, 0)?;
            let gas = (limit - budget).cast_unsigned();
            let why = Some(explain(&error));
            return Ok(Begun::Over(Box::new(report(store, outcome, gas, why, 0, started.elapsed()))));
        }
    };
    let guest = Guest::new(&mut store, instance)?;
    if let Some(mut session) = store.data_mut().gpu.take_session() {
        lend::lend(&mut *session, guest.handles.memory, &mut store);
        store.data_mut().gpu.put_session(session);
    }
    let full_stack = limits.stack_bytes.min(METERED_MAX) as i32;
    let mut live = Live { store, guest, variant, limit, full_stack, started };
    live.set_limits(program, limits, budget)?;
    Ok(Begun::Live(Box::new(live)))
}

/// The instance's exports that a run uses.
pub(crate) struct Guest {
    instance: Instance,
    gas: Global,
    stack: Global,
    pages: Global,
    ending: Global,
    /// Where the tracked form notes pages.
    pub(crate) touched: Option<Memory>,
    pub(crate) handles: Handles,
}

impl Guest {
    fn new(store: &mut Store<Host>, instance: Instance) -> Result<Self, Fault> {
        let missing = |name: &str| internal(format!("the instrumented module has no `{name}`"));
        let mut global = |name: &str| instance.get_global(&mut *store, name).ok_or_else(|| missing(name));
        let (gas, stack, pages) = (global(GAS_EXPORT)?, global(STACK_EXPORT)?, global(PAGES_EXPORT)?);
        let ending = global(ENDING_EXPORT)?;
        let memory = instance.get_memory(&mut *store, "memory").ok_or_else(|| missing("memory"))?;
        let handles = Handles { memory, gas };
        store.data_mut().handles = Some(handles);
        let touched = instance.get_memory(&mut *store, TOUCHED_EXPORT);
        Ok(Guest { instance, gas, stack, pages, ending, touched, handles })
    }
}

impl Live {
    fn set_limits(&mut self, program: &Program, limits: &Limits, budget: i64) -> Result<(), Fault> {
        let declared = program.facts().memory.1.unwrap_or(1 << 16);
        let pages = (limits.memory_bytes >> 16).min(declared).min(1 << 16).cast_signed();
        let Guest { gas, stack, pages: pages_global, .. } = self.guest;
        for (global, value) in
            [(gas, Val::I64(budget)), (stack, Val::I32(self.full_stack)), (pages_global, Val::I64(pages))]
        {
            global.set(&mut self.store, value).map_err(|error| internal(error.to_string()))?;
        }
        Ok(())
    }

    /// The module's start function, if it has one.
    pub(crate) fn call_start(&mut self) -> wasmtime::Result<()> {
        if self.guest.instance.get_export(&mut self.store, START_EXPORT).is_some() {
            self.call_action(START_EXPORT)?;
        }
        Ok(())
    }

    /// Calls an export without parameters and results.
    pub(crate) fn call_action(&mut self, name: &str) -> wasmtime::Result<()> {
        self.refill_stack()?;
        let function = self.guest.instance.get_typed_func::<(), ()>(&mut self.store, name)?;
        function.call(&mut self.store, ())
    }

    /// Calls an export that answers with a number.
    pub(crate) fn call_question(&mut self, name: &str) -> wasmtime::Result<i32> {
        self.refill_stack()?;
        let function = self.guest.instance.get_typed_func::<(), i32>(&mut self.store, name)?;
        function.call(&mut self.store, ())
    }

    /// The counter is left as the last call inside saw it.
    fn refill_stack(&mut self) -> wasmtime::Result<()> {
        self.guest.stack.set(&mut self.store, Val::I32(self.full_stack))
    }

    /// Gas that is left. Negative once it is used up.
    pub(crate) fn remaining(&mut self) -> i64 {
        self.guest.gas.get(&mut self.store).i64().unwrap_or(-1)
    }

    /// Gas used so far, at most the limit.
    pub(crate) fn used(&mut self) -> u64 {
        (self.limit - self.remaining().max(0)).cast_unsigned()
    }

    /// Sets the gas used so far. More than the limit leaves nothing.
    pub(crate) fn set_used(&mut self, gas: u64) -> Result<(), Fault> {
        let remaining = self.limit.saturating_sub(clamped(gas));
        self.guest.gas.set(&mut self.store, Val::I64(remaining)).map_err(|error| internal(error.to_string()))
    }

    /// Charges gas between two calls. Whether any is left.
    pub(crate) fn charge(&mut self, gas: u64) -> wasmtime::Result<bool> {
        let remaining = self.remaining().saturating_sub(clamped(gas));
        self.guest.gas.set(&mut self.store, Val::I64(remaining))?;
        Ok(remaining >= 0)
    }

    /// A mutable global of the module, by its index.
    pub(crate) fn global(&mut self, index: u32) -> Result<Global, Fault> {
        let name = global_export(index);
        let found = self.guest.instance.get_global(&mut self.store, &name);
        found.ok_or_else(|| internal(format!("the instrumented module has no `{name}`")))
    }

    /// What the end of the last call means, as a report.
    pub(crate) fn finish(mut self, result: wasmtime::Result<()>) -> Result<Finished, Fault> {
        let elapsed = self.started.elapsed();
        let remaining = self.remaining();
        let Live { mut store, guest, variant, limit, .. } = self;
        let named = guest.ending.get(&mut store).i32().unwrap_or(0);
        // Memory never shrinks, so its size at the end is its peak.
        let peak = guest.handles.memory.data_size(&mut store) as u64;
        let (outcome, diagnostic) = match &result {
            Ok(()) => (Outcome::Completed { exit_code: 0 }, None),
            Err(error) => {
                let detail = store.data().meter.ending.as_ref().and_then(|ending| match ending {
                    Ending::Trap(_, detail) => Some(detail.clone()),
                    _ => None,
                });
                (judge(&mut store, error, named)?, detail.or_else(|| Some(explain(error))))
            }
        };
        // The gas may have run out after the last check; then nothing that came later counts.
        let outcome = if remaining < 0 { Outcome::OutOfGas } else { outcome };
        let used = if outcome == Outcome::OutOfGas { limit } else { limit - remaining };
        let gas = used.cast_unsigned();
        let diagnostic = diagnostic.filter(|_| matches!(outcome, Outcome::Trapped { .. }));
        let gas_is_exact = variant != Variant::Fast || gas_is_exact(&store, &outcome);
        Ok(Finished { report: report(store, outcome, gas, diagnostic, peak, elapsed), gas_is_exact })
    }
}

/// Whether the fast form leaves the counter exact: always, but for traps inside the engine's own instructions.
fn gas_is_exact(store: &Store<Host>, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Trapped { kind } => {
            store.data().meter.ending.is_some()
                || matches!(
                    kind,
                    TrapKind::Unreachable | TrapKind::StackOverflow | TrapKind::UncaughtException
                )
        }
        Outcome::Completed { .. } | Outcome::OutOfGas | Outcome::LimitExceeded { .. } => true,
    }
}

/// What an error out of the engine means. `named` is what the guest left of the cause before an
/// `unreachable`.
fn judge(store: &mut Store<Host>, error: &wasmtime::Error, named: i32) -> Result<Outcome, Fault> {
    if let Some(detail) = store.data_mut().limiter.starved.take() {
        return Err(Fault { kind: HostFault::OutOfMemory, detail });
    }
    if let Some(ending) = &store.data().meter.ending {
        return match ending.clone() {
            Ending::Exit(exit_code) => Ok(Outcome::Completed { exit_code }),
            Ending::OutOfGas => Ok(Outcome::OutOfGas),
            Ending::Limit(kind) => Ok(Outcome::LimitExceeded { kind }),
            Ending::Trap(kind, _) => Ok(Outcome::Trapped { kind }),
            Ending::Fault(kind, detail) => Err(Fault { kind, detail }),
        };
    }
    if error.is::<ThrownException>() {
        return Ok(Outcome::Trapped { kind: TrapKind::UncaughtException });
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        let kind = if error.is::<wasmtime::GcHeapOutOfMemory<()>>() {
            HostFault::OutOfMemory
        } else {
            HostFault::Internal
        };
        return Err(Fault { kind, detail: explain(error) });
    };
    match classify(*trap) {
        Some(TrapClass::Guest(TrapKind::Unreachable)) => match named {
            // The call that would have overflowed was not made.
            ENDING_STACK => Ok(Outcome::Trapped { kind: TrapKind::StackOverflow }),
            ENDING_UNREACHABLE => Ok(Outcome::Trapped { kind: TrapKind::Unreachable }),
            _ => Ok(Outcome::OutOfGas),
        },
        Some(TrapClass::Guest(kind)) => Ok(Outcome::Trapped { kind }),
        Some(TrapClass::Host(kind)) => Err(Fault { kind, detail: explain(error) }),
        None => Err(internal(format!("unknown trap: {trap}"))),
    }
}

/// The error with the guest's innermost functions, for people.
pub(crate) fn explain(error: &wasmtime::Error) -> String {
    let mut text = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    if let Some(trace) = error.downcast_ref::<wasmtime::WasmBacktrace>() {
        for frame in trace.frames().iter().take(8) {
            match frame.func_name() {
                Some(name) => text.push_str(&format!("\n  in {name}")),
                None => text.push_str(&format!("\n  in function {}", frame.func_index())),
            }
        }
    }
    text
}

pub(crate) fn internal(detail: String) -> Fault {
    Fault { kind: HostFault::Internal, detail }
}

fn never_started(task: &TaskSpec, outcome: Outcome) -> TaskReport {
    TaskReport {
        outcome,
        gas: 0,
        gpu_gas: 0,
        boundaries: Vec::new(),
        stdout: Vec::new(),
        stderr: Vec::new(),
        files: task.files.clone(),
        peak_memory_bytes: 0,
        diagnostic: None,
        run: Duration::ZERO,
        total: Duration::ZERO,
    }
}

fn report(
    store: Store<Host>,
    outcome: Outcome,
    gas: u64,
    diagnostic: Option<String>,
    peak_memory_bytes: u64,
    run: Duration,
) -> TaskReport {
    let host = store.into_data();
    let gpu_gas = host.gpu.gas();
    let Wasi { stdout, stderr, files, .. } = host.wasi;
    let files: Files = files.finish();
    TaskReport {
        outcome,
        gas,
        gpu_gas,
        boundaries: Vec::new(),
        stdout,
        stderr,
        files,
        peak_memory_bytes,
        diagnostic,
        run,
        total: run,
    }
}
