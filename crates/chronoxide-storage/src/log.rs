//! Append-only logs in numbered segments: what the write-ahead log and the registry log have in common.
//!
//! Invariants:
//! - A record is durable when the segment that holds it has been synced after it was written. Nothing is reported
//!   durable before.
//! - A segment that a write or a sync failed on is never written to again, only cut off where zeroes found no room. What it holds and what is not known to be
//!   durable is written to a new segment from memory, together with the records that share the last page of the
//!   failed one.
//! - Records have consecutive numbers. Numbers that were given to refused records, or lost in a torn write, are
//!   declared void in the next segment's header; so a missing number that is not void is a lost record.
//! - A segment is created, filled and synced, and its directory entry made durable, before anything in it counts.

mod replay;
mod segment;
mod writer;

pub(crate) use replay::{Known, Recovered, ReplayReport, inspect, recover};
pub(crate) use segment::{LogSpec, parse_name};
pub(crate) use writer::LogWriter;
