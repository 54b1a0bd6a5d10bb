//! Puts a guest's linear memory into a file that another process can map, so that the GPU's process reads uploads where they
//! lie.
//!
//! The engine reserves 4 GiB of address space for each memory and never moves it. Here those addresses get other pages: those
//! of a memfd, with the same bytes and the same protection. Growth stays what it was, a change of protection by the engine;
//! so do the guard behind the memory, and the end, when the engine unmaps its whole reservation. Guests without a GPU keep
//! the engine's own pages, copied on first write from the module's image. (A `MemoryCreator` of the engine would be the other
//! way. It excludes such images, in the setting that machine code is compiled for, so that modules that import the GPU
//! would need an engine, and machine code, of their own.)
//!
//! The file's size is sealed at 4 GiB, and no other process can map it for writing: what is lent can be read and nothing
//! else. It takes room only for pages that were touched: reading one that was never written to takes its room too.
//!
//! A lent memory must never be hashed as a task's state: bytes copied into the file need not be mapped, and the state's
//! short cut for pages that were never touched (`state::untouched`) would take them for zeros. It is not, because a
//! module in steps that imports the GPU is refused; whoever allows it looks at every page of such a memory.

use fizz_gpu_abi::host::Session;
use wasmtime::{AsContextMut, Memory};

/// Bytes that the engine reserves for each memory, which is all that a 32-bit memory can have; set in `engine`.
pub(crate) const RESERVATION: u64 = 4 << 30;

/// Lends the memory to the session, if it wants it and the system can. Otherwise nothing changes: its bytes are then
/// copied.
#[cfg(target_os = "linux")]
pub(crate) fn lend(session: &mut dyn Session, memory: Memory, mut store: impl AsContextMut) {
    if !session.wants_memory() {
        return;
    }
    let bytes = memory.data_mut(&mut store);
    let address = bytes.as_ptr() as usize;
    // Where this fails the memory is as it was.
    if let Ok(file) = linux::share(bytes) {
        session.lend(fizz_gpu_abi::host::Lent { address, bytes: RESERVATION, file: &file });
    }
}

/// Only Linux has files without names that can be sealed.
#[cfg(not(target_os = "linux"))]
pub(crate) fn lend(_: &mut dyn Session, _: Memory, _: impl AsContextMut) {}

#[cfg(target_os = "linux")]
mod linux {
    use super::RESERVATION;
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
    use rustix::io::{Errno, Result};
    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
    use rustix::process::{Resource, getrlimit};
    use std::os::fd::OwnedFd;

    /// Bytes that are looked at and copied at once. Memory begins as zeros for the most part, and the file has those already.
    const PIECE: usize = 4096;

    /// Gives the reservation that `memory` begins in pages of a file. Whether it succeeds or not, `memory` is as it was.
    #[expect(unsafe_code, reason = "the pages of a memory are exchanged")]
    pub(super) fn share(memory: &mut [u8]) -> Result<OwnedFd> {
        let (start, size, reserved) = (memory.as_mut_ptr(), memory.len(), RESERVATION as usize);
        if size == 0 || size > reserved {
            return Err(Errno::INVAL);
        }
        if getrlimit(Resource::Fsize).current.is_some_and(|most| most < RESERVATION) {
            // Making a file larger than this ends the process.
            return Err(Errno::FBIG);
        }
        let file = memfd_create("fizz-gpu-guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, RESERVATION)?;
        for (piece, at) in memory.chunks(PIECE).zip((0..).step_by(PIECE)) {
            if piece.iter().any(|byte| *byte != 0) && rustix::io::pwrite(&file, piece, at)? != piece.len() {
                return Err(Errno::NOSPC);
            }
        }
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        let open = ProtFlags::READ | ProtFlags::WRITE;
        // What could fail below fails here first, where nothing is lost: a ceiling on mappings or on address space.
        // SAFETY: a new mapping, where the kernel wants it, unmapped at once.
        unsafe {
            let trial =
                mmap(std::ptr::null_mut(), reserved, open, flags.difference(MapFlags::FIXED), &file, 0)?;
            munmap(trial, reserved)?;
        }
        // SAFETY: the engine's configuration reserves this many bytes from the start of every memory, in a mapping of its own, and puts
        // nothing else there. The first of them are exchanged for pages with the same bytes and the same protection, while `memory` is
        // borrowed exclusively: no reference into it and no guest sees a difference.
        if unsafe { mmap(start.cast(), size, open, flags, &file, 0) }.is_err() {
            // What is at these addresses now is not known.
            std::process::abort();
        }
        if size < reserved {
            // SAFETY: as above; nobody may touch the rest until the engine opens a part of it, which then holds zeros, as it must.
            unsafe {
                mmap(start.add(size).cast(), reserved - size, ProtFlags::empty(), flags, &file, size as u64)?
            };
        }
        // From now on nobody else can map it for writing.
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL;
        fcntl_add_seals(&file, seals)?;
        Ok(file)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use fizz_gpu_abi::PollState;
    use fizz_gpu_abi::host::{Lent, Stop};
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::FileExt;
    use wasmtime::{Instance, Module, Store, Val};

    /// Keeps what it is lent.
    #[derive(Default)]
    struct Keeper {
        lent: Option<(usize, u64, File)>,
        unwilling: bool,
    }

    impl Session for Keeper {
        fn wants_memory(&self) -> bool {
            !self.unwilling
        }
        fn lend(&mut self, memory: Lent<'_>) {
            let file = memory.file.downcast_ref::<OwnedFd>().unwrap().try_clone().unwrap();
            self.lent = Some((memory.address, memory.bytes, file.into()));
        }
        fn open(&mut self, _: &[u8], _: &mut [u8]) -> Result<i32, Stop> {
            unreachable!()
        }
        fn submit(&mut self, _: &[u8]) -> Result<i64, Stop> {
            unreachable!()
        }
        fn write(&mut self, _: u32, _: u64, _: &[u8]) -> Result<i32, Stop> {
            unreachable!()
        }
        fn read(&mut self, _: u32, _: u64, _: &mut [u8]) -> Result<i32, Stop> {
            unreachable!()
        }
        fn wait(&mut self, _: i64, _: i64) -> Result<i32, Stop> {
            unreachable!()
        }
        fn poll(&mut self, _: &mut [u8; PollState::SIZE]) -> Result<i64, Stop> {
            unreachable!()
        }
        fn take_error(&mut self, _: &mut [u8]) -> Result<i32, Stop> {
            unreachable!()
        }
        fn close(&mut self) -> Result<i32, Stop> {
            unreachable!()
        }
        fn gas(&self) -> u64 {
            0
        }
    }

    const GUEST: &str = r#"(module
        (memory (export "memory") 3)
        (data (i32.const 70000) "from the image")
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
        (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))"#;

    struct Running {
        store: Store<()>,
        instance: Instance,
    }

    impl Running {
        fn new() -> Running {
            let engine = crate::Engine::new().unwrap();
            let module = Module::new(engine.wasmtime(), wat::parse_str(GUEST).unwrap()).unwrap();
            let mut store = Store::new(engine.wasmtime(), ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            Running { store, instance }
        }

        fn memory(&mut self) -> Memory {
            self.instance.get_memory(&mut self.store, "memory").unwrap()
        }

        fn call(&mut self, name: &str, arguments: &[i32]) -> wasmtime::Result<i32> {
            let function = self.instance.get_func(&mut self.store, name).unwrap();
            let arguments: Vec<Val> = arguments.iter().map(|number| Val::I32(*number)).collect();
            let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
            function.call(&mut self.store, &arguments, &mut results)?;
            Ok(results.first().map_or(0, Val::unwrap_i32))
        }
    }

    fn lent(running: &mut Running) -> (usize, u64, File) {
        let mut keeper = Keeper::default();
        let memory = running.memory();
        lend(&mut keeper, memory, &mut running.store);
        keeper.lent.unwrap()
    }

    fn at(file: &File, offset: u64) -> [u8; 14] {
        let mut bytes = [0; 14];
        file.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }

    #[test]
    fn what_the_guest_has_and_writes_is_in_the_file() {
        let mut running = Running::new();
        running.call("store", &[8, 0x01020304]).unwrap();
        let before = running.memory().data(&running.store).to_vec();
        let (address, bytes, file) = lent(&mut running);
        assert!(running.memory().data(&running.store) == before);
        assert_eq!((address, bytes), (running.memory().data_ptr(&running.store) as usize, RESERVATION));
        assert_eq!(&at(&file, 70_000), b"from the image");
        assert_eq!(at(&file, 8)[..4], [4, 3, 2, 1]);
        running.call("store", &[100, 7]).unwrap();
        assert_eq!(at(&file, 100)[0], 7);
        running.memory().write(&mut running.store, 101, b"host").unwrap();
        assert_eq!(&at(&file, 101)[..4], b"host");
    }

    #[test]
    fn memory_grows_and_ends_as_before() {
        let mut running = Running::new();
        let (_, _, file) = lent(&mut running);
        let outside = 3 << 16;
        assert!(running.call("load", &[outside]).is_err());
        assert!(running.call("load", &[-1]).is_err());
        assert_eq!(running.call("grow", &[2]).unwrap(), 3);
        assert_eq!(running.call("load", &[outside]).unwrap(), 0);
        running.call("store", &[outside, 9]).unwrap();
        assert_eq!(at(&file, outside as u64)[0], 9);
        assert!(running.call("load", &[5 << 16]).is_err());
        // All that a memory can have.
        assert_eq!(running.call("grow", &[65_536 - 5]).unwrap(), 5);
        running.call("store", &[-4, 5]).unwrap();
        assert_eq!(running.call("load", &[-4]).unwrap(), 5);
        assert!(running.call("load", &[-3]).is_err());
    }

    #[test]
    fn nobody_else_can_change_what_is_lent() {
        let mut running = Running::new();
        let (_, _, file) = lent(&mut running);
        assert!(file.write_at(b"x", 0).is_err());
        assert!(file.set_len(0).is_err() && file.set_len(RESERVATION + 1).is_err());
        let punch = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        assert!(rustix::fs::fallocate(&file, punch, 0, 4096).is_err());
        let map = |writable: bool| {
            use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
            let protection = if writable { ProtFlags::READ | ProtFlags::WRITE } else { ProtFlags::READ };
            #[expect(unsafe_code, reason = "the attempt is the test")]
            // SAFETY: a new mapping, unmapped at once.
            unsafe {
                mmap(std::ptr::null_mut(), 4096, protection, MapFlags::SHARED, &file, 0)
                    .and_then(|start| munmap(start, 4096))
            }
        };
        assert!(map(false).is_ok());
        assert!(map(true).is_err());
        // The guest still can.
        running.call("store", &[0, 1]).unwrap();
        assert_eq!(at(&file, 0)[0], 1);
    }

    #[test]
    fn memory_that_nobody_wants_stays_as_it_is() {
        let mut running = Running::new();
        let mut keeper = Keeper { unwilling: true, ..Keeper::default() };
        let memory = running.memory();
        lend(&mut keeper, memory, &mut running.store);
        assert!(keeper.lent.is_none());
    }

    #[test]
    fn memories_end_without_a_trace() {
        let count = || {
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            maps.lines().filter(|line| line.contains("fizz-gpu-guest")).count()
        };
        // Other tests may have some at the same time, but not hundreds.
        for _ in 0..300 {
            lent(&mut Running::new());
        }
        assert!(count() < 100);
    }
}
