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
        // The metered stack is smaller than the native one, so this must not happen.
        Trap::StackOverflow => Host(HostFault::NativeStack),
        // The engine's heap of exception objects.
        Trap::AllocationTooLarge => Host(HostFault::OutOfMemory),
        // Nothing here interrupts, counts fuel, shares memory, or knows GC types, continuations or components.
        Trap::Interrupt
        | Trap::OutOfFuel
        | Trap::HeapMisaligned
        | Trap::AtomicWaitNonSharedMemory
        | Trap::ArrayOutOfBounds
        | Trap::CastFailure
        | Trap::CannotEnterComponent
        | Trap::NoAsyncResult
        | Trap::UnhandledTag
        | Trap::ContinuationAlreadyConsumed
        | Trap::DisabledOpcode
        | Trap::AsyncDeadlock
        | Trap::CannotLeaveComponent
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
    use super::*;

    #[test]
    fn every_trap_of_the_engine_is_classified() {
        let all: Vec<Trap> = (0..=u8::MAX).filter_map(Trap::from_u8).collect();
        assert!(all.len() >= 48, "only {} traps found", all.len());
        let unknown: Vec<_> = all.iter().filter(|trap| classify(**trap).is_none()).collect();
        assert!(unknown.is_empty(), "decide what these are: {unknown:?}");
        let guests = all.iter().filter(|trap| matches!(classify(**trap), Some(TrapClass::Guest(_)))).count();
        assert_eq!(guests, 9);
    }

    #[test]
    fn an_overflow_of_the_native_stack_is_never_the_guests() {
        assert_eq!(classify(Trap::StackOverflow), Some(TrapClass::Host(HostFault::NativeStack)));
    }
}
