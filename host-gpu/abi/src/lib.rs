//! The command stream that Fizz guests and hosts share. **This page is its specification** (version 1).
//!
//! A guest (a wasm module in the sandbox) speaks to a GPU through eight imports of the module
//! [`imports::MODULE`]. Creating objects and recording work are not calls: the guest picks ids, appends
//! commands to a byte stream and hands the stream over with one `submit`. What comes in: bytes of the guest.
//! What goes out: a serial number, bytes of buffers, and error records.
//!
//! Order of reading: [`op`] (numbers) → [`Command`] and [`Commands`] (decoder) → [`Encoder`] →
//! [`OpenRequest`] and [`Caps`] → [`Record`] → [`imports`] → [`host`] (what a host implements).
//!
//! # The imports
//!
//! | import | wasm signature | answer |
//! |---|---|---|
//! | `open` | `(desc_ptr i32, desc_len i32, caps_ptr i32, caps_len i32) -> i32` | bytes of caps written, or a [`status`] |
//! | `submit` | `(ptr i32, len i32) -> i64` | serial of this stream (1, 2, 3…), or a [`status`] |
//! | `write` | `(buffer i32, offset i64, ptr i32, len i32) -> i32` | [`status`] |
//! | `read` | `(buffer i32, offset i64, ptr i32, len i32) -> i32` | [`status`] |
//! | `wait` | `(serial i64, timeout_ns i64) -> i32` | [`status`] |
//! | `poll` | `(out_ptr i32) -> i64` | last completed serial, or a [`status`]; writes a [`PollState`] |
//! | `take_error` | `(ptr i32, len i32) -> i32` | bytes of the [`Record`] written, 0 if there is none, or a [`status`] |
//! | `close` | `() -> i32` | [`status`] |
//!
//! Pointers are guest addresses; a range outside the guest's memory traps. Offsets are unsigned.
//! A negative answer is a status; the guest goes on. Breaking a rule of this page that no correct guest
//! library can break (a malformed stream, an unknown id, an id used twice, a pop without a push) is not an
//! error but the end of the task: the trap `GpuProtocol`. Passing a quota of the job ends it too
//! (`OutOfGas`, `LimitExceeded`).
//!
//! - **open** takes an [`OpenRequest`] and gives a [`Caps`]. Before it every other call answers
//!   [`status::NOT_OPEN`]. Opening twice answers [`status::ALREADY_OPEN`]. The class `exact` is refused in
//!   this version with [`status::UNSUPPORTED`].
//! - **submit** decodes the whole stream first, then executes it in order. A malformed stream executes nothing.
//!   An empty stream is allowed. A stream longer than [`Caps::max_stream_bytes`] ends the task.
//! - **write** and **read** happen after everything submitted before them; the guest submits its pending
//!   stream first. See *Buffers* below.
//! - **wait** returns when the work of the given serial has really ended; `-1` means all work. A serial never
//!   given out answers [`status::BAD_SERIAL`]. The timeout is ignored: a guest has no real clock, so whether
//!   time ran out must not be visible to it.
//! - **poll** does not block, and always says that everything submitted has completed. That is
//!   deterministic, and no guest can tell the difference, because results are seen only through `read`.
//! - **close** frees every object and drops pending records. Serials, gas and the counts of the quotas go on.
//!
//! # The stream
//!
//! All numbers are little-endian. A command is a header of 8 bytes and a payload:
//!
//! ```text
//! u16 op | u16 flags (0) | u32 size of the whole command in bytes, a multiple of 4 | payload
//! ```
//!
//! Payload fields stand in the order of the table, without gaps. `u64` and `f64` have no alignment beyond 4. A
//! *text* or *bytes* field is `u32 length`, the bytes, and zero bytes up to a multiple of 4; text is UTF-8.
//! A *list* is `u32 count` and its items. The payload ends exactly where the last field ends.
//! Labels and messages are at most [`MAX_TEXT`] bytes (the [`Encoder`] cuts longer ones).
//!
//! | op | payload |
//! |---|---|
//! | `CREATE_BUFFER` | id, usage, size `u64`, flags (1 = mapped at creation), label text |
//! | `DESTROY_BUFFER` | id |
//! | `MAP_BUFFER` | id, mode (1 read, 2 write), offset `u64`, size `u64` |
//! | `UNMAP_BUFFER` | id |
//! | `RELEASE` | kind, id |
//! | `CREATE_SHADER` | id, label text, WGSL text |
//! | `CREATE_BIND_GROUP_LAYOUT` | id, label text, list of {binding, kind, flags, 0, 0, min size `u64`} |
//! | `CREATE_PIPELINE_LAYOUT` | id, immediate size, label text, list of layout ids (0 = empty slot) |
//! | `CREATE_COMPUTE_PIPELINE` | id, layout (0 = automatic), shader, flags, label text, entry point text, list of {name text, value `f64`} |
//! | `GET_BIND_GROUP_LAYOUT` | id, pipeline, index |
//! | `CREATE_BIND_GROUP` | id, layout, label text, list of {binding, buffer, offset `u64`, size `u64`} |
//! | `CREATE_ERROR` | kind, id, class, message text |
//! | `REPORT_ERROR` | class, message text |
//! | `WRITE_BUFFER` | buffer, offset `u64`, bytes (at most [`MAX_INLINE`]) |
//! | `PUSH_ERROR_SCOPE` | class |
//! | `POP_ERROR_SCOPE` | nothing |
//! | `SUBMIT` | list of command buffer ids |
//! | `BEGIN_COMMANDS` | id, label text |
//! | `END_COMMANDS` | nothing |
//! | `INVALIDATE` | message text |
//! | `COPY_BUFFER` | source, source offset `u64`, target, target offset `u64`, size `u64` |
//! | `CLEAR_BUFFER` | buffer, offset `u64`, size `u64` |
//! | `BEGIN_PASS` | label text |
//! | `END_PASS` | nothing |
//! | `SET_PIPELINE` | pipeline |
//! | `SET_BIND_GROUP` | index, group (0 = unset), list of dynamic offsets |
//! | `SET_IMMEDIATES` | offset, bytes (at most [`MAX_INLINE`]) |
//! | `DISPATCH` | x, y, z |
//! | `DISPATCH_INDIRECT` | buffer, offset `u64` |
//! | `PUSH_DEBUG_GROUP` | label text |
//! | `POP_DEBUG_GROUP` | nothing |
//! | `INSERT_DEBUG_MARKER` | label text |
//!
//! Fields without a type are `u32`. A size of [`WHOLE`] means "to the end of the buffer".
//!
//! **Places.** `COPY_BUFFER` and `CLEAR_BUFFER` stand between `BEGIN_COMMANDS` and `END_COMMANDS`, outside
//! passes; the pass commands between `BEGIN_PASS` and `END_PASS`; debug groups, markers and `INVALIDATE` in
//! both; everything else outside brackets. Brackets close in the stream they were opened in. The decoder checks this.
//!
//! # Objects
//!
//! The guest names objects with non-zero `u32` ids from one space for all [`ObjectKind`]s. An id is taken by the
//! command that creates it, valid or not, and becomes free again with `RELEASE` (command buffers: also with
//! `SUBMIT`). Releasing drops the guest's reference only: an object lives on inside what uses it (a buffer in a
//! bind group, a bind group in a command buffer), and counts towards the quota of objects, and of bytes, as long as it does.
//! `DESTROY_BUFFER` frees the memory at once; using the buffer afterwards is a validation error, at `SUBMIT` at the latest.
//!
//! **Errors are contagious**, as in WebGPU: creation never fails to the caller. An invalid creation records an
//! error and makes an *error object*; using an error object records another and makes another. `CREATE_ERROR`
//! lets the guest library make one for a descriptor that has no form in this stream; `REPORT_ERROR` records an
//! error without an object.
//!
//! An automatic layout comes from the shader; `GET_BIND_GROUP_LAYOUT` gives its parts new ids, and they
//! fit only the pipeline they came from.
//! A compute pipeline's entry point of length 0 means "the only one". Flag 1 asks for workgroup memory to be
//! zeroed; hosts of this version always zero it.
//!
//! # Buffers
//!
//! Usage bits are WebGPU's ([`usage`]). New buffers hold zeros. A buffer is *unmapped*, *mapped* (from
//! creation, or by `MAP_BUFFER`) or *destroyed*. `MAP_BUFFER` needs the usage `MAP_READ` or `MAP_WRITE` of its
//! mode, offset a multiple of 8, size of 4 and not [`WHOLE`]; if not, or if the buffer is mapped already, it
//! records a validation error and the state stays.
//! The guest keeps the mapped bytes itself, `read` fills them, `write` brings them back before `UNMAP_BUFFER`.
//! Using a mapped buffer in `SUBMIT` is a validation error.
//!
//! - **write** on a mapped buffer (mode write, or mapped at creation) needs the range inside the mapped range,
//!   no usage; on an unmapped buffer it is WebGPU's `writeBuffer` and needs `COPY_DST`. `WRITE_BUFFER` in the
//!   stream is the same for short data. Offset and size must be multiples of 4.
//! - **read** on a buffer mapped for reading needs the range inside the mapped range; on an unmapped buffer it
//!   needs `COPY_SRC`. Offset and size must be multiples of 4. On a mode-write or at-creation mapping it
//!   reads the present contents inside the mapped range.
//! - A violated rule records a validation error as if a command had done it, and answers [`status::INVALID`]; nothing is
//!   transferred.
//! - A **read** or **write** import of zero bytes transfers and records nothing and answers the same: after `MAP_BUFFER`, a `read`
//!   or `write` of zero bytes at the mapped offset tells whether the mapping succeeded, without a second error.
//!
//! # Command buffers
//!
//! Command encoders exist only in the guest. `finish` appends the whole bracket `BEGIN_COMMANDS … END_COMMANDS`.
//! The host encodes it there and then: the first violated rule inside it is recorded once, at `END_COMMANDS`, as WebGPU does at
//! `finish`, and the command buffer becomes an error object. `INVALIDATE` does that with the guest library's own
//! message (for what it cannot express here). `SUBMIT` executes its command buffers in order, all or none: one error object,
//! mapped or destroyed buffer among them drops the whole `SUBMIT` with a validation error. It frees
//! the ids in every case. The same id twice in one `SUBMIT` ends the task.
//!
//! Command buffers that are not submitted yet hold at most four times [`Caps::max_stream_bytes`] together, and all shader
//! sources of a task at most sixteen times [`Caps::max_shader_bytes`]; more ends the task.
//!
//! `DISPATCH` counts above the limit are a validation error; a zero count does nothing. `DISPATCH_INDIRECT`
//! reads three `u32`; a count above the limit makes it do nothing, as in WebGPU. `SET_IMMEDIATES` records
//! a validation error unless [`features::IMMEDIATES`] is in [`Caps::features`].
//!
//! # Errors
//!
//! An error has a class ([`ErrorClass`]): validation, out of memory, internal. It goes to the innermost open error
//! scope with that class as filter, which keeps its first error only; without one it becomes an *uncaptured*
//! record. Scopes belong to the session and span streams, `write` and `read`. `POP_ERROR_SCOPE` closes the innermost scope and
//! appends a *scope* record with its error or none; [`Record::subject`] is the number of scopes that remain open
//! (so the first scope pushed is 0, as `wgpu` counts). Shader messages become *shader* records, one
//! each, whose subject is the shader's id, whether or not a scope catches the error itself.
//!
//! Records wait in one queue, oldest first, and `take_error` takes one. A pop's record is always kept;
//! [`MAX_RECORDS`] of them waiting ends the task, and uncaptured or shader records beyond [`MAX_UNCAPTURED`]
//! waiting ones are dropped. Message texts come from Fizz, naga and wgpu's own validation, never from a driver.
//! They are for people and may change with the host's version.
//!
//! A lost device is not an error that the guest sees: it is the node's fault, the task ends there and is
//! run again elsewhere.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bytes;
mod command;
mod decode;
mod encode;
mod error;
pub mod host;
pub mod imports;
mod list;
pub mod op;
mod open;
mod record;
mod values;

pub use command::Command;
pub use decode::Commands;
pub use encode::{Encoder, TooLarge};
pub use error::{DecodeError, Fault};
pub use imports::status;
pub use list::{Constants, Item, List};
pub use open::{Caps, OpenRequest, PollState};
pub use record::{Record, RecordKind, RecordRef};
pub use values::{
    BindGroupEntry, BindingKind, Class, ErrorClass, LayoutEntry, MapMode, ObjectKind, Severity, features,
    usage,
};

/// Version of this page. A host answers another version with [`status::UNSUPPORTED`].
pub const VERSION: u32 = 1;
/// Bytes of a command's header.
pub const HEADER: usize = 8;
/// A size that means "to the end of the buffer".
pub const WHOLE: u64 = u64::MAX;
/// Most bytes of data in one `WRITE_BUFFER` or `SET_IMMEDIATES` command; `write` takes more.
pub const MAX_INLINE: usize = 64 << 10;
/// Most bytes of a label or message in the stream.
pub const MAX_TEXT: usize = 1024;
/// Most bytes of one record, header included.
pub const MAX_RECORD: usize = 8192;
/// Most scope records waiting to be taken; one more ends the task.
pub const MAX_RECORDS: usize = 1024;
/// Most uncaptured and shader records waiting to be taken; more are dropped.
pub const MAX_UNCAPTURED: usize = 256;
/// Most open error scopes; one more ends the task.
pub const MAX_SCOPES: usize = 1024;
