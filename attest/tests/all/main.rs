//! Tests of the whole crate, as its users see it.

mod chunks;
mod fixture;
mod properties;
mod vectors;
