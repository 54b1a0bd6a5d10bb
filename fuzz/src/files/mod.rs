//! The file system against a model; both are those of the sandbox's own test.

#[path = "../../../runtime/sandbox/tests/files_model/call.rs"]
mod call;
#[path = "../../../runtime/sandbox/tests/files_model/guest.rs"]
mod guest;
#[path = "../../../runtime/sandbox/tests/files_model/model.rs"]
mod model;
#[path = "../../../runtime/sandbox/tests/files_model/oracle.rs"]
mod oracle;
#[path = "../../../runtime/sandbox/tests/files_model/tree.rs"]
mod tree;

use std::sync::LazyLock;

use fizz_sandbox::{Engine, Program};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| guest::compile(&Engine::new().expect("an engine")));

/// Calls on files, six bytes each: the guest and the model get the same answers and leave the same files.
pub fn files(data: &[u8]) {
    oracle::compare(&PROGRAM, data);
}
