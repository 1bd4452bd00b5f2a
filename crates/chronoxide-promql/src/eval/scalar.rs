//! Scalar expressions: one number a step.

use std::ops::{Deref, DerefMut};

use chronoxide_model::Labels;

use crate::Error;
use crate::eval::{CHECK_STEPS, Charge, Column, Evaluation, StepSeries, binary};
use crate::functions::scalar as functions;
use crate::plan::{Expr, Node};

/// One number a step, counted against the limit of samples while they are held.
#[derive(Debug)]
pub(crate) struct Scalars {
    values: Vec<f64>,
    charge: Charge,
}

impl Scalars {
    /// What `number` gives for the time of each step.
    ///
    /// # Errors
    /// [`Error::TooManySamples`], before any memory is taken, and when the query is to stop.
    pub(crate) fn at_steps(
        evaluation: &Evaluation<'_>,
        mut number: impl FnMut(i64) -> f64,
    ) -> Result<Self, Error> {
        let steps = evaluation.steps;
        let charge = evaluation.charge_column()?;
        let mut values = Vec::with_capacity(steps.count);
        for (index, step_ms) in steps.iter().enumerate() {
            evaluation.check_step(index)?;
            values.push(number(step_ms));
        }
        Ok(Self { values, charge })
    }

    /// The same number at each step.
    ///
    /// # Errors
    /// See [`Scalars::at_steps`].
    pub(crate) fn constant(evaluation: &Evaluation<'_>, value: f64) -> Result<Self, Error> {
        evaluation.check()?;
        let count = evaluation.steps.count;
        Ok(Self {
            charge: evaluation.charge_column()?,
            values: vec![value; count],
        })
    }

    /// Joins each number with that of `other` at the same step.
    ///
    /// # Errors
    /// When the query is to stop.
    pub(crate) fn join(
        mut self,
        evaluation: &Evaluation<'_>,
        other: &Self,
        join: impl Fn(f64, f64) -> f64,
    ) -> Result<Self, Error> {
        let blocks = self.values.chunks_mut(CHECK_STEPS);
        for (values, others) in blocks.zip(other.values.chunks(CHECK_STEPS)) {
            evaluation.check()?;
            for (value, other) in values.iter_mut().zip(others) {
                *value = join(*value, *other);
            }
        }
        Ok(self)
    }

    /// The numbers as a series without labels.
    pub(crate) fn into_series(self) -> StepSeries {
        let column = Column::from_floats(self.values);
        StepSeries::new(Labels::empty(), column, false).with_charge(self.charge)
    }
}

impl Deref for Scalars {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.values
    }
}

impl DerefMut for Scalars {
    fn deref_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }
}

/// The number of scalar `node` at each step.
pub(super) fn scalar(evaluation: &Evaluation<'_>, node: &Node) -> Result<Scalars, Error> {
    match &node.expr {
        Expr::Number(value) => Scalars::constant(evaluation, *value),
        Expr::Negate(inner) => {
            let mut values = evaluation.scalar(inner)?;
            for value in values.iter_mut() {
                *value = -*value;
            }
            Ok(values)
        }
        Expr::Binary(operation) => {
            let left = evaluation.scalar(&operation.left)?;
            let right = evaluation.scalar(&operation.right)?;
            left.join(evaluation, &right, |left, right| {
                binary::scalar(operation.op, left, right)
            })
        }
        Expr::Call(call) => functions::scalar(evaluation, call),
        _ => Err(Error::execution(format!(
            "expected a scalar, got a {}",
            node.expr.value_type().as_str()
        ))),
    }
}
