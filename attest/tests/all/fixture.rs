//! One job, lease and receipt with fixed keys, from which the vectors are made.

use fizz_attest::*;

pub(crate) struct Fixture {
    pub(crate) job: Job,
    pub(crate) lease: Lease,
    pub(crate) receipt: Receipt,
    pub(crate) manifest: OutputManifest,
    pub(crate) requester: SecretKey,
    pub(crate) node: SecretKey,
}

pub(crate) fn fixture() -> Fixture {
    let requester = SecretKey::from_bytes(&[1; 32]);
    let node = SecretKey::from_bytes(&[2; 32]);
    let job = Job {
        v: 1,
        name: "denoise".into(),
        module: Artifact::of(b"\0asm\x01\0\0\0"),
        args: vec!["tile".into()],
        env: vec![("LANG".into(), "C".into())],
        inputs: vec![InputFile { path: "/photo.png".into(), blob: Blob::of(b"photo") }],
        out: "/out".into(),
        gpu: GpuUse::Hardware,
        gpu_class: GpuClass::Exact,
        seed: Digest([7; 32]),
        epoch_ns: 1_700_000_000_000_000_000,
        limits: Limits::default(),
        chunk_gas: DEFAULT_CHUNK_GAS,
        tasks: vec![
            Task { args: vec!["0".into()], ..Task::default() },
            Task { args: vec!["1".into()], stdin: Some(Blob::of(b"in")), inputs: vec![] },
        ],
        salt: Digest([9; 32]),
    };
    let manifest = OutputManifest {
        stdout: Blob::of(b"path: cpu\n"),
        stderr: Blob::of(b""),
        files: vec![
            OutputEntry { path: "a/tile.ppm".into(), blob: Blob::of(b"P6") },
            OutputEntry { path: "b.txt".into(), blob: Blob::of(b"b") },
        ],
    };
    let lease = Lease {
        v: 1,
        network: "direct".into(),
        requester: requester.public(),
        node: node.public(),
        job: job.digest(),
        tasks: vec![0, 1],
        chunk_gas: 0,
        policy: Policy::Sample(1),
        price: 0,
        challenge: Digest::of(Domain::Challenge, &[3; 32]),
        expires: 1_800_000_000,
        keep_seconds: 3600,
        opening_bytes: 1 << 20,
    };
    let profile = Profile {
        instrumentation: 1,
        cost_table: Digest([4; 32]),
        wasi: 1,
        state: 1,
        proposals: "bulk-memory,simd".into(),
        gpu: None,
    };
    let result = TaskResult::of_whole_task(
        job.digest(),
        1,
        Outcome::Completed { exit_code: 0 },
        &manifest,
        12_345,
        67,
        &profile,
    );
    let receipt = Receipt {
        v: 1,
        result,
        lease: lease.digest(),
        node: node.public(),
        profile,
        engine: EngineInfo {
            engine: "wasmtime 48.0.8".into(),
            target: "x86_64-linux".into(),
            fizz: "0.1.0".into(),
            device: None,
        },
        manifest_sha256: manifest.sha256(),
        started_ms: 1_790_000_000_000,
        finished_ms: 1_790_000_000_250,
    };
    Fixture { job, lease, receipt, manifest, requester, node }
}

impl Fixture {
    pub(crate) fn file(&self) -> ReceiptFile {
        ReceiptFile {
            receipt: Envelope::sign(&self.receipt, &self.node),
            lease: Envelope::sign(&self.lease, &self.requester),
            job: self.job.to_canonical(),
            manifest: self.manifest.to_canonical(),
        }
    }
}
