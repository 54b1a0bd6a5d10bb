use std::fs::File;
use std::io;
use std::path::{Component, Path};

/// The folder whose files a job leaves behind.
const FOLDER: &str = if cfg!(target_family = "wasm") { "/out" } else { "out" };

/// Creates a file among the job's outputs, and the folders on the way to it. A file of that name is emptied.
///
/// In the sandbox the outputs are `/out`, which `fizz run --out` writes back to the host. Natively they are
/// `out` in the current folder.
///
/// # Errors
/// `InvalidInput` if `path` is empty, absolute or leads out of the folder; else what the file system says.
pub fn output(path: impl AsRef<Path>) -> io::Result<File> {
    create(Path::new(FOLDER), path.as_ref())
}

fn create(folder: &Path, path: &Path) -> io::Result<File> {
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || path.file_name().is_none() {
        let message = format!("output path {} must be relative and stay inside {FOLDER}", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    File::create(path)
}

#[cfg(test)]
mod tests {
    use super::create;
    use std::io::{ErrorKind, Write};
    use std::path::Path;

    #[test]
    fn folders_on_the_way_are_made() {
        let folder = tempfile::tempdir().unwrap();
        create(folder.path(), Path::new("a/b/c.txt")).unwrap().write_all(b"long text").unwrap();
        create(folder.path(), Path::new("./a/b/c.txt")).unwrap().write_all(b"short").unwrap();
        assert_eq!(std::fs::read(folder.path().join("a/b/c.txt")).unwrap(), b"short");
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["", ".", "..", "../x", "a/../../x", "/etc/x"] {
            let error = create(folder.path(), Path::new(path)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
