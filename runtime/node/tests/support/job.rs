//! Small jobs.

use std::sync::Arc;

use fizz_attest::{
    Artifact, Blob, Canonical, Digest, Domain, Envelope, InputFile, Job, Lease, Limits, Policy, PublicKey,
    SecretKey, Task,
};

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32])
}

/// A job of one task without inputs.
pub fn job(module: &[u8]) -> Job {
    let limits = Limits { memory_bytes: 64 << 20, output_bytes: 16 << 20, ..Limits::default() };
    Job { limits, ..Job::new("test", Artifact::of(module)) }
}

/// `examples/hello`, greeting a different name in each task.
pub fn greetings(tasks: usize) -> (Job, Vec<Arc<[u8]>>) {
    let mut job = job(fizz_examples::HELLO);
    let mut blobs: Vec<Arc<[u8]>> = vec![fizz_examples::HELLO.into()];
    job.args = vec!["/names".into()];
    job.tasks.clear();
    for task in 0..tasks {
        let names: Arc<[u8]> = format!("number {task}").into_bytes().into();
        let inputs = vec![InputFile { path: "/names".into(), blob: Blob::of(&names) }];
        job.tasks.push(Task { inputs, ..Task::default() });
        blobs.push(names);
    }
    (job, blobs)
}

/// What the guest of [`greetings`] says.
pub fn greeting(task: u32) -> Vec<u8> {
    format!("Hello, number {task}!\n").into_bytes()
}

/// A command with the given body and `proc_exit` as `$exit`.
pub fn guest(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") {body}))"#
    );
    wat::parse_str(text).unwrap()
}

pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs()
}

/// A lease over all tasks of a job.
pub fn lease(job: &Job, requester: PublicKey, node: PublicKey) -> Lease {
    Lease {
        v: 1,
        network: "direct".into(),
        requester,
        node,
        job: job.digest(),
        tasks: (0..job.tasks.len() as u32).collect(),
        chunk_gas: 0,
        policy: Policy::Sample(1),
        price: 0,
        challenge: Digest::of(Domain::Challenge, &[0; 32]),
        expires: now() + 600,
        keep_seconds: 600,
        opening_bytes: 0,
    }
}

/// The lease's envelope as it is sent.
pub fn sign(lease: &Lease, requester: &SecretKey) -> Vec<u8> {
    Envelope::sign(lease, requester).to_canonical()
}
