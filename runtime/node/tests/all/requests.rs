//! A node as requesters meet it.

use std::sync::Arc;

use fizz_attest::{Blob, Canonical, Envelope, HostFault, InputFile, Job, OutputManifest, Receipt, Task};
use fizz_node::Store;
use fizz_wire::{BlobSource, RefusalCode, Reply, Request};

use crate::support::job::{self, greeting, greetings};
use crate::support::node::{LONG, Requester, config, last, refused, serve};
use crate::support::worker::{Gate, command, honest};

fn papers(reply: Reply) -> (Vec<u8>, OutputManifest) {
    match reply {
        Reply::Done { receipt, manifest } => (receipt, OutputManifest::decode(&manifest).unwrap()),
        other => panic!("{other:?}"),
    }
}

pub async fn a_result_outlives_the_node_and_is_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (job, blobs) = greetings(2);
    let node = serve(1, config(folder.path(), honest())).await;
    let key = node.key;
    let me = Requester::connect(9, &node).await;
    let lease = me.lease(&job, &blobs).await;
    let (receipt, manifest) = papers(me.run(lease, 1).await);
    node.stop().await;
    // Whatever runs now hangs.
    let node = serve(1, config(folder.path(), command("hangs", &[]))).await;
    let me = Requester::connect(9, &node).await;
    let (again, same_manifest) = papers(me.run(lease, 1).await);
    assert_eq!((receipt, &manifest), (again.clone(), &same_manifest));
    assert_eq!(me.get(lease, manifest.stdout).await.unwrap(), greeting(1));
    let receipt: Receipt = Envelope::from_canonical(&again).unwrap().open(&key).unwrap();
    assert_eq!((receipt.lease, receipt.result.task), (lease, 1));
    node.stop().await;
}

pub async fn a_requester_that_comes_back_finds_its_task_further_on() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::new());
    let (job, blobs) = greetings(1);
    let node = serve(1, config(folder.path(), gate.worker())).await;
    let me = Requester::connect(9, &node).await;
    let lease = me.lease(&job, &blobs).await;
    let running = me.begin(lease, 0).await;
    let held = gate.reached().await;
    drop(running);
    me.leave().await;
    let me = Requester::connect(9, &node).await;
    let mut running = me.begin(lease, 0).await;
    assert!(matches!(running.receive().await.unwrap(), Reply::Started));
    held.go();
    let (receipt, _) = papers(last(&mut running).await);
    assert_eq!(papers(me.run(lease, 0).await).0, receipt);
    // It ran once: nobody came to the gate again.
    assert!(!gate.is_reached());
    assert_eq!(me.status().await.done, 1);
    node.stop().await;
}

pub async fn a_done_task_is_given_out_though_all_slots_are_taken() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::new());
    let (job, blobs) = greetings(2);
    let node = serve(1, config(folder.path(), gate.worker())).await;
    let me = Requester::connect(9, &node).await;
    let lease = me.lease(&job, &blobs).await;
    let mut first = me.begin(lease, 0).await;
    gate.reached().await.go();
    let (receipt, _) = papers(last(&mut first).await);
    let _second = me.begin(lease, 1).await;
    let _held = gate.reached().await;
    assert_eq!(papers(me.run(lease, 0).await).0, receipt);
    node.stop().await;
}

pub async fn requesters_see_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (job, blobs) = greetings(1);
    let node = serve(1, config(folder.path(), honest())).await;
    let (me, other) = (Requester::connect(9, &node).await, Requester::connect(8, &node).await);
    let lease = me.lease(&job, &blobs).await;
    let (_, manifest) = papers(me.run(lease, 0).await);
    assert_eq!(other.get(lease, manifest.stdout).await, Err(RefusalCode::NotYours));
    assert_eq!(refused(&other.run(lease, 0).await), RefusalCode::NotYours);
    assert_eq!(other.call(&Request::Cancel { lease }).await, Err(RefusalCode::NotYours));
    // Nor by a job of its own that names the other's input and output: to the node they are not there.
    let secrets = [job.tasks[0].inputs[0].blob, manifest.stdout];
    let mut theft = job::job(fizz_examples::HELLO);
    theft.args = vec!["/0".into()];
    let input = |(index, blob): (usize, &Blob)| InputFile { path: format!("/{index}"), blob: *blob };
    theft.inputs = secrets.iter().enumerate().map(input).collect();
    let (lease, missing) = other.offer(&theft).await.unwrap();
    assert_eq!(missing, [theft.module.blob, secrets[0], secrets[1]]);
    assert_eq!(refused(&other.run(lease, 0).await), RefusalCode::UnknownBlob);
    assert_eq!(other.get(lease, manifest.stdout).await, Err(RefusalCode::UnknownBlob));
    node.stop().await;
}

pub async fn a_blob_that_does_not_match_its_hash_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (job, blobs) = greetings(1);
    let node = serve(1, config(folder.path(), honest())).await;
    let me = Requester::connect(9, &node).await;
    let (lease, _) = me.offer(&job).await.unwrap();
    let blob = job.tasks[0].inputs[0].blob;
    let mut channel = me.peer.begin(&Request::PutBlob { lease, blob }).await.unwrap();
    assert_eq!(channel.receive::<Reply>().await.unwrap(), Reply::Continue { from: 0 });
    let other = BlobSource::of_bytes(vec![b'x'; blob.size as usize].into());
    channel.writer.send_blob(&other, 0, LONG).await.unwrap();
    assert_eq!(refused(&channel.receive().await.unwrap()), RefusalCode::BadBlob);
    // The right bytes are taken afterwards.
    let lease = me.lease(&job, &blobs).await;
    papers(me.run(lease, 0).await);
    node.stop().await;
}

pub async fn blobs_that_the_lease_does_not_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (job, blobs) = greetings(1);
    let node = serve(1, config(folder.path(), honest())).await;
    let me = Requester::connect(9, &node).await;
    let lease = me.lease(&job, &blobs).await;
    let blob = Blob::of(b"something else");
    assert_eq!(me.call(&Request::PutBlob { lease, blob }).await, Err(RefusalCode::UnknownBlob));
    // Inputs are no outputs.
    assert_eq!(me.get(lease, job.module.blob).await, Err(RefusalCode::UnknownBlob));
    node.stop().await;
}

pub async fn a_task_whose_blob_is_missing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (job, _) = greetings(1);
    let node = serve(1, config(folder.path(), honest())).await;
    let me = Requester::connect(9, &node).await;
    let (lease, missing) = me.offer(&job).await.unwrap();
    assert_eq!(missing.len(), 2);
    assert_eq!(refused(&me.run(lease, 0).await), RefusalCode::UnknownBlob);
    assert_eq!(refused(&me.run(lease, 1).await), RefusalCode::BadLease);
    let unknown = fizz_attest::Digest([7; 32]);
    assert_eq!(refused(&me.run(unknown, 0).await), RefusalCode::UnknownLease);
    node.stop().await;
}

pub async fn a_cancelled_task_stops_and_can_be_begun_again() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::new());
    let (job, blobs) = greetings(2);
    let node = serve(1, config(folder.path(), gate.worker())).await;
    let me = Requester::connect(9, &node).await;
    let lease = me.lease(&job, &blobs).await;
    let (mut running, mut waiting) = (me.begin(lease, 0).await, me.begin(lease, 1).await);
    let held = gate.reached().await;
    // Both are known by now: the second was answered.
    assert!(matches!(waiting.receive().await.unwrap(), Reply::Queued { .. }));
    assert_eq!(me.call(&Request::Cancel { lease }).await, Ok(Reply::Cancelled { tasks: 2 }));
    for channel in [&mut running, &mut waiting] {
        assert_eq!(refused(&last(channel).await), RefusalCode::UnknownLease);
    }
    drop(held);
    let mut again = me.begin(lease, 0).await;
    gate.reached().await.go();
    papers(last(&mut again).await);
    assert_eq!(me.call(&Request::Cancel { lease }).await, Ok(Reply::Cancelled { tasks: 0 }));
    node.stop().await;
}

pub async fn a_full_queue_is_busy() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::new());
    let (job, blobs) = greetings(3);
    let mut config = config(folder.path(), gate.worker());
    config.max_waiting = 1;
    let node = serve(1, config).await;
    let me = Requester::connect(9, &node).await;
    let lease = me.lease(&job, &blobs).await;
    let _running = me.begin(lease, 0).await;
    let _held = gate.reached().await;
    let mut waiting = me.begin(lease, 1).await;
    assert_eq!(waiting.receive::<Reply>().await.unwrap(), Reply::Queued { ahead: 0 });
    assert_eq!(refused(&me.run(lease, 2).await), RefusalCode::Busy);
    let status = me.status().await;
    assert_eq!((status.running, status.queued, status.leases), (1, 1, 1));
    node.stop().await;
}

pub async fn a_full_store_takes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), honest());
    config.max_store_bytes = 1 << 20;
    config.max_memory_bytes = 64 << 20;
    let node = serve(1, config).await;
    let me = Requester::connect(9, &node).await;
    let with_input = |bytes: &[u8]| {
        let mut job = job::job(&job::guest(""));
        job.limits.output_bytes = 1 << 20;
        job.inputs = vec![InputFile { path: "/in".into(), blob: Blob::of(bytes) }];
        job
    };
    assert_eq!(me.offer(&with_input(&vec![1; 2 << 20])).await, Err(RefusalCode::TooLarge));
    // It fits, and is taken; then nothing else of that size does, though not a byte of it has come.
    let first = with_input(&vec![2; 600 << 10]);
    let (lease, _) = me.offer(&first).await.unwrap();
    let second = with_input(&vec![3; 600 << 10]);
    let (other, _) = me.offer(&second).await.unwrap();
    let put = |lease, job: &Job| Request::PutBlob { lease, blob: job.inputs[0].blob };
    let mut coming = me.peer.begin(&put(lease, &first)).await.unwrap();
    assert_eq!(coming.receive::<Reply>().await.unwrap(), Reply::Continue { from: 0 });
    assert_eq!(me.call(&put(other, &second)).await, Err(RefusalCode::Busy));
    assert_eq!(me.offer(&with_input(&vec![4; 600 << 10])).await, Err(RefusalCode::Busy));
    node.stop().await;
}

pub async fn a_worker_that_cannot_be_right_is_not_signed_for() {
    let (job, blobs) = greetings(1);
    let claims = [
        "a-missing-file",
        "a-folder",
        "a-bad-output-path",
        "too-much-gas",
        "gas-that-goes-back",
        "a-gpu",
        #[cfg(unix)]
        "a-link",
    ];
    for claim in claims {
        let folder = tempfile::tempdir().unwrap();
        let node = serve(1, config(folder.path(), command("claims", &[claim]))).await;
        let me = Requester::connect(9, &node).await;
        let lease = me.lease(&job, &blobs).await;
        let reply = me.run(lease, 0).await;
        let expected = if claim == "a-missing-file" { HostFault::Store } else { HostFault::WorkerDied };
        assert!(matches!(&reply, Reply::Fault { kind, .. } if *kind == expected), "{claim}: {reply:?}");
        assert_eq!(me.status().await.faults, 1);
        node.stop().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let node = serve(1, config(folder.path(), command("claims", &["nothing-wrong"]))).await;
    let me = Requester::connect(9, &node).await;
    let lease = me.lease(&job, &blobs).await;
    assert_eq!(papers(me.run(lease, 0).await).1.stdout, Blob::of(b"bytes"));
    node.stop().await;
}

pub async fn a_stopped_node_lets_go_of_its_store() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::new());
    let (job, blobs) = greetings(2);
    let node = serve(1, config(folder.path(), gate.worker())).await;
    let me = Requester::connect(9, &node).await;
    let lease = me.lease(&job, &blobs).await;
    let _running = me.begin(lease, 0).await;
    let _held = gate.reached().await;
    node.stop().await;
    me.peer.closed().await;
    let store = Store::open(folder.path(), 1 << 30).unwrap();
    assert_eq!(store.lease_count().unwrap(), 1);
    assert_eq!(store.result(&lease, 0).unwrap(), None);
    assert_eq!(std::fs::read_dir(folder.path().join("scratch")).unwrap().count(), 0);
}

pub async fn an_invalid_module_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let whole = job::guest("");
    let unknown = wat::parse_str(
        r#"(module (import "env" "missing" (func)) (memory (export "memory") 1) (func (export "_start")))"#,
    );
    let node = serve(1, config(folder.path(), honest())).await;
    let me = Requester::connect(9, &node).await;
    for (module, word) in [(whole[..whole.len() - 3].to_vec(), ""), (unknown.unwrap(), "missing")] {
        let mut job = job::job(&module);
        job.tasks = vec![Task::default()];
        let lease = me.lease(&job, &[Arc::from(module)]).await;
        let reply = me.run(lease, 0).await;
        assert_eq!(refused(&reply), RefusalCode::BadJob);
        let Reply::Refused(refusal) = reply else { panic!("not refused") };
        assert!(
            refusal.message.contains("module cannot be run") && refusal.message.contains(word),
            "{refusal}"
        );
    }
    node.stop().await;
}
