//! One node as the requester speaks to it: each function is one request with all that belongs to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fizz_attest::{
    Blob, Canonical, CanonicalError, CheckedReceipt, Digest, Envelope, HostFault, ReceiptError, ReceiptFile,
};
use fizz_exec::OutputName;
use fizz_wire::blob::{OpenReceiverError, TransferError};
use fizz_wire::message::PROTOCOLS;
use fizz_wire::{BlobReceiver, CallError, DialError, Endpoint, NodeInfo, Peer, RefusalCode, Reply, Request};
use tokio::time::Instant;

use crate::address::NodeAddress;
use crate::blobs::JobBlobs;

/// Each reply that needs no work, and each 16 KiB of a blob, must come within this.
const STALL: Duration = Duration::from_secs(30);
/// How long to wait before a busy node is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(500);

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
    /// It asks for a blob that the job does not name.
    #[error("it asks for a blob that the job does not name")]
    UnknownBlob,
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

/// A task done by a node: its checked papers, and its outputs in files.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The papers.
    pub file: ReceiptFile,
    /// What they say.
    pub checked: CheckedReceipt,
    /// The folder where each output lies under its hash.
    pub folder: PathBuf,
}

impl Delivery {
    /// The bytes of an output.
    ///
    /// # Errors
    /// When there is no such output, or its file is gone.
    pub fn read(&self, name: &OutputName) -> std::io::Result<Vec<u8>> {
        let manifest = &self.checked.manifest;
        let blob = match name {
            OutputName::Stdout => Some(manifest.stdout),
            OutputName::Stderr => Some(manifest.stderr),
            OutputName::File(path) => {
                manifest.files.iter().find(|entry| entry.path == *path).map(|entry| entry.blob)
            }
        };
        let blob = blob.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
        std::fs::read(output_path(&self.folder, &blob))
    }
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
    lease: &Envelope,
    job: &[u8],
    blobs: &JobBlobs,
) -> Result<(), NodeError> {
    let request = Request::Offer { lease: lease.to_canonical(), job: job.to_vec() };
    let missing = match peer.call(&request, STALL).await? {
        Reply::Accepted { missing } => missing,
        other => return Err(unexpected("accepted", &other)),
    };
    for blob in missing {
        let source = blobs.source(&blob).ok_or(NodeError::UnknownBlob)?;
        peer.put_blob(digest, source, STALL).await?;
    }
    Ok(())
}

/// Has a task run, checks its receipt, and fetches its outputs into `folder`.
pub(crate) async fn run(
    peer: &Peer,
    lease: &Envelope,
    job: &[u8],
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
    let file = ReceiptFile {
        receipt: Envelope::from_canonical(&receipt)?,
        lease: lease.clone(),
        job: job.to_vec(),
        manifest,
    };
    let checked = file.check()?;
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
        let Ok(reply) = tokio::time::timeout(wait, channel.reader.receive_within::<Reply>(wait)).await else {
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

async fn fetch(peer: &Peer, lease: Digest, checked: &CheckedReceipt, folder: &Path) -> Result<(), NodeError> {
    let manifest = &checked.manifest;
    let limits = &checked.job.limits;
    let bytes = manifest.blobs().try_fold(0u64, |sum, (_, blob)| sum.checked_add(blob.size));
    let files = manifest.files.len();
    match bytes {
        Some(bytes) if bytes <= limits.output_bytes && files as u64 <= limits.files => {}
        bytes => return Err(NodeError::TooMuchOutput { bytes: bytes.unwrap_or(u64::MAX), files }),
    }
    std::fs::create_dir_all(folder)
        .map_err(|source| NodeError::Folder { path: folder.to_owned(), source })?;
    for (_, blob) in manifest.blobs() {
        let path = output_path(folder, &blob);
        let mut receiver = BlobReceiver::in_file(blob, &path, &path.with_extension("bao"))?;
        peer.get_blob(lease, &mut receiver, STALL).await?;
    }
    Ok(())
}

/// Where an output lies below a delivery's folder.
pub(crate) fn output_path(folder: &Path, blob: &Blob) -> PathBuf {
    folder.join(blob.content.to_string())
}

fn unexpected(expected: &'static str, reply: &Reply) -> NodeError {
    match reply {
        Reply::Refused(refusal) => CallError::Refused(refusal.clone()).into(),
        reply => CallError::Unexpected { expected, found: reply.name() }.into(),
    }
}
