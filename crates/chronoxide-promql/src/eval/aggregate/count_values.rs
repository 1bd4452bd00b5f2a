//! `count_values`

use std::collections::HashMap;
use std::sync::Arc;

use chronoxide_model::Labels;

use super::groups::group_labels;
use crate::Error;
use crate::eval::{Cell, Charge, Column, Evaluation, Meter, Sink, StepSeries};
use crate::plan::{Aggregate, Expr, Grouping};

/// Hands on one series for each value that comes in each group.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    aggregate: &Aggregate,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let label = match aggregate.parameter.as_ref().map(|node| &node.expr) {
        Some(Expr::String(label)) if !label.is_empty() => label.as_str(),
        Some(Expr::String(label)) => {
            return Err(Error::execution(format!("invalid label name {label:?}")));
        }
        _ => return Err(Error::execution("count_values needs the name of a label")),
    };
    let mut counts = Counts {
        label,
        grouping: &aggregate.grouping,
        steps: evaluation.steps.count,
        numbers: HashMap::new(),
        groups: Vec::new(),
        meter: &evaluation.query.meter,
        charges: Vec::new(),
    };
    evaluation.for_each(&aggregate.inner, &mut |series| counts.add(&series))?;
    counts.groups.into_iter().try_for_each(|(labels, counts)| {
        let mut column = Column::absent(counts.len());
        for (step, count) in counts.into_iter().enumerate() {
            if count > 0.0 {
                column.set_float(step, count);
            }
        }
        sink(StepSeries::new(labels, column, false))
    })
}

/// How often each value came in each group.
struct Counts<'c> {
    label: &'c str,
    grouping: &'c Grouping,
    steps: usize,
    numbers: HashMap<Labels, usize>,
    groups: Vec<(Labels, Vec<f64>)>,
    meter: &'c Arc<Meter>,
    charges: Vec<Charge>,
}

impl Counts<'_> {
    fn add(&mut self, series: &StepSeries) -> Result<(), Error> {
        // Values tend to stay the same from step to step.
        let mut last: Option<(u64, usize)> = None;
        for step in 0..series.column.len() {
            let number = match (series.column.cell(step), last) {
                (Cell::Absent, _) => continue,
                (Cell::Float(value), Some((bits, number))) if value.to_bits() == bits => number,
                (Cell::Float(value), _) => {
                    let number = self.group(&series.labels, &plain_text(value))?;
                    last = Some((value.to_bits(), number));
                    number
                }
                (Cell::Histogram(histogram), _) => {
                    self.group(&series.labels, &histogram.to_string())?
                }
            };
            self.groups[number].1[step] += 1.0;
        }
        Ok(())
    }

    /// The number of the group of a series at a step with the value `text`.
    fn group(&mut self, labels: &Labels, text: &str) -> Result<usize, Error> {
        let named = |labels: &Labels| {
            let mut builder = labels.to_builder();
            builder.set(self.label, text);
            builder
                .build()
                .map_err(|error| Error::execution(error.to_string()))
        };
        let labels = match self.grouping {
            Grouping::By(_) => named(&group_labels(self.grouping, labels))?,
            Grouping::Without(_) => group_labels(self.grouping, &named(labels)?),
        };
        let next = self.groups.len();
        let number = *self.numbers.entry(labels.clone()).or_insert(next);
        if number == next {
            let charge = Charge::new(self.meter, self.steps as u64)?;
            self.charges.push(charge);
            self.groups.push((labels, vec![0.0; self.steps]));
        }
        Ok(number)
    }
}

/// A float in plain decimals.
fn plain_text(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}
