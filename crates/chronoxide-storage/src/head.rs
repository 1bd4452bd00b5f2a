//! The head: samples in memory that are not in a part yet.
//!
//! Samples of all series stand in one batch of columns, a page of rows after another, in the order of the write-ahead
//! log; the samples of one series are chained backwards. A batch is only ever appended to. When it is large enough it is
//! frozen, that is replaced by an empty one, sorted by series, and written to parts.
//!
//! Invariant: what stands in a batch is durable as the durability setting promises, so that no reader sees what a crash
//! can undo.

mod batch;
mod page;
mod sort;

pub(crate) use batch::{BatchRows, HeadBatch, Mark};
pub(crate) use sort::SortedBatch;
