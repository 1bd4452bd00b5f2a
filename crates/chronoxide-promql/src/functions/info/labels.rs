//! The labels that a series gets from its info series.

use std::collections::BTreeMap;

use chronoxide_model::{Labels, LabelsBuilder, METRIC_NAME, Matcher};

use super::{Infos, signature};
use crate::Error;
use crate::eval::{Bill, Column, Evaluation, Merged, Size, StepSeries};

/// What `info` does to one series.
pub(super) struct Enrichment<'e> {
    /// Which labels of the info series are added; all when empty.
    pub(super) data: &'e [Matcher],
    /// The info series.
    pub(super) infos: &'e Infos,
    pub(super) evaluation: &'e Evaluation<'e>,
}

impl Enrichment<'_> {
    /// Adds to `out` one series for each set of labels that `series` gets over the steps.
    pub(super) fn enrich(&self, series: &StepSeries, out: &mut Merged) -> Result<(), Error> {
        let candidates: Vec<&Vec<Option<usize>>> = self
            .infos
            .names
            .iter()
            .filter_map(|name| {
                self.infos
                    .by_signature
                    .get(&signature(name, &series.labels))
            })
            .collect();
        let count = series.column.len();
        // Each step may have another info series.
        let mut bill = Bill::new(&self.evaluation.query.meter);
        let mut columns: BTreeMap<Vec<usize>, Option<(Labels, Column)>> = BTreeMap::new();
        for index in 0..count {
            let Some(value) = series.column.value(index) else {
                continue;
            };
            let chosen: Vec<usize> = candidates.iter().filter_map(|steps| steps[index]).collect();
            if !columns.contains_key(&chosen) {
                self.evaluation.check()?;
                let labels = self.labels(&series.labels, &chosen)?;
                if let Some(labels) = &labels {
                    bill.add(Size::of_floats(count).and(Size::of_labels(labels)).bytes)?;
                }
                let column = labels.map(|labels| (labels, Column::absent(count)));
                columns.insert(chosen.clone(), column);
            }
            if let Some(Some((_, column))) = columns.get_mut(&chosen) {
                column.set(index, value);
            }
        }
        drop(bill);
        for (labels, column) in columns.into_values().flatten() {
            let mut made = StepSeries::new(labels, column, series.drop_name).with_made_labels();
            made.charge(&self.evaluation.query.meter)?;
            out.add(made)?;
        }
        Ok(())
    }

    /// The labels of a series with `base` and the info series `chosen`; none when it is to be left out, because labels
    /// are asked for that no info series gives.
    fn labels(&self, base: &Labels, chosen: &[usize]) -> Result<Option<Labels>, Error> {
        if chosen.is_empty() && self.data.iter().any(|matcher| !matcher.matches_empty()) {
            return Ok(None);
        }
        let mut added = LabelsBuilder::new();
        for info in chosen {
            for (name, value) in self.infos.labels[*info].iter() {
                if name == METRIC_NAME || !self.is_asked_for(name) {
                    continue;
                }
                if added.get(name).is_some_and(|other| other != value) {
                    return Err(Error::execution(format!("conflicting label: {name}")));
                }
                if base.get(name).is_none() {
                    added.set(name, value);
                }
            }
        }
        let mut builder = base.to_builder();
        for (name, value) in added.build().map_err(Error::labels)?.iter() {
            builder.set(name, value);
        }
        builder.build().map(Some).map_err(Error::labels)
    }

    fn is_asked_for(&self, name: &str) -> bool {
        self.data.is_empty() || self.data.iter().any(|matcher| matcher.name() == name)
    }
}
