//! What an operator has to say about the values it met, gathered over all steps.
//!
//! At each step only the last pair that there is something to say about is told of, as in Prometheus: the pairs come in
//! the order of the series that may be many in a group, and after them those with a filled left side.

use crate::annotations::{Annotation, HistogramOperation};
use crate::eval::Evaluation;
use crate::plan::{BinaryOp, Position};

/// Something to tell about a pair of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// No use for two floats.
    Floats,
    /// No use for a float on the left and a histogram on the right.
    FloatHistogram,
    /// No use for a histogram on the left and a float on the right.
    HistogramFloat,
    /// No use for two histograms.
    Histograms,
    /// Exponential and custom buckets met.
    IncompatibleBuckets,
    /// One histogram said "reset", the other "no reset".
    ConflictingResets,
    /// Custom bounds differed.
    BoundsReconciled,
}

impl Note {
    const ALL: [Self; 7] = [
        Self::Floats,
        Self::FloatHistogram,
        Self::HistogramFloat,
        Self::Histograms,
        Self::IncompatibleBuckets,
        Self::ConflictingResets,
        Self::BoundsReconciled,
    ];

    fn annotation(self, op: BinaryOp) -> Annotation {
        let incompatible = |left, right| Annotation::IncompatibleTypesInBinary {
            left,
            operator: op.as_str(),
            right,
        };
        let operation = if op == BinaryOp::Sub {
            HistogramOperation::Subtraction
        } else {
            HistogramOperation::Addition
        };
        match self {
            Self::Floats => incompatible("float", "float"),
            Self::FloatHistogram => incompatible("float", "histogram"),
            Self::HistogramFloat => incompatible("histogram", "float"),
            Self::Histograms => incompatible("histogram", "histogram"),
            Self::IncompatibleBuckets => Annotation::IncompatibleBucketLayout(op.as_str()),
            Self::ConflictingResets => Annotation::CounterResetCollision(operation),
            Self::BoundsReconciled => Annotation::MismatchedCustomBuckets(operation),
        }
    }
}

/// The notes of an operator so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The last note of each step and the pair it is about; empty until there is one.
    last: Vec<Option<(usize, Note)>>,
}

impl Notes {
    /// Takes `note` down for pair `pair` at `step`, unless a later pair has one there.
    pub(super) fn add(&mut self, note: Note, pair: usize, step: usize) {
        if self.last.len() <= step {
            self.last.resize(step + 1, None);
        }
        if self.last[step].is_none_or(|(later, _)| later <= pair) {
            self.last[step] = Some((pair, note));
        }
    }

    /// Hands the notes of operator `op`, written at `position`, to the query.
    pub(super) fn annotate(&self, evaluation: &Evaluation<'_>, op: BinaryOp, position: Position) {
        for note in Note::ALL {
            if self.last.iter().flatten().any(|(_, last)| *last == note) {
                evaluation.annotate(note.annotation(op), position);
            }
        }
    }
}
