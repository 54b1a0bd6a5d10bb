//! What the state of a task costs: its whole hash, a checkpoint of a memory of which little has changed, a snapshot,
//! and an empty task with the hash of its state.
//!
//! `cargo bench -p fizz-sandbox --bench state`
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run says so by panicking")]

use std::time::{Duration, Instant};

use fizz_sandbox::{Engine, ModuleLimits, Program, Progress, Snapshot, Steps, TaskSpec, run};

const MIB: usize = 1 << 20;
const ROUNDS: usize = 15;

/// A memory of so many MiB, full of bytes that differ from page to page, of which each step writes `changed` anew, in
/// every 64th part of the whole.
fn guest(mib: usize, changed: usize) -> String {
    let (pages, words) = (mib * 16, mib * MIB / 8);
    let (part, some) = (mib * MIB / 16, changed / 16);
    format!(
        r#"(module (memory (export "memory") {pages}) (global $step (mut i32) (i32.const 0))
        (func (export "_start") (local $i i32)
            (loop $more
                (i64.store (i32.shl (local.get $i) (i32.const 3))
                    (i64.mul (i64.extend_i32_u (local.get $i)) (i64.const 0x9E3779B97F4A7C15)))
                (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {words})))))
        (func (export "fizz_step") (result i32) (local $i i32)
            (global.set $step (i32.add (global.get $step) (i32.const 1)))
            (loop $more
                (memory.fill (i32.mul (local.get $i) (i32.const {part})) (global.get $step) (i32.const {some}))
                (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
            (i32.const 1)))"#
    )
}

/// The best and the median, in milliseconds.
fn best_and_median(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    (times[0].as_secs_f64() * 1e3, times[times.len() / 2].as_secs_f64() * 1e3)
}

fn line(name: &str, times: Vec<Duration>) {
    let (best, median) = best_and_median(times);
    println!("  {name:<38} {best:8.2} {median:8.2}");
}

/// What the machine can do at this moment: comparing and hashing as many bytes.
fn peers(mib: usize) {
    let (one, other) = (vec![7u8; mib * MIB], vec![7u8; mib * MIB]);
    let (mut compared, mut hashed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        assert!(std::hint::black_box(&one) == std::hint::black_box(&other));
        compared.push(begun.elapsed());
        let begun = Instant::now();
        std::hint::black_box(blake3::hash(&one));
        hashed.push(begun.elapsed());
    }
    line("peer: memcmp of as many bytes", compared);
    line("peer: BLAKE3 of as many bytes", hashed);
}

/// A chunk and how long it took.
fn chunk(steps: &mut Steps) -> Duration {
    let begun = Instant::now();
    assert!(matches!(steps.next_chunk().unwrap(), Progress::Chunk(_)));
    begun.elapsed()
}

fn checkpoints(engine: &Engine, mib: usize, changed: usize) {
    let wasm = wat::parse_str(guest(mib, changed)).unwrap();
    let program = Program::compile(engine, &wasm, &ModuleLimits::default()).unwrap();
    let task = TaskSpec { chunk_gas: 1, ..TaskSpec::new("state") };
    let never = TaskSpec { chunk_gas: u64::MAX, ..task.clone() };
    let (mut first, mut later, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut steps = Steps::start(&program, task.clone(), None).unwrap();
        chunk(&mut steps);
        // Pages are copied when they are seen for the second time.
        steps.state().unwrap();
        let copied = steps.copied_bytes();
        chunk(&mut steps);
        later.push(chunk(&mut steps));
        steps.state().unwrap();
        // Nothing has changed since, so that this is what looking costs.
        let begun = Instant::now();
        steps.state().unwrap();
        alone.push(begun.elapsed());
        // The whole hash: the same state, met for the first time.
        let snapshot = steps.snapshot().unwrap().unwrap();
        let mut resumed = Steps::resume(&program, task.clone(), &snapshot, None).unwrap();
        let begun = Instant::now();
        resumed.state().unwrap();
        first.push(begun.elapsed());
        assert!(copied <= (mib * MIB) as u64 && copied > 0);
    }
    let mut steps = Steps::start(&program, task.clone(), None).unwrap();
    for _ in 0..3 {
        chunk(&mut steps);
    }
    let begun = Instant::now();
    let snapshot = steps.snapshot().unwrap().unwrap();
    let taken = begun.elapsed();
    let begun = Instant::now();
    let bytes = snapshot.encode();
    let encoded = begun.elapsed();
    let begun = Instant::now();
    let decoded = Snapshot::decode(&bytes).unwrap();
    let read = begun.elapsed();
    let begun = Instant::now();
    Steps::resume(&program, never, &decoded, None).err().unwrap();
    let refused = begun.elapsed();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{mib} MiB of memory, {} KiB changed in a step; milliseconds: best, median of {ROUNDS}",
        changed >> 10
    );
    peers(mib);
    line("hash of the whole", first);
    line("checkpoint, with the step itself", later);
    line("checkpoint of nothing changed", alone);
    println!("  memory for the copy                   {:8.1} MiB", steps.copied_bytes() as f64 / MIB as f64);
    println!(
        "  snapshot {:.2} ms, encode {:.1} ms, decode {:.1} ms, refuse for another task {:.2} ms, {} bytes",
        ms(taken),
        ms(encoded),
        ms(read),
        ms(refused),
        bytes.len()
    );
}

/// The warm start of a task that does nothing, in a Rust program: without steps, with steps, and with the hash of its
/// state between two of them.
fn empty(engine: &Engine) {
    let program = |wasm: &[u8]| Program::compile(engine, wasm, &ModuleLimits::default()).expect("an example");
    let (command, life) = (program(fizz_examples::KERNELS), program(fizz_examples::LIFE));
    let small = wat::parse_str(
        r#"(module (memory (export "memory") 1) (func (export "_start") (i32.store (i32.const 0) (i32.const 1)))
            (func (export "fizz_step") (result i32) (i32.const 0)))"#,
    );
    let small = program(&small.unwrap());
    let mut plain = TaskSpec::new("kernels");
    plain.args.push("empty".into());
    let mut stepped = TaskSpec::new("life");
    stepped.args.extend(["64", "1", "1"].map(str::to_owned));
    stepped.files.create_dir("/out").unwrap();
    let hashed = |task: &TaskSpec| TaskSpec { chunk_gas: 1, ..task.clone() };
    let page = TaskSpec::new("small");
    let cases = [
        ("a Rust command without steps", &command, plain),
        ("a Rust program in steps, no hash", &life, stepped.clone()),
        ("the same, its state hashed once", &life, hashed(&stepped)),
        ("one page in steps, no hash", &small, page.clone()),
        ("the same, its state hashed once", &small, hashed(&page)),
    ];
    println!("an empty task, warm; milliseconds: best, median of 2,000");
    let mut times: [Vec<Duration>; 5] = Default::default();
    for round in 0..2_200 {
        for ((_, program, task), times) in cases.iter().zip(&mut times) {
            let task = task.clone();
            let begun = Instant::now();
            let report = run(program, task, None, None).unwrap();
            let took = begun.elapsed();
            assert!(report.outcome.is_success());
            if round >= 200 {
                times.push(took);
            }
        }
    }
    for ((name, ..), times) in cases.iter().zip(times) {
        let (best, median) = best_and_median(times);
        println!("  {name:<38} {best:8.4} {median:8.4}");
    }
}

fn main() {
    let engine = Engine::new().unwrap();
    checkpoints(&engine, 64, MIB);
    checkpoints(&engine, 256, MIB);
    empty(&engine);
}
