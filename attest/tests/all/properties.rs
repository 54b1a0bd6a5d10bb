//! Properties of encoders and choices.

use std::collections::BTreeSet;

use crate::fixture::fixture;
use fizz_attest::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn decoders_accept_only_canonical_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = Lease::from_canonical(&bytes) { prop_assert_eq!(value.to_canonical(), bytes.clone()); }
        if let Ok(value) = Envelope::from_canonical(&bytes) { prop_assert_eq!(value.to_canonical(), bytes.clone()); }
        if let Ok(value) = Job::decode(&bytes) { prop_assert_eq!(value.to_canonical(), bytes); }
    }

    /// Each byte changed, removed or doubled in a real job either fails or gives another job.
    #[test]
    fn changed_job_bytes_never_give_the_same_digest(at in 0usize..600, with in any::<u8>(), how in 0..3) {
        let job = fixture().job;
        let mut bytes = job.to_canonical();
        let at = at % bytes.len();
        let before = bytes.clone();
        match how { 0 => bytes[at] = with, 1 => { bytes.remove(at); } _ => bytes.insert(at, with) }
        if bytes != before && let Ok(other) = Job::decode(&bytes) {
            prop_assert_ne!(other.digest(), job.digest());
        }
    }

    #[test]
    fn samples_are_distinct_committed_tasks(count in 0usize..40, tasks in 0u32..30, secret in any::<[u8; 32]>()) {
        let results: Vec<_> = (0..tasks).map(|t| (t * 3, Digest([1; 32]))).collect();
        let chosen = sample(&secret, &results, count);
        prop_assert_eq!(chosen.len(), count.min(tasks as usize));
        prop_assert!(chosen.iter().all(|task| results.iter().any(|(t, _)| t == task)));
        prop_assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), chosen.len());
        prop_assert_eq!(&chosen, &sample(&secret, &results, count));
    }
}

fn sample(secret: &[u8; 32], results: &[(u32, Digest)], count: usize) -> Vec<u32> {
    let lease = fixture().lease;
    choose_sample(&[CommittedLease { lease: &lease, secret, results }], count)
}

#[test]
fn samples_depend_on_secret_and_commitments() {
    let results = |byte| (0..1000).map(|t| (t, Digest([byte; 32]))).collect::<Vec<_>>();
    let base = sample(&[0; 32], &results(1), 10);
    assert_ne!(base, sample(&[1; 32], &results(1), 10));
    assert_ne!(base, sample(&[0; 32], &results(2), 10));
}

#[test]
fn every_task_is_sampled_about_equally_often() {
    let mut counts = [0u32; 8];
    for round in 0..4000u32 {
        let digest = Digest::of(Domain::Result, &round.to_le_bytes());
        let results: Vec<_> = (0..8).map(|task| (task, digest)).collect();
        counts[sample(&[0; 32], &results, 1)[0] as usize] += 1;
    }
    assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
}

#[test]
fn output_root_binds_names_sizes_contents_and_streams() {
    let base = fixture().manifest;
    let mut roots = BTreeSet::from([base.root()]);
    let changes: [&dyn Fn(&mut OutputManifest); 6] = [
        &|m| m.stdout.size += 1,
        &|m| std::mem::swap(&mut m.stdout, &mut m.stderr),
        &|m| m.files[0].path.push('x'),
        &|m| m.files[1].blob.content.0[0] ^= 1,
        &|m| m.files.truncate(1),
        &|m| m.files.clear(),
    ];
    for change in changes {
        let mut other = base.clone();
        change(&mut other);
        assert!(roots.insert(other.root()), "two manifests share a root");
    }
}

#[test]
fn impossible_jobs_are_refused_by_name() {
    let base = fixture().job;
    let input = |path: &str| InputFile { path: path.into(), blob: Blob::of(b"") };
    type Change<'a> = &'a dyn Fn(&mut Job);
    let cases: [(Change<'_>, &str); 11] = [
        (&|j| j.v = 2, "version 2"),
        (&|j| j.tasks.clear(), "has 0"),
        (&|j| j.out = "out".into(), "not absolute"),
        (&|j| j.out = "/a/../b".into(), "`..` part"),
        (&|j| j.inputs[0].path = "/a//b".into(), "part"),
        (&|j| j.inputs.push(input("/photo.png")), "/photo.png"),
        (&|j| j.tasks[0].inputs.push(input("/photo.png")), "/photo.png"),
        (&|j| j.tasks[0].inputs.push(input("/photo.png/x")), "/photo.png/x"),
        (&|j| j.inputs = vec![input("/a/b"), input("/a")], "`/a`"),
        (&|j| j.args.push("a\0b".into()), "a\\0b"),
        (&|j| j.args = vec![String::new(); 5000], "over the limit of 4096"),
    ];
    for (change, words) in cases {
        let mut job = base.clone();
        change(&mut job);
        let error = job.check().expect_err(words).to_string();
        assert!(error.contains(words), "`{error}` lacks `{words}`");
    }
}

/// A byte of such a list takes many bytes of memory, so the decoder must not read it to its end.
#[test]
fn lists_over_their_limit_are_refused_while_they_are_decoded() {
    type Change<'a> = &'a dyn Fn(&mut Job);
    let cases: [(Change<'_>, &str); 4] = [
        (&|j| j.args = vec![String::new(); MAX_ARGS + 1], "at most 4096"),
        (&|j| j.env = vec![Default::default(); MAX_ARGS + 1], "at most 4096"),
        (&|j| j.tasks[1].args = vec![String::new(); MAX_ARGS + 1], "at most 4096"),
        (&|j| j.tasks = vec![Task::default(); MAX_TASKS + 1], "at most 65536"),
    ];
    for (change, words) in cases {
        let mut job = fixture().job;
        change(&mut job);
        let error = Job::from_canonical(&job.to_canonical()).expect_err(words).to_string();
        assert!(error.contains(words), "`{error}` lacks `{words}`");
    }
}

#[test]
fn json_envelopes_round_trip_and_verify() {
    let fixture = fixture();
    let envelope = Envelope::sign(&fixture.receipt, &fixture.node);
    let text = envelope.to_json().to_string();
    assert!(text.contains("\"payloadType\":\"application/vnd.fizz.receipt.v1+dag-cbor\""), "{text}");
    assert_eq!(Envelope::from_json(&text).unwrap(), envelope);
    assert!(Envelope::from_json("{}").is_err());
}

#[test]
fn keys_survive_pem_and_refuse_rubbish() {
    let key = SecretKey::from_bytes(&[6; 32]);
    assert_eq!(SecretKey::from_pem(&key.to_pem()).unwrap().to_bytes(), key.to_bytes());
    assert_eq!(SecretKey::from_pem("hello").unwrap_err(), KeyError::Secret);
    assert_eq!(key.public().to_string().parse::<PublicKey>().unwrap(), key.public());
    // A point of small order signs anything.
    assert!("0100000000000000000000000000000000000000000000000000000000000000".parse::<PublicKey>().is_err());
    assert!("xyz".parse::<PublicKey>().is_err());
    assert!(!format!("{key:?}").contains(&hex::encode([6; 32])));
}
