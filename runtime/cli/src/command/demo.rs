//! `fizz demo`: a real job on three nodes of this machine, one of which lies.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use clap::Args;
use fizz_attest::{Artifact, GpuClass, GpuUse, InputFile, Job, Outcome, Task};
use fizz_client::{Delivery, JobBlobs, NodeAddress, Report, Submission};
use fizz_exec::{Executed, Executor, OutputName};
use tokio::runtime::Runtime;

use crate::command::{run, submit};
use crate::compiling::CompileArgs;
use crate::error::Failure;
use crate::exit::Exit;
use crate::job_args::GpuArg;
use crate::progress::Progress;
use crate::{gpu, interrupt, job_folder, keys, me};

/// The tiles of the photograph: columns and rows.
const GRID: (u32, u32) = (4, 3);
/// Strength of the noise and seed of its random numbers.
const NOISE: [&str; 2] = ["18", "1"];
/// What the nodes are called; the last one lies.
const NODES: [&str; 3] = ["node 1", "node 2", "node 3"];
const LIAR: usize = 2;
/// A list of what a demo made, so that the next one can replace it and nothing else.
const MADE: &str = ".fizz-demo";

/// Denoises a photograph on three nodes of this machine, one of which lies
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where pictures and receipts go
    #[arg(long, default_value = "fizz-demo", value_name = "DIR")]
    out: PathBuf,
    /// What guests find as their GPU
    #[arg(long, default_value = "auto", value_name = "auto|hardware|reference|off")]
    gpu: GpuArg,
    #[command(flatten)]
    compile: CompileArgs,
}

impl DemoArgs {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let begun = Instant::now();
        eprintln!("fizz demo: three nodes of this machine denoise a photograph; one of them lies.");
        check_folder(&self.out)?;
        let private = tempfile::tempdir()
            .map_err(|error| Failure::usage("cannot make a temporary folder").because(&error))?;
        let nodes = Nodes::default();
        let watcher = nodes.end_on_interrupt(private.path().to_owned())?;
        let made = private.path().join("made");
        let executor = Arc::new(self.compile.equip(gpu::executor(self.gpu, None)?)?);
        match executor.device(GpuClass::Exact) {
            Some(device) => eprintln!("GPU: {device}"),
            None if self.gpu == GpuArg::Off => {
                eprintln!("GPU: not used, as asked; guests take their CPU path")
            }
            None => eprintln!("GPU: none that computes exactly, so guests take their CPU path"),
        }
        nodes.start(private.path(), self.gpu)?;
        let before = add_noise(&executor)?;
        let addresses = nodes.addresses()?;
        let PreparedDemo { job, blobs } = prepare(&before)?;
        let tiles = job.tasks.len();
        eprintln!("job {}: {tiles} tiles, one task each", job.digest().short());
        let mut progress = Progress::new(tiles, NODES.map(str::to_owned).to_vec());
        let submission = Submission {
            job,
            blobs: blobs.clone(),
            nodes: addresses,
            key: keys::generate()?,
            sample: 1,
            task_time: Duration::from_secs(120),
            gather: Duration::from_secs(10),
            staging: private.path().join("staging"),
        };
        let report = submit::run(submission, executor.clone(), std::future::pending(), &mut progress)?;
        nodes.end();
        check(&report, tiles)?;

        job_folder::write_blobs(&made, &blobs)?;
        for (_, delivery) in report.deliveries.values() {
            job_folder::write_task(&made, delivery)?;
        }
        for (_, delivery) in &report.caught {
            job_folder::write_task(&made.join("caught"), delivery)?;
        }
        let after = join(&executor, &before, &report)?;
        for (name, picture) in [("before.png", &before), ("after.png", &after)] {
            fs::write(made.join(name), picture)
                .map_err(|error| Failure::usage(format!("cannot write {name}")).because(&error))?;
            eprintln!("{name}: {} against the clean photograph", quality(&executor, picture)?);
        }
        // From here on an interruption would leave half of the folder.
        watcher.shutdown_background();
        publish(&made, &self.out)?;
        self.end(&report, begun.elapsed());
        Ok(ExitCode::SUCCESS)
    }

    fn end(&self, report: &Report, took: Duration) {
        let (seconds, liar) = (took.as_secs_f64(), NODES[LIAR]);
        eprintln!("done in {seconds:.1} s: {liar} was caught, and its tiles were done again by the others.");
        println!("{}", self.out.join("after.png").display());
        let receipt = |folder: &str, task: u32| {
            self.out.join(folder).join(format!("receipts/{task:04}.receipt")).display().to_string()
        };
        eprintln!("next:");
        if let Some(task) = report.deliveries.keys().next() {
            eprintln!("  {} verify {}", me(), receipt("", *task));
            eprintln!("  {} receipt show {}", me(), receipt("", *task));
        }
        if let Some((_, lie)) = report.caught.first() {
            let path = receipt("caught", lie.checked.receipt.result.task);
            eprintln!("  {} verify {path}    # the lie: exit code {}", me(), Exit::Mismatch as u8);
        }
    }
}

/// The job with its bytes.
struct PreparedDemo {
    job: Job,
    blobs: JobBlobs,
}

fn prepare(before: &[u8]) -> Result<PreparedDemo, Failure> {
    let mut blobs = JobBlobs::default();
    blobs.add_bytes(fizz_examples::DENOISE);
    let photo = InputFile { path: "/before.png".into(), blob: blobs.add_bytes(before) };
    let grid = format!("{}x{}", GRID.0, GRID.1);
    let task = |index: u32| Task {
        args: vec![index.to_string(), grid.clone(), "/out/tile.ppm".into()],
        ..Task::default()
    };
    let args = ["tile", "/before.png"].map(str::to_owned).to_vec();
    let mut job = local_job(args, vec![photo]);
    job.gpu = GpuUse::Auto;
    job.tasks = (0..GRID.0 * GRID.1).map(task).collect();
    job.salt = submit::random()?;
    Ok(PreparedDemo { job, blobs })
}

fn local_job(args: Vec<String>, inputs: Vec<InputFile>) -> Job {
    Job { args, inputs, ..Job::new("denoise", Artifact::of(fizz_examples::DENOISE)) }
}

/// Runs the job's module here, on the CPU, with the given files.
fn run_here(executor: &Executor, args: &[&str], files: &[(&str, &[u8])]) -> Result<Executed, Failure> {
    let mut blobs = JobBlobs::default();
    blobs.add_bytes(fizz_examples::DENOISE);
    let input =
        |(path, bytes): &(&str, &[u8])| InputFile { path: (*path).into(), blob: blobs.add_bytes(*bytes) };
    let inputs = files.iter().map(input).collect();
    let job = local_job(args.iter().map(|arg| (*arg).to_owned()).collect(), inputs);
    let executed = executor
        .execute(&job, 0, &blobs, false, None)
        .map_err(|error| run::failure(&error, Path::new("denoise.wasm")))?;
    if executed.outcome != (Outcome::Completed { exit_code: 0 }) {
        let mut failure =
            Failure::new(Exit::GuestFailed, format!("`denoise {}` {}", args.join(" "), executed.outcome));
        failure.causes.push(String::from_utf8_lossy(&executed.stderr).into_owned());
        return Err(failure);
    }
    Ok(executed)
}

fn picture(executed: &Executed, name: &str) -> Result<Vec<u8>, Failure> {
    let bytes = executed.output(&OutputName::File(name.into()));
    bytes.map(<[u8]>::to_vec).ok_or_else(|| Failure::unexpected(format!("`denoise` left no {name}")))
}

/// The photograph as a camera would see it in bad light.
fn add_noise(executor: &Executor) -> Result<Vec<u8>, Failure> {
    let [sigma, seed] = NOISE;
    let args = ["add-noise", "/photo.png", sigma, seed, "-o", "/out/before.png"];
    picture(&run_here(executor, &args, &[("/photo.png", fizz_examples::PHOTO)])?, "before.png")
}

/// Puts the tiles together.
fn join(executor: &Executor, before: &[u8], report: &Report) -> Result<Vec<u8>, Failure> {
    let grid = format!("{}x{}", GRID.0, GRID.1);
    let tile = OutputName::File("tile.ppm".into());
    let mut tiles = Vec::new();
    for (task, (_, delivery)) in &report.deliveries {
        tiles.push((format!("/tile-{task}.ppm"), job_folder::delivered(delivery, &tile)?));
    }
    let mut args = vec!["join", "/before.png", &grid];
    args.extend(tiles.iter().map(|(path, _)| path.as_str()));
    args.extend(["-o", "/out/after.png"]);
    let mut files: Vec<(&str, &[u8])> = vec![("/before.png", before)];
    files.extend(tiles.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())));
    picture(&run_here(executor, &args, &files)?, "after.png")
}

/// How near a picture is to the clean photograph, in the job's own words.
fn quality(executor: &Executor, picture: &[u8]) -> Result<String, Failure> {
    let files: [(&str, &[u8]); 2] = [("/photo.png", fizz_examples::PHOTO), ("/picture.png", picture)];
    let executed = run_here(executor, &["compare", "/photo.png", "/picture.png"], &files)?;
    Ok(String::from_utf8_lossy(&executed.stdout).trim().to_owned())
}

/// Whether everything happened that the demo is about.
fn check(report: &Report, tiles: usize) -> Result<(), Failure> {
    let fail = |text: &str| Err(Failure::new(Exit::Mismatch, text));
    if let Some((node, task, reason)) = report.inconclusive.first() {
        let text = format!("task {task} of {} could not be checked: {reason}", NODES[*node]);
        return Err(Failure::new(Exit::Inconclusive, text));
    }
    if report.deliveries.len() != tiles || !report.missing.is_empty() {
        let mut failure = Failure::new(Exit::NoCapacity, format!("tiles {:?} are missing", report.missing));
        failure.causes =
            report.reasons.iter().map(|(node, why)| format!("{}: {why}", NODES[*node])).collect();
        return Err(failure);
    }
    if report.caught.iter().map(|(node, _)| *node).collect::<Vec<_>>() != [LIAR] {
        return fail("not exactly the liar was caught");
    }
    for honest in (0..NODES.len()).filter(|node| *node != LIAR) {
        if !report.passed.iter().any(|(node, _)| *node == honest) {
            return fail("an honest node was not checked");
        }
    }
    if report.deliveries.values().any(|(node, _)| *node == LIAR) {
        return fail("a tile of the liar was used");
    }
    let failed = |delivery: &Delivery| !delivery.checked.receipt.result.outcome.is_success();
    if let Some((task, _)) = report.deliveries.iter().find(|(_, (_, delivery))| failed(delivery)) {
        return Err(Failure::new(Exit::GuestFailed, format!("task {task} failed in the guest")));
    }
    Ok(())
}

/// A node process. It ends with this value, and with this process however that ends.
struct NodeProcess {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

/// The three nodes. Shared with whoever waits for Ctrl-C.
#[derive(Clone, Default)]
struct Nodes(Arc<Mutex<Vec<NodeProcess>>>);

impl Nodes {
    fn lock(&self) -> MutexGuard<'_, Vec<NodeProcess>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// On Ctrl-C ends the nodes, removes the private folder, and ends this process.
    fn end_on_interrupt(&self, private: PathBuf) -> Result<Runtime, Failure> {
        let failed = |error: std::io::Error| Failure::unexpected("cannot start the runtime").because(&error);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(failed)?;
        let nodes = self.clone();
        runtime.spawn(async move {
            interrupt::received().await;
            nodes.end();
            let _ = fs::remove_dir_all(&private);
            eprintln!("\nerror: interrupted");
            std::process::exit(Exit::Interrupted as i32);
        });
        Ok(runtime)
    }

    fn start(&self, private: &Path, gpu: GpuArg) -> Result<(), Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::unexpected("cannot find this program").because(&error))?;
        for (index, name) in NODES.into_iter().enumerate() {
            let log = private.join(format!("{index}.log"));
            let file = fs::File::create(&log)
                .map_err(|error| Failure::usage(format!("cannot write {}", log.display())).because(&error))?;
            let mut command = Command::new(&program);
            command
                .args(["node", "--listen", "127.0.0.1:0", "--stop-with-stdin", "--gpu", gpu.name(), "--data"])
                .arg(private.join(index.to_string()))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(file);
            if index == LIAR {
                command.args(["--drill", "wrong-output"]);
            }
            // Ctrl-C is for the demo, which ends its nodes.
            #[cfg(unix)]
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            let child = command
                .spawn()
                .map_err(|error| Failure::unexpected(format!("cannot start {name}")).because(&error))?;
            self.lock().push(NodeProcess { child, name, log });
        }
        Ok(())
    }

    fn addresses(&self) -> Result<Vec<NodeAddress>, Failure> {
        let mut addresses = Vec::new();
        for index in 0..NODES.len() {
            // The lock is not held while a node starts, so that it can be ended meanwhile.
            let Some((stdout, name, log)) = self.lock().get_mut(index).map(NodeProcess::parts) else { break };
            addresses.push(address(stdout, name, &log)?);
        }
        Ok(addresses)
    }

    fn end(&self) {
        let nodes = std::mem::take(&mut *self.lock());
        drop(nodes);
    }
}

/// Waits until a node listens; its first line says where.
fn address(stdout: Option<ChildStdout>, name: &str, log: &Path) -> Result<NodeAddress, Failure> {
    let mut line = String::new();
    if let Some(stdout) = stdout {
        // A node that dies closes its end.
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    line.trim().parse().map_err(|_| {
        let mut failure = Failure::unexpected(format!("{name} does not start"));
        failure.causes.extend(fs::read_to_string(log).ok());
        failure
    })
}

impl NodeProcess {
    fn parts(&mut self) -> (Option<ChildStdout>, &'static str, PathBuf) {
        (self.child.stdout.take(), self.name, self.log.clone())
    }
}

impl Drop for NodeProcess {
    /// Lets the node end by itself, which ends its workers; kills it if it does not.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks that a folder is empty, missing, or made by an earlier demo.
fn check_folder(root: &Path) -> Result<(), Failure> {
    if root.join(MADE).is_file() { Ok(()) } else { submit::check_empty(root) }
}

/// Moves what was made to its folder, in the place of what an earlier demo made there and of nothing else.
fn publish(made: &Path, root: &Path) -> Result<(), Failure> {
    check_folder(root)?;
    let failed = |path: &Path, error: std::io::Error| {
        Failure::usage(format!("cannot write {}", path.display()))
            .because(&error)
            .hint("choose another folder with --out; nothing is overwritten")
    };
    let list = root.join(MADE);
    for name in fs::read_to_string(&list).unwrap_or_default().lines() {
        if fizz_attest::check_path(&format!("/{name}")).is_ok() {
            let _ = fs::remove_file(root.join(name));
        }
    }
    fs::create_dir_all(root).map_err(|error| failed(root, error))?;
    let names = files_below(made, "").map_err(|error| failed(made, error))?;
    fs::write(&list, names.join("\n") + "\n").map_err(|error| failed(&list, error))?;
    for name in &names {
        let to = root.join(name);
        let copied = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            let mut file = fs::File::create_new(&to)?;
            file.write_all(&fs::read(made.join(name))?)
        });
        copied.map_err(|error| failed(&to, error))?;
    }
    Ok(())
}

/// Every file below a folder, by names with `/`, sorted.
fn files_below(folder: &Path, prefix: &str) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => names.extend(files_below(&entry.path(), &format!("{name}/"))?),
            false => names.push(name),
        }
    }
    names.sort();
    Ok(names)
}
