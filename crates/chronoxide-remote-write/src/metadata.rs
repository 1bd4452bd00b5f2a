//! Metric types as the wire numbers them.

use chronoxide_model::{Metadata, MetricType};

/// The type numbered `number`; both versions number alike, and an unknown number is an unknown type.
pub(crate) fn metric_type(number: u64) -> MetricType {
    // Of an enum the low 32 bits count.
    match number as u32 {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}

/// A piece of metadata without its texts.
pub(crate) const BYTES: usize = size_of::<(String, Metadata)>();

/// A text for people: what is not UTF-8 in it is replaced, for metadata never fails a request.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
