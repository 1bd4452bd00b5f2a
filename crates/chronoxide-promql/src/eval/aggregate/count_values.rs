//! `count_values`

use std::collections::HashMap;
use std::sync::Arc;

use chronoxide_model::{Labels, METRIC_NAME};

use super::groups::group_labels;
use crate::Error;
use crate::eval::{Charge, Column, Evaluation, Meter, Sink, Size, StepSeries};
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
        bases: HashMap::new(),
        floats: HashMap::new(),
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
    /// Groups before they are told apart by value.
    bases: HashMap<Labels, usize>,
    /// The group of a float, by the number of its base and its bits.
    floats: HashMap<(usize, u64), usize>,
    numbers: HashMap<Labels, usize>,
    groups: Vec<(Labels, Vec<f64>)>,
    meter: &'c Arc<Meter>,
    charges: Vec<Charge>,
}

impl Counts<'_> {
    fn add(&mut self, series: &StepSeries) -> Result<(), Error> {
        let labels = group_labels(self.grouping, &series.labels);
        let base = labels.filtered(|name| name != self.label);
        let next = self.bases.len();
        let number = *self.bases.entry(base.clone()).or_insert(next);
        for (step, value) in series.column.floats() {
            let key = (number, value.to_bits());
            let group = match self.floats.get(&key) {
                Some(&group) => group,
                None => {
                    let group = self.group(&base, &plain_text(value))?;
                    self.floats.insert(key, group);
                    group
                }
            };
            self.groups[group].1[step] += 1.0;
        }
        for (step, histogram) in series.column.histograms() {
            let group = self.group(&base, &histogram.to_string())?;
            self.groups[group].1[step] += 1.0;
        }
        Ok(())
    }

    /// The number of the group of `base` with the value `text`.
    fn group(&mut self, base: &Labels, text: &str) -> Result<usize, Error> {
        let labels = match self.grouping {
            Grouping::Without(names)
                if self.label == METRIC_NAME || names.iter().any(|name| name == self.label) =>
            {
                base.clone()
            }
            _ => {
                let mut builder = base.to_builder();
                builder.set(self.label, text);
                let built = builder.build();
                built.map_err(|error| Error::execution(error.to_string()))?
            }
        };
        let next = self.groups.len();
        let number = *self.numbers.entry(labels.clone()).or_insert(next);
        if number == next {
            let charge = Charge::new(self.meter, Size::of_floats(self.steps))?;
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
