//! `quantile`

use super::groups::{Accumulator, accumulate};
use super::notes::Notes;
use super::parameter::Parameter;
use crate::Error;
use crate::annotations::Annotation;
use crate::eval::{Column, Evaluation, Sink, StepSeries};
use crate::functions::quantile::quantile;
use crate::plan::Aggregate;

/// Hands on the groups of a `quantile` aggregation.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    aggregate: &Aggregate,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let parameter = Parameter::new(evaluation, aggregate)?;
    let steps = evaluation.steps.count;
    let new = || Quantile {
        quantiles: &parameter.values,
        values: vec![Vec::new(); steps],
    };
    accumulate(evaluation, aggregate, new, sink)?;
    for (faulty, got) in [
        (parameter.has_nan(), f64::NAN),
        (parameter.max() > 1.0, parameter.max()),
        (parameter.min() < 0.0, parameter.min()),
    ] {
        if faulty {
            evaluation.annotate(Annotation::InvalidQuantile(got), parameter.position);
        }
    }
    Ok(())
}

/// All floats of a group at each step.
#[derive(Debug)]
struct Quantile<'p> {
    quantiles: &'p [f64],
    values: Vec<Vec<f64>>,
}

impl Accumulator for Quantile<'_> {
    fn add(&mut self, series: &StepSeries, notes: &mut Notes<'_>) {
        notes.histogram_ignored |= series.column.has_histograms();
        for (step, value) in series.column.floats() {
            self.values[step].push(value);
        }
    }

    fn kept(&self, series: &StepSeries) -> usize {
        series.column.float_count()
    }

    fn finish(self, _notes: &mut Notes<'_>) -> Column {
        let mut column = Column::absent(self.values.len());
        for (step, mut values) in self.values.into_iter().enumerate() {
            if !values.is_empty() {
                column.set_float(step, quantile(self.quantiles[step], &mut values));
            }
        }
        column
    }
}
