//! Which series of two vectors belong together.

use chronoxide_model::{Labels, METRIC_NAME};

use crate::Error;
use crate::eval::{Evaluation, LabelTable, Place, StepSeries};
use crate::plan::{Grouping, Matching};

/// The labels of `labels` that must agree with those of the other side.
pub(super) fn signature(matching: &Matching, labels: &Labels) -> Labels {
    match &matching.labels {
        Grouping::By(names) => labels.filtered(|name| names.iter().any(|n| n == name)),
        Grouping::Without(names) => {
            labels.filtered(|name| name != METRIC_NAME && !names.iter().any(|n| n == name))
        }
    }
}

/// Series of both sides with the same signature.
#[derive(Debug, Default)]
pub(super) struct MatchGroup {
    /// The signature.
    pub(super) labels: Labels,
    /// Which series of the left vector.
    pub(super) left: Vec<usize>,
    /// Which series of the right vector.
    pub(super) right: Vec<usize>,
}

/// Sorts the series of both sides into groups, in the order in which their signatures first come.
///
/// # Errors
/// When the query is to stop.
pub(super) fn match_groups(
    evaluation: &Evaluation<'_>,
    matching: &Matching,
    left: &[StepSeries],
    right: &[StepSeries],
) -> Result<Vec<MatchGroup>, Error> {
    let mut groups: Vec<MatchGroup> = Vec::new();
    let mut places = LabelTable::default();
    let mut group_of = |groups: &mut Vec<MatchGroup>, series: &StepSeries| {
        evaluation.check()?;
        let labels = signature(matching, &series.labels);
        Ok::<_, Error>(
            match places.place(&labels, |number| groups[number].labels == labels) {
                Place::Known(number) => number,
                Place::New(number) => {
                    groups.push(MatchGroup {
                        labels,
                        ..MatchGroup::default()
                    });
                    number
                }
            },
        )
    };
    for (index, series) in left.iter().enumerate() {
        let group = group_of(&mut groups, series)?;
        groups[group].left.push(index);
    }
    for (index, series) in right.iter().enumerate() {
        let group = group_of(&mut groups, series)?;
        groups[group].right.push(index);
    }
    Ok(groups)
}

/// At which steps any of `series` has a value.
pub(super) fn present_steps<'s>(
    series: impl IntoIterator<Item = &'s StepSeries>,
    steps: usize,
) -> Vec<bool> {
    let mut present = vec![false; steps];
    for one in series {
        mark_present(one, &mut present);
    }
    present
}

/// Marks the steps at which `series` has a value.
pub(super) fn mark_present(series: &StepSeries, present: &mut [bool]) {
    for (step, seen) in present.iter_mut().enumerate() {
        *seen |= !series.column.is_absent(step);
    }
}
