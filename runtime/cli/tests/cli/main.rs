//! The command as its users meet it.

mod bad_input;
mod demo;
mod network;
mod run;
mod support;
mod tour;
