//! Warnings and infos that accompany an answer, in Prometheus' words.

pub(crate) mod number;

use std::collections::BTreeMap;

use crate::plan::Position;

use number::{go_general, rfc3339_seconds};

/// Something the user should know about an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Annotation {
    /// A quantile outside 0 to 1.
    InvalidQuantile(f64),
    /// A ratio outside -1 to 1, and what it was cut to.
    InvalidRatio {
        /// As given.
        got: f64,
        /// As used.
        capped: f64,
    },
    /// A bucket whose `le` is no number.
    BadBucketLabel {
        /// The metric, empty when unknown.
        metric: String,
        /// The value of `le`.
        label: String,
    },
    /// Floats and histograms where only one kind can be.
    MixedFloatsHistograms(String),
    /// The same in an aggregation.
    MixedFloatsHistogramsAggregation,
    /// Classic buckets and a native histogram of one series.
    MixedClassicNative(String),
    /// A rate of a gauge histogram.
    NativeHistogramNotCounter(String),
    /// A delta of a counter histogram.
    NativeHistogramNotGauge(String),
    /// Exponential and custom buckets together.
    MixedExponentialCustom(String),
    /// A rate of a metric without a counter's name.
    PossibleNonCounter(String),
    /// Buckets of a classic histogram that had to be made monotonic.
    ForcedMonotonicity(ForcedMonotonicity),
    /// Operands of kinds that the operator cannot join.
    IncompatibleTypesInBinary {
        /// `float` or `histogram`.
        left: &'static str,
        /// The operator as written.
        operator: &'static str,
        /// `float` or `histogram`.
        right: &'static str,
    },
    /// An aggregation left histograms out.
    HistogramIgnoredInAggregation(&'static str),
    /// A function left the histograms of a mixed window out.
    HistogramIgnoredInMixedRange(String),
    /// Two histograms that an operator cannot join.
    IncompatibleBucketLayout(&'static str),
    /// Sorting in a range query.
    SortInRangeQuery,
    /// NaN observations make a quantile NaN.
    QuantileNanResult(String),
    /// NaN observations make a quantile too high.
    QuantileNanSkew(String),
    /// NaN observations are left out of fractions.
    FractionNans(String),
    /// Histograms with contradicting counter resets.
    CounterResetCollision(HistogramOperation),
    /// Custom buckets that were brought to common bounds.
    MismatchedCustomBuckets(HistogramOperation),
    /// A sample that claims to start before the sample before it.
    StartTimeOverlap(String),
}

/// How far classic buckets were from being monotonic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ForcedMonotonicity {
    /// The metric, empty when unknown.
    pub(crate) metric: String,
    /// First step with such buckets.
    pub(crate) min_ms: i64,
    /// Last step with such buckets.
    pub(crate) max_ms: i64,
    /// Lowest such bucket.
    pub(crate) min_bucket: f64,
    /// Highest such bucket.
    pub(crate) max_bucket: f64,
    /// Largest difference.
    pub(crate) max_difference: f64,
}

/// What was done with histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistogramOperation {
    /// They were added.
    Addition,
    /// One was subtracted.
    Subtraction,
    /// They were aggregated.
    Aggregation,
}

impl HistogramOperation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

impl Annotation {
    /// Whether it is an info and no warning.
    const fn is_info(&self) -> bool {
        matches!(
            self,
            Self::PossibleNonCounter(_)
                | Self::ForcedMonotonicity(_)
                | Self::IncompatibleTypesInBinary { .. }
                | Self::HistogramIgnoredInAggregation(_)
                | Self::HistogramIgnoredInMixedRange(_)
                | Self::QuantileNanResult(_)
                | Self::QuantileNanSkew(_)
                | Self::FractionNans(_)
                | Self::MismatchedCustomBuckets(_)
        )
    }

    /// The text without position: what makes two annotations the same.
    fn text(&self) -> String {
        const MIXED: &str = "encountered a mix of histograms and floats for";
        const QUANTILE_NAN: &str = "input to histogram_quantile has NaN observations, result is";
        match self {
            Self::InvalidQuantile(got) => format!(
                "quantile value should be between 0 and 1, got {}",
                go_general(*got)
            ),
            Self::InvalidRatio { got, capped } => format!(
                "ratio value should be between -1 and 1, got {}, capping to {}",
                go_general(*got),
                go_general(*capped)
            ),
            Self::BadBucketLabel { metric, label } => {
                let text = format!(
                    "bucket label \"le\" is missing or has a malformed value of {}",
                    quoted(label)
                );
                with_metric(text, metric)
            }
            Self::MixedFloatsHistograms(metric) => {
                format!("{MIXED} metric name {}", quoted(metric))
            }
            Self::MixedFloatsHistogramsAggregation => format!("{MIXED} aggregation"),
            Self::MixedClassicNative(metric) => with_metric(
                "vector contains a mix of classic and native histograms".to_owned(),
                metric,
            ),
            Self::NativeHistogramNotCounter(metric) => format!(
                "this native histogram metric is not a counter: {}",
                quoted(metric)
            ),
            Self::NativeHistogramNotGauge(metric) => format!(
                "this native histogram metric is not a gauge: {}",
                quoted(metric)
            ),
            Self::MixedExponentialCustom(metric) => format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {}",
                quoted(metric)
            ),
            Self::PossibleNonCounter(metric) => format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                quoted(metric)
            ),
            Self::ForcedMonotonicity(forced) => with_metric(
                "input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
                    .to_owned(),
                &forced.metric,
            ),
            Self::IncompatibleTypesInBinary {
                left,
                operator,
                right,
            } => format!(
                "incompatible sample types encountered for binary operator \"{operator}\": {left} {operator} {right}"
            ),
            Self::HistogramIgnoredInAggregation(name) => {
                format!("ignored histogram in {name} aggregation")
            }
            Self::HistogramIgnoredInMixedRange(metric) => format!(
                "ignored histograms in a range containing both floats and histograms for metric name {}",
                quoted(metric)
            ),
            Self::IncompatibleBucketLayout(operator) => {
                format!("incompatible bucket layout encountered for binary operator {operator}")
            }
            Self::SortInRangeQuery => "sort is ineffective for range queries since results are always ordered by labels".to_owned(),
            Self::QuantileNanResult(metric) => with_metric(format!("{QUANTILE_NAN} NaN"), metric),
            Self::QuantileNanSkew(metric) => {
                with_metric(format!("{QUANTILE_NAN} skewed higher"), metric)
            }
            Self::FractionNans(metric) => with_metric(
                "input to histogram_fraction has NaN observations, which are excluded from all fractions".to_owned(),
                metric,
            ),
            Self::CounterResetCollision(operation) => format!(
                "conflicting counter resets during histogram {}",
                operation.as_str()
            ),
            Self::MismatchedCustomBuckets(operation) => format!(
                "mismatched custom buckets were reconciled during {}",
                operation.as_str()
            ),
            Self::StartTimeOverlap(metric) => format!(
                "sample has start time that overlaps with previous sample timestamp for metric {}",
                quoted(metric)
            ),
        }
    }
}

/// The metric's name behind `text`, if it is known.
fn with_metric(text: String, metric: &str) -> String {
    if metric.is_empty() {
        text
    } else {
        format!("{text} for metric name {}", quoted(metric))
    }
}

/// A string in quotes with the escapes of Go's `%q` that label values meet.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// One annotation and how often it came.
#[derive(Debug)]
struct Entry {
    annotation: Annotation,
    position: Position,
    count: u64,
}

/// The annotations of a query: one for each text, as in Prometheus, where the last position wins.
#[derive(Debug, Default)]
pub(crate) struct Annotations(BTreeMap<String, Entry>);

impl Annotations {
    /// Notes `annotation` about the expression at `position`.
    pub(crate) fn add(&mut self, annotation: Annotation, position: Position) {
        let text = annotation.text();
        match self.0.get_mut(&text) {
            Some(entry) => entry.merge(annotation, position),
            None => {
                let entry = Entry {
                    annotation,
                    position,
                    count: 1,
                };
                self.0.insert(text, entry);
            }
        }
    }

    /// How often anything was noted.
    pub(crate) fn count(&self) -> u64 {
        self.0.values().map(|entry| entry.count).sum()
    }

    /// Warnings and infos about `query`, each sorted.
    pub(crate) fn texts(&self, query: &str) -> (Vec<String>, Vec<String>) {
        let (mut warnings, mut infos) = (Vec::new(), Vec::new());
        for (text, entry) in &self.0 {
            let detail = entry.detail();
            let (line, column) = entry.position.line_and_column(query);
            if entry.annotation.is_info() {
                infos.push(format!("PromQL info: {text}{detail} ({line}:{column})"));
            } else {
                warnings.push(format!("PromQL warning: {text}{detail} ({line}:{column})"));
            }
        }
        (warnings, infos)
    }
}

impl Entry {
    /// Joins another annotation of the same text.
    fn merge(&mut self, annotation: Annotation, position: Position) {
        self.count += 1;
        self.position = position;
        if let (Annotation::ForcedMonotonicity(mine), Annotation::ForcedMonotonicity(other)) =
            (&mut self.annotation, annotation)
        {
            mine.min_ms = mine.min_ms.min(other.min_ms);
            mine.max_ms = mine.max_ms.max(other.max_ms);
            mine.min_bucket = mine.min_bucket.min(other.min_bucket);
            mine.max_bucket = mine.max_bucket.max(other.max_bucket);
            mine.max_difference = mine.max_difference.max(other.max_difference);
        }
    }

    /// What stands between text and position.
    fn detail(&self) -> String {
        match &self.annotation {
            Annotation::ForcedMonotonicity(forced) => format!(
                ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
                go_general(forced.min_bucket),
                go_general(forced.max_bucket),
                number::go_two_digits(forced.max_difference),
                self.count,
                rfc3339_seconds(forced.min_ms),
                rfc3339_seconds(forced.max_ms),
            ),
            Annotation::StartTimeOverlap(_) if self.count > 1 => {
                format!(" ({} occurrences)", self.count)
            }
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_ends_with_line_and_column() {
        let mut annotations = Annotations::default();
        annotations.add(
            Annotation::PossibleNonCounter("x".to_owned()),
            Position { start: 5, end: 10 },
        );
        annotations.add(
            Annotation::InvalidQuantile(1.5),
            Position { start: 9, end: 10 },
        );
        let (warnings, infos) = annotations.texts("rate(x[\n5m])");
        assert_eq!(
            infos,
            [
                "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"x\" (1:6)"
            ]
        );
        assert_eq!(
            warnings,
            ["PromQL warning: quantile value should be between 0 and 1, got 1.5 (2:2)"]
        );
    }

    #[test]
    fn annotations_of_the_same_text_are_one() {
        let mut annotations = Annotations::default();
        for minute in 0..3 {
            let forced = ForcedMonotonicity {
                metric: "m".to_owned(),
                min_ms: minute * 60_000,
                max_ms: minute * 60_000,
                min_bucket: 0.1,
                max_bucket: 5.0,
                max_difference: 0.123,
            };
            annotations.add(
                Annotation::ForcedMonotonicity(forced),
                Position { start: 0, end: 1 },
            );
        }
        let (_, infos) = annotations.texts("q");
        assert_eq!(infos.len(), 1);
        assert!(
            infos[0].ends_with(
                "for metric name \"m\", from buckets 0.1 to 5, with a max diff of 0.12, over 3 samples from \
                 1970-01-01T00:00:00Z to 1970-01-01T00:02:00Z (1:1)"
            ),
            "{}",
            infos[0]
        );
    }
}
