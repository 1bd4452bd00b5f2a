//! What a query answers.

use std::time::Duration;

use chronoxide_model::{CounterResetHint, Labels};

use crate::eval::Size;

/// A native histogram with float counts, as PromQL computes with it.
///
/// Buckets are dense runs over the bucket index of the schema (see `chronoxide_model::Histogram` for the bounds).
#[derive(Clone, Debug, PartialEq)]
pub struct FloatHistogram {
    /// What is known about resets.
    pub counter_reset_hint: CounterResetHint,
    /// Resolution: -4 to 8, or `chronoxide_model::CUSTOM_BUCKETS_SCHEMA`.
    pub schema: i8,
    /// Half width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of all observations.
    pub sum: f64,
    /// Buckets above zero: index and count, ascending by index.
    pub positive: Vec<(i32, f64)>,
    /// Buckets below zero: index and count, ascending by index (by absolute value).
    pub negative: Vec<(i32, f64)>,
    /// Upper bounds of custom buckets, ascending, without the final +Inf.
    pub custom_bounds: std::sync::Arc<[f64]>,
}

/// A float or a histogram.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// A float.
    Float(f64),
    /// A histogram.
    Histogram(Box<FloatHistogram>),
}

/// One series of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct InstantSample {
    /// The series.
    pub labels: Labels,
    /// Unix milliseconds.
    pub timestamp_ms: i64,
    /// Its value.
    pub point: Point,
}

/// One series of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeSeries {
    /// The series.
    pub labels: Labels,
    /// Float values by Unix milliseconds, ascending.
    pub floats: Vec<(i64, f64)>,
    /// Histograms by Unix milliseconds, ascending.
    pub histograms: Vec<(i64, FloatHistogram)>,
}

/// The value of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, and the time it was computed for.
    Scalar(i64, f64),
    /// A string, and the time it was computed for.
    String(i64, String),
    /// An instant vector; in label order unless the query sorts.
    Vector(Vec<InstantSample>),
    /// A matrix in label order.
    Matrix(Vec<RangeSeries>),
}

impl InstantSample {
    /// About how many bytes of memory it takes, beside its place in a list.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let point = match &self.point {
            Point::Float(_) => 0,
            Point::Histogram(histogram) => Size::of(histogram).bytes,
        };
        self.labels.memory_bytes() as u64 + point
    }
}

impl RangeSeries {
    /// About how many bytes of memory it takes, beside its place in a list.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let floats = size_of_val(self.floats.as_slice()) as u64;
        let histograms = self.histograms.iter();
        let histograms: u64 = histograms.map(|(_, one)| Size::of(one).bytes).sum();
        self.labels.memory_bytes() as u64 + floats + histograms
    }
}

impl Value {
    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        match self {
            Self::Scalar(..) => 0,
            Self::String(_, text) => text.len() as u64,
            Self::Vector(samples) => {
                let list = size_of_val(samples.as_slice()) as u64;
                list + samples.iter().map(InstantSample::memory_bytes).sum::<u64>()
            }
            Self::Matrix(series) => {
                let list = size_of_val(series.as_slice()) as u64;
                list + series.iter().map(RangeSeries::memory_bytes).sum::<u64>()
            }
        }
    }
}

/// What a query touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Series selected.
    pub series: u64,
    /// Samples read.
    pub samples: u64,
    /// Samples that steps show, each once for every step whose value or window it is; Prometheus calls them queryable.
    /// A histogram counts as the floats that would take its place. What stands in the query twice is evaluated once.
    pub seen_samples: u64,
    /// Most samples held at once; a histogram counts as the floats that would take its place.
    pub peak_samples: u64,
    /// Most bytes held at once, about.
    pub peak_bytes: u64,
}

/// Where the time of a query went; the parts do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryTimings {
    /// Reading the text, planning, and finding the series.
    pub preparation: Duration,
    /// Reading samples, and computing with them.
    pub evaluation: Duration,
    /// Putting the series of the answer in order.
    pub sort: Duration,
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Texts that begin with `PromQL warning: `, sorted.
    pub warnings: Vec<String>,
    /// Texts that begin with `PromQL info: `, sorted.
    pub infos: Vec<String>,
    /// What the query touched.
    pub stats: QueryStats,
    /// The metrics that the query asks for by name: sorted, each once.
    pub metric_names: Vec<String>,
}
