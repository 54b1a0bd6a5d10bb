//! How one task goes through the node: it waits for a slot, runs in a worker, and what comes out is hashed, signed
//! and made durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fizz_attest::{
    Canonical, Digest, Envelope, GpuUse, HostFault, OutputEntry, OutputManifest, Receipt, TaskResult,
};
use fizz_wire::RefusalCode;
use tokio::sync::watch;

use crate::node::{Drill, Shared, now_millis, now_seconds};
use crate::store::{StoreError, StoredLease, StoredResult};
use crate::tasks::{Place, TaskState};
use crate::worker::{Event, Finished, Order};

impl Shared {
    /// The state of a task, which is begun where it is not live. `None` when too many wait.
    pub(crate) fn task(self: &Arc<Self>, lease: Digest, task: u32) -> Option<watch::Receiver<TaskState>> {
        let shared = self.clone();
        self.tasks.watch_or((lease, task), move |place, state| {
            tokio::spawn(async move {
                // The place goes before the sender, also when this is aborted, so that a task that is seen to be
                // over can be begun again.
                let state = state;
                shared.drive(lease, task, place, &state).await;
            })
            .abort_handle()
        })
    }

    async fn drive(
        self: &Arc<Self>,
        digest: Digest,
        task: u32,
        mut place: Place,
        state: &watch::Sender<TaskState>,
    ) {
        // The semaphore is never closed.
        let Ok(_slot) = self.tasks.slots.acquire().await else { return };
        place.runs();
        state.send_replace(TaskState::Running(0));
        let end = match self.run(digest, task, state).await {
            Ok(end) => end,
            Err(StoreError::Full { wanted, free }) => {
                let detail = format!("{wanted} bytes of outputs do not fit, {free} do");
                TaskState::Fault(HostFault::Store, detail)
            }
            Err(error @ StoreError::NotAFile(_)) => {
                TaskState::Fault(HostFault::WorkerDied, error.to_string())
            }
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
        drop(place);
        state.send_replace(end);
    }

    async fn run(
        self: &Arc<Self>,
        digest: Digest,
        task: u32,
        state: &watch::Sender<TaskState>,
    ) -> Result<TaskState, StoreError> {
        // Only now, so that tasks that wait hold no jobs in memory.
        let shared = self.clone();
        let begun = tokio::task::spawn_blocking(move || shared.begin(digest, task)).await;
        let Begun { lease, outputs, order } = match begun {
            Ok(Ok(Ok(begun))) => begun,
            Ok(Ok(Err(end))) => return Ok(end),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Ok(internal("the node failed to begin")),
        };
        let started_ms = now_millis();
        let watch = |event: &Event| {
            if let Event::Progress(gas) = event {
                state.send_replace(TaskState::Running(*gas));
            }
        };
        let finished = match self.pool.run(lease.lease.job, &order, self.max_task_time, watch).await {
            Event::Finished(finished) => finished,
            Event::Rejected(reason) => return Ok(TaskState::Refused(RefusalCode::BadJob, reason)),
            Event::Fault(kind, detail) => return Ok(TaskState::Fault(kind, detail)),
            Event::Ready(_) | Event::Started | Event::WantsCode { .. } | Event::Progress(_) => {
                return Ok(internal("the worker's last event is none"));
            }
        };
        let shared = self.clone();
        // It cannot be stopped half-way, so it takes with it whatever it needs.
        let committing = tokio::task::spawn_blocking(move || {
            shared.commit((digest, task), &lease, &finished, &outputs.0, started_ms)
        });
        match committing.await {
            Ok(state) => state,
            Err(_) => Ok(internal("the node failed to commit")),
        }
    }

    /// What a task needs to run, or why it does not. Blocks.
    fn begin(&self, digest: Digest, task: u32) -> Result<Result<Begun, TaskState>, StoreError> {
        let Some(lease) = self.store.lease(&digest)? else {
            return Ok(Err(gone()));
        };
        if let Some(result) = self.store.result(&digest, task)? {
            return Ok(Err(TaskState::Done(result)));
        }
        if lease.lease.expires <= now_seconds() {
            return Ok(Err(TaskState::Refused(RefusalCode::Expired, "the lease is over".into())));
        }
        let number = self.scratch.fetch_add(1, Ordering::Relaxed);
        let outputs = Scratch(self.store.scratch(&number.to_string())?);
        let order = Order {
            job: lease.job.to_canonical(),
            task,
            blobs: self.store.blobs(&lease.lease.requester).to_string_lossy().into_owned(),
            outputs: outputs.0.to_string_lossy().into_owned(),
            max_memory_bytes: self.admission.max_memory_bytes,
        };
        Ok(Ok(Begun { lease, outputs, order }))
    }

    /// Hashes the outputs, signs the receipt and makes both durable. Blocks.
    fn commit(
        &self,
        (digest, task): (Digest, u32),
        lease: &StoredLease,
        finished: &Finished,
        outputs: &Path,
        started_ms: u64,
    ) -> Result<TaskState, StoreError> {
        if let Err(problem) = plausible(lease, finished, outputs) {
            return Ok(TaskState::Fault(HostFault::WorkerDied, problem));
        }
        let description = self.pool.description();
        let (profile, engine) = match (finished.gpu, description.gpu(lease.job.gpu_class)) {
            (false, _) => (description.profile.clone(), description.engine.clone()),
            (true, Some(gpu)) if lease.job.gpu != GpuUse::Off => (gpu.profile.clone(), gpu.engine.clone()),
            (true, _) => return Ok(worker("the worker claims a GPU that the guest cannot have found")),
        };
        if self.drill == Some(Drill::WrongOutput) {
            spoil(outputs, finished);
        }
        let keeping = self.store.keep();
        let names = [&finished.stdout, &finished.stderr]
            .into_iter()
            .chain(finished.files.iter().map(|file| &file.name));
        let paths: Vec<PathBuf> = names.map(|name| outputs.join(name)).collect();
        let mut blobs = self.store.import(&keeping, &lease.lease.requester, &paths)?.into_iter();
        let (Some(stdout), Some(stderr)) = (blobs.next(), blobs.next()) else {
            return Ok(internal("outputs are missing"));
        };
        let entry =
            |(file, blob): (&crate::worker::OutputFile, _)| OutputEntry { path: file.path.clone(), blob };
        let files = finished.files.iter().zip(blobs).map(entry).collect();
        let manifest = OutputManifest { stdout, stderr, files };
        let manifest_bytes = manifest.to_canonical();
        if let Err(error) = OutputManifest::decode(&manifest_bytes) {
            return Ok(worker(&error.to_string()));
        }
        let Finished { outcome, gas, gpu_gas, boundaries, .. } = finished;
        let job = lease.lease.job;
        let whole =
            TaskResult::of_whole_task(job, task, outcome.clone(), &manifest, *gas, *gpu_gas, &profile);
        let chained = whole.with_chunks(boundaries).and_then(|(result, chain)| {
            chain.check(&result, lease.job.chunk_gas())?;
            Ok(result)
        });
        let result = match chained {
            Ok(result) => result,
            Err(error) => return Ok(worker(&error.to_string())),
        };
        let receipt = Receipt {
            v: 1,
            result,
            lease: digest,
            node: self.key.public(),
            profile,
            engine,
            manifest_sha256: manifest.sha256(),
            started_ms,
            finished_ms: now_millis(),
        };
        let receipt = Envelope::sign(&receipt, &self.key).to_canonical();
        let result = StoredResult { receipt, manifest: manifest_bytes };
        let kept = self.store.put_result(&keeping, (&digest, task), &result, &manifest)?;
        Ok(kept.map_or_else(gone, TaskState::Done))
    }
}

/// A task that can run.
struct Begun {
    lease: Arc<StoredLease>,
    outputs: Scratch,
    order: Order,
}

fn gone() -> TaskState {
    TaskState::Refused(RefusalCode::UnknownLease, "the lease is over and forgotten".into())
}

fn internal(detail: &str) -> TaskState {
    TaskState::Fault(HostFault::Internal, detail.into())
}

fn worker(detail: &str) -> TaskState {
    TaskState::Fault(HostFault::WorkerDied, detail.into())
}

/// Whether what the worker says can be true. The node signs nothing that a requester would refuse.
fn plausible(lease: &StoredLease, finished: &Finished, outputs: &Path) -> Result<(), String> {
    let limits = &lease.job.limits;
    let names = finished.files.iter().map(|file| &file.name).chain([&finished.stdout, &finished.stderr]);
    let size = |name| std::fs::symlink_metadata(outputs.join(name)).map_or(0, |metadata| metadata.len());
    let bytes = names.map(size).fold(0u64, u64::saturating_add);
    for (what, claimed, most) in [
        ("gas", finished.gas, limits.gas),
        ("GPU gas", finished.gpu_gas, limits.gpu.gas),
        ("output files", finished.files.len() as u64, limits.files),
        ("output bytes", bytes, limits.output_bytes),
    ] {
        if claimed > most {
            return Err(format!("the worker reports {claimed} {what}, over the job's {most}"));
        }
    }
    Ok(())
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
    let names =
        [finished.stdout.as_str()].into_iter().chain(finished.files.iter().map(|file| file.name.as_str()));
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
