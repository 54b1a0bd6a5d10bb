//! One node as the requester speaks to it: each function is one request with all that belongs to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fizz_attest::{Blob, Canonical, CanonicalError, Digest, Envelope, HostFault, ReceiptError};
use fizz_wire::blob::{OpenReceiverError, TransferError};
use fizz_wire::message::PROTOCOLS;
use fizz_wire::{BlobReceiver, CallError, DialError, Endpoint, NodeInfo, Peer, RefusalCode, Reply, Request};
use tokio::time::{Instant, timeout};

use crate::address::NodeAddress;
use crate::blobs::JobBlobs;
use crate::delivery::{self, Checked, Delivery, Ground, output_path};

/// Each reply that needs no work, and each 16 KiB of a blob, must come within this.
const STALL: Duration = Duration::from_secs(30);
/// Bytes a second that a transfer must make on the whole. A node that only just never stalls would hold up a job for
/// days.
const SLOWEST: u64 = 64 << 10;
/// How long to wait before a busy node is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(500);
/// How long a node may have no room for a lease or its blobs.
const BUSY_WITHIN: Duration = Duration::from_secs(60);

/// A node cannot be used any further.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It does not answer, or refuses.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A blob did not go through.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// It asks for a blob that is not here.
    #[error("it asks for the blob {0}, which is not among the job's")]
    UnknownBlob(Digest),
    /// It takes or gives blobs too slowly.
    #[error("it moved less than {SLOWEST} bytes a second")]
    Slow,
    /// It is another address of a node that is used already, or was.
    #[error("it is the same node as number {}", .0 + 1)]
    SameNode(usize),
    /// Its papers are not canonical.
    #[error("it sent bad papers: {0}")]
    Papers(#[from] CanonicalError),
    /// Its receipt does not hold.
    #[error("it sent a bad receipt: {0}")]
    Receipt(#[from] ReceiptError),
    /// Its receipt is for something else.
    #[error("it sent a receipt for another {0}")]
    OtherReceipt(&'static str),
    /// It claims more output than the job allows.
    #[error("it claims {bytes} bytes in {files} output files, more than the job allows")]
    TooMuchOutput {
        /// Bytes claimed.
        bytes: u64,
        /// Files claimed.
        files: usize,
    },
    /// An output cannot be kept here.
    #[error("an output cannot be kept")]
    Keep(#[from] OpenReceiverError),
    /// A folder for outputs cannot be made here.
    #[error("cannot make the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// How a request to run a task ended, while the node stays usable.
#[derive(Clone, Debug)]
pub(crate) enum Ran {
    Done(Box<Delivery>),
    Fault(HostFault, String),
    /// The node says that nobody can run it.
    Rejected(String),
}

/// What is heard of a task before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Started,
    Gas(u64),
}

/// Dials a node and learns what it offers.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    address: &NodeAddress,
) -> Result<(Peer, NodeInfo), NodeError> {
    let peer = endpoint.dial(address.address, address.key).await?;
    let hello = Request::Hello { protocols: PROTOCOLS.to_vec(), fizz: env!("CARGO_PKG_VERSION").into() };
    match peer.call(&hello, STALL).await? {
        Reply::Welcome { protocol, node, .. } if PROTOCOLS.contains(&protocol) => Ok((peer, node)),
        other => Err(unexpected("welcome", &other)),
    }
}

/// Offers a lease and sends the blobs that the node lacks.
pub(crate) async fn offer(
    peer: &Peer,
    digest: Digest,
    ground: &Ground,
    blobs: &JobBlobs,
) -> Result<(), NodeError> {
    let request = Request::Offer { lease: ground.envelope.to_canonical(), job: ground.job_bytes.to_vec() };
    let give_up = Instant::now() + BUSY_WITHIN;
    let missing = loop {
        match peer.call(&request, STALL).await {
            Ok(Reply::Accepted { missing }) => break missing,
            Ok(other) => return Err(unexpected("accepted", &other)),
            Err(error) if is_busy(&error) && Instant::now() < give_up => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    // A node that names one twice must not have it sent twice.
    let missing: BTreeSet<Blob> = missing.into_iter().collect();
    let bytes = missing.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.size));
    let put_all = async {
        for blob in missing {
            put(peer, digest, &blob, blobs).await?;
        }
        Ok(())
    };
    timeout(BUSY_WITHIN + time_for(bytes), put_all).await.map_err(|_| NodeError::Slow)?
}

async fn put(peer: &Peer, lease: Digest, blob: &Blob, blobs: &JobBlobs) -> Result<(), NodeError> {
    let source = blobs.source(blob).ok_or(NodeError::UnknownBlob(blob.content))?;
    let give_up = Instant::now() + BUSY_WITHIN;
    loop {
        match peer.put_blob(lease, source, STALL).await {
            Err(TransferError::Call(error)) if is_busy(&error) && Instant::now() < give_up => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            put => return put.map(|_| ()).map_err(NodeError::from),
        }
    }
}

fn is_busy(error: &CallError) -> bool {
    matches!(error, CallError::Refused(refusal) if refusal.code == RefusalCode::Busy)
}

fn time_for(bytes: u64) -> Duration {
    STALL + Duration::from_secs(bytes / SLOWEST)
}

/// Has a task run, checks its receipt, and fetches its outputs into `folder`.
pub(crate) async fn run(
    peer: &Peer,
    ground: &Ground,
    (digest, task): (Digest, u32),
    folder: &Path,
    deadline: Instant,
    mut hear: impl FnMut(Heard),
) -> Result<Ran, NodeError> {
    let (receipt, manifest) = loop {
        match ask(peer, digest, task, deadline, &mut hear).await? {
            Answer::Done { receipt, manifest } => break (receipt, manifest),
            Answer::Ended(ran) => return Ok(ran),
            Answer::Busy => tokio::time::sleep(BUSY_PAUSE).await,
        }
        if Instant::now() >= deadline {
            return Ok(Ran::Fault(HostFault::TimedOut, "the node was busy all the time".into()));
        }
    };
    let (file, checked) = delivery::check(Envelope::from_canonical(&receipt)?, manifest, ground)?;
    if checked.receipt.result.task != task {
        return Err(NodeError::OtherReceipt("task"));
    }
    if checked.receipt.lease != digest {
        return Err(NodeError::OtherReceipt("lease"));
    }
    fetch(peer, digest, &checked, folder).await?;
    Ok(Ran::Done(Box::new(Delivery { file, checked, folder: folder.to_owned() })))
}

enum Answer {
    Done { receipt: Vec<u8>, manifest: Vec<u8> },
    Ended(Ran),
    Busy,
}

async fn ask(
    peer: &Peer,
    lease: Digest,
    task: u32,
    deadline: Instant,
    hear: &mut impl FnMut(Heard),
) -> Result<Answer, NodeError> {
    let mut channel = peer.begin(&Request::Run { lease, task }).await?;
    loop {
        let wait = deadline.saturating_duration_since(Instant::now());
        let Ok(reply) = timeout(wait, channel.reader.receive_within::<Reply>(wait)).await else {
            return Ok(Answer::Ended(Ran::Fault(HostFault::TimedOut, "the node took too long".into())));
        };
        match reply.map_err(CallError::from)? {
            Reply::Queued { .. } => {}
            Reply::Started => hear(Heard::Started),
            Reply::Progress { gas } => hear(Heard::Gas(gas)),
            Reply::Done { receipt, manifest } => return Ok(Answer::Done { receipt, manifest }),
            Reply::Fault { kind, message } => return Ok(Answer::Ended(Ran::Fault(kind, message))),
            Reply::Refused(refusal) => match refusal.code {
                RefusalCode::Busy => return Ok(Answer::Busy),
                RefusalCode::BadJob => return Ok(Answer::Ended(Ran::Rejected(refusal.message))),
                _ => return Err(CallError::Refused(refusal).into()),
            },
            other => return Err(unexpected("news of a task", &other)),
        }
    }
}

async fn fetch(peer: &Peer, lease: Digest, checked: &Checked, folder: &Path) -> Result<(), NodeError> {
    let manifest = &checked.manifest;
    let limits = &checked.job.limits;
    let bytes = manifest.blobs().try_fold(0u64, |sum, (_, blob)| sum.checked_add(blob.size));
    let files = manifest.files.len();
    let bytes = match bytes {
        Some(bytes) if bytes <= limits.output_bytes && files as u64 <= limits.files => bytes,
        bytes => return Err(NodeError::TooMuchOutput { bytes: bytes.unwrap_or(u64::MAX), files }),
    };
    std::fs::create_dir_all(folder)
        .map_err(|source| NodeError::Folder { path: folder.to_owned(), source })?;
    let get_all = async {
        for (_, blob) in manifest.blobs() {
            let path = output_path(folder, &blob);
            let mut receiver = BlobReceiver::in_file(blob, &path, &path.with_extension("bao"))?;
            peer.get_blob(lease, &mut receiver, STALL).await?;
        }
        Ok(())
    };
    // Besides the bytes, each file costs a round trip.
    let files = Duration::from_millis(250) * u32::try_from(files).unwrap_or(u32::MAX);
    timeout(time_for(bytes).saturating_add(files), get_all).await.map_err(|_| NodeError::Slow)?
}

fn unexpected(expected: &'static str, reply: &Reply) -> NodeError {
    match reply {
        Reply::Refused(refusal) => CallError::Refused(refusal.clone()).into(),
        reply => CallError::Unexpected { expected, found: reply.name() }.into(),
    }
}
