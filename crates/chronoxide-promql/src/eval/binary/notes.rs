//! What an operator has to say about the values it met, gathered over all steps.

use crate::annotations::{Annotation, HistogramOperation};
use crate::eval::Evaluation;
use crate::plan::{BinaryOp, Position};

/// One flag for each annotation, so that a loop over steps builds none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notes {
    /// No use for two floats.
    pub(super) floats: bool,
    /// No use for a float on the left and a histogram on the right.
    pub(super) float_histogram: bool,
    /// No use for a histogram on the left and a float on the right.
    pub(super) histogram_float: bool,
    /// No use for two histograms.
    pub(super) histograms: bool,
    /// Exponential and custom buckets met.
    pub(super) incompatible_buckets: bool,
    /// One histogram said "reset", the other "no reset".
    pub(super) conflicting_resets: bool,
    /// Custom bounds differed.
    pub(super) bounds_reconciled: bool,
}

impl Notes {
    /// Hands all notes of operator `op`, written at `position`, to the query.
    pub(super) fn annotate(self, evaluation: &Evaluation<'_>, op: BinaryOp, position: Position) {
        for (met, left, right) in [
            (self.floats, "float", "float"),
            (self.float_histogram, "float", "histogram"),
            (self.histogram_float, "histogram", "float"),
            (self.histograms, "histogram", "histogram"),
        ] {
            if met {
                let annotation = Annotation::IncompatibleTypesInBinary {
                    left,
                    operator: op.as_str(),
                    right,
                };
                evaluation.annotate(annotation, position);
            }
        }
        if self.incompatible_buckets {
            let annotation = Annotation::IncompatibleBucketLayout(op.as_str());
            evaluation.annotate(annotation, position);
        }
        let operation = if op == BinaryOp::Sub {
            HistogramOperation::Subtraction
        } else {
            HistogramOperation::Addition
        };
        if self.conflicting_resets {
            evaluation.annotate(Annotation::CounterResetCollision(operation), position);
        }
        if self.bounds_reconciled {
            evaluation.annotate(Annotation::MismatchedCustomBuckets(operation), position);
        }
    }
}
