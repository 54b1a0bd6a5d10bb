//! Who does which task, and what becomes of nodes that fail.

use std::collections::BTreeSet;

use fizz_client::{News, NodeAddress, SubmitError};
use fizz_exec::{Difference, OutputName};
use fizz_node::{Drill, NodeConfig};
use tokio::sync::oneshot;

use crate::jobs::{address, ready, requester};
use crate::support::job::{greeting, greetings, key};
use crate::support::node::{Requester, config, serve};
use crate::support::worker::{Gate, command, honest};

pub async fn nodes_share_the_tasks() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let nodes = [
        serve(1, config(folders[0].path(), honest())).await,
        serve(2, config(folders[1].path(), honest())).await,
    ];
    let (job, blobs) = greetings(8);
    let (report, _folder) = ready(&job, &blobs, nodes.iter().map(address).collect()).run().await;
    assert_eq!((report.reached, report.missing.as_slice()), (2, [].as_slice()));
    for (task, (node, delivery)) in &report.deliveries {
        assert_eq!(delivery.read(&OutputName::Stdout).unwrap(), greeting(*task));
        assert_eq!(delivery.checked.receipt.node, nodes[*node].key);
    }
    assert_eq!(report.deliveries.len(), 8);
    let workers: BTreeSet<usize> = report.deliveries.values().map(|(node, _)| *node).collect();
    assert_eq!(workers, BTreeSet::from([0, 1]));
    let checked: BTreeSet<usize> = report.passed.iter().map(|(node, _)| *node).collect();
    assert_eq!((checked, report.passed.len()), (workers, 2));
    assert!(report.caught.is_empty() && report.inconclusive.is_empty());
    for node in nodes {
        node.stop().await;
    }
}

pub async fn a_node_that_stops_in_the_middle_has_its_task_done_by_another() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let gate = Gate::new();
    let mortal = serve(1, config(folders[0].path(), gate.worker())).await;
    let other = serve(2, config(folders[1].path(), honest())).await;
    let (job, blobs) = greetings(4);
    let nodes = vec![address(&mortal), address(&other)];
    let dying = tokio::spawn(async move {
        let _held = gate.reached().await;
        mortal.stop().await;
    });
    let mut lost = Vec::new();
    let (report, _folder) = ready(&job, &blobs, nodes)
        .run_hearing(|news| {
            if let News::NodeLost { node, .. } = news {
                lost.push(node);
            }
        })
        .await;
    dying.await.unwrap();
    assert_eq!(lost, [0]);
    assert_eq!(report.deliveries.len(), 4);
    assert!(report.deliveries.values().all(|(node, _)| *node == 1));
    assert!(report.reasons[0].1.contains("the node stops"), "{:?}", report.reasons);
    other.stop().await;
}

pub async fn a_node_that_lies_is_caught_and_its_tasks_are_done_again() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let drill = NodeConfig { drill: Some(Drill::WrongOutput), ..config(folders[0].path(), honest()) };
    let liar = serve(1, drill).await;
    let other = serve(2, config(folders[1].path(), honest())).await;
    let (job, blobs) = greetings(6);
    let mut caught = Vec::new();
    let (report, _folder) = ready(&job, &blobs, vec![address(&liar), address(&other)])
        .run_hearing(|news| {
            if let News::Caught { node, differences, again, .. } = news {
                caught.push((node, differences, again));
            }
        })
        .await;
    let [(0, differences, again)] = caught.as_slice() else { panic!("{caught:?}") };
    assert!(!again.is_empty());
    assert!(matches!(differences.as_slice(), [Difference::Output { .. }]), "{differences:?}");
    let [(0, evidence)] = report.caught.as_slice() else { panic!("{:?}", report.caught) };
    assert_eq!(evidence.checked.receipt.node, liar.key);
    assert!(evidence.file.to_file().check().is_ok());
    assert_eq!(report.deliveries.len(), 6);
    for (task, (node, delivery)) in &report.deliveries {
        assert_eq!((*node, delivery.read(&OutputName::Stdout).unwrap()), (1, greeting(*task)));
    }
    assert!(report.passed.iter().all(|(node, _)| *node == 1));
    liar.stop().await;
    other.stop().await;
}

pub async fn a_node_with_another_key_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let node = serve(1, config(folder.path(), honest())).await;
    let (job, blobs) = greetings(1);
    let wrong = NodeAddress { key: Some(key(7).public()), address: node.address };
    let (report, _folder) = ready(&job, &blobs, vec![wrong]).run().await;
    assert_eq!((report.reached, report.missing.as_slice()), (0, [0].as_slice()));
    let [(0, reason)] = report.reasons.as_slice() else { panic!("{:?}", report.reasons) };
    assert!(
        reason.contains(&node.key.to_string()) && reason.contains(&key(7).public().to_string()),
        "{reason}"
    );
    // Any key will do where none is asked for.
    let any = NodeAddress { key: None, address: node.address };
    let (report, _folder) = ready(&job, &blobs, vec![any]).run().await;
    assert_eq!(report.deliveries.len(), 1);
    node.stop().await;
}

pub async fn a_node_that_refuses_is_lost_with_its_words() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let poor = NodeConfig { max_gas: 5, ..config(folders[0].path(), honest()) };
    let poor = serve(1, poor).await;
    let other = serve(2, config(folders[1].path(), honest())).await;
    let (job, blobs) = greetings(3);
    let (report, _folder) = ready(&job, &blobs, vec![address(&poor), address(&other)]).run().await;
    assert!(report.deliveries.len() == 3 && report.deliveries.values().all(|(node, _)| *node == 1));
    let [(0, reason)] = report.reasons.as_slice() else { panic!("{:?}", report.reasons) };
    assert!(reason.contains("too_large") && reason.contains("gas is over this node's 5"), "{reason}");
    let (report, _folder) = ready(&job, &blobs, vec![address(&poor)]).run().await;
    assert_eq!(report.missing, [0, 1, 2]);
    poor.stop().await;
    other.stop().await;
}

pub async fn a_node_named_twice_is_used_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = serve(1, config(folder.path(), honest())).await;
    let (job, blobs) = greetings(2);
    let (report, _folder) = ready(&job, &blobs, vec![address(&node), address(&node)]).run().await;
    assert_eq!((report.reached, report.deliveries.len()), (1, 2));
    let [(_, reason)] = report.reasons.as_slice() else { panic!("{:?}", report.reasons) };
    assert!(reason.contains("the same node"), "{reason}");
    node.stop().await;
}

pub async fn an_address_that_cannot_be_is_given_up_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = serve(1, config(folder.path(), honest())).await;
    // No packet leaves for port 0.
    let nowhere = NodeAddress { key: None, address: ([127, 0, 0, 1], 0).into() };
    let (job, blobs) = greetings(1);
    let (report, _folder) = ready(&job, &blobs, vec![nowhere, address(&node)]).run().await;
    assert_eq!((report.reached, report.deliveries.len(), report.reasons.len()), (1, 1, 1));
    node.stop().await;
}

pub async fn an_interrupted_job_stops_on_the_nodes() {
    let (folder, gate) = (tempfile::tempdir().unwrap(), Gate::new());
    let node = serve(1, config(folder.path(), gate.worker())).await;
    let (job, blobs) = greetings(3);
    let (interrupt, interrupted) = oneshot::channel();
    let reached = tokio::spawn(async move {
        let held = gate.reached().await;
        interrupt.send(()).unwrap();
        held
    });
    let stop = async { interrupted.await.unwrap() };
    let (ended, staging) = ready(&job, &blobs, vec![address(&node)]).run_until(stop, |_| {}).await;
    assert!(matches!(ended, Err(SubmitError::Interrupted)));
    let _held = reached.await.unwrap();
    // Nothing of it goes on: not on the node, and not here.
    let me = Requester::connect(requester().to_bytes()[0], &node).await;
    loop {
        let status = me.status().await;
        if (status.running, status.queued) == (0, 0) {
            assert_eq!((status.done, status.faults), (0, 0));
            break;
        }
    }
    assert_eq!(std::fs::read_dir(staging.path()).unwrap().count(), 0);
    node.stop().await;
}

pub async fn a_blob_that_the_requester_lacks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let node = serve(1, config(folder.path(), honest())).await;
    let (job, blobs) = greetings(1);
    let (report, _folder) = ready(&job, &blobs[..1], vec![address(&node)]).run().await;
    assert_eq!(report.missing, [0]);
    let wanted = job.tasks[0].inputs[0].blob.content.to_string();
    assert!(report.reasons[0].1.contains(&wanted), "{:?}", report.reasons);
    node.stop().await;
}

/// A node whose worker does nothing and says that it did.
pub async fn a_node_that_does_nothing_is_caught() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let liar = serve(1, config(folders[0].path(), command("claims", &["nothing-wrong"]))).await;
    let other = serve(2, config(folders[1].path(), honest())).await;
    let (job, blobs) = greetings(2);
    let (report, _folder) = ready(&job, &blobs, vec![address(&liar), address(&other)]).run().await;
    // Well signed, but wrong: outputs and gas differ.
    assert_eq!(report.caught.iter().map(|(node, _)| *node).collect::<Vec<_>>(), [0]);
    assert!(report.deliveries.len() == 2 && report.deliveries.values().all(|(node, _)| *node == 1));
    liar.stop().await;
    other.stop().await;
}
