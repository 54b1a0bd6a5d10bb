//! The command stream that Fizz guests and hosts share.
//!
//! Order of reading: the specification below → [`op`] (numbers) → [`Command`] and [`Commands`] (decoder) → [`Encoder`] →
//! [`OpenRequest`] and [`Caps`] → [`Record`] → [`imports`] → [`host`] (what a host implements).
//!
// For the documentation only, so that a word changed there builds nothing anew.
#![cfg_attr(doc, doc = include_str!("../STREAM.md"))]
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
mod push;
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
    BindGroupEntry, BindingKind, Class, ErrorClass, LayoutEntry, MapMode, ObjectKind, QueryKind, Severity,
    TexelBuffer, TexelPlace, TextureBinding, TextureDimension, TextureFormat, TextureShape, ViewDimension,
    ViewShape, features, texture_usage, usage,
};

/// Version of the specification. A host answers another version with [`status::UNSUPPORTED`].
pub const VERSION: u32 = 1;
/// Bytes of a command's header.
pub const HEADER: usize = 8;
/// A size that means "to the end of the buffer".
pub const WHOLE: u64 = u64::MAX;
/// Most queries of a set.
pub const MAX_QUERIES: u32 = 4096;
/// A count, an index, or a distance in a buffer, that is not given.
pub const NOT_GIVEN: u32 = u32::MAX;
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
