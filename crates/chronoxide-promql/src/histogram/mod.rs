//! Arithmetic and statistics of native histograms.
//!
//! All of it works on [`FloatHistogram`]: sparse, ascending runs of `(index, count)` for each sign. Empty buckets may
//! stand in a run; most operators leave them and [`FloatHistogram::compact`] drops them. Counts may be negative: a
//! difference of histograms is one.

mod arithmetic;
mod bounds;
mod bucket;
mod convert;
mod display;
mod fraction;
mod merge;
mod quantile;
mod reset;
mod statistics;
mod sum;
mod tally;
mod trim;
mod validate;

pub use merge::{IncompatibleBuckets, MergeNotes};
pub(crate) use quantile::NanObservations;
pub(crate) use sum::{HistogramMean, HistogramSum};
pub use trim::TrimSide;
pub use validate::InvalidHistogram;

#[cfg(test)]
mod tests;
