//! Workers that ask for machine code, and compilers that misbehave.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fizz_attest::{Blob, Canonical, Digest, HostFault, Outcome};
use fizz_exec::code::{Bounds, CodeCache, Compiler, CompilerCommand};
use fizz_exec::{CodeKey, Engine, Form, MachineCode};
use fizz_node::worker::{Event, Order, Pool, WorkerCommand};

use crate::support::node::LONG;
use crate::support::worker::{command, own};
use crate::support::{bombs, job};

const A: Digest = Digest([1; 32]);

/// A folder with a module, an order for it, and a cache.
struct Place {
    folder: tempfile::TempDir,
    order: Order,
}

impl Place {
    fn new(module: &[u8]) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let content = Blob::of(module).content.to_string();
        let blobs = folder.path().join("blobs");
        std::fs::create_dir_all(blobs.join(&content[..2])).unwrap();
        std::fs::write(blobs.join(&content[..2]).join(&content), module).unwrap();
        let outputs = folder.path().join("outputs");
        std::fs::create_dir(&outputs).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let order = Order {
            job: job::job(module).to_canonical(),
            task: 0,
            blobs: text(&blobs),
            outputs: text(&outputs),
            max_memory_bytes: u64::MAX,
        };
        Place { folder, order }
    }

    fn compiler(&self, command: WorkerCommand, bounds: Bounds) -> Arc<Compiler> {
        let command = CompilerCommand { program: command.program, args: command.args, own: own() };
        let cache = self.cache();
        Arc::new(Compiler::new(Engine::new().unwrap(), command, bounds, Some(cache)))
    }

    fn cache(&self) -> CodeCache {
        CodeCache::open(&self.folder.path().join("code"), 64 << 20, own()).unwrap()
    }

    /// A folder in which each compiler leaves a mark.
    fn marks(&self) -> PathBuf {
        let marks = self.folder.path().join("marks");
        std::fs::create_dir_all(&marks).unwrap();
        marks
    }

    /// Files of machine code.
    fn kept(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("code")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| !path.ends_with("secret")).collect()
    }

    /// Runs the order in a new worker.
    async fn run(&self, compiler: Arc<Compiler>) -> Event {
        let pool = Pool::start(command("asking", &[])).await.unwrap().with_compiler(compiler);
        let event = pool.run(A, &self.order, LONG, |_| {}).await;
        pool.stop().await;
        event
    }
}

fn honest() -> WorkerCommand {
    command("compiler", &[])
}

#[track_caller]
fn outcome(event: Event) -> Outcome {
    match event {
        Event::Finished(finished) => finished.outcome,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn fault(event: Event) -> (HostFault, String) {
    match event {
        Event::Fault(kind, detail) => (kind, detail),
        other => panic!("{other:?}"),
    }
}

pub async fn a_worker_gets_the_code_that_the_nodes_compiler_made_and_the_cache_kept() {
    let place = Place::new(&job::guest("(call $exit (i32.const 3))"));
    let exited = Outcome::Completed { exit_code: 3 };
    assert_eq!(outcome(place.run(place.compiler(honest(), Bounds::default())).await), exited);
    assert_eq!(place.kept().len(), 1);
    // From now on nothing is compiled: this compiler could not.
    let none = command("stuck-compiler", &[]);
    assert_eq!(outcome(place.run(place.compiler(none, Bounds::default())).await), exited);
}

pub async fn a_trap_has_the_exact_form_compiled_too() {
    let place = Place::new(&job::guest("(drop (i32.load (i32.const -4)))"));
    for _ in 0..2 {
        let event = place.run(place.compiler(honest(), Bounds::default())).await;
        let kind = fizz_attest::TrapKind::MemoryOutOfBounds;
        assert_eq!(outcome(event), Outcome::Trapped { kind });
        assert_eq!(place.kept().len(), 2);
    }
}

pub async fn damaged_code_is_dropped_and_compiled_again() {
    let place = Place::new(&job::guest("(call $exit (i32.const 3))"));
    let compiler = place.compiler(honest(), Bounds::default());
    outcome(place.run(compiler.clone()).await);
    let [file] = &place.kept()[..] else { panic!("one file") };
    let good = std::fs::read(file).unwrap();
    // The mark, the engine's header, its body, its end, and what is cut off or added.
    let flipped = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        bad
    };
    let mut bad: Vec<Vec<u8>> = [0, 31, 32, 40, good.len() / 2, good.len() - 1].map(flipped).to_vec();
    bad.extend([0, 16, 32, 40, good.len() - 1].map(|length| good[..length].to_vec()));
    bad.push([&good[..], b"more"].concat());
    for bad in bad {
        std::fs::write(file, &bad).unwrap();
        assert_eq!(outcome(place.run(compiler.clone()).await), Outcome::Completed { exit_code: 3 });
        assert_eq!(place.kept().len(), 1);
        assert_ne!(std::fs::read(file).unwrap(), bad);
    }
}

pub async fn code_of_another_engine_is_dropped_and_compiled_again() {
    let module = job::guest("(call $exit (i32.const 3))");
    let place = Place::new(&module);
    let compiler = place.compiler(honest(), Bounds::default());
    let key = CodeKey::of(compiler.engine(), &Blob::of(&module).content, Form::Fast);
    // Marked by this node itself, under this very name: what an engine with the same name and other bytes would leave.
    for (round, rubbish) in [&b""[..], b"short", &[7; 100], &[0; 100_000]].into_iter().enumerate() {
        place.cache().remove(&key);
        place.cache().put(&key, MachineCode::of(rubbish.to_vec(), own())).1.unwrap();
        let compiler = place.compiler(honest(), Bounds::default());
        assert_eq!(outcome(place.run(compiler).await), Outcome::Completed { exit_code: 3 });
        let kept = place.cache().get(&key).unwrap();
        assert!(kept.bytes().len() > 1000 && kept.bytes() != rubbish, "round {round}");
    }
}

pub async fn code_that_cannot_be_loaded_or_kept_is_not_compiled_for_every_task() {
    let module = job::guest("(call $exit (i32.const 3))");
    let place = Place::new(&module);
    let compiler = place.compiler(honest(), Bounds::default());
    let key = CodeKey::of(compiler.engine(), &Blob::of(&module).content, Form::Fast);
    let put = || place.cache().put(&key, MachineCode::of(b"rubbish".to_vec(), own())).1.unwrap();
    put();
    outcome(place.run(compiler.clone()).await);
    place.cache().remove(&key);
    put();
    let (kind, detail) = fault(place.run(compiler.clone()).await);
    assert_eq!(kind, HostFault::Compile);
    assert!(detail.contains("cannot be loaded (tried before"), "{detail}");
    assert_eq!(place.cache().get(&key).unwrap().bytes(), b"rubbish", "it is left as it is");
    // A cache that holds nothing.
    let folder = place.folder.path().join("small");
    let cache = CodeCache::open(&folder, 100, own()).unwrap();
    let marks = place.marks();
    let WorkerCommand { program, args } = command("compiler", &[marks.to_str().unwrap()]);
    let command = CompilerCommand { program, args, own: own() };
    let small = Compiler::new(Engine::new().unwrap(), command, Bounds::default(), Some(cache));
    let small = Arc::new(small);
    for _ in 0..3 {
        let (_, detail) = fault(place.run(small.clone()).await);
        assert!(detail.contains("more than are kept"), "{detail}");
    }
    assert_eq!(std::fs::read_dir(&marks).unwrap().count(), 1, "it was compiled once");
}

pub async fn a_compiler_that_does_not_end_is_ended_at_its_deadline() {
    let place = Place::new(&job::guest(""));
    let bounds = Bounds { time: Some(Duration::from_millis(300)), ..Bounds::default() };
    let begun = Instant::now();
    let (kind, detail) = fault(place.run(place.compiler(command("stuck-compiler", &[]), bounds)).await);
    assert_eq!(kind, HostFault::Compile);
    assert!(detail.contains("took longer"), "{detail}");
    assert!(begun.elapsed() < LONG);
    assert!(place.kept().is_empty());
    // The same module on the same node, once the compiler is well.
    outcome(place.run(place.compiler(honest(), Bounds::default())).await);
}

#[cfg(target_os = "linux")]
pub async fn a_compiler_without_memory_is_a_fault_and_the_node_lives() {
    let place = Place::new(&job::guest(""));
    // Less than its threads and its engine take.
    let bounds = Bounds { memory_bytes: Some(1 << 20), ..Bounds::default() };
    let (kind, detail) = fault(place.run(place.compiler(honest(), bounds)).await);
    assert_eq!(kind, HostFault::Compile, "{detail}");
    assert!(place.kept().is_empty());
    outcome(place.run(place.compiler(honest(), Bounds::default())).await);
}

#[cfg(not(target_os = "linux"))]
pub async fn a_compiler_without_memory_is_a_fault_and_the_node_lives() {
    eprintln!("this system bounds no memory: nothing is tested");
}

pub async fn a_bomb_costs_its_bounds_once() {
    for (role, words) in [("stuck-compiler", "took longer"), ("dying-compiler", "no room")] {
        let place = Place::new(&job::guest(""));
        let marks = place.marks();
        let command = command(role, &[marks.to_str().unwrap()]);
        let bounds = Bounds { time: Some(Duration::from_secs(2)), ..Bounds::default() };
        let compiler = place.compiler(command, bounds);
        for round in 0..3 {
            let begun = Instant::now();
            let (kind, detail) = fault(place.run(compiler.clone()).await);
            assert_eq!(kind, HostFault::Compile);
            assert!(detail.contains(words), "{detail}");
            assert_eq!(detail.contains("tried before"), round > 0, "{detail}");
            if role == "stuck-compiler" {
                assert_eq!(begun.elapsed() > Duration::from_secs(2), round == 0, "{:?}", begun.elapsed());
            }
        }
        assert_eq!(std::fs::read_dir(&marks).unwrap().count(), 1, "{role} was started once");
    }
}

#[cfg(unix)]
pub async fn a_compilers_child_that_holds_its_pipes_holds_nobody_up() {
    for ends in ["waits", "ends"] {
        let place = Place::new(&job::guest(""));
        let alive = place.folder.path().join("alive");
        std::fs::write(&alive, "").unwrap();
        let command = command("compiler-with-a-child", &[alive.to_str().unwrap(), ends]);
        let bounds = Bounds { time: Some(Duration::from_secs(6)), ..Bounds::default() };
        let begun = Instant::now();
        let (kind, detail) = fault(place.run(place.compiler(command, bounds)).await);
        assert_eq!(kind, HostFault::Compile);
        let words = if ends == "waits" { "took longer" } else { "the compiler died" };
        assert!(detail.contains(words), "{detail}");
        assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    }
}

#[cfg(not(unix))]
pub async fn a_compilers_child_that_holds_its_pipes_holds_nobody_up() {
    eprintln!("children of this system's processes get no pipes: nothing is tested");
}

pub async fn a_worker_that_dies_while_its_module_is_compiled_is_noticed_at_once() {
    for (role, words) in [("dies-waiting", "died while its module"), ("speaks-waiting", "out of turn")] {
        let place = Place::new(&job::guest(""));
        let compiler = place.compiler(command("stuck-compiler", &[]), Bounds::default());
        let pool = Pool::start(command(role, &[])).await.unwrap().with_compiler(compiler.clone());
        let (kind, detail) = fault(pool.run(A, &place.order, LONG, |_| {}).await);
        pool.stop().await;
        assert_eq!(kind, HostFault::WorkerDied);
        assert!(detail.contains(words), "{detail}");
        drop(pool);
        // Nobody wants the code any more.
        let begun = Instant::now();
        while Arc::strong_count(&compiler) > 1 {
            assert!(begun.elapsed() < LONG / 2, "the compiler goes on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub async fn those_who_give_up_do_not_wait_for_a_compiler() {
    let bomb = Place::new(&job::guest(""));
    let compiler = bomb.compiler(command("stuck-compiler", &[]), Bounds::default());
    let pool = Arc::new(Pool::start(command("asking", &[])).await.unwrap().with_compiler(compiler.clone()));
    let order = bomb.order.clone();
    let first = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(A, &order, LONG, |_| {}).await }
    });
    for other in 2..6 {
        let order = &bomb.order;
        let run = pool.run(Digest([other; 32]), order, LONG, |_| {});
        assert!(tokio::time::timeout(Duration::from_millis(300), run).await.is_err());
    }
    // The pool, this test, and the one that compiles.
    let begun = Instant::now();
    while Arc::strong_count(&compiler) > 3 {
        assert!(begun.elapsed() < LONG / 2, "{} still wait", Arc::strong_count(&compiler) - 3);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.abort();
    pool.stop().await;
}

pub async fn a_task_in_steps_needs_its_memory_twice() {
    let steps = r#"(module (memory (export "memory") 1) (func (export "_start"))
        (func (export "fizz_step") (result i32) (i32.const 0)))"#;
    let plain = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    for (module, factor) in [(steps, 2), (plain, 1)] {
        let mut place = Place::new(&wat::parse_str(module).unwrap());
        let compiler = place.compiler(honest(), Bounds::default());
        let needs = factor * (64 << 20);
        place.order.max_memory_bytes = needs;
        assert_eq!(outcome(place.run(compiler.clone()).await), Outcome::Completed { exit_code: 0 });
        place.order.max_memory_bytes = needs - 1;
        for kept in place.kept() {
            std::fs::remove_file(kept).unwrap();
        }
        let (kind, detail) = fault(place.run(compiler).await);
        assert_eq!(kind, HostFault::OutOfMemory);
        assert!(detail.contains(&format!("{needs} bytes")), "{detail}");
        assert!(place.kept().is_empty(), "nothing is compiled for it");
    }
}

pub async fn a_worker_that_asks_twice_is_ended() {
    for role in ["asks-twice", "asks-for-ever"] {
        let place = Place::new(&job::guest(""));
        let compiler = place.compiler(honest(), Bounds::default());
        let pool = Pool::start(command(role, &[])).await.unwrap().with_compiler(compiler);
        let (kind, detail) = fault(pool.run(A, &place.order, LONG, |_| {}).await);
        pool.stop().await;
        assert_eq!(kind, HostFault::WorkerDied);
        assert!(detail.contains("out of turn"), "{detail}");
    }
}

pub async fn a_task_that_is_given_up_ends_its_compiler() {
    let place = Place::new(&job::guest(""));
    let compiler = place.compiler(command("stuck-compiler", &[]), Bounds::default());
    let pool = Pool::start(command("asking", &[])).await.unwrap().with_compiler(compiler.clone());
    let run = pool.run(A, &place.order, LONG, |_| {});
    assert!(tokio::time::timeout(Duration::from_millis(500), run).await.is_err());
    pool.stop().await;
    // Whoever compiled held the compiler; it lets go once its process is gone.
    let begun = Instant::now();
    while Arc::strong_count(&compiler) > 2 {
        assert!(begun.elapsed() < LONG, "the compiler goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn a_first_third_of_the_bombs_ends_and_the_node_goes_on() {
    bombs_end_and_the_node_goes_on(0).await;
}

pub async fn a_second_third_of_the_bombs_ends_and_the_node_goes_on() {
    bombs_end_and_the_node_goes_on(1).await;
}

pub async fn a_last_third_of_the_bombs_ends_and_the_node_goes_on() {
    bombs_end_and_the_node_goes_on(2).await;
}

/// Every third bomb, so that each test has its own time.
async fn bombs_end_and_the_node_goes_on(third: usize) {
    // Shorter than the default, so that this test ends; on a slow machine more of them meet the deadline.
    let bounds = Bounds { time: Some(Duration::from_secs(5)), ..Bounds::default() };
    let good = Place::new(&job::guest("(call $exit (i32.const 3))"));
    for (name, text) in bombs::all().into_iter().skip(third).step_by(3) {
        let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let place = Place::new(&wasm);
        let pool = Pool::start(command("asking", &[])).await.unwrap();
        let pool = pool.with_compiler(place.compiler(honest(), bounds.clone()));
        let begun = Instant::now();
        let end = match pool.run(A, &place.order, 4 * LONG, |_| {}).await {
            Event::Finished(finished) => finished.outcome.to_string(),
            Event::Rejected(reason) => {
                // Refused by name, not as rubbish.
                assert!(reason.contains("at most"), "{name}: {reason}");
                reason
            }
            Event::Fault(kind, detail) => {
                assert_eq!(kind, HostFault::Compile, "{name}: {detail}");
                detail
            }
            other => panic!("{name}: {other:?}"),
        };
        eprintln!("{name}: {} KiB, {} ms, {end}", wasm.len() >> 10, begun.elapsed().as_millis());
        // The same node, the next job.
        let event = pool.run(Digest([2; 32]), &good.order, LONG, |_| {}).await;
        assert_eq!(outcome(event), Outcome::Completed { exit_code: 3 }, "after {name}");
        pool.stop().await;
    }
}
