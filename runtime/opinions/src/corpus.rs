//! What is run: programs with their inputs, each with a name.

use std::borrow::Cow;

use blake3::Hasher;
use fizz_sandbox::TaskSpec;

/// One program on one input.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Unique, and sorted by in the golden file.
    pub(crate) name: String,
    /// The module.
    pub(crate) wasm: Cow<'static, [u8]>,
    /// Everything else that decides the result.
    pub(crate) task: TaskSpec,
    /// Whether it belongs to the small corpus too.
    pub(crate) small: bool,
}

impl Entry {
    /// An entry of the small corpus.
    pub(crate) fn new(name: impl Into<String>, wasm: impl Into<Cow<'static, [u8]>>, args: &[&str]) -> Entry {
        let mut task = TaskSpec::new("program");
        task.args.extend(args.iter().map(|&arg| arg.to_owned()));
        task.limits.gas = 100_000_000_000;
        Entry { name: name.into(), wasm: wasm.into(), task, small: true }
    }

    /// Leaves it to the full corpus.
    pub(crate) fn only_full(mut self) -> Entry {
        self.small = false;
        self
    }

    /// Adds a file to what the guest sees.
    ///
    /// # Panics
    /// When the path is not one; paths are written here, by hand.
    pub(crate) fn with_file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Entry {
        self.task.files.insert(path, bytes.as_ref().to_vec()).expect("a good path");
        self
    }

    /// Adds an empty folder to what the guest sees.
    ///
    /// # Panics
    /// As [`with_file`](Self::with_file).
    pub(crate) fn with_folder(mut self, path: &str) -> Entry {
        self.task.files.create_dir(path).expect("a good path");
        self
    }

    /// A digest of the module and of everything the task says: 16 bytes in hex.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = Hasher::new_derive_key("fizz opinions: a corpus entry");
        put(&mut hasher, &self.wasm);
        for arg in &self.task.args {
            put(&mut hasher, arg.as_bytes());
        }
        hasher.update(b"environment");
        for (name, value) in &self.task.env {
            put(&mut hasher, name.as_bytes());
            put(&mut hasher, value.as_bytes());
        }
        put(&mut hasher, &self.task.stdin);
        for (path, bytes) in self.task.files.regular_files("/") {
            put(&mut hasher, path.as_bytes());
            put(&mut hasher, &bytes);
        }
        let limits = &self.task.limits;
        for number in [
            self.task.epoch_ns,
            u64::from(self.task.task_index),
            self.task.chunk_gas,
            limits.gas,
            limits.memory_bytes,
            limits.table_elements,
            limits.stack_bytes,
            limits.output_bytes,
            limits.files,
            limits.descriptors,
        ] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&self.task.seed);
        short(&hasher)
    }
}

/// Adds bytes with their length before them, so that no two lists of bytes read alike.
pub(crate) fn put(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
}

/// 16 bytes of a hash, in hex.
pub(crate) fn short(hasher: &Hasher) -> String {
    hex::encode(&hasher.finalize().as_bytes()[..16])
}

/// Every entry, sorted by name.
///
/// # Panics
/// When two entries have one name, or a text module does not parse.
pub(crate) fn all() -> Vec<Entry> {
    let mut entries = crate::programs::entries();
    entries.extend(crate::operators::entries());
    entries.extend(crate::host_calls::entries());
    entries.extend(crate::endings::entries());
    entries.extend(crate::generated::entries());
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in entries.windows(2) {
        assert_ne!(pair[0].name, pair[1].name, "two entries of one name");
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::Entry;

    #[test]
    fn the_digest_depends_on_the_module_the_task_and_where_one_ends_and_the_other_begins() {
        let base = || Entry::new("name", b"module".as_slice(), &["ab", "c"]);
        let mut gas = base();
        gas.task.limits.gas += 1;
        let mut seed = base();
        seed.task.seed[31] = 1;
        let others = [
            Entry::new("name", b"modulf".as_slice(), &["ab", "c"]),
            Entry::new("name", b"module".as_slice(), &["a", "bc"]),
            base().with_file("/x", ""),
            base().with_file("/x", "y"),
            gas,
            seed,
        ];
        let mut digests: Vec<_> = others.iter().map(Entry::digest).collect();
        digests.push(base().digest());
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 7);
        assert_eq!(base().digest(), Entry::new("other name", b"module".as_slice(), &["ab", "c"]).digest());
    }
}
