//! Building a crate into a WASI module with cargo.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::error::Failure;

const TARGET: &str = "wasm32-wasip1";

/// The module that a path names: a file itself, or what a crate's folder builds into.
pub(crate) fn module_of(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_dir() { build(path) } else { Ok(path.to_owned()) }
}

/// One line of cargo's messages; others are skipped.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
}

/// Builds the one binary of the crate in `folder` for WASI, in release.
pub(crate) fn build(folder: &Path) -> Result<PathBuf, Failure> {
    let manifest = folder.join("Cargo.toml");
    let manifest = manifest.canonicalize().map_err(|error| {
        Failure::usage(format!("{} holds no Cargo.toml", folder.display()))
            .because(&error)
            .hint("give a folder with a Rust crate, or a .wasm file")
    })?;
    ensure_target()?;
    let mut cargo = Command::new(cargo_program());
    cargo
        .args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    // What an outer cargo has set for the host's build is not meant for the guest's.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") && text != "CARGO_HOME" && text != "CARGO_TARGET_DIR"
            || text == "RUSTFLAGS"
        {
            cargo.env_remove(name);
        }
    }
    let failed = || Failure::usage(format!("cannot build {}", folder.display()));
    let mut child = cargo.spawn().map_err(|error| {
        failed().because(&error).hint("install Rust from rustup.rs, so that `cargo` can be found")
    })?;
    let mut built = None;
    if let Some(stdout) = child.stdout.take() {
        let messages = serde_json::Deserializer::from_reader(BufReader::new(stdout)).into_iter::<Message>();
        for message in messages.map_while(Result::ok) {
            let own = message.manifest_path.as_deref() == Some(&manifest);
            if message.reason == "compiler-artifact" && own && message.executable.is_some() {
                built = message.executable;
            }
        }
    }
    let status = child.wait().map_err(|error| failed().because(&error))?;
    if !status.success() {
        return Err(failed().hint("the compiler's messages stand above"));
    }
    built.ok_or_else(|| failed().hint("the crate has no binary: a job needs a `src/main.rs`"))
}

fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Adds the WASI target where rustup is at hand and the target is not.
fn ensure_target() -> Result<(), Failure> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    let Ok(sysroot) = sysroot else { return Ok(()) };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    eprintln!("adding the Rust target {TARGET}");
    let added = Command::new("rustup").args(["target", "add", TARGET]).stdout(Stdio::null()).status();
    match added {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Failure::usage(format!("the Rust target {TARGET} is not installed"))
            .hint(format!("run `rustup target add {TARGET}`"))),
    }
}
