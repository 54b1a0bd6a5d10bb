//! The store's files: blobs, and what is still coming in.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use fizz_attest::{Blob, Digest, PublicKey};
use fizz_wire::blob::{BlobReceiver, BlobSource, GROUP_BYTES};

use super::StoreError;
use super::space::Space;

/// A requester and the hash of one of its blobs. Requesters share nothing: who knows only the hash of another's blob
/// must not get at its bytes by naming it in a job.
type Name = (PublicKey, Digest);

#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    pub(super) space: Space,
    /// Blobs that are coming in, or were when they broke off, with the bytes taken for them.
    incoming: Mutex<BTreeMap<Name, u64>>,
    /// Serialises renames into place, so that bytes are counted once.
    placing: Mutex<()>,
}

impl Files {
    pub(super) fn open(root: &Path, space: Space) -> Result<Files, StoreError> {
        for folder in ["blobs", "incoming"] {
            make_folder(&root.join(folder))?;
        }
        clear_folder(&root.join("scratch"))?;
        let files = Files {
            root: root.to_owned(),
            space,
            incoming: Mutex::new(BTreeMap::new()),
            placing: Mutex::new(()),
        };
        for found in files.list("blobs")? {
            if found.path.extension().is_none() {
                files.space.count(found.size);
            }
        }
        Ok(files)
    }

    pub(super) fn blobs(&self, owner: &PublicKey) -> PathBuf {
        self.root.join("blobs").join(owner.to_string())
    }

    pub(super) fn scratch(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.root.join("scratch").join(name);
        clear_folder(&path)?;
        Ok(path)
    }

    pub(super) fn has(&self, owner: &PublicKey, blob: &Blob) -> bool {
        let path = blob_path(&self.blobs(owner), blob);
        fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == blob.size)
    }

    pub(super) fn source(&self, owner: &PublicKey, blob: &Blob) -> Option<BlobSource> {
        let path = blob_path(&self.blobs(owner), blob);
        self.has(owner, blob).then(|| BlobSource::stored(*blob, &path, &outboard_path(&path)))
    }

    pub(super) fn receiver(&self, owner: &PublicKey, blob: &Blob) -> Result<BlobReceiver, StoreError> {
        let path = self.incoming(owner, blob);
        let mut incoming = lock(&self.incoming);
        if let Entry::Vacant(entry) = incoming.entry((*owner, blob.content)) {
            self.space.take(blob.size)?;
            entry.insert(blob.size);
        }
        drop(incoming);
        Ok(BlobReceiver::in_file(*blob, &path, &outboard_path(&path))?)
    }

    pub(super) fn adopt(&self, owner: &PublicKey, mut receiver: BlobReceiver) -> Result<(), StoreError> {
        receiver.sync()?;
        let blob = receiver.blob();
        drop(receiver);
        let mut folders = BTreeSet::new();
        let new = self.place(owner, &blob, &self.incoming(owner, &blob), &mut folders)?;
        folders.iter().try_for_each(|folder| sync_folder(folder))?;
        let taken = lock(&self.incoming).remove(&(*owner, blob.content)).unwrap_or_default();
        if new {
            self.space.count(blob.size);
        }
        self.space.give_back(taken);
        Ok(())
    }

    pub(super) fn import(&self, owner: &PublicKey, paths: &[PathBuf]) -> Result<Vec<Blob>, StoreError> {
        let mut bytes = 0u64;
        for path in paths {
            // A link would be followed out of the folder, and a pipe would never end.
            let metadata = fs::symlink_metadata(path).map_err(io_error("read", path))?;
            if !metadata.is_file() {
                return Err(StoreError::NotAFile(path.clone()));
            }
            bytes = bytes.saturating_add(metadata.len());
        }
        self.space.take(bytes)?;
        let imported = self.import_all(owner, paths);
        self.space.give_back(bytes);
        imported
    }

    fn import_all(&self, owner: &PublicKey, paths: &[PathBuf]) -> Result<Vec<Blob>, StoreError> {
        let mut blobs = Vec::new();
        let mut folders = BTreeSet::new();
        for path in paths {
            let source = BlobSource::of_file(path)?;
            let blob = source.blob();
            if blob.size > GROUP_BYTES {
                let outboard = outboard_path(path);
                source.save_outboard(&outboard).map_err(io_error("write", &outboard))?;
                sync_file(&outboard)?;
            }
            sync_file(path)?;
            if self.place(owner, &blob, path, &mut folders)? {
                self.space.count(blob.size);
            }
            blobs.push(blob);
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))?;
        Ok(blobs)
    }

    fn incoming(&self, owner: &PublicKey, blob: &Blob) -> PathBuf {
        self.root.join("incoming").join(format!("{owner}-{}", blob.content))
    }

    /// Moves synced files into place, the outboard first: a blob is there when its bytes are. Returns whether it is
    /// new, and adds the folders that must be synced to make it last.
    fn place(
        &self,
        owner: &PublicKey,
        blob: &Blob,
        from: &Path,
        folders: &mut BTreeSet<PathBuf>,
    ) -> Result<bool, StoreError> {
        let to = blob_path(&self.blobs(owner), blob);
        let _placing = lock(&self.placing);
        for folder in to.ancestors().skip(1).take_while(|folder| *folder != self.root) {
            if !folder.is_dir() {
                folders.extend(folder.parent().map(Path::to_owned));
            }
        }
        if let Some(folder) = to.parent() {
            make_folder(folder)?;
            folders.insert(folder.to_owned());
        }
        let new = !self.has(owner, blob);
        let (from_outboard, to_outboard) = (outboard_path(from), outboard_path(&to));
        if from_outboard.exists() {
            fs::rename(&from_outboard, &to_outboard).map_err(io_error("place", &to_outboard))?;
        }
        fs::rename(from, &to).map_err(io_error("place", &to))?;
        Ok(new)
    }

    /// Begins to look for files that no lease names.
    pub(super) fn sweep(&self) -> Result<Sweep<'_>, StoreError> {
        let mut unnamed: BTreeMap<Name, Vec<Found>> = BTreeMap::new();
        let mut strange = Vec::new();
        for folder in ["blobs", "incoming"] {
            for found in self.list(folder)? {
                match found.name {
                    Some(name) => unnamed.entry(name).or_default().push(found),
                    None => strange.push(found),
                }
            }
        }
        Ok(Sweep { files: self, unnamed, strange, named: Vec::new() })
    }

    /// All files below one of the store's folders.
    fn list(&self, folder: &str) -> Result<Vec<Found>, StoreError> {
        let top = self.root.join(folder);
        let incoming = folder == "incoming";
        let mut files = Vec::new();
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
                let entry = entry.map_err(io_error("list", &folder))?;
                let metadata = match entry.metadata() {
                    // It was placed meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    metadata => metadata.map_err(io_error("read", &entry.path()))?,
                };
                let path = entry.path();
                if metadata.is_dir() {
                    folders.push(path);
                } else {
                    files.push(Found { name: name_of(&top, &path), path, size: metadata.len(), incoming });
                }
            }
        }
        Ok(files)
    }
}

/// A file of the store.
struct Found {
    name: Option<Name>,
    path: PathBuf,
    size: u64,
    incoming: bool,
}

/// The requester and the hash in a path as `REQUESTER/ab/abcd….bao` or `REQUESTER-abcd….bao` below `top`.
fn name_of(top: &Path, path: &Path) -> Option<Name> {
    let first = path.strip_prefix(top).ok()?.iter().next()?.to_str()?;
    let stem = path.file_stem()?.to_str()?;
    let (owner, content) = stem.split_once('-').unwrap_or((first, stem));
    Some((owner.parse().ok()?, content.parse().ok()?))
}

/// A search for files that no lease names: tell it what is named, then finish it.
pub(super) struct Sweep<'a> {
    files: &'a Files,
    unnamed: BTreeMap<Name, Vec<Found>>,
    strange: Vec<Found>,
    /// Broken transfers that may go on, and their whole size.
    named: Vec<(Name, u64, PathBuf)>,
}

impl Sweep<'_> {
    /// A lease, or a result of one, names this blob.
    pub(super) fn keep(&mut self, owner: &PublicKey, blob: &Blob) {
        let name = (*owner, blob.content);
        let found = self.unnamed.remove(&name).into_iter().flatten();
        let mut incoming = found.filter(|file| file.incoming && file.path.extension().is_none());
        self.named.extend(incoming.next().map(|file| (name, blob.size, file.path)));
    }

    /// Removes the rest.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        let Sweep { files, unnamed, strange, named } = self;
        let mut incoming = lock(&files.incoming);
        for (name, size, path) in named {
            // Those that an earlier run of the node left do not count yet; those that are placed by now no longer.
            if path.exists() && incoming.insert(name, size).is_none() {
                files.space.count(size);
            }
        }
        let _placing = lock(&files.placing);
        for found in strange.into_iter().chain(unnamed.into_values().flatten()) {
            match fs::remove_file(&found.path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io_error("remove", &found.path)(error)),
            }
            if found.path.extension().is_some() {
                continue;
            }
            match found.incoming {
                false => {
                    files.space.give_back(found.size);
                    // Folders that hold something stay.
                    let _ = found.path.ancestors().skip(1).take(2).try_for_each(fs::remove_dir);
                }
                true => {
                    let taken = found.name.and_then(|name| incoming.remove(&name));
                    files.space.give_back(taken.unwrap_or_default());
                }
            }
        }
        Ok(())
    }
}

/// Where a blob lies below its requester's folder of blobs.
pub(crate) fn blob_path(blobs: &Path, blob: &Blob) -> PathBuf {
    let name = blob.content.to_string();
    blobs.join(&name[..2]).join(name)
}

fn outboard_path(path: &Path) -> PathBuf {
    path.with_extension("bao")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { action, path: path.to_owned(), source }
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(io_error("make the folder", path))
}

fn clear_folder(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Ok(()) => make_folder(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(path),
        Err(error) => Err(io_error("clear", path)(error)),
    }
}

fn sync_file(path: &Path) -> Result<(), StoreError> {
    // Some systems sync only what could be written.
    let file = OpenOptions::new().read(true).write(true).open(path);
    file.and_then(|file| file.sync_all()).map_err(io_error("sync", path))
}

/// Makes renames in a folder durable. Only Unix can open folders for that; elsewhere the file system decides.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(io_error("sync", path))?;
    }
    Ok(())
}
