//! Which series fall together, and their accumulation group by group.

use std::sync::atomic::{AtomicBool, Ordering};

use chronoxide_model::{Labels, METRIC_NAME};

use super::notes::Notes;
use crate::Error;
use crate::eval::{Charge, Column, Evaluation, LabelTable, Place, Sink, Size, StepSeries};
use crate::plan::{Aggregate, Grouping};

/// The labels of the group that a series with `labels` belongs to.
pub(super) fn group_labels(grouping: &Grouping, labels: &Labels) -> Labels {
    match grouping {
        Grouping::By(names) if names.is_empty() => Labels::empty(),
        Grouping::By(names) => labels.filtered(|name| names.iter().any(|n| n == name)),
        Grouping::Without(names) => {
            labels.filtered(|name| name != METRIC_NAME && !names.iter().any(|n| n == name))
        }
    }
}

/// Numbers groups in the order in which they first come.
#[derive(Debug, Default)]
pub(super) struct GroupNumbers {
    table: LabelTable,
    groups: Vec<Labels>,
}

impl GroupNumbers {
    /// The number of the group of `labels`, and its labels if it is new.
    pub(super) fn number(
        &mut self,
        grouping: &Grouping,
        labels: &Labels,
    ) -> (usize, Option<Labels>) {
        let group = group_labels(grouping, labels);
        let known = &self.groups;
        match self.table.place(&group, |number| known[number] == group) {
            Place::Known(number) => (number, None),
            Place::New(number) => {
                self.groups.push(group.clone());
                (number, Some(group))
            }
        }
    }
}

/// What one group gathers over all steps.
pub(super) trait Accumulator {
    /// Adds the values of a series.
    fn add(&mut self, series: &StepSeries, notes: &mut Notes<'_>);

    /// How many values of `series` are kept one by one, besides what is kept at each step.
    fn kept(&self, _series: &StepSeries) -> usize {
        0
    }

    /// Whether no series can change the group any more.
    fn is_complete(&self) -> bool {
        false
    }

    /// The values of the group.
    fn finish(self, notes: &mut Notes<'_>) -> Column;
}

struct Group<A> {
    labels: Labels,
    drop_name: bool,
    accumulator: A,
    charges: Vec<Charge>,
}

/// Counts a group with `labels` that keeps a number for each step.
///
/// # Errors
/// When the query would hold too much.
pub(super) fn charge_group(evaluation: &Evaluation<'_>, labels: &Labels) -> Result<Charge, Error> {
    let column = Size::of_floats(evaluation.steps.count);
    Charge::new(&evaluation.query.meter, column.and(Size::of_labels(labels)))
}

/// Adds up the series of `aggregate` group by group and hands the groups on.
pub(super) fn accumulate<A: Accumulator>(
    evaluation: &Evaluation<'_>,
    aggregate: &Aggregate,
    new: impl Fn() -> A,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let mut notes = Notes::new(evaluation, aggregate);
    let mut numbers = GroupNumbers::default();
    let mut groups: Vec<Group<A>> = Vec::new();
    let enough = AtomicBool::new(false);
    let inside = evaluation.until(&enough, &aggregate.inner);
    let added = inside.for_each(&aggregate.inner, &mut |series| {
        if series.column.is_empty() {
            return Ok(());
        }
        let (number, labels) = numbers.number(&aggregate.grouping, &series.labels);
        if let Some(labels) = labels {
            groups.push(Group {
                // Counted before its memory is taken.
                charges: vec![charge_group(evaluation, &labels)?],
                labels,
                drop_name: false,
                accumulator: new(),
            });
        }
        let group = &mut groups[number];
        group.drop_name |= series.drop_name;
        let kept = group.accumulator.kept(&series);
        if kept > 0 {
            let charge = Charge::new(&evaluation.query.meter, Size::of_floats(kept))?;
            group.charges.push(charge);
        }
        group.accumulator.add(&series, &mut notes);
        if aggregate.grouping.is_of_all() && group.accumulator.is_complete() {
            enough.store(true, Ordering::Relaxed);
        }
        Ok(())
    });
    if let Err(error) = added {
        notes.annotate();
        return Err(error);
    }
    let finished = groups.into_iter().try_for_each(|group| {
        evaluation.check()?;
        let column = group.accumulator.finish(&mut notes);
        if column.is_empty() {
            return Ok(());
        }
        sink(StepSeries::new(group.labels, column, group.drop_name).with_made_labels())
    });
    notes.annotate();
    finished
}
