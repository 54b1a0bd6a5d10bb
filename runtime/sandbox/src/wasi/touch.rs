//! Which pages of the guest's memory a host call may read or write: for runs that have only a part of them.
//!
//! A list, by function, of what its arguments point to. It may name more than a call touches, as long as it is the same
//! wherever the call is made again.

use crate::host::{Ending, Host, Stop};
use crate::instrument::{PRESENT, TOUCHED};
use fizz_attest::HostFault;

/// What the host notes of the pages of one run: 0 missing, [`PRESENT`], [`TOUCHED`].
pub(crate) struct HostPages {
    pub(crate) pages: Vec<u8>,
    /// The page that was missing.
    pub(crate) missing: Option<u32>,
}

impl HostPages {
    /// Of a run in which all pages are there.
    pub(crate) fn all() -> Self {
        HostPages { pages: vec![PRESENT; 65_536], missing: None }
    }

    /// Marks the pages of a range, cut to the memory's size. Whether all are there.
    fn touch(&mut self, memory: &[u8], start: u64, size: u64) -> bool {
        let end = start.saturating_add(size).min(memory.len() as u64);
        if start >= end {
            return true;
        }
        for page in start >> 16..=(end - 1) >> 16 {
            let state = &mut self.pages[page as usize];
            if *state == 0 {
                self.missing.get_or_insert(page as u32);
                return false;
            }
            *state = TOUCHED;
        }
        true
    }
}

/// What an argument points to.
#[derive(Clone, Copy)]
enum Part {
    /// So many bytes at the pointer.
    Fixed(usize, u64),
    /// As many elements as another argument says, of so many bytes each.
    Many(usize, usize, u64),
    /// As many vectors as another argument says, and what they point to.
    Vectors(usize, usize),
    /// The pointers and the bytes of the arguments.
    Arguments(usize, usize),
    /// The same for the environment.
    Environment(usize, usize),
}

/// Buffers in one call; more are refused before any is looked at.
const VECTORS_MAX: u64 = 1024;

/// What a function's arguments point to; `None` for a function that has no row here.
fn parts(function: &str) -> Option<&'static [Part]> {
    use Part::*;
    Some(match function {
        "args_get" => &[Arguments(0, 1)],
        "environ_get" => &[Environment(0, 1)],
        "args_sizes_get" | "environ_sizes_get" => &[Fixed(0, 4), Fixed(1, 4)],
        "clock_res_get" | "fd_tell" | "fd_prestat_get" => &[Fixed(1, 8)],
        "clock_time_get" => &[Fixed(2, 8)],
        "fd_fdstat_get" => &[Fixed(1, 24)],
        "fd_filestat_get" => &[Fixed(1, 64)],
        "fd_pread" | "fd_pwrite" => &[Vectors(1, 2), Fixed(4, 4)],
        "fd_read" | "fd_write" => &[Vectors(1, 2), Fixed(3, 4)],
        "fd_prestat_dir_name" => &[Many(1, 2, 1)],
        "fd_readdir" => &[Many(1, 2, 1), Fixed(4, 4)],
        "fd_seek" => &[Fixed(3, 8)],
        "path_create_directory" | "path_remove_directory" | "path_unlink_file" => &[Many(1, 2, 1)],
        "path_filestat_get" => &[Many(2, 3, 1), Fixed(4, 64)],
        "path_filestat_set_times" => &[Many(2, 3, 1)],
        "path_link" => &[Many(2, 3, 1), Many(5, 6, 1)],
        "path_open" => &[Many(2, 3, 1), Fixed(8, 4)],
        "path_readlink" => &[Many(1, 2, 1), Many(3, 4, 1), Fixed(5, 4)],
        "path_rename" => &[Many(1, 2, 1), Many(4, 5, 1)],
        "path_symlink" => &[Many(0, 1, 1), Many(3, 4, 1)],
        "poll_oneoff" => &[Many(0, 2, 48), Many(1, 2, 32), Fixed(3, 4)],
        "random_get" => &[Many(0, 1, 1)],
        "sock_accept" => &[Fixed(2, 4)],
        "sock_recv" => &[Vectors(1, 2), Fixed(4, 4), Fixed(5, 4)],
        "sock_send" => &[Vectors(1, 2), Fixed(4, 4)],
        // These take numbers alone.
        "fd_advise"
        | "fd_allocate"
        | "fd_close"
        | "fd_datasync"
        | "fd_fdstat_set_flags"
        | "fd_fdstat_set_rights"
        | "fd_filestat_set_size"
        | "fd_filestat_set_times"
        | "fd_renumber"
        | "fd_sync"
        | "proc_exit"
        | "proc_raise"
        | "sched_yield"
        | "sock_shutdown" => &[],
        _ => return None,
    })
}

impl Host {
    /// Notes what a call may touch, where that is wanted, and ends the run if a page of it is missing.
    pub(super) fn touch(&mut self, function: &str, memory: &[u8], arguments: &[i64]) -> Result<(), Stop> {
        let Some(mut pages) = self.pages.take() else { return Ok(()) };
        let there = parts(function)
            .map(|parts| parts.iter().all(|part| self.touch_part(&mut pages, memory, *part, arguments)));
        self.pages = Some(pages);
        let why = match there {
            Some(true) => return Ok(()),
            Some(false) => "a page of memory is not there".to_owned(),
            None => format!("it is not known which pages {function} touches"),
        };
        Err(self.meter.end(Ending::Fault(HostFault::Internal, why)))
    }

    fn touch_part(&self, pages: &mut HostPages, memory: &[u8], part: Part, arguments: &[i64]) -> bool {
        // Pointers and sizes are 32 bits wide.
        let argument = |index: usize| arguments.get(index).map_or(0, |value| u64::from(*value as u32));
        match part {
            Part::Fixed(at, size) => pages.touch(memory, argument(at), size),
            Part::Many(at, count, size) => pages.touch(memory, argument(at), argument(count) * size),
            Part::Vectors(at, count) => {
                let (start, count) = (argument(at), argument(count));
                if count > VECTORS_MAX {
                    return true;
                }
                pages.touch(memory, start, 8 * count)
                    && (0..count).all(|index| {
                        let at = (start + 8 * index) as usize;
                        let Some([a, b, c, d, size @ ..]) =
                            memory.get(at..).and_then(|rest| rest.first_chunk::<8>())
                        else {
                            return true;
                        };
                        let (at, size) = (u32::from_le_bytes([*a, *b, *c, *d]), u32::from_le_bytes(*size));
                        pages.touch(memory, at.into(), size.into())
                    })
            }
            Part::Arguments(heads, bytes) | Part::Environment(heads, bytes) => {
                let strings =
                    if matches!(part, Part::Arguments(..)) { &self.wasi.args } else { &self.wasi.env };
                pages.touch(memory, argument(heads), 4 * u64::from(strings.number_elements()))
                    && pages.touch(memory, argument(bytes), strings.cumulative_size().into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wasmtime::{Linker, Store};

    use super::*;
    use crate::gpu::Gpu;
    use crate::wasi::{Wasi, add_to_linker, is_served};
    use crate::{Engine, TaskSpec};

    #[test]
    fn every_function_that_is_linked_has_a_row() {
        let engine = Engine::new().unwrap();
        let mut linker = Linker::new(engine.wasmtime());
        add_to_linker(&mut linker).unwrap();
        let task = TaskSpec::new("rows");
        let gpu = Gpu::new(None, task.gpu_class, &task.limits.gpu).unwrap();
        let host = Host::new(&task.limits, Wasi::new(&task).unwrap(), gpu, None);
        let mut store = Store::new(engine.wasmtime(), host);
        let linked: BTreeSet<_> = linker.iter(&mut store).map(|(_, name, _)| name.to_owned()).collect();
        assert_eq!(linked.len(), 46);
        for name in &linked {
            assert!(is_served(name), "{name} is linked, and no module may import it");
            assert!(parts(name).is_some(), "{name} has no row");
        }
        assert!(parts("fd_reed").is_none());
    }
}
