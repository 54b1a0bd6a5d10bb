//! Names of the imports, and what they answer. Their meaning is in `STREAM.md`.

/// The import module. A change that old guests cannot bear gets a new name, `fizz_gpu_v2`.
pub const MODULE: &str = "fizz_gpu";
/// `(desc_ptr i32, desc_len i32, caps_ptr i32, caps_len i32) -> i32`
pub const OPEN: &str = "open";
/// `(ptr i32, len i32) -> i64`
pub const SUBMIT: &str = "submit";
/// `(buffer i32, offset i64, ptr i32, len i32) -> i32`
pub const WRITE: &str = "write";
/// `(buffer i32, offset i64, ptr i32, len i32) -> i32`
pub const READ: &str = "read";
/// `(serial i64, timeout_ns i64) -> i32`
pub const WAIT: &str = "wait";
/// `(out_ptr i32) -> i64`
pub const POLL: &str = "poll";
/// `(ptr i32, len i32) -> i32`
pub const TAKE_ERROR: &str = "take_error";
/// `() -> i32`
pub const CLOSE: &str = "close";

/// Every name, in the order of the table.
pub const ALL: [&str; 8] = [OPEN, SUBMIT, WRITE, READ, WAIT, POLL, TAKE_ERROR, CLOSE];

/// Answers of the imports. A guest goes on after any of them.
pub mod status {
    /// Done.
    pub const OK: i32 = 0;
    /// This node has no GPU, or the job did not ask for one.
    pub const NO_GPU: i32 = -1;
    /// No session is open.
    pub const NOT_OPEN: i32 = -2;
    /// A session is open already.
    pub const ALREADY_OPEN: i32 = -3;
    /// An `open` request of another version, of a class or with features that this host does not offer.
    pub const UNSUPPORTED: i32 = -4;
    /// An `open` request that cannot be read.
    pub const BAD_REQUEST: i32 = -5;
    /// A WebGPU error was recorded and nothing was transferred.
    pub const INVALID: i32 = -6;
    /// The answer does not fit the memory offered; nothing was written or taken.
    pub const TOO_SMALL: i32 = -7;
    /// A serial that was never given out.
    pub const BAD_SERIAL: i32 = -8;
}
