//! What must hold of any task on any program, however hostile: the host does not fail, and the result is exact.

use fizz_attest::{LimitKind, Outcome};
use fizz_sandbox::{Program, TaskReport, TaskSpec, run};

/// Runs a task several times.
///
/// - The host never fails: whatever the guest does is its own outcome.
/// - Two runs say the same, bit for bit.
/// - Gas, output and files stay within the job's limits; a task is out of gas exactly when all of it is used.
/// - With a limit of exactly the gas that was used, the result is the same; with one less it is out of gas.
pub(crate) fn repeat(program: &Program, spec: &TaskSpec) -> TaskReport {
    let with_gas = |gas| {
        let mut spec = spec.clone();
        spec.limits.gas = gas;
        match run(program, spec, None, None) {
            Ok(report) => report,
            Err(fault) => panic!("a guest makes the host fail: {fault}"),
        }
    };
    let limits = &spec.limits;
    let first = with_gas(limits.gas);
    assert_same(&first, &with_gas(limits.gas));

    assert!(first.gas <= limits.gas);
    let streams = first.stdout.len() as u64 + first.stderr.len() as u64;
    assert!(streams <= limits.output_bytes, "{streams} bytes of streams");
    assert!(first.files.len() <= limits.files.max(spec.files.len()));
    assert!(first.peak_memory_bytes <= limits.memory_bytes);

    let never_started =
        matches!(first.outcome, Outcome::LimitExceeded { kind: LimitKind::Memory | LimitKind::Table });
    if first.outcome == Outcome::OutOfGas {
        assert_eq!(first.gas, limits.gas, "gas is left");
    } else if !never_started {
        assert_same(&first, &with_gas(first.gas));
        if let Some(less) = first.gas.checked_sub(1) {
            let short = with_gas(less);
            assert_eq!((short.outcome, short.gas), (Outcome::OutOfGas, less), "after {}", first.outcome);
        }
    }
    first
}

/// Panics unless two reports are equal in everything but times and words for people.
pub(crate) fn assert_same(a: &TaskReport, b: &TaskReport) {
    assert_eq!((&a.outcome, a.gas, a.gpu_gas), (&b.outcome, b.gas, b.gpu_gas), "two runs end differently");
    assert_eq!((&a.stdout, &a.stderr), (&b.stdout, &b.stderr), "two runs print differently");
    assert_eq!(a.files.regular_files("/"), b.files.regular_files("/"), "two runs leave other files");
    assert_eq!(a.files.len(), b.files.len());
    assert_eq!(a.peak_memory_bytes, b.peak_memory_bytes);
}
