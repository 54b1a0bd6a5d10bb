//! The one conversation with the host: commands go into a stream, records come back.

use super::imports;
use crate::Class;
use fizz_gpu_abi::{
    Caps, Encoder, ErrorClass, MAX_INLINE, MAX_RECORD, ObjectKind, OpenRequest, RecordKind, RecordRef,
    Severity, features, status,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Bytes of stream after which it is handed over even though nobody waits.
const FLUSH_AT: usize = 256 << 10;

/// What is known of the host's one session.
enum Host {
    Unknown,
    /// Open as asked, with nobody using it.
    Idle(Class, Caps),
    Used(Weak<Session>),
}

thread_local! {
    static HOST: RefCell<Host> = const { RefCell::new(Host::Unknown) };
}

/// Opens the host's session.
fn open(class: Class) -> Result<Caps, i32> {
    let class = match class {
        Class::Job => fizz_gpu_abi::Class::Job,
        Class::Exact => fizz_gpu_abi::Class::Exact,
        Class::Fast => fizz_gpu_abi::Class::Fast,
    };
    let mut answer = [0; Caps::SIZE];
    match imports::open(&OpenRequest::new(class).to_bytes(), &mut answer) {
        failed if failed < 0 => Err(failed),
        _ => Caps::from_bytes(&answer).map_err(|_| status::UNSUPPORTED),
    }
}

/// Ends the host's session; nothing here refers to it any more.
fn end() {
    imports::close();
    // A session that outlives its thread's variables has no successor either.
    let _ = HOST.try_with(|host| host.replace(Host::Unknown));
}

/// What the host offers, or why it offers nothing.
pub(super) fn probe(class: Class) -> Result<Caps, i32> {
    HOST.with_borrow_mut(|host| match host {
        Host::Idle(asked, caps) if *asked == class => Ok(*caps),
        Host::Used(session) if session.strong_count() > 0 => Ok(session.upgrade().expect("counted").caps),
        Host::Unknown | Host::Idle(..) | Host::Used(_) => {
            if let Host::Idle(..) = host {
                imports::close();
                *host = Host::Unknown;
            }
            let caps = open(class)?;
            *host = Host::Idle(class, caps);
            Ok(caps)
        }
    })
}

/// The session in use, if there is one.
pub(super) fn current() -> Option<Arc<Session>> {
    HOST.with_borrow(|host| if let Host::Used(session) = host { session.upgrade() } else { None })
}

/// Commands not yet handed over, and answers not yet asked for.
#[derive(Default)]
struct State {
    stream: Encoder,
    last_id: u32,
    /// Serial of the last stream handed over.
    serial: u64,
    /// Open error scopes.
    scopes: u32,
    /// Answers of popped scopes, by how many scopes remained.
    popped: BTreeMap<u32, Option<(ErrorClass, String)>>,
    /// Messages about shaders that are alive.
    shaders: BTreeMap<u32, Vec<wgpu::CompilationMessage>>,
    handler: Option<Arc<dyn wgpu::UncapturedErrorHandler>>,
    /// The device was destroyed: everything is ignored from now on, as WebGPU has it.
    lost: bool,
}

/// A device's conversation with the host. It ends when the last object is dropped.
pub(super) struct Session {
    pub(super) caps: Caps,
    detached: bool,
    state: Mutex<State>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

impl Session {
    /// Begins a session.
    ///
    /// # Errors
    /// Text for people: there is no GPU, or a device is in use.
    pub(super) fn begin(class: Class) -> Result<Arc<Self>, String> {
        let used = HOST.with_borrow(|host| matches!(host, Host::Used(session) if session.strong_count() > 0));
        if used {
            return Err(
                "a job has one GPU device at a time: clone its handle, or drop it and all that it made"
                    .into(),
            );
        }
        let caps = probe(class).map_err(|status| format!("the host offers no GPU (status {status})"))?;
        let session = Arc::new(Session { caps, detached: false, state: Mutex::default() });
        HOST.set(Host::Used(Arc::downgrade(&session)));
        Ok(session)
    }

    /// A session with nobody, which ignores everything.
    pub(super) fn detached(caps: Caps) -> Arc<Self> {
        Arc::new(Session {
            caps,
            detached: true,
            state: Mutex::new(State { lost: true, ..State::default() }),
        })
    }

    /// Whether the session never was one.
    pub(super) fn is_detached(&self) -> bool {
        self.detached
    }

    /// Whether the host has objects of this kind.
    pub(super) fn knows(&self, kind: ObjectKind) -> bool {
        let needed = match kind {
            ObjectKind::Texture | ObjectKind::TextureView => features::STORAGE_TEXTURES,
            ObjectKind::QuerySet => features::TIMESTAMPS,
            _ => 0,
        };
        self.caps.features & needed == needed
    }

    /// There is one thread, and no user code runs under the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state().lost
    }

    /// A name for a new object.
    pub(super) fn id(&self) -> u32 {
        let mut state = self.state();
        state.last_id = state.last_id.checked_add(1).expect("a job makes fewer than 2^32 GPU objects");
        state.last_id
    }

    /// Appends one command, or one whole bracket.
    pub(super) fn push(&self, encode: impl FnOnce(&mut Encoder)) {
        let mut state = self.state();
        if state.lost {
            return;
        }
        let before = state.stream.len();
        encode(&mut state.stream);
        let most = self.caps.max_stream_bytes as usize;
        if state.stream.len() <= most.min(FLUSH_AT) {
            return;
        }
        if state.stream.len() > most && before > 0 {
            // What was there already goes ahead, so that no stream is longer than it need be.
            let mut bytes = state.stream.take();
            let last = bytes.split_off(before);
            state.hand_over(&bytes);
            state.hand_over(&last);
            drop(state);
            self.drain();
        } else {
            drop(state);
            self.flush();
        }
    }

    /// Files an error as if a command had made it, and sees that it is heard.
    pub(super) fn report(&self, class: ErrorClass, message: &str) {
        self.push(|stream| stream.report_error(class, message));
        self.flush();
    }

    /// Hands the stream over, takes what the host has to say, and returns the last serial.
    pub(super) fn flush(&self) -> u64 {
        let mut state = self.state();
        // A destroyed session's stream stays empty.
        if !state.stream.is_empty() {
            let mut stream = std::mem::take(&mut state.stream);
            state.hand_over(stream.as_bytes());
            stream.clear();
            state.stream = stream;
            drop(state);
            self.drain();
            state = self.state();
        }
        state.serial
    }

    /// Takes the host's records, and delivers errors that no scope caught.
    fn drain(&self) {
        let mut bytes = [0; MAX_RECORD];
        let mut uncaught = Vec::new();
        let mut state = self.state();
        loop {
            let size = imports::take_error(&mut bytes);
            let Ok(size @ 1..) = usize::try_from(size) else { break };
            let record = RecordRef::from_bytes(&bytes[..size]).expect("the host writes whole records");
            match record.kind {
                RecordKind::Uncaptured => uncaught.extend(found(&record)),
                RecordKind::Scope => {
                    state.popped.insert(record.subject, found(&record));
                }
                RecordKind::Shader => {
                    if let Some(messages) = state.shaders.get_mut(&record.subject) {
                        messages.push(message(&record));
                    }
                }
            }
        }
        let handler = state.handler.clone();
        drop(state);
        for (class, text) in uncaught {
            let error = error(class, text);
            match &handler {
                Some(handler) => handler(error),
                None if std::thread::panicking() => eprintln!("wgpu error: {error}"),
                None => panic!("wgpu error: {error}"),
            }
        }
    }

    /// Brings bytes into a buffer. Offset and length are what WebGPU asks for, or the host records an error.
    pub(super) fn write(&self, buffer: u32, offset: u64, data: &[u8]) {
        // Inline data must leave room for its command in a stream of any size.
        if data.len() <= MAX_INLINE.min(self.caps.max_stream_bytes as usize / 2) {
            self.push(|stream| stream.write_buffer(buffer, offset, data).expect("checked above"));
        } else if !self.is_lost() {
            self.flush();
            if imports::write(buffer, offset, data) != status::OK {
                self.drain();
            }
        }
    }

    /// Fills `into` from a buffer, after everything before it. False if the host refused, with an error.
    pub(super) fn read(&self, buffer: u32, offset: u64, into: &mut [u8]) -> bool {
        if self.is_lost() {
            return false;
        }
        self.flush();
        let done = imports::read(buffer, offset, into) == status::OK;
        if !done {
            self.drain();
        }
        done
    }

    /// Blocks until all work is done.
    pub(super) fn finish(&self) {
        self.flush();
        if !self.is_lost() {
            imports::wait(-1, -1);
        }
    }

    /// Blocks until the work of a serial is done.
    ///
    /// # Errors
    /// The last serial, where the one asked for was never given out.
    pub(super) fn wait(&self, serial: u64) -> Result<(), u64> {
        let last = self.flush();
        if serial > last {
            return Err(last);
        }
        if !self.is_lost() {
            imports::wait(serial.cast_signed(), -1);
        }
        Ok(())
    }

    /// Opens an error scope and returns how many stood open before.
    pub(super) fn push_scope(&self, class: ErrorClass) -> u32 {
        let mut state = self.state();
        if state.lost {
            return 0;
        }
        let index = state.scopes;
        state.scopes += 1;
        drop(state);
        self.push(|stream| stream.push_error_scope(class));
        index
    }

    /// Closes the innermost error scope and returns its error.
    ///
    /// # Panics
    /// Unless `index` is the innermost scope's.
    pub(super) fn pop_scope(&self, index: u32) -> Option<wgpu::Error> {
        let mut state = self.state();
        if state.lost {
            return None;
        }
        if state.scopes != index + 1 {
            drop(state);
            if std::thread::panicking() {
                return None;
            }
            panic!("mismatched pop_error_scope call: error scopes must be popped in reverse order");
        }
        state.scopes = index;
        drop(state);
        self.push(Encoder::pop_error_scope);
        self.flush();
        let found = self.state().popped.remove(&index).flatten();
        found.map(|(class, text)| error(class, text))
    }

    /// Keeps the messages about a shader, from before it is made.
    pub(super) fn watch_shader(&self, id: u32) {
        self.state().shaders.insert(id, Vec::new());
    }

    /// The messages about a shader so far.
    pub(super) fn shader_messages(&self, id: u32) -> Vec<wgpu::CompilationMessage> {
        self.flush();
        self.state().shaders.get(&id).cloned().unwrap_or_default()
    }

    pub(super) fn forget_shader(&self, id: u32) {
        self.state().shaders.remove(&id);
    }

    pub(super) fn set_handler(&self, handler: Arc<dyn wgpu::UncapturedErrorHandler>) {
        self.state().handler = Some(handler);
    }

    /// Frees everything at the host. What comes later is ignored.
    pub(super) fn destroy(&self) {
        if self.is_lost() {
            return;
        }
        self.flush();
        let mut state = self.state();
        state.lost = true;
        state.scopes = 0;
        drop(state);
        end();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_lost() {
            return;
        }
        // Errors of commands that nobody waited for are still told.
        self.flush();
        end();
    }
}

impl State {
    fn hand_over(&mut self, stream: &[u8]) {
        let serial = imports::submit(stream);
        self.serial = u64::try_from(serial).unwrap_or_else(|_| {
            panic!("the host refused a command stream (status {serial})");
        });
    }
}

/// The error that a record tells of.
fn found(record: &RecordRef<'_>) -> Option<(ErrorClass, String)> {
    Some((record.class()?, record.text.to_owned()))
}

fn error(class: ErrorClass, description: String) -> wgpu::Error {
    let source = description.clone().into();
    match class {
        ErrorClass::Validation => wgpu::Error::Validation { source, description },
        ErrorClass::OutOfMemory => wgpu::Error::OutOfMemory { source },
        ErrorClass::Internal => wgpu::Error::Internal { source, description },
    }
}

/// The compilation message that a record tells of.
fn message(record: &RecordRef<'_>) -> wgpu::CompilationMessage {
    wgpu::CompilationMessage {
        message: record.text.to_owned(),
        message_type: match record.severity() {
            Some(Severity::Warning) => wgpu::CompilationMessageType::Warning,
            Some(Severity::Info) => wgpu::CompilationMessageType::Info,
            Some(Severity::Error) | None => wgpu::CompilationMessageType::Error,
        },
        location: (record.line > 0).then_some(wgpu::SourceLocation {
            line_number: record.line,
            line_position: record.column,
            offset: record.offset,
            length: record.length,
        }),
    }
}
