//! Files that are this user's alone, and that come to be whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What the names of files begin with that are still being written.
pub(super) const PART: &str = "part-";

/// Makes a folder, where it is missing, that its owner only can read.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Refuses what is not this user's own, or what others have one of these permissions for.
#[cfg(unix)]
pub(super) fn check_owner(path: &Path, forbidden: u32) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::symlink_metadata(path)?;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    if !own || metadata.is_symlink() || metadata.mode() & forbidden != 0 {
        let what = format!("{} is not this user's alone", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    Ok(())
}

/// Other systems keep a user's folders from others by themselves.
#[cfg(not(unix))]
pub(super) fn check_owner(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// A file that is whole, and has no name yet under which anybody looks for it. It goes when this does.
/// While it lives, the file is locked where the file system has locks.
pub(super) struct Part {
    path: PathBuf,
    _locked: File,
}

impl Part {
    /// Writes a new file that its owner only can read, under a name that nobody else has.
    pub(super) fn write(folder: &Path, parts: &[&[u8]]) -> io::Result<Part> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let path = folder.join(format!("{PART}{:032x}", u128::from_le_bytes(random)));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file: File = options.open(&path)?;
        // Without locks it is left alone for its age.
        let _ = file.try_lock();
        parts
            .iter()
            .try_for_each(|bytes| file.write_all(bytes))
            .inspect_err(|_| drop(fs::remove_file(&path)))?;
        Ok(Part { path, _locked: file })
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, unless a file has it already: then that one stays, and this is `false`.
    pub(super) fn place(&self, path: &Path) -> io::Result<bool> {
        match fs::hard_link(&self.path, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // A file system without links: the last one that comes wins, whole.
            Err(_) => fs::rename(&self.path, path).map(|()| true),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
