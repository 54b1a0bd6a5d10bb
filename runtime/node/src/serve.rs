//! What a node answers: one function a request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fizz_attest::{Blob, Digest, PublicKey};
use fizz_wire::message::choose_protocol;
use fizz_wire::{CallError, Channel, Peer, ReceiveError, Refusal, RefusalCode, Reply, Request, StatusReport};

use crate::node::{Shared, TOO_FAR, now_seconds};
use crate::store::{StoreError, StoredLease};
use crate::tasks::TaskState;

/// Each reply and each 16 KiB of a blob must come or go within this.
const STALL: Duration = Duration::from_secs(30);

/// A request is not answered as asked.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Transfer(#[from] fizz_wire::blob::TransferError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error("a blocking task failed")]
    Blocking,
}

impl From<fizz_wire::SendError> for ServeError {
    fn from(error: fizz_wire::SendError) -> ServeError {
        ServeError::Call(error.into())
    }
}

/// Serves a peer until it is gone.
pub(crate) async fn peer(shared: Arc<Shared>, peer: Peer) {
    tracing::debug!(peer = %peer.key(), address = %peer.address(), "connected");
    while let Ok(channel) = peer.accept().await {
        tokio::spawn(request(shared.clone(), peer.clone(), channel));
    }
}

async fn request(shared: Arc<Shared>, peer: Peer, mut channel: Channel) {
    let key = peer.key();
    let error = match answer(&shared, key, &mut channel).await {
        Ok(()) => return,
        Err(error) => error,
    };
    let refusal = match error {
        ServeError::Refused(refusal) => refusal,
        ServeError::Store(error) => {
            tracing::error!(%error, "the store failed");
            Refusal::new(RefusalCode::Internal, "the node's store failed")
        }
        ServeError::Receive(error @ ReceiveError::Frame(_)) => {
            tracing::info!(peer = %key, %error, "the peer broke the protocol");
            peer.close(TOO_FAR, &error.to_string());
            return;
        }
        error => {
            tracing::debug!(peer = %key, %error, "a request ended early");
            return;
        }
    };
    tracing::info!(peer = %key, %refusal, "refused");
    let _ = channel.send(&Reply::Refused(refusal)).await;
    let _ = channel.writer.finish();
}

async fn answer(shared: &Arc<Shared>, peer: PublicKey, channel: &mut Channel) -> Result<(), ServeError> {
    match channel.reader.receive_within::<Request>(STALL).await? {
        Request::Hello { protocols, fizz } => {
            tracing::debug!(%peer, fizz, "hello");
            let Some(protocol) = choose_protocol(&protocols) else {
                return Err(refuse(RefusalCode::Unsupported, "no common version of the protocol"));
            };
            let fizz = env!("CARGO_PKG_VERSION").into();
            channel.send(&Reply::Welcome { protocol, fizz, node: shared.info() }).await?;
        }
        Request::Offer { lease, job } => offer(shared, peer, channel, lease, job).await?,
        Request::PutBlob { lease, blob } => put_blob(shared, peer, channel, lease, blob).await?,
        Request::Run { lease, task } => run(shared, peer, channel, lease, task).await?,
        Request::GetBlob { lease, blob, from } => {
            leased(shared, peer, &lease)?;
            let known = shared.store.is_output(&lease, &blob)?;
            let Some(source) = shared.store.source(&blob).filter(|_| known) else {
                return Err(refuse(RefusalCode::UnknownBlob, "the lease has no such output"));
            };
            channel.give_blob(&source, from, STALL).await?;
        }
        Request::Status => channel.send(&Reply::Status(status(shared)?)).await?,
        Request::Cancel { lease } => {
            leased(shared, peer, &lease)?;
            channel.send(&Reply::Cancelled { tasks: shared.tasks.cancel(&lease) }).await?;
        }
    }
    // A peer that has gone by now has what it wanted.
    let _ = channel.writer.finish();
    Ok(())
}

async fn offer(
    shared: &Arc<Shared>,
    peer: PublicKey,
    channel: &mut Channel,
    lease: Vec<u8>,
    job: Vec<u8>,
) -> Result<(), ServeError> {
    let shared = shared.clone();
    // Decoding up to 17 MiB and a durable write.
    let missing = blocking(move || -> Result<Vec<Blob>, ServeError> {
        let admitted = shared.admission.admit(peer, &lease, &job, now_seconds(), shared.store.bytes())?;
        shared.store.put_lease(&admitted.lease, &admitted.envelope, &job, admitted.keep_until)?;
        let blobs = admitted.job.blobs(admitted.lease.tasks.iter().copied());
        Ok(blobs.into_iter().filter(|blob| !shared.store.has(blob)).collect())
    })
    .await??;
    channel.send(&Reply::Accepted { missing }).await?;
    Ok(())
}

async fn put_blob(
    shared: &Arc<Shared>,
    peer: PublicKey,
    channel: &mut Channel,
    digest: Digest,
    blob: Blob,
) -> Result<(), ServeError> {
    let lease = leased(shared, peer, &digest)?;
    if !lease.job.blobs(lease.lease.tasks.iter().copied()).contains(&blob) {
        return Err(refuse(RefusalCode::UnknownBlob, "the lease names no such blob"));
    }
    let lock = shared.incoming(blob.content);
    let _alone = lock.lock().await;
    if !shared.store.has(&blob) {
        let store = shared.clone();
        let mut receiver = blocking(move || store.store.receiver(&blob)).await??;
        channel.take_blob(&mut receiver, STALL).await?;
        let store = shared.clone();
        blocking(move || store.store.adopt(receiver)).await??;
    }
    channel.send(&Reply::Stored).await?;
    Ok(())
}

async fn run(
    shared: &Arc<Shared>,
    peer: PublicKey,
    channel: &mut Channel,
    digest: Digest,
    task: u32,
) -> Result<(), ServeError> {
    let lease = leased(shared, peer, &digest)?;
    if !lease.lease.tasks.contains(&task) {
        return Err(refuse(RefusalCode::BadLease, "the lease has no such task"));
    }
    let done = shared.store.result(&digest, task)?.is_some();
    if !done && lease.lease.expires <= now_seconds() {
        return Err(refuse(RefusalCode::Expired, "the lease is over"));
    }
    if !done && lease.job.blobs([task]).iter().any(|blob| !shared.store.has(blob)) {
        return Err(refuse(RefusalCode::UnknownBlob, "a blob that the task needs is missing"));
    }
    let Some(mut states) = shared.task(digest, lease, task) else {
        return Err(refuse(RefusalCode::Busy, "too many tasks wait"));
    };
    loop {
        let state = states.borrow_and_update().clone();
        let (reply, last) = match state {
            TaskState::Queued(ahead) => (Reply::Queued { ahead }, false),
            TaskState::Running(0) => (Reply::Started, false),
            TaskState::Running(gas) => (Reply::Progress { gas }, false),
            TaskState::Done(result) => {
                (Reply::Done { receipt: result.receipt, manifest: result.manifest }, true)
            }
            TaskState::Fault(kind, detail) => (Reply::fault(kind, &detail), true),
            TaskState::Rejected(reason) => return Err(refuse(RefusalCode::BadJob, &reason)),
        };
        channel.send(&reply).await?;
        if last {
            return Ok(());
        }
        if states.changed().await.is_err() {
            return Err(refuse(RefusalCode::UnknownLease, "the task was cancelled"));
        }
    }
}

fn status(shared: &Shared) -> Result<StatusReport, ServeError> {
    let tasks = &shared.tasks;
    Ok(StatusReport {
        fizz: env!("CARGO_PKG_VERSION").into(),
        uptime_seconds: shared.started.elapsed().as_secs(),
        slots: tasks.slot_count,
        running: tasks.running.load(Ordering::Relaxed),
        queued: tasks.waiting.load(Ordering::Relaxed),
        done: tasks.done.load(Ordering::Relaxed),
        faults: tasks.faults.load(Ordering::Relaxed),
        leases: shared.store.lease_count()?.try_into().unwrap_or(u32::MAX),
        connections: shared.endpoint.connections().try_into().unwrap_or(u32::MAX),
        stored_bytes: shared.store.bytes(),
    })
}

/// The lease, if it is this peer's.
fn leased(shared: &Shared, peer: PublicKey, digest: &Digest) -> Result<StoredLease, ServeError> {
    let Some(lease) = shared.store.lease(digest)? else {
        return Err(refuse(RefusalCode::UnknownLease, "this node has no such lease"));
    };
    match lease.lease.requester == peer {
        true => Ok(lease),
        false => Err(refuse(RefusalCode::NotYours, "the lease is another peer's")),
    }
}

fn refuse(code: RefusalCode, message: &str) -> ServeError {
    ServeError::Refused(Refusal::new(code, message))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServeError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ServeError::Blocking)
}
