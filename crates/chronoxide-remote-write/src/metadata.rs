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

/// The name that metadata of a series of floats called `name` goes by: classic histograms and summaries are several series,
/// and what is known of them is known of all together.
pub(crate) fn family(name: &str, metric_type: MetricType) -> &str {
    let endings: &[&str] = match metric_type {
        MetricType::Histogram | MetricType::GaugeHistogram => &["_bucket", "_sum", "_count"],
        MetricType::Summary => &["_sum", "_count"],
        _ => &[],
    };
    let mut found = endings
        .iter()
        .filter_map(|ending| name.strip_suffix(ending));
    found.find(|family| !family.is_empty()).unwrap_or(name)
}

/// A piece of metadata without its texts.
pub(crate) const BYTES: usize = size_of::<(String, Metadata)>();

/// A text for people: what is not UTF-8 in it is replaced, for metadata never fails a request.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether `metadata` tells nothing of its metric. Senders that know nothing say so again and again; what others know must
/// stay.
pub(crate) fn says_nothing(metadata: &Metadata) -> bool {
    *metadata == Metadata::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_family_share_its_name() {
        use MetricType::{Counter, GaugeHistogram, Histogram, Summary};
        for (name, metric_type, expected) in [
            ("x_seconds_bucket", Histogram, "x_seconds"),
            ("x_seconds_sum", Histogram, "x_seconds"),
            ("x_seconds_count", GaugeHistogram, "x_seconds"),
            ("x_seconds", Histogram, "x_seconds"),
            ("x_count", Summary, "x"),
            ("x_bucket", Summary, "x_bucket"),
            ("x_count", Counter, "x_count"),
            ("_count", Summary, "_count"),
        ] {
            assert_eq!(family(name, metric_type), expected);
        }
    }
}
