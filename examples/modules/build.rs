//! Compiles the guest packages for `wasm32-wasip1` and leaves the modules in `OUT_DIR`.
//!
//! A second cargo does it, in a target folder of its own (`guest` inside the one in use), so that it neither
//! waits for the lock that the outer cargo holds nor is built again for another profile or for clippy.
//! The same sources give the same bytes wherever the checkout and cargo's folders lie.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const WASM: &str = "wasm32-wasip1";

/// Guests that one run of cargo compiles. Packages selected together share their dependencies' features.
struct Batch {
    /// What to select: `-p PACKAGE…` with `--bins` or `--examples`.
    select: &'static [&'static str],
    /// Where cargo leaves the modules, below `TARGET/release`.
    folder: &'static str,
    /// The modules to take, without `.wasm`. Each becomes a constant in `lib.rs`.
    modules: &'static [&'static str],
}

const BATCHES: &[Batch] = &[
    Batch {
        select: &["-p", "hello", "-p", "denoise", "-p", "kernels", "-p", "life", "--bins"],
        folder: "",
        modules: &["hello", "denoise", "kernels", "life"],
    },
    Batch { select: &["-p", "tour", "--bins"], folder: "", modules: &["tour"] },
    Batch { select: &["-p", "fizz-wgpu", "--example", "compute"], folder: "examples", modules: &["compute"] },
    Batch {
        select: &["-p", "fizz-kernels", "--example", "blocks"],
        folder: "examples",
        modules: &["blocks"],
    },
];

/// What the modules are made from, below the workspace's root. Cargo looks through folders.
const SOURCES: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "rust-toolchain.toml",
    "examples/denoise/Cargo.toml",
    "examples/denoise/src",
    "examples/hello/Cargo.toml",
    "examples/hello/src",
    "examples/kernels/Cargo.toml",
    "examples/kernels/src",
    "examples/life/Cargo.toml",
    "examples/life/src",
    "examples/modules/build.rs",
    "host-gpu/abi/Cargo.toml",
    "host-gpu/abi/src",
    "runtime/sandbox/tests/guests",
    "sdk/guest",
    "sdk/kernels/Cargo.toml",
    "sdk/kernels/examples",
    "sdk/kernels/src",
    "sdk/wgpu",
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = manifest.ancestors().nth(2).ok_or("this package lies in examples/modules")?;
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }

    let rustc = Rustc::ask()?;
    rustc.need_target(root)?;
    let target = target_folder(&out, root).join("guest");
    for batch in BATCHES {
        compile(batch, root, &target, &rustc)?;
        for module in batch.modules {
            let name = format!("{module}.wasm");
            let from = target.join(WASM).join("release").join(batch.folder).join(&name);
            copy_if_changed(&from, &out.join(&name))
                .map_err(|e| format!("copying {}: {e}", from.display()))?;
        }
    }
    Ok(())
}

/// The compiler that the outer cargo uses, and what it says about itself.
struct Rustc {
    sysroot: PathBuf,
    commit: String,
}

impl Rustc {
    fn ask() -> Result<Self, String> {
        let program = variable("RUSTC")?;
        let ask = |arguments: &[&str]| -> Result<String, String> {
            let said = Command::new(&program)
                .args(arguments)
                .output()
                .map_err(|e| format!("starting {}: {e}", program.display()))?;
            String::from_utf8(said.stdout).map_err(|e| format!("rustc {}: {e}", arguments.join(" ")))
        };
        let version = ask(&["-vV"])?;
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or("unknown");
        Ok(Self { sysroot: PathBuf::from(ask(&["--print", "sysroot"])?.trim()), commit: commit.to_string() })
    }

    /// Adds the WebAssembly target to the toolchain where it is missing.
    fn need_target(&self, root: &Path) -> Result<(), String> {
        let library = self.sysroot.join("lib/rustlib").join(WASM).join("lib");
        if library.is_dir() {
            return Ok(());
        }
        let added = Command::new("rustup").args(["target", "add", WASM]).current_dir(root).status();
        if added.is_ok_and(|status| status.success()) && library.is_dir() {
            return Ok(());
        }
        Err(format!(
            "the Rust target {WASM} is missing, and adding it failed. Run this command, then build again:\n\
             rustup target add {WASM}"
        ))
    }
}

/// The outer cargo's target folder: the ancestor of `OUT_DIR` that cargo has marked as a cache. Cargo marks the
/// folder of a cross compilation's target inside it too.
fn target_folder(out: &Path, root: &Path) -> PathBuf {
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file();
    let Some(mut folder) = out.ancestors().find(marked) else { return root.join("target") };
    while let Some(parent) = folder.parent().filter(marked) {
        folder = parent;
    }
    folder.to_path_buf()
}

fn compile(batch: &Batch, root: &Path, target: &Path, rustc: &Rustc) -> Result<(), String> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.current_dir(root).args(["build", "--release", "--target", WASM]).args(batch.select);
    cargo.arg("--target-dir").arg(target);
    if root.join("Cargo.lock").is_file() {
        cargo.arg("--locked");
    }
    for (name, _) in env::vars_os() {
        if is_of_the_outer_build(&name) {
            cargo.env_remove(name);
        }
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remapped_paths(root, target, rustc)?);
    // One unit gives the fastest code. Names are of use only to those who build the module themselves.
    cargo.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1").env("CARGO_PROFILE_RELEASE_STRIP", "symbols");

    let status = cargo.status().map_err(|e| format!("starting cargo for the guests: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("compiling the guests for {WASM} failed ({status}); the compiler's messages are below"))
    }
}

/// Settings of the outer build (its flags, its profile, clippy, cross compilation) that must not reach the
/// guests. What says where and how to fetch packages stays, and so does the jobserver.
fn is_of_the_outer_build(name: &OsString) -> bool {
    const EXACT: &[&str] = &[
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_INCREMENTAL",
        "CARGO_TARGET_DIR",
        "CLIPPY_ARGS",
        "CLIPPY_CONF_DIR",
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "TARGET",
    ];
    const PREFIXES: &[&str] = &[
        "CARGO_BUILD_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CARGO_UNSTABLE_",
        "DEP_",
    ];
    let name = name.to_string_lossy();
    EXACT.contains(&&*name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Compiler flags that give the folders of this machine fixed names. The last flag that matches holds.
fn remapped_paths(root: &Path, target: &Path, rustc: &Rustc) -> Result<OsString, String> {
    let cargo_home = match env::var_os("CARGO_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => env::home_dir().ok_or("no home folder: set CARGO_HOME")?.join(".cargo"),
    };
    let folders = [
        (root.to_path_buf(), "/fizz".to_string()),
        (target.to_path_buf(), "/target".to_string()),
        (cargo_home, "/cargo".to_string()),
        // The name that the standard library was built under: it differs only where its source is installed.
        (rustc.sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{}", rustc.commit)),
    ];
    let mut flags = OsString::new();
    for (folder, name) in folders {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(folder);
        flags.push(format!("={name}"));
    }
    Ok(flags)
}

/// Leaves an equal file alone, so that cargo does not take it for a new one.
fn copy_if_changed(from: &Path, to: &Path) -> io::Result<()> {
    let new = fs::read(from)?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    fs::write(to, new)
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"))
}
