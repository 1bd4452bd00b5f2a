//! The parameter of an aggregation, step by step.

use crate::Error;
use crate::annotations::number::go_general;
use crate::eval::{Evaluation, Scalars};
use crate::functions::math::{larger, smaller};
use crate::plan::{Aggregate, Position};

/// A scalar parameter at each step.
#[derive(Debug)]
pub(super) struct Parameter {
    /// One value a step.
    pub(super) values: Scalars,
    /// Where it was written.
    pub(super) position: Position,
}

impl Parameter {
    /// Evaluates the parameter of `aggregate`.
    pub(super) fn new(evaluation: &Evaluation<'_>, aggregate: &Aggregate) -> Result<Self, Error> {
        let Some(node) = &aggregate.parameter else {
            return Err(Error::execution(format!(
                "aggregation {} needs a parameter",
                aggregate.op.as_str()
            )));
        };
        Ok(Self {
            values: evaluation.scalar(node)?,
            position: node.position,
        })
    }

    /// Whether any value is NaN.
    pub(super) fn has_nan(&self) -> bool {
        self.values.iter().any(|value| value.is_nan())
    }

    /// The largest value; NaN if any is, unless another is infinite.
    pub(super) fn max(&self) -> f64 {
        self.values.iter().copied().fold(-f64::MAX, larger)
    }

    /// The smallest value; NaN if any is, unless another is minus infinity.
    pub(super) fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::MAX, smaller)
    }

    /// The parameter as a number of series a step; `None` if it leaves none at any step.
    ///
    /// # Errors
    /// When a value is no number of series.
    pub(super) fn counts(&self) -> Result<Option<Vec<usize>>, Error> {
        if self.has_nan() {
            return Err(Error::execution("Parameter value is NaN"));
        }
        if self.max() < 1.0 {
            return Ok(None);
        }
        let limit = 2.0_f64.powi(63);
        for (value, faulty, how) in [
            (self.min(), self.min() <= -limit, "underflows"),
            (self.max(), self.max() >= limit, "overflows"),
        ] {
            if faulty {
                let value = go_general(value);
                return Err(Error::execution(format!(
                    "Scalar value {value} {how} int64"
                )));
            }
        }
        // A cast cuts off the fraction and takes what is below zero to zero.
        Ok(Some(self.values.iter().map(|&k| k as usize).collect()))
    }
}
