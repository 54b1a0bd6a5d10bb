//! What must hold for any bytes: one function for each fuzz target, with its oracle inside.
//!
//! A function takes whatever the fuzzer gives and returns, or panics where a promise of the crate under test is
//! broken. The targets in `fuzz_targets` are one line each, and the test `seeds` calls the same functions on any
//! toolchain. Bytes in, nothing out; every function is deterministic.

mod answer;
mod blob;
mod checkpoint;
mod exact;
mod files;
mod frame;
mod gpu_process;
mod gpu_stream;
mod guest;
mod interpreter;
mod job;
mod memory;
mod module;
mod nan;
mod program;
mod receipt;
mod repeat;
mod session;
mod shader;
mod steps;
mod wgsl;

// Private parts of the crates, which their interfaces rightly do not show.
#[allow(dead_code, unreachable_pub)]
#[path = "../../runtime/sandbox/src/features.rs"]
mod features;
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../../runtime/sandbox/src/instrument/mod.rs"]
mod instrument;
#[allow(dead_code, unreachable_pub)]
#[path = "../../runtime/exec/src/code/pipe.rs"]
mod pipe;
#[allow(dead_code, unreachable_pub)]
#[path = "../../runtime/node/src/worker/protocol.rs"]
mod protocol;

pub use answer::answer;
pub use blob::blob;
pub use checkpoint::{checkpoint, stopped};
pub use exact::exact;
pub use files::files;
pub use frame::frame;
pub use gpu_process::gpu_process;
pub use gpu_stream::gpu_stream;
pub use guest::guest;
pub use interpreter::interpreter;
pub use job::job;
pub use module::module;
pub use nan::nan;
pub use program::{opinions, program};
pub use receipt::receipt;
pub use session::session;
pub use shader::{shader, wgsl};
pub use steps::{SCRIPT, resume, snapshot, stored};

/// A fuzz target: its name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 21] = [
    ("receipt", receipt),
    ("job", job),
    ("frame", frame),
    ("blob", blob),
    ("gpu_process", gpu_process),
    ("gpu_stream", gpu_stream),
    ("shader", shader),
    ("wgsl", wgsl),
    ("module", module),
    ("guest", guest),
    ("files", files),
    ("program", program),
    ("opinions", opinions),
    ("interpreter", interpreter),
    ("session", session),
    ("snapshot", snapshot),
    ("resume", resume),
    ("checkpoint", checkpoint),
    ("answer", answer),
    ("nan", nan),
    ("exact", exact),
];
