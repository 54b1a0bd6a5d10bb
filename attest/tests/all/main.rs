//! Tests of the whole crate, as its users see it.

mod fixture;
mod properties;
mod vectors;
