//! What a task costs that does nothing: instantiate, run, commit and sign, warm, in one process.
//!
//! `cargo bench -p fizz-exec --bench empty_task`
//!
//! The parts are timed in the same rounds, so that they add up. The guest is a Rust program whose `main` returns.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run says so by panicking")]

use std::collections::BTreeMap;
use std::time::Instant;

use fizz_attest::*;
use fizz_exec::Executor;

const ROUNDS: usize = 5_000;

fn main() {
    let executor = Executor::new(None).unwrap();
    let module = fizz_examples::KERNELS;
    let blobs = BTreeMap::from([(Blob::of(module), module.to_vec())]);
    let job = Job { args: vec!["empty".into()], ..Job::new("kernels", Artifact::of(module)) };
    let (job_digest, key) = (job.digest(), SecretKey::from_bytes(&[1; 32]));
    let (mut runs, mut commits, mut signs, mut wholes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS + 100 {
        let begun = Instant::now();
        let executed = executor.execute(&job, 0, &blobs, false, None).unwrap();
        assert!(executed.outcome.is_success());
        let ran = begun.elapsed();
        let manifest = executed.manifest();
        let result = executed.result(job_digest, 0);
        let committed = begun.elapsed();
        let receipt = Receipt {
            v: 1,
            result,
            lease: Digest::default(),
            node: key.public(),
            profile: executed.profile.clone(),
            engine: executed.engine,
            manifest_sha256: manifest.sha256(),
            started_ms: 0,
            finished_ms: 0,
        };
        let envelope = Envelope::sign(&receipt, &key).to_canonical();
        assert!(!envelope.is_empty());
        let signed = begun.elapsed();
        // The first rounds compile and warm up.
        if round >= 100 {
            runs.push(ran);
            commits.push(committed - ran);
            signs.push(signed - committed);
            wholes.push(signed);
        }
    }
    println!("microseconds, {ROUNDS} rounds      median      p99");
    for (name, mut times) in
        [("instantiate and run", runs), ("commit", commits), ("sign", signs), ("the whole", wholes)]
    {
        times.sort();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e6;
        println!("{name:<26} {:8.1} {:8.1}", at(50), at(99));
    }
}
