//! Part files: immutable, self-contained, one file each.
//!
//! A part has the samples of many series over some range of time, the labels of these series and the postings to find
//! them by; its bytes are the chapter "Part files" of `storage-format.md`. [`PartWriter`] takes series in label order
//! and ends with a synced file in its place; [`Part`] maps a file and reads it.

mod column_cache;
mod column_table;
mod cut;
mod damage;
mod data_writer;
mod labels;
mod packing;
mod pairs;
mod reader;
mod reduced;
mod samples;
mod summary;
mod times;
mod verify;
mod writer;

pub use column_cache::ColumnCache;
pub(crate) use column_cache::PartId;
pub(crate) use cut::Grid;
pub use labels::LabelReader;
pub(crate) use packing::FINAL_LEVEL;
pub use packing::Packing;
pub(crate) use pairs::PairTable;
pub(crate) use reader::ChunkSpan;
pub use reader::Part;
pub(crate) use reduced::Reduced;
pub use samples::Samples;
pub use summary::{PartHeader, PartSummary};
pub use verify::{CodingShare, Finding};
pub(crate) use writer::EncodedChunk;
pub use writer::PartWriter;

#[cfg(test)]
pub(crate) mod sample_data;
#[cfg(test)]
mod tests;

/// The most samples the writer puts into one chunk.
pub(crate) const CHUNK_SAMPLES: usize = 2048;
