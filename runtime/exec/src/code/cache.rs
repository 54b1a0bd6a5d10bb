//! Machine code in files, each with a mark that only this node's user can make.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fizz_sandbox::{CodeKey, MachineCode, OwnCompiler, Seal};

use super::private::{PART, Part, check_owner, check_way, make_folder, read_private};

/// Bytes of a mark, which stands before the machine code.
const MARK_BYTES: usize = 32;
/// The file that holds the secret of the marks stands beside the folder, under its name with this ending: who may read
/// machine code need not be able to mark some.
const SECRET: &str = "secret";
/// A file that has been in the making for so long, and that nobody holds locked, was given up.
const ABANDONED_AFTER: Duration = Duration::from_secs(10);
/// The same where the file system has no locks.
const ABANDONED_WITHOUT_LOCKS: Duration = Duration::from_secs(3600);
/// How often a file is given its name again where others remove what is there.
const PLACING: usize = 8;

/// A folder of machine code, bounded in size; what was used longest ago goes first.
#[derive(Debug)]
pub struct CodeCache {
    folder: PathBuf,
    max_bytes: u64,
    seal: Seal,
    own: OwnCompiler,
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
    pub fn open(folder: &Path, max_bytes: u64, own: OwnCompiler) -> Result<CodeCache, CacheError> {
        let failed = |source| CacheError { folder: folder.to_owned(), source };
        make_folder(folder).map_err(failed)?;
        check_owner(folder, 0o022).map_err(failed)?;
        check_way(folder).map_err(failed)?;
        let seal = Seal::new(secret(&folder.with_added_extension(SECRET)).map_err(failed)?);
        Ok(CodeCache { folder: folder.to_owned(), max_bytes, seal, own })
    }

    /// Where the machine code of a key lies, behind its mark.
    pub fn path(&self, key: &CodeKey) -> PathBuf {
        self.folder.join(key.to_string())
    }

    /// The machine code of a key. A file that is not what was put there is removed.
    pub fn get(&self, key: &CodeKey) -> Option<MachineCode> {
        let path = self.path(key);
        let mut file = File::open(&path).ok()?;
        let opened = read(&mut file).ok();
        match opened.and_then(|(mark, code)| self.seal.open(key, code, &mark, self.own).ok()) {
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

    /// Forgets the machine code of a key, which the engine does not take.
    pub fn remove(&self, key: &CodeKey) {
        let _ = fs::remove_file(self.path(key));
    }

    /// Keeps machine code, and gives back what lies there now: where another process was faster with the same module,
    /// what that one made. The second part says whether it lies there: what is larger than the cache does not. It can
    /// be used all the same.
    pub fn put(&self, key: &CodeKey, code: MachineCode) -> (MachineCode, io::Result<bool>) {
        let size = (MARK_BYTES + code.bytes().len()) as u64;
        if size > self.max_bytes {
            return (code, Ok(false));
        }
        match self.write(key, &code, size) {
            Ok(Some(there)) => (there, Ok(true)),
            Ok(None) => (code, Ok(true)),
            Err(error) => (code, Err(error)),
        }
    }

    /// Writes machine code. Gives back what lies there already, if it is good.
    fn write(&self, key: &CodeKey, code: &MachineCode, size: u64) -> io::Result<Option<MachineCode>> {
        self.make_room(size)?;
        let mark = self.seal.mark(key, code);
        let part = Part::write(&self.folder, &[&mark, code.bytes()])?;
        for _ in 0..PLACING {
            if part.place(&self.path(key))? {
                return Ok(None);
            }
            // What is damaged is dropped by this, and what others have dropped meanwhile is gone.
            if let Some(there) = self.get(key) {
                return Ok(Some(there));
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "other files come and go in the place of this one"))
    }

    /// Removes what was used longest ago until there is room, and what others began to write and did not end.
    fn make_room(&self, wanted: u64) -> io::Result<()> {
        let mut files = Vec::new();
        let mut taken = 0_u64;
        let now = SystemTime::now();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another process may have been here first.
            let Ok(metadata) = entry.metadata() else { continue };
            if !metadata.is_file() {
                continue;
            }
            let modified = metadata.modified()?;
            if entry.file_name().to_string_lossy().starts_with(PART) {
                let age = now.duration_since(modified).unwrap_or_default();
                if age > ABANDONED_AFTER && is_given_up(&entry.path(), age) && remove(&entry.path())? {
                    continue;
                }
            } else {
                files.push((modified, metadata.len(), entry.path()));
            }
            taken = taken.saturating_add(metadata.len());
        }
        files.sort();
        for (_, size, path) in files {
            if taken.saturating_add(wanted) <= self.max_bytes {
                break;
            }
            remove(&path)?;
            taken -= size;
        }
        if taken.saturating_add(wanted) > self.max_bytes {
            let full = "what others are writing takes all room";
            return Err(io::Error::new(io::ErrorKind::StorageFull, full));
        }
        Ok(())
    }
}

/// Whether nobody writes a file any more. Who does holds it locked, and the lock ends with the process.
fn is_given_up(path: &Path, age: Duration) -> bool {
    let Ok(file) = OpenOptions::new().append(true).open(path) else { return true };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => age > ABANDONED_WITHOUT_LOCKS,
    }
}

/// Removes a file, if another process has not. Whether it is gone.
fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(true),
    }
}

fn read(file: &mut File) -> io::Result<([u8; MARK_BYTES], Vec<u8>)> {
    let mut mark = [0; MARK_BYTES];
    file.read_exact(&mut mark)?;
    let mut code = Vec::new();
    file.read_to_end(&mut code)?;
    Ok((mark, code))
}

/// The secret in a file, which is made where it is missing. Of several processes that make it at once, all get the one
/// whose file came to lie there first.
fn secret(path: &Path) -> io::Result<[u8; 32]> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    for _ in 0..PLACING {
        match read_private(path, 33) {
            Ok(bytes) => {
                if let Ok(secret) = <[u8; 32]>::try_from(bytes) {
                    return Ok(secret);
                }
                // Damaged, for it comes to be whole: whatever was marked with it is compiled again. Two that mend it at
                // once may mark with two secrets, and then know less of each other's.
                remove(path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        // Whatever lies there then is read: another process may have been faster.
        Part::write(folder, &[&secret])?.place(path)?;
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the secret does not stay whole"))
}

#[cfg(test)]
mod tests {
    use fizz_attest::Digest;
    use fizz_sandbox::{Engine, Form};

    use super::*;

    fn key(number: u8) -> CodeKey {
        CodeKey::of(&Engine::new().unwrap(), &Digest([number; 32]), Form::Fast)
    }

    fn own() -> OwnCompiler {
        #[expect(unsafe_code, reason = "tests promise what they like")]
        // SAFETY: no bytes of these tests are ever loaded.
        unsafe {
            OwnCompiler::promise()
        }
    }

    fn code(byte: u8, bytes: usize) -> MachineCode {
        MachineCode::of(vec![byte; bytes], own())
    }

    fn open(folder: &Path, max_bytes: u64) -> Result<CodeCache, CacheError> {
        CodeCache::open(folder, max_bytes, own())
    }

    /// What several threads get who do the same at once.
    fn at_once<T: Send>(work: impl Fn(u8) -> T + Sync) -> Vec<T> {
        let (work, barrier) = (&work, &std::sync::Barrier::new(8));
        std::thread::scope(|scope| {
            let start = |number| {
                scope.spawn(move || {
                    barrier.wait();
                    work(number)
                })
            };
            let threads: Vec<_> = (0..8).map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn caches_opened_at_once_share_one_secret() {
        for _ in 0..50 {
            let parent = tempfile::tempdir().unwrap();
            let folder = parent.path().join("code");
            let caches = at_once(|_| open(&folder, 1 << 20).unwrap());
            for (number, cache) in (0..).zip(&caches) {
                cache.put(&key(number), code(number, 1000)).1.unwrap();
            }
            for cache in &caches {
                assert!((0..8).all(|number| cache.get(&key(number)).is_some()));
            }
        }
    }

    #[test]
    fn caches_that_write_the_same_file_at_once_agree_on_what_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        let good = open(folder.path(), 1 << 20).unwrap();
        for round in 0..50 {
            // A damaged file lies there in every second round.
            if round % 2 == 0 {
                fs::write(good.path(&key(round)), b"damaged").unwrap();
            }
            let made = at_once(|number| {
                let cache = open(folder.path(), 1 << 20).unwrap();
                let (made, written) = cache.put(&key(round), code(number, 1000));
                written.unwrap();
                made.bytes().to_vec()
            });
            let there = good.get(&key(round)).unwrap();
            assert!(made.contains(&there.bytes().to_vec()), "what lies there is somebody's");
            if round % 2 == 1 {
                assert!(made.iter().all(|made| made == there.bytes()), "all use what lies there");
            }
        }
        let left = fs::read_dir(folder.path()).unwrap();
        assert_eq!(left.count(), 50, "no part is left");
    }

    #[test]
    fn what_others_are_writing_is_left_alone_and_what_they_gave_up_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path(), 3 * 1032).unwrap();
        let (young, old) = (folder.path().join("part-young"), folder.path().join("part-old"));
        for path in [&young, &old] {
            fs::write(path, [0; 1032]).unwrap();
        }
        let ago = SystemTime::now() - 2 * ABANDONED_AFTER;
        OpenOptions::new().append(true).open(&old).unwrap().set_modified(ago).unwrap();
        for number in 1..=3 {
            cache.put(&key(number), code(number, 1000)).1.unwrap();
        }
        assert!(young.exists() && !old.exists());
        // What is still being written is left, however old it is, and nothing is written where that leaves no room.
        let part = Part::write(folder.path(), &[&[0; 2 * 1032]]).unwrap();
        let file = OpenOptions::new().append(true).open(part.path()).unwrap();
        file.set_modified(SystemTime::now() - 2 * ABANDONED_WITHOUT_LOCKS).unwrap();
        assert!(cache.put(&key(4), code(4, 1000)).1.is_err());
        assert!(part.path().exists() && !cache.path(&key(4)).exists());
        drop((file, part));
        for number in 1..=3 {
            cache.put(&key(number), code(number, 1000)).1.unwrap();
        }
        let there = (1..=3).filter(|number| cache.path(&key(*number)).exists()).count();
        assert_eq!(there, 2, "what is being written takes room, too");
    }

    #[test]
    fn a_file_that_is_damaged_swapped_or_anothers_is_noticed_and_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path(), 1 << 20).unwrap();
        let (a, b) = (key(1), key(2));
        assert!(cache.get(&a).is_none());
        let (made, kept) = cache.put(&a, code(7, 1000));
        kept.unwrap();
        assert_eq!(made.bytes(), [7; 1000]);
        cache.put(&b, code(8, 1000)).1.unwrap();
        // Another start of the same node knows it again.
        let again = open(folder.path(), 1 << 20).unwrap();
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
        let other = open(elsewhere.path(), 1 << 20).unwrap();
        fs::write(other.path(&a), &good).unwrap();
        assert!(other.get(&a).is_none());
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path(), 3 * 1032).unwrap();
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let age = |number, seconds| {
            let file = OpenOptions::new().append(true).open(cache.path(&key(number))).unwrap();
            file.set_modified(at(seconds)).unwrap();
        };
        for number in 1..=3 {
            cache.put(&key(number), code(number, 1000)).1.unwrap();
            age(number, number.into());
        }
        assert!(cache.get(&key(1)).is_some());
        cache.put(&key(4), code(4, 1000)).1.unwrap();
        let there: Vec<bool> = (1..=4).map(|number| cache.path(&key(number)).exists()).collect();
        assert_eq!(there, [true, false, true, true]);
        // What is larger than the cache is used and not kept.
        let (made, kept) = cache.put(&key(5), code(5, 4000));
        kept.unwrap();
        assert_eq!(made.bytes().len(), 4000);
        assert!(!cache.path(&key(5)).exists() && cache.path(&key(4)).exists());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_or_write_it() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("code");
        let cache = open(&folder, 1 << 20).unwrap();
        cache.put(&key(1), code(1, 1)).1.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let secret = parent.path().join("code.secret");
        assert_eq!(mode(&secret), 0o600);
        assert_eq!(mode(&cache.path(&key(1))), 0o600);
        // Where others could have written, or read the secret, nothing is believed.
        for (path, bad, good) in [(&folder, 0o770, 0o700), (&secret, 0o640, 0o600)] {
            fs::set_permissions(path, fs::Permissions::from_mode(bad)).unwrap();
            assert!(open(&folder, 1 << 20).is_err(), "{}", path.display());
            fs::set_permissions(path, fs::Permissions::from_mode(good)).unwrap();
        }
        assert!(open(&folder, 1 << 20).is_ok());
        // Nor where everybody can put another folder in the place of this one.
        for (mode, good) in [(0o777, false), (0o1777, true), (0o755, true)] {
            fs::set_permissions(parent.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open(&folder, 1 << 20).is_ok(), good, "{mode:o}");
        }
        fs::rename(&secret, parent.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(parent.path().join("elsewhere"), &secret).unwrap();
        assert!(open(&folder, 1 << 20).is_err());
        fs::remove_file(&secret).unwrap();
        fs::create_dir(&secret).unwrap();
        assert!(open(&folder, 1 << 20).is_err());
    }
}
