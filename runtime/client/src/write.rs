//! Writing outputs under their names, without ever leaving the folder they belong in.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::delivery::{Delivery, output_path};

/// An output cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refuses.
    #[error("cannot write {}", path.display())]
    Io {
        /// Where to.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A link stands where a folder of the outputs would be.
    #[error("{} is a link, and outputs do not follow links", .0.display())]
    Link(PathBuf),
}

/// Writes the output files of a delivery below `folder`, as [`write_output`] does.
///
/// # Errors
/// [`WriteError`].
pub fn write_delivery(delivery: &Delivery, folder: &Path) -> Result<(), WriteError> {
    make_folder(folder)?;
    for entry in &delivery.checked.manifest.files {
        let from = output_path(&delivery.folder, &entry.blob);
        let mut source = File::open(&from).map_err(|source| WriteError::Io { path: from, source })?;
        write_output(folder, &entry.path, &mut source)?;
    }
    Ok(())
}

/// Writes one output below `folder`, making the folders between. An older file of that name is replaced, whole or
/// not at all.
///
/// The name is the guest's; what some systems do not allow in names is written as `%` and two hex digits, on all
/// systems, so that results look alike. Links below `folder` are not followed.
///
/// # Errors
/// [`WriteError`].
pub fn write_output(folder: &Path, name: &str, from: &mut impl io::Read) -> Result<PathBuf, WriteError> {
    make_folder(folder)?;
    let path = folder.join(host_path(name));
    let mut parent = folder.to_owned();
    let below = path.strip_prefix(folder).ok().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    for part in below.components() {
        parent.push(part);
        match fs::symlink_metadata(&parent) {
            Ok(metadata) if metadata.is_symlink() => return Err(WriteError::Link(parent)),
            Ok(_) => {}
            Err(_) => make_folder(&parent)?,
        }
    }
    let error = |source| WriteError::Io { path: path.clone(), source };
    let part = parent.join(format!(".fizz-{}.part", std::process::id()));
    let _ = fs::remove_file(&part);
    let written = File::create_new(&part)
        .and_then(|mut to| io::copy(from, &mut to))
        .and_then(|_| fs::rename(&part, &path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written.map_err(error)?;
    Ok(path)
}

/// The path below a host folder of an output that a guest names `name`.
pub fn host_path(name: &str) -> PathBuf {
    name.split('/').map(host_name).collect()
}

fn make_folder(path: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(path).map_err(|source| WriteError::Io { path: path.to_owned(), source })
}

/// A file name that every system takes for one plain name.
fn host_name(name: &str) -> String {
    let mut host = String::new();
    for c in name.chars() {
        match c {
            '<' | '>' | ':' | '"' | '\\' | '|' | '?' | '*' | '%' | '\0'..='\x1f' | '\x7f' => {
                host.push_str(&format!("%{:02x}", c as u32));
            }
            c => host.push(c),
        }
    }
    if host.is_empty() {
        return "%".to_owned();
    }
    // Windows drops these at the end of a name.
    if let Some(last) = host.pop() {
        match last {
            '.' | ' ' => host.push_str(&format!("%{:02x}", last as u32)),
            last => host.push(last),
        }
    }
    // And takes these for devices, whatever extension follows.
    let stem = host.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device)
            .is_some_and(|number| number.len() == 1 && number.as_bytes()[0].is_ascii_digit())
    };
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT") {
        let first = host.remove(0);
        host.insert_str(0, &format!("%{:02x}", first as u32));
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        for (guest, host) in [
            ("a b.txt", "a b.txt"),
            ("..", ".%2e"),
            (".", "%2e"),
            ("a. ", "a.%20"),
            (".hidden", ".hidden"),
            ("con", "%63on"),
            ("Lpt1.txt", "%4cpt1.txt"),
            ("nul .x", "%6eul .x"),
            ("console", "console"),
            ("com10", "com10"),
            ("a\\..\\b", "a%5c..%5cb"),
            ("c:d%", "c%3ad%25"),
            ("", "%"),
        ] {
            assert_eq!(host_name(guest), host);
        }
        assert_eq!(host_path("../../etc/passwd"), Path::new(".%2e/.%2e/etc/passwd"));
        assert_eq!(host_path("/etc/passwd"), Path::new("%/etc/passwd"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        fs::create_dir_all(&inside).unwrap();
        fs::create_dir_all(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("sub")).unwrap();
        let error = write_output(&inside, "sub/file", &mut &b"x"[..]).unwrap_err();
        assert!(matches!(error, WriteError::Link(_)), "{error}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        // A link in the place of the file itself is replaced, not written through.
        fs::write(outside.join("target"), "old").unwrap();
        std::os::unix::fs::symlink(outside.join("target"), inside.join("file")).unwrap();
        write_output(&inside, "file", &mut &b"new"[..]).unwrap();
        assert_eq!(fs::read(outside.join("target")).unwrap(), b"old");
        assert_eq!(fs::read(inside.join("file")).unwrap(), b"new");
    }
}
