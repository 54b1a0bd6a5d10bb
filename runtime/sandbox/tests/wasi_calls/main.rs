//! Every WASI call with what it must answer, error number by error number.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

#[path = "../common/mod.rs"]
mod common;
mod descriptors;
mod limits;
mod listing;
mod names;
mod open;
mod poll;
mod process;
mod times;

/// Error numbers of WASI.
mod errno {
    pub(crate) const OK: i64 = 0;
    pub(crate) const BADF: i64 = 8;
    pub(crate) const EXIST: i64 = 20;
    pub(crate) const FBIG: i64 = 22;
    pub(crate) const ILSEQ: i64 = 25;
    pub(crate) const INVAL: i64 = 28;
    pub(crate) const ISDIR: i64 = 31;
    pub(crate) const LOOP: i64 = 32;
    pub(crate) const MFILE: i64 = 33;
    pub(crate) const NAMETOOLONG: i64 = 37;
    pub(crate) const NOENT: i64 = 44;
    pub(crate) const NOTDIR: i64 = 54;
    pub(crate) const NOTEMPTY: i64 = 55;
    pub(crate) const NOTSOCK: i64 = 57;
    pub(crate) const NOTSUP: i64 = 58;
    pub(crate) const PERM: i64 = 63;
    pub(crate) const SPIPE: i64 = 70;
    pub(crate) const NOTCAPABLE: i64 = 76;
}
