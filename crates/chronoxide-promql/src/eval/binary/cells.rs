//! What an operator makes of the two values of a step.

use std::sync::Arc;

use chronoxide_model::CounterResetHint;

use super::notes::Note;
use super::scalar;
use crate::eval::{Cell, CellValue, Column};
use crate::plan::{Binary, BinaryOp};
use crate::{FloatHistogram, TrimSide};

/// One side of an operator: something with a value at each step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand<'c> {
    /// A series.
    Column(&'c Column),
    /// A scalar.
    Scalar(&'c [f64]),
    /// A fill value.
    Constant(f64),
}

impl<'c> Operand<'c> {
    pub(super) fn cell(&self, step: usize) -> Cell<'c> {
        match self {
            Self::Column(column) => column.cell(step),
            Self::Scalar(values) => Cell::Float(values[step]),
            Self::Constant(value) => Cell::Float(*value),
        }
    }
}

/// What became of two values.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// One of them is missing, or the operator has no use for values of their kinds.
    Nothing,
    /// They were compared and did not pass.
    Filtered,
    /// The result.
    Value(CellValue),
}

/// An operator with its `bool` modifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operator {
    /// The operator.
    pub(super) op: BinaryOp,
    /// Whether comparisons give 0 or 1.
    pub(super) returns_bool: bool,
    /// Whether the left operand is the scalar of a comparison: then the right one passes.
    pub(super) passes_right: bool,
}

impl Operator {
    /// The operator of `binary`; `scalar_left` when its left operand is a scalar.
    pub(super) const fn new(binary: &Binary, scalar_left: bool) -> Self {
        Self {
            op: binary.op,
            returns_bool: binary.returns_bool,
            passes_right: scalar_left && binary.op.is_comparison(),
        }
    }

    /// Whether the result is another quantity than the operands, so that name, type and unit no longer fit.
    pub(super) const fn changes_quantity(self) -> bool {
        matches!(
            self.op,
            BinaryOp::Add
                | BinaryOp::Sub
                | BinaryOp::Mul
                | BinaryOp::Div
                | BinaryOp::Mod
                | BinaryOp::Pow
                | BinaryOp::Atan2
        )
    }

    /// Applies the operator to the values of one step; `note` becomes what there is to tell about them.
    pub(super) fn apply(self, left: Cell<'_>, right: Cell<'_>, note: &mut Option<Note>) -> Outcome {
        match (left, right) {
            (Cell::Absent, _) | (_, Cell::Absent) => Outcome::Nothing,
            (Cell::Float(left), Cell::Float(right)) => self.floats(left, right, note),
            (Cell::Float(left), Cell::Histogram(right)) => match self.op {
                BinaryOp::Mul => changed(right, |histogram| histogram.mul(left)),
                _ => {
                    *note = Some(Note::FloatHistogram);
                    Outcome::Nothing
                }
            },
            (Cell::Histogram(left), Cell::Float(right)) => self.histogram_float(left, right, note),
            (Cell::Histogram(left), Cell::Histogram(right)) => self.histograms(left, right, note),
        }
    }

    fn floats(self, left: f64, right: f64, note: &mut Option<Note>) -> Outcome {
        if self.op.is_comparison() {
            let holds = scalar(self.op, left, right) != 0.0;
            let passing = if self.passes_right { right } else { left };
            return self.compared(holds, CellValue::Float(passing));
        }
        if matches!(self.op, BinaryOp::TrimUpper | BinaryOp::TrimLower) {
            *note = Some(Note::Floats);
            return Outcome::Nothing;
        }
        Outcome::Value(CellValue::Float(scalar(self.op, left, right)))
    }

    fn compared(self, holds: bool, passing: CellValue) -> Outcome {
        match (self.returns_bool, holds) {
            (true, _) => Outcome::Value(CellValue::Float(f64::from(u8::from(holds)))),
            (false, true) => Outcome::Value(passing),
            (false, false) => Outcome::Filtered,
        }
    }

    fn histogram_float(
        self,
        left: &Arc<FloatHistogram>,
        right: f64,
        note: &mut Option<Note>,
    ) -> Outcome {
        match self.op {
            BinaryOp::Mul => changed(left, |histogram| histogram.mul(right)),
            BinaryOp::Div => changed(left, |histogram| histogram.div(right)),
            BinaryOp::TrimUpper => trimmed(left, right, TrimSide::Upper),
            BinaryOp::TrimLower => trimmed(left, right, TrimSide::Lower),
            _ => {
                *note = Some(Note::HistogramFloat);
                Outcome::Nothing
            }
        }
    }

    fn histograms(
        self,
        left: &Arc<FloatHistogram>,
        right: &Arc<FloatHistogram>,
        note: &mut Option<Note>,
    ) -> Outcome {
        let passing = || CellValue::Histogram(Arc::clone(left));
        match self.op {
            BinaryOp::Add | BinaryOp::Sub => self.merged(left, right, note),
            BinaryOp::Equal => self.compared(left.same_data(right), passing()),
            BinaryOp::NotEqual => self.compared(!left.same_data(right), passing()),
            _ => {
                *note = Some(Note::Histograms);
                Outcome::Nothing
            }
        }
    }

    fn merged(
        self,
        left: &FloatHistogram,
        right: &FloatHistogram,
        note: &mut Option<Note>,
    ) -> Outcome {
        let mut result = left.clone();
        let merged = if self.op == BinaryOp::Add {
            result.add(right)
        } else {
            let merged = result.sub(right);
            result.counter_reset_hint = CounterResetHint::Gauge;
            merged
        };
        match merged {
            Ok(merge) => {
                if merge.bounds_reconciled {
                    *note = Some(Note::BoundsReconciled);
                }
                if merge.conflicting_resets {
                    *note = Some(Note::ConflictingResets);
                }
                result.compact();
                Outcome::Value(CellValue::Histogram(Arc::new(result)))
            }
            Err(_) => {
                *note = Some(Note::IncompatibleBuckets);
                Outcome::Nothing
            }
        }
    }
}

/// A changed copy of `histogram`, without empty buckets.
fn changed(histogram: &FloatHistogram, change: impl FnOnce(&mut FloatHistogram)) -> Outcome {
    let mut result = histogram.clone();
    change(&mut result);
    result.compact();
    Outcome::Value(CellValue::Histogram(Arc::new(result)))
}

fn trimmed(histogram: &FloatHistogram, value: f64, side: TrimSide) -> Outcome {
    let mut result = histogram.clone();
    result.trim(value, side);
    Outcome::Value(CellValue::Histogram(Arc::new(result)))
}
