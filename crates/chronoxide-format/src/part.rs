//! The part file: one immutable file with the samples of many series, and everything needed to find them.
//!
//! ```text
//! header | data: timestamp columns and chunks, in pages | pages | columns | chunks | symbols | series | postings
//!        | footer | trailer
//! ```
//!
//! Series are numbered by *rank*: their position in label order. Label pairs are numbered by *pair id*: their position
//! in (name, value) order. The sections from `pages` on are framed as [`section`](crate::section)s and listed, with
//! their checksums, by the footer; the data region has one checksum for each page of [`PAGE_BYTES`].

mod chunks;
mod columns;
mod footer;
mod fragments;
mod header;
mod pages;
mod postings;
mod series;
mod starts;
mod symbols;

pub use chunks::{
    Chunk, ChunkCursor, ChunkDirectory, ChunkDirectoryBuilder, ChunkKind, ChunkPosition, Slice,
};
pub use columns::{Column, ColumnDirectory, ColumnDirectoryBuilder};
pub use footer::{Extent, Footer, SectionKind, TRAILER_BYTES, trailer};
pub use header::{HEADER_BYTES, VERSION, check_header, header};
pub use pages::{PAGE_BYTES, Pages, page_checksum};
pub use postings::{PostingsBuilder, PostingsDirectory, PostingsList, PostingsSection};
pub use series::{RowCursor, SeriesRows, SeriesRowsBuilder};
pub use starts::{decode_starts, encode_starts};
pub use symbols::{Symbols, SymbolsBuilder, SymbolsHeader, ValueCursor};

/// The most samples one chunk or timestamp column may have.
pub const CHUNK_SAMPLES_MAX: usize = 1 << 16;

/// The most bytes one encoded chunk or timestamp column may have.
pub const CHUNK_BYTES_MAX: usize = 1 << 28;
