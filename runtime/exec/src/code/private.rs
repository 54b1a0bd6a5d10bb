//! Files that are this user's alone, and that come to be whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
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
    refuse_others(path, &fs::symlink_metadata(path)?, forbidden)
}

#[cfg(unix)]
fn refuse_others(path: &Path, metadata: &fs::Metadata, forbidden: u32) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    if !own || metadata.is_symlink() || metadata.mode() & forbidden != 0 {
        return Err(not_alone(path));
    }
    Ok(())
}

/// Refuses a folder on the way to this one that everybody may write to, unless each may remove only what is theirs
/// there: whatever lies below can be put aside and replaced. A folder of a group is the group's own affair.
#[cfg(unix)]
pub(super) fn check_way(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let (everybody, sticky) = (0o002, 0o1000);
    for above in fs::canonicalize(folder)?.ancestors().skip(1) {
        let mode = fs::metadata(above)?.mode();
        if mode & everybody != 0 && mode & sticky == 0 {
            return Err(not_alone(above));
        }
    }
    Ok(())
}

/// What is in a file of a few bytes that is this user's own and that nobody else can read: the permissions are those of
/// the file that is read, whatever is put in its place meanwhile.
#[cfg(unix)]
pub(super) fn read_private(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // A pipe would hold up whoever opens it.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(not_alone(path));
    }
    let file = File::open(path)?;
    refuse_others(path, &file.metadata()?, 0o077)?;
    read_most(file, most)
}

#[cfg(unix)]
fn not_alone(path: &Path) -> io::Error {
    let what = format!("{} is not this user's alone", path.display());
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

/// On other systems nothing is looked at: a user's own folders are kept from others by the system, but one that is named
/// elsewhere may not be.
#[cfg(not(unix))]
pub(super) fn check_owner(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check_way(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn read_private(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_most(File::open(path)?, most)
}

fn read_most(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
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
