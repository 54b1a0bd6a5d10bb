//! The file in which `fizz run` keeps the state of a task between two runs of the command.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use fizz_exec::Checkpoint;

use crate::error::Failure;

/// Reads a checkpoint. `None` when there is no such file yet.
pub(crate) fn load(path: &Path) -> Result<Option<Checkpoint>, Failure> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(
                Failure::usage(format!("cannot read the checkpoint {}", path.display())).because(&error)
            );
        }
    };
    Checkpoint::decode(&bytes).map(Some).map_err(|error| {
        Failure::usage(format!("{} is no checkpoint", path.display()))
            .because(&error)
            .hint("name another file, or remove this one to begin anew")
    })
}

/// Writes a checkpoint, so that either the old one or the new one is there whatever happens.
pub(crate) fn store(path: &Path, checkpoint: &Checkpoint) -> Result<(), Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let write = || {
        let mut file = fs::File::create(new)?;
        std::io::Write::write_all(&mut file, &checkpoint.encode())?;
        file.sync_all()?;
        fs::rename(new, path)
    };
    write().map_err(|error| {
        Failure::usage(format!("cannot write the checkpoint {}", path.display())).because(&error)
    })
}

/// Removes the checkpoint of a task that has ended.
pub(crate) fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failure::usage(format!("cannot remove the checkpoint {}", path.display())).because(&error))
        }
        _ => Ok(()),
    }
}
