//! Machine code in files, each with a mark that only this node's user can make.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use fizz_sandbox::{CodeKey, MachineCode, Seal};

/// Bytes of a mark, which stands before the machine code.
const MARK_BYTES: usize = 32;
/// The file that holds the secret of the marks stands beside the folder, under its name with this ending: who may read
/// machine code need not be able to mark some.
const SECRET: &str = "secret";

/// A folder of machine code, bounded in size; what was used longest ago goes first.
#[derive(Debug)]
pub struct CodeCache {
    folder: PathBuf,
    max_bytes: u64,
    seal: Seal,
    /// Files written so far, to name the next.
    written: AtomicU64,
}

/// A cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the folder of machine code {}", .folder.display())]
pub struct CacheError {
    folder: PathBuf,
    source: io::Error,
}

impl CodeCache {
    /// Opens a folder, which is made where it is missing, readable by its owner only.
    ///
    /// # Errors
    /// When the folder or its secret cannot be made or read, or, on Unix, when others than this user could have put
    /// there what is in them.
    pub fn open(folder: &Path, max_bytes: u64) -> Result<CodeCache, CacheError> {
        let failed = |source| CacheError { folder: folder.to_owned(), source };
        make_private_folder(folder).map_err(failed)?;
        check_owner(folder, 0o022).map_err(failed)?;
        let seal = Seal::new(secret(&folder.with_added_extension(SECRET)).map_err(failed)?);
        Ok(CodeCache { folder: folder.to_owned(), max_bytes, seal, written: AtomicU64::new(0) })
    }

    /// Where the machine code of a key lies, behind its mark.
    pub fn path(&self, key: &CodeKey) -> PathBuf {
        self.folder.join(key.to_string())
    }

    /// The machine code of a key. A file that is not what was put there is removed.
    pub fn get(&self, key: &CodeKey) -> Option<MachineCode> {
        let path = self.path(key);
        let mut file = File::open(&path).ok()?;
        match read(&mut file).ok().and_then(|(mark, code)| self.seal.open(key, code, &mark).ok()) {
            Some(code) => {
                // The age by which files go; on a disk that keeps no times they go in any order.
                let _ = OpenOptions::new()
                    .append(true)
                    .open(&path)
                    .and_then(|file| file.set_modified(SystemTime::now()));
                Some(code)
            }
            None => {
                tracing::warn!(file = %path.display(), "dropped machine code that is damaged or not our own");
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps machine code that a compiler of this node has just made, and gives it back, marked. Where it cannot be
    /// written, which the second part says, it can be used all the same.
    pub fn put(&self, key: &CodeKey, code: Vec<u8>) -> (MachineCode, io::Result<()>) {
        let mark = self.seal.mark(key, &code);
        let size = (MARK_BYTES + code.len()) as u64;
        let kept = if size > self.max_bytes { Ok(()) } else { self.write(key, &mark, &code, size) };
        let code = self.seal.open(key, code, &mark).expect("the mark was made of these very bytes");
        (code, kept)
    }

    fn write(&self, key: &CodeKey, mark: &[u8; 32], code: &[u8], size: u64) -> io::Result<()> {
        self.make_room(size)?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let part = self.folder.join(format!("part-{}-{number}", std::process::id()));
        let written = write_private(&part, &[mark, code]).and_then(|()| fs::rename(&part, self.path(key)));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written
    }

    /// Removes what was used longest ago until there is room.
    fn make_room(&self, wanted: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another process may have been here first.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() {
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        files.sort();
        let mut taken: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if taken.saturating_add(wanted) <= self.max_bytes {
                break;
            }
            // Another process may have been here first.
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => taken -= size,
            }
        }
        Ok(())
    }
}

fn read(file: &mut File) -> io::Result<([u8; MARK_BYTES], Vec<u8>)> {
    let mut mark = [0; MARK_BYTES];
    file.read_exact(&mut mark)?;
    let mut code = Vec::new();
    file.read_to_end(&mut code)?;
    Ok((mark, code))
}

/// The secret in a file, which is made where it is missing.
fn secret(path: &Path) -> io::Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => {
            check_owner(path, 0o077)?;
            if let Ok(secret) = <[u8; 32]>::try_from(bytes) {
                return Ok(secret);
            }
            // Cut short by a crash: whatever was marked with it is not known again, and is compiled again.
            fs::remove_file(path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    match write_private(path, &[&secret]) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read(path)?
            .try_into()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the secret is not whole")),
        Err(error) => Err(error),
        Ok(()) => Ok(secret),
    }
}

fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Refuses what is not this user's own, or what others have one of these permissions for.
#[cfg(unix)]
fn check_owner(path: &Path, forbidden: u32) -> io::Result<()> {
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
fn check_owner(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

/// Writes a new file that its owner only can read.
fn write_private(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

#[cfg(test)]
mod tests {
    use fizz_attest::Digest;
    use fizz_sandbox::{Engine, Form};

    use super::*;

    fn key(number: u8) -> CodeKey {
        CodeKey::of(&Engine::new().unwrap(), &Digest([number; 32]), Form::Fast)
    }

    #[test]
    fn a_file_that_is_damaged_swapped_or_anothers_is_noticed_and_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(folder.path(), 1 << 20).unwrap();
        let (a, b) = (key(1), key(2));
        assert!(cache.get(&a).is_none());
        let (code, kept) = cache.put(&a, vec![7; 1000]);
        kept.unwrap();
        assert_eq!(code.bytes(), [7; 1000]);
        cache.put(&b, vec![8; 1000]).1.unwrap();
        // Another start of the same node knows it again.
        let again = CodeCache::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(again.get(&a).unwrap().bytes(), [7; 1000]);
        let good = fs::read(cache.path(&a)).unwrap();
        let mut flipped = good.clone();
        flipped[500] ^= 1;
        let swapped = fs::read(cache.path(&b)).unwrap();
        for bad in [flipped, swapped, good[..good.len() - 1].to_vec(), good[..31].to_vec(), Vec::new()] {
            fs::write(cache.path(&a), &bad).unwrap();
            assert!(cache.get(&a).is_none(), "{} bytes", bad.len());
            assert!(!cache.path(&a).exists());
        }
        fs::write(cache.path(&a), &good).unwrap();
        assert!(cache.get(&a).is_some());
        // A file of another node, marked with another secret.
        let elsewhere = tempfile::tempdir().unwrap();
        let other = CodeCache::open(elsewhere.path(), 1 << 20).unwrap();
        fs::write(other.path(&a), &good).unwrap();
        assert!(other.get(&a).is_none());
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(folder.path(), 3 * 1032).unwrap();
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let age = |number, seconds| {
            let file = OpenOptions::new().append(true).open(cache.path(&key(number))).unwrap();
            file.set_modified(at(seconds)).unwrap();
        };
        for number in 1..=3 {
            cache.put(&key(number), vec![number; 1000]).1.unwrap();
            age(number, number.into());
        }
        assert!(cache.get(&key(1)).is_some());
        cache.put(&key(4), vec![4; 1000]).1.unwrap();
        let there: Vec<bool> = (1..=4).map(|number| cache.path(&key(number)).exists()).collect();
        assert_eq!(there, [true, false, true, true]);
        // What is larger than the cache is used and not kept.
        let (code, kept) = cache.put(&key(5), vec![5; 4000]);
        kept.unwrap();
        assert_eq!(code.bytes().len(), 4000);
        assert!(!cache.path(&key(5)).exists() && cache.path(&key(4)).exists());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_or_write_it() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("code");
        let cache = CodeCache::open(&folder, 1 << 20).unwrap();
        cache.put(&key(1), vec![1]).1.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let secret = parent.path().join("code.secret");
        assert_eq!(mode(&secret), 0o600);
        assert_eq!(mode(&cache.path(&key(1))), 0o600);
        // Where others could have written, or read the secret, nothing is believed.
        for (path, bad, good) in [(&folder, 0o770, 0o700), (&secret, 0o640, 0o600)] {
            fs::set_permissions(path, fs::Permissions::from_mode(bad)).unwrap();
            assert!(CodeCache::open(&folder, 1 << 20).is_err(), "{}", path.display());
            fs::set_permissions(path, fs::Permissions::from_mode(good)).unwrap();
        }
        assert!(CodeCache::open(&folder, 1 << 20).is_ok());
        fs::rename(&secret, parent.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(parent.path().join("elsewhere"), &secret).unwrap();
        assert!(CodeCache::open(&folder, 1 << 20).is_err());
    }
}
