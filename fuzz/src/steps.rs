//! Tasks in steps: stored states of any bytes, and stops at any chunk.

use std::sync::LazyLock;

use fizz_sandbox::{
    Engine, Files, ModuleLimits, Opening, Program, Progress, Snapshot, Steps, TaskReport, TaskSpec, run,
};

/// A guest that keeps something of all that is state. Each step is told what to do by a byte of standard input.
static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let wasm = wat::parse_str(include_str!("steps.wat")).expect("a good module");
    let engine = Engine::new().expect("an engine");
    Program::compile(&engine, &wasm, &ModuleLimits::default()).expect("a good module")
});

fn spec(script: &[u8]) -> TaskSpec {
    let mut files = Files::new();
    for (path, bytes) in [("/in/a", "some bytes"), ("/b", "x")] {
        files.insert(path, bytes).expect("a good path");
    }
    let mut spec = TaskSpec::new("steps");
    spec.stdin = script.to_vec().into();
    spec.files = files;
    spec.chunk_gas = 40_000;
    // The end of a chunk costs a quarter of a million per page.
    spec.limits.gas = 200_000_000;
    spec.limits.memory_bytes = 16 << 16;
    spec.limits.output_bytes = 1 << 16;
    spec.limits.files = 20;
    spec.limits.descriptors = 12;
    spec
}

/// A script that opens, writes, lists, grows and divides, as a seed.
pub const SCRIPT: &[u8] = b"\x40\x54\x34\x15\x1b\x1c\x0d\x8a\x0e\x40\x18\x47\x21\x50\x60\x0d";

/// A snapshot and an opening of the guest in the middle of [`SCRIPT`], as seeds.
pub fn stored() -> [Vec<u8>; 2] {
    let task = spec(SCRIPT);
    let mut steps = Steps::start(&PROGRAM, task.clone(), None).expect("no fault");
    for _ in 0..2 {
        steps.next_chunk().expect("no fault");
    }
    let snapshot = steps.snapshot().expect("no fault").expect("a state");
    let opening = Opening::of(&PROGRAM, task, &snapshot).expect("a state of this task");
    [snapshot.encode(), opening.encode()]
}

/// Bytes that may be a snapshot or an opening: what decodes encodes to the same bytes, and resuming it neither panics
/// nor changes which state it is.
pub fn snapshot(data: &[u8]) {
    let small = || spec(SCRIPT);
    if let Ok(snapshot) = Snapshot::decode(data) {
        assert_eq!(snapshot.encode(), data);
        if let Ok(mut steps) = Steps::resume(&PROGRAM, small(), &snapshot, None) {
            assert_eq!(steps.state().expect("no fault"), Some(snapshot.boundary().state));
            let _ = steps.next_chunk();
        }
    }
    if let Ok(opening) = Opening::decode(data) {
        assert_eq!(opening.encode(), data);
        let _ = opening.run(&PROGRAM, small(), 10_000_000);
    }
}

/// A script, after one byte that says at which chunk the task is stopped: resumed from its bytes it ends as the
/// uninterrupted run does, through the same states, and the chunk that starts there ends the same from its opening.
pub fn resume(data: &[u8]) {
    let Some((&stop, script)) = data.split_first() else { return };
    let task = spec(&script[..script.len().min(64)]);
    let whole = run(&PROGRAM, task.clone(), None, None).expect("no fault");
    let mut steps = Steps::start(&PROGRAM, task.clone(), None).expect("no fault");
    let mut met = Vec::new();
    for _ in 0..=stop % 24 {
        match steps.next_chunk().expect("no fault") {
            Progress::Chunk(boundary) => met.push(boundary),
            Progress::Ended(report) => return same(&whole, &report),
        }
    }
    let bytes = steps.snapshot().expect("no fault").expect("a state").encode();
    let snapshot = Snapshot::decode(&bytes).expect("a snapshot");
    assert_eq!(snapshot.encode(), bytes);
    let mut resumed = Steps::resume(&PROGRAM, task.clone(), &snapshot, None).expect("a state of this task");
    let opening = Opening::of(&PROGRAM, task.clone(), &snapshot).expect("a state of this task");
    let opening = Opening::decode(&opening.encode()).expect("an opening");
    let opened = opening.run(&PROGRAM, task, u64::MAX).expect("all pages are there");
    let mut first = true;
    let report = loop {
        let progress = resumed.next_chunk().expect("no fault");
        if std::mem::take(&mut first) {
            match (&progress, &opened) {
                (Progress::Chunk(a), fizz_sandbox::Opened::Chunk(b)) => assert_eq!(a, b),
                (Progress::Ended(a), fizz_sandbox::Opened::Ended(b)) => {
                    assert_eq!((&a.outcome, a.gas), (&b.outcome, b.gas));
                }
                other => panic!("{other:?}"),
            }
        }
        match progress {
            Progress::Chunk(boundary) => met.push(boundary),
            Progress::Ended(report) => break report,
        }
    };
    assert_eq!(met, whole.boundaries);
    same(&whole, &report);
}

fn same(a: &TaskReport, b: &TaskReport) {
    assert_eq!((&a.outcome, a.gas, a.peak_memory_bytes), (&b.outcome, b.gas, b.peak_memory_bytes));
    assert_eq!((&a.stdout, &a.stderr), (&b.stdout, &b.stderr));
    assert_eq!(a.files.regular_files("/"), b.files.regular_files("/"));
}
