//! Which series of two vectors belong together.

use std::collections::HashMap;

use chronoxide_model::{Labels, METRIC_NAME};

use crate::eval::StepSeries;
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
pub(super) fn match_groups(
    matching: &Matching,
    left: &[StepSeries],
    right: &[StepSeries],
) -> Vec<MatchGroup> {
    let mut groups: Vec<MatchGroup> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(left.len());
    let mut group_of = |groups: &mut Vec<MatchGroup>, series: &StepSeries| {
        let labels = signature(matching, &series.labels);
        *places.entry(labels).or_insert_with_key(|labels| {
            groups.push(MatchGroup {
                labels: labels.clone(),
                ..MatchGroup::default()
            });
            groups.len() - 1
        })
    };
    for (index, series) in left.iter().enumerate() {
        let group = group_of(&mut groups, series);
        groups[group].left.push(index);
    }
    for (index, series) in right.iter().enumerate() {
        let group = group_of(&mut groups, series);
        groups[group].right.push(index);
    }
    groups
}

/// At which steps any of `series` has a value.
pub(super) fn present_steps<'s>(
    series: impl IntoIterator<Item = &'s StepSeries>,
    steps: usize,
) -> Vec<bool> {
    let mut present = vec![false; steps];
    for one in series {
        for (step, seen) in present.iter_mut().enumerate() {
            *seen |= !one.column.is_absent(step);
        }
    }
    present
}
