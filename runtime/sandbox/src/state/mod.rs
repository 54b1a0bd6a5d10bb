//! The state of a task between two steps: what it is, its hash, and how it is stored and brought back.
//!
//! A state is a `Core` (globals, gas, clocks, counters, descriptors, and everything else by hash), pages of memory, and
//! bytes of files and streams. `MemoryCopy` finds what changed in memory and keeps the hash tree over it.

mod codec;
mod core;
mod memory;
mod restore;
mod snapshot;
mod tree;
mod untouched;

pub use codec::SnapshotError;
pub(crate) use codec::{Kind, Parts};
pub(crate) use core::{Core, NAMES_MAX, STATE_VERSION, split_globals, task_digest};
pub(crate) use memory::MemoryCopy;
pub use restore::ResumeError;
pub(crate) use restore::restore;
pub use snapshot::Snapshot;
pub(crate) use tree::{PageTree, ZERO_PAGE, leaf as page_leaf, root_of};
pub(crate) use untouched::image_pages;
