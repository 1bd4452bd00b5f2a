//! Native histogram samples: sparse buckets of exponential or custom bounds.
//!
//! The model is Prometheus' (`model/histogram`): bucket `i` of a standard schema `s` ends at `2^(i * 2^-s)`; schema
//! [`CUSTOM_BUCKETS_SCHEMA`] has explicit upper bounds instead. Counts are absolute per bucket, not cumulative and not
//! deltas between neighbours.

use std::sync::Arc;

/// The schema number that means "the bounds are listed" (classic histograms kept as native ones).
pub const CUSTOM_BUCKETS_SCHEMA: i8 = -53;

/// What the sender says about a counter reset between the previous sample and this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CounterResetHint {
    /// Nothing is known: compare the two histograms.
    #[default]
    Unknown,
    /// This sample starts anew.
    Reset,
    /// There was no reset.
    NotReset,
    /// The histogram is a gauge: resets mean nothing.
    Gauge,
}

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BucketSpan {
    /// Gap to the end of the previous span; for the first span, the index of its first bucket.
    pub offset: i32,
    /// How many buckets follow one another.
    pub length: u32,
}

/// Absolute counts of one histogram sample, in integers or floats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BucketCounts<T> {
    /// All observations, zero bucket and NaN observations included.
    pub count: T,
    /// Observations in the zero bucket.
    pub zero_count: T,
    /// One count for each bucket of the positive spans, in order.
    pub positive: Vec<T>,
    /// One count for each bucket of the negative spans, in order of rising absolute value.
    pub negative: Vec<T>,
}

/// The counts as the sender gave them: integers stay integers.
#[derive(Clone, Debug, PartialEq)]
pub enum HistogramCounts {
    /// Integer counts, as client libraries send them.
    Integer(BucketCounts<u64>),
    /// Float counts, as rules and OTLP translations may produce them.
    Float(BucketCounts<f64>),
}

/// One native histogram sample, without its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// What the sender says about resets.
    pub counter_reset_hint: CounterResetHint,
    /// Resolution: -4 to 8, or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i8,
    /// Half width of the zero bucket, zero or positive.
    pub zero_threshold: f64,
    /// Sum of all observations; the stale marker here makes the sample a stale marker.
    pub sum: f64,
    /// Where the positive buckets lie.
    pub positive_spans: Vec<BucketSpan>,
    /// Where the negative buckets lie; empty for custom buckets.
    pub negative_spans: Vec<BucketSpan>,
    /// How many observations fell where.
    pub counts: HistogramCounts,
    /// Upper bounds of custom buckets, ascending, without the final +Inf; empty for other schemas.
    pub custom_bounds: Arc<[f64]>,
}

impl Histogram {
    /// Whether the sample is a stale marker, which histograms carry in their sum.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        crate::is_stale_marker(self.sum)
    }
}
