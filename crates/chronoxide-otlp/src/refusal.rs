//! Data points that were not taken, and why.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// Why a data point was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RefusalReason {
    /// No metric name is left after translation.
    UnusableName,
    /// The data point has no time.
    MissingTime,
    /// The temporality is neither delta nor cumulative.
    UnspecifiedTemporality,
    /// Delta temporality, where the delta mode is `reject`.
    DeltaTemporality,
    /// A delta point that ends no later than the last one of its stream.
    DeltaOutOfOrder,
    /// A new delta stream where the table of streams is full.
    DeltaStreamLimit,
    /// A histogram whose parts contradict one another, or that no native histogram can hold.
    InvalidHistogram,
    /// A second delta of the same series and time in one request.
    Duplicate,
    /// More attributes, or more text in them, than a series may have.
    LabelsTooLarge,
    /// More labels than a series may have.
    TooManyLabels,
    /// A label name longer than it may be.
    LabelNameTooLong,
    /// A label value longer than it may be.
    LabelValueTooLong,
    /// Labels that are longer together than they may be.
    LabelsTooLong,
    /// A delta that is older than what is stored: it does not count.
    TooOld,
    /// A delta that lies further in the future than what is stored: it does not count.
    TooFarInFuture,
    /// The request makes more series than one batch may hold.
    RequestTooLarge,
}

impl RefusalReason {
    /// A word for metric labels and logs, in snake case; never renamed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnusableName => "unusable_name",
            Self::MissingTime => "missing_time",
            Self::UnspecifiedTemporality => "unspecified_temporality",
            Self::DeltaTemporality => "delta_temporality",
            Self::DeltaOutOfOrder => "delta_out_of_order",
            Self::DeltaStreamLimit => "delta_stream_limit",
            Self::InvalidHistogram => "invalid_histogram",
            Self::Duplicate => "duplicate",
            Self::LabelsTooLarge => "labels_too_large",
            Self::TooManyLabels => "too_many_labels",
            Self::LabelNameTooLong => "label_name_too_long",
            Self::LabelValueTooLong => "label_value_too_long",
            Self::LabelsTooLong => "labels_too_long",
            Self::TooOld => "too_old",
            Self::TooFarInFuture => "too_far_in_future",
            Self::RequestTooLarge => "request_too_large",
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One data point's reason together with what was wrong in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: RefusalReason,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(reason: RefusalReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

/// Data points of one metric that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedMetric {
    /// The name as it was sent, shortened where it is long.
    pub metric: String,
    /// Why.
    pub reason: RefusalReason,
    /// What was wrong with the first of the data points in particular.
    pub detail: String,
    /// How many data points this concerns.
    pub points: u64,
}

/// All refusals of one request: counted by reason, the first few in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    counts: BTreeMap<RefusalReason, u64>,
    examples: Vec<String>,
    metrics: Vec<RefusedMetric>,
}

impl Refusals {
    /// How many refusals are told in words.
    pub const EXAMPLES_MAX: usize = 5;

    /// How many metrics are told by name.
    pub const METRICS_MAX: usize = 10;

    pub(crate) fn add(&mut self, metric: &str, refusal: &Refusal) {
        *self.counts.entry(refusal.reason).or_default() += 1;
        self.add_metric(shortened(metric), refusal);
        if self.examples.len() < Self::EXAMPLES_MAX {
            let example = format!("metric {:?}: {}", shortened(metric), refusal.detail);
            if !self.examples.contains(&example) {
                self.examples.push(example);
            }
        }
    }

    fn add_metric(&mut self, metric: &str, refusal: &Refusal) {
        let known = self
            .metrics
            .iter_mut()
            .find(|known| known.reason == refusal.reason && known.metric == metric);
        if let Some(known) = known {
            known.points += 1;
        } else if self.metrics.len() < Self::METRICS_MAX {
            self.metrics.push(RefusedMetric {
                metric: metric.to_owned(),
                reason: refusal.reason,
                detail: refusal.detail.clone(),
                points: 1,
            });
        }
    }

    /// The first metrics with refused data points, once for each reason.
    #[must_use]
    pub fn metrics(&self) -> &[RefusedMetric] {
        &self.metrics
    }

    /// How many data points were refused.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How many data points were refused for which reason.
    pub fn counts(&self) -> impl Iterator<Item = (RefusalReason, u64)> + '_ {
        self.counts.iter().map(|(reason, count)| (*reason, *count))
    }

    /// What to tell the sender; empty when nothing was refused.
    #[must_use]
    pub fn message(&self) -> String {
        if self.counts.is_empty() {
            return String::new();
        }
        let mut message = format!("{} data points refused:", self.total());
        let mut separator = ' ';
        for (reason, count) in &self.counts {
            let written = write!(message, "{separator}{reason} {count}");
            debug_assert!(written.is_ok(), "writing to a string does not fail");
            separator = ',';
        }
        for example in &self.examples {
            message.push_str("; ");
            message.push_str(example);
        }
        message
    }
}

/// The first characters of a name that may be of any length.
pub(crate) fn shortened(name: &str) -> &str {
    match name.char_indices().nth(100) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_counts_every_reason_and_tells_a_few_in_words() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.message(), "");
        for index in 0..9 {
            let refusal = Refusal::new(RefusalReason::MissingTime, format!("point {index}"));
            refusals.add("m", &refusal);
        }
        refusals.add("n", &Refusal::new(RefusalReason::Duplicate, "twice"));
        assert_eq!(refusals.total(), 10);
        let message = refusals.message();
        assert!(message.starts_with(
            "10 data points refused: missing_time 9,duplicate 1; metric \"m\": point 0;"
        ));
        assert!(message.contains("point 4") && !message.contains("point 5"));
    }

    #[test]
    fn the_first_metrics_are_told_once_for_each_reason() {
        let mut refusals = Refusals::default();
        for (metric, reason) in [
            ("m", RefusalReason::MissingTime),
            ("m", RefusalReason::Duplicate),
            ("m", RefusalReason::MissingTime),
        ] {
            refusals.add(metric, &Refusal::new(reason, format!("point of {metric}")));
        }
        let told: Vec<_> = refusals
            .metrics()
            .iter()
            .map(|m| (m.reason, m.points))
            .collect();
        assert_eq!(
            told,
            [
                (RefusalReason::MissingTime, 2),
                (RefusalReason::Duplicate, 1)
            ]
        );
        for index in 0..100 {
            let refusal = Refusal::new(RefusalReason::MissingTime, "no time");
            refusals.add(&format!("{index} {}", "x".repeat(1000)), &refusal);
        }
        assert_eq!(refusals.metrics().len(), Refusals::METRICS_MAX);
        assert!(refusals.metrics().iter().all(|m| m.metric.len() <= 100));
    }
}
