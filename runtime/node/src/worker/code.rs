//! How a worker gets machine code: it asks, the node answers with a file that its own compiler wrote.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use fizz_attest::{Blob, HostFault, Job};
use fizz_exec::code::Compiler;
use fizz_exec::{CodeKey, CodeSource, Engine, Fault, Form, MachineCode, ProgramError, Seal};

use super::child::tell;
use super::{CodeFile, Event, Instruction, Order};
use crate::store::blob_path;

/// Bytes of the cache's own mark, which the worker cannot check.
const CACHE_MARK_BYTES: usize = 32;

/// What a node answers.
pub(super) type Answer = Result<CodeFile, (HostFault, String)>;

/// The worker's side.
pub(super) struct Asking<W> {
    pub(super) engine: Engine,
    pub(super) output: Arc<Mutex<W>>,
    pub(super) answers: Mutex<mpsc::Receiver<Answer>>,
}

impl<W: Write + Send> CodeSource for Asking<W> {
    fn code(&self, wasm: &[u8], form: Form) -> Result<MachineCode, ProgramError> {
        let fault = |kind, detail| ProgramError::Fault(Fault { kind, detail });
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        tell(&self.output, &Event::WantsCode { exact: form == Form::Exact })
            .map_err(|error| fault(HostFault::Internal, error.to_string()))?;
        let file = match answers.recv() {
            Ok(Ok(file)) => file,
            Ok(Err((kind, detail))) => return Err(fault(kind, detail)),
            Err(_) => return Err(fault(HostFault::Internal, "the node is gone".to_owned())),
        };
        let bytes = fs::read(&file.path)
            .map_err(|error| fault(HostFault::Store, format!("machine code: {error}")))?;
        let key = CodeKey::of(&self.engine, &Blob::of(wasm).content, form);
        let code = bytes.get(CACHE_MARK_BYTES..).unwrap_or_default().to_vec();
        drop(bytes);
        Seal::new(file.secret)
            .open(&key, code, &file.mark)
            .map_err(|error| fault(HostFault::Store, error.to_string()))
    }
}

/// The node's side: has the module of an order compiled, and says where the machine code lies. Dropping the future
/// ends the compiler.
pub(super) async fn answer(compiler: &Arc<Compiler>, order: &Order, exact: bool) -> Instruction {
    let wanted = Arc::new(AtomicBool::new(true));
    let _unwanted_when_dropped = UnwantedWhenDropped(wanted.clone());
    let (compiler, job, blobs) = (compiler.clone(), order.job.clone(), order.blobs.clone());
    let form = if exact { Form::Exact } else { Form::Fast };
    let compiled = tokio::task::spawn_blocking(move || compile(&compiler, &job, &blobs, form, &wanted));
    match compiled.await {
        Ok(Ok(file)) => Instruction::Code(Ok(file)),
        Ok(Err((kind, detail))) => Instruction::no_code(kind, &detail),
        Err(_) => Instruction::no_code(HostFault::Internal, "the node failed to compile"),
    }
}

struct UnwantedWhenDropped(Arc<AtomicBool>);

impl Drop for UnwantedWhenDropped {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn compile(compiler: &Compiler, job: &[u8], blobs: &str, form: Form, wanted: &AtomicBool) -> Answer {
    let job = Job::decode(job).map_err(|error| (HostFault::Internal, error.to_string()))?;
    let wasm = fs::read(blob_path(Path::new(blobs), &job.module.blob))
        .map_err(|error| (HostFault::Store, format!("the module: {error}")))?;
    let kept = compiler.compile(&wasm, form, wanted).map_err(|error| match error {
        ProgramError::Fault(fault) => (fault.kind, fault.detail),
        ProgramError::Module(error) => (HostFault::Internal, error.to_string()),
    })?;
    let path = compiler.kept_at(&kept.key).ok_or_else(|| {
        let detail = format!("{} bytes of machine code do not fit the node's cache", kept.code.bytes().len());
        (HostFault::Store, detail)
    })?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| (HostFault::Internal, error.to_string()))?;
    let mark = Seal::new(secret).mark(&kept.key, kept.code.bytes());
    Ok(CodeFile { path: path.to_string_lossy().into_owned(), secret, mark })
}
