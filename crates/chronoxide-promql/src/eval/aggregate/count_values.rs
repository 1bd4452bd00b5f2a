//! `count_values`

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chronoxide_model::{Labels, METRIC_NAME};

use super::groups::group_labels;
use crate::Error;
use crate::eval::{Charge, Column, Evaluation, Meter, Sink, Size, StepSeries};
use crate::functions::MadeValue;
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
        evaluation.check()?;
        let mut column = Column::absent(counts.len());
        for (step, count) in counts.into_iter().enumerate() {
            if count > 0.0 {
                column.set_float(step, count);
            }
        }
        sink(StepSeries::new(labels, column, false).with_made_labels())
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
        let number = match self.bases.get(&base) {
            Some(&number) => number,
            None => {
                self.charge(Size::of_labels(&base))?;
                self.bases.insert(base.clone(), next);
                next
            }
        };
        if self.leaves_value_out() {
            let group = self.numbered(base)?;
            let present = |step: &usize| !series.column.is_absent(*step);
            for step in (0..self.steps).filter(present) {
                self.groups[group].1[step] += 1.0;
            }
            return Ok(());
        }
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
            let mut text = MadeValue::new("count_values", self.label);
            // It fails when the text gets too long, which `finish` tells.
            let _ = write!(text, "{histogram}");
            let group = self.group(&base, &text.finish()?)?;
            self.groups[group].1[step] += 1.0;
        }
        Ok(())
    }

    /// Whether the grouping drops the label of the value again.
    fn leaves_value_out(&self) -> bool {
        match self.grouping {
            Grouping::Without(names) => {
                self.label == METRIC_NAME || names.iter().any(|name| name == self.label)
            }
            Grouping::By(_) => false,
        }
    }

    /// The number of the group of `base` with the value `text`.
    fn group(&mut self, base: &Labels, text: &str) -> Result<usize, Error> {
        let mut builder = base.to_builder();
        builder.set(self.label, text);
        let built = builder.build();
        self.numbered(built.map_err(|error| Error::execution(error.to_string()))?)
    }

    /// The number of the group with `labels`.
    fn numbered(&mut self, labels: Labels) -> Result<usize, Error> {
        if let Some(&number) = self.numbers.get(&labels) {
            return Ok(number);
        }
        self.charge(Size::of_floats(self.steps).and(Size::of_labels(&labels)))?;
        let number = self.groups.len();
        self.numbers.insert(labels.clone(), number);
        self.groups.push((labels, vec![0.0; self.steps]));
        Ok(number)
    }

    /// Counts `size` as long as the groups are here.
    fn charge(&mut self, size: Size) -> Result<(), Error> {
        self.charges.push(Charge::new(self.meter, size)?);
        Ok(())
    }
}

/// A float in plain decimals.
fn plain_text(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}
