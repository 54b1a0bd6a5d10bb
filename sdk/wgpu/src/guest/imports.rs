//! The host's functions, and nothing else that is unsafe.
//!
//! Each takes a slice's address and length. The host reads or writes no further than that, and not after it
//! has returned. `poll` is left out: nothing here could tell its answer from "all done".

mod host {
    // The name must be a literal here; it is `fizz_gpu_abi::imports::MODULE`.
    #[link(wasm_import_module = "fizz_gpu")]
    unsafe extern "C" {
        pub(super) fn open(request: *const u8, request_len: usize, caps: *mut u8, caps_len: usize) -> i32;
        pub(super) fn submit(stream: *const u8, len: usize) -> i64;
        pub(super) fn write(buffer: u32, offset: u64, data: *const u8, len: usize) -> i32;
        pub(super) fn read(buffer: u32, offset: u64, into: *mut u8, len: usize) -> i32;
        pub(super) fn wait(serial: i64, timeout_ns: i64) -> i32;
        pub(super) fn take_error(into: *mut u8, len: usize) -> i32;
        pub(super) fn close() -> i32;
    }
}

pub(super) fn open(request: &[u8], caps: &mut [u8]) -> i32 {
    // SAFETY: both ranges are slices that outlive the call; the host writes only into the second.
    unsafe { host::open(request.as_ptr(), request.len(), caps.as_mut_ptr(), caps.len()) }
}

pub(super) fn submit(stream: &[u8]) -> i64 {
    // SAFETY: the host only reads the slice.
    unsafe { host::submit(stream.as_ptr(), stream.len()) }
}

pub(super) fn write(buffer: u32, offset: u64, data: &[u8]) -> i32 {
    // SAFETY: the host only reads the slice.
    unsafe { host::write(buffer, offset, data.as_ptr(), data.len()) }
}

pub(super) fn read(buffer: u32, offset: u64, into: &mut [u8]) -> i32 {
    // SAFETY: the host writes only into the slice.
    unsafe { host::read(buffer, offset, into.as_mut_ptr(), into.len()) }
}

pub(super) fn wait(serial: i64, timeout_ns: i64) -> i32 {
    // SAFETY: no memory is involved.
    unsafe { host::wait(serial, timeout_ns) }
}

pub(super) fn take_error(into: &mut [u8]) -> i32 {
    // SAFETY: the host writes only into the slice.
    unsafe { host::take_error(into.as_mut_ptr(), into.len()) }
}

pub(super) fn close() -> i32 {
    // SAFETY: no memory is involved.
    unsafe { host::close() }
}
