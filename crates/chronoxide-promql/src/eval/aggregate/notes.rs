//! What an aggregation has to say about its input, gathered over all steps.

use crate::annotations::{Annotation, HistogramOperation};
use crate::eval::Evaluation;
use crate::histogram::MergeNotes;
use crate::plan::Aggregate;

/// One flag for each annotation, so that a loop over steps builds none.
#[derive(Clone, Copy)]
pub(super) struct Notes<'n> {
    evaluation: &'n Evaluation<'n>,
    aggregate: &'n Aggregate,
    /// Floats and histograms met in a group.
    pub(super) mixed_kinds: bool,
    /// A histogram came where only floats count.
    pub(super) histogram_ignored: bool,
    /// Custom bounds of histograms differed.
    bounds_reconciled: bool,
    /// One histogram said "reset", another "no reset".
    pub(super) conflicting_resets: bool,
}

impl<'n> Notes<'n> {
    /// No notes yet about `aggregate`.
    pub(super) const fn new(evaluation: &'n Evaluation<'n>, aggregate: &'n Aggregate) -> Self {
        Self {
            evaluation,
            aggregate,
            mixed_kinds: false,
            histogram_ignored: false,
            bounds_reconciled: false,
            conflicting_resets: false,
        }
    }

    /// Takes over what the addition of two histograms has to say.
    pub(super) const fn merged(&mut self, merge: MergeNotes) {
        self.bounds_reconciled |= merge.bounds_reconciled;
    }

    /// Notes that the series of `metric` has other buckets than its group.
    pub(super) fn incompatible_buckets(&self, metric: &str) {
        let annotation = Annotation::MixedExponentialCustom(metric.to_owned());
        self.evaluation
            .annotate(annotation, self.aggregate.inner.position);
    }

    /// Hands the notes to the query.
    pub(super) fn annotate(self) {
        let position = self.aggregate.inner.position;
        let operation = HistogramOperation::Aggregation;
        for (met, annotation) in [
            (
                self.mixed_kinds,
                Annotation::MixedFloatsHistogramsAggregation,
            ),
            (
                self.histogram_ignored,
                Annotation::HistogramIgnoredInAggregation(self.aggregate.op.as_str()),
            ),
            (
                self.bounds_reconciled,
                Annotation::MismatchedCustomBuckets(operation),
            ),
            (
                self.conflicting_resets,
                Annotation::CounterResetCollision(operation),
            ),
        ] {
            if met {
                self.evaluation.annotate(annotation, position);
            }
        }
    }
}
