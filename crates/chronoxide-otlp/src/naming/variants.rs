//! Names that may stand for one metric: as OTLP has it, with and without what translation adds.

/// Words that translation adds to names, or that tell the series of one metric apart.
const ADDED: [&str; 40] = [
    "total",
    "ratio",
    "bucket",
    "count",
    "sum",
    "per",
    "days",
    "hours",
    "minutes",
    "seconds",
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "bytes",
    "kibibytes",
    "mebibytes",
    "gibibytes",
    "tibibytes",
    "kilobytes",
    "megabytes",
    "gigabytes",
    "terabytes",
    "meters",
    "volts",
    "amperes",
    "joules",
    "watts",
    "grams",
    "celsius",
    "hertz",
    "percent",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
    "max",
    "min",
];

/// Whether `asked` and `stored` are different names that may have been made from one OTLP metric: equal but for the
/// characters between words, and for units and suffixes at the end.
///
/// ```
/// use chronoxide_otlp::may_be_same_metric;
///
/// assert!(may_be_same_metric("http.server.duration", "http_server_duration_milliseconds_bucket"));
/// assert!(!may_be_same_metric("http.server.duration", "http_client_duration_milliseconds_bucket"));
/// ```
#[must_use]
pub fn may_be_same_metric(asked: &str, stored: &str) -> bool {
    asked != stored && {
        let (asked, stored) = (stem(asked), stem(stored));
        asked.clone().next().is_some() && asked.eq(stored)
    }
}

/// The words of a name without those that translation adds at the end.
fn stem(name: &str) -> impl Iterator<Item = &str> + Clone {
    let words =
        |text| str::split(text, |c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let added = words(name)
        .rev()
        .take_while(|word| ADDED.contains(word))
        .count();
    let kept = words(name).count() - added;
    words(name).take(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_metric_are_told_from_others() {
        for (asked, stored, expected) in [
            ("requests", "requests_total", true),
            ("requests_total", "requests", true),
            (
                "http.server.request.duration",
                "http_server_request_duration_seconds_bucket",
                true,
            ),
            (
                "http_server_request_duration_bucket",
                "http_server_request_duration_seconds_bucket",
                true,
            ),
            ("system.memory.usage", "system_memory_usage_bytes", true),
            ("a..b", "a_b", true),
            ("a_b", "a_b", false),
            ("a_b", "a_c", false),
            ("a", "a_b", false),
            ("", "total", false),
            ("count", "sum", false),
        ] {
            assert_eq!(
                may_be_same_metric(asked, stored),
                expected,
                "{asked} {stored}"
            );
        }
    }
}
