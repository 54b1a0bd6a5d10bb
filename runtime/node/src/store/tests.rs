use std::fs;
use std::sync::Arc;

use fizz_attest::{Artifact, InputFile, OutputEntry, Policy, SecretKey, Task};
use fizz_wire::blob::BlobReceiver;

use super::*;

const LIMIT: u64 = 1 << 20;
/// When the data of leases made here may go.
const KEEP_UNTIL: u64 = 1_000;

fn requester(seed: u8) -> PublicKey {
    SecretKey::from_bytes(&[seed; 32]).public()
}

/// A lease over the first `tasks` tasks of a job with one input for each, and the job.
fn lease(seed: u8, inputs: &[&[u8]], tasks: u32) -> (Lease, Job) {
    let task = |input: &&[u8]| Task {
        inputs: vec![InputFile { path: "/in".into(), blob: Blob::of(input) }],
        ..Task::default()
    };
    let mut job = Job::new("test", Artifact::of(b"module"));
    job.tasks = inputs.iter().map(task).collect();
    let lease = Lease {
        v: 1,
        network: "direct".into(),
        requester: requester(seed),
        node: requester(99),
        job: job.digest(),
        tasks: (0..tasks).collect(),
        chunk_gas: 0,
        policy: Policy::Trust,
        price: 0,
        challenge: Digest::default(),
        expires: KEEP_UNTIL,
        keep_seconds: 0,
        opening_bytes: 0,
    };
    (lease, job)
}

fn put_lease(store: &Store, seed: u8, (lease, job): &(Lease, Job), keep_until: u64) -> Digest {
    let envelope = Envelope::sign(lease, &SecretKey::from_bytes(&[seed; 32]));
    store.put_lease(lease, &envelope, &job.to_canonical(), keep_until).unwrap();
    lease.digest()
}

/// The stream of a blob, as a peer sends it.
fn stream(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = BlobSource::of_bytes(Arc::from(bytes)).encoder(0).unwrap();
    let mut stream = Vec::new();
    while encoder.append(&mut stream, 1 << 20).unwrap() {}
    stream
}

fn receive(store: &Store, owner: &PublicKey, bytes: &[u8]) -> BlobReceiver {
    let mut receiver = store.receiver(owner, &Blob::of(bytes)).unwrap();
    receiver.feed(&stream(bytes)).unwrap();
    receiver
}

fn import(store: &Store, owner: &PublicKey, outputs: &[&[u8]]) -> Vec<Blob> {
    let scratch = store.scratch("t").unwrap();
    let mut paths = Vec::new();
    for (index, bytes) in outputs.iter().enumerate() {
        paths.push(scratch.join(index.to_string()));
        fs::write(&paths[index], bytes).unwrap();
    }
    store.import(&store.keep(), owner, &paths).unwrap()
}

fn result(text: &str, blobs: &[Blob]) -> (StoredResult, OutputManifest) {
    let files = vec![OutputEntry { path: "f".into(), blob: blobs[2] }];
    let manifest = OutputManifest { stdout: blobs[0], stderr: blobs[1], files };
    (StoredResult { receipt: text.as_bytes().to_vec(), manifest: manifest.to_canonical() }, manifest)
}

/// All files of a folder, below it.
fn files(root: &Path, folder: &str) -> usize {
    let mut count = 0;
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => count += 1,
            }
        }
    }
    count
}

/// Bytes that need an outboard.
fn large() -> Vec<u8> {
    (0..100_000u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn a_store_is_used_by_one_node() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), LIMIT).unwrap();
    let scratch = store.scratch("1").unwrap();
    fs::write(scratch.join("f"), "in use").unwrap();
    assert!(matches!(Store::open(folder.path(), LIMIT), Err(StoreError::InUse(_))));
    // The second one touched nothing.
    assert!(scratch.join("f").exists());
    drop(store);
    Store::open(folder.path(), LIMIT).unwrap();
    assert!(!scratch.exists());
}

#[test]
fn an_adopted_blob_is_there_for_its_requester_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), LIMIT).unwrap();
    let (me, other) = (requester(1), requester(2));
    let bytes = large();
    let blob = Blob::of(&bytes);
    let receiver = receive(&store, &me, &bytes);
    assert_eq!(store.bytes(), blob.size);
    assert!(!store.has(&me, &blob));
    store.adopt(&me, receiver).unwrap();
    assert!(store.has(&me, &blob) && !store.has(&other, &blob));
    assert!(store.source(&other, &blob).is_none());
    assert_eq!(store.bytes(), blob.size);
    let mut encoder = store.source(&me, &blob).unwrap().encoder(0).unwrap();
    let mut sent = Vec::new();
    while encoder.append(&mut sent, 1 << 20).unwrap() {}
    assert_eq!(sent, stream(&bytes));
    assert_eq!(files(folder.path(), "incoming"), 0);
    // A second time changes and counts nothing.
    store.adopt(&me, receive(&store, &me, &bytes)).unwrap();
    assert_eq!(store.bytes(), blob.size);
}

#[test]
fn a_broken_transfer_goes_on_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = large();
    let made = lease(1, &[&bytes], 1);
    let store = Store::open(folder.path(), 2 * LIMIT).unwrap();
    put_lease(&store, 1, &made, KEEP_UNTIL);
    let whole = stream(&bytes);
    let mut receiver = store.receiver(&requester(1), &Blob::of(&bytes)).unwrap();
    receiver.feed(&whole[..whole.len() / 2]).unwrap();
    let proven = receiver.proven();
    assert!(proven > 0);
    let counted = store.bytes();
    drop((receiver, store));
    let store = Store::open(folder.path(), 2 * LIMIT).unwrap();
    assert_eq!(store.bytes(), counted);
    let mut receiver = store.receiver(&requester(1), &Blob::of(&bytes)).unwrap();
    assert_eq!(receiver.begin().unwrap(), proven);
    assert_eq!(store.bytes(), counted);
    let mut rest = Vec::new();
    let mut encoder = BlobSource::of_bytes(Arc::from(bytes.as_slice())).encoder(proven).unwrap();
    while encoder.append(&mut rest, 1 << 20).unwrap() {}
    receiver.feed(&rest).unwrap();
    store.adopt(&requester(1), receiver).unwrap();
    assert!(store.has(&requester(1), &Blob::of(&bytes)));
    assert_eq!(store.bytes(), counted);
}

#[test]
fn what_a_crash_left_and_no_lease_names_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (me, bytes) = (requester(1), large());
    let store = Store::open(folder.path(), 4 * LIMIT).unwrap();
    let digest = put_lease(&store, 1, &lease(1, &[b"named"], 1), KEEP_UNTIL);
    store.adopt(&me, receive(&store, &me, b"named")).unwrap();
    let blobs = import(&store, &me, &[b"out", b"", &bytes]);
    // A task that was killed between its outputs and its result, a transfer that nobody wants, and rubbish.
    let mut receiver = store.receiver(&me, &Blob::of(&[bytes.as_slice(), b"!"].concat())).unwrap();
    receiver.feed(&[]).unwrap();
    fs::write(folder.path().join("blobs").join("rubbish"), "!").unwrap();
    drop((receiver, store));
    let store = Store::open(folder.path(), 4 * LIMIT).unwrap();
    assert!(store.has(&me, &Blob::of(b"named")));
    assert!(blobs.iter().all(|blob| !store.has(&me, blob)));
    assert_eq!((files(folder.path(), "blobs"), files(folder.path(), "incoming")), (1, 0));
    let record = store.ledger.lease(&digest).unwrap().unwrap();
    assert_eq!(store.bytes(), 5 + record.bytes());
}

#[test]
fn a_blob_cut_by_a_crash_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let me = requester(1);
    let store = Store::open(folder.path(), LIMIT).unwrap();
    store.adopt(&me, receive(&store, &me, b"twelve bytes")).unwrap();
    let blob = Blob::of(b"twelve bytes");
    let path = blob_path(&store.blobs(&me), &blob);
    fs::write(&path, "twel").unwrap();
    assert!(!store.has(&me, &blob) && store.source(&me, &blob).is_none());
    store.adopt(&me, receive(&store, &me, b"twelve bytes")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"twelve bytes");
}

#[test]
fn imports_are_plain_files_that_fit() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1_000).unwrap();
    let me = requester(1);
    let blobs = import(&store, &me, &[b"a", b"", b"a"]);
    assert_eq!(blobs, [Blob::of(b"a"), Blob::of(b""), Blob::of(b"a")]);
    assert!(blobs.iter().all(|blob| store.has(&me, blob)));
    assert_eq!(store.bytes(), 1);
    let scratch = store.scratch("t").unwrap();
    let path = scratch.join("0");
    let refused = || store.import(&store.keep(), &me, std::slice::from_ref(&path)).unwrap_err();
    fs::create_dir(&path).unwrap();
    assert!(matches!(refused(), StoreError::NotAFile(_)));
    fs::remove_dir(&path).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("node.redb"), &path).unwrap();
        assert!(matches!(refused(), StoreError::NotAFile(_)));
        fs::remove_file(&path).unwrap();
    }
    fs::write(&path, [0; 1_000]).unwrap();
    assert!(matches!(refused(), StoreError::Full { wanted: 1_000, free: 999 }));
    assert_eq!(store.bytes(), 1);
}

#[test]
fn the_first_result_stays_and_names_its_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), LIMIT).unwrap();
    let me = requester(1);
    let digest = put_lease(&store, 1, &lease(1, &[b"in"], 1), KEEP_UNTIL);
    let other = put_lease(&store, 1, &lease(1, &[b"in", b"2"], 2), KEEP_UNTIL);
    let blobs = import(&store, &me, &[b"out", b"err", b"file"]);
    let (first, manifest) = result("first", &blobs);
    let put = |lease: &Digest, result: &StoredResult, manifest: &OutputManifest| {
        store.put_result(&store.keep(), (lease, 0), result, manifest).unwrap()
    };
    assert_eq!(put(&digest, &first, &manifest), Some(first.clone()));
    let (second, manifest) = result("second", &import(&store, &me, &[b"x", b"y", b"z"]));
    assert_eq!(put(&digest, &second, &manifest), Some(first.clone()));
    assert_eq!(put(&Digest([9; 32]), &second, &manifest), None);
    drop(store);
    let store = Store::open(folder.path(), LIMIT).unwrap();
    assert_eq!(store.result(&digest, 0).unwrap(), Some(first));
    assert_eq!((store.result(&digest, 1).unwrap(), store.result(&other, 0).unwrap()), (None, None));
    assert!(store.is_output(&digest, &blobs[2]).unwrap());
    assert!(!store.is_output(&other, &blobs[2]).unwrap());
    assert!(!store.is_output(&digest, &Blob::of(b"x")).unwrap());
    assert!(!store.is_output(&digest, &Blob { size: 5, ..blobs[2] }).unwrap());
}

#[test]
fn what_expires_is_exactly_what_no_lease_names() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), LIMIT).unwrap();
    let me = requester(1);
    // Both name the module and `shared`; the second lease is only over the first of its job's tasks.
    let old = put_lease(&store, 1, &lease(1, &[b"shared", b"old"], 2), KEEP_UNTIL);
    let new = put_lease(&store, 1, &lease(1, &[b"shared", b"unleased"], 1), 2 * KEEP_UNTIL);
    let other = put_lease(&store, 2, &lease(2, &[b"old"], 1), 2 * KEEP_UNTIL);
    for bytes in [&b"module"[..], b"shared", b"old", b"unleased"] {
        store.adopt(&me, receive(&store, &me, bytes)).unwrap();
    }
    store.adopt(&requester(2), receive(&store, &requester(2), b"old")).unwrap();
    let mut results = Vec::new();
    for (lease, file) in [(&old, &b"old file"[..]), (&new, b"new file")] {
        let blobs = import(&store, &me, &[b"stdout", b"", file]);
        let (result, manifest) = result("r", &blobs);
        store.put_result(&store.keep(), (lease, 0), &result, &manifest).unwrap();
        results.push(blobs);
    }
    assert_eq!(store.lease(&old).unwrap().unwrap().job.tasks.len(), 2);
    assert_eq!(store.expire(KEEP_UNTIL).unwrap(), []);
    assert_eq!(store.expire(KEEP_UNTIL + 1).unwrap(), [old]);
    for (bytes, kept) in [(&b"module"[..], true), (b"shared", true), (b"old", false), (b"unleased", false)] {
        assert_eq!(store.has(&me, &Blob::of(bytes)), kept, "{}", String::from_utf8_lossy(bytes));
    }
    assert!(store.has(&requester(2), &Blob::of(b"old")));
    assert!(!store.has(&me, &results[0][2]) && results[1].iter().all(|blob| store.has(&me, blob)));
    assert!(store.lease(&old).unwrap().is_none() && store.result(&old, 0).unwrap().is_none());
    assert!(!store.is_output(&old, &results[0][0]).unwrap());
    assert!(store.lease(&new).unwrap().is_some() && store.result(&new, 0).unwrap().is_some());
    assert_eq!(store.lease_count().unwrap(), 2);
    // With the last lease goes everything.
    store.expire(u64::MAX).unwrap();
    assert!(store.lease(&other).unwrap().is_none());
    assert_eq!((store.bytes(), files(folder.path(), "blobs")), (0, 0));
}

#[test]
fn outputs_are_not_removed_before_their_result_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), LIMIT).unwrap();
    let me = requester(1);
    let digest = put_lease(&store, 1, &lease(1, &[b"in"], 1), 2 * KEEP_UNTIL);
    put_lease(&store, 2, &lease(2, &[b"in"], 1), KEEP_UNTIL);
    let scratch = store.scratch("t").unwrap();
    let paths = ["0", "1", "2"].map(|name| scratch.join(name));
    paths.iter().for_each(|path| fs::write(path, path.to_str().unwrap()).unwrap());
    let keeping = store.keep();
    let blobs = store.import(&keeping, &me, &paths).unwrap();
    std::thread::scope(|scope| {
        let expiring = scope.spawn(|| store.expire(KEEP_UNTIL + 1).unwrap());
        let (result, manifest) = result("r", &blobs);
        assert!(store.put_result(&keeping, (&digest, 0), &result, &manifest).unwrap().is_some());
        drop(keeping);
        assert_eq!(expiring.join().unwrap().len(), 1);
    });
    assert!(blobs.iter().all(|blob| store.has(&me, blob)));
}

#[test]
fn leases_count_and_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 10_000).unwrap();
    let made = lease(1, &[b"in"], 1);
    put_lease(&store, 1, &made, KEEP_UNTIL);
    let one = store.bytes();
    assert!(one > 0);
    put_lease(&store, 1, &made, KEEP_UNTIL);
    assert_eq!((store.bytes(), store.lease_count().unwrap()), (one, 1));
    let big = vec![0; 10_000];
    let envelope = Envelope::sign(&made.0, &SecretKey::from_bytes(&[1; 32]));
    let error = store.put_lease(&made.0, &envelope, &big, 0).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!(store.bytes(), one);
}
