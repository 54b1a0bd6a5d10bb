//! Runs a program once, as a task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fizz_attest::{HostFault, LimitKind, Limits, Outcome, TrapKind};
use fizz_gpu_abi::host::Sessions;
use wasmtime::{AsContextMut, Extern, Global, Instance, Store, ThrownException, Trap, Val};

use crate::files::{FileError, Files};
use crate::gpu::{self, Gpu};
use crate::host::{Ending, Handles, Host, clamped};
use crate::instrument::{
    ENDING_EXPORT, ENDING_STACK, ENDING_UNREACHABLE, GAS_EXPORT, PAGES_EXPORT, STACK_EXPORT, START_EXPORT,
    Variant,
};
use crate::outcome::{TrapClass, classify};
use crate::program::Program;
use crate::stack::METERED_MAX;
use crate::task::{Fault, Observer, TaskReport, TaskSpec};
use crate::wasi::{StartError, Wasi};

/// Runs a task to its end and reports what came of it.
///
/// `gpu` makes the session of a module that imports `fizz_gpu`; without it the module's `open` answers that there is
/// no GPU. `observer` sees output and progress as they happen.
///
/// A guest that traps between two calls leaves its gas inexact; the task is then run a second time, GPU included, in a
/// slower form that keeps it exact. The observer sees only the first run.
///
/// # Errors
/// [`Fault`] when the node could not run the task. Whatever the guest does is in the report.
pub fn run(
    program: &Program,
    task: TaskSpec,
    gpu: Option<Arc<dyn Sessions>>,
    observer: Option<Box<dyn Observer>>,
) -> Result<TaskReport, Fault> {
    let start = Instant::now();
    let stacks = program.engine().stacks();
    let program = program.clone();
    let mut report = stacks
        .run(move || run_here(&program, &task, gpu.as_ref(), observer))
        .map_err(|error| Fault { kind: HostFault::Internal, detail: error.to_string() })??;
    report.total = start.elapsed();
    Ok(report)
}

/// Runs on a thread that has the stack for it.
fn run_here(
    program: &Program,
    task: &TaskSpec,
    gpu: Option<&Arc<dyn Sessions>>,
    observer: Option<Box<dyn Observer>>,
) -> Result<TaskReport, Fault> {
    let first = Run::new(program, task, gpu, observer, Variant::Fast)?.finish()?;
    if first.gas_is_exact {
        return Ok(first.report);
    }
    let second = Run::new(program, task, gpu, None, Variant::WriteThrough)?.finish()?;
    // Both runs do the same. If the gas was used up before the trap, only the second could tell.
    let agrees = second.report.outcome == first.report.outcome || second.report.outcome == Outcome::OutOfGas;
    if !agrees {
        return Err(Fault {
            kind: HostFault::Internal,
            detail: format!("two runs differ: {} and {}", first.report.outcome, second.report.outcome),
        });
    }
    Ok(TaskReport {
        run: first.report.run + second.report.run,
        diagnostic: first.report.diagnostic,
        ..second.report
    })
}

/// A run's report, and whether its gas can be trusted.
struct Finished {
    report: TaskReport,
    gas_is_exact: bool,
}

/// Either the store of a run that can start, or the outcome of one that cannot.
enum Run<'p> {
    Ready { program: &'p Program, store: Box<Store<Host>>, variant: Variant, limits: &'p Limits },
    Over(Box<TaskReport>),
}

impl<'p> Run<'p> {
    fn new(
        program: &'p Program,
        task: &'p TaskSpec,
        gpu: Option<&Arc<dyn Sessions>>,
        observer: Option<Box<dyn Observer>>,
        variant: Variant,
    ) -> Result<Self, Fault> {
        let limits = &task.limits;
        let facts = program.facts();
        let over = |kind| Ok(Run::Over(Box::new(never_started(task, Outcome::LimitExceeded { kind }))));
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
        let gpu =
            Gpu::new(gpu.filter(|_| facts.imports_gpu), &limits.gpu).map_err(|stop| {
                match gpu::ending(stop) {
                    Ending::Fault(kind, detail) => Fault { kind, detail },
                    other => internal(format!("GPU session refused: {other:?}")),
                }
            })?;
        let host = Host::new(limits, wasi, gpu, observer);
        let mut store = Box::new(Store::new(program.engine().wasmtime(), host));
        store.limiter(|host| &mut host.limiter);
        Ok(Run::Ready { program, store, variant, limits })
    }

    fn finish(self) -> Result<Finished, Fault> {
        let (program, mut store, variant, limits) = match self {
            Run::Over(report) => return Ok(Finished { report: *report, gas_is_exact: true }),
            Run::Ready { program, store, variant, limits } => (program, store, variant, limits),
        };
        let start = Instant::now();
        let limit = clamped(limits.gas);
        let budget = limit.saturating_sub(clamped(program.start_gas()));
        if budget < 0 {
            return finished(*store, Outcome::OutOfGas, limit.cast_unsigned(), None, 0, start.elapsed());
        }
        let instance = match program.instance_pre(variant)?.instantiate(&mut *store) {
            Ok(instance) => instance,
            Err(error) => {
                // A segment that does not fit is the guest's; all else is memory that the host does not have.
                if !error.is::<Trap>() {
                    return Err(Fault { kind: HostFault::OutOfMemory, detail: format!("{error:#}") });
                }
                let outcome = judge(&mut store, &error, 0)?;
                let gas = (limit - budget).cast_unsigned();
                return finished(*store, outcome, gas, Some(explain(&error)), 0, start.elapsed());
            }
        };
        let guest = Guest::new(&mut store, instance)?;
        guest.set_limits(&mut store, program, limits, budget)?;
        let result = guest.call_all(&mut store, limits);
        let elapsed = start.elapsed();

        let remaining = guest.gas.get(&mut *store).i64().unwrap_or(-1);
        let named = guest.ending.get(&mut *store).i32().unwrap_or(0);
        let peak = guest.memory_bytes(&mut store);
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
        let exact = variant == Variant::WriteThrough || gas_is_exact(&store, &outcome);
        let mut finished = finished(*store, outcome, gas, diagnostic, peak, elapsed)?;
        finished.gas_is_exact = exact;
        Ok(finished)
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

/// The instance's exports that a run uses.
struct Guest {
    instance: Instance,
    gas: Global,
    stack: Global,
    pages: Global,
    ending: Global,
    handles: Handles,
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
        Ok(Guest { instance, gas, stack, pages, ending, handles })
    }

    fn set_limits(
        &self,
        store: &mut Store<Host>,
        program: &Program,
        limits: &Limits,
        budget: i64,
    ) -> Result<(), Fault> {
        let declared = program.facts().memory.1.unwrap_or(1 << 16);
        let pages = (limits.memory_bytes >> 16).min(declared).min(1 << 16).cast_signed();
        let mut set =
            |global: Global, value| global.set(&mut *store, value).map_err(|e| internal(e.to_string()));
        set(self.gas, Val::I64(budget))?;
        set(self.stack, full_stack(limits))?;
        set(self.pages, Val::I64(pages))
    }

    /// The start function, if there is one, then `_start`.
    fn call_all(&self, store: &mut Store<Host>, limits: &Limits) -> wasmtime::Result<()> {
        if let Some(Extern::Func(start)) = self.instance.get_export(&mut *store, START_EXPORT) {
            start.typed::<(), ()>(&mut *store)?.call(&mut *store, ())?;
            // The counter is left as the last call inside saw it.
            self.stack.set(&mut *store, full_stack(limits))?;
        }
        let start = self.instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
        start.call(store.as_context_mut(), ())
    }

    /// Memory never shrinks, so its size at the end is its peak.
    fn memory_bytes(&self, store: &mut Store<Host>) -> u64 {
        self.handles.memory.data_size(&mut *store) as u64
    }
}

/// The stack counter before the first call.
fn full_stack(limits: &Limits) -> Val {
    Val::I32(limits.stack_bytes.min(METERED_MAX) as i32)
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
fn explain(error: &wasmtime::Error) -> String {
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

fn internal(detail: String) -> Fault {
    Fault { kind: HostFault::Internal, detail }
}

fn never_started(task: &TaskSpec, outcome: Outcome) -> TaskReport {
    TaskReport {
        outcome,
        gas: 0,
        gpu_gas: 0,
        stdout: Vec::new(),
        stderr: Vec::new(),
        files: task.files.clone(),
        peak_memory_bytes: 0,
        diagnostic: None,
        run: Duration::ZERO,
        total: Duration::ZERO,
    }
}

fn finished(
    store: Store<Host>,
    outcome: Outcome,
    gas: u64,
    diagnostic: Option<String>,
    peak_memory_bytes: u64,
    run: Duration,
) -> Result<Finished, Fault> {
    let host = store.into_data();
    let gpu_gas = host.gpu.gas();
    let Wasi { stdout, stderr, files, .. } = host.wasi;
    let files: Files = files.finish();
    let report = TaskReport {
        outcome,
        gas,
        gpu_gas,
        stdout,
        stderr,
        files,
        peak_memory_bytes,
        diagnostic,
        run,
        total: run,
    };
    Ok(Finished { report, gas_is_exact: true })
}
