//! What tests of nodes share: a harness, workers of all kinds, nodes on loopback, small guests.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, as tests may")]

pub mod bombs;
pub mod harness;
pub mod job;
pub mod node;
pub mod worker;
