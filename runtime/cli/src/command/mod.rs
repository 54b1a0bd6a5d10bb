//! One file a command.

pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod node;
pub(crate) mod receipt;
pub(crate) mod run;
pub(crate) mod shader;
pub(crate) mod submit;
pub(crate) mod verify;
pub(crate) mod version;
