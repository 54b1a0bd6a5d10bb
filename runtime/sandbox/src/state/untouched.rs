//! Knows pages of zeros without looking at them, where the kernel tells which of a process's pages have no memory
//! behind them. To look at such a page makes the kernel map it, which takes longer than to hash some.
//!
//! It saves time and changes no result: a page that is not known to be untouched is looked at.

use std::ops::Range;

use wasmparser::{DataKind, Operator, Parser, Payload};

/// The pages of linear memory that a module's active data segments may reach at its start. Those may be mapped from a
/// file of the engine's, so that they hold bytes with no memory behind them; all others begin as zeros.
///
/// A module that is not understood reaches all of them.
pub(crate) fn image_pages(wasm: &[u8]) -> Range<usize> {
    initial_bytes(wasm).map_or(0..usize::MAX, |bytes| (bytes.start >> 16)..bytes.end.div_ceil(1 << 16))
}

/// From the first to the last byte that an active data segment sets. `None` when that cannot be told from its form.
fn initial_bytes(wasm: &[u8]) -> Option<Range<usize>> {
    let mut all: Option<Range<usize>> = None;
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::DataSection(section) = payload.ok()? else { continue };
        for segment in section {
            let segment = segment.ok()?;
            let DataKind::Active { offset_expr, .. } = segment.kind else { continue };
            let mut operators = offset_expr.get_operators_reader();
            let (Operator::I32Const { value }, Operator::End) =
                (operators.read().ok()?, operators.read().ok()?)
            else {
                return None;
            };
            let start = value.cast_unsigned() as usize;
            let end = start.checked_add(segment.data.len())?;
            all = Some(all.map_or(start..end, |all| all.start.min(start)..all.end.max(end)));
        }
    }
    Some(all.unwrap_or(0..0))
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::fs::File;
    use std::ops::Range;
    use std::os::unix::fs::FileExt;
    use std::sync::OnceLock;

    use super::super::tree::PAGE;

    /// Bytes per host page in `/proc/self/pagemap`.
    const ENTRY: usize = 8;
    /// In memory, or swapped out. The kernel's `Documentation/admin-guide/mm/pagemap.rst`.
    const TOUCHED: u64 = (1 << 63) | (1 << 62);
    /// Pages asked for at once.
    const BATCH: usize = 256;

    /// What the kernel tells of the memory of this process.
    pub(in super::super) struct PageMap {
        file: File,
        host_page: usize,
    }

    impl PageMap {
        /// `None` where the kernel does not tell, or not to us.
        pub(in super::super) fn open() -> Option<PageMap> {
            static TELLS: OnceLock<bool> = OnceLock::new();
            let map = PageMap {
                file: File::open("/proc/self/pagemap").ok()?,
                host_page: rustix::param::page_size(),
            };
            let usable = PAGE.is_multiple_of(map.host_page) && *TELLS.get_or_init(|| map.tells());
            usable.then_some(map)
        }

        /// Calls `untouched` with those pages of a range of `memory` that were never written. Only for memory that is
        /// private to this process and not mapped from a file: there such pages are zero.
        pub(in super::super) fn for_each_untouched(
            &self,
            memory: &[u8],
            range: Range<usize>,
            mut untouched: impl FnMut(usize),
        ) {
            let start = memory.as_ptr().addr();
            if range.is_empty() || !start.is_multiple_of(self.host_page) {
                return;
            }
            let entries = PAGE / self.host_page * ENTRY;
            let mut buffer = vec![0; entries * BATCH.min(range.len())];
            for first in range.clone().step_by(BATCH) {
                let count = BATCH.min(range.end - first);
                let buffer = &mut buffer[..entries * count];
                let at = (start + first * PAGE) / self.host_page * ENTRY;
                if self.file.read_exact_at(buffer, at as u64).is_err() {
                    return;
                }
                for (index, page) in (first..).zip(buffer.chunks_exact(entries)) {
                    if !page.as_chunks().0.iter().any(touched) {
                        untouched(index);
                    }
                }
            }
        }

        /// Whether the kernel says of pages that were written that they were.
        fn tells(&self) -> bool {
            let written = std::hint::black_box(vec![1u8; 4 * PAGE]);
            let first = written.as_ptr().addr() / self.host_page * ENTRY;
            let mut entries = vec![0; 4 * PAGE / self.host_page * ENTRY];
            let read = self.file.read_exact_at(&mut entries, first as u64);
            read.is_ok() && entries.as_chunks().0.iter().all(touched)
        }
    }

    fn touched(entry: &[u8; ENTRY]) -> bool {
        u64::from_ne_bytes(*entry) & TOUCHED != 0
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    /// Other systems do not tell.
    pub(in super::super) enum PageMap {}

    impl PageMap {
        pub(in super::super) fn open() -> Option<PageMap> {
            None
        }

        pub(in super::super) fn for_each_untouched(
            &self,
            _: &[u8],
            _: std::ops::Range<usize>,
            _: impl FnMut(usize),
        ) {
            match *self {}
        }
    }
}

pub(super) use kernel::PageMap;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tree::PAGE;

    fn image_of(fields: &str) -> Range<usize> {
        image_pages(&wat::parse_str(format!("(module {fields})")).unwrap())
    }

    #[test]
    fn the_image_is_what_active_segments_reach() {
        assert_eq!(image_of("(memory 9)"), 0..0);
        assert_eq!(image_of("(memory 9) (data \"passive\")"), 0..0);
        let two = "(memory 9) (data (i32.const 0x1ffff) \"ab\") (data (i32.const 0x60000) \"\") (data \"x\")";
        assert_eq!(image_of(two), 1..6);
        assert_eq!(image_of("(memory 9) (data (i32.const 0x1ffff) \"a\")"), 1..2);
        assert_eq!(image_of("(memory 1) (data (i32.const -1) \"ab\")"), 65_535..65_537);
        let computed = "(memory 9) (data (offset (i32.add (i32.const 1) (i32.const 2))) \"a\")";
        assert_eq!(image_of(computed), 0..usize::MAX);
        assert_eq!(image_pages(b"no module"), 0..usize::MAX);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_page_that_was_written_is_never_called_untouched() {
        // So large that the allocator maps it anew, without touching it.
        let mut memory = vec![0u8; 600 * PAGE];
        let start = memory.as_ptr().addr().next_multiple_of(PAGE) - memory.as_ptr().addr();
        let memory = &mut memory[start..][..599 * PAGE];
        let written = [0, 7, 8, 255, 256, 257, 598];
        written.iter().for_each(|page| memory[page * PAGE + page * 97] = 1);
        let mut untouched = Vec::new();
        let map = PageMap::open().expect("a kernel that tells");
        map.for_each_untouched(memory, 0..599, |page| untouched.push(page));
        assert!(untouched.len() > 500, "{} of 599", untouched.len());
        assert!(untouched.is_sorted() && !untouched.iter().any(|page| written.contains(page)));
        let mut part = Vec::new();
        map.for_each_untouched(memory, 5..300, |page| part.push(page));
        untouched.retain(|page| (5..300).contains(page));
        assert_eq!(part, untouched);
    }
}
