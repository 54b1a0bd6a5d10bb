//! The node: takes leases, runs their tasks in workers, and commits to what came out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use fizz_attest::{
    Canonical, Digest, Envelope, HostFault, OutputEntry, OutputManifest, Profile, PublicKey, Receipt,
    SecretKey, TaskResult,
};
use fizz_wire::{BindError, CloseCode, Endpoint, EndpointConfig, NodeInfo};
use tokio::sync::watch;

use crate::admission::Admission;
use crate::serve;
use crate::store::{Store, StoreError, StoredLease, StoredResult};
use crate::tasks::{Counted, TaskState, Tasks};
use crate::worker::{Event, Finished, Order, Pool, WorkerCommand, WorkerError};

/// How often expired leases are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where it keeps what it keeps.
    pub data: PathBuf,
    /// The UDP address it listens on.
    pub listen: SocketAddr,
    /// Tasks that run at once.
    pub slots: u32,
    /// Tasks that wait at most.
    pub max_waiting: u32,
    /// Gas of one task at most.
    pub max_gas: u64,
    /// Linear memory of one task at most, in bytes.
    pub max_memory_bytes: u64,
    /// Bytes of blobs kept at most.
    pub max_store_bytes: u64,
    /// Wall-clock time of one task at most.
    pub max_task_time: Duration,
    /// How workers are started.
    pub worker: WorkerCommand,
    /// A deliberate fault, to try out verifiers.
    pub drill: Option<Drill>,
}

/// A fault that a node makes on purpose, so that those who must catch it can practise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drill {
    /// Change one bit in the middle of the largest output of every task, and sign that.
    WrongOutput,
}

/// A node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its workers.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// A node that listens.
pub struct Node {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) key: SecretKey,
    pub(crate) endpoint: Endpoint,
    pub(crate) store: Store,
    pub(crate) pool: Pool,
    pub(crate) tasks: Tasks,
    pub(crate) admission: Admission,
    pub(crate) max_task_time: Duration,
    pub(crate) started: Instant,
    pub(crate) drill: Option<Drill>,
    scratch: AtomicU64,
    /// One lock for each blob that is coming in, so that two requesters do not write one file.
    incoming: Mutex<BTreeMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

impl Node {
    /// Opens the store, starts a worker, binds the socket.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(key: SecretKey, config: NodeConfig) -> Result<Node, StartError> {
        let store = Store::open(&config.data)?;
        let pool = Pool::start(config.worker).await?;
        let endpoint = Endpoint::bind(config.listen, &key, EndpointConfig::default())?;
        let admission = Admission {
            node: key.public(),
            network: "direct".into(),
            max_gas: config.max_gas,
            max_memory_bytes: config.max_memory_bytes,
            max_output_bytes: config.max_store_bytes,
            max_store_bytes: config.max_store_bytes,
            gpu: pool.description().gpu_profile.is_some(),
        };
        let shared = Shared {
            key,
            endpoint,
            store,
            pool,
            tasks: Tasks::new(config.slots.max(1), config.max_waiting),
            admission,
            max_task_time: config.max_task_time,
            started: Instant::now(),
            drill: config.drill,
            scratch: AtomicU64::new(0),
            incoming: Mutex::new(BTreeMap::new()),
        };
        Ok(Node { shared: Arc::new(shared) })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the system has lost the socket.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.shared.endpoint.local_addr()
    }

    /// Its key, by which requesters name it.
    pub fn key(&self) -> PublicKey {
        self.shared.key.public()
    }

    /// What it offers.
    pub fn info(&self) -> NodeInfo {
        self.shared.info()
    }

    /// The profile of GPU tasks, where it has a GPU.
    pub fn gpu_profile(&self) -> Option<&Profile> {
        self.shared.pool.description().gpu_profile.as_ref()
    }

    /// Serves until `stop` is ready; then ends its workers and tells its peers.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let mut expire = tokio::time::interval(EXPIRE_EVERY);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = expire.tick() => self.expire(),
                peer = self.shared.endpoint.accept() => match peer {
                    Some(peer) => drop(tokio::spawn(serve::peer(self.shared.clone(), peer))),
                    None => break,
                },
            }
        }
        self.shared.tasks.cancel_all();
        self.shared.pool.clear();
        self.shared.endpoint.close("the node stops");
        // Peers that do not answer must not keep the node from stopping.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.shared.endpoint.wait_idle()).await;
    }

    fn expire(&self) {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || match shared.store.expire(now_seconds()) {
            Ok(0) => {}
            Ok(leases) => tracing::info!(leases, "forgot expired leases"),
            Err(error) => tracing::error!(%error, "cannot forget expired leases"),
        });
    }
}

impl Shared {
    pub(crate) fn info(&self) -> NodeInfo {
        let description = self.pool.description();
        NodeInfo {
            slots: self.tasks.slot_count,
            profile: description.profile.to_canonical(),
            gpu_profile: description.gpu_profile.as_ref().map(Canonical::to_canonical),
            max_gas: self.admission.max_gas,
            max_memory_bytes: self.admission.max_memory_bytes,
        }
    }

    /// The lock under which one blob comes in.
    pub(crate) fn incoming(&self, blob: Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut incoming = self.incoming.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        incoming.retain(|_, lock| Arc::strong_count(lock) > 1);
        incoming.entry(blob).or_default().clone()
    }

    /// The state of a task, which is begun where it is neither live nor done. `None` when too many wait.
    pub(crate) fn task(
        self: &Arc<Self>,
        digest: Digest,
        lease: StoredLease,
        task: u32,
    ) -> Option<watch::Receiver<TaskState>> {
        let shared = self.clone();
        self.tasks.watch_or((digest, task), move |state| {
            tokio::spawn(async move {
                shared.drive(digest, lease, task, &state).await;
                shared.tasks.finished(&(digest, task));
            })
            .abort_handle()
        })
    }

    async fn drive(
        self: &Arc<Self>,
        digest: Digest,
        lease: StoredLease,
        task: u32,
        state: &watch::Sender<TaskState>,
    ) {
        let waiting = Counted::new(&self.tasks.waiting);
        // The semaphore is never closed.
        let Ok(_slot) = self.tasks.slots.acquire().await else { return };
        drop(waiting);
        let _running = Counted::new(&self.tasks.running);
        state.send_replace(TaskState::Running(0));
        let end = match self.run(digest, &lease, task, state).await {
            Ok(end) => end,
            Err(error) => {
                tracing::error!(lease = %digest, task, %error, "the store failed");
                TaskState::Fault(HostFault::Store, "the node's store failed".into())
            }
        };
        match &end {
            TaskState::Done(_) => {
                self.tasks.done.fetch_add(1, Ordering::Relaxed);
                tracing::info!(lease = %digest, task, "committed");
            }
            TaskState::Fault(kind, detail) => {
                self.tasks.faults.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(lease = %digest, task, %kind, detail, "host fault");
            }
            _ => tracing::info!(lease = %digest, task, state = ?end, "not run"),
        }
        state.send_replace(end);
    }

    async fn run(
        self: &Arc<Self>,
        digest: Digest,
        lease: &StoredLease,
        task: u32,
        state: &watch::Sender<TaskState>,
    ) -> Result<TaskState, StoreError> {
        if let Some(result) = self.store.result(&digest, task)? {
            return Ok(TaskState::Done(result));
        }
        let outputs = Scratch(self.store.scratch(&self.scratch.fetch_add(1, Ordering::Relaxed).to_string())?);
        let order = Order {
            job: lease.job.to_canonical(),
            task,
            blobs: self.store.blobs().to_string_lossy().into_owned(),
            outputs: outputs.0.to_string_lossy().into_owned(),
        };
        let started_ms = now_millis();
        let watch = |event: &Event| {
            if let Event::Progress(gas) = event {
                state.send_replace(TaskState::Running(*gas));
            }
        };
        let finished = match self.pool.run(lease.lease.job, &order, self.max_task_time, watch).await {
            Event::Finished(finished) => finished,
            Event::Rejected(reason) => return Ok(TaskState::Rejected(reason)),
            Event::Fault(kind, detail) => return Ok(TaskState::Fault(kind, detail)),
            other => {
                let detail = format!("the worker ended with {other:?}");
                return Ok(TaskState::Fault(HostFault::WorkerDied, detail));
            }
        };
        let (shared, lease) = (self.clone(), lease.clone());
        let committing = tokio::task::spawn_blocking(move || {
            shared.commit(digest, &lease, task, &finished, &outputs.0, started_ms)
        });
        match committing.await {
            Ok(state) => state,
            Err(_) => Ok(TaskState::Fault(HostFault::Internal, "the node failed to commit".into())),
        }
    }

    /// Hashes the outputs, signs the receipt and makes both durable. Blocks.
    fn commit(
        &self,
        digest: Digest,
        lease: &StoredLease,
        task: u32,
        finished: &Finished,
        outputs: &Path,
        started_ms: u64,
    ) -> Result<TaskState, StoreError> {
        if self.drill == Some(Drill::WrongOutput) {
            spoil(outputs, finished);
        }
        let mut files = Vec::new();
        for file in &finished.files {
            files.push(OutputEntry {
                path: file.path.clone(),
                blob: self.store.import(&outputs.join(&file.name))?,
            });
        }
        let stdout = self.store.import(&outputs.join(&finished.stdout))?;
        let stderr = self.store.import(&outputs.join(&finished.stderr))?;
        let manifest = OutputManifest { stdout, stderr, files }.to_canonical();
        let manifest = match OutputManifest::decode(&manifest) {
            Ok(manifest) => manifest,
            Err(error) => return Ok(TaskState::Fault(HostFault::WorkerDied, error.to_string())),
        };
        let description = self.pool.description();
        let profile = match (finished.gpu, &description.gpu_profile) {
            (false, _) => description.profile.clone(),
            (true, Some(profile)) => profile.clone(),
            (true, None) => {
                let detail = "the worker claims a GPU that it has not".into();
                return Ok(TaskState::Fault(HostFault::WorkerDied, detail));
            }
        };
        let Finished { outcome, gas, gpu_gas, .. } = finished;
        let job = lease.lease.job;
        let result =
            TaskResult::of_whole_task(job, task, outcome.clone(), &manifest, *gas, *gpu_gas, &profile);
        let receipt = Receipt {
            v: 1,
            result,
            lease: digest,
            node: self.key.public(),
            profile,
            engine: description.engine.clone(),
            manifest_sha256: manifest.sha256(),
            started_ms,
            finished_ms: now_millis(),
        };
        let receipt = Envelope::sign(&receipt, &self.key).to_canonical();
        let result = StoredResult { receipt, manifest: manifest.to_canonical() };
        Ok(TaskState::Done(self.store.put_result(&digest, task, &result)?))
    }
}

/// A folder that goes when its task does.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whatever stays is cleared at the next start.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Flips the lowest bit of the middle byte of the largest output.
fn spoil(outputs: &Path, finished: &Finished) {
    // The last of equals is taken, so files come before streams.
    let names = [finished.stdout.as_str()].into_iter().chain(finished.files.iter().map(|file| file.name.as_str()));
    let size = |name: &&str| std::fs::metadata(outputs.join(name)).map_or(0, |metadata| metadata.len());
    let Some(largest) = names.max_by_key(size) else { return };
    let path = outputs.join(largest);
    if let Ok(mut bytes) = std::fs::read(&path) {
        match bytes.len() {
            0 => bytes.push(b'!'),
            length => bytes[length / 2] ^= 1,
        }
        let _ = std::fs::write(&path, bytes);
    }
}

pub(crate) fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn now_seconds() -> u64 {
    now_millis() / 1000
}

/// How peers that go too far are told.
pub(crate) const TOO_FAR: CloseCode = CloseCode::Protocol;
