//! Bytes to values and back for everything chronoxide keeps on disk.
//!
//! Pure functions: no I/O, no clock, no unsafe code. Each module is one chapter of `storage-format.md`. Decoders are
//! given hostile bytes: they answer with an [`Error`], never with a panic, and never allocate more than the bytes in
//! front of them (or a count the caller vouches for) can justify.

#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

pub mod chunk;
mod error;
pub mod exemplars;
pub mod log;
pub mod manifest;
pub mod metadata;
pub mod part;
mod reader;
pub mod registry;
pub mod section;
pub mod state;
pub mod store_header;
pub mod tombstones;
pub mod varint;
pub mod wal_record;

pub use error::{Error, Result};
pub use reader::Reader;
