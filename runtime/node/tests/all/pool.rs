//! The pool against workers that misbehave.

use std::path::Path;
use std::time::Duration;

use fizz_attest::{Blob, Canonical, Digest, GpuUse, HostFault, Job, Outcome};
use fizz_node::worker::{Event, Order, Pool, WorkerCommand, WorkerError};
use fizz_wire::FrameError;

use crate::support::job;
use crate::support::node::LONG;
use crate::support::worker::{command, honest, memory};

/// A limit that is waited for.
const SHORT: Duration = Duration::from_millis(200);

struct Folder {
    folder: tempfile::TempDir,
    order: Order,
}

/// An order for a guest that exits with code 3.
fn order() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let module = job::guest("(call $exit (i32.const 3))");
    let content = Blob::of(&module).content.to_string();
    let blobs = folder.path().join("blobs");
    std::fs::create_dir_all(blobs.join(&content[..2])).unwrap();
    std::fs::write(blobs.join(&content[..2]).join(&content), &module).unwrap();
    let outputs = folder.path().join("outputs");
    std::fs::create_dir(&outputs).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let order = Order {
        job: job::job(&module).to_canonical(),
        task: 0,
        blobs: text(&blobs),
        outputs: text(&outputs),
        max_memory_bytes: u64::MAX,
    };
    Folder { folder, order }
}

const A: Digest = Digest([1; 32]);
const B: Digest = Digest([2; 32]);

async fn run(pool: &Pool, job: Digest, order: &Order) -> Event {
    pool.run(job, order, LONG, |_| {}).await
}

/// The fault of a worker's first task.
async fn fault(worker: WorkerCommand, limit: Duration) -> (HostFault, String) {
    let folder = order();
    let pool = Pool::start(worker).await.unwrap();
    let event = pool.run(A, &folder.order, limit, |_| {}).await;
    pool.stop().await;
    assert_eq!(pool.alive(), 0);
    match event {
        Event::Fault(kind, detail) => (kind, detail),
        other => panic!("{other:?}"),
    }
}

pub async fn an_honest_worker_is_kept_for_its_job() {
    let folder = order();
    let pool = Pool::start(honest()).await.unwrap();
    for job in [A, A, B] {
        let Event::Finished(finished) = run(&pool, job, &folder.order).await else { panic!("not finished") };
        assert_eq!(finished.outcome, Outcome::Completed { exit_code: 3 });
    }
    pool.stop().await;
    assert_eq!(pool.alive(), 0);
}

pub async fn a_worker_that_says_nothing_is_ended() {
    let error = Pool::start_within(command("silent", &[]), SHORT).await.unwrap_err();
    assert!(matches!(error, WorkerError::TimedOut(SHORT)), "{error}");
}

pub async fn a_worker_that_sends_rubbish_is_ended() {
    let error = Pool::start(command("rubbish", &[])).await.unwrap_err();
    assert!(matches!(error, WorkerError::Frame(_)), "{error}");
}

pub async fn a_frame_of_4_gb_is_refused_at_its_length() {
    let error = Pool::start(command("huge", &[])).await.unwrap_err();
    let WorkerError::Frame(FrameError::TooLarge { size, .. }) = error else { panic!("{error}") };
    assert_eq!(size, u64::from(u32::MAX));
}

pub async fn a_worker_that_does_not_begin_as_one_is_ended() {
    let error = Pool::start(command("impatient", &[])).await.unwrap_err();
    assert!(matches!(error, WorkerError::NotReady), "{error}");
}

pub async fn a_missing_program_is_named() {
    let missing = WorkerCommand { program: "/nowhere/worker".into(), args: Vec::new() };
    let error = Pool::start(missing).await.unwrap_err();
    assert!(matches!(error, WorkerError::Spawn(_)), "{error}");
}

pub async fn a_worker_that_dies_is_a_fault() {
    let (kind, detail) = fault(command("dies", &[]), LONG).await;
    assert_eq!(kind, HostFault::WorkerDied, "{detail}");
}

pub async fn a_worker_that_dies_in_the_middle_of_a_word_is_a_fault() {
    let (kind, detail) = fault(command("cut", &[]), LONG).await;
    assert_eq!(kind, HostFault::WorkerDied);
    assert!(detail.contains("pipe broke"), "{detail}");
}

pub async fn a_worker_that_hangs_is_ended_at_the_limit() {
    let (kind, detail) = fault(command("hangs", &[]), SHORT).await;
    assert_eq!(kind, HostFault::TimedOut, "{detail}");
}

pub async fn a_worker_that_changes_its_profile_is_not_used() {
    let folder = order();
    let memory = memory(folder.folder.path());
    let pool = Pool::start(command("changes", &[memory.to_str().unwrap()])).await.unwrap();
    assert!(matches!(run(&pool, A, &folder.order).await, Event::Rejected(_)));
    // Another job gets another process.
    let event = run(&pool, B, &folder.order).await;
    assert!(
        matches!(&event, Event::Fault(HostFault::Internal, detail) if detail.contains("profile")),
        "{event:?}"
    );
    pool.stop().await;
}

pub async fn a_worker_whose_gpu_does_not_start_still_serves_jobs_without_one() {
    let folder = order();
    let memory = memory(folder.folder.path());
    let with = |gpu: GpuUse| {
        let job = Job { gpu, ..Job::decode(&folder.order.job).unwrap() };
        Order { job: job.to_canonical(), ..folder.order.clone() }
    };
    let pool = Pool::start(command("loses-its-gpu", &[memory.to_str().unwrap()])).await.unwrap();
    assert!(matches!(run(&pool, A, &with(GpuUse::Auto)).await, Event::Rejected(_)));
    let event = run(&pool, B, &with(GpuUse::Auto)).await;
    assert!(
        matches!(&event, Event::Fault(HostFault::Internal, detail) if detail.contains("profile")),
        "{event:?}"
    );
    assert!(matches!(run(&pool, B, &with(GpuUse::Off)).await, Event::Rejected(_)));
    pool.stop().await;
}

pub async fn an_answer_before_the_question_is_not_taken_for_one() {
    let (kind, detail) = fault(command("early", &[]), LONG).await;
    assert_eq!(kind, HostFault::WorkerDied);
    assert!(detail.contains("out of turn"), "{detail}");
}

pub async fn names_that_lead_out_are_refused() {
    for what in ["a-path-out", "an-absolute-path", "a-name-twice"] {
        let (kind, detail) = fault(command("claims", &[what]), LONG).await;
        assert_eq!(kind, HostFault::WorkerDied);
        assert!(detail.contains("field `name`"), "{what}: {detail}");
    }
}

pub async fn a_stop_ends_workers_at_work_and_starts_no_more() {
    let folder = order();
    let pool = std::sync::Arc::new(Pool::start(command("hangs", &[])).await.unwrap());
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let (at_work, order) = (pool.clone(), folder.order.clone());
    let work = tokio::spawn(async move {
        at_work.run(A, &order, LONG, |event| started.send(event.clone()).unwrap()).await
    });
    assert_eq!(starts.recv().await, Some(Event::Started));
    assert_eq!(pool.alive(), 1);
    work.abort();
    pool.stop().await;
    assert_eq!(pool.alive(), 0);
    let event = run(&pool, A, &folder.order).await;
    assert!(
        matches!(&event, Event::Fault(HostFault::Internal, detail) if detail.contains("stops")),
        "{event:?}"
    );
}
