//! What a range function noticed in the windows of one series, told once at the series' end.

use crate::annotations::{Annotation, HistogramOperation};
use crate::eval::{Evaluation, Stop};
use crate::plan::Position;

/// Something to tell about a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Floats and histograms in one window.
    MixedFloatsHistograms,
    /// Histograms of a mixed window were left out.
    HistogramsIgnored,
    /// A gauge where counters belong.
    NotCounter,
    /// A counter where gauges belong.
    NotGauge,
    /// Exponential and custom buckets together.
    MixedExponentialCustom,
    /// Custom bounds were reconciled to subtract.
    ReconciledSubtraction,
    /// Custom bounds were reconciled to add.
    ReconciledAddition,
    /// Custom bounds were reconciled to aggregate.
    ReconciledAggregation,
    /// Contradicting counter resets were aggregated.
    CollisionAggregation,
    /// The query is to stop, which is not told: there will be no answer.
    Stopped,
}

impl Note {
    /// In loops over histograms, of which `index` is one: ends them every now and then when the query is to stop.
    ///
    /// # Errors
    /// [`Note::Stopped`].
    pub(crate) fn check(stop: &Stop, index: usize) -> Result<(), Self> {
        const HISTOGRAMS: usize = 256;
        if index % HISTOGRAMS == HISTOGRAMS - 1 {
            stop.check().map_err(|_| Self::Stopped)?;
        }
        Ok(())
    }

    const ALL: [Self; 9] = [
        Self::MixedFloatsHistograms,
        Self::HistogramsIgnored,
        Self::NotCounter,
        Self::NotGauge,
        Self::MixedExponentialCustom,
        Self::ReconciledSubtraction,
        Self::ReconciledAddition,
        Self::ReconciledAggregation,
        Self::CollisionAggregation,
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }

    fn annotation(self, metric: &str) -> Option<Annotation> {
        let metric = metric.to_owned();
        Some(match self {
            Self::Stopped => return None,
            Self::MixedFloatsHistograms => Annotation::MixedFloatsHistograms(metric),
            Self::HistogramsIgnored => Annotation::HistogramIgnoredInMixedRange(metric),
            Self::NotCounter => Annotation::NativeHistogramNotCounter(metric),
            Self::NotGauge => Annotation::NativeHistogramNotGauge(metric),
            Self::MixedExponentialCustom => Annotation::MixedExponentialCustom(metric),
            Self::ReconciledSubtraction => {
                Annotation::MismatchedCustomBuckets(HistogramOperation::Subtraction)
            }
            Self::ReconciledAddition => {
                Annotation::MismatchedCustomBuckets(HistogramOperation::Addition)
            }
            Self::ReconciledAggregation => {
                Annotation::MismatchedCustomBuckets(HistogramOperation::Aggregation)
            }
            Self::CollisionAggregation => {
                Annotation::CounterResetCollision(HistogramOperation::Aggregation)
            }
        })
    }
}

/// The notes of one series so far.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    seen: u16,
    /// In how many windows a sample claims to start before the sample before it.
    pub(crate) start_overlaps: u64,
}

impl Notes {
    /// Adds `note`.
    pub(crate) const fn add(&mut self, note: Note) {
        self.seen |= note.bit();
    }

    /// Adds all of `other`.
    pub(crate) const fn merge(&mut self, other: &Self) {
        self.seen |= other.seen;
        self.start_overlaps += other.start_overlaps;
    }

    /// Tells the notes about `metric`, for the expression at `position`, and forgets them.
    pub(crate) fn tell(&mut self, evaluation: &Evaluation<'_>, metric: &str, position: Position) {
        for note in Note::ALL {
            if self.seen & note.bit() != 0
                && let Some(annotation) = note.annotation(metric)
            {
                evaluation.annotate(annotation, position);
            }
        }
        for _ in 0..self.start_overlaps {
            evaluation.annotate(Annotation::StartTimeOverlap(metric.to_owned()), position);
        }
        *self = Self::default();
    }
}
