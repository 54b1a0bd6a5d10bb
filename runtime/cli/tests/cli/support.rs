//! Running the command with folders of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub(crate) const FIZZ: &str = env!("CARGO_BIN_EXE_fizz");

/// A folder in which a test works, with keys and data of its own.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Home {
        Home { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A module in text form, as a file.
    pub(crate) fn module(&self, name: &str, text: &str) -> PathBuf {
        self.write(name, wat::parse_str(text).unwrap())
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).env_remove("FIZZ_KEY");
        for (name, folder) in [
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
            ("HOME", "home"),
        ] {
            command.env(name, self.path(folder));
        }
        // rustup and cargo find what they need without HOME.
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            if std::env::var_os(name).is_none()
                && let Some(home) = std::env::var_os("HOME")
            {
                command.env(name, Path::new(&home).join(folder));
            }
        }
        command
    }

    pub(crate) fn fizz<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Ended {
        Ended::of(self.command(FIZZ).args(args).output().unwrap())
    }

    /// A node that ends with the value.
    pub(crate) fn node(&self, name: &str, args: &[&str]) -> NodeProcess {
        let mut command = self.command(FIZZ);
        command.args(["node", "--listen", "127.0.0.1:0", "--stop-with-stdin", "--data"]).arg(self.path(name));
        let mut child = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        NodeProcess { child, address: line.trim().to_owned() }
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Ended {
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks the exit code, and shows what the command said where it is another.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Checks that standard error holds each of these.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Ended {
        for words in words {
            assert!(self.stderr.contains(words), "`{words}` is not in:\n{}", self.stderr);
        }
        self
    }
}

pub(crate) struct NodeProcess {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
