//! The real `chronoxide` binary: what it says, how it ends, and what it keeps.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod data_directory;
mod process;
mod refusals;
mod signals;
mod subcommands;
