//! Submissions made easily.

use std::sync::Arc;
use std::time::Duration;

use fizz_attest::{Job, SecretKey};
use fizz_client::{JobBlobs, News, NodeAddress, Report, Submission, SubmitError, submit};
use fizz_exec::Executor;

use crate::support::job::key;
use crate::support::node::{LONG, Served};

/// The requester of all tests.
pub fn requester() -> SecretKey {
    key(9)
}

pub fn address(node: &Served) -> NodeAddress {
    NodeAddress { key: Some(node.key), address: node.address }
}

/// A submission with the folder that it stages in.
pub struct Ready {
    pub submission: Submission,
    pub folder: tempfile::TempDir,
}

pub fn ready(job: &Job, blobs: &[Arc<[u8]>], nodes: Vec<NodeAddress>) -> Ready {
    let folder = tempfile::tempdir().unwrap();
    let mut known = JobBlobs::default();
    for bytes in blobs {
        known.add_bytes(bytes.clone());
    }
    let submission = Submission {
        job: job.clone(),
        blobs: known,
        nodes,
        key: requester(),
        sample: 1,
        task_time: LONG,
        gather: Duration::from_secs(10),
        staging: folder.path().to_owned(),
    };
    Ready { submission, folder }
}

impl Ready {
    /// Runs it to its end; `hear` is told what happens.
    pub async fn run_hearing(self, hear: impl FnMut(News)) -> (Report, tempfile::TempDir) {
        let executor = Arc::new(Executor::new(None).unwrap());
        let report = submit(self.submission, executor, std::future::pending(), hear).await.unwrap();
        (report, self.folder)
    }

    pub async fn run(self) -> (Report, tempfile::TempDir) {
        self.run_hearing(|_| {}).await
    }

    pub async fn run_until(
        self,
        stop: impl Future<Output = ()>,
        hear: impl FnMut(News),
    ) -> (Result<Report, SubmitError>, tempfile::TempDir) {
        let executor = Arc::new(Executor::new(None).unwrap());
        (submit(self.submission, executor, stop, hear).await, self.folder)
    }
}
