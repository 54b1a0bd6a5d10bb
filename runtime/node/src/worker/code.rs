//! How a worker gets machine code: it asks, the node answers with a file that its own compiler wrote.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use fizz_attest::{HostFault, Job};
use fizz_exec::code::Compiler;
use fizz_exec::{
    CodeKey, CodeSource, EngineSettings, Fault, Form, MachineCode, OwnCompiler, ProgramError, Seal, Wanted,
};

use super::child::tell;
use super::{CodeFile, Event, Instruction, Order};
use crate::store::blob_path;

/// Bytes of the cache's own mark, which the worker cannot check.
const CACHE_MARK_BYTES: u64 = 32;

/// What a node answers.
pub(super) type Answer = Result<CodeFile, (HostFault, String)>;

/// The worker's side.
pub(super) struct Asking<W> {
    pub(super) output: Arc<Mutex<W>>,
    pub(super) answers: Mutex<mpsc::Receiver<Answer>>,
    /// That the node is the one that started this worker.
    pub(super) own: OwnCompiler,
}

impl<W: Write + Send> CodeSource for Asking<W> {
    fn code(&self, wanted: &Wanted<'_>) -> Result<MachineCode, ProgramError> {
        if wanted.engine.settings() != EngineSettings::default() {
            return Err(fault(HostFault::Internal, "a node compiles for one engine only".to_owned()));
        }
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.ask(&answers, wanted.form, wanted.anew)?;
        if let Some(code) = self.read(&file, &wanted.key()) {
            return Ok(code);
        }
        // Another process of this user, or the cache's own bounds, may have removed or replaced it meanwhile.
        let file = self.ask(&answers, wanted.form, true)?;
        self.read(&file, &wanted.key()).ok_or_else(|| {
            fault(HostFault::Store, format!("the machine code {} is gone or damaged", file.path))
        })
    }
}

impl<W: Write> Asking<W> {
    fn ask(
        &self,
        answers: &mpsc::Receiver<Answer>,
        form: Form,
        anew: bool,
    ) -> Result<CodeFile, ProgramError> {
        tell(&self.output, &Event::WantsCode { form, anew })
            .map_err(|error| fault(HostFault::Internal, error.to_string()))?;
        match answers.recv() {
            Ok(Ok(file)) => Ok(file),
            Ok(Err((kind, detail))) => Err(fault(kind, detail)),
            Err(_) => Err(fault(HostFault::Internal, "the node is gone".to_owned())),
        }
    }

    /// What lies in a file, if it is what the node says.
    fn read(&self, file: &CodeFile, key: &CodeKey) -> Option<MachineCode> {
        let mut from = fs::File::open(&file.path).ok()?;
        from.seek(SeekFrom::Start(CACHE_MARK_BYTES)).ok()?;
        let mut code = Vec::new();
        from.read_to_end(&mut code).ok()?;
        Seal::new(file.secret).open(key, code, &file.mark, self.own).ok()
    }
}

fn fault(kind: HostFault, detail: String) -> ProgramError {
    ProgramError::Fault(Fault { kind, detail })
}

/// The node's side: has the module of an order compiled, and says where the machine code lies. Dropping the future
/// ends the compiler.
pub(super) async fn answer(compiler: &Arc<Compiler>, order: &Order, form: Form, anew: bool) -> Instruction {
    let alive = Arc::new(AtomicBool::new(true));
    let _unwanted_when_dropped = UnwantedWhenDropped(alive.clone());
    let (compiler, job, blobs) = (compiler.clone(), order.job.clone(), order.blobs.clone());
    let compile = move || compile(&compiler, &job, &blobs, (form, anew), &alive);
    let compiled = tokio::task::spawn_blocking(compile);
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

fn compile(
    compiler: &Compiler,
    job: &[u8],
    blobs: &str,
    (form, anew): (Form, bool),
    alive: &AtomicBool,
) -> Answer {
    let job = Job::decode(job).map_err(|error| (HostFault::Internal, error.to_string()))?;
    let wasm = fs::read(blob_path(Path::new(blobs), &job.module.blob))
        .map_err(|error| (HostFault::Store, format!("the module: {error}")))?;
    let wanted = Wanted { engine: compiler.engine(), wasm: &wasm, form, anew };
    let kept = compiler.compile(&wanted, alive).map_err(|error| match error {
        ProgramError::Fault(fault) => (fault.kind, fault.detail),
        ProgramError::Module(error) => (HostFault::Internal, error.to_string()),
    })?;
    let path = kept.file.map_err(|reason| {
        compiler.is_useless(&kept.key, &reason);
        (HostFault::Store, reason)
    })?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| (HostFault::Internal, error.to_string()))?;
    let mark = Seal::new(secret).mark(&kept.key, &kept.code);
    Ok(CodeFile { path: path.to_string_lossy().into_owned(), secret, mark })
}
