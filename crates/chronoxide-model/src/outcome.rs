//! What became of a written batch.

use std::collections::BTreeMap;
use std::fmt;

use crate::LabelsError;

/// Why samples of one series were not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RejectReason {
    /// The series has no labels at all.
    NoLabels,
    /// The series has no metric name, where the protocol demands one.
    MissingMetricName,
    /// The bytes that should be labels are not.
    MalformedLabels,
    /// A reference points outside the request's symbol table.
    BadReference,
    /// The series brings no sample, where the protocol demands one.
    NoSamples,
    /// A label has an empty name.
    EmptyLabelName,
    /// Two labels have the same name.
    DuplicateLabelName,
    /// A name or value is not UTF-8.
    InvalidUtf8,
    /// More labels than the limit.
    TooManyLabels,
    /// A label name longer than the limit.
    LabelNameTooLong,
    /// A label value longer than the limit.
    LabelValueTooLong,
    /// All labels of a series together are longer than the limit.
    LabelsTooLong,
    /// The sample is older than retention.
    TooOld,
    /// The sample lies further in the future than allowed.
    TooFarInFuture,
    /// A histogram sample whose parts contradict one another.
    InvalidHistogram,
    /// A new series beyond the series limit.
    SeriesLimit,
    /// A second value of a series at one time, in a batch that is to have one at most.
    Duplicate,
}

impl RejectReason {
    /// A word for metric labels and logs, in snake case; never renamed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoLabels => "no_labels",
            Self::MissingMetricName => "missing_metric_name",
            Self::MalformedLabels => "malformed_labels",
            Self::BadReference => "bad_reference",
            Self::NoSamples => "no_samples",
            Self::EmptyLabelName => "empty_label_name",
            Self::DuplicateLabelName => "duplicate_label_name",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::TooManyLabels => "too_many_labels",
            Self::LabelNameTooLong => "label_name_too_long",
            Self::LabelValueTooLong => "label_value_too_long",
            Self::LabelsTooLong => "labels_too_long",
            Self::TooOld => "too_old",
            Self::TooFarInFuture => "too_far_in_future",
            Self::InvalidHistogram => "invalid_histogram",
            Self::SeriesLimit => "series_limit",
            Self::Duplicate => "duplicate",
        }
    }
}

impl From<&LabelsError> for RejectReason {
    fn from(error: &LabelsError) -> Self {
        match error {
            LabelsError::EmptyName { .. } => Self::EmptyLabelName,
            LabelsError::DuplicateName { .. } => Self::DuplicateLabelName,
            LabelsError::InvalidUtf8 { .. } => Self::InvalidUtf8,
            LabelsError::MissingMetricName { .. } => Self::MissingMetricName,
            LabelsError::MalformedKey { .. } => Self::MalformedLabels,
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Samples of one series that were not stored, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The series as people write it, shortened where it is long.
    pub series: String,
    /// Why.
    pub reason: RejectReason,
    /// What was wrong in particular and what to do about it: the offending name, limit or time.
    pub detail: String,
    /// How many samples this concerns; 0 for a series that brings none, or an exemplar.
    pub samples: u64,
}

/// What became of a batch: everything accepted is durable as the durability setting promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOutcome {
    /// Float samples stored, those equal to a stored one included.
    pub samples_accepted: u64,
    /// Histogram samples stored.
    pub histograms_accepted: u64,
    /// Exemplars stored.
    pub exemplars_accepted: u64,
    /// Pieces of metadata not taken for want of room.
    pub metadata_rejected: u64,
    /// Samples of either kind not stored.
    pub samples_rejected: u64,
    /// The same by reason.
    pub samples_rejected_by_reason: BTreeMap<RejectReason, u64>,
    /// How often something without samples was refused, by reason: a series that brings none, or an exemplar.
    pub sampleless_rejected_by_reason: BTreeMap<RejectReason, u64>,
    /// Which series of the batch, by their places in it and in no order, had samples that were not stored.
    pub series_rejected: Vec<usize>,
    /// The first [`WriteOutcome::REJECTIONS_MAX`] rejections; `samples_rejected` counts all.
    pub rejections: Vec<Rejection>,
}

impl WriteOutcome {
    /// How many rejections are listed one by one.
    pub const REJECTIONS_MAX: usize = 64;

    /// Counts a rejection, and lists it while there is room.
    pub fn reject(&mut self, rejection: Rejection) {
        let Rejection {
            reason, samples, ..
        } = rejection;
        self.reject_with(reason, samples, || (rejection.series, rejection.detail));
    }

    /// As [`WriteOutcome::reject`], with the series and the detail asked for only while there is room to list them.
    pub fn reject_with(
        &mut self,
        reason: RejectReason,
        samples: u64,
        describe: impl FnOnce() -> (String, String),
    ) {
        if samples == 0 {
            *self
                .sampleless_rejected_by_reason
                .entry(reason)
                .or_default() += 1;
        } else {
            self.samples_rejected += samples;
            *self.samples_rejected_by_reason.entry(reason).or_default() += samples;
        }
        if self.rejections.len() < Self::REJECTIONS_MAX {
            let (series, detail) = describe();
            self.rejections.push(Rejection {
                series,
                reason,
                detail,
                samples,
            });
        }
    }

    /// Adds what became of another batch of the same request, but for the places of its series.
    pub fn merge(&mut self, other: Self) {
        self.samples_accepted += other.samples_accepted;
        self.histograms_accepted += other.histograms_accepted;
        self.exemplars_accepted += other.exemplars_accepted;
        self.metadata_rejected += other.metadata_rejected;
        self.samples_rejected += other.samples_rejected;
        for (reason, samples) in other.samples_rejected_by_reason {
            *self.samples_rejected_by_reason.entry(reason).or_default() += samples;
        }
        for (reason, count) in other.sampleless_rejected_by_reason {
            *self
                .sampleless_rejected_by_reason
                .entry(reason)
                .or_default() += count;
        }
        let room = Self::REJECTIONS_MAX.saturating_sub(self.rejections.len());
        self.rejections
            .extend(other.rejections.into_iter().take(room));
    }

    /// Whether everything was stored that a sender is to be told of, which metadata is not.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.samples_rejected == 0 && self.rejections.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(reason: RejectReason, samples: u64) -> Rejection {
        Rejection {
            series: "x".to_owned(),
            reason,
            detail: "why".to_owned(),
            samples,
        }
    }

    #[test]
    fn all_rejections_are_counted_by_reason_and_the_first_are_listed() {
        let mut outcome = WriteOutcome::default();
        for _ in 0..100 {
            outcome.reject(rejection(RejectReason::TooOld, 2));
        }
        outcome.reject_with(RejectReason::InvalidUtf8, 1, || {
            panic!("there is no room to list it")
        });
        let mut other = WriteOutcome::default();
        other.reject(rejection(RejectReason::TooOld, 5));
        for outcome in [&mut outcome, &mut other] {
            outcome.reject(rejection(RejectReason::NoSamples, 0));
        }
        outcome.merge(other);
        assert_eq!(outcome.rejections.len(), WriteOutcome::REJECTIONS_MAX);
        assert_eq!(outcome.samples_rejected, 206);
        let by_reason: Vec<_> = outcome.samples_rejected_by_reason.into_iter().collect();
        assert_eq!(
            by_reason,
            [(RejectReason::InvalidUtf8, 1), (RejectReason::TooOld, 205)]
        );
        let sampleless: Vec<_> = outcome.sampleless_rejected_by_reason.into_iter().collect();
        assert_eq!(sampleless, [(RejectReason::NoSamples, 2)]);
    }
}
