//! The walkers against prost's reading of the same bytes, against bytes with malice, and against the fuzzers' corpus.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod corpus;
mod differential;
mod generate;
mod hostile;
mod invariants;
mod oracle;
mod seen;
