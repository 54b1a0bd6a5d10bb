//! What a node answers: one function a request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fizz_attest::{Blob, Digest, PublicKey};
use fizz_wire::blob::{
    DecodeError, FeedError, OpenReceiverError, ReceiveBlobError, SendBlobError, TransferError,
};
use fizz_wire::message::choose_protocol;
use fizz_wire::{CallError, Channel, Peer, ReceiveError, Refusal, RefusalCode, Reply, Request, StatusReport};

use crate::node::{Shared, TOO_FAR, now_seconds};
use crate::store::{StoreError, StoredLease, StoredResult};
use crate::tasks::TaskState;

/// Each reply and each 16 KiB of a blob must come or go within this.
const STALL: Duration = Duration::from_secs(30);
/// How long an upload waits for another one of the same blob by the same requester.
const TURN: Duration = Duration::from_secs(10);

/// A request is not answered as asked.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
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
        ServeError::Receive(error @ ReceiveError::Frame(_)) => {
            tracing::info!(peer = %key, %error, "the peer broke the protocol");
            peer.close(TOO_FAR, &error.to_string());
            return;
        }
        error => match refusal(error) {
            Ok(refusal) => refusal,
            Err(error) => {
                tracing::debug!(peer = %key, %error, "a request ended early");
                return;
            }
        },
    };
    tracing::info!(peer = %key, %refusal, "refused");
    let _ = channel.send(&Reply::Refused(refusal)).await;
    let _ = channel.writer.finish();
}

/// What the peer is told; nothing where it is gone or silent.
fn refusal(error: ServeError) -> Result<Refusal, ServeError> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "the node failed");
        Ok(Refusal::new(RefusalCode::Internal, "the node failed; its log says how"))
    };
    let bad_blob = |error: DecodeError| Ok(Refusal::new(RefusalCode::BadBlob, &error.to_string()));
    match error {
        ServeError::Refused(refusal) => Ok(refusal),
        ServeError::Store(error @ (StoreError::Full { .. } | StoreError::TooManyLeases)) => {
            Ok(Refusal::new(RefusalCode::Busy, &error.to_string()))
        }
        ServeError::Store(StoreError::Receiver(OpenReceiverError::Decode(error)))
        | ServeError::Transfer(TransferError::Receive(ReceiveBlobError::Feed(FeedError::Decode(error)))) => {
            bad_blob(error)
        }
        ServeError::Store(error) => failed(&error),
        ServeError::Transfer(TransferError::Receive(ReceiveBlobError::Feed(error))) => failed(&error),
        ServeError::Transfer(TransferError::Send(SendBlobError::Source(error))) => failed(&error),
        ServeError::Blocking => failed(&error),
        error => Err(error),
    }
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
            let owned = leased(shared, peer, lease).await?;
            let store = shared.clone();
            let source = blocking(move || -> Result<_, StoreError> {
                let known = store.store.is_output(&lease, &blob)?;
                Ok(store.store.source(&owned.lease.requester, &blob).filter(|_| known))
            });
            let Some(source) = source.await?? else {
                return Err(refuse(RefusalCode::UnknownBlob, "the lease has no such output"));
            };
            channel.give_blob(&source, from, STALL).await?;
        }
        Request::Status => channel.send(&Reply::Status(status(shared).await?)).await?,
        Request::Cancel { lease } => {
            leased(shared, peer, lease).await?;
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
    // No queue: each offer that waited here would hold its job in memory.
    let Ok(deciding) = shared.offers.try_acquire() else {
        return Err(refuse(RefusalCode::Busy, "too many offers at once"));
    };
    let shared = shared.clone();
    // Decoding up to 17 MiB and a durable write.
    let missing = blocking(move || -> Result<Vec<Blob>, ServeError> {
        let Shared { admission, store, .. } = &*shared;
        let has = |blob: &Blob| store.has(&peer, blob);
        let admitted = admission.admit(peer, &lease, &job, now_seconds(), store.bytes(), has)?;
        store.put_lease(&admitted.lease, &admitted.envelope, &job, admitted.keep_until)?;
        let blobs = admitted.job.blobs(admitted.lease.tasks.iter().copied());
        Ok(blobs.into_iter().filter(|blob| !store.has(&peer, blob)).collect())
    })
    .await??;
    drop(deciding);
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
    let lease = leased(shared, peer, digest).await?;
    if !lease.job.blobs(lease.lease.tasks.iter().copied()).contains(&blob) {
        return Err(refuse(RefusalCode::UnknownBlob, "the lease names no such blob"));
    }
    drop(lease);
    let lock = shared.incoming(peer, blob.content);
    let Ok(alone) = tokio::time::timeout(TURN, lock.lock_owned()).await else {
        return Err(refuse(RefusalCode::Busy, "the same blob is coming in on another stream"));
    };
    let store = shared.clone();
    let missing = blocking(move || match store.store.has(&peer, &blob) {
        true => Ok(None),
        false => store.store.receiver(&peer, &blob).map(Some),
    });
    if let Some(mut receiver) = missing.await?? {
        channel.take_blob(&mut receiver, STALL).await?;
        let store = shared.clone();
        blocking(move || {
            // Placing a file goes on when the request is gone, and nobody may open it meanwhile.
            let _alone = alone;
            store.store.adopt(&peer, receiver)
        })
        .await??;
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
    let lease = leased(shared, peer, digest).await?;
    if !lease.lease.tasks.contains(&task) {
        return Err(refuse(RefusalCode::BadLease, "the lease has no such task"));
    }
    let store = shared.clone();
    let done = blocking(move || -> Result<_, ServeError> {
        if let Some(result) = store.store.result(&digest, task)? {
            return Ok(Some(result));
        }
        if lease.lease.expires <= now_seconds() {
            return Err(refuse(RefusalCode::Expired, "the lease is over"));
        }
        match lease.job.blobs([task]).iter().all(|blob| store.store.has(&peer, blob)) {
            true => Ok(None),
            false => Err(refuse(RefusalCode::UnknownBlob, "a blob that the task needs is missing")),
        }
    });
    // What is done needs no slot.
    if let Some(StoredResult { receipt, manifest }) = done.await?? {
        channel.send(&Reply::Done { receipt, manifest }).await?;
        return Ok(());
    }
    let Some(mut states) = shared.task(digest, task) else {
        return Err(refuse(RefusalCode::Busy, "too many tasks wait"));
    };
    loop {
        let state = states.borrow_and_update().clone();
        let reply = match state {
            TaskState::Queued(ahead) => Reply::Queued { ahead },
            TaskState::Running(0) => Reply::Started,
            TaskState::Running(gas) => Reply::Progress { gas },
            TaskState::Done(StoredResult { receipt, manifest }) => {
                return Ok(channel.send(&Reply::Done { receipt, manifest }).await?);
            }
            TaskState::Fault(kind, detail) => return Ok(channel.send(&Reply::fault(kind, &detail)).await?),
            TaskState::Refused(code, reason) => return Err(refuse(code, &reason)),
        };
        channel.send(&reply).await?;
        tokio::select! {
            changed = states.changed() => {
                if changed.is_err() {
                    return Err(refuse(RefusalCode::UnknownLease, "the task was cancelled"));
                }
            }
            // The peer reads no more, or is gone. The task goes on without it.
            _ = channel.writer.delivered() => return Ok(()),
        }
    }
}

async fn status(shared: &Arc<Shared>) -> Result<StatusReport, ServeError> {
    let store = shared.clone();
    let leases = blocking(move || store.store.lease_count()).await??;
    let tasks = &shared.tasks;
    Ok(StatusReport {
        fizz: env!("CARGO_PKG_VERSION").into(),
        uptime_seconds: shared.started.elapsed().as_secs(),
        slots: tasks.slot_count,
        running: tasks.running(),
        queued: tasks.waiting(),
        done: tasks.done.load(Ordering::Relaxed),
        faults: tasks.faults.load(Ordering::Relaxed),
        leases: leases.try_into().unwrap_or(u32::MAX),
        connections: shared.endpoint.connections().try_into().unwrap_or(u32::MAX),
        stored_bytes: shared.store.bytes(),
    })
}

/// The lease, if it is this peer's.
async fn leased(
    shared: &Arc<Shared>,
    peer: PublicKey,
    digest: Digest,
) -> Result<Arc<StoredLease>, ServeError> {
    let store = shared.clone();
    let Some(lease) = blocking(move || store.store.lease(&digest)).await?? else {
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
