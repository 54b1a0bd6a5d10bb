//! Finds the commit that is built, for `fizz --version`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=FIZZ_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    // Who builds from a source archive says which commit it is; without either, the version names none.
    let given = std::env::var("FIZZ_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| {
        for name in ["HEAD", "logs/HEAD"] {
            // A file that is not there would make every build a new one.
            if let Some(path) =
                git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists())
            {
                println!("cargo::rerun-if-changed={path}");
            }
        }
        git(&["rev-parse", "--short=12", "HEAD"])
    });
    println!("cargo::rustc-env=FIZZ_COMMIT={}", commit.unwrap_or_default());
    println!("cargo::rustc-env=FIZZ_TARGET={}", std::env::var("TARGET").unwrap_or_default());
}

/// What git answers, where there is a git and this is a checkout.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
