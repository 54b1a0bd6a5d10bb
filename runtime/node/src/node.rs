//! The node: takes leases, runs their tasks in workers, and commits to what came out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use fizz_attest::{Canonical, Digest, GpuClass, PublicKey, SecretKey};
use fizz_exec::code::{Bounds, CacheError, CodeCache, Compiler, CompilerCommand};
use fizz_exec::{Engine, EngineError};
use fizz_wire::{BindError, CloseCode, Endpoint, EndpointConfig, NodeInfo};
use tokio::sync::Semaphore;

use crate::admission::Admission;
use crate::serve;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
use crate::worker::{Pool, WorkerCommand, WorkerError};

/// How often expired leases are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// How long work that goes on when the node stops may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Offers that are decided at once. Each holds a job of up to 17 MiB, several times that while it is decoded.
const OFFERS: usize = 4;

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
    /// Linear memory of one task at most, in bytes, with its copy where the module has steps; also the bytes of its
    /// inputs, and of its outputs.
    pub max_memory_bytes: u64,
    /// Bytes of blobs and leases kept at most.
    pub max_store_bytes: u64,
    /// Wall-clock time of one task at most.
    pub max_task_time: Duration,
    /// How workers are started.
    pub worker: WorkerCommand,
    /// How modules are compiled for workers that ask for it.
    pub compile: Option<CompileConfig>,
    /// Bytes of one module at most.
    pub max_module_bytes: u64,
    /// GPU memory of all tasks that run at once, in bytes; each slot has its part.
    pub max_gpu_bytes: u64,
    /// A deliberate fault, to try out verifiers.
    pub drill: Option<Drill>,
}

/// How a node has modules compiled.
#[derive(Clone, Debug)]
pub struct CompileConfig {
    /// How compilers are started.
    pub command: CompilerCommand,
    /// What compiling one module may take.
    pub bounds: Bounds,
    /// Bytes of machine code kept at most.
    pub max_cache_bytes: u64,
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
    /// Its machine code.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The engine, which must be known to know machine code again.
    #[error(transparent)]
    Engine(#[from] EngineError),
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
    pub(crate) offers: Semaphore,
    /// Folders made for tasks so far, to name the next.
    pub(crate) scratch: AtomicU64,
    incoming: Mutex<BTreeMap<(PublicKey, Digest), Lock>>,
}

/// Held by whoever writes one incoming blob.
pub(crate) type Lock = Arc<tokio::sync::Mutex<()>>;

impl Node {
    /// Opens the store, starts a worker, binds the socket.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(key: SecretKey, config: NodeConfig) -> Result<Node, StartError> {
        let store = Store::open(&config.data, config.max_store_bytes)?;
        let compiler = match config.compile {
            None => None,
            Some(compile) => {
                let folder = config.data.join("code");
                let cache = CodeCache::open(&folder, compile.max_cache_bytes, compile.command.own)?;
                // It never sees a module here: it tells which machine code is its own.
                let engine = Engine::new()?;
                Some(Compiler::new(engine, compile.command, compile.bounds, Some(cache)))
            }
        };
        let mut pool = Pool::start(config.worker).await?;
        if let Some(compiler) = compiler {
            pool = pool.with_compiler(Arc::new(compiler));
        }
        let endpoint = match Endpoint::bind(config.listen, &key, EndpointConfig::default()) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                pool.stop().await;
                return Err(error.into());
            }
        };
        let admission = Admission {
            node: key.public(),
            network: "direct".into(),
            max_gas: config.max_gas,
            max_memory_bytes: config.max_memory_bytes,
            max_store_bytes: config.max_store_bytes,
            max_module_bytes: config.max_module_bytes,
            hardware: [GpuClass::Exact, GpuClass::Fast]
                .into_iter()
                .filter(|class| pool.description().gpu(*class).is_some_and(|gpu| gpu.hardware))
                .collect(),
            max_gpu_bytes: config.max_gpu_bytes / u64::from(config.slots.max(1)),
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
            offers: Semaphore::new(OFFERS),
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

    /// The device that guests of jobs of this class find, if any.
    pub fn device(&self, class: GpuClass) -> Option<&str> {
        self.shared.pool.description().gpu(class)?.engine.device.as_deref()
    }

    /// Serves until `stop` is ready; then tells its peers, and ends its tasks and workers. When it returns, its
    /// processes are gone and its store can be opened again, unless something did not end in some seconds.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let mut expire = tokio::time::interval(EXPIRE_EVERY);
        expire.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut expiring = None;
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = expire.tick() => {
                    if expiring.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
                        expiring = Some(self.expire());
                    }
                }
                peer = self.shared.endpoint.accept() => match peer {
                    Some(peer) => drop(tokio::spawn(serve::peer(self.shared.clone(), peer))),
                    None => break,
                },
            }
        }
        self.shared.endpoint.close("the node stops");
        self.shared.tasks.stop();
        // Every connection, request and task holds the shared state as long as it goes on.
        let ended = async {
            while Arc::strong_count(&self.shared) > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(STOP_WITHIN, ended).await.is_err() {
            tracing::warn!("some work goes on after the node has stopped");
        }
        self.shared.pool.stop().await;
        // Peers that do not answer must not keep the node from stopping.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.shared.endpoint.wait_idle()).await;
    }

    fn expire(&self) -> tokio::task::JoinHandle<()> {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || match shared.store.expire(now_seconds()) {
            Ok(gone) if gone.is_empty() => {}
            Ok(gone) => {
                for lease in &gone {
                    shared.tasks.cancel(lease);
                }
                tracing::info!(leases = gone.len(), "forgot expired leases");
            }
            Err(error) => tracing::error!(%error, "cannot forget expired leases"),
        })
    }
}

impl Shared {
    pub(crate) fn info(&self) -> NodeInfo {
        let description = self.pool.description();
        NodeInfo {
            slots: self.tasks.slot_count,
            profile: description.profile.to_canonical(),
            gpu_profile: description
                .exact
                .as_ref()
                .or(description.fast.as_ref())
                .map(|gpu| gpu.profile.to_canonical()),
            max_gas: self.admission.max_gas,
            max_memory_bytes: self.admission.max_memory_bytes,
        }
    }

    /// The lock under which one blob of a requester comes in.
    pub(crate) fn incoming(&self, owner: PublicKey, blob: Digest) -> Lock {
        let mut incoming = self.incoming.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        incoming.retain(|_, lock| Arc::strong_count(lock) > 1);
        incoming.entry((owner, blob)).or_default().clone()
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
