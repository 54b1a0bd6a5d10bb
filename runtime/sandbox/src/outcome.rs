//! What the engine's errors mean: the guest's outcome, or a fault of the host.

use fizz_attest::{HostFault, TrapKind};
use wasmtime::Trap;

/// What an engine trap is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrapClass {
    /// The guest's doing.
    Guest(TrapKind),
    /// The host's doing, or a thing that cannot happen with our settings.
    Host(HostFault),
}

/// Classifies a trap. `None` for one that this version of Fizz does not know, which is a fault of the host too.
pub(crate) fn classify(trap: Trap) -> Option<TrapClass> {
    use TrapClass::{Guest, Host};
    Some(match trap {
        Trap::MemoryOutOfBounds => Guest(TrapKind::MemoryOutOfBounds),
        Trap::TableOutOfBounds => Guest(TrapKind::TableOutOfBounds),
        Trap::IndirectCallToNull => Guest(TrapKind::IndirectCallToNull),
        Trap::BadSignature => Guest(TrapKind::BadSignature),
        Trap::IntegerOverflow => Guest(TrapKind::IntegerOverflow),
        Trap::IntegerDivisionByZero => Guest(TrapKind::IntegerDivisionByZero),
        Trap::BadConversionToInteger => Guest(TrapKind::BadConversionToInteger),
        Trap::UnreachableCodeReached => Guest(TrapKind::Unreachable),
        Trap::NullReference => Guest(TrapKind::NullReference),
        // The metered stack is always smaller than the native one (`stack`), so the guest is stopped before this.
        Trap::StackOverflow => Host(HostFault::NativeStack),
        // The engine's heap of exceptions. No guest that `instrument::exceptions` lets through can fill it.
        Trap::AllocationTooLarge => Host(HostFault::OutOfMemory),
        // The engine interrupts and counts fuel only where it is told to; our counters are in the module.
        Trap::Interrupt | Trap::OutOfFuel
        // Only in Pulley, with opcodes that the compiler was told not to use.
        | Trap::DisabledOpcode
        // Atomic operations, which are refused with the threads proposal.
        | Trap::HeapMisaligned | Trap::AtomicWaitNonSharedMemory
        // Arrays and casts, which are refused with the garbage-collection proposal.
        | Trap::ArrayOutOfBounds | Trap::CastFailure
        // Continuations, which are refused with the stack-switching proposal.
        | Trap::UnhandledTag | Trap::ContinuationAlreadyConsumed
        // All that follows comes from components and their adapters; a component is refused at its header.
        | Trap::CannotEnterComponent
        | Trap::CannotLeaveComponent
        | Trap::NoAsyncResult
        | Trap::AsyncDeadlock
        | Trap::CannotBlockSyncTask
        | Trap::InvalidChar
        | Trap::DebugAssertStringEncodingFinished
        | Trap::DebugAssertEqualCodeUnits
        | Trap::DebugAssertPointerAligned
        | Trap::DebugAssertUpperBitsUnset
        | Trap::StringOutOfBounds
        | Trap::ListOutOfBounds
        | Trap::InvalidDiscriminant
        | Trap::UnalignedPointer
        | Trap::TaskCancelNotCancelled
        | Trap::TaskCancelOrReturnTwice
        | Trap::SubtaskCancelAfterTerminal
        | Trap::TaskReturnInvalid
        | Trap::WaitableSetDropHasWaiters
        | Trap::SubtaskDropNotResolved
        | Trap::ThreadNewIndirectInvalidType
        | Trap::ThreadNewIndirectUninitialized
        | Trap::BackpressureOverflow
        | Trap::UnsupportedCallbackCode
        | Trap::CannotResumeThread
        | Trap::ConcurrentFutureStreamOp
        | Trap::ReferenceCountOverflow
        | Trap::StreamOpTooBig
        | Trap::WaitableSyncAndAsync
        | Trap::UncaughtException => Host(HostFault::Internal),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use fizz_attest::Outcome;

    use super::*;
    use crate::{Engine, ModuleLimits, Program, TaskSpec, run};

    fn all() -> Vec<Trap> {
        (0..=u8::MAX).filter_map(Trap::from_u8).collect()
    }

    #[test]
    fn every_trap_of_the_engine_is_classified() {
        let all = all();
        assert_eq!(all.len(), 50, "the engine's list of traps has changed: decide what the new ones are");
        let unknown: Vec<_> = all.iter().filter(|trap| classify(**trap).is_none()).collect();
        assert!(unknown.is_empty(), "decide what these are: {unknown:?}");
    }

    /// What a guest does to meet a trap; `None` where no guest can.
    fn provocation(trap: Trap) -> Option<&'static str> {
        Some(match trap {
            Trap::MemoryOutOfBounds => "(drop (i64.load (i32.const 65529)))",
            Trap::TableOutOfBounds => "(drop (table.get 0 (i32.const 2)))",
            Trap::IndirectCallToNull => "(call_indirect (type $none) (i32.const 1))",
            Trap::BadSignature => "(call_indirect (type $one) (i32.const 7) (i32.const 0))",
            Trap::IntegerOverflow => "(drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))",
            Trap::IntegerDivisionByZero => "(drop (i32.rem_u (i32.const 1) (i32.const 0)))",
            Trap::BadConversionToInteger => "(drop (i64.trunc_f64_u (f64.const nan)))",
            Trap::UnreachableCodeReached => "unreachable",
            Trap::NullReference => "(throw_ref (ref.null exn))",
            _ => return None,
        })
    }

    #[test]
    fn every_trap_of_the_guests_is_met_by_a_guest_and_no_other_is() {
        let engine = Engine::new().unwrap();
        for trap in all() {
            let (kind, body) = match (classify(trap), provocation(trap)) {
                (Some(TrapClass::Guest(kind)), Some(body)) => (kind, body),
                (Some(TrapClass::Host(_)), None) => continue,
                other => panic!("{trap:?}: {other:?}"),
            };
            let wasm = wat::parse_str(format!(
                "(module (memory (export \"memory\") 1) (type $none (func)) (type $one (func (param i32)))
                    (table 2 funcref) (func $f (type $none)) (elem (i32.const 0) func $f)
                    (func (export \"_start\") {body}))"
            ))
            .unwrap();
            // The engine itself says that it is this trap.
            let module = wasmtime::Module::new(engine.wasmtime(), &wasm).unwrap();
            let mut store = wasmtime::Store::new(engine.wasmtime(), ());
            let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
            let start = instance.get_typed_func::<(), ()>(&mut store, "_start").unwrap();
            let error = start.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref::<Trap>(), Some(&trap), "{error:?}");
            let program = Program::compile(&engine, &wasm, &ModuleLimits::default()).unwrap();
            let report = run(&program, TaskSpec::new("test"), None, None).unwrap();
            assert_eq!(report.outcome, Outcome::Trapped { kind }, "{trap:?}");
        }
    }
}
