//! The worker's side: runs orders one after the other until its standard input ends.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use fizz_attest::{Blob, GpuClass, GpuUse, HostFault, Job};
use fizz_exec::{BlobError, Blobs, ExecuteError, Executed, Executor, Observer, OwnCompiler};
use fizz_wire::frame;

use super::code::{Answer, Asking};
use super::{Description, Event, Finished, GpuDescription, Instruction, Order, OutputFile};
use crate::store::blob_path;

/// How often a node hears of a running guest at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Serves orders from `input` to `output` until `input` ends; then the process ends at once, whatever a guest does.
/// Modules are compiled as the executor does it.
///
/// # Errors
/// When the pipes break or the node sends rubbish.
pub fn work(
    executor: &Executor,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let (orders, _) = receive(input);
    serve(executor, orders, Arc::new(Mutex::new(output)))
}

/// The same, but the node is asked for the machine code of modules; `own` says that it is the one that started this
/// process.
///
/// # Errors
/// When the pipes break or the node sends rubbish.
pub fn work_asking(
    executor: Executor,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    own: OwnCompiler,
) -> io::Result<()> {
    let (orders, answers) = receive(input);
    let output = Arc::new(Mutex::new(output));
    let asking = Asking { output: output.clone(), answers: Mutex::new(answers), own };
    serve(&executor.with_code(Arc::new(asking)), orders, output)
}

/// Sorts what the node sends, on a thread of its own.
fn receive(mut input: impl Read + Send + 'static) -> (mpsc::Receiver<Order>, mpsc::Receiver<Answer>) {
    let (orders, queue) = mpsc::channel();
    let (answers, answered) = mpsc::channel();
    std::thread::spawn(move || {
        while let Ok(instruction) = read(&mut input) {
            let taken = match instruction {
                Instruction::Order(order) => orders.send(*order).is_ok(),
                Instruction::Code(answer) => answers.send(answer).is_ok(),
            };
            if !taken {
                break;
            }
        }
        // The node is gone, or no longer makes sense. A running guest must not outlive it.
        std::process::exit(0);
    });
    (queue, answered)
}

fn serve(
    executor: &Executor,
    orders: mpsc::Receiver<Order>,
    output: Arc<Mutex<impl Write + Send + 'static>>,
) -> io::Result<()> {
    let gpu = |class| {
        let device = executor.device(class)?;
        let (profile, engine) = (executor.profile(Some(class)), executor.engine_info(Some(class)));
        Some(GpuDescription { profile, engine, hardware: device.is_hardware() })
    };
    let description = Description {
        profile: executor.profile(None),
        exact: gpu(GpuClass::Exact),
        fast: gpu(GpuClass::Fast),
        engine: executor.engine_info(None),
    };
    tell(&output, &Event::Ready(Box::new(description)))?;
    for order in orders {
        tell(&output, &Event::Started)?;
        let end = carry_out(executor, &order, Teller { output: output.clone(), last: Instant::now() });
        tell(&output, &end)?;
    }
    Ok(())
}

fn read(input: &mut impl Read) -> io::Result<Instruction> {
    let mut header = [0; frame::HEADER_BYTES];
    input.read_exact(&mut header)?;
    let length = frame::body_length::<Instruction>(header).map_err(io::Error::other)?;
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    frame::decode_body(&body).map_err(io::Error::other)
}

fn carry_out(executor: &Executor, order: &Order, observer: impl Observer + 'static) -> Event {
    let job = match Job::decode(&order.job) {
        Ok(job) => job,
        Err(error) => return Event::rejected(&error.to_string()),
    };
    let blobs = Folder(Path::new(&order.blobs));
    let run = || {
        let most = order.max_memory_bytes;
        if let Some(memory) = executor.memory_over(&job, &blobs, most)? {
            let detail = format!(
                "{memory} bytes of memory are over this node's {most}; a module in steps holds its memory twice"
            );
            return Err(ExecuteError::Fault { kind: HostFault::OutOfMemory, detail });
        }
        executor.execute(&job, order.task, &blobs, job.gpu != GpuUse::Off, Some(Box::new(observer)))
    };
    match run() {
        Ok(executed) => match write_outputs(&executed, Path::new(&order.outputs)) {
            Ok(finished) => Event::Finished(Box::new(finished)),
            Err(error) => Event::fault(HostFault::Store, &error.to_string()),
        },
        Err(ExecuteError::Fault { kind, detail }) => Event::fault(kind, &detail),
        Err(ExecuteError::Blob(error)) => Event::fault(HostFault::Store, &error.to_string()),
        Err(error) => Event::rejected(&describe(&error)),
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", describe(source)),
        None => error.to_string(),
    }
}

/// Tells of progress, now and then.
struct Teller<W> {
    output: Arc<Mutex<W>>,
    last: Instant,
}

impl<W: Write + Send> Observer for Teller<W> {
    fn progress(&mut self, gas: u64) {
        if self.last.elapsed() >= PROGRESS_EVERY {
            self.last = Instant::now();
            // A pipe that breaks here is met again by the last event.
            let _ = tell(&self.output, &Event::Progress(gas));
        }
    }
}

pub(super) fn tell(output: &Mutex<impl Write>, event: &Event) -> io::Result<()> {
    let bytes = frame::encode(event).map_err(io::Error::other)?;
    let mut output = output.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    output.write_all(&bytes)?;
    output.flush()
}

fn write_outputs(executed: &Executed, folder: &Path) -> io::Result<Finished> {
    fs::write(folder.join("stdout"), &executed.stdout)?;
    fs::write(folder.join("stderr"), &executed.stderr)?;
    let mut files = Vec::new();
    for (index, (path, bytes)) in executed.files.iter().enumerate() {
        let name = index.to_string();
        fs::write(folder.join(&name), bytes)?;
        files.push(OutputFile { path: path.clone(), name });
    }
    Ok(Finished {
        outcome: executed.outcome.clone(),
        gas: executed.gas,
        gpu_gas: executed.gpu_gas,
        gpu: executed.profile.gpu.is_some(),
        boundaries: executed.boundaries.clone(),
        stdout: "stdout".into(),
        stderr: "stderr".into(),
        files,
    })
}

/// The node's folder of blobs.
struct Folder<'a>(&'a Path);

impl Blobs for Folder<'_> {
    fn read(&self, blob: &Blob) -> Result<Vec<u8>, BlobError> {
        fs::read(blob_path(self.0, blob)).map_err(|error| BlobError::new(blob, error))
    }
}
