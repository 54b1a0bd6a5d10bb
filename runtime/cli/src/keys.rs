//! Key files: ed25519 in PKCS#8 PEM, readable by their owner only.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, choose_base_strategy};
use fizz_attest::SecretKey;

use crate::error::Failure;
use crate::exit::Exit;

/// A fresh key from the system's randomness.
pub(crate) fn generate() -> Result<SecretKey, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::new(Exit::Key, format!("no random bytes: {error}")))?;
    Ok(SecretKey::from_bytes(&seed))
}

/// The key in a file.
pub(crate) fn load(path: &Path) -> Result<SecretKey, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(Exit::Key, format!("cannot read the key file {}", path.display()))
            .because(&error)
            .hint("make one with `fizz key new`")
    })?;
    SecretKey::from_pem(&text).map_err(|error| {
        Failure::new(Exit::Key, format!("cannot use the key file {}", path.display())).because(&error)
    })
}

/// The key in a file, which is made where it is missing.
pub(crate) fn load_or_create(path: &Path) -> Result<SecretKey, Failure> {
    if path.exists() {
        return load(path);
    }
    let key = generate()?;
    create(path, &key)?;
    Ok(key)
}

/// Writes a key to a file that must not exist.
pub(crate) fn create(path: &Path, key: &SecretKey) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Key, format!("cannot write the key file {}", path.display())).because(&error)
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(key.to_pem().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// Where a requester's key lies unless told otherwise.
pub(crate) fn default_path() -> Result<PathBuf, Failure> {
    Ok(strategy()?.config_dir().join("fizz").join("key.pem"))
}

/// Where a node keeps its data unless told otherwise.
pub(crate) fn default_data() -> Result<PathBuf, Failure> {
    Ok(strategy()?.data_dir().join("fizz").join("node"))
}

fn strategy() -> Result<impl BaseStrategy, Failure> {
    choose_base_strategy().map_err(|error| {
        Failure::usage("cannot find your home folder")
            .because(&error)
            .hint("set HOME, or name the path by a flag")
    })
}
