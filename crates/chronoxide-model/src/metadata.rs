//! What a metric is, beside its samples.

use std::fmt;

/// The type of a metric, in the words of Prometheus' metadata endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetricType {
    /// Nothing is known.
    #[default]
    Unknown,
    /// A sum that only rises, apart from resets.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// A cumulative histogram.
    Histogram,
    /// A histogram whose buckets go up and down.
    GaugeHistogram,
    /// Precomputed quantiles.
    Summary,
    /// Labels of interest, value 1.
    Info,
    /// A set of booleans.
    StateSet,
}

impl MetricType {
    /// The lower-case word that the Prometheus API uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

impl fmt::Display for MetricType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Type, help and unit of one metric name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// The metric's type.
    pub metric_type: MetricType,
    /// One sentence for people.
    pub help: String,
    /// The unit as the sender gave it, often empty.
    pub unit: String,
}
