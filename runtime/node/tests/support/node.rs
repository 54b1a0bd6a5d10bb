//! Nodes on loopback, and requesters that speak to them by hand.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fizz_attest::{Blob, Canonical, Digest, Job, PublicKey};
use fizz_node::worker::WorkerCommand;
use fizz_node::{Node, NodeConfig};
use fizz_wire::{
    BlobReceiver, BlobSource, CallError, Channel, Endpoint, EndpointConfig, Peer, RefusalCode, Reply,
    Request, StatusReport,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::job;

/// Long enough for a loaded machine; a test that meets it has failed.
pub const LONG: Duration = Duration::from_secs(30);

/// A node that serves.
pub struct Served {
    pub address: SocketAddr,
    pub key: PublicKey,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Served {
    /// Stops the node and waits until it has.
    pub async fn stop(self) {
        drop(self.stop);
        self.served.await.unwrap();
    }
}

pub fn config(folder: &Path, worker: WorkerCommand) -> NodeConfig {
    NodeConfig {
        data: folder.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        slots: 1,
        max_waiting: 64,
        max_gas: 1_000_000_000_000,
        max_memory_bytes: 64 << 20,
        max_store_bytes: 256 << 20,
        max_gpu_bytes: 64 << 30,
        max_task_time: LONG,
        worker,
        compile: None,
        max_module_bytes: 1 << 20,
        drill: None,
    }
}

pub async fn serve(seed: u8, config: NodeConfig) -> Served {
    let node = Node::start(job::key(seed), config).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (address, key) = (node.local_addr().unwrap(), node.key());
    let served = tokio::spawn(node.serve(async { drop(stopped.await) }));
    Served { address, key, stop, served }
}

/// A requester with a connection to a node.
pub struct Requester {
    pub seed: u8,
    pub peer: Peer,
    endpoint: Endpoint,
}

impl Requester {
    pub async fn connect(seed: u8, node: &Served) -> Requester {
        let any = ([127, 0, 0, 1], 0).into();
        let endpoint = Endpoint::bind(any, &job::key(seed), EndpointConfig::dial_only()).unwrap();
        let peer = endpoint.dial(node.address, Some(node.key)).await.unwrap();
        Requester { seed, peer, endpoint }
    }

    /// Closes the connection, and waits until the node knows.
    pub async fn leave(self) {
        self.endpoint.close("gone");
        self.endpoint.wait_idle().await;
    }

    pub async fn call(&self, request: &Request) -> Result<Reply, RefusalCode> {
        match self.peer.call(request, LONG).await {
            Ok(reply) => Ok(reply),
            Err(CallError::Refused(refusal)) => Err(refusal.code),
            Err(error) => panic!("{error}"),
        }
    }

    /// Offers all tasks of a job. Returns the lease's digest and what the node lacks.
    pub async fn offer(&self, job: &Job) -> Result<(Digest, Vec<Blob>), RefusalCode> {
        let key = job::key(self.seed);
        let lease = job::lease(job, key.public(), self.peer.key());
        let request = Request::Offer { lease: job::sign(&lease, &key), job: job.to_canonical() };
        match self.call(&request).await? {
            Reply::Accepted { missing } => Ok((lease.digest(), missing)),
            other => panic!("{other:?}"),
        }
    }

    /// Offers all tasks of a job and sends the blobs.
    pub async fn lease(&self, job: &Job, blobs: &[Arc<[u8]>]) -> Digest {
        let (lease, missing) = self.offer(job).await.unwrap();
        for blob in missing {
            let bytes = blobs.iter().find(|bytes| Blob::of(bytes) == blob).unwrap().clone();
            self.peer.put_blob(lease, &BlobSource::of_bytes(bytes), LONG).await.unwrap();
        }
        lease
    }

    pub async fn begin(&self, lease: Digest, task: u32) -> Channel {
        self.peer.begin(&Request::Run { lease, task }).await.unwrap()
    }

    /// Has a task run, and returns the last reply.
    pub async fn run(&self, lease: Digest, task: u32) -> Reply {
        last(&mut self.begin(lease, task).await).await
    }

    pub async fn get(&self, lease: Digest, blob: Blob) -> Result<Vec<u8>, RefusalCode> {
        use fizz_wire::blob::TransferError;
        let mut receiver = BlobReceiver::in_memory(blob, 1 << 20).unwrap();
        match self.peer.get_blob(lease, &mut receiver, LONG).await {
            Ok(()) => Ok(receiver.into_bytes().unwrap()),
            Err(TransferError::Call(CallError::Refused(refusal))) => Err(refusal.code),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn status(&self) -> StatusReport {
        match self.call(&Request::Status).await.unwrap() {
            Reply::Status(report) => report,
            other => panic!("{other:?}"),
        }
    }
}

/// The last reply to a `Run`.
pub async fn last(channel: &mut Channel) -> Reply {
    loop {
        match channel.receive().await.unwrap() {
            Reply::Queued { .. } | Reply::Started | Reply::Progress { .. } => {}
            last => return last,
        }
    }
}

/// The code of a refusal.
pub fn refused(reply: &Reply) -> RefusalCode {
    match reply {
        Reply::Refused(refusal) => refusal.code,
        other => panic!("{other:?}"),
    }
}
